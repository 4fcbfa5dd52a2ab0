/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_EXTENSIONS_H
#define CLUSTER_EXTENSIONS_H

/*
 * Extension API servers: who serves a group and version instead of this server, as APIServices name them. Where there is none, this
 * is a list without items.
 *
 *	APIService --informer--> extension <--probe (TLS)-- controllers/apiservice.c, which says in its status how it is
 *	request ------http/extension.c----^--relay (TLS)--> the service's endpoint
 *
 * What one serves is read from it when it is probed, and kept: its resources for discovery, and the hash of its OpenAPI document.
 * Both are outside words: bounded in size and time, and checked before they are said on.
 */

#include <yyjson.h>

#include "lib/http_client.h"
#include "lib/loop.h"
#include "lib/util.h"

struct extensions;
struct registry;
struct schema_group_version;
struct tls_config;

struct extension {
	struct extension *next;
	char *name, *group, *version; /* owned */
	char *ns, *service, *bundle;  /* owned: of its certificates, PEM; NULL: those of the system */
	int port;
	bool insecure;	/* nobody checks who it is */
	bool available; /* as its status says */
	int group_priority, version_priority;

	struct tls_config
		*tls;	       /* owned: a client that knows it, made when it is first asked; NULL: not yet */
	yyjson_doc *resources; /* owned: the APIResourceList it answered with last; NULL: none yet */
	char *openapi;	       /* owned: the hash of its document; NULL: it has none */
	struct probe *probe;   /* under way */
	bool moved;	       /* where it is has changed meanwhile */
	int64_t probed_ms;     /* when the last one was over; 0: there was none, or it is old */
	char why[400];	       /* what was wrong then; "": nothing */
};

must_check int extensions_open(struct extensions **out, struct registry *r);
void extensions_close(struct extensions *x); /* accepts NULL */

/* What is shown to them from now on: PEM files, whose names are copied. Before that nothing is shown. 0 or -ENOMEM. */
must_check int extensions_set_identity(struct extensions *x, const char *cert, const char *key);

/* NULL: this server serves it, or nobody does. Until the loop turns. */
struct extension *extensions_find(const struct extensions *x, const char *group, const char *version);
struct extension *extensions_named(const struct extensions *x, const char *name);
const struct extension *extensions_first(const struct extensions *x);

/* As custom_group_versions(), with those of extensions, by their priorities; until the next change. NULL: no memory. */
const struct schema_group_version *extensions_group_versions(struct extensions *x, size_t *n);

/*
 * Where it is now: an address of IP. NULL, or why it is nowhere: @reason as its status has it, and *why malloc'ed.
 */
const char *extension_place(const struct registry *r, const struct extension *e, char *address, size_t size,
	int *port, char **why);
/*
 * A client that knows it, and shows who asks; the caller's to free. The files are read once for each of them. 0 or -errno: its
 * certificates cannot be used.
 */
must_check int extension_tls(struct extensions *x, struct extension *e, struct tls_config **out);

/*
 * A line to one of its endpoints, for questions of this process itself; begins as zeros. Opened again after it was closed it takes
 * another endpoint, where there are several. What is asked for is shown whose question it is (http/identity.h) by the headers.
 */
struct extension_line {
	struct http_client *client; /* owned */
	struct tls_config *tls;	    /* owned */
	struct loop_timer limit;    /* of everything that is asked by it */
	char url[80];		    /* https://ADDRESS:PORT */
};

/* NULL, or why it cannot be; extension_line_close() in both cases, and never from inside of an answer. @e may go meanwhile. */
must_check const char *extension_line_open(struct extension_line *l, struct extensions *x,
	struct extension *e, int64_t limit_ms, void (*on_limit)(struct loop_timer *t));
/* As http_call_whole(). 0 or -errno: @fn is not called. */
must_check int extension_line_get(struct extension_line *l, const char *target,
	const struct http_header_field *headers, size_t n, size_t max, http_call_answer *fn, void *arg);
void extension_line_close(struct extension_line *l); /* nothing more is called; idempotent */

/*
 * Asks it for what it serves, unless that is under way. @fn is called when the answer is there, with the name; never from inside, and
 * not when the extension has changed meanwhile.
 */
void extension_probe(
	struct extensions *x, const char *name, void (*fn)(void *arg, const char *name), void *arg);
/* Of those at this service what was known is old. @fn is called for each. */
void extensions_moved(struct extensions *x, const char *ns, const char *service,
	void (*fn)(void *arg, const char *name), void *arg);

#endif
