/* SPDX-License-Identifier: Apache-2.0 */

/*
 * `wherry engine_volumes PLAN`: what a container's volumes need before it starts and what may take long or
 * wait for somebody: file systems mounted (NFS), a new volume filled, a part of a volume given a place of
 * its own. The plan is a list of steps in JSON that volume_start.c writes; the first that fails ends it,
 * with a sentence on stderr.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <yyjson.h>
#ifndef OPEN_TREE_CLOEXEC
#include <linux/mount.h> /* musl leaves the descriptor-based calls to the kernel's header */
#endif

#include "applets.h"
#include "engine/files.h"
#include "engine/volume_copy.h"
#include "lib/errno_text.h"
#include "lib/json.h"

enum { PLAN_MAX = 1 << 20 };

static int say(const char *fmt, ...) printf_like(1, 2);

static int say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	return 1;
}

/* ---- mount */

/* The kernel wants an NFS server's address, people write its name: addr=NAME becomes addr=ADDRESS; without
 * one it is what stands before the colon of the device. The result is malloc'ed, NULL when the name is not
 * known. */
static char *nfs_data(const char *device, const char *data)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	const char *at = strncmp(data, "addr=", 5) ? strstr(data, ",addr=") : data;
	const char *name = at ? strchr(at, '=') + 1 : device;
	size_t len = at ? strcspn(name, ",") : (size_t)(strrchr(device, ':') - device);
	char host[256], address[64];
	struct addrinfo *found;
	int n;

	n = snprintf(host, sizeof(host), "%.*s", (int)len, name);
	if (n <= 0 || (size_t)n >= sizeof(host) || getaddrinfo(host, NULL, &hints, &found) != 0)
		return NULL;
	n = getnameinfo(found->ai_addr, found->ai_addrlen, address, sizeof(address), NULL, 0, NI_NUMERICHOST);
	freeaddrinfo(found);
	if (n)
		return NULL;
	return at ? text_make("%.*s%s%s", (int)(name - data), data, address, name + len)
		  : text_make("%s%saddr=%s", data, *data ? "," : "", address);
}

static int do_mount(yyjson_val *o)
{
	const char *type = json_str(o, "type"), *device = json_str(o, "device"), *data = json_str(o, "data"),
		   *target = json_str(o, "target");
	unsigned long flags = (unsigned long)json_int(o, "flags", 0);
	cleanup(freep) char *resolved = NULL;
	struct stat st;

	if (!type || !device || !data || !target)
		return say("a mount without type, device, data or target");
	if (!strncmp(type, "nfs", 3)) {
		data = resolved = nfs_data(device, data);
		if (!data)
			return say("failed to mount local volume: the server of %s is not known", device);
	}
	if (flags & MS_BIND && (stat(device, &st) < 0 || !S_ISDIR(st.st_mode)))
		return say("failed to mount local volume: mount %s:%s: %s", device, target,
			errno ? errno_text(errno) : errno_text(ENOTDIR));
	if (mount(device, target, *type ? type : NULL, flags, *data ? data : NULL) < 0)
		return say("failed to mount local volume: mount %s:%s, type %s, data: %s: %s", device, target,
			*type ? type : "bind", data, errno_text(errno));
	/* A bind mount takes its other flags only in a second call. */
	if (flags & MS_BIND && flags & ~(unsigned long)(MS_BIND | MS_REC) &&
		mount(NULL, target, NULL, flags | MS_REMOUNT, NULL) < 0) {
		int err = errno;

		umount2(target, MNT_DETACH);
		return say("failed to mount local volume: flags of %s: %s", target, errno_text(err));
	}
	return 0;
}

/* ---- fill */

/* The right to pass over quotas: a volume's limit holds for what its image brings, too. */
static int give_up_resource(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[2];

	if (syscall(SYS_capget, &head, caps) < 0)
		return -errno;
	caps[CAP_SYS_RESOURCE / 32].effective &= ~(1U << CAP_SYS_RESOURCE % 32);
	return syscall(SYS_capset, &head, caps) < 0 ? -errno : 0;
}

/* One fill of a volume at a time, so that what is met half made was cut. The lock is beside the volume, where no container
 * can hold it. A descriptor or -errno. */
static int lock_fills(const char *volume)
{
	cleanup(freep) char *beside = text_make("%s/..", volume);
	cleanup(closep) int fd = beside ? open(beside, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (!beside)
		return -ENOMEM;
	return fd < 0 || flock(fd, LOCK_EX) < 0 ? -errno : take_fd(fd);
}

/* Without an origin what was begun is brought to its end. @to: @volume, or the part of it at @name. */
static int fill(yyjson_val *o, const char *volume, int to, const char *name)
{
	const char *root = json_str(o, "root"), *origin = json_str(o, "origin");
	cleanup(closep) int from = -1, lock = -1;
	char what[VOLUME_WHAT_MAX] = "";
	int r = to < 0 ? -errno : give_up_resource();

	if (!r) {
		lock = lock_fills(volume);
		r = lock < 0 ? lock : 0;
	}
	if (!r && origin) {
		from = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = from < 0 ? -errno
			     : volume_fill(from, origin, (uint32_t)json_int(o, "idbase", 0), to, what);
	} else if (!r) {
		r = volume_fill_resume(to, what);
	}
	return r < 0 ? say("cannot copy the image's content into the volume at %s: %s: %s",
			       origin ? origin : name, what, errno_text(-r))
		     : 0;
}

static int do_fill(yyjson_val *o)
{
	const char *volume = json_str(o, "volume");
	cleanup(closep) int to = volume ? open(volume, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	return volume ? fill(o, volume, to, volume) : say("a fill without a volume");
}

/* ---- subpath */

/*
 * An empty directory of a volume is filled as a whole volume is, and what was cut of that is brought to its end by whoever uses
 * it next. Parts of images, which have no root to be filled from, stay as they are.
 */
static int fill_part(yyjson_val *o, const char *volume, int part, const char *name)
{
	cleanup(closep) int dir = -1;

	if (!json_str(o, "root") || (!json_str(o, "origin") && !volume_fill_cut(part)))
		return 0;
	dir = openat(part, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fill(o, volume, dir, name);
}

static int do_subpath(yyjson_val *o)
{
	const struct open_how how = {
		.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
	const char *from = json_str(o, "from"), *path = json_str(o, "path"), *to = json_str(o, "to");
	cleanup(closep) int base = from ? open(from, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1, part = -1,
			    tree = -1, place = -1;
	struct stat st;

	if (!path || !to || base < 0)
		return say("cannot access the volume at %s: %s", from ? from : "", errno_text(errno));
	part = (int)syscall(SYS_openat2, base, path, &how, sizeof(how));
	if (part < 0 && errno == EXDEV)
		return say(
			"path concatenation escapes the base directory, base: %s, subpath: %s", from, path);
	if (part < 0 || fstat(part, &st) < 0)
		return say("cannot access path %s/%s: %s", from, path, errno_text(errno));
	if (S_ISDIR(st.st_mode) && fill_part(o, from, part, path))
		return 1;
	/* A place of the same kind. */
	if (S_ISDIR(st.st_mode) ? mkdir(to, 0700) < 0 && errno != EEXIST
				: (place = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)) < 0)
		return say("cannot make %s: %s", to, errno_text(errno));
	tree = (int)syscall(
		SYS_open_tree, part, "", AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0 || syscall(SYS_move_mount, tree, "", AT_FDCWD, to, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return say("cannot mount path %s of the volume: %s", path, errno_text(errno));
	return 0;
}

int engine_volumes_main(int argc, char **argv)
{
	static const struct {
		const char *op;
		int (*run)(yyjson_val *step);
	} ops[] = {{"mount", do_mount}, {"fill", do_fill}, {"subpath", do_subpath}};
	cleanup(json_docp) yyjson_doc *plan = NULL;
	size_t i, n;
	yyjson_val *step;
	int r = argc == 2 ? disk_read_json(argv[1], PLAN_MAX, &plan) : -EINVAL;

	if (r < 0)
		return say("engine_volumes needs a plan: %s", errno_text(-r));
	umask(0);
	yyjson_arr_foreach (yyjson_doc_get_root(plan), i, n, step) {
		const char *op = json_str(step, "op");
		size_t k = 0;

		while (op && k < array_len(ops) && strcmp(ops[k].op, op) != 0)
			k++;
		if (!op || k == array_len(ops))
			return say("engine_volumes: step %zu is unknown", i);
		if (ops[k].run(step))
			return 1;
	}
	return 0;
}
