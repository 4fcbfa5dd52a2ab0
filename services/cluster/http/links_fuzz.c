/* SPDX-License-Identifier: Apache-2.0 */

/* Any bytes as a page, in pieces of any size: what goes on does not depend on the pieces, and nothing else is changed than links. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/http/links.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct text through(const struct links_rule *r, const char *page, size_t len, size_t piece)
{
	struct links l = {.rule = r};
	struct text out = {0};

	for (size_t at = 0; at < len; at += piece)
		links_feed(&l, page + at, len - at < piece ? len - at : piece, &out);
	links_end(&l, &out);
	return out;
}

static void check_same(const struct text *a, const char *bytes, size_t len)
{
	if (!a->failed && (a->len != len || (len && memcmp(a->bytes, bytes, len) != 0)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct links_rule proxy = {"/proxy", {"host:80", "api", NULL}}, none = {"", {NULL}};
	const char *page = (const char *)data + 1;
	struct text whole, pieces, plain;

	if (size < 2)
		return 0;
	size--;
	whole = through(&proxy, page, size, size);
	pieces = through(&proxy, page, size, 1 + data[0] % 16);
	plain = through(&none, page, size, size);
	if (!whole.failed)
		check_same(&pieces, whole.bytes, whole.len);
	check_same(&plain, page, size);
	text_fini(&whole);
	text_fini(&pieces);
	text_fini(&plain);
	return 0;
}
