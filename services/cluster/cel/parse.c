/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Tokens become a tree, by descent in the order of CEL's grammar. Macros become nodes of their own, names become slots, and
 * functions are found here, so that what cannot be evaluated is refused before it is kept.
 */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cluster/cel/cel_int.h"

/* Levels of brackets, and operators in all: what both bound is how deep an evaluation calls itself. */
enum { DEPTH_MAX = 100, OPERATORS_MAX = 2000 };

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

static const struct node *expression(struct parser *p);
static const struct node *message(struct parser *p, size_t at, struct text type);

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

static void printf_like(3, 4) refuse(struct parser *p, size_t at, const char *format, ...)
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
static void undeclared(struct parser *p, size_t at, struct text name)
{
	refuse(p, at, "undeclared reference to '%.*s' (in container '')", (int)name.n, name.s);
}

static void step(struct parser *p)
{
	p->now = lex(&p->lexer);
	if (p->now.type == TOKEN_BAD)
		refuse(p, p->now.at, "%.*s", (int)p->now.text.n, p->now.text.s);
}

static bool is_op(const struct parser *p, const char *op)
{
	return p->now.type == TOKEN_OP && text_is(p->now.text, op);
}

static bool is_word(const struct parser *p, const char *word)
{
	return p->now.type == TOKEN_NAME && text_is(p->now.text, word);
}

static bool got(struct parser *p, const char *op)
{
	if (!is_op(p, op))
		return false;
	step(p);
	return true;
}

static void unexpected(struct parser *p, const char *wanted)
{
	if (p->now.type == TOKEN_END)
		refuse(p, p->now.at, "the expression ends where %s should be", wanted);
	else
		refuse(p, p->now.at, "'%.*s' stands where %s should be", (int)p->now.text.n,
			p->now.text.s ? p->now.text.s : "", wanted);
}

static bool expect(struct parser *p, const char *op)
{
	if (got(p, op))
		return true;
	unexpected(p, op);
	return false;
}

/* Another operator in a chain of them, which the tree has below each other. */
static bool another(struct parser *p)
{
	if (++p->operators > OPERATORS_MAX)
		refuse(p, p->now.at, "more than %d operators", OPERATORS_MAX);
	return !p->failed;
}

/* ---- nodes */

static struct node *node(struct parser *p, enum node_type type, size_t at)
{
	struct node *n = p->failed ? NULL : arena_get(&p->cel->arena, sizeof(*n));

	if (n) {
		n->type = type;
		n->at = (uint32_t)at;
	} else {
		refuse(p, at, "out of memory");
	}
	return n;
}

/* Arguments while their number is not known. */
struct args {
	const struct node *at[ARGS_MAX];
	size_t n;
};

static void add(struct parser *p, struct args *a, const struct node *n)
{
	if (a->n == ARGS_MAX)
		refuse(p, p->now.at, "more than %d arguments or elements", ARGS_MAX);
	else if (n)
		a->at[a->n++] = n;
}

static const struct node *with(struct parser *p, struct node *n, const struct args *a)
{
	const struct node **own = arena_get(&p->cel->arena, (a->n ? a->n : 1) * sizeof(*own));

	if (p->failed || !n)
		return NULL;
	if (!own) {
		refuse(p, p->now.at, "out of memory");
		return NULL;
	}
	memcpy(own, a->at, a->n * sizeof(*own));
	n->args = own;
	n->n = a->n;
	return n;
}

static const struct node *call(
	struct parser *p, size_t at, struct text name, bool member, const struct args *a)
{
	const struct function *f = function_find(name, member);
	struct node *n;

	if (p->failed)
		return NULL;
	if (!f) {
		undeclared(p, at, name);
		return NULL;
	}
	if (!overloads_take(f->overloads, a->n)) {
		refuse(p, at, "found no matching overload for '%.*s' of %zu arguments", (int)name.n, name.s,
			a->n - member);
		return NULL;
	}
	n = node(p, NODE_CALL, at);
	if (n)
		n->function = f;
	return with(p, n, a);
}

static const struct node *operate(
	struct parser *p, size_t at, const char *op, const struct node *a, const struct node *b)
{
	struct args args = {0};

	add(p, &args, a);
	add(p, &args, b);
	return call(p, at, (struct text){op, strlen(op)}, false, &args);
}

static const struct node *join(struct parser *p, enum node_type type, size_t at, const struct node *a,
	const struct node *b, const struct node *c)
{
	struct args args = {0};

	add(p, &args, a);
	add(p, &args, b);
	add(p, &args, c);
	return with(p, node(p, type, at), &args);
}

static const struct node *literal(struct parser *p, size_t at, struct value v)
{
	struct node *n = node(p, NODE_LITERAL, at);

	if (n)
		n->literal = v;
	return n;
}

/* ---- names */

static bool is_reserved(struct text name)
{
	static const char *const words[] = {"as", "break", "const", "continue", "else", "for", "function",
		"if", "import", "in", "let", "loop", "package", "namespace", "return", "var", "void",
		"while"};

	for (size_t i = 0; i < array_len(words); i++)
		if (text_is(name, words[i]))
			return true;
	return false;
}

static const struct node *type_literal(struct parser *p, size_t at, struct text name)
{
	static const struct {
		const char *name;
		enum value_type type;
	} types[] = {{"bool", VALUE_BOOL}, {"int", VALUE_INT}, {"uint", VALUE_UINT}, {"double", VALUE_DOUBLE},
		{"string", VALUE_STRING}, {"bytes", VALUE_BYTES}, {"list", VALUE_LIST}, {"map", VALUE_MAP},
		{"null_type", VALUE_NULL}, {"type", VALUE_TYPE}};

	for (size_t i = 0; i < array_len(types); i++)
		if (text_is(name, types[i].name))
			return literal(p, at, (struct value){.type = VALUE_TYPE, .of = types[i].type});
	return NULL;
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
		return literal(p, at, value_bool(text_is(name, "true")));
	if (text_is(name, "null"))
		return literal(p, at, (struct value){.type = VALUE_NULL});
	if (find_slot(p, name, &slot)) {
		n = node(p, NODE_NAME, at);
		if (n)
			n->slot = slot;
		return n;
	}
	type = is_reserved(name) ? NULL : type_literal(p, at, name);
	if (!type)
		undeclared(p, at, name);
	return type;
}

/* The family's name is behind. */
static const struct node *member_of_family(struct parser *p, size_t at)
{
	const struct cel_family *family = p->scope->family;
	struct text name;
	size_t dot = p->now.at;
	struct node *n;

	if (!got(p, ".") || p->now.type != TOKEN_NAME) {
		refuse(p, at, "'%s' is followed by a dot and a name", family->name);
		return NULL;
	}
	name = p->now.text;
	for (size_t i = 0; i < family->n; i++) {
		if (!text_is(name, family->members[i]))
			continue;
		step(p);
		n = node(p, NODE_MEMBER, dot);
		if (n)
			n->slot = i;
		return n;
	}
	refuse(p, dot, "undefined field '%.*s'", (int)name.n, name.s);
	return NULL;
}

/* ---- calls */

static void arguments(struct parser *p, struct args *a, const char *end)
{
	while (!p->failed && !is_op(p, end)) {
		add(p, a, expression(p));
		if (!got(p, ","))
			break;
	}
	expect(p, end);
}

static const struct node *has(struct parser *p, size_t at)
{
	const struct node *of = expression(p);
	struct node *n;

	expect(p, ")");
	if (p->failed || !of)
		return NULL;
	if (of->type != NODE_SELECT || of->optional) {
		refuse(p, at, "invalid argument to has() macro: it takes a field selection");
		return NULL;
	}
	n = node(p, NODE_HAS, of->at);
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
};

static const struct macro *macro_of(struct text name)
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

static bool variable(struct parser *p)
{
	struct text name = p->now.text;

	if (p->now.type != TOKEN_NAME || is_reserved(name)) {
		refuse(p, p->now.at, "argument must be a simple name");
		return false;
	}
	if (p->n_names + p->n_locals == SLOTS_MAX) {
		refuse(p, p->now.at, "more than %d variables", SLOTS_MAX);
		return false;
	}
	step(p);
	if (!expect(p, ","))
		return false;
	p->locals[p->n_locals++] = name;
	return true;
}

/* operand.NAME(x, ...), from behind its parenthesis. */
static const struct node *each(struct parser *p, size_t at, const struct node *operand, const struct macro *m)
{
	struct node *n = node(p, NODE_EACH, at);
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
	arguments(p, &args, ")");
	p->n_locals = before;
	if (!p->failed && (!args.n || args.n > m->most || 1u + two < m->variables[0])) {
		refuse(p, at, "found no matching overload for '%s'", m->name);
		return NULL;
	}
	return with(p, n, &args);
}

/* Functions whose names have a dot: optional.of(x). */
static bool is_package(const struct parser *p, struct text name)
{
	return text_is(name, "optional") || text_is(name, "ip") || text_is(name, "sets") ||
	       text_is(name, "strings") || text_is(name, "format") ||
	       (p->scope->patches && text_is(name, "jsonpatch"));
}

static const struct node *packaged(struct parser *p, struct text first)
{
	struct args args = {0};
	struct text name = first;
	size_t at;

	step(p);
	if (p->now.type != TOKEN_NAME) {
		unexpected(p, "a name");
		return NULL;
	}
	/* they stand in one piece in the text */
	name.n = (size_t)(p->now.text.s + p->now.text.n - first.s);
	step(p);
	at = p->now.at;
	if (!expect(p, "("))
		return NULL;
	arguments(p, &args, ")");
	return call(p, at, name, false, &args);
}

static const struct node *named(struct parser *p)
{
	struct text name = p->now.text;
	size_t at = p->now.at, open, slot;
	struct args args = {0};

	step(p);
	open = p->now.at;
	if (got(p, "(")) {
		if (text_is(name, "has"))
			return has(p, at);
		arguments(p, &args, ")");
		return call(p, open, name, false, &args);
	}
	if (is_op(p, ".") && is_package(p, name) && !find_slot(p, name, &slot))
		return packaged(p, name);
	if (p->scope->family && text_is(name, p->scope->family->name) && !find_slot(p, name, &slot))
		return member_of_family(p, at);
	if (p->scope->patches && message_begins(name) && !find_slot(p, name, &slot))
		return message(p, at, name);
	return name_of(p, at, name);
}

/* ---- lists and maps */

/* An element, perhaps one that is left out when it is none: ?x. */
static const struct node *element(struct parser *p, bool *optional)
{
	*optional = got(p, "?");
	return expression(p);
}

/* What is optional has a node around it. */
static const struct node *wrapped(struct parser *p, const struct node *of, bool optional)
{
	struct node *n;

	if (!optional || !of)
		return of;
	n = node(p, NODE_OPTIONAL, of->at);
	if (n)
		n->operand = of;
	return n;
}

static const struct node *list(struct parser *p, size_t at)
{
	struct args args = {0};
	bool optional;

	while (!p->failed && !is_op(p, "]")) {
		const struct node *n = element(p, &optional);

		add(p, &args, wrapped(p, n, optional));
		if (!got(p, ","))
			break;
	}
	expect(p, "]");
	return with(p, node(p, NODE_LIST, at), &args);
}

static const struct node *map(struct parser *p, size_t at)
{
	struct args args = {0};
	bool optional;

	while (!p->failed && !is_op(p, "}")) {
		const struct node *key = element(p, &optional);

		expect(p, ":");
		add(p, &args, key);
		add(p, &args, wrapped(p, expression(p), optional));
		if (!got(p, ","))
			break;
	}
	expect(p, "}");
	return with(p, node(p, NODE_MAP, at), &args);
}

/* ---- messages */

static struct text joined(struct parser *p, struct text a, struct text b)
{
	char *both = arena_get(&p->cel->arena, a.n + 1 + b.n);

	if (!both) {
		refuse(p, p->now.at, "out of memory");
		return a;
	}
	memcpy(both, a.s, a.n);
	both[a.n] = '.';
	memcpy(both + a.n + 1, b.s, b.n);
	return (struct text){both, a.n + 1 + b.n};
}

/* name: value */
static void field(struct parser *p, struct text type, struct args *args)
{
	bool optional = got(p, "?");
	struct text name = p->now.text;
	size_t at = p->now.at;

	if (p->now.type != TOKEN_NAME && p->now.type != TOKEN_QUOTED_NAME) {
		unexpected(p, "a field");
		return;
	}
	step(p);
	if (!message_has_field(type, name))
		refuse(p, at, "undefined field '%.*s'", (int)name.n, name.s);
	for (size_t i = 0; i < args->n; i += 2)
		if (args->at[i]->literal.text.n == name.n &&
			!memcmp(args->at[i]->literal.text.s, name.s, name.n))
			refuse(p, at, "field '%.*s' is set twice", (int)name.n, name.s);
	expect(p, ":");
	add(p, args, literal(p, at, value_string(name.s, name.n)));
	add(p, args, wrapped(p, expression(p), optional));
}

/* The rest of its type's name, and its fields. */
static const struct node *message(struct parser *p, size_t at, struct text type)
{
	struct args args = {0};
	struct node *n;

	while (!p->failed && got(p, ".")) {
		if (p->now.type != TOKEN_NAME) {
			unexpected(p, "a name");
			return NULL;
		}
		type = joined(p, type, p->now.text);
		step(p);
	}
	if (!message_is_type(type))
		undeclared(p, at, type);
	expect(p, "{");
	while (!p->failed && !is_op(p, "}")) {
		field(p, type, &args);
		if (!got(p, ","))
			break;
	}
	expect(p, "}");
	n = node(p, NODE_MESSAGE, at);
	if (n)
		n->name = type;
	return with(p, n, &args);
}

/* ---- the grammar, from the inside */

static const struct node *primary(struct parser *p)
{
	size_t at = p->now.at;
	const struct node *n;

	if (p->now.type == TOKEN_VALUE) {
		struct token t = p->now;

		step(p);
		if (t.value.type == VALUE_INT && t.value.i == INT64_MIN)
			refuse(p, t.at, "an integer that is too large");
		return literal(p, at, t.value);
	}
	if (got(p, "(")) {
		n = expression(p);
		expect(p, ")");
		return n;
	}
	if (got(p, "["))
		return list(p, at);
	if (got(p, "{"))
		return map(p, at);
	(void)got(p, "."); /* names of the root are the only ones there are */
	if (p->now.type == TOKEN_NAME)
		return named(p);
	unexpected(p, "an operand");
	return NULL;
}

static const struct node *selection(struct parser *p, size_t dot, const struct node *operand)
{
	bool optional = got(p, "?");
	struct text name = p->now.text;
	size_t at;
	struct args args = {0};
	struct node *n;

	if (p->now.type != TOKEN_NAME && p->now.type != TOKEN_QUOTED_NAME) {
		unexpected(p, "a name");
		return NULL;
	}
	step(p);
	at = p->now.at;
	if (!optional && got(p, "(")) {
		const struct macro *m = macro_of(name);

		if (m)
			return each(p, at, operand, m);
		add(p, &args, operand);
		arguments(p, &args, ")");
		return call(p, at, name, true, &args);
	}
	n = node(p, NODE_SELECT, dot);
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
	bool optional = got(p, "?");
	struct args args = {0};
	struct node *n = node(p, NODE_INDEX, at);

	add(p, &args, expression(p));
	expect(p, "]");
	if (n) {
		n->operand = operand;
		n->optional = optional;
	}
	return with(p, n, &args);
}

static const struct node *member(struct parser *p)
{
	const struct node *n = primary(p);

	while (n && (is_op(p, ".") || is_op(p, "[")) && another(p)) {
		size_t at = p->now.at;

		n = got(p, ".") ? selection(p, at, n) : got(p, "[") ? indexed(p, at, n) : NULL;
	}
	return p->failed ? NULL : n;
}

static const struct node *unary(struct parser *p)
{
	size_t at = p->now.at;
	const struct node *n = NULL;

	if (++p->depth > DEPTH_MAX) {
		refuse(p, at, "nested too deeply");
	} else if (got(p, "!")) {
		n = unary(p);
		n = n ? operate(p, at, "!_", n, NULL) : NULL;
	} else if (got(p, "-")) {
		if (p->now.type == TOKEN_VALUE && p->now.value.type == VALUE_INT &&
			p->now.value.i == INT64_MIN) {
			step(p);
			n = literal(p, at, value_int(INT64_MIN));
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
			if (is_op(p, ops[i].token) || is_word(p, ops[i].token))
				op = &ops[i];
		if (!op || !another(p))
			break;
		step(p);
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

	while (!p->failed && n && got(p, "&&") && another(p)) {
		n = join(p, NODE_AND, at, n, relation(p), NULL);
		at = p->now.at;
	}
	return p->failed ? NULL : n;
}

static const struct node *either(struct parser *p)
{
	const struct node *n = both(p);
	size_t at = p->now.at;

	while (!p->failed && n && got(p, "||") && another(p)) {
		n = join(p, NODE_OR, at, n, both(p), NULL);
		at = p->now.at;
	}
	return p->failed ? NULL : n;
}

static const struct node *expression(struct parser *p)
{
	const struct node *n = NULL, *yes;
	size_t at;

	if (++p->depth > DEPTH_MAX) {
		refuse(p, p->now.at, "nested too deeply");
	} else {
		n = either(p);
		at = p->now.at;
		if (n && got(p, "?")) {
			yes = either(p);
			n = expect(p, ":") ? join(p, NODE_COND, at, n, yes, expression(p)) : NULL;
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
	step(&p);
	n = p.failed ? NULL : expression(&p);
	if (!p.failed && p.now.type != TOKEN_END)
		unexpected(&p, "the end");
	return p.failed ? NULL : n;
}

bool cel_is_name(const char *text, size_t len)
{
	struct text name = {text, len};
	bool ok = len && (text[0] < '0' || text[0] > '9');

	for (size_t i = 0; i < len; i++)
		ok = ok && (text[i] == '_' || (text[i] >= '0' && text[i] <= '9') ||
				   ((text[i] | 0x20) >= 'a' && (text[i] | 0x20) <= 'z'));
	return ok && !is_reserved(name) && !text_is(name, "true") && !text_is(name, "false") &&
	       !text_is(name, "null");
}
