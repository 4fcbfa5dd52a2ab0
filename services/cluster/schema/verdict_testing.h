/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_VERDICT_TESTING_H
#define CLUSTER_VERDICT_TESTING_H

/* For unit tests: an object from YAML as it would be stored, and what validation says of it. After cmocka.h. */

#include <string.h>

#include "cluster/schema/decode.h"
#include "cluster/schema/default.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "cluster/schema/validate.h"
#include "lib/json.h"

/* @body in YAML, with its defaults. */
static inline yyjson_mut_doc *verdict_object(const struct schema_kind *k, const char *body)
{
	yyjson_mut_doc *doc = NULL;
	struct status *s = decode_object(&doc, body, strlen(body), DECODE_YAML, k, DECODE_STRICT, NULL);

	if (s)
		fail_msg("%s: %s", body, s->message);
	assert_true(default_object(doc, k));
	return doc;
}

/* "valid", or the whole sentence about @body in the place of @before, which may be NULL. Owned. */
static inline char *verdict_of(const char *api_version, const char *kind, const char *before,
	const char *body, enum validate_scope scope)
{
	const struct schema_kind *k = schema_find_kind(api_version, kind);
	cleanup(json_mut_docp) yyjson_mut_doc *doc = NULL, *old = NULL;
	struct field_errors e = {0};
	struct status *s;
	char *text;

	assert_non_null(k);
	doc = verdict_object(k, body);
	old = before ? verdict_object(k, before) : NULL;
	validate_object(k, doc->root, old ? old->root : NULL, scope, &e);
	s = field_errors_status(&e, k, meta_mut_text(doc->root, "name"));
	text = strdup(s ? s->message : "valid");
	status_free(s);
	field_errors_fini(&e);
	return text;
}

/* Is it what is wanted? What is wanted and ends with a space goes on with a value. */
static inline bool verdict_is(const char *got, const char *want)
{
	size_t len = strlen(want);

	return want[len - 1] == ' ' ? !strncmp(got, want, len) : !strcmp(got, want);
}

#endif
