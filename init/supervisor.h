/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INIT_SUPERVISOR_H
#define INIT_SUPERVISOR_H

/* All services: loaded from /etc/units, started in order, stopped in the reverse order. */

#include "init/service.h"

struct store;

enum { SUPERVISOR_MAX = 64 };

struct supervisor {
	struct loop *loop;   /* borrowed */
	struct store *store; /* borrowed; gets the read end of each log pipe as log/NAME or console/NAME */
	const char *root;    /* prefix of `when` and exec paths: "" on a machine */
	int cgroup_root;     /* borrowed; -1: none */
	void (*changed)(struct supervisor *sup); /* some service changed its state; from the loop */
	struct service service[SUPERVISOR_MAX];
	size_t n;
	bool stopping; /* the machine goes down: nothing is started */
	struct loop_task pass;
};

/* Load every unit in @dir. A unit that cannot be read is reported and left out. Return: 0 or -errno. */
must_check int supervisor_load(struct supervisor *sup, const char *dir);
void supervisor_fini(struct supervisor *sup);

void supervisor_start(struct supervisor *sup);
struct service *supervisor_find(struct supervisor *sup, const char *name); /* or NULL */

/* A dead child: if it is a main process, reap it and tell its service. */
bool supervisor_reap(struct supervisor *sup, pid_t pid);

/* Called by a service that changed its state. */
void supervisor_moved(struct supervisor *sup);

/* Has every unit named by `after` settled? */
bool supervisor_may_start(struct supervisor *sup, const struct service *s);
bool supervisor_all_settled(const struct supervisor *sup);

/* Begin to stop everything; supervisor_stopped() tells when it is done. */
void supervisor_stop(struct supervisor *sup);
bool supervisor_stopped(const struct supervisor *sup);

/* One line a service. Return: bytes written, at most @size. */
size_t supervisor_list(const struct supervisor *sup, char *buf, size_t size);
size_t supervisor_describe(const struct service *s, char *buf, size_t size);

#endif
