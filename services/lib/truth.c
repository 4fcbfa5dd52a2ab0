/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <string.h>

#include "lib/truth.h"

int truth_parse(const char *text, size_t len)
{
	static const char *const words[2][6] = {
		{"0", "f", "F", "false", "False", "FALSE"}, {"1", "t", "T", "true", "True", "TRUE"}};

	for (int value = 0; value < 2; value++)
		for (size_t i = 0; i < array_len(words[value]); i++)
			if (strlen(words[value][i]) == len && !memcmp(words[value][i], text, len))
				return value;
	return -EINVAL;
}
