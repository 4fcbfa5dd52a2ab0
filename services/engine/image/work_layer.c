/* SPDX-License-Identifier: Apache-2.0 */

/* Layers that are made here rather than pulled: from a stream, from a directory, and back to a stream. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <zlib.h>

#include "engine/image/digest.h"
#include "engine/image/tree_tar.h"
#include "engine/image/work.h"
#include "lib/errno_text.h"
#include "lib/file.h"

enum { PIPE_SIZE = 1 << 20, CHUNK = 1 << 17 };

static int start_unpacker(struct work *w, int in, const struct unpack_limits *limits, struct new_layer *l,
	struct unpack_worker *u)
{
	cleanup(closep) int root = stage_open_tree(&w->store->disk, &l->stage);
	int r;

	if (root < 0) {
		close(in);
		return work_fail(w, root, "staging: %s", errno_text(-root));
	}
	r = unpack_worker_start(u, in, root, limits);
	return r < 0 ? work_fail(w, r, "unpacker: %s", errno_text(-r)) : 0;
}

static int finish_unpacker(struct work *w, struct new_layer *l, struct unpack_worker *u)
{
	int r;

	do
		r = unpack_worker_read(u);
	while (r == 1 || r == -EINTR);
	if (r < 0) {
		unpack_worker_kill(u);
		return work_fail(w, r, "unpacker: %s", errno_text(-r));
	}
	r = unpack_worker_end(u, &l->result);
	if (r < 0)
		return work_fail(w, r, "%s", *l->result.error ? l->result.error : errno_text(-r));
	strcpy(l->rec.diff_id, l->result.diff_id);
	l->rec.size_bytes = l->result.size_bytes;
	l->empty = l->result.entries == 0;
	return 0;
}

int layer_receive(struct work *w, int in, const struct unpack_limits *limits, struct new_layer *l)
{
	struct unpack_worker u;
	int r = start_unpacker(w, in, limits, l, &u);

	return r < 0 ? r : finish_unpacker(w, l, &u);
}

static int to_pipe(const void *buf, size_t len, void *arg)
{
	return file_write_all(*(int *)arg, buf, len);
}

int layer_of_tree(struct work *w, int dirfd, const struct tree_tar_opts *o, struct new_layer *l)
{
	struct unpack_worker u;
	uint64_t size;
	int feed[2], r, end;

	if (pipe2(feed, O_CLOEXEC) < 0)
		return work_fail(w, -errno, "pipe: %s", errno_text(errno));
	fcntl(feed[1], F_SETPIPE_SZ, PIPE_SIZE);
	r = start_unpacker(w, feed[0], &unpack_limits_default, l, &u);
	if (r < 0) {
		close(feed[1]);
		return r;
	}
	r = tree_tar(dirfd, o, to_pipe, &feed[1], &size);
	close(feed[1]);
	/* the end of the unpacker is the better reason for a broken pipe */
	if (r < 0 && r != -EPIPE) {
		unpack_worker_kill(&u);
		return work_fail(w, r, "the changed files cannot be read: %s",
			r == -EXDEV ? "overlay has moved a directory" : errno_text(-r));
	}
	end = finish_unpacker(w, l, &u);
	return end < 0 ? end : r < 0 ? work_fail(w, r, "the unpacker ended early") : 0;
}

int layers_place(struct work *w, struct new_layer *layers, size_t n)
{
	const struct image_disk *d = &w->store->disk;
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		struct new_layer *l = &layers[i];

		if (!*l->stage.tree)
			continue;
		r = stage_mark_opaque(d, &l->stage, &l->result);
		if (r == 0)
			r = image_layer_size_write(d, l->rec.diff_id, l->rec.size_bytes);
	}
	if (r == 0 && syncfs(d->layers) < 0)
		r = -errno;
	for (size_t i = 0; i < n && r == 0; i++)
		r = stage_place(d, &layers[i].stage, layers[i].rec.diff_id, layers[i].rec.blob);
	if (r == 0)
		r = stage_sync(d);
	return r < 0 ? work_fail(w, r, "the image store cannot be written: %s", errno_text(-r)) : 0;
}

void new_layer_fini(struct work *w, struct new_layer *l)
{
	stage_clear(&w->store->disk, &l->stage);
	unpack_result_fini(&l->result);
}

/* ---- gzip */

struct gzip {
	z_stream z;
	int fd;
	struct digest digest;
	uint64_t bytes;
	unsigned char out[CHUNK];
};

static int gzip_init(struct gzip *g, int fd)
{
	memset(&g->z, 0, sizeof(g->z));
	g->fd = fd;
	g->bytes = 0;
	digest_init(&g->digest);
	/* 31: a gzip wrapper, without a name or a time */
	return deflateInit2(&g->z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) == Z_OK ? 0 : -ENOMEM;
}

static int gzip_feed(struct gzip *g, const void *buf, size_t len, int flush)
{
	int r, z;

	g->z.next_in = (unsigned char *)(uintptr_t)buf;
	g->z.avail_in = (uInt)len;
	do {
		g->z.next_out = g->out;
		g->z.avail_out = sizeof(g->out);
		z = deflate(&g->z, flush);
		if (z == Z_STREAM_ERROR)
			return -EIO;
		digest_update(&g->digest, g->out, sizeof(g->out) - g->z.avail_out);
		g->bytes += sizeof(g->out) - g->z.avail_out;
		r = file_write_all(g->fd, g->out, sizeof(g->out) - g->z.avail_out);
		if (r < 0)
			return r;
	} while (g->z.avail_out == 0);
	return 0;
}

static int gzip_end(struct gzip *g, char digest[IMAGE_DIGEST_LEN + 1], uint64_t *bytes)
{
	int r = gzip_feed(g, NULL, 0, Z_FINISH);

	deflateEnd(&g->z);
	digest_final(&g->digest, digest);
	*bytes = g->bytes;
	return r;
}

int gzip_file(int in, int out, char digest[IMAGE_DIGEST_LEN + 1], uint64_t *bytes)
{
	struct gzip *g = malloc(sizeof(*g));
	static char buf[CHUNK];
	ssize_t n = 0;
	int r = g ? gzip_init(g, out) : -ENOMEM, end;

	if (r < 0) {
		free(g);
		return r;
	}
	while (r == 0 && (n = read(in, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		r = n < 0 ? -errno : gzip_feed(g, buf, (size_t)n, Z_NO_FLUSH);
	}
	end = gzip_end(g, digest, bytes);
	free(g);
	return r < 0 ? r : end;
}

struct remake {
	struct gzip gzip;
	struct digest diff;
};

static int remake_bytes(const void *buf, size_t len, void *arg)
{
	struct remake *m = arg;

	digest_update(&m->diff, buf, len);
	return gzip_feed(&m->gzip, buf, len, Z_NO_FLUSH);
}

/*
 * A layer that was made here is written as a tar once more: tree_tar() gives the same bytes for what it once gave
 * to the unpacker, and the diff id proves it.
 */
static int remake(struct work *w, const struct image_layer *layer, int out, struct image_record_layer *rec)
{
	cleanup(closep) int dir = open(layer->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char diff_id[IMAGE_DIGEST_LEN + 1];
	struct remake *m = malloc(sizeof(*m));
	uint64_t size;
	int r = dir < 0 ? -errno : m ? gzip_init(&m->gzip, out) : -ENOMEM, end;

	if (r < 0) {
		free(m);
		return work_fail(w, r, "layer %s: %s", layer->diff_id, errno_text(-r));
	}
	digest_init(&m->diff);
	r = tree_tar(dir, &(struct tree_tar_opts){.layer = true}, remake_bytes, m, &size);
	digest_final(&m->diff, diff_id);
	end = gzip_end(&m->gzip, rec->blob, &rec->blob_bytes);
	free(m);
	r = r < 0 ? r : end;
	if (r < 0)
		return work_fail(w, r, "layer %s cannot be read: %s", layer->diff_id, errno_text(-r));
	if (strcmp(diff_id, layer->diff_id))
		return work_fail(w, -ENODATA,
			"layer %s came from elsewhere and its archive was not kept; pull or load its image once more",
			layer->diff_id);
	rec->compression = IMAGE_GZIP;
	return 0;
}

int layer_blob(struct work *w, const struct image_layer *layer, struct image_record_layer *rec)
{
	const struct image_disk *d = &w->store->disk;
	struct stage s = {.tree = ""};
	cleanup(closep) int fd = -1;
	int r;

	if (*rec->blob && image_blob_size(d, rec->blob) == (int64_t)rec->blob_bytes)
		return 0;
	fd = stage_open_blob(d, &s);
	if (fd < 0)
		return work_fail(w, fd, "staging: %s", errno_text(-fd));
	r = remake(w, layer, fd, rec);
	if (r == 0) {
		r = fsync(fd) < 0 ? -errno : stage_place(d, &s, rec->diff_id, rec->blob);
		if (r == 0)
			r = stage_sync(d);
		if (r < 0)
			r = work_fail(w, r, "the image store cannot be written: %s", errno_text(-r));
	}
	stage_clear(d, &s);
	if (r < 0)
		*rec->blob = '\0';
	return r;
}
