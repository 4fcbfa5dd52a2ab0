/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/schema/custom.h"
#include "cluster/schema/schema.h"

static const struct schema_kind **customs; /* owned */
static size_t n_customs;
static uint64_t changes;

/* Made when asked for, of the present state. */
static const struct schema_kind **all;
static struct schema_group_version *versions;
static size_t n_all, n_versions;

static void changed(void)
{
	free(all);
	free(versions);
	all = NULL;
	versions = NULL;
	changes++;
}

void custom_remove(const char *group, const char *plural)
{
	size_t kept = 0;

	for (size_t i = 0; i < n_customs; i++)
		if (strcmp(customs[i]->group, group) != 0 || strcmp(customs[i]->plural, plural) != 0)
			customs[kept++] = customs[i];
	n_customs = kept;
	if (!kept) {
		free(customs);
		customs = NULL;
	}
	changed();
}

int custom_add(const struct schema_kind *const *kinds, size_t n)
{
	const struct schema_kind **more = reallocarray(customs, n_customs + n + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	customs = more;
	if (n && n_customs) {
		size_t kept = 0;

		for (size_t i = 0; i < n_customs; i++)
			if (strcmp(customs[i]->group, kinds[0]->group) != 0 ||
				strcmp(customs[i]->plural, kinds[0]->plural) != 0)
				customs[kept++] = customs[i];
		n_customs = kept;
	}
	for (size_t i = 0; i < n; i++)
		customs[n_customs++] = kinds[i];
	changed();
	return 0;
}

uint64_t custom_changes(void)
{
	return changes;
}

const struct schema_kind *custom_find(const char *group, const char *version, const char *plural)
{
	for (size_t i = 0; i < n_customs; i++)
		if (!strcmp(customs[i]->plural, plural) && !strcmp(customs[i]->group, group) &&
			!strcmp(customs[i]->version, version))
			return customs[i];
	return NULL;
}

const struct schema_kind *custom_find_kind(const char *api_version, const char *kind)
{
	for (size_t i = 0; i < n_customs; i++)
		if (!strcmp(customs[i]->kind, kind) && !strcmp(customs[i]->api_version, api_version))
			return customs[i];
	return NULL;
}

const struct schema_kind *const *custom_all(size_t *n)
{
	size_t built_in;
	const struct schema_kind *kinds = schema_kinds(&built_in);

	if (!all) {
		all = calloc(built_in + n_customs + 1, sizeof(*all));
		if (!all)
			return NULL;
		for (size_t i = 0; i < built_in; i++)
			all[i] = &kinds[i];
		for (size_t i = 0; i < n_customs; i++)
			all[built_in + i] = customs[i];
		n_all = built_in + n_customs;
	}
	*n = n_all;
	return all;
}

/* ---- versions */

/* "v2" before "v1" before "v1beta2" before "v1alpha1" before anything else: higher is earlier. */
static long rank(const char *version)
{
	char *end;
	long major, minor, stage;

	if (*version != 'v')
		return 0;
	major = strtol(version + 1, &end, 10);
	if (end == version + 1 || major < 1 || major > 9999)
		return 0;
	if (!*end)
		return 20000000 + major;
	if (!strncmp(end, "beta", 4))
		stage = 10000000;
	else if (!strncmp(end, "alpha", 5))
		stage = 1000;
	else
		return 0;
	end += stage == 1000 ? 5 : 4;
	minor = strtol(end, &end, 10);
	return *end || minor > 99 ? 0 : stage + major * 100 + minor;
}

/* Behind the last of its group that is not younger; a new group at the end. */
static void insert(const struct schema_kind *k)
{
	size_t at = n_versions;

	for (size_t i = 0; i < n_versions; i++) {
		if (strcmp(versions[i].group, k->group) != 0)
			continue;
		if (!strcmp(versions[i].version, k->version))
			return;
		at = i + 1;
		if (rank(k->version) > rank(versions[i].version) && !versions[i].preferred) {
			at = i;
			break;
		}
	}
	memmove(&versions[at + 1], &versions[at], (n_versions - at) * sizeof(*versions));
	versions[at] = (struct schema_group_version){k->group, k->version, false};
	n_versions++;
}

const struct schema_group_version *custom_group_versions(size_t *n)
{
	size_t built_in;
	const struct schema_group_version *fixed = schema_group_versions(&built_in);

	if (!versions) {
		versions = calloc(built_in + n_customs + 1, sizeof(*versions));
		if (!versions)
			return NULL;
		memcpy(versions, fixed, built_in * sizeof(*versions));
		n_versions = built_in;
		for (size_t i = 0; i < n_customs; i++)
			insert(customs[i]);
		/* the first of each new group is the one to use */
		for (size_t i = 0; i < n_versions; i++)
			if (!i || strcmp(versions[i].group, versions[i - 1].group) != 0)
				versions[i].preferred = true;
	}
	*n = n_versions;
	return versions;
}
