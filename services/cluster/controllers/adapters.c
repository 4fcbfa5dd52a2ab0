/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/access/access.h"
#include "cluster/controllers/adapters.h"
#include "cluster/controllers/controller.h"
#include "cluster/extensions/extensions.h"
#include "cluster/http/identity.h"
#include "cluster/schema/schema.h"
#include "lib/text.h"

enum state { WAITS, ASKED, ANSWERED };

struct question {
	struct question *next;
	struct adapters *a;
	struct controller *c;
	char *ns, *name;			      /* owned: of the key */
	char *group, *path;			      /* owned */
	char *verb, *resource, *subresource, *object; /* owned */
	enum state state;
	bool wanted; /* in this turn */
	struct extension_line line;
	struct loop_task task;
	char served_by[320]; /* the name of the APIService */
	struct adapter_answer answer;
};

struct adapters {
	struct registry *r;
	struct question *all; /* in the order in which they came */
	size_t n_asked;
};

/* Versions that are known, of which the first that discovery has is asked. */
static const struct api {
	const char *group, *word, *versions[3];
} apis[] = {
	{"custom.metrics.k8s.io", "custom", {"v1beta2", "v1beta1"}},
	{"external.metrics.k8s.io", "external", {"v1beta1"}},
};

int adapters_new(struct adapters **out, struct registry *r)
{
	struct adapters *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->r = r;
	*out = a;
	return 0;
}

static void question_free(struct question *q)
{
	loop_defer_del(&q->task);
	extension_line_close(&q->line);
	if (q->state == ASKED)
		q->a->n_asked--;
	metric_list_fini(&q->answer.list);
	free(q->ns);
	free(q->name);
	free(q->group);
	free(q->path);
	free(q->verb);
	free(q->resource);
	free(q->subresource);
	free(q->object);
	free(q);
}

void adapters_free(struct adapters *a)
{
	struct question *q;

	while (a && (q = a->all)) {
		a->all = q->next;
		question_free(q);
	}
	free(a);
}

static bool is_of(const struct question *q, const char *ns, const char *name)
{
	return !strcmp(q->name, name) && !strcmp(q->ns, ns);
}

/* ---- who is asked */

static const struct api *api_of(const char *group)
{
	const struct api *api = apis;

	while (strcmp(api->group, group) != 0)
		api++;
	return api;
}

static bool is_known(const struct api *api, const char *version)
{
	for (size_t i = 0; i < array_len(api->versions) && api->versions[i]; i++)
		if (!strcmp(api->versions[i], version))
			return true;
	return false;
}

/* The first that is available, in the order of discovery; else the first. NULL: there is none. */
static struct extension *adapter_of(struct extensions *x, const struct api *api)
{
	size_t n = 0;
	const struct schema_group_version *gv = extensions_group_versions(x, &n);
	struct extension *e, *first = NULL;

	for (size_t i = 0; gv && i < n; i++) {
		if (strcmp(gv[i].group, api->group) != 0 || !is_known(api, gv[i].version))
			continue;
		e = extensions_find(x, gv[i].group, gv[i].version);
		if (e && e->available)
			return e;
		first = first ?: e;
	}
	return first;
}

static bool is_allowed(const struct question *q)
{
	struct access *access = registry_access(q->a->r);
	const struct access_question ask = {.who = controller_caller(q->c),
		.verb = q->verb,
		.group = q->group,
		.resource = q->resource,
		.subresource = q->subresource,
		.ns = q->ns,
		.name = q->object};

	return access && access_allowed(access, &ask, NULL);
}

/* ---- the answer */

static void refuse(struct question *q, const char *format, ...) printf_like(2, 3);
static void refuse(struct question *q, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(q->answer.why, sizeof(q->answer.why), format, args);
	va_end(args);
	text_end_whole(q->answer.why);
}

static void refuse_forbidden(struct question *q)
{
	char object[270] = "";

	if (*q->object)
		snprintf(object, sizeof(object), " \"%.250s\"", q->object);
	refuse(q,
		"%s.%s%s is forbidden: User \"%s\" cannot %s resource \"%s%s%s\" in API group \"%s\" in the "
		"namespace \"%s\"",
		q->resource, q->group, object, controller_caller(q->c)->user, q->verb, q->resource,
		*q->subresource ? "/" : "", q->subresource, q->group, q->ns);
}

static void over(struct question *q);

static void on_answer(int err, const char *why, int status, const char *body, size_t len, void *arg)
{
	struct question *q = arg;

	if (err == -EMSGSIZE)
		refuse(q, "the answer of APIService %s is larger than %d bytes", q->served_by,
			ADAPTERS_ANSWER_MAX);
	else if (err) /* "GET /PATH: CAUSE" */
		refuse(q, "APIService %s does not answer: %s", q->served_by,
			strstr(why, ": ") ? strstr(why, ": ") + 2 : why);
	else if (status == 200)
		(void)!metric_list_read(&q->answer.list, q->group, body, len, q->answer.why);
	else if (!metric_list_refusal(body, len, q->answer.why))
		refuse(q, "APIService %s answers with status %d", q->served_by, status);
	over(q);
}

static void on_limit(struct loop_timer *t)
{
	struct question *q = container_of(t, struct question, line.limit);

	refuse(q, "APIService %s does not answer: context deadline exceeded", q->served_by);
	over(q);
}

/* ---- asking */

static int send_question(struct question *q, const struct extension *e)
{
	struct identity who;
	char *target = NULL;
	int err = identity_of(&who, controller_caller(q->c));

	if (!err && who.n == IDENTITY_MAX)
		err = -E2BIG;
	if (!err && asprintf(&target, "/apis/%s/%s/%s", e->group, e->version, q->path) < 0) {
		target = NULL;
		err = -ENOMEM;
	}
	if (!err) {
		who.fields[who.n++] = (struct http_header_field){"Accept", "application/json"};
		err = extension_line_get(
			&q->line, target, who.fields, who.n, ADAPTERS_ANSWER_MAX, on_answer, q);
	}
	identity_fini(&who);
	free(target);
	return err;
}

/* It is asked, or cannot be, and that is the answer. */
static void begin(struct question *q)
{
	struct extensions *x = registry_extensions(q->a->r);
	const struct api *api = api_of(q->group);
	struct extension *e = adapter_of(x, api);
	const char *why = NULL;
	int err;

	q->state = ANSWERED;
	if (!is_allowed(q)) {
		refuse_forbidden(q);
		return;
	}
	if (!e) {
		refuse(q, "no %s metrics API (%s) registered", api->word, api->group);
		return;
	}
	snprintf(q->served_by, sizeof(q->served_by), "%s", e->name);
	if (!e->available) {
		refuse(q,
			"the server is currently unable to handle the request: APIService %s is not available",
			q->served_by);
		return;
	}
	why = extension_line_open(&q->line, x, e, ADAPTERS_LIMIT_MS, on_limit);
	err = why ? 0 : send_question(q, e);
	if (why || err) {
		refuse(q, "APIService %s cannot be asked: %s", q->served_by, why ?: strerror(-err));
		extension_line_close(&q->line);
		return;
	}
	q->state = ASKED;
	q->a->n_asked++;
}

/* With the last answer of a key it has its turn. */
static void tell(const struct question *q)
{
	for (const struct question *other = q->a->all; other; other = other->next)
		if (other->state != ANSWERED && is_of(other, q->ns, q->name))
			return;
	controller_queue(q->c, q->ns, q->name);
}

static void ask_next(struct adapters *a)
{
	for (struct question *q = a->all; q && a->n_asked < ADAPTERS_AT_ONCE; q = q->next)
		if (q->state == WAITS) {
			begin(q);
			if (q->state == ANSWERED)
				tell(q);
		}
}

/* Not from inside of the client, which goes with the line. */
static void on_over(struct loop_task *t)
{
	struct question *q = container_of(t, struct question, task);

	extension_line_close(&q->line);
	q->state = ANSWERED;
	q->a->n_asked--;
	tell(q);
	ask_next(q->a);
}

static void over(struct question *q)
{
	loop_timer_del(&q->line.limit);
	loop_defer(registry_loop(q->a->r), &q->task, on_over);
}

/* ---- the questions of a turn */

void adapters_begin(struct adapters *a, const struct adapters_turn *t)
{
	for (struct question *q = a->all; q; q = q->next)
		if (is_of(q, t->ns, t->name))
			q->wanted = false;
}

static struct question *question_new(
	struct adapters *a, const struct adapters_turn *t, const struct adapter_question *from)
{
	struct question *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->a = a;
	q->c = t->c;
	q->ns = strdup(t->ns);
	q->name = strdup(t->name);
	q->group = strdup(from->group);
	q->path = strdup(from->path);
	q->verb = strdup(from->verb);
	q->resource = strdup(from->resource);
	q->subresource = strdup(from->subresource);
	q->object = strdup(from->name);
	if (q->ns && q->name && q->group && q->path && q->verb && q->resource && q->subresource && q->object)
		return q;
	question_free(q);
	return NULL;
}

const struct adapter_answer *adapters_ask(
	struct adapters *a, const struct adapters_turn *t, const struct adapter_question *from)
{
	static const struct adapter_answer no_memory = {.why = "out of memory"};
	struct question **p = &a->all, *q;

	while ((q = *p) && (!is_of(q, t->ns, t->name) || strcmp(q->path, from->path) != 0 ||
				   strcmp(q->group, from->group) != 0))
		p = &q->next;
	if (!q) {
		q = question_new(a, t, from);
		if (!q)
			return &no_memory;
		*p = q;
		if (a->n_asked < ADAPTERS_AT_ONCE)
			begin(q);
	}
	q->wanted = true;
	return q->state == ANSWERED ? &q->answer : NULL;
}

static void drop(struct adapters *a, const char *ns, const char *name, bool wanted_too)
{
	struct question **p = &a->all, *q;

	while ((q = *p))
		if (is_of(q, ns, name) && (wanted_too || !q->wanted)) {
			*p = q->next;
			question_free(q);
		} else {
			p = &q->next;
		}
	ask_next(a);
}

bool adapters_settle(struct adapters *a, const struct adapters_turn *t)
{
	drop(a, t->ns, t->name, false);
	for (const struct question *q = a->all; q; q = q->next)
		if (q->state != ANSWERED && is_of(q, t->ns, t->name))
			return false;
	return true;
}

void adapters_forget(struct adapters *a, const char *ns, const char *name)
{
	drop(a, ns, name, true);
}
