/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The walk over a tree. Errors are values: && and || do without a side that failed when the other decides, and so do the macros
 * all and exists; everything else hands the first error up.
 */

#include <string.h>

#include "cluster/cel/cel_int.h"

enum { FEW_ARGS = 4 };

static const char too_much_text[] = "operation cancelled: actual cost limit exceeded";
const struct value eval_too_much = {.type = VALUE_ERROR, .text = {too_much_text, sizeof(too_much_text) - 1}};

struct value eval_tree(struct eval *e, const struct node *root)
{
	struct value v = eval_at(e, root);

	/* what was compared or looked for only in part has no answer */
	return e->arena.full ? eval_too_much : v;
}

bool eval_spend(struct eval *e, size_t n)
{
	if (n > e->steps || e->arena.full) {
		e->steps = 0;
		e->arena.full = true;
		return false;
	}
	e->steps -= n;
	return true;
}

/* ---- selections */

static bool find_field(struct eval *e, struct value of, const struct node *n, struct value *out)
{
	char plain[256];
	size_t len;

	if (!value_lookup(e, of, value_string(n->name.s, n->name.n), out)) {
		len = text_unescape(n->name, plain, sizeof(plain));
		if (!len || !value_lookup(e, of, value_string(plain, len), out))
			return false;
	}
	return !n->no_null || out->type != VALUE_NULL;
}

static struct value no_key(struct eval *e, struct text name)
{
	if (!eval_read(e, name))
		return eval_too_much;
	return value_error(e, "no such key: %.*s", (int)name.n, name.s);
}

/* The operand, and what is in it when it is an optional; false: it is one that holds nothing. */
static bool operand(struct eval *e, const struct node *n, struct value *of, bool *optional)
{
	*of = eval_at(e, n->operand);
	*optional = n->optional || of->type == VALUE_OPTIONAL;
	if (of->type != VALUE_OPTIONAL)
		return true;
	if (!of->in)
		return false;
	*of = *of->in;
	return true;
}

/* Can fields of it be selected? Then it is a map now. Otherwise *error says why not. */
static bool has_fields(struct eval *e, struct value *of, struct value *error)
{
	if (of->type == VALUE_MESSAGE)
		*of = message_fields(*of);
	if (of->type == VALUE_MAP)
		return true;
	*error = is_error(*of) ? *of
			       : value_error(e, "type '%s' does not support field selection",
					 value_type_name(of->type));
	return false;
}

static struct value select_field(struct eval *e, const struct node *n)
{
	struct value of, found;
	bool optional;

	if (!operand(e, n, &of, &optional))
		return of;
	if (of.type == VALUE_AUTHORIZER && is_request_resource(n))
		return (struct value){.type = VALUE_RESOURCE_CHECK, .question = &e->authorizer->request};
	if (!has_fields(e, &of, &found))
		return found;
	if (!find_field(e, of, n, &found))
		return optional ? value_optional(e, NULL) : no_key(e, n->name);
	return optional ? value_optional(e, &found) : found;
}

static struct value has_field(struct eval *e, const struct node *n)
{
	struct value of, found;
	bool optional;

	if (!operand(e, n, &of, &optional))
		return value_bool(false);
	return has_fields(e, &of, &found) ? value_bool(find_field(e, of, n, &found)) : found;
}

/* A whole number as an index; false: it is none. */
static bool index_of(struct value v, int64_t *i)
{
	if (v.type == VALUE_UINT && v.u <= INT64_MAX)
		v = value_int((int64_t)v.u);
	if (v.type == VALUE_DOUBLE && v.d >= -1e15 && v.d <= 1e15 && v.d == (double)(int64_t)v.d)
		v = value_int((int64_t)v.d);
	*i = v.i;
	return v.type == VALUE_INT;
}

static bool find_at(struct eval *e, struct value of, struct value at, struct value *out)
{
	int64_t i;

	if (of.type == VALUE_MAP)
		return value_lookup(e, of, at, out);
	if (of.type != VALUE_LIST || !index_of(at, &i) || i < 0 || (size_t)i >= value_size(of))
		return false;
	*out = of.json ? value_inside(e, of, yyjson_mut_arr_get(of.json, (size_t)i)) : of.list->items[i];
	return eval_spend(e, of.json ? (size_t)i : 1);
}

static struct value nothing_at(struct eval *e, struct value of, struct value at)
{
	struct value written;
	int64_t i;

	if (of.type == VALUE_MAP) {
		written = value_written(e, at);
		return is_error(written) ? written : no_key(e, written.text);
	}
	if (of.type == VALUE_LIST && index_of(at, &i))
		return value_error(e, "index out of bounds: %lld", (long long)i);
	return value_overload();
}

static struct value index_into(struct eval *e, const struct node *n)
{
	struct value of, at, found;
	bool optional;

	if (!operand(e, n, &of, &optional))
		return of;
	at = is_error(of) ? of : eval_at(e, n->args[0]);
	if (is_error(at))
		return at;
	if (find_at(e, of, at, &found))
		return optional ? value_optional(e, &found) : found;
	return optional && (of.type == VALUE_MAP || of.type == VALUE_LIST) ? value_optional(e, NULL)
									   : nothing_at(e, of, at);
}

/* ---- calls, lists, maps */

static struct value call(struct eval *e, const struct node *n)
{
	struct value few[FEW_ARGS], *args = few;

	/* most have one or two, and loops make many calls */
	if (n->n > FEW_ARGS)
		args = arena_get(&e->arena, n->n * sizeof(*args));
	if (!args)
		return value_no_room;
	for (size_t i = 0; i < n->n; i++) {
		args[i] = eval_at(e, n->args[i]);
		if (is_error(args[i]))
			return args[i];
	}
	return n->function->fn(e, args, n->n);
}

/* false: an element that is left out; *v is an error when it is neither. */
static bool element(struct eval *e, const struct node *n, struct value *v)
{
	*v = eval_at(e, n->type == NODE_OPTIONAL ? n->operand : n);
	if (n->type != NODE_OPTIONAL || is_error(*v))
		return true;
	if (v->type != VALUE_OPTIONAL) {
		*v = value_overload();
		return true;
	}
	if (!v->in)
		return false;
	*v = *v->in;
	return true;
}

static struct value make_list(struct eval *e, const struct node *n)
{
	struct value *items, list = value_make_list(e, n->n, &items);
	size_t count = 0;

	if (is_error(list))
		return list;
	for (size_t i = 0; i < n->n; i++) {
		if (!element(e, n->args[i], &items[count]))
			continue;
		if (is_error(items[count]))
			return items[count];
		count++;
	}
	((struct list *)(uintptr_t)list.list)->n = count;
	return list;
}

static struct value map_literal(struct eval *e, const struct node *n)
{
	struct map *m = NULL;
	struct value v = value_make_map(e, n->n / 2, &m), seen;

	for (size_t i = 0; m && !is_error(v) && i + 1 < n->n; i += 2) {
		struct pair *p = &m->pairs[m->n];

		p->key = eval_at(e, n->args[i]);
		if (is_error(p->key))
			return p->key;
		if (!element(e, n->args[i + 1], &p->value))
			continue;
		if (is_error(p->value))
			return p->value;
		if (value_lookup(e, v, p->key, &seen))
			return value_error(e, "repeated key in a map");
		m->n++;
	}
	return v;
}

static struct value message(struct eval *e, const struct node *n)
{
	struct value fields = map_literal(e, n);

	return is_error(fields) ? fields : message_make(e, n->name, fields.map);
}

/* ---- conditions */

static struct value condition(struct eval *e, const struct node *n)
{
	struct value v = eval_at(e, n->args[0]);

	if (is_error(v))
		return v;
	return v.type == VALUE_BOOL ? eval_at(e, n->args[v.b ? 1 : 2]) : value_overload();
}

/* @decides: the value that needs no other side. */
static struct value logic(struct eval *e, const struct node *n, bool decides)
{
	struct value a = eval_at(e, n->args[0]), b;

	if (a.type == VALUE_BOOL && a.b == decides)
		return a;
	b = eval_at(e, n->args[1]);
	if (b.type == VALUE_BOOL && b.b == decides)
		return b;
	if (is_error(a))
		return a;
	if (is_error(b))
		return b;
	return a.type == VALUE_BOOL && b.type == VALUE_BOOL ? value_bool(!decides) : value_overload();
}

/* ---- members of the family */

/* Its loops have the same places as those of whoever refers to it, who is in the middle of them. */
static struct value member(struct eval *e, const struct node *n)
{
	struct member *m = &e->members[n->slot];
	struct value kept[SLOTS_MAX];

	if (m->known)
		return m->value;
	memcpy(kept, e->slots, sizeof(kept));
	e->depth += sizeof(kept) / 128;
	m->value = eval_at(e, e->family->programs[n->slot]->root);
	m->known = true;
	e->depth -= sizeof(kept) / 128;
	memcpy(e->slots, kept, sizeof(kept));
	return m->value;
}

static struct value eval_node(struct eval *e, const struct node *n)
{
	switch (n->type) {
	case NODE_LITERAL:
		return n->literal;
	case NODE_NAME:
		return e->slots[n->slot];
	case NODE_MEMBER:
		return member(e, n);
	case NODE_SELECT:
		return select_field(e, n);
	case NODE_HAS:
		return has_field(e, n);
	case NODE_INDEX:
		return index_into(e, n);
	case NODE_CALL:
		return call(e, n);
	case NODE_LIST:
		return make_list(e, n);
	case NODE_MAP:
		return map_literal(e, n);
	case NODE_MESSAGE:
		return message(e, n);
	case NODE_COND:
		return condition(e, n);
	case NODE_AND:
		return logic(e, n, false);
	case NODE_OR:
		return logic(e, n, true);
	case NODE_EACH:
		return eval_each(e, n);
	default:
		return value_overload();
	}
}

struct value eval_at(struct eval *e, const struct node *n)
{
	struct value v;

	if (!eval_spend(e, 1))
		return eval_too_much;
	if (e->depth >= EVAL_DEPTH_MAX)
		return value_error(e, "nested too deeply");
	e->depth++;
	v = eval_node(e, n);
	e->depth--;
	return n->as ? value_typed(e, v, n->as, n->deep) : v;
}

const struct function *function_find(struct text name, bool member)
{
	static const struct function *const tables[] = {cel_operators, cel_standard, cel_times, cel_strings,
		cel_printf, cel_lists, cel_orders, cel_kube, cel_urls, cel_semver, cel_formats, cel_patches,
		cel_authorizers};

	for (size_t t = 0; t < array_len(tables); t++)
		for (const struct function *f = tables[t]; f->name; f++)
			if (f->member == member && strlen(f->name) == name.n &&
				!memcmp(f->name, name.s, name.n))
				return f;
	return NULL;
}
