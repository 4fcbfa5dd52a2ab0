/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_SUBRESOURCES_H
#define CLUSTER_SUBRESOURCES_H

#include "cluster/http/http_int.h"

/* The body as KIND, which is no resource of its own; NULL: answered. */
yyjson_mut_doc *subresource_body(struct request *q, const char *api_version, const char *kind);

/* delete.c: what DeleteOptions say, into @o, which borrows of @said; the rest stays. NULL, or why not. */
struct status *delete_options_read(struct delete_options *o, yyjson_mut_val *said);

void subresource_scale(struct request *q);
void subresource_eviction(struct request *q);
void subresource_kubelet(struct request *q); /* pods: log, exec, attach, portforward */
void subresource_proxy(struct request *q);   /* nodes, services, pods */

/* connect.c: once the webhooks that want to hear of it have nothing against it, @then; else it is answered. */
void connect_ask(struct request *q, void (*then)(struct request *q));

#endif
