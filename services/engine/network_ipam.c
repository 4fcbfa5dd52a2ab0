/* SPDX-License-Identifier: Apache-2.0 */

/* Addresses: a bitmap a network for what is given out, and the pools from which networks get their subnet. */

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "engine/network_int.h"

/* Of a larger range only its beginning is given out unasked. */
enum { IPAM_ADDRESSES_MAX = 65536 };

struct network_ipam {
	uint32_t base;	/* address of bit 0, host order */
	uint32_t count; /* bits */
	uint8_t bits[];
};

static uint32_t host_mask(uint8_t prefix)
{
	return prefix ? (uint32_t)(0xffffffffULL >> prefix) : 0xffffffff;
}

/* Not the network's own address, its broadcast address or its gateway. */
static bool assignable(const struct network *n, uint32_t a)
{
	uint32_t net = ntohl(n->subnet.s_addr), mask = host_mask(n->prefix);

	if ((a & ~mask) != net || a == ntohl(n->gateway.s_addr))
		return false;
	return n->prefix >= 31 || (a != net && a != (net | mask));
}

int network_ipam_init(struct network *n)
{
	uint64_t count = (uint64_t)host_mask(n->range_prefix) + 1;
	struct network_ipam *i;

	if (n->driver != NETWORK_BRIDGE)
		return 0;
	if (count > IPAM_ADDRESSES_MAX)
		count = IPAM_ADDRESSES_MAX;
	i = calloc(1, sizeof(*i) + (count + 7) / 8);
	if (!i)
		return -ENOMEM;
	i->base = ntohl(n->range.s_addr);
	i->count = (uint32_t)count;
	free(n->ipam);
	n->ipam = i;
	return 0;
}

static bool get(const struct network_ipam *i, uint32_t bit)
{
	return i->bits[bit / 8] >> (bit % 8) & 1;
}

int network_ipam_any(struct network *n, struct in_addr *out)
{
	struct network_ipam *i = n->ipam;

	for (uint32_t bit = 0; bit < i->count; bit++) {
		if (i->bits[bit / 8] == 0xff) {
			bit |= 7;
			continue;
		}
		if (get(i, bit) || !assignable(n, i->base + bit))
			continue;
		out->s_addr = htonl(i->base + bit);
		return network_ipam_take(n, *out);
	}
	return -ENOSPC;
}

int network_ipam_take(struct network *n, struct in_addr a)
{
	uint32_t host = ntohl(a.s_addr), bit = host - n->ipam->base;

	if (!assignable(n, host))
		return -EINVAL;
	/* Outside the range the bitmap does not know it: the caller looks at the endpoints. */
	if (bit >= n->ipam->count)
		return 0;
	if (get(n->ipam, bit))
		return -EADDRINUSE;
	n->ipam->bits[bit / 8] |= (uint8_t)(1 << bit % 8);
	return 0;
}

void network_ipam_release(struct network *n, struct in_addr a)
{
	uint32_t bit = n->ipam ? ntohl(a.s_addr) - n->ipam->base : 0;

	if (n->ipam && bit < n->ipam->count)
		n->ipam->bits[bit / 8] &= (uint8_t)~(1 << bit % 8);
}

static bool is_free(const struct ipaddr *used, size_t n_used, const struct ipaddr *a)
{
	for (size_t i = 0; i < n_used; i++)
		if (ipaddr_overlap(&used[i], a))
			return false;
	return true;
}

/* Docker's own pools, in its order: 172.17 to 172.31 in sixteens, then 192.168 in twenties. */
int network_pool(const struct ipaddr *used, size_t n_used, struct ipaddr *out)
{
	for (uint32_t i = 17; i < 32 + 16; i++) {
		struct ipaddr a = {.family = AF_INET, .prefix = i < 32 ? 16 : 20};

		a.v4.s_addr = i < 32 ? htonl(172U << 24 | i << 16)
				     : htonl(192U << 24 | 168U << 16 | (i - 32) << 12);
		if (!is_free(used, n_used, &a))
			continue;
		*out = a;
		return 0;
	}
	return -ENOSPC;
}
