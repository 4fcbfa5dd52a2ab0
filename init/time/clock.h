/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TIME_CLOCK_H
#define TIME_CLOCK_H

/*
 * The floor under the clock: a machine whose RTC is empty or lies must not wake up before it was built, or
 * before it was last seen running; certificates would not be valid yet and logs would go backwards.
 */

#include "lib/util.h"

#define CLOCK_BUILD_FILE "/etc/os-release" /* as old as the build */

/* A saved time later than this after the build is a spoilt file, not a clock. */
#define CLOCK_BELIEVABLE_S (60LL * 365 * 86400)

/* The text of a saved time. 0 or -EINVAL. */
must_check int clock_parse(const char *text, size_t len, int64_t built_s, int64_t *out);
/* What the clock is set to: @now_s, or the latest of the others when it is earlier. */
int64_t clock_floor(int64_t now_s, int64_t built_s, int64_t saved_s);

/* Sets the clock to the floor when it is below it. @path: the saved time, or NULL; @built: a file as old as the build.
 */
void clock_raise(const char *path, const char *built);
/* Saves the present time. 0 or -errno. */
must_check int clock_save(const char *path);

#endif
