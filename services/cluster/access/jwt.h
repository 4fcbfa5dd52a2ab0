/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_JWT_H
#define CLUSTER_JWT_H

/* JSON web tokens (RFC 7519), signed with one key by ES256. */

#include <yyjson.h>

#include "lib/util.h"

struct jwt;

/* The key is @dir/service-account.key, made when it is not there; NULL: one that is not kept. 0 or -errno. */
must_check int jwt_open(struct jwt **out, const char *dir);
void jwt_close(struct jwt *j);

/* Signed, malloc'ed; NULL: no memory. */
must_check char *jwt_make(const struct jwt *j, const char *claims, size_t len);
/* The claims of a token that is signed by our key, whatever they say; NULL: it is not one. */
must_check yyjson_doc *jwt_read(struct jwt *j, const char *token);

/* The key set (RFC 7517), malloc'ed JSON. */
char *jwt_keys(const struct jwt *j, size_t *len);

#endif
