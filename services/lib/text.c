/* SPDX-License-Identifier: Apache-2.0 */

#include <string.h>

#include "lib/text.h"

void text_end_whole(char *text)
{
	size_t len = strlen(text), i = len, follow = 0;
	unsigned char first;

	while (i && ((unsigned char)text[i - 1] & 0xc0) == 0x80)
		i--;
	if (!i)
		return;
	first = (unsigned char)text[i - 1];
	follow += first >= 0xc0;
	follow += first >= 0xe0;
	follow += first >= 0xf0;
	if (len - i < follow)
		text[i - 1] = '\0';
}
