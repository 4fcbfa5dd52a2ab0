/* SPDX-License-Identifier: Apache-2.0 */

/* Answers that come later: the note that outlives whichever ends first, the request or what it asked for. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/api.h"
#include "lib/errno_text.h"

struct api_later {
	struct http_req *r; /* NULL once the client has gone */
	bool answered;
};

static void closed(struct http_req *r, bool ok, void *arg)
{
	struct api_later *l = arg;

	l->r = NULL;
	if (l->answered)
		free(l);
}

struct api_later *api_later_new(struct http_req *r)
{
	struct api_later *l = calloc(1, sizeof(*l));

	if (!l) {
		api_error(r, 500, "out of memory");
		return NULL;
	}
	l->r = r;
	http_on_closed(r, closed, l);
	return l;
}

struct http_req *api_later_take(struct api_later *l)
{
	struct http_req *r = l->r;

	if (r)
		l->answered = true;
	else
		free(l);
	return r;
}

void api_later_answer(struct api_later *l, int err, int status, const char *msg)
{
	struct http_req *r = api_later_take(l);

	if (!r)
		return;
	if (!err)
		api_empty(r, 204);
	else if (err == -EALREADY)
		api_empty(r, 304);
	else
		api_error(r, status, "%s", msg ? msg : errno_text(-err));
}
