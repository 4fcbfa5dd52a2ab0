/* SPDX-License-Identifier: Apache-2.0 */

/* See places.h. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/places.h"

const struct place places[] = {
	{"/home", 0755},
	{"/media", 0755},
	{"/mnt", 0755},
	{"/opt", 0755},
	{"/root", 0700},
	{"/srv", 0755},
	{"/Users", 0755}, /* where the client is a Mac, its relative paths begin with this */
	{"/usr/local", 0755},
	{"/var/lib", 0755},
	{"/var/www", 0755},
	{0},
};

/* The folders above it, then itself. A folder that is there keeps its mode. */
static int make(char *path, size_t known, mode_t mode)
{
	for (char *s = path + known; *s; s++) {
		if (*s != '/')
			continue;
		*s = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return -errno;
		*s = '/';
	}
	return mkdir(path, mode) < 0 && errno != EEXIST ? -errno : 0;
}

int places_make(const char *data)
{
	size_t known = strlen(data) + 1;
	int first = 0;

	for (const struct place *p = places; p->path; p++) {
		char path[256];
		int err = -ENAMETOOLONG;

		if (snprintf(path, sizeof(path), "%s/" PLACES_DIR "%s", data, p->path) < (int)sizeof(path))
			err = make(path, known, p->mode);
		if (!first)
			first = err;
	}
	return first;
}

char *places_advice(void)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	fputs("the node's root is read-only; what may be written lies below /data", f);
	for (const struct place *p = places; p->path; p++)
		fprintf(f, ", %s", p->path);
	fputs(" (kept), /run or /tmp (until the next boot)", f);
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}
