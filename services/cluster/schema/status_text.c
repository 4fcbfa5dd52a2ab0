/* SPDX-License-Identifier: Apache-2.0 */

/* The sentences of Status, as every user of kubectl has read them. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "cluster/schema/status_int.h"

enum { NAME_MAX_TEXT = 320 };

/* A status of @code with a formatted message; the arguments follow @format of the calling function. */
#define FROM_ARGUMENTS(s, code, reason, format)                                                              \
	do {                                                                                                 \
		va_list ap_;                                                                                 \
		va_start(ap_, format);                                                                       \
		(s) = status_new_v(code, reason, format, ap_);                                               \
		va_end(ap_);                                                                                 \
	} while (0)

struct status *status_not_found(const struct schema_kind *k, const char *name)
{
	char buf[NAME_MAX_TEXT];
	struct status *s = status_new(
		404, "NotFound", "%s \"%s\" not found", schema_resource_name(k, buf, sizeof(buf)), name);

	status_set_details(s, k->group, k->plural, name, NULL);
	return s;
}

struct status *status_already_exists(const struct schema_kind *k, const char *name)
{
	char buf[NAME_MAX_TEXT];
	struct status *s = status_new(409, "AlreadyExists", "%s \"%s\" already exists",
		schema_resource_name(k, buf, sizeof(buf)), name);

	status_set_details(s, k->group, k->plural, name, NULL);
	return s;
}

struct status *status_conflict(const struct schema_kind *k, const char *name, const char *why)
{
	char buf[NAME_MAX_TEXT];
	struct status *s = status_new(409, "Conflict", "Operation cannot be fulfilled on %s \"%s\": %s",
		schema_resource_name(k, buf, sizeof(buf)), name, why);

	status_set_details(s, k->group, k->plural, name, NULL);
	return s;
}

struct status *status_modified(const struct schema_kind *k, const char *name)
{
	return status_conflict(k, name,
		"the object has been modified; please apply your changes to the latest version and try again");
}

struct status *status_unknown_path(void)
{
	struct status *s = status_new(404, "NotFound", "the server could not find the requested resource");

	status_set_details(s, "", "", NULL, NULL);
	return s;
}

struct status *status_bad_request(const char *format, ...)
{
	struct status *s;

	FROM_ARGUMENTS(s, 400, "BadRequest", format);
	return s;
}

struct status *status_unauthorized(void)
{
	return status_new(401, "Unauthorized", "Unauthorized");
}

struct status *status_forbidden(const struct schema_kind *k, const char *name, const char *format, ...)
{
	char buf[NAME_MAX_TEXT], *why;
	struct status *s, *inner;

	FROM_ARGUMENTS(inner, 403, "Forbidden", format);
	why = inner->message;
	if (!k)
		s = status_new(403, "Forbidden", "forbidden: %s", why);
	else if (!name || !*name)
		s = status_new(403, "Forbidden", "%s is forbidden: %s",
			schema_resource_name(k, buf, sizeof(buf)), why);
	else
		s = status_new(403, "Forbidden", "%s \"%s\" is forbidden: %s",
			schema_resource_name(k, buf, sizeof(buf)), name, why);
	if (k)
		status_set_details(s, k->group, k->plural, name, NULL);
	else
		status_set_details(s, "", "", NULL, NULL);
	status_free(inner);
	return s;
}

struct status *status_expired(const char *format, ...)
{
	struct status *s;

	FROM_ARGUMENTS(s, 410, "Expired", format);
	return s;
}

struct status *status_gone(const char *format, ...)
{
	struct status *s;

	FROM_ARGUMENTS(s, 410, "Gone", format);
	return s;
}

struct status *status_too_many_requests(int retry_after_seconds, const char *format, ...)
{
	struct status *s;

	FROM_ARGUMENTS(s, 429, "TooManyRequests", format);
	status_set_details(s, NULL, NULL, NULL, NULL);
	if (s->code == 429)
		s->retry_after_seconds = retry_after_seconds;
	return s;
}

struct status *status_too_large(const char *format, ...)
{
	struct status *s, *inner;

	FROM_ARGUMENTS(inner, 413, "RequestEntityTooLarge", format);
	s = status_new(413, "RequestEntityTooLarge", "Request entity too large: %s", inner->message);
	status_free(inner);
	return s;
}

struct status *status_unsupported_media_type(bool patch)
{
	return status_new(415, "UnsupportedMediaType",
		"the body of the request was in an unknown format - accepted media types include: %s",
		patch ? "application/json-patch+json, application/merge-patch+json, "
			"application/strategic-merge-patch+json, application/apply-patch+yaml"
		      : "application/json, application/yaml, application/vnd.kubernetes.protobuf");
}

struct status *status_not_acceptable(const char *accepted)
{
	return status_new(406, "NotAcceptable", "only the following media types are accepted: %s", accepted);
}

struct status *status_method_not_allowed(const struct schema_kind *k, const char *verb)
{
	char buf[NAME_MAX_TEXT];
	struct status *s =
		status_new(405, "MethodNotAllowed", "%s is not supported on resources of kind \"%s\"", verb,
			schema_resource_name(k, buf, sizeof(buf)));

	status_set_details(s, k->group, k->plural, NULL, NULL);
	return s;
}

struct status *status_timeout(const char *format, ...)
{
	struct status *s, *inner;

	FROM_ARGUMENTS(inner, 504, "Timeout", format);
	s = status_new(504, "Timeout", "Timeout: %s", inner->message);
	status_set_details(s, "", "", NULL, NULL);
	status_free(inner);
	return s;
}

struct status *status_server_timeout(const struct schema_kind *k, const char *verb, int retry_after_seconds)
{
	char buf[NAME_MAX_TEXT];
	struct status *s = status_new(500, "ServerTimeout",
		"The %s operation against %s could not be completed at this time, please try again.", verb,
		schema_resource_name(k, buf, sizeof(buf)));

	status_set_details(s, k->group, k->plural, NULL, NULL);
	if (s->name || s->kind)
		s->retry_after_seconds = retry_after_seconds;
	return s;
}

struct status *status_internal(const char *format, ...)
{
	struct status *s, *inner;

	FROM_ARGUMENTS(inner, 500, "InternalError", format);
	s = status_new(500, "InternalError", "Internal error occurred: %s", inner->message);
	status_add_cause(s, NULL, inner->message, NULL);
	status_free(inner);
	return s;
}

struct status *status_unavailable(const char *format, ...)
{
	struct status *s;

	FROM_ARGUMENTS(s, 503, "ServiceUnavailable", format);
	return s;
}

struct status *status_errno(int err, const char *what)
{
	int e = err < 0 ? -err : err;

	if (e == ENOSPC || e == EDQUOT)
		return status_new(507, "InternalError",
			"Internal error occurred: %s: the store's disk is full: nothing was changed; free space and try again",
			what);
	return status_internal("%s: %s", what, strerror(e));
}
