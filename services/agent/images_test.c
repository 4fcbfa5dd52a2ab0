/* SPDX-License-Identifier: Apache-2.0 */

/* What becomes of an image by its policy and its name, against an engine of this test: what that is asked, and what is said in the end. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/images.h"
#include "agent/testing.h"
#include "lib/http.h"
#include "lib/http_client.h"

#define ENGINE "/tmp/images-test.engine"
enum { HOUR_MS = 3600000 };

static bool here, refuses; /* the image is in the engine; a pull fails */
static char asked[200], told[60], words[400];

static void reply(struct http_req *r, int status, const char *json)
{
	http_reply(r, status, "application/json", json, strlen(json));
}

/* As ours: a name with two colons is none. */
static void engine(struct http_req *r, void *arg)
{
	bool pull = http_method(r) != HTTP_GET_;
	size_t at = strlen(asked);

	snprintf(asked + at, sizeof(asked) - at, "%s%s", at ? " " : "", pull ? "pull" : "look");
	if (strstr(http_path(r), "bad"))
		reply(r, 400, "{\"message\":\"invalid reference format\"}");
	else if (strstr(http_path(r), "broken"))
		reply(r, 500, "{\"message\":\"the disk\"}");
	else if (!pull)
		reply(r, here ? 200 : 404, "{}");
	else
		reply(r, 200, refuses ? "{\"error\":\"unauthorized\"}\n" : "{\"status\":\"Pulling\"}\n");
}

static void on_done(struct pod *p, struct pod_container *c, const char *reason, const char *why)
{
	snprintf(told, sizeof(told), "%s", reason ?: "");
	snprintf(words, sizeof(words), "%s", why ?: "");
	loop_quit(testing_agent.loop, 0);
}

static void test_policies_and_names(void **state)
{
	static const struct {
		const char *image, *policy;
		bool here, refuses;
		const char *asked, *told, *words;
	} rows[] = {
		{"a:1", "IfNotPresent", true, false, "look", "", ""},
		{"a:1", "IfNotPresent", false, false, "look pull", "", ""},
		{"a:1", "IfNotPresent", false, true, "look pull", "ErrImagePull",
			"failed to pull image \"a:1\": unauthorized"},
		{"a:1", "Always", true, false, "look pull", "", ""},
		{"a:1", "Always", true, true, "look pull", "ErrImagePull",
			"failed to pull image \"a:1\": unauthorized"},
		{"a:1", "Never", true, false, "look", "", ""},
		{"a:1", "Never", false, false, "look", "ErrImageNeverPull",
			"Container image \"a:1\" is not present with pull policy of Never"},
		/* no name is no name, whatever the policy */
		{"bad:1:2", "IfNotPresent", false, false, "look", "InvalidImageName",
			"Failed to apply default image tag \"bad:1:2\": it is no image reference"},
		{"bad:1:2", "Always", false, false, "look", "InvalidImageName",
			"Failed to apply default image tag \"bad:1:2\": it is no image reference"},
		{"bad:1:2", "Never", false, false, "look", "InvalidImageName",
			"Failed to apply default image tag \"bad:1:2\": it is no image reference"},
		{"broken:1", "Always", false, false, "look", "ImageInspectError",
			"Failed to inspect image \"broken:1\": the engine cannot say whether the image is here"},
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		char spec[200];
		struct pod *p;

		snprintf(spec, sizeof(spec),
			"\"containers\":[{\"name\":\"a\",\"image\":\"%s\",\"imagePullPolicy\":\"%s\"}]",
			rows[i].image, rows[i].policy);
		p = testing_pod(spec, "");
		p->not_before_ms = loop_now_ms(testing_agent.loop) + HOUR_MS;
		here = rows[i].here;
		refuses = rows[i].refuses;
		*asked = 0;
		assert_true(images_ensure(p, &p->containers[0], on_done));
		assert_int_equal(p->pending, 1);
		assert_int_equal(loop_run(testing_agent.loop), 0);
		assert_int_equal(p->pending, 0);
		assert_string_equal(asked, rows[i].asked);
		assert_string_equal(told, rows[i].told);
		assert_string_equal(words, rows[i].words);
		agent_pod_free(p);
	}
}

static int begin(void **state)
{
	testing_served(ENGINE, engine);
	return 0;
}

static int end(void **state)
{
	return testing_served_end(ENGINE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policies_and_names),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
