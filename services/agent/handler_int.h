/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_HANDLER_INT_H
#define AGENT_HANDLER_INT_H

/* What the kinds of handlers share. */

#include <yyjson.h>

#include "agent/dial.h"
#include "agent/frames.h"
#include "agent/grpc_health.h"
#include "agent/handler.h"
#include "agent/probe_url.h"
#include "lib/loop.h"
#include "lib/util.h"

struct http_call;
struct http_client;
struct stream;
struct tls_config;

enum { HANDLER_OUTPUT_MAX = 10 * 1024, HANDLER_REDIRECTS_MAX = 10 };

struct handler_run {
	struct loop *loop;
	handler_done *done;
	void *arg;
	struct loop_timer timer; /* of all of it */
	struct loop_task task;	 /* what is said from the loop */
	bool ok;
	bool gone; /* not ok, because what it is about is not there any more */
	char why[HANDLER_OUTPUT_MAX + 1];
	size_t output; /* exec: bytes of it in why */
	int64_t timeout_ms;
	bool sleeps;

	struct dial *dial;
	struct stream *stream;
	struct grpc_health grpc;
	char authority[300], service[256];

	struct http_client *engine;
	char container[80], exec[80];
	struct loop_timer look; /* again, at whether it still runs */
	unsigned looks;
	struct http_call *call;
	struct frames frames;

	struct probe_url url;
	char original_host[256];
	char address[64];
	char host_header[300];
	yyjson_doc *headers; /* owned: a copy of the list */
	struct http_client *http;
	struct tls_config *tls;
	int status;
	unsigned redirects;
	struct loop_task again;
	char location[PROBE_TARGET_MAX];
};

enum { HANDLER_ERROR_MAX = 64 };
/* What went wrong on the way to a server, as Kubernetes' users know it: "connect: connection refused". Returns @out. */
const char *handler_error(int err, char out[HANDLER_ERROR_MAX]);

/* It is over: @done is called from the loop. @format NULL: ok. */
void handler_finish(struct handler_run *h, bool ok, const char *format, ...) printf_like(3, 4);

/* Each begins; 0 or -errno. */
must_check int handler_exec(struct handler_run *h, const char *container, yyjson_val *exec);
must_check int handler_http(struct handler_run *h, const char *ip, uint16_t port, yyjson_val *get);
must_check int handler_grpc(struct handler_run *h, const char *ip, uint16_t port, yyjson_val *grpc);

#endif
