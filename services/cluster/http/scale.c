/* SPDX-License-Identifier: Apache-2.0 */

/* scale: how many, as one small object whatever the kind. Where the numbers are in the object, the kind's table says. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cluster/http/subresources.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/patch.h"
#include "cluster/schema/scale.h"
#include "lib/json.h"

struct scaling {
	struct request *q;
	char *body; /* owned: a patch */
	size_t len;
	enum patch_type type;
	bool is_patch;
	yyjson_mut_doc *given; /* owned: of a PUT */
};

static void scaling_free(void *own)
{
	struct scaling *s = own;

	yyjson_mut_doc_free(s->given);
	free(s->body);
	free(s);
}

static struct status *no_memory(void)
{
	return status_errno(-ENOMEM, "scale");
}

static yyjson_mut_doc *scale_of(const struct request *q, const struct object *o)
{
	const struct schema_subresource *sub = q->sub;
	cleanup(json_docp) yyjson_doc *in = object_doc(o);
	yyjson_val *root = yyjson_doc_get_root(in);
	yyjson_mut_doc *doc = in ? yyjson_mut_doc_new(NULL) : NULL;
	yyjson_mut_val *out = doc ? yyjson_mut_obj(doc) : NULL, *part;
	cleanup(freep) char *selector = scale_selector(root, sub);
	char revision[24];

	if (!out) {
		yyjson_mut_doc_free(doc);
		return NULL;
	}
	yyjson_mut_doc_set_root(doc, out);
	yyjson_mut_obj_add_str(doc, out, "kind", "Scale");
	yyjson_mut_obj_add_str(doc, out, "apiVersion", "autoscaling/v1");
	part = yyjson_mut_obj_add_obj(doc, out, "metadata");
	yyjson_mut_obj_add_strcpy(doc, part, "name", o->name);
	yyjson_mut_obj_add_strcpy(doc, part, "namespace", o->ns);
	yyjson_mut_obj_add_strcpy(doc, part, "uid", o->uid);
	snprintf(revision, sizeof(revision), "%" PRId64, o->revision);
	yyjson_mut_obj_add_strcpy(doc, part, "resourceVersion", revision);
	if (o->created)
		yyjson_mut_obj_add_strcpy(doc, part, "creationTimestamp", o->created);
	part = yyjson_mut_obj_add_obj(doc, out, "spec");
	yyjson_mut_obj_add_sint(doc, part, "replicas", yyjson_get_sint(scale_at(root, sub->spec_replicas)));
	part = yyjson_mut_obj_add_obj(doc, out, "status");
	yyjson_mut_obj_add_sint(doc, part, "replicas", yyjson_get_sint(scale_at(root, sub->status_replicas)));
	if (selector && *selector)
		yyjson_mut_obj_add_strcpy(doc, part, "selector", selector);
	return doc;
}

static struct status *number_of(yyjson_mut_val *root, int64_t *n)
{
	yyjson_mut_val *v = meta_mut_get(root, "spec", "replicas", NULL);

	*n = v ? yyjson_mut_get_sint(v) : 0;
	if (v && !yyjson_mut_is_int(v))
		return status_bad_request("spec.replicas of a Scale is a number");
	if (*n < 0)
		return status_new(422, "Invalid",
			"Scale.autoscaling \"\" is invalid: spec.replicas: Invalid value: %lld: must be greater than or equal to 0",
			(long long)*n);
	return NULL;
}

static struct status *wanted(struct scaling *s, const struct object *old, int64_t *n)
{
	yyjson_mut_doc *now = NULL;
	yyjson_mut_val *root;
	const char *revision;
	struct status *err = NULL;

	if (s->is_patch) {
		now = scale_of(s->q, old);
		if (!now)
			return no_memory();
		err = patch_object(now, NULL, s->type, s->body, s->len, NULL);
	}
	root = yyjson_mut_doc_get_root(now ? now : s->given);
	revision = meta_mut_text(root, "resourceVersion");
	if (!err && revision && *revision && strtoll(revision, NULL, 10) != old->revision)
		err = status_modified(old->kind, old->name);
	if (!err)
		err = number_of(root, n);
	yyjson_mut_doc_free(now);
	return err;
}

static enum modify change(const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	struct scaling *s = arg;
	int64_t n = 0;

	*error = wanted(s, old, &n);
	if (*error)
		return MODIFY_FAIL;
	return scale_put(*doc, yyjson_mut_doc_get_root(*doc), s->q->sub, n) ? MODIFY_WRITE : MODIFY_FAIL;
}

static void send_scale(struct request *q, int code, const struct object *o)
{
	reply_doc(q, code, scale_of(q, o));
}

static void scaled(const struct status *error, const struct object *object, void *arg)
{
	struct scaling *s = arg;
	struct request *q = s->q;

	if (error)
		reply_error(q, error);
	else
		request_in_version(q, 200, object, send_scale);
	request_unref(q);
}

static void write_scale(struct request *q)
{
	struct write_options w = request_write_options(q);
	struct scaling *s = calloc(1, sizeof(*s));
	const char *type = http_header(q->http, "Content-Type");

	if (!s) {
		reply_status(q, no_memory());
		return;
	}
	s->q = q;
	q->own = s;
	q->own_free = scaling_free;
	s->is_patch = !strcmp(q->verb, "patch");
	if (s->is_patch) {
		int t = patch_type_of(type ? type : "");

		if (t < 0 || t >= PATCH_APPLY) {
			reply_status(q, status_unsupported_media_type(true));
			return;
		}
		/* A Scale has no lists: a strategic merge of it is a merge. */
		s->type = t == PATCH_STRATEGIC ? PATCH_MERGE : (enum patch_type)t;
		s->body = malloc(q->body_len + 1);
		if (!s->body) {
			reply_status(q, no_memory());
			return;
		}
		memcpy(s->body, q->body, q->body_len);
		s->body[q->body_len] = '\0';
		s->len = q->body_len;
	} else {
		s->given = subresource_body(q, "autoscaling/v1", "Scale");
		if (!s->given)
			return;
	}
	w.subresource = NULL; /* it is the object that changes */
	request_ref(q);
	registry_modify(q->api->registry, q->who, q->kind, q->ns, q->name, false, change, &w, scaled, s);
}

void subresource_scale(struct request *q)
{
	const struct object *o;

	if (strcmp(q->verb, "get") != 0) {
		request_read_body(q, write_scale);
		return;
	}
	o = registry_get(q->api->registry, q->kind, q->ns, q->name);
	if (o)
		request_in_version(q, 200, o, send_scale);
	else
		reply_status(q, status_not_found(q->kind, q->name));
}
