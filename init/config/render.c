/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The tree is walked along the schema: every member must be a row, every row yields a member of the result or
 * its default. The first thing wrong ends it, with its place, what was expected, and for a mistyped key the
 * nearest.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <yyjson.h>

#include "init/config/check.h"
#include "init/config/cross.h"
#include "init/config/render.h"
#include "init/config/schema.h"

struct render {
	yyjson_mut_doc *doc;
	struct config_error *err;
	char path[256]; /* of the value being read, for messages */
};

typedef yyjson_mut_val *value; /* the library's own name is three words long */

static int convert(struct render *r, const struct schema_field *f, const struct yaml_node *n, value *out);

/* Extends the path; returns the old length, for path_pop(). */
static size_t path_push(struct render *r, const char *fmt, ...) printf_like(2, 3);
static size_t path_push(struct render *r, const char *fmt, ...)
{
	size_t len = strlen(r->path);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->path + len, sizeof(r->path) - len, fmt, ap);
	va_end(ap);
	return len;
}

static void path_pop(struct render *r, size_t len)
{
	r->path[len] = '\0';
}

static const char *kind_name(const struct yaml_node *n)
{
	return n->kind == YAML_MAP_ ? "a mapping" : n->kind == YAML_LIST_ ? "a list" : "a single value";
}

/* "expected X, found Y"; a secret or a long value is not repeated. */
static int mismatch(struct render *r, const struct yaml_node *n, const char *expects, bool secret)
{
	const char *what = *r->path ? r->path : "the file", *found = NULL;

	if (n->kind != YAML_SCALAR_)
		found = kind_name(n);
	else if (!*n->text && n->plain)
		found = "nothing";
	if (found)
		return config_refuse(
			r->err, n->line, n->column, "%s: expected %s, found %s", what, expects, found);
	if (secret || strlen(n->text) > 64 || strchr(n->text, '\n'))
		return config_refuse(r->err, n->line, n->column, "%s: expected %s", what, expects);
	return config_refuse(
		r->err, n->line, n->column, "%s: expected %s, found \"%s\"", what, expects, n->text);
}

/* Edits between two words, a swap of neighbours counting as one; words longer than 31 are never near. */
static unsigned distance(const char *a, const char *b)
{
	enum { MAX = 32 };
	unsigned d[MAX][MAX];
	size_t la = strlen(a), lb = strlen(b);

	if (la >= MAX || lb >= MAX)
		return MAX;
	for (size_t i = 0; i <= la; i++)
		d[i][0] = (unsigned)i;
	for (size_t j = 0; j <= lb; j++)
		d[0][j] = (unsigned)j;
	for (size_t i = 1; i <= la; i++)
		for (size_t j = 1; j <= lb; j++) {
			unsigned best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			if (d[i - 1][j] + 1 < best)
				best = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < best)
				best = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
				d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	return d[la][lb];
}

static int unknown_key(struct render *r, const struct schema_field *map, const struct yaml_node *n)
{
	const struct schema_field *nearest = NULL;
	unsigned best = (unsigned)strlen(n->key) / 3 + 2; /* further away is no typing error */
	char place[sizeof(r->path) + 8] = "";

	for (const struct schema_field *f = map->fields; f->key; f++) {
		unsigned d = distance(n->key, f->key);

		if (d < best) {
			best = d;
			nearest = f;
		}
	}
	if (*r->path)
		snprintf(place, sizeof(place), " in %s", r->path);
	if (nearest)
		return config_refuse(r->err, n->key_line, n->key_column,
			"unknown key \"%.64s\"%s; did you mean \"%s\"?", n->key, place, nearest->key);

	/* Nothing near: say what there is. */
	config_refuse(r->err, n->key_line, n->key_column, "unknown key \"%.64s\"%s; the keys here are",
		n->key, place);
	for (const struct schema_field *f = map->fields; f->key; f++) {
		size_t len = strlen(r->err->text);

		snprintf(r->err->text + len, sizeof(r->err->text) - len, "%s %s", f == map->fields ? "" : ",",
			f->key);
	}
	return CONFIG_REFUSED;
}

static int convert_string(
	struct render *r, const struct schema_field *f, const struct yaml_node *n, value *out)
{
	if (n->kind != YAML_SCALAR_ || !f->ok(n->text))
		return mismatch(r, n, f->expects, f->secret);
	*out = yyjson_mut_strcpy(r->doc, n->text);
	return *out ? CONFIG_OK : -ENOMEM;
}

static int convert_int(struct render *r, const struct schema_field *f, const struct yaml_node *n, value *out)
{
	char expects[64];
	char *end;
	long v;

	snprintf(expects, sizeof(expects), f->min == f->max ? "%ld" : "a whole number from %ld to %ld",
		f->min, f->max);
	if (n->kind != YAML_SCALAR_ || !n->plain || n->text[0] < '0' || n->text[0] > '9' ||
		strlen(n->text) > 9 || (n->text[0] == '0' && n->text[1]))
		return mismatch(r, n, expects, f->secret);
	v = strtol(n->text, &end, 10);
	if (*end || v < f->min || v > f->max)
		return mismatch(r, n, expects, f->secret);
	*out = yyjson_mut_sint(r->doc, v);
	return *out ? CONFIG_OK : -ENOMEM;
}

static int convert_bool(struct render *r, const struct schema_field *f, const struct yaml_node *n, value *out)
{
	bool yes = n->kind == YAML_SCALAR_ && n->plain && !strcmp(n->text, "true");

	if (!yes && (n->kind != YAML_SCALAR_ || !n->plain || strcmp(n->text, "false") != 0))
		return mismatch(r, n, "true or false", f->secret);
	*out = yyjson_mut_bool(r->doc, yes);
	return *out ? CONFIG_OK : -ENOMEM;
}

/* Strings and maps in a list. */
static int convert_list(struct render *r, const struct schema_field *f, const struct yaml_node *n, value *out)
{
	struct schema_field item = *f;

	item.type = f->type == T_MAPS ? T_MAP : T_STRING;
	if (n->kind != YAML_LIST_)
		return mismatch(r, n, "a list", f->secret);
	if (n->n_kids > (size_t)f->max)
		return config_refuse(r->err, n->kids[f->max]->line, n->kids[f->max]->column,
			"%s: at most %ld are accepted", r->path, f->max);
	*out = yyjson_mut_arr(r->doc);
	for (size_t i = 0; i < n->n_kids; i++) {
		size_t depth = path_push(r, "[%zu]", i);
		value v;
		int rc = convert(r, &item, n->kids[i], &v);

		if (rc)
			return rc;
		if (!yyjson_mut_arr_append(*out, v))
			return -ENOMEM;
		path_pop(r, depth);
	}
	return CONFIG_OK;
}

static value default_list(struct render *r, const char *words)
{
	value list = yyjson_mut_arr(r->doc);

	while (words && *words) {
		size_t len = strcspn(words, " ");

		if (!yyjson_mut_arr_add_strncpy(r->doc, list, words, len))
			return NULL;
		words += len + (words[len] == ' ');
	}
	return list;
}

static int convert_map(struct render *r, const struct schema_field *f, const struct yaml_node *n, value *out);

/* What a key that is not given stands for; *out stays NULL when it is to be absent. */
static int convert_default(struct render *r, const struct schema_field *f, value *out)
{
	*out = NULL;
	switch (f->type) {
	case T_STRING:
		*out = yyjson_mut_str(r->doc, f->dflt);
		return !f->dflt || *out ? CONFIG_OK : -ENOMEM;
	case T_BOOL:
		if (!f->dflt)
			return CONFIG_OK;
		*out = yyjson_mut_bool(r->doc, !strcmp(f->dflt, "true"));
		break;
	case T_INT:
		if (!f->dflt)
			return CONFIG_OK;
		*out = yyjson_mut_sint(r->doc, strtol(f->dflt, NULL, 10));
		break;
	case T_STRINGS:
	case T_MAPS:
		*out = default_list(r, f->dflt);
		break;
	case T_MAP:
		if (f->optional_map)
			return CONFIG_OK;
		return convert_map(r, f, NULL, out);
	}
	return *out ? CONFIG_OK : -ENOMEM;
}

/* @n may be NULL: a map that was not given, all defaults. */
static int convert_map(struct render *r, const struct schema_field *f, const struct yaml_node *n, value *out)
{
	if (n && n->kind != YAML_MAP_)
		return mismatch(r, n, "a mapping", f->secret);
	for (size_t i = 0; n && i < n->n_kids; i++) {
		const struct schema_field *known = f->fields;

		while (known->key && strcmp(known->key, n->kids[i]->key) != 0)
			known++;
		if (!known->key)
			return unknown_key(r, f, n->kids[i]);
	}

	*out = yyjson_mut_obj(r->doc);
	for (const struct schema_field *m = f->fields; m->key; m++) {
		const struct yaml_node *given = yaml_get(n, m->key);
		size_t depth = path_push(r, "%s%s", *r->path ? "." : "", m->key);
		value v = NULL;
		int rc;

		if (!given && m->required)
			return config_refuse(
				r->err, n ? n->line : 0, n ? n->column : 0, "%s is missing", r->path);
		rc = given ? convert(r, m, given, &v) : convert_default(r, m, &v);
		if (rc)
			return rc;
		if (v && !yyjson_mut_obj_add_val(r->doc, *out, m->key, v))
			return -ENOMEM;
		path_pop(r, depth);
	}
	return CONFIG_OK;
}

static int convert(struct render *r, const struct schema_field *f, const struct yaml_node *n, value *out)
{
	switch (f->type) {
	case T_STRING:
		return convert_string(r, f, n, out);
	case T_INT:
		return convert_int(r, f, n, out);
	case T_BOOL:
		return convert_bool(r, f, n, out);
	case T_MAP:
		return convert_map(r, f, n, out);
	case T_STRINGS:
	case T_MAPS:
		return convert_list(r, f, n, out);
	}
	return -EINVAL;
}

/* The address family of a rendered "address/prefix". */
static bool is_ipv4(value address)
{
	return !strchr(yyjson_mut_get_str(address), ':');
}

static int default_dhcp(struct render *r, value interface)
{
	value addresses = yyjson_mut_obj_get(interface, "addresses"), a;
	bool dhcp = true;
	size_t i, max;

	if (yyjson_mut_obj_get(interface, "dhcp"))
		return CONFIG_OK;
	yyjson_mut_arr_foreach(addresses, i, max, a)
	{
		if (is_ipv4(a))
			dhcp = false;
	}
	return yyjson_mut_obj_add_bool(r->doc, interface, "dhcp", dhcp) ? CONFIG_OK : -ENOMEM;
}

/* Defaults that depend on other keys, as schema.c words them. */
static int dependent_defaults(
	struct render *r, const struct yaml_node *given, value root, const char *hostname)
{
	value engine = yyjson_mut_obj_get(root, "engine"), interface;
	value interfaces = yyjson_mut_obj_get(yyjson_mut_obj_get(root, "network"), "interfaces");
	size_t i, max;

	if (!yyjson_mut_obj_get(root, "hostname") &&
		!yyjson_mut_obj_add_strcpy(r->doc, root, "hostname", hostname))
		return -ENOMEM;
	yyjson_mut_arr_foreach(interfaces, i, max, interface)
	{
		int rc = default_dhcp(r, interface);

		if (rc)
			return rc;
	}
	if (yyjson_mut_obj_get(engine, "tls") && !yaml_get(yaml_get(given, "engine"), "listen") &&
		!yyjson_mut_arr_add_str(r->doc, yyjson_mut_obj_get(engine, "listen"), "0.0.0.0:2376"))
		return -ENOMEM;
	return CONFIG_OK;
}

static void nodep(struct yaml_node **n)
{
	yaml_node_free(*n);
}

static void docp(yyjson_mut_doc **doc)
{
	yyjson_mut_doc_free(*doc);
}

int config_render(char **json, const char *text, size_t len, const char *hostname, struct config_error *err)
{
	cleanup(nodep) struct yaml_node *tree = NULL;
	cleanup(docp) yyjson_mut_doc *doc = NULL;
	struct render r = {.err = err};
	value root = NULL;
	int rc;

	memset(err, 0, sizeof(*err));
	if (len > CONFIG_SIZE_MAX)
		return config_refuse(err, 0, 0, "larger than %d KiB", CONFIG_SIZE_MAX / 1024);
	rc = yaml_tree_parse(&tree, text, len, err);
	if (rc)
		return rc;
	doc = r.doc = yyjson_mut_doc_new(NULL);
	if (!doc)
		return -ENOMEM;
	rc = convert_map(&r, &config_schema, tree, &root);
	if (!rc)
		rc = config_cross_check(tree, err);
	if (!rc)
		rc = dependent_defaults(&r, tree, root, hostname);
	if (rc)
		return rc;

	yyjson_mut_doc_set_root(doc, root);
	*json = yyjson_mut_write(doc, YYJSON_WRITE_PRETTY_TWO_SPACES, NULL);
	return *json ? CONFIG_OK : -ENOMEM;
}
