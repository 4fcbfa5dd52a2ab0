/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Schemas as expressions see them. Nothing is made of them beforehand: a field is looked up when an expression selects it. Dates and
 * durations are such, although JSON has texts for them; a quantity is dyn, since it may be a number.
 */

#include <string.h>

#include "cluster/schema/schema.h"
#include "cluster/schema/shapes.h"
#include "lib/json.h"

/* ---- structural schemas */

static const struct cel_shapes schema_shapes, resource_shapes;

static bool truth(yyjson_val *schema, const char *key)
{
	return yyjson_is_true(yyjson_obj_get(schema, key));
}

static enum cel_kind kind_of_text(yyjson_val *schema)
{
	static const struct {
		const char *format;
		enum cel_kind kind;
	} formats[] = {{"byte", CEL_BYTES}, {"duration", CEL_DURATION}, {"date", CEL_TIMESTAMP},
		{"date-time", CEL_TIMESTAMP}};
	const char *format = json_str(schema, "format") ?: "";

	for (size_t i = 0; i < array_len(formats); i++)
		if (!strcmp(format, formats[i].format))
			return formats[i].kind;
	return CEL_STRING;
}

static bool known(yyjson_val *schema, bool resource, struct cel_shape *out);

/* A list or a map is known when what is in it is. */
static bool known_items(yyjson_val *items, enum cel_kind kind, struct cel_shape *out)
{
	struct cel_shape one;

	*out = (struct cel_shape){kind, &schema_shapes, items};
	return yyjson_is_obj(items) && known(items, false, &one);
}

static bool is_typed(yyjson_val *properties, const char *name, const char *type)
{
	return yyjson_equals_str(yyjson_obj_get(json_obj(properties, name), "type"), type);
}

/* A resource whose schema says itself what its names are may say more of them, and nothing is put in their place. */
static bool names_itself(yyjson_val *schema)
{
	yyjson_val *own = json_obj(schema, "properties"),
		   *of = json_obj(json_obj(own, "metadata"), "properties");

	return is_typed(own, "kind", "string") && is_typed(own, "apiVersion", "string") &&
	       is_typed(own, "metadata", "object") && is_typed(of, "name", "string") &&
	       is_typed(of, "generateName", "string");
}

static bool known_object(yyjson_val *schema, bool resource, struct cel_shape *out)
{
	yyjson_val *other = yyjson_obj_get(schema, "additionalProperties");

	if (yyjson_is_obj(other))
		return known_items(other, CEL_MAP, out);
	*out = (struct cel_shape){
		CEL_STRUCT, resource && !names_itself(schema) ? &resource_shapes : &schema_shapes, schema};
	/* values that are anything */
	if (yyjson_is_true(other))
		out->kind = CEL_DYN;
	return true;
}

/* false: expressions do not see it. */
static bool known(yyjson_val *schema, bool resource, struct cel_shape *out)
{
	static const struct {
		const char *type;
		enum cel_kind kind;
	} plain[] = {{"boolean", CEL_BOOL}, {"integer", CEL_INT}, {"number", CEL_DOUBLE}};
	const char *type = json_str(schema, "type") ?: "";

	*out = (struct cel_shape){CEL_DYN};
	if (truth(schema, "x-kubernetes-int-or-string"))
		return true;
	if (!strcmp(type, "array"))
		return known_items(json_obj(schema, "items"), CEL_LIST, out);
	if (!strcmp(type, "object"))
		return known_object(schema, resource || truth(schema, "x-kubernetes-embedded-resource"), out);
	if (!strcmp(type, "string"))
		out->kind = kind_of_text(schema);
	for (size_t i = 0; i < array_len(plain); i++)
		if (!strcmp(type, plain[i].type))
			out->kind = plain[i].kind;
	return out->kind != CEL_DYN;
}

static bool schema_property(const void *at, const char *name, size_t len, struct cel_shape *out)
{
	yyjson_val *schema = (yyjson_val *)(uintptr_t)at,
		   *property = yyjson_obj_getn(json_obj(schema, "properties"), name, len);

	return property && known(property, false, out);
}

static struct cel_shape schema_item(const void *at)
{
	return shape_of_schema((yyjson_val *)(uintptr_t)at, false);
}

static const struct cel_shapes schema_shapes = {
	.field = schema_property, .item = schema_item, .null_is_none = true};

static bool resource_property(const void *at, const char *name, size_t len, struct cel_shape *out)
{
	static const struct cel_field names[] = {
		{"name", {CEL_STRING}}, {"generateName", {CEL_STRING}}, {NULL}};
	static const struct cel_field every[] = {{"apiVersion", {CEL_STRING}}, {"kind", {CEL_STRING}},
		{"metadata", {CEL_STRUCT, &cel_fields, names}}, {NULL}};

	return cel_fields.field(every, name, len, out) || schema_property(at, name, len, out);
}

static const struct cel_shapes resource_shapes = {
	.field = resource_property, .item = schema_item, .null_is_none = true};

struct cel_shape shape_of_schema(yyjson_val *schema, bool resource)
{
	struct cel_shape shape;

	return known(schema, resource, &shape) ? shape : (struct cel_shape){CEL_DYN};
}

/* ---- tables */

static const struct cel_shapes type_shapes, field_shapes;

static struct cel_shape shape_of_field(const struct schema_field *f);

/* Of what the field has one of, or many. */
static struct cel_shape shape_of_base(const struct schema_field *f)
{
	static const enum cel_kind kinds[] = {
		[SCHEMA_STRING] = CEL_STRING,
		[SCHEMA_BOOL] = CEL_BOOL,
		[SCHEMA_INT32] = CEL_INT,
		[SCHEMA_INT64] = CEL_INT,
		[SCHEMA_DOUBLE] = CEL_DOUBLE,
		[SCHEMA_BYTES] = CEL_BYTES,
		[SCHEMA_QUANTITY] = CEL_DYN,
		[SCHEMA_TIME] = CEL_TIMESTAMP,
		[SCHEMA_MICROTIME] = CEL_TIMESTAMP,
		[SCHEMA_DURATION] = CEL_STRING,
		[SCHEMA_INT_OR_STRING] = CEL_DYN,
		[SCHEMA_ANY] = CEL_DYN,
		[SCHEMA_OBJECT] = CEL_STRUCT,
	};

	if (f->base != SCHEMA_OBJECT)
		return (struct cel_shape){kinds[f->base]};
	if (f->type->flags & SCHEMA_ALIAS)
		return shape_of_field(&f->type->fields[0]);
	return (struct cel_shape){CEL_STRUCT, &type_shapes, f->type};
}

static struct cel_shape shape_of_field(const struct schema_field *f)
{
	static const enum cel_kind many[] = {[SCHEMA_LIST] = CEL_LIST, [SCHEMA_MAP] = CEL_MAP};

	return f->shape == SCHEMA_ONE ? shape_of_base(f)
				      : (struct cel_shape){many[f->shape], &field_shapes, f};
}

static bool type_field(const void *at, const char *name, size_t len, struct cel_shape *out)
{
	const struct schema_field *f = schema_field(at, name, len);

	if (f)
		*out = shape_of_field(f);
	return f;
}

static struct cel_shape field_item(const void *at)
{
	return shape_of_base(at);
}

static const struct cel_shapes type_shapes = {.field = type_field};
static const struct cel_shapes field_shapes = {.item = field_item};

/* metadata is among the fields of every kind's type. */
static bool kind_field(const void *at, const char *name, size_t len, struct cel_shape *out)
{
	static const struct cel_field every[] = {
		{"apiVersion", {CEL_STRING}}, {"kind", {CEL_STRING}}, {NULL}};
	const struct schema_kind *kind = at;
	bool metadata = len == 8 && !memcmp(name, "metadata", len);

	if (cel_fields.field(every, name, len, out))
		return true;
	return kind->type->structural && !metadata ? schema_property(kind->type->structural, name, len, out)
						   : type_field(kind->type, name, len, out);
}

static const struct cel_shapes kind_shapes = {.field = kind_field};

struct cel_shape shape_of_kind(const struct schema_kind *kind)
{
	/* what a kind keeps without a schema may be anything */
	if (!kind || kind->type->flags & SCHEMA_OPEN)
		return (struct cel_shape){CEL_DYN};
	return (struct cel_shape){CEL_STRUCT, &kind_shapes, kind};
}
