/* SPDX-License-Identifier: Apache-2.0 */

/* Which members the Config of an image's inspect has, by the version of the API. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/image_config.h"
#include "lib/json.h"

static void shows(const char *stored, int minor, const char *shown)
{
	cleanup(json_docp) yyjson_doc *config = stored ? yyjson_read(stored, strlen(stored), 0) : NULL;
	cleanup(json_mut_docp) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	char *text = yyjson_mut_val_write(
		image_config_shown(doc, yyjson_doc_get_root(config), minor), YYJSON_WRITE_NOFLAG, NULL);

	assert_non_null(text);
	assert_string_equal(text, shown);
	free(text);
}

static void nothing(void **state)
{
	static const char now[] =
		"{\"Cmd\":null,\"Entrypoint\":null,\"Env\":null,\"Labels\":null,\"OnBuild\":null,\"User\":\"\","
		"\"Volumes\":null,\"WorkingDir\":\"\"}";

	shows(NULL, 51, now);
	shows("{}", 50, now);
	/* empty is as good as absent, and so is what was a container's */
	shows("{\"Cmd\":[],\"Labels\":{},\"User\":\"\",\"ExposedPorts\":{},\"StopSignal\":\"\",\"ArgsEscaped\":false,"
	      "\"Hostname\":\"box\",\"Tty\":true,\"Other\":1}",
		51, now);
	shows("{\"Hostname\":\"box\"}", 49,
		"{\"AttachStderr\":false,\"AttachStdin\":false,\"AttachStdout\":false,\"Cmd\":null,\"Domainname\":\"\","
		"\"Entrypoint\":null,\"Env\":null,\"Hostname\":\"\",\"Image\":\"\",\"Labels\":null,\"OnBuild\":null,"
		"\"OpenStdin\":false,\"StdinOnce\":false,\"Tty\":false,\"User\":\"\",\"Volumes\":null,\"WorkingDir\":\"\"}");
}

static void everything(void **state)
{
	static const char all[] =
		"{\"ArgsEscaped\":true,\"Cmd\":[\"a\"],\"Entrypoint\":[\"b\"],\"Env\":[\"C=d\"],\"ExposedPorts\":{\"80/tcp\":{}},"
		"\"Healthcheck\":{\"Test\":[\"NONE\"]},\"Labels\":{\"e\":\"\"},\"OnBuild\":[\"RUN f\"],\"Shell\":[\"g\"],"
		"\"StopSignal\":\"SIGINT\",\"User\":\"h\",\"Volumes\":{\"/i\":{}},\"WorkingDir\":\"/j\"}";

	shows(all, 51, all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing),
		cmocka_unit_test(everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
