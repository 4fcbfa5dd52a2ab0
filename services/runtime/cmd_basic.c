/* SPDX-License-Identifier: Apache-2.0 */

/* state, kill and delete. */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "runtime/cgroup.h"
#include "runtime/cmd.h"
#include "runtime/container.h"
#include "runtime/fail.h"
#include "runtime/state.h"
#include "runtime/sys.h"

static int print_state(const struct rt_state *s, enum rt_status status)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = doc ? yyjson_mut_obj(doc) : NULL;
	char *text = NULL;

	if (o) {
		yyjson_mut_doc_set_root(doc, o);
		yyjson_mut_obj_add_str(doc, o, "ociVersion", s->version);
		yyjson_mut_obj_add_str(doc, o, "id", s->id);
		yyjson_mut_obj_add_int(doc, o, "pid", status == RT_STOPPED ? 0 : s->pid);
		yyjson_mut_obj_add_str(doc, o, "status", rt_status_name(status));
		yyjson_mut_obj_add_str(doc, o, "bundle", s->bundle);
		yyjson_mut_obj_add_str(doc, o, "rootfs", s->rootfs);
		yyjson_mut_obj_add_str(doc, o, "created", s->created);
		if (s->annotations)
			yyjson_mut_obj_add_val(
				doc, o, "annotations", yyjson_val_mut_copy(doc, s->annotations));
		yyjson_mut_obj_add_str(doc, o, "owner", s->owner ? "" : "root");
		text = yyjson_mut_write(doc, YYJSON_WRITE_PRETTY_TWO_SPACES, NULL);
	}
	yyjson_mut_doc_free(doc);
	if (!text)
		return rt_fail(ENOMEM, "show the state");
	puts(text);
	free(text);
	return 0;
}

int rt_cmd_state(const struct rt_global *g, struct rt_args *a)
{
	struct rt_state s;
	enum rt_status status;
	int r = rt_options(a, NULL, 0, "state ID");

	if (r == 0)
		r = rt_operands(a, 1, 1, "state ID");
	if (r != 0)
		return r == RT_HELP ? 0 : r;
	r = rt_cmd_load(&s, g, a->argv[0], 0);
	if (r == 0)
		r = rt_state_status(&s, &status, NULL);
	if (r == 0)
		r = print_state(&s, status);
	rt_state_fini(&s);
	return r;
}

static int signal_all(const struct rt_state *s, int sig)
{
	cleanup(closep) int group = rt_cgroup_open(s->cgroup);
	cleanup(freep) pid_t *pids = NULL;
	ssize_t n;

	if (group < 0)
		return group == -ENOENT ? rt_refuse("container not running") : group;
	if (sig == SIGKILL)
		return rt_cgroup_kill(group);
	n = rt_cgroup_procs(group, &pids);
	if (n < 0)
		return (int)n;
	for (ssize_t i = 0; i < n; i++)
		if (kill(pids[i], sig) < 0 && errno != ESRCH)
			return rt_fail(errno, "signal process %ld", (long)pids[i]);
	return 0;
}

int rt_cmd_kill(const struct rt_global *g, struct rt_args *a)
{
	static const char usage[] = "kill [--all] ID [SIGNAL]";
	bool all = false;
	const struct rt_opt opts[] = {{"all", "a", OPT_FLAG, &all, "every process of the container"}};
	cleanup(closep) int pidfd = -1;
	struct rt_state s;
	enum rt_status status;
	int r = rt_options(a, opts, array_len(opts), usage), sig = 0;

	if (r == 0)
		r = rt_operands(a, 1, 2, usage);
	if (r == 0)
		r = sig = rt_signal_number(a->argc > 1 ? a->argv[1] : "TERM");
	if (r < 0 || (r == RT_HELP && !sig))
		return r < 0 ? r : 0;
	r = rt_cmd_load(&s, g, a->argv[0], 0);
	if (r == 0)
		r = rt_state_status(&s, &status, &pidfd);
	if (r == 0 && all)
		r = signal_all(&s, sig);
	else if (r == 0 && status == RT_STOPPED)
		r = rt_refuse("container not running");
	else if (r == 0 && sys_pidfd_send_signal(pidfd, sig) < 0)
		r = errno == ESRCH ? rt_refuse("container not running")
				   : rt_fail(errno, "signal the container");
	rt_state_fini(&s);
	return r;
}

int rt_cmd_delete(const struct rt_global *g, struct rt_args *a)
{
	static const char usage[] = "delete [--force] ID";
	bool force = false;
	const struct rt_opt opts[] = {
		{"force", "f", OPT_FLAG, &force, "kill it first; no error when it does not exist"}};
	int r = rt_options(a, opts, array_len(opts), usage);

	if (r == 0)
		r = rt_operands(a, 1, 1, usage);
	if (r != 0)
		return r == RT_HELP ? 0 : r;
	return rt_container_delete(g->root, a->argv[0], force);
}
