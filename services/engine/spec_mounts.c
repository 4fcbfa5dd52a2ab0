/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The mounts of a container, in the order in which they are made: the kernel's own file systems, the three
 * name files, then what the user asked for, outer paths first. A user's mount replaces ours at the same
 * place.
 */

#include <string.h>

#include "engine/container.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/mounts.h"
#include "lib/json.h"
#include "engine/pod.h"
#include "engine/shm.h"
#include "engine/spec.h"
#include "engine/userns.h"
#include "engine/volumes.h"

struct build {
	struct container *c;
	yyjson_mut_doc *doc;
	yyjson_mut_val *list;
};

bool spec_mount_taken(const struct container *c, const char *dest)
{
	size_t i, n;
	yyjson_val *k, *m;

	yyjson_arr_foreach (c->mounts, i, n, m)
		if (yyjson_equals_str(yyjson_obj_get(m, "Destination"), dest))
			return true;
	json_obj_foreach (json_obj(c->host, "Tmpfs"), i, n, k, m)
		if (yyjson_equals_str(k, dest))
			return true;
	return false;
}

/* @options: separated by commas; copied. */
static yyjson_mut_val *put(
	const struct build *b, const char *dest, const char *type, const char *source, const char *options)
{
	yyjson_mut_val *m = yyjson_mut_arr_add_obj(b->doc, b->list), *arr = yyjson_mut_arr(b->doc);

	yyjson_mut_obj_add_strcpy(b->doc, m, "destination", dest);
	yyjson_mut_obj_add_strcpy(b->doc, m, "type", type);
	yyjson_mut_obj_add_strcpy(b->doc, m, "source", source);
	while (options && *options) {
		size_t n = strcspn(options, ",");

		if (n)
			yyjson_mut_arr_add_strncpy(b->doc, arr, options, n);
		options += n + (options[n] == ',');
	}
	yyjson_mut_obj_add_val(b->doc, m, "options", arr);
	return m;
}

static void ours(
	const struct build *b, const char *dest, const char *type, const char *source, const char *options)
{
	if (!spec_mount_taken(b->c, dest))
		put(b, dest, type, source, options);
}

/* Is what is bound to be seen with the container's own ids? Where the file system cannot, its owners are nobody inside. */
static bool mapped(const struct build *b, const char *source)
{
	return userns_base(b->c) && userns_can_map(source);
}

static void bind_file(const struct build *b, const char *dest, const char *name)
{
	struct pod *pod = pod_of(b->c);
	cleanup(freep) char *source = text_make("%s/%s", pod ? pod->dir : b->c->dir, name);

	if (source)
		ours(b, dest, "bind", source, mapped(b, source) ? "rbind,rprivate,idmap" : "rbind,rprivate");
}

static unsigned depth(const char *path)
{
	unsigned n = 0;

	for (; *path; path++)
		n += *path == '/' && path[1];
	return n;
}

/* Read-only as far as it goes, unless the user wants it at the top alone. */
static const char *access_of(yyjson_val *m)
{
	const char *how = json_text(mount_own(m), "ReadOnly");

	if (json_bool(m, "RW"))
		return "rw";
	return how && !strcmp(how, "plain") ? "ro" : "rro";
}

static void user_mount(const struct build *b, yyjson_val *m, size_t number)
{
	const char *type = json_str(m, "Type"), *prop = json_text(m, "Propagation");
	cleanup(freep) char *options = NULL, *place = NULL;

	if (!strcmp(type, "tmpfs")) {
		put(b, json_str(m, "Destination"), "tmpfs", "tmpfs", json_str(m, "Mode"));
		return;
	}
	if (mount_is_placed(m))
		place = mount_place(b->c, number);
	/*
	 * What is placed is mounted later: an image's layers cannot be mapped, and volumes are where they always are. Kubernetes'
	 * image volumes are data; Docker's may be executed.
	 */
	options = text_make("%s,%s,%s%s%s", json_bool(mount_own(m), "NonRecursive") ? "bind" : "rbind",
		prop ? prop : "rprivate", access_of(m),
		!strcmp(type, "image") && pod_of(b->c) ? ",noexec" : "",
		strcmp(type, "image") != 0 && !volume_is_foreign(b->c->e, json_text(m, "Name")) &&
				mapped(b, json_str(m, "Source"))
			? ",idmap"
			: "");
	if (options)
		put(b, json_str(m, "Destination"), "bind", place ? place : json_str(m, "Source"), options);
}

static void tmpfs_option(const struct build *b, const char *dest, const char *given)
{
	cleanup(freep) char *options =
		text_make("noexec,nosuid,nodev%s%s", given && *given ? "," : "", given ? given : "");

	if (options)
		put(b, dest, "tmpfs", "tmpfs", options);
}

yyjson_mut_val *spec_mounts(struct container *c, yyjson_mut_doc *doc, bool own_net)
{
	struct build b = {.c = c, .doc = doc, .list = yyjson_mut_arr(doc)};
	bool privileged = json_bool(c->host, "Privileged");
	struct spec_security sec = {0};
	cleanup(freep) char *ignored = NULL;
	const char *ipc = json_text(c->host, "IpcMode");
	int64_t shm = json_int(c->host, "ShmSize", 0);
	cleanup(freep) char *shm_options = text_make("nosuid,noexec,nodev,mode=1777,size=%lld",
				    (long long)(shm > 0 ? shm : SHM_DEFAULT_BYTES)),
			    *shared_shm = shm_path(c);

	(void)!spec_security_opts(json_arr(c->host, "SecurityOpt"), &sec, &ignored); /* checked at create */
	ours(&b, "/proc", "proc", "proc", "nosuid,noexec,nodev");
	ours(&b, "/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k");
	ours(&b, "/dev/pts", "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5");
	/* sysfs shows the network namespace that mounts it: without one of its own the container gets the
	 * node's, by bind. */
	if (own_net)
		ours(&b, "/sys", "sysfs", "sysfs",
			privileged ? "nosuid,noexec,nodev,rw" : "nosuid,noexec,nodev,ro");
	else
		ours(&b, "/sys", "bind", "/sys",
			privileged ? "rbind,nosuid,noexec,nodev,rw" : "rbind,nosuid,noexec,nodev,ro");
	ours(&b, "/sys/fs/cgroup", "cgroup", "cgroup",
		privileged || sec.writable_cgroups ? "nosuid,noexec,nodev,relatime,rw"
						   : "nosuid,noexec,nodev,relatime,ro");
	ours(&b, "/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev");
	if (shared_shm)
		ours(&b, "/dev/shm", "bind", shared_shm,
			mapped(&b, shared_shm) ? "rbind,nosuid,noexec,nodev,idmap"
					       : "rbind,nosuid,noexec,nodev");
	else if ((!ipc || strcmp(ipc, "none") != 0) && shm_options)
		ours(&b, "/dev/shm", "tmpfs", "shm", shm_options);
	if (json_bool(c->host, "Init"))
		ours(&b, SPEC_INIT_PATH, "bind", c->e->container_init, "bind,ro,nosuid,nodev");
	bind_file(&b, "/etc/resolv.conf", "resolv.conf");
	bind_file(&b, "/etc/hostname", "hostname");
	bind_file(&b, "/etc/hosts", "hosts");

	/* Outer paths first: a mount over a directory would hide what was mounted inside it. */
	for (unsigned level = 0, left = 1; left && level < 64; level++) {
		size_t i, n;
		yyjson_val *k, *m;

		left = 0;
		yyjson_arr_foreach (c->mounts, i, n, m) {
			unsigned d = depth(json_str(m, "Destination"));

			if (d == level)
				user_mount(&b, m, i);
			left |= d > level;
		}
		json_obj_foreach (json_obj(c->host, "Tmpfs"), i, n, k, m) {
			unsigned d = depth(yyjson_get_str(k));

			if (d == level)
				tmpfs_option(&b, yyjson_get_str(k), yyjson_get_str(m));
			left |= d > level;
		}
	}
	return b.list;
}
