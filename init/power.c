/* SPDX-License-Identifier: Apache-2.0 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include "init/power.h"

static void on_event(struct loop_io *io, uint32_t events)
{
	struct power_button *b = container_of(io, struct power_button, io);
	struct input_event e[16];
	bool pressed = false;
	ssize_t n = read(io->fd, e, sizeof(e));

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		/* Unplugged. */
		loop_io_del(io);
		closep(&io->fd);
		return;
	}
	for (size_t i = 0; i < (size_t)n / sizeof(e[0]); i++)
		if (e[i].type == EV_KEY && e[i].code == KEY_POWER && e[i].value == 1)
			pressed = true;
	if (pressed)
		b->power->pressed(b->power);
}

static bool has_power_key(int fd)
{
	unsigned char keys[KEY_MAX / 8 + 1] = {0};

	return ioctl(fd, EVIOCGBIT(EV_KEY, sizeof(keys)), keys) >= 0 &&
	       (keys[KEY_POWER / 8] >> (KEY_POWER % 8) & 1);
}

int power_init(struct power *p, struct loop *loop, void (*pressed)(struct power *p))
{
	DIR *d = opendir("/dev/input");
	struct dirent *e;

	p->loop = loop;
	p->pressed = pressed;
	if (!d)
		return -errno;
	while (p->n < POWER_BUTTONS_MAX && (e = readdir(d))) {
		if (strncmp(e->d_name, "event", 5))
			continue;
		int fd = openat(dirfd(d), e->d_name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

		if (fd < 0)
			continue;
		p->button[p->n].power = p;
		if (!has_power_key(fd) || loop_io_add(loop, &p->button[p->n].io, fd, EPOLLIN, on_event) < 0)
			close(fd);
		else
			p->n++;
	}
	closedir(d);
	return (int)p->n;
}
