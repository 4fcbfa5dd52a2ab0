/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>

#include "lib/json.h"
#include "lib/kube.h"
#include "lib/log.h"
#include "network/node.h"
#include "network/podnet.h"

struct node_watch {
	struct kube_reflector *reflector; /* owned */
	struct podnet *pods;
};

static bool take_range(struct node_watch *w, const char *text)
{
	struct ipaddr range;

	/* From /8 to /29: a range that holds a few addresses, and not everything. */
	if (!text || ipaddr_parse(text, &range) < 0 || range.family != AF_INET || range.prefix < 8 ||
		range.prefix > 29)
		return false;
	podnet_set_range(w->pods, &range);
	return true;
}

static void on_change(enum kube_change change, yyjson_val *node, void *arg)
{
	struct node_watch *w = arg;
	yyjson_val *spec = json_obj(node, "spec"), *each;
	const char *range = json_text(spec, "podCIDR");
	size_t i, n;

	/* A Node that is gone for a while does not take the addresses along. */
	if (change == KUBE_DELETED || !range)
		return;
	yyjson_arr_foreach (json_arr(spec, "podCIDRs"), i, n, each)
		if (take_range(w, yyjson_get_str(each)))
			return;
	if (!take_range(w, range))
		log_error("node op=range podCIDR=\"%s\" msg=\"pods have IPv4 ranges from /8 to /29\"", range);
}

int node_watch_new(struct node_watch **out, struct kube *k, const char *name, struct podnet *pods)
{
	static const struct kube_reflector_events events = {.change = on_change};
	struct node_watch *w = calloc(1, sizeof(*w));
	char query[128];
	int r;

	if (!w)
		return -ENOMEM;
	w->pods = pods;
	snprintf(query, sizeof(query), "fieldSelector=metadata.name%%3D%s", name);
	r = kube_reflect(&w->reflector, k, "/api/v1/nodes", query, &events, w);
	if (r < 0) {
		free(w);
		return r;
	}
	*out = w;
	return 0;
}

void node_watch_free(struct node_watch *w)
{
	if (!w)
		return;
	kube_reflector_free(w->reflector);
	free(w);
}
