/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Last words of containers: a file of the agent's that is mounted at terminationMessagePath, or the end of the log when the
 * file is empty and the container failed. DATA/pods/UID/containers/NAME/N is the file of its N-th restart.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/frames.h"
#include "agent/pod.h"
#include "lib/file.h"
#include "lib/http_client.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/tree.h"

enum { PATH_BYTES = 600, LOG_LINES = 80, LOG_MESSAGE_MAX = 2048 };

static void path_of(const struct pod *p, const struct pod_container *c, int restarts, char *path, size_t size)
{
	snprintf(path, size, "%s/pods/%s/containers/%s/%d", p->agent->data_dir, p->uid, c->name, restarts);
}

static int make_folders(const char *path)
{
	char part[PATH_BYTES];

	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

int message_prepare(const struct pod *p, const struct pod_container *c, char *path, size_t size)
{
	cleanup(closep) int fd = -1;
	int err;

	path_of(p, c, c->restarts, path, size);
	err = make_folders(path);
	if (err)
		return log_errno(-err, "pod=%s/%s file=%s", p->ns, p->name, path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
	/* whoever runs in the container may write it, whatever the mask of this process is */
	if (fd < 0 || fchmod(fd, 0666) < 0)
		return log_errno(errno, "pod=%s/%s file=%s", p->ns, p->name, path);
	return 0;
}

int message_remove_folder(const struct pod *p)
{
	cleanup(closep) int dir = -1;
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), "%s/pods", p->agent->data_dir);
	dir = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT ? 0 : log_errno(errno, "dir=%s", path);
	return tree_remove(dir, p->uid);
}

/* The container wrote it: only its beginning is taken, and never through a link. */
static char *read_file(const char *path)
{
	cleanup(closep) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char *text = fd >= 0 ? malloc(POD_MESSAGE_MAX + 1) : NULL;
	ssize_t n = text ? read(fd, text, POD_MESSAGE_MAX) : -1;

	if (n <= 0) {
		free(text);
		return NULL;
	}
	text[n] = 0;
	return text;
}

/* ---- the end of the log */

/* However much the engine has to say, no more than this is kept of it. */
struct tail {
	struct pod *p;
	char container[256], id[65];
	bool tty; /* there are no frames around what was written */
	struct frames frames;
	size_t n;
	char end[LOG_MESSAGE_MAX];
};

static void keep_end(int stream, const void *buf, size_t len, void *arg)
{
	struct tail *t = arg;
	const char *from = buf;
	size_t stays;

	if (len > sizeof(t->end)) {
		from += len - sizeof(t->end);
		len = sizeof(t->end);
	}
	stays = t->n < sizeof(t->end) - len ? t->n : sizeof(t->end) - len;
	memmove(t->end, t->end + t->n - stays, stays);
	memcpy(t->end + stays, from, len);
	t->n = stays + len;
}

static void on_log(struct http_call *call, const void *buf, size_t len, void *arg)
{
	struct tail *t = arg;

	if (http_call_status(call) != 200)
		return;
	if (t->tty)
		keep_end(1, buf, len, t);
	else
		(void)!frames_feed(
			&t->frames, buf, len, keep_end, t); /* what is none of its frames is no log */
}

static void on_log_end(struct http_call *call, int err, const char *why, void *arg)
{
	struct tail *t = arg;
	struct pod *p = t->p;
	struct pod_container *c = pod_find_container(p, t->container);

	p->busy = false;
	if (c && !strcmp(c->now.id, t->id)) {
		c->now.message_known = true;
		if (!err && http_call_status(call) == 200)
			c->now.message = strndup(t->end, t->n);
	}
	free(t);
	pod_wake(p);
}

static bool ask_log(struct pod *p, struct pod_container *c)
{
	static const struct http_call_events events = {.data = on_log, .done = on_log_end, .cancelled = free};
	char target[300];
	struct http_request rq = {.method = "GET", .target = target};
	struct tail *t = calloc(1, sizeof(*t));

	snprintf(target, sizeof(target), "/containers/%s/logs?stdout=1&stderr=1&tail=%d", c->now.id,
		LOG_LINES);
	if (t) {
		t->p = p;
		t->tty = json_bool(c->spec, "tty");
		snprintf(t->container, sizeof(t->container), "%s", c->name);
		snprintf(t->id, sizeof(t->id), "%s", c->now.id);
	}
	if (!t || http_call_start(NULL, p->agent->engine, &rq, &events, t) < 0) {
		free(t);
		return false;
	}
	return p->busy = true;
}

static bool collect_one(struct pod *p, struct pod_container *c)
{
	const char *policy = json_text(c->spec, "terminationMessagePolicy");
	char path[PATH_BYTES];

	path_of(p, c, c->now.restarts, path, sizeof(path));
	c->now.message = read_file(path);
	if (!c->now.message && c->now.exit_code && policy && !strcmp(policy, "FallbackToLogsOnError") &&
		ask_log(p, c))
		return true;
	c->now.message_known = true;
	return false;
}

bool message_collect(struct pod *p)
{
	for (size_t i = 0; i < p->n_containers; i++) {
		struct pod_container *c = &p->containers[i];

		if (c->exited && !c->now.message_known && collect_one(p, c))
			return true;
	}
	return false;
}
