/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is in the kernel for each Service, and the batch that brings it to what it should be. A batch that the kernel refuses
 * leaves the table as it was; then everything is written anew, a second later.
 */

#include <errno.h>
#include <string.h>

#include "lib/conntrack.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "network/catalog.h"
#include "network/service_rules.h"
#include "network/service_rules_int.h"

enum { BATCH_HIGH = NLMSG_BUF_MAX - (1 << 20), AGAIN_MS = 1000, FORGET_MAX = 256 };

struct service_rules_table {
	struct loop *loop;
	struct netlink filter;
	struct ipaddr range, dns;
	struct nft batch;
	bool begun;	/* the batch has something */
	bool installed; /* what the kernel has is what `rules` of each Service say */
	bool failed;
	struct conntrack_tuple forget[FORGET_MAX]; /* once the batch is true */
	size_t n_forget;
	struct loop_timer again;
	struct catalog *all; /* borrowed; for `again` */
};

/* ---- the difference */

static const struct plan_chain *chain_of(const struct service_rules *p, const char *name)
{
	for (size_t i = 0; p && i < p->n_chains; i++)
		if (!strcmp(p->chains[i].name, name))
			return &p->chains[i];
	return NULL;
}

static bool has_target(const struct plan_chain *c, const struct target *t)
{
	for (size_t i = 0; c && i < c->n; i++)
		if (!memcmp(&c->targets[i], t, sizeof(*t)))
			return true;
	return false;
}

static bool has_front(const struct service_rules *p, const struct front *f)
{
	for (size_t i = 0; p && i < p->n_fronts; i++)
		if (!memcmp(&p->fronts[i], f, sizeof(*f)))
			return true;
	return false;
}

/* A UDP flow knows no end: it would go on to who is gone. */
static void forget_later(
	struct service_rules_table *t, const struct plan_chain *c, const struct target *target)
{
	if (c->proto == IPPROTO_UDP && t->n_forget < FORGET_MAX)
		t->forget[t->n_forget++] = (struct conntrack_tuple){
			.source = {.family = AF_INET, .prefix = 32, .v4 = target->ip},
			.proto = IPPROTO_UDP,
			.source_port = ntohs(target->port),
		};
}

/* The elements of a chain that is or was; the numbers of its targets are their places. */
static void put_targets(
	struct service_rules_table *t, const struct plan_chain *old, const struct plan_chain *new)
{
	struct nft *b = &t->batch;
	const struct plan_chain *one = new ? new : old;
	size_t most = old && (!new || old->n > new->n) ? old->n : new->n;
	bool was = old && old->affinity_s, is = new && new->affinity_s;

	for (size_t i = 0; i < most; i++) {
		bool had = old && i < old->n, has = new && i < new->n;

		if (had && has && !memcmp(&old->targets[i], &new->targets[i], sizeof(struct target)))
			continue;
		if (had)
			service_target_put(b, old, i, false);
		if (has)
			service_target_put(b, new, i, true);
	}
	for (size_t i = 0; old && i < old->n; i++) {
		bool stays = has_target(new, &old->targets[i]);

		if (was && !(stays && is))
			service_member_put(b, one, &old->targets[i], false);
		if (!stays)
			forget_later(t, one, &old->targets[i]);
	}
	for (size_t i = 0; is && i < new->n; i++)
		if (!was || !has_target(old, &new->targets[i]))
			service_member_put(b, new, &new->targets[i], true);
}

/* In this order: nothing ever points to a chain that is not there. */
static void put_difference(
	struct service_rules_table *t, const struct service_rules *old, const struct service_rules *new)
{
	struct nft *b = &t->batch;

	for (size_t i = 0; i < new->n_chains; i++) {
		const struct plan_chain *c = &new->chains[i], *was = chain_of(old, c->name);

		if (!was)
			nft_chain_add(b, c->name, NULL, NULL);
		put_targets(t, was, c);
		if (was && (was->n != c->n || was->affinity_s != c->affinity_s))
			nft_chain_flush(b, c->name);
		if (!was || was->n != c->n || was->affinity_s != c->affinity_s)
			service_chain_put(b, c);
	}
	for (size_t i = 0; old && i < old->n_fronts; i++)
		if (!has_front(new, &old->fronts[i]))
			service_front_put(b, &old->fronts[i], false);
	for (size_t i = 0; i < new->n_fronts; i++)
		if (!has_front(old, &new->fronts[i]))
			service_front_put(b, &new->fronts[i], true);
	for (size_t i = 0; old && i < old->n_chains; i++)
		if (!chain_of(new, old->chains[i].name)) {
			put_targets(t, &old->chains[i], NULL);
			nft_chain_flush(b, old->chains[i].name);
			nft_chain_destroy(b, old->chains[i].name);
		}
}

/* ---- batches */

static void begin(struct service_rules_table *t)
{
	if (t->begun)
		return;
	nft_begin(&t->batch, NFPROTO_IPV4, SERVICES_TABLE);
	t->begun = true;
	if (!t->installed)
		service_table_put(&t->batch, &t->range, &t->dns);
}

static void commit(struct service_rules_table *t)
{
	int r;

	if (!t->begun)
		return;
	t->begun = false;
	r = nft_commit(&t->filter, &t->batch);
	nft_fini(&t->batch);
	if (r < 0) {
		log_errno(-r, "op=services table=" SERVICES_TABLE " kernel=\"%s\"", t->filter.text);
		t->failed = true;
	} else {
		t->installed = true;
	}
	for (size_t i = 0; i < t->n_forget; i++) {
		r = conntrack_forget(&t->filter, CONNTRACK_REPLY, &t->forget[i]);
		if (r < 0)
			log_errno(-r, "op=forget-flows kernel=\"%s\"", t->filter.text);
	}
	t->n_forget = 0;
}

void service_rules_change(struct service_rules_table *t, struct service *s)
{
	struct service_rules *new = calloc(1, sizeof(*new));

	if (!new || service_plan_make(new, s, &t->dns) < 0) {
		free(new);
		t->failed = true;
		log_errno(ENOMEM, "service=%s/%s op=rules", s->ns, s->name);
		return;
	}
	begin(t);
	put_difference(t, s->rules, new);
	if (s->rules)
		service_plan_fini(s->rules);
	free(s->rules);
	s->rules = new;
	if (!s->there && !s->slices) {
		service_plan_fini(new);
		free(take(s->rules));
	}
	/* Several batches are several moments, which only a whole cluster at once comes to. */
	if (t->batch.m.len > BATCH_HIGH || t->n_forget == FORGET_MAX)
		commit(t);
}

/* ---- everything anew */

static bool forget_plan(struct service *s, void *arg)
{
	if (s->rules)
		service_plan_fini(s->rules);
	free(take(s->rules));
	return true;
}

static bool change_one(struct service *s, void *arg)
{
	service_rules_change(arg, s);
	return true;
}

static void on_again(struct loop_timer *timer)
{
	struct service_rules_table *t = container_of(timer, struct service_rules_table, again);

	t->failed = t->installed = false;
	catalog_each(t->all, forget_plan, NULL);
	begin(t);
	catalog_each(t->all, change_one, t);
	service_rules_settled(t, t->all);
}

void service_rules_settled(struct service_rules_table *t, struct catalog *all)
{
	if (!t->installed)
		begin(t);
	commit(t);
	t->all = all;
	if (t->failed && loop_timer_set(t->loop, &t->again, loop_now_ms(t->loop) + AGAIN_MS, on_again) < 0)
		log_errno(ENOMEM, "op=services");
}

int service_rules_new(struct service_rules_table **out, const struct service_rules_options *o)
{
	struct service_rules_table *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	t->loop = o->loop;
	t->filter = NETLINK_CLOSED;
	r = ipaddr_parse(o->service_range, &t->range);
	if (!r)
		r = ipaddr_parse(o->dns_address, &t->dns);
	if (!r)
		r = netlink_open(&t->filter, NETLINK_NETFILTER, -1);
	if (r < 0) {
		free(t);
		return log_errno(-r, "op=open-services range=%s", o->service_range);
	}
	*out = t;
	return 0;
}

void service_rules_free(struct service_rules_table *t)
{
	if (!t)
		return;
	loop_timer_del(&t->again);
	if (t->all)
		catalog_each(t->all, forget_plan, NULL);
	nft_fini(&t->batch);
	netlink_close(&t->filter);
	free(t);
}
