/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_CONTAINER_INT_H
#define AGENT_CONTAINER_INT_H

/* The parts of a container's body. Each returns 0, or -errno with a sentence in @b->why, "" for no memory. */

#include <yyjson.h>

#include "lib/util.h"

struct env;
struct pod;
struct pod_container;

struct body {
	yyjson_mut_doc *doc;
	yyjson_mut_val *root, *host;
	const struct pod *p;
	const struct pod_container *c;
	const struct env *env;
	char *why;
	size_t why_size;
};

must_check int container_mounts(struct body *b);
must_check int container_security(struct body *b);

/* -EINVAL, with the sentence in @b->why. */
int body_wrong(struct body *b, const char *format, ...) printf_like(2, 3);

#endif
