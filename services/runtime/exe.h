/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_EXE_H
#define RUNTIME_EXE_H

#include "lib/util.h"

/*
 * A container could reach the runtime's binary through /proc/PID/exe while one of its processes still is the
 * runtime, and overwrite the host's (CVE-2019-5736). So a command that enters a container runs from a
 * read-only file system, as on Wherry's own root, or re-executes itself through a read-only mount of its own,
 * or from a sealed copy in memory. Call it before descriptors are opened. Return: 0 or -errno; does not
 * return when it re-executes.
 */
must_check int rt_exe_seal(void);

/* The command line as main() got it. */
void rt_exe_remember(char **argv);

#endif
