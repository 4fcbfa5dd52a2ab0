/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "engine/engine.h"
#include "engine/exec.h"
#include "engine/lifecycle.h"
#include "engine/supervisor.h"
#include "lib/log.h"
#include "lib/loop.h"

/* One subscription: a connection that carries exits of names under a prefix. */
struct subscription {
	struct supervisor *sup;
	const char *kind;
	void (*exited)(struct engine *e, const char *id, const struct initctl_exit *x);
	struct loop_io io;
	int fd; /* owned */
};

struct supervisor {
	struct engine *e;
	int fd; /* owned: verbs and store */
	struct subscription subs[2];
};

int supervisor_open(struct engine *e)
{
	struct supervisor *s = calloc(1, sizeof(*s));

	if (!s)
		return log_errno(ENOMEM, "op=supervisor");
	s->e = e;
	s->subs[0] =
		(struct subscription){.sup = s, .kind = "container", .exited = lifecycle_exited, .fd = -1};
	s->subs[1] = (struct subscription){.sup = s, .kind = "exec", .exited = exec_exited, .fd = -1};
	s->fd = initctl_open();
	if (s->fd < 0) {
		int err = s->fd;

		free(s);
		return log_errno(-err, "op=supervisor msg=\"init does not answer\"");
	}
	e->sup = s;
	return 0;
}

static void on_exits(struct loop_io *io, uint32_t events)
{
	struct subscription *sub = container_of(io, struct subscription, io);
	struct initctl_exit x;
	int got;

	while ((got = initctl_next(sub->fd, &x)) > 0) {
		size_t n = strlen(sub->kind);

		if (strncmp(x.name, sub->kind, n) != 0 || x.name[n] != '/') {
			log_warn("op=exit name=%s msg=\"not ours\"", x.name);
			continue;
		}
		sub->exited(sub->sup->e, x.name + n + 1, &x);
	}
	if (got < 0) {
		/* Without init's word no exit would ever arrive again: a restart gets the replay. */
		log_errno(-got, "op=exit kind=%s msg=\"lost the connection to init\"", sub->kind);
		loop_io_del(&sub->io);
		loop_quit(sub->sup->e->loop, 1);
	}
}

int supervisor_subscribe(struct engine *e)
{
	for (size_t i = 0; i < array_len(e->sup->subs); i++) {
		struct subscription *sub = &e->sup->subs[i];
		char prefix[32];

		sub->fd = initctl_open();
		if (sub->fd < 0)
			return log_errno(-sub->fd, "op=subscribe kind=%s", sub->kind);
		snprintf(prefix, sizeof(prefix), "%s/", sub->kind);

		int err = initctl_subscribe(sub->fd, prefix);

		if (!err)
			err = loop_io_add(e->loop, &sub->io, sub->fd, EPOLLIN, on_exits);
		if (err)
			return log_errno(-err, "op=subscribe kind=%s", sub->kind);
	}
	return 0;
}

void supervisor_replay(struct engine *e)
{
	for (size_t i = 0; i < array_len(e->sup->subs); i++)
		on_exits(&e->sup->subs[i].io, EPOLLIN);
}

void supervisor_close(struct engine *e)
{
	struct supervisor *s = e->sup;

	if (!s)
		return;
	for (size_t i = 0; i < array_len(s->subs); i++) {
		loop_io_del(&s->subs[i].io);
		closep(&s->subs[i].fd);
	}
	closep(&s->fd);
	free(s);
	e->sup = NULL;
}

void supervisor_ack(struct engine *e, const char *kind, uint64_t seq)
{
	int err = seq ? initctl_ack(e->sup->fd, seq) : 0;

	if (err)
		log_errno(-err, "op=ack kind=%s", kind);
}

int supervisor_running(struct engine *e, const char *kind, const char *id, struct initctl_exit *out)
{
	cleanup(freep) struct initctl_exit *all = NULL;
	char name[INITCTL_NAME_MAX + 1];

	snprintf(name, sizeof(name), "%s/%s", kind, id);

	ssize_t n = initctl_running(e->sup->fd, name, &all);

	if (n < 0)
		return log_errno((int)-n, "op=running name=%s", name);
	for (ssize_t i = 0; i < n; i++) {
		if (strcmp(all[i].name, name) != 0)
			continue;
		*out = all[i];
		return 1;
	}
	return 0;
}

void supervisor_unwatch(struct engine *e, const char *kind, const char *id)
{
	char name[INITCTL_NAME_MAX + 1];

	snprintf(name, sizeof(name), "%s/%s", kind, id);

	int err = initctl_unwatch(e->sup->fd, name);

	if (err && err != -ENOENT)
		log_errno(-err, "op=unwatch name=%s", name);
}

int supervisor_put(
	struct engine *e, const char *kind, const char *id, const char *what, const int *fds, size_t n)
{
	char name[INITCTL_NAME_MAX + 1];

	snprintf(name, sizeof(name), "%s/%s/%s", kind, id, what);

	int err = initctl_store_put(e->sup->fd, name, fds, n);

	return err ? log_errno(-err, "op=store-put name=%s", name) : 0;
}

ssize_t supervisor_get(
	struct engine *e, const char *kind, const char *id, const char *what, int *fds, size_t max)
{
	char name[INITCTL_NAME_MAX + 1];

	snprintf(name, sizeof(name), "%s/%s/%s", kind, id, what);

	ssize_t n = initctl_store_get(e->sup->fd, name, fds, max);

	if (n < 0 && n != -ENOENT)
		return log_errno((int)-n, "op=store-get name=%s", name);
	return n;
}

void supervisor_drop(struct engine *e, const char *kind, const char *id, const char *what)
{
	char name[INITCTL_NAME_MAX + 1];

	snprintf(name, sizeof(name), "%s/%s/%s", kind, id, what);

	int err = initctl_store_drop(e->sup->fd, name);

	if (err && err != -ENOENT)
		log_errno(-err, "op=store-drop name=%s", name);
}

void supervisor_sweep(struct engine *e, bool (*holds)(struct engine *e, const char *id))
{
	cleanup(freep) char *names = NULL;
	int err = initctl_store_list(e->sup->fd, "container/", &names);

	if (err) {
		log_errno(-err, "op=store-list");
		return;
	}
	for (char *save = NULL, *n = strtok_r(names, "\n", &save); n; n = strtok_r(NULL, "\n", &save)) {
		char id[65];

		if (strlen(n) < 10 + 64 || n[10 + 64] != '/')
			continue;
		snprintf(id, sizeof(id), "%.64s", n + 10);
		if (holds(e, id))
			continue;
		err = initctl_store_drop(e->sup->fd, n);
		if (err && err != -ENOENT)
			log_errno(-err, "op=store-drop name=%s", n);
	}
}
