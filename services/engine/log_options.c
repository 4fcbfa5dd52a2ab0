/* SPDX-License-Identifier: Apache-2.0 */

/* See log_options.h. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/container.h"
#include "engine/files.h"
#include "engine/log_options.h"
#include "engine/output.h"
#include "engine/spec.h"
#include "lib/json.h"
#include "lib/size.h"
#include "lib/truth.h"

#define BUFFER_DEFAULT (INT64_C(1) << 20)
#define BUFFER_MIN     (INT64_C(4) << 10)
#define BUFFER_MAX     (INT64_C(64) << 20)

#define NON_BLOCKING "non-blocking"

static bool is_any(const char *s)
{
	return true;
}

static bool is_nothing(const char *s)
{
	return !*s;
}

static bool is_mode(const char *s)
{
	return !strcmp(s, "blocking") || !strcmp(s, NON_BLOCKING);
}

static bool is_buffer(const char *s)
{
	int64_t bytes;

	return !size_parse(s, &bytes) && bytes >= BUFFER_MIN && bytes <= BUFFER_MAX;
}

/* @s may be NULL. */
static bool is_true(const char *s)
{
	return s && truth_parse(s, strlen(s)) > 0;
}

static bool is_bool(const char *s)
{
	return truth_parse(s, strlen(s)) >= 0;
}

static const struct option {
	const char *name;
	bool (*good)(const char *value);
	const char *refusal;
} options[] = {
	{"max-size", is_any},
	{"max-file", is_any},
	{"labels", is_any},
	{"env", is_any},
	{"tag", is_any},
	{"mode", is_mode, "blocking or " NON_BLOCKING},
	{"max-buffer-size", is_buffer, "from 4k to 64m"},
	{"compress", is_bool, "true or false"},
	{"labels-regex", is_nothing,
		"patterns are not supported by this engine: name the labels with the option labels"},
	{"env-regex", is_nothing,
		"patterns are not supported by this engine: name the variables with the option env"},
};

/* ---- the tag: Docker's template, of its names alone */

static const char *id_of(const struct container *c)
{
	return c->id;
}

static const char *name_of(const struct container *c)
{
	return c->name;
}

static const char *image_of(const struct container *c)
{
	return c->image_name;
}

/* Without the algorithm. */
static const char *image_id_of(const struct container *c)
{
	const char *colon = strchr(c->image_id, ':');

	return colon ? colon + 1 : c->image_id;
}

static const char *daemon_of(const struct container *c)
{
	return "docker";
}

static const struct field {
	const char *name;
	const char *(*get)(const struct container *c);
	int max; /* bytes; 0: all */
} fields[] = {
	{"ID", id_of, 12},
	{"FullID", id_of},
	{"Name", name_of},
	{"ImageID", image_id_of, 12},
	{"ImageFullID", image_id_of},
	{"ImageName", image_of},
	{"DaemonName", daemon_of},
};

/* At "{{": the field between here and "}}", behind which *end is set; NULL for anything else. */
static const struct field *field_at(const char *p, const char **end)
{
	const char *close = strstr(p, "}}"), *last = close;

	if (!close)
		return NULL;
	p += 2;
	while (p < last && *p == ' ')
		p++;
	while (p < last && last[-1] == ' ')
		last--;
	*end = close + 2;
	for (size_t i = 0; p < last && *p == '.' && i < array_len(fields); i++)
		if (strlen(fields[i].name) == (size_t)(last - p - 1) &&
			!strncmp(fields[i].name, p + 1, (size_t)(last - p - 1)))
			return &fields[i];
	return NULL;
}

static bool tag_good(const char *tag)
{
	while ((tag = strstr(tag, "{{")))
		if (!field_at(tag, &tag))
			return false;
	return true;
}

static char *tag_text(const struct container *c, const char *tag)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	while (*tag) {
		const struct field *field = strncmp(tag, "{{", 2) ? NULL : field_at(tag, &tag);

		if (field)
			fprintf(f, "%.*s", field->max ? field->max : INT32_MAX, field->get(c));
		else
			fputc(*tag++, f);
	}
	fclose(f);
	return text;
}

/* ---- at create */

static int refuse(char **msg, const char *what, const char *value, const char *why)
{
	*msg = text_make("invalid %s \"%.128s\": %s", what, value, why);
	return -EINVAL;
}

static int check_one(const char *name, yyjson_val *v, char **msg)
{
	const char *text = yyjson_get_str(v);
	cleanup(freep) char *what = NULL;

	for (size_t i = 0; i < array_len(options); i++) {
		if (strcmp(options[i].name, name) != 0)
			continue;
		if (text && options[i].good(text))
			return 0;
		what = text_make("log option %s", name);
		return refuse(msg, what ? what : name, text ? text : "",
			options[i].refusal ? options[i].refusal : "it must be a string");
	}
	return refuse(msg, "log option", name,
		"max-size, max-file, labels, env, tag, mode, max-buffer-size and compress are known");
}

static bool is_non_blocking(yyjson_val *config)
{
	const char *mode = json_text(config, "mode");

	return mode && !strcmp(mode, NON_BLOCKING);
}

static bool one_of(const char *const names[], const char *name)
{
	for (; *names; names++)
		if (!strcmp(*names, name))
			return true;
	return false;
}

/* The names of Docker's two file drivers are taken for ours: `docker logs` is the same, the files are not. Of its other ones
 * people think that they are everywhere, so what there is instead is said, too. */
static int check_driver(const char *type, char **msg)
{
	static const char *const ours[] = {"json-file", "local", "none", NULL};
	static const char *const dockers[] = {
		"awslogs", "fluentd", "gcplogs", "gelf", "journald", "splunk", "syslog", NULL};

	if (one_of(ours, type))
		return 0;
	*msg = text_make("logger: no log driver named '%.128s' is registered%s", type,
		one_of(dockers, type)
			? ": this engine keeps logs in files of its own (json-file, local), or not "
			  "at all (none)"
			: "");
	return -EINVAL;
}

int log_options_check(yyjson_val *log, char **msg)
{
	const char *type = json_text(log, "Type"), *tag;
	yyjson_val *config = json_obj(log, "Config");
	int64_t size, files = OUTPUT_DEFAULT_FILES;
	size_t i, n;
	yyjson_val *k, *v;

	if (type && check_driver(type, msg))
		return -EINVAL;
	json_obj_foreach (config, i, n, k, v) {
		int err = check_one(yyjson_get_str(k), v, msg);

		if (err)
			return err;
		if (type && !strcmp(type, "none"))
			return refuse(msg, "log option", yyjson_get_str(k), "there is none with driver none");
	}
	tag = json_text(config, "tag");
	if (tag && !tag_good(tag))
		return refuse(msg, "log option tag", tag,
			"{{.ID}}, {{.FullID}}, {{.Name}}, {{.ImageID}}, {{.ImageFullID}}, {{.ImageName}} and "
			"{{.DaemonName}} are known");
	if (spec_log_limits(config, &size, &files)) {
		*msg = text_make("invalid log options: max-size is at least 4k (10m), max-file 1 to 1000");
		return -EINVAL;
	}
	if (json_text(config, "max-buffer-size") && !is_non_blocking(config))
		return refuse(msg, "log option max-buffer-size", json_text(config, "max-buffer-size"),
			"it needs mode=" NON_BLOCKING);
	if (files < 2 && is_true(json_text(config, "compress")))
		return refuse(msg, "log option compress", json_text(config, "compress"),
			"it needs a max-file of 2 at least, for what is still written is not compressed");
	return 0;
}

/* ---- as the container has them */

static yyjson_val *config_of(const struct container *c)
{
	return json_obj(json_obj(c->host, "LogConfig"), "Config");
}

bool log_options_pack(const struct container *c)
{
	const char *asked = json_text(config_of(c), "compress"),
		   *type = json_text(json_obj(c->host, "LogConfig"), "Type");

	return asked ? is_true(asked) : type && !strcmp(type, "local");
}

int64_t log_options_buffer(const struct container *c)
{
	const char *size = json_text(config_of(c), "max-buffer-size");
	int64_t bytes = BUFFER_DEFAULT;

	if (!is_non_blocking(config_of(c)))
		return 0;
	if (size)
		(void)!size_parse(size, &bytes); /* checked at create */
	return bytes;
}

/* ---- details */

/* As a query string has it. */
static void put_escaped(FILE *f, const char *s)
{
	for (; *s; s++) {
		bool plain = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
			     (*s >= '0' && *s <= '9') || strchr("-_.~", *s);

		fprintf(f, plain ? "%c" : "%%%02X", (unsigned char)*s);
	}
}

static void put_attribute(FILE *f, const char *key, const char *value)
{
	if (ftell(f))
		fputc(',', f);
	put_escaped(f, key);
	fputc('=', f);
	put_escaped(f, value);
}

static void put_label(FILE *f, const struct container *c, const char *name)
{
	const char *value = json_str(json_obj(c->config, "Labels"), name);

	if (value)
		put_attribute(f, name, value);
}

static void put_variable(FILE *f, const struct container *c, const char *name)
{
	size_t i, n, len = strlen(name);
	yyjson_val *v;

	yyjson_arr_foreach (json_arr(c->config, "Env"), i, n, v) {
		const char *s = yyjson_get_str(v);

		if (s && !strncmp(s, name, len) && s[len] == '=')
			put_attribute(f, name, s + len + 1);
	}
}

static void put_list(FILE *f, const struct container *c, const char *list,
	void (*put)(FILE *f, const struct container *c, const char *name))
{
	cleanup(freep) char *copy = strdup(list ? list : "");

	for (char *save = NULL, *name = copy ? strtok_r(copy, ",", &save) : NULL; name;
		name = strtok_r(NULL, ",", &save))
		put(f, c, name);
}

char *log_options_details(const struct container *c)
{
	yyjson_val *conf = config_of(c);
	const char *tag = json_text(conf, "tag");
	cleanup(freep) char *tagged = tag ? tag_text(c, tag) : NULL;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	put_list(f, c, json_str(conf, "labels"), put_label);
	put_list(f, c, json_str(conf, "env"), put_variable);
	if (tagged)
		put_attribute(f, "tag", tagged);
	fclose(f);
	return text;
}
