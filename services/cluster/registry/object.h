/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_OBJECT_H
#define CLUSTER_OBJECT_H

/*
 * An object of the cluster at one revision: its bytes as they are sent, and beside them, parsed, what lists, selectors and
 * controllers ask for. Immutable, counted, never changed once it is seen: an update is another object. Whoever keeps one
 * longer than the call that showed it takes a reference.
 */

#include <yyjson.h>

#include "lib/util.h"

struct schema_kind;

struct object_pair {
	const char *key, *value;
};

/* metadata.ownerReferences */
struct object_owner {
	const char *api_version, *kind, *name, *uid;
	bool controller, block_deletion;
};

struct object {
	unsigned refs;
	const struct schema_kind *kind;
	int64_t revision; /* metadata.resourceVersion */
	const char *key;  /* in the store and in every list's order: RESOURCE[.GROUP]/[NAMESPACE/]NAME */
	const char *name;
	const char *ns; /* "" for what has no namespace */
	const char *uid;
	int64_t generation;
	const char *created;	/* metadata.creationTimestamp as written; NULL: none */
	const char *deleted;	/* metadata.deletionTimestamp as written; NULL: not being deleted */
	int64_t deletion_grace; /* metadata.deletionGracePeriodSeconds; -1: none */
	const struct object_pair *labels;
	size_t n_labels;
	const struct object_pair
		*fields; /* selectable ones of the kind, besides metadata.name and .namespace */
	size_t n_fields;
	const struct object_owner *owners;
	size_t n_owners;
	const char *const *finalizers;
	size_t n_finalizers;
	const char *json; /* compact, NUL-terminated, with kind, apiVersion and resourceVersion inside */
	size_t json_len;
};

static inline struct object *object_ref(const struct object *o)
{
	struct object *held = (struct object *)(uintptr_t)o;

	held->refs++;
	return held;
}

void object_unref(struct object *o); /* accepts NULL */

static inline void object_unrefp(struct object **o)
{
	object_unref(*o);
}

/* The value of a label; NULL: it has none of that name. */
const char *object_label(const struct object *o, const char *key);
/* The same, as selector_matches() asks. */
const char *object_label_of(const void *object, const char *key);
/* One of its selectable fields, metadata.name and metadata.namespace among them; "" when it has no such. */
const char *object_field(const struct object *o, const char *path);
/* The owner with controller: true, or NULL. */
const struct object_owner *object_controller(const struct object *o);
bool object_has_finalizer(const struct object *o, const char *finalizer);

/* The object as a document of its own, to look at or to start a change from; NULL: no memory. */
must_check yyjson_doc *object_doc(const struct object *o);
must_check yyjson_mut_doc *object_mut_doc(const struct object *o);

/**
 * object_new() - from stored bytes
 * @json:	as object_encode() wrote it; borrowed
 * @revision:	is put in as the resource version
 *
 * Return: 0, -EINVAL for bytes that are not such an object, or -ENOMEM.
 */
must_check int object_new(struct object **out, const struct schema_kind *kind, const char *key,
	const char *json, size_t len, int64_t revision);

/* The object that a document describes, which stays as it is. @key: in the place of the store's. */
must_check int object_of(struct object **out, const yyjson_mut_doc *doc, const struct schema_kind *kind,
	const char *key, int64_t revision);

/* Are these stored bytes those of an object of this kind and version? */
bool object_is_of(const struct schema_kind *kind, const char *json, size_t len);

/* Are these stored bytes what @o shows, its resource version aside? */
bool object_same(const struct object *o, const char *json, size_t len);

/* @o with another resource version, as the event of its deletion shows it. */
must_check int object_at(struct object **out, const struct object *o, int64_t revision);

/*
 * The bytes to store, malloc'ed: compact, kind and apiVersion and then metadata first, its resource version left open. The
 * document is put in this order on the way. NULL: no memory.
 */
must_check char *object_encode(yyjson_mut_doc *doc, const struct schema_kind *kind, size_t *len);

#endif
