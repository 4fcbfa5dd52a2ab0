/* SPDX-License-Identifier: Apache-2.0 */

/* APIServices: their names, their priorities, and how whoever serves is known to be the right one. */

#include <string.h>

#include "cluster/schema/check_int.h"
#include "cluster/schema/custom.h"
#include "cluster/schema/meta.h"

schema_check check_apiservice;

static void check_name(struct check *c, yyjson_mut_val *o, yyjson_mut_val *spec)
{
	const char *group = text_of(spec, "group"), *version = text_of(spec, "version");
	size_t len = strlen(version);
	const char *name = meta_mut_text(o, "name") ?: "";

	if (strncmp(name, version, len) != 0 || name[len] != '.' || strcmp(name + len + 1, group) != 0)
		check_error(c, FIELD_INVALID, meta_mut_get(o, "metadata", "name", NULL), ".metadata.name",
			"must be `spec.version+\".\"+spec.group`: `%.200s.%.260s`", version, group);
	if (*group)
		check_format(c, yyjson_mut_obj_get(spec, "group"), ".spec.group", SCHEMA_DNS_SUBDOMAIN);
	else if (strcmp(version, "v1") != 0)
		check_error(c, FIELD_REQUIRED, NULL, ".spec.group",
			"only v1 may have an empty group and it better be legacy kube");
	if (*version)
		check_format(c, yyjson_mut_obj_get(spec, "version"), ".spec.version", SCHEMA_DNS_LABEL_1035);
	else
		check_error(c, FIELD_REQUIRED, NULL, ".spec.version", "%s", "");
}

static void check_priority(struct check *c, yyjson_mut_val *spec, const char *key, const char *where, int max)
{
	int64_t n = int_of(spec, key);

	if (n < 1 || n > max)
		check_error(c, FIELD_INVALID, yyjson_mut_obj_get(spec, key), where,
			"must be positive and less than %d", max);
}

static void check_local(struct check *c, yyjson_mut_val *spec)
{
	yyjson_mut_val *bundle = yyjson_mut_obj_get(spec, "caBundle"),
		       *insecure = yyjson_mut_obj_get(spec, "insecureSkipTLSVerify");

	if (yyjson_mut_get_len(bundle))
		check_error(c, FIELD_INVALID, bundle, ".spec.caBundle",
			"local APIServices may not have a caBundle");
	if (yyjson_mut_get_bool(insecure))
		check_error(c, FIELD_INVALID, insecure, ".spec.insecureSkipTLSVerify",
			"local APIServices may not have insecureSkipTLSVerify");
}

static bool is_own(yyjson_mut_val *spec)
{
	size_t n;
	const struct schema_group_version *gv = custom_group_versions(&n);

	for (size_t i = 0; gv && i < n; i++)
		if (!strcmp(gv[i].group, text_of(spec, "group")) &&
			!strcmp(gv[i].version, text_of(spec, "version")))
			return true;
	return false;
}

static void check_service(
	struct check *c, yyjson_mut_val *spec, yyjson_mut_val *service, yyjson_mut_val *before)
{
	yyjson_mut_val *port = yyjson_mut_obj_get(service, "port");

	if (!*text_of(service, "namespace"))
		check_error(c, FIELD_REQUIRED, NULL, ".spec.service.namespace", "%s", "");
	if (!*text_of(service, "name"))
		check_error(c, FIELD_REQUIRED, NULL, ".spec.service.name", "%s", "");
	if (port && (yyjson_mut_get_sint(port) < 1 || yyjson_mut_get_sint(port) > 65535))
		check_error(c, FIELD_INVALID, port, ".spec.service.port",
			"port is not valid: must be between 1 and 65535, inclusive");
	if (yyjson_mut_get_len(yyjson_mut_obj_get(spec, "caBundle")) &&
		yyjson_mut_get_bool(yyjson_mut_obj_get(spec, "insecureSkipTLSVerify")))
		check_error(c, FIELD_INVALID, yyjson_mut_obj_get(spec, "insecureSkipTLSVerify"),
			".spec.insecureSkipTLSVerify", "may not be true if caBundle is present");
	/* a definition of the same group and version may have come later */
	if (!before && is_own(spec))
		check_error(c, FIELD_FORBIDDEN, NULL, ".spec.service",
			"%.260s/%.200s is served by this API server itself; another server can serve other groups and "
			"versions",
			text_of(spec, "group"), text_of(spec, "version"));
}

void check_apiservice(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	yyjson_mut_val *spec = yyjson_mut_obj_get(o, "spec"), *service = yyjson_mut_obj_get(spec, "service");

	check_name(c, o, spec);
	check_priority(c, spec, "groupPriorityMinimum", ".spec.groupPriorityMinimum", 20000);
	check_priority(c, spec, "versionPriority", ".spec.versionPriority", 1000);
	if (service)
		check_service(c, spec, service, meta_mut_get(old, "spec", "service", NULL));
	else
		check_local(c, spec);
}
