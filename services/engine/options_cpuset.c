/* SPDX-License-Identifier: Apache-2.0 */

/* CpusetCpus and CpusetMems: lists such as "0-2,5", of what the node has online. */

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/files.h"
#include "engine/options_int.h"
#include "lib/json.h"

/* Numbers above it are mistakes, as in Docker. */
enum { NUMBER_MAX = 8192, ONLINE_MAX = 4096 };

struct numbers {
	uint8_t has[NUMBER_MAX + 1];
};

/* A number at *s, which moves on behind it. */
static bool number(const char **s, unsigned long *out)
{
	char *end;

	if (**s < '0' || **s > '9')
		return false;
	*out = strtoul(*s, &end, 10);
	*s = end;
	return *out <= NUMBER_MAX;
}

static bool parse(const char *s, struct numbers *out)
{
	*out = (struct numbers){0};
	for (;;) {
		unsigned long first, last;

		if (!number(&s, &first))
			return false;
		last = first;
		if (*s == '-') {
			s++;
			if (!number(&s, &last))
				return false;
		}
		if (first > last)
			return false;
		memset(out->has + first, 1, last - first + 1);
		if (!*s)
			return true;
		if (*s++ != ',')
			return false;
	}
}

int options_set_check(const char *wanted, const char *online, const char *kind, const char *what, char **msg)
{
	struct numbers w, there;

	if (!parse(wanted, &w)) {
		*msg = text_make("Invalid value %.64s for cpuset %s", wanted, kind);
		return -EINVAL;
	}
	if (!parse(online, &there))
		return 0; /* the kernel judges at the start */
	for (size_t i = 0; i <= NUMBER_MAX; i++)
		if (w.has[i] && !there.has[i]) {
			*msg = text_make("Requested %s are not available - requested %.64s, available: %s",
				what, wanted, online);
			return -EINVAL;
		}
	return 0;
}

/* What the kernel says of its own; one that knows of no memory nodes has the first. */
static char *online(const char *path)
{
	char *text = NULL;

	if (disk_read(path, ONLINE_MAX, &text, NULL))
		return strdup("0");
	text[strcspn(text, "\n")] = 0;
	return text;
}

int options_cpuset_check(yyjson_val *host, char **msg)
{
	static const struct {
		const char *member, *kind, *what, *online;
	} sets[] = {
		{"CpusetCpus", "cpus", "CPUs", "/sys/devices/system/cpu/online"},
		{"CpusetMems", "mems", "memory nodes", "/sys/devices/system/node/online"},
	};

	for (size_t i = 0; i < array_len(sets); i++) {
		const char *wanted = json_text(host, sets[i].member);
		cleanup(freep) char *there = wanted ? online(sets[i].online) : NULL;
		int r = !wanted ? 0
			: there ? options_set_check(wanted, there, sets[i].kind, sets[i].what, msg)
				: -ENOMEM;

		if (r)
			return r;
	}
	return 0;
}
