/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Names of users and groups, looked up in the container's own files. The files belong to the image: they are
 * found below its root only, read up to a bound, and numbers are decimal digits and nothing else.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/files.h"
#include "engine/spec.h"
#include "lib/errno_text.h"

enum { ID_MAX = 0x7fffffff };

/* 1: a number; 0: not one at all; -ERANGE: a number that is no id. */
static int number(const char *s, size_t len, uint32_t *out)
{
	bool negative = len > 1 && *s == '-';
	uint64_t n = 0;

	if (!len)
		return 0;
	for (size_t i = negative; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return 0;
		n = n * 10 + (unsigned)(s[i] - '0');
		if (n > ID_MAX)
			n = UINT64_C(1) << 40;
	}
	if (n > ID_MAX || (negative && n))
		return -ERANGE;
	*out = (uint32_t)n;
	return 1;
}

/* The i-th field of a line of name:x:1:... ; false: there are fewer. */
static bool field(const char *line, size_t len, unsigned i, const char **f, size_t *flen)
{
	const char *end = line + len;

	for (;;) {
		const char *colon = memchr(line, ':', (size_t)(end - line));
		const char *stop = colon ? colon : end;

		if (!i--) {
			*f = line;
			*flen = (size_t)(stop - line);
			return true;
		}
		if (!colon)
			return false;
		line = colon + 1;
	}
}

static bool next_line(const char **p, const char **line, size_t *len)
{
	if (!*p || !**p)
		return false;
	*line = *p;
	*len = strcspn(*p, "\n");
	*p += *len + ((*p)[*len] == '\n');
	return true;
}

static bool same(const char *f, size_t flen, const char *s, size_t slen)
{
	return flen == slen && !memcmp(f, s, slen);
}

static void set_home(struct spec_user *out, const char *line, size_t len)
{
	const char *f;
	size_t n;

	if (field(line, len, 5, &f, &n) && n && n < sizeof(out->home))
		snprintf(out->home, sizeof(out->home), "%.*s", (int)n, f);
}

/* Finds a group by name or number. 0, 1: it is a number that no line has; -ENOENT. */
static int find_group(const char *group, const char *want, size_t len, uint32_t *gid)
{
	const char *line, *f;
	size_t n, flen;
	int numeric = number(want, len, gid);

	if (numeric < 0)
		return numeric;
	while (next_line(&group, &line, &n)) {
		if (!field(line, n, 0, &f, &flen) || !flen || !same(f, flen, want, len))
			continue;
		if (field(line, n, 2, &f, &flen) && number(f, flen, gid) == 1)
			return 0;
	}
	return numeric ? 1 : -ENOENT;
}

static int add_group(struct spec_user *out, uint32_t gid)
{
	for (size_t i = 0; i < out->n_groups; i++)
		if (out->groups[i] == gid)
			return 0;
	if (out->n_groups == SPEC_GROUPS_MAX)
		return -E2BIG;
	out->groups[out->n_groups++] = gid;
	return 0;
}

/* Groups that list the user as a member. */
static int add_memberships(struct spec_user *out, const char *group, const char *name, size_t name_len)
{
	const char *line, *f, *members;
	size_t n, flen, left;
	uint32_t gid;

	while (next_line(&group, &line, &n)) {
		if (!field(line, n, 3, &members, &left) || !field(line, n, 2, &f, &flen) ||
			number(f, flen, &gid) != 1)
			continue;
		while (left) {
			const char *comma = memchr(members, ',', left);
			size_t m = comma ? (size_t)(comma - members) : left;

			if (same(members, m, name, name_len)) {
				int err = add_group(out, gid);

				if (err)
					return err;
				break;
			}
			left -= m + (comma ? 1 : 0);
			members += m + (comma ? 1 : 0);
		}
	}
	return 0;
}

static int out_of_range(char **msg)
{
	*msg = text_make("uids and gids must be in range 0-%d", ID_MAX);
	return -EINVAL;
}

static int no_group(int err, const char *group, char **msg)
{
	if (err == -ERANGE)
		return out_of_range(msg);
	*msg = text_make("unable to find group %s: no matching entries in group file", group);
	return err;
}

int spec_user_parse(const char *passwd, const char *group, const char *user, yyjson_val *group_add,
	struct spec_user *out, char **msg)
{
	const char *colon = user ? strchr(user, ':') : NULL, *group_want = colon ? colon + 1 : NULL;
	/* nobody is root: "" and ":group" */
	const char *want = user && *user && user != colon ? user : "0", *line, *f, *name = NULL;
	size_t want_len = strcspn(want, ":"), n, flen, name_len = 0;
	int numeric;

	*out = (struct spec_user){.home = "/"};
	numeric = number(want, want_len, &out->uid);
	if (numeric < 0)
		return out_of_range(msg);
	for (bool found = false; !found && next_line(&passwd, &line, &n);) {
		uint32_t uid;

		if (!field(line, n, 2, &f, &flen) || number(f, flen, &uid) != 1)
			continue;
		if (numeric) {
			found = uid == out->uid;
		} else {
			const char *who;
			size_t who_len;

			found = field(line, n, 0, &who, &who_len) && same(who, who_len, want, want_len);
		}
		if (!found)
			continue;
		out->uid = uid;
		field(line, n, 0, &name, &name_len);
		if (field(line, n, 3, &f, &flen))
			(void)!number(f, flen, &out->gid);
		set_home(out, line, n);
	}
	if (!numeric && !name) {
		*msg = text_make(
			"unable to find user %.*s: no matching entries in passwd file", (int)want_len, want);
		return -ENOENT;
	}
	if (group_want && *group_want) {
		int err = find_group(group, group_want, strlen(group_want), &out->gid);

		if (err < 0)
			return no_group(err, group_want, msg);
	} else if (name) {
		int err = add_memberships(out, group, name, name_len);

		if (err) {
			*msg = text_make(
				"user %.*s is in more than %d groups", (int)name_len, name, SPEC_GROUPS_MAX);
			return err;
		}
	}

	size_t i, max;
	yyjson_val *v;

	yyjson_arr_foreach (group_add, i, max, v) {
		const char *g = yyjson_get_str(v);
		uint32_t gid;
		int err = g ? find_group(group, g, strlen(g), &gid) : -EINVAL;

		if (err >= 0)
			err = add_group(out, gid);
		if (err)
			return no_group(err, g ? g : "", msg);
	}
	return 0;
}

/* NULL: there is none, which is fine. */
static int read_inside(int rootfd, const char *path, char **out, char **msg)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	cleanup(closep) int fd = (int)syscall(SYS_openat2, rootfd, path, &how, sizeof(how));
	struct stat st;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size > SPEC_ACCOUNTS_MAX) {
		*msg = text_make("the image's /%s is no file of at most %d bytes", path, SPEC_ACCOUNTS_MAX);
		return -EFBIG;
	}

	cleanup(freep) char *text = malloc((size_t)st.st_size + 1);
	size_t used = 0;

	if (!text)
		return -ENOMEM;
	while (used < (size_t)st.st_size) {
		ssize_t n = read(fd, text + used, (size_t)st.st_size - used);

		if (n < 0)
			return -errno;
		if (!n)
			break;
		used += (size_t)n;
	}
	text[used] = 0;
	*out = take(text);
	return 0;
}

int spec_user_resolve(int rootfd, const char *user, yyjson_val *group_add, struct spec_user *out, char **msg)
{
	cleanup(freep) char *passwd = NULL, *group = NULL;
	int err = read_inside(rootfd, "etc/passwd", &passwd, msg);

	if (!err)
		err = read_inside(rootfd, "etc/group", &group, msg);
	if (err) {
		if (!*msg)
			*msg = text_make("cannot read the image's accounts: %s", errno_text(-err));
		return err;
	}
	return spec_user_parse(passwd, group, user, group_add, out, msg);
}
