/* SPDX-License-Identifier: Apache-2.0 */

/* create, start and run: the commands that read a bundle. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "runtime/cmd.h"
#include "runtime/container.h"
#include "runtime/exe.h"
#include "runtime/fail.h"
#include "runtime/terminal.h"

struct options {
	const char *bundle, *config, *console_socket, *pidfd_socket, *pid_file, *supervise;
	unsigned preserve_fds;
	bool no_pivot, no_new_keyring, detach, keep, no_subreaper;
};

static int parse(struct options *o, struct rt_args *a, bool run, const char *usage)
{
	const struct rt_opt opts[] = {
		{"bundle", "b", OPT_STRING, &o->bundle, "directory of config.json; default: the current one"},
		{"config", "f", OPT_STRING, &o->config, "its name in the bundle; default: config.json"},
		{"console-socket", NULL, OPT_STRING, &o->console_socket,
			"Unix socket that receives the terminal"},
		{"pidfd-socket", NULL, OPT_STRING, &o->pidfd_socket,
			"Unix socket that receives a pidfd of the process"},
		{"pid-file", NULL, OPT_STRING, &o->pid_file, "file to write the process id to"},
		{"no-pivot", NULL, OPT_FLAG, &o->no_pivot, "do not use pivot_root"},
		{"no-new-keyring", NULL, OPT_FLAG, &o->no_new_keyring, "keep the session keyring"},
		{"preserve-fds", NULL, OPT_UINT, &o->preserve_fds, "pass that many descriptors from 3 on"},
		{"supervise", NULL, OPT_STRING, &o->supervise,
			"have init keep the exit status under this name"},
		{"detach", "d", OPT_FLAG, &o->detach, "do not wait for the container"},
		{"keep", NULL, OPT_FLAG, &o->keep, "do not delete the container when it has ended"},
		{"no-subreaper", NULL, OPT_FLAG, &o->no_subreaper, "accepted: this runtime never is one"},
	};
	int r = rt_options(a, opts, run ? array_len(opts) : array_len(opts) - 3, usage);

	if (r == 0)
		r = rt_operands(a, 1, 1, usage);
	if (r != 0)
		return r;
	/* A descriptor that is missing would be replaced by one of ours. */
	for (unsigned i = 0; i < o->preserve_fds; i++)
		if (i > 1000 || fcntl((int)(3 + i), F_GETFD) < 0)
			return rt_refuse(
				"--preserve-fds %u: descriptor %u is not open", o->preserve_fds, 3 + i);
	return 0;
}

/* Paths of the command line are the caller's; afterwards the bundle is the working directory. */
static int absolute(const char **path, char *buf)
{
	char cwd[PATH_MAX];

	if (!*path || **path == '/')
		return 0;
	if (!getcwd(cwd, sizeof(cwd)) || snprintf(buf, PATH_MAX, "%s/%s", cwd, *path) >= PATH_MAX)
		return rt_fail(ENAMETOOLONG, "%s", *path);
	*path = buf;
	return 0;
}

struct job {
	struct options o;
	struct rt_create c;
	struct oci_spec spec;
	char bundle[PATH_MAX], root[PATH_MAX], pid_file[PATH_MAX], console[PATH_MAX], pidfd[PATH_MAX];
};

static int prepare(struct job *j, const struct rt_global *g, struct rt_args *a, bool run, const char *usage)
{
	int r = rt_exe_seal();

	if (r == 0)
		r = parse(&j->o, a, run, usage);
	if (r != 0)
		return r;
	j->c = (struct rt_create){.root = g->root,
		.id = a->argv[0],
		.bundle = j->bundle,
		.pid_file = j->o.pid_file,
		.console_socket = j->o.console_socket,
		.pidfd_socket = j->o.pidfd_socket,
		.supervise = j->o.supervise,
		.preserve_fds = j->o.preserve_fds,
		.no_pivot = j->o.no_pivot,
		.no_new_keyring = j->o.no_new_keyring,
		.console_fd = -1};
	r = absolute(&j->c.root, j->root);
	if (r == 0)
		r = absolute(&j->c.pid_file, j->pid_file);
	if (r == 0)
		r = absolute(&j->c.console_socket, j->console);
	if (r == 0)
		r = absolute(&j->c.pidfd_socket, j->pidfd);
	if (r < 0)
		return r;
	if (j->o.bundle && chdir(j->o.bundle) < 0)
		return rt_fail(errno, "bundle %s", j->o.bundle);
	if (!getcwd(j->bundle, sizeof(j->bundle)))
		return rt_fail(errno, "bundle");
	const char *config = j->o.config ? j->o.config : "config.json";

	r = oci_spec_load(&j->spec, AT_FDCWD, config);
	if (r == 0 && !j->spec.has_process)
		r = rt_refuse("%s has no process", config);
	return r;
}

int rt_cmd_create(const struct rt_global *g, struct rt_args *a)
{
	struct job j = {0};
	struct rt_created made = {0, -1};
	int r = prepare(&j, g, a, false, "create [options] ID");

	if (r == 0)
		r = rt_container_create(&j.c, &j.spec, &made);
	closep(&made.pidfd);
	oci_spec_fini(&j.spec);
	return r == RT_HELP ? 0 : r;
}

int rt_cmd_start(const struct rt_global *g, struct rt_args *a)
{
	int r = rt_options(a, NULL, 0, "start ID");

	if (r == 0)
		r = rt_operands(a, 1, 1, "start ID");
	return r ? r : rt_container_start(g->root, a->argv[0]);
}

int rt_cmd_run(const struct rt_global *g, struct rt_args *a)
{
	struct job j = {0};
	struct rt_created made = {0, -1};
	int pair[2] = {-1, -1};
	int r = prepare(&j, g, a, true, "run [options] ID");

	if (r != 0)
		goto out;
	if (j.spec.process.terminal && !j.o.detach && !j.o.console_socket) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
			r = rt_fail(errno, "socketpair");
			goto out;
		}
		j.c.console_fd = pair[1];
	}
	/* Before there is a child, so that no signal is missed. */
	r = j.o.detach ? 0 : rt_foreground_begin();
	if (r == 0)
		r = rt_container_create(&j.c, &j.spec, &made);
	if (r < 0)
		goto out;
	r = rt_container_start(j.c.root, j.c.id);
	if (r == 0 && !j.o.detach)
		r = rt_foreground_wait(made.pid, made.pidfd, pair[0]);
	if (r < 0 || (!j.o.detach && !j.o.keep)) {
		char why[RT_FAIL_MAX];

		snprintf(why, sizeof(why), "%s", rt_reason());
		if (r < 0)
			kill(made.pid, SIGKILL);
		int d = rt_container_delete(j.c.root, j.c.id, true);

		if (r < 0)
			rt_reason_set(why);
		else if (d < 0)
			r = d;
	}
out:
	closep(&pair[0]);
	closep(&pair[1]);
	closep(&made.pidfd);
	oci_spec_fini(&j.spec);
	return r == RT_HELP && !made.pid ? 0 : r;
}
