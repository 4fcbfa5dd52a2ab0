/* SPDX-License-Identifier: Apache-2.0 */

/* A question of an expression becomes one of access/access.h. */

#include <stdio.h>
#include <string.h>

#include "cluster/access/access.h"
#include "cluster/match/authorizer.h"
#include "cluster/registry/registry.h"
#include "cluster/schema/schema.h"

static const char *text_or_null(const char *text)
{
	return *text ? text : NULL;
}

static int allows(const struct cel_authorizer *by, const struct cel_question *q, char **why)
{
	const struct attempt *a = container_of(by, const struct write_authorizer, cel)->a;
	struct access *access = registry_access(a->registry);
	char user[512], group[320];
	const char *const groups[] = {"system:serviceaccounts", group};
	const struct caller account = {
		.user = user, .uid = "", .groups = groups, .n_groups = array_len(groups)};
	const struct access_question ask = {.who = *q->account ? &account : a->who,
		.verb = q->verb,
		.group = q->group,
		.resource = q->resource,
		.subresource = q->subresource,
		.ns = q->ns,
		.name = q->name,
		.path = text_or_null(q->path),
		.field_selector = text_or_null(q->field_selector),
		.label_selector = text_or_null(q->label_selector)};

	if (!access) {
		*why = strdup("nobody knows yet who may do what");
		return -1;
	}
	snprintf(user, sizeof(user), "system:serviceaccount:%s:%s", q->account_ns, q->account);
	snprintf(group, sizeof(group), "system:serviceaccounts:%s", q->account_ns);
	return access_allowed(access, &ask, why);
}

struct write_authorizer write_authorizer_of(const struct attempt *a)
{
	const struct schema_kind *kind = a->asked ? a->asked : a->kind;

	return (struct write_authorizer){.a = a,
		.cel = {.allows = allows,
			.request = {.account_ns = "",
				.account = "",
				.path = "",
				.verb = "",
				.group = kind->group,
				.resource = kind->plural,
				.subresource = a->subresource,
				.ns = a->ns,
				.name = a->name,
				.field_selector = "",
				.label_selector = ""}}};
}
