/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Objects in the version that was asked for, where a webhook of their definition makes it. Whoever answers says how, and is called
 * when the objects are there: at once, if nobody has to be asked.
 */

#include <errno.h>
#include <stdlib.h>

#include "cluster/http/http_int.h"
#include "cluster/webhooks/conversion.h"

struct waiting {
	struct request *q;
	int code;
	request_answer *answer;
};

static void on_converted(struct status *error, struct object *const *objects, size_t n, void *arg)
{
	struct waiting *w = arg;
	struct request *q = w->q;

	if (error)
		reply_status(q, error);
	else
		w->answer(q, w->code, objects[0]);
	request_unref(q);
	free(w);
}

void request_in_version(struct request *q, int code, const struct object *o, request_answer *answer)
{
	struct object *one = (struct object *)(uintptr_t)o;
	struct waiting *w;

	if (!conversion_needed(&one, 1, q->kind)) {
		answer(q, code, o);
		return;
	}
	w = malloc(sizeof(*w));
	if (w) {
		*w = (struct waiting){.q = q, .code = code, .answer = answer};
		if (conversion_start(
			    registry_webhooks(q->api->registry), q->kind, &one, 1, on_converted, w)) {
			request_ref(q);
			return;
		}
	}
	free(w);
	reply_status(q, status_errno(-ENOMEM, "conversion"));
}

struct waiting_list {
	struct request *q;
	struct list *list;
	void (*then)(struct request *q);
};

static void on_list_converted(struct status *error, struct object *const *objects, size_t n, void *arg)
{
	struct waiting_list *w = arg;
	struct request *q = w->q;

	for (size_t i = 0; !error && i < n; i++) {
		struct object *was = w->list->items[i];

		w->list->items[i] = object_ref(objects[i]);
		object_unref(was);
	}
	if (error)
		reply_status(q, error);
	else if (q->http)
		w->then(q);
	request_unref(q);
	free(w);
}

void request_list_in_version(struct request *q, struct list *list, void (*then)(struct request *q))
{
	struct waiting_list *w;

	if (!conversion_needed(list->items, list->n, q->kind)) {
		then(q);
		return;
	}
	w = malloc(sizeof(*w));
	if (w) {
		*w = (struct waiting_list){.q = q, .list = list, .then = then};
		if (conversion_start(registry_webhooks(q->api->registry), q->kind, list->items, list->n,
			    on_list_converted, w)) {
			request_ref(q);
			return;
		}
	}
	free(w);
	reply_status(q, status_errno(-ENOMEM, "conversion"));
}
