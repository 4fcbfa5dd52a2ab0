/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_SCHEDULER_VERDICTS_H
#define CLUSTER_SCHEDULER_VERDICTS_H

/*
 * What nodes said to pods of one kind. Pods come by the hundred from one template, and whether a node's labels, taints and cordon
 * let such a pod in depends on nothing but the Node and a few members of the pod: so it is asked once, and remembered by the
 * node's place in the cache until that node changes.
 *
 * The pods of a kind are those whose members say the same text: nodeSelector, required node affinity, tolerations. Only a few
 * kinds are kept, those asked for last.
 */

#include <stdint.h>

#include <yyjson.h>

#include "lib/util.h"

enum verdict { VERDICT_UNKNOWN, VERDICT_YES, VERDICT_NO };
enum { VERDICT_KINDS = 16, VERDICT_KEY_MAX = 1024 };

struct verdicts {
	struct verdict_kind {
		char *key; /* owned; NULL: not in use */
		size_t len;
		uint8_t *of_place; /* owned: an enum verdict each */
		size_t n;
		uint64_t asked; /* when last */
	} kinds[VERDICT_KINDS];
	uint64_t clock;
};

/**
 * verdicts_of() - the verdicts of the pod's kind, in order of places
 * @spec:	of the pod
 * @n:		places there are
 *
 * Return: @n of them, borrowed until the next call, to be read and filled in; NULL: not remembered, as it says too much, names
 * single nodes, or there is no memory.
 */
uint8_t *verdicts_of(struct verdicts *v, yyjson_val *spec, size_t n);
/* Another node has come to the place, or the one there has changed. */
void verdicts_forget(struct verdicts *v, size_t place);
void verdicts_fini(struct verdicts *v);

#endif
