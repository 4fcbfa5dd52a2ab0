/* SPDX-License-Identifier: Apache-2.0 */

/* exec: which process, from --process or from the command line. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "runtime/cmd.h"
#include "runtime/exe.h"
#include "runtime/exec.h"
#include "runtime/fail.h"
#include "runtime/fdpass.h"
#include "runtime/pidfile.h"
#include "runtime/sys.h"
#include "runtime/terminal.h"

static const char usage[] = "exec [options] ID [COMMAND [ARG...]]";

struct options {
	const char *console_socket, *pidfd_socket, *cwd, *user, *process, *pid_file, *supervise, *cgroup;
	const char *apparmor, *label;
	struct rt_list env, caps, gids;
	unsigned preserve_fds;
	bool tty, detach, no_new_privs, ignore_paused;
};

static int parse(struct options *o, struct rt_args *a)
{
	const struct rt_opt opts[] = {
		{"console-socket", NULL, OPT_STRING, &o->console_socket,
			"Unix socket that receives the terminal"},
		{"pidfd-socket", NULL, OPT_STRING, &o->pidfd_socket,
			"Unix socket that receives a pidfd of the process"},
		{"cwd", NULL, OPT_STRING, &o->cwd, "working directory in the container"},
		{"env", "e", OPT_LIST, &o->env, "set an environment variable"},
		{"tty", "t", OPT_FLAG, &o->tty, "with a terminal"},
		{"user", "u", OPT_STRING, &o->user, "UID[:GID]"},
		{"additional-gids", "g", OPT_LIST, &o->gids, "one more group"},
		{"process", "p", OPT_STRING, &o->process, "file that holds the process as JSON"},
		{"detach", "d", OPT_FLAG, &o->detach, "return once the program runs"},
		{"pid-file", NULL, OPT_STRING, &o->pid_file, "file to write the process id to"},
		{"process-label", NULL, OPT_STRING, &o->label, "refused: no SELinux"},
		{"apparmor", NULL, OPT_STRING, &o->apparmor, "refused: no AppArmor"},
		{"no-new-privs", NULL, OPT_FLAG, &o->no_new_privs, "set no_new_privs"},
		{"cap", "c", OPT_LIST, &o->caps, "add a capability"},
		{"preserve-fds", NULL, OPT_UINT, &o->preserve_fds, "pass that many descriptors from 3 on"},
		{"cgroup", NULL, OPT_STRING, &o->cgroup, "a group below the container's"},
		{"ignore-paused", NULL, OPT_FLAG, &o->ignore_paused, "do not refuse in a paused container"},
		{"supervise", NULL, OPT_STRING, &o->supervise,
			"have init keep the exit status under this name"},
	};
	int r = rt_options(a, opts, array_len(opts), usage);

	if (r == 0)
		r = rt_operands(a, 1, 1 << 20, usage);
	if (r != 0)
		return r;
	if ((o->apparmor && *o->apparmor) || (o->label && *o->label))
		return rt_refuse("exec: this runtime has neither SELinux nor AppArmor");
	if (!o->process && a->argc < 2)
		return rt_refuse("exec needs a command or --process");
	for (unsigned i = 0; i < o->preserve_fds; i++)
		if (i > 1000 || fcntl((int)(3 + i), F_GETFD) < 0)
			return rt_refuse(
				"--preserve-fds %u: descriptor %u is not open", o->preserve_fds, 3 + i);
	return 0;
}

/* Digits only, and all of them: "0x0", "-1", "1000x" and names are refused (CVE-2026-30892). */
static int id_number(const char *text, size_t len, uint32_t *out)
{
	uint64_t n = 0;

	if (!len || len > 10)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		n = n * 10 + (uint64_t)(text[i] - '0');
	}
	if (n >= UINT32_MAX)
		return -EINVAL;
	*out = (uint32_t)n;
	return 0;
}

int rt_user_parse(const char *text, uint32_t *uid, uint32_t *gid)
{
	const char *colon = strchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : strlen(text);

	if (id_number(text, len, uid) < 0 || (colon && id_number(colon + 1, strlen(colon + 1), gid) < 0))
		return rt_refuse("--user %s: UID or UID:GID, in digits", text);
	return 0;
}

/* Variables of the command line replace or follow the container's. */
static int add_env(struct oci_process *p, struct rt_arena *mem, const struct rt_list *add)
{
	const char **env = rt_arena_zalloc(mem, (p->n_env + add->n + 1) * sizeof(*env));
	size_t n = p->n_env;

	if (!env)
		return rt_fail(ENOMEM, "--env");
	if (n)
		memcpy(env, p->env, n * sizeof(*env));
	for (size_t i = 0; i < add->n; i++) {
		size_t len = strcspn(add->v[i], "="), k = 0;

		if (!len || !add->v[i][len])
			return rt_refuse("--env %s: NAME=VALUE", add->v[i]);
		while (k < n && strncmp(env[k], add->v[i], len + 1))
			k++;
		env[k] = add->v[i];
		n += k == n;
	}
	p->env = env;
	p->n_env = n;
	return 0;
}

static int from_options(
	struct oci_process *p, struct rt_arena *mem, const struct options *o, struct rt_args *a)
{
	int r = 0;

	p->args = (const char **)(a->argv + 1);
	p->n_args = (size_t)a->argc - 1;
	p->terminal = o->tty;
	p->no_new_privileges |= o->no_new_privs;
	if (o->cwd)
		p->cwd = o->cwd;
	if (p->cwd[0] != '/')
		return rt_refuse("--cwd must be an absolute path");
	if (o->user) {
		p->gid = 0;
		p->groups = NULL;
		p->n_groups = 0;
		r = rt_user_parse(o->user, &p->uid, &p->gid);
	}
	if (r == 0 && o->gids.n) {
		uint32_t *groups = rt_arena_zalloc(mem, (p->n_groups + o->gids.n) * sizeof(*groups));

		if (!groups)
			return rt_fail(ENOMEM, "--additional-gids");
		if (p->n_groups)
			memcpy(groups, p->groups, p->n_groups * sizeof(*groups));
		for (size_t i = 0; i < o->gids.n; i++)
			if (id_number(o->gids.v[i], strlen(o->gids.v[i]), &groups[p->n_groups + i]) < 0)
				return rt_refuse("--additional-gids %s: digits only", o->gids.v[i]);
		p->groups = groups;
		p->n_groups += o->gids.n;
	}
	if (r == 0 && o->env.n)
		r = add_env(p, mem, &o->env);
	for (size_t i = 0; r == 0 && i < o->caps.n; i++) {
		int n = rt_capability(o->caps.v[i]);

		if (n < 0)
			return rt_refuse("--cap: unknown capability %s", o->caps.v[i]);
		p->caps.bounding |= UINT64_C(1) << n;
		p->caps.permitted |= UINT64_C(1) << n;
		p->caps.effective |= UINT64_C(1) << n;
	}
	return r;
}

struct source {
	char *text;	     /* owned */
	yyjson_doc *doc;     /* owned */
	struct rt_arena mem; /* owned */
};

static int from_file(struct oci_process *p, struct source *src, const char *path)
{
	ssize_t len;

	/* "-" is stdin, as runc has it. */
	len = strcmp(path, "-") ? rt_read_file(AT_FDCWD, path, OCI_CONFIG_MAX, &src->text)
				: rt_read_fd(0, "stdin", OCI_CONFIG_MAX, &src->text);
	if (len < 0)
		return (int)len;
	yyjson_read_err err;

	src->doc = yyjson_read_opts(src->text, (size_t)len, YYJSON_READ_INSITU, NULL, &err);
	if (!src->doc)
		return rt_refuse("%s: %s at byte %zu", path, err.msg, err.pos);
	if (!yyjson_is_obj(yyjson_doc_get_root(src->doc)))
		return rt_refuse("%s must hold an object", path);
	return oci_process_parse(p, &src->mem, (struct js){yyjson_doc_get_root(src->doc), "process"});
}

static int check_status(const struct rt_state *s, const struct options *o, int *init)
{
	enum rt_status status;
	int r = rt_state_status(s, &status, init);

	if (r < 0)
		return r;
	if (status == RT_STOPPED)
		return rt_refuse("cannot exec in a stopped container");
	if (status == RT_PAUSED && !o->ignore_paused)
		return rt_refuse("cannot exec in a paused container (use --ignore-paused to override)");
	return 0;
}

static int run(const struct options *o, const struct rt_state *s, const struct oci_process *p, int init)
{
	struct rt_exec e = {.state = s,
		.process = p,
		.init = init,
		.console = -1,
		.cgroup = o->cgroup,
		.supervise = o->supervise,
		.preserve_fds = o->preserve_fds};
	cleanup(closep) int near = -1, far = -1, pidfd = -1, pidfd_socket = -1;
	int pair[2], r = 0;

	if (p->terminal && o->console_socket) {
		far = rt_unix_connect(o->console_socket, "console socket");
		if (far < 0)
			return far;
	} else if (p->terminal) {
		if (o->detach)
			return rt_refuse(
				"cannot allocate tty if runtime will detach without setting console socket");
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
			return rt_fail(errno, "socketpair");
		near = pair[0];
		far = pair[1];
	}
	if (o->pidfd_socket) {
		pidfd_socket = rt_unix_connect(o->pidfd_socket, "pidfd socket");
		if (pidfd_socket < 0)
			return pidfd_socket;
	}
	e.console = far;
	if (!o->detach)
		r = rt_foreground_begin();
	if (r < 0)
		return r;
	pid_t pid = rt_exec(&e, &pidfd);

	if (pid < 0)
		return pid;
	r = pidfd_socket < 0 ? 0 : rt_pidfd_send(pidfd_socket, pidfd, "setns");
	if (r == 0 && o->pid_file)
		r = rt_pid_file_write(o->pid_file, pid);
	if (r < 0) {
		/* Without its pidfd or its id the caller could not end it. */
		sys_pidfd_send_signal(pidfd, SIGKILL);
		return r;
	}
	return o->detach ? 0 : rt_foreground_wait(pid, pidfd, near);
}

int rt_cmd_exec(const struct rt_global *g, struct rt_args *a)
{
	static struct options o;
	struct oci_process p = {0};
	struct source src = {0};
	struct rt_state s;
	cleanup(closep) int init = -1, root = -1;
	int r = rt_exe_seal();

	if (r == 0)
		r = parse(&o, a);
	if (r != 0)
		return r == RT_HELP ? 0 : r;
	root = rt_root_open(g->root, false);
	if (root == -ENOENT)
		return rt_refuse("container does not exist: %s", a->argv[0]);
	r = root < 0 ? root : rt_state_load(&s, root, a->argv[0], 0);
	if (root < 0)
		return r;
	if (r == 0)
		r = check_status(&s, &o, &init);
	if (r == 0 && o.process) {
		r = from_file(&p, &src, o.process);
	} else if (r == 0) {
		r = oci_process_parse(&p, &src.mem, (struct js){s.process, "process"});
		if (r == 0)
			r = from_options(&p, &src.mem, &o, a);
	}
	if (r == 0)
		r = run(&o, &s, &p, init);
	rt_state_fini(&s);
	yyjson_doc_free(src.doc);
	free(src.text);
	rt_arena_fini(&src.mem);
	return r;
}
