/* SPDX-License-Identifier: Apache-2.0 */

#include <inttypes.h>
#include <string.h>

#include "lib/last_exits.h"

void last_exits_print(FILE *f, const struct initctl_exit *x)
{
	fprintf(f, "%s %" PRId32 " %" PRIu64 " %" PRId32 " %" PRId64 "\n", x->name, x->pid, x->start_ticks,
		x->status, x->exit_realtime_ns);
}

bool last_exits_parse(const char *line, struct initctl_exit *x)
{
	memset(x, 0, sizeof(*x));
	_Static_assert(sizeof(x->name) == 128, "the width below");
	return sscanf(line, "%127s %" SCNd32 " %" SCNu64 " %" SCNd32 " %" SCNd64, x->name, &x->pid,
		       &x->start_ticks, &x->status, &x->exit_realtime_ns) == 5;
}
