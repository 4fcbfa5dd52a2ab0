/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_SERVER_INT_H
#define AGENT_SERVER_INT_H

/* What the files of the server share: a request that has been let in, and whose it is. */

#include <time.h>

#include "agent/server.h"
#include "lib/util.h"

struct agent;
struct http_req;
struct http_server;
struct pod;
struct pod_container;
struct tls_config;

struct server {
	struct agent *a;
	struct http_server *http;
	struct tls_config *tls;
	struct timespec made;	    /* its certificate */
	struct server_stats *stats; /* owned by server_stats.c */
};

enum { SERVER_PENDING_MAX = 512 * 1024 };

/* An error as every client of the API knows it: a Status. */
void server_refuse(struct http_req *r, int code, const char *reason, const char *format, ...)
	printf_like(4, 5);

/*
 * The pod, and the container, of "/VERB/NAMESPACE/POD[/UID]/CONTAINER", without the last part where @c is NULL. NULL: there is
 * none, and the request has been answered.
 */
must_check struct pod *server_pod(
	struct server *s, struct http_req *r, const char *rest, struct pod_container **c);

/* Each answers, sooner or later. @rest: the path behind the verb. */
void server_logs(struct server *s, struct http_req *r, const char *rest);
void server_exec(struct server *s, struct http_req *r, const char *rest);
void server_attach(struct server *s, struct http_req *r, const char *rest);
/* What the engine says when it refuses a stream: JSON, or of an attach a line of text. NULL: nothing, or no memory. */
char *server_engine_said(const char *text, size_t len);
void server_forward(struct server *s, struct http_req *r, const char *rest);
void server_summary(struct server *s, struct http_req *r, const char *rest);
void server_resource_metrics(struct server *s, struct http_req *r, const char *rest);
void server_stats_free(struct server_stats *st); /* accepts NULL */

#endif
