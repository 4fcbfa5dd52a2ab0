/* SPDX-License-Identifier: Apache-2.0 */

/* What the agent sends: a pod, and a change of one. */

#include <stdlib.h>
#include <string.h>

#include "engine/api.h"
#include "engine/files.h"
#include "engine/pod.h"
#include "lib/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void pod(const char *text, size_t len)
{
	const char *why;
	yyjson_doc *doc = api_parse_json(text, len, &why), *made = NULL, *changed = NULL;
	struct pod old = {0};
	char *msg = NULL;

	if (!doc)
		return;
	if (!pod_request_check(yyjson_doc_get_root(doc), NULL, &made, &msg)) {
		old.spec = yyjson_doc_get_root(made);
		/* What was taken once is taken again as it is. */
		if (pod_request_check(old.spec, NULL, &changed, &msg))
			abort();
		yyjson_doc_free(changed);
		changed = NULL;
	} else {
		free(msg);
		msg = NULL;
		old.spec = yyjson_doc_get_root(doc);
	}
	(void)!pod_request_check(yyjson_doc_get_root(doc), &old, &changed, &msg);
	free(msg);
	yyjson_doc_free(changed);
	yyjson_doc_free(made);
	yyjson_doc_free(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = size ? malloc(size + 1) : NULL;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = 0;
	pod(text, size);
	free(text);
	return 0;
}
