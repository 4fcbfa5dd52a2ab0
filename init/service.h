/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INIT_SERVICE_H
#define INIT_SERVICE_H

/*
 * One supervised service: what its unit says and where it stands. service.c has the table of states and
 * events.
 */

#include "init/unit.h"
#include "lib/loop.h"

struct services;

enum service_state {
	OFF,	  /* not wanted, or ended by itself and its unit leaves it so */
	WAITING,  /* wanted; a unit named by `after` has not settled */
	STARTING, /* main process runs; not ready, or a oneshot at work */
	UP,	  /* ready */
	STOPPING, /* asked to end */
	KILLING,  /* main process ended or is being killed; what it left behind goes too */
	BACKOFF,  /* waits to be started again */
	DONE,	  /* a oneshot that succeeded */
	FAILED,	  /* given up */
	SKIPPED,  /* the path named by `when` is absent */
	SERVICE_STATES
};

enum service_event {
	EV_START,   /* it is wanted */
	EV_STOP,    /* it is not */
	EV_RESTART, /* it is wanted, anew */
	EV_SETTLED, /* some unit has settled */
	EV_READY,   /* it said so */
	EV_EXIT,    /* main process reaped */
	EV_EMPTY,   /* its cgroup holds no process */
	EV_TIMER,
	SERVICE_EVENTS
};

struct service {
	struct unit unit;
	struct services *sup; /* borrowed */
	enum service_state state;
	bool want;	       /* should run */
	bool again;	       /* ended in order to be started anew */
	bool failed;	       /* the run that ends was a failure */
	pid_t pid;	       /* main process, 0: none (reaped) */
	int status;	       /* of the last main process, as wait(2) gives it */
	int cgroup;	       /* owned; -1: none */
	int output;	       /* owned; write end of its log pipe, or /dev/kmsg */
	struct loop_io ready;  /* fd owned while registered */
	struct loop_io events; /* cgroup.events; fd owned while registered */
	struct loop_timer timer;
	int64_t since_ms;   /* when this state began */
	int64_t started_ms; /* when the main process began */
	unsigned restarts, failures_in_row;
	char reason[112]; /* why it is not up, for people */
};

/* The supervisor calls these two around everything else. */
must_check int service_init(struct service *s, struct services *sup); /* unit is set; 0 or -errno */
void service_fini(struct service *s);

void service_event(struct service *s, enum service_event e);

/* Has it got as far as it will without outside help? What comes after it may start then. */
bool service_settled(const struct service *s);
bool service_active(const struct service *s); /* has or may have a process */
const char *service_state_name(enum service_state s);

/* Is there an action for it? For the test that lists what is ignored. */
bool service_handles(enum service_state s, enum service_event e);

/* Milliseconds before the n-th start in a row, n from 1. */
int64_t service_backoff_ms(unsigned n);

#endif
