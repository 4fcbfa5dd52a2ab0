/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Starting a program the way vfork does: the child borrows the parent's memory, on a stack of its own, until
 * it execs, so the cost does not grow with the parent and an exec that fails reports its errno by writing it
 * where the parent looks. clone3() adds what vfork lacks: a pidfd, and birth inside a cgroup, which spares
 * the slow migration through cgroup.procs.
 *
 * While both share memory the parent is suspended and every signal is blocked, so nothing else of this
 * process runs. The child only makes system calls, and touches no allocator or stdio.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "lib/spawn.h"

enum { STACK_SIZE = 64 * 1024 };

extern char **environ;

/* What the child works from; it may change all of it. */
struct child {
	const struct spawn *s;
	int fds[SPAWN_FDS_MAX];
	size_t n_fds;
	pid_t parent;
	volatile int err;
};

/* close_range() has no wrapper in musl. */
static int close_from(unsigned first)
{
	return (int)syscall(SYS_close_range, first, ~0U, 0U);
}

static int set_signals(void)
{
	/* The kernel's struct sigaction, all zero: SIG_DFL. The library's call keeps two or three signals to
	 * itself, which may all the same have been inherited ignored. */
	static const unsigned long dfl[8];
	sigset_t none;

	/* Those that may not be changed answer EINVAL; they are at their default. */
	for (int sig = 1; sig < NSIG; sig++)
		syscall(SYS_rt_sigaction, sig, dfl, NULL, 64 / 8);
	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Moves fds[i] to i for each i: first what lies in the way out of it, then each to its place. */
static int set_fds(struct child *c)
{
	int n = (int)c->n_fds, null = -1;

	for (int i = 0; i < n; i++) {
		if (c->fds[i] < 0 && null < 0) {
			null = open("/dev/null", O_RDWR | O_CLOEXEC);
			if (null < 0)
				return -1;
		}
		if (c->fds[i] < 0)
			c->fds[i] = null;
		if (c->fds[i] < n) {
			c->fds[i] = fcntl(c->fds[i], F_DUPFD_CLOEXEC, n);
			if (c->fds[i] < 0)
				return -1;
		}
	}
	for (int i = 0; i < n; i++)
		if (dup2(c->fds[i], i) < 0)
			return -1;
	return close_from((unsigned)n);
}

__attribute__((no_sanitize("address"), no_sanitize("undefined"))) static int child_main(void *arg)
{
	struct child *c = arg;
	const struct spawn *s = c->s;

	if (!(s->flags & SPAWN_OUTLIVE)) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
			goto fail;
		/* It may have died before that. */
		if (getppid() != c->parent)
			_exit(127);
	}
	if ((s->flags & SPAWN_NEW_SESSION) && setsid() < 0)
		goto fail;
	if (set_fds(c) < 0)
		goto fail;
	if (set_signals() < 0)
		goto fail;
	execve(s->path, s->argv, s->envp ? s->envp : environ);
fail:
	c->err = errno;
	_exit(127);
}

/*
 * clone3() whose child runs child_main(@c) on the stack that @a names. The libraries' clone() has no room for
 * CLONE_INTO_CGROUP, and a bare syscall() would return twice into one frame.
 */
static pid_t clone3_child(struct clone_args *a, struct child *c)
{
	long ret;

#if defined(__x86_64__)
	register int (*fn)(void *) __asm__("r8") = child_main;
	register void *arg __asm__("r9") = c;

	__asm__ volatile("syscall\n\t"
			 "testq %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xorl %%ebp, %%ebp\n\t"
			 "movq %%r9, %%rdi\n\t"
			 "callq *%%r8\n\t"
			 "ud2\n"
			 "1:"
		: "=a"(ret)
		: "0"((long)SYS_clone3), "D"(a), "S"(sizeof(*a)), "r"(fn), "r"(arg)
		: "rcx", "r11", "memory", "cc");
#elif defined(__aarch64__)
	register long x0 __asm__("x0") = (long)a;
	register long x1 __asm__("x1") = (long)sizeof(*a);
	register long x8 __asm__("x8") = SYS_clone3;
	register int (*fn)(void *) __asm__("x9") = child_main;
	register void *arg __asm__("x10") = c;

	__asm__ volatile("svc #0\n\t"
			 "cbnz x0, 1f\n\t"
			 "mov x29, xzr\n\t"
			 "mov x30, xzr\n\t"
			 "mov x0, x10\n\t"
			 "blr x9\n\t"
			 "brk #0\n"
			 "1:"
		: "+r"(x0)
		: "r"(x1), "r"(x8), "r"(fn), "r"(arg)
		: "memory", "cc");
	ret = x0;
#else
#error "clone3_child() is not written for this architecture"
#endif
	if (ret < 0) {
		errno = (int)-ret;
		return -1;
	}
	return (pid_t)ret;
}

static pid_t start(struct child *c, void *stack, int *pidfd)
{
	struct clone_args a = {
		.flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)pidfd,
		.exit_signal = SIGCHLD,
		.stack = (uint64_t)(uintptr_t)stack,
		.stack_size = STACK_SIZE,
	};
	pid_t pid;

	if (c->s->cgroup_fd >= 0) {
		a.flags |= CLONE_INTO_CGROUP;
		a.cgroup = (uint64_t)c->s->cgroup_fd;
	}
	pid = clone3_child(&a, c);
	/* Sandboxes that this is built and tested in often refuse clone3, and libraries know to fall back. */
	if (pid < 0 && errno == ENOSYS && c->s->cgroup_fd < 0)
		pid = clone(child_main, (char *)stack + STACK_SIZE,
			CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, c, pidfd);
	return pid;
}

pid_t spawn(const struct spawn *s, int *pidfd)
{
	struct child c = {.s = s, .n_fds = s->n_fds, .parent = getpid()};
	int fd = -1, err;
	sigset_t all, saved;
	pid_t pid;

	if (s->n_fds > SPAWN_FDS_MAX)
		return -EINVAL;
	if (s->n_fds)
		memcpy(c.fds, s->fds, s->n_fds * sizeof(c.fds[0]));
	while (c.n_fds < 3)
		c.fds[c.n_fds++] = -1;

	void *stack = mmap(
		NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

	if (stack == MAP_FAILED)
		return -errno;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &saved);
	pid = start(&c, stack, &fd);
	err = errno;
	sigprocmask(SIG_SETMASK, &saved, NULL);
	munmap(stack, STACK_SIZE);
	if (pid < 0)
		return -err;

	if (c.err) {
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		closep(&fd);
		return -c.err;
	}
	*pidfd = fd;
	return pid;
}
