/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From a Service and its endpoints to what is looked up and where it leads. Ready endpoints are used; when there are none, those
 * that are about to end but still serve. Policies "Local" keep to endpoints of this node: without one a connection is dropped when another node
 * could have taken it, and refused when nobody could.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/sha256.h"
#include "network/service_rules_int.h"
#include "network/catalog.h"

struct targets {
	struct target *items; /* owned */
	size_t n, cap;
};

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct target));
}

static int add_target(struct targets *t, const struct ipaddr *a, uint16_t port)
{
	if (t->n == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 8;
		struct target *more = reallocarray(t->items, cap, sizeof(*more));

		if (!more)
			return -ENOMEM;
		t->items = more;
		t->cap = cap;
	}
	t->items[t->n++] = (struct target){.ip = a->v4, .port = htons(port)};
	return 0;
}

static bool wanted(const struct endpoint *e, bool ending, bool here)
{
	return (!here || e->here) && (ending ? e->serving && e->terminating : e->ready);
}

static int gather(
	struct targets *out, const struct service *s, const struct service_port *p, bool ending, bool here)
{
	for (const struct slice *slice = s->slices; slice; slice = slice->next)
		for (size_t k = 0; k < slice->n_ports; k++) {
			const struct slice_port *port = &slice->ports[k];

			if (port->proto != p->proto || !port->port || strcmp(port->name, p->name) != 0)
				continue;
			for (size_t i = 0; i < slice->n_endpoints; i++) {
				const struct endpoint *e = &slice->endpoints[i];

				/* The addresses of an endpoint are one and the same; the first is used. */
				if (wanted(e, ending, here) && e->n_addresses &&
					e->addresses[0].family == AF_INET &&
					add_target(out, &e->addresses[0], port->port) < 0)
					return -ENOMEM;
			}
		}
	return 0;
}

/* Sorted, each once, so that equal sets are equal arrays. */
static int targets_of(struct targets *out, const struct service *s, const struct service_port *p, bool here)
{
	size_t n = 0;
	int r = gather(out, s, p, false, here);

	if (!r && !out->n)
		r = gather(out, s, p, true, here);
	if (r < 0 || !out->n)
		return r;
	qsort(out->items, out->n, sizeof(*out->items), compare);
	for (size_t i = 0; i < out->n; i++)
		if (!n || compare(&out->items[n - 1], &out->items[i]) != 0)
			out->items[n++] = out->items[i];
	out->n = n;
	return 0;
}

/* ---- building */

static uint64_t id_of(const char *name)
{
	uint8_t hash[SHA256_SIZE];
	uint64_t id;

	sha256(name, strlen(name), hash);
	memcpy(&id, hash, sizeof(id));
	return id;
}

struct build {
	struct service_rules *out;
	const struct service *s;
	const struct service_port *p;
};

/* Where a front leads: to a group, to nobody (@refused), or nowhere (class 0). */
struct choice {
	bool refused;
	uint32_t class;
	uint64_t id;
};

static int add_front(
	struct build *b, enum plan_map map, struct in_addr ip, uint16_t port, const struct choice *to)
{
	struct front *more = reallocarray(b->out->fronts, b->out->n_fronts + 1, sizeof(*more)), *f;

	if (!more)
		return -ENOMEM;
	b->out->fronts = more;
	f = &more[b->out->n_fronts++];
	*f = (struct front){.map = map,
		.ip = ip,
		.proto = b->p->proto,
		.port = htons(port),
		.refused = to->refused,
		.class = to->class,
		.id = to->id};
	return 0;
}

/* @t is taken. */
static int add_group(struct build *b, struct targets *t, const char *suffix, struct choice *out)
{
	struct group *more = reallocarray(b->out->groups, b->out->n_groups + 1, sizeof(*more)), *g;
	char name[192];

	if (!more)
		return -ENOMEM;
	b->out->groups = more;
	g = &more[b->out->n_groups++];
	*g = (struct group){.proto = b->p->proto,
		.affinity_s = b->s->affinity_s,
		.n = t->n < TARGETS_MAX ? t->n : TARGETS_MAX,
		.targets = take(t->items)};
	snprintf(name, sizeof(name), "%.63s/%.63s/%s/%u%s", b->s->ns, b->s->name,
		b->p->proto == IPPROTO_UDP ? "udp" : "tcp", b->p->port, suffix);
	g->id = id_of(name);
	*out = (struct choice){.id = g->id, .class = CLASS(g->affinity_s, g->n)};
	return 0;
}

/* What those who come from outside use. */
static int outside(struct build *b, const struct choice *to)
{
	int r = 0;

	for (size_t i = 0; i < b->s->n_extra && !r; i++)
		r = add_front(b, PLAN_SERVICE, b->s->extra[i].v4, b->p->port, to);
	if (!r && b->p->node_port)
		r = add_front(b, PLAN_NODE_PORT, (struct in_addr){0}, b->p->node_port, to);
	return r;
}

static int plan_port(struct build *b)
{
	const struct service *s = b->s;
	struct targets all = {0}, local = {0};
	/* Nobody; and with a policy Local, that others are elsewhere. */
	struct choice anywhere = {.refused = true}, here = {.refused = true};
	int r = targets_of(&all, s, b->p, false);

	if (!r && (s->internal_local || s->external_local))
		r = targets_of(&local, s, b->p, true);
	here.refused = !all.n;
	if (!r && all.n && (!s->internal_local || !s->external_local))
		r = add_group(b, &all, "", &anywhere);
	if (!r && local.n)
		r = add_group(b, &local, "/local", &here);
	if (!r && s->ip.family)
		r = add_front(b, PLAN_SERVICE, s->ip.v4, b->p->port, s->internal_local ? &here : &anywhere);
	if (!r)
		r = outside(b, s->external_local ? &here : &anywhere);
	free(all.items);
	free(local.items);
	return r;
}

int service_plan_make(struct service_rules *out, const struct service *s, const struct ipaddr *not_this)
{
	int r = 0;

	*out = (struct service_rules){0};
	if (!s->there || (s->ip.family && ipaddr_equal(&s->ip, not_this)))
		return 0;
	for (size_t i = 0; i < s->n_ports && !r; i++) {
		struct build b = {out, s, &s->ports[i]};

		if (s->ip.family || s->n_extra || s->ports[i].node_port)
			r = plan_port(&b);
	}
	if (r < 0)
		service_plan_fini(out);
	return r;
}

void service_plan_fini(struct service_rules *p)
{
	for (size_t i = 0; i < p->n_groups; i++)
		free(p->groups[i].targets);
	free(p->groups);
	free(p->fronts);
	*p = (struct service_rules){0};
}
