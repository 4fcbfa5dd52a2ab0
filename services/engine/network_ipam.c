/* SPDX-License-Identifier: Apache-2.0 */

/* Addresses: a bitmap a subnet for what is given out, and the pools from which networks get their subnets. */

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "engine/network_int.h"
#include "lib/sha256.h"

/* Of a larger range only its beginning is given out unasked. */
enum { IPAM_BITS_MAX = 16 };

struct network_ipam {
	unsigned host_bits; /* the map has 1 << host_bits places */
	uint8_t bits[];
};

enum network_family network_family_of(const struct ipaddr *a)
{
	return a->family == AF_INET6 ? NETWORK_V6 : NETWORK_V4;
}

static unsigned bits_of(const struct ipaddr *a)
{
	return 8 * (unsigned)ipaddr_len(a);
}

/* The last @n bits of an address, at most 16. */
static uint32_t low_bits(const struct ipaddr *a, unsigned n)
{
	size_t len = ipaddr_len(a);

	return ((uint32_t)a->bytes[len - 2] << 8 | a->bytes[len - 1]) & ((1U << n) - 1);
}

static struct ipaddr nth(const struct ipaddr *net, uint32_t i)
{
	struct ipaddr a = *net;
	size_t len = ipaddr_len(net);

	a.prefix = (uint8_t)bits_of(net);
	a.bytes[len - 2] |= (uint8_t)(i >> 8);
	a.bytes[len - 1] |= (uint8_t)i;
	return a;
}

static bool same(const struct ipaddr *a, const struct ipaddr *b)
{
	return a->family == b->family && !memcmp(a->bytes, b->bytes, ipaddr_len(a));
}

/* RFC 3021: a subnet of two addresses has none of its own and none for all. */
static bool is_pair(const struct ipaddr *subnet)
{
	return subnet->family == AF_INET && subnet->prefix == 31;
}

struct ipaddr network_first_address(const struct ipaddr *subnet)
{
	return nth(subnet, is_pair(subnet) ? 0 : 1);
}

bool network_contains(const struct ipaddr *net, const struct ipaddr *a)
{
	return a->family == net->family && a->prefix >= net->prefix && ipaddr_overlap(net, a);
}

/* All host bits as @one says. */
static bool host_bits_are(const struct network_pool *p, const struct ipaddr *a, bool one)
{
	for (unsigned bit = p->subnet.prefix; bit < bits_of(a); bit++)
		if ((a->bytes[bit / 8] >> (7 - bit % 8) & 1) != one)
			return false;
	return true;
}

/* Not the subnet's own address, its broadcast address, its gateway or a neighbour's that was named. */
static bool assignable(const struct network_pool *p, const struct ipaddr *a)
{
	if (!network_contains(&p->subnet, a) || same(a, &p->gateway) ||
		(!is_pair(&p->subnet) &&
			(host_bits_are(p, a, false) || (a->family == AF_INET && host_bits_are(p, a, true)))))
		return false;
	for (size_t i = 0; i < p->n_aux; i++) {
		struct ipaddr other;

		if (ipaddr_parse(p->aux[i].value, &other) == 0 && same(a, &other))
			return false;
	}
	return true;
}

int network_ipam_init(struct network_pool *p)
{
	unsigned host_bits = bits_of(&p->range) - p->range.prefix;
	struct network_ipam *i;

	if (host_bits > IPAM_BITS_MAX)
		host_bits = IPAM_BITS_MAX;
	i = calloc(1, sizeof(*i) + ((1UL << host_bits) + 7) / 8);
	if (!i)
		return -ENOMEM;
	i->host_bits = host_bits;
	free(p->ipam);
	p->ipam = i;
	return 0;
}

/* The place of an address in the map; -1: outside. */
static int32_t place(const struct network_pool *p, const struct ipaddr *a)
{
	struct ipaddr mapped = p->range;

	mapped.prefix = (uint8_t)(bits_of(&p->range) - p->ipam->host_bits);
	return network_contains(&mapped, a) ? (int32_t)low_bits(a, p->ipam->host_bits) : -1;
}

static int pool_any(struct network_pool *p, struct ipaddr *out)
{
	struct network_ipam *i = p->ipam;

	for (uint32_t bit = 0; bit < 1U << i->host_bits; bit++) {
		struct ipaddr a = nth(&p->range, bit);

		if (i->bits[bit / 8] >> (bit % 8) & 1 || !assignable(p, &a))
			continue;
		i->bits[bit / 8] |= (uint8_t)(1 << bit % 8);
		*out = a;
		out->prefix = p->subnet.prefix;
		return 0;
	}
	return -ENOSPC;
}

int network_ipam_any(struct network *n, enum network_family f, struct ipaddr *out, struct ipaddr *gateway)
{
	for (size_t i = 0; i < n->n_pools; i++)
		if (network_family_of(&n->pools[i].subnet) == f && pool_any(&n->pools[i], out) == 0) {
			*gateway = n->pools[i].gateway;
			return 0;
		}
	return -ENOSPC;
}

struct network_pool *network_pool_of(struct network *n, const struct ipaddr *a)
{
	struct ipaddr alone = *a;

	alone.prefix = (uint8_t)bits_of(a);
	for (size_t i = 0; i < n->n_pools; i++)
		if (network_contains(&n->pools[i].subnet, &alone))
			return &n->pools[i];
	return NULL;
}

int network_ipam_take(struct network *n, struct ipaddr *a, struct ipaddr *gateway)
{
	struct network_pool *p = network_pool_of(n, a);
	int32_t bit;

	a->prefix = (uint8_t)bits_of(a);
	if (!p || !assignable(p, a))
		return -EINVAL;
	/* Outside the range the map does not know it: the caller looks at the endpoints. */
	bit = place(p, a);
	if (bit >= 0 && p->ipam->bits[bit / 8] >> (bit % 8) & 1)
		return -EADDRINUSE;
	if (bit >= 0)
		p->ipam->bits[bit / 8] |= (uint8_t)(1 << bit % 8);
	a->prefix = p->subnet.prefix;
	*gateway = p->gateway;
	return 0;
}

void network_ipam_release(struct network *n, const struct ipaddr *a)
{
	struct network_pool *p = network_pool_of(n, a);
	struct ipaddr alone = *a;
	int32_t bit;

	if (!p)
		return;
	alone.prefix = (uint8_t)bits_of(a);
	bit = place(p, &alone);
	if (bit >= 0)
		p->ipam->bits[bit / 8] &= (uint8_t)~(1 << bit % 8);
}

static bool is_free(const struct ipaddr *used, size_t n_used, const struct ipaddr *a)
{
	for (size_t i = 0; i < n_used; i++)
		if (ipaddr_overlap(&used[i], a))
			return false;
	return true;
}

/* Docker's own pools, in its order: 172.17 to 172.31 in sixteens, then 192.168 in twenties. */
int network_pool_v4(const struct ipaddr *used, size_t n_used, struct ipaddr *out)
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

/* RFC 4193: fd, 40 bits that are this node's own, then one /64 after the other. */
int network_pool_v6(const char *node, const struct ipaddr *used, size_t n_used, struct ipaddr *out)
{
	struct ipaddr a = {.family = AF_INET6, .prefix = 64};
	uint8_t digest[SHA256_SIZE];

	sha256(node, strlen(node), digest);
	a.bytes[0] = 0xfd;
	memcpy(a.bytes + 1, digest, 5);
	for (uint32_t i = 0; i < 65536; i++) {
		a.bytes[6] = (uint8_t)(i >> 8);
		a.bytes[7] = (uint8_t)i;
		if (!is_free(used, n_used, &a))
			continue;
		*out = a;
		return 0;
	}
	return -ENOSPC;
}
