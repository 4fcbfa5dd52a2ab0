/* SPDX-License-Identifier: Apache-2.0 */

/* The text of a path, written from its last step to its first. */

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cluster/schema/path_int.h"

/* Put @len bytes in front of what is there; false: no room. */
static bool before(char *buf, size_t *at, const char *text, size_t len)
{
	if (len > *at)
		return false;
	*at -= len;
	memcpy(buf + *at, text, len);
	return true;
}

static bool write_step(const struct path *p, bool fields_only, char *buf, size_t *at)
{
	char number[32];

	switch (p->step) {
	case PATH_INDEX:
		if (fields_only)
			return true;
		snprintf(number, sizeof(number), "[%zu]", p->index);
		return before(buf, at, number, strlen(number));
	case PATH_KEY:
		if (!fields_only)
			return before(buf, at, "]", 1) && before(buf, at, p->name, p->len) &&
			       before(buf, at, "[", 1);
		break;
	case PATH_ENTRY:
		if (fields_only)
			return true;
		break;
	case PATH_FIELD:
		break;
	}
	return before(buf, at, p->name, p->len) && before(buf, at, ".", 1);
}

static const char *text(const struct path *p, bool fields_only, char *buf, size_t size)
{
	size_t at = size - 1;

	buf[at] = 0;
	for (; p; p = p->up) {
		if (!write_step(p, fields_only, buf, &at)) {
			if (at > 3)
				memcpy(buf + (at -= 3), "...", 3);
			break;
		}
	}
	if (buf[at] == '.' && buf[at + 1] != '.')
		at++;
	return memmove(buf, buf + at, size - at);
}

const char *path_text(const struct path *p, char *buf, size_t size)
{
	return text(p, false, buf, size);
}

const char *path_fields(const struct path *p, char *buf, size_t size)
{
	return text(p, true, buf, size);
}
