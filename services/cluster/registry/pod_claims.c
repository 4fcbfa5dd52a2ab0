/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>
#include <string.h>

#include "cluster/registry/pod_claims.h"
#include "lib/json.h"

const char *pod_claim(const char *pod, yyjson_val *volume, char buf[static POD_CLAIM_MAX], bool *own)
{
	*own = json_obj(volume, "ephemeral");
	if (!*own)
		return json_text(json_obj(volume, "persistentVolumeClaim"), "claimName");
	snprintf(buf, POD_CLAIM_MAX, "%s-%s", pod, json_str(volume, "name") ?: "");
	return buf;
}

bool pod_owns_claim(const struct object *pod, const struct object *claim)
{
	const struct object_owner *o = object_controller(claim);

	return o && !strcmp(o->uid, pod->uid);
}

bool pod_uses_claim(const struct object *pod, yyjson_val *spec, const struct object *claim)
{
	char buf[POD_CLAIM_MAX];
	yyjson_val *v;
	size_t i, n;
	bool own;

	if (strcmp(pod->ns, claim->ns) != 0)
		return false;
	yyjson_arr_foreach (json_arr(spec, "volumes"), i, n, v) {
		const char *name = pod_claim(pod->name, v, buf, &own);

		if (name && !strcmp(name, claim->name) && (!own || pod_owns_claim(pod, claim)))
			return true;
	}
	return false;
}

bool pod_may_use_claims(const struct object *pod)
{
	return strstr(pod->json, "\"claimName\":") || strstr(pod->json, "\"ephemeral\":");
}
