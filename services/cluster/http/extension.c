/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Requests for groups and versions that an extension API server serves: they go on to it, with who asks in headers that it believes
 * because of the certificate that is shown with them. What it serves is in discovery, as it said when it was last asked.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/extensions/extensions.h"
#include "cluster/http/http_int.h"
#include "cluster/http/relay.h"
#include "lib/json.h"

/* ---- on to it */

/* As upstream: no Status, so that clients say it in their own words. */
static void reply_unavailable(struct request *q)
{
	reply_plain(q, 503, "text/plain; charset=utf-8", "service unavailable\n");
}

/* What it would read as another path than the one that was authorized. */
static bool is_ambiguous(const struct request *q)
{
	for (size_t i = 0; i < q->n_segments; i++)
		if (!strcmp(q->segments[i], ".") || !strcmp(q->segments[i], ".."))
			return true;
	return path_has_slash(q) || strstr(http_raw_path(q->http), "//") || q->n_segments == API_SEGMENTS_MAX;
}

void extension_relay(struct request *q, struct extension *e)
{
	const char *query = http_raw_query(q->http);
	cleanup(freep) char *why = NULL;
	struct text target = {0};
	char address[64];
	int port;

	if (is_ambiguous(q)) {
		reply_status(
			q, status_bad_request("the path has empty segments, \".\", \"..\", a slash that is "
					      "encoded, or too many segments: it is not handed on"));
		return;
	}
	if (!e->available || extension_place(q->api->registry, e, address, sizeof(address), &port, &why)) {
		reply_unavailable(q);
		return;
	}
	text_puts(&target, http_raw_path(q->http));
	if (*query) {
		text_puts(&target, "?");
		text_puts(&target, query);
	}
	if (target.failed)
		reply_status(q, status_errno(-ENOMEM, "relay"));
	else
		relay_start(q, &(struct relay_target){.address = address,
				       .port = port,
				       .tls = RELAY_EXTENSION,
				       .extension = e,
				       .target = target.bytes});
	text_fini(&target);
}

void handle_extension(struct request *q)
{
	struct extension *e =
		extensions_find(registry_extensions(q->api->registry), q->kind->group, q->kind->version);

	/* it may have gone while the request waited for its turn */
	if (e)
		extension_relay(q, e);
	else
		reply_status(q, status_unknown_path());
}

/* ---- in discovery */

static void add_text(struct text *t, const char *key, const char *value)
{
	text_printf(t, "\"%s\":", key);
	text_quote(t, value);
	text_puts(t, ",");
}

static void add_texts(struct text *t, const char *key, yyjson_val *list)
{
	const char *comma = "";
	yyjson_val *v;
	size_t i, n;

	text_printf(t, "\"%s\":[", key);
	yyjson_arr_foreach (list, i, n, v)
		if (yyjson_is_str(v)) {
			text_puts(t, comma);
			text_quote(t, yyjson_get_str(v));
			comma = ",";
		}
	text_puts(t, "]");
}

static void add_kind(struct text *t, const struct extension *e, yyjson_val *resource)
{
	text_puts(t, "\"responseKind\":{");
	add_text(t, "group", json_text(resource, "group") ?: e->group);
	add_text(t, "version", json_text(resource, "version") ?: e->version);
	text_puts(t, "\"kind\":");
	text_quote(t, json_str(resource, "kind") ?: "");
	text_puts(t, "},");
}

/* One of the list, whose name is RESOURCE or RESOURCE/SUBRESOURCE. */
struct entry {
	const char *name, *sub; /* sub: what follows the slash; NULL: it is a resource */
	size_t len;		/* of RESOURCE */
	yyjson_val *value;
};

static int by_resource(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int differ = strncmp(x->name, y->name, x->len < y->len ? x->len : y->len);

	differ = differ ?: (x->len > y->len) - (x->len < y->len);
	return differ ?: strcmp(x->sub ?: "", y->sub ?: "");
}

/* What has a name, subresources behind their resources; malloc'ed. NULL: no memory. */
static struct entry *entries_of(yyjson_val *list, size_t *n)
{
	struct entry *all = calloc(yyjson_arr_size(list) + 1, sizeof(*all));
	yyjson_val *v;
	size_t i, max;

	*n = 0;
	yyjson_arr_foreach (list, i, max, v) {
		const char *name = json_text(v, "name"), *slash = name ? strchr(name, '/') : NULL;

		if (all && name)
			all[(*n)++] = (struct entry){.name = name,
				.sub = slash ? slash + 1 : NULL,
				.len = slash ? (size_t)(slash - name) : strlen(name),
				.value = v};
	}
	if (all)
		qsort(all, *n, sizeof(*all), by_resource);
	return all;
}

static bool of_one_resource(const struct entry *a, const struct entry *b)
{
	return a->len == b->len && !strncmp(a->name, b->name, a->len);
}

static void add_subresources(
	struct text *t, const struct extension *e, const struct entry *s, const struct entry *end)
{
	const char *comma = "";

	text_puts(t, "\"subresources\":[");
	for (; s < end; s++) {
		text_printf(t, "%s{", comma);
		add_text(t, "subresource", s->sub);
		add_kind(t, e, s->value);
		add_texts(t, "verbs", json_arr(s->value, "verbs"));
		text_puts(t, "}");
		comma = ",";
	}
	text_puts(t, "],");
}

/*
 * A resource with its subresources, from @s to @end. Metrics adapters list subresources alone: then it is there for them, without a
 * kind and verbs of its own.
 */
static void add_resource(
	struct text *t, const struct extension *e, const struct entry *s, const struct entry *end)
{
	yyjson_val *own = s->sub ? NULL : s->value;
	char name[256];

	snprintf(name, sizeof(name), "%.*s", (int)(s->len < 255 ? s->len : 255), s->name);
	text_puts(t, "{");
	add_text(t, "resource", name);
	if (own)
		add_kind(t, e, own);
	else
		text_puts(t, "\"responseKind\":{\"group\":\"\",\"version\":\"\",\"kind\":\"\"},");
	add_text(t, "scope", json_bool(s->value, "namespaced") ? "Namespaced" : "Cluster");
	add_text(t, "singularResource", json_str(own, "singularName") ?: "");
	add_texts(t, "shortNames", json_arr(own, "shortNames"));
	text_puts(t, ",");
	add_texts(t, "categories", json_arr(own, "categories"));
	text_puts(t, ",");
	add_subresources(t, e, own ? s + 1 : s, end);
	add_texts(t, "verbs", json_arr(own, "verbs"));
	text_puts(t, "}");
}

void extension_discovery(struct text *t, const struct extension *e)
{
	size_t n = 0;
	struct entry *all = entries_of(json_arr(yyjson_doc_get_root(e->resources), "resources"), &n);

	text_printf(t, "{\"version\":\"%s\",\"freshness\":\"%s\",\"resources\":[", e->version,
		all && e->available && e->resources ? "Current" : "Stale");
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && of_one_resource(&all[i], &all[end]);)
			end++;
		text_puts(t, i ? "," : "");
		add_resource(t, e, &all[i], &all[end]);
	}
	text_puts(t, "]}");
	free(all);
}
