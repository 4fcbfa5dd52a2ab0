/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_CHANCE_H
#define CLUSTER_CHANCE_H

/* A choice by chance among equals; nothing that must not be guessed. */

#include <stdint.h>
#include <sys/random.h>
#include <time.h>

/* One of @below numbers, from 0; of none it is 0, too. */
static inline uint32_t chance(uint32_t below)
{
	uint32_t n = 0;

	if (below < 2)
		return 0;
	if (getrandom(&n, sizeof(n), 0) != sizeof(n))
		n = (uint32_t)time(NULL);
	return n % below;
}

#endif
