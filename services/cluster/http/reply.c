/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What answers have in common: the form the client asked for (the object, a Table of it, its metadata alone), its version,
 * indentation, warnings. An object that is wanted as it is stored is sent as the bytes it is.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "cluster/http/http_int.h"
#include "cluster/schema/convert.h"
#include "cluster/schema/default.h"
#include "cluster/schema/table.h"
#include "lib/json.h"
#include "lib/log.h"

#define JSON "application/json"

/* ---- texts */

void text_add(struct text *t, const char *s, size_t len)
{
	if (t->failed)
		return;
	if (t->len + len + 1 > t->room) {
		size_t room = t->room ? t->room : 512;
		char *p;

		while (room < t->len + len + 1)
			room *= 2;
		p = realloc(t->bytes, room);
		if (!p) {
			t->failed = true;
			return;
		}
		t->bytes = p;
		t->room = room;
	}
	memcpy(t->bytes + t->len, s, len);
	t->len += len;
	t->bytes[t->len] = '\0';
}

void text_puts(struct text *t, const char *s)
{
	text_add(t, s, strlen(s));
}

void text_printf(struct text *t, const char *fmt, ...)
{
	char small[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(small))
		t->failed = true;
	else
		text_add(t, small, (size_t)n);
}

void text_quote(struct text *t, const char *s)
{
	text_add(t, "\"", 1);
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			text_add(t, (char[]){'\\', (char)c}, 2);
		else if (c < 0x20)
			text_printf(t, "\\u%04x", c);
		else
			text_add(t, s, 1);
	}
	text_add(t, "\"", 1);
}

void text_fini(struct text *t)
{
	free(t->bytes);
	*t = (struct text){0};
}

/* ---- negotiation */

/* A parameter of a media type, in @buf. */
static bool parameter(const char *type, size_t len, const char *key, char *buf, size_t size)
{
	const char *end = type + len;

	for (const char *p = memchr(type, ';', len); p && p < end; p = memchr(p, ';', (size_t)(end - p))) {
		size_t n;

		p++;
		while (p < end && *p == ' ')
			p++;
		n = strlen(key);
		if ((size_t)(end - p) <= n || strncmp(p, key, n) != 0 || p[n] != '=')
			continue;
		p += n + 1;
		n = 0;
		while (p + n < end && p[n] != ';' && p[n] != ' ')
			n++;
		snprintf(buf, size, "%.*s", (int)n, p);
		return true;
	}
	return false;
}

/* One of the types of an Accept header: can it be had? */
static bool take_type(struct request *q, const char *type, size_t len)
{
	static const char *const known[] = {"application/json", "*/*", "application/*"};
	char as[64], version[16], group[64];
	size_t bare = strcspn(type, ";, ");
	bool ok = false;

	for (size_t i = 0; i < array_len(known); i++)
		ok |= strlen(known[i]) == bare && !strncasecmp(type, known[i], bare);
	if (!ok)
		return false;
	if (!parameter(type, len, "as", as, sizeof(as)))
		return true;
	/* Discovery looks at its own. */
	if (!q->kind)
		return true;
	/* a review has no metadata: it is itself or nothing */
	if (q->kind->flags & SCHEMA_REVIEW)
		return false;
	if (!parameter(type, len, "v", version, sizeof(version)) ||
		!parameter(type, len, "g", group, sizeof(group)) || strcmp(group, "meta.k8s.io") != 0 ||
		(strcmp(version, "v1") != 0 && strcmp(version, "v1beta1") != 0))
		return false;
	q->table_version = !strcmp(version, "v1") ? "meta.k8s.io/v1" : "meta.k8s.io/v1beta1";
	if (!strcmp(as, "Table"))
		q->form = FORM_TABLE;
	else if (!strcmp(as, "PartialObjectMetadata") || !strcmp(as, "PartialObjectMetadataList"))
		q->form = FORM_PARTIAL;
	else
		return false;
	return true;
}

struct status *reply_negotiate(struct request *q)
{
	const char *accept = http_header(q->http, "Accept");

	if (!accept || !*accept || !q->kind || q->long_running)
		if (!accept || !*accept || !q->kind || strcmp(q->verb, "watch") != 0)
			return NULL;
	for (const char *p = accept; *p;) {
		size_t n = strcspn(p, ",");

		if (take_type(q, p, n))
			return NULL;
		p += n;
		p += strspn(p, ", ");
	}
	return status_not_acceptable(
		q->kind->flags & SCHEMA_REVIEW
			? "application/json"
			: "application/json, application/json;as=Table;g=meta.k8s.io;v=v1, "
			  "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
}

/* ---- sending */

/* A client reads so many lines of a head: Python's 100. */
enum { WARNINGS_SENT_MAX = 64 };

/* A header that cannot be set is one warning less, not a failure. */
static void send_warning(struct request *q, const char *text)
{
	cleanup(freep) char *value = NULL;
	struct text t = {0};

	text_quote(&t, text);
	if (!t.failed && asprintf(&value, "299 - %s", t.bytes) >= 0)
		(void)!http_set_header(q->http, "Warning", value);
	text_fini(&t);
}

static void send_warnings(struct request *q)
{
	char more[40];

	for (size_t i = 0; i < q->warnings.n && i < WARNINGS_SENT_MAX; i++)
		send_warning(q, q->warnings.items[i]);
	if (q->warnings.n <= WARNINGS_SENT_MAX)
		return;
	snprintf(more, sizeof(more), "and %zu more", q->warnings.n - WARNINGS_SENT_MAX);
	send_warning(q, more);
}

static char *indented(const char *json, size_t len, size_t *out_len)
{
	cleanup(json_docp) yyjson_doc *doc = yyjson_read(json, len, YYJSON_READ_NOFLAG);
	char *text = doc ? yyjson_write(doc, YYJSON_WRITE_PRETTY_TWO_SPACES, out_len) : NULL;
	char *more = text ? realloc(text, *out_len + 2) : NULL;

	if (!more) {
		free(text);
		return NULL;
	}
	more[(*out_len)++] = '\n';
	more[*out_len] = '\0';
	return more;
}

static void send_bytes(struct request *q, int code, const char *json, size_t len)
{
	struct gzip *g = len > GZIP_FROM && gzip_is_taken(q) ? gzip_new() : NULL;
	struct text t = {0};

	if (g)
		gzip_add(g, &t, json, len, true);
	gzip_free(g);
	if (t.len && !t.failed) {
		gzip_announce(q);
		http_reply(q->http, code, JSON, t.bytes, t.len);
	} else {
		http_reply(q->http, code, JSON, json, len);
	}
	text_fini(&t);
}

void reply_plain(struct request *q, int code, const char *content_type, const char *text)
{
	request_answers(q);
	q->api->served[code / 100]++;
	http_reply(q->http, code, content_type, text, strlen(text));
}

void reply_bytes(struct request *q, int code, const char *json, size_t len)
{
	cleanup(freep) char *pretty = NULL;

	if (!q->http)
		return;
	request_answers(q);
	send_warnings(q);
	q->api->served[code / 100 < 6 ? code / 100 : 5]++;
	if (q->pretty)
		pretty = indented(json, len, &len);
	send_bytes(q, code, pretty ? pretty : json, len);
}

void reply_error(struct request *q, const struct status *err)
{
	size_t len;
	cleanup(freep) char *json = status_json(err, &len);
	char seconds[16];

	if (!q->http)
		return;
	if (err->retry_after_seconds) {
		snprintf(seconds, sizeof(seconds), "%d", err->retry_after_seconds);
		(void)!http_set_header(q->http, "Retry-After", seconds);
	}
	if (json)
		reply_bytes(q, err->code, json, len);
	else
		http_reply(q->http, 500, NULL, NULL, 0);
}

void reply_status(struct request *q, struct status *err)
{
	reply_error(q, err);
	status_free(err);
}

void reply_doc(struct request *q, int code, yyjson_mut_doc *doc)
{
	size_t len;
	cleanup(freep) char *json = doc ? yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, &len) : NULL;

	yyjson_mut_doc_free(doc);
	if (json)
		reply_bytes(q, code, json, len);
	else
		reply_status(q, status_errno(-ENOMEM, "answer"));
}

/* ---- objects in their forms */

/* The object in the version that was asked for; NULL: no memory. */
static yyjson_doc *in_version(const struct request *q, const struct object *o)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = NULL;

	if (q->kind == o->kind)
		return object_doc(o);
	doc = object_mut_doc(o);
	if (!doc || !convert_object(doc, o->kind, q->kind))
		return NULL;
	/* written under another definition, which had other defaults */
	if (q->kind->flags & SCHEMA_CUSTOM && !default_object(doc, q->kind))
		return NULL;
	return yyjson_mut_doc_imut_copy(doc, NULL);
}

static void text_val(struct text *t, yyjson_val *v)
{
	size_t len;
	cleanup(freep) char *json = v ? yyjson_val_write(v, YYJSON_WRITE_NOFLAG, &len) : NULL;

	if (json)
		text_add(t, json, len);
	else
		t->failed = true;
}

static void text_partial(struct request *q, struct text *t, yyjson_val *root)
{
	text_printf(t,
		"{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"%s\",\"metadata\":", q->table_version);
	text_val(t, yyjson_obj_get(root, "metadata"));
	text_puts(t, "}");
}

void text_row(struct request *q, struct text *t, const struct object *o)
{
	cleanup(json_docp) yyjson_doc *doc = in_version(q, o);
	cleanup(json_mut_docp) yyjson_mut_doc *made = yyjson_mut_doc_new(NULL);
	yyjson_val *root = yyjson_doc_get_root(doc);
	yyjson_mut_val *cells = made && root ? table_cells(made, q->kind, root, time(NULL)) : NULL;
	const char *include = q->http ? http_query(q->http, "includeObject") : NULL;
	size_t len;
	cleanup(freep) char *json = cells ? yyjson_mut_val_write(cells, YYJSON_WRITE_NOFLAG, &len) : NULL;

	if (!json) {
		t->failed = true;
		return;
	}
	text_puts(t, "{\"cells\":");
	text_add(t, json, len);
	text_puts(t, ",\"object\":");
	if (include && !strcmp(include, "None"))
		text_puts(t, "null");
	else if (include && !strcmp(include, "Object"))
		text_val(t, root);
	else
		text_partial(q, t, root);
	text_puts(t, "}");
}

void text_columns(struct request *q, struct text *t)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *columns = doc ? table_columns(doc, q->kind) : NULL;
	size_t len;
	cleanup(freep) char *json = columns ? yyjson_mut_val_write(columns, YYJSON_WRITE_NOFLAG, &len) : NULL;

	if (!json) {
		t->failed = true;
		return;
	}
	text_puts(t, "\"columnDefinitions\":");
	text_add(t, json, len);
}

void text_object(struct request *q, struct text *t, const struct object *o, bool columns)
{
	cleanup(json_docp) yyjson_doc *doc = NULL;

	if (q->form == FORM_TABLE) {
		text_printf(t,
			"{\"kind\":\"Table\",\"apiVersion\":\"%s\",\"metadata\":{\"resourceVersion\":\"%lld\"},",
			q->table_version, (long long)o->revision);
		if (columns)
			text_columns(q, t);
		else
			text_puts(t, "\"columnDefinitions\":null");
		text_puts(t, ",\"rows\":[");
		text_row(q, t, o);
		text_puts(t, "]}");
		return;
	}
	if (q->form == FORM_OBJECT && q->kind == o->kind) {
		text_add(t, o->json, o->json_len);
		return;
	}
	doc = in_version(q, o);
	if (!doc)
		t->failed = true;
	else if (q->form == FORM_PARTIAL)
		text_partial(q, t, yyjson_doc_get_root(doc));
	else
		text_val(t, yyjson_doc_get_root(doc));
}

static void send_object(struct request *q, int code, const struct object *o)
{
	struct text t = {0};

	if (q->form == FORM_OBJECT && q->kind == o->kind) {
		reply_bytes(q, code, o->json, o->json_len);
		return;
	}
	text_object(q, &t, o, true);
	if (t.failed)
		reply_status(q, status_errno(-ENOMEM, "answer"));
	else
		reply_bytes(q, code, t.bytes, t.len);
	text_fini(&t);
}

void reply_object(struct request *q, int code, const struct object *o)
{
	request_in_version(q, code, o, send_object);
}

void reply_success(struct request *q, const struct object *o)
{
	size_t len;
	cleanup(freep) char *json = status_success_json(q->kind, o->name, o->uid, &len);

	if (json)
		reply_bytes(q, 200, json, len);
	else
		reply_status(q, status_errno(-ENOMEM, "answer"));
}
