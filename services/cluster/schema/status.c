/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The Status object: made, filled, written. Its sentences are in status_text.c, errors of fields in
 * field_error.c.
 */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "cluster/schema/status_int.h"

/* What is left to say when there is no memory to say it. */
static char no_memory_text[] = "Internal error occurred: out of memory";
static struct status no_memory = {.code = 500, .reason = "InternalError", .message = no_memory_text};

void status_free(struct status *s)
{
	if (!s || s == &no_memory)
		return;
	for (size_t i = 0; i < s->n_causes; i++) {
		free(s->causes[i].message);
		free(s->causes[i].field);
	}
	free(s->causes);
	free(s->message);
	free(s->name);
	free(s->group);
	free(s->kind);
	free(s->uid);
	free(s);
}

struct status *status_new_v(int code, const char *reason, const char *format, va_list ap)
{
	struct status *s = calloc(1, sizeof(*s));

	if (!s)
		return &no_memory;
	s->code = code;
	s->reason = reason;
	if (vasprintf(&s->message, format, ap) < 0) {
		free(s);
		return &no_memory;
	}
	return s;
}

struct status *status_new(int code, const char *reason, const char *format, ...)
{
	struct status *s;
	va_list ap;

	va_start(ap, format);
	s = status_new_v(code, reason, format, ap);
	va_end(ap);
	return s;
}

static void set(char **to, const char *from)
{
	free(*to);
	*to = from ? strdup(from) : NULL;
}

void status_set_details(
	struct status *s, const char *group, const char *kind, const char *name, const char *uid)
{
	if (s == &no_memory)
		return;
	set(&s->group, group);
	set(&s->kind, kind);
	set(&s->name, name);
	set(&s->uid, uid);
}

void status_add_cause(struct status *s, const char *reason, const char *message, const char *field)
{
	struct status_cause *more;

	if (s == &no_memory)
		return;
	more = reallocarray(s->causes, s->n_causes + 1, sizeof(*more));
	if (!more)
		return;
	s->causes = more;
	more[s->n_causes++] = (struct status_cause){
		.reason = reason,
		.message = strdup(message),
		.field = field ? strdup(field) : NULL,
	};
}

static yyjson_mut_val *details(const struct status *s, yyjson_mut_doc *doc)
{
	yyjson_mut_val *d = yyjson_mut_obj(doc), *causes;

	if (s->name && *s->name)
		yyjson_mut_obj_add_strcpy(doc, d, "name", s->name);
	if (s->group && *s->group)
		yyjson_mut_obj_add_strcpy(doc, d, "group", s->group);
	if (s->kind && *s->kind)
		yyjson_mut_obj_add_strcpy(doc, d, "kind", s->kind);
	if (s->uid && *s->uid)
		yyjson_mut_obj_add_strcpy(doc, d, "uid", s->uid);
	if (s->n_causes) {
		causes = yyjson_mut_obj_add_arr(doc, d, "causes");
		for (size_t i = 0; i < s->n_causes; i++) {
			const struct status_cause *c = &s->causes[i];
			yyjson_mut_val *o = yyjson_mut_arr_add_obj(doc, causes);

			if (c->reason)
				yyjson_mut_obj_add_str(doc, o, "reason", c->reason);
			if (c->message)
				yyjson_mut_obj_add_strcpy(doc, o, "message", c->message);
			if (c->field)
				yyjson_mut_obj_add_strcpy(doc, o, "field", c->field);
		}
	}
	if (s->retry_after_seconds)
		yyjson_mut_obj_add_int(doc, d, "retryAfterSeconds", s->retry_after_seconds);
	return d;
}

yyjson_mut_val *status_value(const struct status *s, yyjson_mut_doc *doc)
{
	yyjson_mut_val *o = yyjson_mut_obj(doc), *d;
	bool success = s->code < 400;

	yyjson_mut_obj_add_str(doc, o, "kind", "Status");
	yyjson_mut_obj_add_str(doc, o, "apiVersion", "v1");
	yyjson_mut_obj_add_obj(doc, o, "metadata");
	yyjson_mut_obj_add_str(doc, o, "status", success ? "Success" : "Failure");
	if (s->message && *s->message)
		yyjson_mut_obj_add_strcpy(doc, o, "message", s->message);
	if (s->reason && *s->reason)
		yyjson_mut_obj_add_str(doc, o, "reason", s->reason);
	d = details(s, doc);
	if (yyjson_mut_obj_size(d) || s->group || s->kind)
		yyjson_mut_obj_add_val(doc, o, "details", d);
	if (!success)
		yyjson_mut_obj_add_int(doc, o, "code", s->code);
	return o;
}

char *status_json(const struct status *s, size_t *len)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	char *text = NULL;

	if (!doc)
		return NULL;
	yyjson_mut_doc_set_root(doc, status_value(s, doc));
	text = yyjson_mut_write(doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE, len);
	yyjson_mut_doc_free(doc);
	return text;
}

char *status_success_json(const struct schema_kind *k, const char *name, const char *uid, size_t *len)
{
	struct status s = {
		.code = 200,
		.reason = "",
		.name = (char *)name,
		.uid = (char *)uid,
		.group = (char *)k->group,
		.kind = (char *)k->plural,
	};

	return status_json(&s, len);
}
