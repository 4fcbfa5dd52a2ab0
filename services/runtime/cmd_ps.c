/* SPDX-License-Identifier: Apache-2.0 */

/* ps: the processes of a container's cgroup, by our own table or, with options, by the ps of the host. */

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/cgroup.h"
#include "runtime/cmd.h"
#include "runtime/fail.h"
#include "runtime/spec.h"
#include "runtime/state.h"

enum { PS_OUTPUT_MAX = 4 << 20, PS_OPTIONS_MAX = 64 };

static void print_pids(const pid_t *pids, ssize_t n)
{
	fputs("[", stdout);
	for (ssize_t i = 0; i < n; i++)
		printf("%s%ld", i ? "," : "", (long)pids[i]);
	puts("]");
}

static void print_process(pid_t pid)
{
	char path[40], text[1024], name[64] = "?";
	cleanup(closep) int fd = -1;
	unsigned uid = 0, ppid = 0;

	snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n <= 0)
		return; /* gone meanwhile */
	text[n] = '\0';
	sscanf(text, "Name:\t%63[^\n]", name);
	char *p = strstr(text, "\nPPid:\t");

	if (p)
		sscanf(p, "\nPPid:\t%u", &ppid);
	p = strstr(text, "\nUid:\t");
	if (p)
		sscanf(p, "\nUid:\t%u", &uid);
	printf("%-10u %-10ld %-10u %s\n", uid, (long)pid, ppid, name);
}

/* ---- the host's ps, for its options */

/* Where a line's @n-th word begins, from 0; NULL: it has fewer. */
static const char *word(const char *line, size_t n)
{
	line += strspn(line, " \t");
	while (n-- && *line) {
		line += strcspn(line, " \t");
		line += strspn(line, " \t");
	}
	return *line ? line : NULL;
}

static bool is_word(const char *at, const char *text)
{
	size_t len = strlen(text);

	return !strncmp(at, text, len) && (!at[len] || strchr(" \t", at[len]));
}

int rt_ps_filter(char *text, const pid_t *pids, ssize_t n, FILE *out)
{
	char *save = NULL, *line = strtok_r(text, "\n", &save);
	const char *at = NULL;
	size_t column = 0;

	while (line && (at = word(line, column)) && !is_word(at, "PID"))
		column++;
	if (!at)
		return rt_refuse("the options of ps leave the column PID out, which is needed to choose by");
	fprintf(out, "%s\n", line);
	while ((line = strtok_r(NULL, "\n", &save))) {
		long pid = (at = word(line, column)) ? strtol(at, NULL, 10) : 0;

		for (ssize_t i = 0; i < n; i++)
			if (pids[i] == pid)
				fprintf(out, "%s\n", line);
	}
	return 0;
}

/* As runc does it: ps with these options about all processes, and of its lines those of the container. */
static int host_ps(char **options, const pid_t *pids, ssize_t n)
{
	cleanup(closep) int from = -1, to = -1;
	cleanup(freep) char *text = NULL;
	posix_spawn_file_actions_t actions;
	int pipe_fds[2], status = 0, err;
	ssize_t len;
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return rt_fail(errno, "pipe");
	from = pipe_fds[0];
	to = pipe_fds[1];
	if (posix_spawn_file_actions_init(&actions))
		return rt_fail(ENOMEM, "ps");
	err = posix_spawn_file_actions_adddup2(&actions, to, 1);
	if (!err)
		err = posix_spawnp(&pid, "ps", &actions, NULL, options, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (err)
		return rt_fail(err, "ps of this host, which alone knows its options");
	close(take_fd(to));
	len = rt_read_fd(from, "ps", PS_OUTPUT_MAX, &text);
	/* What it could not write it need not. */
	close(take_fd(from));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (len < 0)
		return (int)len;
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return rt_refuse("ps of this host ended with status %d",
			WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	return rt_ps_filter(text, pids, n, stdout);
}

int rt_cmd_ps(const struct rt_global *g, struct rt_args *a)
{
	static const char usage[] = "ps [--format table|json] ID [OPTION OF ps...]";
	const char *format = "table";
	const struct rt_opt opts[] = {{"format", "f", OPT_STRING, &format, "table or json"}};
	cleanup(closep) int group = -1;
	cleanup(freep) pid_t *pids = NULL;
	static char name[] = "ps";
	struct rt_state s;
	ssize_t n = 0;
	int r = rt_options(a, opts, array_len(opts), usage);

	if (r == 0)
		r = rt_operands(a, 1, PS_OPTIONS_MAX, usage);
	if (r == 0 && strcmp(format, "table") && strcmp(format, "json"))
		r = rt_refuse("--format is table or json, not %s", format);
	if (r != 0)
		return r == RT_HELP ? 0 : r;
	r = rt_cmd_load(&s, g, a->argv[0], 0);
	if (r == 0)
		r = group = rt_cgroup_open(s.cgroup);
	if (r >= 0)
		n = rt_cgroup_procs(group, &pids);
	if (r == -ENOENT && s.cgroup)
		r = 0; /* it has ended and its group is gone: no processes */
	rt_state_fini(&s);
	if (r < 0 || n < 0)
		return r < 0 ? r : (int)n;
	if (!strcmp(format, "json")) {
		print_pids(pids, n);
		return 0;
	}
	if (a->argc > 1) {
		/* They follow the container's name, in whose place ps has its own. */
		a->argv[0] = name;
		return host_ps(a->argv, pids, n);
	}
	printf("%-10s %-10s %-10s %s\n", "UID", "PID", "PPID", "CMD");
	for (ssize_t i = 0; i < n; i++)
		print_process(pids[i]);
	return 0;
}
