/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Each node's part of the cluster's pod addresses: spec.podCIDR, a /24 that no other node has. It is given once and stays
 * until the Node goes.
 */

#include <arpa/inet.h>
#include <stdio.h>
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

struct search {
	struct ipaddr want;
	const char *name;
	bool taken;
};

static bool look(const struct object *o, void *arg)
{
	struct search *s = arg;
	yyjson_doc *doc = object_doc(o);
	const char *text = json_text(json_obj(yyjson_doc_get_root(doc), "spec"), "podCIDR");
	struct ipaddr range;

	s->taken = strcmp(o->name, s->name) != 0 && text && ipaddr_parse(text, &range) == 0 &&
		   ipaddr_overlap(&range, &s->want);
	yyjson_doc_free(doc);
	return !s->taken;
}

static const char *range_of(const struct turn *t)
{
	return t->context && t->context->pod_range ? t->context->pod_range : KUBE_POD_CIDR;
}

static bool find(struct turn *t, char out[IPADDR_TEXT_MAX])
{
	struct search s = {.name = t->name};
	struct ipaddr all;
	uint32_t n;

	if (ipaddr_parse(range_of(t), &all) < 0)
		return false;
	n = 1U << (NODE_PREFIX - all.prefix);
	for (uint32_t i = 0; i < n; i++) {
		s.want = ipaddr_network(&all);
		s.want.prefix = NODE_PREFIX;
		s.want.v4.s_addr = htonl(ntohl(s.want.v4.s_addr) + (i << (32 - NODE_PREFIX)));
		s.taken = false;
		registry_each(t->r, schema_find_kind("v1", "Node"), NULL, look, &s);
		ipaddr_format(&s.want, true, out);
		if (!s.taken && claims_take(given(), out, t->name) == 0)
			return true;
	}
	return false;
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

	if (has)
		settle(has, t->name);
	if (!t->object || t->object->deleted || has)
		return;
	if (!given()) {
		turn_failed(t);
		return;
	}
	if (!find(t, range)) {
		turn_event(t, t->object, true, "CIDRNotAvailable",
			"Node %s has no range of pod addresses: all of %s are given", t->name, range_of(t));
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
