/* SPDX-License-Identifier: Apache-2.0 */

/* Looking things up in the tables. */

#include <stdio.h>
#include <string.h>

#include "cluster/schema/custom.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/tables_int.h"

/* The order in which discovery names groups is the order in which kubectl resolves short names. */
static const struct schema_group_version group_versions[] = {
	{"", "v1", true},
	{"apiregistration.k8s.io", "v1", true},
	{"apps", "v1", true},
	{"events.k8s.io", "v1", true},
	{"authentication.k8s.io", "v1", true},
	{"authorization.k8s.io", "v1", true},
	{"autoscaling", "v2", true},
	{"autoscaling", "v1", false},
	{"batch", "v1", true},
	{"certificates.k8s.io", "v1", true},
	{"networking.k8s.io", "v1", true},
	{"policy", "v1", true},
	{"rbac.authorization.k8s.io", "v1", true},
	{"storage.k8s.io", "v1", true},
	{"admissionregistration.k8s.io", "v1", true},
	{"apiextensions.k8s.io", "v1", true},
	{"scheduling.k8s.io", "v1", true},
	{"coordination.k8s.io", "v1", true},
	{"node.k8s.io", "v1", true},
	{"discovery.k8s.io", "v1", true},
	{"flowcontrol.apiserver.k8s.io", "v1", true},
	{"resource.k8s.io", "v1", true},
	{"metrics.k8s.io", "v1beta1", true},
};

const struct schema_kind *schema_kinds(size_t *n)
{
	*n = schema_table_n_kinds;
	return schema_table_kinds;
}

const struct schema_group_version *schema_group_versions(size_t *n)
{
	*n = array_len(group_versions);
	return group_versions;
}

const struct schema_type *schema_named_type(const char *name)
{
	size_t low = 0, high = schema_table_n_named;

	while (low < high) {
		size_t mid = (low + high) / 2;
		int c = strcmp(name, schema_table_named[mid]->name);

		if (!c)
			return schema_table_named[mid];
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

const struct schema_kind *schema_find(const char *group, const char *version, const char *plural)
{
	size_t low = 0, high = schema_table_n_kinds;

	while (low < high) {
		size_t mid = (low + high) / 2;
		const struct schema_kind *k = &schema_table_kinds[mid];
		int c = strcmp(group, k->group);

		if (!c)
			c = strcmp(version, k->version);
		if (!c)
			c = strcmp(plural, k->plural);
		if (!c)
			return k;
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return custom_find(group, version, plural);
}

const struct schema_kind *schema_find_kind(const char *api_version, const char *kind)
{
	for (size_t i = 0; i < schema_table_n_kinds; i++)
		if (!strcmp(schema_table_kinds[i].kind, kind) &&
			!strcmp(schema_table_kinds[i].api_version, api_version))
			return &schema_table_kinds[i];
	return custom_find_kind(api_version, kind);
}

const struct schema_field *schema_field(const struct schema_type *t, const char *name, size_t len)
{
	size_t low = 0, high = t->n_fields;

	while (low < high) {
		size_t mid = (low + high) / 2;
		int c = strncmp(name, t->fields[mid].name, len);

		if (!c && t->fields[mid].name[len])
			c = -1;
		if (!c)
			return &t->fields[mid];
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

const struct schema_subresource *schema_subresource(const struct schema_kind *k, const char *name)
{
	for (size_t i = 0; i < k->n_subresources; i++)
		if (!strcmp(k->subresources[i].name, name))
			return &k->subresources[i];
	return NULL;
}

const char *schema_resource_name(const struct schema_kind *k, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s%s", k->plural, *k->group ? "." : "", k->group);
	return buf;
}

const char *schema_kind_name(const struct schema_kind *k, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s%s", k->kind, *k->group ? "." : "", k->group);
	return buf;
}
