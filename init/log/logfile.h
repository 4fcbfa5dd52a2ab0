/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INIT_LOGFILE_H
#define INIT_LOGFILE_H

/*
 * One bounded log: NAME, and NAME.1 with what came before it. Each holds at most the limit, so a name costs
 * twice that. It begins in memory and moves to the disk when there is one.
 */

#include "lib/util.h"

enum { LOGFILE_NAME_MAX = 40 };

struct logfile {
	char name[LOGFILE_NAME_MAX];
	int dir; /* borrowed; where it is now */
	int fd;	 /* owned; -1: not open yet */
	size_t size, limit;
	size_t lost; /* bytes that could not be written since the last that could */
	int err;     /* why */
};

void logfile_init(struct logfile *f, const char *name, int dir, size_t limit);
void logfile_fini(struct logfile *f);

/* Whole lines. What cannot be written is counted, and said in the log once it can be written again. */
void logfile_write(struct logfile *f, const char *lines, size_t len);

/* Continue in @dir, taking along what is here. When that fails the log stays where it is. 0 or -errno. */
must_check int logfile_move(struct logfile *f, int dir, size_t limit);

#endif
