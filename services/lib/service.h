/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_SERVICE_H
#define LIB_SERVICE_H

/* What the beginning of every service of a cluster is: its options, its loop, its section of the machine configuration, its folders. */

#include <yyjson.h>

#include "lib/loop.h"
#include "lib/util.h"

/* One of --name VALUE (or --name alone); what is not given keeps its value. */
struct service_option {
	const char *name;
	/* exactly one of these: */
	const char **text; /* borrowed from argv */
	int *port;	   /* 1 to 65535 */
	bool *flag;	   /* takes no value */
};

/**
 * service_options() - read a command line that has nothing but options
 * @options:	ended by one without a name
 * @help:	printed for --help, and on stderr when something is wrong
 *
 * Return: -1: go on; otherwise the status to exit with: 0 after --help, 2 after what is wrong, which is named.
 */
must_check int service_options(const struct service_option *options, const char *help, int argc, char **argv);

/* The loop of a service: SIGTERM and SIGINT end it, SIGPIPE nothing; it may hold many connections. 0 or -errno. */
must_check int service_loop(struct loop **out);

/**
 * service_config() - read the rendered machine configuration
 *
 * Return: the document, the caller's; NULL when there is none that can be read, which is logged: a service goes on with what it
 * does by itself.
 */
yyjson_doc *service_config(const char *path);

/* Makes a folder that only we enter, unless it is there. 0 or -errno, logged. */
must_check int service_dir(const char *path);

#endif
