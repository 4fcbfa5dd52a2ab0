/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_STATUS_H
#define CLUSTER_STATUS_H

/*
 * What the API answers instead of an object: metav1.Status, with the codes, reasons and sentences that users
 * of kubectl know. Functions of this room that can refuse return a status: NULL is success, anything else
 * belongs to the caller.
 */

#include <yyjson.h>

#include "lib/util.h"

struct schema_kind;

struct status_cause {
	const char *reason;    /* constant, or NULL */
	char *message, *field; /* owned; field may be NULL */
};

struct status {
	int code;	    /* of HTTP */
	const char *reason; /* constant: "NotFound"; "" for success */
	char *message;	    /* owned */
	/* details; NULL or 0: absent */
	char *name, *group, *kind, *uid;
	int retry_after_seconds;
	struct status_cause *causes;
	size_t n_causes;
};

void status_free(struct status *s); /* accepts NULL */
static inline void statusp(struct status **s)
{
	status_free(*s);
}

/* Never NULL: without memory it is a constant status that says so. */
never_null struct status *status_new(int code, const char *reason, const char *format, ...) printf_like(3, 4);
/* Details and causes; without memory they are left out. Everything is copied except @reason. */
void status_set_details(
	struct status *s, const char *group, const char *kind, const char *name, const char *uid);
void status_add_cause(struct status *s, const char *reason, const char *message, const char *field);

/* {"kind":"Status","apiVersion":"v1",...}; malloc'ed. NULL: no memory. */
char *status_json(const struct status *s, size_t *len);
yyjson_mut_val *status_value(const struct status *s, yyjson_mut_doc *doc);
/* The Success status of a deletion: details name the object. malloc'ed, or NULL. */
char *status_success_json(const struct schema_kind *k, const char *name, const char *uid, size_t *len);

/*
 * The sentences. @resource and @kind are as schema_resource_name() and schema_kind_name() have them; details
 * are filled. status_unknown_path() is for a URL, or a resource, that nobody serves.
 */
never_null struct status *status_not_found(const struct schema_kind *k, const char *name);
never_null struct status *status_already_exists(const struct schema_kind *k, const char *name);
/* "Operation cannot be fulfilled on pods "a": WHY" */
never_null struct status *status_conflict(const struct schema_kind *k, const char *name, const char *why);
/*
 * status_conflict() with "the object has been modified; please apply your changes to the latest version and
 * try again"
 */
never_null struct status *status_modified(const struct schema_kind *k, const char *name);
never_null struct status *status_unknown_path(void);
never_null struct status *status_bad_request(const char *format, ...) printf_like(1, 2);
never_null struct status *status_unauthorized(void);
/* "pods "a" is forbidden: WHY"; @k NULL: "forbidden: WHY"; @name NULL: "pods is forbidden: WHY" */
never_null struct status *status_forbidden(
	const struct schema_kind *k, const char *name, const char *format, ...) printf_like(3, 4);
never_null struct status *status_expired(const char *format, ...) printf_like(1, 2); /* 410, Expired */
never_null struct status *status_gone(const char *format, ...) printf_like(1, 2);    /* 410, Gone */
never_null struct status *status_too_many_requests(int retry_after_seconds, const char *format, ...)
	printf_like(2, 3);
never_null struct status *status_too_large(const char *format, ...) printf_like(1, 2); /* 413 */
/* 415; the types are those that decode.h reads, @patch: those that patch.h and apply.h read */
never_null struct status *status_unsupported_media_type(bool patch);
never_null struct status *status_not_acceptable(const char *accepted);
never_null struct status *status_method_not_allowed(const struct schema_kind *k, const char *verb);
never_null struct status *status_timeout(const char *format, ...) printf_like(1, 2); /* 504, Timeout */
never_null struct status *status_server_timeout(
	const struct schema_kind *k, const char *verb, int retry_after_seconds);
never_null struct status *status_internal(const char *format, ...) printf_like(1, 2);
never_null struct status *status_unavailable(const char *format, ...) printf_like(1, 2); /* 503 */
/* 500 or 507, from a negative errno of the store. */
never_null struct status *status_errno(int err, const char *what);

/*
 * Errors of fields, gathered by validation, then one status. Paths are upstream's: "spec.containers[0].name",
 * "metadata.labels[a/b]".
 */
enum field_error_type {
	FIELD_NOT_FOUND,
	FIELD_REQUIRED,
	FIELD_DUPLICATE,
	FIELD_INVALID,
	FIELD_NOT_SUPPORTED,
	FIELD_FORBIDDEN,
	FIELD_TOO_LONG,
	FIELD_TOO_MANY,
	FIELD_INTERNAL,
	FIELD_TYPE_INVALID,
};

struct field_errors {
	struct status_cause *items; /* owned; message is the body: "Invalid value: -1: must be ..." */
	size_t n;
	size_t more; /* those after FIELD_ERRORS_MAX, of which the status says how many they are */
	bool no_memory;
};

enum { FIELD_ERRORS_MAX = 500 };

void field_errors_fini(struct field_errors *e);
/*
 * @value: printed as upstream does (text quoted, numbers plain, the rest as JSON); NULL: null, where the
 * type prints one.
 */
void field_error(struct field_errors *e, enum field_error_type type, const char *path, yyjson_mut_val *value,
	const char *format, ...) printf_like(5, 6);
/* NULL when there are none. 422: "Deployment.apps "web" is invalid: spec.replicas: Invalid value: -1: ..." */
struct status *field_errors_status(
	const struct field_errors *e, const struct schema_kind *k, const char *name);

#endif
