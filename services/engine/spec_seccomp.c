/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The default system call filter: what programs need is allowed, what reaches into the kernel or out of the
 * container is not, and some of it is when the capability that guards it was granted. Calls that are not
 * listed fail with EPERM; clone3, whose flags a filter cannot see, with ENOSYS, so that C libraries fall back
 * to clone.
 */

#include <string.h>

#include "lib/json.h"
#include "engine/spec.h"

/* Always allowed. One string, so that the table stays readable; split at blanks. */
static const char allowed[] =
	"accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown chown32 clock_adjtime "
	"clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep "
	"clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 "
	"epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit "
	"exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 "
	"fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat "
	"fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait "
	"futex_waitv futex_wake futimesat getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid "
	"getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom "
	"getresgid getresgid32 getresuid getresuid32 getrlimit get_robust_list getrusage getsid getsockname getsockopt "
	"get_thread_area gettid gettimeofday getuid getuid32 getxattr getxattrat inotify_add_watch inotify_init "
	"inotify_init1 inotify_rm_watch io_cancel ioctl io_destroy io_getevents io_pgetevents io_pgetevents_time64 "
	"ioprio_get ioprio_set io_setup io_submit ipc kill landlock_add_rule landlock_create_ruleset "
	"landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listmount listxattr listxattrat llistxattr "
	"_llseek lremovexattr lseek lsetxattr lstat lstat64 madvise map_shadow_stack membarrier memfd_create "
	"memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 mprotect mq_getsetattr "
	"mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal "
	"msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat _newselect "
	"open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll "
	"ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease pselect6 pselect6_time64 pwrite64 pwritev "
	"pwritev2 read readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg "
	"remap_file_pages removexattr removexattrat rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction "
	"rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 "
	"rt_tgsigqueueinfo sched_getaffinity sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min "
	"sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr "
	"sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop semtimedop_time64 "
	"send sendfile sendfile64 sendmmsg sendmsg sendto setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 "
	"setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid "
	"setresuid32 setreuid setreuid32 setrlimit set_robust_list setsid setsockopt set_thread_area set_tid_address "
	"setuid setuid32 setxattr setxattrat shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 "
	"sigprocmask sigreturn socketcall socketpair splice stat stat64 statfs statfs64 statmount statx symlink symlinkat "
	"sync sync_file_range syncfs sysinfo tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime "
	"timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime "
	"timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask uname unlink unlinkat uretprobe utime "
	"utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write writev "
	/* reading and tracing one's own children: safe since 4.8, where the filter is asked after the tracer
	 */
	"ptrace process_vm_readv process_vm_writev "
#if defined(__x86_64__)
	"arch_prctl modify_ldt"
#elif defined(__aarch64__)
	"arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls"
#endif
	;

/* Allowed when the capability is there. */
static const struct gated {
	const char *cap;
	const char *calls;
} gated[] = {
	{"CAP_DAC_READ_SEARCH", "open_by_handle_at"},
	{"CAP_SYS_ADMIN",
		"bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr "
		"move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog "
		"umount umount2 unshare"},
	{"CAP_SYS_BOOT", "reboot"},
	{"CAP_SYS_CHROOT", "chroot"},
	{"CAP_SYS_MODULE", "delete_module init_module finit_module"},
	{"CAP_SYS_PACCT", "acct"},
	{"CAP_SYS_PTRACE", "kcmp pidfd_getfd process_madvise"},
	{"CAP_SYS_RAWIO", "iopl ioperm"},
	{"CAP_SYS_TIME", "settimeofday stime clock_settime clock_settime64"},
	{"CAP_SYS_TTY_CONFIG", "vhangup"},
	{"CAP_SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"},
	{"CAP_SYSLOG", "syslog"},
	{"CAP_BPF", "bpf"},
	{"CAP_PERFMON", "perf_event_open"},
};

/* Personalities that programs ask for: Linux, Linux on 32 bit, both without the address randomisation, and
 * "which?". */
static const uint64_t personalities[] = {0x0, 0x8, 0x20000, 0x20008, 0xffffffff};

enum { CLONE_NAMESPACES = 0x7e020000, AF_VSOCK_ = 40, ENOSYS_ = 38, EPERM_ = 1 };

static yyjson_mut_val *rule(yyjson_mut_doc *doc, yyjson_mut_val *list, const char *action)
{
	yyjson_mut_val *r = yyjson_mut_arr_add_obj(doc, list);

	yyjson_mut_obj_add_val(doc, r, "names", yyjson_mut_arr(doc));
	yyjson_mut_obj_add_str(doc, r, "action", action);
	return r;
}

static void names(yyjson_mut_doc *doc, yyjson_mut_val *r, const char *text)
{
	yyjson_mut_val *arr = yyjson_mut_obj_get(r, "names");

	while (*text) {
		size_t n = strcspn(text, " ");

		if (n)
			yyjson_mut_arr_add_strn(doc, arr, text, n);
		text += n + (text[n] == ' ');
	}
}

static void argument(
	yyjson_mut_doc *doc, yyjson_mut_val *r, uint64_t value, uint64_t value_two, const char *op)
{
	yyjson_mut_val *args = yyjson_mut_arr(doc), *a = yyjson_mut_arr_add_obj(doc, args);

	yyjson_mut_obj_add_uint(doc, a, "index", 0);
	yyjson_mut_obj_add_uint(doc, a, "value", value);
	if (value_two || !strcmp(op, "SCMP_CMP_MASKED_EQ"))
		yyjson_mut_obj_add_uint(doc, a, "valueTwo", value_two);
	yyjson_mut_obj_add_str(doc, a, "op", op);
	yyjson_mut_obj_add_val(doc, r, "args", args);
}

yyjson_mut_val *spec_seccomp(yyjson_mut_doc *doc, uint64_t caps)
{
	yyjson_mut_val *o = yyjson_mut_obj(doc), *arches = yyjson_mut_arr(doc), *list = yyjson_mut_arr(doc);
	yyjson_mut_val *r = rule(doc, list, "SCMP_ACT_ALLOW");
	bool admin = caps & UINT64_C(1) << spec_cap_number("CAP_SYS_ADMIN");

	yyjson_mut_obj_add_str(doc, o, "defaultAction", "SCMP_ACT_ERRNO");
	yyjson_mut_obj_add_uint(doc, o, "defaultErrnoRet", EPERM_);
#if defined(__x86_64__)
	yyjson_mut_arr_add_str(doc, arches, "SCMP_ARCH_X86_64");
	yyjson_mut_arr_add_str(doc, arches, "SCMP_ARCH_X86");
	yyjson_mut_arr_add_str(doc, arches, "SCMP_ARCH_X32");
#elif defined(__aarch64__)
	yyjson_mut_arr_add_str(doc, arches, "SCMP_ARCH_AARCH64");
	yyjson_mut_arr_add_str(doc, arches, "SCMP_ARCH_ARM");
#endif
	yyjson_mut_obj_add_val(doc, o, "architectures", arches);
	yyjson_mut_obj_add_val(doc, o, "syscalls", list);

	names(doc, r, allowed);
	for (size_t i = 0; i < array_len(gated); i++)
		if (caps & UINT64_C(1) << spec_cap_number(gated[i].cap))
			names(doc, r, gated[i].calls);
	for (size_t i = 0; i < array_len(personalities); i++) {
		r = rule(doc, list, "SCMP_ACT_ALLOW");
		names(doc, r, "personality");
		argument(doc, r, personalities[i], 0, "SCMP_CMP_EQ");
	}
	/* Sockets of the hypervisor would lead out of every network namespace. */
	r = rule(doc, list, "SCMP_ACT_ALLOW");
	names(doc, r, "socket");
	argument(doc, r, AF_VSOCK_, 0, "SCMP_CMP_NE");
	if (!admin) {
		r = rule(doc, list, "SCMP_ACT_ALLOW");
		names(doc, r, "clone");
		argument(doc, r, CLONE_NAMESPACES, 0, "SCMP_CMP_MASKED_EQ");
		r = rule(doc, list, "SCMP_ACT_ERRNO");
		names(doc, r, "clone3");
		yyjson_mut_obj_add_uint(doc, r, "errnoRet", ENOSYS_);
	}
	return o;
}
