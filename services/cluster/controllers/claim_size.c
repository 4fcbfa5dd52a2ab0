/* SPDX-License-Identifier: Apache-2.0 */

/* What a claim is told that it has. */

#include "cluster/controllers/persistentvolumeclaim_int.h"
#include "cluster/schema/meta.h"
#include "lib/json.h"

void claim_write_status(const struct claim *c, const char *phase, yyjson_val *volume)
{
	yyjson_val *was = json_obj(c->t->root, "status"), *spec = json_obj(volume, "spec");
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *status = !doc ? NULL : was ? yyjson_val_mut_copy(doc, was) : yyjson_mut_obj(doc);

	if (status && meta_put(doc, status, "phase", yyjson_mut_str(doc, phase)) &&
		(!volume || (meta_put(doc, status, "accessModes",
				     yyjson_val_mut_copy(doc, yyjson_obj_get(spec, "accessModes"))) &&
				    meta_put(doc, status, "capacity",
					    yyjson_val_mut_copy(doc, yyjson_obj_get(spec, "capacity"))))))
		turn_set(c->t, c->t->object, "status", "status", status);
	else
		turn_failed(c->t);
	yyjson_mut_doc_free(doc);
}
