/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORAGE_CHOOSE_H
#define STORAGE_CHOOSE_H

/* Which disk holds STATE and DATA. No other is ever written. */

#include "init/storage/disk.h"

#define DISK_WORD "wherry.disk" /* of the kernel's command line */

struct disk_choice {
	char name[DISK_NAME_MAX]; /* the kernel's */
	const char *how;	  /* it was found */
	bool booted;		  /* it is the one that was booted from */
	bool configured;	  /* it is the one that storage.disk names */
	char problem[512];	  /* why there is none, or none to be used; "" while there is */
};

/**
 * disk_choose() - wait for the disk
 * @configured:	storage.disk, or "" without
 *
 * The one that the command line names, else the configuration, else the one booted from, else the one that qemu/run
 * tagged, else the only one that has a STATE and a DATA. Return: 0, or -ENODEV with @out->problem.
 */
must_check int disk_choose(const char *configured, struct disk_choice *out);

/* Says why the disk cannot be used. Returns -ENODEV, so that it can be returned. */
int disk_problem(struct disk_choice *c, const char *fmt, ...) printf_like(2, 3);

/* What is known of the machine before there is a configuration. */
enum disk_past {
	DISK_PAST_NONE,	   /* no disk of it has been set up */
	DISK_PAST_UNKNOWN, /* the disk that tells is not there, or not to be told from another */
	DISK_PAST_SET_UP,  /* an earlier boot has made STATE and DATA */
};

/* By the disks that are there now, without waiting for others. */
enum disk_past disk_past(void);

#endif
