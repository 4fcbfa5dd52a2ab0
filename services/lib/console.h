/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_CONSOLE_H
#define LIB_CONSOLE_H

#include "lib/util.h"

/*
 * A line for whoever stands in front of the machine: what is missing, and what to do about it. Goes to
 * /dev/console as "wherry: ..."; never waits for a console that does not drain. For what only a log reader
 * wants, see log.h.
 */
void console_say(const char *fmt, ...) printf_like(1, 2);

#endif
