/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The types of an expression, from the leaves up, as CEL's own checker finds them: what can never have an answer is refused when it
 * is written. The first mistake is what is told.
 */

#include <stdio.h>
#include <stdlib.h>

#include "cluster/cel/cel_int.h"

enum { ARGS_MOST = 4, WORDS_MAX = 200 };

struct checker {
	struct cel *cel;
	const struct cel_scope *scope;
	struct typing typing;
	const struct type *slots[SLOTS_MAX];
	size_t mixed; /* in so many calls of format(), which takes lists of anything */
	bool stored;  /* written before: what its literals say is found out when it is asked */
	char *why;
	bool failed;
};

static const struct type *check(struct checker *k, const struct node *n);

static const struct type *dyn(void)
{
	return type_of_kind(CEL_DYN);
}

static bool is_unknown(const struct type *t)
{
	return t->kind == CEL_DYN || t->kind == CEL_OPEN;
}

static const struct type *printf_like(3, 4) refuse(struct checker *k, size_t at, const char *format, ...)
{
	va_list ap;

	if (k->failed)
		return dyn();
	k->failed = true;
	va_start(ap, format);
	cel_refuse(k->why, k->cel->text, at, format, ap);
	va_end(ap);
	return dyn();
}

static const struct type *no_overload(
	struct checker *k, size_t at, const char *name, const struct type *const *args, size_t n, bool member)
{
	char words[WORDS_MAX];

	types_write(args, n, member, words, sizeof(words));
	return refuse(k, at, "found no matching overload for '%s' applied to '%s'", name, words);
}

static const struct type *mismatch(
	struct checker *k, size_t at, const struct type *wanted, const struct type *found)
{
	char a[WORDS_MAX / 2], b[WORDS_MAX / 2];

	type_write(wanted, a, sizeof(a));
	type_write(found, b, sizeof(b));
	return refuse(k, at, "expected type '%s' but found '%s'", a, b);
}

/* ---- selections */

static bool known_field(const struct type *of, struct text name, struct cel_shape *out)
{
	char plain[256];
	size_t len;

	if (of->shape.from->field(of->shape.at, name.s, name.n, out))
		return true;
	len = text_unescape(name, plain, sizeof(plain));
	return len && of->shape.from->field(of->shape.at, plain, len, out);
}

static const struct type *field_of(struct checker *k, const struct node *n, const struct type *of)
{
	char words[WORDS_MAX];
	struct cel_shape shape;

	switch (of->kind) {
	case CEL_DYN:
	case CEL_OPEN:
		return dyn();
	case CEL_MAP:
		return of->of;
	case CEL_STRUCT:
		if (known_field(of, n->name, &shape))
			return type_of_shape(&k->typing, shape);
		return refuse(k, n->at, "undefined field '%.*s'", (int)n->name.n, n->name.s);
	case CEL_MESSAGE:
		if (!message_has_field(of->name, n->name))
			return refuse(k, n->at, "undefined field '%.*s'", (int)n->name.n, n->name.s);
		return message_is_text(of->name, n->name) ? type_of_kind(CEL_STRING) : dyn();
	default:
		type_write(of, words, sizeof(words));
		return refuse(k, n->at, "type '%s' does not support field selection", words);
	}
}

/* What is selected from, and whether what is selected is an optional. */
static const struct type *operand(struct checker *k, const struct node *n, bool *optional)
{
	const struct type *of = check(k, n->operand);

	*optional = n->optional || of->kind == CEL_OPTIONAL;
	return of->kind == CEL_OPTIONAL ? of->of : of;
}

/* What the checker finds out is written down where it is asked for. */
static struct node *noted(const struct node *n)
{
	return (struct node *)(uintptr_t)n;
}

/* In what has a schema null is no value of a field, nullable or not: so the Kubernetes API has it for rules. */
static void note_nulls(const struct node *n, const struct type *of)
{
	noted(n)->no_null = of->kind == CEL_STRUCT && of->shape.from->null_is_none;
}

static const struct type *selection(struct checker *k, const struct node *n)
{
	bool optional;
	const struct type *of = operand(k, n, &optional), *found;

	if (of->kind == CEL_AUTHORIZER && is_request_resource(n))
		return type_of_kind(CEL_RESOURCE_CHECK);
	note_nulls(n, of);
	found = field_of(k, n, of);
	return optional ? type_optional(&k->typing, found) : found;
}

static const struct type *presence(struct checker *k, const struct node *n)
{
	bool optional;
	const struct type *of = operand(k, n, &optional);

	(void)field_of(k, n, of);
	note_nulls(n, of);
	return type_of_kind(CEL_BOOL);
}

static const struct type *item_at(struct checker *k, const struct type *of, const struct type *at)
{
	switch (of->kind) {
	case CEL_DYN:
	case CEL_OPEN:
		return dyn();
	case CEL_LIST:
		return type_may_be(at, CEL_INT) ? of->of : NULL;
	case CEL_MAP:
		return type_join(&k->typing, of->key, at) ? of->of : NULL;
	default:
		return NULL;
	}
}

static const struct type *indexed(struct checker *k, const struct node *n)
{
	bool optional;
	const struct type *args[2], *found;

	args[0] = operand(k, n, &optional);
	args[1] = check(k, n->args[0]);
	found = item_at(k, args[0], args[1]);
	if (!found)
		return no_overload(k, n->at, n->optional ? "_[?_]" : "_[_]", args, 2, false);
	return optional ? type_optional(&k->typing, found) : found;
}

/* ---- calls, lists, maps, messages */

/*
 * A text that stands there and is not what the function reads would never have an answer: the function itself says so. What that needs
 * is not kept on the stack while the checker goes down a tree.
 */
static __attribute__((noinline)) void check_literal(struct checker *k, const struct node *n)
{
	static const struct {
		const char *function;
		size_t arg;
	} reads[] = {{"duration", 0}, {"timestamp", 0}, {"matches", 1}};
	struct value args[2] = {value_string("", 0), value_string("", 0)}, said = value_bool(true);
	struct eval e = {.arena.left = 1 << 16, .steps = CEL_BUDGET};

	for (size_t i = 0; i < array_len(reads); i++) {
		const struct node *text = n->n > reads[i].arg ? n->args[reads[i].arg] : NULL;

		if (!text || text->type != NODE_LITERAL || text->literal.type != VALUE_STRING ||
			strcmp(n->function->name, reads[i].function) != 0)
			continue;
		args[reads[i].arg] = text->literal;
		said = n->function->fn(&e, args, reads[i].arg + 1);
		if (is_error(said))
			refuse(k, text->at, "invalid %s argument: %.*s", n->function->name, (int)said.text.n,
				said.text.s);
	}
	arena_free(&e.arena);
}

static const struct type *call(struct checker *k, const struct node *n)
{
	const struct type *args[ARGS_MOST], *found;
	bool mixes = n->function->member && !strcmp(n->function->name, "format");

	/* no function takes more, which the parser has seen to */
	if (n->n > ARGS_MOST)
		return dyn();
	k->mixed += mixes;
	for (size_t i = 0; i < n->n; i++)
		args[i] = check(k, n->args[i]);
	k->mixed -= mixes;
	found = overloads_find(&k->typing, n->function->overloads, args, n->n);
	if (found && !k->stored)
		check_literal(k, n);
	return found ? found : no_overload(k, n->at, n->function->name, args, n->n, n->function->member);
}

/* One of a list, or a value of a map; an optional one is what it holds. */
static const struct type *element(struct checker *k, const struct node *n)
{
	const struct type *type = check(k, n->type == NODE_OPTIONAL ? n->operand : n);

	if (n->type != NODE_OPTIONAL || is_unknown(type))
		return type;
	return type->kind == CEL_OPTIONAL ? type->of
					  : mismatch(k, n->at, type_optional(&k->typing, type), type);
}

/* All elements of a literal are of one type. @all: of those before, NULL: none. */
static const struct type *joined(struct checker *k, size_t at, const struct type *all, const struct type *one)
{
	const struct type *both = all ? type_join(&k->typing, all, one) : one;

	if (both)
		return both;
	return k->mixed ? dyn() : mismatch(k, at, all, one);
}

static const struct type *list(struct checker *k, const struct node *n)
{
	const struct type *all = NULL;

	for (size_t i = 0; i < n->n; i++)
		all = joined(k, n->args[i]->at, all, element(k, n->args[i]));
	return type_list(&k->typing, all ? all : type_of_kind(CEL_OPEN));
}

static const struct type *map(struct checker *k, const struct node *n)
{
	const struct type *keys = NULL, *values = NULL;

	for (size_t i = 0; i + 1 < n->n; i += 2) {
		keys = joined(k, n->args[i]->at, keys, check(k, n->args[i]));
		values = joined(k, n->args[i + 1]->at, values, element(k, n->args[i + 1]));
	}
	return type_map(
		&k->typing, keys ? keys : type_of_kind(CEL_OPEN), values ? values : type_of_kind(CEL_OPEN));
}

static const struct type *message(struct checker *k, const struct node *n)
{
	char words[WORDS_MAX];

	for (size_t i = 0; i + 1 < n->n; i += 2) {
		struct text field = n->args[i]->literal.text;
		const struct type *value = element(k, n->args[i + 1]);

		if (!message_is_text(n->name, field) || type_may_be(value, CEL_STRING))
			continue;
		type_write(value, words, sizeof(words));
		refuse(k, n->args[i]->at,
			"expected type of field '%.*s' is 'string' but provided type is '%s'", (int)field.n,
			field.s, words);
	}
	return type_message(&k->typing, n->name);
}

/* ---- conditions */

static const struct type *logic(struct checker *k, const struct node *n, const char *name)
{
	const struct type *args[2];

	args[0] = check(k, n->args[0]);
	args[1] = check(k, n->args[1]);
	if (!type_may_be(args[0], CEL_BOOL) || !type_may_be(args[1], CEL_BOOL))
		return no_overload(k, n->at, name, args, 2, false);
	return type_of_kind(CEL_BOOL);
}

static const struct type *condition(struct checker *k, const struct node *n)
{
	const struct type *args[3], *either;

	for (size_t i = 0; i < array_len(args); i++)
		args[i] = check(k, n->args[i]);
	either = type_may_be(args[0], CEL_BOOL) ? type_join(&k->typing, args[1], args[2]) : NULL;
	return either ? either : no_overload(k, n->at, "_?_:_", args, 3, false);
}

/* ---- macros */

/* What there is for each turn: false: it is nothing to go through. */
static bool turns(const struct type *over, bool with_keys, const struct type **key, const struct type **item)
{
	*key = *item = dyn();
	if (over->kind == CEL_LIST) {
		*key = type_of_kind(CEL_INT);
		*item = over->of;
	} else if (over->kind == CEL_MAP) {
		*key = over->key;
		*item = with_keys ? over->of : over->key;
	}
	return over->kind == CEL_LIST || over->kind == CEL_MAP || is_unknown(over);
}

/* The words are those of what the macro is made of. */
static void asked(struct checker *k, const struct node *n, size_t arg)
{
	const struct type *args[3] = {type_of_kind(CEL_BOOL), check(k, n->args[arg]), dyn()};

	if (type_may_be(args[1], CEL_BOOL))
		return;
	if (n->each == EACH_ALL || n->each == EACH_EXISTS) {
		no_overload(k, n->at, n->each == EACH_ALL ? "_&&_" : "_||_", args, 2, false);
	} else {
		args[0] = args[1];
		args[1] = dyn();
		no_overload(k, n->at, "_?_:_", args, 3, false);
	}
}

/* In the words of the function that sorts by the keys. */
static const struct type *sorted(struct checker *k, const struct node *n, const struct type *item)
{
	static const char keys[] = "[I]>* [U]>* [D]>* [B]>* [S]>* [Y]>* [T]>* [P]>*";
	const struct type *args[2] = {
		type_list(&k->typing, item), type_list(&k->typing, check(k, n->args[0]))};

	return overloads_find(&k->typing, keys, &args[1], 1)
		       ? args[0]
		       : no_overload(k, n->at, "@sortByAssociatedKeys", args, 2, true);
}

/* In the words of the function that puts a map into another. */
static const struct type *merged(struct checker *k, const struct node *n, const struct type *entry)
{
	const struct type *args[2] = {type_map(&k->typing, dyn(), dyn()), entry};

	if (entry->kind == CEL_MAP)
		return entry;
	return is_unknown(entry) ? args[0] : no_overload(k, n->at, "cel.@mapInsert", args, 2, false);
}

static const struct type *result(
	struct checker *k, const struct node *n, const struct type *key, const struct type *item)
{
	const struct type *last;

	switch (n->each) {
	case EACH_ALL:
	case EACH_EXISTS:
	case EACH_ONE:
		asked(k, n, 0);
		return type_of_kind(CEL_BOOL);
	case EACH_FILTER:
		asked(k, n, 0);
		return type_list(&k->typing, item);
	case EACH_SORT:
		return sorted(k, n, item);
	default:
		if (n->n == 2)
			asked(k, n, 0);
		last = check(k, n->args[n->n - 1]);
		if (n->each == EACH_MERGE)
			return merged(k, n, last);
		return n->each == EACH_ENTRIES ? type_map(&k->typing, key, last)
					       : type_list(&k->typing, last);
	}
}

/* What is made of what is in an optional, in an optional. */
static const struct type *looked_into(struct checker *k, const struct node *n, const struct type *over)
{
	const struct type *made;

	if (!type_may_be(over, CEL_OPTIONAL))
		return no_overload(k, n->at, "hasValue", &over, 1, true);
	k->slots[n->slot] = over->kind == CEL_OPTIONAL ? over->of : dyn();
	made = check(k, n->args[0]);
	if (n->each == EACH_OPTIONAL)
		return type_optional(&k->typing, made);
	if (type_may_be(made, CEL_OPTIONAL))
		return made->kind == CEL_OPTIONAL ? made : type_optional(&k->typing, dyn());
	return mismatch(k, n->args[0]->at, type_optional(&k->typing, dyn()), made);
}

static const struct type *each(struct checker *k, const struct node *n)
{
	const struct type *over = check(k, n->operand), *key, *item;
	char words[WORDS_MAX];

	if (n->each == EACH_OPTIONAL || n->each == EACH_FLAT)
		return looked_into(k, n, over);
	if (n->each == EACH_BIND) {
		k->slots[n->slot] = over;
		return check(k, n->args[0]);
	}
	if (n->each == EACH_SORT && !type_may_be(over, CEL_LIST))
		return no_overload(k, n->at, "@sortByAssociatedKeys", &over, 1, true);
	if (!turns(over, n->with_keys, &key, &item)) {
		type_write(over, words, sizeof(words));
		return refuse(k, n->operand->at,
			"expression of type '%s' cannot be range of a comprehension (must be list, map, or dynamic)",
			words);
	}
	if (n->with_keys)
		k->slots[n->slot - 1] = key;
	k->slots[n->slot] = item;
	return result(k, n, key, item);
}

/* ---- all of them */

static const struct type *member(const struct checker *k, const struct node *n)
{
	const struct cel *c = k->scope->family->programs[n->slot];

	return c && c->type ? c->type : dyn();
}

static const struct type *type_of_node(struct checker *k, const struct node *n)
{
	switch (n->type) {
	case NODE_LITERAL:
		return type_of_literal(n->literal);
	case NODE_NAME:
		return k->slots[n->slot];
	case NODE_MEMBER:
		return member(k, n);
	case NODE_SELECT:
		return selection(k, n);
	case NODE_HAS:
		return presence(k, n);
	case NODE_INDEX:
		return indexed(k, n);
	case NODE_CALL:
		return call(k, n);
	case NODE_LIST:
		return list(k, n);
	case NODE_MAP:
		return map(k, n);
	case NODE_MESSAGE:
		return message(k, n);
	case NODE_COND:
		return condition(k, n);
	case NODE_AND:
		return logic(k, n, "_&&_");
	case NODE_OR:
		return logic(k, n, "_||_");
	case NODE_EACH:
		return each(k, n);
	default:
		return dyn();
	}
}

/*
 * JSON has texts for moments, spans and bytes, and a number without a point for one that could have it: where the schema knows better,
 * the value is made what it says.
 */
static const struct type *check(struct checker *k, const struct node *n)
{
	const struct type *type = k->failed ? dyn() : type_of_node(k, n);
	const struct type *in = type->kind == CEL_OPTIONAL ? type->of : type;
	uint8_t deep = 0; /* types are not deeper than that has room for */

	for (; in->kind == CEL_LIST || in->kind == CEL_MAP; in = in->of)
		deep++;
	if (in->kind == CEL_TIMESTAMP || in->kind == CEL_DURATION || in->kind == CEL_BYTES ||
		in->kind == CEL_DOUBLE) {
		noted(n)->as = (uint8_t)in->kind;
		noted(n)->deep = deep;
	}
	return type;
}

static bool check_types(struct cel *c, const struct cel_scope *scope, const struct cel_shape *shapes,
	bool stored, char why[static CEL_WHY_MAX])
{
	/* about as much as the program may have itself */
	struct arena arena = {.left = 256 * c->text.n + 65536};
	struct typing kept = {.arena = &c->arena};
	struct checker k = {.cel = c, .scope = scope, .typing.arena = &arena, .stored = stored, .why = why};

	for (size_t i = 0; c->names[i]; i++) {
		k.slots[i] = shapes ? type_of_shape(&k.typing, shapes[i]) : dyn();
		if (c->optional >> i & 1)
			k.slots[i] = type_optional(&k.typing, k.slots[i]);
	}
	c->type = type_copy(&kept, check(&k, c->root));
	arena_free(&arena);
	return !k.failed;
}

bool cel_check(struct cel *c, const struct cel_scope *scope, const struct cel_shape *shapes,
	char why[static CEL_WHY_MAX])
{
	return check_types(c, scope, shapes, false, why);
}

bool cel_makes(const struct cel *c, enum cel_result what, char why[static CEL_WHY_MAX])
{
	static const struct {
		const char *text, *but;
	} wanted[] = {
		[CEL_ANYTHING] = {"anything", " but got"},
		[CEL_TRUTH] = {"bool", " but got"},
		[CEL_TRUTH_OR_UNKNOWN] = {"bool or the unknown type", ", not"},
		[CEL_TEXT] = {"string", " but got"},
		[CEL_TEXT_OR_NULL] = {"one of [string null_type]", " but got"},
		[CEL_OBJECT] = {"Object", " but got"},
		[CEL_JSON_PATCH] = {"list(JSONPatch)", " but got"},
	};
	const struct type *type = c->type ? c->type : dyn(), *of = type->kind == CEL_LIST ? type->of : dyn();
	char got[WORDS_MAX];
	bool right = what == CEL_ANYTHING;

	right = right || (what == CEL_TRUTH && type->kind == CEL_BOOL);
	right = right || (what == CEL_TRUTH_OR_UNKNOWN && type_may_be(type, CEL_BOOL));
	right = right || (what == CEL_TEXT && type->kind == CEL_STRING);
	right = right || (what == CEL_TEXT_OR_NULL && (type->kind == CEL_STRING || type->kind == CEL_NULL));
	right = right || (what == CEL_OBJECT && type->kind == CEL_MESSAGE && text_is(type->name, "Object"));
	right = right ||
		(what == CEL_JSON_PATCH && of->kind == CEL_MESSAGE && text_is(of->name, "JSONPatch"));
	if (right)
		return true;
	type_write(type, got, sizeof(got));
	snprintf(why, CEL_WHY_MAX, "must evaluate to %s%s %s", wanted[what].text, wanted[what].but, got);
	return false;
}

struct cel *cel_typed(const char *text, size_t len, const struct cel_scope *scope,
	const struct cel_shape *shapes, char why[static CEL_WHY_MAX])
{
	struct cel *c = cel_compile_in(text, len, scope, why);

	if (c && cel_check(c, scope, shapes, why))
		return c;
	cel_free(c);
	return NULL;
}

struct cel *cel_write(const char *text, size_t len, const struct cel_scope *scope,
	const struct cel_shape *shapes, enum cel_result what, char why[static CEL_WHY_MAX])
{
	char wrong[CEL_WHY_MAX];
	struct cel *c = cel_typed(text, len, scope, shapes, wrong);

	if (!c)
		snprintf(why, CEL_WHY_MAX, "compilation failed: ERROR: <input>:%.280s", wrong);
	if (c && cel_makes(c, what, why))
		return c;
	cel_free(c);
	return NULL;
}

struct cel *cel_stored(const char *text, size_t len, const struct cel_scope *scope,
	const struct cel_shape *shapes, char why[static CEL_WHY_MAX])
{
	struct cel *c = cel_compile_in(text, len, scope, why);

	if (!c || check_types(c, scope, shapes, true, why))
		return c;
	cel_free(c);
	return cel_compile_in(text, len, scope, why);
}
