/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Eviction: a deletion that asks webhooks and the disruption budgets first, and says in the pod's status what it is, so that whoever
 * counts failures can tell. The budget's status says how many may go; taking one is a
 * write of the budget, so two evictions at once never share it. Webhooks that want to hear of deletions are not asked: this was
 * their question, as the creation of pods/eviction.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/http/subresources.h"
#include "cluster/schema/conditions.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/selector.h"
#include "lib/json.h"

static const struct write_options status_writes = {
	.subresource = "status", .field_manager = "kube-apiserver"};

struct evicting {
	struct request *q;
	struct question asked; /* its doc is the Eviction */
	struct delete_options o;
	char budget[256];
	size_t n_budgets;
	bool free; /* its budget lets it go without taking anything */
};

static void evicting_free(void *own)
{
	struct evicting *e = own;

	question_fini(&e->asked);
	free(e);
}

static void deleted(const struct status *error, const struct object *object, bool gone, void *arg)
{
	static const char json[] =
		"{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Success\",\"code\":201}";
	struct request *q = ((struct evicting *)arg)->q;

	if (error)
		reply_error(q, error);
	else
		reply_bytes(q, 201, json, sizeof(json) - 1);
	request_unref(q);
}

static void delete_it(struct evicting *e)
{
	registry_delete(e->q->api->registry, e->q->who, e->q->kind, e->q->ns, e->q->name, &e->o, deleted, e);
}

static enum modify say_evicted(
	const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	const struct evicting *e = arg;
	int changed;

	*error = delete_precondition(e->q->kind, old, &e->o);
	if (*error)
		return MODIFY_FAIL;
	changed = pod_condition_set(*doc, yyjson_mut_doc_get_root(*doc), "DisruptionTarget", "True",
		"EvictionByEvictionAPI", "Eviction API: evicting", time(NULL));
	return changed < 0 ? MODIFY_FAIL : changed ? MODIFY_WRITE : MODIFY_NOTHING;
}

static bool is_refused(struct evicting *e, const struct status *error)
{
	if (!error)
		return false;
	reply_error(e->q, error);
	request_unref(e->q);
	return true;
}

static void said(const struct status *error, const struct object *object, void *arg)
{
	struct evicting *e = arg;

	if (is_refused(e, error))
		return;
	/* the one that was asked for has become this one */
	if (e->o.revision)
		e->o.revision = object->revision;
	delete_it(e);
}

static void go(struct evicting *e)
{
	if (e->o.dry_run)
		delete_it(e);
	else
		registry_modify(e->q->api->registry, &caller_self, e->q->kind, e->q->ns, e->q->name, false,
			say_evicted, &status_writes, said, e);
}

/* ---- budgets */

struct search {
	const struct object *pod;
	struct evicting *e;
	struct status *err; /* owned: why nothing is known of one of them */
};

/* unhealthyPodEvictionPolicy: a pod that is not ready goes always, or when those that must be ready are. */
static bool lets_unready_go(yyjson_val *budget)
{
	yyjson_val *status = json_obj(budget, "status");
	int64_t desired = json_int(status, "desiredHealthy", 0);

	return yyjson_equals_str(yyjson_obj_get(json_obj(budget, "spec"), "unhealthyPodEvictionPolicy"),
		       "AlwaysAllow") ||
	       (desired > 0 && json_int(status, "currentHealthy", 0) >= desired);
}

/* What a budget that cannot be read protects is not known: it may be this pod. */
static struct status *unreadable(const struct object *budget, int err)
{
	if (err == -ENOMEM)
		return status_errno(err, budget->name);
	return status_internal(
		"Cannot evict pod: the selector of the disruption budget %s cannot be read: it is none, or it "
		"has more than %d requirements or %d values in one.",
		budget->name, SELECTOR_TERMS_MAX, SELECTOR_VALUES_MAX);
}

static bool match(const struct object *budget, void *arg)
{
	struct search *s = arg;
	cleanup(json_docp) yyjson_doc *doc = object_doc(budget);
	cleanup(json_docp) yyjson_doc *pod = object_doc(s->pod);
	cleanup(selectorp) struct selector *sel = NULL;
	int r = doc && pod ? selector_read(&sel, meta_get(yyjson_doc_get_root(doc), "spec", "selector", NULL))
			   : -ENOMEM;

	if (r < 0) {
		s->err = unreadable(budget, r);
		return false;
	}
	if (!selector_matches_labels(sel, json_obj(json_obj(yyjson_doc_get_root(pod), "metadata"), "labels")))
		return true;
	s->e->free |= !condition_is(yyjson_doc_get_root(pod), "Ready", "True") &&
		      lets_unready_go(yyjson_doc_get_root(doc));
	snprintf(s->e->budget, sizeof(s->e->budget), "%s", budget->name);
	s->e->n_budgets++;
	return true;
}

static enum modify take_one(const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	struct evicting *e = arg;
	yyjson_mut_val *root = yyjson_mut_doc_get_root(*doc), *status = meta_make(*doc, root, "status", NULL),
		       *pods;
	int64_t allowed = yyjson_mut_get_sint(yyjson_mut_obj_get(status, "disruptionsAllowed"));
	char now[META_TIME_MAX];

	if (yyjson_mut_get_sint(yyjson_mut_obj_get(status, "observedGeneration")) < old->generation) {
		*error = status_too_many_requests(10,
			"Cannot evict pod as it would violate the pod's disruption budget. The disruption budget %s is still being "
			"processed by the server.",
			old->name);
		return MODIFY_FAIL;
	}
	if (allowed <= 0) {
		char text[384];

		*error = status_too_many_requests(
			0, "Cannot evict pod as it would violate the pod's disruption budget.");
		snprintf(text, sizeof(text),
			"The disruption budget %s needs %lld healthy pods and has %lld currently", old->name,
			(long long)yyjson_mut_get_sint(yyjson_mut_obj_get(status, "desiredHealthy")),
			(long long)yyjson_mut_get_sint(yyjson_mut_obj_get(status, "currentHealthy")));
		status_add_cause(*error, "DisruptionBudget", text, NULL);
		return MODIFY_FAIL;
	}
	meta_time(now, time(NULL));
	pods = meta_make(*doc, status, "disruptedPods", NULL);
	if (!pods || !meta_put(*doc, status, "disruptionsAllowed", yyjson_mut_sint(*doc, allowed - 1)) ||
		!yyjson_mut_obj_add(pods, yyjson_mut_strcpy(*doc, e->q->name), yyjson_mut_strcpy(*doc, now)))
		return MODIFY_FAIL;
	return MODIFY_WRITE;
}

static void took(const struct status *error, const struct object *object, void *arg)
{
	if (!is_refused(arg, error))
		go(arg);
}

/* A pod that is over, or that never started, takes nothing from anybody. */
static bool needs_budget(const struct object *pod)
{
	const char *phase = object_field(pod, "status.phase");

	return !pod->deleted && !phase_is_final(phase) && strcmp(phase, "Pending") != 0;
}

static struct status *read_options(struct evicting *e)
{
	yyjson_mut_val *said = yyjson_mut_obj_get(e->asked.attempt.root, "deleteOptions");
	const char *name = yyjson_mut_get_str(meta_mut_get(e->asked.attempt.root, "metadata", "name", NULL));

	e->o = (struct delete_options){.grace_seconds = -1,
		.dry_run = e->q->dry_run,
		.asked = true,
		.warn = request_warn,
		.warn_arg = e->q};
	if (name && *name && strcmp(name, e->q->name) != 0)
		return status_bad_request("name in URL does not match name in Eviction object");
	return delete_options_read(&e->o, said);
}

static void evict(struct request *q)
{
	struct evicting *e = q->own;
	const struct schema_kind *budgets = schema_find("policy", "v1", "poddisruptionbudgets");
	const struct object *pod = registry_get(q->api->registry, q->kind, q->ns, q->name);
	struct write_options w = status_writes;
	struct search s = {.pod = pod, .e = e};
	/* A webhook may have changed what was asked for. */
	struct status *err = read_options(e);

	if (!err && !pod)
		err = status_not_found(q->kind, q->name);
	if (err) {
		reply_status(q, err);
		return;
	}
	w.dry_run = e->o.dry_run;
	if (budgets && needs_budget(pod))
		registry_each(q->api->registry, budgets, q->ns, match, &s);
	if (s.err) {
		reply_status(q, s.err);
		return;
	}
	if (e->n_budgets > 1) {
		reply_status(q,
			status_internal(
				"This pod has more than one PodDisruptionBudget, which the eviction subresource does "
				"not support."));
		return;
	}
	request_ref(q);
	if (e->n_budgets && !e->free)
		registry_modify(q->api->registry, &caller_self, budgets, q->ns, e->budget, false, take_one,
			&w, took, e);
	else
		go(e);
}

static void begin(struct request *q)
{
	struct evicting *e = calloc(1, sizeof(*e));
	yyjson_mut_doc *doc;
	struct status *err;

	if (!e) {
		reply_status(q, status_errno(-ENOMEM, "eviction"));
		return;
	}
	e->q = q;
	q->own = e;
	q->own_free = evicting_free;
	doc = subresource_body(q, "policy/v1", "Eviction");
	if (!doc)
		return;
	question_init(&e->asked, q, ADMIT_CREATE, doc);
	err = read_options(e);
	e->asked.attempt.dry_run = e->o.dry_run;
	if (err)
		reply_status(q, err);
	else
		question_ask(&e->asked, evict);
}

void subresource_eviction(struct request *q)
{
	request_read_body(q, begin);
}
