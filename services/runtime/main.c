/* SPDX-License-Identifier: Apache-2.0 */

/*
 * /bin/runtime: an OCI bundle becomes a container. One command a call, nothing stays running; the command
 * line and the JSON are those of runc and crun. README.md has the reading tour.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "runtime/cmd.h"
#include "runtime/exe.h"
#include "runtime/fail.h"

static const struct command {
	const char *name;
	int (*run)(const struct rt_global *g, struct rt_args *a);
	const char *help;
} commands[] = {
#define X(name, help) {#name, rt_cmd_##name, help},
	RT_COMMANDS(X)
#undef X
};

static const char usage[] = "[--root DIR] [--log FILE] [--log-format text|json] [--debug] COMMAND ...";

/* Descriptors 0 to 2 have to be something, or files of ours would become the container's stdio. */
static int open_stdio(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return -errno;
	return 0;
}

static void list(void)
{
	printf("usage: runtime %s\n", usage);
	for (size_t i = 0; i < array_len(commands); i++)
		printf("  %-10s %s\n", commands[i].name, commands[i].help);
}

static void version(void)
{
	puts("runtime version 1.0.0\nspec: 1.2.1");
}

static int dispatch(struct rt_args *a, const struct rt_global *g)
{
	const char *name = a->argv[0];

	a->argc--;
	a->argv++;
	for (size_t i = 0; i < array_len(commands); i++) {
		if (strcmp(commands[i].name, name))
			continue;
		int r = geteuid() && strcmp(name, "features") && strcmp(name, "spec")
				? rt_refuse("this runtime runs as root only")
				: commands[i].run(g, a);

		if (r < 0) {
			rt_log_reason(name);
			return 1;
		}
		return r;
	}
	if (!strcmp(name, "checkpoint") || !strcmp(name, "restore"))
		rt_refuse("this runtime does not checkpoint or restore containers");
	else
		rt_refuse("no such command; runtime --help lists them");
	rt_log_reason(name);
	return 1;
}

int main(int argc, char **argv)
{
	struct rt_global g = {.root = "/run/runtime"};
	const char *log = NULL, *format = "text", *manager = NULL, *rootless = NULL;
	bool debug = false, systemd = false, show_version = false;
	const struct rt_opt opts[] = {
		{"root", NULL, OPT_STRING, &g.root,
			"where the state of containers is kept; default: /run/runtime"},
		{"log", NULL, OPT_STRING, &log, "file for messages, beside stderr"},
		{"log-format", NULL, OPT_STRING, &format, "text or json"},
		{"debug", NULL, OPT_FLAG, &debug, "log more"},
		{"systemd-cgroup", NULL, OPT_FLAG, &systemd, "refused: there is no systemd here"},
		{"cgroup-manager", NULL, OPT_STRING, &manager, "only cgroupfs"},
		{"rootless", NULL, OPT_STRING, &rootless, "auto or false; true is refused"},
		{"version", "v", OPT_FLAG, &show_version, "show the version"},
	};
	struct rt_args a = {argc - 1, argv + 1};
	int r = open_stdio();

	if (r < 0)
		return 1;
	/* Nothing of ours may be traced or dumped by what we are about to share namespaces with
	 * (CVE-2019-5736). */
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return 1;
	signal(SIGPIPE, SIG_IGN);
	rt_exe_remember(argv);
	r = rt_options(&a, opts, array_len(opts), usage);
	if (r == RT_HELP) {
		list();
		return 0;
	}
	if (r == 0 && show_version) {
		version();
		return 0;
	}
	if (r == 0 && strcmp(format, "text") && strcmp(format, "json"))
		r = rt_refuse("--log-format is text or json, not %s", format);
	if (r == 0)
		r = rt_log_open(log && *log ? log : NULL, !strcmp(format, "json"));
	if (r == 0 && debug)
		rt_log_debug_on();
	if (r == 0 && systemd)
		r = rt_refuse("--systemd-cgroup: this runtime drives cgroups itself, there is no systemd");
	if (r == 0 && manager && strcmp(manager, "cgroupfs"))
		r = rt_refuse("--cgroup-manager: only cgroupfs is supported");
	if (r == 0 && rootless && strcmp(rootless, "auto") && strcmp(rootless, "false"))
		r = rt_refuse(
			"--rootless %s: this runtime runs as root; linux.uidMappings give a container ids of its own",
			rootless);
	if (r == 0 && !a.argc) {
		list();
		return 1;
	}
	if (r < 0) {
		rt_log_reason("start");
		return 1;
	}
	return dispatch(&a, &g);
}
