/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_OUTPUT_H
#define ENGINE_OUTPUT_H

/*
 * A container's output on disk. Output is never read by the engine on its way in: it is spliced from the pipe
 * to the end of a raw file, so a killed engine leaves every byte either in the pipe or in the file. Beside
 * the raw files of the two streams lies an index, one record a splice: when, which stream, how many bytes. If
 * the engine dies between splice and record, the next output_open() adds the record from the file's time.
 *
 *   log/N.out log/N.err   raw bytes of segment N
 *   log/N.idx             struct output_record, native byte order
 *
 *   log/N.*.gz          the same of an older segment, when it is to be packed (output_pack.h)
 *
 * A segment that has reached its size is followed by N+1; the oldest goes when there are more than max_files.
 * A line may cross a segment's end: readers carry on.
 */

#include <stdint.h>
#include <sys/types.h>

#include "lib/util.h"

enum { OUTPUT_STDOUT = 1, OUTPUT_STDERR = 2 }; /* as the attach protocol numbers them */
enum { OUTPUT_DEFAULT_FILES = 5, OUTPUT_SPLICE_MAX = 1 << 20 };
#define OUTPUT_DEFAULT_SIZE (INT64_C(10) << 20)
/* Of a container without a log: as much as an attached client may lag behind. */
enum { OUTPUT_NONE_FILES = 2 };
#define OUTPUT_NONE_SIZE (INT64_C(1) << 20)

struct output_record {
	int64_t time_ns;
	uint32_t len;
	uint32_t stream;
};

struct output;
struct output_part;

/* @dir is made when missing. Repairs the index. 0 or -errno, logged. */
must_check int output_open(struct output **out, const char *dir, int64_t max_size, unsigned max_files);
struct output *output_ref(struct output *l);
void output_unref(struct output *l); /* accepts NULL */

/**
 * output_splice() - move what a pipe holds to the end of a stream
 * @pipe: non-blocking; borrowed
 *
 * When the disk is full the output is dropped and counted, so that the container does not hang on it.
 * Return: bytes moved, 0 at the pipe's end, -EAGAIN when it is empty, or -errno.
 */
must_check ssize_t output_splice(struct output *l, unsigned stream, int pipe);

/* Nothing more will come until output_resume(); readers that follow see the end. */
void output_end(struct output *l);
void output_resume(struct output *l);
bool output_ended(const struct output *l);

/* When the last reference goes, this directory is removed (trash.h). Copied. */
must_check int output_trash(
	struct output *l, const char *path, void (*fn)(const char *path, void *arg), void *arg);

/**
 * output_pack_with() - segments that are full are to be packed
 * @pack:	called with the number of one that is; calls output_packed() in the end, maybe from inside. One at a time
 *
 * output_pack_segment() is the work, for whoever does it beside the engine: each file is there as it was or packed, at
 * any moment. One that is gone, also meanwhile, is done. Return: 0 or -errno.
 */
void output_pack_with(struct output *l, void (*pack)(struct output *l, unsigned seg, void *arg), void *arg);
void output_packed(struct output *l, unsigned seg);
must_check int output_pack_segment(int dir, unsigned seg);
int output_dir(const struct output *l); /* a descriptor of its directory; borrowed */

/* Drops all that is there; readers that are at it see no more of it. */
void output_clear(struct output *l);

/* ---- reading */

struct output_pos {
	unsigned seg;
	int64_t idx, out, err; /* offsets in the segment's files */
	uint32_t done;	       /* bytes of the record at idx that were taken already */
};

struct output_reader {
	struct output *output; /* owned reference */
	struct output_pos pos;
	struct output_part *parts; /* out, err, idx of fd_seg; owned; NULL until first needed */
	unsigned fd_seg;
	void (*wake)(
		struct output_reader *r); /* something was added, or the log has ended; NULL: not following */
	struct output_reader *next, **link;
	unsigned turn; /* the writer's own */
};

struct output_chunk {
	int64_t time_ns;
	unsigned stream;
	size_t len;
};

void output_reader_init(struct output_reader *r, struct output *l); /* at the oldest byte */
void output_reader_fini(struct output_reader *r);
void output_reader_to_end(struct output_reader *r);
/* To where the last @lines lines of both streams begin. */
must_check int output_reader_tail(struct output_reader *r, uint64_t lines);
/* wake() is called from the loop's callbacks whenever there may be more. */
void output_reader_follow(struct output_reader *r, void (*wake)(struct output_reader *r));

/* The next chunk, at most @size bytes of one record. 1, 0: no more now, or -errno. */
must_check int output_read(struct output_reader *r, struct output_chunk *chunk, void *buf, size_t size);
/* As output_read() but without the bytes: skips the rest of the record. */
must_check int output_skip(struct output_reader *r, struct output_chunk *chunk);
/* The time of the record that comes next. 1, 0 or -errno. */
must_check int output_peek(struct output_reader *r, struct output_chunk *chunk);

#endif
