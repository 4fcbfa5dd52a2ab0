/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>

#include "runtime/fail.h"
#include "runtime/fdpass.h"
#include "runtime/sys.h"
#include "runtime/terminal.h"
#include "lib/errno_text.h"

/* Job control stops stay ours; faults are our own bugs. */
static void forwarded(sigset_t *set)
{
	static const int kept[] = {SIGCHLD, SIGTSTP, SIGTTIN, SIGTTOU, SIGSEGV, SIGBUS, SIGFPE, SIGILL,
		SIGABRT, SIGTRAP, SIGPIPE, SIGURG};

	sigfillset(set);
	for (size_t i = 0; i < array_len(kept); i++)
		sigdelset(set, kept[i]);
}

int rt_foreground_begin(void)
{
	sigset_t set;

	forwarded(&set);
	return sigprocmask(SIG_BLOCK, &set, NULL) < 0 ? rt_fail(errno, "sigprocmask") : 0;
}

struct pump {
	int master; /* owned */
	bool saved; /* our own terminal was made raw */
	bool stdin_open;
	struct termios before;
};

static void resize(int master)
{
	struct winsize w;

	/* A serial line has no size: then the one of the configuration stays. */
	if (ioctl(0, TIOCGWINSZ, &w) == 0 && w.ws_row && ioctl(master, TIOCSWINSZ, &w) < 0)
		rt_debug("the terminal keeps its size");
}

static int take_terminal(struct pump *p, int console)
{
	struct termios raw;
	int fd = rt_fd_recv(console);

	if (fd < 0)
		return rt_fail(-fd, "receive the terminal");
	p->master = fd;
	p->stdin_open = true;
	if (tcgetattr(0, &p->before) < 0)
		return 0; /* our stdin is no terminal: bytes are passed on all the same */
	raw = p->before;
	cfmakeraw(&raw);
	if (tcsetattr(0, TCSANOW, &raw) < 0)
		return rt_fail(errno, "set up the terminal");
	p->saved = true;
	resize(fd);
	return 0;
}

/* false: that direction has ended. */
static bool copy(int from, int to)
{
	char buf[4096];
	ssize_t n = read(from, buf, sizeof(buf));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	for (ssize_t at = 0; at < n;) {
		ssize_t m = write(to, buf + at, (size_t)(n - at));

		if (m < 0 && errno == EINTR)
			continue;
		if (m < 0)
			return false;
		at += m;
	}
	return n > 0;
}

static void on_signal(int sigfd, int pidfd, int master)
{
	struct signalfd_siginfo si;

	if (read(sigfd, &si, sizeof(si)) != sizeof(si))
		return;
	if (si.ssi_signo == SIGWINCH && master >= 0)
		resize(master);
	else if (sys_pidfd_send_signal(pidfd, (int)si.ssi_signo) < 0 && errno != ESRCH)
		rt_warn("signal %u was not forwarded: %s", si.ssi_signo, errno_text(errno));
}

static void pump(struct pump *p, int sigfd, int pidfd)
{
	for (bool ended = false; !ended || p->master >= 0;) {
		struct pollfd f[4] = {
			{.fd = ended ? -1 : pidfd, .events = POLLIN},
			{.fd = sigfd, .events = POLLIN},
			{.fd = p->master, .events = POLLIN},
			{.fd = p->stdin_open && p->master >= 0 ? 0 : -1, .events = POLLIN},
		};

		/* What is still in the terminal when the process has ended is shown, but not waited for. */
		int n = poll(f, 4, ended ? 50 : -1);

		if (n < 0 && errno != EINTR)
			return;
		if (n <= 0) {
			if (ended)
				return;
			continue;
		}
		if (f[1].revents)
			on_signal(sigfd, pidfd, p->master);
		if (f[2].revents && !copy(p->master, 1))
			closep(&p->master);
		if (f[3].revents && p->master >= 0 && !copy(0, p->master))
			p->stdin_open = false;
		if (f[0].revents)
			ended = true;
	}
}

int rt_foreground_wait(pid_t pid, int pidfd, int console)
{
	struct pump p = {.master = -1};
	cleanup(closep) int sigfd = -1;
	sigset_t set;
	int status, r = 0;

	forwarded(&set);
	sigfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (sigfd < 0)
		return rt_fail(errno, "signalfd");
	if (console >= 0)
		r = take_terminal(&p, console);
	if (r == 0)
		pump(&p, sigfd, pidfd);
	if (p.saved && tcsetattr(0, TCSANOW, &p.before) < 0)
		rt_warn("the terminal stays raw: %s", errno_text(errno));
	closep(&p.master);
	if (r < 0)
		return r;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return rt_fail(errno, "wait for process %ld", (long)pid);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
