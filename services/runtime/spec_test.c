/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <linux/mount.h>

#include <cmocka.h>

#include "runtime/fail.h"
#include "runtime/spec.h"

#define PROCESS "\"process\":{\"cwd\":\"/\",\"args\":[\"x\"]"

static int parse(struct oci_spec *s, const char *text)
{
	size_t len = strlen(text);
	char *copy = calloc(1, len + YYJSON_PADDING_SIZE);

	assert_non_null(copy);
	memcpy(copy, text, len);
	rt_reason_set("");
	return oci_spec_parse(s, copy, len);
}

static void whole(void **state)
{
	struct oci_spec s;

	assert_int_equal(
		parse(&s,
			"{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"r\",\"readonly\":true},\"future\":[1],"
			"\"process\":{\"cwd\":\"/w\",\"args\":[\"a\",\"b\"],\"env\":[\"A=1\"],\"user\":{\"uid\":7,\"gid\":8,"
			"\"additionalGids\":[9]},\"capabilities\":{\"bounding\":[\"CAP_CHOWN\",\"CAP_KILL\"]},"
			"\"rlimits\":[{\"type\":\"RLIMIT_CORE\",\"soft\":0,\"hard\":18446744073709551615}]},"
			"\"mounts\":[{\"destination\":\"/p\",\"type\":\"proc\",\"options\":[\"ro\"]}],"
			"\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"network\",\"path\":\"/n\"}],"
			"\"resources\":{\"memory\":{\"limit\":-1},\"pids\":{\"limit\":5}},"
			"\"rootfsPropagation\":\"rslave\"}}"),
		0);
	assert_string_equal(s.root_path, "r");
	assert_true(s.root_readonly);
	assert_int_equal(s.process.n_args, 2);
	assert_string_equal(s.process.args[1], "b");
	assert_null(s.process.args[2]);
	assert_int_equal(s.process.uid, 7);
	assert_int_equal(s.process.groups[0], 9);
	assert_int_equal(s.process.caps.bounding, 1 << 0 | 1 << 5);
	assert_true(s.process.rlimits[0].limit.rlim_max == RLIM_INFINITY);
	assert_int_equal(s.n_mounts, 1);
	assert_true(s.ns[NS_MOUNT].listed && !s.ns[NS_MOUNT].path);
	assert_string_equal(s.ns[NS_NET].path, "/n");
	assert_true(s.resources.has_memory);
	assert_int_equal(s.resources.memory, -1);
	assert_int_equal(s.resources.pids, 5);
	assert_int_equal(s.propagation, MS_SLAVE);
	assert_int_equal(s.personality, -1);
	oci_spec_fini(&s);
}

/* Each is refused, and the sentence names what is wrong. */
static void refused(void **state)
{
	static const struct {
		const char *text, *sentence;
	} rows[] = {
		{"", "at byte"},
		{"[]", "must hold an object"},
		{"{\"ociVersion\":\"1.0.0\"}", "root.path is missing"},
		{"{\"root\":{\"path\":\"r\"}}", "ociVersion is missing"},
		{"{\"ociVersion\":\"2.0\",\"root\":{\"path\":\"r\"}}", "speaks version 1"},
		{"{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"a\\u0000b\"}}", "without NUL bytes"},
		{"{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"r\"},\"process\":{\"cwd\":\"rel\"}}",
			"process.cwd"},
		{"{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"r\"}," PROCESS ",\"user\":{\"uid\":-1}}}",
			"process.user.uid"},
		{"{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"r\"}," PROCESS
		 ",\"user\":{\"uid\":4294967295}}}",
			"out of range"},
		{"{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"r\"}," PROCESS ",\"user\":{\"uid\":1.5}}}",
			"process.user.uid"},
		{"{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"r\"}," PROCESS ",\"user\":{\"uid\":\"0\"}}}",
			"process.user.uid"},
		{"{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"r\"}," PROCESS
		 ",\"capabilities\":{\"bounding\":[\"CAP_X\"]}}}",
			"unknown capability CAP_X"},
		{"{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"r\"}," PROCESS
		 ",\"rlimits\":[{\"type\":\"RLIMIT_Q\"}]}}",
			"unknown type RLIMIT_Q"},
		{"{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"r\"}," PROCESS ",\"oomScoreAdj\":1001}}",
			"oomScoreAdj"},
		{"{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"r\"},\"mounts\":[{}]}",
			"destination is missing"},
		{"{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"r\"},\"hooks\":{\"prestart\":[{\"path\":\"x\"}]}}",
			"absolute path"},
		{"{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"r\"},\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"pid\"}]}}",
			"given twice"},
		{"{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"r\"},\"linux\":{\"namespaces\":[{\"type\":\"user\"}]}}",
			"needs"},
		{"{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"r\"},\"linux\":{\"intelRdt\":{}}}",
			"Intel RDT"},
		{"{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"r\"},\"linux\":{\"mountLabel\":\"x\"}}",
			"SELinux"},
		{"{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"r\"},\"linux\":{\"devices\":[{\"path\":\"/d\",\"type\":\"x\"}]}}",
			"type"},
		{"{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"r\"},\"linux\":{\"resources\":{\"devices\":[{}]}}}",
			"needs allow"},
		{"{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"r\"},\"linux\":{\"resources\":{\"unified\":{\"a/b\":\"1\"}}}}",
			"file name"},
		{"{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"r\"},\"linux\":{\"resources\":{\"memory\":{\"swappiness\":0}}}}",
			"no counterpart"},
		{"{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"r\"},\"linux\":{\"seccomp\":{\"defaultAction\":\"X\"}}}",
			"unknown action"},
		{"{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"r\"},\"linux\":{\"sysctl\":{\"a\":1}}}",
			"strings to strings"},
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		struct oci_spec s;

		if (parse(&s, rows[i].text) != -EINVAL)
			fail_msg("accepted: %s", rows[i].text);
		if (!strstr(rt_reason(), rows[i].sentence))
			fail_msg("%s: \"%s\" does not say \"%s\"", rows[i].text, rt_reason(),
				rows[i].sentence);
		oci_spec_fini(&s);
	}
}

static void null_is_absent(void **state)
{
	struct oci_spec s;

	assert_int_equal(
		parse(&s,
			"{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"r\"},\"mounts\":null,\"linux\":null}"),
		0);
	assert_int_equal(s.n_mounts, 0);
	assert_false(s.has_process);
	oci_spec_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole),
		cmocka_unit_test(refused),
		cmocka_unit_test(null_is_absent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
