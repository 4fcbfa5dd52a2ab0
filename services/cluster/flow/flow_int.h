/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_FLOW_INT_H
#define CLUSTER_FLOW_INT_H

#include "cluster/flow/flow.h"
#include "cluster/registry/registry.h"

enum { FLOW_UID_MAX = 64 };

/* A queue in which somebody waits. */
struct flow_queue {
	struct flow_queue *next; /* in the order of their turns */
	struct flow_ticket *first, **last;
	unsigned index, waiting;
};

struct flow_level {
	struct flow_level *next;
	char *name; /* owned */
	char uid[FLOW_UID_MAX];
	bool exempt, gone, queues_requests;
	unsigned shares, lendable_percent;
	int64_t borrow_percent; /* -1: no limit */
	unsigned queues, hand, queue_length;

	unsigned nominal, lendable,
		borrowable; /* seats: how many are its own, and of these others', and of others' its own */
	unsigned executing, waiting;
	struct flow_queue *first, **last; /* those that are not empty, by turns */
	uint64_t dispatched, refused[N_FLOW_REFUSALS];
};

struct flow_schema {
	struct flow_schema *next; /* by precedence, then by name */
	char *name, *level_name;  /* owned; the second is in spec */
	char uid[FLOW_UID_MAX];
	int precedence;
	enum { FLOW_ONE, FLOW_BY_USER, FLOW_BY_NAMESPACE } by;
	yyjson_doc *spec;	  /* owned: the rules are read where they are asked */
	struct flow_level *level; /* NULL: there is none of that name, and it matches nothing */
};

struct flow {
	unsigned seats;
	void (*wake)(void *arg);
	void *arg;
	struct flow_level *levels;
	struct flow_schema *schemas;
	struct registry *registry; /* NULL: not followed */
	struct informer schema_informer, level_informer;
};

/* schemas.c */
/* Whose it is: the first that matches, or the one that takes what nobody else does. Never NULL. */
const struct flow_schema *flow_classify(const struct flow *f, const struct access_question *q);
/* Of the flow, within the schema, that it is of. */
uint64_t flow_hash(const struct flow_schema *s, const struct access_question *q);
void flow_link_schemas(struct flow *f); /* levels have come or gone */
void flow_free_schemas(struct flow *f);

/* levels.c */
struct flow_level *flow_find_level(const struct flow *f, const char *name); /* that is not gone */
void flow_free_levels(struct flow *f);

/* queues.c */
/* It waits, or the level is full. @hash: of its flow */
enum flow_word flow_enqueue(struct flow_level *l, struct flow_ticket *t, uint64_t hash);
void flow_dequeue(struct flow_ticket *t);
/* Whose turn it is of those who wait, of whom there is one; its queue comes after the others then. */
struct flow_ticket *flow_next_ticket(struct flow_level *l);

/* follow.c */
void flow_unfollow(struct flow *f);

#endif
