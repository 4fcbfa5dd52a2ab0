/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_FAULT_ARM_H
#define ENGINE_FAULT_ARM_H

/*
 * Fault injection on a booted node. Whoever may write RUN/engine (root) puts a number into RUN/engine/fault; the next
 * engine takes the file away and, once it is up, dies by SIGKILL at its N-th fault point, as a crash would have it; 0
 * dies nowhere. The points it passes are listed in RUN/engine/fault.trace. Without the file nothing is armed.
 */

struct engine;

void fault_arm(struct engine *e);

#endif
