/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_OUTPUT_INT_H
#define ENGINE_OUTPUT_INT_H

#include "engine/output.h"
#include "engine/output_pack.h"

struct output {
	unsigned refs;
	int dirfd;  /* owned; stays valid when the directory is moved to the trash */
	int fds[3]; /* out, err, idx of the newest segment; owned */
	unsigned first, seg;
	int64_t size[2], idx_size; /* of the newest segment, as indexed */
	int64_t unindexed[2];	   /* bytes in the files whose record could not be written yet */
	int64_t max_size;
	unsigned max_files;
	bool ended;
	uint64_t lost;
	struct output_reader *followers;
	unsigned turn;
	unsigned packed_to; /* what is older is packed, or was tried; packing goes on here */
	bool packing;
	void (*pack)(struct output *l, unsigned seg, void *arg); /* NULL: segments stay as they are */
	void *pack_arg;
	char *trash;
	void (*trash_fn)(const char *path, void *arg);
	void *trash_arg;
};

/* Of a segment: 0 out, 1 err, 2 idx. */
enum { OUTPUT_IDX = 2, OUTPUT_KINDS = 3 };

#define OUTPUT_PACKED ".gz" /* behind the name of a file that is packed */

/* A file of a segment by its name's ending: "" or OUTPUT_PACKED. Descriptor or -errno. */
must_check int output_part_fd(int dir, unsigned seg, int kind, const char *how, int flags);
void output_segment_unlink(const struct output *l, unsigned seg);
/* Has the oldest segment packed that is full and is not yet, unless one is being packed. */
void output_pack_next(struct output *l);

/* A file of a segment, as it was written or packed. */
struct output_part {
	int fd;			  /* owned; -1 */
	struct output_pack *pack; /* owned; NULL: as it was written */
};

/* 0, -ENOENT, or -errno. */
must_check int output_part_open(struct output_part *p, const struct output *l, unsigned seg, int kind);
void output_part_close(struct output_part *p);
/* As pread(2), with -errno. */
must_check ssize_t output_part_read(struct output_part *p, void *buf, size_t n, int64_t off);
int64_t output_part_size(struct output_part *p);

#endif
