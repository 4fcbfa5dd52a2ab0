/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What takes as long as a tree of files is large: giving it to a group, removing it. A child does it (agent_volumes), its end
 * arrives on the loop.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "agent/pod.h"
#include "agent/volumes_int.h"
#include "lib/log.h"
#include "lib/spawn.h"

struct volume_work {
	struct loop_io io; /* its pidfd */
	int out;	   /* its stderr */
	volume_worked *fn;
	void *arg;
};

static void work_free(struct volume_work *w)
{
	int fd = w->io.fd;

	loop_io_del(&w->io);
	closep(&fd);
	closep(&w->out);
	free(w);
}

static void on_end(struct loop_io *io, uint32_t events)
{
	struct volume_work *w = container_of(io, struct volume_work, io);
	volume_worked *fn = w->fn;
	void *arg = w->arg;
	siginfo_t si = {0};
	char text[300];
	ssize_t n = read(w->out, text, sizeof(text) - 1);
	bool ok;

	text[n > 0 ? n : 0] = 0;
	text[strcspn(text, "\n")] = 0;
	ok = waitid(P_PIDFD, (id_t)io->fd, &si, WEXITED) == 0 && si.si_code == CLD_EXITED && !si.si_status;
	if (!ok && !*text)
		snprintf(text, sizeof(text), "the worker was ended by signal %d", si.si_status);
	work_free(w);
	fn(ok, text, arg);
}

int volume_work_start(
	struct volume_work **out, struct loop *l, const char *const argv[], volume_worked *fn, void *arg)
{
	struct volume_work *w = calloc(1, sizeof(*w));
	cleanup(closep) int said = -1, pidfd = -1;
	int pipes[2], r;

	if (!w)
		return -ENOMEM;
	if (pipe2(pipes, O_CLOEXEC) < 0) {
		r = -errno;
		free(w);
		return r;
	}
	said = pipes[1];
	*w = (struct volume_work){.out = pipes[0], .fn = fn, .arg = arg};
	fcntl(w->out, F_SETFL, O_NONBLOCK);

	const int fds[] = {-1, -1, said};
	struct spawn s = {.path = "/proc/self/exe",
		.argv = (char *const *)(uintptr_t)argv,
		.fds = fds,
		.n_fds = 3,
		.cgroup_fd = -1};

	r = spawn(&s, &pidfd);
	if (r > 0) {
		r = loop_io_add(l, &w->io, pidfd, EPOLLIN, on_end);
		if (!r)
			pidfd = -1;
	}
	if (r) {
		closep(&w->out);
		free(w);
		return r;
	}
	*out = w;
	return 0;
}

void volume_work_cancel(struct volume_work *w)
{
	siginfo_t si;

	if (!w)
		return;
	/* Killed it ends at once, or, in the kernel's hands, a little later: then init reaps it when we are gone. */
	if (syscall(SYS_pidfd_send_signal, w->io.fd, SIGKILL, NULL, 0) == 0)
		(void)!waitid(P_PIDFD, (id_t)w->io.fd, &si, WEXITED | WNOHANG);
	work_free(w);
}

/* ---- removal of all that a pod has on this node */

static void on_removed(bool ok, const char *output, void *arg)
{
	struct volumes *vs = arg;

	vs->removal = NULL;
	vs->removed = ok;
	for (size_t i = 0; ok && i < vs->n; i++)
		vs->list[i].made = false; /* nothing writes it anew */
	if (ok)
		volumes_unlimit(vs);
	vs->removal_err = ok ? 0 : -EIO;
	if (!ok) {
		snprintf(vs->error, sizeof(vs->error), "%s", output);
		log_warn("agent pod=%s/%s op=remove-volumes error=\"%s\"", vs->p->ns, vs->p->name, output);
	}
	pod_wake(vs->p);
}

int volumes_remove(struct pod *p)
{
	cleanup(freep) char *disk = volume_disk_path(p, ""), *memory = volume_memory_path(p, "");
	struct volumes *vs = p->volumes;
	const char *const argv[] = {"agent_volumes", "remove", disk, memory, NULL};
	int r;

	if (!disk || !memory)
		return -ENOMEM;
	if (vs && vs->removal)
		return -EAGAIN;
	if (vs && vs->removal_err) {
		r = vs->removal_err;
		vs->removal_err = 0; /* the next call tries again */
		return r;
	}
	if ((vs && vs->removed) || (access(disk, F_OK) < 0 && access(memory, F_OK) < 0))
		return 0;
	if (!vs)
		vs = p->volumes = calloc(1, sizeof(*vs));
	if (!vs)
		return -ENOMEM;
	vs->p = p;
	r = volume_work_start(&vs->removal, p->agent->loop, argv, on_removed, vs);
	return r ? r : -EAGAIN;
}

/* ---- what pods have left that nobody knows any more */

enum { SWEEP_MAX = 256 };

struct sweeping {
	struct volume_work *work;
	char *paths[SWEEP_MAX]; /* owned, n */
	size_t n;
};

static void sweeping_free(struct sweeping *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->paths[i]);
	free(s);
}

static void on_swept(bool ok, const char *output, void *arg)
{
	if (!ok)
		log_warn("agent op=sweep-volumes error=\"%s\"", output);
	sweeping_free(arg);
}

static void find_left(struct sweeping *s, const struct agent *a, const char *top)
{
	cleanup(freep) char *path = NULL;
	DIR *dir = asprintf(&path, "%s/pods", top) > 0 ? opendir(path) : NULL;
	struct dirent *e;

	while (dir && s->n < SWEEP_MAX && (e = readdir(dir)))
		if (e->d_name[0] != '.' && !pods_find_uid(a, e->d_name) &&
			asprintf(&s->paths[s->n], "%s/%s", path, e->d_name) > 0)
			s->n++;
	if (dir)
		closedir(dir);
}

void volumes_sweep(const struct agent *a)
{
	struct sweeping *s = calloc(1, sizeof(*s));
	const char *argv[SWEEP_MAX + 3] = {"agent_volumes", "remove"};
	int r;

	if (!s)
		return; /* the next start finds it */
	find_left(s, a, a->data_dir);
	find_left(s, a, a->run_dir);
	for (size_t i = 0; i < s->n; i++)
		argv[2 + i] = s->paths[i];
	r = s->n ? volume_work_start(&s->work, a->loop, argv, on_swept, s) : 0;
	if (r)
		log_errno(-r, "agent op=sweep-volumes");
	if (r || !s->n)
		sweeping_free(s);
}
