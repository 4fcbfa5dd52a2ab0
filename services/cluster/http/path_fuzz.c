/* SPDX-License-Identifier: Apache-2.0 */

/* Any text as the path of a request: what it is found to be about are pieces of it, and no piece holds a slash that was sent. */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

/* The path comes from here instead of from a connection, and so does which group another server answers for. */
#define http_raw_path	    fuzzed_path
#define registry_extensions fuzzed_extensions
#define extensions_find	    fuzzed_extension
#include "cluster/http/server.c"

enum { TEXT_MAX = 16384 };

static const char *raw;

const char *fuzzed_path(const struct http_req *r)
{
	return raw;
}

struct extensions *fuzzed_extensions(const struct registry *r)
{
	return NULL;
}

struct extension *fuzzed_extension(const struct extensions *x, const char *group, const char *version)
{
	return strcmp(group, "foreign") ? NULL : (struct extension *)(uintptr_t)group;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(struct request *q)
{
	size_t sum = 0;
	bool found;

	assert(q->n_segments <= API_SEGMENTS_MAX);
	for (size_t i = 0; i < q->n_segments; i++)
		sum += strlen(q->segments[i]);
	assert(sum <= strlen(raw));
	for (size_t i = 0; i < q->n_segments; i++)
		assert(strchr(raw, '%') || strstr(raw, q->segments[i]));
	found = find_resource(q);
	assert(found);
	assert(q->about_resource || !q->kind);
	assert(!q->foreign || (q->kind == q->foreign && *q->foreign->plural));
	assert(!*q->ns || q->foreign || (q->kind && q->kind->flags & SCHEMA_NAMESPACED));
	assert(!q->sub || (*q->name && *q->subresource));
	assert(!*q->rest || (q->rest > raw && q->rest <= raw + strlen(raw)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct api api = {0};
	struct request q = {.api = &api, .ns = "", .name = "", .subresource = "", .rest = "", .verb = ""};
	char *text = size > TEXT_MAX ? NULL : strndup((const char *)data, size);

	if (!text)
		return 0;
	raw = text;
	(void)path_is_open(text);
	if (!split(&q))
		look(&q);
	free(q.foreign);
	free(q.path);
	free(text);
	return 0;
}
