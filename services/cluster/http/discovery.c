/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Discovery: which groups, versions, kinds and verbs there are, read from the tables. Two forms of it: a document for each
 * group and version, and one for everything (apidiscovery.k8s.io), which clients keep as long as its ETag stands.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/extensions/extensions.h"
#include "cluster/http/http_int.h"
#include "cluster/schema/custom.h"
#include "lib/sha256.h"

static const struct {
	uint16_t flag;
	const char *name;
} verb_names[] = {
	{SCHEMA_CREATE, "create"},
	{SCHEMA_DELETE, "delete"},
	{SCHEMA_DELETE_COLLECTION, "deletecollection"},
	{SCHEMA_GET, "get"},
	{SCHEMA_LISTS, "list"},
	{SCHEMA_PATCH, "patch"},
	{SCHEMA_UPDATE, "update"},
	{SCHEMA_WATCH, "watch"},
};

static void add_verbs(struct text *t, uint16_t verbs)
{
	const char *comma = "";

	text_puts(t, "\"verbs\":[");
	for (size_t i = 0; i < array_len(verb_names); i++)
		if (verbs & verb_names[i].flag) {
			text_printf(t, "%s\"%s\"", comma, verb_names[i].name);
			comma = ",";
		}
	text_puts(t, "]");
}

static void add_texts(struct text *t, const char *key, const char *const *list)
{
	if (!list || !*list)
		return;
	text_printf(t, "\"%s\":[", key);
	for (size_t i = 0; list[i]; i++)
		text_printf(t, "%s\"%s\"", i ? "," : "", list[i]);
	text_puts(t, "],");
}

/* Of this server and of others. */
static const struct schema_group_version *served(const struct api *a, size_t *n)
{
	return extensions_group_versions(registry_extensions(a->registry), n);
}

static struct extension *extension_of(const struct api *a, const char *group, const char *version)
{
	return extensions_find(registry_extensions(a->registry), group, version);
}

static bool has_kinds(const char *group, const char *version)
{
	size_t n;
	const struct schema_kind *const *k = custom_all(&n);

	for (size_t i = 0; k && i < n; i++)
		if (!strcmp(k[i]->group, group) && !strcmp(k[i]->version, version))
			return true;
	return false;
}

/* ---- one document a group and version */

static void add_resource(struct text *t, const struct schema_kind *k, const char *comma)
{
	text_printf(t, "%s{\"name\":\"%s\",\"singularName\":\"%s\",\"namespaced\":%s,\"kind\":\"%s\",", comma,
		k->plural, k->singular, k->flags & SCHEMA_NAMESPACED ? "true" : "false", k->kind);
	add_texts(t, "shortNames", k->short_names);
	add_texts(t, "categories", k->categories);
	add_verbs(t, k->verbs);
	text_puts(t, "}");
	for (size_t i = 0; i < k->n_subresources; i++) {
		const struct schema_subresource *s = &k->subresources[i];

		text_printf(t, ",{\"name\":\"%s/%s\",\"singularName\":\"\",\"namespaced\":%s,", k->plural,
			s->name, k->flags & SCHEMA_NAMESPACED ? "true" : "false");
		if (s->kind && *s->group)
			text_printf(t, "\"group\":\"%s\",\"version\":\"%s\",", s->group, s->version);
		text_printf(t, "\"kind\":\"%s\",", s->kind ? s->kind : k->kind);
		add_verbs(t, s->verbs);
		text_puts(t, "}");
	}
}

static void reply_text(struct request *q, struct text *t)
{
	if (t->failed)
		reply_status(q, status_errno(-ENOMEM, "discovery"));
	else
		reply_bytes(q, 200, t->bytes, t->len);
	text_fini(t);
}

void handle_resources(struct request *q)
{
	bool core = !strcmp(q->segments[0], "api");
	const char *group = core ? "" : q->segments[1], *version = q->segments[core ? 1 : 2], *comma = "";
	size_t n;
	const struct schema_kind *const *k = custom_all(&n);
	struct extension *e = extension_of(q->api, group, version);
	struct text t = {0};

	if (e) {
		extension_relay(q, e);
		return;
	}
	if (!has_kinds(group, version)) {
		reply_status(q, status_unknown_path());
		return;
	}
	text_printf(&t,
		"{\"kind\":\"APIResourceList\",\"apiVersion\":\"v1\",\"groupVersion\":\"%s%s%s\",\"resources\":[",
		group, *group ? "/" : "", version);
	for (size_t i = 0; k && i < n; i++)
		if (!strcmp(k[i]->group, group) && !strcmp(k[i]->version, version)) {
			add_resource(&t, k[i], comma);
			comma = ",";
		}
	text_puts(&t, "]}");
	reply_text(q, &t);
}

static void add_group(const struct api *a, struct text *t, const char *group, bool alone)
{
	size_t n, versions = 0;
	const struct schema_group_version *gv = served(a, &n);

	text_printf(t,
		alone ? "{\"kind\":\"APIGroup\",\"apiVersion\":\"v1\",\"name\":\"%s\",\"versions\":["
		      : "{\"name\":\"%s\",\"versions\":[",
		group);
	for (size_t i = 0; gv && i < n; i++)
		if (!strcmp(gv[i].group, group))
			text_printf(t, "%s{\"groupVersion\":\"%s/%s\",\"version\":\"%s\"}",
				versions++ ? "," : "", group, gv[i].version, gv[i].version);
	text_puts(t, "],\"preferredVersion\":");
	for (size_t i = 0; gv && i < n; i++)
		if (!strcmp(gv[i].group, group)) {
			text_printf(t, "{\"groupVersion\":\"%s/%s\",\"version\":\"%s\"}}", group,
				gv[i].version, gv[i].version);
			break;
		}
}

void handle_group(struct request *q)
{
	size_t n;
	const struct schema_group_version *gv = served(q->api, &n);
	struct text t = {0};

	for (size_t i = 0; gv && i < n; i++)
		if (*gv[i].group && !strcmp(gv[i].group, q->segments[1])) {
			add_group(q->api, &t, q->segments[1], true);
			reply_text(q, &t);
			return;
		}
	reply_status(q, status_unknown_path());
}

/* ---- everything in one */

static void add_response_kind(struct text *t, const char *group, const char *version, const char *kind)
{
	text_printf(t, "\"responseKind\":{\"group\":\"%s\",\"version\":\"%s\",\"kind\":\"%s\"},", group,
		version, kind);
}

static void add_aggregated(struct text *t, const struct schema_kind *k)
{
	text_printf(t, "{\"resource\":\"%s\",", k->plural);
	add_response_kind(t, k->group, k->version, k->kind);
	text_printf(t, "\"scope\":\"%s\",\"singularResource\":\"%s\",",
		k->flags & SCHEMA_NAMESPACED ? "Namespaced" : "Cluster", k->singular);
	add_texts(t, "shortNames", k->short_names);
	add_texts(t, "categories", k->categories);
	if (k->n_subresources)
		text_puts(t, "\"subresources\":[");
	for (size_t i = 0; i < k->n_subresources; i++) {
		const struct schema_subresource *s = &k->subresources[i];

		text_printf(t, "%s{\"subresource\":\"%s\",", i ? "," : "", s->name);
		if (s->kind)
			add_response_kind(t, s->group, s->version, s->kind);
		else
			add_response_kind(t, k->group, k->version, k->kind);
		add_verbs(t, s->verbs);
		text_puts(t, "}");
	}
	if (k->n_subresources)
		text_puts(t, "],");
	add_verbs(t, k->verbs);
	text_puts(t, "}");
}

static void add_version(const struct api *a, struct text *t, const char *group, const char *version)
{
	const struct extension *e = extension_of(a, group, version);
	size_t n;
	const struct schema_kind *const *k = custom_all(&n);
	const char *comma = "";

	if (e) {
		extension_discovery(t, e);
		return;
	}
	text_printf(t, "{\"version\":\"%s\",\"freshness\":\"Current\",\"resources\":[", version);
	for (size_t i = 0; k && i < n; i++)
		if (!strcmp(k[i]->group, group) && !strcmp(k[i]->version, version)) {
			text_puts(t, comma);
			add_aggregated(t, k[i]);
			comma = ",";
		}
	text_puts(t, "]}");
}

static void add_everything(const struct api *a, struct text *t, bool core, const char *api)
{
	size_t n;
	const struct schema_group_version *gv = served(a, &n);
	const char *group = NULL;

	text_printf(t,
		"{\"kind\":\"APIGroupDiscoveryList\",\"apiVersion\":\"apidiscovery.k8s.io/%s\",\"metadata\":{},\"items\":[",
		api);
	for (size_t i = 0; gv && i < n; i++) {
		if (core != !*gv[i].group)
			continue;
		if (group && !strcmp(group, gv[i].group)) {
			text_puts(t, ",");
		} else {
			text_printf(t, "%s{\"metadata\":{%s%s%s},\"versions\":[", group ? "]}," : "",
				core ? "" : "\"name\":\"", gv[i].group, core ? "" : "\"");
			group = gv[i].group;
		}
		add_version(a, t, gv[i].group, gv[i].version);
	}
	text_puts(t, group ? "]}]}" : "]}");
}

static void reply_tagged(struct request *q, struct text *t, const char *type)
{
	uint8_t hash[SHA256_SIZE];
	char tag[2 * SHA256_SIZE + 3];
	const char *have = http_header(q->http, "If-None-Match");

	if (t->failed) {
		reply_status(q, status_errno(-ENOMEM, "discovery"));
		return;
	}
	sha256(t->bytes, t->len, hash);
	tag[0] = '"';
	for (size_t i = 0; i < SHA256_SIZE; i++)
		snprintf(tag + 1 + 2 * i, 3, "%02X", hash[i]);
	strcpy(tag + 1 + 2 * SHA256_SIZE, "\"");
	(void)!http_set_header(q->http, "ETag", tag);
	(void)!http_set_header(q->http, "Vary", "Accept");
	request_answers(q);
	q->api->served[2]++;
	if (have && !strcmp(have, tag))
		http_reply(q->http, 304, NULL, NULL, 0);
	else
		http_reply(q->http, 200, type, t->bytes, t->len);
}

/* The first of the client's types that we have. NULL: the plain list. */
static const char *aggregated(struct request *q)
{
	const char *accept = http_header(q->http, "Accept");

	for (const char *p = accept ? accept : ""; *p;) {
		size_t n = strcspn(p, ",");
		cleanup(freep) char *type = strndup(p, n);

		if (type && !strncmp(type, "application/json", 16)) {
			if (!strstr(type, "as=APIGroupDiscoveryList"))
				return NULL;
			if (strstr(type, "v=v2beta1"))
				return "v2beta1";
			if (strstr(type, "v=v2"))
				return "v2";
		}
		p += n;
		p += strspn(p, ", ");
	}
	return NULL;
}

static bool reply_aggregated(struct request *q, bool core)
{
	const char *version = aggregated(q);
	struct text t = {0};
	char type[128];

	if (!version)
		return false;
	add_everything(q->api, &t, core, version);
	snprintf(type, sizeof(type), "application/json;g=apidiscovery.k8s.io;v=%s;as=APIGroupDiscoveryList",
		version);
	reply_tagged(q, &t, type);
	text_fini(&t);
	return true;
}

void handle_api_versions(struct request *q)
{
	struct text t = {0};

	if (reply_aggregated(q, true))
		return;
	text_puts(&t, "{\"kind\":\"APIVersions\",\"versions\":[\"v1\"],\"serverAddressByClientCIDRs\":[");
	if (q->api->opts.external_address)
		text_printf(&t, "{\"clientCIDR\":\"0.0.0.0/0\",\"serverAddress\":\"%s\"}",
			q->api->opts.external_address);
	text_puts(&t, "]}");
	reply_text(q, &t);
}

void handle_groups(struct request *q)
{
	size_t n;
	const struct schema_group_version *gv = served(q->api, &n);
	const char *last = "";
	struct text t = {0};
	bool first = true;

	if (reply_aggregated(q, false))
		return;
	text_puts(&t, "{\"kind\":\"APIGroupList\",\"apiVersion\":\"v1\",\"groups\":[");
	for (size_t i = 0; gv && i < n; i++) {
		if (!*gv[i].group || !strcmp(gv[i].group, last))
			continue;
		last = gv[i].group;
		if (!first)
			text_puts(&t, ",");
		first = false;
		add_group(q->api, &t, gv[i].group, false);
	}
	text_puts(&t, "]}");
	reply_text(q, &t);
}
