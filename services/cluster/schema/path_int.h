/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_PATH_INT_H
#define CLUSTER_PATH_INT_H

/*
 * Where in a document one is: a chain of steps on the stack, written out only when something is to be said
 * about it. "spec.containers[0].name", "metadata.labels[app]".
 */

#include <stddef.h>

/* PATH_ENTRY is a key of a map as decoders say it: ".key", and nothing where fields alone count. */
enum path_step { PATH_FIELD, PATH_ENTRY, PATH_KEY, PATH_INDEX };

struct path {
	const struct path *up; /* NULL: this is the first step */
	const char *name;      /* PATH_FIELD, PATH_KEY */
	size_t len;	       /* of the name */
	size_t index;	       /* PATH_INDEX */
	enum path_step step;
};

enum { PATH_TEXT_MAX = 1024 };

/* Cut at the front with "..." when it does not fit. Returns @buf. */
const char *path_text(const struct path *p, char *buf, size_t size);
/* As Go's JSON decoder says it: fields alone, joined by dots. */
const char *path_fields(const struct path *p, char *buf, size_t size);

#endif
