/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_DOC_TESTING_H
#define CLUSTER_DOC_TESTING_H

/* For unit tests: what is written in a test as the registry takes it. After cmocka.h. */

#include <string.h>

#include <yyjson.h>

#include "cluster/schema/decode.h"
#include "cluster/schema/status.h"

static inline yyjson_mut_doc *doc_of(const char *json)
{
	yyjson_doc *d = yyjson_read(json, strlen(json), YYJSON_READ_NOFLAG);
	yyjson_mut_doc *m;

	if (!d)
		fail_msg("no JSON: %s", json);
	m = yyjson_doc_mut_copy(d, NULL);
	yyjson_doc_free(d);
	assert_non_null(m);
	return m;
}

static inline yyjson_mut_doc *doc_of_yaml(const char *text)
{
	yyjson_mut_doc *doc = NULL;
	struct status *s = decode_yaml(&doc, text, strlen(text));

	if (s)
		fail_msg("%s: %s", text, s->message);
	return doc;
}

#endif
