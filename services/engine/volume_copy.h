/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_VOLUME_COPY_H
#define ENGINE_VOLUME_COPY_H

/*
 * Copy-up: what an image has at the place where a new volume is mounted becomes the volume's first content,
 * with owners, modes, times, links and extended attributes.
 */

#include <stdint.h>

#include "lib/util.h"

/**
 * volume_fill() - give an empty volume the content of a directory
 * @root:	a container's root, borrowed; nothing in it is trusted
 * @path:	within @root; links are followed inside it. What is not there, or no directory, is no content
 * @id_base:	what the container's root has added to each id it shows: userns.h; 0: nothing
 * @volume:	the volume's directory, borrowed
 *
 * A volume that has anything in it stays as it is. The copy is made aside, synced, and then moved in entry by
 * entry: when this is cut, volume_fill_resume() or the next volume_fill() brings it to its end. Device nodes and
 * sockets are not copied. Return: 0, or -errno with the name at fault in @what.
 */
enum { VOLUME_WHAT_MAX = 256 };
must_check int volume_fill(
	int root, const char *path, uint32_t id_base, int volume, char what[VOLUME_WHAT_MAX]);

/* Ends a fill that was cut after its copy was complete, and clears away one that was not. 0 or -errno. */
must_check int volume_fill_resume(int volume, char what[VOLUME_WHAT_MAX]);

/* Whether nothing is in it but what a fill leaves. 1, 0 or -errno. */
must_check int volume_is_empty(int volume);
/* Whether a fill was cut. */
bool volume_fill_cut(int volume);

#endif
