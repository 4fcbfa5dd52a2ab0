/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "init/exits.h"
#include "init/proc.h"
#include "lib/log.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

struct exit_watch {
	struct name name;
	struct loop_io io; /* io.fd is the pidfd, owned */
	pid_t pid;
	uint64_t start_ticks;
	struct exit_watch *chain;   /* in by_pid */
	struct exit_record *record; /* owned; filled at the end, so that the end needs no memory */
	struct exits *exits;
};

struct exit_record {
	struct name name;
	struct initctl_exit exit; /* seq is name.id */
	bool orphan;
};

static struct exit_watch *as_watch(struct name *n)
{
	return container_of(n, struct exit_watch, name);
}

static struct exit_record *as_record(struct name *n)
{
	return container_of(n, struct exit_record, name);
}

static struct exit_watch **bucket(struct exits *x, pid_t pid)
{
	return &x->by_pid[(unsigned)pid % EXITS_PID_BUCKETS];
}

static void watch_free(struct exit_watch *w)
{
	struct exits *x = w->exits;
	struct exit_watch **p = bucket(x, w->pid);

	while (*p != w)
		p = &(*p)->chain;
	*p = w->chain;
	names_del(&x->running, &w->name);
	loop_io_del(&w->io);
	close(w->io.fd);
	free(w->record);
	free(w);
}

static void record_free(struct exits *x, struct exit_record *r)
{
	names_del(&x->ended, &r->name);
	if (r->orphan)
		x->n_orphans--;
	free(r);
}

void exits_init(struct exits *x, struct loop *loop, void (*added)(struct exits *x))
{
	memset(x, 0, sizeof(*x));
	x->loop = loop;
	x->added = added;
}

void exits_fini(struct exits *x)
{
	while (x->running.first)
		watch_free(as_watch(x->running.first));
	while (x->ended.first)
		record_free(x, as_record(x->ended.first));
}

/*
 * No event was asked for, so this is a hang-up: the process has been reaped. Init forgets a watch when it
 * reaps, hence somebody else did it: the parent died or gave up before init became the parent.
 */
static void on_pidfd(struct loop_io *io, uint32_t events)
{
	struct exit_watch *w = container_of(io, struct exit_watch, io);

	if (!(events & (EPOLLHUP | EPOLLERR)))
		return;
	log_warn("watch=%s pid=%d msg=\"reaped by its parent, its status is not known here\"", w->name.text,
		(int)w->pid);
	watch_free(w);
}

int exits_watch(struct exits *x, const char *name, int pidfd)
{
	cleanup(closep) int fd = pidfd;
	cleanup(freep) struct exit_record *r = NULL;
	struct exit_watch *w;
	pid_t pid = proc_of_pidfd(fd);
	int err;

	if (pid < 0)
		return pid;
	if (names_find(&x->running, name) || names_find(&x->ended, name))
		return -EEXIST;
	if (x->running.count + x->ended.count - x->n_orphans >= EXITS_MAX)
		return -ENOSPC;
	r = calloc(1, sizeof(*r));
	w = calloc(1, sizeof(*w));
	if (!r || !w) {
		free(w);
		return -ENOMEM;
	}
	err = loop_io_add(x->loop, &w->io, fd, 0, on_pidfd);
	if (err) {
		free(w);
		return err;
	}
	w->io.fd = take_fd(fd);
	w->pid = pid;
	w->start_ticks = proc_start_ticks(pid);
	w->record = take(r);
	w->exits = x;
	w->chain = *bucket(x, pid);
	*bucket(x, pid) = w;
	names_add(&x->running, &w->name, name);
	return 0;
}

int exits_unwatch(struct exits *x, const char *name)
{
	struct name *n = names_find(&x->running, name);

	if (n) {
		watch_free(as_watch(n));
		return 0;
	}
	n = names_find(&x->ended, name);
	if (!n)
		return -ENOENT;
	record_free(x, as_record(n));
	return 0;
}

int exits_ack(struct exits *x, uint64_t seq)
{
	struct name *n = seq ? names_next(&x->ended, seq - 1, "") : NULL;

	if (!n || n->id != seq)
		return -ENOENT;
	record_free(x, as_record(n));
	return 0;
}

static int wait_status(const siginfo_t *si)
{
	if (si->si_code == CLD_EXITED)
		return (si->si_status & 0xff) << 8;
	return (si->si_status & 0x7f) | (si->si_code == CLD_DUMPED ? 0x80 : 0);
}

static void add_record(
	struct exits *x, struct exit_record *r, const char *name, const siginfo_t *si, uint64_t ticks)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	names_add(&x->ended, &r->name, name);
	strcpy(r->exit.name, r->name.text);
	r->exit.seq = r->name.id;
	r->exit.pid = si->si_pid;
	r->exit.start_ticks = ticks;
	r->exit.status = wait_status(si);
	r->exit.exit_realtime_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	x->added(x);
}

static void reap_watched(struct exits *x, struct exit_watch *w, const siginfo_t *si)
{
	struct exit_record *r = take(w->record);
	char name[INITCTL_NAME_MAX + 1];
	uint64_t ticks = w->start_ticks;

	strcpy(name, w->name.text);
	watch_free(w);
	add_record(x, r, name, si, ticks);
}

static bool of_interest(const char *cgroup)
{
	/* What a service or init itself leaves behind is no container's. */
	return strncmp(cgroup, "/services/", 10) && strncmp(cgroup, "/init", 5);
}

static void reap_orphan(struct exits *x, pid_t pid)
{
	struct initctl_exit exit = {0};
	siginfo_t si = {0};

	proc_cgroup(pid, exit.cgroup, sizeof(exit.cgroup));
	exit.start_ticks = proc_start_ticks(pid);
	if (waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG) < 0 || !si.si_pid || !of_interest(exit.cgroup))
		return;

	struct name *n = x->ended.first;

	if (x->n_orphans >= EXITS_ORPHANS_MAX) {
		while (!as_record(n)->orphan)
			n = n->next;
		record_free(x, as_record(n));
	}
	struct exit_record *r = calloc(1, sizeof(*r));

	if (!r) {
		log_errno(ENOMEM, "op=orphan pid=%d cgroup=%s", (int)pid, exit.cgroup);
		return;
	}
	r->orphan = true;
	r->exit = exit;
	x->n_orphans++;
	add_record(x, r, "", &si, exit.start_ticks);
}

void exits_reap(struct exits *x, pid_t pid)
{
	struct exit_watch *next;

	for (struct exit_watch *w = *bucket(x, pid); w; w = next) {
		siginfo_t si = {0};

		next = w->chain;
		if (w->pid != pid)
			continue;
		/* Only the process the pidfd was opened for can answer, whoever has its number now. */
		if (!waitid((idtype_t)P_PIDFD, (id_t)w->io.fd, &si, WEXITED | WNOHANG) && si.si_pid) {
			reap_watched(x, w, &si);
			return;
		}
	}
	reap_orphan(x, pid);
}

bool exits_next(const struct exits *x, uint64_t seq, const char *prefix, struct initctl_exit *out)
{
	struct name *n = names_next(&x->ended, seq, prefix);

	if (!n)
		return false;
	*out = as_record(n)->exit;
	return true;
}

size_t exits_running(const struct exits *x, const char *prefix, uint64_t cursor, struct initctl_exit *out,
	size_t max, uint64_t *next)
{
	size_t n = 0;

	*next = 0;
	for (struct name *i = names_next(&x->running, cursor, prefix); i; i = i->next) {
		struct exit_watch *w = as_watch(i);

		if (strncmp(i->text, prefix, strlen(prefix)))
			continue;
		if (n == max) {
			*next = cursor;
			break;
		}
		memset(&out[n], 0, sizeof(out[n]));
		strcpy(out[n].name, i->text);
		out[n].pid = w->pid;
		out[n].start_ticks = w->start_ticks;
		cursor = i->id;
		n++;
	}
	return n;
}

size_t exits_signal(const struct exits *x, int sig)
{
	for (struct name *n = x->running.first; n; n = n->next)
		syscall(SYS_pidfd_send_signal, as_watch(n)->io.fd, sig, NULL, 0);
	return x->running.count;
}
