/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The files of a segment: as they were written, or, once it is full, packed. At any moment each is there in one form at least:
 * what is packed is synced and renamed before what was written is unlinked.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "engine/files.h"
#include "engine/output_int.h"

#define UNDONE OUTPUT_PACKED ".new"

static void name_of(char name[40], unsigned seg, int kind, const char *how)
{
	static const char *const suffix[OUTPUT_KINDS] = {"out", "err", "idx"};

	snprintf(name, 40, "%u.%s%s", seg, suffix[kind], how);
}

int output_part_fd(int dir, unsigned seg, int kind, const char *how, int flags)
{
	char name[40];

	name_of(name, seg, kind, how);

	int fd = openat(dir, name, flags | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd < 0 ? -errno : fd;
}

void output_segment_unlink(const struct output *l, unsigned seg)
{
	static const char *const forms[] = {"", OUTPUT_PACKED, UNDONE};
	char name[40];

	for (int kind = 0; kind < OUTPUT_KINDS; kind++)
		for (size_t i = 0; i < array_len(forms); i++) {
			name_of(name, seg, kind, forms[i]);
			unlinkat(l->dirfd, name, 0);
		}
}

/* ---- as it was written, or packed */

int output_part_open(struct output_part *p, const struct output *l, unsigned seg, int kind)
{
	*p = (struct output_part){.fd = output_part_fd(l->dirfd, seg, kind, "", O_RDONLY)};
	if (p->fd != -ENOENT)
		return p->fd < 0 ? p->fd : 0;
	/* Packed; when it was packed just now, then before the other was unlinked. */
	p->fd = output_part_fd(l->dirfd, seg, kind, OUTPUT_PACKED, O_RDONLY);

	int err = p->fd < 0 ? p->fd : output_pack_open(&p->pack, p->fd);

	if (err)
		output_part_close(p);
	return err;
}

void output_part_close(struct output_part *p)
{
	output_pack_free(take(p->pack));
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

ssize_t output_part_read(struct output_part *p, void *buf, size_t n, int64_t off)
{
	if (p->pack)
		return output_pack_read(p->pack, buf, n, off);

	ssize_t got = pread(p->fd, buf, n, off);

	return got < 0 ? -errno : got;
}

int64_t output_part_size(struct output_part *p)
{
	return p->pack ? output_pack_size(p->pack) : lseek(p->fd, 0, SEEK_END);
}

/* ---- packing */

static int pack_part(int dir, unsigned seg, int kind)
{
	cleanup(closep) int in = output_part_fd(dir, seg, kind, "", O_RDONLY), out = -1;
	char plain[40], undone[40], packed[40];
	int err;

	if (in == -ENOENT)
		return 0; /* a killed engine had got as far as this */
	if (in < 0)
		return in;
	name_of(plain, seg, kind, "");
	name_of(undone, seg, kind, UNDONE);
	name_of(packed, seg, kind, OUTPUT_PACKED);
	out = output_part_fd(dir, seg, kind, UNDONE, O_WRONLY | O_CREAT | O_TRUNC);
	err = out < 0 ? out : output_pack_write(in, out);
	if (!err && fsync(out) < 0)
		err = -errno;
	fault_point("log-packed");
	if (!err && renameat(dir, undone, dir, packed) < 0)
		err = -errno;
	fault_point("log-pack-renamed");
	/* A half one helps nobody, least of all when it is the disk that is full. */
	if (unlinkat(dir, err ? undone : plain, 0) < 0 && !err)
		err = -errno;
	return err;
}

int output_pack_segment(int dir, unsigned seg)
{
	int err = 0;

	/* The index last: it is what says that there is more to do. */
	for (int kind = 0; !err && kind < OUTPUT_KINDS; kind++)
		err = pack_part(dir, seg, kind);
	return err == -ENOENT ? 0 : err; /* it grew too old meanwhile */
}

void output_pack_next(struct output *l)
{
	char name[40];

	while (l->pack && !l->packing && l->packed_to < l->seg) {
		if (l->packed_to < l->first)
			l->packed_to = l->first;
		name_of(name, l->packed_to, OUTPUT_IDX, "");
		if (l->packed_to < l->seg && !faccessat(l->dirfd, name, F_OK, 0)) {
			l->packing = true;
			l->pack(l, l->packed_to, l->pack_arg);
		} else {
			l->packed_to++;
		}
	}
}

void output_pack_with(struct output *l, void (*pack)(struct output *l, unsigned seg, void *arg), void *arg)
{
	l->pack = pack;
	l->pack_arg = arg;
	output_pack_next(l);
}

void output_packed(struct output *l, unsigned seg)
{
	l->packing = false;
	if (l->packed_to <= seg)
		l->packed_to = seg + 1;
	if (seg < l->first)
		output_segment_unlink(l, seg); /* it went meanwhile */
	output_pack_next(l);
}

int output_dir(const struct output *l)
{
	return l->dirfd;
}
