/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_VOLUMES_H
#define ENGINE_VOLUMES_H

/*
 * Named and anonymous volumes: DATA/engine/volumes/NAME/_data is what containers see, volume.json beside it
 * says since when, with which labels, and whether it was made for one container.
 */

#include <stdint.h>
#include <yyjson.h>

#include "engine/volume_options.h"
#include "lib/util.h"

struct container;
struct engine;

struct volume {
	char *name; /* owned */
	int64_t created_s;
	bool anonymous;
	struct volume_source source; /* owned */
	uint32_t project;	     /* of its quota; 0: none */
	yyjson_doc *doc;	     /* owned: volume.json */
};

must_check int volumes_open(struct engine *e);
void volumes_close(struct engine *e);

/* On a file system of a server, whose ids cannot be mapped. @name: NULL is no volume. */
bool volume_is_foreign(struct engine *e, const char *name);

/* A volume @name can be made with @driver (NULL: the default). 0, or -ENOENT with *msg: there is only "local". */
must_check int volume_driver_check(const char *driver, const char *name, char **msg);

struct volume *volume_find(struct engine *e, const char *name);
/* Finds or makes it. @labels and @options (of the driver) may be NULL; one that is there with other options than
 * those asked for is -EEXIST. 0, or -errno with *msg. */
must_check int volume_ensure(struct engine *e, const char *name, bool anonymous, yyjson_val *labels,
	yyjson_val *options, struct volume **out, char **msg);
char *volume_path(struct engine *e, const char *name); /* of its _data; malloc'ed */
bool volume_name_valid(const char *name);

/* Whether something is mounted at that very path: 1, 0 or -errno. */
must_check int volume_is_mounted(const char *path);
/*
 * Lazily; a failure is logged. @slow: a file system of its own, whose end may wait for a disk or a server: it is out of sight
 * at once, and what is left to do of it is done by a worker, so that nobody waits.
 */
void volume_unmount(struct engine *e, const char *path, bool slow);
bool volume_is_slow(const struct volume *v);

/* A container is gone: with @remove its anonymous volumes go, too. */
void volumes_release(struct container *c, bool remove);

#endif
