/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/sysmacros.h>

#include "runtime/fail.h"
#include "runtime/home.h"
#include "runtime/process.h"
#include "runtime/resolve.h"
#include "runtime/sys.h"

#ifndef PR_CAP_AMBIENT
#define PR_CAP_AMBIENT		 47
#define PR_CAP_AMBIENT_RAISE	 2
#define PR_CAP_AMBIENT_CLEAR_ALL 4
#endif

struct sched_attr_v1 {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period, util_min_max;
};

static int limits(const struct oci_process *s)
{
	for (size_t i = 0; i < s->n_rlimits; i++)
		if (setrlimit(s->rlimits[i].resource, &s->rlimits[i].limit) < 0)
			return rt_fail(errno, "process.rlimits[%zu]", i);
	return 0;
}

int rt_process_raise_limits(pid_t pid, const struct oci_process *s)
{
	for (size_t i = 0; i < s->n_rlimits; i++) {
		struct rlimit now;
		int what = s->rlimits[i].resource;

		if (prlimit(pid, what, NULL, &now) < 0)
			return rt_fail(errno, "process.rlimits[%zu]", i);
		if (now.rlim_max >= s->rlimits[i].limit.rlim_max)
			continue;
		now.rlim_max = s->rlimits[i].limit.rlim_max;
		if (prlimit(pid, what, &now, NULL) < 0)
			return rt_fail(errno, "process.rlimits[%zu]", i);
	}
	return 0;
}

static int priorities(const struct rt_process *p)
{
	const struct oci_scheduler *c = &p->spec->scheduler;

	if (p->personality >= 0 && personality((unsigned long)p->personality) < 0)
		return rt_fail(errno, "linux.personality");
	if (p->spec->ioprio >= 0 && syscall(SYS_ioprio_set, 1, 0, p->spec->ioprio) < 0)
		return rt_fail(errno, "process.ioPriority");
	if (!c->set)
		return 0;
	struct sched_attr_v1 a = {.size = sizeof(a),
		.policy = c->policy,
		.flags = c->flags,
		.nice = c->nice,
		.priority = c->priority,
		.runtime = c->runtime,
		.deadline = c->deadline,
		.period = c->period};

	a.size = 56;
	a.size = a.size > sizeof(a) ? (uint32_t)sizeof(a) : a.size;
	if (syscall(SYS_sched_setattr, 0, &a, 0) < 0)
		return rt_fail(errno, "process.scheduler");
	return 0;
}

static int cap_last(void)
{
	int n = 0;

	/* The kernel answers EINVAL beyond its last. */
	while (n < 64 && prctl(PR_CAPBSET_READ, n) >= 0)
		n++;
	return n;
}

static int set_caps(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2] = {
		{(uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable},
		{(uint32_t)(effective >> 32), (uint32_t)(permitted >> 32), (uint32_t)(inheritable >> 32)}};

	return syscall(SYS_capset, &h, d) < 0 ? -errno : 0;
}

static int get_permitted(uint64_t *out)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2];

	if (syscall(SYS_capget, &h, d) < 0)
		return -errno;
	*out = d[0].permitted | (uint64_t)d[1].permitted << 32;
	return 0;
}

static int bounding(const struct oci_process *s)
{
	int last = cap_last();

	for (int i = 0; i < last; i++)
		if (!(s->caps.bounding >> i & 1) && prctl(PR_CAPBSET_DROP, i) < 0)
			return rt_fail(errno, "drop %s", rt_capability_name((unsigned)i) ?: "a capability");
	return 0;
}

/* So that the program can open /proc/self/fd/1 and its like; pipes of ours, never a device that others share.
 */
static void own_stdio(uid_t uid)
{
	struct stat st;

	for (int fd = 0; fd < 3; fd++) {
		if (fstat(fd, &st) < 0 || st.st_uid == uid ||
			(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)))
			continue;
		if (!S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode) && !S_ISCHR(st.st_mode))
			continue;
		/* A stream that cannot change hands still works as an open descriptor. */
		if (fchown(fd, uid, (gid_t)-1) < 0)
			rt_debug("stdio %d keeps its owner", fd);
	}
}

static int become_user(const struct oci_process *s)
{
	uint64_t have;

	/*
	 * Without a setgroups() right (a single-id user namespace) the list is what it is: then it has to be
	 * what was asked for, nothing.
	 */
	if (setgroups(s->n_groups, (const gid_t *)s->groups) < 0 && (errno != EPERM || s->n_groups))
		return rt_fail(errno, "process.user.additionalGids");
	/* Permitted capabilities outlive the change of user, so that the filter can be installed afterwards.
	 */
	if (prctl(PR_SET_KEEPCAPS, 1) < 0)
		return rt_fail(errno, "keep capabilities");
	if (setresgid(s->gid, s->gid, s->gid) < 0)
		return rt_fail(errno, "process.user.gid %u", s->gid);
	if (setresuid(s->uid, s->uid, s->uid) < 0)
		return rt_fail(errno, "process.user.uid %u", s->uid);
	/* A change of user gives up the parent-death signal and may re-enable dumping. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return rt_fail(errno, "stay undumpable");
	if (get_permitted(&have) < 0 || prctl(PR_SET_KEEPCAPS, 0) < 0)
		return rt_fail(errno, "keep capabilities");
	return 0;
}

/* The working directory has to be below the root: a leaked descriptor of the host's must not be one
 * (CVE-2024-21626). */
static int check_cwd(const char *want)
{
	char at[PATH_MAX];

	if (syscall(SYS_getcwd, at, sizeof(at)) < 0)
		return rt_fail(errno, "find the working directory %s", want);
	if (at[0] != '/')
		return rt_refuse("the working directory %s is outside the container's root", want);
	return 0;
}

static int make_cwd(struct rt_process *p)
{
	cleanup(closep) int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup(closep) int fd = root < 0 ? -errno : rt_resolve_make(root, p->spec->cwd, true);

	return fd < 0 ? rt_fail(-fd, "make the working directory %s", p->spec->cwd) : 0;
}

static bool executable(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	       faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
}

static const char *env_get(const char *const *env, const char *name)
{
	size_t n = strlen(name);

	for (; env && *env; env++)
		if (!strncmp(*env, name, n) && (*env)[n] == '=')
			return *env + n + 1;
	return NULL;
}

/* Engines show these sentences; docker's client derives its exit status from them. */
static int find_program(struct rt_process *p)
{
	const char *name = p->spec->args[0];
	const char *path = env_get(p->spec->env, "PATH");
	bool denied = false;
	struct stat st;

	if (strchr(name, '/')) {
		int err = 0;

		if ((size_t)snprintf(p->path, sizeof(p->path), "%s", name) >= sizeof(p->path))
			err = ENAMETOOLONG;
		else if (stat(name, &st) < 0)
			err = errno;
		else if (S_ISDIR(st.st_mode))
			err = EISDIR;
		else if (!executable(name))
			err = EACCES;
		if (!err)
			return 0;
		return err == EACCES || err == EISDIR ? rt_fail(err, "exec: \"%s\"", name)
						      : rt_fail(err, "exec: \"%s\": stat %s", name, name);
	}
	for (const char *q = path ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
		*name;) {
		size_t len = strcspn(q, ":");
		int n = snprintf(p->path, sizeof(p->path), "%.*s%s%s", (int)len, q, len ? "/" : "./", name);

		if (n > 0 && (size_t)n < sizeof(p->path) && stat(p->path, &st) == 0 && S_ISREG(st.st_mode)) {
			if (executable(p->path))
				return 0;
			denied = true;
		}
		if (!q[len])
			break;
		q += len + 1;
	}
	if (denied)
		return rt_fail(EACCES, "exec: \"%s\"", name);
	rt_refuse("exec: \"%s\": executable file not found in $PATH", name);
	return -ENOENT;
}

static int environment(struct rt_process *p)
{
	size_t n = p->spec->n_env;

	p->env = calloc(n + 2, sizeof(*p->env));
	if (!p->env)
		return rt_fail(ENOMEM, "process.env");
	if (n)
		memcpy(p->env, p->spec->env, n * sizeof(*p->env));
	const char *home = env_get(p->spec->env, "HOME");

	if (home && *home)
		return 0;
	memcpy(p->home, "HOME=", 5);
	rt_home_of(p->spec->uid, p->home + 5, sizeof(p->home) - 5);
	for (size_t i = 0; i < n; i++) {
		if (strncmp(p->env[i], "HOME=", 5))
			continue;
		p->env[i] = p->home;
		return 0;
	}
	p->env[n] = p->home;
	return 0;
}

/* Nothing of the host's stays open in the program: all above the preserved ones close at exec
 * (CVE-2024-21626). */
static int seal_descriptors(unsigned preserve)
{
	for (unsigned i = 0; i < preserve; i++)
		if (fcntl((int)(3 + i), F_SETFD, 0) < 0)
			return rt_fail(errno, "preserve descriptor %u", 3 + i);
	if (sys_close_range(3 + preserve, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return rt_fail(errno, "close_range");
	return 0;
}

int rt_process_prepare(struct rt_process *p)
{
	const struct oci_process *s = p->spec;
	bool there;
	int r;

	if (!s->n_args)
		return rt_refuse("process.args must not be empty");
	r = environment(p);
	if (r == 0)
		r = limits(s);
	if (r == 0)
		r = priorities(p);
	if (r == 0)
		r = bounding(s);
	if (r < 0)
		return r;
	own_stdio(s->uid);
	umask(s->has_umask ? s->umask : 0022);

	/* As root first: most directories are reachable then; one that only the user may enter is tried
	 * again. */
	there = chdir(s->cwd) == 0;
	if (!there && errno == ENOENT && p->makes_cwd) {
		r = make_cwd(p);
		if (r < 0)
			return r;
		there = chdir(s->cwd) == 0;
	}
	r = become_user(s);
	if (r < 0)
		return r;
	if (!there && chdir(s->cwd) < 0)
		return rt_fail(errno, "enter the working directory %s", s->cwd);
	r = check_cwd(s->cwd);
	if (r == 0)
		r = find_program(p);
	if (r == 0)
		r = seal_descriptors(p->preserve_fds);
	return r;
}

static int final_caps(const struct oci_caps *c)
{
	int r = set_caps(c->effective, c->permitted, c->inheritable);

	if (r < 0)
		return rt_fail(-r, "set capabilities");
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return rt_fail(errno, "clear ambient capabilities");
	for (int i = 0; i < 64; i++) {
		if (!(c->ambient >> i & 1))
			continue;
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) < 0)
			return rt_fail(
				errno, "process.capabilities.ambient %s", rt_capability_name((unsigned)i));
	}
	return 0;
}

static int install_filter(struct rt_process *p, const char *state)
{
	cleanup(closep) int listener = -1;
	int fd = rt_seccomp_install(p->seccomp);

	if (fd < 0 || !p->seccomp->notify)
		return fd < 0 ? fd : 0;
	listener = fd;
	return rt_seccomp_send_listener(p->listener_socket, listener, state, p->listener_metadata);
}

int rt_process_exec(struct rt_process *p, const char *state)
{
	const struct oci_process *s = p->spec;
	uint64_t have = 0;
	int r = 0;

	/* Without no_new_privs a filter needs CAP_SYS_ADMIN, so it comes before the capabilities go. */
	if (!s->no_new_privileges && p->seccomp->n) {
		r = get_permitted(&have);
		if (r == 0)
			r = set_caps(have, have, 0);
		if (r < 0)
			return rt_fail(-r, "raise capabilities");
		r = install_filter(p, state);
		if (r < 0)
			return r;
	}
	r = final_caps(&s->caps);
	if (r < 0)
		return r;
	if (s->no_new_privileges) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
			return rt_fail(errno, "no_new_privs");
		r = install_filter(p, state);
		if (r < 0)
			return r;
	}
	execve(p->path, (char *const *)s->args, (char *const *)p->env);
	r = errno;
	return r == ENOENT ? rt_fail(r, "exec: \"%s\": its interpreter", s->args[0])
			   : rt_fail(r, "exec: \"%s\"", s->args[0]);
}
