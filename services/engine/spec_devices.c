/* SPDX-License-Identifier: Apache-2.0 */

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "engine/container.h"
#include "engine/files.h"
#include "lib/json.h"
#include "engine/spec.h"

enum { DEVICES_MAX = 1024 };

static void allow(yyjson_mut_doc *doc, yyjson_mut_val *list, bool yes, const char *type, int64_t major,
	int64_t minor, const char *access)
{
	yyjson_mut_val *d = yyjson_mut_arr_add_obj(doc, list);

	yyjson_mut_obj_add_bool(doc, d, "allow", yes);
	if (type)
		yyjson_mut_obj_add_strcpy(doc, d, "type", type);
	if (major >= 0)
		yyjson_mut_obj_add_int(doc, d, "major", major);
	if (minor >= 0)
		yyjson_mut_obj_add_int(doc, d, "minor", minor);
	yyjson_mut_obj_add_strcpy(doc, d, "access", access);
}

static void node(yyjson_mut_doc *doc, yyjson_mut_val *list, const char *path, const struct stat *st)
{
	yyjson_mut_val *d = yyjson_mut_arr_add_obj(doc, list);

	yyjson_mut_obj_add_strcpy(doc, d, "path", path);
	yyjson_mut_obj_add_str(doc, d, "type", S_ISBLK(st->st_mode) ? "b" : "c");
	yyjson_mut_obj_add_uint(doc, d, "major", major(st->st_rdev));
	yyjson_mut_obj_add_uint(doc, d, "minor", minor(st->st_rdev));
	yyjson_mut_obj_add_uint(doc, d, "fileMode", st->st_mode & 0777);
	yyjson_mut_obj_add_uint(doc, d, "uid", st->st_uid);
	yyjson_mut_obj_add_uint(doc, d, "gid", st->st_gid);
}

/* --privileged: every device of the node. */
static void all_nodes(yyjson_mut_doc *doc, yyjson_mut_val *list, const char *dir, int depth)
{
	static const char *const skip[] = {"pts", "shm", "fd", "mqueue", "ptmx", "console", "null", "zero",
		"full", "random", "urandom", "tty"};
	DIR *d = opendir(dir);

	for (struct dirent *ent; d && (ent = readdir(d));) {
		cleanup(freep) char *path = text_make("%s/%s", dir, ent->d_name);
		bool skipped = ent->d_name[0] == '.';
		struct stat st;

		for (size_t i = 0; i < array_len(skip); i++)
			skipped = skipped || (!depth && !strcmp(skip[i], ent->d_name));
		if (!path || skipped || lstat(path, &st) < 0)
			continue;
		if (S_ISDIR(st.st_mode) && depth < 3)
			all_nodes(doc, list, path, depth + 1);
		else if ((S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) &&
			 yyjson_mut_arr_size(list) < DEVICES_MAX)
			node(doc, list, path, &st);
	}
	if (d)
		closedir(d);
}

/* "*" is -1. */
static int parse_number(const char **p, int64_t *out)
{
	char *end;

	if (**p == '*') {
		++*p;
		*out = -1;
		return 0;
	}
	if (**p < '0' || **p > '9')
		return -EINVAL;
	errno = 0;
	*out = strtoll(*p, &end, 10);
	*p = end;
	return errno || *out > UINT32_MAX ? -EINVAL : 0;
}

int spec_device_rule_parse(const char *s, char *type, int64_t *major, int64_t *minor, char access[4])
{
	size_t n;

	if (!s || !strchr("abc", *s) || !*s || s[1] != ' ')
		return -EINVAL;
	*type = *s;
	s += 2;
	if (parse_number(&s, major) || *s++ != ':' || parse_number(&s, minor) || *s++ != ' ')
		return -EINVAL;
	n = strspn(s, "rwm");
	if (!n || n > 3 || s[n])
		return -EINVAL;
	memcpy(access, s, n + 1);
	return 0;
}

int spec_devices(struct container *c, yyjson_mut_doc *doc, yyjson_mut_val *linux_, yyjson_mut_val *resources,
	char **msg)
{
	yyjson_mut_val *nodes = yyjson_mut_arr(doc), *rules = yyjson_mut_arr(doc);
	size_t i, n;
	yyjson_val *v;

	yyjson_mut_obj_add_val(doc, linux_, "devices", nodes);
	yyjson_mut_obj_add_val(doc, resources, "devices", rules);
	if (json_bool(c->host, "Privileged")) {
		all_nodes(doc, nodes, "/dev", 0);
		allow(doc, rules, true, NULL, -1, -1, "rwm");
		return 0;
	}
	allow(doc, rules, false, NULL, -1, -1, "rwm");
	/* Making nodes is allowed, opening them is not: only these and what is asked for. */
	allow(doc, rules, true, "c", -1, -1, "m");
	allow(doc, rules, true, "b", -1, -1, "m");
	static const int minors[] = {3, 5, 7, 8, 9};

	for (i = 0; i < array_len(minors); i++)
		allow(doc, rules, true, "c", 1, minors[i], "rwm");
	allow(doc, rules, true, "c", 5, 0, "rwm");
	allow(doc, rules, true, "c", 5, 1, "rwm");
	allow(doc, rules, true, "c", 5, 2, "rwm");
	allow(doc, rules, true, "c", 136, -1, "rwm");

	yyjson_arr_foreach (json_arr(c->host, "DeviceCgroupRules"), i, n, v) {
		char type, access[4], text[2] = {0};
		int64_t maj, min;

		if (spec_device_rule_parse(yyjson_get_str(v), &type, &maj, &min, access))
			continue; /* checked at create */
		*text = type;
		allow(doc, rules, true, type == 'a' ? NULL : text, maj, min, access);
	}
	yyjson_arr_foreach (json_arr(c->host, "Devices"), i, n, v) {
		const char *from = json_text(v, "PathOnHost"), *to = json_text(v, "PathInContainer");
		const char *access = json_text(v, "CgroupPermissions");
		struct stat st;

		if (!from || stat(from, &st) < 0) {
			*msg = text_make(
				"error gathering device information while adding custom device \"%s\": no such file "
				"or directory",
				from ? from : "");
			return -ENOENT;
		}
		if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)) {
			*msg = text_make(
				"error gathering device information while adding custom device \"%s\": not a device "
				"node",
				from);
			return -EINVAL;
		}
		node(doc, nodes, to ? to : from, &st);
		allow(doc, rules, true, S_ISBLK(st.st_mode) ? "b" : "c", major(st.st_rdev), minor(st.st_rdev),
			access ? access : "rwm");
	}
	return 0;
}
