/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_LAST_EXITS_H
#define LIB_LAST_EXITS_H

/*
 * How containers ended on the way down while nobody could write it to their own records: init leaves a file with a
 * line for each exit that was not acknowledged, and the first engine of the next boot takes it up.
 *
 *   NAME PID START_TICKS STATUS EXIT_REALTIME_NS
 *
 * Text, for the next boot may be another version of both. Unknown words at the end of a line are ignored.
 */

#include <stdio.h>

#include "lib/initctl.h"

#define LAST_EXITS_PATH "/state/exits"

/* One line. Errors are @f's. */
void last_exits_print(FILE *f, const struct initctl_exit *x);

/* One line, with or without its newline; x->seq is 0. False: it is none. */
bool last_exits_parse(const char *line, struct initctl_exit *x);

#endif
