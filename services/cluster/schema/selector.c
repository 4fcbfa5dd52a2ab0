/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Selectors: terms of a key, an operator and values; made from queries and objects, matched against labels
 * and fields.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/json.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/selector.h"
#include "cluster/schema/status.h"
#include "cluster/schema/validate.h"

void selector_free(struct selector *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++) {
		free(s->terms[i].key);
		for (size_t j = 0; j < s->terms[i].n_values; j++)
			free(s->terms[i].values[j]);
		free(s->terms[i].values);
	}
	free(s->terms);
	free(s);
}

/* A new term with a copy of its key; NULL: no memory or too many. */
static struct selector_term *add_term(struct selector *s, const char *key, size_t len, enum selector_op op)
{
	struct selector_term *more;

	if (s->n == SELECTOR_TERMS_MAX)
		return NULL;
	more = reallocarray(s->terms, s->n + 1, sizeof(*more));
	if (!more)
		return NULL;
	s->terms = more;
	more[s->n] = (struct selector_term){.key = strndup(key, len), .op = op};
	return more[s->n].key ? &more[s->n++] : NULL;
}

static bool add_value(struct selector_term *t, const char *value, size_t len)
{
	char **more;

	if (t->n_values == SELECTOR_VALUES_MAX)
		return false;
	more = reallocarray(t->values, t->n_values + 1, sizeof(*more));
	if (!more)
		return false;
	t->values = more;
	more[t->n_values] = strndup(value, len);
	return more[t->n_values] && ++t->n_values;
}

/* ---- queries of labels */

struct reader {
	const char *p;
	struct status *err;
};

enum token { END, TEXT, COMMA, OPEN, CLOSE, NOT, EQUALS, NOT_EQUALS, GREATER, LESS };

static bool special(char c)
{
	return strchr("=!(),><", c) || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The next token; *text and *len are it. */
static enum token next(struct reader *r, const char **text, size_t *len)
{
	static const struct {
		const char *text;
		enum token token;
	} symbols[] = {
		{"==", EQUALS},
		{"!=", NOT_EQUALS},
		{"=", EQUALS},
		{"!", NOT},
		{",", COMMA},
		{"(", OPEN},
		{")", CLOSE},
		{">", GREATER},
		{"<", LESS},
	};

	while (*r->p == ' ' || *r->p == '\t' || *r->p == '\r' || *r->p == '\n')
		r->p++;
	*text = r->p;
	*len = 0;
	if (!*r->p)
		return END;
	for (size_t i = 0; i < array_len(symbols); i++) {
		size_t n = strlen(symbols[i].text);

		if (!strncmp(r->p, symbols[i].text, n)) {
			r->p += n;
			*len = n;
			return symbols[i].token;
		}
	}
	while (*r->p && !special(*r->p))
		r->p++;
	*len = (size_t)(r->p - *text);
	return TEXT;
}

static enum token peek(const struct reader *r)
{
	struct reader copy = *r;
	const char *text;
	size_t len;

	return next(&copy, &text, &len);
}

static bool unexpected(struct reader *r, const char *text, size_t len, const char *expected)
{
	if (!r->err)
		r->err = status_bad_request("unable to parse requirement: found '%.*s', expected: %s",
			(int)(len < 256 ? len : 256), text, expected);
	return false;
}

static bool refuse(struct reader *r, const char *what, const char *text, const char *why)
{
	if (!r->err)
		r->err = status_bad_request(
			"unable to parse requirement: %s: Invalid value: \"%.256s\": %s", what, text, why);
	return false;
}

/* The values of an operator that takes them: "(a,b)" or "a". */
static bool values(struct reader *r, struct selector_term *t, bool set)
{
	const char *text;
	size_t len;
	enum token k;

	if (!set) {
		/* "a=" compares with the empty text */
		k = peek(r);
		if (k == END || k == COMMA)
			return add_value(t, "", 0);
		k = next(r, &text, &len);
		return k == TEXT ? add_value(t, text, len) : unexpected(r, text, len, "identifier");
	}
	if (next(r, &text, &len) != OPEN)
		return unexpected(r, text, len, "'('");
	for (;;) {
		k = next(r, &text, &len);
		if (k == TEXT) {
			if (!add_value(t, text, len))
				return false;
			k = next(r, &text, &len);
		} else if ((k == COMMA || k == CLOSE) && !add_value(t, "", 0)) {
			return false;
		}
		if (k == CLOSE)
			return true;
		if (k != COMMA)
			return unexpected(r, text, len, "',' or ')'");
	}
}

static bool is_integer(const char *s)
{
	char *end;

	errno = 0;
	strtoll(s, &end, 10);
	return *s && !*end && !errno;
}

static bool sound(struct reader *r, const struct selector_term *t)
{
	const char *why = validate_format(SCHEMA_LABEL_KEY, t->key, strlen(t->key));

	if (why)
		return refuse(r, "key", t->key, why);
	for (size_t i = 0; i < t->n_values; i++) {
		if ((t->op == SELECTOR_GREATER || t->op == SELECTOR_LESS) && !is_integer(t->values[i]))
			return refuse(r, "values[0]", t->values[i],
				"for 'Gt', 'Lt' operators, the value must be an integer");
		why = validate_format(SCHEMA_LABEL_VALUE, t->values[i], strlen(t->values[i]));
		if (why)
			return refuse(r, "values", t->values[i], why);
	}
	return true;
}

static bool requirement(struct reader *r, struct selector *s)
{
	const char *text, *key;
	size_t len, key_len;
	enum token k = next(r, &text, &len);
	enum selector_op op = SELECTOR_EXISTS;
	bool set = false;
	struct selector_term *t;

	if (k == NOT) {
		op = SELECTOR_ABSENT;
		k = next(r, &text, &len);
	}
	if (k != TEXT)
		return unexpected(r, text, len, "!, identifier, or 'end of string'");
	key = text;
	key_len = len;
	k = peek(r);
	if (k != END && k != COMMA) {
		if (op == SELECTOR_ABSENT)
			return next(r, &text, &len) != END &&
			       unexpected(r, text, len, "',' or 'end of string'");
		k = next(r, &text, &len);
		set = k == TEXT;
		if (k == EQUALS || (set && len == 2 && !memcmp(text, "in", 2)))
			op = SELECTOR_IN;
		else if (k == NOT_EQUALS || (set && len == 5 && !memcmp(text, "notin", 5)))
			op = SELECTOR_NOT_IN;
		else if (k == GREATER || k == LESS)
			op = k == GREATER ? SELECTOR_GREATER : SELECTOR_LESS;
		else
			return unexpected(r, text, len, "in, notin, =, ==, !=, gt, lt");
	}
	t = add_term(s, key, key_len, op);
	if (!t || (op != SELECTOR_EXISTS && op != SELECTOR_ABSENT && !values(r, t, set)))
		return false;
	return sound(r, t);
}

struct status *selector_parse_labels(struct selector **out, const char *query)
{
	struct reader r = {.p = query ? query : ""};
	struct selector *s = calloc(1, sizeof(*s));
	bool ok = s;
	const char *text;
	size_t len;

	while (ok && peek(&r) != END) {
		ok = requirement(&r, s);
		if (!ok || peek(&r) == END)
			break;
		if (next(&r, &text, &len) != COMMA)
			ok = unexpected(&r, text, len, "',' or 'end of string'");
		else if (peek(&r) == END)
			ok = unexpected(&r, "", 0, "identifier after ','");
	}
	if (ok) {
		*out = s;
		return NULL;
	}
	selector_free(s);
	return r.err ?: status_bad_request("unable to parse requirement: too many terms or values");
}

/* ---- queries of fields */

static bool known_field(const struct schema_kind *k, const char *name)
{
	if (!strcmp(name, "metadata.name") ||
		(!strcmp(name, "metadata.namespace") && k->flags & SCHEMA_NAMESPACED))
		return true;
	for (const char *const *s = k->selectable; s && *s; s++)
		if (!strcmp(name, *s))
			return true;
	return false;
}

/* Objects are found as they are stored. A version of those that a webhook makes which lacks the field, or NULL. */
static const struct schema_kind *version_without(const struct schema_kind *k, const char *name)
{
	const struct schema_kind *const *v = k->conversion ? k->versions : NULL;

	while (v && *v && known_field(*v, name))
		v++;
	return v ? *v : NULL;
}

/* A value of a field selector: \\, \, and \= stand for themselves. */
static char *unescape(const char *p, size_t len)
{
	char *out = malloc(len + 1), *to = out;

	if (!out)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		if (p[i] == '\\' && i + 1 < len)
			i++;
		*to++ = p[i];
	}
	*to = 0;
	return out;
}

static struct status *field_term(struct selector *s, const char *p, size_t len, const struct schema_kind *k)
{
	size_t i = 0, value;
	enum selector_op op = SELECTOR_IN;
	struct selector_term *t;
	char *text;
	const struct schema_kind *without;

	while (i < len && p[i] != '=' && !(p[i] == '!' && i + 1 < len && p[i + 1] == '=')) {
		i += p[i] == '\\' && i + 1 < len;
		i++;
	}
	if (i >= len)
		return status_bad_request("invalid selector: '%.*s'; can't understand '%.*s'",
			(int)(len < 256 ? len : 256), p, (int)(len < 256 ? len : 256), p);
	value = i + 1;
	if (p[i] == '!') {
		op = SELECTOR_NOT_IN;
		value = i + 2;
	} else if (value < len && p[value] == '=') {
		value++;
	}
	t = add_term(s, p, i, op);
	text = unescape(p + value, len - value);
	if (!t || !text || !add_value(t, text, strlen(text))) {
		free(text);
		return status_bad_request("invalid selector: too many terms");
	}
	free(text);
	if (!known_field(k, t->key))
		return status_bad_request("field label not supported: %.256s", t->key);
	without = version_without(k, t->key);
	return without ? status_bad_request(
				 "field label not supported: %.256s: objects may be stored as %s, which does "
				 "not have it among its selectableFields",
				 t->key, without->api_version)
		       : NULL;
}

struct status *selector_parse_fields(struct selector **out, const char *query, const struct schema_kind *k)
{
	struct selector *s = calloc(1, sizeof(*s));
	struct status *err = s ? NULL : status_internal("out of memory");
	const char *p = query ? query : "";

	while (!err && *p) {
		size_t len = 0;

		while (p[len] && p[len] != ',')
			len += p[len] == '\\' && p[len + 1] ? 2 : 1;
		if (len)
			err = field_term(s, p, len, k);
		p += len + (p[len] == ',');
	}
	if (err)
		selector_free(s);
	else
		*out = s;
	return err;
}

/* ---- selectors in objects */

static int op_of(const char *name)
{
	static const struct {
		const char *name;
		enum selector_op op;
	} ops[] = {
		{"In", SELECTOR_IN},
		{"NotIn", SELECTOR_NOT_IN},
		{"Exists", SELECTOR_EXISTS},
		{"DoesNotExist", SELECTOR_ABSENT},
		{"Gt", SELECTOR_GREATER},
		{"Lt", SELECTOR_LESS},
	};

	for (size_t i = 0; name && i < array_len(ops); i++)
		if (!strcmp(ops[i].name, name))
			return (int)ops[i].op;
	return -1;
}

/* 0, -EINVAL: that is none, or too much of one; -ENOMEM. */
static int from_map(struct selector *s, yyjson_val *map)
{
	size_t i, n;
	yyjson_val *key, *v;
	struct selector_term *t;

	json_obj_foreach (map, i, n, key, v) {
		if (s->n == SELECTOR_TERMS_MAX || !yyjson_is_str(v))
			return -EINVAL;
		t = add_term(s, yyjson_get_str(key), yyjson_get_len(key), SELECTOR_IN);
		if (!t || !add_value(t, yyjson_get_str(v), yyjson_get_len(v)))
			return -ENOMEM;
	}
	return 0;
}

static int from_expressions(struct selector *s, yyjson_val *list)
{
	size_t i, n, j, m;
	yyjson_val *e, *v;

	yyjson_arr_foreach (list, i, n, e) {
		yyjson_val *key = yyjson_obj_get(e, "key"), *values = yyjson_obj_get(e, "values");
		int op = op_of(yyjson_get_str(yyjson_obj_get(e, "operator")));
		struct selector_term *t;

		if (op < 0 || !yyjson_is_str(key) || s->n == SELECTOR_TERMS_MAX ||
			yyjson_arr_size(values) > SELECTOR_VALUES_MAX)
			return -EINVAL;
		t = add_term(s, yyjson_get_str(key), yyjson_get_len(key), (enum selector_op)op);
		if (!t)
			return -ENOMEM;
		yyjson_arr_foreach (values, j, m, v) {
			if (!yyjson_is_str(v))
				return -EINVAL;
			if (!add_value(t, yyjson_get_str(v), yyjson_get_len(v)))
				return -ENOMEM;
		}
	}
	return 0;
}

int selector_read(struct selector **out, yyjson_val *label_selector)
{
	cleanup(selectorp) struct selector *s = calloc(1, sizeof(*s));
	int r = s ? 0 : -ENOMEM;

	if (s && (!label_selector || yyjson_is_null(label_selector)))
		s->nothing = true;
	else if (s)
		r = yyjson_is_obj(label_selector) ? from_map(s, yyjson_obj_get(label_selector, "matchLabels"))
						  : -EINVAL;
	if (!r)
		r = from_expressions(s, yyjson_obj_get(label_selector, "matchExpressions"));
	if (!r)
		*out = take(s);
	return r;
}

struct selector *selector_of(yyjson_val *label_selector)
{
	struct selector *s = NULL;

	return selector_read(&s, label_selector) < 0 ? NULL : s;
}

struct selector *selector_of_mut(yyjson_mut_val *label_selector)
{
	yyjson_doc *copy = label_selector ? yyjson_mut_val_imut_copy(label_selector, NULL) : NULL;
	struct selector *s = label_selector && !copy ? NULL : selector_of(yyjson_doc_get_root(copy));

	yyjson_doc_free(copy);
	return s;
}

struct selector *selector_of_map(yyjson_val *map)
{
	struct selector *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->nothing = !yyjson_obj_size(map);
	if (!from_map(s, map))
		return s;
	selector_free(s);
	return NULL;
}

/* ---- matching */

static bool is_in(const struct selector_term *t, const char *value)
{
	for (size_t i = 0; i < t->n_values; i++)
		if (!strcmp(t->values[i], value))
			return true;
	return false;
}

static bool compares(const struct selector_term *t, const char *value)
{
	if (!value || t->n_values != 1 || !is_integer(value) || !is_integer(t->values[0]))
		return false;
	long long a = strtoll(value, NULL, 10), b = strtoll(t->values[0], NULL, 10);

	return t->op == SELECTOR_GREATER ? a > b : a < b;
}

static bool term_matches(const struct selector_term *t, const char *value)
{
	switch (t->op) {
	case SELECTOR_IN:
		return value && is_in(t, value);
	case SELECTOR_NOT_IN:
		return !value || !is_in(t, value);
	case SELECTOR_EXISTS:
		return value;
	case SELECTOR_ABSENT:
		return !value;
	default:
		return compares(t, value);
	}
}

bool selector_matches(const struct selector *s, selector_get *get, const void *object)
{
	if (s->nothing)
		return false;
	for (size_t i = 0; i < s->n; i++)
		if (!term_matches(&s->terms[i], get(object, s->terms[i].key)))
			return false;
	return true;
}

static const char *label(const void *object, const char *key)
{
	return yyjson_get_str(yyjson_obj_get((yyjson_val *)(uintptr_t)object, key));
}

bool selector_matches_labels(const struct selector *s, yyjson_val *labels)
{
	return selector_matches(s, label, labels);
}

/* A field as text: numbers and booleans as JSON has them, absent as "". */
static const char *field_text(yyjson_val *object, const char *path, char *buf, size_t size)
{
	yyjson_val *v = object;

	for (const char *p = path; v && *p;) {
		size_t len = strcspn(p, ".");

		v = yyjson_obj_getn(v, p, len);
		p += len + (p[len] == '.');
	}
	if (yyjson_is_str(v))
		return yyjson_get_str(v);
	if (yyjson_is_bool(v))
		return yyjson_get_bool(v) ? "true" : "false";
	if (yyjson_is_int(v)) {
		snprintf(buf, size, "%lld", (long long)yyjson_get_sint(v));
		return buf;
	}
	return "";
}

/* Fields that are not where their name says, or read as something when absent. */
static const char *special_field(yyjson_val *object, const char *path, char *buf, size_t size)
{
	static const struct {
		const char *kind, *path, *real;
	} elsewhere[] = {
		{"Job", "status.successful", "status.succeeded"},
		{"Event", "source", "source.component"},
	};
	static const struct {
		const char *kind, *path, *absent;
	} zero[] = {
		{"Pod", "spec.hostNetwork", "false"},
		{"Node", "spec.unschedulable", "false"},
		{"ReplicaSet", "status.replicas", "0"},
		{"ReplicationController", "status.replicas", "0"},
		{"Job", "status.successful", "0"},
	};
	const char *kind = yyjson_get_str(yyjson_obj_get(object, "kind")) ?: "", *text;

	for (size_t i = 0; i < array_len(elsewhere); i++)
		if (!strcmp(elsewhere[i].path, path) && !strcmp(elsewhere[i].kind, kind)) {
			text = field_text(object, elsewhere[i].real, buf, size);
			if (!*text && !strcmp(path, "source"))
				text = field_text(object, "reportingComponent", buf, size);
			return *text || !strcmp(kind, "Event") ? text : "0";
		}
	text = field_text(object, path, buf, size);
	for (size_t i = 0; !*text && i < array_len(zero); i++)
		if (!strcmp(zero[i].path, path) && !strcmp(zero[i].kind, kind))
			return zero[i].absent;
	return text;
}

bool selector_matches_fields(const struct selector *s, yyjson_val *object)
{
	char buf[32];

	if (s->nothing)
		return false;
	for (size_t i = 0; i < s->n; i++)
		if (!term_matches(&s->terms[i], special_field(object, s->terms[i].key, buf, sizeof(buf))))
			return false;
	return true;
}

const char *selector_demands(const struct selector *s, const char *key)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->terms[i].op == SELECTOR_IN && s->terms[i].n_values == 1 &&
			!strcmp(s->terms[i].key, key))
			return s->terms[i].values[0];
	return NULL;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int by_key(const void *a, const void *b)
{
	return strcmp((*(const struct selector_term *const *)a)->key,
		(*(const struct selector_term *const *)b)->key);
}

static void write_term(FILE *f, const struct selector_term *t)
{
	static const char *const between[] = {[SELECTOR_IN] = " in (",
		[SELECTOR_NOT_IN] = " notin (",
		[SELECTOR_GREATER] = ">",
		[SELECTOR_LESS] = "<"};
	bool set = t->op == SELECTOR_IN || t->op == SELECTOR_NOT_IN;

	if (t->op == SELECTOR_EXISTS || t->op == SELECTOR_ABSENT) {
		fprintf(f, "%s%s", t->op == SELECTOR_ABSENT ? "!" : "", t->key);
		return;
	}
	if (t->op == SELECTOR_IN && t->n_values == 1) {
		fprintf(f, "%s=%s", t->key, t->values[0]);
		return;
	}
	fprintf(f, "%s%s", t->key, between[t->op]);
	if (set)
		qsort(t->values, t->n_values, sizeof(*t->values), by_text);
	for (size_t i = 0; i < t->n_values; i++)
		fprintf(f, "%s%s", i ? "," : "", t->values[i]);
	if (set)
		fputc(')', f);
}

char *selector_text(const struct selector *s)
{
	const struct selector_term **sorted = calloc(s->n ? s->n : 1, sizeof(*sorted));
	char *text = NULL;
	size_t len;
	FILE *f = sorted ? open_memstream(&text, &len) : NULL;

	for (size_t i = 0; f && i < s->n; i++)
		sorted[i] = &s->terms[i];
	if (f) {
		qsort(sorted, s->n, sizeof(*sorted), by_key);
		for (size_t i = 0; i < s->n; i++) {
			fputs(i ? "," : "", f);
			write_term(f, sorted[i]);
		}
		if (fclose(f)) {
			free(text);
			text = NULL;
		}
	}
	free(sorted);
	return text;
}
