/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "init/watchdog.h"
#include "lib/log.h"

enum { TIMEOUT_S = 60, FEEDS_A_TIMEOUT = 4, DEVICES_MAX = 16 };

/* The kernel's own, a timer: it notices that init has stopped, but not that the kernel has. */
static bool is_software(int n)
{
	char path[64], identity[64] = "";

	snprintf(path, sizeof(path), "/sys/class/watchdog/watchdog%d/identity", n);
	cleanup(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && read(fd, identity, sizeof(identity) - 1) > 0 && !strncmp(identity, "Software", 8);
}

/* The first of hardware, else the first. They are numbered as their drivers came. */
static void choose(char path[32])
{
	int chosen = -1;

	for (int n = 0; n < DEVICES_MAX; n++) {
		snprintf(path, 32, "/dev/watchdog%d", n);
		if (access(path, F_OK) < 0)
			continue;
		if (chosen < 0)
			chosen = n;
		if (!is_software(n)) {
			chosen = n;
			break;
		}
	}
	snprintf(path, 32, "/dev/watchdog%d", chosen < 0 ? 0 : chosen);
}

void watchdog_arm(struct watchdog *w)
{
	int timeout = TIMEOUT_S;
	char path[32];

	choose(path);
	w->fd = open(path, O_WRONLY | O_CLOEXEC);
	if (w->fd < 0) {
		if (errno != ENOENT)
			log_errno(errno, "op=watchdog.open");
		return;
	}
	/* Some cannot be set, or not to this: then theirs is used. */
	if (ioctl(w->fd, WDIOC_SETTIMEOUT, &timeout) < 0 && ioctl(w->fd, WDIOC_GETTIMEOUT, &timeout) < 0)
		timeout = 10;
	w->timeout_s = timeout > 0 ? timeout : TIMEOUT_S;
}

static void feed(struct loop_timer *t)
{
	struct watchdog *w = container_of(t, struct watchdog, timer);

	if (ioctl(w->fd, WDIOC_KEEPALIVE, 0) < 0 && write(w->fd, "", 1) != 1)
		log_errno(errno, "op=watchdog.feed");
	if (loop_timer_set(w->loop, t, loop_now_ms(w->loop) + w->timeout_s * 1000 / FEEDS_A_TIMEOUT, feed) <
		0)
		log_error("op=watchdog.timer msg=\"not fed any more\"");
}

void watchdog_run(struct watchdog *w, struct loop *loop)
{
	w->loop = loop;
	if (w->fd < 0)
		return;
	log_info("op=watchdog timeout_s=%d", w->timeout_s);
	feed(&w->timer);
}

void watchdog_last(struct watchdog *w, bool stay_off)
{
	if (w->fd < 0)
		return;
	loop_timer_del(&w->timer);
	/* `V` disarms, where the driver lets it be disarmed. */
	if (write(w->fd, stay_off ? "V" : "", 1) != 1)
		log_errno(errno, "op=watchdog.last");
	closep(&w->fd);
}
