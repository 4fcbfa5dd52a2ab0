/* SPDX-License-Identifier: Apache-2.0 */

/* Claims to devices: what they ask for, and what is said of them when it was found. */

#include <string.h>

#include "cluster/cel/cel.h"
#include "cluster/schema/check_int.h"
#include "cluster/schema/meta.h"

schema_check check_device_expression, check_device_parameters, check_device_toleration, check_device_claim,
	check_device_request, check_device_amount, check_device_pool, check_extended_resource,
	check_resource_claim_status;

/* Lists that are longer than the tables allow are complained about there, and nobody looks into them here. */
enum { EXPRESSION_MAX = 10 << 10, PARAMETERS_MAX = 10 << 10, LIST_MAX = 32 };

/* ---- classes and selectors */

void check_device_expression(struct check *c, yyjson_mut_val *v, yyjson_mut_val *old)
{
	static const struct cel_shape any = {CEL_DYN}, by_name = {CEL_MAP, &cel_fields, &any};
	static const struct cel_field fields[] = {
		{"driver", {CEL_STRING}},
		{"allowMultipleAllocations", {CEL_BOOL}},
		/* by domain, then by name */
		{"attributes", {CEL_MAP, &cel_fields, &by_name}},
		{"capacity", {CEL_MAP, &cel_fields, &by_name}},
		{NULL},
	};
	static const struct cel_shape device = {CEL_STRUCT, &cel_fields, fields};
	static const char *const names[] = {"device", NULL};
	char why[CEL_WHY_MAX];
	struct cel *read;

	if (!yyjson_mut_get_len(v) || check_had_expression(c->old_object, v))
		return; /* that it is required is said elsewhere, and one that is as it was was looked at then */
	if (yyjson_mut_get_len(v) > EXPRESSION_MAX) {
		check_error(c, FIELD_TOO_LONG, NULL, "", "may not be more than %d bytes", EXPRESSION_MAX);
		return;
	}
	read = cel_write(yyjson_mut_get_str(v), yyjson_mut_get_len(v),
		&(struct cel_scope){.names = names, .binds = true}, &device, CEL_TRUTH_OR_UNKNOWN, why);
	if (!read)
		check_error(c, FIELD_INVALID, v, "", "%s", why);
	cel_free(read);
}

void check_device_parameters(struct check *c, yyjson_mut_val *v, yyjson_mut_val *old)
{
	size_t len = 0;
	char *text = v ? yyjson_mut_val_write(v, 0, &len) : NULL;

	free(text);
	if (v && !yyjson_mut_is_obj(v))
		check_error(c, FIELD_INVALID, NULL, "", "must be a valid JSON object");
	else if (len > PARAMETERS_MAX)
		check_error(c, FIELD_TOO_LONG, NULL, "", "may not be more than %d bytes", PARAMETERS_MAX);
}

/* A name in a domain that is not Kubernetes' own. */
void check_extended_resource(struct check *c, yyjson_mut_val *v, yyjson_mut_val *old)
{
	const char *text = yyjson_mut_get_str(v);

	if (text && (!strchr(text, '/') || strstr(text, "kubernetes.io/") || !strncmp(text, "requests.", 9) ||
			    validate_format(SCHEMA_LABEL_KEY, text, yyjson_mut_get_len(v))))
		check_error(c, FIELD_INVALID, v, "", "must be a valid extended resource name");
}

void check_device_toleration(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	bool exists = !strcmp(text_of(o, "operator"), "Exists");

	if (exists && *text_of(o, "value"))
		check_error(c, FIELD_INVALID, yyjson_mut_obj_get(o, "value"), ".value",
			"must be empty for operator `Exists`");
	else if (!exists && !*text_of(o, "key"))
		check_error(c, FIELD_REQUIRED, NULL, ".key", "must not be empty for operator `Equal`");
	if (yyjson_mut_obj_get(o, "tolerationSeconds") && *text_of(o, "effect") &&
		strcmp(text_of(o, "effect"), "NoExecute") != 0)
		check_error(c, FIELD_INVALID, yyjson_mut_obj_get(o, "effect"), ".effect",
			"must be `NoExecute` when `tolerationSeconds` is set");
}

/* ---- requests */

void check_device_amount(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	bool all = !strcmp(text_of(o, "allocationMode"), "All"),
	     exact = !strcmp(text_of(o, "allocationMode"), "ExactCount");
	yyjson_mut_val *count = yyjson_mut_obj_get(o, "count"), zero = {0};

	unsafe_yyjson_set_uint(&zero, 0);
	if (all && int_of(o, "count"))
		check_error(c, FIELD_INVALID, count, ".count",
			"must not be specified when allocationMode is 'All'");
	else if (exact && int_of(o, "count") <= 0)
		check_error(c, FIELD_INVALID, count ? count : &zero, ".count", "must be greater than zero");
}

void check_names_once(struct check *c, yyjson_mut_val *list, const char *where)
{
	const struct check_once once = {CHECK_KEYS("name"), .type = FIELD_DUPLICATE, .member = "name"};

	check_once(c, &(struct check_list){list, where}, 1, &once);
}

void check_device_request(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	yyjson_mut_val *first = yyjson_mut_obj_get(o, "firstAvailable");
	bool exactly = yyjson_mut_obj_get(o, "exactly"), either = yyjson_mut_arr_size(first);

	if (!exactly && !either)
		check_error(c, FIELD_REQUIRED, NULL, "",
			"exactly one of `exactly` or `firstAvailable` is required");
	else if (exactly && either)
		check_error(c, FIELD_INVALID, NULL, "",
			"exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set");
	check_names_once(c, first, ".firstAvailable");
}

/* One of the first LIST_MAX. */
static yyjson_mut_val *named(yyjson_mut_val *list, const char *name, size_t len)
{
	yyjson_mut_val *v;
	size_t i, n;

	yyjson_mut_arr_foreach(list, i, n, v)
	{
		if (i >= LIST_MAX)
			break;
		if (yyjson_mut_equals_strn(yyjson_mut_obj_get(v, "name"), name, len))
			return v;
	}
	return NULL;
}

/* REQUEST, or REQUEST/ONE-OF-ITS-ALTERNATIVES. */
static void check_request_name(
	struct check *c, yyjson_mut_val *requests, yyjson_mut_val *v, const char *where)
{
	const char *text = yyjson_mut_get_str(v) ?: "", *end = text + yyjson_mut_get_len(v),
		   *slash = strchr(text, '/');
	yyjson_mut_val *request = named(requests, text, (size_t)((slash ?: end) - text));

	if (request && slash)
		request = named(
			yyjson_mut_obj_get(request, "firstAvailable"), slash + 1, (size_t)(end - slash - 1));
	if (!request)
		check_error(c, FIELD_INVALID, v, where,
			"must be the name of a request in the claim or the name of a request and a subrequest separated by "
			"'/'");
}

static void check_request_names(
	struct check *c, yyjson_mut_val *requests, yyjson_mut_val *list, const char *where)
{
	yyjson_mut_val *v;
	size_t i, n;

	if (yyjson_mut_arr_size(list) > LIST_MAX)
		return;
	yyjson_mut_arr_foreach(list, i, n, v)
		check_request_name(c, requests, v, REL("%s.requests[%zu]", where, i));
}

/* "domain/id": the domain cannot be left out here. */
static void check_attribute_name(struct check *c, yyjson_mut_val *v, const char *where)
{
	const char *text = yyjson_mut_get_str(v) ?: "", *why;
	size_t len = yyjson_mut_get_len(v);

	if (!memchr(text, '/', len))
		check_error(c, FIELD_INVALID, v, where, "must include a domain");
	why = check_device_name(text, len);
	if (why)
		check_error(c, FIELD_INVALID, v, where, "%s", why);
}

static void check_constraint(struct check *c, yyjson_mut_val *v, const char *where)
{
	yyjson_mut_val *match = yyjson_mut_obj_get(v, "matchAttribute"),
		       *distinct = yyjson_mut_obj_get(v, "distinctAttribute");

	if (match && distinct)
		check_error(c, FIELD_INVALID, NULL, where,
			"exactly one of `matchAttribute` or `distinctAttribute` is required, but multiple fields are set");
	else if (!match && !distinct)
		check_error(c, FIELD_REQUIRED, NULL, where,
			"exactly one of `matchAttribute` or `distinctAttribute` is required");
	if (match)
		check_attribute_name(c, match, REL("%s.matchAttribute", where));
	if (distinct)
		check_attribute_name(c, distinct, REL("%s.distinctAttribute", where));
}

void check_device_claim(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	yyjson_mut_val *requests = yyjson_mut_obj_get(o, "requests"),
		       *constraints = yyjson_mut_obj_get(o, "constraints"),
		       *config = yyjson_mut_obj_get(o, "config"), *v;
	size_t i, n;

	if (yyjson_mut_arr_size(requests) > LIST_MAX || yyjson_mut_arr_size(constraints) > LIST_MAX ||
		yyjson_mut_arr_size(config) > LIST_MAX)
		return;
	check_names_once(c, requests, ".requests");
	yyjson_mut_arr_foreach(constraints, i, n, v)
	{
		const char *where = REL(".constraints[%zu]", i);

		check_request_names(c, requests, yyjson_mut_obj_get(v, "requests"), where);
		check_constraint(c, v, where);
	}
	yyjson_mut_arr_foreach(config, i, n, v)
		check_request_names(c, requests, yyjson_mut_obj_get(v, "requests"), REL(".config[%zu]", i));
}

/* ---- what was found for a claim */

/* Subdomains with slashes between them. */
void check_device_pool(struct check *c, yyjson_mut_val *v, yyjson_mut_val *old)
{
	const char *text = yyjson_mut_get_str(v) ?: "", *why = NULL, *slash;
	size_t len = yyjson_mut_get_len(v);

	if (!len)
		return; /* that it is required is said elsewhere */
	if (len > 253) {
		check_error(c, FIELD_TOO_LONG, NULL, "", "may not be more than 253 bytes");
		return;
	}
	for (const char *part = text, *end = text + len; part && !why; part = slash ? slash + 1 : NULL) {
		slash = memchr(part, '/', (size_t)(end - part));
		why = validate_format(SCHEMA_DNS_SUBDOMAIN, part, (size_t)((slash ?: end) - part));
	}
	if (why)
		check_error(c, FIELD_INVALID, v, "", "%s", why);
}

static bool same_device(yyjson_mut_val *a, yyjson_mut_val *b)
{
	static const char *const keys[] = {"driver", "pool", "device", "shareID"};

	for (size_t i = 0; i < array_len(keys); i++)
		if (strcmp(text_of(a, keys[i]), text_of(b, keys[i])) != 0)
			return false;
	return true;
}

/* Of what is required where nothing is by itself, since it stands under status. */
static void check_there(struct check *c, yyjson_mut_val *o, const char *const *keys, const char *where)
{
	for (; *keys; keys++)
		if (!*text_of(o, *keys))
			check_error(c, FIELD_REQUIRED, NULL, REL("%s.%s", where, *keys), "%s", "");
}

static void check_results(struct check *c, yyjson_mut_val *allocation)
{
	static const char *const keys[] = {"request", "driver", "pool", "device", NULL};
	yyjson_mut_val *requests = meta_mut_get(c->object, "spec", "devices", "requests", NULL), *v;
	size_t i, n;

	yyjson_mut_arr_foreach(meta_mut_get(allocation, "devices", "results", NULL), i, n, v)
	{
		const char *where = REL(".allocation.devices.results[%zu]", i);

		check_there(c, v, keys, where);
		check_request_name(c, requests, yyjson_mut_obj_get(v, "request"), REL("%s.request", where));
	}
	yyjson_mut_arr_foreach(meta_mut_get(allocation, "devices", "config", NULL), i, n, v)
		check_request_names(c, requests, yyjson_mut_obj_get(v, "requests"),
			REL(".allocation.devices.config[%zu]", i));
}

static bool is_among(
	yyjson_mut_val *list, yyjson_mut_val *wanted, bool (*same)(yyjson_mut_val *, yyjson_mut_val *))
{
	yyjson_mut_val *v;
	size_t i, n;

	yyjson_mut_arr_foreach(list, i, n, v) if (same(v, wanted)) return true;
	return false;
}

static void check_reserved(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	static const char *const keys[] = {"resource", "name", "uid", NULL};
	yyjson_mut_val *list = yyjson_mut_obj_get(o, "reservedFor"), *v;
	bool leaving = meta_mut_text(c->object, "deletionTimestamp");
	size_t i, n;

	if (yyjson_mut_arr_size(list) && !yyjson_mut_obj_get(o, "allocation")) {
		check_error(c, FIELD_FORBIDDEN, NULL, ".reservedFor",
			"may not be specified when `allocated` is not set");
		return;
	}
	yyjson_mut_arr_foreach(list, i, n, v)
	{
		check_there(c, v, keys, REL(".reservedFor[%zu]", i));
		if (leaving && !is_among(yyjson_mut_obj_get(old, "reservedFor"), v, meta_equal))
			check_error(c, FIELD_FORBIDDEN, NULL, ".reservedFor",
				"new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set");
	}
}

void check_resource_claim_status(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	yyjson_mut_val *now = yyjson_mut_obj_get(o, "allocation"),
		       *was = yyjson_mut_obj_get(old, "allocation"), *v;
	size_t i, n;

	check_reserved(c, o, old);
	if (now && was && !meta_equal(now, was))
		check_error(c, FIELD_INVALID, now, ".allocation", "field is immutable");
	else if (now && !was)
		check_results(c, now);
	yyjson_mut_arr_foreach(yyjson_mut_obj_get(o, "devices"), i, n,
		v) if (!is_among(meta_mut_get(now, "devices", "results", NULL), v, same_device))
		check_error(c, FIELD_INVALID, v, REL(".devices[%zu]", i),
			"must be an allocated device in the claim");
}
