/* SPDX-License-Identifier: Apache-2.0 */

/* See copy.h. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include "engine/api.h"
#include "engine/archive/copy.h"
#include "engine/archive/view.h"
#include "engine/archive/worker.h"
#include "engine/cgroup.h"
#include "engine/container.h"
#include "engine/paths.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "engine/files.h"
#include "engine/image.h"
#include "engine/job.h"
#include "engine/lifecycle.h"
#include "engine/spec.h"
#include "lib/errno_text.h"
#include "lib/base64.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/loop.h"

enum { COPY_CHUNK = 64 << 10, COPY_PENDING_MAX = 1 << 20, COPY_HEAD_MAX = 16 << 10, COPY_PATH_MAX = 4000 };

/* What an endpoint is about. */
struct copy_kind {
	const char *verb;	  /* of the worker */
	const char *content_type; /* of what follows the worker's first line; NULL: nothing does */
	const char *event;	  /* NULL: none */
	bool stat;		  /* the first line is a stat, for the header */
	bool raw;		  /* there is no first line */
	bool mounts;		  /* the view has them */
	bool input;		  /* the client sends */
};

static const struct copy_kind kinds[] = {
	{.verb = "stat", .stat = true, .mounts = true},
	{.verb = "get",
		.content_type = "application/x-tar",
		.event = "archive-path",
		.stat = true,
		.mounts = true},
	{.verb = "put", .event = "extract-to-dir", .mounts = true, .input = true},
	{.verb = "export", .content_type = "application/octet-stream", .event = "export", .raw = true},
	{.verb = "changes", .content_type = "application/json"},
};
enum { KIND_HEAD, KIND_GET, KIND_PUT, KIND_EXPORT, KIND_CHANGES };

struct copy {
	const struct copy_kind *kind;
	struct engine *e;
	struct container *c; /* NULL once it is gone */
	struct http_req *r;  /* NULL once the client has gone */
	char *path;	     /* owned */
	char *missing;	     /* owned: what is said when nothing is there */
	struct job *job;     /* owned; NULL before it begins and after its end */
	struct loop_io io;
	struct loop_task begin;
	int pipe; /* ours: the worker's output, or its input; owned; -1 */
	char *head; /* owned: what came before the first line's end; then, of a put, what the pipe did not take */
	size_t head_len, head_done;
	bool started, frozen, own_overlay, body_ended, waiting;
	struct loop_timer thaw;
	struct copy *next, **link;
};

/* ---- frozen meanwhile */

static void thaw(struct copy *k)
{
	struct container *c = k->c;

	loop_timer_del(&k->thaw);
	if (!k->frozen)
		return;
	k->frozen = false;
	for (struct copy *o = c ? c->copies : NULL; o; o = o->next)
		if (o->frozen)
			return;
	if (c && c->state == CONTAINER_RUNNING)
		(void)!container_cgroup_freeze(c, false);
}

static void on_thaw(struct loop_timer *t)
{
	thaw(container_of(t, struct copy, thaw));
}

static void freeze(struct copy *k)
{
	struct loop *l = k->e->loop;

	if (k->c->state != CONTAINER_RUNNING ||
		loop_timer_set(l, &k->thaw, loop_now_ms(l) + COPY_FREEZE_MS, on_thaw))
		return;
	k->frozen = !container_cgroup_freeze(k->c, true);
}

/* ---- its end */

static void copy_free(struct copy *k)
{
	thaw(k);
	if (k->link) {
		*k->link = k->next;
		if (k->next)
			k->next->link = k->link;
	}
	loop_defer_del(&k->begin);
	loop_io_del(&k->io);
	job_free(k->job);
	closep(&k->pipe);
	free(k->path);
	free(k->missing);
	free(k->head);
	free(k);
}

static void on_closed(struct http_req *r, bool ok, void *arg)
{
	struct copy *k = arg;

	k->r = NULL;
	copy_free(k);
}

/* Answers, which frees @k, too. */
static void refuse(struct copy *k, int status, const char *why)
{
	struct http_req *r = k->r;

	if (k->started)
		http_abort(r);
	else
		api_error(r, status, "%s", why);
}

static int status_of_end(int status)
{
	switch (WIFEXITED(status) ? WEXITSTATUS(status) : WORKER_FAILED) {
	case WORKER_NOT_FOUND:
		return 404;
	case WORKER_BAD:
		return 400;
	case WORKER_READ_ONLY:
		return 403;
	default:
		return 500;
	}
}

/* ---- from the worker to the client */

/* The first line is complete: the answer begins. */
static int begin_answer(struct copy *k, size_t line_len)
{
	if (k->kind->stat) {
		cleanup(freep) char *value = base64_make(k->head, line_len);
		int err = value ? http_set_header(k->r, "X-Docker-Container-Path-Stat", value) : -ENOMEM;

		if (err)
			return err;
	}
	if (k->kind->content_type) {
		k->started = true;
		http_reply_start(k->r, 200, k->kind->content_type);
	}
	return 0;
}

/* Return: 0, or -errno when the client has gone or the head is no head. */
static int take_piece(struct copy *k, const char *buf, size_t len)
{
	const char *nl;
	size_t line;
	int err;

	if (k->started)
		return http_write(k->r, buf, len);
	if (k->kind->raw) {
		err = begin_answer(k, 0);
		return err ? err : http_write(k->r, buf, len);
	}
	if (k->head_len + len > COPY_HEAD_MAX + COPY_CHUNK)
		return -EPROTO;

	char *more = realloc(k->head, k->head_len + len);

	if (!more)
		return -ENOMEM;
	k->head = more;
	memcpy(more + k->head_len, buf, len);
	k->head_len += len;
	nl = memchr(k->head, '\n', k->head_len);
	if (!nl)
		return k->head_len > COPY_HEAD_MAX ? -EPROTO : 0;
	line = (size_t)(nl - k->head);
	err = begin_answer(k, line);
	if (!err && k->started && k->head_len > line + 1)
		err = http_write(k->r, k->head + line + 1, k->head_len - line - 1);
	return err;
}

static void on_output(struct loop_io *io, uint32_t events)
{
	struct copy *k = container_of(io, struct copy, io);
	char buf[COPY_CHUNK];
	ssize_t n = read(k->pipe, buf, sizeof(buf));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		/* The end of its output; what it meant, its status says. */
		loop_io_del(&k->io);
		closep(&k->pipe);
		return;
	}
	if (take_piece(k, buf, (size_t)n)) {
		refuse(k, 500, "the worker's answer cannot be passed on");
		return;
	}
	if (k->started && http_pending(k->r) > COPY_PENDING_MAX)
		(void)!loop_io_set(&k->io, 0);
}

static void on_drain(struct http_req *r, void *arg)
{
	struct copy *k = arg;

	if (k->io.loop && !k->kind->input)
		(void)!loop_io_set(&k->io, EPOLLIN);
}

/* ---- from the client to the worker */

static void flush(struct copy *k)
{
	while (k->head_done < k->head_len && k->pipe >= 0) {
		ssize_t n = write(k->pipe, k->head + k->head_done, k->head_len - k->head_done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			if (!k->io.loop)
				return;
			(void)!loop_io_set(&k->io, EPOLLOUT);
			http_body_pause(k->r, true);
			return;
		}
		if (n < 0) {
			/* It has ended; its status says why. */
			loop_io_del(&k->io);
			closep(&k->pipe);
			break;
		}
		k->head_done += (size_t)n;
	}
	k->head_len = k->head_done = 0;
	if (k->io.loop)
		(void)!loop_io_set(&k->io, 0);
	if (k->body_ended) {
		loop_io_del(&k->io);
		closep(&k->pipe);
	} else {
		http_body_pause(k->r, false);
	}
}

static void on_writable(struct loop_io *io, uint32_t events)
{
	struct copy *k = container_of(io, struct copy, io);

	if (events & EPOLLERR && !(events & EPOLLOUT)) {
		loop_io_del(&k->io);
		closep(&k->pipe);
		k->head_len = k->head_done = 0;
		http_body_pause(k->r, false);
		return;
	}
	flush(k);
}

static void on_body(struct http_req *r, const void *buf, size_t len, void *arg)
{
	struct copy *k = arg;
	char *more = k->pipe < 0 ? NULL : realloc(k->head, k->head_len + len);

	if (k->pipe < 0)
		return; /* the worker has ended, and its answer is on the way */
	if (!more) {
		refuse(k, 500, "out of memory");
		return;
	}
	k->head = more;
	memcpy(more + k->head_len, buf, len);
	k->head_len += len;
	flush(k);
}

static void on_body_end(struct http_req *r, void *arg)
{
	struct copy *k = arg;

	k->body_ended = true;
	if (k->head_len == k->head_done) {
		loop_io_del(&k->io);
		closep(&k->pipe);
	}
}

/* ---- the worker */

static void on_done(void *arg, int status, const char *output)
{
	struct copy *k = arg;
	char why[600];

	k->job = NULL;
	thaw(k);
	/* What is left in the pipe comes before the end. */
	while (k->pipe >= 0 && !k->kind->input && !status) {
		char buf[COPY_CHUNK];
		ssize_t n = read(k->pipe, buf, sizeof(buf));

		if (n <= 0)
			break;
		if (take_piece(k, buf, (size_t)n)) {
			refuse(k, 500, "the worker's answer cannot be passed on");
			return;
		}
	}
	if (status) {
		int code = status_of_end(status);

		snprintf(why, sizeof(why), "%.*s", (int)strcspn(output, "\n"), output);
		if (k->started)
			log_error("op=copy verb=%s msg=\"%s\"", k->kind->verb, why);
		refuse(k, code, code == 404 ? k->missing : *why ? why : "the worker was killed");
		return;
	}
	if (k->kind->event && k->c)
		events_container_with(k->c, k->kind->event, "path", k->path);
	if (k->started)
		http_end(k->r);
	else
		api_empty(k->r, 200);
}

/* For put: whose the files become. */
static int add_owner(struct copy *k, int root, char **argv, size_t *n, char uid[24], char gid[24], char **msg)
{
	const char *user = json_text(k->c->config, "User");
	struct spec_user u;

	if (!api_query_bool(k->r, "copyUIDGID", false) || !user)
		return 0;

	int err = spec_user_resolve(root, user, NULL, &u, msg);

	if (err)
		return err;
	snprintf(uid, 24, "uid=%u", u.uid);
	snprintf(gid, 24, "gid=%u", u.gid);
	argv[(*n)++] = uid;
	argv[(*n)++] = gid;
	return 0;
}

static int start_worker(struct copy *k, const struct view *v, int upper, char **msg)
{
	char *argv[VIEW_MOUNTS_MAX + 12] = {(char *)(uintptr_t)k->e->worker,
		(char *)(uintptr_t)"engine_archive", (char *)(uintptr_t)k->kind->verb, k->path};
	int fds[VIEW_MOUNTS_MAX + 5] = {-1, -1, JOB_CAPTURE, v->root}, p[2] = {-1, -1}, err = 0;
	bool changes = k->kind == &kinds[KIND_CHANGES];
	size_t n = 4, n_fds = 4;
	char uid[24], gid[24];

	if (k->kind->input && api_query_bool(k->r, "noOverwriteDirNonDir", false))
		argv[n++] = (char *)(uintptr_t)"keep-kinds";
	if (k->kind->input)
		err = add_owner(k, v->root, argv, &n, uid, gid, msg);
	if (err)
		return err;
	if (v->read_only)
		argv[n++] = (char *)(uintptr_t)"read-only";
	for (size_t i = 0; i < v->n; i++) {
		argv[n++] = v->where[i];
		fds[n_fds++] = v->mounts[i];
	}
	if (v->userns >= 0) {
		argv[n++] = (char *)(uintptr_t)"userns";
		fds[n_fds++] = v->userns;
	}
	if (changes) {
		fds[3] = upper;
		fds[n_fds++] = v->root;
	}
	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	fds[k->kind->input ? 0 : 1] = p[k->kind->input ? 0 : 1];
	k->pipe = p[k->kind->input ? 1 : 0];
	fcntl(k->pipe, F_SETFL, O_NONBLOCK);

	struct job_opts o = {.path = k->e->worker, .argv = argv, .fds = fds, .n_fds = n_fds};

	err = job_start(&k->job, k->e->loop, &o, on_done, k);
	close(p[k->kind->input ? 0 : 1]);
	if (!err)
		err = loop_io_add(k->e->loop, &k->io, k->pipe, k->kind->input ? 0 : EPOLLIN,
			k->kind->input ? on_writable : on_output);
	return err;
}

/* For diff: the upper directory, and the image alone in the place of the root. */
static int open_layers(struct copy *k, struct view *v, int *upper, char **msg)
{
	cleanup(freep) char *path = text_make("%s/upper", k->c->dir);
	const struct image *img = NULL;

	*v = (struct view){.root = -1, .userns = -1};
	if (!path || dir_make(path, 0755))
		return -EIO;
	*upper = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*upper < 0)
		return -errno;

	int err = image_store_find(k->e->images, k->c->image_id, &img);

	if (err) {
		*msg = text_make("the image of container %s was removed: %s", k->c->name, k->c->image_id);
		return err;
	}
	v->root = image_mount(img, NULL, NULL);
	image_unref(img);
	return v->root < 0 ? v->root : 0;
}

static void begin(struct copy *k)
{
	cleanup(freep) char *msg = NULL;
	cleanup(closep) int upper = -1;
	struct view v;
	int err = k->kind == &kinds[KIND_CHANGES] ? open_layers(k, &v, &upper, &msg)
						  : view_open(&v, k->c, k->kind->mounts, &msg);

	if (!err) {
		k->own_overlay = v.own_overlay;
		freeze(k);
		err = start_worker(k, &v, upper, &msg);
	}
	view_close(&v);
	if (err) {
		refuse(k, err == -EINVAL ? 400 : 500, msg ? msg : errno_text(-err));
		return;
	}
	if (k->kind->input)
		http_body_stream(k->r, on_body, on_body_end, k);
	else
		http_on_drain(k->r, on_drain, k);
}

static void on_begin(struct loop_task *t);

/* Whoever waited may have gone: those that are still there are the container's own. */
static void on_settled(struct container *c, int err, const char *msg, void *arg)
{
	for (struct copy *k = c->copies; k; k = k->next)
		if (k->waiting)
			loop_defer(k->e->loop, &k->begin, on_begin);
}

/* A start or an end that is under way comes first; each settles into a state in which the files are there. */
static void begin_or_wait(struct copy *k)
{
	switch (k->c->state) {
	case CONTAINER_STARTING:
	case CONTAINER_EXITING:
		k->waiting = true;
		lifecycle_when_settled(k->c, on_settled, NULL);
		return;
	case CONTAINER_REMOVING:
	case CONTAINER_DEAD:
		refuse(k, 409, "the container is being removed");
		return;
	default:
		k->waiting = false;
		begin(k);
	}
}

static void on_begin(struct loop_task *t)
{
	begin_or_wait(container_of(t, struct copy, begin));
}

char *copy_path(const char *asked)
{
	cleanup(freep) char *path = text_make("/%s", asked);
	size_t len = strlen(asked), last;

	/* A dot at the end says "what is in it", whatever slashes follow, and a slash "what it leads to". */
	for (last = len; last && asked[last - 1] == '/';)
		last--;

	bool dot = last && asked[last - 1] == '.' && (last == 1 || asked[last - 2] == '/');
	const char *end = dot ? "/." : last < len ? "/" : "";

	if (!path || !path_clean(path) || !*end)
		return take(path);
	return text_make("%s%s", !strcmp(path, "/") ? "" : path, end);
}

static void copy_new(struct engine *e, struct http_req *r, const char *name, int kind)
{
	struct container *c = container_or_404(e, r, name);
	const char *path = kinds[kind].mounts ? http_query(r, "path") : "/";
	struct copy *k;

	if (!c)
		return;
	if (!path || !*path || strlen(path) > COPY_PATH_MAX) {
		api_error(r, 400,
			path && *path ? "path is too long" : "bad parameter: \"path\" cannot be empty");
		return;
	}
	k = calloc(1, sizeof(*k));
	if (k) {
		k->path = copy_path(path);
		k->missing = text_make("Could not find the file %s in container %s", path, name);
	}
	if (!k || !k->path || !k->missing) {
		if (k) {
			free(k->path);
			free(k->missing);
		}
		free(k);
		api_error(r, 500, "out of memory");
		return;
	}
	k->kind = &kinds[kind];
	k->e = e;
	k->c = c;
	k->r = r;
	k->pipe = -1;
	k->next = c->copies;
	k->link = &c->copies;
	if (k->next)
		k->next->link = &k->next;
	c->copies = k;
	http_on_closed(r, on_closed, k);
	begin_or_wait(k);
}

void copy_head(struct engine *e, struct http_req *r, const char *name)
{
	copy_new(e, r, name, KIND_HEAD);
}

void copy_get(struct engine *e, struct http_req *r, const char *name)
{
	copy_new(e, r, name, KIND_GET);
}

void copy_put(struct engine *e, struct http_req *r, const char *name)
{
	copy_new(e, r, name, KIND_PUT);
}

void copy_export(struct engine *e, struct http_req *r, const char *name)
{
	copy_new(e, r, name, KIND_EXPORT);
}

void copy_changes(struct engine *e, struct http_req *r, const char *name)
{
	copy_new(e, r, name, KIND_CHANGES);
}

void copy_container_busy(struct container *c)
{
	for (struct copy *k = c->copies, *next; k; k = next) {
		next = k->next;
		if (!k->own_overlay)
			continue;
		job_free(take(k->job));
		refuse(k, 409, "the container was started or removed while its files were copied");
	}
}

void copy_container_gone(struct container *c)
{
	while (c->copies) {
		struct copy *k = c->copies;

		job_free(take(k->job));
		refuse(k, 409, "the container was removed while its files were copied");
	}
}
