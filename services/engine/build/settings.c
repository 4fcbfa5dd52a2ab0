/* SPDX-License-Identifier: Apache-2.0 */

/* See settings.h. */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "engine/build/settings.h"
#include "lib/json.h"

struct apply {
	struct settings *s;
	const struct dockerfile_step *step;
	char escape;
	struct settings_error *err;
};

static int fail(struct settings_error *err, int r, const char *fmt, ...) printf_like(3, 4);
static int fail(struct settings_error *err, int r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return r;
}

/* ---- the configuration */

static void put(struct settings *s, const char *key, yyjson_mut_val *v)
{
	yyjson_mut_obj_put(s->config, yyjson_mut_str(s->doc, key), v);
}

static yyjson_mut_val *sub(struct settings *s, const char *key, bool list)
{
	yyjson_mut_val *v = yyjson_mut_obj_get(s->config, key);

	if (v && (list ? yyjson_mut_is_arr(v) : yyjson_mut_is_obj(v)))
		return v;
	v = list ? yyjson_mut_arr(s->doc) : yyjson_mut_obj(s->doc);
	put(s, key, v);
	return v;
}

static void put_key(struct settings *s, const char *key, const char *name, yyjson_mut_val *v)
{
	yyjson_mut_obj_put(sub(s, key, false), yyjson_mut_strcpy(s->doc, name), v);
}

const char *settings_env(const struct settings *s, const char *name, size_t len)
{
	yyjson_mut_val *env = yyjson_mut_obj_get(s->config, "Env"), *v;
	size_t i, n;

	yyjson_mut_arr_foreach(env, i, n, v)
	{
		const char *e = yyjson_mut_get_str(v);

		if (e && !strncmp(e, name, len) && e[len] == '=')
			return e + len + 1;
	}
	return NULL;
}

static void put_env(struct settings *s, const char *name, const char *value)
{
	yyjson_mut_val *env = sub(s, "Env", true), *v, *fresh;
	cleanup(freep) char *text = NULL;
	size_t i, n, len = strlen(name);

	if (asprintf(&text, "%s=%s", name, value) < 0) {
		text = NULL;
		return;
	}
	fresh = yyjson_mut_strcpy(s->doc, text);
	yyjson_mut_arr_foreach(env, i, n, v)
	{
		const char *e = yyjson_mut_get_str(v);

		if (e && !strncmp(e, name, len) && e[len] == '=') {
			yyjson_mut_arr_replace(env, i, fresh);
			return;
		}
	}
	yyjson_mut_arr_append(env, fresh);
}

void settings_shell(const struct settings *s, yyjson_mut_doc *doc, yyjson_mut_val *argv)
{
	yyjson_mut_val *shell = yyjson_mut_obj_get(s->config, "Shell"), *v;
	size_t i, n;

	if (!yyjson_mut_arr_size(shell)) {
		yyjson_mut_arr_add_str(doc, argv, "/bin/sh");
		yyjson_mut_arr_add_str(doc, argv, "-c");
		return;
	}
	yyjson_mut_arr_foreach(shell, i, n, v)
		yyjson_mut_arr_add_strcpy(doc, argv, yyjson_mut_get_str(v) ? yyjson_mut_get_str(v) : "");
}

/* ---- words */

static const char *value_of(const char *name, size_t len, void *arg)
{
	struct settings *s = arg;
	const char *v = settings_env(s, name, len);

	return v || !s->arg ? v : s->arg(name, len, s->ctx);
}

int settings_expand(struct settings *s, const char *word, char escape, char **out, struct settings_error *err)
{
	struct words w = {.escape = escape, .value = value_of, .arg = s};
	struct words_error e;
	int r = words_expand(&w, word, out, &e);

	return r < 0 ? fail(err, r, "failed to process \"%.100s\": %s", word, e.text) : 0;
}

static int expand(struct apply *a, const char *word, char **out)
{
	return settings_expand(a->s, word, a->escape, out, a->err);
}

static int usage(struct apply *a, const char *want)
{
	return fail(a->err, -EINVAL, "%s %s", dockerfile_keyword(a->step->op), want);
}

/* The words, or the shell with the whole line. */
static yyjson_mut_val *command(struct apply *a)
{
	yyjson_mut_val *argv = yyjson_mut_arr(a->s->doc);

	if (a->step->json) {
		for (size_t i = 0; i < a->step->n_words; i++)
			yyjson_mut_arr_add_strcpy(a->s->doc, argv, a->step->words[i]);
	} else if (*a->step->rest) {
		settings_shell(a->s, a->s->doc, argv);
		yyjson_mut_arr_add_strcpy(a->s->doc, argv, a->step->rest);
	}
	return argv;
}

static int cmd(struct apply *a)
{
	put(a->s, "Cmd", command(a));
	a->s->cmd_given = true;
	return 0;
}

static int entrypoint(struct apply *a)
{
	yyjson_mut_val *argv = command(a);

	put(a->s, "Entrypoint", yyjson_mut_arr_size(argv) ? argv : yyjson_mut_null(a->s->doc));
	/* the image's Cmd was for the image's Entrypoint */
	if (!a->s->cmd_given)
		put(a->s, "Cmd", yyjson_mut_null(a->s->doc));
	return 0;
}

/* NAME=value words, or the old form NAME value. */
static int pairs(struct apply *a, int (*one)(struct apply *a, const char *name, const char *value))
{
	const struct dockerfile_step *st = a->step;
	int r = 0;

	if (st->n_words && !strchr(st->words[0], '=')) {
		cleanup(freep) char *name = NULL, *value = NULL;
		const char *rest = st->rest + strlen(st->words[0]);

		rest += strspn(rest, " \t");
		r = expand(a, st->words[0], &name);
		if (r == 0)
			r = expand(a, rest, &value);
		return r ? r : one(a, name, value);
	}
	/* all of them see the environment as it was before the line */
	char **done = calloc(st->n_words + 1, sizeof(char *));

	for (size_t i = 0; i < st->n_words && r == 0 && done; i++)
		r = expand(a, st->words[i], &done[i]);
	for (size_t i = 0; i < st->n_words && r == 0 && done && done[i]; i++) {
		char *eq = strchr(done[i], '=');

		if (!eq || eq == done[i]) {
			r = usage(a, "names can not be blank");
			break;
		}
		*eq = '\0';
		r = one(a, done[i], eq + 1);
	}
	for (size_t i = 0; i < st->n_words && done; i++)
		free(done[i]);
	free(done);
	return r;
}

static int one_env(struct apply *a, const char *name, const char *value)
{
	put_env(a->s, name, value);
	return 0;
}

static int one_label(struct apply *a, const char *name, const char *value)
{
	put_key(a->s, "Labels", name, yyjson_mut_strcpy(a->s->doc, value));
	return 0;
}

static int env(struct apply *a)
{
	return pairs(a, one_env);
}

static int label(struct apply *a)
{
	return pairs(a, one_label);
}

enum { PORTS = 65536 };
static const char *const port_protocols[] = {"tcp", "udp", "sctp"};

/* What is exposed: by protocol and port. A range is a step for each port, and may hold all of them. */
struct exposed {
	bool port[array_len(port_protocols)][PORTS];
};

/* PORT[-PORT][/PROTOCOL]. Return: the protocol's number, or -EINVAL */
static int port_range(const char *text, unsigned long *from, unsigned long *to)
{
	const char *proto;
	char *end;

	*from = *to = strtoul(text, &end, 10);
	if (*end == '-' && end != text)
		*to = strtoul(end + 1, &end, 10);
	proto = *end == '/' ? end + 1 : "tcp";
	if (end == text || (*end && *end != '/') || *from < 1 || *to >= PORTS || *from > *to)
		return -EINVAL;
	for (size_t i = 0; i < array_len(port_protocols); i++)
		if (!strcasecmp(proto, port_protocols[i]))
			return (int)i;
	return -EINVAL;
}

static int port_of(struct apply *a, struct exposed *e, const char *text)
{
	unsigned long from, to;
	int proto = port_range(text, &from, &to);
	yyjson_mut_val *map;
	char key[32];

	if (proto < 0)
		return fail(a->err, -EINVAL, "Invalid containerPort: %.64s", text);
	map = sub(a->s, "ExposedPorts", false);
	for (; from <= to; from++) {
		if (e->port[proto][from])
			continue;
		e->port[proto][from] = true;
		snprintf(key, sizeof(key), "%lu/%s", from, port_protocols[proto]);
		yyjson_mut_obj_add(map, yyjson_mut_strcpy(a->s->doc, key), yyjson_mut_obj(a->s->doc));
	}
	return 0;
}

static int expose(struct apply *a)
{
	cleanup(freep) struct exposed *e = calloc(1, sizeof(*e));
	yyjson_mut_val *key, *v;
	size_t n_keys, k;
	int r = 0;

	if (!e)
		return fail(a->err, -ENOMEM, "out of memory");
	yyjson_mut_obj_foreach(yyjson_mut_obj_get(a->s->config, "ExposedPorts"), k, n_keys, key, v)
	{
		unsigned long from, to;
		int proto = port_range(yyjson_mut_get_str(key), &from, &to);

		if (proto >= 0 && from == to)
			e->port[proto][from] = true;
	}
	for (size_t i = 0; i < a->step->n_words && r == 0; i++) {
		cleanup(freep) char *text = NULL;
		char *save = NULL;

		r = expand(a, a->step->words[i], &text);
		if (r < 0)
			return r;
		/* a variable may hold several */
		for (char *w = strtok_r(text, " \t", &save); w && r == 0; w = strtok_r(NULL, " \t", &save))
			r = port_of(a, e, w);
	}
	return r;
}

static int volume(struct apply *a)
{
	int r = 0;

	for (size_t i = 0; i < a->step->n_words && r == 0; i++) {
		cleanup(freep) char *path = NULL;

		r = expand(a, a->step->words[i], &path);
		if (r < 0)
			return r;
		if (!*path)
			return usage(a, "specified can not be an empty string");
		put_key(a->s, "Volumes", path, yyjson_mut_obj(a->s->doc));
	}
	return r;
}

/* Resolves . and .. by text, as there is no file system here. */
static char *join(const char *base, const char *path)
{
	char *all = NULL, *out, *save = NULL;
	size_t len = 0;

	if (asprintf(&all, "%s/%s", *path == '/' ? "" : base, path) < 0)
		return NULL;
	out = malloc(strlen(all) + 2);
	for (char *w = out ? strtok_r(all, "/", &save) : NULL; w; w = strtok_r(NULL, "/", &save)) {
		if (!strcmp(w, "."))
			continue;
		if (!strcmp(w, "..")) {
			while (len && out[--len] != '/')
				;
			continue;
		}
		out[len++] = '/';
		memcpy(out + len, w, strlen(w));
		len += strlen(w);
	}
	free(all);
	if (out) {
		if (!len)
			out[len++] = '/';
		out[len] = '\0';
	}
	return out;
}

static int workdir(struct apply *a)
{
	cleanup(freep) char *path = NULL, *joined = NULL;
	const char *old = yyjson_mut_get_str(yyjson_mut_obj_get(a->s->config, "WorkingDir"));
	int r = expand(a, a->step->rest, &path);

	if (r < 0)
		return r;
	if (!*path)
		return usage(a, "requires exactly one argument");
	joined = join(old ? old : "", path);
	if (!joined)
		return fail(a->err, -ENOMEM, "out of memory");
	put(a->s, "WorkingDir", yyjson_mut_strcpy(a->s->doc, joined));
	return 0;
}

static int one_word(struct apply *a, const char *key)
{
	cleanup(freep) char *text = NULL;
	int r;

	if (a->step->n_words != 1)
		return usage(a, "requires exactly one argument");
	r = expand(a, a->step->words[0], &text);
	if (r == 0)
		put(a->s, key, yyjson_mut_strcpy(a->s->doc, text));
	return r;
}

static int user(struct apply *a)
{
	return one_word(a, "User");
}

static int stopsignal(struct apply *a)
{
	const char *signal;
	int r = one_word(a, "StopSignal");

	if (r < 0)
		return r;
	signal = yyjson_mut_get_str(yyjson_mut_obj_get(a->s->config, "StopSignal"));
	if (!*signal ||
		signal[strspn(signal, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-")])
		return fail(a->err, -EINVAL, "Invalid signal: %.64s", signal);
	return 0;
}

static int shell(struct apply *a)
{
	if (!a->step->json || !a->step->n_words)
		return usage(a, "requires the arguments to be in JSON form");
	put(a->s, "Shell", command(a));
	return 0;
}

static int maintainer(struct apply *a)
{
	snprintf(a->s->author, sizeof(a->s->author), "%s", a->step->rest);
	return 0;
}

static int onbuild(struct apply *a)
{
	struct dockerfile_error e;
	struct dockerfile *inner;
	enum dockerfile_op op;

	if (dockerfile_parse_line(&inner, a->step->rest, a->escape, &e) < 0)
		return fail(a->err, -EINVAL, "%s", e.text);
	op = inner->steps[0].op;
	dockerfile_free(inner);
	if (op == DF_ONBUILD)
		return fail(a->err, -EINVAL, "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
	if (op == DF_FROM || op == DF_MAINTAINER)
		return fail(
			a->err, -EINVAL, "%s isn't allowed as an ONBUILD trigger", dockerfile_keyword(op));
	yyjson_mut_arr_add_strcpy(a->s->doc, sub(a->s, "OnBuild", true), a->step->rest);
	return 0;
}

/* Go's durations: 1h2m3.5s, 500ms; in nanoseconds. */
static int duration(const char *s, int64_t *ns)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
	double sum = 0;

	if (!*s)
		return -EINVAL;
	while (*s) {
		char *end;
		double v = strtod(s, &end);
		size_t n = strspn(end, "nmush"), i;

		if (end == s || *s == '-' || *s == '+' || !(v >= 0 && v < 1e9))
			return -EINVAL;
		for (i = 0; i < array_len(units); i++)
			if (strlen(units[i].unit) == n && !strncmp(units[i].unit, end, n))
				break;
		if (i == array_len(units))
			return -EINVAL;
		sum += v * units[i].ns;
		s = end + n;
	}
	if (sum > 9e18 || (sum > 0 && sum < 1e6))
		return -ERANGE;
	*ns = (int64_t)sum;
	return 0;
}

static int healthcheck(struct apply *a)
{
	static const struct {
		const char *flag, *key;
	} times[] = {{"interval", "Interval"}, {"timeout", "Timeout"}, {"start-period", "StartPeriod"},
		{"start-interval", "StartInterval"}};
	const struct dockerfile_step *st = a->step;
	yyjson_mut_doc *d = a->s->doc;
	yyjson_mut_val *o = yyjson_mut_obj(d), *test = yyjson_mut_obj_add_arr(d, o, "Test");
	const char *rest = st->rest, *v;
	int64_t ns;

	if (!strcasecmp(rest, "NONE")) {
		if (st->n_flags)
			return fail(a->err, -EINVAL, "HEALTHCHECK NONE takes no flags");
		yyjson_mut_arr_add_str(d, test, "NONE");
		put(a->s, "Healthcheck", o);
		return 0;
	}
	if (strncasecmp(rest, "CMD", 3) || (rest[3] && !strchr(" \t[", rest[3])))
		return fail(a->err, -EINVAL, "Unknown type \"%.32s\" in HEALTHCHECK (try CMD)",
			st->n_words ? st->words[0] : "");
	rest += 3 + strspn(rest + 3, " \t");
	if (!*rest)
		return fail(a->err, -EINVAL, "Missing command after HEALTHCHECK CMD");

	/* read as a CMD of its own, for its JSON form */
	cleanup(freep) char *line = NULL;
	struct dockerfile_error e;
	struct dockerfile *inner;

	if (asprintf(&line, "CMD %s", rest) < 0)
		return fail(a->err, -ENOMEM, "out of memory");
	if (dockerfile_parse_line(&inner, line, a->escape, &e) < 0)
		return fail(a->err, -EINVAL, "%s", e.text);
	if (inner->steps[0].json) {
		yyjson_mut_arr_add_str(d, test, "CMD");
		for (size_t i = 0; i < inner->steps[0].n_words; i++)
			yyjson_mut_arr_add_strcpy(d, test, inner->steps[0].words[i]);
	} else {
		yyjson_mut_arr_add_str(d, test, "CMD-SHELL");
		yyjson_mut_arr_add_strcpy(d, test, rest);
	}
	dockerfile_free(inner);
	for (size_t i = 0; i < array_len(times); i++) {
		v = dockerfile_flag(st, times[i].flag);
		if (!v)
			continue;
		if (duration(v, &ns) < 0)
			return fail(a->err, -EINVAL, "--%s=%.64s is no duration of at least 1ms",
				times[i].flag, v);
		yyjson_mut_obj_add_int(d, o, times[i].key, ns);
	}
	v = dockerfile_flag(st, "retries");
	if (v) {
		char *end;
		unsigned long n = strtoul(v, &end, 10);

		if (end == v || *end || *v == '-' || n > 1000)
			return fail(a->err, -EINVAL, "--retries=%.64s is no number up to 1000", v);
		if (n)
			yyjson_mut_obj_add_uint(d, o, "Retries", n);
	}
	put(a->s, "Healthcheck", o);
	return 0;
}

/* ---- the table */

static int (*const table[DF_OPS])(struct apply *a) = {
	[DF_CMD] = cmd,
	[DF_ENTRYPOINT] = entrypoint,
	[DF_ENV] = env,
	[DF_EXPOSE] = expose,
	[DF_HEALTHCHECK] = healthcheck,
	[DF_LABEL] = label,
	[DF_MAINTAINER] = maintainer,
	[DF_ONBUILD] = onbuild,
	[DF_SHELL] = shell,
	[DF_STOPSIGNAL] = stopsignal,
	[DF_USER] = user,
	[DF_VOLUME] = volume,
	[DF_WORKDIR] = workdir,
};

bool settings_op(enum dockerfile_op op)
{
	return table[op] != NULL;
}

int settings_apply(
	struct settings *s, const struct dockerfile_step *step, char escape, struct settings_error *err)
{
	struct apply a = {.s = s, .step = step, .escape = escape, .err = err};

	struct dockerfile_error e;

	*err->text = '\0';
	if (dockerfile_check_step(step, &e) < 0)
		return fail(err, -EINVAL, "%s", e.text);
	return table[step->op](&a);
}

yyjson_mut_val *settings_changes(
	yyjson_mut_doc *doc, yyjson_val *config, const char *const *changes, size_t n, char **msg)
{
	struct settings s = {
		.doc = doc, .config = config ? yyjson_val_mut_copy(doc, config) : yyjson_mut_obj(doc)};

	*msg = NULL;
	for (size_t i = 0; i < n; i++) {
		struct dockerfile_error e;
		struct settings_error why = {""};
		struct dockerfile *d;
		bool bad = false;

		if (dockerfile_parse(&d, changes[i], strlen(changes[i]), &e) < 0) {
			if (asprintf(msg, "%s", e.text) < 0)
				*msg = NULL;
			return NULL;
		}
		for (size_t k = 0; k < d->n_steps && !bad; k++) {
			const char *word = dockerfile_keyword(d->steps[k].op);

			bad = !settings_op(d->steps[k].op) ||
			      settings_apply(&s, &d->steps[k], d->escape, &why) < 0;
			if (bad && (settings_op(d->steps[k].op)
						   ? asprintf(msg, "%s: %s", word, why.text)
						   : asprintf(msg, "%s is not a valid change command",
							     word)) < 0)
				*msg = NULL;
		}
		dockerfile_free(d);
		if (bad)
			return NULL;
	}
	return s.config;
}
