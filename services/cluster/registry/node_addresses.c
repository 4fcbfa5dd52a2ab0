/* SPDX-License-Identifier: Apache-2.0 */

/* Claims of all nodes together, kept by an informer: two that say the same address hold it until the last has given it up. */

#include <errno.h>
#include <netinet/in.h>

#include "cluster/registry/claims.h"
#include "cluster/registry/node_addresses.h"
#include "cluster/registry/registry.h"
#include "cluster/schema/schema.h"
#include "lib/ipconf.h"
#include "lib/json.h"
#include "lib/log.h"

/* Of one node; a kubelet says two or three. */
enum { OF_NODE_MAX = 64 };

static const char someone[] = "nodes";

struct node_addresses {
	struct informer informer;
	struct claims *claims;
};

static int take_one(struct node_addresses *n, const char *address)
{
	return claims_take(n->claims, address, someone);
}

static int give_one(struct node_addresses *n, const char *address)
{
	claims_give(n->claims, address, someone);
	return 0;
}

static void each_of(struct node_addresses *n, const struct object *node,
	int (*fn)(struct node_addresses *n, const char *address))
{
	cleanup(json_docp) yyjson_doc *doc = object_doc(node);
	yyjson_val *list = json_arr(json_obj(yyjson_doc_get_root(doc), "status"), "addresses"), *v;
	int err = doc ? 0 : -ENOMEM;
	size_t i, max;

	yyjson_arr_foreach (list, i, max, v) {
		struct ipaddr a;
		char text[IPADDR_TEXT_MAX];

		if (i < OF_NODE_MAX && !err && !ipaddr_parse(json_str(v, "address") ?: "", &a) &&
			a.family == AF_INET)
			err = fn(n, ipaddr_format(&a, false, text));
	}
	if (err)
		log_errno(-err, "registry node=%s msg=\"a service may be given its address\"", node->name);
}

static void on_node(
	struct informer *i, enum event_type type, const struct object *old, const struct object *now)
{
	struct node_addresses *n = container_of(i, struct node_addresses, informer);

	/* first the new, so that what stays is never free in between */
	if (type != EVENT_DELETED)
		each_of(n, now, take_one);
	if (old || type == EVENT_DELETED)
		each_of(n, old ? old : now, give_one);
}

int node_addresses_open(struct node_addresses **out, struct registry *r)
{
	struct node_addresses *n = calloc(1, sizeof(*n));
	int err;

	if (!n)
		return -ENOMEM;
	err = claims_new(&n->claims);
	if (err) {
		free(n);
		return err;
	}
	n->informer = (struct informer){.kind = schema_find("", "v1", "nodes"), .event = on_node};
	registry_inform(r, &n->informer);
	*out = n;
	return 0;
}

void node_addresses_close(struct node_addresses *n)
{
	if (!n)
		return;
	registry_uninform(&n->informer);
	claims_free(n->claims);
	free(n);
}

bool node_addresses_have(const struct node_addresses *n, const char *address)
{
	return claims_holder(n->claims, address);
}
