/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The engine's side of a pull: starts engine_pull (pull.c), passes its messages on, and reads the store anew
 * when it ends. A pull that is given up is killed; its process is waited for on the loop, never by blocking.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <yyjson.h>

#include "engine/image/image_int.h"
#include "engine/image/store_int.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/spawn.h"

#define MACHINE_CONFIG "/run/config/config.json"

enum { LINE_MAX_BYTES = 8192 };

const char *image_pull_program = "/bin/wherry";

struct image_pull {
	struct image_store *store;
	const struct image_pull_events *events; /* NULL: given up */
	void *arg;
	pid_t pid;
	int pidfd, out;
	struct loop_io exited, output;
	char line[LINE_MAX_BYTES];
	size_t len;
	bool too_long;
	int err;
	char *message;
	bool in_done;
};

static int write_orders(const struct image_store *s, const struct image_pull_opts *opts, bool login)
{
	cleanup(closep) int fd = memfd_create("orders", MFD_CLOEXEC);
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;
	char *text = NULL;
	size_t len = 0;
	bool ok = root && fd >= 0;

	if (ok) {
		yyjson_mut_doc_set_root(doc, root);
		ok = yyjson_mut_obj_add_str(doc, root, "dir", s->dir) &&
		     yyjson_mut_obj_add_str(doc, root, "name", opts->name) &&
		     yyjson_mut_obj_add_str(doc, root, "config", MACHINE_CONFIG) &&
		     (!login || yyjson_mut_obj_add_bool(doc, root, "login", true)) &&
		     (!opts->platform || yyjson_mut_obj_add_str(doc, root, "platform", opts->platform)) &&
		     (!opts->auth || yyjson_mut_obj_add_str(doc, root, "auth", opts->auth));
		text = ok ? yyjson_mut_write(doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE, &len) : NULL;
		ok = text && pwrite(fd, text, len, 0) == (ssize_t)len;
	}
	if (text)
		explicit_bzero(text, len);
	free(text);
	yyjson_mut_doc_free(doc);
	return ok ? take_fd(fd) : -ENOMEM;
}

static void pull_release(struct image_pull *p)
{
	loop_io_del(&p->exited);
	loop_io_del(&p->output);
	closep(&p->pidfd);
	closep(&p->out);
	free(p->message);
	free(p);
}

static void take_line(struct image_pull *p, const char *line, size_t len)
{
	if (*line == '!') {
		char *end;

		p->err = (int)strtol(line + 1, &end, 10);
		free(p->message);
		p->message = strdup(*end == ' ' ? end + 1 : end);
	} else if (*line == '{' && p->events) {
		p->events->line(line, len, p->arg);
	}
}

static void take_bytes(struct image_pull *p, const char *buf, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (buf[i] != '\n') {
			if (p->len < sizeof(p->line) - 1)
				p->line[p->len++] = buf[i];
			else
				p->too_long = true;
			continue;
		}
		p->line[p->len] = '\0';
		if (p->len && !p->too_long)
			take_line(p, p->line, p->len);
		p->len = 0;
		p->too_long = false;
	}
}

/* What is there now; the loop calls again when there is more. */
static void read_output(struct image_pull *p, bool all)
{
	char buf[4096];
	ssize_t n;

	do {
		n = read(p->out, buf, sizeof(buf));
		if (n > 0)
			take_bytes(p, buf, (size_t)n);
	} while ((n > 0 && all) || (n < 0 && errno == EINTR));
	if (n == 0)
		loop_io_del(&p->output);
}

static void on_output(struct loop_io *io, uint32_t events)
{
	read_output(container_of(io, struct image_pull, output), false);
}

static void on_exited(struct loop_io *io, uint32_t events)
{
	struct image_pull *p = container_of(io, struct image_pull, exited);
	siginfo_t si = {.si_pid = 0};

	loop_io_del(&p->exited);
	read_output(p, true);
	if (waitid(P_PIDFD, (id_t)p->pidfd, &si, WEXITED) == 0 && si.si_code != CLD_EXITED && p->err == 0)
		p->err = -EPIPE;
	store_clear_stages(p->store, p->pid);
	store_pull_end(p->store);
	p->in_done = true;
	if (p->events && p->err == 0)
		p->events->done(0, "", p->arg);
	else if (p->events)
		p->events->done(p->err,
			p->message && *p->message ? p->message : "the pull ended unexpectedly", p->arg);
	pull_release(p);
}

static int start(struct image_pull **out, struct image_store *s, struct loop *l,
	const struct image_pull_opts *opts, bool login, const struct image_pull_events *events, void *arg)
{
	char *argv[] = {(char *)(uintptr_t)image_pull_program, (char *)(uintptr_t)"engine_pull", NULL};
	cleanup(closep) int orders = -1, in = -1, log = -1;
	struct image_pull *p;
	int pair[2], r;

	orders = write_orders(s, opts, login);
	if (orders < 0)
		return orders;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->store = s;
	p->events = events;
	p->arg = arg;
	p->pidfd = p->out = -1;
	p->err = -EPIPE; /* until it has said otherwise */
	if (pipe2(pair, O_CLOEXEC) < 0) {
		r = -errno;
		pull_release(p);
		return r;
	}
	p->out = pair[0];
	in = pair[1];
	log = fcntl(2, F_DUPFD_CLOEXEC, 3);
	p->pid = spawn(&(struct spawn){.path = image_pull_program,
			       .argv = argv,
			       .fds = (int[]){orders, in, log},
			       .n_fds = 3,
			       .cgroup_fd = -1},
		&p->pidfd);
	if (p->pid < 0) {
		r = log_errno(-p->pid, "op=spawn program=%s applet=engine_pull", image_pull_program);
		pull_release(p);
		return r;
	}
	store_pull_begin(s);
	fcntl(p->out, F_SETFL, O_NONBLOCK);
	r = loop_io_add(l, &p->exited, p->pidfd, EPOLLIN, on_exited);
	if (r == 0)
		r = loop_io_add(l, &p->output, p->out, EPOLLIN, on_output);
	if (r < 0) {
		/* rare enough to wait for it */
		kill(p->pid, SIGKILL);
		waitpid(p->pid, NULL, 0);
		store_clear_stages(s, p->pid);
		store_pull_end(s);
		pull_release(p);
		return r;
	}
	*out = p;
	return 0;
}

int image_pull_start(struct image_pull **out, struct image_store *s, struct loop *l,
	const struct image_pull_opts *opts, const struct image_pull_events *events, void *arg)
{
	struct image_ref ref;

	if (image_ref_parse(&ref, opts->name) < 0)
		return -EINVAL;
	return start(out, s, l, opts, false, events, arg);
}

int image_login_start(struct image_pull **out, struct image_store *s, struct loop *l, const char *server,
	const char *auth, const struct image_pull_events *events, void *arg)
{
	char domain[IMAGE_DOMAIN_MAX + 1];
	size_t n;

	/* clients send host[:port], or the hub's old address with scheme and path */
	if (!strncmp(server, "https://", 8) || !strncmp(server, "http://", 7))
		server = strstr(server, "//") + 2;
	n = strcspn(server, "/");
	if (n == 0 || n >= sizeof(domain))
		return -EINVAL;
	memcpy(domain, server, n);
	domain[n] = '\0';
	if (!strcmp(domain, "index.docker.io"))
		strcpy(domain, "docker.io");
	if (!image_domain_valid(domain))
		return -EINVAL;
	return start(out, s, l, &(struct image_pull_opts){.name = domain, .auth = auth}, true, events, arg);
}

void image_pull_free(struct image_pull *p)
{
	if (!p)
		return;
	p->events = NULL;
	if (!p->in_done)
		syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
}
