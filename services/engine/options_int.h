/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_OPTIONS_INT_H
#define ENGINE_OPTIONS_INT_H

/* What the files of options.h share, and their tests. */

#include "engine/options.h"

/* options_cpuset.c. 0, or -EINVAL with *msg. */
must_check int options_cpuset_check(yyjson_val *host, char **msg);
/* Whether @wanted is part of @online. @kind and @what name it in the sentence: "cpus", "CPUs". */
must_check int options_set_check(
	const char *wanted, const char *online, const char *kind, const char *what, char **msg);

#endif
