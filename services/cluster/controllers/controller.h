/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_CONTROLLER_H
#define CLUSTER_CONTROLLER_H

/*
 * What all controllers are made of. A controller brings the world closer to what one object asks for, one object at a time: its `sync`
 * reads the view, starts the writes that are missing, and returns. It is level-triggered: it looks at what is, never at
 * what happened, and holds nothing between two turns that it could not read again.
 *
 *	informers --queue--> keys (each once) --turn--> sync --writes--> registry --events--> informers
 *
 * A turn is over when sync has returned and every write it started has been answered. By then the view has those writes, so the
 * next turn of the key sees them: there is nothing to "expect", as clients of a cached view must. While a turn lasts, the key is
 * not given out again; if it was queued meanwhile, it has another turn. A turn with a failed write is tried again with
 * back-off, 10 ms doubling to a minute; a conflict at once.
 */

#include <yyjson.h>

#include "cluster/registry/registry.h"
#include "cluster/schema/conditions.h"
#include "lib/loop.h"

struct authority;
struct autoscaler; /* horizontalpodautoscaler.h */
struct schema_kind;
struct status;
struct controller;

/* What controllers know that no object says. */
struct cluster_context {
	const char *ca_pem;	       /* the cluster's authority */
	struct authority *authority;   /* signs certificates; NULL: nothing is signed */
	const char *pod_range;	       /* of which nodes get their parts; NULL: 10.244.0.0/16 */
	struct autoscaler *autoscaler; /* measures and remembers; NULL: nothing is scaled */
	int64_t job_backoff_ms;	       /* the wait after a Job's first failure; 0: 10 s */
	int64_t node_gone_s;	       /* a pod waits so long for a Node that is not there; 0: 40 s */
	size_t pods_over_max;	       /* so many pods that are over are kept; 0: 1,000 */
};

struct turn;

/* The constant part of a controller. */
struct controller_type {
	const char *name; /* "replicaset-controller": acts as system:serviceaccount:kube-system:NAME */
	/*
	 * Of the keys; its objects are queued whenever they change. Kind NULL: of any kind, and keys are uids (ns "", name
	 * the uid), as the garbage collector wants it.
	 */
	const char *api_version, *kind;
	/* Is the change worth a turn? NULL: every one is. */
	bool (*wants)(enum event_type type, const struct object *old, const struct object *now);
	void (*sync)(struct turn *t);
	/* A creation was refused, @why: may say so in the object's status. The turn goes on failing. May be NULL. */
	void (*refused)(struct turn *t, const struct status *why);
	/* Other kinds it must hear of, ended by one without a version; `event` queues what is affected. */
	struct controller_watch {
		const char *api_version, *kind; /* kind NULL: every kind */
		void (*event)(struct controller *c, enum event_type type, const struct object *old,
			const struct object *now);
	} watches[6];
	/* Frees what is in *controller_kept(). NULL: nothing is kept. */
	void (*drop)(void *kept);
};

/* Queues the controller of an object, when it is of the controller's own kind. For watches of dependents. */
void controller_queue_owner(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now);

void controller_queue(struct controller *c, const char *ns, const char *name);
void controller_queue_object(struct controller *c, const struct object *o);
/* Queues every object of the controller's kind in @ns (NULL: anywhere) of which @wants is true. */
void controller_queue_where(struct controller *c, const char *ns,
	bool (*wants)(const struct object *o, const void *arg), const void *arg);

struct registry *controller_registry(const struct controller *c);
const struct caller *controller_caller(const struct controller *c); /* as whom it acts */
void **controller_kept(
	struct controller *c); /* the type's own: what it has seen that no object says; NULL at first */

/*
 * @context: what the controller is told of the cluster, or NULL; borrowed, each turn has it. 0 or -errno; -ENOENT: the tables lack
 * a kind it needs (logged). Turns begin when the loop runs.
 */
must_check int controller_start(struct controller **out, struct registry *r,
	const struct controller_type *type, const struct cluster_context *context);
void controller_stop(struct controller *c); /* before the registry is closed; accepts NULL */

/* One key's turn. */
struct turn {
	struct controller *c;
	struct registry *r;
	const char *ns, *name;
	const struct object *object; /* held for the whole turn; NULL: it is gone */
	yyjson_val *root;	     /* of object, parsed; NULL when gone */
	const struct cluster_context *context;
	int64_t now_s; /* the wall clock at the beginning of the turn */
};

/*
 * Writes of a turn. The controller does not hear of their answers; it sees them in the view at its next turn. @doc is taken.
 * What is not found any more, and what exists already, is no failure.
 */
void turn_create(struct turn *t, const struct schema_kind *kind, const char *ns, yyjson_mut_doc *doc);
void turn_delete(struct turn *t, const struct object *o, const struct delete_options *opts);
/* As registry_modify(), on the newest state; @fn is given @arg, which is freed after the answer. */
void turn_modify(
	struct turn *t, const struct object *o, const char *subresource, registry_modifier *fn, void *arg);
/* The same; @then hears the answer, and may start other writes of the turn. */
void turn_modify_then(struct turn *t, const struct object *o, const char *subresource, registry_modifier *fn,
	void *arg, void (*then)(struct turn *t, const struct status *error, void *arg));
/*
 * Sets the member @key of the object (or of its status, when @subresource is "status") to @value, unless it is equal to
 * that already. @value is copied.
 */
void turn_set(struct turn *t, const struct object *o, const char *subresource, const char *key,
	yyjson_mut_val *value);

/* Takes @finalizer out of the object's @part.finalizers: "metadata", or a Namespace's "spec" through "finalize". */
void turn_remove(struct turn *t, const struct object *o, const char *subresource, const char *part,
	const char *finalizer);

/* The turn's object has another turn in @ms, unless one comes earlier. */
void turn_again_in(struct turn *t, int64_t ms);
/* Something failed that is no write: the turn is tried again with back-off. */
void turn_failed(struct turn *t);

/* An event about @about in this controller's name (event.h). */
void turn_event(struct turn *t, const struct object *about, bool warning, const char *reason,
	const char *format, ...) printf_like(5, 6);

/* ---- small helps that several controllers need */

/* A new document with apiVersion and kind. NULL: no memory. */
yyjson_mut_doc *new_object(const struct schema_kind *kind);
/* metadata.ownerReferences = [@owner as controller]. false: no memory. */
must_check bool set_controller(yyjson_mut_doc *doc, yyjson_mut_val *object, const struct object *owner);

/*
 * A short hash of a value, for names: letters that make no words, as generated names have. @salt: another hash of the
 * same, when the first is taken. false: no memory.
 */
enum { HASH_MAX = 16 };
must_check bool value_hash(yyjson_val *value, int64_t salt, char out[static HASH_MAX]);

/* Seconds of a RFC 3339 text; 0 when absent or not one. */
int64_t time_of(yyjson_val *v);

#endif
