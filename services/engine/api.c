/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Routing and the manners of every answer: versions, errors, JSON, query values.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "engine/api.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/shape.h"
#include "lib/errno_text.h"
#include "lib/log.h"

enum { API_MINOR_MIN = 24, API_MINOR_MAX = 51, API_ARG_MAX = 1024, API_MESSAGE_MAX = 2048 };

static const struct api_route *const tables[] = {
	system_routes,
	container_routes,
	exec_routes,
	image_routes,
	build_routes,
	volume_routes,
	network_routes,
	pod_routes,
};

/* Parts of Docker that this engine will not have; said once, here, so that no client waits for them. */
static const struct refusal {
	const char *prefix;
	int status;
	const char *message;
} refusals[] = {
	{"swarm", 503,
		"this node is not a swarm manager: Wherry has no swarm mode, clusters speak the Kubernetes API"},
	{"nodes", 503,
		"this node is not a swarm manager: Wherry has no swarm mode, clusters speak the Kubernetes API"},
	{"services", 503,
		"this node is not a swarm manager: Wherry has no swarm mode, clusters speak the Kubernetes API"},
	{"tasks", 503,
		"this node is not a swarm manager: Wherry has no swarm mode, clusters speak the Kubernetes API"},
	{"secrets", 503,
		"this node is not a swarm manager: Wherry has no swarm mode, clusters speak the Kubernetes API"},
	{"configs", 503,
		"this node is not a swarm manager: Wherry has no swarm mode, clusters speak the Kubernetes API"},
	{"plugins/", 404, "no such plugin: Wherry has no plugins"},
	{"session", 501, "BuildKit sessions are not supported by this engine"},
	{"grpc", 501, "BuildKit is not supported by this engine"},
};

/* Splits "/v1.43/containers/json" into 43 and "containers/json". Minor -1: no version; -2: not one we can
 * read. */
static const char *split_version(const char *path, int *minor)
{
	*minor = -1;
	while (*path == '/')
		path++;
	if (path[0] != 'v' || path[1] < '0' || path[1] > '9')
		return path;

	char *end;
	long major = strtol(path + 1, &end, 10);

	if (*end != '.' || end[1] < '0' || end[1] > '9')
		return path;
	long m = strtol(end + 1, &end, 10);

	if (*end != '/' && *end)
		return path;
	*minor = major == 1 && m >= 0 && m < 1000 ? (int)m : -2;
	while (*end == '/')
		end++;
	return end;
}

int api_minor(const struct http_req *r)
{
	int minor;

	split_version(http_path(r), &minor);
	return minor < 0 ? API_MINOR_MAX : minor;
}

bool api_match(const char *pattern, const char *path, char *arg, size_t size)
{
	arg[0] = 0;
	for (;;) {
		if (*pattern != '*') {
			if (*pattern != *path)
				return false;
			if (!*pattern)
				return true;
			pattern++;
			path++;
			continue;
		}

		bool many = pattern[1] == '*';
		const char *rest = pattern + (many ? 2 : 1);
		size_t n = strcspn(path, "/");

		/* `**` takes as much as leaves the rest of the pattern matched: the rest is literal. */
		if (many) {
			size_t rest_len = strlen(rest), path_len = strlen(path);

			if (path_len <= rest_len || strcmp(path + path_len - rest_len, rest) != 0)
				return false;
			n = path_len - rest_len;
		}
		if (!n || n >= size)
			return false;
		memcpy(arg, path, n);
		arg[n] = 0;
		path += n;
		pattern = rest;
	}
}

static const struct api_route *find(enum http_method method, const char *path, char *arg, size_t size)
{
	for (size_t t = 0; t < array_len(tables); t++)
		for (const struct api_route *route = tables[t]; route->fn; route++)
			if (route->method == method && api_match(route->pattern, path, arg, size))
				return route;
	return NULL;
}

/* With every answer, whatever it is: clients learn from any of them whom they speak to. */
static void introduce(struct http_req *r)
{
	static const char *const headers[][2] = {
		{"Server", "Docker/" ENGINE_VERSION " (linux)"},
		{"Api-Version", ENGINE_API_VERSION},
		{"Ostype", "linux"},
		{"Docker-Experimental", "false"},
	};

	for (size_t i = 0; i < array_len(headers); i++)
		(void)!http_set_header(r, headers[i][0], headers[i][1]);
}

void api_handle(struct http_req *r, void *engine)
{
	struct engine *e = engine;
	char arg[API_ARG_MAX];
	int minor;
	const char *path = split_version(http_path(r), &minor);

	introduce(r);
	if (minor != -1 && minor > API_MINOR_MAX) {
		api_error(r, 400, "client version 1.%d is too new. Maximum supported API version is %s",
			minor, ENGINE_API_VERSION);
		return;
	}
	if (minor != -1 && minor < API_MINOR_MIN) {
		api_error(r, 400,
			"client version 1.%d is too old. Minimum supported API version is %s, please upgrade your client to "
			"a newer version",
			minor < 0 ? 0 : minor, ENGINE_API_MIN_VERSION);
		return;
	}

	enum http_method method = http_method(r);
	const struct api_route *route = find(method, path, arg, sizeof(arg));

	if (!route && method == HTTP_HEAD_)
		route = find(HTTP_GET_, path, arg, sizeof(arg));
	if (route) {
		route->fn(e, r, strchr(route->pattern, '*') ? arg : NULL);
		return;
	}
	/* of every path, as Docker */
	if (method == HTTP_OPTIONS_) {
		api_empty(r, 200);
		return;
	}
	for (size_t i = 0; i < array_len(refusals); i++) {
		if (!strncmp(path, refusals[i].prefix, strlen(refusals[i].prefix))) {
			api_error(r, refusals[i].status, "%s", refusals[i].message);
			return;
		}
	}
	api_error(r, 404, "page not found");
}

/* Invalid UTF-8 would make the whole answer invalid JSON: each offending byte becomes '?'. */
static void plain_utf8(char *s)
{
	for (unsigned char *p = (unsigned char *)s; *p;) {
		int n = *p < 0x80	      ? 1
			: (*p & 0xe0) == 0xc0 ? 2
			: (*p & 0xf0) == 0xe0 ? 3
			: (*p & 0xf8) == 0xf0 ? 4
					      : 0;
		bool good = n > 0;

		for (int i = 1; i < n && good; i++)
			good = (p[i] & 0xc0) == 0x80;
		if (!good) {
			*p++ = '?';
			continue;
		}
		p += n;
	}
}

static void send_error(struct http_req *r, int status, char *text)
{
	plain_utf8(text);

	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;

	if (!root || !yyjson_mut_obj_add_str(doc, root, "message", text)) {
		yyjson_mut_doc_free(doc);
		http_reply(r, 500, "application/json", "{\"message\":\"out of memory\"}", 27);
		return;
	}
	yyjson_mut_doc_set_root(doc, root);
	api_json(r, status, doc);
}

void api_error(struct http_req *r, int status, const char *fmt, ...)
{
	char text[API_MESSAGE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	send_error(r, status, text);
}

int api_status_of(int err)
{
	switch (-err) {
	case EINVAL:
	case E2BIG:
	case ENAMETOOLONG:
	case ENOTUNIQ:
		return 400;
	case EPERM:
	case EACCES:
		return 403;
	case ENOENT:
		return 404;
	case EEXIST:
	case EBUSY:
		return 409;
	case ENOTSUP:
		return 501;
	case ENOSPC:
	case EDQUOT:
		return 507;
	default:
		return 500;
	}
}

void api_errno(struct http_req *r, int err, const char *fmt, ...)
{
	char text[API_MESSAGE_MAX];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < sizeof(text))
		snprintf(text + n, sizeof(text) - (size_t)n, ": %s", errno_text(-err));
	send_error(r, api_status_of(err), text);
}

void api_json(struct http_req *r, int status, yyjson_mut_doc *doc)
{
	size_t len = 0;
	char *text = doc ? yyjson_mut_write(doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE, &len) : NULL;

	yyjson_mut_doc_free(doc);
	if (!text) {
		log_error("op=api msg=\"no memory for an answer\"");
		http_reply(r, 500, "application/json", "{\"message\":\"out of memory\"}", 27);
		return;
	}
	http_reply(r, status, "application/json", text, len);
	free(text);
}

void api_empty(struct http_req *r, int status)
{
	http_reply(r, status, NULL, NULL, 0);
}

bool api_query_bool(const struct http_req *r, const char *key, bool absent)
{
	static const char *const no[] = {"", "0", "no", "false", "none"};
	const char *v = http_query(r, key);

	if (!v)
		return absent;
	for (size_t i = 0; i < array_len(no); i++)
		if (!strcasecmp(v, no[i]))
			return false;
	return true;
}

bool api_query_all(struct http_req *r, const char *key, const char **values, size_t max, size_t *n)
{
	*n = http_query_all(r, key, values, max);
	if (*n < max)
		return true;
	api_error(r, 400, "the parameter %s is there more than %zu times", key, max - 1);
	return false;
}

int api_query_int(const struct http_req *r, const char *key, int64_t *out)
{
	const char *v = http_query(r, key);
	char *end;

	if (!v || !*v)
		return 0;
	errno = 0;
	long long n = strtoll(v, &end, 10);

	if (errno || *end || end == v || v[0] == ' ' || v[0] == '+')
		return -EINVAL;
	*out = n;
	return 0;
}

char *api_size_fault(const char *which, const char *text, unsigned *out)
{
	size_t minus = text && text[0] == '-' && text[1], n;
	const char *why = NULL;

	text = text ? text : "";
	n = strspn(text + minus, "0123456789");
	*out = 0;
	if (!n || text[minus + n])
		why = "invalid syntax";
	for (const char *p = text; !why && *p; p++) {
		*out = *p == '-' ? UINT16_MAX + 1U : *out * 10 + (unsigned)(*p - '0');
		if (*out > UINT16_MAX)
			why = "value out of range";
	}
	return why ? text_make("invalid resize %s \"%s\": %s", which, text, why) : NULL;
}

bool api_query_size(struct http_req *r, unsigned *rows, unsigned *cols)
{
	char *fault = api_size_fault("height", http_query(r, "h"), rows);

	if (!fault)
		fault = api_size_fault("width", http_query(r, "w"), cols);
	if (fault)
		api_error(r, 400, "%s", fault);
	free(fault);
	return !fault;
}

/* Depth is counted before parsing: yyjson itself does not recurse, but whoever walks or copies the result
 * does. */
static bool too_deep(const char *text, size_t len)
{
	bool in_string = false;
	size_t depth = 0;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > API_JSON_DEPTH)
				return true;
		} else if ((c == '}' || c == ']') && depth) {
			depth--;
		}
	}
	return false;
}

yyjson_doc *api_parse_json(const char *text, size_t len, const char **msg)
{
	yyjson_read_err err;

	if (too_deep(text, len)) {
		*msg = "nested too deeply";
		return NULL;
	}

	yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text, len, YYJSON_READ_NOFLAG, NULL, &err);

	if (!doc)
		*msg = err.msg;
	return doc;
}

struct body {
	struct engine *e;
	char *arg; /* owned */
	const struct shape *members;
	void (*fn)(struct engine *e, struct http_req *r, const char *arg, yyjson_val *root);
};

static void body_closed(struct http_req *r, bool ok, void *arg)
{
	struct body *b = arg;

	free(b->arg);
	free(b);
}

static void body_done(struct http_req *r, char *text, size_t len, void *arg)
{
	struct body *b = arg;
	struct engine *e = b->e;
	const struct shape *members = b->members;
	void (*fn)(struct engine *, struct http_req *, const char *, yyjson_val *) = b->fn;
	cleanup(freep) char *name = take(b->arg);
	const char *msg = NULL;
	bool blank = strspn(text, " \t\r\n") == len;
	yyjson_doc *doc = blank ? NULL : api_parse_json(text, len, &msg);

	/* The handler may hang something of its own on the request: ours goes first. */
	http_on_closed(r, NULL, NULL);
	free(b);
	if (!blank && !doc) {
		cleanup(freep) char *why = api_json_fault(text, len);

		api_error(r, 400, "%s", why ? why : msg);
		return;
	}
	if (members)
		shape_fold(yyjson_doc_get_root(doc), members);
	fn(e, r, name, yyjson_doc_get_root(doc));
	yyjson_doc_free(doc);
}

void api_body_any(struct engine *e, struct http_req *r, const char *arg, const struct shape *members,
	void (*fn)(struct engine *e, struct http_req *r, const char *arg, yyjson_val *root))
{
	struct body *b = calloc(1, sizeof(*b));
	char *name = arg ? strdup(arg) : NULL;

	if (!b || (arg && !name)) {
		free(b);
		free(name);
		api_error(r, 500, "out of memory");
		return;
	}
	*b = (struct body){.e = e, .arg = name, .members = members, .fn = fn};
	http_on_closed(r, body_closed, b);
	http_body_read(r, API_BODY_MAX, body_done, b);
}

void api_body_json(struct engine *e, struct http_req *r, const char *arg, const struct shape *members,
	void (*fn)(struct engine *e, struct http_req *r, const char *arg, yyjson_val *root))
{
	bool has_body = http_content_length(r) > 0 || http_header(r, "Transfer-Encoding");
	cleanup(freep) char *fault = api_type_fault(http_header(r, "Content-Type"), has_body);

	if (fault)
		api_error(r, 400, "%s", fault);
	else
		api_body_any(e, r, arg, members, fn);
}
