/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>

#include "lib/conntrack.h"
#include "lib/log.h"

/* The kernel's own numbers for the parts of a tuple that a filter looks at (nf_conntrack_netlink.c). */
enum { FILTER_SOURCE = 1 << 0, FILTER_PROTO = 1 << 3, FILTER_SOURCE_PORT = 1 << 4 };

static void put_tuple(struct nlmsg *m, uint16_t type, const struct conntrack_tuple *t)
{
	size_t nest = nlmsg_nest(m, type), inner = nlmsg_nest(m, CTA_TUPLE_IP);

	nlmsg_put(m, t->source.family == AF_INET ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, t->source.bytes,
		ipaddr_len(&t->source));
	nlmsg_nest_end(m, inner);
	if (t->proto) {
		inner = nlmsg_nest(m, CTA_TUPLE_PROTO);
		nlmsg_put_u8(m, CTA_PROTO_NUM, t->proto);
		if (t->source_port)
			nlmsg_put_be16(m, CTA_PROTO_SRC_PORT, t->source_port);
		nlmsg_nest_end(m, inner);
	}
	nlmsg_nest_end(m, nest);
}

int conntrack_forget(struct netlink *nl, enum conntrack_direction direction, const struct conntrack_tuple *t)
{
	const struct nfgenmsg head = {.nfgen_family = t->source.family};
	uint32_t parts =
		FILTER_SOURCE | (t->proto ? FILTER_PROTO : 0) | (t->source_port ? FILTER_SOURCE_PORT : 0);
	bool reply = direction == CONNTRACK_REPLY;
	cleanup(nlmsg_fini) struct nlmsg m = {};
	size_t nest;
	int r;

	nlmsg_begin(&m, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE, 0, &head, sizeof(head));
	put_tuple(&m, reply ? CTA_TUPLE_REPLY : CTA_TUPLE_ORIG, t);
	nest = nlmsg_nest(&m, CTA_FILTER);
	nlmsg_put_u32(&m, CTA_FILTER_ORIG_FLAGS, reply ? 0 : parts);
	nlmsg_put_u32(&m, CTA_FILTER_REPLY_FLAGS, reply ? parts : 0);
	nlmsg_nest_end(&m, nest);
	nlmsg_end(&m);
	r = netlink_request(nl, &m);
	return r == -ENOENT ? 0 : r;
}

void conntrack_forget_address(struct netlink *nl, const struct ipaddr *a)
{
	const struct conntrack_tuple t = {.source = *a};

	for (enum conntrack_direction d = CONNTRACK_ORIGINAL; d <= CONNTRACK_REPLY; d++) {
		int r = conntrack_forget(nl, d, &t);

		if (r < 0)
			log_errno(-r, "op=forget-flows kernel=\"%s\"", nl->text);
	}
}
