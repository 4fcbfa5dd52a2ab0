/* SPDX-License-Identifier: Apache-2.0 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "agent/local_volume.h"
#include "agent/volumes_int.h"
#include "lib/json.h"
#include "lib/quantity.h"
#include "lib/quota.h"

enum { NAME_BYTES_MAX = 253 };

bool local_volume_is_ours(yyjson_val *volume)
{
	return yyjson_equals_str(yyjson_obj_get(json_obj(json_obj(volume, "metadata"), "annotations"),
					 "pv.kubernetes.io/provisioned-by"),
		LOCAL_PROVISIONER);
}

const char *local_volume_folder(yyjson_val *volume, char path[static LOCAL_PATH_MAX])
{
	const char *name = json_text(json_obj(volume, "metadata"), "name");

	if (!name || name[0] == '.' || strchr(name, '/') || strlen(name) > NAME_BYTES_MAX)
		return NULL;
	snprintf(path, LOCAL_PATH_MAX, LOCAL_FOLDER "/%s", name);
	return path;
}

bool local_volume_in_place(yyjson_val *volume)
{
	const char *where = json_text(json_obj(json_obj(volume, "spec"), "local"), "path");
	char path[LOCAL_PATH_MAX];

	return where && local_volume_folder(volume, path) && !strcmp(where, path);
}

/* ---- how much it holds */

static bool is_empty(int dir)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;
	bool empty = d;

	if (!d)
		closep(&copy);
	while (empty && (e = readdir(d)))
		empty = !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
	if (d)
		closedir(d);
	return empty;
}

static bool is_of_claims(uint32_t project)
{
	return project >= QUOTA_OF_CLAIMS && project - QUOTA_OF_CLAIMS < QUOTA_RANGE;
}

int local_volume_bound(yyjson_val *volume)
{
	const char *size = json_text(json_obj(json_obj(volume, "spec"), "capacity"), "storage");
	char path[LOCAL_PATH_MAX];
	cleanup(closep) int dir = -1;
	struct quantity q;
	uint32_t project;
	int r;

	if (!local_volume_folder(volume, path) || !size || quantity_parse(&q, size, strlen(size)) ||
		quantity_value(&q) <= 0)
		return -EINVAL;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	r = dir < 0 ? -errno : quota_project(dir, &project);
	if (!r && !is_of_claims(project))
		r = is_empty(dir) ? volume_free_project(dir, QUOTA_OF_CLAIMS, &project) : -ENOTEMPTY;
	return r ? r : quota_set(dir, project, quantity_value(&q));
}

uint32_t local_volume_project(const char *folder)
{
	cleanup(closep) int dir = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	uint32_t project = 0;

	return dir >= 0 && !quota_project(dir, &project) && is_of_claims(project) ? project : 0;
}

void local_volume_give_back(uint32_t project)
{
	cleanup(closep) int dir = open(LOCAL_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (project && dir >= 0)
		quota_clear(dir, project);
}
