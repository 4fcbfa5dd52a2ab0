/* SPDX-License-Identifier: Apache-2.0 */

/* The real disk behind a bdev. Not O_EXCL: other partitions of the disk may be mounted. */

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "init/storage/bdev.h"

static int transfer(struct bdev *b, uint64_t lba, void *in, const void *out, uint32_t count)
{
	const struct bdev_file *f = container_of(b, struct bdev_file, b);
	size_t left = (size_t)count * b->sector, done = 0;

	if (lba > b->sectors || count > b->sectors - lba)
		return -EINVAL;
	while (done < left) {
		off_t at = (off_t)(lba * b->sector + done);
		ssize_t n = in ? pread(f->fd, (char *)in + done, left - done, at)
			       : pwrite(f->fd, (const char *)out + done, left - done, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	return 0;
}

static int file_read_at(struct bdev *b, uint64_t lba, void *buf, uint32_t count)
{
	return transfer(b, lba, buf, NULL, count);
}

static int file_write_at(struct bdev *b, uint64_t lba, const void *buf, uint32_t count)
{
	return transfer(b, lba, NULL, buf, count);
}

static int file_flush(struct bdev *b)
{
	return fsync(container_of(b, struct bdev_file, b)->fd) < 0 ? -errno : 0;
}

static int measure(int fd, struct bdev *b, bool writing)
{
	struct stat st;
	uint64_t bytes;
	int sector, ro;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISREG(st.st_mode)) {
		b->sector = SECTOR_MIN;
		b->sectors = (uint64_t)st.st_size / SECTOR_MIN;
		return 0;
	}
	if (!S_ISBLK(st.st_mode))
		return -ENOTBLK;
	if (ioctl(fd, BLKROGET, &ro) < 0 || ioctl(fd, BLKSSZGET, &sector) < 0 ||
		ioctl(fd, BLKGETSIZE64, &bytes) < 0)
		return -errno;
	if (ro && writing)
		return -EROFS;
	if (sector < SECTOR_MIN || sector > SECTOR_MAX || (sector & (sector - 1)))
		return -ENOTSUP;
	b->sector = (uint32_t)sector;
	b->sectors = bytes / (uint64_t)sector;
	return 0;
}

int bdev_open(struct bdev_file *out, const char *path, bool writing)
{
	cleanup(closep) int fd = open(path, (writing ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	struct bdev b = {.read = file_read_at, .write = file_write_at, .flush = file_flush};
	int rc;

	/* A write-protected disk refuses to be opened for writing on some drivers and only says so on others.
	 */
	if (fd < 0)
		return errno == EACCES ? -EROFS : -errno;
	rc = measure(fd, &b, writing);
	if (rc)
		return rc;
	out->b = b;
	out->fd = take_fd(fd);
	return 0;
}

void bdev_close(struct bdev_file *f)
{
	closep(&f->fd);
}
