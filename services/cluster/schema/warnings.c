/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is accepted and still worth a word: variables that hide each other, rules that are kept and not
 * evaluated.
 */

#include <string.h>

#include "cluster/schema/decode.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/validate.h"

static void containers(yyjson_mut_val *spec, const char *path, struct warnings *w)
{
	static const char *const lists[] = {"initContainers", "containers"};
	size_t i, n, j, m, k, l;
	yyjson_mut_val *c, *a, *b;

	for (size_t s = 0; s < array_len(lists); s++) {
		yyjson_mut_arr_foreach(yyjson_mut_obj_get(spec, lists[s]), i, n, c)
		{
			yyjson_mut_val *env = yyjson_mut_obj_get(c, "env");

			yyjson_mut_arr_foreach(env, j, m, a)
			{
				yyjson_mut_arr_foreach(env, k, l, b)
				{
					if (k >= j)
						break;
					if (!meta_equal(yyjson_mut_obj_get(a, "name"),
						    yyjson_mut_obj_get(b, "name")))
						continue;
					warnings_add(w,
						"%s.%s[%zu].env[%zu]: hides previous definition of \"%s\", which may be dropped when using apply",
						path, lists[s], i, j,
						yyjson_mut_get_str(yyjson_mut_obj_get(a, "name")) ?: "");
					break;
				}
			}
		}
	}
}

/* Is there a member of this name anywhere below? Documents are of bounded depth. */
static bool somewhere(yyjson_mut_val *v, const char *name)
{
	size_t i, n;
	yyjson_mut_val *key, *child;

	if (yyjson_mut_is_arr(v)) {
		yyjson_mut_arr_foreach(v, i, n, child) if (somewhere(child, name)) return true;
		return false;
	}
	yyjson_mut_obj_foreach(v, i, n, key,
		child) if (yyjson_mut_equals_str(key, name) || somewhere(child, name)) return true;
	return false;
}

void validate_warnings(const struct schema_kind *k, yyjson_mut_val *object, struct warnings *w)
{
	static const struct {
		const char *path, *steps[6];
	} places[] = {
		{"spec", {"spec"}},
		{"spec.template.spec", {"spec", "template", "spec"}},
		{"spec.jobTemplate.spec.template.spec", {"spec", "jobTemplate", "spec", "template", "spec"}},
	};

	for (size_t i = 0; i < array_len(places); i++) {
		yyjson_mut_val *spec = object;

		for (const char *const *s = places[i].steps; *s; s++)
			spec = yyjson_mut_obj_get(spec, *s);
		if (!(k->flags & SCHEMA_CUSTOM))
			containers(spec, places[i].path, w);
	}
	if (!strcmp(k->kind, "CustomResourceDefinition") && somewhere(object, "x-kubernetes-validations"))
		warnings_add(
			w, "x-kubernetes-validations are kept, but this server does not evaluate CEL rules");
}
