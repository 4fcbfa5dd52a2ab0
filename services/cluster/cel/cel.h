/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_CEL_H
#define CLUSTER_CEL_H

/*
 * The Common Expression Language (github.com/google/cel-spec) with the libraries that the Kubernetes API adds: rules of
 * custom resources, conditions of webhooks. An expression is read once and asked many times; it has no effects and no loops
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
 * Syntax, names, functions and how many arguments they take are checked here; types when it is asked, since what it is
 * about need not have a schema. Return: owned, or NULL.
 */
struct cel *cel_compile(const char *text, size_t len, const char *const *names, char why[static CEL_WHY_MAX]);
void cel_free(struct cel *c); /* accepts NULL */

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

#endif
