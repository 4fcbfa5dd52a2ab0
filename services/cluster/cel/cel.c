/* SPDX-License-Identifier: Apache-2.0 */

/* What is called from outside: an expression is read once, and asked by itself or in a round of questions. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/cel/cel_int.h"

struct cel *cel_compile(const char *text, size_t len, const char *const *names, char why[static CEL_WHY_MAX])
{
	return cel_compile_in(text, len, &(struct cel_scope){.names = names}, why);
}

struct cel *cel_compile_in(
	const char *text, size_t len, const struct cel_scope *scope, char why[static CEL_WHY_MAX])
{
	struct cel *c = calloc(1, sizeof(*c));
	char *own;

	if (!c || len > CEL_TEXT_MAX) {
		snprintf(why, CEL_WHY_MAX, c ? "longer than %d bytes" : "out of memory", CEL_TEXT_MAX);
		free(c);
		return NULL;
	}
	/* literals copy what they unescape, and names are borrowed from a copy that the program keeps */
	c->arena.left = 256 * len + 65536;
	c->names = scope->names;
	for (size_t i = 0; scope->optional && c->names[i]; i++)
		if (!strcmp(c->names[i], scope->optional))
			c->optional = 1ull << i;
	own = arena_get(&c->arena, len + 1);
	if (own)
		memcpy(own, text, len);
	else
		snprintf(why, CEL_WHY_MAX, "out of memory");
	c->text = (struct text){own, len};
	c->root = own ? cel_parse(c, scope, why) : NULL;
	if (!c->root) {
		cel_free(c);
		return NULL;
	}
	return c;
}

void cel_free(struct cel *c)
{
	if (!c)
		return;
	arena_free(&c->arena);
	free(c);
}

/* ---- families */

bool cel_family_init(struct cel_family *f, const char *name, size_t n)
{
	*f = (struct cel_family){.name = name,
		.members = calloc(n + 1, sizeof(*f->members)),
		.programs = calloc(n + 1, sizeof(*f->programs))};
	return f->members && f->programs;
}

void cel_family_add(struct cel_family *f, const char *member, struct cel *program)
{
	((const char **)(uintptr_t)f->members)[f->n] = member;
	((struct cel **)(uintptr_t)f->programs)[f->n++] = program;
}

void cel_family_fini(struct cel_family *f)
{
	for (size_t i = 0; i < f->n; i++)
		cel_free(f->programs[i]);
	free((void *)(uintptr_t)f->programs);
	free((void *)(uintptr_t)f->members);
}

/* ---- asking */

bool cel_uses(const struct cel *c, const char *name)
{
	for (size_t i = 0; c->names[i]; i++)
		if (!strcmp(c->names[i], name))
			return c->used >> i & 1;
	return false;
}

static void begin(struct eval *e, const char *const *names, yyjson_mut_val *const *values, size_t budget)
{
	*e = (struct eval){.arena.left = EVAL_BYTES_MAX, .steps = budget};
	for (size_t i = 0; names[i]; i++)
		e->slots[i] = value_json(values[i]);
}

/* Where it has its name. */
static void let_answer(struct eval *e, const char *const *names, const struct cel_authorizer *authorizer)
{
	e->authorizer = authorizer;
	for (size_t i = 0; authorizer && names[i]; i++)
		if (!strcmp(names[i], CEL_AUTHORIZER_NAME))
			e->slots[i] = (struct value){
				.type = VALUE_AUTHORIZER, .question = &cel_question_of_nothing};
}

static void begin_one(struct eval *e, const struct cel *c, yyjson_mut_val *const *values, size_t budget)
{
	begin(e, c->names, values, budget);
	for (size_t i = 0; c->names[i]; i++)
		if (c->optional >> i & 1)
			e->slots[i] = value_optional(e, values[i] ? &e->slots[i] : NULL);
}

static void say(char why[static CEL_WHY_MAX], struct value v, const char *wanted)
{
	if (is_error(v))
		snprintf(why, CEL_WHY_MAX, "%.*s", (int)v.text.n, v.text.s);
	else
		snprintf(why, CEL_WHY_MAX, "the expression makes a value of type %s, not %s",
			value_type_name(v.type), wanted);
}

static int test(struct eval *e, const struct cel *c, char why[static CEL_WHY_MAX])
{
	struct value v = eval_tree(e, c->root);

	if (v.type == VALUE_BOOL)
		return v.b;
	say(why, v, "bool");
	return -1;
}

static char *text(struct value v, char why[static CEL_WHY_MAX])
{
	char *made = v.type == VALUE_STRING ? strndup(v.text.s, v.text.n) : NULL;

	if (v.type != VALUE_STRING)
		say(why, v, "string");
	else if (!made)
		snprintf(why, CEL_WHY_MAX, "out of memory");
	return made;
}

int cel_test(const struct cel *c, yyjson_mut_val *const *values, size_t *budget, char why[static CEL_WHY_MAX])
{
	struct eval e;
	int answer;

	begin_one(&e, c, values, *budget);
	answer = test(&e, c, why);
	*budget = e.steps;
	arena_free(&e.arena);
	return answer;
}

char *cel_text(
	const struct cel *c, yyjson_mut_val *const *values, size_t *budget, char why[static CEL_WHY_MAX])
{
	struct eval e;
	char *made;

	begin_one(&e, c, values, *budget);
	made = text(eval_tree(&e, c->root), why);
	*budget = e.steps;
	arena_free(&e.arena);
	return made;
}

/* ---- rounds */

struct cel_round {
	struct eval e;
	size_t *budget;
	struct member members[];
};

struct cel_round *cel_round_new(const char *const *names, yyjson_mut_val *const *values,
	const struct cel_family *family, const struct cel_authorizer *authorizer, size_t *budget)
{
	size_t n = family ? family->n : 0;
	struct cel_round *r = calloc(1, sizeof(*r) + n * sizeof(r->members[0]));

	if (!r)
		return NULL;
	begin(&r->e, names, values, *budget);
	let_answer(&r->e, names, authorizer);
	r->e.family = family;
	r->e.members = r->members;
	r->budget = budget;
	return r;
}

void cel_round_free(struct cel_round *r)
{
	if (r)
		arena_free(&r->e.arena);
	free(r);
}

int cel_round_test(struct cel_round *r, const struct cel *c, char why[static CEL_WHY_MAX])
{
	int answer = test(&r->e, c, why);

	*r->budget = r->e.steps;
	return answer;
}

int cel_round_text(struct cel_round *r, const struct cel *c, char **out, char why[static CEL_WHY_MAX])
{
	struct value v = eval_tree(&r->e, c->root);

	*r->budget = r->e.steps;
	*out = NULL;
	if (v.type == VALUE_NULL)
		return 0;
	*out = text(v, why);
	return *out ? 1 : -1;
}

yyjson_mut_val *cel_round_patch(struct cel_round *r, const struct cel *c, enum cel_result type,
	yyjson_mut_doc *doc, char why[static CEL_WHY_MAX])
{
	struct value v = eval_tree(&r->e, c->root);
	yyjson_mut_val *made = is_error(v) ? NULL : message_patch(&r->e, &v, type, doc);

	*r->budget = r->e.steps;
	if (!made)
		snprintf(why, CEL_WHY_MAX, "%.*s", (int)v.text.n, v.text.s);
	return made;
}
