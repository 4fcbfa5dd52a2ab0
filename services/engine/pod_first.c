/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The first process of a pod whose containers share their processes. A PID namespace lives as long as its first process, which
 * takes in orphans: so no container can be it, all of which may start again. It is docker-init by another name, of a few pages,
 * in a group of its own below the pod's. What a container could find of it through /proc is worth nothing: its root is empty, it
 * is nobody, may do nothing, and cannot be traced or looked into.
 */

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/cgroup.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/pod.h"

#define OOM_SCORE_ADJ "-998" /* as the kubelet's */
enum { NOBODY = 65535, CLOEXEC_ALL = 1 << 2 /* CLOSE_RANGE_CLOEXEC */ };

static int write_to(const char *path, const char *text)
{
	cleanup(closep) int fd = path ? open(path, O_WRONLY | O_CLOEXEC) : -1;

	if (fd < 0)
		return path ? -errno : -ENOMEM;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

int pod_first_prepare(const struct pod *p, int *program)
{
	cleanup(freep) char *group = text_make("%s%s/%s", CGROUP_FS, p->cgroup, POD_FIRST_GROUP);
	cleanup(freep) char *procs = group ? text_make("%s/cgroup.procs", group) : NULL;
	int err;

	if (!procs)
		return -ENOMEM;
	if (mkdir(group, 0755) < 0 && errno != EEXIST)
		return -errno;
	*program = open(p->e->container_init, O_PATH | O_CLOEXEC);
	if (*program < 0)
		return -errno;
	err = write_to(procs, "0");
	return err ? err : write_to("/proc/self/oom_score_adj", OOM_SCORE_ADJ);
}

/* An empty file system, in the place of everything. */
static bool leave_everything(void)
{
	return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("pod", "/proc", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
		       "size=4k,nr_inodes=2,mode=555") == 0 &&
	       chdir("/proc") == 0 && syscall(SYS_pivot_root, ".", ".") == 0 &&
	       umount2(".", MNT_DETACH) == 0 && chdir("/") == 0;
}

static bool become_nobody(void)
{
	return setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
	       setresuid(NOBODY, NOBODY, NOBODY) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

const char *pod_first_become(int program)
{
	static char name[] = POD_FIRST_NAME, *const argv[] = {name, NULL}, *const envp[] = {NULL};
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	if (!leave_everything())
		return "give the first process an empty root";
	if (!become_nobody())
		return "take the first process's privileges away";
	/* only now: what fails before is still told */
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	syscall(SYS_close_range, 3U, ~0U, CLOEXEC_ALL);
	fexecve(program, argv, envp);
	return "run the first process";
}

bool pod_first_alive(const struct pod *p)
{
	cleanup(freep) char *pids = pod_cgroup_read(p, POD_FIRST_GROUP "/cgroup.procs");

	return pids && *pids;
}
