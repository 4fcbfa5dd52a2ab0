/* SPDX-License-Identifier: Apache-2.0 */

/*
 * engine_pull: one pull, from a name to an image in the store, in a process of its own.
 *
 *   registry -> downloader -> pipe -> unpacker -> staging/   (one unpacker a layer, some at a time)
 *                   |                     |
 *                   +----- this file -----+-> layers/, images/   progress -> engine -> docker
 *
 * It starts the downloader (fetch.h) and the unpackers (unpack_worker.h), checks everything that they say,
 * and is the only one that writes to the store. Layers are unpacked in any order, synced once, and renamed
 * into place; then the record and the names are written, so an image is there whole or not at all.
 *
 * It reads its orders as a JSON object from descriptor 0 and writes messages of the Docker API to descriptor
 * 1, one a line; the last line is `!ERRNO SENTENCE`, `!0` for success.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "engine/image/digest.h"
#include "engine/image/image_int.h"
#include "engine/image/progress.h"
#include "engine/image/pull_int.h"
#include "lib/errno_text.h"
#include "lib/log.h"

enum { PARALLEL = 3, PIPE_SIZE = 1 << 20 };

int pull_fail(struct pull *p, int err, const char *fmt, ...)
{
	va_list ap;

	if (!*p->error) {
		va_start(ap, fmt);
		vsnprintf(p->error, sizeof(p->error), fmt, ap);
		va_end(ap);
	}
	return err;
}

/* ---- layers */

static int start_layer(struct pull *p, size_t i)
{
	struct pull_layer *l = &p->layers[i];
	struct fetch_request req = {.kind = FETCH_BLOB, .id = (uint32_t)i, .size_bytes = l->desc->size_bytes};
	cleanup(closep) int root = -1, blob = -1;
	int feed[2], r;

	root = stage_open_tree(&p->disk, &l->stage);
	if (root >= 0)
		blob = stage_open_blob(&p->disk, &l->stage);
	if (root < 0 || blob < 0)
		return pull_fail(
			p, root < 0 ? root : blob, "staging: %s", errno_text(root < 0 ? -root : -blob));
	if (pipe2(feed, O_CLOEXEC) < 0)
		return pull_fail(p, -errno, "pipe: %s", errno_text(errno));
	/* a large pipe lets one side work on while the other one sleeps; the default does too, only less */
	fcntl(feed[1], F_SETPIPE_SZ, PIPE_SIZE);
	fcntl(feed[1], F_SETFL, O_NONBLOCK);
	r = unpack_worker_start(&l->worker, feed[0], root, &unpack_limits_default);
	if (r < 0) {
		close(feed[1]);
		return pull_fail(p, r, "unpacker: %s", errno_text(-r));
	}
	strcpy(req.what, l->desc->digest);
	r = fetch_ask(p->sock, &req, feed[1], blob);
	close(feed[1]);
	if (r < 0)
		return pull_fail(p, r, "the downloader ended unexpectedly");
	l->state = LAYER_RUNNING;
	progress_bytes(l->shown, "Downloading", 0, l->desc->size_bytes);
	return 0;
}

static int on_event(struct pull *p, const struct fetch_event *e)
{
	struct pull_layer *l = e->id < p->n_layers ? &p->layers[e->id] : NULL;

	if (!l || l->state != LAYER_RUNNING)
		return 0; /* of a layer whose unpacker has already refused it */
	switch (e->type) {
	case FETCH_PROGRESS:
		progress_bytes(l->shown, "Downloading", e->bytes, l->desc->size_bytes);
		return 0;
	case FETCH_RETRY:
		log_warn("op=pull layer=%s msg=\"%s\" retry_s=%u", l->desc->digest, e->text, e->seconds);
		progress_retry(l->shown, e->seconds);
		return 0;
	case FETCH_DONE:
		l->fetched = true;
		progress_status(l->shown, "Download complete");
		progress_bytes(l->shown, "Extracting", l->desc->size_bytes, l->desc->size_bytes);
		return 0;
	default:
		/* when it is the unpacker that went away, its reason is the better one */
		if (e->err == -EPIPE)
			return 0;
		return pull_fail(p, e->err < 0 ? e->err : -EPROTO, "layer %s: %s", l->desc->digest, e->text);
	}
}

static int on_unpacked(struct pull *p, struct pull_layer *l)
{
	int r = unpack_worker_end(&l->worker, &l->result);

	if (r < 0)
		return pull_fail(p, r, "layer %s: %s", l->desc->digest,
			*l->result.error ? l->result.error : errno_text(-r));
	l->unpacked = true;
	return 0;
}

/* The stream has ended and the downloader has vouched for it; the order of the two is not known. */
static int finish_layer(struct pull *p, struct pull_layer *l)
{
	if (!l->unpacked || !l->fetched)
		return 0;
	if (strcmp(l->result.diff_id, l->diff_id))
		return pull_fail(p, -EBADMSG,
			"layer %s: wrong diff id: it unpacks to %s, the configuration says %s",
			l->desc->digest, l->result.diff_id, l->diff_id);
	l->state = LAYER_STAGED;
	p->running--;
	return 0;
}

/*
 * What the downloader has said so far. It says that it gives up before it ends the stream, so its reason is here before the
 * unpacker's, which can only say that the stream has ended; and a pipe that an unpacker broke is no reason of its own.
 */
static int take_events(struct pull *p)
{
	struct pollfd fd = {.fd = p->sock, .events = POLLIN};
	int r = 0;

	while (r == 0 && poll(&fd, 1, 0) > 0) {
		struct fetch_event e;

		r = pull_next_event(p, &e);
		if (r == 0)
			r = on_event(p, &e);
		if (r == 0 && e.id < p->n_layers && p->layers[e.id].state == LAYER_RUNNING)
			r = finish_layer(p, &p->layers[e.id]);
	}
	return r;
}

static void plan(struct pull *p)
{
	for (size_t i = 0; i < p->n_layers; i++) {
		struct pull_layer *l = &p->layers[i];

		l->state = LAYER_WAITING;
		if (image_layer_size(&p->disk, l->diff_id, &l->result.size_bytes) == 0)
			l->state = LAYER_EXISTS;
		for (size_t k = 0; k < i && l->state == LAYER_WAITING; k++) {
			if (!strcmp(p->layers[k].diff_id, l->diff_id)) {
				l->state = LAYER_TWIN;
				l->twin = k;
			}
		}
		progress_status(l->shown, l->state == LAYER_WAITING ? "Pulling fs layer" : "Already exists");
	}
}

static int get_layers(struct pull *p)
{
	struct pollfd fds[PARALLEL + 1];
	struct pull_layer *of[PARALLEL + 1];
	size_t next = 0;
	int r = 0;

	plan(p);
	for (;;) {
		nfds_t n = 1;

		for (; r == 0 && next < p->n_layers && p->running < PARALLEL; next++) {
			if (p->layers[next].state != LAYER_WAITING)
				continue;
			r = start_layer(p, next);
			p->running++;
		}
		if (r < 0 || !p->running)
			return r;
		fds[0] = (struct pollfd){.fd = p->sock, .events = POLLIN};
		for (size_t i = 0; i < p->n_layers; i++) {
			if (p->layers[i].state != LAYER_RUNNING || p->layers[i].worker.pid <= 0)
				continue;
			of[n] = &p->layers[i];
			fds[n++] = (struct pollfd){.fd = p->layers[i].worker.result, .events = POLLIN};
		}
		if (poll(fds, n, -1) < 0 && errno != EINTR)
			return pull_fail(p, -errno, "poll: %s", errno_text(errno));
		r = take_events(p);
		for (nfds_t i = 1; i < n && r == 0; i++) {
			if (!fds[i].revents)
				continue;
			r = unpack_worker_read(&of[i]->worker);
			if (r == 0)
				r = on_unpacked(p, of[i]);
			else
				r = r < 0 ? pull_fail(p, r, "layer %s: unpacker: %s", of[i]->desc->digest,
						    errno_text(-r))
					  : 0;
			if (r == 0)
				r = finish_layer(p, of[i]);
		}
		if (r < 0)
			return r;
	}
}

/* ---- into the store */

static int place_layers(struct pull *p)
{
	bool any = false;
	int r = 0;

	for (size_t i = 0; i < p->n_layers && r == 0; i++) {
		struct pull_layer *l = &p->layers[i];

		if (l->state != LAYER_STAGED)
			continue;
		any = true;
		r = stage_mark_opaque(&p->disk, &l->stage, &l->result);
		if (r == 0)
			r = image_layer_size_write(&p->disk, l->diff_id, l->result.size_bytes);
		if (r < 0)
			return pull_fail(p, r, "layer %s: %s", l->desc->digest, errno_text(-r));
	}
	/* one sync for all layers and blobs; only then may names point at them */
	if (syncfs(p->disk.layers) < 0)
		return pull_fail(p, -errno, "sync: %s", errno_text(errno));
	for (size_t i = 0; i < p->n_layers; i++) {
		struct pull_layer *l = &p->layers[i];

		if (l->state != LAYER_STAGED)
			continue;
		r = stage_place(&p->disk, &l->stage, l->diff_id, l->desc->digest);
		if (r < 0)
			return pull_fail(p, r, "layer %s: %s", l->desc->digest, errno_text(-r));
		l->state = LAYER_EXISTS;
	}
	r = any ? stage_sync(&p->disk) : 0;
	return r < 0 ? pull_fail(p, r, "sync: %s", errno_text(-r)) : 0;
}

static int write_image(struct pull *p)
{
	struct image_record rec = {.n_layers = p->n_layers};
	char name[IMAGE_NAME_MAX + 1];
	struct image_ref ref = p->ref;
	int r;

	rec.layers = calloc(p->n_layers + 1, sizeof(*rec.layers));
	if (!rec.layers)
		return pull_fail(p, -ENOMEM, "out of memory");
	strcpy(rec.id, p->parsed.config.digest);
	strcpy(rec.manifest, p->manifest_digest);
	for (size_t i = 0; i < p->n_layers; i++) {
		const struct pull_layer *l = &p->layers[i];

		strcpy(rec.layers[i].diff_id, l->diff_id);
		rec.layers[i].size_bytes =
			(l->state == LAYER_TWIN ? &p->layers[l->twin] : l)->result.size_bytes;
		/* a layer that was there already may have come in another wrapping */
		if (image_blob_size(&p->disk, l->desc->digest) != (int64_t)l->desc->size_bytes)
			continue;
		strcpy(rec.layers[i].blob, l->desc->digest);
		rec.layers[i].blob_bytes = l->desc->size_bytes;
		rec.layers[i].compression = l->desc->compression;
	}
	r = image_record_write(&p->disk, &rec);
	image_record_fini(&rec);

	/* by its digest always, by its tag when that was asked for */
	if (r == 0) {
		*ref.tag = '\0';
		strcpy(ref.digest, p->top_digest);
		image_ref_canonical(&ref, name);
		r = image_name_write(&p->disk, name, p->parsed.config.digest);
	}
	if (r == 0 && !*p->ref.digest) {
		image_ref_canonical(&p->ref, name);
		r = image_name_write(&p->disk, name, p->parsed.config.digest);
	}
	return r < 0 ? pull_fail(p, r, "the image store cannot be written: %s", errno_text(-r)) : 0;
}

static int commit(struct pull *p)
{
	int r;

	r = image_blob_write(&p->disk, p->parsed.config.digest, p->config, p->config_len);
	if (r == 0)
		r = image_blob_write(&p->disk, p->manifest_digest, p->manifest, p->manifest_len);
	if (r < 0)
		return pull_fail(p, r, "the image store cannot be written: %s", errno_text(-r));
	r = place_layers(p);
	return r < 0 ? r : write_image(p);
}

/* What the network broke off is worth keeping for the next try; what was refused is not. */
static bool worth_keeping(int err)
{
	return err == -EHOSTUNREACH || err == -EPIPE || err == -EACCES;
}

static void clear_stages(struct pull *p)
{
	for (size_t i = 0; i < p->n_layers; i++) {
		struct pull_layer *l = &p->layers[i];

		unpack_worker_kill(&l->worker);
		stage_clear(&p->disk, &l->stage);
	}
}

/* ---- the whole */

static bool is_current(struct pull *p, const char *name)
{
	char file[IMAGE_DIGEST_LEN + 1], id[IMAGE_DIGEST_LEN + 1];
	struct image_record rec;
	struct image_ref ref;
	bool whole;

	digest_of(name, strlen(name), file);
	if (image_name_read(&p->disk, file + 7, &ref, id) < 0 || strcmp(id, p->parsed.config.digest))
		return false;
	if (image_record_read(&p->disk, id + 7, &rec) < 0)
		return false;
	whole = !strcmp(rec.manifest, p->manifest_digest);
	for (size_t i = 0; i < rec.n_layers && whole; i++) {
		uint64_t size;

		whole = image_layer_size(&p->disk, rec.layers[i].diff_id, &size) == 0;
	}
	image_record_fini(&rec);
	return whole;
}

int pull_run(struct pull *p)
{
	char name[IMAGE_NAME_MAX + 1], shown[IMAGE_NAME_MAX + 1], line[IMAGE_NAME_MAX + 100];
	bool current;
	int r;

	image_ref_canonical(&p->ref, name);
	image_ref_familiar(&p->ref, shown);
	r = pull_get_manifest(p);
	if (r < 0)
		return r;
	snprintf(line, sizeof(line), "Pulling from %s", p->ref.path);
	progress_status(*p->ref.digest ? p->ref.digest : p->ref.tag, line);
	current = is_current(p, name);
	if (!current) {
		r = pull_get_config(p);
		if (r == 0)
			r = get_layers(p);
		if (r == 0)
			r = commit(p);
		else if (worth_keeping(r) && place_layers(p) < 0)
			log_warn("op=pull msg=\"what had arrived could not be kept\"");
	}
	if (r == 0) {
		for (size_t i = 0; i < p->n_layers; i++)
			if (p->layers[i].fetched)
				progress_status(p->layers[i].shown, "Pull complete");
		snprintf(line, sizeof(line), "Digest: %s", p->top_digest);
		progress_line(line);
		snprintf(line, sizeof(line), "Status: %s for %s",
			current ? "Image is up to date" : "Downloaded newer image", shown);
		progress_line(line);
	}
	clear_stages(p);
	return r;
}

void pull_fini(struct pull *p)
{
	closep(&p->sock);
	if (p->fetcher > 0) {
		kill(p->fetcher, SIGKILL);
		while (waitpid(p->fetcher, NULL, 0) < 0 && errno == EINTR)
			;
	}
	for (size_t i = 0; i < p->n_layers; i++)
		unpack_result_fini(&p->layers[i].result);
	free(p->layers);
	free(p->manifest);
	free(p->config);
	image_manifest_fini(&p->parsed);
	image_disk_close(&p->disk);
	closep(&p->lock);
}

int pull_init(struct pull *p, const char *dir, const struct fetch_setup *setup)
{
	char lock[4096];
	int r;

	r = pull_start_downloader(p, setup);
	if (r < 0)
		return pull_fail(p, r, "downloader: %s", errno_text(-r));
	r = image_disk_open(&p->disk, dir);
	if (r < 0)
		return pull_fail(p, r, "the image store cannot be opened: %s", errno_text(-r));
	snprintf(lock, sizeof(lock), "%s/images/lock", dir);
	p->lock = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (p->lock < 0 || flock(p->lock, LOCK_SH) < 0)
		return pull_fail(p, -errno, "the image store cannot be locked: %s", errno_text(errno));
	return 0;
}
