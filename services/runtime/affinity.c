/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include "runtime/exec.h"
#include "runtime/fail.h"

static bool number(const char **p, unsigned *out)
{
	*out = 0;
	if (**p < '0' || **p > '9')
		return false;
	for (; **p >= '0' && **p <= '9'; (*p)++) {
		*out = *out * 10 + (unsigned)(**p - '0');
		if (*out >= CPU_SETSIZE)
			return false;
	}
	return true;
}

int rt_affinity_apply(const char *list)
{
	cpu_set_t set;
	const char *p = list;

	CPU_ZERO(&set);
	for (;;) {
		unsigned from, to;

		while (*p == ' ')
			p++;
		if (!number(&p, &from))
			return rt_refuse("process.execCPUAffinity: %s is no list of CPUs", list);
		to = from;
		if (*p == '-' && (p++, !number(&p, &to)))
			return rt_refuse("process.execCPUAffinity: %s is no list of CPUs", list);
		for (; from <= to; from++)
			CPU_SET(from, &set);
		while (*p == ' ')
			p++;
		if (!*p)
			break;
		if (*p++ != ',')
			return rt_refuse("process.execCPUAffinity: %s is no list of CPUs", list);
	}
	return sched_setaffinity(0, sizeof(set), &set) < 0
		       ? rt_fail(errno, "process.execCPUAffinity %s", list)
		       : 0;
}
