/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cluster/controllers/event.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "lib/log.h"

enum { MESSAGE_MAX = 1024, NAME_PART_MAX = 230 };

/* What the modifier needs when the write is tried. */
struct note {
	char *component, *message;
	const char *reason; /* constant */
	struct object *about;
	bool warning;
};

static void note_free(struct note *n)
{
	object_unref(n->about);
	free(n->component);
	free(n->message);
	free(n);
}

static uint64_t fnv(uint64_t h, const char *s)
{
	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3;
	return (h ^ 0xff) * 0x100000001b3;
}

static bool describe(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct note *n, const char *now)
{
	const struct object *o = n->about;
	yyjson_mut_val *about = yyjson_mut_obj_add_obj(doc, root, "involvedObject");
	yyjson_mut_val *source = yyjson_mut_obj_add_obj(doc, root, "source");

	return about && source && yyjson_mut_obj_add_strcpy(doc, about, "kind", o->kind->kind) &&
	       yyjson_mut_obj_add_strcpy(doc, about, "namespace", o->ns) &&
	       yyjson_mut_obj_add_strcpy(doc, about, "name", o->name) &&
	       yyjson_mut_obj_add_strcpy(doc, about, "uid", o->uid) &&
	       yyjson_mut_obj_add_strcpy(doc, about, "apiVersion", o->kind->api_version) &&
	       yyjson_mut_obj_add_strcpy(doc, root, "reason", n->reason) &&
	       yyjson_mut_obj_add_strcpy(doc, root, "message", n->message) &&
	       yyjson_mut_obj_add_strcpy(doc, source, "component", n->component) &&
	       yyjson_mut_obj_add_strcpy(doc, root, "firstTimestamp", now) &&
	       yyjson_mut_obj_add_strcpy(doc, root, "type", n->warning ? "Warning" : "Normal") &&
	       yyjson_mut_obj_add_strcpy(doc, root, "reportingComponent", n->component) &&
	       yyjson_mut_obj_add_str(doc, root, "reportingInstance", "");
}

static enum modify write_note(
	const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	const struct note *n = arg;
	yyjson_mut_val *root = yyjson_mut_doc_get_root(*doc);
	char now[META_TIME_MAX];
	bool ok = true;

	meta_time(now, time(NULL));
	if (!old) {
		root = yyjson_mut_obj(*doc);
		yyjson_mut_doc_set_root(*doc, root);
		ok = root && describe(*doc, root, n, now);
	}

	int64_t count = old ? yyjson_mut_get_sint(yyjson_mut_obj_get(root, "count")) : 0;

	ok = ok && meta_put(*doc, root, "count", yyjson_mut_sint(*doc, count + 1)) &&
	     meta_put(*doc, root, "lastTimestamp", yyjson_mut_strcpy(*doc, now));
	if (ok)
		return MODIFY_WRITE;
	*error = status_internal("out of memory");
	return MODIFY_FAIL;
}

static void on_written(const struct status *error, const struct object *object, void *arg)
{
	struct note *n = arg;

	if (error && error->code != 404 && error->code != 403)
		log_warn("op=event about=%s/%s reason=%s error=\"%s\"", n->about->ns, n->about->name,
			n->reason, error->message);
	note_free(n);
}

void event_record(struct registry *r, const struct caller *who, const char *component,
	const struct object *about, bool warning, const char *reason, const char *format, va_list args)
{
	const struct schema_kind *kind = schema_find_kind("v1", "Event");
	char message[MESSAGE_MAX], name[256];
	struct note *n = kind ? calloc(1, sizeof(*n)) : NULL;
	uint64_t h = 0xcbf29ce484222325;

	if (!n)
		return;
	vsnprintf(message, sizeof(message), format, args);
	*n = (struct note){strdup(component), strdup(message), reason, object_ref(about), warning};
	if (!n->component || !n->message) {
		note_free(n);
		return;
	}
	h = fnv(fnv(fnv(fnv(h, about->uid), component), reason), message);
	snprintf(name, sizeof(name), "%.*s.%016llx", NAME_PART_MAX, about->name, (unsigned long long)h);
	registry_modify(r, who, kind, *about->ns ? about->ns : "default", name, true, write_note,
		&(struct write_options){.field_manager = component}, on_written, n);
}
