/* SPDX-License-Identifier: Apache-2.0 */

/* Schemas and levels as the registry's objects are. */

#include "cluster/flow/flow_int.h"
#include "cluster/schema/schema.h"
#include "lib/json.h"
#include "lib/log.h"

#define GROUP "flowcontrol.apiserver.k8s.io"

typedef int setter(struct flow *f, const char *name, const char *uid, yyjson_val *spec);

static void follow(struct flow *f, enum event_type type, const struct object *old, const struct object *now,
	setter *set, int (*unset)(struct flow *f, const char *name))
{
	cleanup(json_docp) yyjson_doc *doc = NULL;
	int err;

	/* labels and status are nothing to us */
	if (type == EVENT_MODIFIED && old->generation == now->generation)
		return;
	if (type == EVENT_DELETED) {
		err = unset(f, now->name);
	} else {
		doc = object_doc(now);
		err = set(f, now->name, now->uid, json_obj(yyjson_doc_get_root(doc), "spec"));
	}
	if (err)
		log_errno(-err, "flow kind=%s name=%s msg=\"stays as it was\"", now->kind->kind, now->name);
}

static void on_schema(
	struct informer *i, enum event_type type, const struct object *old, const struct object *now)
{
	follow(container_of(i, struct flow, schema_informer), type, old, now, flow_set_schema,
		flow_unset_schema);
}

static void on_level(
	struct informer *i, enum event_type type, const struct object *old, const struct object *now)
{
	follow(container_of(i, struct flow, level_informer), type, old, now, flow_set_level,
		flow_unset_level);
}

void flow_follow(struct flow *f, struct registry *r)
{
	f->registry = r;
	f->schema_informer =
		(struct informer){.kind = schema_find(GROUP, "v1", "flowschemas"), .event = on_schema};
	f->level_informer = (struct informer){
		.kind = schema_find(GROUP, "v1", "prioritylevelconfigurations"), .event = on_level};
	registry_inform(r, &f->level_informer);
	registry_inform(r, &f->schema_informer);
}

void flow_unfollow(struct flow *f)
{
	if (!f->registry)
		return;
	registry_uninform(&f->schema_informer);
	registry_uninform(&f->level_informer);
}
