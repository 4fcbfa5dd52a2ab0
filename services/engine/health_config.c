/* SPDX-License-Identifier: Apache-2.0 */

/* Health checks as they are configured and judged: functions of their input. See health.h. */

#include <errno.h>
#include <string.h>

#include "engine/files.h"
#include "engine/health.h"
#include "lib/json.h"

#define SECOND_NS INT64_C(1000000000)
enum { RETRIES_DEFAULT = 3, SHORTEST_NS = 1000000 };

static const struct {
	const char *key;
	int64_t absent_ns;
} times[] = {
	{"Interval", 30 * SECOND_NS},
	{"Timeout", 30 * SECOND_NS},
	{"StartPeriod", 0},
	{"StartInterval", 5 * SECOND_NS},
};

void health_config_read(yyjson_val *healthcheck, struct health_config *out)
{
	const char *kind = yyjson_get_str(yyjson_arr_get_first(json_arr(healthcheck, "Test")));
	int64_t *to[] = {&out->interval_ns, &out->timeout_ns, &out->start_period_ns, &out->start_interval_ns};

	for (size_t i = 0; i < array_len(times); i++) {
		int64_t ns = json_int(healthcheck, times[i].key, 0);

		*to[i] = ns > 0 ? ns : times[i].absent_ns;
	}
	out->retries = json_int(healthcheck, "Retries", 0);
	if (out->retries <= 0)
		out->retries = RETRIES_DEFAULT;
	out->checked = kind && strcmp(kind, "NONE") != 0;
}

/* ["CMD", ...] is a command; ["CMD-SHELL", line] is for the container's shell. */
yyjson_mut_val *health_config_command(yyjson_mut_doc *doc, yyjson_val *config)
{
	yyjson_val *test = json_arr(json_obj(config, "Healthcheck"), "Test"),
		   *shell = json_arr(config, "Shell"), *v;
	bool line = yyjson_equals_str(yyjson_arr_get_first(test), "CMD-SHELL");
	yyjson_mut_val *cmd = yyjson_mut_arr(doc);
	size_t i, n;

	if (line && yyjson_arr_size(shell)) {
		yyjson_arr_foreach (shell, i, n, v)
			yyjson_mut_arr_append(cmd, yyjson_val_mut_copy(doc, v));
	} else if (line) {
		yyjson_mut_arr_add_str(doc, cmd, "/bin/sh");
		yyjson_mut_arr_add_str(doc, cmd, "-c");
	}
	yyjson_arr_foreach (test, i, n, v)
		if (i)
			yyjson_mut_arr_append(cmd, yyjson_val_mut_copy(doc, v));
	return cmd;
}

int health_config_check(yyjson_val *healthcheck, char **msg)
{
	yyjson_val *test = json_arr(healthcheck, "Test"), *v;
	const char *kind = yyjson_get_str(yyjson_arr_get_first(test));
	size_t i, n;

	if (!healthcheck || yyjson_is_null(healthcheck))
		return 0;
	if (!json_blank(yyjson_obj_get(healthcheck, "Test")) && !test) {
		*msg = text_make("Healthcheck.Test must be a list of strings");
		return -EINVAL;
	}
	yyjson_arr_foreach (test, i, n, v)
		if (!yyjson_is_str(v)) {
			*msg = text_make("Healthcheck.Test must be a list of strings");
			return -EINVAL;
		}
	if (kind && *kind && strcmp(kind, "NONE") != 0 && strcmp(kind, "CMD") != 0 &&
		strcmp(kind, "CMD-SHELL") != 0) {
		*msg = text_make("Healthcheck.Test begins with \"%.64s\": NONE, CMD or CMD-SHELL", kind);
		return -EINVAL;
	}
	if (kind && !strcmp(kind, "CMD-SHELL") && yyjson_arr_size(test) != 2) {
		*msg = text_make("Healthcheck.Test: CMD-SHELL takes one command line");
		return -EINVAL;
	}
	if (kind && !strcmp(kind, "CMD") && yyjson_arr_size(test) < 2) {
		*msg = text_make("Healthcheck.Test: CMD takes a program");
		return -EINVAL;
	}
	for (i = 0; i < array_len(times); i++) {
		int64_t ns = json_int(healthcheck, times[i].key, 0);

		if (ns < 0 || (ns && ns < SHORTEST_NS)) {
			*msg = text_make("%s in Healthcheck cannot be less than 1ms", times[i].key);
			return -EINVAL;
		}
	}
	if (json_int(healthcheck, "Retries", 0) < 0) {
		*msg = text_make("Retries in Healthcheck cannot be negative");
		return -EINVAL;
	}
	return 0;
}

yyjson_mut_val *health_config_merge(yyjson_mut_doc *doc, yyjson_val *user, yyjson_val *image)
{
	static const char *const keys[] = {
		"Test", "Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"};
	yyjson_mut_val *o = yyjson_mut_obj(doc);

	for (size_t i = 0; i < array_len(keys); i++) {
		yyjson_val *v = yyjson_obj_get(user, keys[i]);

		if (json_blank(v))
			v = yyjson_obj_get(image, keys[i]);
		if (!json_blank(v))
			yyjson_mut_obj_add(o, yyjson_mut_str(doc, keys[i]), yyjson_val_mut_copy(doc, v));
	}
	if (!yyjson_mut_obj_get(o, "Test"))
		return NULL;
	return o;
}

enum health_status health_judge(enum health_status now, const struct health_config *h, int64_t since_start_ns,
	int exit_code, int *streak)
{
	if (!exit_code) {
		*streak = 0;
		return HEALTH_HEALTHY;
	}
	if (now == HEALTH_STARTING && since_start_ns < h->start_period_ns)
		return now;
	++*streak;
	return *streak >= h->retries ? HEALTH_UNHEALTHY : now;
}

const char *health_status_name(enum health_status s)
{
	static const char *const names[] = {"none", "starting", "healthy", "unhealthy"};

	return names[s];
}
