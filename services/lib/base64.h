/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_BASE64_H
#define LIB_BASE64_H

#include <stddef.h>

/* Either alphabet, with or without padding, as clients send X-Registry-Auth. malloc'ed text, or NULL. */
char *base64_text(const char *s);
/* The standard alphabet with padding; malloc'ed. */
char *base64_make(const void *data, size_t len);

#endif
