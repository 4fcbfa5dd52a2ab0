/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_JOB_H
#define ENGINE_JOB_H

/*
 * A child that runs beside the engine: the runtime, a worker. Its end arrives on the loop.
 */

#include <sys/types.h>

#include "lib/loop.h"
#include "lib/util.h"

struct engine;
struct job;

enum { JOB_OUTPUT_MAX = 16 << 10, JOB_FDS_MAX = 64 };

struct job_opts {
	const char *path;
	char *const *argv;
	const int
		*fds; /* 0, 1, 2, ...; borrowed. -1: /dev/null; JOB_CAPTURE: a pipe whose text `done` gets */
	size_t n_fds;
	int64_t timeout_ms; /* then it is killed; 0: never */
};
enum { JOB_CAPTURE = -2 };

/* @status as wait(2) gives it; @output the captured text, bounded, NUL-terminated. The proc is freed
 * afterwards. */
typedef void job_done(void *arg, int status, const char *output);

must_check int job_start(
	struct job **out, struct loop *l, const struct job_opts *o, job_done *done, void *arg);
void job_kill(struct job *p); /* done() still follows */
/* Waits for its end, a moment that is known to be short; if that comes, done() has been called and @p is gone. */
bool job_wait(struct job *p, int timeout_ms);
void job_free(struct job *p); /* kills and forgets: done() is not called. Accepts NULL. */

#endif
