/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_HANDLER_H
#define AGENT_HANDLER_H

/* One run of what probes and life-cycle hooks have in common: exec, httpGet, tcpSocket; grpc of probes, sleep of hooks. */

#include <yyjson.h>

#include "lib/util.h"

struct handler_run;
struct pod;
struct pod_container;

enum handler_end {
	HANDLER_FAILED,
	HANDLER_OK,
	HANDLER_GONE, /* the container has ended, or the engine does not know it or the command in it any more: nothing was found out */
};

/*
 * Unless it is HANDLER_OK, @why says what came instead ("HTTP probe failed with statuscode: 500", the output of a command). From
 * the loop.
 */
typedef void handler_done(enum handler_end how, const char *why, void *arg);

/**
 * handler_start()
 * @handler:	the object that holds `exec`, `httpGet`, ...; borrowed for the call
 * @timeout_ms:	for all of it
 *
 * Return: 0, or -errno and @done is not called.
 */
must_check int handler_start(struct handler_run **out, struct pod *p, const struct pod_container *c,
	yyjson_val *handler, int64_t timeout_ms, handler_done *done, void *arg);
void handler_cancel(struct handler_run *h); /* @done is not called; accepts NULL */

#endif
