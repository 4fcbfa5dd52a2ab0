/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_CONSOLE_H
#define ENGINE_CONSOLE_H

/*
 * The socket on which the runtime hands over a new terminal's master (--console-socket).
 */

#include "lib/util.h"

struct console;

must_check int console_new(struct console **out, const char *dir); /* 0 or -errno */
const char *console_path(const struct console *c);
/* After the runtime has ended: the master that it sent, owned by the caller, or -errno. Never waits. */
must_check int console_take(struct console *c);
void console_free(struct console *c); /* accepts NULL; removes the socket */

#endif
