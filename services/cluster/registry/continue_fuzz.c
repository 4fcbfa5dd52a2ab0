/* SPDX-License-Identifier: Apache-2.0 */

/* Any text as a continue token: what is taken is of the list that is asked for, and made again it is read as the same. */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "cluster/registry/list.c"
#include "cluster/schema/status.h"

enum { TEXT_MAX = 8192 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *token, const char *prefix)
{
	char *start = NULL, *again = NULL, *made;
	int64_t revision = 0, second = 0;
	struct status *no = token_read(token, prefix, &revision, &start);

	if (no) {
		assert(no->code == 400 && !start);
		status_free(no);
		return;
	}
	assert((revision == -1 || revision > 0) && !strncmp(start, prefix, strlen(prefix)));
	made = token_make(revision, start);
	assert(made);
	/* a token that was too long to be taken again was not ours either */
	no = strlen(made) > 4096 ? NULL : token_read(made, prefix, &second, &again);
	assert(!no && (!again || (second == revision && !strcmp(again, start))));
	free(made);
	free(again);
	free(start);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = size > TEXT_MAX ? NULL : strndup((const char *)data, size);
	char *inside;

	if (!text)
		return 0;
	check(text, "pods/");
	/* as what a token holds, which a fuzzer would have to spell in base64 */
	inside = base64_make(data, size);
	if (inside)
		check(inside, "pods/");
	free(inside);
	free(text);
	return 0;
}
