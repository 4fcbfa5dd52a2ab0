/* SPDX-License-Identifier: Apache-2.0 */

/* Any text as a token, and as each part of a good one: what is taken says what was signed. */

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/access/jwt.h"
#include "lib/json.h"

enum { TEXT_MAX = 20000 };

static const char claims[] = "{\"sub\":\"system:serviceaccount:default:builder\",\"exp\":1}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try(struct jwt *j, const char *token)
{
	yyjson_doc *doc = jwt_read(j, token);
	const char *sub = json_str(yyjson_doc_get_root(doc), "sub");

	assert(!doc || (sub && !strcmp(sub, "system:serviceaccount:default:builder")));
	yyjson_doc_free(doc);
}

/* The good token with another text in the place of its n-th part. */
static char *with_part(const char *good, int n, const char *text)
{
	const char *begin = good, *end;
	char *token;

	for (int i = 0; i < n; i++)
		begin = strchr(begin, '.') + 1;
	end = begin + strcspn(begin, ".");
	return asprintf(&token, "%.*s%s%s", (int)(begin - good), good, text, end) < 0 ? NULL : token;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct jwt *j;
	static char *good;
	char *text;

	if (!j && (jwt_open(&j, NULL) || !(good = jwt_make(j, claims, strlen(claims)))))
		abort();
	if (size > TEXT_MAX)
		return 0;
	text = strndup((const char *)data, size);
	if (!text)
		return 0;
	try(j, text);
	for (int i = 0; i < 3; i++) {
		char *token = with_part(good, i, text);

		if (token)
			try(j, token);
		free(token);
	}
	try(j, good);
	free(text);
	return 0;
}
