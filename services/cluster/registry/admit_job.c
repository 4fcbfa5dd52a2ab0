/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A Job selects its pods by its own uid, which its template gets as a label, so that no two Jobs ever share a pod; with
 * manualSelector the user has said what is selected.
 */

#include <errno.h>

#include "cluster/registry/admission.h"
#include "cluster/registry/registry_int.h"
#include "cluster/schema/meta.h"

#define UID "batch.kubernetes.io/controller-uid"

static bool put(struct attempt *a, yyjson_mut_val *labels, const char *key, const char *value)
{
	return meta_put(a->doc, labels, key, yyjson_mut_strcpy(a->doc, value));
}

static struct status *change(struct attempt *a)
{
	yyjson_mut_val *labels, *selected;
	const char *uid;

	if (a->verb != ADMIT_CREATE || !attempt_is(a, "batch", "Job") ||
		yyjson_mut_is_true(meta_mut_get(a->root, "spec", "manualSelector", NULL)))
		return NULL;
	uid = meta_mut_text(a->root, "uid");
	labels = meta_make(a->doc, a->root, "spec", "template", "metadata", "labels", NULL);
	selected = meta_make(a->doc, a->root, "spec", "selector", "matchLabels", NULL);
	if (uid && labels && selected && put(a, labels, UID, uid) && put(a, labels, "controller-uid", uid) &&
		put(a, labels, "batch.kubernetes.io/job-name", a->name) &&
		put(a, labels, "job-name", a->name) && put(a, selected, UID, uid))
		return NULL;
	return status_errno(-ENOMEM, "job");
}

const struct admission admission_job = {.name = "JobSelector", .change = change};
