/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INIT_UNIT_H
#define INIT_UNIT_H

/*
 * A unit: one service as its file in /etc/units says, `key value` a line. rootfs/README.md has the manual;
 * the table in unit.c is the list of keys. Read once at boot from the read-only root.
 */

#include <sys/types.h>

#include "lib/util.h"

enum { UNIT_NAME_MAX = 31, UNIT_WORDS_MAX = 24, UNIT_FILE_MAX = 16384 };

enum unit_type { UNIT_SERVICE, UNIT_ONESHOT };
enum unit_restart { UNIT_ALWAYS, UNIT_ON_FAILURE, UNIT_NEVER };
enum unit_output { UNIT_LOG, UNIT_CONSOLE, UNIT_KERNEL };

struct unit {
	char name[UNIT_NAME_MAX + 1];
	char *text; /* owned; what the pointers below point into */
	char *exec[UNIT_WORDS_MAX + 1];
	char *env[UNIT_WORDS_MAX + 1];
	char *after[UNIT_WORDS_MAX + 1];
	char *when; /* path that must exist, or NULL */
	enum unit_type type;
	enum unit_restart restart;
	enum unit_output output;
	bool ready; /* says so through READY_FD */
	bool no_new_privs;
	int stop_signal;
	int shutdown_signal; /* in its place when the machine goes down */
	int64_t start_timeout_ms, stop_timeout_ms, shutdown_timeout_ms;
	uid_t uid;
	gid_t gid;
	int oom_score_adj;
	int64_t memory_min, memory_max; /* bytes; memory_max 0: none */
	int64_t cpu_weight, pids_max, nofile;
};

struct unit_error {
	unsigned line; /* 0: the file as a whole */
	const char *reason;
};

/**
 * unit_parse() - read a unit file's text
 * @name:	the file's name, copied
 * @err:	why and where, when -EINVAL is returned
 *
 * Return: 0 (release with unit_fini()), -EINVAL or -ENOMEM; then *u holds nothing.
 */
must_check int unit_parse(
	struct unit *u, const char *name, const char *text, size_t len, struct unit_error *err);
must_check int unit_load(
	struct unit *u, int dir, const char *name, struct unit_error *err); /* the same, or -errno */
void unit_fini(struct unit *u);

bool unit_name_valid(const char *name); /* [a-z0-9-], begins with a letter */

#endif
