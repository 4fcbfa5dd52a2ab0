/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_BASE64_H
#define LIB_BASE64_H

#include <stddef.h>

/* Either alphabet, with or without padding, as clients send X-Registry-Auth. malloc'ed text, or NULL. */
char *base64_text(const char *s);
/* Likewise, but any bytes: *len of them, and a NUL after them. */
char *base64_bytes(const char *s, size_t *len);
/* The standard alphabet with padding; malloc'ed. */
char *base64_make(const void *data, size_t len);

#endif
