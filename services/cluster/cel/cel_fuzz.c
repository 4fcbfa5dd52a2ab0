/* SPDX-License-Identifier: Apache-2.0 */

/* Any text as an expression, asked about one object. */

#include <string.h>

#include "cluster/cel/cel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {"self", "oldSelf", CEL_AUTHORIZER_NAME, NULL};

/* Types of the object, as a schema would say them: self.m is of any, and self.t is one of the same again. */
static bool field(const void *at, const char *name, size_t len, struct cel_shape *out);
static struct cel_shape item_of(const void *at);
static const struct cel_shapes shapes_of_self = {.field = field, .item = item_of};

static bool field(const void *at, const char *name, size_t len, struct cel_shape *out)
{
	static const struct {
		char name;
		enum cel_kind kind;
	} fields[] = {{'a', CEL_TIMESTAMP}, {'b', CEL_BYTES}, {'d', CEL_DURATION}, {'f', CEL_DOUBLE},
		{'l', CEL_LIST}, {'m', CEL_DYN}, {'n', CEL_INT}, {'p', CEL_MAP}, {'s', CEL_STRING},
		{'t', CEL_STRUCT}};

	for (size_t i = 0; i < array_len(fields); i++) {
		if (len != 1 || *name != fields[i].name)
			continue;
		*out = (struct cel_shape){fields[i].kind, &shapes_of_self};
		return true;
	}
	return false;
}

static struct cel_shape item_of(const void *at)
{
	return (struct cel_shape){CEL_STRUCT, &shapes_of_self};
}

static const struct cel_shape self_and_old[] = {
	{CEL_STRUCT, &shapes_of_self}, {CEL_STRUCT, &shapes_of_self}, {CEL_AUTHORIZER}};

/* By what is asked, so that there is each answer. */
static int allows(const struct cel_authorizer *a, const struct cel_question *q, char **why)
{
	size_t n = strlen(q->account_ns) + strlen(q->account) + strlen(q->path) + strlen(q->verb) +
		   strlen(q->group) + strlen(q->resource) + strlen(q->subresource) + strlen(q->ns) +
		   strlen(q->name) + strlen(q->field_selector) + strlen(q->label_selector);

	*why = n % 2 ? strdup(q->verb) : NULL;
	return (int)(n % 3) - 1;
}

static const struct cel_authorizer authorizer = {
	.request = {"", "", "", "", "g", "r", "s", "ns", "n", "", ""}, .allows = allows};

static void check(const char *text, size_t len, const struct cel_scope *scope)
{
	char why[CEL_WHY_MAX];

	for (enum cel_result what = CEL_ANYTHING; what <= CEL_JSON_PATCH; what++)
		cel_free(cel_write(text, len, scope, self_and_old, what, why));
}

/* The same text as one that refers to others and may make messages, and as what it refers to. */
static void ask_with_family(const char *text, size_t len, yyjson_mut_val *const *values)
{
	static const char *const members[] = {"m", "itself"};
	struct cel *programs[2] = {NULL};
	struct cel_family family = {.name = "variables", .members = members, .programs = programs};
	const struct cel_scope scope = {.names = names, .family = &family, .binds = true, .patches = true};
	yyjson_mut_doc *made_of = yyjson_mut_doc_new(NULL);
	size_t budget = CEL_BUDGET;
	char why[CEL_WHY_MAX], *made;
	struct cel_round *r;

	programs[family.n++] = cel_compile("self.m", 6, names, why);
	programs[1] = cel_compile_in(text, len, &scope, why);
	if (programs[1])
		(void)cel_check(programs[1], &scope, NULL, why);
	if (programs[1] && made_of) {
		struct cel *c;

		family.n = 2;
		check(text, len, &scope);
		c = cel_compile_in("variables.itself", 16, &scope, why);
		r = c ? cel_round_new(names, values, &family, &authorizer, &budget) : NULL;
		if (r) {
			(void)cel_round_test(r, c, why);
			(void)cel_round_text(r, programs[1], &made, why);
			free(made);
			(void)cel_round_patch(r, programs[1], CEL_OBJECT, made_of, why);
			(void)cel_round_patch(r, programs[1], CEL_JSON_PATCH, made_of, why);
		}
		cel_round_free(r);
		cel_free(c);
	}
	yyjson_mut_doc_free(made_of);
	cel_free(programs[0]);
	cel_free(programs[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char json[] =
		"{\"a\":\"2026-01-02T03:04:05Z\",\"b\":\"YWI=\",\"d\":\"1h\",\"f\":2,\"n\":3,\"s\":\"text\",\"l\":[1,2.5,\"x\",null,[true]],\"m\":{\"a\":{\"b\":[1]},\"at\":\"2026-01-02T03:04:05Z\"}}";
	char why[CEL_WHY_MAX];
	size_t budget = CEL_BUDGET;
	struct cel *c = cel_compile((const char *)data, size, names, why);
	yyjson_doc *d = yyjson_read(json, sizeof(json) - 1, 0);
	yyjson_mut_doc *doc = yyjson_doc_mut_copy(d, NULL);

	if (doc) {
		yyjson_mut_val *values[3] = {yyjson_mut_doc_get_root(doc), NULL, NULL};

		ask_with_family((const char *)data, size, values);
		if (c) {
			(void)cel_test(c, values, &budget, why);
			(void)cel_check(c, &(struct cel_scope){.names = names}, self_and_old, why);
			(void)cel_test(c, values, &budget, why);
			free(cel_text(c, values, &budget, why));
		}
	}
	yyjson_mut_doc_free(doc);
	yyjson_doc_free(d);
	cel_free(c);
	return 0;
}
