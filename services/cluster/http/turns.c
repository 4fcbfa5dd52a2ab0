/* SPDX-License-Identifier: Apache-2.0 */

/*
 * How long a request may take, and whose turn it is: flow/flow.h says which go on now, which wait and which are sent away. What is
 * long running has no end and waits for nobody.
 */

#include <errno.h>

#include "cluster/http/http_int.h"
#include "lib/duration.h"

/* ---- its time */

static void on_timeout(struct loop_timer *t)
{
	struct request *q = container_of(t, struct request, timer);

	reply_status(q, status_timeout("request did not complete within the allotted timeout"));
}

/* What is left of our own time when the client has less: *ms. A span of nothing, or a negative one, says nothing. */
static struct status *read_timeout(struct request *q, int64_t *ms)
{
	const char *v = http_query(q->http, "timeout");
	struct timespec said;
	int64_t least;

	if (!v || !*v)
		return NULL;
	if (duration_parse(v, &said) < 0)
		return status_bad_request("invalid timeout - time: invalid duration \"%.64s\"", v);
	least = said.tv_sec * 1000 + said.tv_nsec / 1000000;
	if (said.tv_sec < *ms / 1000 && (least > 0 || said.tv_nsec > 0))
		*ms = least > 0 ? least : 1;
	return NULL;
}

static bool start_clock(struct request *q)
{
	int64_t ms = API_TIMEOUT_S * 1000;
	struct status *err;

	if (q->long_running)
		return true;
	err = read_timeout(q, &ms);
	q->deadline_ms = loop_now_ms(q->api->loop) + ms;
	if (!err && loop_timer_set(q->api->loop, &q->timer, q->deadline_ms, on_timeout) < 0)
		err = status_errno(-ENOMEM, "request");
	if (err)
		reply_status(q, err);
	return !err;
}

/* ---- its turn */

bool request_mutates(const struct request *q)
{
	enum http_method m = http_method(q->http);

	return m != HTTP_GET_ && m != HTTP_HEAD_ && m != HTTP_OPTIONS_;
}

void request_leave(struct request *q)
{
	flow_leave(q->api->flow, &q->ticket);
	q->api->reads -= q->counted_read;
	q->api->writes -= q->counted_write;
	q->counted_read = q->counted_write = false;
}

void request_answers(struct request *q)
{
	request_leave(q);
	loop_timer_del(&q->timer);
}

static void take_seat(struct request *q)
{
	q->counted_write = request_mutates(q);
	q->counted_read = !q->counted_write;
	q->api->writes += q->counted_write;
	q->api->reads += q->counted_read;
}

static void send_away(struct request *q)
{
	reply_status(q, status_too_many_requests(1, "Too many requests, please try again later."));
}

static void on_seat(struct flow_ticket *t)
{
	struct request *q = container_of(t, struct request, ticket);

	/* it was armed, so this cannot fail */
	(void)!loop_timer_set(q->api->loop, &q->timer, q->deadline_ms, on_timeout);
	take_seat(q);
	q->then(q);
}

static void on_waited(struct loop_timer *t)
{
	struct request *q = container_of(t, struct request, timer);

	flow_give_up(q->api->flow, &q->ticket);
	send_away(q);
}

static void show_flow(struct request *q, const struct flow_names *names)
{
	/* A header that cannot be set is one hint less, not a failure. */
	if (*names->schema_uid)
		(void)!http_set_header(q->http, "X-Kubernetes-PF-FlowSchema-UID", names->schema_uid);
	if (*names->level_uid)
		(void)!http_set_header(q->http, "X-Kubernetes-PF-PriorityLevel-UID", names->level_uid);
}

/* false: it waits for its turn, for a quarter of its time at most, or has been sent away. */
static bool take_place(struct request *q)
{
	char verb[REQUEST_VERB_MAX];
	struct access_question ask = request_question(q, verb);
	int64_t now = loop_now_ms(q->api->loop);
	struct flow_names names;
	enum flow_word word;

	/* a namespace is in itself, as upstream has it */
	if (q->kind && !*q->kind->group && !strcmp(q->kind->plural, "namespaces"))
		ask.ns = q->name;
	q->ticket.go = on_seat;
	word = flow_enter(q->api->flow, &q->ticket, &ask, &names);
	show_flow(q, &names);
	if (word == FLOW_GO)
		take_seat(q);
	else if (word == FLOW_WAIT)
		(void)!loop_timer_set(q->api->loop, &q->timer, now + (q->deadline_ms - now) / 4, on_waited);
	else
		send_away(q);
	return word == FLOW_GO;
}

void request_take_turn(struct request *q, void (*then)(struct request *q))
{
	q->then = then;
	if (start_clock(q) && (q->long_running || take_place(q)))
		then(q);
}

/* ---- opening and closing */

static void on_turn(struct loop_task *t)
{
	flow_turn(container_of(t, struct api, flow_turn)->flow);
}

static void on_wake(void *arg)
{
	struct api *a = arg;

	loop_defer(a->loop, &a->flow_turn, on_turn);
}

int turns_open(struct api *a)
{
	int err = flow_new(&a->flow, a->opts.reads_max + a->opts.writes_max, on_wake, a);

	if (!err)
		flow_follow(a->flow, a->registry);
	return err;
}

void turns_close(struct api *a)
{
	loop_defer_del(&a->flow_turn);
	flow_free(a->flow);
}
