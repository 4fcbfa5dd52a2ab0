/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_CONTAINER_H
#define ENGINE_CONTAINER_H

/*
 * A container: what it was made from (config.json, changed only by rename, update, and connecting to networks), what became
 * of it (state.json), and what the engine holds while it lives.
 *
 * Its states and the events that move it are one table, in lifecycle.c. On disk:
 *
 *   DATA/engine/containers/ID/
 *	config.json	Name, Created, Image, Config, HostConfig, Networks (container_net_wish.c), Mounts
 *	state.json	State, Pid, ExitCode, ...
 *	hostname hosts resolv.conf
 *	upper/ work/	the overlay's writable part
 *	log/		see output.h
 *   RUN/engine/ID/	config.json (the OCI bundle), rootfs/ (mounted while it runs), pid, runtime.log
 *
 * A container exists from the moment its directory is renamed into containers/, and is gone from the moment
 * it is renamed out of it, to trash/.
 */

#include <stdint.h>
#include <yyjson.h>

#include "lib/loop.h"
#include "lib/util.h"

struct engine;
struct http_req;
struct output;
struct attach;
struct stdio;
struct lifecycle;
struct waiter;
struct health;
struct stats;
struct copy;

enum container_state {
	CONTAINER_CREATED,
	CONTAINER_STARTING,
	CONTAINER_RUNNING,
	CONTAINER_PAUSED,
	CONTAINER_EXITING, /* its exit is on disk, what it held is being released */
	CONTAINER_EXITED,
	CONTAINER_RESTARTING, /* waits for its next start */
	CONTAINER_REMOVING,
	CONTAINER_DEAD, /* removal failed */
	CONTAINER_STATES
};

struct container {
	struct engine *e;
	char id[65];
	char *name; /* owned, without '/' */
	char *dir;  /* owned: DATA/engine/containers/ID */
	char *run;  /* owned: RUN/engine/ID */

	yyjson_doc *doc; /* config.json; owned. What follows points into it. */
	yyjson_val *config, *host, *mounts;
	yyjson_val *net_wishes;	    /* "Networks"; never NULL */
	yyjson_doc *net_wishes_old; /* owned: they are made of what an older engine kept; else NULL */
	yyjson_val *links;	    /* of the default bridge: container_links.h; NULL: none */
	const char *image, *image_id, *image_name;
	int64_t created_ns;
	bool tty, open_stdin, stdin_once;
	uint32_t id_base; /* of a range of ids of its own: userns.h; 0: none */

	/* state.json */
	enum container_state state;
	int pid; /* 0 while it does not run */
	int exit_code;
	bool oom_killed;
	bool stopped_by_user; /* docker stop, kill: unless-stopped stays down */
	bool has_run;	      /* distinguishes created from exited */
	unsigned restarts;
	int64_t started_ns, finished_ns;
	char *error; /* owned: why the last start failed, or NULL */

	/* held while it lives */
	int pidfd;		/* owned; -1 */
	struct output *output;	/* owned; NULL until first needed */
	struct stdio *io;	/* owned; NULL unless starting or running */
	struct lifecycle *life; /* owned; what is under way, and who waits for it */
	struct health *health;	/* owned; NULL: no health check */
	struct waiter *waiters; /* of /wait */
	struct loop_timer restart_timer;
	int64_t restart_delay_ms;
	struct copy *copies;	 /* docker cp, export, diff at work */
	struct stats *stats;	 /* clients that watch its numbers */
	struct attach *attached; /* clients of this container's streams */
};

/* --log-driver none */
bool container_log_none(const struct container *c);
const char *container_state_name(enum container_state s);
static inline bool container_is_up(const struct container *c)
{
	return c->state == CONTAINER_RUNNING || c->state == CONTAINER_PAUSED;
}

/* ---- the list of all */

/**
 * container_find() - by full id, name (with or without '/'), beginning of an id, or link: PARENT/ALIAS
 * Return: 0, -ENOENT, or -ENOTUNIQ.
 */
must_check int container_find(struct engine *e, const char *name, struct container **out);
/* Why it found none, or not one; NULL: out of memory. */
char *container_find_fault(int err, const char *name);
/* As container_find(), and answers the request itself when there is none: NULL. */
struct container *container_or_404(struct engine *e, struct http_req *r, const char *name);
bool container_name_taken(struct engine *e, const char *name);
/* Docker's rule for names: [a-zA-Z0-9][a-zA-Z0-9_.-]+ */
bool container_name_valid(const char *name);

/* Adopts @doc, also on failure. Nothing is written. */
must_check int container_new(struct container **out, struct engine *e, const char *id, yyjson_doc *doc);
must_check int container_list_add(struct engine *e, struct container *c);
void container_list_remove(struct container *c);
void container_free(struct container *c); /* accepts NULL */

/* ---- on disk */

must_check int container_save_state(struct container *c, unsigned flags);
/* Replaces config.json by @doc and reads it in; @doc stays the caller's. */
must_check int container_save_config(struct container *c, yyjson_mut_doc *doc);
/* A copy of config.json to change and save. */
yyjson_mut_doc *container_config_copy(struct container *c);
/* Loads every container of the directory; a broken one is logged and left alone. */
must_check int containers_load(struct engine *e);
void containers_free(struct engine *e);

void container_set_error(struct container *c, const char *fmt, ...) printf_like(2, 3);

#endif
