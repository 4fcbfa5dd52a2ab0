/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_IMAGE_REGISTRIES_H
#define ENGINE_IMAGE_REGISTRIES_H

#include <stddef.h>

#include "engine/image.h"
#include "lib/web.h"

/*
 * Where a name's registry is: its mirrors in order, then itself, as engine.registries of the machine
 * configuration says
 * ({host, ca, insecure, mirrors[]}). A mirror is a host[:port] or a URL without a path.
 */

/* engine.proxy of the machine configuration; @config NULL or without it: none. What is malformed is left out. 0 or
 * -ENOMEM; web_proxy_fini() in either case. */
must_check int registry_proxy_init(struct web_proxy *p, const char *config, size_t len);

struct registry_endpoint {
	char base[IMAGE_DOMAIN_MAX + 16]; /* https://host[:port] */
	char host[IMAGE_DOMAIN_MAX + 1];  /* host[:port], for comparison */
	bool insecure;			  /* any certificate will do, and http:// when there is no TLS */
	bool own;			  /* the registry itself: credentials are for it and nobody else */
	int ca_fd;			  /* PEM: its own authorities and the public ones; -1: only those */
	const struct web_proxy *proxy;	  /* borrowed; NULL: none */
};

enum { REGISTRY_ENDPOINTS_MAX = 16 };

struct registry_endpoints {
	struct registry_endpoint list[REGISTRY_ENDPOINTS_MAX];
	size_t n;
	struct web_proxy proxy;
};

/**
 * registry_endpoints_init() - look the registry of @domain up
 * @config:	JSON of the machine configuration; NULL: nothing is configured
 *
 * What is malformed in @config is logged and left out. Return: 0 or -errno.
 */
must_check int registry_endpoints_init(
	struct registry_endpoints *out, const char *config, size_t len, const char *domain);
void registry_endpoints_fini(struct registry_endpoints *e);

#endif
