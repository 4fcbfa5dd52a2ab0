/* SPDX-License-Identifier: Apache-2.0 */

/*
 * YAML as Kubernetes reads it: what JSON can say, in YAML's dress. libyaml gives events; the document is
 * built from them with a stack of bounded depth. Aliases are copies and count like what they copy, so none
 * explodes.
 */

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "lib/yaml_json.h"

enum { VALUES_MAX = 200000, ANCHORS_MAX = 64 };

struct builder {
	yyjson_mut_doc *doc;
	yaml_parser_t parser;
	size_t values;
	struct {
		char *name;
		yyjson_mut_val *value;
	} anchors[ANCHORS_MAX];
	size_t n_anchors;
	char *why; /* "" while nothing is wrong */
	size_t why_size;
};

static yyjson_mut_val *fail(struct builder *b, const char *why)
{
	if (!*b->why)
		snprintf(b->why, b->why_size, "yaml: line %zu: %s",
			b->parser.problem ? b->parser.problem_mark.line + 1 : b->parser.mark.line + 1, why);
	return NULL;
}

static bool is_one_of(const char *s, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(s, *words))
			return true;
	return false;
}

static yyjson_mut_val *number(struct builder *b, const char *s)
{
	const char *digits = s + (*s == '-' || *s == '+');
	int base = 10;
	char *end;

	if (!(*digits >= '0' && *digits <= '9') && *digits != '.')
		return NULL;
	if (digits[0] == '0' && digits[1]) {
		base = strchr("xX", digits[1]) ? 16 : strchr("bB", digits[1]) ? 2 : 8;
		if (base == 2 || (base == 8 && strchr("oO", digits[1])))
			digits += 2;
		else if (base == 8 && strspn(digits, "01234567") != strlen(digits))
			base = 10;
	}
	errno = 0;
	long long n = strtoll(digits, &end, base);

	if (!*end && end != digits && !errno)
		return yyjson_mut_sint(b->doc, *s == '-' ? -n : n);
	if (strspn(s, "+-.0123456789eE") != strlen(s))
		return NULL;
	double real = strtod(s, &end);

	return *end || !isfinite(real) ? NULL : yyjson_mut_real(b->doc, real);
}

static yyjson_mut_val *scalar(struct builder *b, const yaml_event_t *e)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
	static const char *const yes[] = {
		"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", NULL};
	static const char *const no[] = {
		"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", NULL};
	const char *s = (const char *)e->data.scalar.value;
	size_t len = e->data.scalar.length;
	yyjson_mut_val *v;

	if (e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !e->data.scalar.tag && strlen(s) == len) {
		if (is_one_of(s, nulls))
			return yyjson_mut_null(b->doc);
		if (is_one_of(s, yes) || is_one_of(s, no))
			return yyjson_mut_bool(b->doc, is_one_of(s, yes));
		if ((v = number(b, s)))
			return v;
	}
	return yyjson_mut_strncpy(b->doc, s, len);
}

static size_t count(yyjson_mut_val *v)
{
	yyjson_mut_arr_iter items = yyjson_mut_arr_iter_with(v);
	yyjson_mut_obj_iter members = yyjson_mut_obj_iter_with(v);
	yyjson_mut_val *item, *key;
	size_t n = 1;

	while ((item = yyjson_mut_arr_iter_next(&items)))
		n += count(item);
	while ((key = yyjson_mut_obj_iter_next(&members)))
		n += 1 + count(yyjson_mut_obj_iter_get_val(key));
	return n;
}

static bool remember(struct builder *b, const yaml_char_t *anchor, yyjson_mut_val *v)
{
	if (!anchor)
		return true;
	if (b->n_anchors == ANCHORS_MAX) {
		fail(b, "too many anchors");
		return false;
	}
	b->anchors[b->n_anchors].name = strdup((const char *)anchor);
	b->anchors[b->n_anchors].value = v;
	return b->anchors[b->n_anchors++].name;
}

static yyjson_mut_val *alias(struct builder *b, const char *name)
{
	for (size_t i = b->n_anchors; i; i--) {
		if (strcmp(b->anchors[i - 1].name, name) != 0)
			continue;
		b->values += count(b->anchors[i - 1].value);
		if (b->values > VALUES_MAX)
			return fail(b, "document contains excessive aliasing");
		return yyjson_mut_val_mut_copy(b->doc, b->anchors[i - 1].value);
	}
	return fail(b, "unknown anchor");
}

static yyjson_mut_val *node(struct builder *b, yaml_event_t *e, unsigned depth);

static yyjson_mut_val *sequence(struct builder *b, unsigned depth)
{
	yyjson_mut_val *out = yyjson_mut_arr(b->doc), *item;

	for (;;) {
		yaml_event_t e;
		bool end;

		if (!yaml_parser_parse(&b->parser, &e))
			return fail(b, b->parser.problem ?: "cannot be read");
		end = e.type == YAML_SEQUENCE_END_EVENT;
		item = end ? NULL : node(b, &e, depth);
		yaml_event_delete(&e);
		if (end)
			return out;
		if (!item || !yyjson_mut_arr_append(out, item))
			return NULL;
	}
}

/* A key is the text of its scalar: what JSON can have. */
static yyjson_mut_val *key_of(struct builder *b, const yaml_event_t *e)
{
	if (e->type != YAML_SCALAR_EVENT)
		return fail(b, "a key is not a scalar");
	return yyjson_mut_strncpy(b->doc, (const char *)e->data.scalar.value, e->data.scalar.length);
}

static yyjson_mut_val *mapping(struct builder *b, unsigned depth)
{
	yyjson_mut_val *out = yyjson_mut_obj(b->doc), *key, *v;

	for (;;) {
		yaml_event_t e;
		bool end;

		if (!yaml_parser_parse(&b->parser, &e))
			return fail(b, b->parser.problem ?: "cannot be read");
		end = e.type == YAML_MAPPING_END_EVENT;
		key = end ? NULL : key_of(b, &e);
		yaml_event_delete(&e);
		if (end)
			return out;
		if (!key)
			return NULL;
		if (!yaml_parser_parse(&b->parser, &e))
			return fail(b, b->parser.problem ?: "cannot be read");
		v = node(b, &e, depth);
		yaml_event_delete(&e);
		if (!v || !yyjson_mut_obj_add(out, key, v))
			return NULL;
	}
}

/* The value that begins with @e. NULL: b->why, or no memory. */
static yyjson_mut_val *node(struct builder *b, yaml_event_t *e, unsigned depth)
{
	yyjson_mut_val *v = NULL;

	if (depth > YAML_JSON_DEPTH_MAX)
		return fail(b, "exceeded max depth");
	if (++b->values > VALUES_MAX)
		return fail(b, "too many values");
	switch (e->type) {
	case YAML_ALIAS_EVENT:
		return alias(b, (const char *)e->data.alias.anchor);
	case YAML_SCALAR_EVENT:
		v = scalar(b, e);
		return v && remember(b, e->data.scalar.anchor, v) ? v : NULL;
	case YAML_SEQUENCE_START_EVENT:
		v = sequence(b, depth + 1);
		return v && remember(b, e->data.sequence_start.anchor, v) ? v : NULL;
	case YAML_MAPPING_START_EVENT:
		v = mapping(b, depth + 1);
		return v && remember(b, e->data.mapping_start.anchor, v) ? v : NULL;
	default:
		return fail(b, "unexpected end");
	}
}

/* The first document of the stream; nothing but its end may follow. */
static yyjson_mut_val *document(struct builder *b)
{
	yyjson_mut_val *root = NULL;
	bool done = false;

	while (!done) {
		yaml_event_t e;

		if (!yaml_parser_parse(&b->parser, &e))
			return fail(b, b->parser.problem ?: "cannot be read");
		switch (e.type) {
		case YAML_STREAM_START_EVENT:
		case YAML_DOCUMENT_END_EVENT:
			break;
		case YAML_DOCUMENT_START_EVENT:
			if (root) {
				fail(b, "more than one document");
				root = NULL;
				done = true;
			}
			break;
		case YAML_STREAM_END_EVENT:
			done = true;
			break;
		default:
			root = node(b, &e, 0);
			done = !root;
			break;
		}
		yaml_event_delete(&e);
	}
	return root;
}

int yaml_json(yyjson_mut_doc **out, const void *text, size_t len, char *why, size_t why_size)
{
	struct builder b = {.why = why, .why_size = why_size};
	yyjson_mut_val *root;

	*why = 0;
	b.doc = yyjson_mut_doc_new(NULL);
	if (!b.doc || !yaml_parser_initialize(&b.parser)) {
		yyjson_mut_doc_free(b.doc);
		return -ENOMEM;
	}
	yaml_parser_set_input_string(&b.parser, text, len);
	root = document(&b);
	if (root) {
		yyjson_mut_doc_set_root(b.doc, root);
		*out = take(b.doc);
	} else if (!*why && !len) {
		snprintf(why, why_size, "empty");
	}
	for (size_t i = 0; i < b.n_anchors; i++)
		free(b.anchors[i].name);
	yaml_parser_delete(&b.parser);
	yyjson_mut_doc_free(b.doc);
	return root ? 0 : *why ? -EINVAL : -ENOMEM;
}
