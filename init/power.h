/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INIT_POWER_H
#define INIT_POWER_H

/* Power buttons: every input device with KEY_POWER that is there at boot. */

#include "lib/loop.h"

enum { POWER_BUTTONS_MAX = 8 };

struct power;

struct power_button {
	struct loop_io io; /* fd owned while registered */
	struct power *power;
};

struct power {
	struct loop *loop;
	void (*pressed)(struct power *p);
	struct power_button button[POWER_BUTTONS_MAX];
	size_t n;
};

/* Finds them. Return: how many, or -errno. */
int power_init(struct power *p, struct loop *loop, void (*pressed)(struct power *p));

#endif
