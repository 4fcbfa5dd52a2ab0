/* SPDX-License-Identifier: Apache-2.0 */

/* Errors of fields: how a bad value is shown, and how many errors become one status. */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"

static const struct {
	const char *text, *reason;
	bool value; /* the bad value is shown */
} types[] = {
	[FIELD_NOT_FOUND] = {"Not found", "FieldValueNotFound", true},
	[FIELD_REQUIRED] = {"Required value", "FieldValueRequired", false},
	[FIELD_DUPLICATE] = {"Duplicate value", "FieldValueDuplicate", true},
	[FIELD_INVALID] = {"Invalid value", "FieldValueInvalid", true},
	[FIELD_NOT_SUPPORTED] = {"Unsupported value", "FieldValueNotSupported", true},
	[FIELD_FORBIDDEN] = {"Forbidden", "FieldValueForbidden", false},
	[FIELD_TOO_LONG] = {"Too long", "FieldValueTooLong", false},
	[FIELD_TOO_MANY] = {"Too many", "FieldValueTooMany", true},
	[FIELD_INTERNAL] = {"Internal error", "InternalError", false},
	[FIELD_TYPE_INVALID] = {"Invalid value", "FieldValueTypeInvalid", true},
};

void field_errors_fini(struct field_errors *e)
{
	for (size_t i = 0; i < e->n; i++) {
		free(e->items[i].message);
		free(e->items[i].field);
	}
	free(e->items);
	*e = (struct field_errors){0};
}

void field_error(struct field_errors *e, enum field_error_type type, const char *path, yyjson_mut_val *value,
	const char *format, ...)
{
	cleanup(freep) char *detail = NULL, *shown = NULL, *body = NULL;
	struct status_cause *more;
	va_list ap;
	int n;

	if (e->n == FIELD_ERRORS_MAX) {
		e->more++;
		return;
	}
	va_start(ap, format);
	n = vasprintf(&detail, format, ap);
	va_end(ap);
	if (n < 0) {
		detail = NULL;
		e->no_memory = true;
		return;
	}
	if (types[type].value) {
		/* texts are quoted, numbers plain, the rest is JSON: all of it is what a JSON writer makes */
		shown = value ? yyjson_mut_val_write(value, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL)
			      : strdup("null");
		n = shown ? asprintf(
				    &body, "%s: %s%s%s", types[type].text, shown, *detail ? ": " : "", detail)
			  : -1;
	} else {
		n = asprintf(&body, "%s%s%s", types[type].text, *detail ? ": " : "", detail);
	}
	if (n < 0) {
		body = NULL;
		e->no_memory = true;
		return;
	}
	more = reallocarray(e->items, e->n + 1, sizeof(*more));
	if (!more) {
		e->no_memory = true;
		return;
	}
	e->items = more;
	more[e->n++] = (struct status_cause){types[type].reason, take(body), strdup(path)};
}

/* "a: b", or "[a: b, c: d]"; an error that is there twice is said once. */
static char *together(const struct field_errors *e)
{
	char *text = NULL;
	size_t len, said = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	for (size_t i = 0; i < e->n; i++) {
		bool again = false;

		for (size_t j = 0; j < i && !again; j++)
			again = !strcmp(e->items[i].message, e->items[j].message) &&
				!strcmp(e->items[i].field ?: "", e->items[j].field ?: "");
		if (!again)
			fprintf(f, "%s%s: %s", said++ ? ", " : "", e->items[i].field ?: "",
				e->items[i].message);
	}
	if (e->more)
		fprintf(f, ", and %zu more", e->more);
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	if (said > 1) {
		char *list;

		if (asprintf(&list, "[%s]", text) < 0)
			list = NULL;
		free(text);
		text = list;
	}
	return text;
}

struct status *field_errors_status(
	const struct field_errors *e, const struct schema_kind *k, const char *name)
{
	cleanup(freep) char *all = NULL;
	char buf[320];
	struct status *s;

	if (e->no_memory)
		return status_internal("out of memory");
	if (!e->n)
		return NULL;
	all = together(e);
	s = status_new(422, "Invalid", "%s \"%s\" is invalid: %s", schema_kind_name(k, buf, sizeof(buf)),
		name ?: "", all ?: e->items[0].message);
	status_set_details(s, k->group, k->kind, name, NULL);
	for (size_t i = 0; i < e->n; i++)
		status_add_cause(s, e->items[i].reason, e->items[i].message, e->items[i].field ?: "");
	return s;
}
