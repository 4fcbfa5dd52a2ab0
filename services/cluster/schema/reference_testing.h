/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_REFERENCE_TESTING_H
#define CLUSTER_REFERENCE_TESTING_H

/* For unit tests: upstream's own examples of objects, which are not in the tree (WHERRY_REFERENCE is where they are). */

#include <stdio.h>
#include <stdlib.h>

#include "lib/util.h"

/* malloc'ed, with a NUL after it; NULL: there is none. */
static inline char *read_reference(const char *name, size_t *len)
{
	const char *folder = getenv("WHERRY_REFERENCE");
	char path[512], *text = NULL;
	FILE *f;
	long n;

	if (!folder)
		return NULL;
	snprintf(path, sizeof(path), "%s/kubernetes/api-testdata/HEAD/%s", folder, name);
	f = fopen(path, "re");
	if (!f)
		return NULL;
	if (!fseek(f, 0, SEEK_END) && (n = ftell(f)) > 0 && (text = malloc((size_t)n + 1))) {
		rewind(f);
		*len = fread(text, 1, (size_t)n, f);
		text[*len] = 0;
	}
	fclose(f);
	return text;
}

#endif
