/* SPDX-License-Identifier: Apache-2.0 */

/* A short list in the order in which addresses are looked for, kept by an informer. */

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "cluster/registry/claims.h"
#include "cluster/registry/node_addresses.h"
#include "cluster/registry/registry.h"
#include "cluster/registry/service_ranges.h"
#include "cluster/schema/schema.h"
#include "lib/json.h"
#include "lib/kube_names.h"
#include "lib/log.h"

/* Of a larger range so many are looked through. */
enum { DYNAMIC_MAX = 65536 };

struct range {
	struct ipaddr net;
	char *name; /* owned; of the ServiceCIDR */
};

struct service_ranges {
	struct informer informer;
	struct ipaddr own;
	struct range *items; /* owned */
	size_t n;
};

/* ---- the list */

static bool is_own(const char *name)
{
	return !strcmp(name, SERVICE_RANGE_OWN);
}

static void drop(struct service_ranges *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->items[i].name, name)) {
			free(s->items[i].name);
			memmove(&s->items[i], &s->items[i + 1], (--s->n - i) * sizeof(*s->items));
			return;
		}
}

/* The cluster's own comes first, the others by their names. */
static int add(struct service_ranges *s, const char *name, const struct ipaddr *net)
{
	struct range *more = reallocarray(s->items, s->n + 1, sizeof(*more));
	char *copy = more ? strdup(name) : NULL;
	size_t at = 0;

	if (more)
		s->items = more;
	if (!copy)
		return -ENOMEM;
	while (!is_own(name) && at < s->n &&
		(is_own(s->items[at].name) || strcmp(s->items[at].name, name) < 0))
		at++;
	memmove(&s->items[at + 1], &s->items[at], (s->n++ - at) * sizeof(*s->items));
	s->items[at] = (struct range){*net, copy};
	return 0;
}

static void on_range(
	struct informer *i, enum event_type type, const struct object *old, const struct object *now)
{
	struct service_ranges *s = container_of(i, struct service_ranges, informer);
	cleanup(json_docp) yyjson_doc *doc = object_doc(now);
	struct ipaddr net = kube_service_range(yyjson_doc_get_root(doc));
	bool gone = type == EVENT_DELETED;

	drop(s, now->name);
	if (gone && is_own(now->name))
		net = s->own;
	else if (gone || now->deleted)
		return;
	if (!doc || (net.family && add(s, now->name, &net)))
		log_errno(
			ENOMEM, "registry servicecidr=%s msg=\"no addresses are given from it\"", now->name);
}

int service_ranges_open(struct service_ranges **out, struct registry *r, const char *configured)
{
	struct service_ranges *s = calloc(1, sizeof(*s));
	int err = s ? ipaddr_parse(configured, &s->own) : -ENOMEM;

	if (!err && !service_range_size(&s->own))
		err = -EINVAL;
	if (!err) {
		s->own = ipaddr_network(&s->own);
		err = add(s, SERVICE_RANGE_OWN, &s->own);
	}
	if (err) {
		service_ranges_close(s);
		return err;
	}
	s->informer = (struct informer){
		.kind = schema_find("networking.k8s.io", "v1", "servicecidrs"), .event = on_range};
	registry_inform(r, &s->informer);
	*out = s;
	return 0;
}

void service_ranges_close(struct service_ranges *s)
{
	if (!s)
		return;
	registry_uninform(&s->informer);
	for (size_t i = 0; i < s->n; i++)
		free(s->items[i].name);
	free(s->items);
	free(s);
}

struct ipaddr service_ranges_own(const struct service_ranges *s)
{
	return s->own;
}

/* ---- addresses */

/* All but the first, which is the network's, and the last, which reaches everybody. */
uint64_t service_range_size(const struct ipaddr *range)
{
	uint64_t all = range->family == AF_INET ? UINT64_C(1) << (32 - range->prefix) : 0;

	return all > 2 ? all - 2 : 0;
}

bool service_ranges_have(const struct service_ranges *s, const char *address)
{
	struct ipaddr a;

	if (ipaddr_parse(address, &a) || a.family != AF_INET || a.prefix != 32)
		return false;
	for (size_t i = 0; i < s->n; i++) {
		uint32_t number = ntohl(a.v4.s_addr) - ntohl(s->items[i].net.v4.s_addr);

		if (number && number <= service_range_size(&s->items[i].net))
			return true;
	}
	return false;
}

/* The lower part of the range is left to those who ask for an address of their own, as upstream does. */
static bool free_in(const struct ipaddr *net, const struct claims *claimed,
	const struct node_addresses *nodes, uint32_t random, char text[static IPADDR_TEXT_MAX])
{
	uint64_t all = service_range_size(net);
	uint32_t size = all < DYNAMIC_MAX ? (uint32_t)all : DYNAMIC_MAX;
	uint32_t low = size / 16 < 16 ? (size > 32 ? 16 : 0) : size / 16 > 256 ? 256 : size / 16;

	for (int pass = 0; pass < 2; pass++)
		for (uint32_t i = 0; i < size; i++) {
			uint32_t at = (random % size + i) % size;
			struct ipaddr a = kube_address(net, at + 1);

			if ((pass == 0) != (at >= low))
				continue;
			ipaddr_format(&a, false, text);
			if (!claims_holder(claimed, text) && !node_addresses_have(nodes, text))
				return true;
		}
	return false;
}

bool service_ranges_free(const struct service_ranges *s, const struct claims *claimed,
	const struct node_addresses *nodes, uint32_t random, char text[static IPADDR_TEXT_MAX])
{
	for (size_t i = 0; i < s->n; i++)
		if (free_in(&s->items[i].net, claimed, nodes, random, text))
			return true;
	return false;
}
