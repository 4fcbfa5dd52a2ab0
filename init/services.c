/* SPDX-License-Identifier: Apache-2.0 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "init/cgroup.h"
#include "init/fdstore.h"
#include "init/services.h"
#include "lib/log.h"

struct service *services_find(struct services *sup, const char *name)
{
	for (size_t i = 0; i < sup->n; i++)
		if (!strcmp(sup->service[i].unit.name, name))
			return &sup->service[i];
	return NULL;
}

/* ---- order */

/* Does @s come after @target, directly or not? @seen has a bit for each service looked at. */
static bool comes_after(
	struct services *sup, const struct service *s, const struct service *target, uint64_t *seen)
{
	for (size_t i = 0; s->unit.after[i]; i++) {
		const struct service *d = services_find(sup, s->unit.after[i]);
		uint64_t bit = d ? UINT64_C(1) << (d - sup->service) : 0;

		if (d == target)
			return true;
		if (!d || (*seen & bit))
			continue;
		*seen |= bit;
		if (comes_after(sup, d, target, seen))
			return true;
	}
	return false;
}

_Static_assert(SERVICES_MAX <= 64, "one bit of `seen` a service");

/* What `after` names must exist and must not come round: such a word is reported and dropped, and the rest
 * stands. */
static void check_order(struct services *sup, struct service *s)
{
	char **list = s->unit.after;
	size_t kept = 0;

	for (size_t i = 0; list[i]; i++) {
		const struct service *d = services_find(sup, list[i]);
		uint64_t seen = 0;

		if (!d)
			log_warn("svc=%s after=%s msg=\"no such unit: not waited for\"", s->unit.name,
				list[i]);
		else if (d == s || comes_after(sup, d, s, &seen))
			log_error("svc=%s after=%s msg=\"they wait for each other: order dropped\"",
				s->unit.name, list[i]);
		else
			list[kept++] = list[i];
	}
	list[kept] = NULL;
}

bool services_may_start(struct services *sup, const struct service *s)
{
	for (size_t i = 0; s->unit.after[i]; i++)
		if (!service_settled(services_find(sup, s->unit.after[i])))
			return false;
	return true;
}

/* ---- load */

/* A pipe whose read end waits in the store for the logger: it may come late, die and come back. */
static int open_output(struct services *sup, struct service *s)
{
	char name[INITCTL_NAME_MAX + 1];
	int p[2];

	if (s->unit.output == UNIT_KERNEL) {
		s->output = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
		return s->output < 0 ? -errno : 0;
	}
	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	s->output = p[1];
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	snprintf(name, sizeof(name), "%s/%s", s->unit.output == UNIT_CONSOLE ? "console" : "log",
		s->unit.name);
	return fdstore_put(sup->store, name, &p[0], 1);
}

static void load_one(struct services *sup, int dir, const char *name)
{
	struct service *s = &sup->service[sup->n];
	struct unit_error why;
	int err;

	if (sup->n == SERVICES_MAX) {
		log_error("unit=%s msg=\"too many units: left out\"", name);
		return;
	}
	memset(s, 0, sizeof(*s));
	err = unit_load(&s->unit, dir, name, &why);
	if (err) {
		if (why.reason)
			log_error("unit=%s line=%u msg=\"%s: left out\"", name, why.line, why.reason);
		else
			log_errno(-err, "unit=%s op=load", name);
		return;
	}
	err = service_init(s, sup);
	if (!err)
		err = open_output(sup, s);
	if (!err)
		err = loop_timer_set(sup->loop, &s->timer, INT64_MAX, NULL);
	if (err) {
		log_errno(-err, "unit=%s op=prepare msg=\"left out\"", name);
		service_fini(s);
		return;
	}
	sup->n++;
}

int services_load(struct services *sup, const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int64_t memory_min = 0;

	if (!d)
		return -errno;
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			load_one(sup, dirfd(d), e->d_name);
	closedir(d);

	for (size_t i = 0; i < sup->n; i++) {
		/* All were armed at once, so the loop has room for all: arming one later needs no memory. */
		loop_timer_del(&sup->service[i].timer);
		check_order(sup, &sup->service[i]);
		memory_min += sup->service[i].unit.memory_min;
	}
	if (sup->cgroup_root >= 0)
		cgroup_protect_services(sup->cgroup_root, memory_min);
	return 0;
}

void services_fini(struct services *sup)
{
	for (size_t i = 0; i < sup->n; i++)
		service_fini(&sup->service[i]);
	loop_defer_del(&sup->pass);
	sup->n = 0;
}

/* ---- run */

bool services_all_settled(const struct services *sup)
{
	for (size_t i = 0; i < sup->n; i++)
		if (!service_settled(&sup->service[i]) && sup->service[i].unit.output != UNIT_CONSOLE)
			return false;
	return true;
}

/*
 * Is something active that was to start after @s? Then @s is still needed. What lies between them may be over
 * long ago: the engine comes after a oneshot that comes after the logger, and the logger stops last all the same.
 */
static bool needed(struct services *sup, const struct service *s)
{
	for (size_t i = 0; i < sup->n; i++) {
		uint64_t seen = 0;

		if (service_active(&sup->service[i]) && comes_after(sup, &sup->service[i], s, &seen))
			return true;
	}
	return false;
}

static void on_pass(struct loop_task *t)
{
	struct services *sup = container_of(t, struct services, pass);

	for (size_t i = 0; i < sup->n; i++) {
		struct service *s = &sup->service[i];

		if (!sup->stopping)
			service_event(s, EV_SETTLED);
		else if (s->state != STOPPING && s->state != KILLING && !needed(sup, s))
			service_event(s, EV_STOP);
	}
	sup->changed(sup);
}

void services_moved(struct services *sup)
{
	loop_defer(sup->loop, &sup->pass, on_pass);
}

void services_start(struct services *sup)
{
	for (size_t i = 0; i < sup->n; i++)
		sup->service[i].state = WAITING; /* before any is looked at, so that order holds */
	for (size_t i = 0; i < sup->n; i++)
		sup->service[i].want = true;
	services_moved(sup);
}

void services_stop(struct services *sup)
{
	sup->stopping = true;
	services_moved(sup);
}

bool services_stopped(const struct services *sup)
{
	for (size_t i = 0; i < sup->n; i++)
		if (service_active(&sup->service[i]))
			return false;
	return true;
}

bool services_reap(struct services *sup, pid_t pid)
{
	for (size_t i = 0; i < sup->n; i++) {
		struct service *s = &sup->service[i];

		if (s->pid != pid)
			continue;
		/* Ours since the fork and reaped only here: the number cannot mean another process. */
		if (waitpid(pid, &s->status, WNOHANG) != pid)
			return true;
		s->pid = 0;
		service_event(s, EV_EXIT);
		return true;
	}
	return false;
}

/* ---- tell */

size_t services_describe(const struct service *s, char *buf, size_t size)
{
	int n = snprintf(buf, size, "%-16s %-9s %6d s  restarts %u", s->unit.name,
		service_state_name(s->state), (int)((loop_now_ms(s->sup->loop) - s->since_ms) / 1000),
		s->restarts);

	if (n < (int)size && s->pid)
		n += snprintf(buf + n, size - (size_t)n, "  pid %d", (int)s->pid);
	if (n < (int)size && s->reason[0])
		n += snprintf(buf + n, size - (size_t)n, "  %s", s->reason);
	if (n < (int)size)
		n += snprintf(buf + n, size - (size_t)n, "\n");
	return n < (int)size ? (size_t)n : size - 1;
}

size_t services_list(const struct services *sup, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < sup->n && n + 1 < size; i++)
		n += services_describe(&sup->service[i], buf + n, size - n);
	return n;
}
