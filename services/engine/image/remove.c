/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Removing: names, images, and what no image refers to any more.
 *
 * Names and records are unlinked first; then store_collect() looks for layers and blobs that no record points
 * at and moves them to gone/, and a process of its own empties that. Each step may be the last one before a
 * power cut: what is left over then is collected the same way when the store is opened again.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <yyjson.h>

#include "engine/image/disk.h"
#include "engine/image/image_int.h"
#include "engine/image/store_int.h"
#include "lib/errno_text.h"
#include "lib/fault.h"
#include "lib/log.h"

void image_removal_fini(struct image_removal *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->items[i].name);
		yyjson_doc_free(r->items[i].labels);
	}
	free(r->items);
	free(r->error);
	memset(r, 0, sizeof(*r));
}

static const struct image_removed *first_of(const struct image_removal *r, const char *id)
{
	for (size_t i = 0; i < r->n; i++)
		if (!r->items[i].deleted && !strcmp(r->items[i].id, id))
			return &r->items[i];
	return NULL;
}

struct yyjson_doc *image_removal_labels(const struct image_removal *r, size_t i)
{
	return r->items[i].deleted ? NULL : first_of(r, r->items[i].id)->labels;
}

static int refuse(struct image_removal *out, int err, const char *fmt, ...) printf_like(3, 4);
static int refuse(struct image_removal *out, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	free(out->error);
	if (vasprintf(&out->error, fmt, ap) < 0)
		out->error = NULL;
	va_end(ap);
	return err;
}

static int note(struct image_removal *out, bool deleted, const char *name, const char *id)
{
	struct image_removed *more = realloc(out->items, (out->n + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	out->items = more;
	more[out->n] = (struct image_removed){.deleted = deleted, .name = strdup(name)};
	if (!more[out->n].name)
		return -ENOMEM;
	strcpy(more[out->n].id, id);
	out->n++;
	return 0;
}

/* ---- gone/ */

static int empty_gone(int gone)
{
	DIR *d;
	struct dirent *e;
	int r = 0;

	d = fdopendir(gone);
	while (d && (e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") &&
			disk_remove_tree(gone, e->d_name) < 0)
			r = 1;
	return r;
}

void store_reap(struct image_store *s)
{
	if (s->reaper <= 0 || waitpid(s->reaper, NULL, WNOHANG) == 0)
		return;
	s->reaper = 0;
	loop_io_del(&s->reaper_io);
	closep(&s->reaper_fd);
	s->reaper_fd = -1;
}

static void on_reaper(struct loop_io *io, uint32_t events)
{
	store_reap(container_of(io, struct image_store, reaper_io));
}

void image_store_watch(struct image_store *s, struct loop *l)
{
	s->loop = l;
}

void store_empty_gone(struct image_store *s)
{
	pid_t parent = getpid(), pid;

	store_reap(s);
	if (s->reaper > 0)
		return; /* it may miss the newest; the next one takes it */
	pid = fork();
	if (pid < 0) {
		log_errno(errno, "op=fork msg=\"removed layers still take space\"");
		return;
	}
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		/* nothing of the engine's may stay open longer because of this process */
		if (dup2(s->disk.gone, 3) == 3)
			syscall(SYS_close_range, 4, ~0U, 0);
		_exit(empty_gone(3));
	}
	s->reaper = pid;
	if (!s->loop)
		return;
	s->reaper_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (s->reaper_fd < 0 || loop_io_add(s->loop, &s->reaper_io, s->reaper_fd, EPOLLIN, on_reaper) < 0)
		log_errno(errno, "op=watch-remover");
}

/* ---- collecting */

/* The layer itself and the note of its size; not what was to become one. */
static bool layer_used(const struct image_store *s, const char *dir_name)
{
	if (strlen(dir_name) > IMAGE_DIR_NAME_LEN && strcmp(dir_name + IMAGE_DIR_NAME_LEN, ".size") != 0)
		return false;
	for (size_t i = 0; i < s->n_images; i++) {
		const struct image *img = &s->images[i]->pub;

		for (size_t k = 0; k < img->n_layers; k++)
			if (!strncmp(img->layers[k].diff_id + 7, dir_name + 7, 64))
				return true;
	}
	return false;
}

static bool img_uses_blob(const struct img *img, const char *hex)
{
	if (!strcmp(img->pub.id + 7, hex) || (*img->manifest && !strcmp(img->manifest + 7, hex)))
		return true;
	for (size_t i = 0; img->blobs && i < img->pub.n_layers; i++)
		if (*img->blobs[i].digest && !strcmp(img->blobs[i].digest + 7, hex))
			return true;
	return false;
}

static bool blob_used(const struct image_store *s, const char *hex)
{
	for (size_t i = 0; i < s->n_images; i++)
		if (img_uses_blob(s->images[i], hex))
			return true;
	return false;
}

static uint64_t layer_bytes(const struct image_store *s, const char *dir_name)
{
	char diff_id[IMAGE_DIGEST_LEN + 1];
	uint64_t size = 0;

	snprintf(diff_id, sizeof(diff_id), "sha256:%.64s", dir_name + 7);
	return image_layer_size(&s->disk, diff_id, &size) == 0 ? size : 0;
}

static int collect_dir(struct image_store *s, int dirfd,
	bool (*used)(const struct image_store *, const char *), uint64_t *freed)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	int r = 0;

	if (!d) {
		r = -errno;
		closep(&fd);
		return r;
	}
	/* All sizes first: the note of one may be met, and gone, before its layer. */
	while (freed && used == layer_used && (e = readdir(d)))
		if (strlen(e->d_name) == IMAGE_DIR_NAME_LEN && !used(s, e->d_name))
			*freed += layer_bytes(s, e->d_name);
	rewinddir(d);
	while (r == 0 && (e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && !used(s, e->d_name))
			r = image_disk_discard(&s->disk, dirfd, e->d_name);
	closedir(d);
	return r;
}

/* Names of images that are no more. A record that is only unreadable keeps its names. */
static int collect_names(struct image_store *s)
{
	for (size_t i = 0; i < s->n_names; i++) {
		char name[IMAGE_NAME_MAX + 1];
		bool known = s->names[i].builtin;
		int r;

		for (size_t k = 0; k < s->n_images && !known; k++)
			known = !strcmp(s->images[k]->pub.id, s->names[i].id);
		if (known || faccessat(s->disk.ids, s->names[i].id + 7, F_OK, 0) == 0)
			continue;
		image_ref_canonical(&s->names[i].ref, name);
		log_info("image-name=%s msg=\"its image is gone, removed\"", name);
		r = image_name_remove(&s->disk, name);
		if (r < 0)
			return r;
	}
	return 0;
}

int store_collect(struct image_store *s, uint64_t *freed)
{
	int r;

	if (s->pulls) {
		s->gc_wanted = true;
		return 0;
	}
	s->gc_wanted = false;
	r = collect_names(s);
	if (r == 0)
		r = collect_dir(s, s->disk.layers, layer_used, freed);
	if (r == 0)
		r = collect_dir(s, s->disk.blobs, blob_used, NULL);
	store_empty_gone(s);
	return r < 0 ? log_errno(-r, "op=collect-images") : 0;
}

void store_clear_stages(struct image_store *s, pid_t pid)
{
	int fd = openat(s->disk.staging, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	char prefix[16];
	bool any = false;

	if (!d) {
		closep(&fd);
		return;
	}
	snprintf(prefix, sizeof(prefix), "%d-", (int)pid);
	while ((e = readdir(d))) {
		if (strncmp(e->d_name, prefix, strlen(prefix)))
			continue;
		any = true;
		if (image_disk_discard(&s->disk, s->disk.staging, e->d_name) < 0)
			log_errno(errno, "op=clear-staging stage=%s", e->d_name);
	}
	closedir(d);
	if (any)
		store_empty_gone(s);
}

void store_pull_begin(struct image_store *s)
{
	s->pulls++;
}

void store_pull_end(struct image_store *s)
{
	int r = 0;

	s->pulls--;
	if (s->loaded)
		r = store_reload(s);
	if (r == 0 && s->gc_wanted && !s->pulls)
		r = store_collect(s, NULL);
	if (r < 0)
		log_errno(-r, "op=read-pulled-images");
}

/* ---- rmi */

static int untag(struct image_store *s, const struct name *name, struct image_removal *out)
{
	char canonical[IMAGE_NAME_MAX + 1], familiar[IMAGE_NAME_MAX + 1];
	bool first = !first_of(out, name->id);
	const struct img *img;
	int r;

	image_ref_canonical(&name->ref, canonical);
	image_ref_familiar(&name->ref, familiar);
	r = image_name_remove(&s->disk, canonical);
	if (r < 0)
		return refuse(out, r, "cannot remove the name %s: %s", familiar, errno_text(-r));
	r = note(out, false, familiar, name->id);
	img = r == 0 && first ? store_image(s, name->id) : NULL;
	if (img)
		out->items[out->n - 1].labels = image_labels(&img->pub);
	return r;
}

static size_t tags_left(const struct image_store *s, const char *id, const struct name *except, bool same)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_names; i++)
		if (&s->names[i] != except && !strcmp(s->names[i].id, id) && !*s->names[i].ref.digest &&
			(!same || image_ref_same_repo(&s->names[i].ref, &except->ref)))
			n++;
	return n;
}

static size_t repos(const struct image_store *s, const char *id)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_names; i++) {
		/* NOLINTNEXTLINE(*.NonNullParamChecker): with n_names there are names */
		bool seen = strcmp(s->names[i].id, id) || *s->names[i].ref.digest;

		for (size_t k = 0; k < i && !seen; k++)
			seen = !strcmp(s->names[k].id, id) && !*s->names[k].ref.digest &&
			       image_ref_same_repo(&s->names[k].ref, &s->names[i].ref);
		n += !seen;
	}
	return n;
}

/* All names that are left, then the record. */
static int delete_image(struct image_store *s, struct img *img, struct image_removal *out)
{
	int r;

	for (size_t i = 0; i < s->n_names; i++) {
		if (strcmp(s->names[i].id, img->pub.id))
			continue;
		r = untag(s, &s->names[i], out);
		if (r < 0)
			return r;
	}
	if (unlinkat(s->disk.ids, img->pub.id + 7, 0) < 0 && errno != ENOENT)
		return refuse(
			out, -errno, "cannot remove image %.12s: %s", img->pub.id + 7, errno_text(errno));
	fault_point("record-removed");
	if (fsync(s->disk.ids) < 0)
		return -errno;
	img->gone = true;
	return note(out, true, img->pub.id, img->pub.id);
}

static bool has_children(const struct image_store *s, const struct img *img)
{
	for (size_t i = 0; i < s->n_images; i++)
		if (!s->images[i]->gone && !strcmp(s->images[i]->parent, img->pub.id))
			return true;
	return false;
}

/* The image, then those it was made from that nobody named, used, or made something else from. */
static int delete_chain(struct image_store *s, struct img *img, unsigned how, const struct image_users *users,
	struct image_removal *out)
{
	int r = delete_image(s, img, out);

	while (r == 0 && !(how & IMAGE_REMOVE_KEEP_PARENTS)) {
		char container[65];
		struct img *parent = NULL;

		for (size_t i = 0; i < s->n_images; i++)
			if (!strcmp(s->images[i]->pub.id, img->parent) && !s->images[i]->gone)
				parent = s->images[i];
		if (!parent || parent->pub.builtin || parent->pub.n_repo_tags || parent->pub.n_repo_digests ||
			has_children(s, parent) ||
			(users && users->use(parent->pub.id, container, users->arg) != IMAGE_UNUSED))
			break;
		img = parent;
		r = delete_image(s, img, out);
	}
	return r;
}

/* Removes names only; the layers stay until no container wants them. */
static int untag_all(struct image_store *s, const struct img *img, struct image_removal *out)
{
	int r = 0;

	for (size_t i = 0; i < s->n_names && r == 0; i++)
		/* NOLINTNEXTLINE(*.NonNullParamChecker): with n_names there are names */
		if (!strcmp(s->names[i].id, img->pub.id))
			r = untag(s, &s->names[i], out);
	return r;
}

/* @text: the name as it was typed, for sentences */
static int remove_name(struct image_store *s, struct img *img, const struct name *name, const char *text,
	unsigned how, const struct image_users *users, struct image_removal *out)
{
	bool by_digest = *name->ref.digest != '\0';
	char container[65] = "";
	enum image_use use;
	int r;

	if (name->builtin)
		return refuse(
			out, -EBUSY, "conflict: %.256s is part of the system and cannot be removed", text);
	if (img->pub.builtin)
		return untag(s, name, out);
	if (tags_left(s, img->pub.id, name, false) > 0) {
		r = untag(s, name, out);
		if (r < 0 || by_digest || tags_left(s, img->pub.id, name, true) > 0)
			return r;
		/* the last tag of its repository takes the repository's digests along */
		for (size_t i = 0; i < s->n_names && r == 0; i++)
			if (!strcmp(s->names[i].id, img->pub.id) && *s->names[i].ref.digest &&
				image_ref_same_repo(&s->names[i].ref, &name->ref))
				r = untag(s, &s->names[i], out);
		return r;
	}
	if (has_children(s, img))
		return untag_all(s, img, out);
	use = users ? users->use(img->pub.id, container, users->arg) : IMAGE_UNUSED;
	if (use == IMAGE_UNUSED)
		return delete_chain(s, img, how, users, out);
	if (!(how & IMAGE_REMOVE_FORCE))
		return refuse(out, -EBUSY,
			"conflict: unable to remove repository reference \"%.256s\" (must force) - container %.12s is using its "
			"referenced image %.12s",
			text, container, img->pub.id + 7);
	return untag_all(s, img, out);
}

static int remove_id(struct image_store *s, struct img *img, unsigned how, const struct image_users *users,
	struct image_removal *out)
{
	const char *hex = img->pub.id + 7;
	char container[65] = "";
	enum image_use use;

	if (img->pub.builtin)
		return refuse(out, -EBUSY,
			"conflict: image %.12s is part of the system and cannot be removed", hex);
	if (!(how & IMAGE_REMOVE_FORCE) && repos(s, img->pub.id) > 1)
		return refuse(out, -EBUSY,
			"conflict: unable to delete %.12s (must be forced) - image is referenced in multiple repositories",
			hex);
	if (has_children(s, img))
		return refuse(out, -EBUSY,
			"conflict: unable to delete %.12s (cannot be forced) - image has dependent child images",
			hex);
	use = users ? users->use(img->pub.id, container, users->arg) : IMAGE_UNUSED;
	if (use == IMAGE_UNUSED)
		return delete_chain(s, img, how, users, out);
	if (use == IMAGE_USED_RUNNING)
		return refuse(out, -EBUSY,
			"conflict: unable to delete %.12s (cannot be forced) - image is being used by running container %.12s",
			hex, container);
	if (!(how & IMAGE_REMOVE_FORCE))
		return refuse(out, -EBUSY,
			"conflict: unable to delete %.12s (must be forced) - image is being used by stopped container %.12s",
			hex, container);
	return untag_all(s, img, out);
}

int image_store_remove(struct image_store *s, const char *text, unsigned how, const struct image_users *users,
	struct image_removal *out)
{
	const struct image *found;
	struct image_ref ref;
	const struct name *name = NULL;
	struct img *img;
	int r;

	memset(out, 0, sizeof(*out));
	r = image_store_find(s, text, &found);
	if (r == -EINVAL)
		return refuse(out, r, "invalid reference format: %.256s", text);
	if (r == -ENOENT)
		return refuse(out, r, "No such image: %.256s", text);
	if (r == -ENOTUNIQ)
		return refuse(out, -ENOENT, "No such image: %.64s begins the id of several", text);
	if (r < 0)
		return refuse(out, r, "images cannot be read: %s", errno_text(-r));

	img = (struct img *)(uintptr_t)container_of(found, const struct img, pub);
	if (image_ref_parse(&ref, text) == 0) {
		image_ref_default_tag(&ref);
		if (*ref.digest)
			*ref.tag = '\0';
		for (size_t i = 0; i < s->n_names; i++)
			if (store_same_name(&s->names[i].ref, &ref))
				name = &s->names[i];
	}
	r = name ? remove_name(s, img, name, text, how, users, out) : remove_id(s, img, how, users, out);
	image_unref(found);
	if (out->n) {
		int again = store_reload(s);

		if (again == 0)
			again = store_collect(s, &out->freed_bytes);
		if (r == 0)
			r = again;
	}
	return r;
}

/* One walk over all. What another was made from is there until that has gone, so the caller walks again while this removes. */
static int prune_once(struct image_store *s, bool all, const struct image_users *users,
	bool (*keep)(const struct image *img, void *arg), void *arg, struct image_removal *out)
{
	int r = 0;

	for (size_t i = 0; i < s->n_images && r == 0; i++) {
		struct img *img = s->images[i];
		char container[65];

		/* what a build that is under way made last is not dangling, only young */
		if (s->pulls && *img->step)
			continue;
		if (img->gone || img->pub.builtin || (!all && img->pub.n_repo_tags) || has_children(s, img))
			continue;
		if (keep && keep(&img->pub, arg))
			continue;
		if (users && users->use(img->pub.id, container, users->arg) != IMAGE_UNUSED)
			continue;
		r = delete_chain(s, img, 0, users, out);
	}
	return r;
}

int image_store_prune(struct image_store *s, bool all, const struct image_users *users,
	bool (*keep)(const struct image *img, void *arg), void *arg, struct image_removal *out)
{
	size_t before;
	int r;

	memset(out, 0, sizeof(*out));
	r = store_load(s);
	if (r < 0)
		return refuse(out, r, "images cannot be read: %s", errno_text(-r));
	do {
		before = out->n;
		r = prune_once(s, all, users, keep, arg, out);
	} while (r == 0 && out->n > before);
	if (r == 0 && out->n)
		r = store_reload(s);
	if (r == 0)
		r = store_collect(s, &out->freed_bytes);
	return r;
}
