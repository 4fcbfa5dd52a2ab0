/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The writing side of a container's log: segments, splice, index, repair. See output.h; output_read.c reads, output_part.c has the
 * files of a segment.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/files.h"
#include "engine/output_int.h"
#include "lib/log.h"

static void segment_close(struct output *l)
{
	for (int i = 0; i < 3; i++)
		closep(&l->fds[i]);
}

/* Which segments are there? first > last: none. */
static int scan(struct output *l)
{
	int fd = openat(l->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d) {
		int err = -errno;

		closep(&fd);
		return err;
	}
	l->first = ~0U;
	l->seg = 0;
	for (struct dirent *ent; (ent = readdir(d));) {
		char *end;
		unsigned long n = strtoul(ent->d_name, &end, 10);

		if (end == ent->d_name ||
			(strcmp(end, ".idx") != 0 && strcmp(end, ".idx" OUTPUT_PACKED) != 0) || !n ||
			n > 0x7fffffff)
			continue;
		if (n < l->first)
			l->first = (unsigned)n;
		if (n > l->seg)
			l->seg = (unsigned)n;
	}
	closedir(d);
	return 0;
}

static int append_record(struct output *l, int64_t time_ns, unsigned stream, uint64_t len)
{
	while (len) {
		struct output_record rec = {
			.time_ns = time_ns,
			.len = len > UINT32_MAX ? UINT32_MAX : (uint32_t)len,
			.stream = stream,
		};

		if (pwrite(l->fds[2], &rec, sizeof(rec), l->idx_size) != sizeof(rec))
			return errno ? -errno : -EIO;
		l->idx_size += (int64_t)sizeof(rec);
		l->size[stream - 1] += rec.len;
		len -= rec.len;
	}
	return 0;
}

/*
 * After a killed engine the files may be longer than the index says: the rest becomes a record. After a power
 * cut they may be shorter: the index is cut where it says more than there is.
 */
static int repair(struct output *l)
{
	struct stat st[2];
	struct output_record rec[64];
	ssize_t n;

	if (fstat(l->fds[0], &st[0]) < 0 || fstat(l->fds[1], &st[1]) < 0)
		return -errno;
	l->idx_size = l->size[0] = l->size[1] = l->unindexed[0] = l->unindexed[1] = 0;
	while ((n = pread(l->fds[2], rec, sizeof(rec), l->idx_size)) >= (ssize_t)sizeof(rec[0])) {
		for (size_t i = 0; i < (size_t)n / sizeof(rec[0]); i++) {
			unsigned s = rec[i].stream - 1;

			if (s > 1 || l->size[s] + rec[i].len > st[s].st_size)
				goto cut;
			l->size[s] += rec[i].len;
			l->idx_size += (int64_t)sizeof(rec[0]);
		}
	}
cut:
	if (ftruncate(l->fds[2], l->idx_size) < 0)
		return -errno;
	for (unsigned s = 0; s < 2; s++) {
		int64_t mtime = st[s].st_mtim.tv_sec * INT64_C(1000000000) + st[s].st_mtim.tv_nsec;
		int err = append_record(l, mtime, s + 1, (uint64_t)(st[s].st_size - l->size[s]));

		if (err)
			return err;
	}
	return 0;
}

static int segment_begin(struct output *l, unsigned seg)
{
	int fds[OUTPUT_KINDS] = {-1, -1, -1};

	for (int i = 0; i < OUTPUT_KINDS; i++) {
		fds[i] = output_part_fd(l->dirfd, seg, i, "", O_RDWR | O_CREAT);
		if (fds[i] < 0) {
			int err = fds[i];

			for (int j = 0; j < i; j++)
				closep(&fds[j]);
			return err;
		}
	}
	segment_close(l);
	memcpy(l->fds, fds, sizeof(fds));
	l->seg = seg;
	return repair(l);
}

int output_open(struct output **out, const char *dir, int64_t max_size, unsigned max_files)
{
	struct output *l = calloc(1, sizeof(*l));

	if (!l)
		return log_errno(ENOMEM, "op=log-open dir=%s", dir);
	l->refs = 1;
	l->dirfd = l->fds[0] = l->fds[1] = l->fds[2] = -1;
	l->max_size = max_size;
	l->max_files = max_files ? max_files : 1;
	l->ended = true;

	int err = dir_make(dir, 0700);

	if (!err) {
		l->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		err = l->dirfd < 0 ? -errno : scan(l);
	}
	if (!err && !l->seg)
		l->first = l->seg = 1;
	if (!err)
		err = segment_begin(l, l->seg);
	if (err) {
		output_unref(l);
		return log_errno(-err, "op=log-open dir=%s", dir);
	}
	*out = l;
	return 0;
}

struct output *output_ref(struct output *l)
{
	l->refs++;
	return l;
}

void output_unref(struct output *l)
{
	if (!l || --l->refs)
		return;
	segment_close(l);
	closep(&l->dirfd);
	if (l->trash_fn)
		l->trash_fn(l->trash, l->trash_arg);
	free(l->trash);
	free(l);
}

int output_trash(struct output *l, const char *path, void (*fn)(const char *path, void *arg), void *arg)
{
	char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	free(l->trash);
	l->trash = copy;
	l->trash_fn = fn;
	l->trash_arg = arg;
	return 0;
}

/* A wake may end its reader, or any other: each is marked with the turn, and the walk begins anew after a
 * change. */
static void wake_all(struct output *l)
{
	unsigned turn = ++l->turn;

	output_ref(l);
	for (struct output_reader *r = l->followers; r;) {
		if (r->turn == turn) {
			r = r->next;
			continue;
		}
		r->turn = turn;
		r->wake(r);
		r = l->followers;
	}
	output_unref(l);
}

static int rotate(struct output *l)
{
	int err = segment_begin(l, l->seg + 1);

	if (err)
		return err;
	while (l->seg - l->first + 1 > l->max_files)
		output_segment_unlink(l, l->first++);
	output_pack_next(l);
	return 0;
}

void output_clear(struct output *l)
{
	int err = rotate(l);

	if (err) {
		log_errno(-err, "op=log-clear");
		return;
	}
	while (l->first < l->seg)
		output_segment_unlink(l, l->first++);
}

/* The disk is full: the container goes on, its output is lost and counted. */
static ssize_t discard(struct output *l, int pipe)
{
	char buf[4096];
	ssize_t n = read(pipe, buf, sizeof(buf));

	if (n < 0)
		return -errno;
	if (!l->lost)
		log_error("op=log msg=\"disk full: container output is being dropped\"");
	l->lost += (uint64_t)n;
	return n;
}

ssize_t output_splice(struct output *l, unsigned stream, int pipe)
{
	if (l->size[0] + l->size[1] + l->idx_size >= l->max_size) {
		int err = rotate(l);

		if (err)
			log_errno(-err, "op=log-rotate");
	}

	off_t off = l->size[stream - 1] + l->unindexed[stream - 1];
	ssize_t n = splice(
		pipe, NULL, l->fds[stream - 1], &off, OUTPUT_SPLICE_MAX, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

	if (n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG || errno == EIO || errno == EROFS))
		return discard(l, pipe);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (!n)
		return 0;
	fault_point("log-spliced");
	if (l->lost) {
		log_warn("op=log lost_bytes=%llu msg=\"the disk has room again\"",
			(unsigned long long)l->lost);
		l->lost = 0;
	}

	l->unindexed[stream - 1] += n;

	int err = append_record(l, wall_ns(), stream, (uint64_t)l->unindexed[stream - 1]);

	if (err) {
		/* Readers go by the index; the bytes stay in the file, and the next record counts them. */
		log_errno(-err, "op=log-index");
		return n;
	}
	l->unindexed[stream - 1] = 0;
	wake_all(l);
	return n;
}

void output_end(struct output *l)
{
	if (l->ended)
		return;
	l->ended = true;
	wake_all(l);
}

void output_resume(struct output *l)
{
	l->ended = false;
}

bool output_ended(const struct output *l)
{
	return l->ended;
}
