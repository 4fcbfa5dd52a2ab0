/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_ERRNO_TEXT_H
#define LIB_ERRNO_TEXT_H

/*
 * What an errno is called in messages that reach clients: Linux's usual words in lower case, as programs in Go print them.
 * Clients look for them ("no such file or directory" makes docker run end with 127), and the C library's own differ by its kind.
 * For programs of one thread. The text stays as it is.
 */
const char *errno_text(int err);

#endif
