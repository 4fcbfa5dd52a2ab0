/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The time service. The kernel has read the RTC; this raises the clock to its floor, keeps busybox ntpd
 * running while there is a server to ask, and saves the time once an hour and when it ends. Nothing waits for
 * it, and without a server no packet is sent.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "applets.h"
#include "init/time/clock.h"
#include "init/time/servers.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/spawn.h"

#define CLOCK_FILE   "/state/clock"
#define CONFIG_FILE  "/run/config/config.json"
#define DHCP_DIR     "/run/network"
#define DHCP_SERVERS DHCP_DIR "/ntp-servers"

enum {
	SAVE_MS = 3600 * 1000,
	FIRST_SAVE_MS = 120 * 1000, /* ntpd has usually stepped the clock by then */
	RETRY_MS = 5000,
	RETRY_MAX_MS = 300 * 1000,
	CONFIG_MAX = 4 << 20,
	DHCP_MAX = 4096,
};

struct time_service {
	struct loop *loop;
	struct servers servers;
	pid_t pid;
	int pidfd, inotify; /* owned, -1 */
	int64_t wait_ms;    /* before the next start of ntpd */
	struct loop_io pid_io, inotify_io;
	struct loop_timer save, retry;
};

static void launch(struct time_service *t);

static void on_retry(struct loop_timer *timer)
{
	launch(container_of(timer, struct time_service, retry));
}

static void try_later(struct time_service *t)
{
	if (loop_timer_set(t->loop, &t->retry, loop_now_ms(t->loop) + t->wait_ms, on_retry) < 0)
		log_error("op=retry msg=\"no memory\"");
	t->wait_ms = t->wait_ms * 2 < RETRY_MAX_MS ? t->wait_ms * 2 : RETRY_MAX_MS;
}

static void on_child(struct loop_io *io, uint32_t events)
{
	struct time_service *t = container_of(io, struct time_service, pid_io);
	int status = 0;

	if (waitpid(t->pid, &status, WNOHANG) != t->pid)
		return;
	log_warn("op=ntpd status=%d msg=\"the NTP client ended\"", status);
	loop_io_del(&t->pid_io);
	closep(&t->pidfd);
	try_later(t);
}

static void stop(struct time_service *t)
{
	loop_timer_del(&t->retry);
	loop_io_del(&t->pid_io);
	if (t->pidfd >= 0) {
		kill(t->pid, SIGKILL);
		waitpid(t->pid, NULL, 0);
	}
	closep(&t->pidfd);
}

static void launch(struct time_service *t)
{
	const char *argv[3 + 2 * SERVERS_MAX] = {"ntpd", "-n"};
	const int fds[] = {-1, STDERR_FILENO, STDERR_FILENO};
	struct spawn s = {
		.path = "/bin/busybox", .argv = (char *const *)argv, .fds = fds, .n_fds = 3, .cgroup_fd = -1};
	size_t n = 2;
	int r;

	for (size_t i = 0; i < t->servers.n; i++) {
		argv[n++] = "-p";
		argv[n++] = t->servers.names[i];
	}
	t->pid = spawn(&s, &t->pidfd);
	r = t->pid < 0 ? t->pid : loop_io_add(t->loop, &t->pid_io, t->pidfd, EPOLLIN, on_child);
	if (r < 0) {
		log_errno(-r, "op=start-ntpd path=%s", s.path);
		stop(t);
		try_later(t);
	}
}

/* Reads both lists again and starts or stops ntpd when they have changed. */
static void refresh(struct time_service *t)
{
	cleanup(freep) char *dhcp = NULL;
	cleanup(freep) char *json = NULL;
	struct servers now = {};
	size_t len;
	int r = file_read(AT_FDCWD, DHCP_SERVERS, DHCP_MAX, &dhcp, &len);

	if (!r)
		servers_add_lines(&now, dhcp);
	else if (r != -ENOENT)
		log_errno(-r, "op=read path=%s", DHCP_SERVERS);
	r = file_read(AT_FDCWD, CONFIG_FILE, CONFIG_MAX, &json, &len);
	if (!r)
		r = servers_add_config(&now, json, len);
	if (r < 0 && r != -ENOENT)
		log_errno(-r, "op=read path=%s", CONFIG_FILE);
	if (servers_equal(&now, &t->servers))
		return;
	stop(t);
	t->servers = now;
	t->wait_ms = RETRY_MS;
	if (now.n) {
		log_info("servers=%zu first=%s", now.n, now.names[0]);
		launch(t);
	}
}

static void on_news(struct loop_io *io, uint32_t events)
{
	struct time_service *t = container_of(io, struct time_service, inotify_io);
	char buf[4096] __attribute__((aligned(8)));

	/* What happened does not matter, only that something did. */
	while (read(t->inotify, buf, sizeof(buf)) > 0)
		;
	refresh(t);
}

static void save(void)
{
	int r = clock_save(CLOCK_FILE);

	if (r < 0)
		log_errno(-r, "op=save path=%s", CLOCK_FILE);
}

static void on_save(struct loop_timer *timer)
{
	struct time_service *t = container_of(timer, struct time_service, save);

	save();
	if (loop_timer_set(t->loop, &t->save, loop_now_ms(t->loop) + SAVE_MS, on_save) < 0)
		log_error("op=save-timer msg=\"no memory\"");
}

static void on_signal(struct loop *l, const siginfo_t *si, void *arg)
{
	loop_quit(l, 0);
}

/* DHCP may name servers at any time; without a network service there is nothing to watch. */
static int watch(struct time_service *t)
{
	if (mkdir(DHCP_DIR, 0755) < 0 && errno != EEXIST)
		return -errno;
	t->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (t->inotify < 0 || inotify_add_watch(t->inotify, DHCP_DIR, IN_MOVED_TO) < 0)
		return -errno;
	return loop_io_add(t->loop, &t->inotify_io, t->inotify, EPOLLIN, on_news);
}

int time_main(int argc, char **argv)
{
	struct time_service t = {.pidfd = -1, .inotify = -1};
	sigset_t ends;
	int r;

	clock_raise(CLOCK_FILE, CLOCK_BUILD_FILE);
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	r = loop_new(&t.loop);
	if (!r)
		r = loop_signals(t.loop, &ends, on_signal, NULL);
	if (!r)
		r = loop_timer_set(t.loop, &t.save, loop_now_ms(t.loop) + FIRST_SAVE_MS, on_save);
	if (r < 0) {
		log_errno(-r, "op=start");
		return 1;
	}
	r = watch(&t);
	if (r < 0)
		log_errno(
			-r, "op=watch path=%s msg=\"servers that DHCP names later are not seen\"", DHCP_DIR);
	refresh(&t);
	r = loop_run(t.loop);
	stop(&t);
	save();
	return r < 0;
}
