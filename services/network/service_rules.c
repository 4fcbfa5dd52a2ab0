/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is in the kernel for each Service, and the batch that brings it to what it should be. A batch that the kernel refuses
 * leaves the table as it was; then everything is written anew, a second later.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/conntrack.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "network/catalog.h"
#include "network/service_rules.h"
#include "network/service_rules_int.h"

enum { BATCH_HIGH = NLMSG_BUF_MAX - (1 << 20), AGAIN_MS = 1000 };

/* ---- the difference */

static const struct group *group_of(const struct service_rules *p, uint64_t id)
{
	for (size_t i = 0; p && i < p->n_groups; i++)
		if (p->groups[i].id == id)
			return &p->groups[i];
	return NULL;
}

static bool has_target(const struct group *c, const struct target *t)
{
	for (size_t i = 0; c && i < c->n; i++)
		if (!memcmp(&c->targets[i], t, sizeof(*t)))
			return true;
	return false;
}

static bool same_front(const struct front *a, const struct front *b)
{
	return a->map == b->map && a->ip.s_addr == b->ip.s_addr && a->proto == b->proto &&
	       a->port == b->port && a->refused == b->refused && a->class == b->class && a->id == b->id;
}

static bool has_front(const struct service_rules *p, const struct front *f)
{
	for (size_t i = 0; p && i < p->n_fronts; i++)
		if (same_front(&p->fronts[i], f))
			return true;
	return false;
}

/* A UDP flow knows no end: it would go on to who is gone. */
static void forget_later(struct service_rules_table *t, const struct group *c, const struct target *target)
{
	if (c->proto == IPPROTO_UDP && t->n_forget < FORGET_MAX)
		t->forget[t->n_forget++] = (struct conntrack_tuple){
			.source = {.family = AF_INET, .prefix = 32, .v4 = target->ip},
			.proto = IPPROTO_UDP,
			.source_port = ntohs(target->port),
		};
}

/* The elements of a group that is or was; the numbers of its targets are their places. */
static void put_targets(struct service_rules_table *t, const struct group *old, const struct group *new)
{
	struct nft *b = &t->batch;
	const struct group *one = new ? new : old;
	size_t n_old = old ? old->n : 0, n_new = new ? new->n : 0;
	bool was = old && old->affinity_s, is = new && new->affinity_s;

	for (size_t i = 0; i < n_old || i < n_new; i++) {
		bool had = i < n_old, has = i < n_new;

		if (had && has && !memcmp(&old->targets[i], &new->targets[i], sizeof(struct target)))
			continue;
		if (had)
			service_target_put(b, old, i, false);
		if (has)
			service_target_put(b, new, i, true);
	}
	for (size_t i = 0; i < n_old; i++) {
		bool stays = has_target(new, &old->targets[i]);

		if (was && !(stays && is))
			service_member_put(b, one, &old->targets[i], false);
		if (!stays)
			forget_later(t, one, &old->targets[i]);
	}
	for (size_t i = 0; is && i < n_new; i++)
		if (!was || !has_target(old, &new->targets[i]))
			service_member_put(b, new, &new->targets[i], true);
}

static int need_class(struct service_rules_table *t, uint32_t class)
{
	uint32_t *more;

	for (size_t i = 0; i < t->n_classes; i++)
		if (t->classes[i] == class)
			return 0;
	more = reallocarray(t->classes, t->n_classes + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	t->classes = more;
	t->classes[t->n_classes++] = class;
	service_class_put(&t->batch, class);
	return 0;
}

static void put_difference(
	struct service_rules_table *t, const struct service *s, const struct service_rules *new)
{
	const struct service_rules *old = s->rules;
	char comment[NFT_COMMENT_MAX + 1];
	struct nft *b = &t->batch;

	snprintf(comment, sizeof(comment), "%.62s/%.63s", s->ns, s->name);
	for (size_t i = 0; i < new->n_groups; i++)
		put_targets(t, group_of(old, new->groups[i].id), &new->groups[i]);
	for (size_t i = 0; old && i < old->n_fronts; i++)
		if (!has_front(new, &old->fronts[i]))
			service_front_put(b, &old->fronts[i], false, NULL);
	for (size_t i = 0; i < new->n_fronts; i++) {
		if (has_front(old, &new->fronts[i]))
			continue;
		if (!new->fronts[i].refused && need_class(t, new->fronts[i].class) < 0)
			t->failed = true;
		service_front_put(b, &new->fronts[i], true, comment);
	}
	for (size_t i = 0; old && i < old->n_groups; i++)
		if (!group_of(new, old->groups[i].id))
			put_targets(t, &old->groups[i], NULL);
}

/* ---- batches */

/* Which endpoint a client had, from the table that is about to be replaced: ids are the same for the same service. */
static void keep_client(const struct nft_elem *e, void *arg)
{
	struct service_rules_table *t = arg;

	if (e->data && e->left_ms && t->batch.m.len < BATCH_HIGH)
		nft_elem_add_lasting(&t->batch, SERVICES_CLIENTS, e->key, e->key_len, e->data, e->data_len,
			e->timeout_ms, e->left_ms);
}

static void keep_clients(struct service_rules_table *t)
{
	int r = nft_elem_each(&t->filter, NFPROTO_IPV4, SERVICES_TABLE, SERVICES_CLIENTS, keep_client, t);

	if (r < 0 && r != -ENOENT)
		log_errno(-r, "op=keep-clients kernel=\"%s\"", t->filter.text);
}

static void begin(struct service_rules_table *t)
{
	if (t->begun)
		return;
	nft_begin(&t->batch, NFPROTO_IPV4, SERVICES_TABLE);
	t->begun = true;
	if (!t->installed) {
		service_table_put(&t->batch, t->nets, &t->dns);
		keep_clients(t);
		t->n_classes = 0;
	}
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
	put_difference(t, s, new);
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

void service_rules_nets(struct service_rules_table *t)
{
	/* a table that is still to be written gets them then */
	if (!t->installed)
		return;
	begin(t);
	nft_chain_flush(&t->batch, SERVICES_RANGES);
	service_nets_put(&t->batch, t->nets, &t->dns);
	service_rules_settled(t, t->all);
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
	t->nets = o->nets;
	r = ipaddr_parse(o->dns_address, &t->dns);
	if (!r)
		r = netlink_open(&t->filter, NETLINK_NETFILTER, -1);
	if (r < 0) {
		free(t);
		return log_errno(-r, "op=open-services dns=%s", o->dns_address);
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
	free(t->classes);
	free(t);
}
