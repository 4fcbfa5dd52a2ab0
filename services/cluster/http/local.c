/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Sockets for the parts of this node. Who may open one is known by that, as who may read a client's key is known by its
 * certificate, so nothing is shown, encrypted or checked on a connection that never leaves the machine.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/http/http_int.h"
#include "lib/log.h"

struct local {
	struct local *next;
	struct api *api;
	struct http_server *http;
	char *user, *group;
};

static void local_free(struct local *l)
{
	http_server_free(l->http);
	free(l->user);
	free(l->group);
	free(l);
}

static void on_request(struct http_req *r, void *arg)
{
	const struct local *l = arg;

	request_begin(l->api, r, l);
}

struct caller *local_caller(const struct local *l)
{
	const char *const groups[] = {l->group, "system:authenticated"};

	return access_caller(l->user, "", groups, array_len(groups));
}

/* It has its name once it is listening: who finds it is not refused. */
static int listen_at(struct local *l, const char *path)
{
	cleanup(freep) char *fresh = NULL;
	int err;

	if (asprintf(&fresh, "%s.new", path) < 0)
		return -ENOMEM;
	err = http_server_listen_unix(l->http, fresh, 0600);
	if (!err && rename(fresh, path) < 0)
		err = log_errno(errno, "op=listen path=%s", path);
	return err;
}

int api_listen_local(struct api *a, const char *path, const char *user, const char *group)
{
	struct local *l = calloc(1, sizeof(*l));
	int err;

	if (!l)
		return -ENOMEM;
	l->api = a;
	l->user = strdup(user);
	l->group = strdup(group);
	err = l->user && l->group ? http_server_new(&l->http, a->loop, on_request, l) : -ENOMEM;
	if (!err)
		err = listen_at(l, path);
	if (err) {
		local_free(l);
		return err;
	}
	l->next = a->locals;
	a->locals = l;
	return 0;
}

void locals_close(struct api *a)
{
	struct local *l;

	while ((l = a->locals)) {
		a->locals = l->next;
		local_free(l);
	}
}
