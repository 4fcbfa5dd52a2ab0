/* SPDX-License-Identifier: Apache-2.0 */

/* Access, priorities, ingresses, policies, definitions. */

#include <stdio.h>
#include <string.h>

#include "cluster/schema/check_int.h"
#include "cluster/schema/meta.h"

schema_check check_policy_rule, check_subject, check_role_ref, check_csr_spec, check_access_review,
	check_priority_class, check_ingress_spec, check_ingress_path, check_ingress_backend, check_ip_block,
	check_crd;

void check_policy_rule(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	yyjson_mut_val *urls = yyjson_mut_obj_get(o, "nonResourceURLs");
	size_t groups = yyjson_mut_arr_size(yyjson_mut_obj_get(o, "apiGroups"));
	size_t resources = yyjson_mut_arr_size(yyjson_mut_obj_get(o, "resources"));

	if (yyjson_mut_arr_size(urls)) {
		if (!strcmp(c->kind->kind, "Role"))
			check_error(c, FIELD_INVALID, urls, ".nonResourceURLs",
				"namespaced rules cannot apply to non-resource URLs");
		if (groups || resources || yyjson_mut_arr_size(yyjson_mut_obj_get(o, "resourceNames")))
			check_error(c, FIELD_INVALID, urls, ".nonResourceURLs",
				"rules cannot apply to both regular resources and non-resource URLs");
		return;
	}
	if (!groups)
		check_error(c, FIELD_REQUIRED, NULL, ".apiGroups",
			"resource rules must supply at least one api group");
	if (!resources)
		check_error(c, FIELD_REQUIRED, NULL, ".resources",
			"resource rules must supply at least one resource");
}

void check_subject(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	static const char *const kinds[] = {"ServiceAccount", "User", "Group", NULL};
	static const char *const core[] = {"", NULL}, *const rbac[] = {"rbac.authorization.k8s.io", NULL};
	yyjson_mut_val *kind = yyjson_mut_obj_get(o, "kind"), *group = yyjson_mut_obj_get(o, "apiGroup");
	yyjson_mut_val *name = yyjson_mut_obj_get(o, "name");

	if (yyjson_mut_equals_str(kind, "ServiceAccount")) {
		if (yyjson_mut_get_len(name))
			check_format(c, name, ".name", SCHEMA_DNS_SUBDOMAIN);
		if (yyjson_mut_get_len(group))
			check_not_supported(c, group, ".apiGroup", core);
		if (!*text_of(o, "namespace"))
			check_error(c, FIELD_REQUIRED, NULL, ".namespace", "%s", "");
	} else if (yyjson_mut_equals_str(kind, "User") || yyjson_mut_equals_str(kind, "Group")) {
		if (!yyjson_mut_equals_str(group, rbac[0]))
			check_not_supported(c, group, ".apiGroup", rbac);
	} else if (yyjson_mut_get_len(kind)) {
		check_not_supported(c, kind, ".kind", kinds);
	}
}

void check_role_ref(struct check *c, yyjson_mut_val *v, yyjson_mut_val *old)
{
	if (old && !meta_equal(v, old))
		check_error(c, FIELD_INVALID, v, "", "cannot change roleRef");
}

void check_csr_spec(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	yyjson_mut_val *signer = yyjson_mut_obj_get(o, "signerName");
	const char *s = yyjson_mut_get_str(signer), *slash = s ? strchr(s, '/') : NULL;

	if (!s || !*s)
		return;
	if (!slash || slash == s || !slash[1] || !memchr(s, '.', (size_t)(slash - s)))
		check_error(c, FIELD_INVALID, signer, ".signerName",
			"must be a fully qualified domain and path of the form 'example.com/signer-name'");
}

void check_access_review(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	yyjson_mut_val *resource = yyjson_mut_obj_get(o, "resourceAttributes");
	yyjson_mut_val *other = yyjson_mut_obj_get(o, "nonResourceAttributes");

	if (resource && other)
		check_error(c, FIELD_INVALID, other, ".nonResourceAttributes",
			"cannot be specified in combination with resourceAttributes");
	if (!resource && !other)
		check_error(c, FIELD_INVALID, NULL, ".resourceAttributes",
			"exactly one of nonResourceAttributes or resourceAttributes must be specified");
	if (strncmp(c->kind->kind, "Self", 4) != 0 && !*text_of(o, "user") &&
		!yyjson_mut_arr_size(yyjson_mut_obj_get(o, "groups")))
		check_error(c, FIELD_INVALID, yyjson_mut_obj_get(o, "user"), ".user",
			"at least one of user or group must be specified");
}

void check_priority_class(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	static const char *const ours[] = {"system-node-critical", "system-cluster-critical"};
	const char *name = meta_mut_text(o, "name") ?: "";
	bool known = !strcmp(name, ours[0]) || !strcmp(name, ours[1]);

	if (!strncmp(name, "system-", 7) && !known)
		check_error(c, FIELD_FORBIDDEN, NULL, ".metadata.name",
			"priority class names with 'system-' prefix are reserved for system use only. error: %s is not a known system "
			"priority class",
			name);
	if (!known && int_of(o, "value") > 1000000000)
		check_error(c, FIELD_FORBIDDEN, NULL, ".value",
			"maximum allowed value of a user defined priority is 1000000000");
}

void check_ingress_spec(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	size_t i, n;
	yyjson_mut_val *rule, *host;

	if (!yyjson_mut_arr_size(yyjson_mut_obj_get(o, "rules")) && !yyjson_mut_obj_get(o, "defaultBackend"))
		check_error(c, FIELD_INVALID, o, "", "either `defaultBackend` or `rules` must be specified");
	yyjson_mut_arr_foreach(yyjson_mut_obj_get(o, "rules"), i, n, rule)
	{
		const char *s, *why;

		host = yyjson_mut_obj_get(rule, "host");
		s = yyjson_mut_get_str(host);
		if (!s || !*s)
			continue;
		/* one star may stand for the first label */
		if (!strncmp(s, "*.", 2))
			s += 2;
		why = validate_format(SCHEMA_DNS_SUBDOMAIN, s, strlen(s));
		if (why)
			check_error(c, FIELD_INVALID, host, REL(".rules[%zu].host", i), "%s", why);
	}
}

void check_ingress_path(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	yyjson_mut_val *path = yyjson_mut_obj_get(o, "path");
	const char *s = text_of(o, "path");
	bool any = !strcmp(text_of(o, "pathType"), "ImplementationSpecific");

	if (*s ? *s != '/' : !any)
		check_error(c, FIELD_INVALID, path, ".path", "must be an absolute path");
	else if (!any && (strstr(s, "//") || strstr(s, "/./") || strstr(s, "/../")))
		check_error(c, FIELD_INVALID, path, ".path", "must not contain '//', '/./' or '/../'");
}

void check_ingress_backend(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	yyjson_mut_val *port = yyjson_mut_obj_get(o, "port");
	bool name = *text_of(port, "name"), number = int_of(port, "number");

	if (name && number)
		check_error(c, FIELD_INVALID, port, ".port", "cannot set both port name & port number");
	else if (!name && !number)
		check_error(c, FIELD_REQUIRED, NULL, ".port", "port name or number is required");
}

void check_ip_block(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	size_t i, n;
	yyjson_mut_val *v;

	yyjson_mut_arr_foreach(yyjson_mut_obj_get(o, "except"), i, n, v)
		check_format(c, v, REL(".except[%zu]", i), SCHEMA_CIDR);
}

static void check_reviews(struct check *c, yyjson_mut_val *list)
{
	const struct check_once once = {
		NULL, CHECK_EMPTY_IS_A_VALUE, FIELD_INVALID, NULL, "duplicate version"};
	static const char where[] = ".spec.conversion.conversionReviewVersions";
	bool known = false;
	size_t i, n;
	yyjson_mut_val *v;

	yyjson_mut_arr_foreach(list, i, n, v)
	{
		const char *text = yyjson_mut_get_str(v) ?: "";

		known |= !strcmp(text, "v1") || !strcmp(text, "v1beta1");
		check_format(c, v, REL("%s[%zu]", where, i), SCHEMA_DNS_LABEL_1035);
	}
	check_once(c, &(struct check_list){list, where}, 1, &once);
	if (n && !known)
		check_error(c, FIELD_INVALID, list, where, "must include at least one of v1, v1beta1");
}

/* Paths are upstream's, which are those of its inner form. */
static void check_conversion(struct check *c, yyjson_mut_val *conversion)
{
	yyjson_mut_val *webhook = yyjson_mut_obj_get(conversion, "webhook");
	yyjson_mut_val *client = yyjson_mut_obj_get(webhook, "clientConfig"),
		       *reviews = yyjson_mut_obj_get(webhook, "conversionReviewVersions");

	if (!strcmp(text_of(conversion, "strategy"), "Webhook")) {
		if (!client)
			check_error(c, FIELD_REQUIRED, NULL, ".spec.conversion.webhookClientConfig",
				"required when strategy is set to Webhook");
		if (!webhook)
			check_error(c, FIELD_REQUIRED, NULL, ".spec.conversion.conversionReviewVersions",
				"%s", "");
		check_reviews(c, reviews);
		return;
	}
	if (client)
		check_error(c, FIELD_FORBIDDEN, NULL, ".spec.conversion.webhookClientConfig",
			"should not be set when strategy is not set to Webhook");
	if (yyjson_mut_arr_size(reviews))
		check_error(c, FIELD_FORBIDDEN, NULL, ".spec.conversion.conversionReviewVersions",
			"should not be set when strategy is not set to Webhook");
}

static struct check_names version_names(yyjson_mut_val *definition)
{
	struct check_names names = {0};
	yyjson_mut_val *v;
	size_t i, n;

	yyjson_mut_arr_foreach(meta_mut_get(definition, "spec", "versions", NULL), i, n, v)
		check_names_add(&names, text_of(v, "name"));
	return names;
}

/* What is stored in a version cannot be read without it. Where it is missing already, nothing gets worse. */
static void check_stored_versions(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	struct check_names now = version_names(o), before = version_names(old);
	size_t i, n;
	yyjson_mut_val *v;

	yyjson_mut_arr_foreach(meta_mut_get(o, "status", "storedVersions", NULL), i, n, v)
	{
		const char *name = yyjson_mut_get_str(v) ?: "";

		if (!check_names_has(&now, name) && (!old || check_names_has(&before, name)))
			check_error(c, FIELD_INVALID, v, REL(".status.storedVersions[%zu]", i),
				"must appear in spec.versions");
	}
	check_names_fini(c, &now);
	check_names_fini(c, &before);
}

void check_crd(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	yyjson_mut_val *spec = yyjson_mut_obj_get(o, "spec"), *names = yyjson_mut_obj_get(spec, "names"), *v;
	yyjson_mut_val *versions = yyjson_mut_obj_get(spec, "versions");
	char want[512];
	size_t i, n, stored = 0;

	snprintf(want, sizeof(want), "%s.%s", text_of(names, "plural"), text_of(spec, "group"));
	if (strcmp(want, meta_mut_text(o, "name") ?: "") != 0)
		check_error(c, FIELD_INVALID, meta_mut_get(o, "metadata", "name", NULL), ".metadata.name",
			"must be spec.names.plural+\".\"+spec.group");
	yyjson_mut_arr_foreach(versions, i, n, v)
	{
		stored += yyjson_mut_is_true(yyjson_mut_obj_get(v, "storage"));
		if (!meta_mut_get(v, "schema", "openAPIV3Schema", NULL))
			check_error(c, FIELD_REQUIRED, NULL,
				REL(".spec.versions[%zu].schema.openAPIV3Schema", i), "schemas are required");
	}
	if (n && stored != 1)
		check_error(c, FIELD_INVALID, versions, ".spec.versions",
			"must have exactly one version marked as storage version");
	check_conversion(c, yyjson_mut_obj_get(spec, "conversion"));
	check_stored_versions(c, o, old);
	if (yyjson_mut_is_true(yyjson_mut_obj_get(spec, "preserveUnknownFields")))
		check_error(c, FIELD_INVALID, yyjson_mut_obj_get(spec, "preserveUnknownFields"),
			".spec.preserveUnknownFields",
			"must be false in order to use defaults in the schema");
}
