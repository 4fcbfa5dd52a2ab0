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

static int add_front(struct build *b, enum plan_map map, struct in_addr ip, uint16_t port,
	enum plan_verdict verdict, const char *chain)
{
	struct front *more = reallocarray(b->out->fronts, b->out->n_fronts + 1, sizeof(*more)), *f;

	if (!more)
		return -ENOMEM;
	b->out->fronts = more;
	f = &more[b->out->n_fronts++];
	/* compared as bytes */
	memset(f, 0, sizeof(*f));
	f->map = map;
	f->ip = ip;
	f->proto = b->p->proto;
	f->port = htons(port);
	f->verdict = verdict;
	if (chain)
		snprintf(f->chain, sizeof(f->chain), "%s", chain);
	return 0;
}

/* @t is taken. Return: the chain's name through @name. */
static int add_chain(struct build *b, struct targets *t, const char *suffix, char name[PLAN_CHAIN_MAX])
{
	struct plan_chain *more = reallocarray(b->out->chains, b->out->n_chains + 1, sizeof(*more)), *c;

	if (!more)
		return -ENOMEM;
	b->out->chains = more;
	c = &more[b->out->n_chains++];
	*c = (struct plan_chain){
		.proto = b->p->proto, .affinity_s = b->s->affinity_s, .targets = take(t->items), .n = t->n};
	snprintf(c->name, sizeof(c->name), "%.63s/%.63s/%s/%u%s", b->s->ns, b->s->name,
		b->p->proto == IPPROTO_UDP ? "udp" : "tcp", b->p->port, suffix);
	c->id = id_of(c->name);
	memcpy(name, c->name, PLAN_CHAIN_MAX);
	return 0;
}

/* What those who come from outside use. */
static int outside(struct build *b, enum plan_verdict verdict, const char *chain)
{
	int r = 0;

	for (size_t i = 0; i < b->s->n_extra && !r; i++)
		r = add_front(b, PLAN_SERVICE, b->s->extra[i].v4, b->p->port, verdict, chain);
	if (!r && b->p->node_port)
		r = add_front(b, PLAN_NODE_PORT, (struct in_addr){0}, b->p->node_port, verdict, chain);
	return r;
}

static int plan_port(struct build *b)
{
	struct targets all = {0}, local = {0};
	char chain[PLAN_CHAIN_MAX], local_chain[PLAN_CHAIN_MAX];
	const struct service *s = b->s;
	bool any, any_local;
	int r = targets_of(&all, s, b->p, false);

	if (!r && (s->internal_local || s->external_local))
		r = targets_of(&local, s, b->p, true);
	any = all.n;
	any_local = local.n;
	if (!r && any && (!s->internal_local || !s->external_local))
		r = add_chain(b, &all, "", chain);
	if (!r && any_local)
		r = add_chain(b, &local, "/local", local_chain);
	if (!r && s->ip.family) {
		const bool here = s->internal_local;
		const enum plan_verdict v = (here ? any_local : any) ? PLAN_CHAIN
					    : any		     ? PLAN_DROP
								     : PLAN_REFUSE;

		r = add_front(b, PLAN_SERVICE, s->ip.v4, b->p->port, v,
			v == PLAN_CHAIN ? (here ? local_chain : chain) : NULL);
	}
	if (!r) {
		const bool here = s->external_local;
		const enum plan_verdict v = (here ? any_local : any) ? PLAN_CHAIN
					    : any		     ? PLAN_DROP
								     : PLAN_REFUSE;

		r = outside(b, v, v == PLAN_CHAIN ? (here ? local_chain : chain) : NULL);
	}
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
	for (size_t i = 0; i < p->n_chains; i++)
		free(p->chains[i].targets);
	free(p->chains);
	free(p->fronts);
	*p = (struct service_rules){0};
}
