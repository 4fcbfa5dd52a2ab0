/* SPDX-License-Identifier: Apache-2.0 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "runtime/cmd.h"
#include "runtime/fail.h"
#include "runtime/state.h"

static const char usage[] = "list [--format table|json] [--quiet]";

static void add_json(yyjson_mut_doc *doc, const struct rt_state *s, enum rt_status status)
{
	yyjson_mut_val *o = yyjson_mut_arr_add_obj(doc, yyjson_mut_doc_get_root(doc));

	yyjson_mut_obj_add_strcpy(doc, o, "ociVersion", s->version);
	yyjson_mut_obj_add_strcpy(doc, o, "id", s->id);
	yyjson_mut_obj_add_int(doc, o, "pid", status == RT_STOPPED ? 0 : s->pid);
	yyjson_mut_obj_add_str(doc, o, "status", rt_status_name(status));
	yyjson_mut_obj_add_strcpy(doc, o, "bundle", s->bundle);
	yyjson_mut_obj_add_strcpy(doc, o, "rootfs", s->rootfs);
	yyjson_mut_obj_add_strcpy(doc, o, "created", s->created);
	if (s->annotations)
		yyjson_mut_obj_add_val(doc, o, "annotations", yyjson_val_mut_copy(doc, s->annotations));
	yyjson_mut_obj_add_str(doc, o, "owner", s->owner ? "" : "root");
}

static int show(int root, yyjson_mut_doc *doc, const char *id, bool quiet)
{
	enum rt_status status = RT_STOPPED;
	struct rt_state s;
	int r = rt_state_load(&s, root, id, 0);

	if (r == 0)
		r = rt_state_status(&s, &status, NULL);
	/* Being made or being deleted just now: not to be listed. */
	if (r == -ENOENT)
		r = 0;
	else if (r == 0 && quiet)
		puts(id);
	else if (r == 0 && doc)
		add_json(doc, &s, status);
	else if (r == 0)
		printf("%-24s %-8ld %-10s %-40s %-32s %s\n", s.id, status == RT_STOPPED ? 0L : (long)s.pid,
			rt_status_name(status), s.bundle, s.created, s.owner ? "" : "root");
	rt_state_fini(&s);
	return r;
}

int rt_cmd_list(const struct rt_global *g, struct rt_args *a)
{
	const char *format = "table";
	bool quiet = false;
	const struct rt_opt opts[] = {{"format", "f", OPT_STRING, &format, "table or json"},
		{"quiet", "q", OPT_FLAG, &quiet, "only IDs"}};
	int r = rt_options(a, opts, array_len(opts), usage);

	if (r == 0)
		r = rt_operands(a, 0, 0, usage);
	if (r == 0 && strcmp(format, "table") && strcmp(format, "json"))
		r = rt_refuse("--format is table or json, not %s", format);
	if (r != 0)
		return r == RT_HELP ? 0 : r;

	int root = rt_root_open(g->root, true);
	int copy = root < 0 ? -1 : openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	yyjson_mut_doc *doc = !strcmp(format, "json") ? yyjson_mut_doc_new(NULL) : NULL;

	if (!d) {
		yyjson_mut_doc_free(doc);
		return root < 0 ? root : rt_fail(errno, "read %s", g->root);
	}
	if (doc)
		yyjson_mut_doc_set_root(doc, yyjson_mut_arr(doc));
	else if (!quiet)
		printf("%-24s %-8s %-10s %-40s %-32s %s\n", "ID", "PID", "STATUS", "BUNDLE", "CREATED",
			"OWNER");
	for (struct dirent *e; r == 0 && (e = readdir(d));)
		if (e->d_name[0] != '.')
			r = show(root, doc, e->d_name, quiet);
	if (r == 0 && doc && !quiet) {
		char *text = yyjson_mut_write(doc, 0, NULL);

		r = text ? 0 : rt_fail(ENOMEM, "list");
		if (text)
			puts(text);
		free(text);
	}
	yyjson_mut_doc_free(doc);
	closedir(d);
	close(root);
	return r;
}
