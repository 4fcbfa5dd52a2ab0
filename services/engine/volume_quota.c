/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/volume_quota.h"
#include "lib/log.h"

#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443 /* the same on all architectures */
#endif

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

int volume_quota_set(int dir, uint32_t project, int64_t size_bytes)
{
	int r = set_limit(dir, project, ((uint64_t)size_bytes + 1023) / 1024);

	/* ESRCH: mounted without; ENOSYS, EINVAL, ENOTTY: a file system that has none. */
	if (r == -ESRCH || r == -ENOSYS || r == -EINVAL || r == -ENOTTY)
		return -EOPNOTSUPP;
	if (r < 0)
		return r;
	r = join(dir, project);
	if (r < 0)
		volume_quota_clear(dir, project);
	return r == -ENOTTY || r == -EINVAL ? -EOPNOTSUPP : r;
}

void volume_quota_clear(int dir, uint32_t project)
{
	int r = set_limit(dir, project, 0);

	if (r < 0)
		log_errno(-r, "op=clear-quota project=%u", project);
}
