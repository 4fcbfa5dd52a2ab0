/* SPDX-License-Identifier: Apache-2.0 */

/*
 * StatefulSet: pods with numbers, each with a name and claims that stay its own. In order, one at a time: the next is made when all
 * before it are ready, the highest goes first; or all at once (Parallel). An update replaces pods from the highest number down
 * to the partition, each when the one before it is ready again; with OnDelete the user decides when.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/controllers/controllers.h"
#include "cluster/controllers/statefulset_int.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/selector.h"
#include "lib/json.h"

/* ---- reading */

static bool is_mine(const struct turn *t, const struct object *pod)
{
	return statefulset_number(t->name, pod->name) >= 0;
}

static int highest_first(const void *a, const void *b)
{
	const struct pod *const *x = a, *const *y = b;
	const char *p = strrchr((*x)->o->name, '-'), *q = strrchr((*y)->o->name, '-');
	int64_t n = p ? strtoll(p + 1, NULL, 10) : 0, m = q ? strtoll(q + 1, NULL, 10) : 0;

	return n > m ? -1 : n < m;
}

static bool put_in_places(struct statefulset *s)
{
	s->places = calloc(s->replicas > 0 ? (size_t)s->replicas : 1, sizeof(struct pod *));
	s->others = calloc(s->pods.n ? s->pods.n : 1, sizeof(struct pod *));
	if (!s->places || !s->others)
		return false;
	for (size_t i = 0; i < s->pods.n; i++) {
		int64_t number = statefulset_number(s->t->name, s->pods.items[i].o->name);

		if (number < 0)
			continue;
		if (number >= s->start && number < s->start + s->replicas)
			s->places[number - s->start] = &s->pods.items[i];
		else
			s->others[s->n_others++] = &s->pods.items[i];
	}
	qsort(s->others, s->n_others, sizeof(*s->others), highest_first);
	return true;
}

static int64_t at_least_one(yyjson_val *v, int64_t of)
{
	int64_t n = yyjson_is_int(v) ? yyjson_get_sint(v) : 1;

	if (yyjson_is_str(v))
		n = (strtoll(yyjson_get_str(v), NULL, 10) * of + 99) / 100;
	return n > 1 ? n : 1;
}

/* More than a set can have; so that an array of them is made. */
enum { REPLICAS_MAX = 100000 };

static bool statefulset_read(struct statefulset *s, struct turn *t)
{
	struct selector *selector = selector_of(meta_get(t->root, "spec", "selector", NULL));
	yyjson_val *strategy, *rolling;
	bool ok;

	*s = (struct statefulset){
		.t = t, .spec = json_obj(t->root, "spec"), .status = json_obj(t->root, "status")};
	strategy = json_obj(s->spec, "updateStrategy");
	rolling = json_obj(strategy, "rollingUpdate");
	s->replicas = json_int(s->spec, "replicas", 1);
	if (s->replicas > REPLICAS_MAX)
		s->replicas = REPLICAS_MAX;
	s->start = json_int(json_obj(s->spec, "ordinals"), "start", 0);
	s->min_ready_s = json_int(s->spec, "minReadySeconds", 0);
	s->ordered = !yyjson_equals_str(yyjson_obj_get(s->spec, "podManagementPolicy"), "Parallel");
	s->on_delete = yyjson_equals_str(yyjson_obj_get(strategy, "type"), "OnDelete");
	s->partition = json_int(rolling, "partition", 0);
	s->max_unavailable = at_least_one(yyjson_obj_get(rolling, "maxUnavailable"), s->replicas);
	ok = selector && pods_of_mine(t, selector, is_mine, &s->pods) && put_in_places(s) &&
	     revisions_of(t, &s->revisions);
	selector_free(selector);
	if (!ok)
		return false;
	s->current = revision_named(&s->revisions, json_str(s->status, "currentRevision"));
	if (!s->current)
		s->current = s->revisions.update;
	return true;
}

static void statefulset_fini(struct statefulset *s)
{
	revisions_fini(&s->revisions);
	free(s->places);
	free(s->others);
	pods_fini(&s->pods);
}

/* ---- one step */

static bool has_ended(const struct pod *p)
{
	return phase_is_final(p->phase);
}

/* Ready for long enough; if it will be, there is another turn then. */
static bool is_available(struct statefulset *s, const struct pod *p)
{
	if (!p || !p->active || !p->ready)
		return false;
	if (pod_available(p, s->min_ready_s, s->t->now_s))
		return true;
	turn_again_in(s->t, (p->ready_since_s + s->min_ready_s - s->t->now_s) * 1000);
	return false;
}

static void end_pod(struct statefulset *s, const struct pod *p, const char *why)
{
	if (p->o->deleted)
		return;
	turn_delete(s->t, p->o, NULL);
	turn_event(s->t, s->t->object, false, "SuccessfulDelete", "delete Pod %s in StatefulSet %s %s",
		p->o->name, s->t->name, why);
}

/* Every number has its pod. false: in order, there is one to wait for. */
static bool fill(struct statefulset *s)
{
	bool all = true;

	for (int64_t i = 0; i < s->replicas; i++) {
		struct pod *p = s->places[i];

		statefulset_own_claims(s, s->start + i, NULL);
		if (p && has_ended(p) && !p->o->deleted)
			end_pod(s, p, "that has ended");
		else if (!p)
			statefulset_make(s, s->start + i);
		else if (is_available(s, p))
			continue;
		all = false;
		if (s->ordered)
			return false;
	}
	return all || !s->ordered;
}

/* Numbers that are not wanted go, the highest first. false: in order, there is one to wait for. */
static bool shrink(struct statefulset *s)
{
	for (size_t i = 0; i < s->n_others; i++) {
		struct pod *p = s->others[i];

		if (!p->o->deleted &&
			statefulset_own_claims(s, statefulset_number(s->t->name, p->o->name), p))
			end_pod(s, p, "successful");
		if (s->ordered)
			return false;
	}
	return true;
}

static void update(struct statefulset *s)
{
	int64_t unavailable = 0;

	for (int64_t i = 0; i < s->replicas; i++)
		unavailable += !is_available(s, s->places[i]);
	for (int64_t i = s->replicas; i-- > s->partition;) {
		struct pod *p = s->places[i];

		if (p && !statefulset_is_of(p, s->revisions.update) && !p->o->deleted) {
			/* one that does not work is no loss */
			if (is_available(s, p) && unavailable++ >= s->max_unavailable)
				return;
			end_pod(s, p, "successful");
		}
		if (unavailable >= s->max_unavailable)
			return;
	}
}

/* ---- status */

static bool add(yyjson_mut_doc *doc, yyjson_mut_val *status, const char *key, int64_t n, bool always)
{
	return (!n && !always) || yyjson_mut_obj_add_int(doc, status, key, n);
}

static void write_status(struct statefulset *s)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *status = doc ? yyjson_mut_obj(doc) : NULL;
	const struct revision *now = s->revisions.update, *before = s->current;
	int64_t n = 0, ready = 0, available = 0, current = 0, updated = 0;
	yyjson_val *conditions = json_arr(s->status, "conditions");
	bool ok = status;

	for (size_t i = 0; i < s->pods.n; i++) {
		const struct pod *p = &s->pods.items[i];

		n++;
		ready += p->active && p->ready;
		available += p->active && pod_available(p, s->min_ready_s, s->t->now_s);
		if (p->o->deleted)
			continue;
		current += statefulset_is_of(p, before);
		updated += statefulset_is_of(p, now);
	}
	/* everyone has it: what was new is what is */
	if (!s->on_delete && updated == s->replicas && n == s->replicas && ready == s->replicas) {
		before = now;
		current = updated;
	}
	if (ok && conditions)
		ok = yyjson_mut_obj_add_val(doc, status, "conditions", yyjson_val_mut_copy(doc, conditions));
	ok = ok && add(doc, status, "observedGeneration", s->t->object->generation, true) &&
	     add(doc, status, "replicas", n, true) && add(doc, status, "readyReplicas", ready, false) &&
	     add(doc, status, "availableReplicas", available, true) &&
	     add(doc, status, "currentReplicas", current, false) &&
	     add(doc, status, "updatedReplicas", updated, false) &&
	     yyjson_mut_obj_add_strcpy(doc, status, "currentRevision", before->o->name) &&
	     yyjson_mut_obj_add_strcpy(doc, status, "updateRevision", now->o->name) &&
	     add(doc, status, "collisionCount", 0, true);
	if (ok)
		turn_set(s->t, s->t->object, "status", "status", status);
	else
		turn_failed(s->t);
	yyjson_mut_doc_free(doc);
}

/* ---- turns */

static bool in_use(const struct revision *v, const void *arg)
{
	const struct statefulset *s = arg;
	bool used = v == s->current;

	for (size_t i = 0; !used && i < s->pods.n; i++)
		used = statefulset_is_of(&s->pods.items[i], v);
	return used;
}

static void sync_statefulset(struct turn *t)
{
	struct statefulset s;

	if (!t->object)
		return;
	if (!statefulset_read(&s, t)) {
		turn_failed(t);
	} else if (s.revisions.update) {
		if (t->object->deleted)
			; /* its pods are the garbage collector's */
		else if (fill(&s) && shrink(&s) && !s.on_delete)
			update(&s);
		write_status(&s);
		revisions_truncate(t, &s.revisions, json_int(s.spec, "revisionHistoryLimit", 10), in_use, &s);
	}
	statefulset_fini(&s);
}

static bool may_want(const struct object *o, const void *arg)
{
	const struct object *pod = arg;

	return !o->deleted && statefulset_number(o->name, pod->name) >= 0;
}

static void on_pod(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	controller_queue_owner(c, type, old, now);
	if (type != EVENT_DELETED && !object_controller(now) && !now->deleted)
		controller_queue_where(c, now->ns, may_want, now);
}

const struct controller_type statefulset_controller = {
	.name = "statefulset-controller",
	.api_version = "apps/v1",
	.kind = "StatefulSet",
	.sync = sync_statefulset,
	.watches = {{"v1", "Pod", on_pod}, {"apps/v1", "ControllerRevision", controller_queue_owner}},
};
