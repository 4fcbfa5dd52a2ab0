/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/cgroup.h"
#include "engine/container.h"
#include "engine/container_net.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/image.h"
#include "engine/job.h"
#include "lib/errno_text.h"
#include "lib/json.h"
#include "engine/lifecycle.h"
#include "engine/log_options.h"
#include "engine/log_pack.h"
#include "engine/output.h"
#include "engine/shm.h"
#include "engine/spec.h"
#include "engine/start.h"
#include "engine/stdio.h"
#include "engine/supervisor.h"
#include "engine/userns.h"
#include "engine/volume_start.h"
#include "lib/log.h"

#ifndef MNT_DETACH
#define MNT_DETACH 2
#endif
#ifndef UMOUNT_NOFOLLOW
#define UMOUNT_NOFOLLOW 8
#endif
int umount2(const char *target, int flags); /* <sys/mount.h> and <linux/mount.h> contradict each other */

/* What the runtime gets beside the streams. */
enum { NETNS_FD = 3, USERNS_FD };

enum { RUNTIME_TIMEOUT_MS = 120000, VOLUMES_TIMEOUT_MS = 900000, LOG_TEXT_MAX = 64 << 10 };

struct start {
	struct container *c;
	struct job *job;	 /* owned */
	struct loop_timer timer; /* an outcome known before anything was waited for */
	int netns, userns;	 /* owned; -1 */
	start_done *done;
	int err;
	char *msg; /* owned */
};

static struct start *start_new(struct container *c, start_done *done)
{
	struct start *s = calloc(1, sizeof(*s));

	if (s)
		*s = (struct start){.c = c, .netns = -1, .userns = -1, .done = done};
	return s;
}

void start_free(struct start *s)
{
	if (!s)
		return;
	loop_timer_del(&s->timer);
	job_free(s->job);
	closep(&s->netns);
	closep(&s->userns);
	free(s->msg);
	free(s);
}

static void on_timer(struct loop_timer *t)
{
	struct start *s = container_of(t, struct start, timer);

	s->done(s->c, s->err, s->msg ? s->msg : "out of memory");
}

/* The outcome, from the loop: the caller of start_begin() has its *out by then. */
static void finish(struct start *s, int err, char *msg)
{
	free(s->msg);
	s->err = err;
	s->msg = msg;
	if (loop_timer_set(s->c->e->loop, &s->timer, 0, on_timer))
		s->done(s->c, err, "out of memory");
}

int start_open_output(struct container *c)
{
	if (c->output)
		return 0;

	yyjson_val *opts = json_obj(json_obj(c->host, "LogConfig"), "Config");
	int64_t size = OUTPUT_DEFAULT_SIZE, files = OUTPUT_DEFAULT_FILES;

	/* No log is kept: what lies here is on its way to attached clients. */
	if (container_log_none(c)) {
		size = OUTPUT_NONE_SIZE;
		files = OUTPUT_NONE_FILES;
	}
	(void)!spec_log_limits(opts, &size, &files); /* checked at create */

	cleanup(freep) char *dir = text_make("%s/log", c->dir);

	int err = dir ? output_open(&c->output, dir, size, (unsigned)files) : -ENOMEM;

	if (!err && log_options_pack(c))
		log_pack(c->e, c->output);
	return err;
}

int start_error_code(const char *msg)
{
	static const struct {
		const char *words;
		int code;
	} known[] = {{"executable file not found", 127}, {"no such file or directory", 127},
		{"not a directory", 127}, {"permission denied", 126}, {"is a directory", 126}};

	for (size_t i = 0; msg && i < array_len(known); i++)
		if (strstr(msg, known[i].words))
			return known[i].code;
	return 128;
}

int start_open_pid(pid_t pid, uint64_t start_ticks)
{
	char path[64];
	cleanup(freep) char *stat = NULL;
	cleanup(closep) int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0)
		return -1;
	/* The descriptor is held now: if the process behind the number is the right one, so is the
	 * descriptor. */
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (disk_read(path, 4096, &stat, NULL))
		return -1;

	const char *p = strrchr(stat, ')');
	uint64_t ticks = 0;

	for (int field = 2; p && field < 22; field++) {
		p = strchr(p + 1, ' ');
		if (p && field == 21)
			ticks = strtoull(p + 1, NULL, 10);
	}
	if (start_ticks && ticks != start_ticks)
		return -1;
	return take_fd(fd);
}

/* ---- the root */

static int mount_root(struct container *c, int userns, char **msg)
{
	cleanup(freep) char *upper = text_make("%s/upper", c->dir), *work = text_make("%s/work", c->dir);
	cleanup(freep) char *root = text_make("%s/rootfs", c->run), *scratch = text_make("%s/layers", c->run);
	const struct image *img = NULL;

	if (!upper || !work || !root || !scratch)
		return -ENOMEM;

	int err = image_store_find(c->e->images, c->image_id, &img);

	if (err) {
		*msg = text_make("No such image: %s (the image of this container was removed)", c->image_id);
		return err;
	}
	/* Left over from a killed engine. */
	umount2(root, MNT_DETACH | UMOUNT_NOFOLLOW);
	umount2(scratch, MNT_DETACH | UMOUNT_NOFOLLOW);
	err = dir_make(root, 0700);
	if (!err && userns >= 0)
		err = dir_make(scratch, 0700);
	if (!err)
		err = dir_make(upper, 0755);
	if (!err)
		err = dir_make(work, 0700);

	cleanup(closep) int fd = err ? -1
				 : userns >= 0
					 ? image_mount_mapped(img, c->dir, scratch, userns, userns_base(c))
					 : image_mount(img, upper, work);

	image_unref(img);
	if (err || fd < 0) {
		*msg = text_make("cannot mount the container's root: %s", errno_text(err ? -err : -fd));
		return err ? err : fd;
	}
	if (syscall(SYS_move_mount, fd, "", AT_FDCWD, root, MOVE_MOUNT_F_EMPTY_PATH) < 0) {
		err = -errno;
		*msg = text_make("cannot mount the container's root: %s", errno_text(-err));
		return err;
	}
	return 0;
}

/* ---- runtime create, runtime start */

/* The runtime's own words: the last line of its log, else what it printed. */
static char *runtime_words(struct container *c, const char *verb, int status, const char *printed)
{
	cleanup(freep) char *path = text_make("%s/runtime.log", c->run);
	cleanup(freep) char *text = NULL;
	const char *why = NULL;
	yyjson_doc *doc = NULL;

	if (path && !disk_read(path, LOG_TEXT_MAX, &text, NULL)) {
		size_t len = strlen(text);

		while (len && (text[len - 1] == '\n' || text[len - 1] == ' '))
			text[--len] = 0;
		char *line = strrchr(text, '\n');

		line = line ? line + 1 : text;
		doc = yyjson_read(line, strlen(line), 0);
		why = doc ? json_text(yyjson_doc_get_root(doc), "msg") : NULL;
		if (!why && *line)
			why = line;
	}
	if (!why && printed && *printed)
		why = printed;

	char *msg = why ? text_make("OCI runtime %s failed: %.*s", verb, (int)strcspn(why, "\n"), why)
		    : WIFSIGNALED(status)
			    ? text_make("OCI runtime %s was killed by signal %d", verb, WTERMSIG(status))
			    : text_make("OCI runtime %s failed with status %d", verb, WEXITSTATUS(status));

	yyjson_doc_free(doc);
	return msg;
}

static int run_runtime(struct start *s, char *const *verb_argv, const int *fds, size_t n_fds, job_done *done)
{
	struct container *c = s->c;
	cleanup(freep) char *log = text_make("%s/runtime.log", c->run);
	char *argv[32] = {
		(char *)(uintptr_t)c->e->runtime,
		(char *)(uintptr_t)"--root",
		(char *)(uintptr_t)c->e->runtime_root,
		(char *)(uintptr_t)"--log",
		log,
		(char *)(uintptr_t)"--log-format",
		(char *)(uintptr_t)"json",
	};
	size_t n = 7;

	if (!log)
		return -ENOMEM;
	while (*verb_argv && n < array_len(argv) - 1)
		argv[n++] = *verb_argv++;
	argv[n] = NULL;

	struct job_opts o = {.path = c->e->runtime,
		.argv = argv,
		.fds = fds,
		.n_fds = n_fds,
		.timeout_ms = RUNTIME_TIMEOUT_MS};

	return job_start(&s->job, c->e->loop, &o, done, s);
}

static void on_runtime_started(void *arg, int status, const char *output)
{
	struct start *s = arg;
	struct container *c = s->c;

	s->job = NULL;
	if (status)
		s->done(c, -EIO,
			(s->msg = runtime_words(c, "start", status, output)) ? s->msg : "out of memory");
	else
		s->done(c, 0, NULL);
}

/* The container's process waits at its gate. From here on nothing of it may be only in our hands. */
static int adopt(struct container *c, struct start *s, char **msg)
{
	struct initctl_exit x;
	int got = supervisor_running(c->e, "container", c->id, &x);

	if (got <= 0) {
		*msg = text_make("the container's process ended while it was being set up");
		return -ESRCH;
	}
	c->pid = x.pid;
	c->pidfd = start_open_pid(x.pid, x.start_ticks);
	if (c->pidfd < 0) {
		*msg = text_make("the container's process cannot be opened");
		return -ESRCH;
	}

	int err = stdio_store(c->io);

	if (!err)
		err = stdio_run(c->io);
	if (err)
		*msg = text_make("cannot set up the container's streams: %s", errno_text(-err));
	return err;
}

static void on_runtime_created(void *arg, int status, const char *output)
{
	struct start *s = arg;
	struct container *c = s->c;
	char *msg = NULL;

	s->job = NULL;
	fault_point("runtime-created");
	if (status) {
		s->done(c, -EIO,
			(s->msg = runtime_words(c, "create", status, output)) ? s->msg : "out of memory");
		return;
	}

	int err = adopt(c, s, &msg);

	if (!err) {
		char *argv[] = {(char *)(uintptr_t)"start", c->id, NULL};
		int fds[3] = {-1, -1, JOB_CAPTURE};

		fault_point("runtime-start");
		err = run_runtime(s, argv, fds, 3, on_runtime_started);
		if (err)
			msg = text_make("cannot run %s: %s", c->e->runtime, errno_text(-err));
	}
	if (err) {
		s->msg = msg;
		s->done(c, err, msg ? msg : "out of memory");
	}
}

static int prepare(struct start *s, char **msg)
{
	struct container *c = s->c;
	int err = dir_make(c->run, 0711);

	if (!err)
		err = start_open_output(c);
	if (err) {
		*msg = text_make("cannot prepare the container's directories: %s", errno_text(-err));
		return err;
	}
	if (container_log_none(c))
		output_clear(c->output);
	output_resume(c->output);
	err = userns_open(c, &s->userns, msg);
	if (!err)
		err = mount_root(c, s->userns, msg);
	if (!err) {
		err = shm_up(c);
		if (err)
			*msg = text_make("cannot mount the container's /dev/shm: %s", errno_text(-err));
	}
	if (!err)
		err = container_net_up(c, s->userns, &s->netns, msg);
	if (!err)
		err = spec_write(c, s->netns >= 0 ? NETNS_FD : -1, s->userns >= 0 ? USERNS_FD : -1, msg);
	if (!err) {
		stdio_free(take(c->io));
		err = stdio_new(&c->io, c);
		if (err)
			*msg = text_make("cannot make the container's streams: %s", errno_text(-err));
	}
	return err;
}

/* Root, network and volumes are there: the runtime's turn. */
static int create_begin(struct start *s, char **msg)
{
	struct container *c = s->c;
	char name[80];
	const char *console = stdio_console_path(c->io);
	cleanup(freep) char *pid_file = text_make("%s/pid", c->run);
	char *argv[16] = {
		(char *)(uintptr_t)"create",
		(char *)(uintptr_t)"--supervise",
		name,
		(char *)(uintptr_t)"--bundle",
		c->run,
		(char *)(uintptr_t)"--pid-file",
		pid_file,
	};
	size_t n = 7;

	snprintf(name, sizeof(name), "container/%s", c->id);
	if (console) {
		argv[n++] = (char *)(uintptr_t)"--console-socket";
		argv[n++] = (char *)(uintptr_t)console;
	}
	argv[n] = c->id;

	int fds[] = {-1, -1, JOB_CAPTURE, [NETNS_FD] = -1, [USERNS_FD] = -1};

	if (!console)
		stdio_child_fds(c->io, fds);
	fds[NETNS_FD] = s->netns;
	fds[USERNS_FD] = s->userns;
	fault_point("runtime-create");
	int err = pid_file ? run_runtime(s, argv, fds,
				     s->userns >= 0  ? USERNS_FD + 1
				     : s->netns >= 0 ? NETNS_FD + 1
						     : NETNS_FD,
				     on_runtime_created)
			   : -ENOMEM;
	if (err)
		*msg = text_make("cannot run %s: %s", c->e->runtime, errno_text(-err));
	return err;
}

static void on_volumes(void *arg, int status, const char *output)
{
	struct start *s = arg;
	char *msg = NULL;
	int err = 0;

	s->job = NULL;
	fault_point("volumes-ready");
	if (status) {
		err = -EIO;
		msg = text_make("%s", *output ? output : "the volumes could not be prepared");
	} else {
		err = create_begin(s, &msg);
	}
	if (err) {
		s->msg = msg;
		s->done(s->c, err, msg ? msg : "out of memory");
	}
}

static int run_volumes(struct start *s, char *plan, char **msg)
{
	struct engine *e = s->c->e;
	char *argv[] = {(char *)(uintptr_t)e->worker, (char *)(uintptr_t)"engine_volumes", plan, NULL};
	int fds[3] = {-1, -1, JOB_CAPTURE};
	struct job_opts o = {
		.path = e->worker, .argv = argv, .fds = fds, .n_fds = 3, .timeout_ms = VOLUMES_TIMEOUT_MS};
	int err = job_start(&s->job, e->loop, &o, on_volumes, s);

	if (err)
		*msg = text_make("cannot run %s: %s", e->worker, errno_text(-err));
	return err;
}

void start_begin(struct start **out, struct container *c, start_done *done)
{
	struct start *s = start_new(c, done);
	char *msg = NULL;
	cleanup(freep) char *plan = NULL;

	*out = s;
	if (!s) {
		done(c, -ENOMEM, "out of memory");
		return;
	}

	int err = prepare(s, &msg);

	if (!err)
		err = volumes_plan(c, &plan, &msg);
	if (err) {
		finish(s, err, msg ? msg : text_make("cannot start the container: %s", errno_text(-err)));
		return;
	}

	if (plan)
		err = run_volumes(s, plan, &msg);
	else
		err = create_begin(s, &msg);
	if (err)
		finish(s, err, msg ? msg : text_make("cannot start the container: %s", errno_text(-err)));
}

/* ---- after an engine restart */

/* The runtime renames this before it opens the gate. */
bool start_at_gate(const struct container *c)
{
	cleanup(freep) char *fifo = text_make("%s/%s/exec.fifo", c->e->runtime_root, c->id);

	return !fifo || !access(fifo, F_OK);
}

static void on_probed(void *arg, int status, const char *output)
{
	struct start *s = arg;
	yyjson_doc *doc = status ? NULL : yyjson_read(output, strlen(output), 0);
	const char *state = doc ? json_str(yyjson_doc_get_root(doc), "status") : NULL;
	bool runs = state && !strcmp(state, "running") && s->c->pidfd >= 0 && s->c->io;
	/* It may have ended since init was asked about it, and its exit is on its way. Undone now, its exit would be lost,
	 * and whoever asks for its start again would have it run twice. */
	bool has_run = state && !strcmp(state, "stopped") && !start_at_gate(s->c);

	s->job = NULL;
	yyjson_doc_free(doc);
	s->done(s->c, runs || has_run ? 0 : -EIO,
		runs || has_run ? NULL : "the engine was restarted while it started this container");
}

void start_probe(struct start **out, struct container *c, start_done *done)
{
	struct start *s = start_new(c, done);
	char *argv[] = {(char *)(uintptr_t)"state", c->id, NULL};
	int fds[3] = {-1, JOB_CAPTURE, -1};

	*out = s;
	if (!s) {
		done(c, -ENOMEM, "out of memory");
		return;
	}
	if (dir_make(c->run, 0711) || run_runtime(s, argv, fds, 3, on_probed))
		finish(s, -EIO, text_make("the engine was restarted while it started this container"));
}

/* ---- undoing */

static void release_rest(struct container *c)
{
	cleanup(freep) char *root = text_make("%s/rootfs", c->run), *scratch = text_make("%s/layers", c->run);

	container_cgroup_remove(c);
	container_net_down(c);
	/* Whichever engine stored them: one that died between the exit and this never comes back for them. */
	stdio_forget(c);
	volumes_unmount(c);
	shm_down(c);
	if (root)
		umount2(root, MNT_DETACH | UMOUNT_NOFOLLOW);
	if (scratch)
		umount2(scratch, MNT_DETACH | UMOUNT_NOFOLLOW);

	int err = dir_remove(c->run);

	if (err)
		log_errno(-err, "container=%.12s op=release dir=%s", c->id, c->run);
	closep(&c->pidfd);
	c->pid = 0;
	lifecycle_released(c);
}

static void on_release_timer(struct container *c, int err, const char *msg)
{
	release_rest(c);
}

static void on_deleted(void *arg, int status, const char *output)
{
	struct start *s = arg;
	struct container *c = s->c;

	s->job = NULL;
	if (status) {
		cleanup(freep) char *why = runtime_words(c, "delete", status, output);

		log_error("container=%.12s op=release msg=\"%s\"", c->id, why ? why : "out of memory");
	}
	release_rest(c);
}

void start_release(struct start **out, struct container *c)
{
	struct start *s = start_new(c, on_release_timer);
	cleanup(freep) char *state = text_make("%s/%s", c->e->runtime_root, c->id);
	char *argv[] = {(char *)(uintptr_t)"delete", (char *)(uintptr_t)"--force", c->id, NULL};
	int fds[3] = {-1, -1, JOB_CAPTURE};

	*out = s;
	if (!s) {
		release_rest(c);
		return;
	}
	if (!state || access(state, F_OK) || access(c->run, F_OK) || run_runtime(s, argv, fds, 3, on_deleted))
		finish(s, 0, NULL);
}
