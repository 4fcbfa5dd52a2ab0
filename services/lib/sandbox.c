/* SPDX-License-Identifier: Apache-2.0 */

/* See sandbox.h. System calls outside the list return EPERM; the list is what libarchive, curl and both C
 * libraries use. */

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "lib/log.h"
#include "lib/privilege.h"
#include "lib/sandbox.h"

enum { NOBODY = 65534 };

/* memory, time, signals, the end; mmap and mprotect are load_filter()'s */
#define CALLS_COMMON                                                                                         \
	SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(pwrite64),              \
		SCMP_SYS(close), SCMP_SYS(lseek), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(statx),    \
		SCMP_SYS(fcntl), SCMP_SYS(dup), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),       \
		SCMP_SYS(brk), SCMP_SYS(futex), SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep),          \
		SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(getrandom), SCMP_SYS(getpid),          \
		SCMP_SYS(gettid), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),  \
		SCMP_SYS(sigaltstack), SCMP_SYS(tgkill), SCMP_SYS(sched_yield), SCMP_SYS(restart_syscall),   \
		SCMP_SYS(exit), SCMP_SYS(exit_group)

static const int unpacker_calls[] = {
	CALLS_COMMON,
	SCMP_SYS(openat),
	SCMP_SYS(openat2),
	SCMP_SYS(fstatfs),
	SCMP_SYS(mkdirat),
	SCMP_SYS(mknodat),
	SCMP_SYS(symlinkat),
	SCMP_SYS(linkat),
	SCMP_SYS(unlinkat),
	SCMP_SYS(unlink),
	SCMP_SYS(renameat2),
	SCMP_SYS(fchown),
	SCMP_SYS(fchownat),
	SCMP_SYS(fchmod),
	SCMP_SYS(utimensat),
	SCMP_SYS(ftruncate),
	SCMP_SYS(fsetxattr),
	SCMP_SYS(getdents64),
	SCMP_SYS(umask),
};

static const int copier_calls[] = {
	CALLS_COMMON,
	SCMP_SYS(pread64),
	SCMP_SYS(openat),
	SCMP_SYS(openat2),
	SCMP_SYS(mkdirat),
	SCMP_SYS(symlinkat),
	SCMP_SYS(readlinkat),
	SCMP_SYS(unlinkat),
	SCMP_SYS(fchown),
	SCMP_SYS(fchownat),
	SCMP_SYS(fchmod),
	SCMP_SYS(utimensat),
	SCMP_SYS(flistxattr),
	SCMP_SYS(fgetxattr),
	SCMP_SYS(fsetxattr),
	SCMP_SYS(getdents64),
	SCMP_SYS(umask),
};

static const int packer_calls[] = {
	CALLS_COMMON,
	SCMP_SYS(openat),
	SCMP_SYS(openat2),
	SCMP_SYS(readlinkat),
	SCMP_SYS(getdents64),
	SCMP_SYS(flistxattr),
	SCMP_SYS(fgetxattr),
};

static const int downloader_calls[] = {
	CALLS_COMMON,
	SCMP_SYS(ftruncate),
	SCMP_SYS(socket),
	SCMP_SYS(socketpair),
	SCMP_SYS(connect),
	SCMP_SYS(bind),
	SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),
	SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt),
	SCMP_SYS(sendto),
	SCMP_SYS(sendmsg),
	SCMP_SYS(sendmmsg),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(shutdown),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(select),
	SCMP_SYS(pselect6),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(pipe2),
	SCMP_SYS(pipe),
	SCMP_SYS(eventfd2),
	SCMP_SYS(ioctl),
	/* the resolver is a thread */
	SCMP_SYS(clone),
	SCMP_SYS(clone3),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(set_tid_address),
	SCMP_SYS(membarrier),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(prctl),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(uname),
	SCMP_SYS(sysinfo),
	SCMP_SYS(access),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(stat),
	SCMP_SYS(lstat),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(getdents64),
	SCMP_SYS(statfs),
	SCMP_SYS(fstatfs),
	SCMP_SYS(pread64),
};

/* @no_code: no memory becomes a program's text, so that nothing that is read is run either, be it by a library's loader. */
static int allow_memory(scmp_filter_ctx ctx, bool no_code)
{
	static const int calls[] = {SCMP_SYS(mmap), SCMP_SYS(mprotect)};
	int r = 0;

	for (size_t i = 0; i < array_len(calls) && r == 0; i++)
		r = no_code ? seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 1,
				      SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0))
			    : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);
	return r;
}

static int load_filter(const int *calls, size_t n, bool downloader)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = ctx ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && r == 0; i++) {
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);
		if (r == -EDOM || r == -EINVAL)
			r = 0; /* a call that this architecture does not have */
	}
	/* The resolver of some C libraries loads others. */
	if (r == 0)
		r = allow_memory(ctx, !downloader);
	if (r == 0 && downloader) {
		const uint64_t bits = O_ACCMODE | O_CREAT | O_TRUNC;

		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
			SCMP_A2(SCMP_CMP_MASKED_EQ, bits, O_RDONLY));
		if (r == 0)
			r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(open), 1,
				SCMP_A1(SCMP_CMP_MASKED_EQ, bits, O_RDONLY));
		if (r == -EDOM || r == -EINVAL)
			r = 0;
	}
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r;
}

int sandbox_close_others(const int *keep, size_t n)
{
	unsigned from = 0;

	for (size_t i = 0; i < n; i++) {
		if (from < (unsigned)keep[i] && syscall(SYS_close_range, from, (unsigned)keep[i] - 1, 0) < 0)
			return -errno;
		from = (unsigned)keep[i] + 1;
	}
	return syscall(SYS_close_range, from, ~0U, 0) < 0 ? -errno : 0;
}

static int confine(int root, const int *keep, size_t n_keep, uint64_t caps, const int *calls, size_t n_calls)
{
	/* the windows of zstd and xz, and libarchive's buffers; a bound on what a damaged stream can make them ask for */
	const struct rlimit memory = {1ULL << 30, 1ULL << 30}, none = {0, 0};
	int r;

	if (fchdir(root) < 0 || chroot(".") < 0)
		return log_errno(errno, "op=chroot");
	r = sandbox_close_others(keep, n_keep);
	if (r < 0)
		return log_errno(-r, "op=close-range");
	if (setrlimit(RLIMIT_CORE, &none) < 0 || setrlimit(RLIMIT_NPROC, &none) < 0)
		return log_errno(errno, "op=setrlimit");
#ifndef __SANITIZE_ADDRESS__ /* which reserves terabytes of addresses */
	if (setrlimit(RLIMIT_AS, &memory) < 0)
		return log_errno(errno, "op=setrlimit");
#else
	(void)memory;
#endif
	r = privilege_keep(caps);
	if (r < 0)
		return log_errno(-r, "op=drop-capabilities");
	r = load_filter(calls, n_calls, false);
	return r < 0 ? log_errno(-r, "op=seccomp") : 0;
}

static const uint64_t unpacker_caps = 1 << CAP_CHOWN | 1 << CAP_DAC_OVERRIDE | 1 << CAP_FOWNER |
				      1 << CAP_FSETID | 1 << CAP_MKNOD | 1U << CAP_SETFCAP;

int sandbox_unpacker(int root, const int *keep, size_t n_keep)
{
	return confine(root, keep, n_keep, unpacker_caps, unpacker_calls, array_len(unpacker_calls));
}

int sandbox_copier(int root, const int *keep, size_t n_keep)
{
	return confine(root, keep, n_keep, unpacker_caps, copier_calls, array_len(copier_calls));
}

int sandbox_packer(int root, const int *keep, size_t n_keep)
{
	const uint64_t caps = 1 << CAP_DAC_OVERRIDE | 1 << CAP_DAC_READ_SEARCH;

	return confine(root, keep, n_keep, caps, packer_calls, array_len(packer_calls));
}

int sandbox_downloader(void)
{
	const struct rlimit none = {0, 0};
	int r;

	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return log_errno(errno, "op=setrlimit");
	if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
				      setresuid(NOBODY, NOBODY, NOBODY) < 0))
		return log_errno(errno, "op=become-nobody");
	r = privilege_keep(0);
	if (r < 0)
		return log_errno(-r, "op=drop-capabilities");
	r = load_filter(downloader_calls, array_len(downloader_calls), true);
	return r < 0 ? log_errno(-r, "op=seccomp") : 0;
}
