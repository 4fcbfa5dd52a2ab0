/* SPDX-License-Identifier: Apache-2.0 */

/*
 * PID 1. Everything arrives through one loop: signals, pidfds, timers, the control socket. Nothing here
 * waits, and nothing from outside is parsed; what is slow or risky is a service.
 *
 * Start reading here, then service.c (the life of a service), exits.c (what becomes of exit statuses),
 * control.c.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "init/cgroup.h"
#include "init/command.h"
#include "init/consoles.h"
#include "init/control.h"
#include "init/exits.h"
#include "init/init.h"
#include "init/machine.h"
#include "init/node.h"
#include "init/power.h"
#include "init/fdstore.h"
#include "init/watchdog.h"
#include "lib/log.h"

enum { DESCRIPTORS = 262144, REAPS_A_TURN = 256 };

static struct node node;

/* ---- children */

static void on_more(struct loop_task *t);

/*
 * Look before reaping: what a zombie was is in /proc only until then. First services, then the watched; an
 * orphan nobody knows is recorded with its cgroup.
 */
static void reap(void)
{
	for (int i = 0; i < REAPS_A_TURN; i++) {
		siginfo_t si = {0};

		if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) < 0 || !si.si_pid) {
			shutdown_progress(&node.shutdown);
			return;
		}
		if (!services_reap(&node.sup, si.si_pid) && !shutdown_reap(&node.shutdown, si.si_pid))
			exits_reap(&node.exits, si.si_pid);
	}
	loop_defer(node.loop, &node.more, on_more); /* let others have their turn */
}

static void on_more(struct loop_task *t)
{
	reap();
}

static void on_signal(struct loop *l, const siginfo_t *si, void *arg)
{
	switch (si->si_signo) {
	case SIGCHLD:
		reap();
		break;
	case SIGINT: /* ctrl-alt-del */
	case SIGTERM:
		shutdown_begin(&node.shutdown, SHUTDOWN_REBOOT);
		break;
	case SIGPWR:
	case SIGUSR2: /* busybox poweroff */
		shutdown_begin(&node.shutdown, SHUTDOWN_POWEROFF);
		break;
	default: /* no other is asked for */
		break;
	}
}

static void on_power_button(struct power *p)
{
	consoles_say("power button");
	shutdown_begin(&node.shutdown, SHUTDOWN_POWEROFF);
}

static void on_exit_added(struct exits *x)
{
	control_exits_added(&node.control);
}

/* ---- what people see */

static void tell_service(const struct service *s)
{
	int ms = (int)(loop_now_ms(node.loop) - s->started_ms);

	switch (s->state) {
	case UP:
	case DONE:
		if (s->failures_in_row > 1)
			break; /* it comes and goes: its failures say enough */
		consoles_say("%s: %s (%d ms)", s->unit.name, service_state_name(s->state), ms);
		break;
	case FAILED:
	case BACKOFF:
		consoles_say("%s: FAILED: %s%s", s->unit.name, s->reason,
			s->state == BACKOFF ? "; it is started again" : "");
		break;
	default:
		break;
	}
}

static void on_changed(struct services *sup)
{
	const char *state = node_state(&node);

	for (size_t i = 0; i < sup->n; i++) {
		if (node.told[i] != sup->service[i].state && !sup->stopping)
			tell_service(&sup->service[i]);
		node.told[i] = sup->service[i].state;
	}
	if (state != node.told_state && strcmp(state, "starting") && !sup->stopping)
		consoles_say("wherry: %s after %d.%d s", state, (int)(loop_now_ms(node.loop) / 1000),
			(int)(loop_now_ms(node.loop) / 100 % 10));
	node.told_state = state;
	shutdown_progress(&node.shutdown);
}

static void read_banner(void)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/etc/issue", node.root);
	FILE *f = fopen(path, "re");

	if (!f || !fgets(node.banner, sizeof(node.banner), f))
		strcpy(node.banner, "Wherry");
	node.banner[strcspn(node.banner, "\n")] = '\0';
	if (f)
		fclose(f);
}

/* ---- set up */

static void make_dir(const char *path, mode_t mode)
{
	char full[512];

	snprintf(full, sizeof(full), "%s%s", node.root, path);
	if (mkdir(full, mode) < 0 && errno != EEXIST)
		log_errno(errno, "op=mkdir path=%s", full);
}

/* From here on, init's own lines go the way of every service's. A full pipe loses them: init does not wait.
 */
static int redirect_log(void)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	if (dup2(p[1], STDERR_FILENO) < 0 || dup2(p[1], STDOUT_FILENO) < 0) {
		int err = errno;

		close(p[0]);
		close(p[1]);
		return -err;
	}
	close(p[1]);
	return fdstore_put(&node.store, "log/init", &p[0], 1);
}

static void open_standard(void)
{
	int null = open("/dev/null", O_RDWR);

	if (null > 2)
		dup2(null, STDIN_FILENO);
	/* 0, 1 and 2 are never free for another use, even when the kernel gave init no console. */
	while (null >= 0 && null <= 2)
		null = dup(null);
	if (null > 2)
		close(null);
}

static void prepare_machine(void)
{
	struct rlimit files = {DESCRIPTORS, DESCRIPTORS};

	machine_mount();
	open_standard();
	consoles_open();
	watchdog_arm(&node.watchdog);
	machine_sysctl();
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		log_errno(errno, "op=rlimit");
	if (reboot(RB_DISABLE_CAD) < 0) /* ctrl-alt-del becomes SIGINT */
		log_errno(errno, "op=ctrl-alt-del");
	node.cgroup_root = cgroup_setup();
	if (node.cgroup_root < 0)
		log_errno(-node.cgroup_root, "op=cgroup msg=\"services run without cgroups\"");
}

static int set_up(void)
{
	char path[512];
	sigset_t set;
	int err = loop_new(&node.loop);

	if (err)
		return err;
	make_dir("/run", 0755);
	make_dir("/run/init", 0700);
	make_dir("/run/log", 0755);
	make_dir("/run/notice",
		0755); /* NAME: what a service wants people to know; `wherryctl status` shows it */
	err = redirect_log();
	if (err)
		log_errno(-err, "op=log");

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGPWR);
	sigaddset(&set, SIGUSR2);
	err = loop_signals(node.loop, &set, on_signal, NULL);
	if (err)
		return err;

	exits_init(&node.exits, node.loop, on_exit_added);
	node.control.loop = node.sup.loop = node.shutdown.loop = node.loop;
	node.control.store = node.sup.store = &node.store;
	node.control.exits = node.shutdown.exits = &node.exits;
	node.control.command = command_run;
	node.sup.root = node.root;
	node.sup.cgroup_root = node.cgroup_root;
	node.sup.changed = on_changed;
	node.shutdown.sup = &node.sup;
	node.shutdown.real = node.real;

	snprintf(path, sizeof(path), "%s" INITCTL_SOCKET, node.root);
	err = control_listen(&node.control, path);
	if (err)
		log_errno(-err, "op=control.listen path=%s", path);
	snprintf(path, sizeof(path), "%s/etc/units", node.root);
	err = services_load(&node.sup, path);
	if (err)
		log_errno(-err, "op=units path=%s", path);
	if (node.real) {
		watchdog_run(&node.watchdog, node.loop);
		err = power_init(&node.power, node.loop, on_power_button);
		log_info("op=power buttons=%d", err < 0 ? 0 : err);
	}
	return 0;
}

static void leave(int code)
{
	bool off = code == SHUTDOWN_POWEROFF;

	consoles_say("shutdown: %s now", off ? "power off" : "restart");
	watchdog_last(&node.watchdog, off);
	reboot(off ? RB_POWER_OFF : RB_AUTOBOOT);
	/* Cannot be, or this machine has no power-off: the end of init is a panic, and panic=10 restarts. */
	if (off)
		reboot(RB_HALT_SYSTEM);
}

int init_run(const char *root)
{
	int code;

	memset(&node, 0, sizeof(node));
	node.root = root ? root : "";
	node.real = !root;
	node.cgroup_root = node.watchdog.fd = -1;
	node.told_state = "";
	umask(022);
	if (node.real)
		prepare_machine();
	read_banner();
	consoles_say("%s", node.banner);

	code = set_up();
	if (!code) {
		services_start(&node.sup);
		code = loop_run(node.loop);
	} else {
		log_errno(-code, "op=setup");
	}
	if (node.real) {
		if (code < 0)
			consoles_say("init cannot go on: %s", strerror(-code));
		sync();
		leave(code);
	}
	control_fini(&node.control);
	services_fini(&node.sup);
	exits_fini(&node.exits);
	fdstore_fini(&node.store);
	loop_free(node.loop);
	return code < 0 ? 1 : 0;
}
