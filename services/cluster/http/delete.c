/* SPDX-License-Identifier: Apache-2.0 */

/* DELETE of one object and of what a list shows. Options come in the body, in the query, or in both. */

#include <errno.h>
#include <string.h>

#include "cluster/http/subresources.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/selector.h"
#include "lib/json.h"

struct deleting {
	struct request *q;
	struct delete_options o; /* uid borrowed from doc */
	yyjson_mut_doc *doc;	 /* owned */
	struct list list;
};

static void deleting_free(void *own)
{
	struct deleting *d = own;

	yyjson_mut_doc_free(d->doc);
	list_fini(&d->list);
	free(d);
}

static struct status *propagation_of(const char *text, enum propagation *out)
{
	static const struct {
		const char *text;
		enum propagation p;
	} known[] = {{"Background", PROPAGATE_BACKGROUND}, {"Foreground", PROPAGATE_FOREGROUND},
		{"Orphan", PROPAGATE_ORPHAN}};

	for (size_t i = 0; i < array_len(known); i++)
		if (!strcmp(known[i].text, text)) {
			*out = known[i].p;
			return NULL;
		}
	return status_new(422, "Invalid",
		"DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported value: \"%.64s\": supported values: "
		"\"Background\", \"Foreground\", \"Orphan\"",
		text);
}

struct status *delete_options_read(struct delete_options *o, yyjson_mut_val *said)
{
	yyjson_mut_val *v = yyjson_mut_obj_get(said, "gracePeriodSeconds"), *dry;
	size_t i, n;

	if (v)
		o->grace_seconds = yyjson_mut_get_sint(v);
	v = yyjson_mut_obj_get(said, "orphanDependents");
	if (v)
		o->propagation = yyjson_mut_get_bool(v) ? PROPAGATE_ORPHAN : PROPAGATE_BACKGROUND;
	yyjson_mut_arr_foreach(yyjson_mut_obj_get(said, "dryRun"), i, n, dry)
	{
		if (!yyjson_mut_equals_str(dry, "All"))
			return status_new(422, "Invalid",
				"DeleteOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: \"%.64s\": supported values: \"All\"",
				yyjson_mut_get_str(dry));
		o->dry_run = true;
	}
	o->uid = yyjson_mut_get_str(meta_mut_get(said, "preconditions", "uid", NULL));
	v = meta_mut_get(said, "preconditions", "resourceVersion", NULL);
	if (v)
		o->revision = strtoll(yyjson_mut_get_str(v), NULL, 10);
	v = yyjson_mut_obj_get(said, "propagationPolicy");
	if (v && yyjson_mut_obj_get(said, "orphanDependents"))
		return status_new(422, "Invalid",
			"DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Invalid value: \"%.64s\": orphanDependents and "
			"deletionPropagation cannot be both set",
			yyjson_mut_get_str(v));
	return v ? propagation_of(yyjson_mut_get_str(v), &o->propagation) : NULL;
}

static struct status *options_of_body(struct deleting *d)
{
	struct request *q = d->q;
	const char *type = http_header(q->http, "Content-Type");
	int format = decode_format_of(type ? type : "");
	const struct schema_type *t = schema_named_type("DeleteOptions");
	struct status *err;

	if (!q->body_len)
		return NULL;
	if (format < 0)
		return status_unsupported_media_type(false);
	err = decode_named(&d->doc, q->body, q->body_len, (enum decode_format)format, "v1", "DeleteOptions",
		t, DECODE_IGNORE, &q->warnings);
	return err ?: delete_options_read(&d->o, yyjson_mut_doc_get_root(d->doc));
}

static struct status *options_of(struct deleting *d)
{
	struct request *q = d->q;
	const char *policy = http_query(q->http, "propagationPolicy");
	int64_t grace = -1;
	struct status *err;

	d->o = (struct delete_options){
		.grace_seconds = -1, .dry_run = q->dry_run, .warn = request_warn, .warn_arg = q};
	err = options_of_body(d);
	if (!err)
		err = request_number(q, "gracePeriodSeconds", &grace);
	if (!err && policy && *policy)
		err = propagation_of(policy, &d->o.propagation);
	if (grace >= 0)
		d->o.grace_seconds = grace;
	if (!err && http_query(q->http, "orphanDependents"))
		d->o.propagation =
			request_flag(q, "orphanDependents") ? PROPAGATE_ORPHAN : PROPAGATE_BACKGROUND;
	return err;
}

static struct deleting *begin(struct request *q)
{
	struct deleting *d = calloc(1, sizeof(*d));
	struct status *err;

	if (!d) {
		reply_status(q, status_errno(-ENOMEM, "delete"));
		return NULL;
	}
	d->q = q;
	q->own = d;
	q->own_free = deleting_free;
	err = options_of(d);
	if (!err)
		return d;
	reply_status(q, err);
	return NULL;
}

/* These answer with what they were, also when they are gone. */
static bool answers_with_object(const struct schema_kind *k)
{
	static const char *const kinds[] = {"Pod", "Service", "ServiceAccount", "PersistentVolume",
		"PersistentVolumeClaim", "PodTemplate", "ResourceQuota", "StorageClass", "VolumeAttachment",
		"CSIDriver", "CSINode"};

	for (size_t i = 0; i < array_len(kinds); i++)
		if (!strcmp(k->kind, kinds[i]))
			return true;
	return false;
}

static void deleted(const struct status *error, const struct object *object, bool gone, void *arg)
{
	struct request *q = arg;

	if (error)
		reply_error(q, error);
	else if (gone && !answers_with_object(q->kind))
		reply_success(q, object);
	else
		reply_object(q, 200, object);
	request_unref(q);
}

static void delete(struct request *q)
{
	struct deleting *d = begin(q);

	if (d)
		registry_delete(
			q->api->registry, q->who, q->kind, q->ns, q->name, &d->o, deleted, request_ref(q));
}

void handle_delete(struct request *q)
{
	request_read_body(q, delete);
}

/* ---- collections */

static void send_deleted(struct request *q)
{
	struct deleting *d = q->own;
	struct text t = {0};

	text_printf(&t,
		"{\"kind\":\"%s\",\"apiVersion\":\"%s\",\"metadata\":{\"resourceVersion\":\"%lld\"},\"items\":[",
		q->kind->list_kind, q->kind->api_version, (long long)registry_revision(q->api->registry));
	q->form = FORM_OBJECT;
	for (size_t i = 0; i < d->list.n; i++) {
		if (i)
			text_puts(&t, ",");
		text_object(q, &t, d->list.items[i], false);
	}
	text_puts(&t, "]}");
	if (t.failed)
		reply_status(q, status_errno(-ENOMEM, "delete"));
	else
		reply_bytes(q, 200, t.bytes, t.len);
	text_fini(&t);
}

static void all_deleted(const struct status *error, void *arg)
{
	struct deleting *d = arg;
	struct request *q = d->q;

	if (error)
		reply_error(q, error);
	else
		request_list_in_version(q, &d->list, send_deleted);
	request_unref(q);
}

static void delete_collection(struct request *q)
{
	struct deleting *d = begin(q);
	struct selector *labels, *fields;
	struct list_options o;
	struct status *err;

	if (!d)
		return;
	err = list_options_of(q, &o, &labels, &fields);
	if (!err) {
		o.revision = -1;
		err = registry_list(q->api->registry, q->kind, &o, &d->list);
		selector_free(labels);
		selector_free(fields);
	}
	if (err) {
		reply_status(q, err);
		return;
	}
	request_ref(q);
	registry_delete_all(q->api->registry, q->who, q->kind, &d->list, &d->o, all_deleted, d);
}

void handle_delete_collection(struct request *q)
{
	request_read_body(q, delete_collection);
}
