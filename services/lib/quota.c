/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/quota.h"

#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443 /* the same on all architectures */
#endif

/* ESRCH: mounted without; ENOSYS, EINVAL, ENOTTY: a file system that has none. */
static int plain(int r)
{
	return r == -ESRCH || r == -ENOSYS || r == -EINVAL || r == -ENOTTY ? -EOPNOTSUPP : r;
}

/* The limit of a project in the kernel's unit, KiB; 0: none. */
static int set_limit(int dir, uint32_t project, uint64_t kib)
{
	struct if_dqblk q = {.dqb_bhardlimit = kib, .dqb_bsoftlimit = kib, .dqb_valid = QIF_BLIMITS};

	return syscall(SYS_quotactl_fd, dir, QCMD(Q_SETQUOTA, PRJQUOTA), project, &q) < 0 ? -errno : 0;
}

static int join(int dir, uint32_t project)
{
	struct fsxattr x;

	if (ioctl(dir, FS_IOC_FSGETXATTR, &x) < 0)
		return -errno;
	x.fsx_projid = project;
	x.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	return ioctl(dir, FS_IOC_FSSETXATTR, &x) < 0 ? -errno : 0;
}

int quota_set(int dir, uint32_t project, int64_t size_bytes)
{
	int r = plain(set_limit(dir, project, ((uint64_t)size_bytes + 1023) / 1024));

	if (r < 0)
		return r;
	r = plain(join(dir, project));
	if (r < 0)
		quota_clear(dir, project);
	return r;
}

void quota_clear(int dir, uint32_t project)
{
	int r = set_limit(dir, project, 0);

	if (r < 0)
		log_errno(-r, "op=clear-quota project=%u", project);
}

int quota_project(int dir, uint32_t *project)
{
	struct fsxattr x;

	if (ioctl(dir, FS_IOC_FSGETXATTR, &x) < 0)
		return plain(-errno);
	*project = x.fsx_projid;
	return 0;
}

int quota_usage(int dir, uint32_t project, struct quota_usage *usage)
{
	struct if_dqblk q = {0};

	if (syscall(SYS_quotactl_fd, dir, QCMD(Q_GETQUOTA, PRJQUOTA), project, &q) < 0)
		return plain(-errno);
	*usage = (struct quota_usage){(int64_t)q.dqb_curspace, (int64_t)q.dqb_curinodes};
	return 0;
}
