/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_CEL_TESTING_H
#define CLUSTER_CEL_TESTING_H

/* What tests of expressions share: an object to ask about, and what an expression comes to. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/cel/cel.h"

static const char *const names[] = {"self", "oldSelf", NULL};

static const char self_json[] =
	"{\"n\":3,\"d\":2.5,\"s\":\"h\xc3\xa9llo\",\"b\":true,\"nothing\":null,\"list\":[1,2,3],\"names\":[\"b\",\"a\",\"c\"],"
	"\"map\":{\"a\":1,\"b\":2},\"a-b\":1,\"in\":2,\"x__y\":3,\"p.q\":4,"
	"\"items\":[{\"name\":\"x\",\"port\":80},{\"name\":\"y\",\"port\":443,\"tls\":true}],"
	"\"at\":\"2026-01-02T03:04:05Z\",\"empty\":[]}";

static inline yyjson_mut_val *self(yyjson_mut_doc **doc)
{
	yyjson_doc *d = yyjson_read(self_json, sizeof(self_json) - 1, 0);

	assert_non_null(d);
	*doc = yyjson_doc_mut_copy(d, NULL);
	yyjson_doc_free(d);
	return yyjson_mut_doc_get_root(*doc);
}

/* 1, 0 or -1 with @why; -2: refused before it was asked. */
static inline int ask(const char *text, char why[static CEL_WHY_MAX])
{
	yyjson_mut_doc *doc;
	yyjson_mut_val *values[2] = {self(&doc), NULL};
	size_t budget = CEL_BUDGET;
	struct cel *c = cel_compile(text, strlen(text), names, why);
	int answer = c ? cel_test(c, values, &budget, why) : -2;

	cel_free(c);
	yyjson_mut_doc_free(doc);
	return answer;
}

static inline void fails(const char *text, int how, const char *words)
{
	char why[CEL_WHY_MAX] = "";
	int answer = ask(text, why);

	if (answer != how || !strstr(why, words))
		fail_msg("%s: %d '%s', not '%s'", text, answer, why, words);
}

#endif
