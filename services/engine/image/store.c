/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The store: what is on disk (record.h) as counted, unchanging summaries in memory. Every change is made on
 * the disk first, then everything is read anew: there is one way in which memory comes to be, and it is the
 * one that start-up uses.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>

#include "engine/image/digest.h"
#include "engine/image/image_int.h"
#include "engine/image/manifest.h"
#include "engine/image/store_int.h"
#include "lib/file.h"
#include "lib/log.h"

/* ---- reading */

static DIR *open_list(int dirfd)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d)
		closep(&fd);
	return d;
}

static bool is_hex_name(const char *s)
{
	return strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64;
}

static int load_image(struct image_store *s, const char *hex, struct img **out)
{
	cleanup(freep) char *config = NULL;
	struct image_record rec;
	struct img *img;
	size_t len;
	int r;

	r = image_record_read(&s->disk, hex, &rec);
	if (r < 0)
		return r;
	img = img_new();
	if (!img) {
		r = -ENOMEM;
		goto out;
	}
	strcpy(img->pub.id, rec.id);
	strcpy(img->manifest, rec.manifest);
	strcpy(img->parent, rec.parent);
	strcpy(img->step, rec.step);
	img->pub.step = *img->step;
	img->layers = calloc(rec.n_layers + 1, sizeof(*img->layers));
	img->blobs = calloc(rec.n_layers + 1, sizeof(*img->blobs));
	if (!img->layers || !img->blobs ||
		asprintf(&img->config_path, "%s/images/blobs/%s", s->dir, hex) < 0) {
		r = -ENOMEM;
		goto out;
	}
	img->pub.layers = img->layers;
	for (size_t i = 0; i < rec.n_layers; i++) {
		char name[IMAGE_DIR_NAME_LEN + 1], *dir;

		image_layer_dir_name(rec.layers[i].diff_id, name);
		if (faccessat(s->disk.layers, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
			r = -errno;
			goto out;
		}
		if (asprintf(&dir, "%s/layers/%s", s->dir, name) < 0) {
			r = -ENOMEM;
			goto out;
		}
		strcpy(img->layers[i].diff_id, rec.layers[i].diff_id);
		img->layers[i].size_bytes = rec.layers[i].size_bytes;
		img->layers[i].dir = dir;
		strcpy(img->blobs[i].digest, rec.layers[i].blob);
		img->blobs[i].bytes = rec.layers[i].blob_bytes;
		img->blobs[i].compression = rec.layers[i].compression;
		img->pub.size_bytes += rec.layers[i].size_bytes;
		img->pub.n_layers++;
	}
	r = file_read(AT_FDCWD, img->config_path, IMAGE_MANIFEST_MAX, &config, &len);
	if (r == 0)
		r = img_describe(img, config, len);
	if (r == 0)
		*out = take(img);
out:
	img_put(img);
	image_record_fini(&rec);
	return r;
}

struct list {
	struct img **images;
	size_t n_images;
	struct name *names;
	size_t n_names;
};

static void list_fini(struct list *l)
{
	for (size_t i = 0; i < l->n_images; i++)
		img_put(l->images[i]);
	free(l->images);
	free(l->names);
}

static int add_image(struct list *l, struct img *img)
{
	struct img **more = realloc(l->images, (l->n_images + 1) * sizeof(struct img *));

	if (!more)
		return -ENOMEM;
	l->images = more;
	l->images[l->n_images++] = img;
	return 0;
}

static int add_name(struct list *l, const struct name *name)
{
	struct name *more = realloc(l->names, (l->n_names + 1) * sizeof(struct name));

	if (!more)
		return -ENOMEM;
	l->names = more;
	l->names[l->n_names++] = *name;
	return 0;
}

bool store_same_name(const struct image_ref *a, const struct image_ref *b)
{
	return !strcmp(a->domain, b->domain) && !strcmp(a->path, b->path) && !strcmp(a->tag, b->tag) &&
	       !strcmp(a->digest, b->digest);
}

/* A worker that removes is not waited for: what it took away since the folder was read is no fault. */
static bool was_removed(int folder, const char *name)
{
	return faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

static int read_images(struct image_store *s, struct list *l)
{
	DIR *d = open_list(s->disk.ids);
	struct dirent *e;
	int r = d ? 0 : -errno;

	while (r == 0 && (e = readdir(d))) {
		struct img *img = NULL;

		if (!is_hex_name(e->d_name))
			continue;
		r = load_image(s, e->d_name, &img);
		if (r < 0 && r != -ENOMEM) {
			if (!was_removed(s->disk.ids, e->d_name))
				log_errno(-r, "image=%.12s msg=\"incomplete, left out\"", e->d_name);
			r = 0;
			continue;
		}
		if (r == 0)
			r = add_image(l, img);
		if (r < 0)
			img_put(img);
	}
	if (d)
		closedir(d);
	return r;
}

static int read_names(struct image_store *s, struct list *l)
{
	DIR *d = open_list(s->disk.names);
	struct dirent *e;
	int r = d ? 0 : -errno;

	while (r == 0 && (e = readdir(d))) {
		struct name name = {.builtin = false};

		if (!is_hex_name(e->d_name))
			continue;
		r = image_name_read(&s->disk, e->d_name, &name.ref, name.id);
		if (r < 0 && r != -ENOMEM) {
			if (!was_removed(s->disk.names, e->d_name))
				log_errno(-r, "image-name=%.12s msg=\"unreadable, left out\"", e->d_name);
			r = 0;
			continue;
		}
		if (r == 0)
			r = add_name(l, &name);
	}
	if (d)
		closedir(d);
	return r;
}

static int read_builtins(struct image_store *s, struct list *l)
{
	if (!s->builtins_made)
		builtin_load(s);
	for (size_t i = 0; i < s->n_builtins; i++) {
		struct img *img = img_copy(s->builtins[i]);
		bool taken = false;
		int r = img ? add_image(l, img) : -ENOMEM;

		if (r < 0) {
			img_put(img);
			return r;
		}
		/* a name on the disk is what the user said last */
		for (size_t k = 0; k < l->n_names; k++)
			taken |= store_same_name(&l->names[k].ref, &s->builtin_names[i].ref);
		if (!taken)
			r = add_name(l, &s->builtin_names[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_string(char ***list, size_t *n, const char *text)
{
	char **more = realloc(*list, (*n + 1) * sizeof(char *));

	if (!more)
		return -ENOMEM;
	*list = more;
	more[*n] = strdup(text);
	if (!more[*n])
		return -ENOMEM;
	(*n)++;
	return 0;
}

static struct img *by_id(struct img **images, size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(images[i]->pub.id, id))
			return images[i];
	return NULL;
}

struct img *store_image(const struct image_store *s, const char *id)
{
	return by_id(s->images, s->n_images, id);
}

static int attach_names(struct list *l)
{
	for (size_t i = 0; i < l->n_names; i++) {
		struct img *img = by_id(l->images, l->n_images, l->names[i].id);
		char text[IMAGE_NAME_MAX + 1];
		int r;

		if (!img)
			continue;
		image_ref_familiar(&l->names[i].ref, text);
		if (*l->names[i].ref.digest)
			r = add_string(&img->digests, &img->pub.n_repo_digests, text);
		else
			r = add_string(&img->tags, &img->pub.n_repo_tags, text);
		if (r < 0)
			return r;
	}
	return 0;
}

/* As Docker lists an image's names: by the whole name, so those of another repository come before library's. */
static int by_name(const void *a, const void *b)
{
	char x[IMAGE_NAME_MAX + 1], y[IMAGE_NAME_MAX + 1];

	image_ref_canonical(&((const struct name *)a)->ref, x);
	image_ref_canonical(&((const struct name *)b)->ref, y);
	return strcmp(x, y);
}

static int by_age(const void *a, const void *b)
{
	const struct img *x = *(struct img *const *)a, *y = *(struct img *const *)b;
	int age = image_time_compare(&y->pub.created_at, &x->pub.created_at);

	return age ? age : strcmp(x->pub.id, y->pub.id);
}

int store_reload(struct image_store *s)
{
	struct list l = {0}, old;
	int r;

	r = read_names(s, &l);
	if (r == 0)
		r = read_images(s, &l);
	if (r == 0)
		r = read_builtins(s, &l);
	if (r == 0 && l.n_names)
		qsort(l.names, l.n_names, sizeof(struct name), by_name);
	if (r == 0)
		r = attach_names(&l);
	if (r < 0) {
		list_fini(&l);
		return r;
	}
	for (size_t i = 0; i < l.n_images; i++) {
		struct img *img = l.images[i];

		img->pub.repo_tags = (const char *const *)img->tags;
		img->pub.repo_digests = (const char *const *)img->digests;
	}
	if (l.images)
		qsort(l.images, l.n_images, sizeof(struct img *), by_age);

	for (size_t i = 0; i < l.n_images; i++) {
		struct img *img = l.images[i], *parent = by_id(l.images, l.n_images, img->parent);

		img->pub.parent = parent ? img->parent : "";
		if (parent)
			parent->has_children = true;
	}
	for (size_t i = 0; i < l.n_images; i++)
		l.images[i]->pub.intermediate = l.images[i]->has_children && !l.images[i]->pub.n_repo_tags;

	old = (struct list){s->images, s->n_images, s->names, s->n_names};
	s->images = l.images;
	s->n_images = l.n_images;
	s->names = l.names;
	s->n_names = l.n_names;
	s->loaded = true;
	list_fini(&old);
	return 0;
}

/* The disk is read when somebody first asks: a node that only boots does not pay for it. */
int store_load(struct image_store *s)
{
	int r = 0;

	store_reap(s);
	if (!s->loaded)
		r = store_reload(s);
	if (r == 0 && s->collect_on_load) {
		s->collect_on_load = false;
		r = store_collect(s, NULL);
	}
	return r;
}

/* ---- opening */

/* A pull of an engine that was killed ends with it, but not before it: wait for the last of them. */
static int wait_for_pulls(struct image_store *s)
{
	cleanup(closep) int fd = openat(s->disk.top, "images/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	for (int i = 0; i < 100; i++) {
		struct timespec wait = {.tv_nsec = 50000000};

		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK)
			return -errno;
		nanosleep(&wait, NULL);
	}
	return -EBUSY;
}

static int clear_staging(struct image_store *s)
{
	DIR *d = open_list(s->disk.staging);
	struct dirent *e;
	int r = d ? 0 : -errno;

	while (r == 0 && (e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			r = image_disk_discard(&s->disk, s->disk.staging, e->d_name);
	if (d)
		closedir(d);
	return r;
}

/* Records and names that were being written when an engine or one of its workers was killed. */
static int clear_unfinished(int dirfd)
{
	DIR *d = open_list(dirfd);
	struct dirent *e;
	int r = d ? 0 : -errno;

	while (r == 0 && (e = readdir(d)))
		if (strstr(e->d_name, ".new") && unlinkat(dirfd, e->d_name, 0) < 0)
			r = -errno;
	if (d)
		closedir(d);
	return r;
}

static struct image_store *store_new(const char *dir, const char *builtin)
{
	struct image_store *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->disk = (struct image_disk){-1, -1, -1, -1, -1, -1, -1};
	s->reaper_fd = -1;
	s->dir = strdup(dir);
	s->builtin_dir = builtin ? strdup(builtin) : NULL;
	if (s->dir && (!builtin || s->builtin_dir))
		return s;
	image_store_free(s);
	return NULL;
}

int store_open_reader(struct image_store **out, const char *dir, const char *builtin)
{
	struct image_store *s = store_new(dir, builtin);
	int r = s ? image_disk_open(&s->disk, dir) : -ENOMEM;

	if (r == 0)
		r = store_reload(s);
	if (r < 0)
		image_store_free(take(s));
	*out = s;
	return r;
}

int image_store_open(struct image_store **out, const char *dir, const char *builtin)
{
	struct image_store *s = store_new(dir, builtin);
	int r;

	if (!s)
		return -ENOMEM;
	r = image_disk_open(&s->disk, dir);
	if (r == 0)
		r = wait_for_pulls(s);
	if (r == 0)
		r = clear_staging(s);
	if (r == 0)
		r = clear_unfinished(s->disk.ids);
	if (r == 0)
		r = clear_unfinished(s->disk.names);
	if (r == 0) {
		/* what is there is cleared of leftovers now; built-in images are looked at later */
		s->collect_on_load = true;
		*out = s;
		return 0;
	}
	log_errno(-r, "op=open-image-store path=%s", dir);
	image_store_free(s);
	return r;
}

void image_store_free(struct image_store *s)
{
	if (!s)
		return;
	list_fini(&(struct list){s->images, s->n_images, s->names, s->n_names});
	for (size_t i = 0; i < s->n_builtins; i++)
		img_put(s->builtins[i]);
	free(s->builtins);
	free(s->builtin_names);
	free(s->builtin_dir);
	free(s->dir);
	image_disk_close(&s->disk);
	/* what it leaves is removed after the next opening */
	if (s->reaper > 0 && kill(s->reaper, SIGKILL) == 0)
		waitpid(s->reaper, NULL, 0);
	loop_io_del(&s->reaper_io);
	closep(&s->reaper_fd);
	free(s);
}

/* ---- asking */

bool image_name_builtin(struct image_store *s, const struct image_ref *ref)
{
	if (store_load(s) < 0)
		return false;
	for (size_t i = 0; i < s->n_names; i++)
		if (store_same_name(&s->names[i].ref, ref))
			return s->names[i].builtin;
	return false;
}

int image_store_find(struct image_store *s, const char *text, const struct image **out)
{
	const char *hex = strncmp(text, "sha256:", 7) ? text : text + 7;
	size_t n = strlen(hex);
	struct img *found = NULL;
	struct image_ref ref;
	bool is_name, again = false;
	int r;

	r = store_load(s);
	if (r < 0)
		return r;
once_more:
	is_name = image_ref_parse(&ref, text) == 0;
	if (is_name) {
		image_ref_default_tag(&ref);
		/* with a digest, the tag says nothing more */
		if (*ref.digest)
			*ref.tag = '\0';
		for (size_t i = 0; i < s->n_names; i++)
			if (store_same_name(&s->names[i].ref, &ref))
				found = by_id(s->images, s->n_images, s->names[i].id);
	}
	if (!found && n > 0 && n <= 64 && strspn(hex, "0123456789abcdef") == n) {
		for (size_t i = 0; i < s->n_images; i++) {
			if (strncmp(s->images[i]->pub.id + 7, hex, n))
				continue;
			if (found)
				return -ENOTUNIQ;
			found = s->images[i];
		}
	} else if (!found && !is_name) {
		return -EINVAL;
	}
	/* a worker that still runs (a build) may have added it */
	if (!found && s->pulls && !again) {
		again = true;
		r = store_reload(s);
		if (r < 0)
			return r;
		goto once_more;
	}
	if (!found)
		return -ENOENT;
	image_get(&found->pub);
	*out = &found->pub;
	return 0;
}

ssize_t image_store_list(struct image_store *s, const struct image ***out)
{
	const struct image **list;
	int r = store_load(s);

	if (r < 0)
		return r;
	list = calloc(s->n_images + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < s->n_images; i++) {
		list[i] = &s->images[i]->pub;
		image_get(list[i]);
	}
	*out = list;
	return (ssize_t)s->n_images;
}

void image_list_free(const struct image **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		image_unref(list[i]);
	free(list);
}

int64_t image_store_tagged_ns(struct image_store *s, const struct image *img)
{
	int64_t last = 0;

	for (size_t i = 0; i < s->n_names; i++) {
		char text[IMAGE_NAME_MAX + 1];
		int64_t ns;

		if (strcmp(s->names[i].id, img->id) != 0 || s->names[i].builtin)
			continue;
		image_ref_canonical(&s->names[i].ref, text);
		ns = image_name_written_ns(&s->disk, text);
		if (ns > last)
			last = ns;
	}
	return last;
}

int image_store_tag(struct image_store *s, const struct image *img, const struct image_ref *name)
{
	struct image_ref ref = *name;
	char text[IMAGE_NAME_MAX + 1];
	int r;

	if (*ref.digest)
		return -EINVAL;
	image_ref_default_tag(&ref);
	image_ref_canonical(&ref, text);
	r = image_name_write(&s->disk, text, img->id);
	if (r < 0)
		return log_errno(-r, "image=%s op=tag", img->id);
	return store_reload(s);
}
