/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "lib/cmdline.h"
#include "lib/file.h"
#include "lib/log.h"

#define CMDLINE "/proc/cmdline"

enum { LINE_MAX_BYTES = 64 << 10 };

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/* The word that begins at @s: its end. */
static const char *word_end(const char *s)
{
	bool quoted = false;

	for (; *s && (quoted || !blank(*s)); s++)
		if (*s == '"')
			quoted = !quoted;
	return s;
}

/* @s up to @end without quotes. */
static int copy_value(const char *s, const char *end, char out[CMDLINE_VALUE_MAX])
{
	size_t len = 0;

	for (; s < end; s++) {
		if (*s == '"')
			continue;
		if (len == CMDLINE_VALUE_MAX - 1)
			return -E2BIG;
		out[len++] = *s;
	}
	out[len] = '\0';
	return 0;
}

int cmdline_word(const char *line, const char *name, char out[CMDLINE_VALUE_MAX])
{
	size_t len = strlen(name);
	int rc = -ENOENT;

	for (const char *s = line, *end; *s; s = end) {
		/* the kernel also takes "name=value" in quotes as a whole */
		const char *word = s + (*s == '"');

		end = word_end(s);
		if (end == s)
			end++;
		else if ((size_t)(end - word) > len && !strncmp(word, name, len) && word[len] == '=')
			rc = copy_value(word + len + 1, end, out);
	}
	return rc;
}

int cmdline_get(const char *name, char out[CMDLINE_VALUE_MAX])
{
	cleanup(freep) char *line = NULL;
	size_t len;
	int rc = file_read(AT_FDCWD, CMDLINE, LINE_MAX_BYTES, &line, &len);

	if (rc < 0) {
		log_errno(-rc, "path=%s op=read", CMDLINE);
		return -ENOENT;
	}
	return cmdline_word(line, name, out);
}
