/* SPDX-License-Identifier: Apache-2.0 */

/* Devices, as their drivers tell of them in slices. */

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cluster/schema/check_int.h"
#include "cluster/schema/meta.h"

schema_check check_resource_slice, check_device, check_device_attribute;

enum { DOMAIN_MAX = 63, ID_MAX = 32, TRAITS_MAX = 32, VALUE_MAX = 64, SPECIAL_MAX = 64, DEVICES_MAX = 128 };

/* ---- names and values */

const char *check_device_name(const char *text, size_t len)
{
	const char *slash = memchr(text, '/', len), *id = slash ? slash + 1 : text;
	size_t domain = slash ? (size_t)(slash - text) : 0, id_len = len - (size_t)(id - text);
	const char *why = slash ? validate_format(SCHEMA_DNS_SUBDOMAIN, text, domain) : NULL;

	if (why || domain > DOMAIN_MAX)
		return why ?: "the domain must be no more than 63 bytes";
	if (!id_len || id_len > ID_MAX)
		return id_len ? "the name must be no more than 32 bytes" : "the name must not be empty";
	for (size_t i = 0; i < id_len; i++)
		if (id[i] != '_' && !isalpha((unsigned char)id[i]) && !(i && isdigit((unsigned char)id[i])))
			return "a valid C identifier must start with alphabetic character or '_', followed by a string of "
			       "alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for "
			       "validation is '[A-Za-z_][A-Za-z0-9_]*')";
	return NULL;
}

static const char *number(const char *s)
{
	size_t n = strspn(s, "0123456789");

	return n && (n == 1 || *s != '0') ? s + n : NULL;
}

/* Identifiers with dots between them, up to @end; of a pre-release, a number has no zero in front. */
static bool identifiers(const char *s, const char *end, bool pre_release)
{
	for (;;) {
		size_t n = strspn(s, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-");
		bool digits = strspn(s, "0123456789") >= n;

		if (!n || (pre_release && digits && n > 1 && *s == '0'))
			return false;
		s += n;
		if (s >= end)
			return s == end;
		if (*s++ != '.')
			return false;
	}
}

/* MAJOR.MINOR.PATCH[-PRE-RELEASE][+BUILD] */
static bool is_version(const char *s, size_t len)
{
	const char *plus = strchr(s, '+'), *end = plus ?: s + len;

	if (strlen(s) != len)
		return false; /* a NUL in it */
	for (int i = 0; i < 3; i++) {
		s = number(s);
		if (!s || (i < 2 && *s++ != '.'))
			return false;
	}
	if (*s == '-' && !identifiers(s + 1, end, true))
		return false;
	if (*s != '-' && s != end)
		return false;
	return !plus || identifiers(plus + 1, plus + strlen(plus), false);
}

static void check_value(struct check *c, yyjson_mut_val *v, bool version, const char *where)
{
	if (yyjson_mut_get_len(v) > VALUE_MAX)
		check_error(c, FIELD_TOO_LONG, NULL, where, "may not be more than %d bytes", VALUE_MAX);
	else if (version && !is_version(yyjson_mut_get_str(v) ?: "", yyjson_mut_get_len(v)))
		check_error(
			c, FIELD_INVALID, v, where, "must be a string compatible with semver.org spec 2.0.0");
}

void check_device_attribute(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	static const char *const kinds[] = {
		"int", "bool", "string", "version", "ints", "bools", "strings", "versions", NULL};
	static const char *const lists[] = {"strings", "versions"};
	yyjson_mut_val *version = yyjson_mut_obj_get(o, "version"), *v;
	const char *which = NULL;
	size_t i, n;

	if (check_count(o, kinds, &which) != 1)
		check_error(c, FIELD_INVALID, o, "", "exactly one value must be specified");
	if (version)
		check_value(c, version, true, ".version");
	for (size_t l = 0; l < array_len(lists); l++)
		yyjson_mut_arr_foreach(yyjson_mut_obj_get(o, lists[l]), i, n, v)
			check_value(c, v, l == 1, REL(".%s[%zu]", lists[l], i));
}

/* ---- devices */

static void check_keys(struct check *c, yyjson_mut_val *map, const char *where)
{
	yyjson_mut_val *key, *v, shown;
	size_t i, n;

	yyjson_mut_obj_foreach(map, i, n, key, v)
	{
		const char *why = check_device_name(yyjson_mut_get_str(key), yyjson_mut_get_len(key));

		shown = *key;
		shown.next = NULL;
		if (why)
			check_error(c, FIELD_INVALID, &shown, where, "%s", why);
	}
}

/* How many of the ways to say on which nodes it is are taken; a truth that is false is none. */
static size_t places(struct check *c, yyjson_mut_val *o, const char *const *ways)
{
	size_t n = 0;

	for (; *ways; ways++) {
		yyjson_mut_val *v = yyjson_mut_obj_get(o, *ways);

		if (yyjson_mut_is_str(v) && !yyjson_mut_get_len(v))
			check_error(c, FIELD_INVALID, v, REL(".%s", *ways),
				"must be either unset or set to a non-empty string");
		else if (yyjson_mut_is_false(v))
			check_error(c, FIELD_INVALID, v, REL(".%s", *ways),
				"must be either unset or set to true");
		else if (v)
			n++;
	}
	return n;
}

void check_device(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	static const char *const ways[] = {"nodeName", "nodeSelector", "allNodes", NULL};
	yyjson_mut_val *attributes = yyjson_mut_obj_get(o, "attributes"),
		       *capacity = yyjson_mut_obj_get(o, "capacity"), *key, *v, count = {0};
	bool each = yyjson_mut_is_true(meta_mut_get(c->object, "spec", "perDeviceNodeSelection", NULL)),
	     shared = yyjson_mut_is_true(yyjson_mut_obj_get(o, "allowMultipleAllocations"));
	size_t n = places(c, o, ways),
	       traits = yyjson_mut_obj_size(attributes) + yyjson_mut_obj_size(capacity), i, m;

	if (each && n != 1)
		check_error(c, n ? FIELD_INVALID : FIELD_REQUIRED, NULL, "",
			"exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is "
			"set to true in the ResourceSlice spec");
	if (!each && n)
		check_error(c, FIELD_INVALID, NULL, "",
			"`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in "
			"the ResourceSlice spec");
	if (traits > TRAITS_MAX) {
		unsafe_yyjson_set_uint(&count, traits);
		check_error(c, FIELD_INVALID, &count, "",
			"the total number of attributes and capacities must not exceed %d", TRAITS_MAX);
	}
	check_keys(c, attributes, ".attributes");
	check_keys(c, capacity, ".capacity");
	yyjson_mut_obj_foreach(capacity, i, m, key, v) if (!shared && yyjson_mut_obj_get(v, "requestPolicy"))
		check_error(c, FIELD_FORBIDDEN, NULL,
			REL(".capacity[%.96s].requestPolicy", yyjson_mut_get_str(key)),
			"allowMultipleAllocations must be true");
}

/* ---- slices */

/* A slice may have fewer devices when they say more than others; DEVICES_MAX is what the table has. */
static void check_size(struct check *c, yyjson_mut_val *devices)
{
	yyjson_mut_val *v, count = {0};
	size_t i, m, n = yyjson_mut_arr_size(devices);
	bool special = false;

	yyjson_mut_arr_foreach(devices, i, m, v) special |=
		yyjson_mut_arr_size(yyjson_mut_obj_get(v, "taints")) ||
		yyjson_mut_arr_size(yyjson_mut_obj_get(v, "consumesCounters"));
	if (!special || n <= SPECIAL_MAX || n > DEVICES_MAX)
		return;
	unsafe_yyjson_set_uint(&count, n);
	check_error(c, FIELD_TOO_MANY, &count, ".devices", "must have at most %d items", SPECIAL_MAX);
}

void check_resource_slice(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	static const char *const ways[] = {
		"nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection", NULL};
	yyjson_mut_val *terms = meta_mut_get(o, "nodeSelector", "nodeSelectorTerms", NULL),
		       *devices = yyjson_mut_obj_get(o, "devices"),
		       *counters = yyjson_mut_obj_get(o, "sharedCounters"),
		       *slices = meta_mut_get(o, "pool", "resourceSliceCount", NULL), zero = {0};
	size_t n = places(c, o, ways);

	unsafe_yyjson_set_uint(&zero, 0);
	if (yyjson_mut_obj_get(o, "pool") && yyjson_mut_get_sint(slices) <= 0)
		check_error(c, FIELD_INVALID, slices ? slices : &zero, ".pool.resourceSliceCount",
			"must be greater than zero");

	if (!n)
		check_error(c, FIELD_REQUIRED, NULL, "",
			"exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required");
	else if (n > 1)
		check_error(c, FIELD_INVALID, NULL, "",
			"exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required, but "
			"multiple fields are set");
	if (yyjson_mut_arr_size(terms) > 1)
		check_error(c, FIELD_INVALID, terms, ".nodeSelector.nodeSelectorTerms",
			"must have exactly one node selector term");
	if (yyjson_mut_arr_size(devices) && yyjson_mut_arr_size(counters))
		check_error(
			c, FIELD_INVALID, NULL, "", "only one of `sharedCounters` or `devices` is allowed");
	check_size(c, devices);
	check_names_once(c, devices, ".devices");
	check_names_once(c, counters, ".sharedCounters");
}
