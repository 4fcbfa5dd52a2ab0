/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_RESIZE_H
#define AGENT_RESIZE_H

/*
 * Pods that are resized in place: what the API asks for is set aside when the node has room for it (resize.c), and then the engine's
 * containers are made to have it (resize_act.c), one step after the other: what is to be done next is always read from what is set
 * aside and what the last look at the engine found (resize_plan.c).
 */

#include "agent/pod.h"
#include "agent/resources.h"

/* ---- resize_plan.c: decisions; nothing is asked or done */

enum resize_verdict { RESIZE_FITS, RESIZE_DEFERRED, RESIZE_INFEASIBLE };

struct resize_room {
	int64_t cpu_milli, memory_bytes;
};

enum { RESIZE_WHY_MAX = 300 };
/**
 * resize_judge() - is there room for the requests of a pod?
 * @asked:	what it asks for
 * @had:	what is set aside for it; what does not grow needs no room
 * @node:	what pods can have of the node
 * @used:	what is set aside for all others
 * @why:	in upstream's words, for whom it does not fit
 */
enum resize_verdict resize_judge(const struct resources *asked, const struct resources *had,
	const struct resize_room *node, const struct resize_room *used, char why[static RESIZE_WHY_MAX]);

enum resize_what {
	RESIZE_NOTHING,	  /* all have what is set aside for them */
	RESIZE_WAIT,	  /* a container ends, to be started again with it */
	RESIZE_POD,	  /* the pod's group gets other limits */
	RESIZE_CONTAINER, /* a container that runs gets other limits */
	RESIZE_RESTART,	  /* a container has to be started again for it */
};

struct resize_step {
	enum resize_what what;
	struct pod_container *c; /* of RESIZE_CONTAINER and RESIZE_RESTART */
	struct limits to;
};

/*
 * What comes next. The pod's group is never narrower than its containers: it is widened before them, and narrowed when all
 * have become narrower; of them those that give back come first.
 */
struct resize_step resize_next(const struct pod *p);
/* Would a step take memory away? Then how much is in use is asked first. */
bool resize_takes_memory(const struct pod *p, const struct resize_step *s);
/*
 * The engine's numbers of the pod (GET /wherry/v1/pods/UID/stats) against that: is less in use than the limits will be? Else false,
 * and @why says of whom not.
 */
bool resize_memory_is_free(
	const struct pod *p, const struct resize_step *s, yyjson_val *stats, char *why, size_t size);

/* ---- resize.c: admission */

/*
 * Once what the engine has of the pod is known. Sets aside what the API asks for, if there is room; else says so in p->resize. true:
 * the engine is being told, and the pod is busy.
 */
bool resize_consider(struct pod *p);
/* The resources of the engine's annotation (NULL: it has none) are what is set aside. */
void resize_take(struct pod *p, const char *annotation);
/* Less is set aside than was: those that wait are considered again, the most important first. */
void resize_room_changed(struct agent *a);

/* ---- resize_act.c */

/* Begins the next step. true: the pod is busy. */
bool resize_act(struct pod *p);

#endif
