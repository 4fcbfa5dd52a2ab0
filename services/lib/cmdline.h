/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_CMDLINE_H
#define LIB_CMDLINE_H

/*
 * Words for us on the kernel's command line: wherry.NAME=VALUE. The kernel leaves names with a dot to whom they are for
 * (Documentation/admin-guide/kernel-parameters.rst).
 */

#include "lib/util.h"

enum { CMDLINE_VALUE_MAX = 1024 };

/**
 * cmdline_word() - the value of a word in a command line
 * @name:	with its dot, without "="
 * @out:	receives the value without its quotes, with a NUL
 *
 * Blanks part words unless they are in double quotes. Of several the last counts. Return: 0, -ENOENT, or -E2BIG for a
 * value that is longer than CMDLINE_VALUE_MAX - 1.
 */
must_check int cmdline_word(const char *line, const char *name, char out[CMDLINE_VALUE_MAX]);

/* The same in the command line of this boot; -ENOENT also when that cannot be read, which is logged. */
must_check int cmdline_get(const char *name, char out[CMDLINE_VALUE_MAX]);

#endif
