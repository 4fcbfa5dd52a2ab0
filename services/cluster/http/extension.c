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
		if (!strcmp(q->segments[i], ".") || !strcmp(q->segments[i], "..") ||
			strchr(q->segments[i], '/'))
			return true;
	return strstr(http_raw_path(q->http), "//") || q->n_segments == API_SEGMENTS_MAX;
}

void extension_relay(struct request *q, const struct extension *e)
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
	const struct extension *e =
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

/* RESOURCE/SUBRESOURCE of this resource; else NULL. */
static const char *subresource_of(const char *name, const char *resource)
{
	size_t len = strlen(resource);

	return name && !strncmp(name, resource, len) && name[len] == '/' ? name + len + 1 : NULL;
}

static void add_subresources(struct text *t, const struct extension *e, yyjson_val *all, const char *resource)
{
	const char *comma = "";
	yyjson_val *v;
	size_t i, n;

	text_puts(t, "\"subresources\":[");
	yyjson_arr_foreach (all, i, n, v) {
		const char *name = subresource_of(json_str(v, "name"), resource);

		if (!name)
			continue;
		text_printf(t, "%s{", comma);
		add_text(t, "subresource", name);
		add_kind(t, e, v);
		add_texts(t, "verbs", json_arr(v, "verbs"));
		text_puts(t, "}");
		comma = ",";
	}
	text_puts(t, "],");
}

static void add_resource(struct text *t, const struct extension *e, yyjson_val *all, yyjson_val *v)
{
	const char *name = json_text(v, "name");

	text_puts(t, "{");
	add_text(t, "resource", name);
	add_kind(t, e, v);
	add_text(t, "scope", json_bool(v, "namespaced") ? "Namespaced" : "Cluster");
	add_text(t, "singularResource", json_str(v, "singularName") ?: "");
	add_texts(t, "shortNames", json_arr(v, "shortNames"));
	text_puts(t, ",");
	add_texts(t, "categories", json_arr(v, "categories"));
	text_puts(t, ",");
	add_subresources(t, e, all, name);
	add_texts(t, "verbs", json_arr(v, "verbs"));
	text_puts(t, "}");
}

void extension_discovery(struct text *t, const struct extension *e)
{
	yyjson_val *all = json_arr(yyjson_doc_get_root(e->resources), "resources"), *v;
	const char *comma = "";
	size_t i, n;

	text_printf(t, "{\"version\":\"%s\",\"freshness\":\"%s\",\"resources\":[", e->version,
		e->available ? "Current" : "Stale");
	yyjson_arr_foreach (all, i, n, v) {
		const char *name = json_text(v, "name");

		if (!name || strchr(name, '/'))
			continue;
		text_puts(t, comma);
		add_resource(t, e, all, v);
		comma = ",";
	}
	text_puts(t, "]}");
}
