/* SPDX-License-Identifier: Apache-2.0 */

/*
 * COPY and ADD. What they take is gathered first, as parts with a root each (the context, another stage, a heredoc, a
 * download); the digest of all parts is the step's key; only when the cache does not know it is anything copied.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <linux/openat2.h>

#include "engine/build/build_int.h"
#include "engine/build/copy.h"
#include "engine/image/digest.h"
#include "engine/image/disk.h"
#include "engine/image/image_int.h"
#include "engine/spec.h"
#include "lib/errno_text.h"
#include "lib/download.h"
#include "lib/file.h"

enum { PARTS_MAX = 64 };

struct part {
	int root;	/* owned unless it is the context */
	char **sources; /* owned */
	size_t n_sources;
	char stage[STAGE_NAME_MAX]; /* a directory of ours that holds it; "" */
	bool local;		    /* of the context: ADD unpacks its archives */
};

struct copying {
	struct build *b;
	struct part parts[PARTS_MAX];
	size_t n;
	size_t n_sources;	  /* over all parts */
	const struct image *from; /* a reference */
	char *dest;		  /* owned; absolute */
	const char *chown;
	char *chown_text; /* owned; expanded */
	int chmod;
};

/* ---- parts */

static struct part *new_part(struct copying *c, int root)
{
	struct part *p;

	if (c->n == PARTS_MAX) {
		build_fail(c->b, -E2BIG, "more than %d sources of different kinds", PARTS_MAX);
		return NULL;
	}
	p = &c->parts[c->n++];
	p->root = root;
	return p;
}

static int add_source(struct copying *c, struct part *p, const char *name)
{
	char **more = realloc(p->sources, (p->n_sources + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	p->sources = more;
	more[p->n_sources] = strdup(name);
	c->n_sources++;
	return more[p->n_sources++] ? 0 : -ENOMEM;
}

/* A directory of ours with one file in it. */
static int part_of_file(struct copying *c, struct part **out, const char *name, mode_t mode)
{
	struct build *b = c->b;
	struct part *p = new_part(c, -1);
	int fd, r;

	if (!p)
		return -E2BIG;
	stage_name(p->stage, ".file");
	p->root = disk_mkdir_open(b->w->store->disk.staging, p->stage);
	if (p->root < 0)
		return build_fail(b, p->root, "staging: %s", errno_text(-p->root));
	fd = openat(p->root, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return build_fail(b, -errno, "%.200s: %s", name, errno_text(errno));
	r = fchmod(fd, mode) < 0 ? -errno : add_source(c, p, name);
	if (r < 0) {
		close(fd);
		return r;
	}
	*out = p;
	return fd;
}

static void set_time(struct build *b, int fd, int64_t s)
{
	struct timespec ts[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = s}};

	if (s >= 0 && futimens(fd, ts) < 0)
		build_say(b, "[Warning] a time could not be set: %s\n", errno_text(errno));
}

static const char *value_of(const char *name, size_t len, void *arg)
{
	struct build *b = arg;
	const char *v = settings_env(&b->st, name, len);

	return v ? v : b->st.arg(name, len, b->st.ctx);
}

static int add_heredoc(struct copying *c, const struct dockerfile_heredoc *h)
{
	struct words w = {.escape = c->b->df->escape, .value = value_of, .arg = c->b};
	cleanup(freep) char *expanded = NULL;
	const char *text = h->text;
	cleanup(closep) int fd = -1;
	struct words_error e;
	struct part *p;
	int r = h->expand ? words_expand_text(&w, h->text, &expanded, &e) : 0;

	if (r < 0)
		return build_fail(c->b, r, "heredoc %.64s: %s", h->name, e.text);
	if (expanded)
		text = expanded;
	fd = part_of_file(c, &p, h->name, 0644);
	if (fd < 0)
		return fd;
	r = file_write_all(fd, text, strlen(text));
	set_time(c->b, fd, c->b->epoch);
	return r < 0 ? build_fail(c->b, r, "heredoc %.64s: %s", h->name, errno_text(-r)) : 0;
}

/* The last part of an address's path; "" when it ends with a slash. */
static void name_of_url(const char *url, char out[NAME_MAX + 1])
{
	const char *path = strstr(url, "//"), *end, *slash;
	size_t n;

	path = path ? strchr(path + 2, '/') : NULL;
	*out = '\0';
	if (!path)
		return;
	end = path + strcspn(path, "?#");
	for (slash = end; slash > path && slash[-1] != '/'; slash--)
		;
	n = (size_t)(end - slash);
	if (n > NAME_MAX)
		n = NAME_MAX;
	memcpy(out, slash, n);
	out[n] = '\0';
	if (!strcmp(out, ".") || !strcmp(out, ".."))
		*out = '\0';
}

static int hash_file(int fd, char digest[IMAGE_DIGEST_LEN + 1])
{
	static char buf[1 << 17];
	struct digest d;
	ssize_t n;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	digest_init(&d);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		digest_update(&d, buf, (size_t)n);
	digest_final(&d, digest);
	return n < 0 ? -errno : 0;
}

static int add_url(struct copying *c, const char *url)
{
	const char *want = dockerfile_flag(c->b->step, "checksum");
	char name[NAME_MAX + 1], digest[IMAGE_DIGEST_LEN + 1];
	struct download_result got;
	cleanup(closep) int fd = -1;
	struct part *p;
	int r;

	if (strstr(url, ".git#") || (strlen(url) > 4 && !strcmp(url + strlen(url) - 4, ".git")))
		return build_fail(c->b, -ENOTSUP,
			"a git repository is not supported as a source by this engine: %.300s", url);
	if (want && !image_digest_valid(want))
		return build_fail(c->b, -EINVAL, "--checksum=%.100s is not sha256:HEX", want);
	name_of_url(url, name);
	if (!*name && c->dest[strlen(c->dest) - 1] == '/')
		return build_fail(c->b, -EINVAL, "cannot determine filename from url: %.300s", url);
	fd = part_of_file(c, &p, *name ? name : "download", 0600);
	if (fd < 0)
		return fd;
	build_say(c->b, "Downloading %.2000s\n", url);
	r = build_download(c->b, url, fd, &got);
	if (r < 0)
		return build_fail(c->b, r, "%s", *got.error ? got.error : errno_text(-r));
	if (want) {
		r = hash_file(fd, digest);
		if (r < 0)
			return build_fail(c->b, r, "%.300s: %s", url, errno_text(-r));
		if (strcmp(digest, want))
			return build_fail(c->b, -EBADMSG, "digest mismatch %s: %s was wanted", digest, want);
	}
	/* docker: without Last-Modified the time is that of the epoch's beginning */
	set_time(c->b, fd, got.modified_s >= 0 ? got.modified_s : 0);
	return 0;
}

static bool is_url(const char *s)
{
	return !strncasecmp(s, "http://", 7) || !strncasecmp(s, "https://", 8);
}

static bool names_heredoc(const char *word)
{
	return word[0] == '<' && word[1] == '<' && word[2] != '<';
}

/* Does it climb out of its root, taken by the words alone? */
static bool climbs_out(const char *path)
{
	int depth = 0;

	for (size_t n; *(path += strspn(path, "/")) && depth >= 0; path += n) {
		n = strcspn(path, "/");
		if (n == 2 && !strncmp(path, "..", 2))
			depth--;
		else if (n != 1 || *path != '.')
			depth++;
	}
	return depth < 0;
}

/* Everything that is named, but for the destination. */
static int gather(struct copying *c)
{
	struct build *b = c->b;
	const struct dockerfile_step *s = b->step;
	const char *from = dockerfile_flag(s, "from");
	bool add = s->op == DF_ADD;
	struct part *plain = NULL;
	int r = 0, root = b->context;

	if (from) {
		cleanup(freep) char *name = NULL;

		r = build_expand(b, from, &name);
		if (r == 0)
			r = build_find(b, name, &c->from);
		if (r < 0)
			return r;
		if (!c->from || !c->from->n_layers)
			return build_fail(b, -ENOENT, "--from=%.200s is empty", name);
		root = image_mount(c->from, NULL, NULL);
		if (root < 0)
			return build_fail(
				b, root, "--from=%.200s cannot be mounted: %s", name, errno_text(-root));
	}
	plain = new_part(c, root);
	plain->local = !from;
	for (size_t i = 0; i + 1 < s->n_words && r == 0; i++) {
		cleanup(freep) char *word = NULL;

		if (!s->json && names_heredoc(s->words[i]))
			continue;
		r = build_expand(b, s->words[i], &word);
		if (r == 0 && is_url(word))
			r = add ? add_url(c, word)
				: build_fail(b, -EINVAL, "source can't be a URL for COPY: %.300s", word);
		else if (r == 0 && add && !strncmp(word, "git@", 4))
			r = build_fail(
				b, -ENOTSUP, "a git repository is not supported as a source by this engine");
		else if (r == 0 && climbs_out(word))
			r = build_fail(
				b, -EPERM, "forbidden path outside the build context: %.300s ()", word);
		else if (r == 0)
			r = add_source(c, plain, word);
	}
	for (size_t i = 0; i < s->n_heredocs && r == 0; i++)
		r = add_heredoc(c, &s->heredocs[i]);
	return r;
}

static void copying_fini(struct copying *c)
{
	for (size_t i = 0; i < c->n; i++) {
		struct part *p = &c->parts[i];

		for (size_t k = 0; k < p->n_sources; k++)
			free(p->sources[k]);
		free(p->sources);
		if (p->root != c->b->context)
			closep(&p->root);
		if (*p->stage && disk_remove_tree(c->b->w->store->disk.staging, p->stage) < 0)
			build_say(c->b, "[Warning] staging/%s could not be removed\n", p->stage);
	}
	image_unref(c->from);
	free(c->dest);
	free(c->chown_text);
}

/* ---- what the flags say */

static int read_chmod(struct copying *c)
{
	const char *text = dockerfile_flag(c->b->step, "chmod");
	cleanup(freep) char *word = NULL;
	char *end;
	long mode;
	int r;

	c->chmod = -1;
	if (!text)
		return 0;
	r = build_expand(c->b, text, &word);
	if (r < 0)
		return r;
	mode = strtol(word, &end, 8);
	if (end == word || *end || mode < 0 || mode > 07777)
		return build_fail(c->b, -EINVAL,
			"invalid chmod parameter: '%.64s'. it should be octal string and between 0 and 07777",
			word);
	c->chmod = (int)mode;
	return 0;
}

/* Names are those of the image that is being built. */
static int read_chown(struct copying *c, int root, struct copy *out)
{
	cleanup(freep) char *msg = NULL;
	struct spec_user u = {0};
	int r;

	if (!c->chown)
		return 0;
	r = spec_user_resolve(root, c->chown, NULL, &u, &msg);
	if (r < 0)
		return build_fail(c->b, r, "--chown=%.100s: %s", c->chown, msg ? msg : errno_text(-r));
	out->uid = u.uid;
	/* docker: a user without a group stands for both */
	out->gid = strchr(c->chown, ':') ? u.gid : u.uid;
	return 0;
}

static int read_dest(struct copying *c)
{
	struct build *b = c->b;
	const char *dir = yyjson_mut_get_str(yyjson_mut_obj_get(b->st.config, "WorkingDir"));
	cleanup(freep) char *word = NULL;
	int r;

	r = build_expand(b, b->step->words[b->step->n_words - 1], &word);
	if (r < 0)
		return r;
	if (!*word)
		return build_fail(b, -EINVAL, "the destination is empty");
	if (*word == '/')
		c->dest = take(word);
	else if (asprintf(&c->dest, "%s/%s%s", dir ? dir : "", word,
			 !strcmp(word, ".") || !strcmp(word, "..") ? "/" : "") < 0)
		c->dest = NULL;
	return c->dest ? 0 : build_fail(b, -ENOMEM, "out of memory");
}

/* ---- carrying it out */

static void describe(struct copying *c, struct part *p, struct copy *out, int to)
{
	*out = (struct copy){.from = p->root,
		.to = to,
		.sources = (const char *const *)p->sources,
		.n_sources = p->n_sources,
		.dest = c->dest,
		.chmod = c->chmod,
		.keep_owner = c->from && !c->chown,
		.keyword = dockerfile_keyword(c->b->step->op),
		.missing = p->local ? "file not found in build context or excluded by .dockerignore: " : "",
		.leave_archives = c->b->step->op == DF_ADD && p->local};
}

static int make_key(struct copying *c)
{
	const struct dockerfile_step *s = c->b->step;
	struct digest d;
	char all[IMAGE_DIGEST_LEN + 1], mode[16];
	int r = 0;

	digest_init(&d);
	for (size_t i = 0; i < c->n && r == 0; i++) {
		static struct copy_result got;
		struct copy copy;

		if (!c->parts[i].n_sources)
			continue;
		describe(c, &c->parts[i], &copy, -1);
		r = copy_run(&copy, &got);
		if (r < 0)
			return build_fail(c->b, r, "%s", *got.error ? got.error : errno_text(-r));
		digest_update(&d, got.digest, strlen(got.digest));
	}
	digest_final(&d, all);
	snprintf(mode, sizeof(mode), "%d", c->chmod);
	build_key(c->b,
		(const char *[]){dockerfile_keyword(s->op), all, c->dest, c->chown ? c->chown : "-", mode},
		5);
	return 0;
}

/* An archive of the context: unpacked aside, then copied like anything else. What is none is copied as a file. */
static int add_archive(struct copying *c, struct part *p, const char *path, struct copy *how)
{
	struct build *b = c->b;
	struct open_how open_how = {.flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	int in = (int)syscall(SYS_openat2, p->root, path + strspn(path, "/"), &open_how, sizeof(open_how)), r;
	const char *everything[] = {"/"}, *one[1];
	struct unpack_result result = {.error = ""};
	static struct copy_result got;
	char stage[STAGE_NAME_MAX], name[COPY_PATH_MAX * 2], *out = name;
	struct unpack_worker u;
	cleanup(closep) int root = -1;
	cleanup(freep) char *dest = NULL;

	if (in < 0)
		return build_fail(b, -errno, "%.300s: %s", path, errno_text(errno));
	stage_name(stage, ".add");
	root = disk_mkdir_open(b->w->store->disk.staging, stage);
	if (root < 0) {
		close(in);
		return build_fail(b, root, "staging: %s", errno_text(-root));
	}
	r = unpack_worker_start(&u, in, root, &unpack_limits_plain);
	while (r == 0 && (r = unpack_worker_read(&u)) == 1)
		r = 0;
	if (r == 0)
		r = unpack_worker_end(&u, &result);
	else
		unpack_worker_kill(&u);
	if (r == 0 && asprintf(&dest, "%s/", c->dest) < 0) {
		dest = NULL;
		r = -ENOMEM;
	}
	if (r == 0) {
		how->from = root;
		how->sources = everything;
		how->keep_owner = !c->chown;
		how->dest = dest;
	} else if (r == -EBADMSG && !result.entries) {
		/* it only began like an archive: a file. Its name is no pattern */
		for (const char *s = path; *s; s++) {
			if (strchr("*?[\\", *s))
				*out++ = '\\';
			*out++ = *s;
		}
		*out = '\0';
		one[0] = name;
		how->sources = one;
		r = 0;
	} else {
		build_fail(b, r, "%.300s: %s", path, *result.error ? result.error : errno_text(-r));
	}
	how->n_sources = 1;
	how->leave_archives = false;
	if (r == 0) {
		r = copy_run(how, &got);
		if (r < 0)
			build_fail(b, r, "%s", *got.error ? got.error : errno_text(-r));
	}
	unpack_result_fini(&result);
	closep(&root);
	root = -1;
	if (disk_remove_tree(b->w->store->disk.staging, stage) < 0)
		build_say(b, "[Warning] staging/%s could not be removed\n", stage);
	return r;
}

static int copy_parts(struct copying *c, int root)
{
	int r = 0;

	for (size_t i = 0; i < c->n && r == 0; i++) {
		struct copy_result *got;
		struct copy how;

		if (!c->parts[i].n_sources)
			continue;
		got = calloc(1, sizeof(*got));
		if (!got)
			return -ENOMEM;
		describe(c, &c->parts[i], &how, root);
		r = read_chown(c, root, &how);
		if (r == 0) {
			r = copy_run(&how, got);
			if (r < 0)
				build_fail(c->b, r, "%s", *got->error ? got->error : errno_text(-r));
		}
		for (size_t k = 0; k < got->n_archives && r == 0; k++) {
			struct copy archive = how;

			r = add_archive(c, &c->parts[i], got->archives[k], &archive);
		}
		free(got);
	}
	return r;
}

static int carry_out(struct copying *c)
{
	struct build *b = c->b;
	struct build_root root = {.fd = -1};
	struct new_layer l = {.empty = false};
	int r = build_root_open(b, &root);

	if (r == 0)
		r = copy_parts(c, root.fd);
	if (r == 0)
		r = build_root_layer(b, &root, &l);
	build_root_close(b, &root);
	if (r == 0)
		r = build_commit(b, b->step->source, &l);
	new_layer_fini(b->w, &l);
	return r;
}

int build_copy(struct build *b)
{
	struct copying c = {.b = b, .chmod = -1};
	const char *chown = dockerfile_flag(b->step, "chown");
	int r = 0;

	if (chown)
		r = build_expand(b, chown, &c.chown_text);
	c.chown = c.chown_text;
	if (r == 0)
		r = read_chmod(&c);
	if (r == 0)
		r = read_dest(&c);
	if (r == 0)
		r = gather(&c);
	if (r == 0 && !c.n_sources)
		r = build_fail(b, -EINVAL, "no source files were specified");
	if (r == 0 && c.n_sources > 1 && c.dest[strlen(c.dest) - 1] != '/')
		r = build_fail(b, -EINVAL,
			"When using %s with more than one source file, the destination must be a directory and end with a /",
			dockerfile_keyword(b->step->op));
	if (r == 0)
		r = make_key(&c);
	if (r == 0) {
		r = build_cached(b);
		r = r == 1 ? 0 : r < 0 ? r : carry_out(&c);
	}
	copying_fini(&c);
	return r;
}
