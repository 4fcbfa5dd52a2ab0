/* SPDX-License-Identifier: Apache-2.0 */

/* What a name is: a variable, a type, a function, a member of the family, the beginning of a message. */

#include <string.h>

#include "cluster/cel/parse_int.h"

/* ---- names */

bool parse_reserved(struct text name)
{
	static const char *const words[] = {"as", "break", "const", "continue", "else", "for", "function",
		"if", "import", "in", "let", "loop", "package", "namespace", "return", "var", "void",
		"while"};

	for (size_t i = 0; i < array_len(words); i++)
		if (text_is(name, words[i]))
			return true;
	return false;
}

/* Types with names of their own; those of protobuf and of addresses have dots in them. */
static const struct node *type_literal(struct parser *p, size_t at, struct text name)
{
	static const enum value_type types[] = {VALUE_BOOL, VALUE_INT, VALUE_UINT, VALUE_DOUBLE, VALUE_STRING,
		VALUE_BYTES, VALUE_LIST, VALUE_MAP, VALUE_NULL, VALUE_TYPE, VALUE_TIMESTAMP, VALUE_DURATION,
		VALUE_IP, VALUE_CIDR, VALUE_OPTIONAL};

	for (size_t i = 0; i < array_len(types); i++)
		if (text_is(name, value_type_name(types[i])))
			return parse_literal(p, at, (struct value){.type = VALUE_TYPE, .of = types[i]});
	return NULL;
}

static bool begins_type(struct text name)
{
	return text_is(name, "google") || text_is(name, "net");
}

/* The first part of the name of such a type is behind: what follows has to be the rest. */
static const struct node *dotted_type(struct parser *p, size_t at, struct text first)
{
	const struct node *type = NULL;
	struct text name = first;

	while (!type && !p->failed && parse_got(p, ".") && p->now.type == TOKEN_NAME) {
		name = parse_joined(p, name, p->now.text);
		parse_step(p);
		type = type_literal(p, at, name);
	}
	if (!type)
		parse_undeclared(p, at, first);
	return type;
}

static bool find_slot(const struct parser *p, struct text name, size_t *slot)
{
	for (size_t i = p->n_locals; i > 0; i--) {
		struct text local = p->locals[i - 1];

		if (local.n == name.n && !memcmp(local.s, name.s, name.n)) {
			*slot = p->n_names + i - 1;
			return true;
		}
	}
	for (size_t i = 0; i < p->n_names; i++) {
		if (!text_is(name, p->cel->names[i]))
			continue;
		p->cel->used |= 1ull << i;
		*slot = i;
		return true;
	}
	return false;
}

static const struct node *name_of(struct parser *p, size_t at, struct text name)
{
	const struct node *type;
	struct node *n;
	size_t slot;

	if (text_is(name, "true") || text_is(name, "false"))
		return parse_literal(p, at, value_bool(text_is(name, "true")));
	if (text_is(name, "null"))
		return parse_literal(p, at, (struct value){.type = VALUE_NULL});
	if (find_slot(p, name, &slot)) {
		n = parse_node(p, NODE_NAME, at);
		if (n)
			n->slot = slot;
		return n;
	}
	type = parse_reserved(name) ? NULL : type_literal(p, at, name);
	if (!type)
		parse_undeclared(p, at, name);
	return type;
}

/* The family's name is behind. */
static const struct node *member_of_family(struct parser *p, size_t at)
{
	const struct cel_family *family = p->scope->family;
	struct text name;
	size_t dot = p->now.at;
	struct node *n;

	if (!parse_got(p, ".") || p->now.type != TOKEN_NAME) {
		parse_refuse(p, at, "'%s' is followed by a dot and a name", family->name);
		return NULL;
	}
	name = p->now.text;
	for (size_t i = 0; i < family->n; i++) {
		if (!text_is(name, family->members[i]))
			continue;
		parse_step(p);
		n = parse_node(p, NODE_MEMBER, dot);
		if (n)
			n->slot = i;
		return n;
	}
	parse_refuse(p, dot, "undefined field '%.*s'", (int)name.n, name.s);
	return NULL;
}

/* ---- calls */

/* Functions whose names have a dot: optional.of(x). */
static bool is_package(const struct parser *p, struct text name)
{
	return text_is(name, "optional") || text_is(name, "ip") || text_is(name, "sets") ||
	       text_is(name, "strings") || text_is(name, "lists") || text_is(name, "format") ||
	       (p->scope->patches && text_is(name, "jsonpatch"));
}

static const struct node *packaged(struct parser *p, struct text first)
{
	struct args args = {0};
	struct text name = first;
	size_t at;

	parse_step(p);
	if (p->now.type != TOKEN_NAME) {
		parse_unexpected(p, "a name");
		return NULL;
	}
	/* they stand in one piece in the text */
	name.n = (size_t)(p->now.text.s + p->now.text.n - first.s);
	parse_step(p);
	at = p->now.at;
	if (!parse_expect(p, "("))
		return NULL;
	parse_arguments(p, &args, ")");
	return parse_call(p, at, name, false, &args);
}

const struct node *parse_name(struct parser *p)
{
	struct text name = p->now.text;
	size_t at = p->now.at, open, slot;
	struct args args = {0};

	parse_step(p);
	open = p->now.at;
	if (parse_got(p, "(")) {
		if (text_is(name, "has"))
			return parse_has(p, at);
		parse_arguments(p, &args, ")");
		return parse_call(p, open, name, false, &args);
	}
	if (parse_sees(p, ".") && is_package(p, name) && !find_slot(p, name, &slot))
		return packaged(p, name);
	if (parse_sees(p, ".") && begins_type(name) && !find_slot(p, name, &slot))
		return dotted_type(p, at, name);
	if (p->scope->family && text_is(name, p->scope->family->name) && !find_slot(p, name, &slot))
		return member_of_family(p, at);
	if (p->scope->binds && text_is(name, "cel") && !find_slot(p, name, &slot))
		return parse_bind(p, at);
	if (p->scope->patches && message_begins(name) && !find_slot(p, name, &slot))
		return parse_message(p, at, name);
	return name_of(p, at, name);
}

bool cel_is_name(const char *text, size_t len)
{
	struct text name = {text, len};
	bool ok = len && (text[0] < '0' || text[0] > '9');

	for (size_t i = 0; i < len; i++)
		ok = ok && (text[i] == '_' || (text[i] >= '0' && text[i] <= '9') ||
				   ((text[i] | 0x20) >= 'a' && (text[i] | 0x20) <= 'z'));
	return ok && !parse_reserved(name) && !text_is(name, "true") && !text_is(name, "false") &&
	       !text_is(name, "null");
}
