/* SPDX-License-Identifier: Apache-2.0 */

#include <string.h>

#include "engine/paths.h"

bool path_clean(char *path)
{
	char *out = path, *p = path;

	if (*path != '/')
		return false;
	while (*p) {
		size_t n;

		while (*p == '/')
			p++;
		n = strcspn(p, "/");
		if (!n)
			break;
		if (n == 2 && !strncmp(p, "..", 2)) {
			while (out > path && *--out != '/')
				;
		} else if (!(n == 1 && *p == '.')) {
			*out++ = '/';
			memmove(out, p, n);
			out += n;
		}
		p += n;
	}
	if (out == path)
		*out++ = '/';
	*out = 0;
	return true;
}

bool path_is_local(const char *path)
{
	size_t depth = 0;

	if (!*path || *path == '/')
		return false;
	while (*path) {
		size_t n = strcspn(path, "/");
		bool up = n == 2 && !strncmp(path, "..", 2), here = !n || (n == 1 && *path == '.');

		if (up && !depth)
			return false;
		if (up)
			depth--;
		else if (!here)
			depth++;
		path += n + (path[n] == '/');
	}
	return true;
}
