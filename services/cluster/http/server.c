/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A request's way through the gates: who is it, what is it about, is it its turn, may they. Then its handler
 * answers. A request lives on while an answer of the registry is awaited, even when its peer has left.
 */

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cluster/extensions/extensions.h"
#include "cluster/http/http_int.h"
#include "cluster/http/websocket.h"
#include "cluster/registry/caller.h"
#include "cluster/schema/apply.h"
#include "lib/log.h"
#include "lib/uri.h"

/* ---- life */

struct request *request_ref(struct request *q)
{
	q->refs++;
	return q;
}

void request_unref(struct request *q)
{
	if (--q->refs)
		return;
	*q->prev = q->next;
	if (q->next)
		q->next->prev = q->prev;
	loop_timer_del(&q->timer);
	if (q->own_free)
		q->own_free(q->own);
	warnings_fini(&q->warnings);
	free(q->manager);
	free(q->foreign);
	free(q->path);
	free(q->protocols);
	free(q->who);
	free(q);
}

static void on_closed(struct http_req *r, bool ok, void *arg)
{
	struct request *q = arg;

	request_leave(q);
	loop_timer_del(&q->timer);
	q->http = NULL;
	q->body = NULL;
	request_unref(q);
}

static struct request *request_new(struct api *a, struct http_req *r)
{
	struct request *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->api = a;
	q->http = r;
	q->refs = 1;
	q->ns = q->name = q->subresource = q->rest = q->verb = "";
	q->next = a->requests;
	q->prev = &a->requests;
	if (q->next)
		q->next->prev = &q->next;
	a->requests = q;
	http_on_closed(r, on_closed, q);
	return q;
}

/* ---- small questions about it */

bool request_flag(const struct request *q, const char *key)
{
	const char *v = q->http ? http_query(q->http, key) : NULL;

	return v && strcmp(v, "false") != 0 && strcmp(v, "0") != 0;
}

struct status *request_number(const struct request *q, const char *key, int64_t *out)
{
	const char *v = q->http ? http_query(q->http, key) : NULL;
	char *end;

	if (!v || !*v)
		return NULL;
	errno = 0;

	long long n = strtoll(v, &end, 10);

	if (errno || *end || n < 0)
		return status_bad_request(
			"%s: Invalid value: \"%s\": must be a number that is not negative", key, v);
	*out = n;
	return NULL;
}

void request_warn(const char *text, void *request)
{
	struct request *q = request;

	warnings_add(&q->warnings, "%s", text);
}

struct write_options request_write_options(struct request *q)
{
	return (struct write_options){.subresource = q->subresource,
		.field_manager = q->manager,
		.dry_run = q->dry_run,
		.warn = request_warn,
		.warn_arg = q};
}

static void on_body(struct http_req *r, char *body, size_t len, void *arg)
{
	struct request *q = arg;

	q->body = body;
	q->body_len = len;
	q->with_body(q);
}

void request_read_body(struct request *q, void (*fn)(struct request *q))
{
	if (http_content_length(q->http) > DECODE_BODY_MAX) {
		reply_status(q, status_too_large("Request entity too large: limit is %d", DECODE_BODY_MAX));
		return;
	}
	q->with_body = fn;
	http_body_read(q->http, DECODE_BODY_MAX, on_body, q);
}

/* ---- the path */

/* Cuts the path at its slashes, each piece decoded. What follows the @max-th is left in one piece. */
static int split(struct request *q)
{
	char *p;

	q->path = strdup(http_raw_path(q->http));
	if (!q->path)
		return -ENOMEM;
	for (p = q->path; *p;) {
		char *end;
		ssize_t len;

		while (*p == '/')
			p++;
		if (!*p)
			break;
		if (q->n_segments == API_SEGMENTS_MAX)
			break;
		end = p + strcspn(p, "/");
		if (*end)
			*end++ = '\0';
		q->segments[q->n_segments++] = p;
		len = uri_decode(p, strlen(p), false);
		if (len < 0)
			return -EINVAL;
		p[len] = '\0';
		p = end;
	}
	return 0;
}

/* Where in the raw path the n-th segment begins: what is handed on to a node is not decoded. */
static const char *raw_from(const struct request *q, size_t n)
{
	const char *p = http_raw_path(q->http);

	for (size_t i = 0; i < n && *p; i++) {
		p += strspn(p, "/");
		p += strcspn(p, "/");
	}
	return *p == '/' ? p + 1 : p;
}

/* A resource of another server. false: no memory. */
static bool find_foreign(struct request *q, const char *group, const char *version, size_t at)
{
	char **s = q->segments;
	size_t n = q->n_segments;
	struct schema_kind *k = calloc(1, sizeof(*k));

	if (!k)
		return false;
	if (!strcmp(s[at], "namespaces") && at + 2 < n) {
		q->ns = s[at + 1];
		at += 2;
	}
	*k = (struct schema_kind){
		.group = group, .version = version, .plural = s[at], .singular = s[at], .kind = s[at]};
	q->kind = q->foreign = k;
	if (at + 1 < n)
		q->name = s[at + 1];
	if (at + 2 < n)
		q->subresource = s[at + 2];
	return true;
}

/*
 * /api/v1/... and /apis/GROUP/VERSION/..., then [namespaces/NS/]RESOURCE[/NAME[/SUBRESOURCE[/...]]]. It is about a
 * resource then, whether there is such a resource or not. false: no memory.
 */
static bool find_resource(struct request *q)
{
	char **s = q->segments;
	size_t n = q->n_segments, at;
	const char *group = "", *version;

	if (n > 2 && !strcmp(s[0], "api")) {
		version = s[1];
		at = 2;
	} else if (n > 3 && !strcmp(s[0], "apis")) {
		group = s[1];
		version = s[2];
		at = 3;
	} else {
		return true;
	}
	q->about_resource = true;
	if (!strcmp(s[at], "watch") && at + 1 < n) {
		q->verb = "watch";
		at++;
	}
	if (*group && extensions_find(registry_extensions(q->api->registry), group, version))
		return find_foreign(q, group, version, at);
	/* namespaces/NS/pods is of pods; namespaces/NS, and namespaces/NS/status, are of the namespace. */
	if (!strcmp(s[at], "namespaces") && at + 2 < n) {
		q->kind = schema_find(group, version, s[at + 2]);
		if (q->kind && q->kind->flags & SCHEMA_NAMESPACED) {
			q->ns = s[at + 1];
			at += 2;
		} else {
			q->kind = NULL;
		}
	}
	if (!q->kind)
		q->kind = schema_find(group, version, s[at]);
	if (!q->kind)
		return true;
	if (at + 1 < n)
		q->name = s[at + 1];
	if (at + 2 < n)
		q->subresource = s[at + 2];
	if (at + 3 < n)
		q->rest = raw_from(q, at + 3);
	if (*q->subresource)
		q->sub = schema_subresource(q->kind, q->subresource);
	return true;
}

/* ---- verbs */

static const char *verb_of(const struct request *q)
{
	switch (http_method(q->http)) {
	case HTTP_GET_:
	case HTTP_HEAD_:
		if (*q->name && strcmp(q->verb, "watch") != 0)
			return "get";
		return !strcmp(q->verb, "watch") || request_flag(q, "watch") ? "watch" : "list";
	case HTTP_POST_:
		return "create";
	case HTTP_PUT_:
		return "update";
	case HTTP_PATCH_:
		return "patch";
	case HTTP_DELETE_:
		return *q->name ? "delete" : "deletecollection";
	default:
		return "";
	}
}

static const struct verb {
	const char *name;
	uint16_t flag;
	void (*fn)(struct request *q);
} verbs[] = {
	{"get", SCHEMA_GET, handle_get},
	{"list", SCHEMA_LISTS, handle_list},
	{"watch", SCHEMA_WATCH, handle_watch},
	{"create", SCHEMA_CREATE, handle_create},
	{"update", SCHEMA_UPDATE, handle_update},
	{"patch", SCHEMA_PATCH, handle_patch},
	{"delete", SCHEMA_DELETE, handle_delete},
	{"deletecollection", SCHEMA_DELETE_COLLECTION, handle_delete_collection},
};

static void dispatch(struct request *q)
{
	const struct verb *v = NULL;

	if (q->foreign) {
		handle_extension(q);
		return;
	}
	for (size_t i = 0; i < array_len(verbs); i++)
		if (!strcmp(verbs[i].name, q->verb))
			v = &verbs[i];
	if (*q->subresource) {
		if (!q->sub)
			reply_status(q, status_unknown_path());
		else if (!handle_subresource(q))
			reply_status(q, status_method_not_allowed(q->kind, q->verb));
		return;
	}
	if (!v || !(q->kind->verbs & v->flag) || (!*q->name && (v->flag & (SCHEMA_UPDATE | SCHEMA_PATCH))) ||
		(*q->name && v->flag == SCHEMA_CREATE)) {
		reply_status(q,
			status_method_not_allowed(q->kind, *q->verb ? q->verb : http_method_name(q->http)));
		return;
	}
	if (q->kind->flags & SCHEMA_NAMESPACED && !*q->ns &&
		v->flag & (SCHEMA_GET | SCHEMA_UPDATE | SCHEMA_PATCH | SCHEMA_DELETE)) {
		reply_status(q, status_unknown_path());
		return;
	}
	if (q->kind->flags & SCHEMA_REVIEW)
		handle_review(q);
	else if (q->kind->flags & SCHEMA_METRICS)
		handle_metrics(q);
	else
		v->fn(q);
}

/* ---- gates */

static bool is_long_running(const struct request *q)
{
	static const char *const streams[] = {"log", "exec", "attach", "portforward", "proxy"};

	if (!strcmp(q->verb, "watch"))
		return true;
	for (size_t i = 0; i < array_len(streams); i++)
		if (!strcmp(q->subresource, streams[i]))
			return true;
	return false;
}

static struct status *read_manager(struct request *q)
{
	const char *said = http_query(q->http, "fieldManager"), *agent = http_header(q->http, "User-Agent");
	struct status *err;

	if (said && *said) {
		err = apply_check_manager(said);
		if (err)
			return err;
		q->manager = strdup(said);
	} else {
		size_t n = agent ? strcspn(agent, "/ ") : 0;

		q->manager = n ? strndup(agent, n > 128 ? 128 : n) : strdup("unknown");
	}
	return q->manager ? NULL : status_errno(-ENOMEM, "request");
}

static struct status *read_options(struct request *q)
{
	const char *dry = http_query(q->http, "dryRun"), *validation = http_query(q->http, "fieldValidation");
	const char *agent = http_header(q->http, "User-Agent");
	int v = decode_validation_of(validation ? validation : "", DECODE_WARN);

	if (request_mutates(q) && dry && *dry && strcmp(dry, "All") != 0)
		return status_new(
			422, "Invalid", "dryRun: Unsupported value: \"%s\": supported values: \"All\"", dry);
	if (v < 0)
		return status_new(422, "Invalid",
			"fieldValidation: Unsupported value: \"%s\": supported values: \"Ignore\", \"Strict\", \"Warn\"",
			validation);
	q->dry_run = dry && *dry;
	q->validation = (enum decode_validation)v;
	q->pretty = http_query(q->http, "pretty")
			    ? request_flag(q, "pretty")
			    : agent && (!strncmp(agent, "curl", 4) || !strncmp(agent, "Wget", 4));
	return read_manager(q);
}

struct access_question request_question(const struct request *q, char verb[static REQUEST_VERB_MAX])
{
	struct access_question ask = {.who = q->who,
		.verb = q->verb,
		.group = "",
		.resource = "",
		.subresource = q->subresource,
		.ns = q->ns,
		.name = q->name};

	if (q->kind) {
		ask.group = q->kind->group;
		ask.resource = q->kind->plural;
		return ask;
	}
	ask.path = http_path(q->http);
	snprintf(verb, REQUEST_VERB_MAX, "%s", http_method_name(q->http));
	for (size_t i = 0; verb[i]; i++)
		verb[i] = (char)tolower((unsigned char)verb[i]);
	ask.verb = verb;
	return ask;
}

bool request_allowed(struct request *q)
{
	char group[256] = "", verb[REQUEST_VERB_MAX];
	struct access_question ask = request_question(q, verb);
	const char *fields = http_query(q->http, "fieldSelector");
	const bool of_many =
		!strcmp(q->verb, "list") || !strcmp(q->verb, "watch") || !strcmp(q->verb, "deletecollection");
	char name[256];

	if (!q->kind)
		return false;
	/* A single object by a field selector is authorized by its name, where the selector chooses. */
	if (of_many && fields && !*q->name && !strncmp(fields, "metadata.name=", 14) &&
		!strchr(fields, ',')) {
		snprintf(name, sizeof(name), "%s", fields + 14 + (fields[14] == '='));
		ask.name = name;
	}
	ask.field_selector = fields;
	ask.label_selector = http_query(q->http, "labelSelector");
	if (access_allowed(q->api->access, &ask, NULL))
		return true;
	if (*q->kind->group)
		snprintf(group, sizeof(group), "%s", q->kind->group);

	char scope[320] = " at the cluster scope";
	struct status *err;

	if (*q->ns)
		snprintf(scope, sizeof(scope), " in the namespace \"%s\"", q->ns);
	err = status_forbidden(q->kind, *q->name ? q->name : NULL,
		"User \"%s\" cannot %s resource \"%s%s%s\" in API group \"%s\"%s", q->who->user, q->verb,
		q->kind->plural, *q->subresource ? "/" : "", q->subresource, group, scope);
	reply_status(q, err);
	return false;
}

static bool path_allowed(struct request *q)
{
	char verb[REQUEST_VERB_MAX];
	const struct access_question ask = request_question(q, verb);

	if (path_is_open(ask.path) || access_allowed(q->api->access, &ask, NULL))
		return true;
	reply_status(q, status_forbidden(NULL, NULL, "User \"%s\" cannot %s path \"%s\"", q->who->user, verb,
				ask.path));
	return false;
}

static bool authenticate(struct request *q, const struct local *from, bool open)
{
	static const char *const nobody[] = {"system:unauthenticated"};
	const char *shown = http_header(q->http, "Authorization");
	cleanup(freep) char *offered = NULL;
	struct status *err = websocket_offered(q, &offered);

	if (err) {
		reply_status(q, err);
		return false;
	}
	if (!shown)
		shown = offered;
	q->who = from && !shown ? local_caller(from)
				: access_authenticate(q->api->access, http_stream(q->http), shown);
	if (!q->who && open)
		q->who = access_caller("system:anonymous", "", nobody, 1);
	if (q->who)
		return true;
	reply_status(q, status_unauthorized());
	return false;
}

/* Past the gates of who it is and whose turn it is. */
static void carry_out(struct request *q)
{
	/* What a proxied request asks for, or one for an extension, is between the client and whom it is for. */
	struct status *err = !q->foreign && strcmp(q->subresource, "proxy") != 0 ? read_options(q) : NULL;

	if (!err && !q->foreign)
		err = reply_negotiate(q);
	if (err) {
		reply_status(q, err);
	} else if (q->kind) {
		if (request_allowed(q))
			dispatch(q);
	} else if (path_allowed(q)) {
		if (q->about_resource || !handle_path(q))
			reply_status(q, status_unknown_path());
	}
}

void request_begin(struct api *a, struct http_req *r, const struct local *from)
{
	struct request *q = request_new(a, r);
	struct status *err;
	int bad;

	if (!q) {
		http_reply(r, 503, NULL, NULL, 0);
		return;
	}
	bad = split(q);
	if (bad) {
		reply_status(q, bad == -EINVAL ? status_bad_request("the path is not well encoded")
					       : status_errno(bad, "request"));
		return;
	}
	if (!authenticate(q, from, path_is_open(http_path(r))))
		return;
	err = impersonate(q);
	if (err) {
		reply_status(q, err);
		return;
	}
	if (!find_resource(q)) {
		reply_status(q, status_errno(-ENOMEM, "request"));
		return;
	}
	q->verb = verb_of(q);
	if (q->kind && q->kind->warning)
		warnings_add(&q->warnings, "%s", q->kind->warning);
	q->long_running = is_long_running(q);
	request_take_turn(q, carry_out);
}

static void on_request(struct http_req *r, void *arg)
{
	request_begin(arg, r, NULL);
}

/* ---- opening and closing */

int api_open(struct api **out, const struct api_options *opts)
{
	struct api *a = calloc(1, sizeof(*a));
	int err;

	if (!a)
		return -ENOMEM;
	a->opts = *opts;
	a->registry = opts->registry;
	a->access = opts->access;
	a->loop = registry_loop(opts->registry);
	if (!a->opts.reads_max)
		a->opts.reads_max = API_READS_MAX;
	if (!a->opts.writes_max)
		a->opts.writes_max = API_WRITES_MAX;
	err = turns_open(a);
	if (!err)
		err = http_server_new(&a->http, a->loop, on_request, a);
	if (err) {
		turns_close(a);
		free(a);
		return err;
	}
	http_server_max_conns(a->http, API_CONNS_MAX);
	*out = a;
	return 0;
}

void api_close(struct api *a)
{
	if (!a)
		return;
	http_server_free(a->http);
	locals_close(a);
	turns_close(a);
	openapi_cache_free(a->openapi);
	protobuf_shared_free(a->protobuf);
	free(a);
}

int api_listen(struct api *a, int fd, struct tls_config *tls)
{
	return http_server_listen(a->http, fd, tls);
}

void api_set_tls(struct api *a, struct tls_config *tls)
{
	http_server_set_tls(a->http, tls);
}

void api_ready(struct api *a)
{
	a->ready = true;
}
