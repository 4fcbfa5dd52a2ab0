/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_REGISTRY_H
#define CLUSTER_REGISTRY_H

/*
 * The verbs on objects, and the view they stand on: everything in the store, in memory, at one revision. The HTTP
 * API, the controllers and the scheduler use these calls and nothing below them.
 *
 * Reading is immediate. Writing is asynchronous: the new object is computed against the view, handed to the store with
 * the revision it replaces, and answered when it is durable; by then the view has it and every informer was told. A
 * callback of an answer is never called from inside the call that asked, and is called exactly once, unless the registry
 * is closed before.
 *
 * A `struct status` that is handed out is the callee's to free (status_free()); one that an answer shows lives for the
 * duration of the callback. NULL is success. It has the code, reason, message and causes that clients of Kubernetes know.
 */

#include <yyjson.h>

#include "lib/util.h"
#include "cluster/registry/object.h"

struct schema_kind;
struct loop;
struct access;	     /* access/access.h */
struct attempt_form; /* webhooks/forms.h */
struct registry;
struct selector; /* schema/selector.h */
struct status;	 /* schema/status.h */
struct store;

/* ---- who asks */

struct caller_extra {
	const char *key;
	const char *const *values;
	size_t n_values;
};

/* Borrowed for the duration of a call; the registry copies what it keeps. */
struct caller {
	const char *user; /* system:serviceaccount:NS:NAME, system:node:NAME, a certificate's CN... */
	const char *uid;  /* "" when unknown */
	const char *const *groups;
	size_t n_groups;
	const struct caller_extra *extra;
	size_t n_extra;
};

bool caller_in_group(const struct caller *c, const char *group);

/* The control plane itself: user system:apiserver in system:masters. */
extern const struct caller caller_self;

/* ---- coming up */

struct registry_options {
	struct loop *loop;
	const char *data_dir;		  /* NULL: everything in memory */
	const char *service_cidr;	  /* ClusterIPs; NULL: 10.96.0.0/12 */
	int node_port_min, node_port_max; /* 0: 30000-32767 */
	size_t history_bytes;		  /* of replaced objects kept for watches and paged lists; 0: 8 MiB */
	size_t history_events;		  /* 0: 16384 */
	int64_t history_ms;		  /* 0: five minutes */
};

/* Opens the store, reads it whole, and is ready to answer. @why: malloc'ed reason of a failure. 0 or -errno. */
must_check int registry_open(struct registry **out, const struct registry_options *opts, char **why);
void registry_close(
	struct registry *r); /* accepts NULL; what was accepted is made durable, nobody is answered */

struct loop *registry_loop(const struct registry *r);
struct store *registry_store(const struct registry *r);
int64_t registry_revision(const struct registry *r); /* what the view is at */

/* No write is on its way. */
bool registry_idle(const struct registry *r);

/* Who may what, for rules of admission that ask (access.h sets it while it is open); NULL: nobody is asked. */
void registry_set_access(struct registry *r, struct access *a);
struct access *registry_access(const struct registry *r);
/* Who is asked about writes (webhooks/webhooks.h). */
struct webhooks *registry_webhooks(const struct registry *r);
/* What rules they have to keep (policies/policies.h). */
struct policies *registry_policies(const struct registry *r);
/* Who serves what this server does not (extensions/extensions.h). */
struct extensions *registry_extensions(const struct registry *r);

/* ---- reading */

/* The object in the view, borrowed until the loop turns: object_ref() to keep it. NULL: there is none. @ns: "" for none. */
const struct object *registry_get(
	const struct registry *r, const struct schema_kind *kind, const char *ns, const char *name);

/*
 * Every object of a kind in the order of keys; @ns NULL or "": of all namespaces. fn returns false to stop. The view does
 * not change meanwhile.
 */
void registry_each(const struct registry *r, const struct schema_kind *kind, const char *ns,
	bool (*fn)(const struct object *o, void *arg), void *arg);
size_t registry_count(const struct registry *r, const struct schema_kind *kind);

/* Every object one of whose owners has this uid, whatever its kind. */
void registry_each_owned(
	const struct registry *r, const char *uid, bool (*fn)(const struct object *o, void *arg), void *arg);
/* The object with this uid, whatever its kind, or NULL. */
const struct object *registry_by_uid(const struct registry *r, const char *uid);

enum registry_match { MATCH_UNSET, MATCH_NOT_OLDER, MATCH_EXACT };

struct list_options {
	const char *ns;		       /* NULL or "": all */
	const struct selector *labels; /* NULL: all */
	const struct selector *fields; /* NULL: all */
	uint64_t limit;		       /* 0: none */
	const char *continue_token;    /* NULL or "": from the first */
	int64_t revision;	       /* resourceVersion; -1: not given; 0: any */
	enum registry_match match;     /* resourceVersionMatch */
};

struct list {
	struct object **items; /* held */
	size_t n;
	int64_t revision;     /* metadata.resourceVersion of the list */
	char *continue_token; /* owned; NULL: this is the last page */
	int64_t remaining;    /* metadata.remainingItemCount; -1: unknown, as with selectors */
};

/**
 * registry_list() - one page
 *
 * A page that continues another shows the state of the first page, from history. Return: NULL, or an error: 400 for a token
 * that is none, 410 Expired when the history is too short (with a token to go on inconsistently, as upstream), 504 when
 * @revision has not happened.
 */
must_check struct status *registry_list(const struct registry *r, const struct schema_kind *kind,
	const struct list_options *o, struct list *out);
void list_fini(struct list *l);

/* ---- being told */

enum event_type { EVENT_ADDED, EVENT_MODIFIED, EVENT_DELETED };

/*
 * An informer: told of every change of a kind, from inside the event, in order of revision. On subscribing it is told of
 * every object there is as ADDED, before registry_inform() returns. @old is NULL for ADDED; for DELETED @now is the last
 * state, at the revision of the deletion. It may call anything but registry_uninform() of another.
 */
struct informer {
	const struct schema_kind *kind; /* NULL: all kinds */
	void (*event)(
		struct informer *i, enum event_type type, const struct object *old, const struct object *now);
	struct informer *next; /* the registry's own */
	struct registry *registry;
};

void registry_inform(struct registry *r, struct informer *i);
void registry_uninform(struct informer *i); /* idempotent; safe inside its own callback */

/*
 * A watcher: a cursor in the history, for clients that may be slow. It holds no events, so a slow one costs nothing but may
 * fall off the end. `ready` says there may be more; the owner then calls watcher_next() until it has nothing, as far as
 * its peer takes it.
 */
struct watcher;

/*
 * sendInitialEvents. Unset: the objects there are come first when `revision` is 0 or not given. YES: they always do, and
 * WATCH_SYNCED ends them. NO: they never do.
 */
enum watch_initial { WATCH_INITIAL_UNSET, WATCH_INITIAL_YES, WATCH_INITIAL_NO };

struct watch_options {
	const char *ns; /* NULL or "": all */
	const struct selector *labels,
		*fields; /* owned by the watcher from here on, also on failure; may be NULL */
	int64_t revision; /* -1: not given; 0: any: both begin with the objects there are; else what follows it */
	enum watch_initial initial;
	void (*ready)(struct watcher *w, void *arg);
	void *arg;
};

enum watch_type { WATCH_NOTHING, WATCH_ADDED, WATCH_MODIFIED, WATCH_DELETED, WATCH_SYNCED, WATCH_EXPIRED };

/* NULL, or an error: 410 Expired. */
must_check struct status *registry_watch(struct watcher **out, struct registry *r,
	const struct schema_kind *kind, const struct watch_options *o);

/*
 * The next event. *object is held for the caller with ADDED, MODIFIED and DELETED; *revision is where the watch is now, for
 * bookmarks too. WATCH_EXPIRED: it was too slow; nothing follows.
 */
enum watch_type watcher_next(struct watcher *w, struct object **object, int64_t *revision);
void watcher_free(struct watcher *w); /* accepts NULL; safe inside `ready` */

/* ---- writing */

/*
 * The version of @kind in which writes are given and modifiers see objects: the one that is stored, or, when a webhook of the
 * definition makes one of the other, @kind itself; then the registry waits for that webhook.
 */
const struct schema_kind *registry_written_as(const struct registry *r, const struct schema_kind *kind);

/*
 * @object is borrowed; with an error it is NULL. For a deletion it is what is left (still being deleted), or the last state
 * when it is gone (@gone of delete_done).
 */
typedef void registry_done(const struct status *error, const struct object *object, void *arg);

struct write_options {
	const char
		*subresource; /* NULL; "status", "finalize", "approval", "ephemeralcontainers", "resize"... */
	const char *field_manager;
	bool dry_run;
	bool applied; /* the document has its managedFields already: server-side apply */
	/* Told of each warning for the client, during the call and until the answer. May be NULL. */
	void (*warn)(const char *text, void *arg);
	void *warn_arg;
	/* update: the revision it must have, 0: as it is in the document's metadata; patch, modify: 0 */
	int64_t expect;
};

/**
 * registry_create()
 * @doc:	the decoded object; taken, also on failure. metadata.name, or generateName
 * @ns:		"" for a kind without namespaces
 * @opts:	may be NULL
 */
void registry_create(struct registry *r, const struct caller *who, const struct schema_kind *kind,
	const char *ns, yyjson_mut_doc *doc, const struct write_options *opts, registry_done *done,
	void *arg);

/*
 * A PUT: with metadata.resourceVersion in @doc it is refused with 409 when the object has another; without, it replaces
 * whatever is there. @doc is taken.
 */
void registry_update(struct registry *r, const struct caller *who, const struct schema_kind *kind,
	const char *ns, const char *name, yyjson_mut_doc *doc, const struct write_options *opts,
	registry_done *done, void *arg);

/*
 * What a change does to the newest object: changes *doc, or replaces it (freeing the old). Called again, with the newer
 * object, after a conflict. @old is NULL when there is none (only with `may_create`). MODIFY_NOTHING: answer with the
 * object as it is. MODIFY_FAIL: *error says why; NULL: no memory.
 */
enum modify { MODIFY_WRITE, MODIFY_NOTHING, MODIFY_FAIL };
typedef enum modify registry_modifier(
	const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg);

/**
 * registry_modify() - read, change, write, again on conflict
 * @may_create:	as server-side apply does
 * @fn:		called from inside, and from the loop until the answer; @arg must live until then
 *
 * How controllers write (with subresource "status" for status), and what patches are made of. @done gets the same @arg.
 * A change that changes nothing is not written.
 */
void registry_modify(struct registry *r, const struct caller *who, const struct schema_kind *kind,
	const char *ns, const char *name, bool may_create, registry_modifier *fn,
	const struct write_options *opts, registry_done *done, void *arg);

enum propagation { PROPAGATE_DEFAULT, PROPAGATE_BACKGROUND, PROPAGATE_FOREGROUND, PROPAGATE_ORPHAN };

struct delete_options {
	int64_t grace_seconds; /* -1: the object's own */
	const char *uid;       /* preconditions; NULL: none */
	int64_t revision;      /* 0: none */
	enum propagation propagation;
	bool dry_run;
	bool asked; /* webhooks were, about the eviction that this is; nobody is asked again */
	void (*warn)(const char *text, void *arg);
	void *warn_arg;
};

/* Why these options do not mean @o, whose kind may be asked for in another version, @kind; NULL: they do. */
must_check struct status *delete_precondition(
	const struct schema_kind *kind, const struct object *o, const struct delete_options *d);

/* @gone: it is out of the store; else it is only marked, and finalizers or its node finish it. */
typedef void registry_deleted(const struct status *error, const struct object *object, bool gone, void *arg);

void registry_delete(struct registry *r, const struct caller *who, const struct schema_kind *kind,
	const char *ns, const char *name, const struct delete_options *opts, registry_deleted *done,
	void *arg);

/* Deletes what the list shows; @done gets the first error, if any. The list is the caller's. */
void registry_delete_all(struct registry *r, const struct caller *who, const struct schema_kind *kind,
	const struct list *list, const struct delete_options *opts,
	void (*done)(const struct status *error, void *arg), void *arg);

/* ---- admission */

/* ADMIT_CONNECT is nothing that is written: only webhooks hear of it. */
enum admit_verb { ADMIT_CREATE, ADMIT_UPDATE, ADMIT_DELETE, ADMIT_CONNECT };

/* A write on its way. */
struct attempt {
	struct registry *registry;
	const struct caller *who;
	const struct schema_kind *kind;	 /* as it is stored */
	const struct schema_kind *asked; /* as the client named it; NULL: the same */
	enum admit_verb verb;
	const char *ns, *name;	 /* name "" while generateName has not been used */
	const char *subresource; /* "" for the object itself */
	bool dry_run;
	bool foreign; /* doc is no resource: what one connects with, or (ADMIT_CREATE) an Eviction */
	const struct object *old; /* NULL for a creation */
	yyjson_mut_doc *doc;	  /* the object to be; NULL for a deletion; changed in place by `change` */
	yyjson_mut_val *root;	  /* of doc */
	unsigned changes;	  /* how often policies and webhooks have made another of it */
	void (*warn)(const char *text, void *arg); /* attempt_warn() */
	void *warn_arg;
	struct attempt_form *forms; /* webhooks/forms.h */
	bool early; /* set by a `change` that refuses: a controller is about to make what is missing */
};

void attempt_warn(const struct attempt *a, const char *text);

/*
 * A rule of admission. In order of the table first every `change`, then policies and webhooks that change; if they have changed
 * it, every `change` once more, which makes nothing else of what it has made (again_test.c), then those policies and webhooks that want
 * to see it again, and after what they change every `change` for the last time; every `assign`, defaults and validation of the kind,
 * policies and webhooks that judge, then every `check`. An attempt that is tried again begins again, and one that came early has its
 * changes made again, for seconds at most, before the refusal is the answer. `settled` is called once for each attempt whose `check`
 * was called, when it was written or has failed, so that what it reserved can be given back.
 */
struct admission {
	const char *name;
	struct status *(*change)(struct attempt *a);
	struct status *(*assign)(struct attempt *a); /* what depends on all that others have made of it */
	struct status *(*check)(const struct attempt *a);
	void (*settled)(const struct attempt *a, bool written);
};

/* In the order of their places in admission.c, where each room's rules are listed: */
extern const struct admission *const admissions[]; /* NULL-terminated */

#endif
