/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The reading side of a container's log: records in order, across segments, from any place.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "engine/output_int.h"

void output_reader_init(struct output_reader *r, struct output *l)
{
	*r = (struct output_reader){.output = output_ref(l), .pos.seg = l->first};
}

static void close_segment(struct output_reader *r)
{
	for (int i = 0; r->parts && i < OUTPUT_KINDS; i++)
		output_part_close(&r->parts[i]);
	r->fd_seg = 0;
}

void output_reader_fini(struct output_reader *r)
{
	if (r->link) {
		*r->link = r->next;
		if (r->next)
			r->next->link = r->link;
		r->link = NULL;
	}
	close_segment(r);
	free(take(r->parts));
	output_unref(r->output);
	r->output = NULL;
}

void output_reader_follow(struct output_reader *r, void (*wake)(struct output_reader *r))
{
	r->wake = wake;
	r->next = r->output->followers;
	r->link = &r->output->followers;
	r->turn = r->output->turn;
	if (r->next)
		r->next->link = &r->next;
	r->output->followers = r;
}

void output_reader_to_end(struct output_reader *r)
{
	struct output *l = r->output;

	r->pos = (struct output_pos){.seg = l->seg, .idx = l->idx_size, .out = l->size[0], .err = l->size[1]};
}

/* The reader's descriptors are of the segment it stands in. 1, 0: that segment is not there, or -errno. */
static int open_segment(struct output_reader *r)
{
	if (r->fd_seg == r->pos.seg)
		return 1;
	close_segment(r);
	if (!r->parts) {
		r->parts = calloc(OUTPUT_KINDS, sizeof(*r->parts));
		for (int i = 0; r->parts && i < OUTPUT_KINDS; i++)
			r->parts[i].fd = -1;
	}
	if (!r->parts)
		return -ENOMEM;
	for (int i = 0; i < OUTPUT_KINDS; i++) {
		int err = output_part_open(&r->parts[i], r->output, r->pos.seg, i);

		if (err) {
			close_segment(r);
			return err == -ENOENT ? 0 : err;
		}
	}
	r->fd_seg = r->pos.seg;
	return 1;
}

/* The record the reader stands at. */
static int current(struct output_reader *r, struct output_record *rec)
{
	for (;;) {
		if (r->pos.seg < r->output->first && r->fd_seg != r->pos.seg)
			r->pos = (struct output_pos){.seg = r->output->first};

		int got = open_segment(r);

		if (got < 0)
			return got;
		if (got) {
			ssize_t n = output_part_read(&r->parts[OUTPUT_IDX], rec, sizeof(*rec), r->pos.idx);

			if (n < 0)
				return (int)n;
			if (n == (ssize_t)sizeof(*rec))
				return rec->stream == OUTPUT_STDOUT || rec->stream == OUTPUT_STDERR
					       ? 1
					       : -EBADMSG;
		}
		if (r->pos.seg >= r->output->seg)
			return 0;
		r->pos = (struct output_pos){.seg = r->pos.seg + 1};
	}
}

static int64_t *offset_of(struct output_pos *pos, unsigned stream)
{
	return stream == OUTPUT_STDOUT ? &pos->out : &pos->err;
}

static void advance(struct output_reader *r, const struct output_record *rec, uint32_t n)
{
	*offset_of(&r->pos, rec->stream) += n;
	r->pos.done += n;
	if (r->pos.done >= rec->len) {
		r->pos.done = 0;
		r->pos.idx += (int64_t)sizeof(*rec);
	}
}

int output_peek(struct output_reader *r, struct output_chunk *chunk)
{
	struct output_record rec;
	int got = current(r, &rec);

	if (got > 0)
		*chunk = (struct output_chunk){
			.time_ns = rec.time_ns, .stream = rec.stream, .len = rec.len - r->pos.done};
	return got;
}

int output_skip(struct output_reader *r, struct output_chunk *chunk)
{
	struct output_record rec;
	int got = current(r, &rec);

	if (got <= 0)
		return got;
	*chunk = (struct output_chunk){
		.time_ns = rec.time_ns, .stream = rec.stream, .len = rec.len - r->pos.done};
	advance(r, &rec, rec.len - r->pos.done);
	return 1;
}

int output_read(struct output_reader *r, struct output_chunk *chunk, void *buf, size_t size)
{
	struct output_record rec;
	int got = current(r, &rec);

	if (got <= 0)
		return got;

	uint32_t want = rec.len - r->pos.done;

	if (want > size)
		want = (uint32_t)size;

	ssize_t n =
		want ? output_part_read(&r->parts[rec.stream - 1], buf, want, *offset_of(&r->pos, rec.stream))
		     : 0;

	if (n < 0)
		return (int)n;
	if (!n && want)
		return -EBADMSG; /* the index says more than the file has */
	*chunk = (struct output_chunk){.time_ns = rec.time_ns, .stream = rec.stream, .len = (size_t)n};
	advance(r, &rec, (uint32_t)n);
	return 1;
}

/* Walks one segment backwards. Return: 1 when the place was found, 0 when more lines are wanted, or -errno.
 */
static int tail_segment(struct output_reader *r, struct output_pos end, uint64_t *lines, bool *last)
{
	struct output_pos p = end;

	while (p.idx >= (int64_t)sizeof(struct output_record)) {
		struct output_record rec;

		p.idx -= (int64_t)sizeof(rec);
		if (output_part_read(&r->parts[OUTPUT_IDX], &rec, sizeof(rec), p.idx) != sizeof(rec) ||
			rec.stream - 1 > 1)
			return -EBADMSG;

		int64_t *off = offset_of(&p, rec.stream);
		uint32_t left = rec.len;

		*off -= rec.len;
		while (left) {
			char buf[16384];
			uint32_t n = left > sizeof(buf) ? sizeof(buf) : left;

			if (output_part_read(&r->parts[rec.stream - 1], buf, n, *off + left - n) !=
				(ssize_t)n)
				return -EBADMSG;
			for (uint32_t i = n; i-- > 0;) {
				if (buf[i] != '\n') {
					/* An unfinished last line is a line. */
					if (*last && *lines)
						(*lines)--;
					*last = false;
					continue;
				}
				if (!*last && !*lines) {
					uint32_t done = left - n + i + 1;

					*off += done;
					p.done = done;
					if (done == rec.len) {
						p.done = 0;
						p.idx += (int64_t)sizeof(rec);
					}
					r->pos = p;
					return 1;
				}
				if (*lines)
					(*lines)--;
				*last = false;
			}
			left -= n;
		}
	}
	return 0;
}

int output_reader_tail(struct output_reader *r, uint64_t lines)
{
	struct output *l = r->output;
	bool last = true; /* nothing seen yet */

	output_reader_to_end(r);
	if (!lines)
		return 0;
	for (;;) {
		struct output_pos end = r->pos;
		int got = open_segment(r);

		if (got < 0)
			return got;
		if (!got) {
			r->pos = (struct output_pos){.seg = l->first};
			return 0;
		}
		if (end.seg != l->seg) {
			end.idx = output_part_size(&r->parts[OUTPUT_IDX]);
			end.idx -= end.idx % (int64_t)sizeof(struct output_record);
			end.out = output_part_size(&r->parts[0]);
			end.err = output_part_size(&r->parts[1]);
		}
		got = tail_segment(r, end, &lines, &last);
		if (got)
			return got < 0 ? got : 0;
		if (r->pos.seg <= l->first) {
			r->pos = (struct output_pos){.seg = l->first};
			return 0;
		}
		r->pos = (struct output_pos){.seg = r->pos.seg - 1};
	}
}
