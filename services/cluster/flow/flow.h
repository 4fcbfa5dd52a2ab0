/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_FLOW_H
#define CLUSTER_FLOW_H

/*
 * API priority and fairness: which requests are answered now, which wait, and which are sent away.
 *
 *	request --schemas, by precedence--> level --a seat is free--> it goes on
 *	                                          --Queue--> one of its flow's queues --its turn--> it goes on
 *	                                                                              --full, too long--> 429
 *	                                          --Reject--> 429
 *
 * A level has its part of all seats. What it lends is a pool that all levels share: beyond what it keeps for itself a level
 * takes from the pool, up to what it may borrow, and those that want their own come before those that borrow. A flow has a
 * hand of the level's queues, and waits in the one of them where the fewest wait; queues that are not empty take turns, one
 * request each. There are no queues where nobody waits.
 *
 * Nothing here knows of servers or clocks: schemas.c says whose a request is, levels.c has the seats, queues.c those who wait, and follow.c, the
 * only part that knows the registry, keeps both as the objects are.
 */

#include <yyjson.h>

#include "lib/util.h"

struct access_question;
struct flow;
struct flow_level;
struct flow_queue;
struct registry;

/* A request that has a seat, waits for one, or neither; its owner's, all zero at first. */
struct flow_ticket {
	void (*go)(struct flow_ticket *t); /* after it has waited: it has its seat. Set by the owner. */
	struct flow_level *level;	   /* NULL: neither */
	struct flow_queue *queue;	   /* where it waits; NULL: it has a seat */
	struct flow_ticket *next, **prev;  /* of the queue */
};

enum flow_word {
	FLOW_GO,   /* it has a seat until flow_leave() */
	FLOW_WAIT, /* ->go is called, from flow_turn() */
	FLOW_FULL, /* it has none and does not wait */
};

/* Whose it is, for the answer's headers; "" while there is no such object. Borrowed until the loop turns. */
struct flow_names {
	const char *schema_uid, *level_uid;
};

/**
 * flow_new() - with the mandatory schemas and levels alone
 * @seats:	all there are
 * @wake:	somebody who waits may have a seat: flow_turn() is to be called, but from the loop
 *
 * Return: 0 or -ENOMEM.
 */
must_check int flow_new(struct flow **out, unsigned seats, void (*wake)(void *arg), void *arg);
void flow_free(struct flow *f); /* accepts NULL; no ticket is in use any more */

enum flow_word flow_enter(
	struct flow *f, struct flow_ticket *t, const struct access_question *q, struct flow_names *names);
/* Its seat, or its place in a queue, is free. Idempotent. */
void flow_leave(struct flow *f, struct flow_ticket *t);
/* The same, of one that has waited for too long. */
void flow_give_up(struct flow *f, struct flow_ticket *t);
/* Those who wait and may have seats go on. */
void flow_turn(struct flow *f);

/* ---- what there is; @spec is borrowed, and has passed validation. -ENOMEM: it stays as it was. */

must_check int flow_set_schema(struct flow *f, const char *name, const char *uid, yyjson_val *spec);
must_check int flow_set_level(struct flow *f, const char *name, const char *uid, yyjson_val *spec);
/* Mandatory ones are as at first then. Who waits in a level that is gone is served by it yet. */
must_check int flow_unset_schema(struct flow *f, const char *name);
must_check int flow_unset_level(struct flow *f, const char *name);

/* From here on as the registry's objects are; flow_free() ends it. */
void flow_follow(struct flow *f, struct registry *r);

/* ---- for /metrics */

enum flow_refusal {
	FLOW_REFUSED_LIMIT,
	FLOW_REFUSED_QUEUE,
	FLOW_REFUSED_TIME,
	FLOW_REFUSED_GONE,
	N_FLOW_REFUSALS
};
extern const char *const flow_refusals[N_FLOW_REFUSALS]; /* their names */

struct flow_level_state {
	const char *name;
	bool exempt;
	unsigned seats, executing, waiting;
	uint64_t dispatched, refused[N_FLOW_REFUSALS];
};
void flow_each_level(
	const struct flow *f, void (*fn)(const struct flow_level_state *s, void *arg), void *arg);

#endif
