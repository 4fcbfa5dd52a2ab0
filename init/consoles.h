/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INIT_CONSOLES_H
#define INIT_CONSOLES_H

/*
 * Every console of the kernel command line, not only the last (/dev/console is that one). Writes never block:
 * a line that a stuck terminal does not take is lost to that terminal alone. Used by init and by the logger.
 */

#include "lib/util.h"

void consoles_open(void); /* what cannot be opened is left out; once a process */
void consoles_write(const char *line, size_t len);
void consoles_say(const char *fmt, ...) printf_like(1, 2); /* one line, newline added */

#endif
