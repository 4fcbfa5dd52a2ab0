/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_CMD_H
#define RUNTIME_CMD_H

#include <stdio.h>
#include <sys/types.h>

#include "lib/util.h"

/* What stands before the command's name. */
struct rt_global {
	const char *root;
};

/*
 * Options of one command, as the Go runtimes' command lines have them: `--name value`, `--name=value`, `-n
 * value`, single dashes too. Options end at `--` or at the first operand.
 */
enum rt_opt_kind { OPT_FLAG, OPT_STRING, OPT_UINT, OPT_LIST };

struct rt_opt {
	const char *name, *alias; /* without dashes; alias may be NULL */
	enum rt_opt_kind kind;
	void *out; /* bool *, const char **, unsigned *, struct rt_list * */
	const char *help;
};

enum { RT_LIST_MAX = 256 };

struct rt_list {
	const char *v[RT_LIST_MAX];
	size_t n;
};

struct rt_args {
	int argc;
	char **argv; /* what is left: operands */
};

/* Takes options off @a. Return: 0, RT_HELP when help was printed, or -EINVAL. */
enum { RT_HELP = 1 };
must_check int rt_options(struct rt_args *a, const struct rt_opt *opts, size_t n, const char *usage);

/* Operands: between @min and @max. 0 or -EINVAL with the usage. */
must_check int rt_operands(const struct rt_args *a, int min, int max, const char *usage);

/* A command: exit status, or -errno with a reason. */
#define RT_COMMANDS(X)                                                                                       \
	X(create, "make a container; its process waits for start")                                           \
	X(start, "let a created container's program run")                                                    \
	X(run, "create, start, wait, delete")                                                                \
	X(state, "show a container's state as JSON")                                                         \
	X(kill, "send a signal to a container")                                                              \
	X(delete, "remove a container")                                                                      \
	X(exec, "run one more process in a container")                                                       \
	X(pause, "freeze a container")                                                                       \
	X(resume, "thaw a container")                                                                        \
	X(ps, "list a container's processes")                                                                \
	X(list, "list containers")                                                                           \
	X(update, "change a container's limits")                                                             \
	X(events, "show a container's statistics and out-of-memory events")                                  \
	X(spec, "write a sample config.json")                                                                \
	X(features, "show what this runtime can do, as JSON")

#define X(name, help) int rt_cmd_##name(const struct rt_global *g, struct rt_args *a);
RT_COMMANDS(X)
#undef X

/* The state of a container, as rt_state_load(); release with rt_state_fini() whatever it returns. */
struct rt_state;
must_check int rt_cmd_load(struct rt_state *s, const struct rt_global *g, const char *id, int lock);

/* Only an ID and no options. 0, RT_HELP or -EINVAL. */
must_check int rt_cmd_plain(struct rt_args *a, const char *usage);

/* "1000" or "1000:100"; @gid is left alone without one. 0 or -EINVAL. */
must_check int rt_user_parse(const char *text, uint32_t *uid, uint32_t *gid);

/* Of what ps printed the heading, and the lines whose column PID is one of @pids. @text is cut up. 0 or -EINVAL. */
must_check int rt_ps_filter(char *text, const pid_t *pids, ssize_t n, FILE *out);

must_check int rt_signal_number(const char *text); /* "KILL", "SIGKILL", "9"; -EINVAL */

#endif
