/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One conversion: the objects that need it, in questions of a bounded size, each asked when the one before was answered. An object
 * takes the place of its original as it comes; the first thing that is wrong ends all of it, since half a list is none.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/schema/convert.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "cluster/webhooks/conversion.h"
#include "cluster/webhooks/webhooks_int.h"
#include "lib/json.h"
#include "lib/loop.h"

/* Objects of one question, unless one alone is larger; its answer; and how long that is waited for, as upstream does. */
enum { QUESTION_MAX = 2 << 20, ANSWER_MAX = 8 << 20, TIMEOUT_MS = 30000 };

struct conversion {
	struct conversion *next, **prev; /* of w->conversions */
	struct webhooks *w;
	const struct schema_kind *to, *from; /* from: what users know the question by, its first object's */
	const struct schema_conversion *by;
	conversion_done *done;
	void *arg;
	struct hook_call *call;
	char uid[META_UID_MAX];
	struct status *error; /* owned */
	struct loop_task task;
	size_t at, end; /* those of the question that is under way */
	size_t n;
	struct object *objects[]; /* held */
};

bool conversion_needed(struct object *const *objects, size_t n, const struct schema_kind *to)
{
	for (size_t i = 0; i < n; i++)
		if (convert_webhook(objects[i]->kind, to))
			return true;
	return false;
}

void conversion_cancel(struct conversion *c)
{
	if (!c)
		return;
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	hook_call_cancel(c->call);
	loop_defer_del(&c->task);
	for (size_t i = 0; i < c->n; i++)
		object_unref(c->objects[i]);
	status_free(c->error);
	free(c);
}

static void finish(struct conversion *c)
{
	c->done(take(c->error), c->objects, c->n, c->arg);
	conversion_cancel(c);
}

static void on_finish(struct loop_task *t)
{
	finish(container_of(t, struct conversion, task));
}

/* ---- the question */

static bool is_due(const struct conversion *c, size_t i)
{
	return strcmp(c->objects[i]->kind->version, c->to->version) != 0;
}

/* From c->at on: as many as make a question. Their bytes; 0: there are none. */
static size_t choose(struct conversion *c)
{
	size_t bytes = 0;

	for (c->end = c->at; c->end < c->n; c->end++) {
		size_t more = is_due(c, c->end) ? c->objects[c->end]->json_len + 1 : 0;

		if (bytes && more && bytes + more > QUESTION_MAX)
			break;
		bytes += more;
	}
	return bytes;
}

/* Objects are in it as the bytes they are; NULL: no memory. */
static char *question(const struct conversion *c, size_t bytes, size_t *len)
{
	static const char tail[] = "]}}";
	char head[640], *body, *p;
	int n = snprintf(head, sizeof(head),
		"{\"kind\":\"ConversionReview\",\"apiVersion\":\"apiextensions.k8s.io/%s\",\"request\":{\"uid\":\"%s\","
		"\"desiredAPIVersion\":\"%s\",\"objects\":[",
		c->by->review, c->uid, c->to->api_version);

	if (n < 0 || (size_t)n >= sizeof(head))
		return NULL;
	p = body = malloc((size_t)n + bytes + sizeof(tail));
	if (!body)
		return NULL;
	memcpy(p, head, (size_t)n);
	p += n;
	for (size_t i = c->at; i < c->end; i++) {
		if (!is_due(c, i))
			continue;
		memcpy(p, c->objects[i]->json, c->objects[i]->json_len);
		p += c->objects[i]->json_len;
		*p++ = ',';
	}
	/* the last comma gives way */
	memcpy(--p, tail, sizeof(tail));
	*len = (size_t)(p - body) + sizeof(tail) - 1;
	return body;
}

/* ---- the answer */

static struct status *failed(const struct conversion *c, const char *how, const char *why)
{
	return status_new(500, "", "conversion webhook for %s, Kind=%s %s: %s", c->from->api_version,
		c->from->kind, how, why);
}

static size_t asked_for(const struct conversion *c)
{
	size_t n = 0;

	for (size_t i = c->at; i < c->end; i++)
		n += is_due(c, i);
	return n;
}

static struct status *replace(struct conversion *c, size_t i, yyjson_val *given, size_t index)
{
	struct object *was = c->objects[i], *made;
	cleanup(json_mut_docp) yyjson_mut_doc *doc = NULL;
	cleanup(freep) char *why = conversion_accept(&doc, given, was, c->to), *json = NULL;
	char how[64];
	size_t len;
	int err;

	if (why) {
		snprintf(how, sizeof(how), "returned invalid object at index %zu", index);
		return failed(c, how, why);
	}
	json = object_encode(doc, c->to, &len);
	err = json ? object_new(&made, c->to, was->key, json, len, was->revision) : -ENOMEM;
	if (err)
		return status_errno(err, "conversion");
	c->objects[i] = made;
	object_unref(was);
	return NULL;
}

static struct status *take_answer(struct conversion *c, const char *body, size_t len)
{
	cleanup(json_docp) yyjson_doc *doc = NULL;
	yyjson_val *objects, *one;
	cleanup(freep) char *why = conversion_read(&doc, &objects, c->by->review, c->uid, body, len);
	struct status *err = NULL;
	size_t i, n, at = c->at, expected = asked_for(c);

	if (why)
		return failed(c, "failed", why);
	if (yyjson_arr_size(objects) != expected)
		return status_new(500, "",
			"conversion webhook for %s, Kind=%s returned %zu objects, expected %zu",
			c->from->api_version, c->from->kind, yyjson_arr_size(objects), expected);
	yyjson_arr_foreach (objects, i, n, one) {
		while (!is_due(c, at))
			at++;
		err = replace(c, at++, one, i);
		if (err)
			break;
	}
	return err;
}

static bool ask(struct conversion *c);

static void on_answer(const char *why, const char *body, size_t len, void *arg)
{
	struct conversion *c = arg;

	c->call = NULL;
	c->error = why ? failed(c, "failed", why) : take_answer(c, body, len);
	if (!c->error) {
		c->at = c->end;
		if (ask(c))
			return;
	}
	finish(c);
}

/* The next question. false: nothing is asked, c->error says whether all is well. */
static bool ask(struct conversion *c)
{
	struct hook_way way = {.client = c->by->client, .timeout_ms = TIMEOUT_MS, .answer_max = ANSWER_MAX};
	size_t bytes, len;
	char *body;

	while (c->at < c->n && !is_due(c, c->at))
		c->at++;
	bytes = choose(c);
	if (!bytes)
		return false;
	c->from = c->objects[c->at]->kind;
	body = meta_uid(c->uid) ? NULL : question(c, bytes, &len);
	c->call = body ? hook_call_start(c->w->r, &way, body, len, on_answer, c) : NULL;
	if (!c->call)
		c->error = status_errno(-ENOMEM, "conversion");
	return c->call;
}

struct conversion *conversion_start(struct webhooks *w, const struct schema_kind *to,
	struct object *const *objects, size_t n, conversion_done *done, void *arg)
{
	struct conversion *c = calloc(1, sizeof(*c) + n * sizeof(struct object *));

	if (!c)
		return NULL;
	*c = (struct conversion){.w = w, .to = to, .done = done, .arg = arg, .n = n, .next = w->conversions};
	for (size_t i = 0; i < n; i++) {
		c->objects[i] = object_ref(objects[i]);
		if (!c->by)
			c->by = convert_webhook(objects[i]->kind, to);
	}
	c->prev = &w->conversions;
	if (c->next)
		c->next->prev = &c->next;
	w->conversions = c;
	if (!c->by || !ask(c))
		loop_defer(registry_loop(w->r), &c->task, on_finish);
	return c;
}
