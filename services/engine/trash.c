/* SPDX-License-Identifier: Apache-2.0 */

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/files.h"
#include "engine/job.h"
#include "engine/trash.h"
#include "lib/errno_text.h"
#include "lib/log.h"

static void on_done(void *arg, int status, const char *output)
{
	if (status)
		log_error("op=trash status=%d msg=\"%s\"", status, output);
}

void trash_remove(const char *path, void *engine)
{
	struct engine *e = engine;
	struct job *job; /* frees itself */
	char *argv[] = {(char *)(uintptr_t)e->worker, (char *)(uintptr_t)"engine_remove",
		(char *)(uintptr_t)path, NULL};
	int fds[3] = {-1, -1, JOB_CAPTURE};
	struct job_opts o = {.path = e->worker, .argv = argv, .fds = fds, .n_fds = 3};

	/* Whoever cannot start a worker now finds it at the next start of the engine. */
	(void)!job_start(&job, e->loop, &o, on_done, NULL);
}

void trash_sweep(struct engine *e)
{
	cleanup(freep) char *dir = text_make("%s/trash", e->data_dir);
	DIR *d = dir ? opendir(dir) : NULL;
	bool any = false;

	if (!d)
		return;
	for (struct dirent *ent; !any && (ent = readdir(d));)
		any = strcmp(ent->d_name, ".") != 0 && strcmp(ent->d_name, "..") != 0;
	closedir(d);
	if (!any)
		return;

	/* The directory itself goes to a name of its own, so that the worker takes all of it. */
	cleanup(freep) char *old = text_make("%s/.trash.%lld", e->data_dir, (long long)wall_ns());

	if (old && !rename(dir, old) && !dir_make(dir, 0700))
		trash_remove(old, e);
}

int engine_remove_main(int argc, char **argv)
{
	if (argc != 2) {
		fputs("usage: engine_remove PATH\n", stderr);
		return 2;
	}

	int err = dir_remove(argv[1]);

	if (err)
		fprintf(stderr, "cannot remove %s: %s\n", argv[1], errno_text(-err));
	return err ? 1 : 0;
}
