/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A definition becomes tables. Its schema is kept beside them: the tables decode, default, merge and apply,
 * the schema itself is what values are held against and what OpenAPI shows.
 */

#include <stdio.h>
#include <string.h>

#include "lib/json.h"
#include "cluster/schema/crd.h"
#include "cluster/schema/jsonpath_int.h"
#include "cluster/schema/pattern.h"
#include "cluster/schema/path_int.h"
#include "cluster/schema/rules.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"

enum { DEPTH_MAX = 64, KINDS_MAX = 32 };

/* Everything a definition's tables are made of goes when it goes. */
struct block {
	struct block *next;
	max_align_t data[];
};

struct memory {
	struct block *blocks;
	struct rules *rules[KINDS_MAX]; /* of each version */
	size_t n_rules;
	yyjson_doc *doc; /* the definition: texts and schemas are borrowed from it */
};

struct builder {
	struct memory *memory;
	struct field_errors *errors;
	const char *package;
	unsigned depth;
	bool written;
	yyjson_val *old; /* the schema of the version as it was; NULL: none */
	bool no_memory;
};

static void *get(struct builder *b, size_t n, size_t size)
{
	struct block *k = size && n < SIZE_MAX / size / 2 ? calloc(1, sizeof(*k) + n * size) : NULL;

	if (!k) {
		b->no_memory = true;
		return NULL;
	}
	k->next = b->memory->blocks;
	b->memory->blocks = k;
	return k->data;
}

/* Two texts with something between them. */
static char *join(struct builder *b, const char *x, const char *between, const char *y)
{
	size_t size = strlen(x) + strlen(between) + strlen(y) + 1;
	char *s = get(b, size, 1);

	if (s)
		snprintf(s, size, "%s%s%s", x, between, y);
	return s;
}

static void memory_free(struct memory *m)
{
	while (m && m->blocks) {
		struct block *next = m->blocks->next;

		free(m->blocks);
		m->blocks = next;
	}
	for (size_t i = 0; m && i < m->n_rules; i++)
		rules_free(m->rules[i]);
	if (m)
		yyjson_doc_free(m->doc);
	free(m);
}

static const char *text(yyjson_val *o, const char *key)
{
	return yyjson_get_str(yyjson_obj_get(o, key)) ?: "";
}

static bool truth(yyjson_val *o, const char *key)
{
	return yyjson_is_true(yyjson_obj_get(o, key));
}

/* A NULL-terminated array of an array's texts. */
static const char *const *texts(struct builder *b, yyjson_val *list)
{
	const char **out = get(b, yyjson_arr_size(list) + 1, sizeof(*out));
	size_t i, n, at = 0;
	yyjson_val *v;

	if (!out)
		return NULL;
	yyjson_arr_foreach (list, i, n, v)
		if (yyjson_is_str(v))
			out[at++] = yyjson_get_str(v);
	return out;
}

static void complain(struct builder *b, const struct path *p, enum field_error_type type,
	const char *relative, const char *why)
{
	char where[PATH_TEXT_MAX + 64];

	path_text(p, where, PATH_TEXT_MAX);
	strncat(where, relative, 63);
	field_error(b->errors, type, where, NULL, "%s", why);
}

/* What structural schemas may not say. */
static void check_schema(struct builder *b, yyjson_val *schema, const struct path *p)
{
	static const char *const forbidden[] = {"$ref", "$schema", "definitions", "dependencies", "id",
		"additionalItems", "patternProperties"};
	const char *pattern = yyjson_get_str(yyjson_obj_get(schema, "pattern"));
	char relative[64];

	for (size_t i = 0; i < array_len(forbidden); i++) {
		if (!yyjson_obj_get(schema, forbidden[i]))
			continue;
		snprintf(relative, sizeof(relative), ".%s", forbidden[i]);
		complain(b, p, FIELD_FORBIDDEN, relative, "must not be used in a structural schema");
	}
	if (truth(schema, "uniqueItems"))
		complain(b, p, FIELD_FORBIDDEN, ".uniqueItems",
			"uniqueItems cannot be set to true since the runtime complexity becomes quadratic");
	if (pattern && !pattern_valid(pattern))
		complain(b, p, FIELD_INVALID, ".pattern",
			"must be a valid regular expression, without look-around and back-references");
	if (!*text(schema, "type") && !truth(schema, "x-kubernetes-int-or-string") &&
		!truth(schema, "x-kubernetes-preserve-unknown-fields"))
		complain(b, p, FIELD_REQUIRED, ".type", "must not be empty for specified object fields");
}

static const struct schema_type *type_of(
	struct builder *b, yyjson_val *schema, const char *name, const struct path *p);
static void field_of(struct builder *b, struct schema_field *f, yyjson_val *schema, const struct path *p);

/* A type around a value that is a list or a map itself. */
static const struct schema_type *alias_of(struct builder *b, yyjson_val *schema, const struct path *p)
{
	struct schema_type *t = get(b, 1, sizeof(*t));
	struct schema_field *f = get(b, 1, sizeof(*f));

	if (!t || !f)
		return NULL;
	f->name = "items";
	f->doc = "";
	field_of(b, f, schema, p);
	*t = (struct schema_type){.name = "items",
		.package = b->package,
		.doc = "",
		.fields = f,
		.n_fields = 1,
		.flags = SCHEMA_ALIAS | SCHEMA_EXACT};
	return t;
}

static bool is_nested(yyjson_val *schema)
{
	return !strcmp(text(schema, "type"), "array") ||
	       (!strcmp(text(schema, "type"), "object") &&
		       yyjson_is_obj(yyjson_obj_get(schema, "additionalProperties")));
}

/* The base of one value. */
static void base_of(struct builder *b, struct schema_field *f, yyjson_val *schema, const struct path *p)
{
	static const struct {
		const char *type;
		uint8_t base;
	} plain[] = {{"string", SCHEMA_STRING}, {"integer", SCHEMA_INT64}, {"number", SCHEMA_DOUBLE},
		{"boolean", SCHEMA_BOOL}};

	f->base = SCHEMA_ANY;
	if (truth(schema, "x-kubernetes-int-or-string")) {
		f->base = SCHEMA_INT_OR_STRING;
		return;
	}
	for (size_t i = 0; i < array_len(plain); i++)
		if (!strcmp(text(schema, "type"), plain[i].type))
			f->base = plain[i].base;
	if (strcmp(text(schema, "type"), "object") != 0)
		return;
	/* without properties everything is kept, if anything is */
	if (truth(schema, "x-kubernetes-preserve-unknown-fields") && !yyjson_obj_get(schema, "properties") &&
		!truth(schema, "x-kubernetes-embedded-resource"))
		return;
	f->base = SCHEMA_OBJECT;
	f->type = type_of(b, schema, "object", p);
}

static void item_of(struct builder *b, struct schema_field *f, yyjson_val *schema, const struct path *p)
{
	if (is_nested(schema)) {
		f->base = SCHEMA_OBJECT;
		f->type = alias_of(b, schema, p);
	} else {
		base_of(b, f, schema, p);
	}
}

static void rules_of(struct builder *b, struct schema_field *f, yyjson_val *schema, const struct path *p)
{
	yyjson_val *def = yyjson_obj_get(schema, "default"),
		   *keys = yyjson_obj_get(schema, "x-kubernetes-list-map-keys");
	const char *list = text(schema, "x-kubernetes-list-type");
	struct schema_rules *r;
	char *json;

	if (!strcmp(list, "set"))
		f->list = SCHEMA_SET;
	if (!strcmp(list, "map")) {
		f->list = SCHEMA_LIST_MAP;
		if (!yyjson_arr_size(keys))
			complain(b, p, FIELD_REQUIRED, ".x-kubernetes-list-map-keys",
				"must not be empty if x-kubernetes-list-type is map");
	}
	if (!def && !keys)
		return;
	r = get(b, 1, sizeof(*r));
	if (!r)
		return;
	r->min = 1;
	if (keys)
		r->keys = texts(b, keys);
	if (def) {
		json = yyjson_val_write(def, 0, NULL);
		r->def = json ? join(b, json, "", "") : NULL;
		free(json);
	}
	f->rules = r;
}

static void field_of(struct builder *b, struct schema_field *f, yyjson_val *schema, const struct path *p)
{
	yyjson_val *items = yyjson_obj_get(schema, "items"),
		   *other = yyjson_obj_get(schema, "additionalProperties");
	struct path step = {.up = p, .name = "items", .len = 5};
	struct path more = {.up = p, .name = "additionalProperties", .len = 20};

	if (++b->depth > DEPTH_MAX) {
		complain(b, p, FIELD_INVALID, "", "is nested too deeply");
		b->depth--;
		return;
	}
	check_schema(b, schema, p);
	f->doc = text(schema, "description");
	if (truth(schema, "nullable"))
		f->flags |= SCHEMA_NULLABLE;
	if (!strcmp(text(schema, "x-kubernetes-map-type"), "atomic"))
		f->flags |= SCHEMA_MAP_ATOMIC;
	if (!strcmp(text(schema, "type"), "array")) {
		f->shape = SCHEMA_LIST;
		if (yyjson_is_obj(items)) {
			check_schema(b, items, &step);
			item_of(b, f, items, &step);
		} else {
			complain(b, p, FIELD_REQUIRED, ".items", "must be specified");
		}
	} else if (!strcmp(text(schema, "type"), "object") && other &&
		   !yyjson_obj_get(schema, "properties") && !yyjson_is_false(other)) {
		f->shape = SCHEMA_MAP;
		f->base = SCHEMA_ANY;
		if (yyjson_is_obj(other)) {
			check_schema(b, other, &more);
			item_of(b, f, other, &more);
		}
	} else {
		base_of(b, f, schema, p);
	}
	rules_of(b, f, schema, p);
	b->depth--;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct schema_field *)a)->name, ((const struct schema_field *)b)->name);
}

/* Fields of a schema's properties, in order; @extra more are left free at the end. */
static struct schema_field *fields_of(
	struct builder *b, yyjson_val *schema, const struct path *p, size_t extra, size_t *count)
{
	yyjson_val *properties = yyjson_obj_get(schema, "properties"), *key, *v;
	struct schema_field *fields = get(b, yyjson_obj_size(properties) + extra + 1, sizeof(*fields));
	struct path list = {.up = p, .name = "properties", .len = 10};
	size_t i, n;

	*count = 0;
	if (!fields)
		return NULL;
	json_obj_foreach (properties, i, n, key, v) {
		struct path step = {.up = &list,
			.name = yyjson_get_str(key),
			.len = yyjson_get_len(key),
			.step = PATH_KEY};
		struct schema_field *f = &fields[*count];
		yyjson_val *required = yyjson_obj_get(schema, "required"), *r;
		size_t j, m;

		/* those that every object has are added by the caller */
		if (extra && (!strcmp(step.name, "metadata") || !strcmp(step.name, "apiVersion") ||
				     !strcmp(step.name, "kind")))
			continue;
		f->name = step.name;
		field_of(b, f, v, &step);
		yyjson_arr_foreach (required, j, m, r)
			if (yyjson_equals_strn(r, step.name, step.len))
				f->flags |= SCHEMA_REQUIRED;
		(*count)++;
	}
	return fields;
}

/* As every object has it, and every object inside of another. */
static const struct schema_field *metadata_field(void)
{
	return schema_field(schema_find("", "v1", "configmaps")->type, "metadata", 8);
}

static uint16_t flags_of(yyjson_val *schema)
{
	return (uint16_t)(SCHEMA_EXACT |
			  (truth(schema, "x-kubernetes-preserve-unknown-fields") ? SCHEMA_OPEN : 0) |
			  (truth(schema, "x-kubernetes-embedded-resource") ? SCHEMA_EMBEDDED : 0));
}

static const struct schema_type *type_of(
	struct builder *b, yyjson_val *schema, const char *name, const struct path *p)
{
	bool embedded = truth(schema, "x-kubernetes-embedded-resource");
	struct schema_type *t = get(b, 1, sizeof(*t));
	struct schema_field *fields;
	size_t n;

	if (!t)
		return NULL;
	fields = fields_of(b, schema, p, embedded, &n);
	if (!fields)
		return NULL;
	if (embedded)
		fields[n++] = *metadata_field();
	qsort(fields, n, sizeof(*fields), by_name);
	*t = (struct schema_type){.name = name,
		.package = b->package,
		.doc = text(schema, "description"),
		.fields = fields,
		.n_fields = (uint16_t)n,
		.flags = flags_of(schema)};
	return t;
}

static const struct rules *rules_of_version(struct builder *b, yyjson_val *schema, const struct path *p)
{
	struct rules *r = rules_new(schema, p, b->written, b->old, b->errors);

	if (!r)
		b->no_memory = true;
	else
		b->memory->rules[b->memory->n_rules++] = r;
	return r;
}

/* The root: as the schema says, and metadata as every object has it. */
static const struct schema_type *root_type(
	struct builder *b, yyjson_val *schema, const char *name, const struct path *p)
{
	struct schema_type *t = get(b, 1, sizeof(*t));
	struct schema_field *fields;
	size_t n;

	if (strcmp(text(schema, "type"), "object") != 0)
		complain(b, p, FIELD_INVALID, ".type", "must be object at the root");
	fields = t ? fields_of(b, schema, p, 1, &n) : NULL;
	if (!fields)
		return NULL;
	fields[n++] = *metadata_field();
	qsort(fields, n, sizeof(*fields), by_name);
	*t = (struct schema_type){.name = name,
		.package = b->package,
		.doc = text(schema, "description"),
		.fields = fields,
		.structural = schema,
		.rules = rules_of_version(b, schema, p),
		.n_fields = (uint16_t)n,
		.flags = flags_of(schema)};
	return t;
}

static void columns_of(struct builder *b, struct schema_kind *k, yyjson_val *list, const struct path *p)
{
	size_t i, n, count = yyjson_arr_size(list) ? yyjson_arr_size(list) + 1 : 2;
	struct schema_column *c = get(b, count, sizeof(*c));
	yyjson_val *v;
	struct path of = {.up = p, .name = "additionalPrinterColumns", .len = 24};

	if (!c || count > 255)
		return;
	c[0] = (struct schema_column){
		.name = "Name", .type = "string", .format = "name", .doc = "", .path = ".metadata.name"};
	c[1] = (struct schema_column){.name = "Age",
		.type = "date",
		.format = "",
		.doc = "",
		.path = ".metadata.creationTimestamp"};
	yyjson_arr_foreach (list, i, n, v) {
		struct path step = {.up = &of, .index = i, .step = PATH_INDEX};

		c[i + 1] = (struct schema_column){.name = text(v, "name"),
			.type = text(v, "type"),
			.format = text(v, "format"),
			.doc = text(v, "description"),
			.path = text(v, "jsonPath"),
			.priority = (uint8_t)(yyjson_get_sint(yyjson_obj_get(v, "priority")) > 0)};
		if (!jsonpath_valid(text(v, "jsonPath")))
			complain(b, &step, FIELD_INVALID, ".jsonPath",
				"must be a simple path, such as .spec.replicas");
	}
	k->columns = c;
	k->n_columns = (uint8_t)count;
}

static void subresources_of(struct builder *b, struct schema_kind *k, yyjson_val *o)
{
	struct schema_subresource *s = get(b, 2, sizeof(*s));
	yyjson_val *scale = yyjson_obj_get(o, "scale");

	if (!s)
		return;
	k->subresources = s;
	if (scale)
		s[k->n_subresources++] = (struct schema_subresource){.name = "scale",
			.group = "autoscaling",
			.version = "v1",
			.kind = "Scale",
			.verbs = SCHEMA_GET | SCHEMA_UPDATE | SCHEMA_PATCH,
			.spec_replicas = text(scale, "specReplicasPath"),
			.status_replicas = text(scale, "statusReplicasPath"),
			.selector =
				*text(scale, "labelSelectorPath") ? text(scale, "labelSelectorPath") : NULL};
	if (yyjson_obj_get(o, "status")) {
		s[k->n_subresources++] = (struct schema_subresource){
			.name = "status", .verbs = SCHEMA_GET | SCHEMA_UPDATE | SCHEMA_PATCH};
		k->flags |= SCHEMA_STATUS;
	}
}

static const char *const *selectable_of(struct builder *b, yyjson_val *list)
{
	const char **out = get(b, yyjson_arr_size(list) + 1, sizeof(*out));
	size_t i, n;
	yyjson_val *v;

	if (!out)
		return NULL;
	yyjson_arr_foreach (list, i, n, v) {
		const char *path = text(v, "jsonPath");

		out[i] = *path == '.' ? path + 1 : path;
	}
	return out;
}

/* "stable.example.com" and "v1" become "com.example.stable.v1". */
static const char *package_of(struct builder *b, const char *group, const char *version)
{
	char *out = get(b, strlen(group) + strlen(version) + 2, 1);
	const char *end = group + strlen(group);

	if (!out)
		return "";
	while (end > group) {
		const char *start = end;

		while (start > group && start[-1] != '.')
			start--;
		strncat(out, start, (size_t)(end - start));
		strcat(out, ".");
		end = start > group ? start - 1 : group;
	}
	return strcat(out, version);
}

static yyjson_val *schema_of_version(yyjson_val *version)
{
	return yyjson_obj_get(yyjson_obj_get(version, "schema"), "openAPIV3Schema");
}

/* What a version of this name had; NULL: there was none. */
static yyjson_val *schema_before(yyjson_val *old, const char *name)
{
	yyjson_val *v;
	size_t i, n;

	yyjson_arr_foreach (yyjson_obj_get(yyjson_obj_get(old, "spec"), "versions"), i, n, v)
		if (!strcmp(text(v, "name"), name))
			return schema_of_version(v);
	return NULL;
}

static struct schema_kind *kind_of(
	struct builder *b, yyjson_val *spec, yyjson_val *version, const struct path *p)
{
	yyjson_val *names = yyjson_obj_get(spec, "names");
	struct schema_kind *k = get(b, 1, sizeof(*k));
	struct path schema = {.up = p, .name = "schema", .len = 6};
	struct path root = {.up = &schema, .name = "openAPIV3Schema", .len = 15};

	if (!k)
		return NULL;
	b->package = package_of(b, text(spec, "group"), text(version, "name"));
	*k = (struct schema_kind){
		.group = text(spec, "group"),
		.version = text(version, "name"),
		.api_version = join(b, text(spec, "group"), "/", text(version, "name")),
		.kind = text(names, "kind"),
		.list_kind = *text(names, "listKind") ? text(names, "listKind")
						      : join(b, text(names, "kind"), "", "List"),
		.plural = text(names, "plural"),
		.singular = text(names, "singular"),
		.short_names = texts(b, yyjson_obj_get(names, "shortNames")),
		.categories = texts(b, yyjson_obj_get(names, "categories")),
		.selectable = selectable_of(b, yyjson_obj_get(version, "selectableFields")),
		.type = root_type(b, schema_of_version(version), text(names, "kind"), &root),
		.name_format = SCHEMA_DNS_SUBDOMAIN,
		.verbs = SCHEMA_ALL_VERBS,
		.flags = SCHEMA_CUSTOM | SCHEMA_GENERATION,
	};
	if (!strcmp(text(spec, "scope"), "Namespaced"))
		k->flags |= SCHEMA_NAMESPACED;
	if (yyjson_is_true(yyjson_obj_get(version, "deprecated")))
		k->warning =
			*text(version, "deprecationWarning")
				? text(version, "deprecationWarning")
				: join(b, join(b, k->api_version, " ", k->kind) ?: "", "", " is deprecated");
	columns_of(b, k, yyjson_obj_get(version, "additionalPrinterColumns"), p);
	subresources_of(b, k, yyjson_obj_get(version, "subresources"));
	return k;
}

/* Who converts; NULL: nobody, versions differ in their name only. */
static const struct schema_conversion *conversion_of(struct builder *b, yyjson_val *spec)
{
	yyjson_val *said = yyjson_obj_get(spec, "conversion"), *webhook = yyjson_obj_get(said, "webhook"), *v;
	struct schema_conversion *c;
	size_t i, n;

	if (strcmp(text(said, "strategy"), "Webhook") != 0)
		return NULL;
	c = get(b, 1, sizeof(*c));
	if (!c)
		return NULL;
	c->client = yyjson_obj_get(webhook, "clientConfig");
	c->review = "v1";
	/* the first that is known here */
	yyjson_arr_foreach (yyjson_obj_get(webhook, "conversionReviewVersions"), i, n, v)
		if (yyjson_equals_str(v, "v1") || yyjson_equals_str(v, "v1beta1")) {
			c->review = yyjson_get_str(v);
			break;
		}
	return c;
}

/* What the versions have in common. */
static void join_versions(struct builder *b, yyjson_val *spec, const struct schema_kind **all, size_t n,
	const struct schema_kind *stored)
{
	const struct schema_conversion *conversion = n > 1 ? conversion_of(b, spec) : NULL;

	for (size_t i = 0; i < n; i++) {
		struct schema_kind *k = (struct schema_kind *)(uintptr_t)all[i];

		k->stored = stored ? stored : k;
		k->versions = all;
		k->conversion = conversion;
	}
}

struct crd *crd_new(yyjson_val *object, bool written, yyjson_val *old, struct field_errors *e)
{
	struct crd *c = calloc(1, sizeof(*c));
	struct memory *m = calloc(1, sizeof(*m));
	struct builder b = {.memory = m, .errors = e, .written = written};
	const struct schema_kind **kinds = calloc(KINDS_MAX, sizeof(*kinds)), **all = NULL, *stored = NULL;
	struct schema_kind *first = NULL;
	struct path top = {.name = "spec", .len = 4}, list = {.up = &top, .name = "versions", .len = 8};
	yyjson_val *spec, *v;
	size_t i, n, before = e->n, count = 0, n_all = 0;

	if (m) {
		/* the definition may go before its kinds do */
		char *json = yyjson_val_write(object, 0, &n);

		m->doc = json ? yyjson_read(json, n, 0) : NULL;
		free(json);
		all = get(&b, KINDS_MAX + 1, sizeof(*all));
	}
	if (!c || !m || !m->doc || !kinds || !all) {
		memory_free(m);
		free(kinds);
		free(c);
		return NULL;
	}
	spec = yyjson_obj_get(yyjson_doc_get_root(m->doc), "spec");
	yyjson_arr_foreach (yyjson_obj_get(spec, "versions"), i, n, v) {
		struct path step = {.up = &list, .index = i, .step = PATH_INDEX};
		struct schema_kind *k;

		if (i == KINDS_MAX) {
			complain(&b, &list, FIELD_TOO_MANY, "", "must have at most 32 items");
			break;
		}
		b.old = schema_before(old, text(v, "name"));
		k = kind_of(&b, spec, v, &step);
		if (truth(v, "storage"))
			stored = k;
		if (k && truth(v, "served")) {
			kinds[count++] = k;
			if (!first || stored == k)
				first = k;
		}
		if (k)
			all[n_all++] = k;
	}
	if (first)
		first->flags |= SCHEMA_MAIN;
	join_versions(&b, spec, all, n_all, stored);
	if (b.no_memory || e->n > before) {
		memory_free(m);
		free(kinds);
		free(c);
		return NULL;
	}
	*c = (struct crd){.kinds = kinds, .n = count, .memory = m};
	return c;
}

void crd_free(struct crd *c)
{
	if (!c)
		return;
	memory_free(c->memory);
	free(c->kinds);
	free(c);
}
