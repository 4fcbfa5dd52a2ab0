/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_START_H
#define ENGINE_START_H

/*
 * From a stopped container to a running one and back: root, network, specification, the runtime's create and
 * start; later its delete and the undoing of the rest. The runtime runs beside the engine.
 */

#include <stdint.h>
#include <sys/types.h>

#include "lib/util.h"

struct container;
struct start;

/* @err 0, or -errno with a sentence. Never called before start_begin() has returned. */
typedef void start_done(struct container *c, int err, const char *msg);

/* *out is set at once, also on failure (which done() reports); NULL only without memory, after done(). */
void start_begin(struct start **out, struct container *c, start_done *done);
/* What has no gate any more and has ended has run; what is, or ended, at its gate has not. */
bool start_at_gate(const struct container *c);
/* After an engine restart: is the gate of this container open? done() gets 0 when it is. */
void start_probe(struct start **out, struct container *c, start_done *done);
/* Undoes everything; then lifecycle_released(). Works also for what was never begun, or half undone. */
void start_release(struct start **out, struct container *c);
void start_free(struct start *s); /* accepts NULL; ends the runtime if it is at work */

/* The exit code for what the runtime said of a program that it could not start, as Docker and shells have it: 127 not found,
 * 126 cannot be run, 128 anything else. The first two are the request's own fault. */
int start_error_code(const char *msg);

must_check int start_open_output(struct container *c);
/* A pidfd for this very process, or -1. */
int start_open_pid(pid_t pid, uint64_t start_ticks);

#endif
