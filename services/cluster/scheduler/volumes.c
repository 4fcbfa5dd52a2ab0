/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a pod's volumes demand, read once a cycle: claims that are not ready keep it off every node, and those that are bound
 * say by their volumes which nodes will do.
 */

#include <stdio.h>
#include <string.h>

#include "cluster/scheduler/cycle.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "lib/json.h"

/* Does a claim of this class get its volume where its first pod is? */
static bool waits_for_pod(const struct registry *r, const char *class)
{
	const struct object *o =
		class ? registry_get(r, schema_find_kind("storage.k8s.io/v1", "StorageClass"), "", class)
		      : NULL;

	return o && strstr(o->json, "\"volumeBindingMode\":\"WaitForFirstConsumer\"");
}

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

/* What the claim waits for is said in c->no_node. */
static void read_claim(struct cycle *c, const char *claim)
{
	const struct schema_kind *claims = schema_find_kind("v1", "PersistentVolumeClaim"),
				 *volumes = schema_find_kind("v1", "PersistentVolume");
	const struct object *pvc = registry_get(c->registry, claims, c->pod->o->ns, claim), *pv;
	cleanup(json_docp) yyjson_doc *doc = pvc ? object_doc(pvc) : NULL;
	yyjson_val *spec = json_obj(yyjson_doc_get_root(doc), "spec");
	const char *name = json_text(spec, "volumeName");

	if (!pvc) {
		snprintf(c->no_node, sizeof(c->no_node), "persistentvolumeclaim \"%s\" not found", claim);
		return;
	}
	pv = name ? registry_get(c->registry, volumes, "", name) : NULL;
	if (pv)
		add_volume(c, pv);
	else if (!waits_for_pod(c->registry, json_text(spec, "storageClassName")))
		snprintf(c->no_node, sizeof(c->no_node), "pod has unbound immediate PersistentVolumeClaims");
}

void cycle_read_volumes(struct cycle *c)
{
	yyjson_val *list = json_arr(c->pod->spec, "volumes"), *each;
	size_t i, n;

	yyjson_arr_foreach (list, i, n, each) {
		const char *claim = json_text(json_obj(each, "persistentVolumeClaim"), "claimName");

		if (!claim || *c->no_node)
			continue;
		if (!c->volumes)
			c->volumes = calloc(n, sizeof(*c->volumes));
		if (c->volumes)
			read_claim(c, claim);
		else
			c->failed = true;
	}
}

void cycle_volumes_fini(struct cycle *c)
{
	for (size_t i = 0; i < c->n_volumes; i++)
		yyjson_doc_free(c->volumes[i].doc);
	free(c->volumes);
}
