/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_KUBE_H
#define LIB_KUBE_H

/*
 * A client of a Kubernetes API server, whoever's it is: single requests, and a reflector that keeps a list of objects as the server
 * has it, through lost connections, restarts and histories that were too short.
 */

#include <time.h>
#include <yyjson.h>

#include "rfc3339.h"
#include "util.h"

struct loop;
struct kube;
struct http_client;
struct kube_reflector;

struct kube_options {
	const char *address; /* numeric */
	uint16_t port;
	const char *host;	 /* what its certificate is for */
	const char *credentials; /* a folder: see kube_credentials() */
	const char *user_agent;
};

/*
 * What a client has, to be who it is: in a folder either api.sock, where a server on this machine knows who comes and is
 * spoken to without TLS, or ca.crt, client.crt and client.key. false: neither is there yet. @made: NULL, or gets the time of
 * it, which is another one when there is something new.
 */
bool kube_credentials(const char *folder, struct timespec *made);

/* 0 or -errno; certificates that cannot be read are logged. */
must_check int kube_new(struct kube **out, struct loop *l, const struct kube_options *o);
void kube_free(struct kube *k); /* cancels everything; accepts NULL */

/* For single requests: json_call() on it. */
struct http_client *kube_http(struct kube *k);

#define KUBE_MERGE_PATCH     "application/merge-patch+json"
#define KUBE_STRATEGIC_PATCH "application/strategic-merge-patch+json"

/* An object to keep, without the managed fields, which are the server's business; the caller's to free. NULL: no memory. */
must_check yyjson_doc *kube_copy(yyjson_val *object);

enum { KUBE_TIME_MAX = RFC3339_MAX };
/* metav1.Time: RFC 3339, UTC, in seconds. Returns @out. */
const char *kube_time(char out[KUBE_TIME_MAX], int64_t at_s);

enum kube_change { KUBE_ADDED, KUBE_MODIFIED, KUBE_DELETED };

struct kube_reflector_events {
	/*
	 * Every object there is, then every change. Of one that vanished while nobody looked only the names and the uid
	 * are shown.
	 */
	void (*change)(enum kube_change change, yyjson_val *object, void *arg);
	/* A list is complete: what was not told by now does not exist. Again after each list. May be NULL. */
	void (*synced)(void *arg);
};

/**
 * kube_reflect() - list and watch, until freed
 * @path:	"/api/v1/pods"
 * @query:	encoded, without '?': "fieldSelector=spec.nodeName%3Da"; "" for none
 *
 * Return: 0 or -errno.
 */
must_check int kube_reflect(struct kube_reflector **out, struct kube *k, const char *path, const char *query,
	const struct kube_reflector_events *events, void *arg);
void kube_reflector_free(struct kube_reflector *r); /* accepts NULL */

#endif
