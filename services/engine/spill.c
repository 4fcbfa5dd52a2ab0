/* SPDX-License-Identifier: Apache-2.0 */

/* The engine's side: the process is started, and started again; see spill.h. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "engine/container.h"
#include "engine/engine.h"
#include "engine/job.h"
#include "engine/spill.h"
#include "lib/log.h"
#include "lib/loop.h"

enum { AGAIN_MS = 1000, FINISH_TURNS = 25, TURN_MS = 20, PIPE_MIN = 64 << 10 };

struct spill {
	struct container *c;
	struct job *job; /* owned; NULL: ended */
	struct loop_timer again;
	struct spill_way ways[SPILL_WAYS];
	size_t n;
};

static int begin(struct spill *s);

static void on_again(struct loop_timer *t)
{
	struct spill *s = container_of(t, struct spill, again);

	if (begin(s) &&
		loop_timer_set(s->c->e->loop, &s->again, loop_now_ms(s->c->e->loop) + AGAIN_MS, on_again))
		log_error("container=%.12s op=spill msg=\"its log stands still\"", s->c->id);
}

static void on_done(void *arg, int status, const char *output)
{
	struct spill *s = arg;
	struct loop *l = s->c->e->loop;

	s->job = NULL;
	if (!status)
		return; /* the streams are at their end */
	log_error("container=%.12s op=spill status=%d msg=\"ended, and is started again\"", s->c->id, status);
	if (loop_timer_set(l, &s->again, loop_now_ms(l) + AGAIN_MS, on_again))
		log_error("container=%.12s op=spill msg=\"its log stands still\"", s->c->id);
}

static int begin(struct spill *s)
{
	struct engine *e = s->c->e;
	int fds[3 + 2 * SPILL_WAYS] = {-1, -1, STDERR_FILENO};
	char id[13];
	char *argv[] = {(char *)(uintptr_t)e->worker, (char *)(uintptr_t)"engine_spill", id,
		(char *)(uintptr_t)(s->n > 1 ? "2" : "1"), NULL};
	struct job_opts o = {.path = e->worker, .argv = argv, .fds = fds, .n_fds = 3 + 2 * s->n};

	snprintf(id, sizeof(id), "%.12s", s->c->id);
	for (size_t i = 0; i < s->n; i++) {
		fds[3 + 2 * i] = s->ways[i].from;
		fds[4 + 2 * i] = s->ways[i].to;
	}
	return job_start(&s->job, e->loop, &o, on_done, s);
}

int spill_start(struct spill **out, struct container *c, const struct spill_way *ways, size_t n)
{
	struct spill *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return log_errno(ENOMEM, "container=%.12s op=spill", c->id);
	s->c = c;
	s->n = n;
	memcpy(s->ways, ways, n * sizeof(*ways));
	err = begin(s);
	if (err)
		free(s);
	else
		*out = s;
	return err;
}

void spill_finish(struct spill *s, void (*take)(void *arg), void *arg)
{
	for (int turn = 0; s->job && turn < FINISH_TURNS; turn++) {
		take(arg);
		(void)!job_wait(s->job, TURN_MS);
	}
	if (s->job)
		log_warn("container=%.12s op=spill msg=\"somebody still writes to its output\"", s->c->id);
}

void spill_free(struct spill *s)
{
	if (!s)
		return;
	loop_timer_del(&s->again);
	job_free(s->job);
	free(s);
}

void spill_size(int pipe, int64_t bytes)
{
	while (bytes > PIPE_MIN && fcntl(pipe, F_SETPIPE_SZ, (int)bytes) < 0)
		bytes /= 2;
	if (bytes <= PIPE_MIN && fcntl(pipe, F_SETPIPE_SZ, (int)bytes) < 0)
		log_errno(errno, "op=spill msg=\"the buffer stays as large as pipes are\"");
}
