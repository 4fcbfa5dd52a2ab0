/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_POD_SECURITY_H
#define CLUSTER_POD_SECURITY_H

/* The levels of PodSecurity (Kubernetes, "Pod Security Standards"). */

#include <limits.h>

#include <yyjson.h>

#include "lib/util.h"

enum security_level { SECURITY_PRIVILEGED, SECURITY_BASELINE, SECURITY_RESTRICTED };

/* minor: the level as 1.minor has it; SECURITY_LATEST: as this version does. */
struct security_policy {
	enum security_level level;
	int minor;
};

enum { SECURITY_LATEST = INT_MAX };

/* What is wrong, the checks by their titles and who failed them; cut when it is longer. "": nothing. */
struct security_findings {
	char text[2000];
	size_t len;
};

/* Adds to @f, which begins as {0}, what the pod with this spec does against the policy. */
void security_judge(struct security_findings *f, const struct security_policy *p, yyjson_mut_val *spec);

#endif
