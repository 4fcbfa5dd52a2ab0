/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

/*
 * What every part of the engine shares. One process, one loop, no threads: a part may keep pointers into the
 * engine from one callback to the next. Nothing here blocks for long; slow or risky work runs in workers
 * (worker.h).
 */

#include <stddef.h>
#include <stdint.h>

#include "lib/loop.h"
#include "lib/util.h"

struct http_server;
struct yyjson_doc;
struct container;
struct events;
struct networks;
struct image_store;
struct volumes;
struct execs;
struct pods;
struct supervisor;

#define ENGINE_VERSION	       "28.5.2"
#define ENGINE_API_VERSION     "1.51"
#define ENGINE_API_MIN_VERSION "1.24"

struct engine {
	struct loop *loop;
	struct http_server *http;

	const char *data_dir;	    /* /data/engine: survives everything */
	const char *run_dir;	    /* /run/engine: until the next boot */
	const char *runtime;	    /* /bin/runtime */
	const char *runtime_root;   /* /run/runtime */
	const char *container_init; /* /sbin/docker-init, for --init */
	const char *worker;	    /* /bin/wherry, called with the name of a hidden applet */
	const char *socket_path;    /* /run/docker.sock */
	const char *builtin_images; /* of the read-only root */
	const char *cgroup;	    /* parent of the containers' cgroups: /docker */
	struct yyjson_doc *config;  /* the machine configuration, or NULL; owned */

	struct container **containers; /* sorted by time of creation; owned */
	size_t n_containers, cap_containers;

	struct events *events;
	struct image_store *images;
	struct networks *networks;
	struct volumes *volumes;
	struct execs *execs;
	struct pods *pods;
	struct supervisor *sup;

	bool going_down; /* with the machine: down.h */
	int64_t down_until_ms;
	struct loop_timer down_timer;
	struct loop_task down_pass;

	bool booted; /* the first start of the engine since the node booted */
	char id[65]; /* of this node, as /info shows it */
};

#endif
