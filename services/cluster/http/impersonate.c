/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Impersonation: a request that is carried out as somebody else's, for those who may. Each header asks for a leave of its own,
 * under the verb "impersonate": of users, or of a service account in its namespace; of groups; and in authentication.k8s.io
 * of uids and of userextras, whose subresource is the key. Without groups, a service account has those of its namespace.
 */

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/http/http_int.h"
#include "cluster/registry/caller.h"
#include "lib/uri.h"

/* Of one request; the header has room for little more. */
enum { VALUES_MAX = 100 };

#define AUTHENTICATION "authentication.k8s.io"
#define EXTRA	       "Impersonate-Extra-"

static const char account_prefix[] = "system:serviceaccount:";

/* Whom a request asks to be. Points into the request, except for @keys. */
struct disguise {
	const char *user, *uid;
	const char *groups[VALUES_MAX + 3];
	size_t n_groups;
	char *keys[VALUES_MAX]; /* of extras, owned */
	const char *values[VALUES_MAX];
	size_t n_extras;
};

static void disguise_fini(struct disguise *d)
{
	for (size_t i = 0; i < d->n_extras; i++)
		free(d->keys[i]);
}

/* Keys come in any case, and what a header's name cannot have is percent-encoded in them. */
static struct status *add_extra(struct disguise *d, const char *key, const char *value)
{
	char *k = strdup(key);
	ssize_t len;

	if (!k)
		return status_errno(-ENOMEM, "request");
	for (char *at = k; *at; at++)
		*at = (char)tolower((unsigned char)*at);
	d->values[d->n_extras] = value;
	d->keys[d->n_extras++] = k;
	len = uri_decode(k, strlen(k), false);
	if (len <= 0)
		return status_bad_request("the header " EXTRA "%s: its key is not well encoded", key);
	k[len] = '\0';
	return NULL;
}

static struct status *read_headers(const struct http_req *r, struct disguise *d)
{
	const char *name, *value;
	struct status *err = NULL;

	for (size_t i = 0; !err && http_header_at(r, i, &name, &value); i++) {
		if (!strcasecmp(name, "Impersonate-Group")) {
			if (d->n_groups == VALUES_MAX)
				return status_bad_request(
					"more than %d Impersonate-Group headers", VALUES_MAX);
			d->groups[d->n_groups++] = value;
		} else if (!strncasecmp(name, EXTRA, sizeof(EXTRA) - 1)) {
			if (d->n_extras == VALUES_MAX)
				return status_bad_request("more than %d " EXTRA " headers", VALUES_MAX);
			err = add_extra(d, name + sizeof(EXTRA) - 1, value);
		}
	}
	d->user = http_header(r, "Impersonate-User");
	d->uid = http_header(r, "Impersonate-Uid");
	if (!err && !(d->user && *d->user) && (d->uid || d->n_groups || d->n_extras))
		err = status_bad_request("a group, uid or extra is to be impersonated without a user: "
					 "Impersonate-User is missing");
	return err;
}

/* May who asks be this one? @ask: verb and who are filled in here. */
static struct status *check_leave(const struct request *q, struct access_question ask)
{
	char scope[320] = "at the cluster scope";

	ask.who = q->who;
	ask.verb = "impersonate";
	if (access_allowed(q->api->access, &ask, NULL))
		return NULL;
	if (*ask.ns)
		snprintf(scope, sizeof(scope), "in the namespace \"%s\"", ask.ns);

	struct status *err = status_new(403, "Forbidden",
		"%s%s%s \"%s\" is forbidden: User \"%s\" cannot impersonate resource \"%s%s%s\" in API group \"%s\" %s",
		ask.resource, *ask.group ? "." : "", ask.group, ask.name, q->who->user, ask.resource,
		*ask.subresource ? "/" : "", ask.subresource, ask.group, scope);

	status_set_details(err, ask.group, ask.resource, ask.name, NULL);
	return err;
}

/* system:serviceaccount:NS:NAME. @ns has room for a namespace and the name behind it. */
static bool is_account(const char *user, char *ns, size_t size, const char **name)
{
	size_t prefix = sizeof(account_prefix) - 1;
	char *colon;

	if (strncmp(user, account_prefix, prefix) != 0 || strlen(user + prefix) >= size)
		return false;
	strcpy(ns, user + prefix);
	colon = strchr(ns, ':');
	if (!colon || colon == ns || !colon[1] || strchr(colon + 1, ':'))
		return false;
	*colon = '\0';
	*name = colon + 1;
	return true;
}

static struct status *check_all(
	const struct request *q, const struct disguise *d, const char *ns, const char *account)
{
	const struct access_question nothing = {.group = "", .subresource = "", .ns = "", .name = ""};
	struct access_question ask = nothing;
	struct status *err;

	ask.resource = account ? "serviceaccounts" : "users";
	ask.ns = account ? ns : "";
	ask.name = account ? account : d->user;
	err = check_leave(q, ask);
	for (size_t i = 0; !err && i < d->n_groups; i++) {
		ask = nothing;
		ask.resource = "groups";
		ask.name = d->groups[i];
		err = check_leave(q, ask);
	}
	for (size_t i = 0; !err && i < d->n_extras; i++) {
		ask = nothing;
		ask.group = AUTHENTICATION;
		ask.resource = "userextras";
		ask.subresource = d->keys[i];
		ask.name = d->values[i];
		err = check_leave(q, ask);
	}
	if (!err && d->uid) {
		ask = nothing;
		ask.group = AUTHENTICATION;
		ask.resource = "uids";
		ask.name = d->uid;
		err = check_leave(q, ask);
	}
	return err;
}

/* Groups that nobody has to ask for. @room: for the group of a namespace */
static void complete_groups(struct disguise *d, const char *ns, const char *account, char *room, size_t size)
{
	bool anonymous = !strcmp(d->user, "system:anonymous");
	const char *own = anonymous ? "system:unauthenticated" : "system:authenticated";

	if (account && !d->n_groups) {
		snprintf(room, size, "system:serviceaccounts:%s", ns);
		d->groups[d->n_groups++] = "system:serviceaccounts";
		d->groups[d->n_groups++] = room;
	}
	for (size_t i = 0; i < d->n_groups; i++)
		if (!strcmp(d->groups[i], "system:authenticated") ||
			!strcmp(d->groups[i], "system:unauthenticated"))
			return;
	d->groups[d->n_groups++] = own;
}

/* The values of one key are together, in the order in which they came. */
static struct caller *new_caller(const struct disguise *d)
{
	struct caller_extra extra[VALUES_MAX];
	const char *sorted[VALUES_MAX];
	struct caller c = {.user = d->user,
		.uid = d->uid ? d->uid : "",
		.groups = d->groups,
		.n_groups = d->n_groups,
		.extra = extra};
	size_t n = 0;

	for (size_t i = 0; i < d->n_extras; i++) {
		size_t first = 0;

		while (strcmp(d->keys[first], d->keys[i]) != 0)
			first++;
		if (first < i)
			continue;
		extra[c.n_extra] = (struct caller_extra){.key = d->keys[i], .values = sorted + n};
		for (size_t k = i; k < d->n_extras; k++)
			if (!strcmp(d->keys[k], d->keys[i])) {
				sorted[n++] = d->values[k];
				extra[c.n_extra].n_values++;
			}
		c.n_extra++;
	}
	return caller_copy(&c);
}

struct status *impersonate(struct request *q)
{
	struct disguise d = {0};
	char ns[512], all[600];
	const char *account = NULL;
	struct caller *as;
	struct status *err = read_headers(q->http, &d);

	if (!err && d.user) {
		is_account(d.user, ns, sizeof(ns), &account);
		err = check_all(q, &d, ns, account);
		if (!err) {
			complete_groups(&d, ns, account, all, sizeof(all));
			as = new_caller(&d);
			if (as) {
				free(q->who);
				q->who = as;
			} else {
				err = status_errno(-ENOMEM, "request");
			}
		}
	}
	disguise_fini(&d);
	return err;
}
