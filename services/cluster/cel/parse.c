/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Tokens become a tree, by descent in the order of CEL's grammar. Names become slots, and functions are found while it is made, so
 * that what cannot be evaluated is refused before it is kept.
 */

#include <string.h>

#include "cluster/cel/parse_int.h"

/* Levels of brackets, and operators in all: what both bound is how deep an evaluation calls itself. */
enum { DEPTH_MAX = 100, OPERATORS_MAX = 2000 };

static bool is_word(const struct parser *p, const char *word)
{
	return p->now.type == TOKEN_NAME && text_is(p->now.text, word);
}

/* Another operator in a chain of them, which the tree has below each other. */
static bool another(struct parser *p)
{
	if (++p->operators > OPERATORS_MAX)
		parse_refuse(p, p->now.at, "more than %d operators", OPERATORS_MAX);
	return !p->failed;
}

static const struct node *operate(
	struct parser *p, size_t at, const char *op, const struct node *a, const struct node *b)
{
	struct args args = {0};

	parse_add(p, &args, a);
	parse_add(p, &args, b);
	return parse_call(p, at, (struct text){op, strlen(op)}, false, &args);
}

static const struct node *join(struct parser *p, enum node_type type, size_t at, const struct node *a,
	const struct node *b, const struct node *c)
{
	struct args args = {0};

	parse_add(p, &args, a);
	parse_add(p, &args, b);
	parse_add(p, &args, c);
	return parse_with(p, parse_node(p, type, at), &args);
}

/* ---- the grammar, from the inside */

void parse_arguments(struct parser *p, struct args *a, const char *end)
{
	while (!p->failed && !parse_sees(p, end)) {
		parse_add(p, a, parse_expression(p));
		if (!parse_got(p, ","))
			break;
	}
	parse_expect(p, end);
}

static const struct node *primary(struct parser *p)
{
	size_t at = p->now.at;
	const struct node *n;

	if (p->now.type == TOKEN_VALUE) {
		struct token t = p->now;

		parse_step(p);
		if (t.value.type == VALUE_INT && t.value.i == INT64_MIN)
			parse_refuse(p, t.at, "an integer that is too large");
		return parse_literal(p, at, t.value);
	}
	if (parse_got(p, "(")) {
		n = parse_expression(p);
		parse_expect(p, ")");
		return n;
	}
	if (parse_got(p, "["))
		return parse_list(p, at);
	if (parse_got(p, "{"))
		return parse_map(p, at);
	(void)parse_got(p, "."); /* names of the root are the only ones there are */
	if (p->now.type == TOKEN_NAME)
		return parse_name(p);
	parse_unexpected(p, "an operand");
	return NULL;
}

static const struct node *selection(struct parser *p, size_t dot, const struct node *operand)
{
	bool optional = parse_got(p, "?");
	struct text name = p->now.text;
	size_t at;
	struct args args = {0};
	struct node *n;

	if (p->now.type != TOKEN_NAME && p->now.type != TOKEN_QUOTED_NAME) {
		parse_unexpected(p, "a name");
		return NULL;
	}
	parse_step(p);
	at = p->now.at;
	if (!optional && parse_got(p, "(")) {
		const struct macro *m = parse_macro(name);

		if (m)
			return parse_each(p, at, operand, m);
		parse_add(p, &args, operand);
		parse_arguments(p, &args, ")");
		return parse_call(p, at, name, true, &args);
	}
	n = parse_node(p, NODE_SELECT, dot);
	if (n) {
		n->operand = operand;
		n->name = name;
		n->optional = optional;
	}
	return n;
}

/* From behind its bracket. */
static const struct node *indexed(struct parser *p, size_t at, const struct node *operand)
{
	bool optional = parse_got(p, "?");
	struct args args = {0};
	struct node *n = parse_node(p, NODE_INDEX, at);

	parse_add(p, &args, parse_expression(p));
	parse_expect(p, "]");
	if (n) {
		n->operand = operand;
		n->optional = optional;
	}
	return parse_with(p, n, &args);
}

static const struct node *member(struct parser *p)
{
	const struct node *n = primary(p);

	while (n && (parse_sees(p, ".") || parse_sees(p, "[")) && another(p)) {
		size_t at = p->now.at;

		n = parse_got(p, ".") ? selection(p, at, n) : parse_got(p, "[") ? indexed(p, at, n) : NULL;
	}
	return p->failed ? NULL : n;
}

static const struct node *unary(struct parser *p)
{
	size_t at = p->now.at;
	const struct node *n = NULL;

	if (++p->depth > DEPTH_MAX) {
		parse_refuse(p, at, "nested too deeply");
	} else if (parse_got(p, "!")) {
		n = unary(p);
		n = n ? operate(p, at, "!_", n, NULL) : NULL;
	} else if (parse_got(p, "-")) {
		if (p->now.type == TOKEN_VALUE && p->now.value.type == VALUE_INT &&
			p->now.value.i == INT64_MIN) {
			parse_step(p);
			n = parse_literal(p, at, value_int(INT64_MIN));
		} else {
			n = unary(p);
			n = n ? operate(p, at, "-_", n, NULL) : NULL;
		}
	} else {
		n = member(p);
	}
	p->depth--;
	return n;
}

struct operator
{
	const char *token, *function;
};

/* Left to right, as long as one of @ops follows. */
static const struct node *chain(struct parser *p, const struct operator* ops, size_t n_ops,
	const struct node *(*below)(struct parser *p))
{
	const struct node *n = below(p);

	while (!p->failed && n) {
		const struct operator* op = NULL;
		size_t at = p->now.at;

		for (size_t i = 0; i < n_ops; i++)
			if (parse_sees(p, ops[i].token) || is_word(p, ops[i].token))
				op = &ops[i];
		if (!op || !another(p))
			break;
		parse_step(p);
		n = operate(p, at, op->function, n, below(p));
	}
	return p->failed ? NULL : n;
}

static const struct node *product(struct parser *p)
{
	static const struct operator ops[] = { {"*", "_*_"}, {"/", "_/_"}, {"%", "_%_"} };

	return chain(p, ops, array_len(ops), unary);
}

static const struct node *sum(struct parser *p)
{
	static const struct operator ops[] = { {"+", "_+_"}, {"-", "_-_"} };

	return chain(p, ops, array_len(ops), product);
}

static const struct node *relation(struct parser *p)
{
	static const struct operator ops[] = {
		{"==", "_==_"},
		{"!=", "_!=_"},
		{"<", "_<_"},
		{"<=", "_<=_"},
		{">", "_>_"},
		{">=", "_>=_"},
		{"in", "@in"}
	};

	return chain(p, ops, array_len(ops), sum);
}

static const struct node *both(struct parser *p)
{
	const struct node *n = relation(p);
	size_t at = p->now.at;

	while (!p->failed && n && parse_got(p, "&&") && another(p)) {
		n = join(p, NODE_AND, at, n, relation(p), NULL);
		at = p->now.at;
	}
	return p->failed ? NULL : n;
}

static const struct node *either(struct parser *p)
{
	const struct node *n = both(p);
	size_t at = p->now.at;

	while (!p->failed && n && parse_got(p, "||") && another(p)) {
		n = join(p, NODE_OR, at, n, both(p), NULL);
		at = p->now.at;
	}
	return p->failed ? NULL : n;
}

const struct node *parse_expression(struct parser *p)
{
	const struct node *n = NULL, *yes;
	size_t at;

	if (++p->depth > DEPTH_MAX) {
		parse_refuse(p, p->now.at, "nested too deeply");
	} else {
		n = either(p);
		at = p->now.at;
		if (n && parse_got(p, "?")) {
			yes = either(p);
			n = parse_expect(p, ":") ? join(p, NODE_COND, at, n, yes, parse_expression(p)) : NULL;
		}
	}
	p->depth--;
	return p->failed ? NULL : n;
}

const struct node *cel_parse(struct cel *c, const struct cel_scope *scope, char why[static CEL_WHY_MAX])
{
	struct parser p = {.cel = c,
		.scope = scope,
		.lexer = {.text = c->text.s, .len = c->text.n, .arena = &c->arena},
		.why = why};
	const struct node *n;

	while (c->names[p.n_names])
		p.n_names++;
	parse_step(&p);
	n = p.failed ? NULL : parse_expression(&p);
	if (!p.failed && p.now.type != TOKEN_END)
		parse_unexpected(&p, "the end");
	return p.failed ? NULL : n;
}
