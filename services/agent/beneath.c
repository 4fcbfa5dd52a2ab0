/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/beneath.h"

int beneath_open(int root, const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
	int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

/* As mkdir -p, but never out of @root: each part is looked up from there again. */
int beneath_make(int root, const char *path)
{
	char part[BENEATH_PATH_MAX + 1];
	struct stat st;
	mode_t mode;

	if (fstat(root, &st) < 0)
		return -errno;
	mode = st.st_mode & 07777;
	for (const char *p = path; *p;) {
		size_t n = strcspn(p, "/"), before = (size_t)(p - path);
		cleanup(closep) int dir = -1, made = -1;

		snprintf(part, sizeof(part), "%.*s", (int)before, path);
		dir = beneath_open(root, before ? part : ".");
		if (dir < 0)
			return dir;
		snprintf(part, sizeof(part), "%.*s", (int)n, p);
		if (mkdirat(dir, part, mode & 0777) == 0) {
			made = openat(dir, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			/* past the umask, and with the volume's set-group-ID */
			if (made < 0 || fchown(made, (uid_t)-1, st.st_gid) < 0 || fchmod(made, mode) < 0)
				return -errno;
		} else if (errno != EEXIST) {
			return -errno;
		}
		p += n;
		p += strspn(p, "/");
	}
	return beneath_open(root, path);
}
