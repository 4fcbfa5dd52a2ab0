/* SPDX-License-Identifier: Apache-2.0 */

/* `wherry engine_pull`: reads the orders, runs the pull (pull.c) or the login, says how it ended. Only the
 * engine starts it. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <yyjson.h>

#include "applets.h"
#include "engine/image/image_int.h"
#include "engine/image/pull_int.h"
#include "lib/errno_text.h"
#include "lib/file.h"

enum { ORDERS_MAX = 256 << 10, CONFIG_MAX = 4 << 20 };

static ssize_t read_orders(char *buf, size_t size)
{
	ssize_t n = file_fill(0, buf, size);

	return n < 0 || (size_t)n < size ? n : -E2BIG;
}

static const char *text(yyjson_val *orders, const char *key)
{
	return yyjson_get_str(yyjson_obj_get(orders, key));
}

static int pull(struct pull *p, yyjson_val *orders)
{
	const char *dir = text(orders, "dir"), *name = text(orders, "name"),
		   *config_path = text(orders, "config");
	struct registry_endpoints endpoints = {.n = 0};
	struct auth_credentials credentials = {NULL};
	struct fetch_setup setup = {.path = p->ref.path,
		.endpoints = &endpoints,
		.credentials = &credentials,
		.patience_s = (unsigned)yyjson_get_uint(yyjson_obj_get(orders, "patience_s"))};
	const char *verb = text(orders, "verb");
	bool login = verb && !strcmp(verb, "login"), inspect = verb && !strcmp(verb, "inspect");
	cleanup(freep) char *config = NULL;
	struct image_reason why = {0};
	size_t config_len = 0;
	int r;

	if (!dir || !name)
		return pull_fail(p, -EINVAL, "engine_pull is for the engine");
	if (login) {
		if (strlen(name) >= sizeof(p->ref.domain) || !image_domain_valid(name))
			return pull_fail(p, -EINVAL, "%.256s is not the address of a registry", name);
		strcpy(p->ref.domain, name);
	} else {
		r = image_ref_parse(&p->ref, name);
		if (r < 0)
			return pull_fail(p, r, "invalid reference format: %.256s", name);
		image_ref_default_tag(&p->ref);
		if (*p->ref.digest)
			*p->ref.tag = '\0';
	}
	r = image_platform_parse(&p->platform, text(orders, "platform"), &why);
	if (r < 0)
		return pull_fail(p, r, "%s", why.text);
	/* what the client sends as credentials need not be any */
	if (auth_credentials_parse(text(orders, "auth"), &credentials) < 0)
		memset(&credentials, 0, sizeof(credentials));
	if (config_path) {
		r = file_read(AT_FDCWD, config_path, CONFIG_MAX, &config, &config_len);
		if (r < 0 && r != -ENOENT)
			return pull_fail(p, r, "%.200s: %s", config_path, errno_text(-r));
	}
	r = registry_endpoints_init(&endpoints, config, config_len, p->ref.domain);
	if (r < 0)
		return pull_fail(p, r, "registry %s: %s", p->ref.domain, errno_text(-r));
	if (login)
		r = pull_login(p, &setup, p->ref.domain);
	else if (inspect)
		r = pull_inspect(p, &setup);
	else
		r = pull_init(p, dir, &setup);
	auth_credentials_fini(&credentials);
	if (r == 0 && !login && !inspect)
		r = pull_run(p);
	registry_endpoints_fini(&endpoints);
	return r;
}

int engine_pull_main(int argc, char **argv)
{
	static char orders[ORDERS_MAX];
	struct pull p = {.lock = -1, .sock = -1, .disk = {-1, -1, -1, -1, -1, -1, -1}};
	yyjson_doc *doc;
	ssize_t n;
	int r;

	signal(SIGPIPE, SIG_IGN);
	n = read_orders(orders, sizeof(orders));
	doc = n < 0 ? NULL : yyjson_read(orders, (size_t)n, 0);
	explicit_bzero(orders, sizeof(orders));
	r = doc ? pull(&p, yyjson_doc_get_root(doc))
		: pull_fail(&p, -EINVAL, "engine_pull is for the engine");
	yyjson_doc_free(doc);
	pull_fini(&p);
	dprintf(1, "!%d %s\n", r, r ? p.error : p.result ? p.result : "");
	free(p.result);
	return r ? 1 : 0;
}
