/* SPDX-License-Identifier: Apache-2.0 */

/* The multi-call program: find the applet by name, hand over. */

#include <stdio.h>
#include <string.h>

#include "applets.h"
#include "lib/util.h"

static const struct applet {
	const char *name;
	int (*main)(int argc, char **argv);
} applets[] = {
#define X(name, fn) {#name, fn},
	APPLETS(X)
#undef X
};

static const struct applet *find(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	for (size_t i = 0; i < array_len(applets); i++)
		if (!strcmp(applets[i].name, name))
			return &applets[i];
	return NULL;
}

int main(int argc, char **argv)
{
	const struct applet *a = argc > 0 ? find(argv[0]) : NULL;

	if (!a && argc > 1) {
		a = find(argv[1]);
		argc--;
		argv++;
	}
	if (a)
		return a->main(argc, argv);

	fputs("wherry: call it by the name of an applet:", stderr);
	for (size_t i = 0; i < array_len(applets); i++)
		fprintf(stderr, " %s", applets[i].name);
	fputc('\n', stderr);
	return 2;
}
