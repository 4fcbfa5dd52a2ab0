/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What answers have in common: the form the client asked for (the object, a Table of it, its metadata alone), its version,
 * indentation, warnings. An object that is wanted as it is stored is sent as the bytes it is.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cluster/http/http_int.h"
#include "cluster/schema/convert.h"
#include "cluster/schema/default.h"
#include "cluster/schema/encode.h"
#include "cluster/schema/table.h"
#include "lib/json.h"
#include "lib/log.h"

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

struct status *reply_negotiate(struct request *q)
{
	bool watch = !strcmp(q->verb, "watch");
	struct negotiated got;
	struct offer offer;

	if (!q->kind || (q->long_running && !watch))
		return NULL;
	offer.protobuf = encode_is_in_protobuf(q->kind->type);
	/* a review has no metadata: it is itself or nothing */
	offer.forms = !(q->kind->flags & SCHEMA_REVIEW);
	if (negotiate(http_header(q->http, "Accept"), &offer, &got)) {
		q->encoding = got.encoding;
		q->form = got.form;
		q->table_version = got.version;
		return NULL;
	}
	if (!offer.protobuf)
		return status_not_acceptable(watch ? CONTENT_JSON ";stream=watch" : CONTENT_JSON);
	return status_not_acceptable(watch ? CONTENT_JSON ";stream=watch, " CONTENT_PROTOBUF_WATCH
					   : CONTENT_JSON ", " CONTENT_PROTOBUF);
}

/* An error is a Status whatever was asked for, and JSON when nothing else is wanted. */
static enum encoding encoding_of_errors(const struct request *q)
{
	static const struct offer status = {.protobuf = true};
	struct negotiated got;

	return negotiate(http_header(q->http, "Accept"), &status, &got) ? got.encoding : ENCODING_JSON;
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

static void send_bytes(struct request *q, int code, const char *content, const char *bytes, size_t len)
{
	struct gzip *g = len > GZIP_FROM && gzip_is_taken(q) ? gzip_new() : NULL;
	struct text t = {0};

	if (g)
		gzip_add(g, &t, bytes, len, true);
	gzip_free(g);
	if (t.len && !t.failed) {
		gzip_announce(q);
		http_reply(q->http, code, content, t.bytes, t.len);
	} else {
		http_reply(q->http, code, content, bytes, len);
	}
	text_fini(&t);
}

void reply_plain(struct request *q, int code, const char *content_type, const char *text)
{
	request_answers(q);
	q->api->served[code / 100]++;
	http_reply(q->http, code, content_type, text, strlen(text));
}

static void begin_answer(struct request *q, int code)
{
	request_answers(q);
	send_warnings(q);
	q->api->served[code / 100 < 6 ? code / 100 : 5]++;
}

/* false: what it is has no protobuf, or there is no memory for it. */
static bool send_protobuf(struct request *q, int code, const char *json, size_t len)
{
	cleanup(json_docp) yyjson_doc *doc = yyjson_read(json, len, YYJSON_READ_NOFLAG);
	struct encoder e = {0};
	bool ok = doc && encode_document(&e, yyjson_doc_get_root(doc));

	if (ok)
		send_bytes(q, code, CONTENT_PROTOBUF, (const char *)encoder_bytes(&e), e.len);
	encoder_fini(&e);
	return ok;
}

void reply_bytes(struct request *q, int code, const char *json, size_t len)
{
	cleanup(freep) char *pretty = NULL;

	if (!q->http)
		return;
	begin_answer(q, code);
	if ((code < 400 ? q->encoding : encoding_of_errors(q)) == ENCODING_PROTOBUF &&
		send_protobuf(q, code, json, len))
		return;
	if (q->pretty)
		pretty = indented(json, len, &len);
	send_bytes(q, code, CONTENT_JSON, pretty ? pretty : json, len);
}

const char *reply_content(const struct request *q)
{
	return q->encoding == ENCODING_PROTOBUF ? CONTENT_PROTOBUF : CONTENT_JSON;
}

void reply_encoded(struct request *q, int code, const char *bytes, size_t len)
{
	if (!q->http)
		return;
	begin_answer(q, code);
	send_bytes(q, code, reply_content(q), bytes, len);
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

yyjson_doc *object_in_version(const struct request *q, const struct object *o)
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
	cleanup(json_docp) yyjson_doc *doc = object_in_version(q, o);
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
	doc = object_in_version(q, o);
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
