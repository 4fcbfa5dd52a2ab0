/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INIT_SERVICES_H
#define INIT_SERVICES_H

/* All services: loaded from /etc/units, started in order, stopped in the reverse order. */

#include "init/service.h"

struct fdstore;

enum { SERVICES_MAX = 64 };

struct services {
	struct loop *loop;     /* borrowed */
	struct fdstore *store; /* borrowed; gets the read end of each log pipe as log/NAME or console/NAME */
	const char *root;      /* prefix of `when`: "" on a machine */
	int cgroup_root;       /* borrowed; -1: none */
	void (*changed)(struct services *sup); /* some service changed its state; from the loop */
	struct service service[SERVICES_MAX];
	size_t n;
	bool stopping; /* the machine goes down: nothing is started */
	struct loop_task pass;
};

/* Load every unit in @dir. A unit that cannot be read is reported and left out. Return: 0 or -errno. */
must_check int services_load(struct services *sup, const char *dir);
void services_fini(struct services *sup);

void services_start(struct services *sup);
struct service *services_find(struct services *sup, const char *name); /* or NULL */

/* A dead child: if it is a main process, reap it and tell its service. */
bool services_reap(struct services *sup, pid_t pid);

/* Called by a service that changed its state. */
void services_moved(struct services *sup);

/* Has every unit named by `after` settled? */
bool services_may_start(struct services *sup, const struct service *s);
/* Units that write to the console tell how the machine is, and do not count. */
bool services_all_settled(const struct services *sup);

/* Begin to stop everything; services_stopped() tells when it is done. */
void services_stop(struct services *sup);
bool services_stopped(const struct services *sup);

/* One line a service. Return: bytes written, at most @size. */
size_t services_list(const struct services *sup, char *buf, size_t size);
size_t services_describe(const struct service *s, char *buf, size_t size);

#endif
