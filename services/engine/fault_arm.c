/* SPDX-License-Identifier: Apache-2.0 */

/* See fault_arm.h. */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/fault_arm.h"
#include "engine/files.h"
#include "lib/log.h"

static unsigned long die_at, passed;
static int trace = -1;

static void on_point(const char *point)
{
	char line[80];
	int n = snprintf(line, sizeof(line), "%s\n", point);

	(void)!write(trace, line, (size_t)n);
	if (++passed == die_at)
		kill(getpid(), SIGKILL);
}

void fault_arm(struct engine *e)
{
	cleanup(freep) char *path = text_make("%s/fault", e->run_dir),
			    *list = text_make("%s/fault.trace", e->run_dir);
	cleanup(freep) char *text = NULL;

	if (!path || !list || disk_read(path, 64, &text, NULL))
		return;
	unlink(path);
	trace = open(list, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (trace < 0)
		return;
	die_at = strtoul(text, NULL, 10);
	log_warn("op=fault die_at=%lu msg=\"fault injection is armed\"", die_at);
	fault_hook = on_point;
}
