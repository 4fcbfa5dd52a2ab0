/* SPDX-License-Identifier: Apache-2.0 */

/* Query strings come apart within bounds, and what was decoded encodes to something that decodes to the same.
 */

#include <stdlib.h>
#include <string.h>

#include "lib/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct uri_pair pairs[16];
	char *s = malloc(size + 1);
	ssize_t n;

	if (!s)
		abort();
	memcpy(s, data, size);
	s[size] = 0;
	n = uri_query(s, pairs, array_len(pairs));
	for (ssize_t i = 0; i < n; i++) {
		char *e = uri_encode(pairs[i].value);
		ssize_t m = uri_decode(e, strlen(e), true);

		if (m < 0 || (size_t)m != strlen(pairs[i].value) || memcmp(e, pairs[i].value, (size_t)m) != 0)
			abort();
		free(e);
	}
	free(s);
	return 0;
}
