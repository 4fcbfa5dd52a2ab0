/* SPDX-License-Identifier: Apache-2.0 */

/* What the API is told of a pod, by the states of its containers. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/status_int.h"
#include "agent/testing.h"

/* One letter a container: . not made, c made, r runs, 0 ended well, 1 ended badly, w ended and waits, u runs and is not ready. */
static void set_states(struct pod *p, const char *states)
{
	for (size_t i = 0; states[i]; i++) {
		struct pod_container *c = &p->containers[i];
		char s = states[i];

		assert_true(i < p->n_containers);
		c->seen = s != '.';
		c->running = s == 'r' || s == 'u';
		c->exited = s == '0' || s == '1' || s == 'w';
		c->now.exit_code = s == '1' || s == 'w';
		c->probe_ready = c->probe_started = s == 'r';
		c->now.message_known = true;
		snprintf(c->waiting, sizeof(c->waiting), "%s", s == 'w' ? "CrashLoopBackOff" : "");
		if (c->seen) {
			snprintf(c->now.id, sizeof(c->now.id), "id%zu", i);
			snprintf(c->now.started, sizeof(c->now.started), "2026-01-02T03:04:05.678Z");
		}
		if (c->exited)
			snprintf(c->now.finished, sizeof(c->now.finished), "2026-01-02T03:05:05.678Z");
	}
}

#define TWO  "\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]"
#define INIT "\"initContainers\":[{\"name\":\"i\"}],\"containers\":[{\"name\":\"a\"}]"
#define SIDECAR                                                                                              \
	"\"initContainers\":[{\"name\":\"s\",\"restartPolicy\":\"Always\"}],\"containers\":[{\"name\":\"a\"}]"
#define NEVER	"\"restartPolicy\":\"Never\","
#define ON_FAIL "\"restartPolicy\":\"OnFailure\","

static void test_phases(void **state)
{
	static const struct {
		const char *spec, *states, *phase;
		bool deleting;
	} cases[] = {
		{TWO, "..", "Pending", false},
		{TWO, "r.", "Pending", false},
		{TWO, "rr", "Running", false},
		{TWO, "rc", "Pending", false},
		{TWO, "00", "Running", false}, /* and starts again */
		{TWO, "w0", "Running", false},
		{NEVER TWO, "r0", "Running", false},
		{NEVER TWO, "00", "Succeeded", false},
		{NEVER TWO, "01", "Failed", false},
		{ON_FAIL TWO, "00", "Succeeded", false},
		{ON_FAIL TWO, "01", "Running", false},
		{INIT, "..", "Pending", false},
		{INIT, "r.", "Pending", false},
		{INIT, "w.", "Pending", false},
		{NEVER INIT, "1.", "Failed", false},
		{INIT, "0.", "Pending", false},
		{INIT, "0r", "Running", false},
		{SIDECAR, "r.", "Pending", false},
		{SIDECAR, "rr", "Running", false},
		{NEVER SIDECAR, "r0", "Running", false}, /* the sidecar still ends */
		{NEVER SIDECAR, "00", "Succeeded", false},
		{TWO, "01", "Failed", true},
		{TWO, "00", "Succeeded", true},
		{TWO, "r0", "Running", true},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		struct pod *p = testing_pod(cases[i].spec, "");

		p->sandbox = SANDBOX_READY;
		p->deleting = cases[i].deleting;
		set_states(p, cases[i].states);
		if (strcmp(pod_phase(p), cases[i].phase) != 0)
			fail_msg("%s %s: %s, not %s", cases[i].spec, cases[i].states, pod_phase(p),
				cases[i].phase);
		agent_pod_free(p);
	}
}

/* A container has not started before its postStart hook is over; one that starts again leaves the pod running. */
static void test_a_hook_is_under_way(void **state)
{
	static const struct {
		bool beginning;
		const char *last, *phase, *state;
	} cases[] = {
		{true, "", "Pending", "waiting"},
		{true, "before", "Running", "waiting"},
		{false, "", "Running", "running"},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		struct pod *p = testing_pod(TWO, "");
		yyjson_mut_doc *doc;
		yyjson_mut_val *c;

		p->sandbox = SANDBOX_READY;
		set_states(p, "rr");
		p->containers[0].beginning = cases[i].beginning ? (struct hook *)p : NULL;
		snprintf(p->containers[0].last.id, sizeof(p->containers[0].last.id), "%s", cases[i].last);
		doc = pod_status(p);
		c = yyjson_mut_doc_ptr_get(doc, "/status/containerStatuses/0");
		assert_string_equal(pod_phase(p), cases[i].phase);
		p->containers[0].beginning = NULL;
		assert_non_null(yyjson_mut_obj_get(yyjson_mut_obj_get(c, "state"), cases[i].state));
		assert_int_equal(yyjson_mut_get_bool(yyjson_mut_obj_get(c, "ready")), !cases[i].beginning);
		assert_int_equal(yyjson_mut_get_bool(yyjson_mut_obj_get(c, "started")), !cases[i].beginning);
		yyjson_mut_doc_free(doc);
		agent_pod_free(p);
	}
}

static void test_a_final_phase_stays(void **state)
{
	struct pod *p = testing_pod(TWO, "\"phase\":\"Failed\"");

	assert_true(p->finished);
	set_states(p, "rr");
	assert_string_equal(pod_phase(p), "Failed");
	agent_pod_free(p);
}

static yyjson_mut_val *condition(yyjson_mut_doc *doc, const char *type)
{
	yyjson_mut_val *list = yyjson_mut_obj_get(
			       yyjson_mut_obj_get(yyjson_mut_doc_get_root(doc), "status"), "conditions"),
		       *each;
	size_t i, n;

	yyjson_mut_arr_foreach(list, i, n,
		each) if (yyjson_mut_equals_str(yyjson_mut_obj_get(each, "type"), type)) return each;
	fail_msg("no condition %s", type);
	return NULL;
}

static void check_condition(yyjson_mut_doc *doc, const char *type, const char *status, const char *reason)
{
	yyjson_mut_val *c = condition(doc, type);

	assert_string_equal(yyjson_mut_get_str(yyjson_mut_obj_get(c, "status")), status);
	/* of the pod as it is in the API */
	assert_int_equal(yyjson_mut_get_sint(yyjson_mut_obj_get(c, "observedGeneration")), 3);
	if (reason)
		assert_string_equal(yyjson_mut_get_str(yyjson_mut_obj_get(c, "reason")), reason);
	else
		assert_false(yyjson_mut_is_str(yyjson_mut_obj_get(c, "reason")));
}

static void test_a_pod_fails_as_a_whole(void **state)
{
	struct pod *p = testing_pod(TWO, "");
	yyjson_mut_doc *doc;
	yyjson_mut_val *told;

	set_states(p, "rr");
	pod_fail(p, "Evicted", "there is no room");
	assert_string_equal(pod_phase(p), "Failed");
	doc = pod_status(p);
	told = yyjson_mut_obj_get(yyjson_mut_doc_get_root(doc), "status");
	assert_string_equal(yyjson_mut_get_str(yyjson_mut_obj_get(told, "reason")), "Evicted");
	check_condition(doc, "DisruptionTarget", "True", "TerminationByKubelet");
	yyjson_mut_doc_free(doc);
	agent_pod_free(p);
}

static void test_conditions(void **state)
{
	static const char probed[] =
		"\"containers\":[{\"name\":\"a\",\"readinessProbe\":{}},{\"name\":\"b\"}]";
	static const struct {
		const char *spec, *states, *initialized, *ready, *reason;
	} cases[] = {
		{probed, "ur", "True", "False", "ContainersNotReady"},
		{probed, "rr", "True", "True", NULL},
		{INIT, "r.", "False", "False", "ContainersNotReady"},
		{NEVER TWO, "00", "True", "False", "PodCompleted"},
		{NEVER TWO, "11", "True", "False", "PodFailed"},
		{"\"readinessGates\":[{\"conditionType\":\"x/y\"}]," TWO, "rr", "True", "False",
			"ReadinessGatesNotReady"},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		struct pod *p = testing_pod(cases[i].spec, "");
		yyjson_mut_doc *doc;

		p->sandbox = SANDBOX_READY;
		set_states(p, cases[i].states);
		doc = pod_status(p);
		check_condition(doc, "Ready", cases[i].ready, cases[i].reason);
		assert_string_equal(
			yyjson_mut_get_str(yyjson_mut_obj_get(condition(doc, "Initialized"), "status")),
			cases[i].initialized);
		yyjson_mut_doc_free(doc);
		agent_pod_free(p);
	}
}

/* What was said before and has not changed keeps its time; what is not so any more is taken away. */
static void test_a_condition_keeps_its_time(void **state)
{
	struct pod *p = testing_pod(TWO,
		"\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\",\"lastTransitionTime\":\"2020-01-01T00:00:00Z\","
		"\"reason\":\"Old\"}]");
	yyjson_mut_doc *doc;
	yyjson_mut_val *ready;

	p->sandbox = SANDBOX_READY;
	set_states(p, "rr");
	doc = pod_status(p);
	ready = condition(doc, "Ready");
	assert_string_equal(
		yyjson_mut_get_str(yyjson_mut_obj_get(ready, "lastTransitionTime")), "2020-01-01T00:00:00Z");
	assert_true(yyjson_mut_is_null(yyjson_mut_obj_get(ready, "reason")));
	yyjson_mut_doc_free(doc);
	set_states(p, "r.");
	doc = pod_status(p);
	ready = condition(doc, "Ready");
	assert_string_not_equal(
		yyjson_mut_get_str(yyjson_mut_obj_get(ready, "lastTransitionTime")), "2020-01-01T00:00:00Z");
	assert_string_equal(yyjson_mut_get_str(yyjson_mut_obj_get(ready, "message")),
		"containers with unready status: [b]");
	yyjson_mut_doc_free(doc);
	agent_pod_free(p);
}

static const char *text_at(yyjson_mut_doc *doc, const char *pointer)
{
	return yyjson_mut_get_str(yyjson_mut_doc_ptr_get(doc, pointer)) ?: "";
}

static void test_states(void **state)
{
	struct pod *p = testing_pod("\"containers\":[{\"name\":\"a\",\"image\":\"x\"}]", "");
	yyjson_mut_doc *doc = pod_status(p);

	assert_string_equal(
		text_at(doc, "/status/containerStatuses/0/state/waiting/reason"), "ContainerCreating");
	assert_string_equal(text_at(doc, "/status/containerStatuses/0/image"), "x");
	yyjson_mut_doc_free(doc);

	set_states(p, "r");
	doc = pod_status(p);
	assert_string_equal(
		text_at(doc, "/status/containerStatuses/0/state/running/startedAt"), "2026-01-02T03:04:05Z");
	assert_string_equal(text_at(doc, "/status/containerStatuses/0/containerID"), "wherry://id0");
	assert_string_equal(text_at(doc, "/status/podIP"), "");
	assert_string_equal(text_at(doc, "/status/hostIP"), "192.0.2.1");
	yyjson_mut_doc_free(doc);

	/* An end that is followed by a wait is the last state. */
	set_states(p, "w");
	p->containers[0].now.message = strdup("good\xff"
					      "bye");
	doc = pod_status(p);
	assert_string_equal(
		text_at(doc, "/status/containerStatuses/0/state/waiting/reason"), "CrashLoopBackOff");
	assert_string_equal(text_at(doc, "/status/containerStatuses/0/lastState/terminated/reason"), "Error");
	assert_string_equal(
		text_at(doc, "/status/containerStatuses/0/lastState/terminated/message"), "good?bye");
	yyjson_mut_doc_free(doc);

	set_states(p, "1");
	p->containers[0].now.oom_killed = true;
	doc = pod_status(p);
	assert_string_equal(text_at(doc, "/status/containerStatuses/0/state/terminated/reason"), "OOMKilled");
	yyjson_mut_doc_free(doc);
	agent_pod_free(p);
}

/* What was told of a container's end stays when the engine has the container no more. */
static void test_an_end_that_was_told_stays(void **state)
{
	struct pod *p = testing_pod(NEVER "\"containers\":[{\"name\":\"a\"}]",
		"\"phase\":\"Failed\",\"containerStatuses\":[{\"name\":\"a\",\"state\":{\"terminated\":{\"exitCode\":7,"
		"\"message\":\"last words\"}}}]");
	yyjson_mut_doc *doc = pod_status(p);

	assert_string_equal(
		text_at(doc, "/status/containerStatuses/0/state/terminated/message"), "last words");
	yyjson_mut_doc_free(doc);
	set_states(p, "1");
	doc = pod_status(p);
	assert_string_equal(text_at(doc, "/status/containerStatuses/0/containerID"), "wherry://id0");
	yyjson_mut_doc_free(doc);
	agent_pod_free(p);
}

/* A patch that would change nothing is not sent. */
static void test_told(void **state)
{
	static const struct {
		const char *patch, *status;
		bool told;
	} cases[] = {
		{"{\"phase\":\"Running\"}", "{\"phase\":\"Running\",\"qosClass\":\"Burstable\"}", true},
		{"{\"phase\":\"Running\"}", "{\"phase\":\"Pending\"}", false},
		{"{\"phase\":\"Running\"}", "{}", false},
		{"{\"conditions\":[{\"type\":\"A\",\"status\":\"True\",\"reason\":null}]}",
			"{\"conditions\":[{\"type\":\"B\"},{\"type\":\"A\",\"status\":\"True\",\"observedGeneration\":1}]}",
			true},
		{"{\"conditions\":[{\"type\":\"A\",\"status\":\"True\",\"reason\":null}]}",
			"{\"conditions\":[{\"type\":\"A\",\"status\":\"True\",\"reason\":\"x\"}]}", false},
		{"{\"conditions\":[{\"type\":\"A\",\"status\":\"True\"}]}", "{\"conditions\":[]}", false},
		{"{\"podIPs\":[{\"ip\":\"a\"},{\"$patch\":\"replace\"}]}", "{\"podIPs\":[{\"ip\":\"a\"}]}",
			true},
		{"{\"podIPs\":[{\"ip\":\"a\"},{\"$patch\":\"replace\"}]}",
			"{\"podIPs\":[{\"ip\":\"a\"},{\"ip\":\"b\"}]}", false},
		{"{\"containerStatuses\":[{\"name\":\"a\",\"restartCount\":1}]}",
			"{\"containerStatuses\":[{\"restartCount\":1,\"name\":\"a\"}]}", true},
		{"{\"containerStatuses\":[{\"name\":\"a\"}]}",
			"{\"containerStatuses\":[{\"name\":\"a\",\"x\":1}]}", false},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		yyjson_doc *patch = testing_doc(cases[i].patch), *status = testing_doc(cases[i].status);
		yyjson_mut_doc *mut = yyjson_doc_mut_copy(patch, NULL);

		if (status_is_told(yyjson_mut_doc_get_root(mut), yyjson_doc_get_root(status)) !=
			cases[i].told)
			fail_msg("%s against %s", cases[i].patch, cases[i].status);
		yyjson_mut_doc_free(mut);
		yyjson_doc_free(patch);
		yyjson_doc_free(status);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_phases),
		cmocka_unit_test(test_a_hook_is_under_way),
		cmocka_unit_test(test_a_final_phase_stays),
		cmocka_unit_test(test_a_pod_fails_as_a_whole),
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_a_condition_keeps_its_time),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_an_end_that_was_told_stays),
		cmocka_unit_test(test_told),
	};

	return cmocka_run_group_tests(tests, NULL, testing_end);
}
