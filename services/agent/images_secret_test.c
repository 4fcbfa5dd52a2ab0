/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/images.h"
#include "lib/base64.h"

/* dTpw is u:p */
#define AUTH "{\"auth\":\"dTpw\"}"

static void test_whom_to_be(void **state)
{
	static const struct {
		const char *config, *image, *wanted; /* NULL: nobody */
	} cases[] = {
		{"{\"auths\":{\"reg.example\":" AUTH "}}", "reg.example/a/b:1",
			"{\"username\":\"u\",\"password\":\"p\",\"serveraddress\":\"reg.example\"}"},
		{"{\"auths\":{\"https://reg.example/v2/\":" AUTH "}}", "reg.example/a",
			"{\"username\":\"u\",\"password\":\"p\",\"serveraddress\":\"reg.example\"}"},
		{"{\"auths\":{\"reg.example:5000\":" AUTH "}}", "reg.example:5000/a",
			"{\"username\":\"u\",\"password\":\"p\",\"serveraddress\":\"reg.example:5000\"}"},
		{"{\"auths\":{\"reg.example\":" AUTH "}}", "reg.example.org/a", NULL},
		{"{\"auths\":{\"reg.example\":" AUTH "}}", "a", NULL},
		{"{\"auths\":{\"https://index.docker.io/v1/\":" AUTH "}}", "a:2",
			"{\"username\":\"u\",\"password\":\"p\",\"serveraddress\":\"docker.io\"}"},
		{"{\"auths\":{\"docker.io\":" AUTH "}}", "team/a",
			"{\"username\":\"u\",\"password\":\"p\",\"serveraddress\":\"docker.io\"}"},
		/* the longer one counts */
		{"{\"auths\":{\"r.example\":{\"username\":\"x\",\"password\":\"y\"},\"r.example/team\":" AUTH
		 "}}",
			"r.example/team/a",
			"{\"username\":\"u\",\"password\":\"p\",\"serveraddress\":\"r.example\"}"},
		{"{\"auths\":{\"r.example/team\":" AUTH "}}", "r.example/teams/a", NULL},
		/* .dockercfg */
		{"{\"r.example\":{\"username\":\"x\",\"password\":\"y\"}}", "r.example/a",
			"{\"username\":\"x\",\"password\":\"y\",\"serveraddress\":\"r.example\"}"},
		{"{\"auths\":{\"r.example\":7}}", "r.example/a", NULL},
		{"[]", "r.example/a", NULL},
		{"", "r.example/a", NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *header = image_credentials(cases[i].config, strlen(cases[i].config), cases[i].image);
		char *text = header ? base64_text(header) : NULL;

		if (!cases[i].wanted)
			assert_null(text);
		else if (!text || strcmp(text, cases[i].wanted) != 0)
			fail_msg("%s for %s: %s", cases[i].config, cases[i].image, text ? text : "nobody");
		free(text);
		free(header);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_whom_to_be)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
