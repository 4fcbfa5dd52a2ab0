/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_SUBRESOURCES_H
#define CLUSTER_SUBRESOURCES_H

#include "cluster/http/http_int.h"
#include "cluster/webhooks/webhooks.h"

/* The body as KIND, which is no resource of its own; NULL: answered. */
yyjson_mut_doc *subresource_body(struct request *q, const char *api_version, const char *kind);

/* delete.c: what DeleteOptions say, into @o, which borrows of @said; the rest stays. NULL, or why not. */
struct status *delete_options_read(struct delete_options *o, yyjson_mut_val *said);

void subresource_scale(struct request *q);
void subresource_eviction(struct request *q);
void subresource_kubelet(struct request *q); /* pods: log, exec, attach, portforward */
void subresource_proxy(struct request *q);   /* nodes, services, pods */

/*
 * question.c: what webhooks are asked about a request whose document is no object of the tables. Part of what q->own is.
 */
struct question {
	struct request *q;
	struct attempt attempt; /* its doc is owned */
	struct webhook_run *run;
	enum webhook_phase phase;
	void (*then)(struct request *q);
};

/* @doc: taken */
void question_init(struct question *w, struct request *q, enum admit_verb verb, yyjson_mut_doc *doc);
/* Once nobody has anything against it, @then; else it is answered. */
void question_ask(struct question *w, void (*then)(struct request *q));
void question_fini(struct question *w);

/* connect.c: once the webhooks that want to hear of it have nothing against it, @then; else it is answered. */
void connect_ask(struct request *q, void (*then)(struct request *q));

#endif
