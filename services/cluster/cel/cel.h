/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_CEL_H
#define CLUSTER_CEL_H

/*
 * The Common Expression Language (github.com/google/cel-spec) with the libraries that the Kubernetes API adds: rules of
 * custom resources, conditions of webhooks, policies of admission. An expression is read once and asked many times; it has no effects and no loops
 * but those over what it is given, and both its time and its memory are bounded.
 */

#include <stddef.h>

#include <yyjson.h>

#include "lib/util.h"

/* The budget is a tenth of a second's work, since everything else waits meanwhile. */
enum { CEL_WHY_MAX = 320, CEL_TEXT_MAX = 16384, CEL_BUDGET = 1000000 };

struct cel;

/**
 * cel_compile() - read an expression
 * @names:	the variables it may use, NULL-terminated; borrowed until cel_free()
 * @why:	when it is refused, where and why: "1:7: undeclared reference to 'sef'"
 *
 * Syntax, names, functions and how many arguments they take are checked here; types by cel_check(), or when it is asked.
 * Return: owned, or NULL.
 */
struct cel *cel_compile(const char *text, size_t len, const char *const *names, char why[static CEL_WHY_MAX]);
void cel_free(struct cel *c); /* accepts NULL */

/*
 * Values with names that expressions refer to as NAME.MEMBER, each an expression itself. One that is compiled with the first n of
 * a family may refer to those; so members, which are compiled one after the other, refer to those before them.
 */
struct cel_family {
	const char *name; /* "variables" */
	size_t n;
	const char *const *members;
	struct cel *const *programs;
};

/* One that owns its lists and programs, with room for @n members. false: no memory. cel_family_fini() in both cases. */
must_check bool cel_family_init(struct cel_family *f, const char *name, size_t n);
/* @member is borrowed, @program taken; NULL: who refers to it has no answer. */
void cel_family_add(struct cel_family *f, const char *member, struct cel *program);
void cel_family_fini(struct cel_family *f); /* accepts one that is all zeros */

/* What an expression may speak of. */
struct cel_scope {
	const char *const *names;	 /* as of cel_compile() */
	const struct cel_family *family; /* borrowed for the call; NULL: none */
	/* the variable that is an optional, of nothing when its value is NULL; NULL: none is */
	const char *optional;
	/* it may name a value: cel.bind(name, value, expression); those of devices, which nobody asks yet */
	bool binds;
	/* it may make what changes an object: Object{}, Object.spec{}, JSONPatch{}, jsonpatch.escapeKey() */
	bool patches;
};

/* The same as cel_compile(). */
struct cel *cel_compile_in(
	const char *text, size_t len, const struct cel_scope *scope, char why[static CEL_WHY_MAX]);

/* ---- types, which are looked at when an expression is written */

enum cel_kind {
	CEL_DYN, /* anything: it is looked at when it is asked */
	CEL_NULL,
	CEL_BOOL,
	CEL_INT,
	CEL_UINT,
	CEL_DOUBLE,
	CEL_STRING,
	CEL_BYTES,
	CEL_TIMESTAMP,
	CEL_DURATION,
	CEL_TYPE,
	CEL_QUANTITY,
	CEL_IP,
	CEL_CIDR,
	CEL_URL,
	CEL_FORMAT,
	CEL_SEMVER,
	CEL_AUTHORIZER, /* and what comes of it: what is asked, and what the answer was */
	CEL_PATH_CHECK,
	CEL_GROUP_CHECK,
	CEL_RESOURCE_CHECK,
	CEL_DECISION,
	CEL_LIST,
	CEL_MAP, /* its keys are texts where it comes from outside */
	CEL_OPTIONAL,
	CEL_STRUCT,  /* an object whose fields are known */
	CEL_MESSAGE, /* Object{}, JSONPatch{} */
	CEL_OPEN, /* of none yet, as the items of []: it becomes what it is put together with, and nothing from outside is */
	N_CEL_KINDS
};

/* What is known of a value from outside. Fields and items are asked for when an expression comes to them. */
struct cel_shape {
	enum cel_kind kind;
	const struct cel_shapes *from; /* of CEL_LIST, CEL_MAP and CEL_STRUCT */
	const void *at;		       /* what it is said by, for @from */
};

struct cel_shapes {
	/* Of a struct, by its name in JSON. false: it has none of that name. */
	bool (*field)(const void *at, const char *name, size_t len, struct cel_shape *out);
	/* Of a list, or the values of a map. */
	struct cel_shape (*item)(const void *at);
	bool null_is_none; /* a field that is null is one that is not there */
};

/* Shapes that are written down: at is an array of fields that ends with no name, or the item's shape. */
struct cel_field {
	const char *name;
	struct cel_shape shape;
};
extern const struct cel_shapes cel_fields;

/**
 * cel_check() - look at the types of an expression
 * @scope:	it was compiled in; what its family has was checked before, what was not is dyn
 * @shapes:	of its names, in their order; NULL: all are dyn
 * @why:	as of cel_compile(): "1:6: found no matching overload for '_+_' applied to '(int, string)'"
 *
 * Return: false: it can never have an answer.
 */
bool cel_check(struct cel *c, const struct cel_scope *scope, const struct cel_shape *shapes,
	char why[static CEL_WHY_MAX]);

/* What an expression is asked for. The last two change an object: part of it as it shall be, operations of RFC 6902. */
enum cel_result {
	CEL_ANYTHING,
	CEL_TRUTH,
	CEL_TRUTH_OR_UNKNOWN, /* also what is dyn */
	CEL_TEXT,
	CEL_TEXT_OR_NULL,
	CEL_OBJECT,
	CEL_JSON_PATCH
};

/* Is that its type? What is dyn may be it, but has to say so (object.a == true). Else @why: "must evaluate to bool but got int". */
bool cel_makes(const struct cel *c, enum cel_result what, char why[static CEL_WHY_MAX]);

/* Compiled, and its types looked at. */
struct cel *cel_typed(const char *text, size_t len, const struct cel_scope *scope,
	const struct cel_shape *shapes, char why[static CEL_WHY_MAX]);

/* All of that for one that is written by somebody, who is told @why: "compilation failed: ERROR: <input>:1:6: ..." */
struct cel *cel_write(const char *text, size_t len, const struct cel_scope *scope,
	const struct cel_shape *shapes, enum cel_result what, char why[static CEL_WHY_MAX]);

/*
 * One that was written before. What its types say of texts holds when it is asked: a moment of the schema is one. If something is wrong
 * with them it is asked all the same, without: another version, or another schema, took it. Literals that are no pattern, moment or span
 * are no such thing: what is asked of them has no answer, and all else has its types.
 */
struct cel *cel_stored(const char *text, size_t len, const struct cel_scope *scope,
	const struct cel_shape *shapes, char why[static CEL_WHY_MAX]);

/* ---- may somebody */

/* What an expression asks, with "" where it says nothing. */
struct cel_question {
	const char *account_ns, *account; /* a service account; "": the one for whom it is asked */
	const char *path;		  /* of what is no resource; "": it is one */
	const char *verb, *group, *resource, *subresource, *ns, *name;
	const char *field_selector, *label_selector;
};

/* Who answers: embedded in what knows for whom. */
struct cel_authorizer {
	struct cel_question
		request; /* authorizer.requestResource: what the request is about; without a verb */
	/* 1 or 0, and *why is a reason, malloc'ed, or NULL; -1: no answer, and *why says why, malloc'ed or NULL for lack of memory. */
	int (*allows)(const struct cel_authorizer *a, const struct cel_question *q, char **why);
};

/* Among the names of a round the one that is its authorizer, of type CEL_AUTHORIZER. */
#define CEL_AUTHORIZER_NAME "authorizer"

/* ---- asking */

/* Can it be the name of a variable? */
bool cel_is_name(const char *text, size_t len);

/* Does it speak of this variable (one of @names)? */
bool cel_uses(const struct cel *c, const char *name);

/**
 * cel_test() - ask a question that is answered by true or false
 * @values:	of the variables, in the order of their names; NULL is null
 * @budget:	steps that may still be made, CEL_BUDGET for all questions about one request; what was used is taken off
 *
 * Return: 1 or 0; -1 when there is no answer, and @why says why: "no such key: spec".
 */
int cel_test(
	const struct cel *c, yyjson_mut_val *const *values, size_t *budget, char why[static CEL_WHY_MAX]);

/* The same for an expression that makes a text. Return: malloc'ed, or NULL. */
char *cel_text(
	const struct cel *c, yyjson_mut_val *const *values, size_t *budget, char why[static CEL_WHY_MAX]);

/*
 * Questions about one thing, by expressions with the same names. A member of the family is worked out when it is first referred to,
 * once; one that has no answer leaves without one only what refers to it.
 */
struct cel_round;

/*
 * All is borrowed until cel_round_free(); @family, as it was compiled with or NULL; @authorizer NULL: none is asked, and the name is
 * null. NULL: no memory.
 */
must_check struct cel_round *cel_round_new(const char *const *names, yyjson_mut_val *const *values,
	const struct cel_family *family, const struct cel_authorizer *authorizer, size_t *budget);
void cel_round_free(struct cel_round *r); /* accepts NULL */
/* As cel_test(). */
int cel_round_test(struct cel_round *r, const struct cel *c, char why[static CEL_WHY_MAX]);
/* 1: *text is malloc'ed; 0: it is null; -1: no answer, @why. */
int cel_round_text(struct cel_round *r, const struct cel *c, char **text, char why[static CEL_WHY_MAX]);

/* What changes an object as JSON, of @doc; NULL: no answer, or it makes something else, @why. */
yyjson_mut_val *cel_round_patch(struct cel_round *r, const struct cel *c, enum cel_result type,
	yyjson_mut_doc *doc, char why[static CEL_WHY_MAX]);

#endif
