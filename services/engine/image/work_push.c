/* SPDX-License-Identifier: Apache-2.0 */

/*
 * push: layers side by side, then the configuration, then the manifest, whose bytes are those it was pulled with
 * whenever they still hold. Each goes out by an uploader of its own (upload.h); this file is what docker shows.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "engine/image/digest.h"
#include "engine/image/image_int.h"
#include "engine/image/progress.h"
#include "engine/image/upload.h"
#include "engine/image/work.h"
#include "lib/errno_text.h"
#include "lib/file.h"

enum { PARALLEL = 3, CONFIG_MAX = 4 << 20 };

struct push {
	struct work *w;
	struct image_ref ref; /* of the repository */
	struct registry_endpoints endpoints;
	struct auth_credentials credentials;
	struct fetch_setup setup;
	int events[2];
};

struct push_layer {
	struct upload up;
	char shown[13];
	pid_t pid; /* 0: not running */
	bool done;
};

static int open_blob(struct push *p, const char *digest)
{
	int fd = openat(p->w->store->disk.blobs, digest + 7, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? work_fail(p->w, -errno, "%s: %s", digest, errno_text(errno)) : fd;
}

static int memory_file(const void *data, size_t len)
{
	int fd = memfd_create("upload", MFD_CLOEXEC);

	if (fd >= 0 && file_write_all(fd, data, len) == 0)
		return fd;
	closep(&fd);
	return -ENOMEM;
}

/* Another repository of the same registry that an image with this blob came from. */
static const char *mount_source(struct push *p, const char *blob)
{
	const struct image_store *s = p->w->store;

	for (size_t i = 0; i < s->n_names; i++) {
		const struct name *name = &s->names[i];

		if (!*name->ref.digest || strcmp(name->ref.domain, p->ref.domain) ||
			!strcmp(name->ref.path, p->ref.path))
			continue;
		for (size_t k = 0; k < s->n_images; k++) {
			const struct img *img = s->images[k];

			if (strcmp(img->pub.id, name->id) || !img->blobs)
				continue;
			for (size_t l = 0; l < img->pub.n_layers; l++)
				if (!strcmp(img->blobs[l].digest, blob))
					return name->ref.path;
		}
	}
	return NULL;
}

static int on_event(struct push *p, struct push_layer *l, struct upload_event *e)
{
	char line[IMAGE_NAME_MAX + 32];

	e->text[sizeof(e->text) - 1] = '\0';
	for (char *c = e->text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = '?';
	switch (e->type) {
	case UPLOAD_PROGRESS:
		if (*l->shown)
			progress_bytes(l->shown, "Pushing", e->bytes, l->up.size_bytes);
		return 0;
	case UPLOAD_RETRY:
		if (*l->shown)
			progress_retry(l->shown, e->seconds);
		return 0;
	case UPLOAD_EXISTS:
	case UPLOAD_MOUNTED:
	case UPLOAD_DONE:
		l->done = true;
		snprintf(line, sizeof(line), "Mounted from %s", l->up.from ? l->up.from : "");
		if (*l->shown)
			progress_status(l->shown, e->type == UPLOAD_EXISTS    ? "Layer already exists"
						  : e->type == UPLOAD_MOUNTED ? line
									      : "Pushed");
		return 0;
	default:
		if (e->err == -EACCES && (strstr(e->text, "unauthorized") || strstr(e->text, "denied")))
			return work_fail(p->w, -EACCES,
				"push access denied, repository does not exist or may require authorization: %s",
				e->text);
		return work_fail(
			p->w, e->err < 0 ? e->err : -EPROTO, "%s", *e->text ? e->text : errno_text(-e->err));
	}
}

/* One of these whose process has ended without a last word has failed. */
static int reap(struct push *p, struct push_layer *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!list[i].pid || waitpid(list[i].pid, NULL, WNOHANG) != list[i].pid)
			continue;
		list[i].pid = 0;
		if (!list[i].done)
			return work_fail(p->w, -EPIPE, "an uploader ended unexpectedly");
	}
	return 0;
}

static int drain(struct push *p, struct push_layer *list, size_t n, int timeout_ms)
{
	struct pollfd fd = {.fd = p->events[0], .events = POLLIN};
	struct upload_event e;
	int r = 0;

	if (poll(&fd, 1, timeout_ms) < 0 && errno != EINTR)
		return -errno;
	while (r == 0 && read(p->events[0], &e, sizeof(e)) == sizeof(e))
		r = e.id < n ? on_event(p, &list[e.id], &e)
			     : work_fail(p->w, -EPROTO, "an uploader is confused");
	return r;
}

static int run(struct push *p, struct push_layer *list, size_t n)
{
	size_t next = 0, running;
	int r = 0;

	for (;;) {
		running = 0;
		for (size_t i = 0; i < n; i++)
			running += list[i].pid != 0;
		for (; r == 0 && next < n && running < PARALLEL; next++, running++) {
			struct push_layer *l = &list[next];

			l->up.id = (uint32_t)next;
			l->pid = upload_start(&l->up, &p->setup, p->events[1]);
			if (l->pid < 0) {
				r = work_fail(p->w, l->pid, "uploader: %s", errno_text(-l->pid));
				l->pid = 0;
			}
		}
		if (r < 0 || (!running && next == n))
			break;
		r = drain(p, list, n, 200);
		/* what a process said last is in the pipe before it ends */
		if (r == 0) {
			bool ended = false;

			for (size_t i = 0; i < n; i++) {
				siginfo_t si = {.si_pid = 0};

				ended |= list[i].pid &&
					 waitid(P_PID, (id_t)list[i].pid, &si, WEXITED | WNOHANG | WNOWAIT) ==
						 0 &&
					 si.si_pid;
			}
			if (ended)
				r = drain(p, list, n, 0);
			if (ended && r == 0)
				r = reap(p, list, n);
		}
	}
	for (size_t i = 0; i < n; i++) {
		if (!list[i].pid)
			continue;
		kill(list[i].pid, SIGKILL);
		waitpid(list[i].pid, NULL, 0);
		list[i].pid = 0;
	}
	return r;
}

static int one_more(struct push *p, struct push_layer *l, int fd, size_t len)
{
	int r;

	if (fd < 0)
		return fd;
	l->up.fd = fd;
	l->up.size_bytes = len;
	r = run(p, l, 1);
	close(fd);
	return r;
}

static int push_layers(struct push *p, const struct image *img, struct image_record *rec)
{
	struct push_layer *list = calloc(rec->n_layers + 1, sizeof(*list));
	size_t n = 0;
	int r = list ? 0 : -ENOMEM;

	/* docker lists the topmost first */
	for (size_t i = rec->n_layers; i > 0 && r == 0; i--) {
		char shown[13];

		snprintf(shown, sizeof(shown), "%.12s", rec->layers[i - 1].diff_id + 7);
		progress_status(shown, "Preparing");
	}
	for (size_t i = rec->n_layers; i > 0 && r == 0; i--) {
		struct image_record_layer *from = &rec->layers[i - 1];
		struct push_layer *l = &list[n];

		r = layer_blob(p->w, &img->layers[i - 1], from);
		if (r < 0)
			break;
		snprintf(l->shown, sizeof(l->shown), "%.12s", from->diff_id + 7);
		strcpy(l->up.what, from->blob);
		l->up.size_bytes = from->blob_bytes;
		l->up.from = mount_source(p, from->blob);
		l->up.fd = open_blob(p, from->blob);
		r = l->up.fd < 0 ? l->up.fd : 0;
		n += r == 0;
	}
	if (r == 0)
		r = run(p, list, n);
	for (size_t i = 0; i < n; i++)
		close(list[i].up.fd);
	free(list);
	return r;
}

/* As docker prints it, and as its clients read it. */
static void say_end(const char *tag, const char *digest, size_t len)
{
	char line[400];

	snprintf(line, sizeof(line), "%.128s: digest: %.128s size: %zu", tag, digest, len);
	progress_line(line);
	(void)!dprintf(1, "{\"progressDetail\":{},\"aux\":{\"Tag\":\"%s\",\"Digest\":\"%s\",\"Size\":%zu}}\n",
		tag, digest, len);
}

static int push_tag(struct push *p, const struct image *img, const char *tag)
{
	struct push_layer config_up = {.up = {.kind = UPLOAD_BLOB}},
			  manifest_up = {.up = {.kind = UPLOAD_MANIFEST}};
	cleanup(freep) char *config = NULL, *manifest = NULL;
	char digest[IMAGE_DIGEST_LEN + 1], name[IMAGE_NAME_MAX + 1];
	struct image_ref ref = p->ref;
	struct image_record rec;
	size_t config_len, len;
	int r;

	r = record_of(p->w, img, &rec);
	if (r == 0)
		r = config_bytes(p->w, img, &config, &config_len);
	if (r == 0)
		r = push_layers(p, img, &rec);
	if (r == 0)
		r = image_manifest_bytes(p->w, &rec, config_len, &manifest, &len, &manifest_up.up.media_type);
	if (r == 0) {
		strcpy(config_up.up.what, img->id);
		r = one_more(p, &config_up, memory_file(config, config_len), config_len);
	}
	if (r == 0) {
		snprintf(manifest_up.up.what, sizeof(manifest_up.up.what), "%.128s", tag);
		r = one_more(p, &manifest_up, memory_file(manifest, len), len);
	}
	image_record_fini(&rec);
	if (r)
		return r;
	digest_of(manifest, len, digest);
	*ref.tag = '\0';
	strcpy(ref.digest, digest);
	image_ref_canonical(&ref, name);
	if (!img->builtin && image_name_write(&p->w->store->disk, name, img->id) < 0)
		return work_fail(p->w, -EIO, "the name %s cannot be written", name);
	say_end(tag, digest, len);
	return 0;
}

/* The tag that was asked for, or all of the repository. */
static int push_tags(struct push *p, const char *wanted)
{
	const struct image_store *s = p->w->store;
	char tags[64][IMAGE_TAG_MAX + 1], familiar[IMAGE_NAME_MAX + 1];
	struct image_ref ref = p->ref;
	bool known = false; /* the repository has names here, whichever */
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < s->n_names && n < array_len(tags); i++) {
		const struct image_ref *have = &s->names[i].ref;

		if (strcmp(have->domain, p->ref.domain) || strcmp(have->path, p->ref.path))
			continue;
		known = true;
		if (!*have->digest && (!*wanted || !strcmp(wanted, have->tag)))
			strcpy(tags[n++], have->tag);
	}
	*ref.tag = '\0';
	image_ref_familiar(&ref, familiar);
	if (!n)
		return known && *wanted
			       ? work_fail(p->w, -ENOENT, "tag does not exist: %s:%s", familiar, wanted)
			       : work_fail(p->w, -ENOENT, "An image does not exist locally with the tag: %s",
					 familiar);
	for (size_t i = 0; i < n && r == 0; i++) {
		const struct image *img;
		char name[IMAGE_NAME_MAX + 1];

		strcpy(ref.tag, tags[i]);
		image_ref_canonical(&ref, name);
		r = work_find(p->w, name, &img);
		if (r < 0)
			break;
		r = push_tag(p, img, tags[i]);
		image_unref(img);
	}
	return r;
}

int work_push(struct work *w)
{
	struct push p = {.w = w, .events = {-1, -1}};
	const char *name = work_text(w, "name"), *path = work_text(w, "config");
	cleanup(freep) char *config = NULL;
	char wanted[IMAGE_TAG_MAX + 1], line[IMAGE_NAME_MAX + 64];
	size_t len = 0;
	int r;

	if (!name || image_ref_parse(&p.ref, name) < 0 || *p.ref.digest)
		return work_fail(w, -EINVAL, "invalid reference format: %.300s", name ? name : "");
	strcpy(wanted, p.ref.tag);
	*p.ref.tag = '\0';
	r = path ? file_read(AT_FDCWD, path, CONFIG_MAX, &config, &len) : 0;
	if (r < 0 && r != -ENOENT)
		return work_fail(w, r, "%.200s: %s", path, errno_text(-r));
	r = registry_endpoints_init(&p.endpoints, config, len, p.ref.domain);
	if (r < 0)
		return work_fail(w, r, "registry %s: %s", p.ref.domain, errno_text(-r));
	if (auth_credentials_parse(work_text(w, "auth"), &p.credentials) < 0)
		memset(&p.credentials, 0, sizeof(p.credentials));
	p.setup = (struct fetch_setup){
		.path = p.ref.path, .endpoints = &p.endpoints, .credentials = &p.credentials};
	r = pipe2(p.events, O_CLOEXEC) < 0 ? -errno : 0;
	if (r == 0 && fcntl(p.events[0], F_SETFL, O_NONBLOCK) == 0) {
		snprintf(line, sizeof(line), "The push refers to repository [%s/%s]", p.ref.domain,
			p.ref.path);
		progress_line(line);
		r = push_tags(&p, wanted);
	}
	closep(&p.events[0]);
	closep(&p.events[1]);
	auth_credentials_fini(&p.credentials);
	registry_endpoints_fini(&p.endpoints);
	return r;
}
