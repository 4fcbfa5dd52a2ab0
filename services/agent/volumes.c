/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The volumes of a pod. What has to outlive a boot lies on disk, in DATA/agent/pods/UID/volumes/NAME; what is made from the API's
 * objects lies in memory, in RUN/agent/pods/UID/NAME: secrets are never written to a disk, and nothing of it has to be
 * synced. Making is repeated after every interruption: each step looks at what is there.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "agent/images.h"
#include "agent/pod.h"
#include "agent/resources.h"
#include "agent/volumes_int.h"
#include "lib/http_client.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/quantity.h"

enum { TMPFS = 0x01021994 };

/* ---- what they share */

int volume_fail(struct volume *v, int err, const char *format, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	snprintf(v->set->error, sizeof(v->set->error), "volume \"%s\": %s", v->name, text);
	return err;
}

yyjson_val *volume_spec(const struct pod *p, const char *name)
{
	yyjson_val *v;
	size_t i, n;

	yyjson_arr_foreach (json_arr(p->spec, "volumes"), i, n, v)
		if (json_str(v, "name") && !strcmp(json_str(v, "name"), name))
			return v;
	return NULL;
}

static char *path_in(const char *top, const char *uid, const char *leaf)
{
	char *path;

	return asprintf(&path, "%s/pods/%s%s%s", top, uid, *leaf ? "/" : "", leaf) < 0 ? NULL : path;
}

char *volume_disk_path(const struct pod *p, const char *leaf)
{
	return path_in(p->agent->data_dir, p->uid, leaf);
}

char *volume_memory_path(const struct pod *p, const char *leaf)
{
	return path_in(p->agent->run_dir, p->uid, leaf);
}

gid_t volume_group(const struct pod *p)
{
	return (gid_t)json_int(json_obj(p->spec, "securityContext"), "fsGroup", -1);
}

int volume_make_dirs(const char *path, mode_t last)
{
	cleanup(freep) char *copy = strdup(path);
	struct stat st;

	if (!copy)
		return -ENOMEM;
	for (char *s = strchr(copy + 1, '/'); s; s = strchr(s + 1, '/')) {
		*s = 0;
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			return -errno;
		*s = '/';
	}
	if (mkdir(path, last) == 0)
		return chmod(path, last) < 0 ? -errno : 0;
	if (errno != EEXIST)
		return -errno;
	return stat(path, &st) < 0 ? -errno : S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

/* ---- emptyDir */

static bool is_mounted(const char *path)
{
	struct stat here, above;
	cleanup(freep) char *parent = NULL;

	return asprintf(&parent, "%s/..", path) > 0 && stat(path, &here) == 0 && stat(parent, &above) == 0 &&
	       here.st_dev != above.st_dev;
}

/* The smallest of its own limit, the pod's, and the machine's memory. */
static int64_t memory_size(const struct pod *p, int64_t limit)
{
	int64_t pod = resources_of_group(p->spec).memory_limit_bytes;
	int64_t size = p->agent->memory_bytes > 0 ? p->agent->memory_bytes : INT64_MAX;

	if (pod > 0 && pod < size)
		size = pod;
	return limit > 0 && limit < size ? limit : size;
}

static int mount_memory(struct volume *v, int64_t limit)
{
	char options[64];

	if (is_mounted(v->path))
		return 0;
	snprintf(options, sizeof(options), "size=%lld,mode=0777", (long long)memory_size(v->set->p, limit));
	return mount("tmpfs", v->path, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0 ? -errno : 0;
}

static int give_group(const char *path, gid_t gid)
{
	struct stat st;

	if (gid == (gid_t)-1)
		return 0;
	if (stat(path, &st) == 0 && st.st_gid == gid && st.st_mode & S_ISGID)
		return 0;
	return chown(path, (uid_t)-1, gid) < 0 || chmod(path, 02777) < 0 ? -errno : 0;
}

static int make_empty(struct volume *v, yyjson_val *source)
{
	const char *medium = json_str(source, "medium"), *text = json_text(source, "sizeLimit");
	bool memory = medium && !strcmp(medium, "Memory");
	struct quantity q;
	int64_t limit = 0;
	int r;

	if (medium && *medium && !memory)
		return volume_fail(v, -EINVAL, "medium %s of emptyDir is not supported by this node", medium);
	if (text && !quantity_parse(&q, text, strlen(text)))
		limit = quantity_value(&q);
	r = volume_make_dirs(v->path, 0777);
	if (!r)
		r = memory ? mount_memory(v, limit) : volume_limit(v, limit);
	if (!r)
		r = give_group(v->path, volume_group(v->set->p));
	return r ? volume_fail(v, r, "%s cannot be made: %s", v->path, strerror(-r)) : 0;
}

/* ---- the kinds */

static int make_host(struct volume *v, yyjson_val *source)
{
	const char *path = json_text(source, "path"), *type = json_str(source, "type");

	return path ? volume_host(v, path, type ? type : "")
		    : volume_fail(v, -EINVAL, "hostPath has no path");
}

static const struct kind {
	const char *key;
	int (*make)(struct volume *v, yyjson_val *source);
	bool on_disk, files;
} kinds[] = {
	{"emptyDir", make_empty, .on_disk = true},
	{"hostPath", make_host},
	{"configMap", volume_files, .files = true},
	{"secret", volume_files, .files = true},
	{"projected", volume_files, .files = true},
	{"downwardAPI", volume_files, .files = true},
	{"persistentVolumeClaim", volume_claim},
	{"ephemeral", volume_claim},
	{"image", volume_image},
};

static const char *unknown_kind(yyjson_val *spec)
{
	yyjson_val *key, *value;
	size_t i, n;

	json_obj_foreach (spec, i, n, key, value)
		if (!yyjson_equals_str(key, "name"))
			return yyjson_get_str(key);
	return "of no kind";
}

static int make(struct volume *v)
{
	yyjson_val *spec = volume_spec(v->set->p, v->name);

	for (size_t i = 0; i < array_len(kinds); i++) {
		yyjson_val *source = json_obj(spec, kinds[i].key);

		if (!source)
			continue;
		v->files = kinds[i].files;
		if (!v->path && (kinds[i].on_disk || kinds[i].files)) {
			cleanup(freep) char *leaf = NULL;

			if (kinds[i].files)
				v->path = volume_memory_path(v->set->p, v->name);
			else if (asprintf(&leaf, "volumes/%s", v->name) > 0)
				v->path = volume_disk_path(v->set->p, leaf);
			if (!v->path)
				return volume_fail(v, -ENOMEM, "out of memory");
		}
		v->read_only |= v->files;
		return kinds[i].make(v, source);
	}
	return volume_fail(
		v, -ENOTSUP, "volumes of kind %s are not supported by this node", unknown_kind(spec));
}

/* ---- the set */

/* It becomes the name of a directory. */
static bool name_ok(const char *name)
{
	return name && *name && strlen(name) <= 253 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") == strlen(name) && name[0] != '.';
}

static struct volumes *volumes_new(struct pod *p)
{
	yyjson_val *list = json_arr(p->spec, "volumes"), *each;
	struct volumes *vs = calloc(1, sizeof(*vs));
	size_t i, n;

	if (!vs)
		return NULL;
	vs->p = p;
	vs->list = calloc(yyjson_arr_size(list) + 1, sizeof(*vs->list));
	if (!vs->list) {
		volumes_free(vs);
		return NULL;
	}
	yyjson_arr_foreach (list, i, n, each) {
		struct volume *v = &vs->list[vs->n];
		const char *name = json_str(each, "name");

		if (!name_ok(name))
			continue; /* asked for by no mount that the API let pass */
		v->set = vs;
		v->name = strdup(name);
		vs->n += v->name != NULL;
	}
	return vs;
}

static const struct volume *find(const struct pod *p, const char *name)
{
	for (size_t i = 0; p->volumes && i < p->volumes->n; i++)
		if (!strcmp(p->volumes->list[i].name, name))
			return &p->volumes->list[i];
	return NULL;
}

enum volumes_state volumes_ready(struct pod *p)
{
	bool waiting = false;

	if (!name_ok(p->uid))
		return VOLUMES_FAILED;
	if (!p->volumes)
		p->volumes = volumes_new(p);
	if (!p->volumes)
		return VOLUMES_FAILED;
	for (size_t i = 0; i < p->volumes->n; i++) {
		struct volume *v = &p->volumes->list[i];
		int r = v->made ? 0 : make(v);

		if (r && r != -EINPROGRESS)
			return VOLUMES_FAILED;
		waiting |= r != 0;
		v->made = !r;
	}
	return waiting ? VOLUMES_WAITING : VOLUMES_READY;
}

const char *volumes_error(const struct pod *p)
{
	return !p->volumes ? "out of memory" : p->volumes->error;
}

void volumes_refresh(struct pod *p)
{
	static const char *const keys[] = {"configMap", "secret", "projected", "downwardAPI"};

	for (size_t i = 0; p->volumes && i < p->volumes->n; i++) {
		struct volume *v = &p->volumes->list[i];
		yyjson_val *spec = volume_spec(p, v->name), *source = NULL;

		for (size_t k = 0; k < array_len(keys) && !source; k++)
			source = json_obj(spec, keys[k]);
		/* What is not there any more leaves the files as they were, as with the kubelet. */
		if (v->made && v->files && source && volume_files(v, source))
			log_warn("agent pod=%s/%s op=refresh msg=\"%s\"", p->ns, p->name, p->volumes->error);
	}
}

bool volumes_read_only(const struct pod *p, const char *volume)
{
	const struct volume *v = find(p, volume);

	return v && v->read_only;
}

void volumes_free(struct volumes *vs)
{
	if (!vs)
		return;
	for (size_t i = 0; vs->list && i < vs->n; i++) {
		struct volume *v = &vs->list[i];

		image_pull_cancel(v->pull);
		http_call_cancel(v->call);
		volume_work_cancel(v->work);
		free(v->name);
		free(v->path);
		free(v->claimed);
	}
	volume_work_cancel(vs->removal);
	free(vs->list);
	free(vs);
}
