/* SPDX-License-Identifier: Apache-2.0 */

/* wherryctl: the table of its subcommands. */

#include <stdio.h>
#include <string.h>

#include "applets.h"
#include "ctl/ctl.h"
#include "lib/util.h"

static const struct subcommand {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *words; /* its arguments */
	const char *help;
} subcommands[] = {
	{"status", ctl_status, "", "what the machine is, what is up and what is not"},
	{"banner", ctl_banner, "", "the same, for the console: 0 also when something is not up"},
	{"services", ctl_verb, "", "every service and its state"},
	{"store", ctl_store, "[PREFIX]", "names under which init keeps descriptors for services"},
	{"logs", ctl_logs, "[-f] SERVICE", "what a service, init or the kernel said"},
	{"start", ctl_verb, "SERVICE", "start a service that is down, or gave up"},
	{"stop", ctl_verb, "SERVICE", "stop a service until it is started again"},
	{"restart", ctl_verb, "SERVICE", "stop a service, then start it"},
	{"reboot", ctl_verb, "", "stop everything, then restart the machine"},
	{"poweroff", ctl_verb, "", "stop everything, then power off"},
	{"kubeconfig", ctl_kubeconfig, "[HOST[:PORT]]", "the cluster administrator's, for your own kubectl"},
	{"snapshot", ctl_snapshot, "save|restore FILE",
		"the cluster's store as one file; - is stdout, stdin"},
	{"check", ctl_check, "FILE", "check a machine configuration as a node would"},
	{"gen", ctl_gen, "DIR [OPTION]...", "make a node's secrets and configuration (`gen --help`)"},
};

static int usage(FILE *to)
{
	fputs("usage: wherryctl COMMAND\n\n", to);
	for (size_t i = 0; i < array_len(subcommands); i++)
		fprintf(to, "  %-10s %-22s %s\n", subcommands[i].name, subcommands[i].words,
			subcommands[i].help);
	return to == stderr ? 2 : 0;
}

int wherryctl_main(int argc, char **argv)
{
	if (argc < 2)
		return usage(stderr);
	if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return usage(stdout);
	for (size_t i = 0; i < array_len(subcommands); i++)
		if (!strcmp(subcommands[i].name, argv[1]))
			return subcommands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "wherryctl: no command \"%s\"\n", argv[1]);
	return usage(stderr);
}
