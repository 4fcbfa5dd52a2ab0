/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>
#include <string.h>

#include "engine/api.h"
#include "engine/container.h"
#include "engine/wait.h"

struct waiter {
	struct http_req *r;
	enum wait_event until;
	struct waiter *next, **link;
};

static void unlink_waiter(struct waiter *w)
{
	if (!w->link)
		return;
	*w->link = w->next;
	if (w->next)
		w->next->link = w->link;
	w->link = NULL;
}

static void on_closed(struct http_req *r, bool ok, void *arg)
{
	struct waiter *w = arg;

	unlink_waiter(w);
	free(w);
}

static void answer(struct http_req *r, int code, const char *error)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = doc ? yyjson_mut_obj(doc) : NULL;
	char *text = NULL;
	size_t len = 0;

	if (o) {
		yyjson_mut_doc_set_root(doc, o);
		yyjson_mut_obj_add_int(doc, o, "StatusCode", code);
		if (error) {
			yyjson_mut_val *err = yyjson_mut_obj(doc);

			yyjson_mut_obj_add_str(doc, err, "Message", error);
			yyjson_mut_obj_add_val(doc, o, "Error", err);
		}
		text = yyjson_mut_write(doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE, &len);
	}
	yyjson_mut_doc_free(doc);
	/* Without memory the answer ends early, which the client reports. */
	if (text && !http_write(r, text, len))
		(void)!http_write(r, "\n", 1);
	free(text);
	http_end(r);
}

void wait_notify(struct container *c, enum wait_event ev)
{
	/* Answering ends the request, which unlinks its waiter. Taking from the front is safe whatever goes
	 * away meanwhile. */
	struct waiter *due = NULL;

	for (struct waiter *w = c->waiters, *next; w; w = next) {
		next = w->next;
		if (w->until != ev && ev != WAIT_REMOVED)
			continue;
		unlink_waiter(w);
		w->next = due;
		w->link = &due;
		if (due)
			due->link = &w->next;
		due = w;
	}

	int code = c->exit_code;

	while (due) {
		struct waiter *w = due;

		unlink_waiter(w);
		answer(w->r, code, NULL);
	}
}

void wait_handle(struct engine *e, struct http_req *r, const char *name)
{
	struct container *c = container_or_404(e, r, name);
	const char *condition = http_query(r, "condition");
	enum wait_event until = WAIT_STOPPED;

	if (!c)
		return;
	if (condition && !strcmp(condition, "removed")) {
		until = WAIT_REMOVED;
	} else if (condition && *condition && strcmp(condition, "not-running") != 0 &&
		   strcmp(condition, "next-exit") != 0) {
		api_error(r, 400, "invalid condition: \"%s\" (not-running, next-exit or removed)", condition);
		return;
	}

	bool next_exit = condition && !strcmp(condition, "next-exit");
	bool stopped =
		c->state == CONTAINER_CREATED || c->state == CONTAINER_EXITED || c->state == CONTAINER_DEAD;

	http_reply_start(r, 200, "application/json");
	if (until == WAIT_STOPPED && !next_exit && stopped) {
		answer(r, c->exit_code, NULL);
		return;
	}

	struct waiter *w = calloc(1, sizeof(*w));

	if (!w) {
		answer(r, 125, "out of memory");
		return;
	}
	*w = (struct waiter){.r = r, .until = until, .next = c->waiters, .link = &c->waiters};
	if (w->next)
		w->next->link = &w->next;
	c->waiters = w;
	http_on_closed(r, on_closed, w);
}
