/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The horizontal autoscaler: every 15 s it looks at what the pods of a load use, and sets how many there should be. What
 * the numbers mean is in autoscale.c; here is what they are of and what is done with them.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/controllers/adapters.h"
#include "cluster/controllers/horizontalpodautoscaler.h"
#include "cluster/controllers/horizontalpodautoscaler_int.h"
#include "cluster/controllers/usage.h"
#include "cluster/schema/convert.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/scale.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/selector.h"
#include "cluster/schema/status.h"
#include "lib/json.h"
#include "lib/loop.h"

enum { PERIOD_MS = 15 * 1000 };

struct remembered {
	struct remembered *next;
	char *ns, *name; /* owned */
	char uid[64];
	struct autoscale_history history;
};

struct autoscaler {
	struct loop *loop;
	struct usage *usage;
	struct adapters *adapters;
	struct remembered *all;
	int64_t period_ms;
};

/* ---- what is remembered */

int autoscaler_new(
	struct autoscaler **out, struct registry *r, const struct node_trust *trust, int64_t period_ms)
{
	struct autoscaler *a = calloc(1, sizeof(*a));
	int err;

	if (!a)
		return -ENOMEM;
	err = usage_new(&a->usage, r, trust);
	if (!err)
		err = adapters_new(&a->adapters, r);
	if (err) {
		usage_free(a->usage);
		free(a);
		return err;
	}
	a->loop = registry_loop(r);
	a->period_ms = period_ms ? period_ms : PERIOD_MS;
	*out = a;
	return 0;
}

static void remembered_free(struct remembered *m)
{
	autoscale_history_fini(&m->history);
	free(m->ns);
	free(m->name);
	free(m);
}

void autoscaler_free(struct autoscaler *a)
{
	struct remembered *m;

	if (!a)
		return;
	usage_free(a->usage);
	adapters_free(a->adapters);
	while ((m = a->all)) {
		a->all = m->next;
		remembered_free(m);
	}
	free(a);
}

struct usage *autoscaler_usage(struct autoscaler *a)
{
	return a->usage;
}

static struct remembered **place_of(struct autoscaler *a, const char *ns, const char *name)
{
	struct remembered **p = &a->all;

	while (*p && (strcmp((*p)->name, name) != 0 || strcmp((*p)->ns, ns) != 0))
		p = &(*p)->next;
	return p;
}

static void forget(struct autoscaler *a, const char *ns, const char *name)
{
	struct remembered **p = place_of(a, ns, name), *m = *p;

	if (m) {
		*p = m->next;
		remembered_free(m);
	}
}

/* NULL: no memory. One of the same name that is another has no past. */
static struct autoscale_history *history_of(struct autoscaler *a, const struct object *o)
{
	struct remembered **p = place_of(a, o->ns, o->name), *m = *p;

	if (!m) {
		m = calloc(1, sizeof(*m));
		if (!m)
			return NULL;
		m->ns = strdup(o->ns);
		m->name = strdup(o->name);
		if (!m->ns || !m->name) {
			remembered_free(m);
			return NULL;
		}
		*p = m;
	}
	if (strcmp(m->uid, o->uid) != 0) {
		autoscale_history_fini(&m->history);
		snprintf(m->uid, sizeof(m->uid), "%s", o->uid);
	}
	return &m->history;
}

static int64_t seconds(const struct scaling *s)
{
	return loop_now_ms(s->t->context->autoscaler->loop) / 1000;
}

/* ---- what is scaled */

/* The object that scaleTargetRef names, and its scale. false: there is none, @why. */
static bool find_target(const struct registry *r, const char *ns, yyjson_val *spec, const struct object **o,
	const struct schema_subresource **scale, char why[static SCALING_TEXT_MAX])
{
	yyjson_val *ref = json_obj(spec, "scaleTargetRef");
	const char *version = json_text(ref, "apiVersion") ?: "v1", *kind = json_str(ref, "kind") ?: "",
		   *name = json_str(ref, "name") ?: "";
	const struct schema_kind *k = schema_find_kind(version, kind);

	*o = NULL;
	*scale = k ? schema_subresource(k, "scale") : NULL;
	if (!k)
		snprintf(why, SCALING_TEXT_MAX, "no matches for kind \"%.200s\" in group \"%.200s\"", kind,
			version);
	else if (!*scale)
		snprintf(why, SCALING_TEXT_MAX, "%.200s of %.200s has no scale", kind, version);
	else if (!(*o = registry_get(r, k, ns, name)))
		snprintf(why, SCALING_TEXT_MAX, "%s%s%s \"%.250s\" not found", k->plural,
			*k->group ? "." : "", k->group, name);
	/* the number is the same in every version; where it is, the object's own says */
	else if (convert_webhook((*o)->kind, k) && !(*scale = schema_subresource((*o)->kind, "scale")))
		snprintf(why, SCALING_TEXT_MAX, "%.200s of %.200s, as which it is stored, has no scale", kind,
			(*o)->kind->api_version);
	return *o && *scale;
}

static struct selector *selector_of_scale(yyjson_val *root, const struct schema_subresource *scale)
{
	cleanup(freep) char *text = scale_selector(root, scale);
	struct selector *s = NULL;

	if (text && *text)
		status_free(selector_parse_labels(&s, text));
	return s;
}

static bool collect(const struct object *o, void *arg)
{
	struct scaling *s = arg;
	struct scaled_pod *more, *p;

	if (!selector_matches(s->selector, object_label_of, o))
		return true;
	more = realloc(s->pods, (s->n_pods + 1) * sizeof(*more));
	if (!more) {
		turn_failed(s->t);
		return false;
	}
	s->pods = more;
	p = &s->pods[s->n_pods++];
	*p = (struct scaled_pod){.o = object_ref(o), .doc = object_doc(o)};
	p->root = yyjson_doc_get_root(p->doc);
	return true;
}

/* Another autoscaler that has the same pods: neither may act. */
struct rival {
	const struct scaling *s;
	char name[256];
};

static bool is_rival(const struct object *o, void *arg)
{
	struct rival *r = arg;
	const struct scaling *s = r->s;
	cleanup(json_docp) yyjson_doc *doc = NULL, *target_doc = NULL;
	cleanup(selectorp) struct selector *selector = NULL;
	const struct schema_subresource *scale;
	const struct object *target;
	char why[SCALING_TEXT_MAX];

	if (!strcmp(o->uid, s->t->object->uid) || o->deleted)
		return true;
	doc = object_doc(o);
	if (!find_target(s->t->r, o->ns, json_obj(yyjson_doc_get_root(doc), "spec"), &target, &scale, why))
		return true;
	target_doc = object_doc(target);
	selector = selector_of_scale(yyjson_doc_get_root(target_doc), scale);
	for (size_t i = 0; selector && i < s->n_pods; i++)
		if (selector_matches(selector, object_label_of, s->pods[i].o)) {
			snprintf(r->name, sizeof(r->name), "%s", o->name);
			return false;
		}
	return true;
}

/* The pods, when it can be told which they are. */
static bool find_pods(struct scaling *s)
{
	struct rival rival = {.s = s};

	if (!s->selector) {
		turn_event(s->t, s->t->object, true, "SelectorRequired", "selector is required");
		scaling_condition(s, "ScalingActive", false, "InvalidSelector",
			"the HPA target's scale is missing a selector");
		return false;
	}
	registry_each(s->t->r, schema_find_kind("v1", "Pod"), s->t->ns, collect, s);
	registry_each(s->t->r, s->t->object->kind, s->t->ns, is_rival, &rival);
	if (!*rival.name)
		return true;
	turn_event(s->t, s->t->object, true, "AmbiguousSelector",
		"pods of %s are controlled by multiple HPAs: %s and %s", s->target->name, s->t->name,
		rival.name);
	scaling_condition(s, "ScalingActive", false, "AmbiguousSelector",
		"pods of %s are controlled by multiple HPAs: %s and %s", s->target->name, s->t->name,
		rival.name);
	return false;
}

/* ---- doing it */

/* What the answer of the write has to say; s is copied to it, without what it borrows of the turn. */
struct rescale {
	const struct schema_subresource *scale;
	int64_t from, to;
	yyjson_mut_doc *doc; /* owned by `then` */
	yyjson_mut_val *conditions, *metrics;
	char reason[SCALING_TEXT_MAX];
};

static enum modify set_replicas(
	const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	const struct rescale *r = arg;

	if (scale_put(*doc, yyjson_mut_doc_get_root(*doc), r->scale, r->to))
		return MODIFY_WRITE;
	*error = status_internal("out of memory");
	return MODIFY_FAIL;
}

static void on_rescaled(struct turn *t, const struct status *error, void *arg)
{
	struct rescale *r = arg;
	struct scaling s = {.t = t,
		.doc = r->doc,
		.conditions = r->conditions,
		.metrics = r->metrics,
		.status = json_obj(t->root, "status"),
		.current = r->from,
		.scaled = !error};
	struct autoscale_history *h = error ? NULL : history_of(t->context->autoscaler, t->object);

	if (error) {
		turn_event(t, t->object, true, "FailedRescale", "New size: %lld; reason: %s; error: %s",
			(long long)r->to, r->reason, error->message);
		scaling_condition(&s, "AbleToScale", false, "FailedUpdateScale",
			"the HPA controller was unable to update the target scale: %s", error->message);
	} else {
		turn_event(t, t->object, false, "SuccessfulRescale", "New size: %lld; reason: %s",
			(long long)r->to, r->reason);
		scaling_condition(&s, "AbleToScale", true, "SucceededRescale",
			"the HPA controller was able to update the target scale to %lld", (long long)r->to);
	}
	if (h)
		autoscale_scaled(h, r->from, r->to, seconds(&s));
	scaling_write_status(&s, error ? r->from : r->to);
	yyjson_mut_doc_free(r->doc);
}

static void rescale(struct scaling *s, int64_t to, const char *reason)
{
	struct rescale *r = calloc(1, sizeof(*r));

	if (!r) {
		turn_failed(s->t);
		return;
	}
	*r = (struct rescale){.scale = s->scale,
		.from = s->current,
		.to = to,
		.conditions = s->conditions,
		.metrics = s->metrics};
	snprintf(r->reason, sizeof(r->reason), "%s", reason);
	r->doc = take(s->doc);
	turn_modify_then(s->t, s->target, NULL, set_replicas, r, on_rescaled);
}

/* ---- deciding */

/* Those of spec.behavior under @key; @policies is owned by the caller. */
static struct autoscale_rules rules_of(const struct scaling *s, const char *key,
	const struct autoscale_rules *otherwise, struct autoscale_policy **policies)
{
	yyjson_val *rules = json_obj(json_obj(s->spec, "behavior"), key), *p;
	yyjson_val *list = json_arr(rules, "policies");
	const char *select = json_str(rules, "selectPolicy") ?: "Max";
	struct autoscale_rules out = *otherwise;
	size_t i, n;

	*policies = NULL;
	if (!rules)
		return out;
	out.window_s = json_int(rules, "stabilizationWindowSeconds", otherwise->window_s);
	out.select = !strcmp(select, "Disabled") ? AUTOSCALE_DISABLED
		     : !strcmp(select, "Min")	 ? AUTOSCALE_MIN
						 : AUTOSCALE_MAX;
	if (!list)
		return out;
	*policies = calloc(yyjson_arr_size(list) + 1, sizeof(**policies));
	if (!*policies) {
		out.select = AUTOSCALE_DISABLED; /* for this turn */
		return out;
	}
	yyjson_arr_foreach (list, i, n, p)
		(*policies)[i] = (struct autoscale_policy){
			.percent = yyjson_equals_str(yyjson_obj_get(p, "type"), "Percent"),
			.value = json_int(p, "value", 1),
			.period_s = json_int(p, "periodSeconds", 15)};
	out.policies = *policies;
	out.n_policies = n;
	return out;
}

/* A proposal made into what the rules allow. -1: no memory. */
static int64_t decide(struct scaling *s, int64_t proposed)
{
	cleanup(freep) struct autoscale_policy *up = NULL, *down = NULL;
	struct autoscale_history *h = history_of(s->t->context->autoscaler, s->t->object);
	struct autoscale_limits l = {.min = s->min, .max = s->max};
	struct autoscale_decision d;

	l.up = rules_of(s, "scaleUp", &autoscale_up_default, &up);
	l.down = rules_of(s, "scaleDown", &autoscale_down_default, &down);
	if (!h || autoscale_decide(&l, h, s->current, proposed, seconds(s), &d)) {
		turn_failed(s->t);
		return -1;
	}
	scaling_condition(s, "AbleToScale", true, d.able_reason, "%s", d.able_message);
	scaling_condition(s, "ScalingLimited", d.limited, d.limited_reason, "%s", d.limited_message);
	return d.replicas;
}

/* Follows the metrics, when they are there. */
static void follow(struct scaling *s)
{
	struct autoscaler *a = s->t->context->autoscaler;
	char name[SCALING_TEXT_MAX] = "", reason[SCALING_TEXT_MAX + 20];
	int64_t proposed = -1, to;

	if (find_pods(s)) {
		s->waits = !scaling_measure(s, a->usage);
		s->waits |= !scaling_ask(s, a->adapters);
		if (s->waits)
			return;
		proposed = scaling_propose(s, a->adapters, name);
	}
	if (proposed < 0) {
		scaling_write_status(s, s->current);
		return;
	}
	to = decide(s, proposed);
	if (to < 0)
		return;
	if (to > s->current)
		snprintf(reason, sizeof(reason), "%s above target", name);
	else
		snprintf(reason, sizeof(reason), "All metrics below target");
	if (to == s->current)
		scaling_write_status(s, to);
	else
		rescale(s, to, reason);
}

static void act(struct scaling *s)
{
	scaling_condition(s, "AbleToScale", true, "SucceededGetScale",
		"the HPA controller was able to get the target's current scale");
	if (!s->current && s->min) {
		scaling_condition(s, "ScalingActive", false, "ScalingDisabled",
			"scaling is disabled since the replica count of the target is zero");
		scaling_write_status(s, 0);
	} else if (s->current > s->max) {
		rescale(s, s->max, "Current number of replicas above Spec.MaxReplicas");
	} else if (s->current < s->min) {
		rescale(s, s->min, "Current number of replicas below Spec.MinReplicas");
	} else {
		follow(s);
	}
}

static void sync_autoscaler(struct turn *t)
{
	struct scaling s = {.t = t};
	cleanup(json_docp) yyjson_doc *target = NULL;
	char why[SCALING_TEXT_MAX];
	yyjson_val *was;

	if (!t->context || !t->context->autoscaler)
		return;
	if (!t->object || t->object->deleted) {
		forget(t->context->autoscaler, t->ns, t->name);
		adapters_forget(t->context->autoscaler->adapters, t->ns, t->name);
		return;
	}
	s.spec = json_obj(t->root, "spec");
	s.status = json_obj(t->root, "status");
	s.min = json_int(s.spec, "minReplicas", 1);
	s.max = json_int(s.spec, "maxReplicas", 1);
	was = json_arr(s.status, "conditions");
	s.doc = yyjson_mut_doc_new(NULL);
	s.conditions = !s.doc ? NULL : was ? yyjson_val_mut_copy(s.doc, was) : yyjson_mut_arr(s.doc);
	s.metrics = s.doc ? yyjson_mut_arr(s.doc) : NULL;
	turn_again_in(t, t->context->autoscaler->period_ms);
	if (!s.conditions || !s.metrics) {
		turn_failed(t);
	} else if (!find_target(t->r, t->ns, s.spec, &s.target, &s.scale, why)) {
		turn_event(t, t->object, true, "FailedGetScale", "%s", why);
		scaling_condition(&s, "AbleToScale", false, "FailedGetScale",
			"the HPA controller was unable to get the target's current scale: %s", why);
		s.current = json_int(s.status, "currentReplicas", 0);
		scaling_write_status(&s, json_int(s.status, "desiredReplicas", 0));
	} else {
		target = object_doc(s.target);
		s.current = yyjson_get_sint(scale_at(yyjson_doc_get_root(target), s.scale->spec_replicas));
		s.seen = yyjson_get_sint(scale_at(yyjson_doc_get_root(target), s.scale->status_replicas));
		s.selector = selector_of_scale(yyjson_doc_get_root(target), s.scale);
		act(&s);
	}
	if (!s.waits)
		adapters_forget(t->context->autoscaler->adapters, t->ns, t->name);
	for (size_t i = 0; i < s.n_pods; i++) {
		yyjson_doc_free(s.pods[i].doc);
		object_unref(s.pods[i].o);
	}
	free(s.pods);
	selector_free(s.selector);
	yyjson_mut_doc_free(s.doc);
}

/* Its own status is no news. */
static bool wants(enum event_type type, const struct object *old, const struct object *now)
{
	cleanup(json_docp) yyjson_doc *a = NULL, *b = NULL;

	if (type != EVENT_MODIFIED || !old)
		return true;
	a = object_doc(old);
	b = object_doc(now);
	return now->deleted || !yyjson_equals(yyjson_obj_get(yyjson_doc_get_root(a), "spec"),
				       yyjson_obj_get(yyjson_doc_get_root(b), "spec"));
}

const struct controller_type horizontal_pod_autoscaler = {
	.name = "horizontal-pod-autoscaler",
	.api_version = "autoscaling/v2",
	.kind = "HorizontalPodAutoscaler",
	.wants = wants,
	.sync = sync_autoscaler,
};
