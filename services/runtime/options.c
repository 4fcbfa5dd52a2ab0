/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "runtime/cmd.h"
#include "runtime/fail.h"

static void help(const struct rt_opt *opts, size_t n, const char *usage)
{
	printf("usage: runtime %s\n", usage);
	for (size_t i = 0; i < n; i++) {
		char name[64];

		snprintf(name, sizeof(name), "--%s%s%s%s", opts[i].name, opts[i].alias ? ", -" : "",
			opts[i].alias ? opts[i].alias : "", opts[i].kind == OPT_FLAG ? "" : " VALUE");
		printf("  %-30s %s\n", name, opts[i].help);
	}
}

static bool is(const char *name, const char *text, size_t len)
{
	return name && strlen(name) == len && !strncmp(name, text, len);
}

static int set(const struct rt_opt *o, const char *value)
{
	if (o->kind == OPT_FLAG) {
		bool on = !value || !strcmp(value, "true") || !strcmp(value, "1");

		if (!on && strcmp(value, "false") && strcmp(value, "0"))
			return rt_refuse("--%s is true or false, not %s", o->name, value);
		*(bool *)o->out = on;
	} else if (o->kind == OPT_STRING) {
		*(const char **)o->out = value;
	} else if (o->kind == OPT_LIST) {
		struct rt_list *l = o->out;

		if (l->n == RT_LIST_MAX)
			return rt_refuse("--%s is given more than %d times", o->name, RT_LIST_MAX);
		l->v[l->n++] = value;
	} else {
		unsigned long n = 0;

		if (!*value || strlen(value) > 9 || value[strspn(value, "0123456789")])
			return rt_refuse("--%s needs a number, not %s", o->name, value);
		n = strtoul(value, NULL, 10);
		*(unsigned *)o->out = (unsigned)n;
	}
	return 0;
}

int rt_options(struct rt_args *a, const struct rt_opt *opts, size_t n, const char *usage)
{
	while (a->argc > 0 && a->argv[0][0] == '-' && a->argv[0][1]) {
		const char *word = a->argv[0] + 1 + (a->argv[0][1] == '-');
		size_t len = strcspn(word, "="), i;
		const char *value = word[len] ? word + len + 1 : NULL;

		a->argc--;
		a->argv++;
		if (!*word)
			return 0; /* -- */
		if (is("help", word, len) || is("h", word, len)) {
			help(opts, n, usage);
			return RT_HELP;
		}
		for (i = 0; i < n && !is(opts[i].name, word, len) && !is(opts[i].alias, word, len); i++)
			;
		if (i == n)
			return rt_refuse("unknown option -%s; usage: runtime %s", word, usage);
		if (!value && opts[i].kind != OPT_FLAG) {
			if (!a->argc)
				return rt_refuse("--%s needs a value", opts[i].name);
			value = a->argv[0];
			a->argc--;
			a->argv++;
		}
		int r = set(&opts[i], value);

		if (r < 0)
			return r;
	}
	return 0;
}

int rt_operands(const struct rt_args *a, int min, int max, const char *usage)
{
	if (a->argc < min || a->argc > max)
		return rt_refuse("usage: runtime %s", usage);
	return 0;
}

int rt_signal_number(const char *text)
{
	static const struct {
		const char *name;
		int number;
	} names[] = {{"HUP", SIGHUP}, {"INT", SIGINT}, {"QUIT", SIGQUIT}, {"ILL", SIGILL}, {"TRAP", SIGTRAP},
		{"ABRT", SIGABRT}, {"IOT", SIGIOT}, {"BUS", SIGBUS}, {"FPE", SIGFPE}, {"KILL", SIGKILL},
		{"USR1", SIGUSR1}, {"SEGV", SIGSEGV}, {"USR2", SIGUSR2}, {"PIPE", SIGPIPE}, {"ALRM", SIGALRM},
		{"TERM", SIGTERM}, {"STKFLT", 16}, {"CHLD", SIGCHLD}, {"CLD", SIGCHLD}, {"CONT", SIGCONT},
		{"STOP", SIGSTOP}, {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN}, {"TTOU", SIGTTOU}, {"URG", SIGURG},
		{"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ}, {"VTALRM", SIGVTALRM}, {"PROF", SIGPROF},
		{"WINCH", SIGWINCH}, {"IO", SIGIO}, {"POLL", SIGIO}, {"PWR", SIGPWR}, {"SYS", SIGSYS}};

	if (*text && !text[strspn(text, "0123456789")]) {
		long n = strlen(text) < 4 ? strtol(text, NULL, 10) : 1000;

		if (n >= 0 && n <= 64)
			return (int)n;
		return rt_refuse("unknown signal %s", text);
	}
	const char *name = strncasecmp(text, "SIG", 3) ? text : text + 3;

	for (size_t i = 0; i < array_len(names); i++)
		if (!strcasecmp(names[i].name, name))
			return names[i].number;
	if (!strncasecmp(name, "RTMIN", 5) || !strncasecmp(name, "RTMAX", 5)) {
		bool min = !strncasecmp(name, "RTMIN", 5);
		int base = min ? 34 : 64;
		const char *rest = name + 5;

		if (!*rest)
			return base;
		if (*rest == (min ? '+' : '-') && strlen(rest) < 4 && rest[1] &&
			!rest[1 + strspn(rest + 1, "0123456789")]) {
			int n = atoi(rest + 1);

			if (n <= 30)
				return min ? base + n : base - n;
		}
	}
	return rt_refuse("unknown signal %s", text);
}
