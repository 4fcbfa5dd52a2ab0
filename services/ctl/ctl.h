/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_H
#define CTL_H

/*
 * wherryctl: one row a subcommand in ctl.c, one function here. Each gets argv from its own name on and
 * returns the exit status: 0, 1 for a failure that was told, 2 for words that make no sense.
 */
int ctl_banner(int argc, char **argv);
int ctl_check(int argc, char **argv);
int ctl_gen(int argc, char **argv);
int ctl_kubeconfig(int argc, char **argv);
int ctl_logs(int argc, char **argv);
int ctl_snapshot(int argc, char **argv);
int ctl_status(int argc, char **argv);
int ctl_store(int argc, char **argv);
int ctl_verb(int argc, char **argv); /* what init does by the same words */

#endif
