/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_VOLUMES_INT_H
#define AGENT_VOLUMES_INT_H

/* What the volume files share. volumes.c has the set and its order, the others a kind or a step each. */

#include <sys/types.h>
#include <yyjson.h>

#include "agent/payload.h"
#include "agent/volumes.h"
#include "lib/util.h"

struct http_call;
struct image_pull;
struct loop;
struct pod;
struct volume_work;
struct volumes;

struct volume {
	struct volumes *set;
	char *name; /* owned */
	char *path; /* owned: absolute, on the node; NULL before it is known */
	bool read_only;
	bool made;
	bool files;	  /* its content is a payload */
	uint32_t project; /* an emptyDir on disk: what counts it; 0: nothing does */

	/* of images */
	struct image_pull *pull;
	bool image_here;

	/* of claims */
	struct http_call *call;
	struct volume_work *work;
	bool own;	/* the claim was made for this pod */
	char *claimed;	/* owned: name of the volume that the claim is bound to; NULL unknown */
	bool owned_now; /* the group has been given */
	char failed[480];
};

struct volumes {
	struct pod *p;
	struct volume *list; /* owned, n */
	size_t n;
	struct volume_work *removal;
	bool removed;
	int removal_err;
	char error[480];
};

/* The volume in the pod's specification; NULL: it is not there. */
yyjson_val *volume_spec(const struct pod *p, const char *name);
/* "/data/agent/pods/UID/LEAF", "/run/agent/pods/UID/LEAF"; malloc'ed, NULL: no memory. */
char *volume_disk_path(const struct pod *p, const char *leaf);
char *volume_memory_path(const struct pod *p, const char *leaf);
/* fsGroup; (gid_t)-1: none. */
gid_t volume_group(const struct pod *p);
/* Every folder of an absolute path, mode 0755 where it is made. 0 or -errno. */
must_check int volume_make_dirs(const char *path, mode_t last);

/*
 * Makes one. Return: 0, -EINPROGRESS: the pod is woken, or another -errno; except for 0 and -EINPROGRESS the sentence is in
 * set->error.
 */
must_check int volume_claim(struct volume *v, yyjson_val *source);		  /* volume_claim.c */
must_check int volume_host(struct volume *v, const char *path, const char *type); /* volume_host.c */
must_check int volume_image(struct volume *v, yyjson_val *source);		  /* volume_image.c */
must_check int volume_files(
	struct volume *v, yyjson_val *source); /* volume_files.c: also to make them anew */
must_check int volume_limit(struct volume *v, int64_t size_bytes); /* volume_limit.c */
/* set->error; Return: @err. */
int volume_fail(struct volume *v, int err, const char *format, ...) printf_like(3, 4);

/* ---- volume_limit.c: emptyDirs on disk are counted, and bounded where they have a sizeLimit */

/* After the directories are gone: the numbers are free again. */
void volumes_unlimit(struct volumes *vs);
/* A project of the range from @first on that nothing is counted for on the file system of @dir. 0 or -errno, as quota_usage(). */
must_check int volume_free_project(int dir, uint32_t first, uint32_t *project);

/* ---- volume_work.c: what may take long, in a child */

/* @ok, or @output says why. From the loop. */
typedef void volume_worked(bool ok, const char *output, void *arg);
/* argv: a verb of agent_volumes and its words. 0 or -errno. */
must_check int volume_work_start(
	struct volume_work **out, struct loop *l, const char *const argv[], volume_worked *fn, void *arg);
void volume_work_cancel(struct volume_work *w); /* kills it; accepts NULL */

/* Is @path, perhaps out of an expansion, one below a volume? false: @why says what is wrong, in the kubelet's words. */
bool volume_sub_path_ok(const char *path, char *why, size_t size);

#endif
