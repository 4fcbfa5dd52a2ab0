/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The engine's side of work on images: starts a worker (engine_pull, engine_image, engine_build), passes its
 * messages on, and reads the store anew when it ends. Work that is given up is killed; its process is waited for
 * on the loop, never by blocking.
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
#include "engine/image/task_int.h"
#include "lib/fault.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/spawn.h"

#define MACHINE_CONFIG "/run/config/config.json"

const char *image_worker_program = "/bin/wherry";

struct image_task {
	struct image_store *store;
	const struct image_task_events *events; /* NULL: given up */
	void *arg;
	pid_t pid;
	int pidfd, out;
	struct loop_io exited, output;
	char line[IMAGE_TASK_LINE_MAX];
	size_t len;
	bool too_long;
	int err;
	char *message;
	bool in_done;
};

/* The orders as a file in memory, as they hold secrets. Descriptor or -ENOMEM. */
static int write_orders(struct image_orders *o)
{
	cleanup(closep) int fd = memfd_create("orders", MFD_CLOEXEC);
	size_t len = 0;
	char *text =
		fd < 0 || !o->ok ? NULL : yyjson_mut_write(o->doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE, &len);
	bool ok = text && pwrite(fd, text, len, 0) == (ssize_t)len;

	if (text)
		explicit_bzero(text, len);
	free(text);
	return ok ? take_fd(fd) : -ENOMEM;
}

void image_orders_init(struct image_orders *o, const struct image_store *s, const char *verb)
{
	o->doc = yyjson_mut_doc_new(NULL);
	o->root = o->doc ? yyjson_mut_obj(o->doc) : NULL;
	o->ok = o->root != NULL;
	if (o->ok)
		yyjson_mut_doc_set_root(o->doc, o->root);
	image_orders_text(o, "verb", verb);
	image_orders_text(o, "dir", s->dir);
	image_orders_text(o, "builtin", s->builtin_dir);
	image_orders_text(o, "config", MACHINE_CONFIG);
}

void image_orders_text(struct image_orders *o, const char *key, const char *value)
{
	if (value)
		o->ok = o->ok && yyjson_mut_obj_add_strcpy(o->doc, o->root, key, value);
}

void image_orders_fini(struct image_orders *o)
{
	yyjson_mut_doc_free(take(o->doc));
}

static void task_release(struct image_task *p)
{
	loop_io_del(&p->exited);
	loop_io_del(&p->output);
	closep(&p->pidfd);
	closep(&p->out);
	free(p->message);
	free(p);
}

static void take_event(struct image_task *p, const char *line)
{
	cleanup(freep) char *copy = strdup(line);
	char *save = NULL, *words[3] = {NULL};

	for (size_t i = 0; copy && i < array_len(words); i++)
		words[i] = strtok_r(i ? NULL : copy, " ", &save);
	if (words[2])
		p->events->happened(words[0], words[1], words[2], p->arg);
}

static void take_line(struct image_task *p, const char *line, size_t len)
{
	if (*line == '!') {
		char *end;

		p->err = (int)strtol(line + 1, &end, 10);
		free(p->message);
		p->message = strdup(*end == ' ' ? end + 1 : end);
	} else if (*line == '*' && p->events && p->events->happened) {
		take_event(p, line + 1);
	} else if (*line == '{' && p->events) {
		p->events->line(line, len, p->arg);
	}
}

static void take_bytes(struct image_task *p, const char *buf, size_t n)
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
static void read_output(struct image_task *p, bool all)
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
	read_output(container_of(io, struct image_task, output), false);
}

static void on_exited(struct loop_io *io, uint32_t events)
{
	struct image_task *p = container_of(io, struct image_task, exited);
	siginfo_t si = {.si_pid = 0};

	loop_io_del(&p->exited);
	read_output(p, true);
	if (waitid(P_PIDFD, (id_t)p->pidfd, &si, WEXITED) == 0 && si.si_code != CLD_EXITED && p->err == 0)
		p->err = -EPIPE;
	fault_point("worker-ended");
	store_clear_stages(p->store, p->pid);
	store_pull_end(p->store);
	p->in_done = true;
	if (p->events && p->err == 0)
		p->events->done(0, p->message ? p->message : "", p->arg);
	else if (p->events)
		p->events->done(p->err,
			p->message && *p->message ? p->message : "the worker ended unexpectedly", p->arg);
	task_release(p);
}

int image_task_start(struct image_task **out, struct image_store *s, struct loop *l, const char *applet,
	struct image_orders *o, int extra, const struct image_task_events *events, void *arg)
{
	char *argv[] = {(char *)(uintptr_t)image_worker_program, (char *)(uintptr_t)applet, NULL};
	cleanup(closep) int orders = -1, in = -1, log = -1;
	struct image_task *p;
	int pair[2], r;

	orders = write_orders(o);
	image_orders_fini(o);
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
		task_release(p);
		return r;
	}
	p->out = pair[0];
	in = pair[1];
	log = fcntl(2, F_DUPFD_CLOEXEC, 3);
	p->pid = spawn(&(struct spawn){.path = image_worker_program,
			       .argv = argv,
			       .fds = (int[]){orders, in, log, extra},
			       .n_fds = extra < 0 ? 3 : 4,
			       .cgroup_fd = -1},
		&p->pidfd);
	if (p->pid < 0) {
		r = log_errno(-p->pid, "op=spawn program=%s applet=%s", image_worker_program, applet);
		task_release(p);
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
		task_release(p);
		return r;
	}
	fault_point("worker-started");
	*out = p;
	return 0;
}

int image_pull_start(struct image_task **out, struct image_store *s, struct loop *l,
	const struct image_pull_opts *opts, const struct image_task_events *events, void *arg)
{
	struct image_orders o;
	struct image_ref ref;

	if (image_ref_parse(&ref, opts->name) < 0)
		return -EINVAL;
	image_orders_init(&o, s, opts->inspect ? "inspect" : "pull");
	image_orders_text(&o, "name", opts->name);
	image_orders_text(&o, "platform", opts->platform);
	image_orders_text(&o, "auth", opts->auth);
	return image_task_start(out, s, l, "engine_pull", &o, -1, events, arg);
}

int image_push_start(struct image_task **out, struct image_store *s, struct loop *l, const char *name,
	const char *auth, const struct image_task_events *events, void *arg)
{
	struct image_orders o;
	struct image_ref ref;

	if (image_ref_parse(&ref, name) < 0 || *ref.digest)
		return -EINVAL;
	s->gc_wanted = true; /* what it compresses is not kept */
	image_orders_init(&o, s, "push");
	image_orders_text(&o, "name", name);
	image_orders_text(&o, "auth", auth);
	return image_task_start(out, s, l, "engine_image", &o, -1, events, arg);
}

int image_load_start(struct image_task **out, struct image_store *s, struct loop *l, int in,
	const char *platform, const struct image_task_events *events, void *arg)
{
	struct image_orders o;

	image_orders_init(&o, s, "load");
	image_orders_text(&o, "platform", platform);
	return image_task_start(out, s, l, "engine_image", &o, in, events, arg);
}

int image_save_start(struct image_task **out, struct image_store *s, struct loop *l, const char *const *names,
	size_t n, int to, const struct image_task_events *events, void *arg)
{
	struct image_orders o;
	yyjson_mut_val *list;

	s->gc_wanted = true;
	image_orders_init(&o, s, "save");
	list = o.ok ? yyjson_mut_obj_add_arr(o.doc, o.root, "names") : NULL;
	for (size_t i = 0; i < n; i++)
		o.ok = o.ok && list && yyjson_mut_arr_add_strcpy(o.doc, list, names[i]);
	return image_task_start(out, s, l, "engine_image", &o, to, events, arg);
}

int image_make_start(struct image_task **out, struct image_store *s, struct loop *l,
	const struct image_make_opts *m, const struct image_task_events *events, void *arg)
{
	struct image_orders o;
	yyjson_mut_val *list;

	image_orders_init(&o, s, "make");
	image_orders_text(&o, "parent", m->parent);
	image_orders_text(&o, "upper", m->upper);
	image_orders_text(&o, "settings", m->config);
	image_orders_text(&o, "author", m->author);
	image_orders_text(&o, "comment", m->comment);
	image_orders_text(&o, "created_by", m->created_by);
	image_orders_text(&o, "platform", m->platform);
	image_orders_text(&o, "name", m->name);
	list = o.ok ? yyjson_mut_obj_add_arr(o.doc, o.root, "ignore") : NULL;
	for (const char *const *p = m->ignore; p && *p; p++)
		o.ok = o.ok && list && yyjson_mut_arr_add_strcpy(o.doc, list, *p);
	return image_task_start(out, s, l, "engine_image", &o, m->upper ? -1 : m->in, events, arg);
}

int image_login_start(struct image_task **out, struct image_store *s, struct loop *l, const char *server,
	const char *auth, const struct image_task_events *events, void *arg)
{
	char domain[IMAGE_DOMAIN_MAX + 1];
	struct image_orders o;
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
	image_orders_init(&o, s, "login");
	image_orders_text(&o, "name", domain);
	image_orders_text(&o, "auth", auth);
	return image_task_start(out, s, l, "engine_pull", &o, -1, events, arg);
}

void image_task_free(struct image_task *p)
{
	if (!p)
		return;
	p->events = NULL;
	if (!p->in_done)
		syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
}

void image_task_kill(struct image_task *p)
{
	syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
}
