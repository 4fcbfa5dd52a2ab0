/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_CHECK_INT_H
#define CLUSTER_CHECK_INT_H

/*
 * What named checks are given and how they complain: what the kinds' files call check=NAME is check_NAME().
 * Paths are relative to the value that is checked, with their dot or bracket: ".name", "[2].port".
 */

#include <yyjson.h>

#include "cluster/schema/path_int.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "cluster/schema/validate.h"

struct check {
	struct field_errors *errors;
	const struct path *path; /* of the value */
	const struct schema_kind *kind;
	yyjson_mut_val *object, *old_object; /* the whole; old_object NULL: it is created */
	enum validate_scope scope;
};

void check_error(struct check *c, enum field_error_type type, yyjson_mut_val *value, const char *relative,
	const char *format, ...) printf_like(5, 6);
/* Unsupported value, with what would be supported. */
void check_not_supported(
	struct check *c, yyjson_mut_val *value, const char *relative, const char *const *supported);
/* FIELD_INVALID with upstream's sentence unless @v is a text of the format (enum schema_format). */
void check_format(struct check *c, yyjson_mut_val *v, const char *relative, int format);

/* A relative path made when it is needed, in storage of the calling block. */
const char *check_relative(char buf[static 192], const char *format, ...) printf_like(2, 3);
#define REL(...) check_relative((char[192]){0}, __VA_ARGS__)

/* Members of @o that are there, out of NULL-terminated names; *which is the last of them. */
size_t check_count(yyjson_mut_val *o, const char *const *names, const char **which);
/* 0 or 1 of the two is true; texts and numbers of members, 0 and "" when absent. */
static inline const char *text_of(yyjson_mut_val *o, const char *key)
{
	return yyjson_mut_get_str(yyjson_mut_obj_get(o, key)) ?: "";
}
static inline int64_t int_of(yyjson_mut_val *o, const char *key)
{
	return yyjson_mut_get_sint(yyjson_mut_obj_get(o, key));
}

/* What makes an item of a list the same as an earlier one, and how that is said (check_twice.c). */
struct check_once {
	const char *const
		*keys; /* CHECK_KEYS of an object, all of which are equal; NULL: the whole item is */
	enum check_empty {
		CHECK_EMPTY_IS_NONE,	/* an item whose first key is "", 0 or not there is passed over */
		CHECK_EMPTY_IS_ABSENT,	/* such ones are alike */
		CHECK_EMPTY_IS_A_VALUE, /* "" is another one than none; the only one without keys */
	} empty;
	enum field_error_type type;
	const char *member; /* that is complained of; NULL: the item */
	const char *why;    /* NULL: nothing more */
};
struct check_list {
	yyjson_mut_val *items; /* NULL for none */
	const char *where;     /* ".ports" */
};
/* Complains of each item that is there before, in its list or in an earlier one. */
void check_once(
	struct check *c, const struct check_list *lists, size_t n_lists, const struct check_once *rule);
/* No two items of a list at @where have one name (check_devices.c). */
void check_names_once(struct check *c, yyjson_mut_val *list, const char *where);
#define CHECK_KEYS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Items that are there twice, by the keys of their rules or, without such, whole. */
void check_twice(struct check *c, yyjson_mut_val *list, const struct schema_rules *r);

/* Names among which others are looked up (check_names.c). Zeroed is empty; the names are borrowed. */
struct check_names {
	const char **names;
	size_t n, room;
	bool sorted, no_memory;
};
void check_names_add(struct check_names *s, const char *name);
bool check_names_has(struct check_names *s, const char *name);
void check_names_fini(struct check *c, struct check_names *s); /* tells the errors of missing memory, too */

/* A LabelSelector against labels, as controllers will read it. */
bool check_selects(yyjson_mut_val *selector, yyjson_mut_val *labels);

/* The name of an attribute or capacity of devices, [DOMAIN/]NAME (check_device_slice.c). NULL, or why it is none. */
const char *check_device_name(const char *text, size_t len);

/* An address to which traffic may be sent by somebody's word: not loopback's, a link's or none (check_address.c). */
void check_reachable(struct check *c, yyjson_mut_val *v, const char *where);

/* Is the text an `expression` somewhere in what was there before? Another version may have accepted what is wrong with it. */
bool check_had_expression(yyjson_mut_val *before, yyjson_mut_val *text);
/* matchConditions of a webhook or a policy (check_webhook.c), whose expressions may use @names. Types of those in @before may stay wrong. */
void check_conditions(
	struct check *c, yyjson_mut_val *list, yyjson_mut_val *before, const char *const *names);

/* The texts and wishes of a pod's spec that stand in check_pod_fields.c. */
void check_pod_fields(struct check *c, yyjson_mut_val *spec);
/* check_pod_resources.c: resources of the pod as a whole, and how those of its containers go with them. */
void check_pod_resources(struct check *c, yyjson_mut_val *spec);
/* check_pod_update.c: what may change of a pod, and of its ephemeral containers (pods/ephemeralcontainers). */
void check_pod_update(struct check *c, yyjson_mut_val *pod, yyjson_mut_val *old);
void check_pod_ephemeral(struct check *c, yyjson_mut_val *pod, yyjson_mut_val *old);
/* Of affinity, only that to nodes may change. Either may be NULL. */
bool check_affinity_may_change(yyjson_mut_val *now, yyjson_mut_val *before);
/* Are two lists of objects the same but for that member of each? */
bool check_only_differ(yyjson_mut_val *a, yyjson_mut_val *b, const char *member);
/* check_resize.c: resizePolicy of each container; what a write of pods/resize may change. */
void check_resize_policies(struct check *c, yyjson_mut_val *spec);
void check_resize(struct check *c, yyjson_mut_val *pod, yyjson_mut_val *old);

/* A custom resource against its definition's schema (validate_custom.c), and, when that holds, against its rules. */
void check_custom(
	struct check *c, const struct schema_type *type, yyjson_mut_val *object, yyjson_mut_val *old);

#endif
