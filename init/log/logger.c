/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The logger: takes the output of every service, of init and of the kernel to bounded files.
 *
 * The pipes are init's: their read ends wait in its descriptor store as log/NAME (console/NAME when the lines
 * are for the console too), so the logger can die and come back, and what was written meanwhile is still in
 * the pipe. It begins in /run/log and moves to /data/log as soon as /data is mounted. Its own complaints go
 * to the kernel log.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <time.h>

#include "applets.h"
#include "init/consoles.h"
#include "init/log/lines.h"
#include "init/log/logfile.h"
#include "lib/clock.h"
#include "lib/initctl.h"
#include "lib/log.h"
#include "lib/loop.h"

#define MEMORY_DIR "/run/log"
#define DISK_DIR   "/data/log"
#define SEQ_FILE   "kernel.seq"

enum {
	SOURCES_MAX = 72,
	MEMORY_LIMIT = 64 << 10,
	DISK_LIMIT = 512 << 10,
	READ_SIZE = 16 << 10,
	OUT_SIZE = 64 << 10,
	/* To the console, from each source. */
	CONSOLE_LINES = 20,
	CONSOLE_PERIOD_MS = 10000,
	DRAIN_READS = 16, /* more than a full pipe */
};

struct source {
	struct loop_io io;
	struct lines lines;
	struct logfile file;
	bool console;	/* every line goes there, not only errors */
	bool kernel;	/* the kernel writes to its consoles itself */
	unsigned said;	/* console lines in this period */
	int64_t period; /* when it began */
};

static struct {
	struct loop *loop;
	struct source *source[SOURCES_MAX];
	size_t n;
	int memory_dir, disk_dir;
	struct loop_io mounts;
	uint64_t kernel_seq;
	int seq_fd;
	/* Lines of one read, written at once. */
	struct source *current;
	char stamp[LINES_STAMP];
	char out[OUT_SIZE];
	size_t out_len;
} logger;

static void flush_out(void)
{
	if (logger.out_len)
		logfile_write(&logger.current->file, logger.out, logger.out_len);
	logger.out_len = 0;
}

static void to_console(struct source *s, const char *line, size_t len)
{
	int64_t now = loop_now_ms(logger.loop);

	if (s->kernel || (!s->console && !lines_is_error(line, len)))
		return;
	if (now - s->period > CONSOLE_PERIOD_MS) {
		s->period = now;
		s->said = 0;
	}
	if (s->said++ < CONSOLE_LINES)
		consoles_say(
			"%s%s%.*s", s->console ? "" : s->file.name, s->console ? "" : ": ", (int)len, line);
	else if (s->said == CONSOLE_LINES + 1)
		consoles_say("%s: more lines are only in its log", s->file.name);
}

static void on_line(const char *line, size_t len, void *arg)
{
	struct source *s = arg;

	if (logger.out_len + LINES_STAMP + len + 1 > sizeof(logger.out))
		flush_out();
	memcpy(logger.out + logger.out_len, logger.stamp, LINES_STAMP);
	logger.out_len += LINES_STAMP;
	memcpy(logger.out + logger.out_len, line, len);
	logger.out_len += len;
	logger.out[logger.out_len++] = '\n';
	to_console(s, line, len);
}

static void begin(struct source *s)
{
	logger.current = s;
	lines_stamp(logger.stamp, clock_ms(CLOCK_REALTIME));
}

/* Return: bytes taken, 0 when there is nothing now, negative when the source is at its end. */
static ssize_t take_some(struct source *s)
{
	char buf[READ_SIZE];
	ssize_t n = read(s->io.fd, buf, sizeof(buf));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -EPIPE;
	begin(s);
	lines_feed(&s->lines, buf, (size_t)n, on_line, s);
	flush_out();
	return n;
}

static void on_source(struct loop_io *io, uint32_t events)
{
	/* Init holds the write ends, so an end is an error; there is nothing more to come. */
	if (take_some(container_of(io, struct source, io)) < 0)
		loop_io_del(io);
}

/* Return: 1 when a record was taken. */
static int take_kernel_record(struct source *s)
{
	char rec[8192], line[LINES_MAX];
	ssize_t n = read(s->io.fd, rec, sizeof(rec) - 1);
	uint64_t seq;

	if (n < 0)
		return errno == EPIPE ? 1 : 0; /* EPIPE: the kernel overwrote what was to be read next */
	rec[n] = '\0';
	ssize_t len = lines_kmsg(rec, &seq, line, sizeof(line));

	if (len < 0 || (logger.kernel_seq && seq < logger.kernel_seq))
		return 1;
	on_line(line, (size_t)len, s);
	logger.kernel_seq = seq + 1;
	return 1;
}

static void on_kernel(struct loop_io *io, uint32_t events)
{
	struct source *s = container_of(io, struct source, io);

	begin(s);
	for (int i = 0; i < 256 && take_kernel_record(s); i++)
		;
	flush_out();
	if (logger.seq_fd >= 0 && pwrite(logger.seq_fd, &logger.kernel_seq, sizeof(logger.kernel_seq), 0) !=
					  sizeof(logger.kernel_seq))
		log_errno(errno, "op=write path=" MEMORY_DIR "/" SEQ_FILE);
}

/* ---- set up */

static struct source *add(const char *name, int fd, bool console)
{
	struct source *s = logger.n < SOURCES_MAX ? calloc(1, sizeof(*s)) : NULL;

	if (!s) {
		log_error("log=%s msg=\"no room: not logged\"", name);
		close(fd);
		return NULL;
	}
	logfile_init(&s->file, name, logger.memory_dir, MEMORY_LIMIT);
	s->console = console;
	s->io.fd = fd;
	logger.source[logger.n++] = s;
	return s;
}

static int add_stored(int init, const char *stored)
{
	bool console = !strncmp(stored, "console/", 8);
	struct source *s;
	int fd, err;
	ssize_t n = initctl_store_get(init, stored, &fd, 1);

	if (n != 1)
		return n < 0 ? (int)n : -EBADMSG;
	s = add(strchr(stored, '/') + 1, fd, console);
	if (!s)
		return -ENOMEM;
	err = loop_io_add(logger.loop, &s->io, fd, EPOLLIN, on_source);
	return err;
}

static int add_all(int init, const char *prefix)
{
	cleanup(freep) char *names = NULL;
	int err = initctl_store_list(init, prefix, &names);
	char *save;

	if (err)
		return err;
	for (char *n = strtok_r(names, "\n", &save); n; n = strtok_r(NULL, "\n", &save)) {
		err = add_stored(init, n);
		if (err)
			log_errno(-err, "op=source name=%s", n);
	}
	return 0;
}

static void add_kernel(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct source *s;

	if (fd < 0) {
		log_errno(errno, "op=open path=/dev/kmsg");
		return;
	}
	logger.seq_fd = openat(logger.memory_dir, SEQ_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (logger.seq_fd < 0 || pread(logger.seq_fd, &logger.kernel_seq, sizeof(logger.kernel_seq), 0) !=
					 sizeof(logger.kernel_seq))
		logger.kernel_seq = 0;
	s = add("kernel", fd, false);
	if (!s)
		return;
	s->kernel = true;
	int err = loop_io_add(logger.loop, &s->io, fd, EPOLLIN, on_kernel);

	if (err)
		log_errno(-err, "op=source name=kernel");
}

/* Is something mounted on /data? */
static bool data_mounted(void)
{
	struct stat root, data;

	return !stat("/", &root) && !stat("/data", &data) && root.st_dev != data.st_dev;
}

static void try_disk(void)
{
	if (logger.disk_dir >= 0 || !data_mounted())
		return;
	if (mkdir(DISK_DIR, 0750) < 0 && errno != EEXIST) {
		log_errno(errno, "op=mkdir path=" DISK_DIR);
		return;
	}
	logger.disk_dir = open(DISK_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (logger.disk_dir < 0) {
		log_errno(errno, "op=open path=" DISK_DIR);
		return;
	}
	for (size_t i = 0; i < logger.n; i++) {
		int err = logfile_move(&logger.source[i]->file, logger.disk_dir, DISK_LIMIT);

		if (err)
			log_errno(
				-err, "op=move log=%s msg=\"stays in memory\"", logger.source[i]->file.name);
	}
}

static void on_mounts(struct loop_io *io, uint32_t events)
{
	char c;

	/* Reading from the start silences it until the next change. */
	if (pread(io->fd, &c, 1, 0) < 0)
		log_errno(errno, "op=read path=/proc/self/mountinfo");
	try_disk();
}

static int watch_mounts(void)
{
	int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return loop_io_add(logger.loop, &logger.mounts, fd, EPOLLPRI, on_mounts);
}

static void on_signal(struct loop *l, const siginfo_t *si, void *arg)
{
	loop_quit(l, 0);
}

/* Everything said up to now is in the files when the logger ends. */
static void drain(void)
{
	for (size_t i = 0; i < logger.n; i++) {
		struct source *s = logger.source[i];

		if (s->kernel)
			on_kernel(&s->io, 0);
		else
			for (int n = 0; n < DRAIN_READS && take_some(s) > 0; n++)
				;
		begin(s);
		lines_flush(&s->lines, on_line, s);
		flush_out();
		logfile_fini(&s->file);
	}
}

int logger_main(int argc, char **argv)
{
	cleanup(closep) int init = initctl_open();
	sigset_t stop;
	int err;

	if (init < 0)
		return log_errno(-init, "op=connect path=" INITCTL_SOCKET), 1;
	logger.disk_dir = logger.seq_fd = -1;
	logger.memory_dir = open(MEMORY_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (logger.memory_dir < 0)
		return log_errno(errno, "op=open path=" MEMORY_DIR), 1;
	err = loop_new(&logger.loop);
	if (err)
		return log_errno(-err, "op=loop"), 1;
	consoles_open();
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	err = loop_signals(logger.loop, &stop, on_signal, NULL);
	if (!err)
		err = add_all(init, "log/");
	if (!err)
		err = add_all(init, "console/");
	if (!err)
		err = watch_mounts();
	if (err)
		return log_errno(-err, "op=start"), 1;
	add_kernel();
	try_disk();
	initctl_ready();
	err = loop_run(logger.loop);
	drain();
	return err ? 1 : 0;
}
