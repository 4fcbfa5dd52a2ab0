/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_CEL_PARSE_INT_H
#define CLUSTER_CEL_PARSE_INT_H

/*
 * The reader: parse.c is the grammar from operators down to operands, parse_names.c knows what names are and what is called,
 * parse_macros.c what looks like a call and is none, parse_literals.c what stands in brackets; parse_tree.c is what all of them
 * work with. Whatever makes a node returns NULL when something was refused, then or before: the first refusal is the one that counts.
 */

#include "cluster/cel/cel_int.h"

struct parser {
	struct cel *cel;
	const struct cel_scope *scope;
	struct lexer lexer;
	struct token now;
	size_t depth, operators, n_names, n_locals;
	struct text locals[SLOTS_MAX];
	char *why;
	bool failed;
};

/* Arguments while their number is not known. */
struct args {
	const struct node *at[ARGS_MAX];
	size_t n;
};

/* ---- parse_tree.c */

void parse_refuse(struct parser *p, size_t at, const char *format, ...) printf_like(3, 4);
void parse_undeclared(struct parser *p, size_t at, struct text name);
/* What is there is not what is @wanted. */
void parse_unexpected(struct parser *p, const char *wanted);

void parse_step(struct parser *p);
/* Is it this operator? The last two step over it when it is. */
bool parse_sees(const struct parser *p, const char *op);
bool parse_got(struct parser *p, const char *op);
bool parse_expect(struct parser *p, const char *op);

/* "a.b" */
struct text parse_joined(struct parser *p, struct text a, struct text b);
struct node *parse_node(struct parser *p, enum node_type type, size_t at);
/* NULL, which was refused, is not added. */
void parse_add(struct parser *p, struct args *a, const struct node *n);
/* The node with a copy of the arguments. */
const struct node *parse_with(struct parser *p, struct node *n, const struct args *a);
const struct node *parse_call(
	struct parser *p, size_t at, struct text name, bool member, const struct args *a);
const struct node *parse_literal(struct parser *p, size_t at, struct value v);

/* ---- parse.c */

const struct node *parse_expression(struct parser *p);
/* Up to @end and over it. */
void parse_arguments(struct parser *p, struct args *a, const char *end);

/* ---- parse_names.c */

/* What begins with a name: a variable, a type, a call, a message. */
const struct node *parse_name(struct parser *p);
/* A word of the language. */
bool parse_reserved(struct text name);

/* ---- parse_macros.c: from behind the parenthesis */

struct macro;

const struct node *parse_has(struct parser *p, size_t at);
/* Of operand.NAME(); NULL: it is none. */
const struct macro *parse_macro(struct text name);
const struct node *parse_each(struct parser *p, size_t at, const struct node *operand, const struct macro *m);
/* cel.bind(), from behind the first word. */
const struct node *parse_bind(struct parser *p, size_t at);

/* ---- parse_literals.c: from behind the bracket, and a message from behind the first part of its type's name */

const struct node *parse_list(struct parser *p, size_t at);
const struct node *parse_map(struct parser *p, size_t at);
const struct node *parse_message(struct parser *p, size_t at, struct text type);

#endif
