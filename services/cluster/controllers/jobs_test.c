/* SPDX-License-Identifier: Apache-2.0 */

/* Jobs and CronJobs: whole stories, and the schedules and sets of numbers they are made of. */

#include "cluster/controllers/indexes.h"
#include "cluster/controllers/stories.h"
#include "cluster/schema/cron.h"

static void job(const char *name, const char *image, const char *spec)
{
	char json[1500];

	snprintf(json, sizeof(json),
		"{\"apiVersion\":\"batch/v1\",\"kind\":\"Job\",\"metadata\":{\"name\":\"%s\"},\"spec\":{%s%s"
		"\"template\":{\"spec\":{\"restartPolicy\":\"Never\",\"containers\":[{\"name\":\"c\",\"image\":\"%s\"}]}}}}",
		name, spec, *spec ? "," : "", image);
	create("batch/v1", "Job", "default", json);
}

#define JOB_SAYS(name, text) SAYS("batch/v1", "Job", name, text)
#define COMPLETE	     "\"type\":\"Complete\",\"status\":\"True\""
#define FAILED		     "\"type\":\"Failed\",\"status\":\"True\""

static bool is_tracked(const struct object *o, void *arg)
{
	*(size_t *)arg += object_has_finalizer(o, "batch.kubernetes.io/job-tracking");
	return true;
}

static bool nothing_tracked(const void *arg)
{
	size_t n = 0;

	registry_each(r, kind("v1", "Pod"), "default", is_tracked, &n);
	return !n;
}

static int64_t of_job(const char *name, const char *key)
{
	return number("batch/v1", "Job", name, key);
}

static void test_completes(void **state)
{
	add_node("a", "4");
	job("sum", "ok", "\"completions\":5,\"parallelism\":2");
	until("it is complete", JOB_SAYS("sum", COMPLETE));
	assert_int_equal(of_job("sum", "succeeded"), 5);
	assert_int_equal(of_job("sum", "failed"), 0);
	assert_non_null(strstr(get("batch/v1", "Job", "default", "sum")->json, "\"completionTime\":"));
	assert_non_null(strstr(get("batch/v1", "Job", "default", "sum")->json, "\"CompletionsReached\""));
	assert_int_equal(count_of("v1", "Pod", "job-name", "sum"), 5);
	until("no pod is kept back", nothing_tracked, NULL);
}

static void test_fails(void **state)
{
	add_node("a", "4");
	job("sum", "exit-1", "\"backoffLimit\":2");
	until("it has failed", JOB_SAYS("sum", FAILED));
	assert_true(says((const char *const[]){"batch/v1", "Job", "sum", "BackoffLimitExceeded"}));
	assert_int_equal(of_job("sum", "failed"), 3);
	until("no pod is kept back", nothing_tracked, NULL);
}

static void test_deadline(void **state)
{
	add_node("a", "4");
	job("sum", "run", "\"activeDeadlineSeconds\":1");
	until("it was too slow", JOB_SAYS("sum", FAILED));
	assert_true(says((const char *const[]){"batch/v1", "Job", "sum", "DeadlineExceeded"}));
	assert_int_equal(count_of("v1", "Pod", NULL, NULL), 0);
}

static bool has_active(const void *arg)
{
	return of_job("sum", "active") == *(const int64_t *)arg &&
	       count_of("v1", "Pod", "job-name", "sum") == (size_t)*(const int64_t *)arg;
}

static void set_suspend(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *yes)
{
	assert_true(meta_put(
		doc, yyjson_mut_obj_get(root, "spec"), "suspend", yyjson_mut_bool(doc, yes != NULL)));
}

static void set_parallelism(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *n)
{
	assert_true(meta_put(
		doc, yyjson_mut_obj_get(root, "spec"), "parallelism", yyjson_mut_int(doc, *(const int *)n)));
}

/* Pods that the controller itself ends are no failures. */
static void test_suspends_and_shrinks(void **state)
{
	add_node("a", "4");
	job("sum", "run", "\"completions\":9,\"parallelism\":3,\"backoffLimit\":0");
	until("three run", has_active, &(int64_t){3});
	edit("batch/v1", "Job", "default", "sum", set_suspend, "yes");
	until("none runs", has_active, &(int64_t){0});
	until("it says so", JOB_SAYS("sum", "\"type\":\"Suspended\",\"status\":\"True\""));
	edit("batch/v1", "Job", "default", "sum", set_suspend, NULL);
	until("three run again", has_active, &(int64_t){3});
	until("it says that too", JOB_SAYS("sum", "\"type\":\"Suspended\",\"status\":\"False\""));
	edit("batch/v1", "Job", "default", "sum", set_parallelism, &(int){1});
	until("one runs", has_active, &(int64_t){1});
	assert_int_equal(of_job("sum", "failed"), 0);
	assert_false(says((const char *const[]){"batch/v1", "Job", "sum", "FailureTarget"}));
}

static size_t made;

static void count_made(
	struct informer *i, enum event_type type, const struct object *old, const struct object *now)
{
	made += type == EVENT_ADDED;
}

/* No other is made in its place: that one would be superfluous, and it is left to chance which of them ends. */
static void test_adopts(void **state)
{
	struct informer watch = {.kind = kind("v1", "Pod"), .event = count_made};
	const struct object *one = NULL;
	char name[300];

	made = 0;
	registry_inform(r, &watch);
	add_node("a", "4");
	job("sum", "run", "\"parallelism\":2");
	until("two run", has_active, &(int64_t){2});
	registry_each(r, kind("v1", "Pod"), "default", first_of, &one);
	snprintf(name, sizeof(name), "%s", one->name);
	edit("v1", "Pod", "default", name, lose_owner, NULL);
	until("it is adopted", pod_is_controlled, name);
	/* a turn more, by which all writes of the one before are seen */
	edit("batch/v1", "Job", "default", "sum", set_parallelism, &(int){1});
	until("one runs", has_active, &(int64_t){1});
	registry_uninform(&watch);
	assert_int_equal(made, 2);
}

static void test_indexed(void **state)
{
	size_t seen = 0;

	add_node("a", "4");
	job("sum", "ok", "\"completions\":4,\"parallelism\":4,\"completionMode\":\"Indexed\"");
	until("it is complete", JOB_SAYS("sum", COMPLETE));
	assert_true(says((const char *const[]){"batch/v1", "Job", "sum", "\"completedIndexes\":\"0-3\""}));
	for (int i = 0; i < 4; i++) {
		char index[16];

		snprintf(index, sizeof(index), "%d", i);
		seen += count_of("v1", "Pod", "batch.kubernetes.io/job-completion-index", index);
	}
	assert_int_equal(seen, 4);
}

/* One index fails for good, the others go on: the policy tells codes apart. */
static void test_index_fails_alone(void **state)
{
	add_node("a", "4");
	job("sum", "exit-7",
		"\"completions\":2,\"parallelism\":2,\"completionMode\":\"Indexed\",\"backoffLimitPerIndex\":1");
	until("it has failed", JOB_SAYS("sum", FAILED));
	assert_true(says((const char *const[]){"batch/v1", "Job", "sum", "\"failedIndexes\":\"0,1\""}));
	assert_true(says((const char *const[]){"batch/v1", "Job", "sum", "\"FailedIndexes\""}));
	assert_int_equal(of_job("sum", "failed"), 4);
}

#define POLICY(action)                                                                                       \
	"\"backoffLimit\":3,\"podFailurePolicy\":{\"rules\":[{\"action\":\"" action "\",\"onExitCodes\":"    \
	"{\"operator\":\"In\",\"values\":[42]}}]}"

static void test_failure_policy(void **state)
{
	add_node("a", "4");
	job("sum", "exit-42", POLICY("FailJob"));
	until("it has failed", JOB_SAYS("sum", FAILED));
	assert_true(says((const char *const[]){
		"batch/v1", "Job", "sum", "failed with exit code 42 matching FailJob rule at index 0"}));
	assert_int_equal(of_job("sum", "failed"), 1);
	job("other", "exit-41", POLICY("FailJob"));
	until("another code counts", JOB_SAYS("other", "BackoffLimitExceeded"));
}

static void test_success_policy(void **state)
{
	add_node("a", "2");
	job("sum", "ok",
		"\"completions\":40,\"parallelism\":1,\"completionMode\":\"Indexed\",\"successPolicy\":{\"rules\":"
		"[{\"succeededIndexes\":\"0-9\",\"succeededCount\":2}]}");
	until("it is complete early", JOB_SAYS("sum", COMPLETE));
	assert_true(says((const char *const[]){"batch/v1", "Job", "sum", "\"SuccessPolicy\""}));
	assert_true(of_job("sum", "succeeded") < 40);
}

static void test_goes_after_its_time(void **state)
{
	add_node("a", "4");
	job("sum", "ok", "\"ttlSecondsAfterFinished\":1");
	until("it is complete", JOB_SAYS("sum", COMPLETE));
	until("it is gone", GONE("batch/v1", "Job", "sum"));
	until("with its pods", no_pods, NULL);
}

/* Whoever deletes the Job does not leave pods behind that nobody lets go. */
static void test_deleted(void **state)
{
	add_node("a", "4");
	job("sum", "run", "\"completions\":3,\"parallelism\":3");
	until("three run", has_active, &(int64_t){3});
	delete ("batch/v1", "Job", "default", "sum", PROPAGATE_BACKGROUND);
	until("nothing is left", no_pods, NULL);
	job("sum", "run", "\"completions\":3,\"parallelism\":3");
	until("three run", has_active, &(int64_t){3});
	delete ("batch/v1", "Job", "default", "sum", PROPAGATE_FOREGROUND);
	until("the Job goes, after its pods", GONE("batch/v1", "Job", "sum"));
	assert_true(no_pods(NULL));
}

/* ---- CronJobs */

static void cronjob(const char *image, const char *spec)
{
	char json[1500];

	snprintf(json, sizeof(json),
		"{\"apiVersion\":\"batch/v1\",\"kind\":\"CronJob\",\"metadata\":{\"name\":\"tick\"},\"spec\":{"
		"\"schedule\":\"@every 1s\",%s\"jobTemplate\":{\"metadata\":{\"labels\":{\"from\":\"tick\"}},\"spec\":{"
		"\"template\":{\"spec\":{\"restartPolicy\":\"Never\",\"containers\":[{\"name\":\"c\",\"image\":\"%s\"}]}}}}}}",
		spec, image);
	create("batch/v1", "CronJob", "default", json);
}

static bool a_run_is_over(const void *arg)
{
	return says((const char *const[]){"batch/v1", "CronJob", "tick", "\"lastSuccessfulTime\""});
}

static void test_cron_runs(void **state)
{
	add_node("a", "4");
	cronjob("ok", "");
	until("a run has succeeded", a_run_is_over, NULL);
	assert_true(says((const char *const[]){"batch/v1", "CronJob", "tick", "\"lastScheduleTime\""}));
	assert_true(count_of("batch/v1", "Job", "from", "tick") >= 1);
	edit("batch/v1", "CronJob", "default", "tick", set_suspend, "yes");
	delete ("batch/v1", "CronJob", "default", "tick", PROPAGATE_BACKGROUND);
	until("all is gone", no_pods, NULL);
}

static bool one_runs(const void *arg)
{
	return count_of("v1", "Pod", NULL, NULL) == 1 &&
	       says((const char *const[]){"batch/v1", "CronJob", "tick", "\"active\":[{"});
}

/* A run that goes on is not joined by a second. */
static void test_cron_forbids(void **state)
{
	static struct loop_timer t;

	add_node("a", "4");
	cronjob("run", "\"concurrencyPolicy\":\"Forbid\",");
	until("one runs", one_runs, NULL);
	for (int64_t end = loop_now_ms(l) + 2500; loop_now_ms(l) < end;) {
		until("one runs still", one_runs, NULL);
		assert_true(count_of("batch/v1", "Job", NULL, NULL) == 1);
		assert_int_equal(loop_timer_set(l, &t, loop_now_ms(l) + 50, on_look_again), 0);
		assert_int_equal(loop_run(l), 0);
	}
}

/* ---- the parts */

static int64_t at(const char *text)
{
	struct timespec t;

	assert_int_equal(meta_time_parse(&t, text), 0);
	return t.tv_sec;
}

static void test_schedules(void **state)
{
	static const struct {
		const char *schedule, *after, *next;
	} table[] = {
		{"* * * * *", "2026-01-02T03:04:05Z", "2026-01-02T03:05:00Z"},
		{"*/15 * * * *", "2026-01-02T03:04:05Z", "2026-01-02T03:15:00Z"},
		{"5/20 * * * *", "2026-01-02T03:26:00Z", "2026-01-02T03:45:00Z"},
		{"0 9-17/4 * * *", "2026-01-02T09:00:00Z", "2026-01-02T13:00:00Z"},
		{"30 4 1,15 * *", "2026-01-02T03:04:05Z", "2026-01-15T04:30:00Z"},
		{"0 0 * * sun", "2026-01-02T00:00:00Z", "2026-01-04T00:00:00Z"},
		{"0 0 13 * FRI", "2026-01-02T00:00:00Z", "2026-01-09T00:00:00Z"}, /* either day */
		{"0 0 29 2 *", "2026-01-02T00:00:00Z", "2028-02-29T00:00:00Z"},
		{"@hourly", "2026-01-02T23:59:59Z", "2026-01-03T00:00:00Z"},
		{"@yearly", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"},
		{"@every 1h30m", "2026-01-01T00:00:00Z", "2026-01-01T01:30:00Z"},
		{"0 0 31 2 *", "2026-01-01T00:00:00Z", NULL},
	};
	static const char *const wrong[] = {"", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *",
		"* * 0 * *", "* * * 13 *", "* * * * 7", "5-1 * * * *", "*/0 * * * *", "1, * * * *",
		"- * * * *", "@never", "@every", "@every 1d", "@every 0s", "x * * * *", "* * * foo *"};
	struct cron c;
	char why[320];

	for (size_t i = 0; i < array_len(table); i++) {
		int64_t next;

		assert_true(cron_parse(&c, table[i].schedule, why, sizeof(why)));
		next = cron_next(&c, at(table[i].after));
		if (next != (table[i].next ? at(table[i].next) : -1))
			fail_msg("%s after %s", table[i].schedule, table[i].after);
	}
	for (size_t i = 0; i < array_len(wrong); i++)
		if (cron_parse(&c, wrong[i], why, sizeof(why)))
			fail_msg("taken: %s", wrong[i]);
	assert_true(cron_parse(&c, "0 * * * *", why, sizeof(why)));
	assert_int_equal(cron_last(&c, at("2020-01-01T00:00:00Z"), at("2026-01-02T03:04:05Z")),
		at("2026-01-02T03:00:00Z"));
	assert_int_equal(cron_last(&c, at("2026-01-02T03:00:00Z"), at("2026-01-02T03:04:05Z")), -1);
	assert_true(cron_parse(&c, "0 0 29 2 *", why, sizeof(why)));
	assert_int_equal(cron_last(&c, at("2020-01-01T00:00:00Z"), at("2026-01-02T03:04:05Z")),
		at("2024-02-29T00:00:00Z"));
}

static void test_zones(void **state)
{
#define MONDAY "30 8 * * 1"
#define FRIDAY "2026-01-02T12:00:00Z"
	static const struct {
		const char *zone, *schedule, *after, *next; /* NULL: there is no such zone */
	} table[] = {
		{"UTC", MONDAY, FRIDAY, "2026-01-05T08:30:00Z"},
		{"Etc/Greenwich", MONDAY, FRIDAY, "2026-01-05T08:30:00Z"},
		{"Etc/GMT-14", MONDAY, FRIDAY, "2026-01-04T18:30:00Z"},
		{"Etc/GMT+12", MONDAY, FRIDAY, "2026-01-05T20:30:00Z"},
		{"Etc/GMT-15", MONDAY, FRIDAY, NULL},
		{"Etc/GMT+13", MONDAY, FRIDAY, NULL},
		{"GMT+5", MONDAY, FRIDAY, NULL},
		{"Etc/GMT+5x", MONDAY, FRIDAY, NULL},
		{"Etc/GMT+", MONDAY, FRIDAY, NULL},
		{"Etc/GMT+05", MONDAY, FRIDAY, NULL},
		{"Etc/GMT-55555555555555555555", MONDAY, FRIDAY, NULL},
		{"Europe/Berlin", MONDAY, FRIDAY, "2026-01-05T07:30:00Z"},
		{"Asia/Kathmandu", MONDAY, FRIDAY, "2026-01-05T02:45:00Z"},
		{"europe/berlin", MONDAY, FRIDAY, NULL},
		/* the clock is put forward at 2: what would be between is left out */
		{"Europe/Berlin", "30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z"},
		{"Europe/Berlin", "0 * * * *", "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z"},
		/* it is put back at 3: what is between comes twice */
		{"Europe/Berlin", "30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"},
		{"Europe/Berlin", "30 2 * * *", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"},
		{"Europe/Berlin", "30 2 * * *", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"},
		{"America/New_York", "0 12 11 3 *", "2026-03-08T00:00:00Z", "2026-03-11T16:00:00Z"},
		/* at midnight: there is none, but there is that day */
		{"Asia/Beirut", "0 0 * * *", "2026-03-28T12:00:00Z", "2026-03-29T21:00:00Z"},
		{"Asia/Beirut", "30 5 29 3 *", "2026-03-01T00:00:00Z", "2026-03-29T02:30:00Z"},
		/* by half an hour */
		{"Australia/Lord_Howe", "0 5 * * *", "2026-10-03T00:00:00Z", "2026-10-03T18:00:00Z"},
		{"Australia/Lord_Howe", "15 2 * * *", "2026-10-03T00:00:00Z", "2026-10-04T15:15:00Z"},
		/* by no rule: back for the month of Ramadan */
		{"Africa/Casablanca", "30 12 * * *", "2025-02-22T00:00:00Z", "2025-02-22T11:30:00Z"},
		{"Africa/Casablanca", "30 12 * * *", "2025-02-22T12:00:00Z", "2025-02-23T12:30:00Z"},
		{"Africa/Casablanca", "30 2 * * *", "2025-02-23T00:00:00Z", "2025-02-23T01:30:00Z"},
		{"Africa/Casablanca", "30 2 * * *", "2025-02-23T01:30:00Z", "2025-02-23T02:30:00Z"},
		/* summer over the turn of the year */
		{"America/Santiago", "0 0 1 1 *", "2026-12-01T00:00:00Z", "2027-01-01T03:00:00Z"},
		{"America/Santiago", "0 0 1 7 *", "2026-05-01T00:00:00Z", "2026-07-01T04:00:00Z"},
		{"", MONDAY, FRIDAY, NULL},
	};
	struct cron c;
	char why[320];

	for (size_t i = 0; i < array_len(table); i++) {
		bool known;

		assert_true(cron_parse(&c, table[i].schedule, why, sizeof(why)));
		c.zone = zone_find(table[i].zone);
		known = c.zone != NULL;
		if (known != (table[i].next != NULL) ||
			(known && cron_next(&c, at(table[i].after)) != at(table[i].next)))
			fail_msg("zone %s, %s after %s", table[i].zone, table[i].schedule, table[i].after);
	}
}

static void test_indexes(void **state)
{
	static const struct {
		const char *in, *out;
	} table[] = {{"", ""}, {"3", "3"}, {"1,3-5,7", "1,3-5,7"}, {"0-1", "0,1"}, {"5,4,3", "3-5"},
		{"0-99", "0-99"}, {"98-300", "98,99"}, {"1,x", "1"}, {"7-", ""}, {"64,63,65", "63-65"}};

	for (size_t i = 0; i < array_len(table); i++) {
		struct indexes s;
		char *text;

		assert_int_equal(indexes_init(&s, 100), 0);
		indexes_read(&s, table[i].in);
		text = indexes_text(&s);
		assert_string_equal(text, table[i].out);
		free(text);
		indexes_fini(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_schedules),
		cmocka_unit_test(test_zones),
		cmocka_unit_test(test_indexes),
		STORY(test_completes),
		STORY(test_fails),
		STORY(test_deadline),
		STORY(test_suspends_and_shrinks),
		STORY(test_adopts),
		STORY(test_indexed),
		STORY(test_index_fails_alone),
		STORY(test_failure_policy),
		STORY(test_success_policy),
		STORY(test_goes_after_its_time),
		STORY(test_deleted),
		STORY(test_cron_runs),
		STORY(test_cron_forbids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
