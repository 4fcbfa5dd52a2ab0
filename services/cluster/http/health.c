/* SPDX-License-Identifier: Apache-2.0 */

/*
 * /healthz, /livez and /readyz: checks by name. All of them are asked together, but for those that `exclude` names, or one by
 * its path; `verbose` lists them, and so does a failure.
 */

#include <errno.h>
#include <string.h>

#include "cluster/http/http_int.h"

static bool is_ready(const struct api *a)
{
	return a->ready;
}

static const struct check {
	const char *name;
	bool (*ok)(const struct api *a); /* NULL: who can say so is */
	bool only_ready;		 /* asked by /readyz alone */
} checks[] = {
	{"ping", NULL, false},
	{"poststarthook/bootstrap", is_ready, true},
};

static bool is_excluded(const struct request *q, const char *name)
{
	const char *names[8];
	size_t n = http_query_all(q->http, "exclude", names, array_len(names));

	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

void handle_health(struct request *q)
{
	const char *root = http_path(q->http) + 1, *one = strchr(root, '/');
	size_t len = one ? (size_t)(one - root) : strlen(root), asked = 0;
	bool all = !one || !one[1], ready = !strncmp(root, "readyz", len), ok = true;
	struct text t = {0};

	for (size_t i = 0; i < array_len(checks); i++) {
		const struct check *c = &checks[i];
		bool good = !c->ok || c->ok(q->api);

		if ((c->only_ready && !ready) ||
			(all ? is_excluded(q, c->name) : strcmp(one + 1, c->name) != 0))
			continue;
		asked++;
		ok &= good;
		text_printf(&t, good ? "[+]%s ok\n" : "[-]%s failed: reason withheld\n", c->name);
	}
	text_printf(&t, "%.*s check %s\n", (int)len, root, ok ? "passed" : "failed");
	text_add(&t, "", 1);
	if (t.failed)
		reply_status(q, status_errno(-ENOMEM, "check"));
	else if (!all && !asked)
		reply_plain(q, 404, "text/plain; charset=utf-8", "404 page not found\n");
	else
		reply_plain(q, ok ? 200 : 500, "text/plain; charset=utf-8",
			ok && !request_flag(q, "verbose") ? "ok" : t.bytes);
	text_fini(&t);
}
