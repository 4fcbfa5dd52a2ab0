/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_ADMISSION_H
#define AGENT_ADMISSION_H

/*
 * A pod that was bound past the scheduler (spec.nodeName, a file) may want ports of the node that another has. One that has begun
 * keeps them until nothing of it runs.
 */

#include "agent/pod.h"

enum admission { ADMISSION_FITS, ADMISSION_WAITS, ADMISSION_REFUSED };

/**
 * admission_of_ports() - can a pod that has not begun have its ports of the node?
 * @first:	of the node's pods, with @p or without
 *
 * Return: ADMISSION_WAITS: whoever has them is on its way out.
 */
enum admission admission_of_ports(const struct pod *p, const struct pod *first);

#endif
