/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An OpenAPI v3 document out of the tables: components are the types that the kinds reach, paths say which
 * verbs a resource has. What kubectl reads of it is all there: group-version-kind on paths and components,
 * list and patch extensions, and the fieldValidation parameter.
 */

#include <stdio.h>
#include <string.h>

#include "cluster/schema/openapi.h"
#include "cluster/schema/schema.h"
#include "lib/sha256.h"
#include "lib/util.h"

/* The types a document needs, each once. */
struct types {
	const struct schema_type **at;
	size_t n, room;
	bool failed;
};

static void collect(struct types *t, const struct schema_type *type)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->at[i] == type)
			return;
	if (t->n == t->room) {
		size_t room = t->room ? 2 * t->room : 64;
		const struct schema_type **more = reallocarray(t->at, room, sizeof(*more));

		if (!more) {
			t->failed = true;
			return;
		}
		t->at = more;
		t->room = room;
	}
	t->at[t->n++] = type;
	for (size_t i = 0; i < type->n_fields; i++)
		if (type->fields[i].base == SCHEMA_OBJECT)
			collect(t, type->fields[i].type);
}

/* ---- components */

static const struct {
	const char *name, *type, *format, *doc;
	bool or_number, or_integer;
} specials[] = {
	[SCHEMA_QUANTITY] = {"io.k8s.apimachinery.pkg.api.resource.Quantity", NULL, NULL,
		"An amount with a suffix: 100m, 2, 64Mi.", .or_number = true},
	[SCHEMA_TIME] = {"io.k8s.apimachinery.pkg.apis.meta.v1.Time", "string", "date-time",
		"A time, as RFC 3339 has it."},
	[SCHEMA_MICROTIME] = {"io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime", "string", "date-time",
		"A time with microseconds, as RFC 3339 has it."},
	[SCHEMA_INT_OR_STRING] = {"io.k8s.apimachinery.pkg.util.intstr.IntOrString", NULL, "int-or-string",
		"A number, or a text such as a name or a percentage.", .or_integer = true},
	[SCHEMA_ANY] = {"io.k8s.apimachinery.pkg.runtime.RawExtension", "object", NULL, "Any object."},
};

static bool is_special(int base)
{
	return (size_t)base < array_len(specials) && specials[base].name;
}

static void reference(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *package, const char *name)
{
	char text[512];
	yyjson_mut_val *all = yyjson_mut_obj_add_arr(doc, o, "allOf"),
		       *ref = yyjson_mut_arr_add_obj(doc, all);

	snprintf(text, sizeof(text), "#/components/schemas/%s%s%s", package, *package ? "." : "", name);
	yyjson_mut_obj_add_strcpy(doc, ref, "$ref", text);
}

/* One value of a field, without what the field says of itself. */
static void value_schema(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct schema_field *f)
{
	static const struct {
		const char *type, *format;
	} plain[] = {
		[SCHEMA_STRING] = {"string", NULL},
		[SCHEMA_BOOL] = {"boolean", NULL},
		[SCHEMA_INT32] = {"integer", "int32"},
		[SCHEMA_INT64] = {"integer", "int64"},
		[SCHEMA_DOUBLE] = {"number", "double"},
		[SCHEMA_BYTES] = {"string", "byte"},
		[SCHEMA_DURATION] = {"string", NULL},
	};

	if (is_special(f->base)) {
		reference(doc, o, "", specials[f->base].name);
	} else if (f->base == SCHEMA_OBJECT) {
		reference(doc, o, f->type->package, f->type->name);
	} else {
		yyjson_mut_obj_add_str(doc, o, "type", plain[f->base].type);
		if (plain[f->base].format)
			yyjson_mut_obj_add_str(doc, o, "format", plain[f->base].format);
	}
}

static void extensions(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct schema_field *f)
{
	static const char *const list_types[] = {
		[SCHEMA_ATOMIC] = "atomic", [SCHEMA_SET] = "set", [SCHEMA_LIST_MAP] = "map"};
	bool merge = f->flags & SCHEMA_MERGE, retain = f->flags & SCHEMA_RETAIN_KEYS;

	if (f->shape == SCHEMA_LIST)
		yyjson_mut_obj_add_str(doc, o, "x-kubernetes-list-type", list_types[f->list]);
	if (f->rules && f->rules->keys) {
		yyjson_mut_val *keys = yyjson_mut_obj_add_arr(doc, o, "x-kubernetes-list-map-keys");

		for (const char *const *k = f->rules->keys; *k; k++)
			yyjson_mut_arr_add_str(doc, keys, *k);
	}
	if (f->flags & SCHEMA_MAP_ATOMIC)
		yyjson_mut_obj_add_str(doc, o, "x-kubernetes-map-type", "atomic");
	if (merge || retain)
		yyjson_mut_obj_add_str(doc, o, "x-kubernetes-patch-strategy",
			merge && retain ? "merge,retainKeys"
			: merge		? "merge"
					: "retainKeys");
	if (f->rules && f->rules->merge_key)
		yyjson_mut_obj_add_str(doc, o, "x-kubernetes-patch-merge-key", f->rules->merge_key);
}

static void add_default(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *text)
{
	yyjson_doc *d = yyjson_read(text, strlen(text), 0);

	yyjson_mut_obj_add_val(doc, o, "default", yyjson_val_mut_copy(doc, yyjson_doc_get_root(d)));
	yyjson_doc_free(d);
}

static yyjson_mut_val *field_schema(yyjson_mut_doc *doc, const struct schema_field *f)
{
	yyjson_mut_val *o = yyjson_mut_obj(doc), *inner = o;

	if (f->doc && *f->doc)
		yyjson_mut_obj_add_str(doc, o, "description", f->doc);
	if (f->shape != SCHEMA_ONE) {
		yyjson_mut_obj_add_str(doc, o, "type", f->shape == SCHEMA_LIST ? "array" : "object");
		inner = yyjson_mut_obj_add_obj(
			doc, o, f->shape == SCHEMA_LIST ? "items" : "additionalProperties");
	}
	value_schema(doc, inner, f);
	if (f->rules && f->rules->enums) {
		yyjson_mut_val *values = yyjson_mut_obj_add_arr(doc, inner, "enum");

		for (const char *const *e = f->rules->enums; *e; e++)
			yyjson_mut_arr_add_str(doc, values, *e);
	}
	if (f->rules && f->rules->def)
		add_default(doc, o, f->rules->def);
	extensions(doc, o, f);
	return o;
}

static void group_version_kind(
	yyjson_mut_doc *doc, yyjson_mut_val *o, const struct schema_kind *k, const char *kind)
{
	yyjson_mut_obj_add_str(doc, o, "group", k->group);
	yyjson_mut_obj_add_str(doc, o, "kind", kind);
	yyjson_mut_obj_add_str(doc, o, "version", k->version);
}

static void identity(yyjson_mut_doc *doc, yyjson_mut_val *properties)
{
	yyjson_mut_val *o = yyjson_mut_obj_add_obj(doc, properties, "apiVersion");

	yyjson_mut_obj_add_str(doc, o, "description", "Group and version that the object is written in.");
	yyjson_mut_obj_add_str(doc, o, "type", "string");
	o = yyjson_mut_obj_add_obj(doc, properties, "kind");
	yyjson_mut_obj_add_str(doc, o, "description", "What kind of object it is.");
	yyjson_mut_obj_add_str(doc, o, "type", "string");
}

static yyjson_mut_val *object_schema(
	yyjson_mut_doc *doc, const struct schema_type *t, const struct schema_kind *root)
{
	yyjson_mut_val *o = yyjson_mut_obj(doc), *properties, *required = NULL;

	if (t->doc && *t->doc)
		yyjson_mut_obj_add_str(doc, o, "description", t->doc);
	if (t->flags & SCHEMA_ALIAS)
		return field_schema(doc, &t->fields[0]);
	yyjson_mut_obj_add_str(doc, o, "type", "object");
	properties = yyjson_mut_obj_add_obj(doc, o, "properties");
	if (root)
		identity(doc, properties);
	for (size_t i = 0; i < t->n_fields; i++) {
		const struct schema_field *f = &t->fields[i];

		yyjson_mut_obj_add_val(doc, properties, f->name, field_schema(doc, f));
		if (f->flags & SCHEMA_REQUIRED) {
			required = required ?: yyjson_mut_obj_add_arr(doc, o, "required");
			yyjson_mut_arr_add_str(doc, required, f->name);
		}
	}
	if (t->flags & SCHEMA_ONE_OWNER)
		yyjson_mut_obj_add_str(doc, o, "x-kubernetes-map-type", "atomic");
	if (root)
		group_version_kind(doc,
			yyjson_mut_arr_add_obj(
				doc, yyjson_mut_obj_add_arr(doc, o, "x-kubernetes-group-version-kind")),
			root, root->kind);
	return o;
}

/* A custom resource is what its definition says, word for word, and what every object is. */
static yyjson_mut_val *custom_schema(yyjson_mut_doc *doc, const struct schema_kind *k)
{
	yyjson_mut_val *o = yyjson_val_mut_copy(doc, k->type->structural),
		       *properties = yyjson_mut_obj_get(o, "properties");
	const struct schema_field *metadata = schema_field(k->type, "metadata", 8);

	if (!properties)
		properties = yyjson_mut_obj_add_obj(doc, o, "properties");
	yyjson_mut_obj_remove_key(properties, "apiVersion");
	yyjson_mut_obj_remove_key(properties, "kind");
	yyjson_mut_obj_remove_key(properties, "metadata");
	identity(doc, properties);
	if (metadata)
		yyjson_mut_obj_add_val(doc, properties, "metadata", field_schema(doc, metadata));
	group_version_kind(doc,
		yyjson_mut_arr_add_obj(
			doc, yyjson_mut_obj_add_arr(doc, o, "x-kubernetes-group-version-kind")),
		k, k->kind);
	return o;
}

static void component(yyjson_mut_doc *doc, yyjson_mut_val *schemas, const char *package, const char *name,
	yyjson_mut_val *v)
{
	char text[512];

	snprintf(text, sizeof(text), "%s%s%s", package, *package ? "." : "", name);
	yyjson_mut_obj_add(schemas, yyjson_mut_strcpy(doc, text), v);
}

static void list_component(yyjson_mut_doc *doc, yyjson_mut_val *schemas, const struct schema_kind *k)
{
	yyjson_mut_val *o = yyjson_mut_obj(doc), *properties, *items;

	yyjson_mut_obj_add_str(doc, o, "description", "A list of such objects.");
	yyjson_mut_obj_add_str(doc, o, "type", "object");
	properties = yyjson_mut_obj_add_obj(doc, o, "properties");
	identity(doc, properties);
	items = yyjson_mut_obj_add_obj(doc, properties, "items");
	yyjson_mut_obj_add_str(doc, items, "description", "The objects.");
	yyjson_mut_obj_add_str(doc, items, "type", "array");
	reference(doc, yyjson_mut_obj_add_obj(doc, items, "items"), k->type->package, k->type->name);
	reference(doc, yyjson_mut_obj_add_obj(doc, properties, "metadata"),
		"io.k8s.apimachinery.pkg.apis.meta.v1", "ListMeta");
	yyjson_mut_arr_add_str(doc, yyjson_mut_obj_add_arr(doc, o, "required"), "items");
	group_version_kind(doc,
		yyjson_mut_arr_add_obj(
			doc, yyjson_mut_obj_add_arr(doc, o, "x-kubernetes-group-version-kind")),
		k, k->list_kind);
	component(doc, schemas, k->type->package, k->list_kind, o);
}

static const struct schema_kind *kind_of(
	const struct schema_kind *const *kinds, size_t n, const struct schema_type *t)
{
	for (size_t i = 0; i < n; i++)
		if (kinds[i]->type == t)
			return kinds[i];
	return NULL;
}

static bool components(
	yyjson_mut_doc *doc, yyjson_mut_val *schemas, const struct schema_kind *const *kinds, size_t n)
{
	const struct schema_type *list_meta = schema_named_type("ListMeta"),
				 *status = schema_named_type("Status");
	struct types t = {0};

	for (size_t i = 0; i < n; i++)
		if (kinds[i]->type->structural && schema_field(kinds[i]->type, "metadata", 8))
			collect(&t, schema_field(kinds[i]->type, "metadata", 8)->type);
		else
			collect(&t, kinds[i]->type);
	if (list_meta)
		collect(&t, list_meta);
	if (status)
		collect(&t, status);
	for (size_t i = 0; i < t.n; i++)
		component(doc, schemas, t.at[i]->package, t.at[i]->name,
			object_schema(doc, t.at[i], kind_of(kinds, n, t.at[i])));
	for (size_t i = 0; i < n; i++) {
		if (kinds[i]->type->structural)
			component(doc, schemas, kinds[i]->type->package, kinds[i]->type->name,
				custom_schema(doc, kinds[i]));
		if (kinds[i]->verbs & SCHEMA_LISTS)
			list_component(doc, schemas, kinds[i]);
	}
	for (size_t i = 0; i < array_len(specials); i++) {
		yyjson_mut_val *o = specials[i].name ? yyjson_mut_obj(doc) : NULL, *any;

		if (!o)
			continue;
		yyjson_mut_obj_add_str(doc, o, "description", specials[i].doc);
		if (specials[i].type)
			yyjson_mut_obj_add_str(doc, o, "type", specials[i].type);
		if (specials[i].format)
			yyjson_mut_obj_add_str(doc, o, "format", specials[i].format);
		if (specials[i].or_number || specials[i].or_integer) {
			any = yyjson_mut_obj_add_arr(doc, o, "oneOf");
			yyjson_mut_obj_add_str(doc, yyjson_mut_arr_add_obj(doc, any), "type", "string");
			yyjson_mut_obj_add_str(doc, yyjson_mut_arr_add_obj(doc, any), "type",
				specials[i].or_number ? "number" : "integer");
		}
		yyjson_mut_obj_add_val(doc, schemas, specials[i].name, o);
	}
	free(t.at);
	return !t.failed;
}

/* ---- paths */

static const struct {
	unsigned verb;
	const char *method, *action;
	bool item; /* below the name */
	bool writes;
} operations[] = {
	{SCHEMA_LISTS, "get", "list", false, false},
	{SCHEMA_CREATE, "post", "post", false, true},
	{SCHEMA_DELETE_COLLECTION, "delete", "deletecollection", false, false},
	{SCHEMA_GET, "get", "get", true, false},
	{SCHEMA_UPDATE, "put", "put", true, true},
	{SCHEMA_PATCH, "patch", "patch", true, true},
	{SCHEMA_DELETE, "delete", "delete", true, false},
};

static void parameter(
	yyjson_mut_doc *doc, yyjson_mut_val *list, const char *in, const char *name, const char *type)
{
	yyjson_mut_val *p = yyjson_mut_arr_add_obj(doc, list);

	yyjson_mut_obj_add_str(doc, p, "name", name);
	yyjson_mut_obj_add_str(doc, p, "in", in);
	if (!strcmp(in, "path"))
		yyjson_mut_obj_add_bool(doc, p, "required", true);
	yyjson_mut_obj_add_str(doc, yyjson_mut_obj_add_obj(doc, p, "schema"), "type", type);
}

static void body_of(yyjson_mut_doc *doc, yyjson_mut_val *op, const struct schema_kind *k, bool patch)
{
	static const char *const patches[] = {"application/apply-patch+yaml", "application/json-patch+json",
		"application/merge-patch+json", "application/strategic-merge-patch+json"};
	yyjson_mut_val *content =
		yyjson_mut_obj_add_obj(doc, yyjson_mut_obj_add_obj(doc, op, "requestBody"), "content");
	bool custom = k->flags & SCHEMA_CUSTOM;

	for (size_t i = 0; patch && i < array_len(patches) - custom; i++)
		yyjson_mut_obj_add_str(doc,
			yyjson_mut_obj_add_obj(
				doc, yyjson_mut_obj_add_obj(doc, content, patches[i]), "schema"),
			"type", "object");
	if (!patch)
		reference(doc,
			yyjson_mut_obj_add_obj(
				doc, yyjson_mut_obj_add_obj(doc, content, "application/json"), "schema"),
			k->type->package, k->type->name);
}

static void operation(yyjson_mut_doc *doc, yyjson_mut_val *path, const struct schema_kind *k, size_t i)
{
	yyjson_mut_val *op = yyjson_mut_obj_add_obj(doc, path, operations[i].method), *list, *ok;

	yyjson_mut_obj_add_str(doc, op, "x-kubernetes-action", operations[i].action);
	group_version_kind(
		doc, yyjson_mut_obj_add_obj(doc, op, "x-kubernetes-group-version-kind"), k, k->kind);
	if (operations[i].writes) {
		list = yyjson_mut_obj_add_arr(doc, op, "parameters");
		parameter(doc, list, "query", "dryRun", "string");
		parameter(doc, list, "query", "fieldManager", "string");
		parameter(doc, list, "query", "fieldValidation", "string");
		if (operations[i].verb == SCHEMA_PATCH)
			parameter(doc, list, "query", "force", "boolean");
		body_of(doc, op, k, operations[i].verb == SCHEMA_PATCH);
	}
	ok = yyjson_mut_obj_add_obj(doc, yyjson_mut_obj_add_obj(doc, op, "responses"), "200");
	yyjson_mut_obj_add_str(doc, ok, "description", "OK");
}

static void path(yyjson_mut_doc *doc, yyjson_mut_val *paths, const struct schema_kind *k, unsigned verbs,
	bool item, bool namespaced, const char *subresource)
{
	char text[640];
	yyjson_mut_val *o = yyjson_mut_obj(doc), *list;
	bool any = false;

	for (size_t i = 0; i < array_len(operations); i++)
		any |= operations[i].item == item && verbs & operations[i].verb;
	if (!any)
		return;
	snprintf(text, sizeof(text), "/%s/%s%s%s/%s%s%s%s", *k->group ? "apis" : "api", k->api_version,
		namespaced ? "/" : "", namespaced ? "namespaces/{namespace}" : "", k->plural,
		item ? "/{name}" : "", *subresource ? "/" : "", subresource);
	for (size_t i = 0; i < array_len(operations); i++)
		if (operations[i].item == item && verbs & operations[i].verb)
			operation(doc, o, k, i);
	if (item || namespaced) {
		list = yyjson_mut_obj_add_arr(doc, o, "parameters");
		if (item)
			parameter(doc, list, "path", "name", "string");
		if (namespaced)
			parameter(doc, list, "path", "namespace", "string");
	}
	yyjson_mut_obj_add(paths, yyjson_mut_strcpy(doc, text), o);
}

static void paths_of(yyjson_mut_doc *doc, yyjson_mut_val *paths, const struct schema_kind *k)
{
	bool namespaced = k->flags & SCHEMA_NAMESPACED;

	if (namespaced)
		path(doc, paths, k, k->verbs & SCHEMA_LISTS, false, false, "");
	path(doc, paths, k, k->verbs, false, namespaced, "");
	path(doc, paths, k, k->verbs, true, namespaced, "");
	/* only those that take the object itself: others are of another kind */
	for (size_t i = 0; i < k->n_subresources; i++)
		if (!k->subresources[i].kind)
			path(doc, paths, k, k->subresources[i].verbs, true, namespaced,
				k->subresources[i].name);
}

char *openapi_document(const struct schema_kind *const *kinds, size_t n, size_t *len)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL, *o;
	char *text = NULL;

	if (root) {
		yyjson_mut_doc_set_root(doc, root);
		yyjson_mut_obj_add_str(doc, root, "openapi", "3.0.0");
		o = yyjson_mut_obj_add_obj(doc, root, "info");
		yyjson_mut_obj_add_str(doc, o, "title", "Kubernetes");
		yyjson_mut_obj_add_str(doc, o, "version", "v1.36.0");
		o = yyjson_mut_obj_add_obj(doc, root, "paths");
		for (size_t i = 0; i < n; i++)
			paths_of(doc, o, kinds[i]);
		o = yyjson_mut_obj_add_obj(doc, yyjson_mut_obj_add_obj(doc, root, "components"), "schemas");
		if (components(doc, o, kinds, n))
			text = yyjson_mut_write(doc, 0, len);
	}
	yyjson_mut_doc_free(doc);
	return text;
}

void openapi_hash(const struct schema_kind *const *kinds, size_t n, char hash[static 65])
{
	struct sha256 sum;
	unsigned char digest[SHA256_SIZE];
	struct types t = {0};

	sha256_init(&sum);
#define FEED(s) sha256_update(&sum, (s) ? (s) : "", strlen((s) ? (s) : "") + 1)
	for (size_t i = 0; i < n; i++) {
		cleanup(freep) char *structural = NULL;

		FEED(kinds[i]->api_version);
		FEED(kinds[i]->kind);
		FEED(kinds[i]->plural);
		sha256_update(&sum, &kinds[i]->verbs, sizeof(kinds[i]->verbs));
		if (kinds[i]->type->structural) {
			structural = yyjson_val_write(kinds[i]->type->structural, 0, NULL);
			FEED(structural);
		}
		collect(&t, kinds[i]->type);
	}
	for (size_t i = 0; i < t.n; i++) {
		FEED(t.at[i]->name);
		FEED(t.at[i]->doc);
		for (size_t j = 0; j < t.at[i]->n_fields; j++) {
			const struct schema_field *f = &t.at[i]->fields[j];
			const unsigned char shape[] = {f->base, f->shape, f->list};

			FEED(f->name);
			FEED(f->doc);
			FEED(f->type ? f->type->name : "");
			sha256_update(&sum, shape, sizeof(shape));
			sha256_update(&sum, &f->flags, sizeof(f->flags));
			FEED(f->rules ? f->rules->def : "");
		}
	}
#undef FEED
	free(t.at);
	sha256_final(&sum, digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(hash + 2 * i, 3, "%02x", digest[i]);
}

char *openapi_index(const struct openapi_entry *entries, size_t n, size_t *len)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL, *paths;
	char *text = NULL, url[512];

	if (root) {
		yyjson_mut_doc_set_root(doc, root);
		paths = yyjson_mut_obj_add_obj(doc, root, "paths");
		for (size_t i = 0; i < n; i++) {
			yyjson_mut_val *o = yyjson_mut_obj_add_obj(doc, paths, entries[i].path);

			snprintf(
				url, sizeof(url), "/openapi/v3/%s?hash=%s", entries[i].path, entries[i].hash);
			yyjson_mut_obj_add_strcpy(doc, o, "serverRelativeURL", url);
		}
		text = yyjson_mut_write(doc, 0, len);
	}
	yyjson_mut_doc_free(doc);
	return text;
}
