/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a pod's volumes demand, read once a cycle: claims that are not ready keep it off every node, and those that are bound
 * say by their volumes which nodes will do. A claim of a class that waits for the pod gets its volume there: the smallest of
 * those that nobody has and that the node can reach, or one that is made, where its class makes them.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/controllers/volumes.h"
#include "cluster/registry/pod_claims.h"
#include "cluster/scheduler/cycle.h"
#include "cluster/scheduler/reserve.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "lib/json.h"

/* ---- other pods that use a claim */

static bool is_user(const struct sched_pod *p, const struct object *claim)
{
	cleanup(json_docp) yyjson_doc *doc = NULL;

	/* most say by their text that they do not */
	if (!p->has_claims || strcmp(p->o->ns, claim->ns) != 0 ||
		(!strstr(p->o->json, claim->name) && !pod_owns_claim(p->o, claim)))
		return false;
	doc = object_doc(p->o);
	return doc && pod_uses_claim(p->o, json_obj(yyjson_doc_get_root(doc), "spec"), claim);
}

static void each_user(struct cycle *c, const struct object *claim,
	void (*fn)(struct cycle *c, const struct sched_pod *p, void *arg), void *arg)
{
	for (size_t i = 0; i < c->cache->n_all; i++) {
		const struct sched_node *n = c->cache->nodes[i];

		for (size_t k = 0; k < n->n_pods; k++)
			if (n->pods[k] != c->pod && is_user(n->pods[k], claim))
				fn(c, n->pods[k], arg);
	}
}

static void add_holder(struct cycle *c, const struct sched_pod *p, void *arg)
{
	if (c->n_holders == c->cap_holders) {
		size_t cap = c->cap_holders ? 2 * c->cap_holders : 4;
		const struct sched_pod **more = reallocarray(c->holders, cap, sizeof(struct sched_pod *));

		if (!more) {
			c->failed = true;
			return;
		}
		c->holders = more;
		c->cap_holders = cap;
	}
	c->holders[c->n_holders++] = p;
}

static void note_node(struct cycle *c, const struct sched_pod *p, void *arg)
{
	struct pod_claim *claim = arg;

	claim->node = p->node->name;
}

/* ---- bound */

/* The volume's node affinity, if it has any, is one more the nodes must match. */
static void add_volume(struct cycle *c, const struct object *pv)
{
	yyjson_doc *doc = object_doc(pv);
	yyjson_val *terms = meta_get(
		yyjson_doc_get_root(doc), "spec", "nodeAffinity", "required", "nodeSelectorTerms", NULL);

	if (doc && terms) {
		c->volumes[c->n_volumes++] = (struct pod_volume){doc, terms};
		return;
	}
	c->failed |= !doc;
	yyjson_doc_free(doc);
}

/* ---- to be bound where the pod comes to be */

struct looking {
	struct cycle *c;
	struct pod_claim *claim;
	struct wish wish;
	const struct object *promised; /* the volume that the claim is getting, NULL: none */
};

static void add_candidate(struct looking *l, const struct object *o, yyjson_doc *doc, bool mine)
{
	struct pod_claim *claim = l->claim;
	yyjson_val *spec = json_obj(yyjson_doc_get_root(doc), "spec");

	if (claim->n == claim->cap) {
		size_t cap = claim->cap ? 2 * claim->cap : 4;
		struct pod_candidate *more = reallocarray(claim->candidates, cap, sizeof(*more));

		if (!more) {
			l->c->failed = true;
			yyjson_doc_free(doc);
			return;
		}
		claim->candidates = more;
		claim->cap = cap;
	}
	claim->candidates[claim->n++] = (struct pod_candidate){object_ref(o), doc,
		meta_get(spec, "nodeAffinity", "required", "nodeSelectorTerms", NULL), volume_capacity(spec),
		mine};
}

static bool look_at_volume(const struct object *o, void *arg)
{
	struct looking *l = arg;
	enum wish_match match = WISH_NOT;
	yyjson_doc *doc = NULL;

	if (l->promised ? !strcmp(o->name, l->promised->name)
			/* by far the most are others', and say so in their text */
			: (!strstr(o->json, "\"claimRef\":{") || strstr(o->json, l->wish.claim->name)) &&
				  !volume_promised(l->c->cache, o)) {
		doc = object_doc(o);
		l->c->failed |= !doc;
		match = l->promised ? WISH_MINE : wish_match(&l->wish, o, yyjson_doc_get_root(doc));
	}
	if (doc && match != WISH_NOT)
		add_candidate(l, o, doc, match == WISH_MINE);
	else
		yyjson_doc_free(doc);
	return match != WISH_MINE;
}

static int by_size(const void *a, const void *b)
{
	const struct pod_candidate *x = a, *y = b;

	return x->mine != y->mine ? y->mine - x->mine : quantity_compare(&x->size, &y->size);
}

/* Two volumes of a pod may be the same claim. */
static bool is_known(const struct cycle *c, const struct object *pvc)
{
	for (size_t i = 0; i < c->n_claims; i++)
		if (c->claims[i].claim == pvc)
			return true;
	return false;
}

static void add_claim(struct cycle *c, const struct object *pvc, yyjson_val *spec, yyjson_doc *class_doc)
{
	struct pod_claim *claim = &c->claims[c->n_claims++];
	struct looking l = {.c = c, .claim = claim, .promised = volume_promised_to(c->cache, pvc)};
	yyjson_val *class = yyjson_doc_get_root(class_doc);

	*claim = (struct pod_claim){.claim = object_ref(pvc),
		.class_doc = class_doc,
		.topologies = json_arr(class, "allowedTopologies"),
		.made = !yyjson_equals_str(yyjson_obj_get(class, "provisioner"), NO_PROVISIONER)};
	each_user(c, pvc, note_node, claim);
	if (!wish_read(&l.wish, pvc, spec)) {
		c->failed = true;
		return;
	}
	claim->size = l.wish.size;
	registry_each(c->registry, schema_find_kind("v1", "PersistentVolume"), NULL, look_at_volume, &l);
	wish_fini(&l.wish);
	if (claim->n > 1)
		qsort(claim->candidates, claim->n, sizeof(*claim->candidates), by_size);
}

static int smaller(const void *a, const void *b)
{
	return quantity_compare(&((const struct pod_claim *)a)->size, &((const struct pod_claim *)b)->size);
}

/* ---- all of them */

#define SAY(...) snprintf(c->no_node, sizeof(c->no_node), __VA_ARGS__)

/* The class of a claim that waits for its pod; NULL: it gets its volume before. */
static yyjson_doc *class_that_waits(struct cycle *c, const char *name)
{
	const struct object *o =
		name ? registry_get(
			       c->registry, schema_find_kind("storage.k8s.io/v1", "StorageClass"), "", name)
		     : NULL;
	bool waits = o && strstr(o->json, "\"volumeBindingMode\":\"WaitForFirstConsumer\"");
	yyjson_doc *doc = waits ? object_doc(o) : NULL;

	c->failed |= waits && !doc;
	return doc;
}

/* What the claim waits for is said in c->no_node. */
static void read_claim(struct cycle *c, const char *claim, bool own)
{
	const struct schema_kind *claims = schema_find_kind("v1", "PersistentVolumeClaim"),
				 *volumes = schema_find_kind("v1", "PersistentVolume");
	const struct object *pod = c->pod->o, *pvc = registry_get(c->registry, claims, pod->ns, claim), *pv;
	cleanup(json_docp) yyjson_doc *doc = pvc ? object_doc(pvc) : NULL;
	yyjson_val *root = yyjson_doc_get_root(doc), *spec = json_obj(root, "spec");
	const char *name = json_text(spec, "volumeName");
	bool bound = meta_get(root, "metadata", "annotations", BIND_COMPLETED, NULL);
	yyjson_doc *class_doc;

	if (pvc && is_known(c, pvc))
		return;
	if (!pvc) {
		if (own)
			SAY("waiting for ephemeral volume controller to create the persistentvolumeclaim \"%s\"",
				claim);
		else
			SAY("persistentvolumeclaim \"%s\" not found", claim);
		return;
	}
	if (pvc->deleted) {
		SAY("persistentvolumeclaim \"%s\" is being deleted", claim);
		return;
	}
	if (own && !pod_owns_claim(pod, pvc)) {
		SAY("PVC %s/%s was not created for pod %s/%s (pod is not owner)", pod->ns, claim, pod->ns,
			pod->name);
		return;
	}
	if (json_arr_has(json_arr(spec, "accessModes"), "ReadWriteOncePod"))
		each_user(c, pvc, add_holder, NULL);
	if (name && bound) {
		pv = registry_get(c->registry, volumes, "", name);
		if (pv)
			add_volume(c, pv);
		else
			SAY("persistentvolumeclaim \"%s\" bound to non-existent persistentvolume \"%s\"",
				claim, name);
		return;
	}
	class_doc = name ? NULL : class_that_waits(c, json_text(spec, "storageClassName"));
	if (class_doc)
		add_claim(c, pvc, spec, class_doc);
	else
		SAY("pod has unbound immediate PersistentVolumeClaims");
}

void cycle_read_volumes(struct cycle *c)
{
	yyjson_val *list = json_arr(c->pod->spec, "volumes"), *each;
	char buf[POD_CLAIM_MAX];
	size_t i, n;
	bool own;

	if (!c->pod->has_claims)
		return;
	c->volumes = calloc(yyjson_arr_size(list), sizeof(*c->volumes));
	c->claims = calloc(yyjson_arr_size(list), sizeof(*c->claims));
	if (!c->volumes || !c->claims) {
		c->failed = true;
		return;
	}
	yyjson_arr_foreach (list, i, n, each) {
		const char *claim = pod_claim(c->pod->o->name, each, buf, &own);

		if (claim && !*c->no_node)
			read_claim(c, claim, own);
	}
	if (c->n_claims > 1)
		qsort(c->claims, c->n_claims, sizeof(*c->claims), smaller);
}

/* ---- on a node */

static bool is_chosen(const struct cycle *c, size_t before, const struct object *volume)
{
	for (size_t i = 0; i < before; i++)
		if (c->claims[i].chosen && c->claims[i].chosen->o == volume)
			return true;
	return false;
}

static bool choose(struct cycle *c, size_t at, const struct sched_node *n)
{
	struct pod_claim *claim = &c->claims[at];

	claim->chosen = NULL;
	if (claim->node && strcmp(claim->node, n->name) != 0)
		return false;
	for (size_t i = 0; i < claim->n; i++) {
		const struct pod_candidate *v = &claim->candidates[i];

		if ((!v->terms || node_matches_terms(n, v->terms)) && !is_chosen(c, at, v->o)) {
			claim->chosen = v;
			return true;
		}
		if (v->mine)
			return false;
	}
	return claim->made && topologies_allow(claim->topologies, n->o);
}

const char *cycle_volumes(struct cycle *c, const struct sched_node *n)
{
	for (size_t i = 0; i < c->n_volumes; i++)
		if (!node_matches_terms(n, c->volumes[i].terms))
			return "node(s) had volume node affinity conflict";
	for (size_t i = 0; i < c->n_claims; i++)
		if (!choose(c, i, n))
			return "node(s) didn't find available persistent volumes to bind";
	return NULL;
}

void cycle_volumes_fini(struct cycle *c)
{
	for (size_t i = 0; i < c->n_volumes; i++)
		yyjson_doc_free(c->volumes[i].doc);
	free(c->volumes);
	for (size_t i = 0; i < c->n_claims; i++) {
		for (size_t k = 0; k < c->claims[i].n; k++) {
			object_unref(c->claims[i].candidates[k].o);
			yyjson_doc_free(c->claims[i].candidates[k].doc);
		}
		free(c->claims[i].candidates);
		yyjson_doc_free(c->claims[i].class_doc);
		object_unref(c->claims[i].claim);
	}
	free(c->claims);
	free(c->holders);
}
