/* SPDX-License-Identifier: Apache-2.0 */

/* Webhooks of admission: what their configurations may say, and what is not supported here. */

#include <string.h>

#include "cluster/cel/cel.h"
#include "cluster/match/conditions.h"
#include "cluster/schema/check_int.h"
#include "cluster/schema/meta.h"
#include "cluster/webhooks/hook_url.h"

schema_check check_webhook, check_webhook_rule, check_webhook_client;

static bool has(yyjson_mut_val *list, const char *text)
{
	size_t i, n;
	yyjson_mut_val *v;

	yyjson_mut_arr_foreach(list, i, n, v) if (yyjson_mut_equals_str(v, text)) return true;
	return false;
}

bool check_had_expression(yyjson_mut_val *before, yyjson_mut_val *text)
{
	size_t i, n;
	yyjson_mut_val *key, *v;

	/* the one goes through lists, the other through objects */
	yyjson_mut_arr_foreach(before, i, n, v)
	{
		if (check_had_expression(v, text))
			return true;
	}
	yyjson_mut_obj_foreach(before, i, n, key, v)
	{
		if (check_had_expression(v, text) ||
			(yyjson_mut_equals_str(key, "expression") && meta_equal(v, text)))
			return true;
	}
	return false;
}

void check_conditions(struct check *c, yyjson_mut_val *list, yyjson_mut_val *before, const char *const *names)
{
	const struct cel_scope scope = {.names = names};
	size_t i, n;
	yyjson_mut_val *v;

	if (yyjson_mut_arr_size(list) > CONDITIONS_MAX)
		check_error(c, FIELD_TOO_MANY, NULL, ".matchConditions", "must have at most %d items",
			CONDITIONS_MAX);
	yyjson_mut_arr_foreach(list, i, n, v)
	{
		yyjson_mut_val *name = yyjson_mut_obj_get(v, "name"),
			       *text = yyjson_mut_obj_get(v, "expression");
		char why[CEL_WHY_MAX], again[CEL_WHY_MAX];
		const char *said = yyjson_mut_get_str(text);
		size_t len = yyjson_mut_get_len(text);
		struct cel *read;

		if (yyjson_mut_get_len(name))
			check_format(c, name, REL(".matchConditions[%zu].name", i), SCHEMA_LABEL_KEY);
		if (!len)
			continue; /* that it is required is said elsewhere */
		read = cel_write(said, len, &scope, policy_shapes, CEL_TRUTH, why);
		if (!read && check_had_expression(before, text))
			read = cel_stored(said, len, &scope, policy_shapes, again);
		if (!read)
			check_error(c, FIELD_INVALID, text, REL(".matchConditions[%zu].expression", i), "%s",
				why);
		cel_free(read);
	}
	check_names_once(c, list, ".matchConditions");
}

void check_webhook(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	yyjson_mut_val *name = yyjson_mut_obj_get(o, "name"),
		       *versions = yyjson_mut_obj_get(o, "admissionReviewVersions");
	const char *dot = strchr(text_of(o, "name"), '.');

	if (yyjson_mut_get_len(name)) {
		check_format(c, name, ".name", SCHEMA_DNS_SUBDOMAIN);
		if (!dot || !strchr(dot + 1, '.'))
			check_error(c, FIELD_INVALID, name, ".name",
				"should be a domain with at least three segments separated by dots");
	}
	if (yyjson_mut_arr_size(versions) && !has(versions, "v1"))
		check_error(c, FIELD_INVALID, versions, ".admissionReviewVersions",
			"must include v1, the only version that is asked in");
	check_conditions(c, yyjson_mut_obj_get(o, "matchConditions"),
		yyjson_mut_obj_get(c->old_object, "webhooks"), condition_names);
}

static void check_stars(struct check *c, yyjson_mut_val *o, const char *key)
{
	yyjson_mut_val *list = yyjson_mut_obj_get(o, key);

	if (!yyjson_mut_arr_size(list))
		check_error(c, FIELD_REQUIRED, NULL, REL(".%s", key), "%s", "");
	else if (has(list, "*") && yyjson_mut_arr_size(list) > 1 && strcmp(key, "resources") != 0)
		check_error(c, FIELD_INVALID, list, REL(".%s", key),
			"if '*' is present, must not specify other %s", key);
}

void check_webhook_rule(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	static const char *const keys[] = {"operations", "apiGroups", "apiVersions", "resources"};

	for (size_t i = 0; i < array_len(keys); i++)
		check_stars(c, o, keys[i]);
}

void check_webhook_client(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	yyjson_mut_val *url = yyjson_mut_obj_get(o, "url"), *service = yyjson_mut_obj_get(o, "service");
	yyjson_mut_val *path = yyjson_mut_obj_get(service, "path");
	struct hook_url read;
	const char *why;

	if (!url == !service)
		check_error(c, FIELD_REQUIRED, NULL, "", "exactly one of url or service is required");
	why = url ? hook_url_read(&read, yyjson_mut_get_str(url) ?: "") : NULL;
	if (why)
		check_error(c, FIELD_INVALID, url, ".url", "%s", why);
	if (yyjson_mut_get_len(path) && *text_of(service, "path") != '/')
		check_error(c, FIELD_INVALID, path, ".service.path", "must start with a '/'");
	if (yyjson_mut_get_len(path) && strpbrk(text_of(service, "path"), "?# "))
		check_error(c, FIELD_INVALID, path, ".service.path",
			"must be a path, without query and fragment");
}
