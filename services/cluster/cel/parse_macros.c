/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Macros become nodes of their own: has(x.y), and what goes through a list or a map, or looks into an optional, with variables of its
 * own.
 */

#include <string.h>

#include "cluster/cel/parse_int.h"

const struct node *parse_has(struct parser *p, size_t at)
{
	const struct node *of = parse_expression(p);
	struct node *n;

	parse_expect(p, ")");
	if (p->failed || !of)
		return NULL;
	if (of->type != NODE_SELECT || of->optional) {
		parse_refuse(p, at, "invalid argument to has() macro: it takes a field selection");
		return NULL;
	}
	n = parse_node(p, NODE_HAS, of->at);
	if (n) {
		n->operand = of->operand;
		n->name = of->name;
	}
	return n;
}

/* operand.NAME(variables, filter, result) */
struct macro {
	const char *name;
	enum each each;
	size_t variables[2]; /* at least and at most */
	size_t most;	     /* expressions: 2 with a filter before the last */
};

static const struct macro macros[] = {
	{"all", EACH_ALL, {1, 2}, 1},
	{"exists", EACH_EXISTS, {1, 2}, 1},
	{"exists_one", EACH_ONE, {1, 2}, 1},
	{"existsOne", EACH_ONE, {1, 2}, 1},
	{"map", EACH_MAP, {1, 1}, 2},
	{"filter", EACH_FILTER, {1, 1}, 1},
	{"transformList", EACH_LIST, {2, 2}, 2},
	{"transformMap", EACH_ENTRIES, {2, 2}, 2},
	{"transformMapEntry", EACH_MERGE, {2, 2}, 2},
	{"sortBy", EACH_SORT, {1, 1}, 1},
	{"optMap", EACH_OPTIONAL, {1, 1}, 1},
	{"optFlatMap", EACH_FLAT, {1, 1}, 1},
};

const struct macro *parse_macro(struct text name)
{
	for (size_t i = 0; i < array_len(macros); i++)
		if (text_is(name, macros[i].name))
			return &macros[i];
	return NULL;
}

/* Is what comes a name and a comma? Looks ahead and comes back. */
static bool name_and_comma(struct parser *p)
{
	struct lexer before = p->lexer;
	struct token t;

	if (p->now.type != TOKEN_NAME)
		return false;
	t = lex(&p->lexer);
	p->lexer = before;
	return t.type == TOKEN_OP && text_is(t.text, ",");
}

/* A name and the comma behind it. */
static bool simple_name(struct parser *p, struct text *name)
{
	*name = p->now.text;
	if (p->now.type != TOKEN_NAME || parse_reserved(*name)) {
		parse_refuse(p, p->now.at, "argument must be a simple name");
		return false;
	}
	if (p->n_names + p->n_locals == SLOTS_MAX) {
		parse_refuse(p, p->now.at, "more than %d variables", SLOTS_MAX);
		return false;
	}
	parse_step(p);
	return parse_expect(p, ",");
}

static bool variable(struct parser *p)
{
	struct text name;

	if (!simple_name(p, &name))
		return false;
	p->locals[p->n_locals++] = name;
	return true;
}

/* operand.NAME(x, ...), from behind its parenthesis. */
const struct node *parse_each(struct parser *p, size_t at, const struct node *operand, const struct macro *m)
{
	struct node *n = parse_node(p, NODE_EACH, at);
	struct args args = {0};
	size_t before = p->n_locals;
	bool two;

	if (!variable(p) || !n)
		return NULL;
	/* where there may be two, a second name with a comma behind it is the other */
	two = m->variables[1] == 2 && name_and_comma(p);
	if (two && !variable(p))
		return NULL;
	n->each = m->each;
	n->operand = operand;
	n->with_keys = two;
	n->slot = p->n_names + p->n_locals - 1;
	parse_arguments(p, &args, ")");
	p->n_locals = before;
	if (!p->failed && (!args.n || args.n > m->most || 1u + two < m->variables[0])) {
		parse_refuse(p, at, "found no matching overload for '%s'", m->name);
		return NULL;
	}
	return parse_with(p, n, &args);
}

const struct node *parse_bind(struct parser *p, size_t at)
{
	struct args args = {0};
	struct text name;
	const struct node *value;
	struct node *n;

	if (!parse_got(p, ".") || p->now.type != TOKEN_NAME || !text_is(p->now.text, "bind")) {
		parse_undeclared(p, at, (struct text){"cel", 3});
		return NULL;
	}
	parse_step(p);
	n = parse_node(p, NODE_EACH, p->now.at);
	if (!parse_expect(p, "(") || !simple_name(p, &name))
		return NULL;
	/* the value does not know its name yet */
	value = parse_expression(p);
	if (!value || !parse_expect(p, ",") || !n)
		return NULL;
	n->each = EACH_BIND;
	n->operand = value;
	n->slot = p->n_names + p->n_locals;
	p->locals[p->n_locals++] = name;
	parse_add(p, &args, parse_expression(p));
	p->n_locals--;
	parse_expect(p, ")");
	return parse_with(p, n, &args);
}
