/* SPDX-License-Identifier: Apache-2.0 */

#include <stdlib.h>
#include <string.h>

#include "cluster/schema/meta.h"
#include "cluster/schema/scale.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/selector.h"
#include "lib/json.h"

yyjson_val *scale_at(yyjson_val *v, const char *path)
{
	if (!path)
		return NULL;
	while (v && *path) {
		size_t n;

		path += *path == '.';
		n = strcspn(path, ".");
		v = yyjson_obj_getn(v, path, n);
		path += n;
	}
	return v;
}

bool scale_put(yyjson_mut_doc *doc, yyjson_mut_val *v, const struct schema_subresource *scale, int64_t n)
{
	const char *path = scale->spec_replicas;

	for (;;) {
		size_t len;
		yyjson_mut_val *next;

		path += *path == '.';
		len = strcspn(path, ".");
		if (!path[len])
			return meta_put(doc, v, path, yyjson_mut_sint(doc, n));
		next = yyjson_mut_obj_getn(v, path, len);
		if (!next) {
			next = yyjson_mut_obj(doc);
			if (!next || !yyjson_mut_obj_add(v, yyjson_mut_strncpy(doc, path, len), next))
				return false;
		}
		v = next;
		path += len;
	}
}

char *scale_selector(yyjson_val *root, const struct schema_subresource *scale)
{
	yyjson_val *v = scale_at(root, scale->selector);
	struct selector *s;
	char *text;

	if (yyjson_is_str(v))
		return strdup(yyjson_get_str(v));
	s = json_obj(v, "matchLabels") || json_arr(v, "matchExpressions") ? selector_of(v)
									  : selector_of_map(v);
	text = s ? selector_text(s) : NULL;
	selector_free(s);
	return text;
}
