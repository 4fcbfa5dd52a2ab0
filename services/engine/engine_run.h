/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_ENGINE_RUN_H
#define ENGINE_ENGINE_RUN_H

/* Up and down, for engine_main() and for tests that run an engine of their own. */

#include "lib/util.h"

struct engine;

/* The paths and the loop are set. Opens everything and listens on the socket. 0 or -errno, logged. */
must_check int engine_open(struct engine *e);
void engine_close(struct engine *e);

int engine_main(int argc, char **argv);

#endif
