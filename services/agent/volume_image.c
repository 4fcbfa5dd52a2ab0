/* SPDX-License-Identifier: Apache-2.0 */

/*
 * image: the files of an image, read-only and without anything that could be executed. The engine mounts it for each container; here
 * it is seen to that it is on the node, as pullPolicy says.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/images.h"
#include "agent/pod.h"
#include "agent/volumes_int.h"
#include "lib/json.h"

static void on_image(void *arg, const char *reason, const char *why)
{
	struct volume *v = arg;

	v->pull = NULL;
	v->image_here = !why;
	if (why)
		snprintf(v->failed, sizeof(v->failed), "%s: %s", reason, why);
}

/* Of an agent of before: what its containers have is not asked for again, whatever became of the registry. */
static bool has_begun(const struct pod *p)
{
	for (size_t i = 0; i < p->n_containers; i++)
		if (p->containers[i].seen)
			return true;
	return false;
}

int volume_image(struct volume *v, yyjson_val *source)
{
	struct pod *p = v->set->p;
	const char *reference = json_text(source, "reference"), *policy = json_text(source, "pullPolicy");
	char failed[sizeof(v->failed)];

	if (!reference)
		return volume_fail(v, -EINVAL, "image has no reference");
	if (v->image_here)
		return 0;
	if (v->pull)
		return -EINPROGRESS;
	if (*v->failed) {
		snprintf(failed, sizeof(failed), "%s", v->failed);
		*v->failed = 0; /* the next time it is asked for again */
		return volume_fail(v, -EIO, "%s", failed);
	}
	if (has_begun(p))
		policy = "IfNotPresent";
	if (!images_fetch(&v->pull, p, reference, policy, on_image, v))
		return volume_fail(v, -ENOMEM, "out of memory");
	return -EINPROGRESS;
}

const char *volumes_image(const struct pod *p, const char *volume)
{
	return json_text(json_obj(volume_spec(p, volume), "image"), "reference");
}

void volumes_cancel_pulls(struct pod *p)
{
	for (size_t i = 0; p->volumes && i < p->volumes->n; i++)
		image_pull_cancel(take(p->volumes->list[i].pull));
}
