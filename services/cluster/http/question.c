/* SPDX-License-Identifier: Apache-2.0 */

/* Policies and webhooks of both phases, one after the other, about what is asked of an object and is none itself. */

#include "cluster/http/subresources.h"

void question_init(struct question *w, struct request *q, enum admit_verb verb, yyjson_mut_doc *doc)
{
	*w = (struct question){.q = q,
		.attempt = {.registry = q->api->registry,
			.who = q->who,
			.kind = q->kind,
			.verb = verb,
			.foreign = true,
			.ns = q->ns,
			.name = q->name,
			.subresource = q->subresource,
			.doc = doc,
			.root = yyjson_mut_doc_get_root(doc),
			.warn = request_warn,
			.warn_arg = q}};
}

static void go_on(struct question *w);

static void on_asked(struct status *error, void *arg)
{
	struct question *w = arg;

	w->run = NULL;
	if (error) {
		reply_status(w->q, error);
		return;
	}
	w->phase++;
	go_on(w);
}

static void go_on(struct question *w)
{
	for (; w->phase < N_WEBHOOK_PHASES; w->phase++)
		if (webhooks_ask(registry_webhooks(w->q->api->registry), w->phase, &w->attempt, &w->run, NULL,
			    on_asked, w))
			return;
	w->then(w->q);
}

void question_ask(struct question *w, void (*then)(struct request *q))
{
	w->then = then;
	go_on(w);
}

void question_fini(struct question *w)
{
	webhook_run_cancel(w->run);
	yyjson_mut_doc_free(w->attempt.doc);
}
