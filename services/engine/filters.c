/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/api.h"
#include "engine/files.h"
#include "engine/filters.h"
#include "lib/json.h"

struct filters {
	yyjson_doc *doc;
	yyjson_val *root;
};

static bool is_known(const char *key, const char *const *known)
{
	for (; *known; known++)
		if (!strcmp(*known, key))
			return true;
	return false;
}

#define YES_OR_NO " true false t f 1 0 "

enum { PATTERN_MAX = 256 };

/* Without what makes a small text large or slow: counts, and references to what was found. */
static int pattern_compile(regex_t *re, const char *text)
{
	if (strlen(text) > PATTERN_MAX || strpbrk(text, "{}\\"))
		return -EINVAL;
	return regcomp(re, text, REG_EXTENDED | REG_NOSUB) ? -EINVAL : 0;
}

static bool pattern_valid(const char *text)
{
	regex_t re;

	if (!*text)
		return true;
	if (pattern_compile(&re, text))
		return false;
	regfree(&re);
	return true;
}

struct port_range {
	unsigned long first, last;
	const char *proto; /* within the text */
};

static int port_range_parse(const char *text, struct port_range *out)
{
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	out->first = out->last = strtoul(text, &end, 10);
	if (*end == '-' && end[1] >= '0' && end[1] <= '9')
		out->last = strtoul(end + 1, &end, 10);
	out->proto = *end == '/' ? end + 1 : "tcp";
	return (*end && *end != '/') || !*out->proto || out->first > out->last || out->last > 65535 ? -EINVAL
												    : 0;
}

static bool port_range_valid(const char *text)
{
	struct port_range r;

	return !port_range_parse(text, &r);
}

/* Filters of which the values are known. Another one would be read as "no", which from `dangling` of a prune means all. */
static const struct {
	const char *key, *values; /* between blanks; NULL: whole numbers, or what `valid` says */
	bool (*valid)(const char *value);
} worded[] = {
	{"dangling", YES_OR_NO},
	{"all", YES_OR_NO},
	{"is-task", YES_OR_NO},
	{"status", " created running paused restarting removing exited dead "},
	{"health", " none starting healthy unhealthy "},
	{"scope", " local swarm global "},
	{"exited", NULL},
	{"name", NULL, pattern_valid},
	{"publish", NULL, port_range_valid},
	{"expose", NULL, port_range_valid},
};

static bool value_known(const char *key, const char *value)
{
	for (size_t i = 0; i < array_len(worded); i++) {
		char word[20];
		int n = snprintf(word, sizeof(word), " %s ", value);

		if (strcmp(worded[i].key, key) != 0)
			continue;
		if (worded[i].valid)
			return worded[i].valid(value);
		if (!worded[i].values)
			return *value && strlen(value) < 9 && !value[strspn(value, "0123456789")];
		return n < (int)sizeof(word) && !strchr(value, ' ') && strcasestr(worded[i].values, word);
	}
	return true;
}

static int check_value(const char *key, const char *value, char **msg)
{
	if (value_known(key, value))
		return 0;
	*msg = text_make("invalid filter '%.64s=%.64s'", key, value);
	return -EINVAL;
}

/* Of a key whose values are a list of texts, or, as older clients send them, the names of an object. */
static int check_values(const char *key, yyjson_val *values, char **msg)
{
	size_t i, n;
	yyjson_val *item, *flag;
	int err = 0;

	yyjson_arr_foreach (values, i, n, item)
		err = err ? err : check_value(key, yyjson_get_str(item), msg);
	json_obj_foreach (values, i, n, item, flag)
		err = err ? err : check_value(key, yyjson_get_str(item), msg);
	return err;
}

static int check(yyjson_val *root, const char *const *known, char **msg)
{
	size_t i, n, j, m;
	yyjson_val *k, *v, *item, *flag;
	int err = 0;

	if (!yyjson_is_obj(root)) {
		*msg = text_make("invalid filters: not a JSON object");
		return -EINVAL;
	}
	json_obj_foreach (root, i, n, k, v) {
		if (!is_known(yyjson_get_str(k), known)) {
			*msg = text_make("invalid filter '%.64s'", yyjson_get_str(k));
			return -EINVAL;
		}
		bool good = yyjson_is_arr(v) || yyjson_is_obj(v);

		if (yyjson_is_arr(v)) {
			yyjson_arr_foreach (v, j, m, item)
				good = good && yyjson_is_str(item);
		} else if (good) {
			json_obj_foreach (v, j, m, item, flag)
				good = good && yyjson_is_bool(flag);
		}
		if (!good) {
			*msg = text_make("invalid filter '%.64s': its values are not a list of strings",
				yyjson_get_str(k));
			return -EINVAL;
		}
	}
	json_obj_foreach (root, i, n, k, v)
		err = err ? err : check_values(yyjson_get_str(k), v, msg);
	return err;
}

int filters_parse(struct filters **out, const char *text, const char *const *known, char **msg)
{
	const char *why = "too long";
	struct filters *f;
	size_t len = text ? strlen(text) : 0;

	*out = NULL;
	if (!len)
		return 0;

	yyjson_doc *doc = len > FILTERS_TEXT_MAX ? NULL : api_parse_json(text, len, &why);

	if (!doc) {
		*msg = text_make("invalid filters: %s", why);
		return -EINVAL;
	}

	int err = check(yyjson_doc_get_root(doc), known, msg);

	f = err ? NULL : malloc(sizeof(*f));
	if (!f) {
		yyjson_doc_free(doc);
		return err ? err : -ENOMEM;
	}
	*f = (struct filters){.doc = doc, .root = yyjson_doc_get_root(doc)};
	*out = f;
	return 0;
}

void filters_free(struct filters *f)
{
	if (!f)
		return;
	yyjson_doc_free(f->doc);
	free(f);
}

const char *filters_value(const struct filters *f, const char *key, size_t want)
{
	yyjson_val *v = f ? yyjson_obj_get(f->root, key) : NULL;
	size_t i, n;
	yyjson_val *k, *flag;

	if (yyjson_is_arr(v))
		return yyjson_get_str(yyjson_arr_get(v, want));
	json_obj_foreach (v, i, n, k, flag)
		if (i == want)
			return yyjson_get_str(k);
	return NULL;
}

bool filters_has(const struct filters *f, const char *key)
{
	return filters_value(f, key, 0) != NULL;
}

typedef bool fits(const char *value, const char *want);

static bool any(const struct filters *f, const char *key, const char *value, fits *fn)
{
	const char *want;

	if (!filters_has(f, key))
		return true;
	for (size_t i = 0; value && (want = filters_value(f, key, i)); i++)
		if (fn(value, want))
			return true;
	return false;
}

static bool exact(const char *value, const char *want)
{
	return !strcmp(value, want);
}

static bool start(const char *value, const char *want)
{
	return *want && !strncmp(value, want, strlen(want));
}

/* Most are a part of the name, with ^ and $ at its ends at most, and need no expression made. */
static bool plain_name(const char *value, const char *want)
{
	bool from_start = *want == '^';
	const char *p = want + from_start;
	size_t len = strlen(value), n = strlen(p);
	bool to_end = n && p[n - 1] == '$';

	n -= to_end;
	for (size_t at = 0; at + n <= len; at++)
		if (!strncmp(value + at, p, n) && (!from_start || !at) && (!to_end || at + n == len))
			return true;
	return false;
}

static bool name(const char *value, const char *want)
{
	size_t plain = strcspn(want + (*want == '^'), ".*+?()[]|^$") + (*want == '^');
	regex_t re;

	if (!want[plain] || (want[plain] == '$' && !want[plain + 1]))
		return plain_name(value, want);
	if (pattern_compile(&re, want))
		return false;

	bool good = !regexec(&re, value, 0, NULL, 0);

	regfree(&re);
	return good;
}

static bool before_colon(const char *value, const char *want)
{
	size_t n = strlen(want);

	return !strncmp(value, want, n) && (!value[n] || value[n] == ':');
}

bool filters_match_exact(const struct filters *f, const char *key, const char *value)
{
	return any(f, key, value, exact);
}

bool filters_match_start(const struct filters *f, const char *key, const char *value)
{
	return any(f, key, value, start);
}

bool filters_match_name(const struct filters *f, const char *key, const char *value)
{
	return any(f, key, value, name);
}

bool filters_match_prefix_colon(const struct filters *f, const char *key, const char *value)
{
	return any(f, key, value, before_colon);
}

static bool label_fits(yyjson_val *labels, const char *want)
{
	const char *eq = strchr(want, '=');
	size_t n = eq ? (size_t)(eq - want) : strlen(want);
	yyjson_val *v = yyjson_obj_getn(labels, want, n);

	return v && (!eq || yyjson_equals_str(v, eq + 1));
}

bool filters_match_labels(const struct filters *f, const char *key, yyjson_val *labels)
{
	bool negated = key[strlen(key) - 1] == '!';
	const char *want;

	for (size_t i = 0; (want = filters_value(f, key, i)); i++)
		if (label_fits(labels, want) == negated)
			return false;
	return true;
}

bool filters_port_fits(const char *want, yyjson_val *ports)
{
	struct port_range range, port;
	size_t i, n;
	yyjson_val *k, *v;

	if (port_range_parse(want, &range))
		return false;
	json_obj_foreach (ports, i, n, k, v)
		if (!port_range_parse(yyjson_get_str(k), &port) && !strcmp(port.proto, range.proto) &&
			port.first >= range.first && port.last <= range.last)
			return true;
	return false;
}

bool filters_bool(const struct filters *f, const char *key, bool absent)
{
	const char *v = filters_value(f, key, 0);

	if (!v)
		return absent;
	return strcasecmp(v, "true") == 0 || !strcmp(v, "1") || strcasecmp(v, "t") == 0;
}
