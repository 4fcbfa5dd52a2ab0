/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "init/time/clock.h"
#include "lib/file.h"
#include "lib/log.h"

enum { TEXT_MAX = 32 };

int clock_parse(const char *text, size_t len, int64_t built_s, int64_t *out)
{
	int64_t s = 0;
	size_t i = 0;

	for (; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
		s = s * 10 + (text[i] - '0');
		if (s > built_s + CLOCK_BELIEVABLE_S)
			return -EINVAL;
	}
	if (!i || i + 1 != len || text[i] != '\n')
		return -EINVAL;
	*out = s;
	return 0;
}

int64_t clock_floor(int64_t now_s, int64_t built_s, int64_t saved_s)
{
	int64_t floor = saved_s > built_s ? saved_s : built_s;

	return now_s < floor ? floor : now_s;
}

void clock_raise(const char *path, const char *built)
{
	cleanup(freep) char *text = NULL;
	struct timespec now, floor = {};
	int64_t saved_s = 0;
	struct stat st = {};
	size_t len;
	int r;

	if (stat(built, &st) < 0)
		log_errno(errno, "op=stat path=%s msg=\"the build date is not known\"", built);
	r = !path ? -ENOENT : file_read(AT_FDCWD, path, TEXT_MAX, &text, &len);
	if (!r)
		r = clock_parse(text, len, st.st_mtime, &saved_s);
	if (r < 0 && r != -ENOENT)
		log_errno(-r, "op=read path=%s msg=\"the saved time is not used\"", path);
	clock_gettime(CLOCK_REALTIME, &now);
	floor.tv_sec = (time_t)clock_floor(now.tv_sec, st.st_mtime, saved_s);
	if (floor.tv_sec == now.tv_sec)
		return;
	if (clock_settime(CLOCK_REALTIME, &floor) < 0)
		log_errno(errno, "op=clock_settime");
	else
		log_warn("clock=%lld was=%lld msg=\"the clock was behind; set to the last time known\"",
			(long long)floor.tv_sec, (long long)now.tv_sec);
}

int clock_save(const char *path)
{
	struct timespec now;
	char text[TEXT_MAX];
	int len;

	clock_gettime(CLOCK_REALTIME, &now);
	len = snprintf(text, sizeof(text), "%lld\n", (long long)now.tv_sec);
	return file_replace(AT_FDCWD, path, text, (size_t)len, 0644);
}
