/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "engine/files.h"
#include "engine/job.h"
#include "lib/log.h"
#include "lib/spawn.h"

struct job {
	struct loop *loop;
	struct loop_io exit_io, out_io;
	struct loop_timer timer;
	int pidfd, out; /* owned */
	char *text;	/* owned; JOB_OUTPUT_MAX + 1 */
	size_t len;
	job_done *done;
	void *arg;
};

void job_free(struct job *p)
{
	if (!p)
		return;
	loop_io_del(&p->exit_io);
	loop_io_del(&p->out_io);
	loop_timer_del(&p->timer);
	if (p->pidfd >= 0) {
		siginfo_t si;

		/* Killed, so the wait is short; without it a zombie would stay. */
		syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
		waitid(P_PIDFD, (id_t)p->pidfd, &si, WEXITED);
	}
	closep(&p->pidfd);
	closep(&p->out);
	free(p->text);
	free(p);
}

void job_kill(struct job *p)
{
	syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
}

/* Takes what there is; more than fits is read and dropped, so that the child never blocks on us. */
static void drain(struct job *p)
{
	char buf[4096];

	for (;;) {
		ssize_t n = read(p->out, buf, sizeof(buf));

		if (n <= 0) {
			if (!n || (errno != EAGAIN && errno != EINTR))
				loop_io_del(&p->out_io);
			return;
		}
		size_t room = JOB_OUTPUT_MAX - p->len;
		size_t take_len = (size_t)n < room ? (size_t)n : room;

		memcpy(p->text + p->len, buf, take_len);
		p->len += take_len;
	}
}

static void on_output(struct loop_io *io, uint32_t events)
{
	drain(container_of(io, struct job, out_io));
}

static void on_timeout(struct loop_timer *t)
{
	struct job *p = container_of(t, struct job, timer);

	log_error("op=job msg=\"took too long, killed\"");
	job_kill(p);
}

static void on_exit_event(struct loop_io *io, uint32_t events)
{
	struct job *p = container_of(io, struct job, exit_io);
	siginfo_t si = {0};

	if (waitid(P_PIDFD, (id_t)p->pidfd, &si, WEXITED | WNOHANG) < 0 && errno != ECHILD)
		return;
	if (!si.si_pid && errno != ECHILD)
		return;
	if (p->out >= 0)
		drain(p);
	loop_io_del(&p->exit_io);
	closep(&p->pidfd);

	int status = si.si_code == CLD_EXITED ? (si.si_status & 0xff) << 8 : si.si_status & 0x7f;
	job_done *done = p->done;
	void *arg = p->arg;
	cleanup(freep) char *text = take(p->text);

	if (text)
		text[p->len] = 0;
	job_free(p);
	done(arg, status, text ? text : "");
}

bool job_wait(struct job *p, int timeout_ms)
{
	struct pollfd f = {.fd = p->pidfd, .events = POLLIN};

	if (poll(&f, 1, timeout_ms) <= 0)
		return false;
	on_exit_event(&p->exit_io, EPOLLIN);
	return true;
}

int job_start(struct job **out, struct loop *l, const struct job_opts *o, job_done *done, void *arg)
{
	int fds[JOB_FDS_MAX], pipefd[2] = {-1, -1}, err = 0;
	struct job *p = calloc(1, sizeof(*p));

	if (!p || o->n_fds > JOB_FDS_MAX) {
		free(p);
		return log_errno(p ? E2BIG : ENOMEM, "op=job path=%s", o->path);
	}
	*p = (struct job){.loop = l, .pidfd = -1, .out = -1, .done = done, .arg = arg};
	for (size_t i = 0; i < o->n_fds; i++) {
		fds[i] = o->fds[i];
		if (fds[i] != JOB_CAPTURE)
			continue;
		if (pipefd[0] < 0) {
			p->text = malloc(JOB_OUTPUT_MAX + 1);
			if (!p->text || pipe2(pipefd, O_CLOEXEC) < 0) {
				err = p->text ? -errno : -ENOMEM;
				break;
			}
			fcntl(pipefd[0], F_SETFL, O_NONBLOCK);
			p->out = pipefd[0];
		}
		fds[i] = pipefd[1];
	}

	struct spawn s = {.path = o->path, .argv = o->argv, .fds = fds, .n_fds = o->n_fds, .cgroup_fd = -1};

	if (!err) {
		pid_t pid = spawn(&s, &p->pidfd);

		err = pid < 0 ? (int)pid : 0;
	}
	closep(&pipefd[1]);
	if (!err)
		fault_point("spawned");
	if (!err)
		err = loop_io_add(l, &p->exit_io, p->pidfd, EPOLLIN, on_exit_event);
	if (!err && p->out >= 0)
		err = loop_io_add(l, &p->out_io, p->out, EPOLLIN, on_output);
	if (!err && o->timeout_ms)
		err = loop_timer_set(l, &p->timer, loop_now_ms(l) + o->timeout_ms, on_timeout);
	if (err) {
		job_free(p);
		return log_errno(-err, "op=job path=%s", o->path);
	}
	*out = p;
	return 0;
}
