/* SPDX-License-Identifier: Apache-2.0 */

/*
 * `storage`: a one-shot unit that ends with /state and /data mounted, on disk if at all possible, else in
 * memory with the reason on the console and in /run/storage/status. Which disk: choose.h.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <yyjson.h>

#include "applets.h"
#include "init/config/check.h"
#include "init/storage/choose.h"
#include "init/storage/fs.h"
#include "init/storage/prepare.h"
#include "lib/console.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/places.h"

#define CONFIG "/run/config/config.json"
#define RUN    "/run/storage"
#define STATUS RUN "/status"
#define NOTICE "/run/notice/storage"

/* nodev on DATA too: container roots and volumes need no device nodes there, they get theirs in /dev. */
enum {
	STATE_FLAGS = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME,
	DATA_FLAGS = MS_NODEV | MS_NOATIME,
};

struct storage {
	char configured[128]; /* "" when not */
	bool wipe;
	uint64_t data_size;

	struct disk_choice chosen;
	struct bdev_file disk;
	bool open;
	struct gpt gpt;
	struct prepared made;

	char status[2048];
	char notice[1024];
};

static void say(struct storage *s, const char *fmt, ...) printf_like(2, 3);
static void say(struct storage *s, const char *fmt, ...)
{
	size_t len = strlen(s->status);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->status + len, sizeof(s->status) - len, fmt, ap);
	va_end(ap);
}

static void read_config(struct storage *s)
{
	cleanup(freep) char *text = NULL;
	yyjson_doc *doc = NULL;
	yyjson_val *storage;
	const char *disk, *size;
	size_t len;
	int rc = file_read(AT_FDCWD, CONFIG, 8 << 20, &text, &len);

	if (rc == 0)
		doc = yyjson_read(text, len, 0);
	if (!doc) {
		log_warn("path=%s msg=\"unreadable; storage goes by its defaults\"", CONFIG);
		return;
	}
	storage = yyjson_obj_get(yyjson_doc_get_root(doc), "storage");
	disk = yyjson_get_str(yyjson_obj_get(storage, "disk"));
	size = yyjson_get_str(yyjson_obj_get(storage, "data_size"));
	snprintf(s->configured, sizeof(s->configured), "%s", disk ? disk : "");
	s->wipe = yyjson_get_bool(yyjson_obj_get(storage, "wipe"));
	if (size && strcmp(size, "rest") != 0 && parse_size(size, &s->data_size) < 0)
		s->data_size = 0;
	yyjson_doc_free(doc);
}

static int reread(void *arg, const struct gpt *g)
{
	struct storage *s = arg;
	int rc = disk_reread(s->disk.fd, s->chosen.name, &s->disk.b, g);

	return rc < 0 ? log_errno(-rc, "disk=%s op=reread", s->chosen.name) : 0;
}

static int format(void *arg, const struct gpt *g, unsigned index)
{
	struct storage *s = arg;
	struct gpt_guid data;
	bool is_data;
	char device[64];
	int rc = disk_partition(s->chosen.name, index, device, sizeof(device));

	if (rc < 0)
		return log_errno(-rc, "disk=%s partition=%u op=find", s->chosen.name, index + 1);
	if (gpt_guid_parse(&data, DATA_TYPE) < 0)
		return -EINVAL;
	is_data = gpt_guid_equal(&g->part[index].type, &data);
	log_info("device=%s msg=\"making the file system\" for=%s", device, is_data ? "DATA" : "STATE");
	return fs_make(device, is_data ? "wherry-data" : "wherry-state", is_data);
}

static int open_disk(struct storage *s)
{
	char path[64];
	int rc;

	snprintf(path, sizeof(path), "/dev/%s", s->chosen.name);
	rc = bdev_open(&s->disk, path, true);
	if (rc == -EROFS)
		return disk_problem(&s->chosen, "disk %s is read-only (write-protected)", path);
	if (rc)
		return disk_problem(&s->chosen, "disk %s cannot be opened: %s", path, strerror(-rc));
	s->open = true;
	return 0;
}

static int prepare(struct storage *s)
{
	struct prepare_want want = {.booted = s->chosen.booted,
		.wipe = s->wipe && s->chosen.configured,
		.data_size = s->data_size};
	struct prepare_ops ops = {reread, format, s};
	const struct bdev *b = &s->disk.b;
	const char *why = "";
	int rc = prepare_disk(&s->disk.b, &want, &ops, &s->gpt, &s->made, &why);

	if (rc == PREPARE_FOREIGN)
		return disk_problem(&s->chosen,
			"disk /dev/%s holds %s and is left alone; empty it, or set storage.disk and storage.wipe",
			s->chosen.name, why);
	if (rc == PREPARE_TOO_SMALL)
		return disk_problem(&s->chosen,
			"disk /dev/%s is too small: %llu MiB, and STATE and DATA need %llu MiB more than what is used",
			s->chosen.name, (unsigned long long)(b->sectors * b->sector >> 20),
			(STATE_BYTES + DATA_BYTES_MIN) >> 20);
	if (rc)
		return disk_problem(&s->chosen, "disk /dev/%s fails: %s", s->chosen.name, strerror(-rc));
	if (s->made.made)
		console_say("disk /dev/%s: STATE and DATA made", s->chosen.name);
	if (s->made.grown)
		log_info("disk=%s msg=\"DATA grown\"", s->chosen.name);
	if (s->made.mended && !s->made.made && !s->made.grown)
		log_warn("disk=%s msg=\"partition table mended\"", s->chosen.name);
	return 0;
}

/* One of the two, from the disk or from memory. 0, or -errno when not even memory could be mounted. */
static int mount_one(struct storage *s, const char *name, const char *where, unsigned index,
	unsigned long flags, const char *disk_options, const char *memory_options)
{
	char device[64] = "";
	const char *why = s->chosen.problem;
	int rc = -EIO;

	if (!*why) {
		rc = disk_partition(s->chosen.name, index, device, sizeof(device));
		if (!rc && fs_check(device, name) < 0)
			rc = -EUCLEAN;
		if (!rc)
			rc = fs_mount(device, where, flags, disk_options);
		why = rc ? strerror(-rc) : "";
	}
	if (!rc) {
		say(s, "%s: %s, ext4, %llu MiB\n", where, device,
			(unsigned long long)((s->gpt.part[index].last - s->gpt.part[index].first + 1) *
						     s->disk.b.sector >>
					     20));
		return 0;
	}
	if (!*s->chosen.problem) {
		size_t len = strlen(s->notice);

		snprintf(s->notice + len, sizeof(s->notice) - len,
			"%s (%s) cannot be used: %s; it is in memory, lost at reboot\n", name,
			*device ? device : s->chosen.name, why);
		console_say("WARNING: %s", s->notice + len);
	}
	say(s, "%s: in memory, lost at reboot: %s\n", where, why);
	return fs_mount_memory(where, flags, memory_options);
}

static int write_status(const struct storage *s)
{
	int rc = 0;

	if (mkdir(RUN, 0755) < 0 && errno != EEXIST)
		return log_errno(errno, "path=%s op=mkdir", RUN);
	rc = file_replace(AT_FDCWD, STATUS, s->status, strlen(s->status), 0644);
	if (!rc && *s->notice)
		rc = file_replace(AT_FDCWD, NOTICE, s->notice, strlen(s->notice), 0644);
	return rc < 0 ? log_errno(-rc, "path=%s op=write", RUN) : 0;
}

int storage_main(int argc, char **argv)
{
	static struct storage s; /* 16 KiB of table */
	int rc;

	if (argc != 1) {
		fputs("usage: storage\n", stderr);
		return 2;
	}
	read_config(&s);
	rc = disk_choose(s.configured, &s.chosen);
	if (!rc)
		rc = open_disk(&s);
	if (!rc)
		rc = prepare(&s);
	if (rc) {
		log_warn("msg=\"no disk in use\" why=\"%s\"", s.chosen.problem);
		snprintf(s.notice, sizeof(s.notice),
			"%s; the node works in memory, everything is lost at reboot\n", s.chosen.problem);
		console_say("WARNING: %s. The node works in memory: everything is lost at reboot.",
			s.chosen.problem);
	} else {
		say(&s, "disk: /dev/%s, %s\n", s.chosen.name, s.chosen.how);
	}

	rc = mount_one(&s, "STATE", "/state", s.made.state, STATE_FLAGS, "", "size=16m,mode=0755");
	if (!rc)
		rc = mount_one(
			&s, "DATA", "/data", s.made.data, DATA_FLAGS, "prjquota", "size=50%,mode=0755");
	if (!rc) {
		int err = places_make("/data");

		/* Without them the node works; who binds one is told. */
		if (err)
			log_errno(-err, "path=/data/" PLACES_DIR " op=make");
	}
	if (s.open)
		bdev_close(&s.disk);
	if (write_status(&s) < 0)
		rc = -EIO;
	return rc ? 1 : 0;
}
