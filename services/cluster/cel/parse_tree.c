/* SPDX-License-Identifier: Apache-2.0 */

/* What the parts of the reader have in common: refusals, tokens one after the other, nodes. */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cluster/cel/parse_int.h"

/* ---- refusals */

void cel_refuse(char why[static CEL_WHY_MAX], struct text text, size_t at, const char *format, va_list ap)
{
	size_t line = 1, column = 1, n;

	for (size_t i = 0; i < at && i < text.n; i++) {
		column = text.s[i] == '\n' ? 1 : column + ((text.s[i] & 0xc0) != 0x80);
		line += text.s[i] == '\n';
	}
	n = (size_t)snprintf(why, CEL_WHY_MAX, "%zu:%zu: ", line, column);
	vsnprintf(why + n, CEL_WHY_MAX - n, format, ap);
}

void parse_refuse(struct parser *p, size_t at, const char *format, ...)
{
	va_list ap;

	if (p->failed)
		return;
	p->failed = true;
	va_start(ap, format);
	cel_refuse(p->why, p->cel->text, at, format, ap);
	va_end(ap);
}

/* Upstream's words, which name the container of names, too: here there is none but the root. */
void parse_undeclared(struct parser *p, size_t at, struct text name)
{
	parse_refuse(p, at, "undeclared reference to '%.*s' (in container '')", (int)name.n, name.s);
}

void parse_step(struct parser *p)
{
	p->now = lex(&p->lexer);
	if (p->now.type == TOKEN_BAD)
		parse_refuse(p, p->now.at, "%.*s", (int)p->now.text.n, p->now.text.s);
}

bool parse_sees(const struct parser *p, const char *op)
{
	return p->now.type == TOKEN_OP && text_is(p->now.text, op);
}

bool parse_got(struct parser *p, const char *op)
{
	if (!parse_sees(p, op))
		return false;
	parse_step(p);
	return true;
}

void parse_unexpected(struct parser *p, const char *wanted)
{
	if (p->now.type == TOKEN_END)
		parse_refuse(p, p->now.at, "the expression ends where %s should be", wanted);
	else
		parse_refuse(p, p->now.at, "'%.*s' stands where %s should be", (int)p->now.text.n,
			p->now.text.s ? p->now.text.s : "", wanted);
}

bool parse_expect(struct parser *p, const char *op)
{
	if (parse_got(p, op))
		return true;
	parse_unexpected(p, op);
	return false;
}

/* ---- nodes */

struct text parse_joined(struct parser *p, struct text a, struct text b)
{
	char *both = arena_get(&p->cel->arena, a.n + 1 + b.n);

	if (!both) {
		parse_refuse(p, p->now.at, "out of memory");
		return a;
	}
	memcpy(both, a.s, a.n);
	both[a.n] = '.';
	memcpy(both + a.n + 1, b.s, b.n);
	return (struct text){both, a.n + 1 + b.n};
}

struct node *parse_node(struct parser *p, enum node_type type, size_t at)
{
	struct node *n = p->failed ? NULL : arena_get(&p->cel->arena, sizeof(*n));

	if (n) {
		n->type = type;
		n->at = (uint32_t)at;
	} else {
		parse_refuse(p, at, "out of memory");
	}
	return n;
}

void parse_add(struct parser *p, struct args *a, const struct node *n)
{
	if (a->n == ARGS_MAX)
		parse_refuse(p, p->now.at, "more than %d arguments or elements", ARGS_MAX);
	else if (n)
		a->at[a->n++] = n;
}

const struct node *parse_with(struct parser *p, struct node *n, const struct args *a)
{
	const struct node **own = arena_get(&p->cel->arena, (a->n ? a->n : 1) * sizeof(*own));

	if (p->failed || !n)
		return NULL;
	if (!own) {
		parse_refuse(p, p->now.at, "out of memory");
		return NULL;
	}
	memcpy(own, a->at, a->n * sizeof(*own));
	n->args = own;
	n->n = a->n;
	return n;
}

const struct node *parse_call(
	struct parser *p, size_t at, struct text name, bool member, const struct args *a)
{
	const struct function *f = function_find(name, member);
	struct node *n;

	if (p->failed)
		return NULL;
	if (!f) {
		parse_undeclared(p, at, name);
		return NULL;
	}
	if (!overloads_take(f->overloads, a->n)) {
		parse_refuse(p, at, "found no matching overload for '%.*s' of %zu arguments", (int)name.n,
			name.s, a->n - member);
		return NULL;
	}
	n = parse_node(p, NODE_CALL, at);
	if (n)
		n->function = f;
	return parse_with(p, n, a);
}

const struct node *parse_literal(struct parser *p, size_t at, struct value v)
{
	struct node *n = parse_node(p, NODE_LITERAL, at);

	if (n)
		n->literal = v;
	return n;
}
