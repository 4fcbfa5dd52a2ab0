/* SPDX-License-Identifier: Apache-2.0 */

#include <string.h>

#include "cluster/extensions/order.h"
#include "cluster/schema/custom.h"
#include "cluster/schema/schema.h"

/* The first group has what upstream's first has; each other so much less. */
enum { FIRST_GROUP = 18000, GROUP_STEP = 100, FIRST_VERSION = 30, CUSTOM_GROUP = 1000, CUSTOM_VERSION = 100 };

static bool built_in(const char *group, const char *version, struct priority *out)
{
	size_t n;
	const struct schema_group_version *gv = schema_group_versions(&n);
	struct priority p = {FIRST_GROUP, FIRST_VERSION};

	for (size_t i = 0; i < n; i++) {
		if (i && strcmp(gv[i].group, gv[i - 1].group) != 0)
			p = (struct priority){p.group - GROUP_STEP, FIRST_VERSION};
		else if (i)
			p.version--;
		if (!strcmp(gv[i].group, group) && !strcmp(gv[i].version, version)) {
			*out = p;
			return true;
		}
	}
	return false;
}

bool own_priority(const char *group, const char *version, struct priority *out, bool *custom)
{
	size_t n;
	const struct schema_group_version *gv = custom_group_versions(&n);

	*custom = false;
	if (built_in(group, version, out))
		return true;
	for (size_t i = 0; gv && i < n; i++)
		if (!strcmp(gv[i].group, group) && !strcmp(gv[i].version, version)) {
			*out = (struct priority){CUSTOM_GROUP, CUSTOM_VERSION};
			*custom = true;
			return true;
		}
	return false;
}
