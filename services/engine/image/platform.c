/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A platform as people write it: OS, ARCHITECTURE, OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT, in any case and with the names
 * that machines have for themselves. As in Docker one part alone must be known, so that a slip of the pen is not taken for a
 * platform of which there is no image; of several parts each may be anything.
 */

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "engine/image/manifest.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

enum { PARTS_MAX = 3 };

static int refuse(struct image_reason *why, const char *fmt, ...) printf_like(2, 3);
static int refuse(struct image_reason *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (why)
		vsnprintf(why->text, sizeof(why->text), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static bool is_one_of(const char *s, const char *const *known, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(s, known[i]))
			return true;
	return false;
}

/* GOOS and GOARCH, whose names the OCI's image specification has. */
static bool is_os(const char *s)
{
	static const char *const known[] = {"aix", "android", "darwin", "dragonfly", "freebsd", "hurd",
		"illumos", "ios", "js", "linux", "nacl", "netbsd", "openbsd", "plan9", "solaris", "windows",
		"zos"};

	return is_one_of(s, known, array_len(known));
}

static bool is_architecture(const char *s)
{
	static const char *const known[] = {"386", "amd64", "amd64p32", "arm", "arm64", "arm64be", "armbe",
		"loong64", "mips", "mips64", "mips64le", "mips64p32", "mips64p32le", "mipsle", "ppc", "ppc64",
		"ppc64le", "riscv", "riscv64", "s390", "s390x", "sparc", "sparc64", "wasm"};

	return is_one_of(s, known, array_len(known));
}

/* Other names of an architecture, and what of its variants goes without saying. An empty cell: anything. */
static void normalize(struct image_platform *p)
{
	static const struct {
		const char *architecture, *variant, *is_architecture, *is_variant;
	} names[] = {
		{"i386", NULL, "386", ""},
		{"x86_64", NULL, "amd64", NULL},
		{"x86-64", NULL, "amd64", NULL},
		{"amd64", "v1", NULL, ""},
		{"aarch64", NULL, "arm64", NULL},
		{"arm64", "8", NULL, ""},
		{"arm64", "v8", NULL, ""},
		{"armhf", NULL, "arm", "v7"},
		{"armel", NULL, "arm", "v6"},
		{"arm", "", NULL, "v7"},
		{"arm", "5", NULL, "v5"},
		{"arm", "6", NULL, "v6"},
		{"arm", "7", NULL, "v7"},
		{"arm", "8", NULL, "v8"},
	};

	if (!strcmp(p->os, "macos"))
		strcpy(p->os, "darwin");
	for (size_t i = 0; i < array_len(names); i++) {
		if (strcmp(p->architecture, names[i].architecture) ||
			(names[i].variant && strcmp(p->variant, names[i].variant)))
			continue;
		if (names[i].is_architecture)
			strcpy(p->architecture, names[i].is_architecture);
		if (names[i].is_variant)
			strcpy(p->variant, names[i].is_variant);
	}
}

static int this_machine(struct image_platform *out)
{
	struct utsname u;

	if (uname(&u) < 0)
		return -errno;
	strcpy(out->os, "linux");
	snprintf(out->architecture, sizeof(out->architecture), "%.31s", u.machine);
	normalize(out);
	return 0;
}

int image_platform_parse(struct image_platform *out, const char *s, struct image_reason *why)
{
	char *const fields[PARTS_MAX] = {out->os, out->architecture, out->variant};
	const char *at = s;
	size_t n_parts = 0;

	memset(out, 0, sizeof(*out));
	if (!s || !*s)
		return this_machine(out);
	for (bool more = true; more; n_parts++) {
		size_t n = strcspn(at, "/");

		if (n_parts == PARTS_MAX || n >= sizeof(out->os))
			return refuse(why, "\"%.100s\": cannot parse platform specifier", s);
		if (!n || strspn(at, n_parts ? LETTERS "_.-" : LETTERS "_-") < n)
			return refuse(why, "\"%.*s\" is an invalid %scomponent of \"%.100s\"", (int)n, at,
				n_parts ? "" : "OS ", s);
		for (size_t i = 0; i < n; i++)
			fields[n_parts][i] = (char)tolower((unsigned char)at[i]);
		more = at[n];
		at += n + 1;
	}
	if (n_parts == 1) {
		struct image_platform here = {0};
		int r = this_machine(&here);

		if (r < 0)
			return r;
		normalize(out);
		if (is_os(out->os)) {
			strcpy(out->architecture, here.architecture);
			return 0;
		}
		strcpy(out->architecture, out->os);
		strcpy(out->os, here.os);
	}
	normalize(out);
	if (n_parts == 1 && !is_architecture(out->architecture))
		return refuse(why, "\"%.100s\": unknown operating system or architecture", s);
	return 0;
}
