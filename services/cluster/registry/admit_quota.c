/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Quotas: nothing is made that would take more than its namespace may have (ResourceQuota). What attempts have asked for that are not
 * written yet counts as used, so two at once do not share the last place.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/registry/admission.h"
#include "cluster/registry/quota.h"
#include "cluster/registry/registry_int.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/pod_resources.h"
#include "lib/json.h"
#include "lib/quantity.h"

/* What an attempt on its way will take: the object to be, until it is settled. */
struct reserved {
	struct reserved *next;
	const struct attempt *attempt;
	const struct registry *registry;
	const struct schema_kind *kind;
	yyjson_doc *doc, *old; /* owned; old NULL: a creation */
	char ns[];
};

static struct reserved *all_reserved; /* of every registry in this process */

static void reserved_free(struct reserved *r)
{
	if (!r)
		return;
	yyjson_doc_free(r->doc);
	yyjson_doc_free(r->old);
	free(r);
}

static void reservedp(struct reserved **r)
{
	reserved_free(*r);
}

static __int128 more(const struct reserved *r, yyjson_val *spec, const char *key)
{
	yyjson_val *now = yyjson_doc_get_root(r->doc), *was = yyjson_doc_get_root(r->old);
	__int128 n = quota_counts(spec, r->kind, now) ? quota_takes(key, r->kind, now) : 0;

	if (was && quota_counts(spec, r->kind, was))
		n -= quota_takes(key, r->kind, was);
	return n > 0 ? n : 0;
}

static __int128 on_their_way(const struct reserved *self, yyjson_val *spec, const char *key)
{
	__int128 n = 0;

	for (const struct reserved *r = all_reserved; r; r = r->next)
		if (r->registry == self->registry && !strcmp(r->ns, self->ns))
			n += more(r, spec, key);
	return n;
}

/* ---- what a quota says */

/* "pods=1,requests.cpu=2" */
struct amounts {
	char text[400];
	size_t len;
};

static void add(struct amounts *t, const char *key, __int128 nano)
{
	struct quantity q = {.nano = nano,
		.format =
			strstr(key, "memory") || strstr(key, "storage") ? QUANTITY_BINARY : QUANTITY_DECIMAL};
	char buf[QUANTITY_TEXT_MAX];
	int n = snprintf(t->text + t->len, sizeof(t->text) - t->len, "%s%s=%s", t->len ? "," : "", key,
		quantity_text(&q, buf));

	t->len += n > 0 && (size_t)n < sizeof(t->text) - t->len ? (size_t)n : 0;
}

/* With a limit on it, every container must say how much it wants, unless the pod does. */
static struct status *must_say(
	const struct attempt *a, const struct reserved *r, const char *quota, yyjson_val *hard)
{
	yyjson_val *spec = json_obj(yyjson_doc_get_root(r->doc), "spec"), *key, *value, *c;
	char missing[600] = "";
	size_t i, n, k, m, len = 0;

	if (!attempt_is(a, "", "Pod") || a->verb != ADMIT_CREATE || pod_is_whole(spec))
		return NULL;
	json_obj_foreach (hard, i, n, key, value) {
		const char *name = yyjson_get_str(key), *list = "requests", *what = name;
		const char *between = " for: ";

		if (!strncmp(name, "limits.", 7)) {
			list = "limits";
			what = name + 7;
		} else if (!strncmp(name, "requests.", 9)) {
			what = name + 9;
		}
		if (strcmp(what, "cpu") != 0 && strcmp(what, "memory") != 0)
			continue;
		yyjson_arr_foreach (json_arr(spec, "containers"), k, m, c) {
			int wrote;

			if (yyjson_obj_get(json_obj(json_obj(c, "resources"), list), what))
				continue;
			wrote = snprintf(missing + len, sizeof(missing) - len, "%s%s%s%s",
				*between == ',' ? ""
				: len		? "; "
						: "",
				*between == ',' ? "" : name, between, json_str(c, "name") ?: "");
			len += wrote > 0 && (size_t)wrote < sizeof(missing) - len ? (size_t)wrote : 0;
			between = ",";
		}
	}
	return len ? status_forbidden(a->kind, a->name, "failed quota: %s: must specify %s", quota, missing)
		   : NULL;
}

static struct status *hold(const struct attempt *a, const struct reserved *r, const struct object *quota)
{
	cleanup(json_docp) yyjson_doc *doc = object_doc(quota);
	yyjson_val *spec = json_obj(yyjson_doc_get_root(doc), "spec"), *hard = json_obj(spec, "hard"), *key,
		   *value;
	struct amounts asked = {0}, used = {0}, limited = {0};
	struct status *err;
	size_t i, n;

	if (!doc)
		return status_errno(-ENOMEM, "quota");
	if (!quota_counts(spec, r->kind, yyjson_doc_get_root(r->doc)))
		return NULL;
	err = must_say(a, r, quota->name, hard);
	json_obj_foreach (hard, i, n, key, value) {
		const char *name = yyjson_get_str(key);
		__int128 wants = err ? 0 : more(r, spec, name), has;
		struct quantity limit;

		if (!wants || quantity_parse(&limit, yyjson_get_str(value) ?: "", yyjson_get_len(value)))
			continue;
		has = quota_used(a->registry, a->ns, spec, name) + on_their_way(r, spec, name);
		if (has + wants <= limit.nano)
			continue;
		add(&asked, name, wants);
		add(&used, name, has);
		add(&limited, name, limit.nano);
	}
	if (err || !asked.len)
		return err;
	return status_forbidden(a->kind, a->name, "exceeded quota: %s, requested: %s, used: %s, limited: %s",
		quota->name, asked.text, used.text, limited.text);
}

/* ---- the rule */

struct asking {
	const struct attempt *a;
	const struct reserved *r;
	struct status *err;
};

static bool ask(const struct object *quota, void *arg)
{
	struct asking *q = arg;

	q->err = quota->deleted ? NULL : hold(q->a, q->r, quota);
	return !q->err;
}

static bool any(const struct object *o, void *arg)
{
	*(bool *)arg = true;
	return false;
}

static struct status *check(const struct attempt *a)
{
	const struct schema_kind *quotas = schema_find("", "v1", "resourcequotas");
	cleanup(reservedp) struct reserved *r = NULL;
	struct asking q = {.a = a};
	bool there = false;

	if (a->verb == ADMIT_DELETE || (*a->subresource && strcmp(a->subresource, "resize") != 0) ||
		!*a->ns || a->kind->flags & SCHEMA_REVIEW || attempt_is(a, "", "Event") ||
		attempt_is(a, "events.k8s.io", "Event"))
		return NULL;
	registry_each(a->registry, quotas, a->ns, any, &there);
	if (!there)
		return NULL;
	r = calloc(1, sizeof(*r) + strlen(a->ns) + 1);
	if (!r)
		return status_errno(-ENOMEM, "quota");
	strcpy(r->ns, a->ns);
	r->attempt = a;
	r->registry = a->registry;
	r->kind = a->kind;
	r->doc = yyjson_mut_val_imut_copy(a->root, NULL);
	r->old = a->old ? object_doc(a->old) : NULL;
	if (!r->doc || (a->old && !r->old))
		return status_errno(-ENOMEM, "quota");
	q.r = r;
	registry_each(a->registry, quotas, a->ns, ask, &q);
	if (q.err)
		return q.err;
	r->next = all_reserved;
	all_reserved = take(r);
	return NULL;
}

static void settled(const struct attempt *a, bool written)
{
	for (struct reserved **at = &all_reserved; *at; at = &(*at)->next)
		if ((*at)->attempt == a) {
			struct reserved *r = *at;

			*at = r->next;
			reserved_free(r);
			return;
		}
}

const struct admission admission_quota = {.name = "ResourceQuota", .check = check, .settled = settled};
