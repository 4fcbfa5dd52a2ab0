/* SPDX-License-Identifier: Apache-2.0 */

/* A pod of a StatefulSet: its name, number, revision, and the claims that are its own and outlive it. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/controllers/statefulset_int.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "lib/json.h"

enum { CLAIM_NAME_MAX = 512, CLAIM_AGAIN_MS = 20 };

int64_t statefulset_number(const char *set, const char *pod)
{
	size_t n = strlen(set);
	const char *digits = pod + n + 1;
	char *end;
	long long number;

	if (strncmp(set, pod, n) != 0 || pod[n] != '-' || *digits < '0' || *digits > '9' ||
		(*digits == '0' && digits[1]))
		return -1;
	number = strtoll(digits, &end, 10);
	return *end || number > INT32_MAX ? -1 : number;
}

static const char *claim_name(
	const struct statefulset *s, yyjson_val *claim, int64_t number, char buf[static CLAIM_NAME_MAX])
{
	snprintf(buf, CLAIM_NAME_MAX, "%s-%s-%lld", meta_text(claim, "name") ?: "", s->t->name,
		(long long)number);
	return buf;
}

/* ---- claims */

static void make_claim(struct statefulset *s, yyjson_val *from, const char *name)
{
	const struct schema_kind *kind = schema_find_kind("v1", "PersistentVolumeClaim");
	yyjson_val *labels = meta_get(s->spec, "selector", "matchLabels", NULL);
	yyjson_val *own = meta_get(from, "metadata", "labels", NULL), *notes, *key, *value;
	yyjson_mut_doc *doc = new_object(kind);
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc), *meta = yyjson_mut_obj_get(root, "metadata"),
		       *all;
	size_t i, n;
	bool ok;

	all = doc ? (own ? yyjson_val_mut_copy(doc, own) : yyjson_mut_obj(doc)) : NULL;
	ok = all && meta_set_text(doc, root, "name", name) &&
	     meta_put(doc, root, "spec", yyjson_val_mut_copy(doc, json_obj(from, "spec")));
	json_obj_foreach (labels, i, n, key, value)
		ok = ok && meta_put(doc, all, yyjson_mut_get_str(yyjson_val_mut_copy(doc, key)),
				   yyjson_val_mut_copy(doc, value));
	notes = meta_get(from, "metadata", "annotations", NULL);
	if (ok && notes)
		ok = meta_put(doc, meta, "annotations", yyjson_val_mut_copy(doc, notes));
	if (ok && meta_put(doc, meta, "labels", all)) {
		turn_create(s->t, kind, s->t->ns, doc);
		return;
	}
	yyjson_mut_doc_free(doc);
	turn_failed(s->t);
}

/* The two owners a claim may have, and whether it should. */
struct owning {
	struct {
		char version[16], kind[16], name[256], uid[64];
		bool wanted;
	} who[2];
};

static bool is_owned_by(const struct object *claim, const char *uid)
{
	for (size_t i = 0; i < claim->n_owners; i++)
		if (!strcmp(claim->owners[i].uid, uid))
			return true;
	return false;
}

static enum modify set_owners(
	const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	const struct owning *w = arg;
	yyjson_mut_val *root = yyjson_mut_doc_get_root(*doc), *meta = meta_make(*doc, root, "metadata", NULL);
	yyjson_mut_val *list = yyjson_mut_obj_get(meta, "ownerReferences"), *ref;
	bool changed = false;

	if (!list)
		list = yyjson_mut_obj_add_arr(*doc, meta, "ownerReferences");
	for (size_t i = 0; list && i < array_len(w->who); i++) {
		yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(list);

		if (!*w->who[i].uid || is_owned_by(old, w->who[i].uid) == w->who[i].wanted)
			continue;
		changed = true;
		while (!w->who[i].wanted && (ref = yyjson_mut_arr_iter_next(&it)))
			if (yyjson_mut_equals_str(yyjson_mut_obj_get(ref, "uid"), w->who[i].uid))
				json_mut_arr_iter_remove(&it);
		if (!w->who[i].wanted)
			continue;
		ref = yyjson_mut_arr_add_obj(*doc, list);
		if (!ref || !yyjson_mut_obj_add_str(*doc, ref, "apiVersion", w->who[i].version) ||
			!yyjson_mut_obj_add_str(*doc, ref, "kind", w->who[i].kind) ||
			!yyjson_mut_obj_add_str(*doc, ref, "name", w->who[i].name) ||
			!yyjson_mut_obj_add_str(*doc, ref, "uid", w->who[i].uid))
			list = NULL;
	}
	if (list)
		return changed ? MODIFY_WRITE : MODIFY_NOTHING;
	*error = status_internal("out of memory");
	return MODIFY_FAIL;
}

static bool own_claim(struct statefulset *s, const struct object *claim, const struct pod *pod, bool leaving)
{
	yyjson_val *policy = json_obj(s->spec, "persistentVolumeClaimRetentionPolicy");
	bool with_pod = leaving && yyjson_equals_str(yyjson_obj_get(policy, "whenScaled"), "Delete");
	/* never both: one owner that stays would keep it */
	bool with_set = !with_pod && yyjson_equals_str(yyjson_obj_get(policy, "whenDeleted"), "Delete");
	struct owning *w;

	if (is_owned_by(claim, s->t->object->uid) == with_set &&
		(!pod || is_owned_by(claim, pod->o->uid) == with_pod))
		return true;
	w = calloc(1, sizeof(*w));
	if (!w) {
		turn_failed(s->t);
		return false;
	}
	snprintf(w->who[0].version, sizeof(w->who[0].version), "apps/v1");
	snprintf(w->who[0].kind, sizeof(w->who[0].kind), "StatefulSet");
	snprintf(w->who[0].name, sizeof(w->who[0].name), "%s", s->t->name);
	snprintf(w->who[0].uid, sizeof(w->who[0].uid), "%s", s->t->object->uid);
	w->who[0].wanted = with_set;
	if (pod) {
		snprintf(w->who[1].version, sizeof(w->who[1].version), "v1");
		snprintf(w->who[1].kind, sizeof(w->who[1].kind), "Pod");
		snprintf(w->who[1].name, sizeof(w->who[1].name), "%s", pod->o->name);
		snprintf(w->who[1].uid, sizeof(w->who[1].uid), "%s", pod->o->uid);
		w->who[1].wanted = with_pod;
	}
	turn_modify(s->t, claim, NULL, set_owners, w);
	turn_again_in(s->t, CLAIM_AGAIN_MS);
	return false;
}

bool statefulset_own_claims(struct statefulset *s, int64_t number, const struct pod *leaving)
{
	yyjson_val *claims = json_arr(s->spec, "volumeClaimTemplates"), *claim;
	const struct pod *pod = leaving;
	char name[CLAIM_NAME_MAX];
	bool ok = true;
	size_t i, n;

	if (!pod && number >= s->start && number < s->start + s->replicas)
		pod = s->places[number - s->start];
	yyjson_arr_foreach (claims, i, n, claim) {
		const struct object *o =
			registry_get(s->t->r, schema_find_kind("v1", "PersistentVolumeClaim"), s->t->ns,
				claim_name(s, claim, number, name));

		ok &= !o || o->deleted || own_claim(s, o, pod, leaving != NULL);
	}
	return ok;
}

/* ---- pods */

/* The claims as volumes, in place of those of the same names. */
static bool set_volumes(yyjson_mut_doc *doc, const struct statefulset *s, int64_t number)
{
	yyjson_val *claims = json_arr(s->spec, "volumeClaimTemplates"), *claim;
	yyjson_mut_val *spec = yyjson_mut_obj_get(yyjson_mut_doc_get_root(doc), "spec");
	yyjson_mut_val *list = yyjson_mut_obj_get(spec, "volumes"), *v, *source;
	char buf[CLAIM_NAME_MAX];
	size_t i, n;

	if (!list && yyjson_arr_size(claims))
		list = yyjson_mut_obj_add_arr(doc, spec, "volumes");
	yyjson_arr_foreach (claims, i, n, claim) {
		const char *name = meta_text(claim, "name") ?: "";
		yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(list);

		while ((v = yyjson_mut_arr_iter_next(&it)))
			if (yyjson_mut_equals_str(yyjson_mut_obj_get(v, "name"), name))
				json_mut_arr_iter_remove(&it);
		v = yyjson_mut_arr_add_obj(doc, list);
		if (!v || !yyjson_mut_obj_add_strcpy(doc, v, "name", name))
			return false;
		source = yyjson_mut_obj_add_obj(doc, v, "persistentVolumeClaim");
		if (!source || !yyjson_mut_obj_add_strcpy(
				       doc, source, "claimName", claim_name(s, claim, number, buf)))
			return false;
	}
	return true;
}

static bool set_identity(yyjson_mut_doc *doc, const struct statefulset *s, int64_t number, const char *name,
	const struct revision *r)
{
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc), *spec = yyjson_mut_obj_get(root, "spec");
	yyjson_mut_val *labels = meta_make(doc, root, "metadata", "labels", NULL);
	const char *service = json_text(s->spec, "serviceName");
	char index[24];

	snprintf(index, sizeof(index), "%lld", (long long)number);
	return labels &&
	       meta_put(doc, labels, "statefulset.kubernetes.io/pod-name", yyjson_mut_strcpy(doc, name)) &&
	       meta_put(doc, labels, "apps.kubernetes.io/pod-index", yyjson_mut_strcpy(doc, index)) &&
	       meta_put(doc, labels, REVISION_LABEL, yyjson_mut_strcpy(doc, r->o->name)) &&
	       meta_put(doc, spec, "hostname", yyjson_mut_strcpy(doc, name)) &&
	       (!service || meta_put(doc, spec, "subdomain", yyjson_mut_strcpy(doc, service)));
}

void statefulset_make(struct statefulset *s, int64_t number)
{
	yyjson_val *claims = json_arr(s->spec, "volumeClaimTemplates"), *claim;
	const struct schema_kind *kind = schema_find_kind("v1", "PersistentVolumeClaim");
	/* below the partition, pods are as they were */
	const struct revision *r =
		!s->on_delete && number < s->start + s->partition ? s->current : s->revisions.update;
	char name[300], buf[CLAIM_NAME_MAX];
	yyjson_mut_doc *doc;
	size_t i, n;

	yyjson_arr_foreach (claims, i, n, claim) {
		const char *wanted = claim_name(s, claim, number, buf);
		const struct object *o = registry_get(s->t->r, kind, s->t->ns, wanted);

		if (!o)
			make_claim(s, claim, wanted);
		else if (o->deleted) {
			/* it goes with the pod before; a new one follows */
			turn_again_in(s->t, 1000);
			return;
		}
	}
	snprintf(name, sizeof(name), "%s-%lld", s->t->name, (long long)number);
	doc = pod_from_template(s->t->object, r->pod_template, name);
	if (doc && set_identity(doc, s, number, name, r) && set_volumes(doc, s, number)) {
		turn_create(s->t, schema_find_kind("v1", "Pod"), s->t->ns, doc);
		return;
	}
	yyjson_mut_doc_free(doc);
	turn_failed(s->t);
}
