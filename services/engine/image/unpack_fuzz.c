/* SPDX-License-Identifier: Apache-2.0 */

/* A layer in a directory of tmpfs, beside a directory that must come out of it untouched. */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/image/disk.h"
#include "engine/image/inflate.h"
#include "engine/image/unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char top[64];
static int top_fd = -1;

static void remove_top(void)
{
	if (disk_remove_tree(AT_FDCWD, top) < 0)
		perror(top);
}

static void prepare(void)
{
	snprintf(top, sizeof(top), "%s/unpack-fuzz-XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	if (!mkdtemp(top) || (top_fd = open(top, O_RDONLY | O_DIRECTORY)) < 0 ||
		mkdirat(top_fd, "outside", 0700) < 0)
		abort();
	atexit(remove_top);
}

static size_t entries(const char *name)
{
	DIR *d = fdopendir(openat(top_fd, name, O_RDONLY | O_DIRECTORY));
	size_t n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

struct src {
	const uint8_t *p;
	size_t len;
};

static ssize_t from_memory(void *buf, size_t len, void *arg)
{
	struct src *s = arg;
	size_t n = s->len < len ? s->len : len;

	memcpy(buf, s->p, n);
	s->p += n;
	s->len -= n;
	return (ssize_t)n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct unpack_limits limits = {.bytes = 4 << 20,
		.entries = 200,
		.ratio = 500,
		.ratio_from = 1 << 20,
		.depth = 32,
		.xattr_bytes = 1024,
		.kinds = INFLATE_ALL};
	struct unpack_result out;
	struct src s = {data, size};
	int root, r;

	if (top_fd < 0)
		prepare();
	if (mkdirat(top_fd, "layer", 0755) < 0 ||
		(root = openat(top_fd, "layer", O_RDONLY | O_DIRECTORY)) < 0)
		abort();
	r = unpack(from_memory, &s, root, &limits, &out);
	if (r < 0 && !*out.error)
		abort(); /* a refusal has a reason */
	unpack_result_fini(&out);
	close(root);
	if (disk_remove_tree(top_fd, "layer") < 0 || entries(".") != 3 || entries("outside") != 2)
		abort();
	return 0;
}
