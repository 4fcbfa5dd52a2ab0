/* SPDX-License-Identifier: Apache-2.0 */

/* get, create, update and delete of one object. */

#include <errno.h>
#include <string.h>

#include "cluster/http/http_int.h"
#include "cluster/schema/convert.h"
#include "cluster/schema/meta.h"
#include "lib/json.h"

void handle_get(struct request *q)
{
	const struct object *o = registry_get(q->api->registry, q->kind, q->ns, q->name);
	int64_t revision = 0;
	struct status *err = request_number(q, "resourceVersion", &revision);

	if (!err && !o)
		err = status_not_found(q->kind, q->name);
	if (err)
		reply_status(q, err);
	else
		reply_object(q, 200, o);
}

/* ---- bodies */

/* The body as an object of the kind as the registry takes it. NULL: answered. */
static yyjson_mut_doc *read_object(struct request *q)
{
	const struct schema_kind *as = registry_written_as(q->api->registry, q->kind);
	const char *type = http_header(q->http, "Content-Type");
	int format = decode_format_of(type ? type : "");
	yyjson_mut_doc *doc = NULL;
	struct status *err;

	if (format < 0)
		err = status_unsupported_media_type(false);
	else
		err = decode_object(&doc, q->body, q->body_len, (enum decode_format)format, q->kind,
			q->validation, &q->warnings);
	if (!err && !convert_object(doc, q->kind, as))
		err = status_errno(-ENOMEM, "request");
	if (!err)
		return doc;
	yyjson_mut_doc_free(doc);
	reply_status(q, err);
	return NULL;
}

static void created(const struct status *error, const struct object *object, void *arg)
{
	struct request *q = arg;

	if (error)
		reply_error(q, error);
	else
		reply_object(q, 201, object);
	request_unref(q);
}

static void create(struct request *q)
{
	struct write_options w = request_write_options(q);
	yyjson_mut_doc *doc = read_object(q);
	const char *ns;

	if (!doc)
		return;
	/* POST /api/v1/pods with a namespace inside is not a thing; the path says where. */
	ns = q->ns;
	if (q->kind->flags & SCHEMA_NAMESPACED && !*ns) {
		yyjson_mut_doc_free(doc);
		reply_status(q, status_method_not_allowed(q->kind, "create"));
		return;
	}
	registry_create(q->api->registry, q->who, q->kind, ns, doc, &w, created, request_ref(q));
}

void handle_create(struct request *q)
{
	request_read_body(q, create);
}

static void updated(const struct status *error, const struct object *object, void *arg)
{
	struct request *q = arg;

	if (error)
		reply_error(q, error);
	else
		reply_object(q, 200, object);
	request_unref(q);
}

/* A PUT that made the object says so. */
struct put {
	bool existed;
};

static void put_done(const struct status *error, const struct object *object, void *arg)
{
	struct request *q = arg;
	struct put *p = q->own;

	if (error || p->existed) {
		updated(error, object, q);
		return;
	}
	created(error, object, q);
}

static void update(struct request *q)
{
	struct write_options w = request_write_options(q);
	yyjson_mut_doc *doc = read_object(q);
	struct put *p;

	if (!doc)
		return;
	p = calloc(1, sizeof(*p));
	if (!p) {
		yyjson_mut_doc_free(doc);
		reply_status(q, status_errno(-ENOMEM, "request"));
		return;
	}
	p->existed = registry_get(q->api->registry, q->kind, q->ns, q->name) != NULL;
	q->own = p;
	q->own_free = free;
	registry_update(q->api->registry, q->who, q->kind, q->ns, q->name, doc, &w, put_done, request_ref(q));
}

void handle_update(struct request *q)
{
	request_read_body(q, update);
}
