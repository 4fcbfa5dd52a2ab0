/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Limit ranges: a container that does not say what it wants gets the namespace's defaults; what asks for too little, too much or for too
 * wide a span is refused, container, pod or claim (LimitRanger).
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cluster/registry/admission.h"
#include "cluster/registry/registry_int.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/pod_resources.h"
#include "lib/json.h"
#include "lib/quantity.h"

static bool is_new_pod(const struct attempt *a)
{
	return a->verb == ADMIT_CREATE && !*a->subresource && attempt_is(a, "", "Pod");
}

/* Defaults are given once, at creation; what a pod is resized to is held to the limits as well. */
static bool is_resized_pod(const struct attempt *a)
{
	return a->verb == ADMIT_UPDATE && !strcmp(a->subresource, "resize") && attempt_is(a, "", "Pod");
}

/* ---- each item of each range in the namespace */

struct walk {
	const struct attempt *a;
	const char *type; /* of items; NULL: all */
	/* false: stop */
	bool (*fn)(struct walk *w, yyjson_val *item);
	bool failed; /* no memory */
	char why[1200];
	size_t len, n_why;
};

static bool each_item(const struct object *o, void *arg)
{
	struct walk *w = arg;
	cleanup(json_docp) yyjson_doc *doc = object_doc(o);
	yyjson_val *items = meta_get(yyjson_doc_get_root(doc), "spec", "limits", NULL), *item;
	size_t i, n;

	w->failed |= !doc;
	yyjson_arr_foreach (items, i, n, item)
		if ((!w->type || yyjson_equals_str(yyjson_obj_get(item, "type"), w->type)) && !w->fn(w, item))
			return false;
	return !w->failed;
}

static void walk(struct walk *w)
{
	registry_each(w->a->registry, schema_find("", "v1", "limitranges"), w->a->ns, each_item, w);
}

/* ---- defaults */

static bool fill(struct walk *w, yyjson_mut_val *container, const char *list, yyjson_val *defaults)
{
	yyjson_mut_doc *doc = w->a->doc;
	yyjson_val *key, *value;
	size_t i, n;

	json_obj_foreach (defaults, i, n, key, value) {
		yyjson_mut_val *into = meta_make(doc, container, "resources", list, NULL);

		if (!into)
			return false;
		if (!yyjson_mut_obj_get(into, yyjson_get_str(key)) &&
			!yyjson_mut_obj_add(
				into, yyjson_val_mut_copy(doc, key), yyjson_val_mut_copy(doc, value)))
			return false;
	}
	return true;
}

static bool give_defaults(struct walk *w, yyjson_val *item)
{
	static const char *const lists[] = {"initContainers", "containers"};
	yyjson_mut_val *c;
	size_t i, n;

	for (size_t l = 0; l < array_len(lists); l++) {
		yyjson_mut_val *containers = meta_mut_get(w->a->root, "spec", lists[l], NULL);

		yyjson_mut_arr_foreach(containers, i, n, c) w->failed |=
			!fill(w, c, "limits", json_obj(item, "default")) ||
			!fill(w, c, "requests", json_obj(item, "defaultRequest"));
	}
	return !w->failed;
}

static struct status *change(struct attempt *a)
{
	struct walk w = {.a = a, .type = "Container", .fn = give_defaults};

	if (!is_new_pod(a))
		return NULL;
	walk(&w);
	return w.failed ? status_errno(-ENOMEM, "limits") : NULL;
}

/* ---- checks */

/* What one thing asks for: nothing said is negative. */
struct span {
	__int128 request, limit;
};

static __int128 amount(yyjson_mut_val *v)
{
	struct quantity q;

	return yyjson_mut_is_str(v) && !quantity_parse(&q, yyjson_mut_get_str(v), yyjson_mut_get_len(v))
		       ? q.nano
		       : -1;
}

static __int128 amount_of(yyjson_val *v)
{
	struct quantity q;

	return yyjson_is_str(v) && !quantity_parse(&q, yyjson_get_str(v), yyjson_get_len(v)) ? q.nano : -1;
}

static const char *text(__int128 nano, const char *resource, char buf[static QUANTITY_TEXT_MAX])
{
	bool bytes = strstr(resource, "memory") || strstr(resource, "storage");

	return quantity_text(
		&(struct quantity){.nano = nano, .format = bytes ? QUANTITY_BINARY : QUANTITY_DECIMAL}, buf);
}

static void say(struct walk *w, const char *format, ...) printf_like(2, 3);

static void say(struct walk *w, const char *format, ...)
{
	va_list args;
	int n;

	if (w->n_why++ && w->len + 2 < sizeof(w->why)) {
		memcpy(w->why + w->len, ", ", 3);
		w->len += 2;
	}
	va_start(args, format);
	n = vsnprintf(w->why + w->len, sizeof(w->why) - w->len, format, args);
	va_end(args);
	if (n > 0)
		w->len += (size_t)n < sizeof(w->why) - w->len ? (size_t)n : sizeof(w->why) - w->len - 1;
}

static void hold(struct walk *w, yyjson_val *item, const char *resource, const struct span *s)
{
	const char *type = json_str(item, "type") ?: "";
	char a[QUANTITY_TEXT_MAX], b[QUANTITY_TEXT_MAX];
	yyjson_val *min = yyjson_obj_get(json_obj(item, "min"), resource);
	yyjson_val *max = yyjson_obj_get(json_obj(item, "max"), resource);
	yyjson_val *ratio = yyjson_obj_get(json_obj(item, "maxLimitRequestRatio"), resource);
	bool claim = !strcmp(type, "PersistentVolumeClaim");
	__int128 top = claim ? s->request : s->limit;

	if (min && s->request < 0)
		say(w, "minimum %s usage per %s is %s.  No request is specified", resource, type,
			text(amount_of(min), resource, a));
	else if (min && s->request < amount_of(min))
		say(w, "minimum %s usage per %s is %s, but request is %s", resource, type,
			text(amount_of(min), resource, a), text(s->request, resource, b));
	else if (min && s->limit >= 0 && s->limit < amount_of(min))
		say(w, "minimum %s usage per %s is %s, but limit is %s", resource, type,
			text(amount_of(min), resource, a), text(s->limit, resource, b));
	if (max && top < 0)
		say(w, "maximum %s usage per %s is %s.  No limit is specified", resource, type,
			text(amount_of(max), resource, a));
	else if (max && top > amount_of(max))
		say(w, "maximum %s usage per %s is %s, but %s is %s", resource, type,
			text(amount_of(max), resource, a), claim ? "request" : "limit",
			text(top, resource, b));
	else if (max && s->request > amount_of(max))
		say(w, "maximum %s usage per %s is %s, but request is %s", resource, type,
			text(amount_of(max), resource, a), text(s->request, resource, b));
	if (!ratio)
		return;
	if (s->request <= 0 || s->limit < 0)
		say(w, "%s max limit to request ratio per %s is %s, but no request or limit is specified",
			resource, type, yyjson_get_str(ratio));
	else if (s->limit * 1000000000 > amount_of(ratio) * s->request)
		say(w, "%s max limit to request ratio per %s is %s, but provided ratio is %f", resource, type,
			yyjson_get_str(ratio), (double)s->limit / (double)s->request);
}

/* Of a container, or of a spec. */
static struct span span_of(yyjson_mut_val *o, const char *resource)
{
	return (struct span){amount(meta_mut_get(o, "resources", "requests", resource, NULL)),
		amount(meta_mut_get(o, "resources", "limits", resource, NULL))};
}

/* Of all containers that say something. */
static __int128 containers_amount(yyjson_mut_val *spec, const char *list, const char *resource)
{
	struct pod_sum sum = pod_sum_read(spec, list, resource);

	return sum.n_said ? sum.total : -1;
}

/* What the pod says as a whole counts before that; its overhead does not, as upstream. */
static struct span pod_span(yyjson_mut_val *pod, const char *resource)
{
	yyjson_mut_val *spec = yyjson_mut_obj_get(pod, "spec");
	struct span whole = span_of(spec, resource);

	return (struct span){
		whole.request >= 0 ? whole.request : containers_amount(spec, "requests", resource),
		whole.limit >= 0 ? whole.limit : containers_amount(spec, "limits", resource)};
}

/* Every resource that the item limits, once. */
static void each_resource(
	struct walk *w, yyjson_val *item, void (*fn)(struct walk *w, yyjson_val *item, const char *resource))
{
	static const char *const lists[] = {"min", "max", "maxLimitRequestRatio"};
	yyjson_val *key, *value;
	size_t i, n;

	for (size_t l = 0; l < array_len(lists); l++) {
		json_obj_foreach (json_obj(item, lists[l]), i, n, key, value) {
			bool before = false;

			for (size_t k = 0; k < l; k++)
				before |=
					yyjson_obj_get(json_obj(item, lists[k]), yyjson_get_str(key)) != NULL;
			if (!before)
				fn(w, item, yyjson_get_str(key));
		}
	}
}

static void check_resource(struct walk *w, yyjson_val *item, const char *resource)
{
	static const char *const lists[] = {"initContainers", "containers"};
	yyjson_mut_val *c;
	struct span s;
	size_t i, n;

	if (yyjson_equals_str(yyjson_obj_get(item, "type"), "Pod")) {
		s = pod_span(w->a->root, resource);
		hold(w, item, resource, &s);
	} else if (yyjson_equals_str(yyjson_obj_get(item, "type"), "PersistentVolumeClaim")) {
		s = (struct span){
			amount(meta_mut_get(w->a->root, "spec", "resources", "requests", resource, NULL)),
			-1};
		hold(w, item, resource, &s);
	} else {
		for (size_t l = 0; l < array_len(lists); l++) {
			yyjson_mut_val *containers = meta_mut_get(w->a->root, "spec", lists[l], NULL);

			yyjson_mut_arr_foreach(containers, i, n, c)
			{
				s = span_of(c, resource);
				hold(w, item, resource, &s);
			}
		}
	}
}

static bool check_item(struct walk *w, yyjson_val *item)
{
	bool claim = yyjson_equals_str(yyjson_obj_get(item, "type"), "PersistentVolumeClaim");

	if (claim == attempt_is(w->a, "", "PersistentVolumeClaim"))
		each_resource(w, item, check_resource);
	return true;
}

static struct status *check(const struct attempt *a)
{
	struct walk w = {.a = a, .fn = check_item};
	bool claim =
		attempt_is(a, "", "PersistentVolumeClaim") && !*a->subresource && a->verb != ADMIT_DELETE;

	if (!is_new_pod(a) && !is_resized_pod(a) && !claim)
		return NULL;
	walk(&w);
	if (w.failed)
		return status_errno(-ENOMEM, "limits");
	if (!w.n_why)
		return NULL;
	return w.n_why > 1 ? status_forbidden(a->kind, a->name, "[%s]", w.why)
			   : status_forbidden(a->kind, a->name, "%s", w.why);
}

const struct admission admission_limits = {.name = "LimitRanger", .change = change, .check = check};
