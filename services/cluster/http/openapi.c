/* SPDX-License-Identifier: Apache-2.0 */

/*
 * OpenAPI v3: an index with a hash for each group and version, and the documents, which are made when first asked for and
 * kept compressed. The hash in the address lets a client keep one for ever.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "cluster/extensions/extensions.h"
#include "cluster/http/http_int.h"
#include "cluster/schema/custom.h"
#include "cluster/schema/openapi.h"
#include "lib/log.h"

enum { KINDS_MAX = 256 };

struct openapi_cache {
	size_t n;
	uint64_t changes; /* custom_changes() when it was made */
	struct document {
		char path[400]; /* "apis/apps/v1" */
		char hash[65];
		void *gzip; /* owned; NULL: not made yet */
		size_t gzip_len, len;
	} documents[];
};

static size_t kinds_of(const char *group, const char *version, const struct schema_kind **out)
{
	size_t n, found = 0;
	const struct schema_kind *const *k = custom_all(&n);

	for (size_t i = 0; k && i < n && found < KINDS_MAX; i++)
		if (!strcmp(k[i]->group, group) && !strcmp(k[i]->version, version))
			out[found++] = k[i];
	return found;
}

static struct openapi_cache *cache_of(struct api *a)
{
	size_t n;
	const struct schema_group_version *gv = custom_group_versions(&n);
	const struct schema_kind *kinds[KINDS_MAX];
	struct openapi_cache *c = a->openapi;

	if (c && c->changes == custom_changes())
		return c;
	openapi_cache_free(c);
	a->openapi = NULL;
	c = gv ? calloc(1, sizeof(*c) + n * sizeof(c->documents[0])) : NULL;
	if (!c)
		return NULL;
	c->changes = custom_changes();
	for (size_t i = 0; i < n; i++) {
		struct document *d = &c->documents[c->n++];

		snprintf(d->path, sizeof(d->path), *gv[i].group ? "apis/%s/%s" : "api%s/%s", gv[i].group,
			gv[i].version);
		openapi_hash(kinds, kinds_of(gv[i].group, gv[i].version, kinds), d->hash);
	}
	a->openapi = c;
	return c;
}

void openapi_cache_free(struct openapi_cache *c)
{
	for (size_t i = 0; c && i < c->n; i++)
		free(c->documents[i].gzip);
	free(c);
}

/* Those of extensions follow; their paths are @paths's. */
struct foreign_path {
	char text[600];
};

static size_t foreign_entries(const struct api *a, struct openapi_entry *out, struct foreign_path *paths)
{
	size_t n = 0;

	for (const struct extension *e = extensions_first(registry_extensions(a->registry)); e; e = e->next) {
		if (!e->openapi || !e->available)
			continue;
		if (out) {
			snprintf(paths[n].text, sizeof(paths[n].text), "apis/%s/%s", e->group, e->version);
			out[n] = (struct openapi_entry){paths[n].text, e->openapi};
		}
		n++;
	}
	return n;
}

void handle_openapi_index(struct request *q)
{
	struct openapi_cache *c = cache_of(q->api);
	size_t foreign = foreign_entries(q->api, NULL, NULL), len;
	cleanup(freep) struct openapi_entry *entries =
		c ? calloc(c->n + foreign + 1, sizeof(*entries)) : NULL;
	cleanup(freep) struct foreign_path *paths = calloc(foreign + 1, sizeof(*paths));
	cleanup(freep) char *json = NULL;

	for (size_t i = 0; entries && i < c->n; i++)
		entries[i] = (struct openapi_entry){c->documents[i].path, c->documents[i].hash};
	if (entries && paths)
		json = openapi_index(entries, c->n + foreign_entries(q->api, entries + c->n, paths), &len);
	if (json)
		reply_bytes(q, 200, json, len);
	else
		reply_status(q, status_errno(-ENOMEM, "openapi"));
}

/* ---- documents */

static int compress_document(struct document *d, const char *json, size_t len)
{
	z_stream z = {0};
	size_t room;
	int r;

	if (deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	room = deflateBound(&z, len);
	d->gzip = malloc(room);
	if (!d->gzip) {
		deflateEnd(&z);
		return -ENOMEM;
	}
	z.next_in = (Bytef *)(uintptr_t)json;
	z.avail_in = (uInt)len;
	z.next_out = d->gzip;
	z.avail_out = (uInt)room;
	r = deflate(&z, Z_FINISH);
	d->gzip_len = room - z.avail_out;
	d->len = len;
	deflateEnd(&z);
	if (r != Z_STREAM_END) {
		free(d->gzip);
		d->gzip = NULL;
		return -EIO;
	}

	void *fitted = realloc(d->gzip, d->gzip_len);

	if (fitted)
		d->gzip = fitted;
	return 0;
}

static int make(struct document *d)
{
	const struct schema_kind *kinds[KINDS_MAX];
	const char *version = strrchr(d->path, '/') + 1;
	char group[256] = "";
	size_t len;
	char *json;
	int err;

	if (d->gzip)
		return 0;
	if (!strncmp(d->path, "apis/", 5))
		snprintf(group, sizeof(group), "%.*s", (int)(version - 1 - (d->path + 5)), d->path + 5);
	json = openapi_document(kinds, kinds_of(group, version, kinds), &len);
	if (!json)
		return -ENOMEM;
	err = compress_document(d, json, len);
	free(json);
	return err;
}

static void send_plain(struct request *q, const struct document *d)
{
	z_stream z = {.next_in = d->gzip, .avail_in = (uInt)d->gzip_len};
	char *json = malloc(d->len + 1);
	bool ok = json && inflateInit2(&z, 15 + 16) == Z_OK;

	if (ok) {
		z.next_out = (Bytef *)json;
		z.avail_out = (uInt)d->len + 1;
		ok = inflate(&z, Z_FINISH) == Z_STREAM_END;
		inflateEnd(&z);
	}
	if (ok)
		reply_bytes(q, 200, json, d->len);
	else
		reply_status(q, status_errno(-ENOMEM, "openapi"));
	free(json);
}

void handle_openapi_document(struct request *q)
{
	const char *path = http_path(q->http) + strlen("/openapi/v3/");
	struct openapi_cache *c = cache_of(q->api);
	struct document *d = NULL;
	struct extension *e = q->n_segments == 5 && !strcmp(q->segments[2], "apis")
				      ? extensions_find(registry_extensions(q->api->registry), q->segments[3],
						q->segments[4])
				      : NULL;
	char tag[70];

	if (e) {
		extension_relay(q, e);
		return;
	}
	for (size_t i = 0; c && i < c->n; i++)
		if (!strcmp(c->documents[i].path, path))
			d = &c->documents[i];
	if (!c || (d && make(d))) {
		reply_status(q, status_errno(-ENOMEM, "openapi"));
		return;
	}
	if (!d) {
		reply_status(q, status_unknown_path());
		return;
	}
	snprintf(tag, sizeof(tag), "\"%s\"", d->hash);
	(void)!http_set_header(q->http, "ETag", tag);
	(void)!http_set_header(q->http, "Vary", "Accept, Accept-Encoding");
	if (http_query(q->http, "hash"))
		(void)!http_set_header(q->http, "Cache-Control", "public, immutable");
	if (!gzip_is_taken(q)) {
		send_plain(q, d);
		return;
	}
	(void)!http_set_header(q->http, "Content-Encoding", "gzip");
	request_answers(q);
	q->api->served[2]++;
	http_reply(q->http, 200, "application/json", d->gzip, d->gzip_len);
}
