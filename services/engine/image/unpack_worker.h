/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_IMAGE_UNPACK_WORKER_H
#define ENGINE_IMAGE_UNPACK_WORKER_H

#include <sys/types.h>

#include "engine/image/unpack.h"

/*
 * unpack() in a process of its own, chrooted into the layer (lib/sandbox.h). Its answer comes over a pipe, and
 * even that is not trusted: the process has read hostile bytes.
 */
struct unpack_worker {
	pid_t pid;  /* 0: none */
	int result; /* pipe; read to its end, then call unpack_worker_end() */
	char *buf;
	size_t len;
};

/* @in: the compressed stream, owned from here on; @root: borrowed. 0 or -errno. */
must_check int unpack_worker_start(
	struct unpack_worker *w, int in, int root, const struct unpack_limits *limits);

/* The pipe is readable: 1 there will be more, 0 that was the end, or -errno. */
must_check int unpack_worker_read(struct unpack_worker *w);

/* Reaps and takes its answer: as unpack(). */
must_check int unpack_worker_end(struct unpack_worker *w, struct unpack_result *out);

void unpack_worker_kill(struct unpack_worker *w); /* idempotent */

/* For tests: what the pipe carries. */
must_check int unpack_answer_parse(const char *buf, size_t len, struct unpack_result *out);

#endif
