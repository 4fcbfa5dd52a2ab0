/* SPDX-License-Identifier: Apache-2.0 */

/* See log_pack.h. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "applets.h"
#include "engine/engine.h"
#include "engine/job.h"
#include "engine/log_pack.h"
#include "engine/output.h"
#include "lib/errno_text.h"
#include "lib/log.h"
#include "lib/privilege.h"

enum { DIR_FD = 3, NICE = 10 };

struct packing {
	struct output *l; /* a reference */
	unsigned seg;
};

static void end(struct packing *p)
{
	output_packed(p->l, p->seg);
	output_unref(p->l);
	free(p);
}

static void on_done(void *arg, int status, const char *output)
{
	if (status)
		log_error("op=log-pack status=%d msg=\"%s\"", status, output);
	end(arg);
}

static void begin(struct output *l, unsigned seg, void *engine)
{
	struct engine *e = engine;
	struct packing *p = malloc(sizeof(*p));
	struct job *job; /* frees itself */
	char number[16];
	char *argv[] = {(char *)(uintptr_t)e->worker, (char *)(uintptr_t)"engine_log_pack", number, NULL};
	int fds[] = {-1, -1, JOB_CAPTURE, [DIR_FD] = output_dir(l)};
	struct job_opts o = {.path = e->worker, .argv = argv, .fds = fds, .n_fds = array_len(fds)};

	if (!p) {
		output_packed(l, seg);
		return;
	}
	*p = (struct packing){output_ref(l), seg};
	snprintf(number, sizeof(number), "%u", seg);
	if (job_start(&job, e->loop, &o, on_done, p))
		end(p); /* it stays as it is */
}

void log_pack(struct engine *e, struct output *l)
{
	output_pack_with(l, begin, e);
}

int engine_log_pack_main(int argc, char **argv)
{
	unsigned long seg = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
	int err;

	if (!seg) {
		fputs("usage: engine_log_pack SEGMENT\n", stderr);
		return 2;
	}
	setpriority(PRIO_PROCESS, 0, NICE);
	err = privilege_keep(0);
	if (!err)
		err = output_pack_segment(DIR_FD, (unsigned)seg);
	if (err)
		fprintf(stderr, "segment %lu of a log cannot be packed: %s\n", seg, errno_text(-err));
	return err ? 1 : 0;
}
