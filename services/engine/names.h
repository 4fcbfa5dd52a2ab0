/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_NAMES_H
#define ENGINE_NAMES_H

struct engine;

enum { NAME_TEXT_MAX = 64 };

/* A name for a container whose user gave none: adjective_noun, free in @e. */
void name_invent(struct engine *e, char out[NAME_TEXT_MAX]);

#endif
