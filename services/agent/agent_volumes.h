/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_AGENT_VOLUMES_H
#define AGENT_AGENT_VOLUMES_H

/* Parts of the worker that read what the kernel writes, for tests. */

/* The mount point of one line of mountinfo, unescaped, cut out of it; NULL: no such line. */
char *agent_volumes_mount_point(char *line);
void agent_volumes_unescape(char *s);

#endif
