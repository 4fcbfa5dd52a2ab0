/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A random seed that crosses boots. A machine without a source of its own has little randomness in its first
 * seconds, just when it makes keys.
 *
 * The order is the point: the old seed goes into the pool without being counted, the file is replaced by a
 * new one and that is on the disk, and only then is the old one counted. So no seed is ever counted twice,
 * not even when the power goes at any moment between.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <mbedtls/sha512.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "applets.h"
#include "lib/file.h"
#include "lib/log.h"

#define SEED_FILE "/state/random-seed"

enum { SEED_SIZE = 64 };

static int mix(const unsigned char *seed, bool count)
{
	struct {
		struct rand_pool_info info;
		unsigned char bytes[SEED_SIZE];
	} add = {.info = {.entropy_count = count ? 8 * SEED_SIZE : 0, .buf_size = SEED_SIZE}};
	cleanup(closep) int fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	memcpy(add.bytes, seed, SEED_SIZE);
	return ioctl(fd, RNDADDENTROPY, &add) < 0 ? -errno : 0;
}

/* The new seed depends on the old one whatever the pool is worth by now. */
static int renew(const char *old, size_t len)
{
	unsigned char fresh[SEED_SIZE], seed[SEED_SIZE];
	mbedtls_sha512_context c;
	int err;

	if (getrandom(fresh, sizeof(fresh), GRND_INSECURE) != sizeof(fresh))
		return -errno;
	mbedtls_sha512_init(&c);
	err = mbedtls_sha512_starts(&c, 0);
	if (!err)
		err = mbedtls_sha512_update(&c, (const unsigned char *)old, len);
	if (!err)
		err = mbedtls_sha512_update(&c, fresh, sizeof(fresh));
	if (!err)
		err = mbedtls_sha512_finish(&c, seed);
	mbedtls_sha512_free(&c);
	if (err)
		return -EIO;
	return file_replace(AT_FDCWD, SEED_FILE, seed, sizeof(seed), 0600);
}

int seed_main(int argc, char **argv)
{
	cleanup(freep) char *old = NULL;
	size_t len = 0;
	int err = file_read(AT_FDCWD, SEED_FILE, 4096, &old, &len);

	if (err && err != -ENOENT)
		return log_errno(-err, "op=read path=" SEED_FILE), 1;
	bool whole = len == SEED_SIZE;

	if (whole) {
		err = mix((const unsigned char *)old, false);
		if (err)
			return log_errno(-err, "op=mix"), 1;
	}
	err = renew(old ? old : "", len);
	if (err)
		return log_errno(-err,
			       "op=replace path=" SEED_FILE " msg=\"the old seed is used, but not counted\""),
		       1;
	if (whole) {
		err = mix((const unsigned char *)old, true);
		if (err)
			return log_errno(-err, "op=count"), 1;
	}
	log_info("op=seed from=%s", whole ? "last-boot" : "none");
	return 0;
}
