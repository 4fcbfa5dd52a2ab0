/* SPDX-License-Identifier: Apache-2.0 */

/* What is no resource: version, health, metrics, discovery's roots, OpenAPI, OpenID Connect. One table. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "cluster/http/http_int.h"
#include "cluster/schema/custom.h"
#include "lib/log.h"

#if defined(__x86_64__)
#define ARCH "amd64"
#elif defined(__aarch64__)
#define ARCH "arm64"
#else
#define ARCH "unknown"
#endif

/* What this speaks, not what it is: clients choose what they do by it. */
static void version(struct request *q)
{
	static const char json[] =
		"{\"major\":\"1\",\"minor\":\"36\",\"emulationMajor\":\"1\",\"emulationMinor\":\"36\","
		"\"minCompatibilityMajor\":\"1\",\"minCompatibilityMinor\":\"35\","
		"\"gitVersion\":\"v1.36.0+wherry\",\"gitCommit\":\"\",\"gitTreeState\":\"clean\","
		"\"buildDate\":\"1970-01-01T00:00:00Z\",\"goVersion\":\"none\",\"compiler\":\"gcc\","
		"\"platform\":\"linux/" ARCH "\"}";

	reply_bytes(q, 200, json, sizeof(json) - 1);
}

struct flow_metric {
	struct text *t;
	size_t which;
};

static const struct {
	const char *name, *type, *help;
} flow_metrics[] = {
	{"nominal_limit_seats", "gauge", "Seats that are a priority level's own."},
	{"current_executing_requests", "gauge", "Requests of a priority level that have a seat."},
	{"current_inqueue_requests", "gauge", "Requests that wait in the queues of a priority level."},
	{"dispatched_requests_total", "counter", "Requests that a priority level has let in."},
	{"rejected_requests_total", "counter",
		"Requests that a priority level has sent away, or that left its queues."},
};

static void flow_samples(const struct flow_level_state *s, void *arg)
{
	const uint64_t values[] = {s->seats, s->executing, s->waiting, s->dispatched};
	const struct flow_metric *m = arg;
	const char *name = flow_metrics[m->which].name;

	if (m->which < array_len(values)) {
		text_printf(m->t, "apiserver_flowcontrol_%s{priority_level=\"%s\"} %llu\n", name, s->name,
			(unsigned long long)values[m->which]);
		return;
	}
	for (size_t i = 0; i < N_FLOW_REFUSALS; i++)
		if (s->refused[i])
			text_printf(m->t,
				"apiserver_flowcontrol_%s{priority_level=\"%s\",reason=\"%s\"} %llu\n", name,
				s->name, flow_refusals[i], (unsigned long long)s->refused[i]);
}

static void add_flow_metrics(const struct api *a, struct text *t)
{
	for (size_t i = 0; i < array_len(flow_metrics); i++) {
		struct flow_metric m = {t, i};

		text_printf(t, "# HELP apiserver_flowcontrol_%s %s\n# TYPE apiserver_flowcontrol_%s %s\n",
			flow_metrics[i].name, flow_metrics[i].help, flow_metrics[i].name,
			flow_metrics[i].type);
		flow_each_level(a->flow, flow_samples, &m);
	}
}

static void metrics(struct request *q)
{
	const struct api *a = q->api;
	struct text t = {0};
	size_t n;
	const struct schema_kind *const *kinds = custom_all(&n);

	text_puts(&t, "# HELP apiserver_current_inflight_requests Requests being answered now.\n"
		      "# TYPE apiserver_current_inflight_requests gauge\n");
	text_printf(&t, "apiserver_current_inflight_requests{request_kind=\"readOnly\"} %u\n", a->reads);
	text_printf(&t, "apiserver_current_inflight_requests{request_kind=\"mutating\"} %u\n", a->writes);
	text_puts(&t, "# HELP apiserver_longrunning_requests Watches open now.\n"
		      "# TYPE apiserver_longrunning_requests gauge\n");
	text_printf(&t, "apiserver_longrunning_requests{verb=\"WATCH\"} %u\n", a->watches);
	text_puts(&t, "# HELP apiserver_request_total Answers sent, by hundreds of their status.\n"
		      "# TYPE apiserver_request_total counter\n");
	for (int i = 2; i < 6; i++)
		text_printf(&t, "apiserver_request_total{code=\"%d00\"} %llu\n", i,
			(unsigned long long)a->served[i]);
	add_flow_metrics(a, &t);
	text_puts(&t,
		"# HELP apiserver_storage_objects Objects stored.\n# TYPE apiserver_storage_objects gauge\n");
	for (size_t i = 0; kinds && i < n; i++) {
		size_t count = registry_count(a->registry, kinds[i]);

		if (count && schema_is_main(kinds[i]))
			text_printf(&t, "apiserver_storage_objects{resource=\"%s%s%s\"} %zu\n",
				kinds[i]->plural, *kinds[i]->group ? "." : "", kinds[i]->group, count);
	}
	if (t.failed)
		reply_status(q, status_errno(-ENOMEM, "metrics"));
	else
		reply_plain(q, 200, "text/plain; version=0.0.4; charset=utf-8", t.bytes);
	text_fini(&t);
}

static void openid_configuration(struct request *q)
{
	size_t len;
	cleanup(freep) char *json = access_openid_configuration(q->api->access, &len);

	if (json)
		reply_bytes(q, 200, json, len);
	else
		reply_status(q, status_errno(-ENOMEM, "openid"));
}

static void openid_keys(struct request *q)
{
	size_t len;
	cleanup(freep) char *json = access_openid_keys(q->api->access, &len);

	if (json)
		reply_bytes(q, 200, json, len);
	else
		reply_status(q, status_errno(-ENOMEM, "openid"));
}

static void roots(struct request *q)
{
	static const char json[] =
		"{\"paths\":[\"/.well-known/openid-configuration\",\"/api\",\"/api/v1\",\"/apis\","
		"\"/healthz\",\"/livez\",\"/metrics\",\"/openapi/v2\",\"/openapi/v3\",\"/openid/v1/jwks\",\"/readyz\","
		"\"/version\",\"/wherry/v1/snapshot\"]}";

	reply_bytes(q, 200, json, sizeof(json) - 1);
}

/* A pattern's * is one segment; at its end, ** is the rest. */
static const struct path {
	const char *pattern;
	void (*fn)(struct request *q);
	bool open;
} paths[] = {
	{"/healthz", handle_health, true},
	{"/healthz/**", handle_health, true},
	{"/livez", handle_health, true},
	{"/livez/**", handle_health, true},
	{"/readyz", handle_health, true},
	{"/readyz/**", handle_health, true},
	{"/version", version, true},
	{"/metrics", metrics, false},
	{"/", roots, false},
	{"/api", handle_api_versions, false},
	{"/apis", handle_groups, false},
	{"/api/*", handle_resources, false},
	{"/apis/*", handle_group, false},
	{"/apis/*/*", handle_resources, false},
	{"/openapi/v2", handle_openapi_v2, false},
	{"/openapi/v3", handle_openapi_index, false},
	{"/openapi/v3/**", handle_openapi_document, false},
	{"/.well-known/openid-configuration", openid_configuration, false},
	{"/openid/v1/jwks", openid_keys, false},
	{"/wherry/v1/snapshot", handle_snapshot, false},
};

static bool matches(const char *pattern, const char *path)
{
	for (; *pattern; pattern++) {
		if (!strcmp(pattern, "**"))
			return *path != '\0';
		if (*pattern == '*') {
			size_t n = strcspn(path, "/");

			if (!n)
				return false;
			path += n;
		} else if (*pattern != *path++) {
			return false;
		}
	}
	/* A slash at the end is forgiven. */
	return !*path || !strcmp(path, "/");
}

static const struct path *find(const char *path)
{
	for (size_t i = 0; i < array_len(paths); i++)
		if (matches(paths[i].pattern, path))
			return &paths[i];
	return NULL;
}

bool path_is_open(const char *path)
{
	const struct path *p = find(path);

	return p && p->open;
}

bool path_has_slash(const struct request *q)
{
	for (size_t i = 0; i < q->n_segments; i++)
		if (strchr(q->segments[i], '/'))
			return true;
	return false;
}

bool handle_path(struct request *q)
{
	const struct path *p = find(http_path(q->http));
	enum http_method m = http_method(q->http);

	if (!p || path_has_slash(q))
		return false;
	/* kubectl keeps what it reads of these; only what it asks for by its hash stays true (openapi.c) */
	if (!http_query(q->http, "hash"))
		(void)!http_set_header(q->http, "Cache-Control", "no-cache, private");
	if (m != HTTP_GET_ && m != HTTP_HEAD_)
		reply_status(q, status_new(405, "MethodNotAllowed", "%s is not a method of %s",
					http_method_name(q->http), http_path(q->http)));
	else
		p->fn(q);
	return true;
}
