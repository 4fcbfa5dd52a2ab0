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
	struct asker *of;
	char *group, *path;			      /* owned */
	char *verb, *resource, *subresource, *object; /* owned */
	enum state state;
	bool wanted; /* in this turn */
	struct extension_line line;
	struct loop_task task;
	char served_by[320]; /* the name of the APIService */
	struct adapter_answer answer;
};

/* A key with questions. */
struct asker {
	struct asker *next;
	struct adapters *a;
	struct controller *c;
	char *ns, *name;      /* owned */
	struct question *all; /* owned; in the order in which they came */
	size_t n_wanted;      /* in this turn */
	struct asker *behind; /* who is in the queue after it */
	bool queued;	      /* it may have a question that waits */
};

/* Turns go round: whoever was asked for goes to the queue's end with what else waits for it. */
struct adapters {
	struct registry *r;
	struct asker *all;   /* owned */
	struct asker *found; /* the last one that was looked for; NULL: none */
	struct asker *asked; /* the last one that was asked for; NULL: none */
	struct asker *queue, **end;
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
	a->end = &a->queue;
	*out = a;
	return 0;
}

static void question_free(struct question *q)
{
	loop_defer_del(&q->task);
	extension_line_close(&q->line);
	if (q->state == ASKED)
		q->of->a->n_asked--;
	metric_list_fini(&q->answer.list);
	free(q->group);
	free(q->path);
	free(q->verb);
	free(q->resource);
	free(q->subresource);
	free(q->object);
	free(q);
}

/* ---- whose they are */

static struct asker *asker_of(struct adapters *a, const char *ns, const char *name)
{
	struct asker *k = a->found;

	if (k && !strcmp(k->name, name) && !strcmp(k->ns, ns))
		return k;
	for (k = a->all; k && (strcmp(k->name, name) != 0 || strcmp(k->ns, ns) != 0);)
		k = k->next;
	a->found = k;
	return k;
}

static struct asker *asker_new(struct adapters *a, const struct adapters_turn *t)
{
	struct asker *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	*k = (struct asker){.next = a->all, .a = a, .c = t->c, .ns = strdup(t->ns), .name = strdup(t->name)};
	if (!k->ns || !k->name) {
		free(k->ns);
		free(k->name);
		free(k);
		return NULL;
	}
	a->all = a->found = k;
	return k;
}

static void queue_up(struct asker *k)
{
	if (k->queued)
		return;
	k->queued = true;
	k->behind = NULL;
	*k->a->end = k;
	k->a->end = &k->behind;
}

static void leave_queue(struct asker *k)
{
	struct asker **p = &k->a->queue;

	if (!k->queued)
		return;
	while (*p != k)
		p = &(*p)->behind;
	*p = k->behind;
	if (!*p)
		k->a->end = p;
	k->queued = false;
}

/* What is not wanted, or everything, with whoever has nothing left. */
static void drop(struct asker *k, bool wanted_too)
{
	struct question **p = &k->all, *q;
	struct asker **at = &k->a->all;

	while ((q = *p))
		if (wanted_too || !q->wanted) {
			*p = q->next;
			question_free(q);
		} else {
			p = &q->next;
		}
	if (k->all)
		return;
	leave_queue(k);
	while (*at != k)
		at = &(*at)->next;
	*at = k->next;
	k->a->found = NULL;
	if (k->a->asked == k)
		k->a->asked = NULL;
	free(k->ns);
	free(k->name);
	free(k);
}

void adapters_free(struct adapters *a)
{
	while (a && a->all)
		drop(a->all, true);
	free(a);
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
	struct access *access = registry_access(q->of->a->r);
	const struct access_question ask = {.who = controller_caller(q->of->c),
		.verb = q->verb,
		.group = q->group,
		.resource = q->resource,
		.subresource = q->subresource,
		.ns = q->of->ns,
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
		q->resource, q->group, object, controller_caller(q->of->c)->user, q->verb, q->resource,
		*q->subresource ? "/" : "", q->subresource, q->group, q->of->ns);
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
	int err = identity_of(&who, controller_caller(q->of->c));

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
	struct extensions *x = registry_extensions(q->of->a->r);
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
	q->of->a->n_asked++;
	q->of->a->asked = q->of;
}

static bool all_answered(const struct asker *k)
{
	for (const struct question *q = k->all; q; q = q->next)
		if (q->state != ANSWERED)
			return false;
	return true;
}

/* With the last answer of a key it has its turn. */
static void tell(const struct asker *k)
{
	if (all_answered(k))
		controller_queue(k->c, k->ns, k->name);
}

static struct question *waiting_of(const struct asker *k)
{
	struct question *q = k->all;

	while (q && q->state != WAITS)
		q = q->next;
	return q;
}

/* Not the last one where another waits. */
static struct asker *next_asker(const struct adapters *a)
{
	struct asker *k = a->queue;

	return k && k == a->asked && k->behind ? k->behind : k;
}

static void ask_next(struct adapters *a)
{
	struct asker *k;
	struct question *q;

	while (a->n_asked < ADAPTERS_AT_ONCE && (k = next_asker(a))) {
		leave_queue(k);
		q = waiting_of(k);
		if (!q)
			continue;
		begin(q);
		queue_up(k);
		if (q->state == ANSWERED)
			tell(k);
	}
}

/* Not from inside of the client, which goes with the line. */
static void on_over(struct loop_task *t)
{
	struct question *q = container_of(t, struct question, task);

	extension_line_close(&q->line);
	q->state = ANSWERED;
	q->of->a->n_asked--;
	tell(q->of);
	ask_next(q->of->a);
}

static void over(struct question *q)
{
	loop_timer_del(&q->line.limit);
	loop_defer(registry_loop(q->of->a->r), &q->task, on_over);
}

/* ---- the questions of a turn */

void adapters_begin(struct adapters *a, const struct adapters_turn *t)
{
	struct asker *k = asker_of(a, t->ns, t->name);

	if (!k)
		return;
	k->n_wanted = 0;
	for (struct question *q = k->all; q; q = q->next)
		q->wanted = false;
}

static struct question *question_new(struct asker *of, const struct adapter_question *from)
{
	struct question *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->of = of;
	q->group = strdup(from->group);
	q->path = strdup(from->path);
	q->verb = strdup(from->verb);
	q->resource = strdup(from->resource);
	q->subresource = strdup(from->subresource);
	q->object = strdup(from->name);
	if (q->group && q->path && q->verb && q->resource && q->subresource && q->object)
		return q;
	question_free(q);
	return NULL;
}

const struct adapter_answer *adapters_ask(
	struct adapters *a, const struct adapters_turn *t, const struct adapter_question *from)
{
	static const struct adapter_answer
		no_memory = {.why = "out of memory"},
		too_many = {.why = "too many metrics: at most 64 are asked of adapters"};
	struct asker *k = asker_of(a, t->ns, t->name) ?: asker_new(a, t);
	_Static_assert(ADAPTERS_PER_KEY == 64, "as too_many says");
	struct question **p, *q;

	if (!k)
		return &no_memory;
	for (p = &k->all; (q = *p); p = &q->next)
		if (!strcmp(q->path, from->path) && !strcmp(q->group, from->group))
			break;
	if ((!q || !q->wanted) && k->n_wanted == ADAPTERS_PER_KEY)
		return &too_many;
	if (!q) {
		q = question_new(k, from);
		if (!q)
			return &no_memory;
		*p = q;
		if (a->n_asked < ADAPTERS_AT_ONCE)
			begin(q);
		else
			queue_up(k);
	}
	k->n_wanted += !q->wanted;
	q->wanted = true;
	return q->state == ANSWERED ? &q->answer : NULL;
}

bool adapters_settle(struct adapters *a, const struct adapters_turn *t)
{
	struct asker *k = asker_of(a, t->ns, t->name);

	if (k)
		drop(k, false);
	ask_next(a);
	k = asker_of(a, t->ns, t->name);
	return !k || all_answered(k);
}

void adapters_forget(struct adapters *a, const char *ns, const char *name)
{
	struct asker *k = asker_of(a, ns, name);

	if (k)
		drop(k, true);
	ask_next(a);
}
