/* SPDX-License-Identifier: Apache-2.0 */

/* Whose a request is, who has a seat, who waits, and who is next. No server: tickets stand for requests. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/access/access.h"
#include "cluster/flow/flow_int.h"
#include "cluster/flow/objects.h"
#include "lib/json.h"

enum { SEATS = 100 };

static struct flow *f;
static bool woken;

static void on_wake(void *arg)
{
	woken = true;
}

static void turn(void)
{
	woken = false;
	flow_turn(f);
}

static int setup(void **state)
{
	woken = false;
	return flow_new(&f, SEATS, on_wake, NULL);
}

static int teardown(void **state)
{
	flow_free(f);
	return 0;
}

/* ---- words */

static void put(const char *kind, const char *name, const char *json)
{
	cleanup(json_docp) yyjson_doc *doc = yyjson_read(json, strlen(json), YYJSON_READ_NOFLAG);

	if (!doc)
		fail_msg("%s", json);
	assert_int_equal(!strcmp(kind, "schema") ? flow_set_schema(f, name, name, yyjson_doc_get_root(doc))
						 : flow_set_level(f, name, name, yyjson_doc_get_root(doc)),
		0);
}

/* A level of the seats that @shares are of, beside catch-all's five. */
static void level(const char *name, const char *shares, const char *more, const char *response)
{
	char json[400];

	snprintf(json, sizeof(json),
		"{\"type\":\"Limited\",\"limited\":{\"nominalConcurrencyShares\":%s,%s\"limitResponse\":%s}}",
		shares, more, response);
	put("level", name, json);
}

#define REJECT "{\"type\":\"Reject\"}"
#define QUEUE(queues, hand, length)                                                                          \
	"{\"type\":\"Queue\",\"queuing\":{\"queues\":" #queues ",\"handSize\":" #hand                        \
	",\"queueLengthLimit\":" #length "}}"
#define KEPT "\"lendablePercent\":0,\"borrowingLimitPercent\":0,"

/* Everything that @subject asks. */
static void schema(
	const char *name, int precedence, const char *level_name, const char *by, const char *subject)
{
	char json[800];

	snprintf(json, sizeof(json),
		"{\"priorityLevelConfiguration\":{\"name\":\"%s\"},\"matchingPrecedence\":%d,"
		"\"distinguisherMethod\":{\"type\":\"%s\"},\"rules\":[{\"subjects\":[%s],\"resourceRules\":[{\"verbs\":[\"*\"],"
		"\"apiGroups\":[\"*\"],\"resources\":[\"*\"],\"namespaces\":[\"*\"],\"clusterScope\":true}],"
		"\"nonResourceRules\":[{\"verbs\":[\"*\"],\"nonResourceURLs\":[\"*\"]}]}]}",
		level_name, precedence, by, subject);
	put("schema", name, json);
}

#define USER(name)  "{\"kind\":\"User\",\"user\":{\"name\":\"" name "\"}}"
#define GROUP(name) "{\"kind\":\"Group\",\"group\":{\"name\":\"" name "\"}}"

static const char *const authenticated[] = {"system:authenticated"};

static enum flow_word enter(struct flow_ticket *t, const char *user)
{
	const struct caller who = {.user = user, .uid = "", .groups = authenticated, .n_groups = 1};
	const struct access_question q = {.who = &who,
		.verb = "create",
		.group = "",
		.resource = "pods",
		.subresource = "",
		.ns = "shop",
		.name = ""};
	struct flow_names names;

	return flow_enter(f, t, &q, &names);
}

struct request {
	struct flow_ticket ticket;
	int gone_on; /* when, counted from 1 */
};

static int turns;

static void go(struct flow_ticket *t)
{
	container_of(t, struct request, ticket)->gone_on = ++turns;
}

/* ---- whose it is */

static void test_whose(void **state)
{
	static const struct {
		const char *user, *group, *verb, *api_group, *resource, *subresource, *ns, *path;
		const char *schema, *level;
	} cases[] = {
		{"admin", "system:masters", "get", "", "pods", "", "a", NULL, "exempt", "exempt"},
		{"admin", "system:masters", "get", "", "", "", "", "/metrics", "exempt", "exempt"},
		{"system:anonymous", "system:unauthenticated", "get", "", "", "", "", "/readyz", "probes",
			"exempt"},
		{"system:anonymous", "system:unauthenticated", "get", "", "", "", "", "/version",
			"global-default", "global-default"},
		{"somebody", "system:authenticated", "list", "", "pods", "", "", NULL, "global-default",
			"global-default"},
		{"system:node:a", "system:nodes", "patch", "", "nodes", "status", "", NULL,
			"system-node-high", "node-high"},
		{"system:node:a", "system:nodes", "update", "coordination.k8s.io", "leases", "",
			"kube-node-lease", NULL, "system-node-high", "node-high"},
		{"system:node:a", "system:nodes", "patch", "", "pods", "status", "a", NULL, "system-nodes",
			"system"},
		{"system:kube-proxy", "system:node-proxier", "list", "", "services", "", "", NULL,
			"wherry-node-network", "system"},
		{"system:kube-scheduler", "system:authenticated", "update", "coordination.k8s.io", "leases",
			"", "kube-system", NULL, "system-leader-election", "leader-election"},
		{"system:kube-scheduler", "system:authenticated", "create", "", "pods", "binding", "a", NULL,
			"kube-scheduler", "workload-high"},
		{"system:serviceaccount:kube-system:endpoint-controller", "system:serviceaccounts", "update",
			"", "endpoints", "", "a", NULL, "endpoint-controller", "workload-high"},
		{"system:serviceaccount:kube-system:x", "system:serviceaccounts", "update", "", "configmaps",
			"", "a", NULL, "workload-leader-election", "leader-election"},
		{"system:serviceaccount:kube-system:x", "system:serviceaccounts", "delete", "", "configmaps",
			"", "a", NULL, "kube-system-service-accounts", "workload-high"},
		{"system:serviceaccount:kube-systems:x", "system:serviceaccounts", "delete", "", "configmaps",
			"", "a", NULL, "service-accounts", "workload-low"},
		/* of no group that anybody has */
		{"odd", "odd", "get", "", "pods", "", "", NULL, "catch-all", "catch-all"},
	};

	for (size_t i = 0; i < flow_objects_n; i++)
		put(!strcmp(flow_objects[i].kind, "FlowSchema") ? "schema" : "level", flow_objects[i].name,
			flow_objects[i].spec);
	for (size_t i = 0; i < array_len(cases); i++) {
		const struct caller who = {
			.user = cases[i].user, .uid = "", .groups = &cases[i].group, .n_groups = 1};
		const struct access_question q = {.who = &who,
			.verb = cases[i].verb,
			.group = cases[i].api_group,
			.resource = cases[i].resource,
			.subresource = cases[i].subresource,
			.ns = cases[i].ns,
			.name = "",
			.path = cases[i].path};
		struct flow_ticket t = {0};
		struct flow_names names;

		assert_int_equal(flow_enter(f, &t, &q, &names), FLOW_GO);
		assert_string_equal(names.schema_uid, cases[i].schema);
		assert_string_equal(names.level_uid, cases[i].level);
		flow_leave(f, &t);
	}
}

/* The lower number first, then the name; one whose level is missing matches nothing until there is such a level. */
static void test_precedence(void **state)
{
	static const char *const steps[][2] = {
		{"z-last", "9"}, {"b-equal", "8"}, {"a-equal", "8"}, {"first", "2"}};
	struct flow_ticket t = {0};

	level("one", "5", "", REJECT);
	for (size_t i = 0; i < array_len(steps); i++) {
		schema(steps[i][0], atoi(steps[i][1]), "one", "ByUser", USER("*"));
		assert_string_equal(f->schemas->next->name, steps[i][0]);
	}
	schema("dangling", 2, "two", "ByUser", USER("*"));
	assert_int_equal(enter(&t, "x"), FLOW_GO);
	assert_string_equal(t.level->name, "one");
	flow_leave(f, &t);
	level("two", "5", "", REJECT);
	assert_int_equal(enter(&t, "x"), FLOW_GO);
	assert_string_equal(t.level->name, "two");
	flow_leave(f, &t);
	assert_int_equal(flow_unset_schema(f, "dangling"), 0);
	for (size_t i = 0; i < array_len(steps); i++)
		assert_int_equal(flow_unset_schema(f, steps[i][0]), 0);
	assert_int_equal(enter(&t, "x"), FLOW_GO);
	assert_string_equal(t.level->name, "catch-all");
	flow_leave(f, &t);
}

static void test_mandatory_ones_stay(void **state)
{
	struct flow_ticket t = {0};

	put("schema", "catch-all", flow_object_find("FlowSchema", "catch-all")->spec);
	assert_int_equal(flow_unset_schema(f, "catch-all"), 0);
	assert_int_equal(flow_unset_level(f, "catch-all"), 0);
	assert_int_equal(flow_unset_level(f, "exempt"), 0);
	assert_int_equal(enter(&t, "x"), FLOW_GO);
	assert_string_equal(t.level->name, "catch-all");
	assert_string_equal(t.level->uid, "");
	flow_leave(f, &t);
}

/* ---- seats */

static void test_reject(void **state)
{
	struct flow_ticket t[SEATS] = {{0}}, late = {0}, other = {0};
	unsigned n = 0;

	/* five of ten shares: half of all seats, and nobody's else */
	level("one", "5", KEPT, REJECT);
	schema("one", 5, "one", "ByUser", USER("x"));
	while (n < SEATS && enter(&t[n], "x") == FLOW_GO)
		n++;
	assert_int_equal(n, SEATS / 2);
	assert_int_equal(t[0].level->refused[FLOW_REFUSED_LIMIT], 1);
	/* others have theirs, and a seat that is left is taken again */
	assert_int_equal(enter(&other, "y"), FLOW_GO);
	flow_leave(f, &other);
	flow_leave(f, &t[0]);
	flow_leave(f, &t[0]);
	assert_int_equal(enter(&late, "x"), FLOW_GO);
	flow_leave(f, &late);
	while (n--)
		flow_leave(f, &t[n]);
}

static unsigned fill(struct flow_ticket *t, const char *user)
{
	unsigned n = 0;

	while (n < 2 * SEATS && enter(&t[n], user) == FLOW_GO)
		n++;
	return n;
}

static void empty(struct flow_ticket *t, unsigned n)
{
	while (n--)
		flow_leave(f, &t[n]);
}

/* 15 shares, 100 seats: 34 for each of three. */
static void test_borrowing(void **state)
{
	static struct flow_ticket lender[2 * SEATS], borrower[2 * SEATS];

	level("lender", "5", "\"lendablePercent\":50,", REJECT);
	level("borrower", "5", "\"lendablePercent\":0,", REJECT);
	schema("lender", 5, "lender", "ByUser", USER("lender"));
	schema("borrower", 6, "borrower", "ByUser", USER("borrower"));
	/* its own, and what is lent */
	assert_int_equal(fill(borrower, "borrower"), 34 + 17);
	/* what is lent is not there, what it keeps is */
	assert_int_equal(fill(lender, "lender"), 17);
	empty(borrower, 34 + 17);
	empty(lender, 17);
	/* the other way round */
	assert_int_equal(fill(lender, "lender"), 34);
	assert_int_equal(fill(borrower, "borrower"), 34);
	empty(borrower, 34);
	empty(lender, 34);
	/* a tenth of its own at most */
	level("borrower", "5", "\"lendablePercent\":0,\"borrowingLimitPercent\":10,", REJECT);
	assert_int_equal(fill(borrower, "borrower"), 34 + 3);
	empty(borrower, 34 + 3);
}

static void test_exempt_is_not_limited(void **state)
{
	static struct flow_ticket t[2 * SEATS];

	schema("exempt", 1, "exempt", "ByUser", USER("x"));
	assert_int_equal(fill(t, "x"), 2 * SEATS);
	empty(t, 2 * SEATS);
	/* and takes nothing from others */
	schema("exempt", 1, "exempt", "ByUser", USER("z"));
	assert_int_equal(fill(t, "x"), SEATS);
	empty(t, SEATS);
}

/* ---- queues */

/* One seat, for everybody. */
static void one_seat(const char *response)
{
	level("one", "5", KEPT, response);
	level("rest", "490", KEPT, REJECT);
	schema("one", 5, "one", "ByUser", GROUP("system:authenticated"));
}

/* A thousand requests of one flow are before one of another, which has one of the next turns nevertheless. */
static void test_one_flow_does_not_hold_up_another(void **state)
{
	static struct request many[1000];
	struct request one = {{.go = go}, 0};
	struct flow_ticket seat = {0};
	unsigned waiting = 0;

	memset(many, 0, sizeof(many));
	turns = 0;
	one_seat(QUEUE(64, 6, 50));
	assert_int_equal(enter(&seat, "greedy"), FLOW_GO);
	for (size_t i = 0; i < array_len(many); i++) {
		many[i].ticket.go = go;
		waiting += enter(&many[i].ticket, "greedy") == FLOW_WAIT;
	}
	/* its hand is full, and those of others are not */
	assert_int_equal(waiting, 6 * 50);
	assert_int_equal(seat.level->refused[FLOW_REFUSED_QUEUE], 1000 - 6 * 50);
	assert_int_equal(enter(&one.ticket, "modest"), FLOW_WAIT);
	flow_leave(f, &seat);
	assert_true(woken);
	for (int i = 0; i < 7 && !one.gone_on; i++) {
		turn();
		assert_int_equal(turns, i + 1); /* one seat: one at a time */
		for (size_t k = 0; k < array_len(many); k++)
			if (many[k].gone_on == turns)
				flow_leave(f, &many[k].ticket);
	}
	assert_in_range(one.gone_on, 1, 7);
	flow_leave(f, &one.ticket);
	while (woken) {
		turn();
		for (size_t k = 0; k < array_len(many); k++)
			if (many[k].ticket.level && !many[k].ticket.queue)
				flow_leave(f, &many[k].ticket);
	}
	assert_int_equal(turns, 6 * 50 + 1);
	for (size_t i = 0; i < 6 * 50; i++)
		assert_true(many[i].gone_on > 0);
}

/* Those of one queue go on in the order in which they came. */
static void test_a_queue_keeps_its_order(void **state)
{
	struct request many[20] = {0};
	struct flow_ticket seat = {0};

	turns = 0;
	one_seat(QUEUE(1, 1, 50));
	assert_int_equal(enter(&seat, "x"), FLOW_GO);
	for (size_t i = 0; i < array_len(many); i++) {
		many[i].ticket.go = go;
		assert_int_equal(enter(&many[i].ticket, i % 2 ? "x" : "y"), FLOW_WAIT);
	}
	flow_leave(f, &seat);
	for (size_t i = 0; i < array_len(many); i++) {
		turn();
		assert_int_equal(many[i].gone_on, i + 1);
		flow_leave(f, &many[i].ticket);
	}
}

static void test_nobody_overtakes(void **state)
{
	struct request a = {{.go = go}, 0}, b = {{.go = go}, 0};
	struct flow_ticket seat = {0};

	turns = 0;
	one_seat(QUEUE(1, 1, 10));
	assert_int_equal(enter(&seat, "x"), FLOW_GO);
	assert_int_equal(enter(&a.ticket, "x"), FLOW_WAIT);
	flow_leave(f, &seat);
	/* the seat is free, but somebody waits for it */
	assert_int_equal(enter(&b.ticket, "x"), FLOW_WAIT);
	turn();
	assert_int_equal(a.gone_on, 1);
	assert_int_equal(b.gone_on, 0);
	flow_leave(f, &a.ticket);
	turn();
	assert_int_equal(b.gone_on, 2);
	flow_leave(f, &b.ticket);
}

static void test_those_who_leave_and_give_up(void **state)
{
	struct request a = {{.go = go}, 0}, b = {{.go = go}, 0}, c = {{.go = go}, 0};
	struct flow_ticket seat = {0};
	struct flow_level *l;

	turns = 0;
	one_seat(QUEUE(1, 1, 3));
	assert_int_equal(enter(&seat, "x"), FLOW_GO);
	l = seat.level;
	assert_int_equal(enter(&a.ticket, "x"), FLOW_WAIT);
	assert_int_equal(enter(&b.ticket, "x"), FLOW_WAIT);
	assert_int_equal(enter(&c.ticket, "x"), FLOW_WAIT);
	flow_give_up(f, &c.ticket);
	flow_leave(f, &a.ticket);
	assert_int_equal(l->refused[FLOW_REFUSED_TIME], 1);
	assert_int_equal(l->refused[FLOW_REFUSED_GONE], 1);
	assert_int_equal(enter(&c.ticket, "x"), FLOW_WAIT);
	flow_leave(f, &seat);
	turn();
	assert_int_equal(b.gone_on, 1);
	flow_leave(f, &b.ticket);
	turn();
	assert_int_equal(c.gone_on, 2);
	flow_leave(f, &c.ticket);
	assert_null(l->first); /* nobody waits: no queue */
}

static void test_a_level_changes_while_requests_wait(void **state)
{
	struct request a = {{.go = go}, 0}, b = {{.go = go}, 0}, c = {{.go = go}, 0};
	struct flow_ticket seat = {0}, other = {0};

	turns = 0;
	one_seat(QUEUE(64, 6, 3));
	assert_int_equal(enter(&seat, "x"), FLOW_GO);
	assert_int_equal(enter(&a.ticket, "x"), FLOW_WAIT);
	assert_int_equal(enter(&b.ticket, "y"), FLOW_WAIT);
	assert_int_equal(enter(&c.ticket, "z"), FLOW_WAIT);
	/* as many seats as two need: one who waits goes on */
	level("one", "10", KEPT, QUEUE(1, 1, 3));
	assert_true(woken);
	turn();
	assert_int_equal(turns, 1);
	/* who waits does so yet when nobody else may any more */
	level("one", "5", KEPT, REJECT);
	assert_int_equal(enter(&other, "x"), FLOW_FULL);
	flow_leave(f, &seat);
	turn();
	assert_int_equal(turns, 1);
	flow_leave(f, &a.ticket);
	turn();
	assert_int_equal(turns, 2);
	flow_leave(f, &b.ticket);
	turn();
	assert_int_equal(turns, 3);
	flow_leave(f, &c.ticket);
}

static void test_a_level_goes_while_requests_wait(void **state)
{
	struct request a = {{.go = go}, 0}, b = {{.go = go}, 0};
	struct flow_ticket seat = {0}, other = {0};

	turns = 0;
	one_seat(QUEUE(1, 1, 3));
	assert_int_equal(enter(&seat, "x"), FLOW_GO);
	assert_int_equal(enter(&a.ticket, "x"), FLOW_WAIT);
	assert_int_equal(enter(&b.ticket, "x"), FLOW_WAIT);
	assert_int_equal(flow_unset_schema(f, "one"), 0);
	assert_int_equal(flow_unset_level(f, "one"), 0);
	/* new ones are somebody else's */
	assert_int_equal(enter(&other, "x"), FLOW_GO);
	assert_string_equal(other.level->name, "catch-all");
	flow_leave(f, &other);
	/* one of the same name is another */
	level("one", "5", KEPT, REJECT);
	assert_ptr_not_equal(flow_find_level(f, "one"), seat.level);
	flow_leave(f, &seat);
	turn();
	assert_int_equal(a.gone_on, 1);
	flow_leave(f, &a.ticket);
	turn();
	assert_int_equal(b.gone_on, 2);
	flow_leave(f, &b.ticket);
	assert_int_equal(flow_unset_level(f, "one"), 0);
	for (const struct flow_level *l = f->levels; l; l = l->next)
		assert_string_not_equal(l->name, "one");
}

/* Those who want their own seats come before those who would borrow. */
static void test_owners_before_borrowers(void **state)
{
	static struct flow_ticket borrowed[2 * SEATS];
	struct request own = {{.go = go}, 0}, more = {{.go = go}, 0};
	unsigned n;

	turns = 0;
	level("owner", "5", "\"lendablePercent\":100,", QUEUE(1, 1, 5));
	level("borrower", "5", "\"lendablePercent\":0,", QUEUE(1, 1, 5));
	schema("owner", 5, "owner", "ByUser", USER("owner"));
	schema("borrower", 6, "borrower", "ByUser", USER("borrower"));
	n = fill(borrowed, "borrower"); /* the next one waits */
	assert_int_equal(n, 2 * 34);
	more.ticket = (struct flow_ticket){.go = go};
	assert_int_equal(enter(&more.ticket, "borrower"), FLOW_WAIT);
	assert_int_equal(enter(&own.ticket, "owner"), FLOW_WAIT);
	flow_leave(f, &borrowed[n]); /* that which fill() left waiting */
	flow_leave(f, &borrowed[0]);
	turn();
	assert_int_equal(own.gone_on, 1);
	assert_int_equal(more.gone_on, 0);
	flow_leave(f, &borrowed[1]);
	turn();
	assert_int_equal(more.gone_on, 2);
	flow_leave(f, &own.ticket);
	flow_leave(f, &more.ticket);
	empty(borrowed, n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_whose, setup, teardown),
		cmocka_unit_test_setup_teardown(test_precedence, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mandatory_ones_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reject, setup, teardown),
		cmocka_unit_test_setup_teardown(test_borrowing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exempt_is_not_limited, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_flow_does_not_hold_up_another, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_queue_keeps_its_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nobody_overtakes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_those_who_leave_and_give_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_level_changes_while_requests_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_level_goes_while_requests_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(test_owners_before_borrowers, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
