/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_REGISTRY_INT_H
#define CLUSTER_REGISTRY_INT_H

/*
 * The inside of the registry: registry.c opens it and reads, history.c keeps what happened and tells who listens, list.c
 * makes pages, write.c and delete.c change, meta.c knows what a write may do to metadata, admission.c lists the rules.
 */

#include "cluster/extensions/extensions.h"
#include "cluster/policies/policies.h"
#include "cluster/registry/index.h"
#include "cluster/registry/registry.h"
#include "cluster/registry/watch_index.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/selector.h"
#include "cluster/schema/status.h"
#include "cluster/store/store.h"
#include "cluster/webhooks/conversion.h"
#include "cluster/webhooks/forms.h"
#include "cluster/webhooks/webhooks.h"
#include "lib/loop.h"

/* Something happened. Numbered without gaps; those of one kind are chained. */
struct event {
	int64_t revision;
	int64_t at_ms; /* of loop_now_ms() */
	uint64_t next; /* number of the next one of this kind; 0: none yet */
	struct view *view;
	struct object *old, *now; /* held; old NULL: added */
	struct object *
		gone; /* held; old at this revision, for watchers it went out of sight of; made when asked for */
	enum event_type type;
};

/* All objects of one stored kind. */
struct view {
	const struct schema_kind *kind;
	struct index objects;
	uint64_t first, last;	     /* numbers of its oldest and newest event in the history; 0: none */
	uint64_t dropped;	     /* number of its newest event that fell out */
	int64_t floor;		     /* the oldest revision a watch can go on from */
	struct watcher *watchers;    /* those that may care for every event */
	struct watch_index by_field; /* those that demand a value of a field */
	struct informer *informers;
	size_t prefix_len;
	char prefix[]; /* "deployments.apps/" */
};

struct registry {
	struct loop *loop;
	struct store *store;
	int64_t revision;
	struct registry_options opts;
	bool closing;

	struct view **views; /* in order of prefixes */
	size_t n_views;
	struct index by_uid; /* uid -> object */
	struct index owned;  /* uid of an owner, 0x01, key -> object; keys are ours */

	/* history.c */
	struct event *ring; /* room is a power of two */
	uint64_t oldest, next;
	size_t ring_room, ring_bytes;
	int64_t aged;		    /* revision of the newest event that fell out for its age */
	struct informer *informers; /* of all kinds */
	struct informer **telling;  /* where the walk over informers is */
	struct watcher *dirty;
	struct loop_task tell;

	struct services *services;     /* services.h */
	struct webhooks *webhooks;     /* webhooks/webhooks.h */
	struct policies *policies;     /* policies/policies.h */
	struct extensions *extensions; /* extensions/extensions.h */
	struct custom *custom;	       /* custom.c */
	struct pending *pending;       /* read from the store, of a kind that is not known yet */
	struct access *access;	       /* borrowed; NULL: nobody is asked */
	struct op *ops;		       /* writes on their way */
};

/* registry.c */
struct view *registry_view(
	const struct registry *r, const struct schema_kind *kind); /* NULL: not a stored kind */
/* A kind that came at run time; objects of it that were read before are in now. 0 or -ENOMEM. */
int registry_add_view(struct registry *r, const struct schema_kind *kind);

/* custom.c: from here on definitions are served. 0 or -ENOMEM. */
must_check int custom_open(struct custom **out, struct registry *r);
void custom_close(struct custom *c); /* accepts NULL */
/* Out of memory in the middle of an event: the view would differ from the store. The process ends and begins again. */
void registry_broken(struct registry *r, const char *what);
/* malloc'ed */
char *registry_key(const struct view *v, const char *ns, const char *name);

/* history.c */
int history_open(struct registry *r);
void history_close(struct registry *r);
/* Takes @old and @now. */
void history_add(
	struct registry *r, struct view *v, enum event_type type, struct object *old, struct object *now);
/* Does the history, of this kind and in time, go back to @revision? */
static inline bool history_reaches(const struct registry *r, const struct view *v, int64_t revision)
{
	return revision >= v->floor && revision >= r->aged;
}
static inline struct event *history_at(const struct registry *r, uint64_t number)
{
	return &r->ring[number & (r->ring_room - 1)];
}

bool object_matches(
	const struct object *o, const char *ns, const struct selector *labels, const struct selector *fields);

/* meta.c: what a write may do to metadata and which part of the object it is about */
struct status *meta_for_create(struct attempt *a);
/* @old: as a document of its own; @expect as in write_options; *conditional: a conflict is the client's to solve. */
struct status *meta_for_update(struct attempt *a, yyjson_mut_val *old, int64_t expect, bool *conditional);
/* Only what the subresource is about changes; the rest is as before. @old NULL: it is created, and has no status yet. */
struct status *meta_restrict(struct attempt *a, yyjson_mut_val *old);
/*
 * resize.c: of what a pod's containers are, a resize says their resources and resizePolicy only; containers that are others than
 * before are left for validation to refuse.
 */
struct status *resize_restrict(struct attempt *a, yyjson_mut_val *old);
/* metadata.generation: one more when what it counts differs. */
struct status *meta_generation(struct attempt *a, yyjson_mut_val *old);
/* Nothing but times of managed fields differs. */
bool meta_unchanged(yyjson_mut_val *a, yyjson_mut_val *b);
/* Marked as deleted, and nothing keeps it any more. */
bool meta_finished(const struct attempt *a);

/* admission.c */
struct status *admission_change(struct attempt *a);
struct status *admission_assign(struct attempt *a);
struct status *admission_check(struct attempt *a, size_t *checked);
/* Does a rule want the document once more when the attempt is settled? */
bool admission_looks_again(const struct attempt *a);
void admission_settled(struct attempt *a, size_t checked, bool written);

/*
 * A write on its way, from the call to the answer. write.c and delete.c say how it is tried; op.c carries it to the store and
 * the answer back.
 */
struct op {
	struct registry *r;
	struct op *next, **prev; /* in r->ops */
	struct loop_task task;
	struct view *view;
	const struct schema_kind *kind;		 /* as the caller named it */
	struct caller *who;			 /* owned */
	char *ns, *name, *subresource, *manager; /* owned; name NULL: to be generated */
	bool dry_run, applied, may_create;
	bool as_asked; /* a webhook makes the stored version of the one that is asked for */
	int64_t expect;
	void (*warn)(const char *text, void *arg);
	void *warn_arg;
	struct delete_options deletion; /* uid is ours */
	yyjson_mut_doc *given;		/* owned: what the client sent, for another try */
	registry_modifier *fn;
	void (*attempt_fn)(struct op *op); /* tries, again after a conflict */
	registry_done *done;
	registry_deleted *deleted;
	void *arg;
	unsigned tries;
	int64_t patient_until; /* of loop_now_ms(); 0: has not waited yet */

	/* this try */
	struct attempt attempt; /* its doc is owned */
	size_t checked;
	unsigned looked;    /* how many of attempt.changes the server's rules have seen */
	struct object *old; /* held; in the version of the write */
	bool stale;	    /* it is stored in another version than new objects are */
	struct conversion *converting;
	struct form_making *forming;
	struct object **converted;	/* where what it makes goes; held there */
	struct object *made;		/* held: the new object in the version that is stored */
	yyjson_doc *old_doc;		/* owned: of old, parsed once for all that a try asks of it */
	yyjson_mut_doc *before;		/* owned: old, to compare with */
	struct webhook_run *asked;	/* is waited for */
	void (*step)(struct op *op);	/* after it, or after waiting */
	struct loop_timer timer;	/* waits for what a controller makes */
	char *key, *json;		/* owned; json NULL: it is removed */
	const struct schema_kind *into; /* what json is one of */
	size_t json_len;
	bool conditional;

	struct status *error; /* owned */
	struct object *answer;
	bool gone;
};

/* op.c */
struct op *op_new(struct registry *r, const struct caller *who, const struct schema_kind *kind,
	const char *ns, const char *name, const struct write_options *opts);
void op_start(struct op *op); /* op NULL, or incomplete for lack of memory: it is answered all the same */
/* The try has led to this: @error or @answer, both taken. From inside a try only. */
void op_answer(struct op *op, struct status *error, struct object *answer, bool gone);
/*
 * Asks the policies and webhooks that are concerned; unless they refuse, @step follows, at once when
 * there is nobody to wait for. @rules: of those that change, what comes between their two rounds, with @op; NULL: nothing.
 */
void op_ask(struct op *op, enum webhook_phase phase, webhook_rules *rules, void (*step)(struct op *op));
/* @o in another version of its definition, which its webhook makes, in *into, in the place of what is held there; then @step. */
void op_convert(struct op *op, struct object *o, const struct schema_kind *to, struct object **into,
	void (*step)(struct op *op));
/* @step once more in a moment; false when that moment has come often enough, or for lack of memory. */
bool op_wait(struct op *op, void (*step)(struct op *op));
/* Hands op->json (NULL: a removal) to the store, or pretends to. */
void op_write(struct op *op, int64_t expect);
void ops_close(struct registry *r);

#endif
