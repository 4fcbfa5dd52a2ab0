/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Every emptyDir on disk is a project of its own on the data file system: so its sizeLimit is the kernel's to enforce (who writes
 * more is told that the quota is exceeded), and what a pod holds is known without walking its files. Which project it is stands
 * in the directory itself; a number is anyone of the agent's range that nothing is counted for.
 */

#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>

#include "agent/pod.h"
#include "agent/volumes_int.h"
#include "lib/log.h"
#include "lib/quota.h"

enum { TRIES = 64 };

int volume_free_project(int dir, uint32_t first, uint32_t *project)
{
	for (int i = 0; i < TRIES; i++) {
		struct quota_usage usage;
		uint32_t any;
		int r;

		if (getrandom(&any, sizeof(any), 0) != sizeof(any))
			return -errno;
		*project = first + any % QUOTA_RANGE;
		r = quota_usage(dir, *project, &usage);
		if (r || (!usage.bytes && !usage.inodes))
			return r;
	}
	return -EBUSY;
}

static bool is_ours(uint32_t project)
{
	return project >= QUOTA_OF_PODS && project - QUOTA_OF_PODS < QUOTA_RANGE;
}

int volume_limit(struct volume *v, int64_t size_bytes)
{
	const struct pod *p = v->set->p;
	cleanup(closep) int dir = open(v->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	uint32_t project = 0;
	int r = dir < 0 ? -errno : quota_project(dir, &project);

	if (!r && !is_ours(project)) {
		r = volume_free_project(dir, QUOTA_OF_PODS, &project);
		if (!r)
			r = quota_set(dir, project, size_bytes);
	}
	if (r == -EOPNOTSUPP) {
		if (size_bytes)
			agent_event(p->agent, p->root, true, "SizeLimitNotEnforced",
				"the sizeLimit of volume %s is not enforced: the data file system has no project quotas",
				v->name);
		return 0;
	}
	if (!r)
		v->project = project;
	return r;
}

struct quota_usage volumes_usage(const struct pod *p)
{
	cleanup(closep) int dir = open(p->agent->data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct quota_usage sum = {0}, one;

	for (size_t i = 0; dir >= 0 && p->volumes && i < p->volumes->n; i++) {
		uint32_t project = p->volumes->list[i].project;

		if (!project || quota_usage(dir, project, &one))
			continue;
		sum.bytes += one.bytes;
		sum.inodes += one.inodes;
	}
	return sum;
}

void volumes_unlimit(struct volumes *vs)
{
	cleanup(closep) int dir = open(vs->p->agent->data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; dir >= 0 && i < vs->n; i++) {
		if (vs->list[i].project)
			quota_clear(dir, vs->list[i].project);
		vs->list[i].project = 0;
	}
}
