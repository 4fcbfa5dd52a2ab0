/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INIT_MACHINE_H
#define INIT_MACHINE_H

/* What is done once to make a bare kernel the machine that services expect: file systems and kernel settings.
 */

#include "lib/util.h"

/* Mount what the kernel offers and the scratch file systems. What fails is logged; the rest stands. */
void machine_mount(void);

/* Kernel settings; machine.c has the table with a reason for each. */
void machine_sysctl(void);

/* Unmount everything but the root and what the kernel itself offers, then sync. May block: called in a child.
 */
void machine_unmount(void);

/* The text of a mountinfo field with its octal escapes undone, in place. */
void machine_unescape(char *path);

#endif
