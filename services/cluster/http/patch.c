/* SPDX-License-Identifier: Apache-2.0 */

/*
 * PATCH: the body says what to do with whatever the object is by then. It is kept and done again when somebody else was
 * quicker. Server-side apply is one of them that may also create.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/http/http_int.h"
#include "cluster/schema/apply.h"
#include "cluster/schema/convert.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/patch.h"
#include "lib/json.h"

struct patching {
	struct request *q;
	enum patch_type type;
	char *body; /* owned: the request's goes with it */
	size_t len;
	yyjson_mut_doc *config; /* of apply; owned */
	struct warnings twice;	/* likewise: what is in its text twice */
	bool force, created;
	const struct schema_kind *as; /* what the registry takes */
};

static void patching_free(void *own)
{
	struct patching *p = own;

	yyjson_mut_doc_free(p->config);
	warnings_fini(&p->twice);
	free(p->body);
	free(p);
}

static struct status *no_memory(void)
{
	return status_errno(-ENOMEM, "patch");
}

static struct status *apply(struct patching *p, const struct object *old, yyjson_mut_doc *doc)
{
	struct request *q = p->q;
	char now[META_TIME_MAX];
	struct apply_manager m = {
		.name = q->manager, .subresource = q->subresource, .time = now, .force = p->force};
	struct status *err;
	yyjson_mut_doc *config = yyjson_mut_doc_mut_copy(p->config, NULL);

	meta_time(now, time(NULL));
	if (!config)
		return no_memory();
	if (!old) {
		yyjson_mut_val *root = yyjson_mut_obj(doc);

		yyjson_mut_doc_set_root(doc, root);
		if (!root) {
			yyjson_mut_doc_free(config);
			return no_memory();
		}
		p->created = true;
	}
	err = apply_object(doc, yyjson_mut_doc_get_root(config), q->kind, &m);
	/* What it merged may point into the configuration: the result is made a document of its own below. */
	if (!err) {
		yyjson_mut_val *copy = yyjson_mut_val_mut_copy(doc, yyjson_mut_doc_get_root(doc));

		if (copy)
			yyjson_mut_doc_set_root(doc, copy);
		else
			err = no_memory();
	}
	yyjson_mut_doc_free(config);
	return err;
}

static struct status *change(struct patching *p, const struct object *old, yyjson_mut_doc *doc)
{
	struct request *q = p->q;
	struct warnings duplicates = {0};
	const struct warnings *twice = p->type == PATCH_APPLY ? &p->twice : &duplicates;
	struct status *err;

	if (old && !convert_object(doc, old->kind, q->kind))
		return no_memory();
	if (p->type == PATCH_APPLY)
		err = apply(p, old, doc);
	else
		err = patch_object(doc, q->kind, p->type, p->body, p->len, &duplicates);
	if (!err && twice->n && q->validation == DECODE_STRICT)
		err = status_bad_request("strict decoding error: %s", twice->items[0]);
	for (size_t i = 0; !err && i < twice->n && q->validation == DECODE_WARN; i++)
		warnings_add(&q->warnings, "%s", twice->items[i]);
	warnings_fini(&duplicates);
	if (!err)
		err = decode_check(doc, q->kind, q->validation, &q->warnings);
	if (!err && !convert_object(doc, q->kind, p->as))
		err = no_memory();
	return err;
}

static enum modify modify(const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	struct patching *p = arg;

	p->created = false;
	warnings_fini(&p->q->warnings);
	p->q->warnings = (struct warnings){0};
	*error = change(p, old, *doc);
	return *error ? MODIFY_FAIL : MODIFY_WRITE;
}

static void done(const struct status *error, const struct object *object, void *arg)
{
	struct patching *p = arg;
	struct request *q = p->q;

	if (error)
		reply_error(q, error);
	else
		reply_object(q, p->created ? 201 : 200, object);
	request_unref(q);
}

static struct status *read_patch(struct request *q, struct patching *p)
{
	const char *type = http_header(q->http, "Content-Type");
	int t = patch_type_of(type ? type : "");

	if (t < 0 || t == PATCH_APPLY_CBOR)
		return status_unsupported_media_type(true);
	p->type = (enum patch_type)t;
	p->force = request_flag(q, "force");
	if (p->type != PATCH_APPLY && http_query(q->http, "force"))
		return status_new(422, "Invalid",
			"PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for non-apply patch");
	if (p->type == PATCH_APPLY) {
		const char *manager = http_query(q->http, "fieldManager");
		struct status *err;

		if (!manager || !*manager)
			return status_new(422, "Invalid",
				"PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply "
				"patch");
		err = decode_yaml(&p->config, q->body, q->body_len);
		return err ? err : patch_last_counts(p->config, &p->twice);
	}
	p->body = malloc(q->body_len + 1);
	if (!p->body)
		return no_memory();
	memcpy(p->body, q->body, q->body_len);
	p->body[q->body_len] = '\0';
	p->len = q->body_len;
	return NULL;
}

static void patch(struct request *q)
{
	struct write_options w = request_write_options(q);
	struct patching *p = calloc(1, sizeof(*p));
	struct status *err;

	if (!p) {
		reply_status(q, no_memory());
		return;
	}
	p->q = q;
	q->own = p;
	q->own_free = patching_free;
	err = read_patch(q, p);
	if (err) {
		reply_status(q, err);
		return;
	}
	w.applied = p->type == PATCH_APPLY;
	p->as = registry_written_as(q->api->registry, q->kind);
	request_ref(q);
	registry_modify(q->api->registry, q->who, q->kind, q->ns, q->name, w.applied && !*q->subresource,
		modify, &w, done, p);
}

void handle_patch(struct request *q)
{
	request_read_body(q, patch);
}
