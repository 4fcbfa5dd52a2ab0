/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/file.h"
#include "lib/log.h"
#include "lib/service.h"

enum { OPTIONS_MAX = 16, CONFIG_MAX = 4 << 20 };

static bool set(const struct service_option *o, const char *value)
{
	char *end;
	long n;

	if (o->flag) {
		*o->flag = true;
		return true;
	}
	if (o->text) {
		*o->text = value;
		return true;
	}
	n = strtol(value, &end, 10);
	if (end == value || *end || n < 1 || n > 65535) {
		fprintf(stderr, "--%s %s: this is no port, which is a number from 1 to 65535\n", o->name,
			value);
		return false;
	}
	*o->port = (int)n;
	return true;
}

int service_options(const struct service_option *options, const char *help, int argc, char **argv)
{
	struct option all[OPTIONS_MAX + 2] = {{"help", no_argument, NULL, 0}};
	int n = 0, at = 0, c;

	for (; options[n].name; n++) {
		if (n == OPTIONS_MAX)
			abort(); /* the table is the program's own */
		all[n + 1] = (struct option){
			options[n].name, options[n].flag ? no_argument : required_argument, NULL, 0};
	}
	optind = 1;
	while ((c = getopt_long(argc, argv, "", all, &at)) != -1) {
		if (!c && !at) {
			fputs(help, stdout);
			return 0;
		}
		if (c || !set(&options[at - 1], optarg)) {
			fputs(help, stderr);
			return 2;
		}
	}
	if (optind == argc)
		return -1;
	fprintf(stderr, "%s: only options are known here\n%s", argv[optind], help);
	return 2;
}

static void on_signal(struct loop *l, const siginfo_t *si, void *arg)
{
	loop_quit(l, 0);
}

int service_loop(struct loop **out)
{
	sigset_t set;
	int err;

	signal(SIGPIPE, SIG_IGN);
	umask(022);
	loop_raise_nofile();
	err = loop_new(out);
	if (err)
		return err;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	err = loop_signals(*out, &set, on_signal, NULL);
	if (err)
		loop_free(take(*out));
	return err;
}

yyjson_doc *service_config(const char *path)
{
	cleanup(freep) char *text = NULL;
	yyjson_doc *doc = NULL;
	size_t len;
	int err = file_read(AT_FDCWD, path, CONFIG_MAX, &text, &len);

	if (!err) {
		doc = yyjson_read(text, len, YYJSON_READ_NOFLAG);
		err = doc ? 0 : -EINVAL;
	}
	if (err)
		log_errno(-err, "op=config file=%s msg=\"going on without\"", path);
	return doc;
}

int service_dir(const char *path)
{
	return mkdir(path, 0700) < 0 && errno != EEXIST ? log_errno(errno, "op=make dir=%s", path) : 0;
}
