/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_APPLY_TESTING_H
#define CLUSTER_APPLY_TESTING_H

/* For unit tests of server-side apply: a Deployment that managers apply. After cmocka.h. */

#include "cluster/schema/apply.h"
#include "cluster/schema/doc_testing.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "lib/json.h"

#define TIME "2026-01-02T03:04:05Z"

static inline const struct schema_kind *deployment(void)
{
	return schema_find("apps", "v1", "deployments");
}

/* Apply; the refusal's sentence, owned, or NULL. What is refused leaves @live as it was. */
static inline char *apply(yyjson_mut_doc *live, const char *manager, bool force, const char *config)
{
	struct apply_manager m = {.name = manager, .subresource = "", .time = TIME, .force = force};
	cleanup(json_mut_docp) yyjson_mut_doc *c = doc_of_yaml(config);
	yyjson_mut_val *before = yyjson_mut_val_mut_copy(live, live->root);
	struct status *s = apply_object(live, yyjson_mut_doc_get_root(c), deployment(), &m);
	char *text = s ? strdup(s->message) : NULL;

	if (s)
		yyjson_mut_doc_set_root(live, before);

	status_free(s);
	return text;
}

static inline void applies(yyjson_mut_doc *live, const char *manager, bool force, const char *config)
{
	cleanup(freep) char *why = apply(live, manager, force, config);

	if (why)
		fail_msg("%s: %s", config, why);
}

#endif
