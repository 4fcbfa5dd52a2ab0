/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From the bytes of a body to a document of a type: which type it says it is, then the walk, then the
 * verdict.
 */

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cluster/schema/decode.h"
#include "cluster/schema/decode_int.h"
#include "cluster/schema/encode.h"
#include "cluster/schema/status.h"

/* What the URL asks for. */
struct target {
	const char *api_version, *kind;
	const struct schema_type *type;
	bool any_version; /* DeleteOptions and its like are in every group */
};

static const char *version_of(const char *api_version)
{
	const char *slash = strrchr(api_version, '/');

	return slash ? slash + 1 : api_version;
}

/* The start of a body, for a sentence: text of an object as it is, anything else in hexadecimal. */
static void summary(const unsigned char *p, size_t len, char *buf, size_t size)
{
	enum { SHOWN = 30 };
	size_t n = len < SHOWN ? len : SHOWN, at = 0;
	const char *more = len > SHOWN ? " ..." : "";

	if (!len) {
		snprintf(buf, size, "<empty>");
		return;
	}
	if (p[0] == '{') {
		/* bytes that are not printable ASCII could not stand in JSON as they are */
		for (size_t i = 0; i < n; i++)
			buf[at++] = p[i] >= ' ' && p[i] < 0x7f ? (char)p[i] : '?';
		snprintf(buf + at, size - at, "%s", more);
		return;
	}
	for (size_t i = 0; i < n; i++)
		at += (size_t)snprintf(buf + at, size - at, "%02x", p[i]);
	snprintf(buf + at, size - at, "%s", more);
}

/* Go's words for what yyjson found. */
static void syntax_error(
	const yyjson_read_err *err, const unsigned char *p, size_t len, char *buf, size_t size)
{
	unsigned char c = err->pos < len ? p[err->pos] : 0;

	if (err->code == YYJSON_READ_ERROR_UNEXPECTED_END || err->code == YYJSON_READ_ERROR_EMPTY_CONTENT ||
		err->pos >= len)
		snprintf(buf, size, "unexpected end of JSON input");
	else if (err->code == YYJSON_READ_ERROR_UNEXPECTED_CONTENT)
		snprintf(buf, size, "invalid character '%c' after top-level value",
			c > ' ' && c < 0x7f ? c : '?');
	else if (c > ' ' && c < 0x7f)
		snprintf(buf, size, "invalid character '%c' looking for beginning of value", c);
	else
		snprintf(buf, size, "%s at byte %zu", err->msg, err->pos);
}

static struct status *unrecognised(const struct target *t, const char *why, const void *body, size_t len)
{
	char start[80];

	summary(body, len, start, sizeof(start));
	return status_bad_request(
		"the object provided is unrecognized (must be of type %s): %s (%s)", t->kind, why, start);
}

static struct status *cannot_be_handled(
	const struct target *t, const char *api_version, const char *kind, const char *why)
{
	return status_bad_request("%s in version \"%s\" cannot be handled as a %s: %s", kind,
		version_of(api_version), t->kind, why);
}

/* Is what the body calls itself what was asked for? Absent parts are. */
static struct status *check_identity(const struct target *t, const char *api_version, const char *kind)
{
	char why[512];

	if (*kind && strcmp(kind, t->kind) != 0) {
		if (schema_find_kind(*api_version ? api_version : t->api_version, kind))
			snprintf(why, sizeof(why), "converting (%s.%s) to (%s): unknown conversion",
				version_of(api_version), kind, t->kind);
		else
			snprintf(why, sizeof(why),
				"no kind \"%s\" is registered for version \"%s\" in scheme", kind,
				*api_version ? api_version : t->api_version);
		return cannot_be_handled(t, *api_version ? api_version : t->api_version, kind, why);
	}
	if (*api_version && strcmp(api_version, t->api_version) != 0 && !t->any_version)
		return status_bad_request(
			"the API version in the data (%s) does not match the expected API version (%s)",
			api_version, t->api_version);
	return NULL;
}

/* The verdict on what the walk found. */
static struct status *verdict(struct decode *d, const struct target *t, struct warnings *w)
{
	cleanup(freep) char *all = NULL;
	size_t len;
	FILE *f;

	if (d->error)
		return cannot_be_handled(t, t->api_version, t->kind, d->error);
	if (d->no_memory)
		return status_internal("out of memory");
	if (!d->strict.n || d->validation == DECODE_IGNORE)
		return NULL;
	if (d->validation == DECODE_WARN) {
		for (size_t i = 0; w && i < d->strict.n; i++)
			warnings_add(w, "%s", d->strict.items[i]);
		return NULL;
	}
	f = open_memstream(&all, &len);
	if (!f)
		return status_internal("out of memory");
	fputs("strict decoding error: ", f);
	for (size_t i = 0; i < d->strict.n; i++)
		fprintf(f, "%s%s", i ? ", " : "", d->strict.items[i]);
	if (fclose(f))
		return status_internal("out of memory");
	return cannot_be_handled(t, t->api_version, t->kind, all);
}

/* The document's root: its identity first, then what the walk made. */
static bool set_root(
	yyjson_mut_doc *doc, const struct target *t, const char *api_version, yyjson_mut_val *object)
{
	yyjson_mut_val *root = yyjson_mut_obj(doc), *key, *v;
	yyjson_mut_obj_iter it = yyjson_mut_obj_iter_with(object);

	if (!root || !yyjson_mut_obj_add_strcpy(doc, root, "kind", t->kind) ||
		!yyjson_mut_obj_add_strcpy(
			doc, root, "apiVersion", *api_version ? api_version : t->api_version))
		return false;
	while ((key = yyjson_mut_obj_iter_next(&it))) {
		v = yyjson_mut_obj_iter_get_val(key);
		yyjson_mut_obj_iter_remove(&it);
		if (!yyjson_mut_obj_add(root, key, v))
			return false;
	}
	yyjson_mut_doc_set_root(doc, root);
	return true;
}

static struct status *finish(struct decode *d, const struct target *t, const char *api_version,
	yyjson_mut_val *object, struct warnings *w, yyjson_mut_doc **out)
{
	struct status *s = verdict(d, t, w);

	if (!s && (!object || !set_root(d->doc, t, api_version, object)))
		s = status_internal("out of memory");
	if (!s)
		*out = take(d->doc);
	yyjson_mut_doc_free(d->doc);
	decode_fini(d);
	return s;
}

static struct status *from_json(yyjson_mut_doc **out, yyjson_val *root, const struct target *t,
	enum decode_validation validation, struct warnings *w)
{
	struct decode d = {.doc = yyjson_mut_doc_new(NULL), .validation = validation};
	const char *api_version = yyjson_get_str(yyjson_obj_get(root, "apiVersion")) ?: "";
	const char *kind = yyjson_get_str(yyjson_obj_get(root, "kind")) ?: "";
	struct status *s = yyjson_is_obj(root) ? check_identity(t, api_version, kind) : NULL;

	if (s || !d.doc) {
		yyjson_mut_doc_free(d.doc);
		return s ?: status_internal("out of memory");
	}
	return finish(&d, t, api_version, decode_json_value(&d, root, t->type, true), w, out);
}

static struct status *from_protobuf(
	yyjson_mut_doc **out, const void *body, size_t len, const struct target *t)
{
	struct decode d = {.doc = yyjson_mut_doc_new(NULL)};
	struct decode_envelope e = {0};
	struct status *s = NULL;
	yyjson_mut_val *object;

	if (!encode_is_in_protobuf(t->type))
		s = status_unsupported_media_type(false);
	else if (!decode_envelope(&e, body, len))
		s = unrecognised(t,
			"provided data does not appear to be a protobuf message, expected prefix k8s", body,
			len);
	else if (!d.doc || !e.api_version || !e.kind)
		s = status_internal("out of memory");
	else
		s = check_identity(t, e.api_version, e.kind);
	if (!s) {
		object = decode_protobuf_value(&d, e.raw, e.len, t->type);
		s = finish(&d, t, e.api_version, object, NULL, out);
	} else {
		yyjson_mut_doc_free(d.doc);
	}
	free(e.api_version);
	free(e.kind);
	return s;
}

static struct status *from_yaml(yyjson_mut_doc **out, const void *body, size_t len, const struct target *t,
	enum decode_validation validation, struct warnings *w)
{
	yyjson_mut_doc *text = NULL;
	yyjson_doc *doc;
	struct status *s = decode_yaml(&text, body, len);

	if (s)
		return s;
	doc = yyjson_mut_doc_imut_copy(text, NULL);
	yyjson_mut_doc_free(text);
	if (!doc)
		return status_internal("out of memory");
	s = from_json(out, yyjson_doc_get_root(doc), t, validation, w);
	yyjson_doc_free(doc);
	return s;
}

static struct status *decode(yyjson_mut_doc **out, const void *body, size_t len, enum decode_format format,
	const struct target *t, enum decode_validation validation, struct warnings *w)
{
	yyjson_read_err err;
	yyjson_doc *doc;
	struct status *s;

	if (len > DECODE_BODY_MAX)
		return status_too_large("limit is %d", DECODE_BODY_MAX);
	if (format == DECODE_PROTOBUF)
		return from_protobuf(out, body, len, t);
	if (format == DECODE_YAML)
		return from_yaml(out, body, len, t, validation, w);
	doc = yyjson_read_opts((char *)(uintptr_t)body, len, 0, NULL, &err);
	if (!doc) {
		char syntax[128], why[200];

		if (err.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
			return status_internal("out of memory");
		syntax_error(&err, body, len, syntax, sizeof(syntax));
		snprintf(why, sizeof(why), "couldn't get version/kind; json parse error: %s", syntax);
		return unrecognised(t, why, body, len);
	}
	s = from_json(out, yyjson_doc_get_root(doc), t, validation, w);
	yyjson_doc_free(doc);
	return s;
}

struct status *decode_object(yyjson_mut_doc **out, const void *body, size_t len, enum decode_format format,
	const struct schema_kind *k, enum decode_validation validation, struct warnings *w)
{
	struct target t = {.api_version = k->api_version, .kind = k->kind, .type = k->type};

	return decode(out, body, len, format, &t, validation, w);
}

struct status *decode_named(yyjson_mut_doc **out, const void *body, size_t len, enum decode_format format,
	const char *api_version, const char *kind, const struct schema_type *type,
	enum decode_validation validation, struct warnings *w)
{
	struct target t = {
		.api_version = api_version,
		.kind = kind,
		.type = type,
		.any_version = !strcmp(kind, "DeleteOptions") || !strcmp(kind, "Eviction"),
	};

	return decode(out, body, len, format, &t, validation, w);
}

struct status *decode_check(yyjson_mut_doc *doc, const struct schema_kind *k,
	enum decode_validation validation, struct warnings *w)
{
	struct target t = {.api_version = k->api_version, .kind = k->kind, .type = k->type};
	yyjson_doc *copy = yyjson_mut_doc_imut_copy(doc, NULL);
	struct decode d = {.doc = doc, .validation = validation};
	yyjson_val *root = yyjson_doc_get_root(copy);
	yyjson_mut_val *object;
	struct status *s;

	if (!copy)
		return status_internal("out of memory");
	s = check_identity(&t, yyjson_get_str(yyjson_obj_get(root, "apiVersion")) ?: "",
		yyjson_get_str(yyjson_obj_get(root, "kind")) ?: "");
	if (!s) {
		object = decode_json_value(&d, root, k->type, true);
		s = verdict(&d, &t, w);
		if (!s && (!object || !set_root(doc, &t, "", object)))
			s = status_internal("out of memory");
	}
	decode_fini(&d);
	yyjson_doc_free(copy);
	return s;
}

struct status *decode_json(yyjson_mut_doc **out, const void *body, size_t len)
{
	yyjson_read_err err;
	yyjson_doc *doc;
	struct decode d = {.doc = yyjson_mut_doc_new(NULL)};
	struct status *s = NULL;
	char why[128];

	if (len > DECODE_BODY_MAX)
		s = status_too_large("limit is %d", DECODE_BODY_MAX);
	else if (!d.doc)
		s = status_internal("out of memory");
	if (s) {
		yyjson_mut_doc_free(d.doc);
		return s;
	}
	doc = yyjson_read_opts((char *)(uintptr_t)body, len, 0, NULL, &err);
	if (!doc) {
		syntax_error(&err, body, len, why, sizeof(why));
		yyjson_mut_doc_free(d.doc);
		return status_bad_request("error decoding patch: %s", why);
	}
	yyjson_mut_val *root = decode_any(&d, yyjson_doc_get_root(doc));

	yyjson_doc_free(doc);
	if (root) {
		yyjson_mut_doc_set_root(d.doc, root);
		*out = take(d.doc);
	} else {
		s = d.error ? status_bad_request("%s", d.error) : status_internal("out of memory");
	}
	yyjson_mut_doc_free(d.doc);
	decode_fini(&d);
	return s;
}

int decode_format_of(const char *content_type)
{
	static const struct {
		const char *name;
		int format;
	} types[] = {
		{"", DECODE_JSON},
		{"application/json", DECODE_JSON},
		{"application/yaml", DECODE_YAML},
		{"application/vnd.kubernetes.protobuf", DECODE_PROTOBUF},
	};
	size_t len = content_type ? strcspn(content_type, "; \t") : 0;

	for (size_t i = 0; i < array_len(types); i++)
		if (strlen(types[i].name) == len && !strncasecmp(types[i].name, content_type ?: "", len))
			return types[i].format;
	return -1;
}

int decode_validation_of(const char *text, enum decode_validation otherwise)
{
	static const char *const names[] = {"Ignore", "Warn", "Strict"};

	if (!text || !*text)
		return (int)otherwise;
	for (size_t i = 0; i < array_len(names); i++)
		if (!strcmp(text, names[i]))
			return (int)i;
	return -1;
}
