/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Deployment: ReplicaSets of its present and past templates, and the way from one to the next.
 *
 * A turn takes one step: make the set of the present template, or share a new number of replicas, or move some replicas
 * from old sets to the new (rollout.c has the arithmetic). The writes of a step change ReplicaSets, which queues the
 * Deployment again, until there is nothing left to do.
 */

#include <stdio.h>
#include <string.h>

#include "cluster/controllers/controllers.h"
#include "cluster/controllers/deployment_int.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/selector.h"
#include "cluster/schema/status.h"
#include "lib/json.h"

#define HASH_LABEL "pod-template-hash"

/* ---- reading */

static const char *annotation(yyjson_val *root, const char *key)
{
	return yyjson_get_str(meta_get(root, "metadata", "annotations", key, NULL));
}

static int64_t annotated(yyjson_val *root, const char *key, int64_t absent)
{
	const char *text = annotation(root, key);

	return text ? strtoll(text, NULL, 10) : absent;
}

/* The template without the label that only sets have; the caller's document owns it. */
static yyjson_mut_val *plain_template(yyjson_mut_doc *doc, yyjson_val *pod_template)
{
	yyjson_mut_val *copy = yyjson_val_mut_copy(doc, pod_template);

	yyjson_mut_obj_remove_key(meta_mut_get(copy, "metadata", "labels", NULL), HASH_LABEL);
	return copy;
}

static bool same_template(yyjson_val *deployment, yyjson_val *set)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	bool same = doc && meta_equal(plain_template(doc, meta_get(deployment, "spec", "template", NULL)),
				   plain_template(doc, meta_get(set, "spec", "template", NULL)));

	yyjson_mut_doc_free(doc);
	return same;
}

static struct rollout_bound bound(yyjson_val *v, struct rollout_bound absent)
{
	if (yyjson_is_int(v))
		return (struct rollout_bound){yyjson_get_sint(v), false};
	if (yyjson_is_str(v))
		return (struct rollout_bound){strtoll(yyjson_get_str(v), NULL, 10), true};
	return absent;
}

struct gather {
	struct deployment *d;
	const struct selector *selector;
	size_t cap;
	bool failed;
};

/* Takes the set into the picture. */
static bool gather_set(const struct object *o, void *arg)
{
	struct gather *g = arg;
	struct deployment *d = g->d;
	const struct object_owner *owner = object_controller(o);
	struct deployment_set *s;

	if (strcmp(o->kind->kind, "ReplicaSet") != 0 || !owner || strcmp(owner->uid, d->t->object->uid) != 0)
		return true;
	if (d->rollout.n == g->cap) {
		size_t cap = g->cap ? 2 * g->cap : 16;
		struct deployment_set *more = reallocarray(d->sets, cap, sizeof(*more));

		if (!more)
			return !(g->failed = true);
		d->sets = more;
		g->cap = cap;
	}
	s = &d->sets[d->rollout.n];
	*s = (struct deployment_set){.doc = object_doc(o)};
	if (!s->doc)
		return !(g->failed = true);
	s->o = object_ref(o);
	s->root = yyjson_doc_get_root(s->doc);
	s->revision = annotated(s->root, REVISION_ANNOTATION, 0);
	d->rollout.n++;
	return true;
}

static int by_age(const void *a, const void *b)
{
	const struct deployment_set *x = a, *y = b;
	int d = strcmp(x->o->created ?: "", y->o->created ?: "");

	return d ? d : strcmp(x->o->name, y->o->name);
}

static void deployment_fini(struct deployment *d)
{
	for (size_t i = 0; i < d->rollout.n; i++) {
		yyjson_doc_free(d->sets[i].doc);
		object_unref(d->sets[i].o);
	}
	free(d->sets);
	free(d->rollout.sets);
}

static void read_strategy(struct deployment *d)
{
	yyjson_val *strategy = json_obj(d->spec, "strategy"), *rolling = json_obj(strategy, "rollingUpdate");
	const struct rollout_bound quarter = {25, true};

	d->rollout.recreate = yyjson_equals_str(yyjson_obj_get(strategy, "type"), "Recreate");
	rollout_bounds(&d->rollout, bound(yyjson_obj_get(rolling, "maxSurge"), quarter),
		bound(yyjson_obj_get(rolling, "maxUnavailable"), quarter));
}

/* false: no memory. */
static bool deployment_init(struct deployment *d, struct turn *t)
{
	struct gather g = {.d = d};

	*d = (struct deployment){.t = t, .spec = json_obj(t->root, "spec")};
	d->paused = json_bool(d->spec, "paused");
	d->deadline_s = json_int(d->spec, "progressDeadlineSeconds", 0);
	if (d->deadline_s >= INT32_MAX)
		d->deadline_s = 0;
	d->collisions = json_int(json_obj(t->root, "status"), "collisionCount", 0);
	d->rollout.replicas = json_int(d->spec, "replicas", 1);
	d->rollout.current = -1;
	read_strategy(d);
	registry_each_owned(t->r, t->object->uid, gather_set, &g);
	if (!g.failed && d->rollout.n)
		qsort(d->sets, d->rollout.n, sizeof(*d->sets), by_age);
	d->rollout.sets = calloc(d->rollout.n ? d->rollout.n : 1, sizeof(*d->rollout.sets));
	if (g.failed || !d->rollout.sets) {
		deployment_fini(d);
		return false;
	}
	for (size_t i = 0; i < d->rollout.n; i++) {
		yyjson_val *root = d->sets[i].root, *status = json_obj(root, "status");

		d->rollout.sets[i] = (struct rollout_set){
			.replicas = json_int(json_obj(root, "spec"), "replicas", 1),
			.actual = json_int(status, "replicas", 0),
			.terminating = json_int(status, "terminatingReplicas", 0),
			.ready = json_int(status, "readyReplicas", 0),
			.available = json_int(status, "availableReplicas", 0),
			.desired = annotated(root, DESIRED_ANNOTATION, -1),
			.max = annotated(root, MAX_ANNOTATION, -1),
			.created_s = time_of(meta_get(root, "metadata", "creationTimestamp", NULL)),
		};
		if (d->rollout.current < 0 && !d->sets[i].o->deleted && same_template(t->root, root))
			d->rollout.current = (ssize_t)i;
	}
	return true;
}

/* ---- adopting */

struct adoption {
	struct object *owner; /* held by the turn */
};

static enum modify adopt(const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	const struct adoption *a = arg;

	if (old->n_owners || old->deleted)
		return MODIFY_NOTHING;
	if (set_controller(*doc, yyjson_mut_doc_get_root(*doc), a->owner))
		return MODIFY_WRITE;
	*error = status_internal("out of memory");
	return MODIFY_FAIL;
}

static bool adopt_orphan(const struct object *o, void *arg)
{
	const struct gather *g = arg;
	struct turn *t = g->d->t;
	struct adoption *a;

	if (object_controller(o) || o->deleted || !selector_matches(g->selector, object_label_of, o))
		return true;
	a = malloc(sizeof(*a));
	if (!a)
		return false;
	a->owner = (struct object *)(uintptr_t)t->object;
	turn_modify(t, o, NULL, adopt, a);
	return true;
}

/* ---- the set of the present template */

/* A short hash of the template: the set's suffix, and the label that keeps its pods apart from those of other sets. */
static bool template_hash(const struct deployment *d, char out[HASH_MAX])
{
	return value_hash(json_obj(d->spec, "template"), d->collisions, out);
}

static int64_t next_revision(const struct deployment *d)
{
	int64_t last = 0;

	for (size_t i = 0; i < d->rollout.n; i++)
		if ((ssize_t)i != d->rollout.current && d->sets[i].revision > last)
			last = d->sets[i].revision;
	return last + 1;
}

static bool put_number(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, int64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)n);
	return meta_put(doc, object, key, yyjson_mut_strcpy(doc, text));
}

/* An annotation that is about the Deployment, or the set, itself. */
static bool is_own(yyjson_val *key)
{
	static const char *const own[] = {"kubectl.kubernetes.io/last-applied-configuration",
		REVISION_ANNOTATION, "deployment.kubernetes.io/revision-history", DESIRED_ANNOTATION,
		MAX_ANNOTATION, "deprecated.deployment.rollback.to"};

	for (size_t i = 0; i < array_len(own); i++)
		if (yyjson_equals_str(key, own[i]))
			return true;
	return false;
}

/* The Deployment's annotations, without those that are about itself. */
static bool copy_annotations(yyjson_mut_doc *doc, yyjson_mut_val *into, yyjson_val *deployment)
{
	yyjson_val *key, *value;
	size_t i, n;

	json_obj_foreach (meta_get(deployment, "metadata", "annotations", NULL), i, n, key, value) {
		if (!is_own(key) && !meta_put(doc, into, yyjson_mut_get_str(yyjson_val_mut_copy(doc, key)),
					    yyjson_val_mut_copy(doc, value)))
			return false;
	}
	return true;
}

/* Has the set what copy_annotations() would give it, and the same minReadySeconds? */
static bool follows(yyjson_val *set, yyjson_val *deployment)
{
	yyjson_val *have = meta_get(set, "metadata", "annotations", NULL), *key, *value;
	size_t i, n;

	json_obj_foreach (meta_get(deployment, "metadata", "annotations", NULL), i, n, key, value) {
		if (!is_own(key) &&
			!yyjson_equals(
				yyjson_obj_getn(have, yyjson_get_str(key), yyjson_get_len(key)), value))
			return false;
	}
	return json_int(json_obj(set, "spec"), "minReadySeconds", 0) ==
	       json_int(json_obj(deployment, "spec"), "minReadySeconds", 0);
}

static bool add_hash(yyjson_mut_doc *doc, yyjson_mut_val *labels, const char *hash)
{
	return labels && meta_put(doc, labels, HASH_LABEL, yyjson_mut_strcpy(doc, hash));
}

static bool fill_set(yyjson_mut_doc *doc, const struct deployment *d, const char *hash, int64_t replicas)
{
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc), *meta = yyjson_mut_obj_get(root, "metadata");
	yyjson_mut_val *spec = yyjson_mut_obj_add_obj(doc, root, "spec"), *notes, *labels, *body, *selector;
	yyjson_val *labels_from = meta_get(d->spec, "template", "metadata", "labels", NULL);
	char name[300];

	if (!spec)
		return false;
	snprintf(name, sizeof(name), "%s-%s", d->t->name, hash);
	notes = yyjson_mut_obj_add_obj(doc, meta, "annotations");
	labels = labels_from ? yyjson_val_mut_copy(doc, labels_from) : yyjson_mut_obj(doc);
	selector = yyjson_val_mut_copy(doc, json_obj(d->spec, "selector"));
	body = yyjson_val_mut_copy(doc, json_obj(d->spec, "template"));
	return notes && labels && selector && body && meta_set_text(doc, root, "name", name) &&
	       add_hash(doc, labels, hash) && meta_put(doc, meta, "labels", labels) &&
	       copy_annotations(doc, notes, d->t->root) &&
	       put_number(doc, notes, REVISION_ANNOTATION, next_revision(d)) &&
	       put_number(doc, notes, DESIRED_ANNOTATION, d->rollout.replicas) &&
	       put_number(doc, notes, MAX_ANNOTATION, d->rollout.replicas + d->rollout.max_surge) &&
	       set_controller(doc, root, d->t->object) &&
	       meta_put(doc, spec, "replicas", yyjson_mut_int(doc, replicas)) &&
	       meta_put(doc, spec, "minReadySeconds",
		       yyjson_mut_int(doc, json_int(d->spec, "minReadySeconds", 0))) &&
	       add_hash(doc, meta_make(doc, selector, "matchLabels", NULL), hash) &&
	       meta_put(doc, spec, "selector", selector) &&
	       add_hash(doc, meta_make(doc, body, "metadata", "labels", NULL), hash) &&
	       meta_put(doc, spec, "template", body);
}

static void make_set(struct deployment *d)
{
	const struct schema_kind *kind = schema_find_kind("apps/v1", "ReplicaSet");
	struct turn *t = d->t;
	int64_t replicas = rollout_first_replicas(&d->rollout);
	yyjson_mut_doc *doc = NULL;
	char hash[HASH_MAX], name[300];

	if (!template_hash(d, hash)) {
		turn_failed(t);
		return;
	}
	snprintf(name, sizeof(name), "%s-%s", t->name, hash);
	if (registry_get(t->r, kind, t->ns, name)) {
		/* another template with the same hash, or somebody else's set: the next turn tries another hash */
		d->collisions++;
		return;
	}
	doc = new_object(kind);
	if (doc && fill_set(doc, d, hash, replicas)) {
		turn_create(t, kind, t->ns, take(doc));
		if (replicas)
			turn_event(t, t->object, false, "ScalingReplicaSet",
				"Scaled up replica set %s from 0 to %lld", name, (long long)replicas);
	} else {
		turn_failed(t);
	}
	yyjson_mut_doc_free(doc);
}

/* ---- writing sets */

/* What a set is to have; a free() ends it. */
struct scaling {
	int64_t replicas, desired, max, revision, min_ready_s; /* revision 0: as it is */
	struct object *deployment; /* held by the turn: whose annotations are copied, with a revision */
};

static bool put_if_other(
	yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, int64_t n, bool *changed)
{
	const char *text = yyjson_mut_get_str(yyjson_mut_obj_get(object, key));

	if (text && strtoll(text, NULL, 10) == n)
		return true;
	*changed = true;
	return put_number(doc, object, key, n);
}

static enum modify scale_set(const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	const struct scaling *s = arg;
	yyjson_mut_val *root = yyjson_mut_doc_get_root(*doc), *spec = yyjson_mut_obj_get(root, "spec");
	yyjson_mut_val *notes = meta_make(*doc, root, "metadata", "annotations", NULL);
	bool changed = yyjson_mut_get_sint(yyjson_mut_obj_get(spec, "replicas")) != s->replicas, ok;

	ok = notes && meta_put(*doc, spec, "replicas", yyjson_mut_int(*doc, s->replicas)) &&
	     put_if_other(*doc, notes, DESIRED_ANNOTATION, s->desired, &changed) &&
	     put_if_other(*doc, notes, MAX_ANNOTATION, s->max, &changed);
	if (ok && s->revision) {
		yyjson_doc *d = object_doc(s->deployment);

		ok = d && put_if_other(*doc, notes, REVISION_ANNOTATION, s->revision, &changed) &&
		     copy_annotations(*doc, notes, yyjson_doc_get_root(d)) &&
		     meta_put(*doc, spec, "minReadySeconds", yyjson_mut_int(*doc, s->min_ready_s));
		yyjson_doc_free(d);
		changed = true; /* the registry does not write what is equal */
	}
	if (ok)
		return changed ? MODIFY_WRITE : MODIFY_NOTHING;
	*error = status_internal("out of memory");
	return MODIFY_FAIL;
}

/* Brings a set to its target; the current one also to its revision and the Deployment's annotations. */
static bool write_set(struct deployment *d, size_t i)
{
	const struct rollout_set *set = &d->rollout.sets[i];
	const struct deployment_set *have = &d->sets[i];
	bool current = (ssize_t)i == d->rollout.current;
	int64_t revision = current ? next_revision(d) : 0, max = d->rollout.replicas + d->rollout.max_surge;
	bool scaled = set->target != set->replicas;
	struct scaling *s;

	if (revision && revision < have->revision)
		revision = have->revision;
	if (!scaled && (!set->replicas || (set->desired == d->rollout.replicas && set->max == max)) &&
		(!current || (have->revision == revision && follows(have->root, d->t->root))))
		return false;
	s = malloc(sizeof(*s));
	if (!s) {
		turn_failed(d->t);
		return false;
	}
	*s = (struct scaling){set->target, d->rollout.replicas, max, revision,
		json_int(d->spec, "minReadySeconds", 0), (struct object *)(uintptr_t)d->t->object};
	turn_modify(d->t, have->o, NULL, scale_set, s);
	if (scaled)
		turn_event(d->t, d->t->object, false, "ScalingReplicaSet",
			"Scaled %s replica set %s from %lld to %lld",
			set->target > set->replicas ? "up" : "down", have->o->name, (long long)set->replicas,
			(long long)set->target);
	return true;
}

/* kubectl rollout history reads the Deployment's own revision, too. */
struct revision {
	int64_t n;
};

static enum modify set_revision(
	const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	const struct revision *r = arg;
	yyjson_mut_val *notes =
		meta_make(*doc, yyjson_mut_doc_get_root(*doc), "metadata", "annotations", NULL);
	bool changed = false;

	if (notes && put_if_other(*doc, notes, REVISION_ANNOTATION, r->n, &changed))
		return changed ? MODIFY_WRITE : MODIFY_NOTHING;
	*error = status_internal("out of memory");
	return MODIFY_FAIL;
}

static void write_revision(struct deployment *d)
{
	const struct deployment_set *s = deployment_current(d);
	struct revision *r;

	if (!s || !s->revision || annotated(d->t->root, REVISION_ANNOTATION, 0) == s->revision)
		return;
	r = malloc(sizeof(*r));
	if (!r) {
		turn_failed(d->t);
		return;
	}
	r->n = s->revision;
	turn_modify(d->t, d->t->object, NULL, set_revision, r);
}

/* Old sets without replicas are kept for `kubectl rollout undo`, up to the limit. */
static void forget_history(struct deployment *d)
{
	int64_t limit = json_int(d->spec, "revisionHistoryLimit", 10), old = 0;

	for (size_t i = 0; i < d->rollout.n; i++)
		old += (ssize_t)i != d->rollout.current && !d->sets[i].o->deleted;
	for (size_t i = 0; i < d->rollout.n && old > limit; i++) {
		const struct rollout_set *s = &d->rollout.sets[i];

		if ((ssize_t)i == d->rollout.current || d->sets[i].o->deleted)
			continue;
		if (s->replicas || s->actual ||
			json_int(json_obj(d->sets[i].root, "status"), "observedGeneration", 0) <
				d->sets[i].o->generation)
			continue;
		turn_delete(d->t, d->sets[i].o, &(struct delete_options){.grace_seconds = -1});
		old--;
	}
}

/* ---- a turn */

/* Recreate makes the new set only when no pod of an old one is left. */
static bool may_make_set(const struct deployment *d)
{
	for (size_t i = 0; d->rollout.recreate && i < d->rollout.n; i++)
		if (rollout_has_pods(&d->rollout.sets[i]))
			return false;
	return true;
}

static void step(struct deployment *d)
{
	if (d->paused || rollout_scaled(&d->rollout)) {
		rollout_scale(&d->rollout);
	} else if (d->rollout.current < 0 && may_make_set(d)) {
		make_set(d);
		return;
	} else {
		rollout_step(&d->rollout);
	}
	for (size_t i = 0; i < d->rollout.n; i++)
		(void)write_set(d, i);
	write_revision(d);
	forget_history(d);
}

static void sync_deployment(struct turn *t)
{
	struct selector *selector;
	struct deployment d;

	if (!t->object)
		return;
	selector = selector_of(meta_get(t->root, "spec", "selector", NULL));
	if (!selector || !selector->n) {
		turn_event(t, t->object, true, "SelectingAll",
			"This deployment is selecting all pods. A non-empty selector is required.");
		selector_free(selector);
		return;
	}
	if (!deployment_init(&d, t)) {
		turn_failed(t);
		selector_free(selector);
		return;
	}
	if (!t->object->deleted) {
		registry_each(t->r, schema_find_kind("apps/v1", "ReplicaSet"), t->ns, adopt_orphan,
			&(struct gather){.d = &d, .selector = selector});
		step(&d);
	}
	deployment_write_status(&d);
	deployment_fini(&d);
	selector_free(selector);
}

static bool any(const struct object *o, const void *arg)
{
	return !o->deleted;
}

static void on_set(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	controller_queue_owner(c, type, old, now);
	if (type != EVENT_DELETED && !object_controller(now) && !now->deleted)
		controller_queue_where(c, now->ns, any, NULL);
}

const struct controller_type deployment_controller = {
	.name = "deployment-controller",
	.api_version = "apps/v1",
	.kind = "Deployment",
	.sync = sync_deployment,
	.watches = {{"apps/v1", "ReplicaSet", on_set}},
};
