/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Lists. A page is taken whole from the registry, as references, and written piece by piece as the client takes it: a list of
 * a hundred thousand pods is never one text. Protobuf has the length of the list before it, so a list that is larger than what may
 * wait to be sent is encoded twice: to know how long it is, in turns of the loop, and to be sent.
 */

#include <errno.h>
#include <string.h>

#include "cluster/http/http_int.h"
#include "cluster/schema/encode.h"
#include "cluster/schema/selector.h"
#include "lib/json.h"
#include "lib/log.h"

enum { PIECE = 64 * 1024, PENDING_MAX = 256 * 1024, TURN_PIECES = 4 };

/* ---- what is asked */

static struct status *parse_match(struct request *q, struct list_options *o, bool has_revision)
{
	const char *m = http_query(q->http, "resourceVersionMatch");

	if (!m || !*m)
		return NULL;
	if (!has_revision || (o->continue_token && *o->continue_token))
		return status_new(422, "Invalid",
			"ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: %s",
			has_revision
				? "resourceVersionMatch is forbidden when continue is provided"
				: "resourceVersionMatch is forbidden unless resourceVersion is provided");
	if (!strcmp(m, "Exact")) {
		if (!o->revision)
			return status_new(422, "Invalid",
				"ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: "
				"resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\"");
		o->match = MATCH_EXACT;
	} else if (!strcmp(m, "NotOlderThan")) {
		o->match = MATCH_NOT_OLDER;
	} else {
		return status_new(422, "Invalid",
			"ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Unsupported value: \"%.64s\": "
			"supported values: \"Exact\", \"NotOlderThan\"",
			m);
	}
	return NULL;
}

struct status *list_options_of(
	struct request *q, struct list_options *o, struct selector **labels, struct selector **fields)
{
	const char *l = http_query(q->http, "labelSelector"), *f = http_query(q->http, "fieldSelector");
	const char *revision = http_query(q->http, "resourceVersion");
	bool has_revision = revision && *revision;
	int64_t limit = 0;
	struct status *err;

	*labels = *fields = NULL;
	*o = (struct list_options){
		.ns = q->ns, .revision = -1, .continue_token = http_query(q->http, "continue")};
	err = request_number(q, "limit", &limit);
	if (!err)
		err = request_number(q, "resourceVersion", &o->revision);
	o->limit = (uint64_t)limit;
	if (!err && has_revision && o->revision > 0 && o->continue_token && *o->continue_token)
		err = status_bad_request("specifying resource version is not allowed when using continue");
	/* A watch has rules of its own. */
	if (!err && !strcmp(q->verb, "list"))
		err = parse_match(q, o, has_revision);
	if (!err && l && *l)
		err = selector_parse_labels(labels, l);
	if (!err && f && *f)
		err = selector_parse_fields(fields, f, q->kind);
	if (err) {
		selector_free(*labels);
		selector_free(*fields);
		*labels = *fields = NULL;
		return err;
	}
	o->labels = *labels;
	o->fields = *fields;
	return NULL;
}

/* ---- writing */

struct paging {
	struct request *q;
	struct list list;
	size_t at;
	bool over;
	struct gzip *gzip; /* owned; NULL: as it is */
	struct loop_task next;
	/* protobuf */
	struct encoder encoder; /* room for one item */
	struct text first;	/* as many items as may wait, which are encoded once */
	size_t measured, items_len;
};

static void paging_free(void *own)
{
	struct paging *p = own;

	loop_defer_del(&p->next);
	gzip_free(p->gzip);
	encoder_fini(&p->encoder);
	text_fini(&p->first);
	list_fini(&p->list);
	free(p);
}

static void text_head(struct request *q, const struct list *l, struct text *t)
{
	if (q->form == FORM_OBJECT)
		text_printf(t, "{\"kind\":\"%s\",\"apiVersion\":\"%s\",\"metadata\":{", q->kind->list_kind,
			q->kind->api_version);
	else
		text_printf(t, "{\"kind\":\"%s\",\"apiVersion\":\"%s\",\"metadata\":{",
			q->form == FORM_TABLE ? "Table" : "PartialObjectMetadataList", q->table_version);
	text_printf(t, "\"resourceVersion\":\"%lld\"", (long long)l->revision);
	if (l->continue_token) {
		text_puts(t, ",\"continue\":");
		text_quote(t, l->continue_token);
	}
	if (l->remaining > 0)
		text_printf(t, ",\"remainingItemCount\":%lld", (long long)l->remaining);
	text_puts(t, "},");
	if (q->form == FORM_TABLE) {
		text_columns(q, t);
		text_puts(t, ",\"rows\":[");
	} else {
		text_puts(t, "\"items\":[");
	}
}

/* As many as make @size bytes. true: that was the end. */
static bool piece(struct request *q, struct paging *p, struct text *t, size_t size)
{
	while (p->at < p->list.n && t->len < size && !t->failed) {
		if (q->encoding == ENCODING_PROTOBUF) {
			protobuf_item(q, &p->encoder, t, p->list.items[p->at++]);
			continue;
		}
		if (p->at)
			text_add(t, ",", 1);
		if (q->form == FORM_TABLE)
			text_row(q, t, p->list.items[p->at++]);
		else
			text_object(q, t, p->list.items[p->at++], false);
	}
	if (p->at == p->list.n && q->encoding == ENCODING_PROTOBUF)
		text_add(t, ENCODE_END, ENCODE_END_LEN);
	else if (p->at == p->list.n)
		text_puts(t, "]}");
	return p->at == p->list.n;
}

/* Some of the list, as it is or compressed. false: the answer has begun, so without memory all that is left is to break off. */
static bool write_piece(struct request *q, struct paging *p, const struct text *t, bool end)
{
	struct text out = {0};
	bool ok;

	if (!p->gzip)
		return !t->failed && !http_write(q->http, t->bytes, t->len);
	gzip_add(p->gzip, &out, t->bytes, t->len, end);
	ok = !t->failed && !out.failed && !http_write(q->http, out.bytes, out.len);
	text_fini(&out);
	return ok;
}

static void on_next(struct loop_task *t);

/* What compresses well fills no buffer: then it is the pieces of one turn of the loop that are counted. */
static void go_on(struct http_req *r, void *arg)
{
	struct request *q = arg;
	struct paging *p = q->own;
	size_t pieces = 0;

	request_ref(q);
	while (q->http && !p->over && http_pending(q->http) < PENDING_MAX &&
		(!p->gzip || pieces++ < TURN_PIECES)) {
		struct text t = {0};

		p->over = piece(q, p, &t, PIECE);
		if (!write_piece(q, p, &t, p->over)) {
			log_errno(ENOMEM, "api op=list");
			p->over = true;
		}
		text_fini(&t);
		if (p->over)
			http_end(q->http);
	}
	if (q->http && !p->over && pieces > TURN_PIECES)
		loop_defer(q->api->loop, &p->next, on_next);
	request_unref(q);
}

static void on_next(struct loop_task *t)
{
	struct paging *p = container_of(t, struct paging, next);

	if (p->q->http)
		go_on(p->q->http, p->q);
}

/* It begins with @t, which it frees, and goes on as the client takes it. */
static void start(struct request *q, struct text *t)
{
	struct paging *p = q->own;

	request_answers(q);
	q->api->served[2]++;
	p->gzip = gzip_is_taken(q) ? gzip_new() : NULL;
	if (p->gzip)
		gzip_announce(q);
	http_reply_start(q->http, 200, reply_content(q));
	(void)!write_piece(q, p, t, false); /* a broken stream says so itself */
	text_fini(t);
	if (q->http) {
		http_on_drain(q->http, go_on, q);
		go_on(q->http, q);
	}
}

/* ---- protobuf */

static void send_measured(struct request *q)
{
	struct paging *p = q->own;
	struct text t = {0}, list = {0};
	bool whole = p->at == p->list.n;

	text_head(q, &p->list, &list);
	text_puts(&list, "]}");
	protobuf_list_head(&t, &list, p->items_len);
	text_fini(&list);
	if (p->first.len)
		text_add(&t, p->first.bytes, p->first.len);
	text_fini(&p->first);
	if (whole)
		text_add(&t, ENCODE_END, ENCODE_END_LEN);
	if (!t.failed && !whole) {
		start(q, &t);
		return;
	}
	if (t.failed)
		reply_status(q, status_errno(-ENOMEM, "list"));
	else
		reply_encoded(q, 200, t.bytes, t.len);
	text_fini(&t);
}

static void on_measure(struct loop_task *t);

/* Encodes as much as may wait, and keeps what is the beginning. */
static void measure(struct request *q)
{
	struct paging *p = q->own;
	struct text t = {0};

	while (p->measured < p->list.n && t.len < PENDING_MAX && !t.failed)
		protobuf_item(q, &p->encoder, &t, p->list.items[p->measured++]);
	p->items_len += t.len;
	if (!p->at) {
		p->at = p->measured;
		p->first = t;
	} else {
		text_fini(&t);
	}
	if (t.failed)
		reply_status(q, status_errno(-ENOMEM, "list"));
	else if (p->measured < p->list.n)
		loop_defer(q->api->loop, &p->next, on_measure);
	else
		send_measured(q);
}

static void on_measure(struct loop_task *t)
{
	struct paging *p = container_of(t, struct paging, next);

	if (p->q->http)
		measure(p->q);
}

/* ---- */

static void send_list(struct request *q)
{
	struct paging *p = q->own;
	struct text t = {0};

	if (q->encoding == ENCODING_PROTOBUF) {
		measure(q);
		return;
	}
	text_head(q, &p->list, &t);
	/* compressed is what is known to be large enough */
	if (piece(q, p, &t, gzip_is_taken(q) ? GZIP_FROM + 1 : PIECE) || t.failed || q->pretty) {
		while (q->pretty && !t.failed && p->at < p->list.n) {
			struct text more = {0};

			piece(q, p, &more, PIECE);
			text_add(&t, more.bytes, more.len);
			text_fini(&more);
		}
		if (t.failed)
			reply_status(q, status_errno(-ENOMEM, "list"));
		else
			reply_bytes(q, 200, t.bytes, t.len);
		text_fini(&t);
		return;
	}
	start(q, &t);
}

/* The history was too short: the token to go on with, all the same, is in the error's metadata. */
static void reply_expired(struct request *q, struct status *err, const char *token)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? status_value(err, doc) : NULL, *meta;
	size_t len;
	cleanup(freep) char *json = NULL;

	if (root) {
		yyjson_mut_obj_remove_key(root, "metadata");
		meta = yyjson_mut_obj_add_obj(doc, root, "metadata");
		if (meta && yyjson_mut_obj_add_strcpy(doc, meta, "continue", token))
			json = yyjson_mut_val_write(root, YYJSON_WRITE_NOFLAG, &len);
	}
	if (json)
		reply_bytes(q, err->code, json, len);
	else
		reply_error(q, err);
	status_free(err);
}

void handle_list(struct request *q)
{
	struct paging *p = calloc(1, sizeof(*p));
	struct selector *labels, *fields;
	struct list_options o;
	struct status *err;

	if (!p) {
		reply_status(q, status_errno(-ENOMEM, "list"));
		return;
	}
	p->q = q;
	q->own = p;
	q->own_free = paging_free;
	err = list_options_of(q, &o, &labels, &fields);
	if (err) {
		reply_status(q, err);
		return;
	}
	err = registry_list(q->api->registry, q->kind, &o, &p->list);
	selector_free(labels);
	selector_free(fields);
	if (!err)
		request_list_in_version(q, &p->list, send_list);
	else if (p->list.continue_token)
		reply_expired(q, err, p->list.continue_token);
	else
		reply_status(q, err);
}
