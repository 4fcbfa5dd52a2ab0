/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Each node's part of the cluster's pod addresses: spec.podCIDR, a /24 that no other node has, and no service has an address of.
 * It is given once and stays until the Node goes.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/controllers/controllers.h"
#include "cluster/registry/claims.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "lib/ipconf.h"
#include "lib/json.h"
#include "lib/kube_names.h"

enum { NODE_PREFIX = 24 };

/* Ranges that are on their way into a Node, beside those that are in one. */
static struct claims *given(void)
{
	static struct claims *c;

	if (!c && claims_new(&c))
		c = NULL;
	return c;
}

/* Which of the ranges are taken, as it is found in one pass over Nodes and ServiceCIDRs: reading every Node for every range would hold the
 * loop for seconds in a cluster of a thousand. */
struct search {
	struct ipaddr all;
	const char *name;
	uint32_t count;
	bool *taken;
};

static struct ipaddr range_at(const struct search *s, uint32_t i)
{
	struct ipaddr range = ipaddr_network(&s->all);

	range.prefix = NODE_PREFIX;
	range.v4.s_addr = htonl(ntohl(range.v4.s_addr) + (i << (32 - NODE_PREFIX)));
	return range;
}

static void take_range(struct search *s, const struct ipaddr *range)
{
	struct ipaddr from = ipaddr_network(range), base = ipaddr_network(&s->all);
	uint64_t first, start, last;

	if (!ipaddr_overlap(range, &s->all))
		return;
	first = ntohl(from.v4.s_addr);
	start = ntohl(base.v4.s_addr);
	last = first + (UINT64_C(1) << (32 - range->prefix)) - 1;
	for (uint64_t i = first < start ? 0 : (first - start) >> (32 - NODE_PREFIX);
		i < s->count && i <= (last - start) >> (32 - NODE_PREFIX); i++)
		s->taken[i] = true;
}

static bool mark(const struct object *o, void *arg)
{
	struct search *s = arg;
	yyjson_doc *doc = object_doc(o);
	const char *text = json_text(json_obj(yyjson_doc_get_root(doc), "spec"), "podCIDR");
	struct ipaddr range;

	if (strcmp(o->name, s->name) != 0 && text && ipaddr_parse(text, &range) == 0)
		take_range(s, &range);
	yyjson_doc_free(doc);
	return true;
}

/* Every node refuses what leads nowhere in a range of services, also in one that is being deleted: no pod can be there. */
static bool mark_services(const struct object *o, void *arg)
{
	cleanup(json_docp) yyjson_doc *doc = object_doc(o);
	struct ipaddr range = kube_service_range(yyjson_doc_get_root(doc));

	take_range(arg, &range);
	return true;
}

static const char *range_of(const struct turn *t)
{
	return t->context && t->context->pod_range ? t->context->pod_range : KUBE_POD_CIDR;
}

/* 0 with the first range that is free in @out, 1 when none is, or -ENOMEM. */
static int find(struct turn *t, char out[IPADDR_TEXT_MAX])
{
	struct search s = {.name = t->name};

	if (ipaddr_parse(range_of(t), &s.all) < 0 || s.all.family != AF_INET || s.all.prefix > NODE_PREFIX)
		return 1;
	s.count = 1U << (NODE_PREFIX - s.all.prefix);
	s.taken = calloc(s.count, sizeof(*s.taken));
	if (!s.taken)
		return -ENOMEM;
	registry_each(t->r, schema_find_kind("v1", "Node"), NULL, mark, &s);
	registry_each(t->r, schema_find_kind("networking.k8s.io/v1", "ServiceCIDR"), NULL, mark_services, &s);
	for (uint32_t i = 0; i < s.count; i++) {
		struct ipaddr one = range_at(&s, i);

		ipaddr_format(&one, true, out);
		if (!s.taken[i] && claims_take(given(), out, t->name) == 0) {
			free(s.taken);
			return 0;
		}
	}
	free(s.taken);
	return 1;
}

static enum modify give(const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	yyjson_mut_val *spec, *list, *root = yyjson_mut_doc_get_root(*doc);
	const char *range = arg;

	spec = yyjson_mut_obj_get(root, "spec");
	if (!spec)
		spec = yyjson_mut_obj_add_obj(*doc, root, "spec");
	if (yyjson_mut_get_len(yyjson_mut_obj_get(spec, "podCIDR")))
		return MODIFY_NOTHING;
	list = yyjson_mut_arr(*doc);
	if (!spec || !list || !yyjson_mut_arr_add_strcpy(*doc, list, range) ||
		!meta_put(*doc, spec, "podCIDR", yyjson_mut_strcpy(*doc, range)) ||
		!meta_put(*doc, spec, "podCIDRs", list))
		return MODIFY_FAIL;
	return MODIFY_WRITE;
}

/* What can be seen in the Node need not be remembered. */
static void settle(const char *range, const char *node)
{
	const char *holder;

	while (given() && (holder = claims_holder(given(), range)) && !strcmp(holder, node))
		claims_give(given(), range, node);
}

static void sync_node(struct turn *t)
{
	const char *has = json_text(json_obj(t->root, "spec"), "podCIDR");
	char range[IPADDR_TEXT_MAX];
	char *arg;
	int found;

	if (has)
		settle(has, t->name);
	if (!t->object || t->object->deleted || has)
		return;
	found = given() ? find(t, range) : -ENOMEM;
	if (found < 0) {
		turn_failed(t);
		return;
	}
	if (found > 0) {
		turn_event(t, t->object, true, "CIDRNotAvailable",
			"Node %s has no range of pod addresses: all of %s are given to nodes or services",
			t->name, range_of(t));
		return;
	}
	arg = strdup(range);
	if (arg)
		turn_modify(t, t->object, NULL, give, arg);
	else
		turn_failed(t);
}

const struct controller_type node_ipam_controller = {
	.name = "node-ipam-controller",
	.api_version = "v1",
	.kind = "Node",
	.sync = sync_node,
};
