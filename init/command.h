/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INIT_COMMAND_H
#define INIT_COMMAND_H

/* Verbs in words, as wherryctl sends them. The table in command.c is the list. */

#include "init/control.h"

int command_run(struct control *c, char *words, char *out, size_t size);

#endif
