/* SPDX-License-Identifier: Apache-2.0 */

/* Lists, maps and messages: elements in brackets. */

#include <string.h>

#include "cluster/cel/parse_int.h"

/* ---- lists and maps */

/* An element, perhaps one that is left out when it is none: ?x. */
static const struct node *element(struct parser *p, bool *optional)
{
	*optional = parse_got(p, "?");
	return parse_expression(p);
}

/* What is optional has a node around it. */
static const struct node *wrapped(struct parser *p, const struct node *of, bool optional)
{
	struct node *n;

	if (!optional || !of)
		return of;
	n = parse_node(p, NODE_OPTIONAL, of->at);
	if (n)
		n->operand = of;
	return n;
}

const struct node *parse_list(struct parser *p, size_t at)
{
	struct args args = {0};
	bool optional;

	while (!p->failed && !parse_sees(p, "]")) {
		const struct node *n = element(p, &optional);

		parse_add(p, &args, wrapped(p, n, optional));
		if (!parse_got(p, ","))
			break;
	}
	parse_expect(p, "]");
	return parse_with(p, parse_node(p, NODE_LIST, at), &args);
}

const struct node *parse_map(struct parser *p, size_t at)
{
	struct args args = {0};
	bool optional;

	while (!p->failed && !parse_sees(p, "}")) {
		const struct node *key = element(p, &optional);

		parse_expect(p, ":");
		parse_add(p, &args, key);
		parse_add(p, &args, wrapped(p, parse_expression(p), optional));
		if (!parse_got(p, ","))
			break;
	}
	parse_expect(p, "}");
	return parse_with(p, parse_node(p, NODE_MAP, at), &args);
}

/* ---- messages */

/* name: value */
static void field(struct parser *p, struct text type, struct args *args)
{
	bool optional = parse_got(p, "?");
	struct text name = p->now.text;
	size_t at = p->now.at;

	if (p->now.type != TOKEN_NAME && p->now.type != TOKEN_QUOTED_NAME) {
		parse_unexpected(p, "a field");
		return;
	}
	parse_step(p);
	if (!message_has_field(type, name))
		parse_refuse(p, at, "undefined field '%.*s'", (int)name.n, name.s);
	for (size_t i = 0; i < args->n; i += 2)
		if (args->at[i]->literal.text.n == name.n &&
			!memcmp(args->at[i]->literal.text.s, name.s, name.n))
			parse_refuse(p, at, "field '%.*s' is set twice", (int)name.n, name.s);
	parse_expect(p, ":");
	parse_add(p, args, parse_literal(p, at, value_string(name.s, name.n)));
	parse_add(p, args, wrapped(p, parse_expression(p), optional));
}

/* The rest of its type's name, and its fields. */
const struct node *parse_message(struct parser *p, size_t at, struct text type)
{
	struct args args = {0};
	struct node *n;

	while (!p->failed && parse_got(p, ".")) {
		if (p->now.type != TOKEN_NAME) {
			parse_unexpected(p, "a name");
			return NULL;
		}
		type = parse_joined(p, type, p->now.text);
		parse_step(p);
	}
	if (!message_is_type(type))
		parse_undeclared(p, at, type);
	parse_expect(p, "{");
	while (!p->failed && !parse_sees(p, "}")) {
		field(p, type, &args);
		if (!parse_got(p, ","))
			break;
	}
	parse_expect(p, "}");
	n = parse_node(p, NODE_MESSAGE, at);
	if (n)
		n->name = type;
	return parse_with(p, n, &args);
}
