/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_PODS_H
#define CLUSTER_PODS_H

/*
 * Pods as their controllers see them: whose they are, and how well they do. ReplicaSet, StatefulSet, DaemonSet, Job and
 * ReplicationController own pods in the same way.
 */

#include "cluster/controllers/controller.h"

struct selector;

struct pod {
	struct object *o; /* held */
	yyjson_doc *doc;  /* owned */
	yyjson_val *root;
	const char *phase; /* "" when not said */
	const char *node;  /* "" while not scheduled */
	bool active;	   /* not ended, and not being deleted */
	bool ready;
	int64_t ready_since_s; /* 0: not ready */
	int64_t restarts;      /* the most of its containers */
};

struct pods {
	struct pod *items;
	size_t n;
};

/**
 * pods_of() - the pods that the turn's object controls
 * @selector:	pods it matches that nobody controls are adopted, those it does not match any more are let go; NULL: neither
 *
 * Adopting and letting go are writes of the turn, and count at once: what is adopted is among the pods. false: no memory.
 */
must_check bool pods_of(struct turn *t, const struct selector *selector, struct pods *out);
/* The same, but only those are adopted that @mine says yes to. */
must_check bool pods_of_mine(struct turn *t, const struct selector *selector,
	bool (*mine)(const struct turn *t, const struct object *pod), struct pods *out);
void pods_fini(struct pods *p);

/* Ready for at least so long. */
static inline bool pod_available(const struct pod *p, int64_t min_ready_s, int64_t now_s)
{
	return p->ready && (min_ready_s <= 0 || p->ready_since_s + min_ready_s <= now_s);
}

/**
 * pod_from_template() - a pod for the turn's object to create
 * @template:	a PodTemplateSpec; its labels, annotations, finalizers and spec are taken over
 * @name:	NULL: generated from the object's name
 *
 * Return: a document, owned by the caller; NULL: no memory.
 */
must_check yyjson_mut_doc *pod_from_template(
	const struct object *owner, yyjson_val *pod_template, const char *name);

/*
 * Sorts so that the first pods are those whose end hurts least: not scheduled, not running, not ready, of lower
 * controller.kubernetes.io/pod-deletion-cost, on a crowded node, ready for a shorter time, restarted more often, younger.
 */
void pods_sort_for_deletion(struct pods *p);

#endif
