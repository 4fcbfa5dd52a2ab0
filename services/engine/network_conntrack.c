/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Connections that the kernel remembers. A translation is decided with a flow's first packet and kept as long
 * as the flow lasts, which for UDP is as long as the client goes on sending: without this, what is sent to a
 * published port would go to a container that is gone, and not to the one that has the port now.
 */

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>

#include "engine/network_int.h"
#include "lib/log.h"

/* The kernel's own numbers for the parts of a tuple that a filter looks at (nf_conntrack_netlink.c). */
enum { FILTER_SOURCE = 1 << 0 };

/* Forgets the flows whose tuple, @tuple being CTA_TUPLE_ORIG or _REPLY, has @a as source. */
static int forget(struct networks *ns, uint16_t tuple, const struct ipaddr *a)
{
	const struct nfgenmsg head = {.nfgen_family = a->family};
	cleanup(nlmsg_fini) struct nlmsg m = {};
	size_t nest, inner;

	nlmsg_begin(&m, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE, 0, &head, sizeof(head));
	nest = nlmsg_nest(&m, tuple);
	inner = nlmsg_nest(&m, CTA_TUPLE_IP);
	nlmsg_put(&m, a->family == AF_INET ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, a->bytes, ipaddr_len(a));
	nlmsg_nest_end(&m, inner);
	nlmsg_nest_end(&m, nest);
	nest = nlmsg_nest(&m, CTA_FILTER);
	nlmsg_put_u32(&m, CTA_FILTER_ORIG_FLAGS, tuple == CTA_TUPLE_ORIG ? FILTER_SOURCE : 0);
	nlmsg_put_u32(&m, CTA_FILTER_REPLY_FLAGS, tuple == CTA_TUPLE_REPLY ? FILTER_SOURCE : 0);
	nlmsg_nest_end(&m, nest);
	nlmsg_end(&m);
	return netlink_request(&ns->filter, &m);
}

void network_conntrack_forget(struct networks *ns, const struct ipaddr *a)
{
	static const uint16_t tuples[] = {CTA_TUPLE_ORIG, CTA_TUPLE_REPLY};

	for (size_t i = 0; i < array_len(tuples); i++) {
		int r = forget(ns, tuples[i], a);

		if (r < 0 && r != -ENOENT)
			log_errno(-r, "op=forget-flows kernel=\"%s\"", ns->filter.text);
	}
}
