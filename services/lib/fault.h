/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_FAULT_H
#define LIB_FAULT_H

/*
 * The fault hook: tests stop a service at every place where a cut would leave a different state behind. A place
 * is named once, with fault_point(); what happens there is the hook's to say.
 */

/* NULL in service. Who sets it may end the process inside. */
extern void (*fault_hook)(const char *point);

static inline void fault_point(const char *point)
{
	if (fault_hook)
		fault_hook(point);
}

#endif
