/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is known of values before there are any, and what functions make of it. The overloads of a function are a text, one behind
 * the other: types of its arguments, '>', and the type of what it makes.
 *
 *	B I U D S Y N	bool int uint double string bytes null
 *	T P t		timestamp, duration (a period), type
 *	Q A C L F V	quantity, IP (an address), CIDR, URL (a link), format, version
 *	Z p g r d	authorizer, check of a path, a group, a resource; decision
 *	[x] {xy} ?x	list, map, optional
 *	a b		any type, the same wherever it stands in the overload
 *	*		dyn
 *
 * So "SS>S [a][a]>[a]" takes two texts, or two lists of the same. What is dyn goes with everything.
 */

#include <stdio.h>
#include <string.h>

#include "cluster/cel/cel_int.h"

/* Types are made in steps, and may be parts of themselves many times over: this much is looked at in one expression. */
enum { DEPTH_MAX = 32, WORK_MAX = 100000 };

static const struct type basic[N_CEL_KINDS] = {
	[CEL_DYN] = {.kind = CEL_DYN},
	[CEL_NULL] = {.kind = CEL_NULL},
	[CEL_BOOL] = {.kind = CEL_BOOL},
	[CEL_INT] = {.kind = CEL_INT},
	[CEL_UINT] = {.kind = CEL_UINT},
	[CEL_DOUBLE] = {.kind = CEL_DOUBLE},
	[CEL_STRING] = {.kind = CEL_STRING},
	[CEL_BYTES] = {.kind = CEL_BYTES},
	[CEL_TIMESTAMP] = {.kind = CEL_TIMESTAMP},
	[CEL_DURATION] = {.kind = CEL_DURATION},
	[CEL_TYPE] = {.kind = CEL_TYPE},
	[CEL_QUANTITY] = {.kind = CEL_QUANTITY},
	[CEL_IP] = {.kind = CEL_IP},
	[CEL_CIDR] = {.kind = CEL_CIDR},
	[CEL_URL] = {.kind = CEL_URL},
	[CEL_FORMAT] = {.kind = CEL_FORMAT},
	[CEL_SEMVER] = {.kind = CEL_SEMVER},
	[CEL_AUTHORIZER] = {.kind = CEL_AUTHORIZER},
	[CEL_PATH_CHECK] = {.kind = CEL_PATH_CHECK},
	[CEL_GROUP_CHECK] = {.kind = CEL_GROUP_CHECK},
	[CEL_RESOURCE_CHECK] = {.kind = CEL_RESOURCE_CHECK},
	[CEL_DECISION] = {.kind = CEL_DECISION},
	[CEL_OPEN] = {.kind = CEL_OPEN},
};

const struct type *type_of_kind(enum cel_kind kind)
{
	return &basic[kind];
}

const struct type *type_of_literal(struct value v)
{
	static const enum cel_kind kinds[] = {
		[VALUE_NULL] = CEL_NULL,
		[VALUE_BOOL] = CEL_BOOL,
		[VALUE_INT] = CEL_INT,
		[VALUE_UINT] = CEL_UINT,
		[VALUE_DOUBLE] = CEL_DOUBLE,
		[VALUE_STRING] = CEL_STRING,
		[VALUE_BYTES] = CEL_BYTES,
		[VALUE_TYPE] = CEL_TYPE,
	};

	return &basic[v.type < array_len(kinds) ? kinds[v.type] : CEL_DYN];
}

/* ---- making */

static const struct type *make(struct typing *t, struct type of)
{
	struct type *made;

	of.depth = 1 + (of.of ? of.of->depth : 0);
	if (of.key && of.key->depth >= of.depth)
		of.depth = of.key->depth + 1;
	made = of.depth < DEPTH_MAX ? arena_get(t->arena, sizeof(*made)) : NULL;
	if (!made)
		return &basic[CEL_DYN];
	*made = of;
	return made;
}

const struct type *type_list(struct typing *t, const struct type *of)
{
	return make(t, (struct type){.kind = CEL_LIST, .of = of});
}

const struct type *type_map(struct typing *t, const struct type *key, const struct type *of)
{
	return make(t, (struct type){.kind = CEL_MAP, .key = key, .of = of});
}

const struct type *type_optional(struct typing *t, const struct type *of)
{
	return make(t, (struct type){.kind = CEL_OPTIONAL, .of = of});
}

const struct type *type_message(struct typing *t, struct text name)
{
	return make(t, (struct type){.kind = CEL_MESSAGE, .name = name});
}

const struct type *type_copy(struct typing *t, const struct type *type)
{
	struct type copy = *type;

	if (type == &basic[type->kind])
		return type->kind == CEL_OPEN ? &basic[CEL_DYN] : type;
	if (++t->work > WORK_MAX)
		return &basic[CEL_DYN];
	copy.key = type->key ? type_copy(t, type->key) : NULL;
	copy.of = type->of ? type_copy(t, type->of) : NULL;
	return make(t, copy);
}

static const struct type *shaped(struct typing *t, struct cel_shape shape, size_t depth)
{
	const struct type *of;

	if (shape.kind == CEL_STRUCT)
		return make(t, (struct type){.kind = CEL_STRUCT, .shape = shape});
	if (shape.kind != CEL_LIST && shape.kind != CEL_MAP)
		return &basic[shape.kind];
	of = depth < DEPTH_MAX ? shaped(t, shape.from->item(shape.at), depth + 1) : &basic[CEL_DYN];
	return shape.kind == CEL_LIST ? type_list(t, of) : type_map(t, &basic[CEL_STRING], of);
}

const struct type *type_of_shape(struct typing *t, struct cel_shape shape)
{
	return shaped(t, shape, 0);
}

static bool fields_field(const void *at, const char *name, size_t len, struct cel_shape *out)
{
	for (const struct cel_field *f = at; f->name; f++) {
		if (strlen(f->name) != len || memcmp(f->name, name, len) != 0)
			continue;
		*out = f->shape;
		return true;
	}
	return false;
}

static struct cel_shape fields_item(const void *at)
{
	return *(const struct cel_shape *)at;
}

const struct cel_shapes cel_fields = {.field = fields_field, .item = fields_item};

/* ---- what goes together */

/* null is among the values of what has fields, or is no plain value. */
static bool may_be_null(enum cel_kind kind)
{
	return kind == CEL_TIMESTAMP || kind == CEL_DURATION ||
	       (kind >= CEL_QUANTITY && kind <= CEL_DECISION) || kind >= CEL_OPTIONAL;
}

/* Structs of two places are not told apart: that is a mistake less that is found, and no rule less that is kept. */
const struct type *type_join(struct typing *t, const struct type *a, const struct type *b)
{
	const struct type *of, *key = NULL;

	if (a == b || a->kind == CEL_DYN || b->kind == CEL_OPEN)
		return a;
	if (a->kind == CEL_OPEN)
		return b;
	if (b->kind == CEL_DYN || ++t->work > WORK_MAX)
		return &basic[CEL_DYN];
	if (a->kind == CEL_NULL || b->kind == CEL_NULL) {
		const struct type *other = a->kind == CEL_NULL ? b : a;

		return may_be_null(other->kind) || other->kind == CEL_NULL ? other : NULL;
	}
	if (a->kind != b->kind || (a->kind == CEL_MESSAGE && !text_same(a->name, b->name)))
		return NULL;
	if (!a->of)
		return a;
	of = type_join(t, a->of, b->of);
	if (of && a->key)
		key = type_join(t, a->key, b->key);
	if (!of || (a->key && !key))
		return NULL;
	if (of == a->of && key == a->key)
		return a;
	return make(t, (struct type){.kind = a->kind, .key = key, .of = of});
}

/* ---- overloads */

enum { N_PARAMETERS = 2 };

struct matching {
	struct typing *typing;
	const struct type *parameters[N_PARAMETERS];
};

static enum cel_kind kind_of(char letter)
{
	static const char letters[N_CEL_KINDS + 1] = "*NBIUDSYTPtQACLFVZpgrd";
	const char *at = strchr(letters, letter);

	return at ? (enum cel_kind)(at - letters) : CEL_DYN;
}

static bool bound(struct matching *m, char parameter, const struct type *type)
{
	const struct type **all = &m->parameters[parameter - 'a'];

	*all = *all ? type_join(m->typing, *all, type) : type;
	return *all;
}

/* Can it be what begins at *p? Steps behind that when it can. */
static bool match(struct matching *m, const char **p, const struct type *type)
{
	char letter = *(*p)++;
	enum cel_kind kind = letter == '[' ? CEL_LIST : letter == '{' ? CEL_MAP : CEL_OPTIONAL;

	if (letter == 'a' || letter == 'b')
		return bound(m, letter, type);
	if (!strchr("[{?", letter)) {
		kind = kind_of(letter);
		return kind == CEL_DYN || type_may_be(type, kind) ||
		       (type->kind == CEL_NULL && may_be_null(kind));
	}
	if (!type_may_be(type, kind))
		return false;
	/* in what is dyn or open there is the same */
	if (kind == CEL_MAP && !match(m, p, type->key ? type->key : type))
		return false;
	if (!match(m, p, type->of ? type->of : type))
		return false;
	*p += kind != CEL_OPTIONAL; /* the bracket */
	return true;
}

static const struct type *made(struct matching *m, const char **p)
{
	char letter = *(*p)++;
	const struct type *key, *of;

	switch (letter) {
	case 'a':
	case 'b':
		return m->parameters[letter - 'a'] ? m->parameters[letter - 'a'] : &basic[CEL_OPEN];
	case '[':
		of = made(m, p);
		++*p;
		return type_list(m->typing, of);
	case '{':
		key = made(m, p);
		of = made(m, p);
		++*p;
		return type_map(m->typing, key, of);
	case '?':
		return type_optional(m->typing, made(m, p));
	default:
		return &basic[kind_of(letter)];
	}
}

/* What this one makes; NULL: the arguments do not match. */
static const struct type *overload(struct typing *t, const char *p, const struct type *const *args, size_t n)
{
	struct matching m = {.typing = t};

	for (size_t i = 0; i < n; i++)
		if (*p == '>' || !match(&m, &p, args[i]))
			return NULL;
	if (*p++ != '>')
		return NULL;
	return made(&m, &p);
}

static const char *next_overload(const char *p)
{
	p = strchr(p, ' ');
	return p ? p + 1 : NULL;
}

/* Where several match, since something is dyn, and do not make the same, that is dyn, too. */
const struct type *overloads_find(
	struct typing *t, const char *overloads, const struct type *const *args, size_t n)
{
	const struct type *found = NULL;

	for (const char *p = overloads; p; p = next_overload(p)) {
		const struct type *type = overload(t, p, args, n);

		if (type && found && found != type)
			return &basic[CEL_DYN];
		found = type ? type : found;
	}
	return found;
}

/* Behind the type that begins here. */
static const char *behind(const char *p)
{
	switch (*p) {
	case '[':
		return behind(p + 1) + 1;
	case '{':
		return behind(behind(p + 1)) + 1;
	case '?':
		return behind(p + 1);
	default:
		return p + 1;
	}
}

bool overloads_take(const char *overloads, size_t n)
{
	for (const char *p = overloads; p; p = next_overload(p)) {
		const char *at = p;
		size_t count = 0;

		for (; *at != '>'; count++)
			at = behind(at);
		if (count == n)
			return true;
	}
	return false;
}

/* ---- words */

struct words {
	char *at;
	size_t left; /* with the 0 at its end */
};

static void say(struct words *w, const char *text, size_t len)
{
	if (len >= w->left)
		len = w->left - 1;
	memcpy(w->at, text, len);
	w->at += len;
	w->left -= len;
	*w->at = 0;
}

static void say_type(struct words *w, const struct type *type)
{
	static const char *const names[N_CEL_KINDS] = {
		[CEL_DYN] = "dyn",
		[CEL_NULL] = "null",
		[CEL_BOOL] = "bool",
		[CEL_INT] = "int",
		[CEL_UINT] = "uint",
		[CEL_DOUBLE] = "double",
		[CEL_STRING] = "string",
		[CEL_BYTES] = "bytes",
		[CEL_TIMESTAMP] = "timestamp",
		[CEL_DURATION] = "duration",
		[CEL_TYPE] = "type",
		[CEL_QUANTITY] = "kubernetes.Quantity",
		[CEL_IP] = "net.IP",
		[CEL_CIDR] = "net.CIDR",
		[CEL_URL] = "kubernetes.URL",
		[CEL_FORMAT] = "kubernetes.NamedFormat",
		[CEL_SEMVER] = "kubernetes.Semver",
		[CEL_AUTHORIZER] = "kubernetes.authorization.Authorizer",
		[CEL_PATH_CHECK] = "kubernetes.authorization.PathCheck",
		[CEL_GROUP_CHECK] = "kubernetes.authorization.GroupCheck",
		[CEL_RESOURCE_CHECK] = "kubernetes.authorization.ResourceCheck",
		[CEL_DECISION] = "kubernetes.authorization.Decision",
		[CEL_LIST] = "list",
		[CEL_MAP] = "map",
		[CEL_OPTIONAL] = "optional_type",
		[CEL_STRUCT] = "object",
		[CEL_MESSAGE] = "",
		[CEL_OPEN] = "dyn",
	};

	/* a type may be long: what there is no room for is not gone through */
	if (w->left <= 1)
		return;
	say(w, names[type->kind], strlen(names[type->kind]));
	if (type->kind == CEL_MESSAGE)
		say(w, type->name.s, type->name.n);
	if (!type->of)
		return;
	say(w, "(", 1);
	if (type->key) {
		say_type(w, type->key);
		say(w, ", ", 2);
	}
	say_type(w, type->of);
	say(w, ")", 1);
}

void type_write(const struct type *type, char *out, size_t size)
{
	struct words w = {out, size};

	say_type(&w, type);
}

void types_write(const struct type *const *args, size_t n, bool member, char *out, size_t size)
{
	struct words w = {out, size};

	if (member) {
		say_type(&w, args[0]);
		say(&w, ".", 1);
	}
	say(&w, "(", 1);
	for (size_t i = member; i < n; i++) {
		if (i > member)
			say(&w, ", ", 2);
		say_type(&w, args[i]);
	}
	say(&w, ")", 1);
}
