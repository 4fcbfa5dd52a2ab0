/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INIT_INIT_H
#define INIT_INIT_H

/*
 * init as a whole. @root NULL: PID 1 of a machine. Else PID 1 of a PID namespace with its files under @root:
 * no mounts, no kernel settings, no devices, no cgroups, and no reboot(2) at the end; all the rest is the
 * same.
 *
 * Return: for a test root, the exit status; for a machine it does not return.
 */
int init_run(const char *root);

#endif
