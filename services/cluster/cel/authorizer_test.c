/* SPDX-License-Identifier: Apache-2.0 */

/* What an expression asks of its authorizer, and what it is told. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/cel/cel.h"

static const char *const names[] = {"object", CEL_AUTHORIZER_NAME, NULL};
static const struct cel_shape shapes[] = {{CEL_DYN}, {CEL_AUTHORIZER}};

static char heard[600]; /* the last question */
static size_t n_asked;

/* What is about "yes" is allowed, and what is about "lost" has no answer. */
static int allows(const struct cel_authorizer *a, const struct cel_question *q, char **why)
{
	n_asked++;
	snprintf(heard, sizeof(heard), "%s:%s %s %s %s/%s/%s %s/%s %s %s", q->account_ns, q->account, q->verb,
		q->path, q->group, q->resource, q->subresource, q->ns, q->name, q->field_selector,
		q->label_selector);
	if (!strcmp(q->verb, "lost"))
		return (*why = strdup("gone away"), -1);
	if (strcmp(q->verb, "yes") != 0)
		return 0;
	*why = strdup("it says so");
	return 1;
}

static const struct cel_authorizer authorizer = {
	.request = {"", "", "", "", "apps", "deployments", "scale", "default", "web", "", ""},
	.allows = allows};

/* 1, 0 or -1 and why; asked of @by. */
static int ask(
	const char *text, const struct cel_authorizer *by, size_t *budget, char why[static CEL_WHY_MAX])
{
	const struct cel_scope scope = {.names = names};
	yyjson_mut_val *const values[] = {NULL, NULL};
	struct cel *c = cel_write(text, strlen(text), &scope, shapes, CEL_TRUTH, why);
	struct cel_round *r = c ? cel_round_new(names, values, NULL, by, budget) : NULL;
	int answer;

	if (!r)
		fail_msg("%s: %s", text, why);
	*heard = 0;
	answer = cel_round_test(r, c, why);
	cel_round_free(r);
	cel_free(c);
	return answer;
}

static void test_questions(void **state)
{
	static const struct {
		const char *text;
		int answer;
		const char *heard; /* of -1: why */
	} rows[] = {
		{"authorizer.path('/healthz').check('yes').allowed()", 1, ": yes /healthz // / "},
		{"authorizer.path('/healthz').check('no').allowed()", 0, ": no /healthz // / "},
		{"authorizer.group('').resource('pods').check('yes').allowed()", 1, ": yes  /pods/ / "},
		{"authorizer.group('a').resource('pods').subresource('log').namespace('n').name('x').check('no').allowed()",
			0, ": no  a/pods/log n/x "},
		/* a question that goes on leaves the one before as it was */
		{"[authorizer.group('a').resource('pods')].all(p, p.name('x').check('yes').allowed() && !p.check('no').allowed())",
			1, ": no  a/pods/ / "},
		{"authorizer.group('').resource('pods').fieldSelector('f=1').labelSelector('l').check('yes').allowed()",
			1, ": yes  /pods/ / f=1 l"},
		{"authorizer.serviceAccount('ns', 'sa').path('/').check('yes').allowed()", 1,
			"ns:sa yes / // / "},
		{"authorizer.requestResource.check('yes').allowed()", 1,
			": yes  apps/deployments/scale default/web "},
		{"authorizer.requestResource.subresource('').name('other').check('no').allowed()", 0,
			": no  apps/deployments/ default/other "},
		{"authorizer.path('/').check('yes').reason() == 'it says so'", 1, ": yes /"},
		{"authorizer.path('/').check('no').reason() == ''", 1, ": no /"},
		{"authorizer.path('/').check('yes').errored() || authorizer.path('/').check('no').error() != ''",
			0, ": no /"},
		{"authorizer.path('/').check('lost').errored() && !authorizer.path('/').check('lost').allowed()",
			1, ": lost /"},
		{"authorizer.path('/').check('lost').error() + authorizer.path('/').check('lost').reason() == 'gone away'",
			1, ": lost /"},
		{"authorizer.path(' ').check('yes').allowed()", -1, "path must not be empty"},
		{"authorizer.group('').resource('').check('yes').allowed()", -1,
			"resource must not be empty"},
		{"authorizer.serviceAccount('NS', 'sa').path('/').check('yes').allowed()", -1,
			"Invalid service account namespace"},
		{"authorizer.serviceAccount('ns', 'a_b').path('/').check('yes').allowed()", -1,
			"Invalid service account name"},
		{"authorizer.path('/a\\u0000').check('yes').allowed()", -1, "a text with NUL in it"},
		{"dyn(authorizer).check('yes').allowed()", -1, "no such overload"},
		{"dyn(authorizer.path('/')).allowed()", -1, "no such overload"},
		{"dyn(authorizer.path('/')).path('/').check('yes').allowed()", -1, "no such overload"},
		{"authorizer.path(object).check('yes').allowed()", -1, "no such overload"},
		/* not asked for what is decided */
		{"true || authorizer.path('/').check('yes').allowed()", 1, ""},
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		char why[CEL_WHY_MAX] = "";
		size_t budget = CEL_BUDGET;
		int answer = ask(rows[i].text, &authorizer, &budget, why);
		const char *said = answer < 0 ? why : heard;

		if (answer != rows[i].answer || strncmp(said, rows[i].heard, strlen(rows[i].heard)) != 0)
			fail_msg("%s: %d, '%s'", rows[i].text, answer, said);
	}
}

/* However often an expression asks, others wait meanwhile. */
static void test_bounds(void **state)
{
	char why[CEL_WHY_MAX] = "";
	size_t budget = CEL_BUDGET;

	n_asked = 0;
	assert_int_equal(
		ask("[1, 2, 3, 4, 5, 6, 7, 8].all(a, [1, 2, 3, 4, 5, 6, 7, 8].all(b, authorizer.path('/').check('yes').allowed()))",
			&authorizer, &budget, why),
		-1);
	assert_non_null(strstr(why, "actual cost limit exceeded"));
	assert_int_equal(n_asked, 28);
	assert_int_equal(budget, 0);
}

/* Who has nobody to ask is told so. */
static void test_nobody(void **state)
{
	char why[CEL_WHY_MAX] = "";
	size_t budget = CEL_BUDGET;

	assert_int_equal(ask("authorizer.path('/').check('yes').allowed()", NULL, &budget, why), -1);
	assert_string_equal(why, "no such overload");
	assert_int_equal(ask("authorizer.requestResource.check('yes').allowed()", NULL, &budget, why), -1);
	assert_int_equal(ask("authorizer == null", NULL, &budget, why), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_questions),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
