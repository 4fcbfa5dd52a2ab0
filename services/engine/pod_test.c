/* SPDX-License-Identifier: Apache-2.0 */

/* What a request about a pod may say, what is on disk of one. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "engine/files.h"
#include "engine/pod.h"
#include "lib/json.h"

static int check(const char *text, const struct pod *old, yyjson_doc **out, const char *words)
{
	yyjson_doc *doc = yyjson_read(text, strlen(text), 0);
	char *msg = NULL;
	int err;

	assert_non_null(doc);
	*out = NULL;
	err = pod_request_check(yyjson_doc_get_root(doc), old, out, &msg);
	if (err && words && !strstr(msg, words))
		fail_msg("%s: \"%s\" lacks \"%s\"", text, msg, words);
	if (!err && words)
		fail_msg("%s: was not refused", text);
	free(msg);
	yyjson_doc_free(doc);
	return err;
}

#define POD "\"UID\":\"u-1\",\"Name\":\"web-0\",\"Namespace\":\"shop\""

static void defaults(void **state)
{
	yyjson_doc *doc;
	yyjson_val *o;

	assert_int_equal(check("{" POD "}", NULL, &doc, NULL), 0);
	o = yyjson_doc_get_root(doc);
	assert_string_equal(json_str(o, "Hostname"), "web-0");
	assert_string_equal(json_str(o, "QOS"), "besteffort");
	assert_int_equal(json_int(o, "ShmSize", 0), 64 << 20);
	assert_true(json_bool(o, "HostUsers"));
	assert_false(json_bool(o, "HostNetwork"));
	yyjson_doc_free(doc);
	assert_int_equal(check("{" POD ",\"HostNetwork\":true}", NULL, &doc, NULL), 0);
	assert_string_equal(json_str(yyjson_doc_get_root(doc), "Hostname"), "");
	yyjson_doc_free(doc);
}

static void refused(void **state)
{
	static const struct {
		const char *text, *words;
		int err;
	} cases[] = {
		{"[]", "must be an object", -EINVAL},
		{"{}", "UID is missing", -EINVAL},
		{"{\"UID\":\"..\",\"Name\":\"a\",\"Namespace\":\"b\"}", "UID must be", -EINVAL},
		{"{" POD ",\"Name2\":1}", "Name2 is no member", -EINVAL},
		{"{" POD ",\"Labels\":{\"a\":1}}", "Labels must hold", -EINVAL},
		{"{" POD ",\"Hosts\":\"a\\u0000b\"}", "Hosts must be", -EINVAL},
		{"{" POD ",\"Hostname\":\"a b\"}", "Hostname must be", -EINVAL},
		{"{" POD ",\"HostIPC\":1}", "HostIPC must be", -EINVAL},
		{"{" POD ",\"ShmSize\":-1}", "ShmSize must be", -EINVAL},
		{"{" POD ",\"SharePID\":true,\"HostPID\":true}", "SharePID cannot be combined", -EINVAL},
		{"{" POD ",\"HostUsers\":false,\"HostNetwork\":true}", "HostUsers", -EINVAL},
		{"{" POD ",\"Sysctls\":{\"net/../kernel/panic\":\"1\"}}", "no namespace of the pod's own",
			-EINVAL},
		{"{" POD ",\"HostNetwork\":true,\"Sysctls\":{\"net.ipv4.ip_forward\":\"1\"}}", "no namespace",
			-EINVAL},
		{"{" POD ",\"HostIPC\":true,\"Sysctls\":{\"kernel.sem\":\"1\"}}", "no namespace", -EINVAL},
		{"{" POD ",\"Resources\":{\"CpuQuota\":1}}", "CpuQuota must be", -EINVAL},
		{"{" POD ",\"Resources\":{\"Memory\":-1}}", "Memory must be", -EINVAL},
		{"{" POD ",\"Resources\":{\"HugepageLimits\":[{\"PageSize\":\"../x\",\"Limit\":1}]}}",
			"PageSize", -EINVAL},
	};
	yyjson_doc *doc;

	for (size_t i = 0; i < array_len(cases); i++)
		assert_int_equal(check(cases[i].text, NULL, &doc, cases[i].words), cases[i].err);
}

static void changes(void **state)
{
	yyjson_doc *doc, *next;
	struct pod old = {0};

	assert_int_equal(
		check("{" POD ",\"Labels\":{\"a\":\"b\"},\"QOS\":\"burstable\"}", NULL, &doc, NULL), 0);
	old.spec = yyjson_doc_get_root(doc);
	assert_int_equal(check("{\"QOS\":\"guaranteed\"}", &old, &next, "cannot be changed"), -EINVAL);
	assert_int_equal(check("{\"Labels\":{}}", &old, &next, NULL), 0);
	assert_int_equal(yyjson_obj_size(json_obj(yyjson_doc_get_root(next), "Labels")), 0);
	assert_string_equal(json_str(yyjson_doc_get_root(next), "QOS"), "burstable");
	yyjson_doc_free(next);
	yyjson_doc_free(doc);
}

static void on_disk(void **state)
{
	char dir[] = "/tmp/pod_test.XXXXXX";
	struct engine e = {.data_dir = dir, .run_dir = dir};
	struct stat st;
	struct pod *p;
	yyjson_doc *doc;
	cleanup(freep) char *path = NULL, *text = NULL;

	assert_non_null(mkdtemp(dir));
	assert_int_equal(pods_open(&e), 0);
	assert_int_equal(check("{" POD ",\"Hosts\":\"1.2.3.4 x\\n\"}", NULL, &doc, NULL), 0);
	assert_int_equal(pod_new(&p, &e, doc), 0);
	assert_int_equal(pod_write_new(p), 0);
	assert_int_equal(pod_add(p), 0);
	p->state = POD_NOTREADY;
	p->stopping = true;
	p->attempt = 3;
	pod_set_reason(p, "why");
	assert_int_equal(pod_save(p), 0);
	path = text_make("%s/hosts", p->dir);
	assert_int_equal(disk_read(path, 4096, &text, NULL), 0);
	assert_string_equal(text, "1.2.3.4 x\n");
	pods_close(&e);

	/* What a killed engine had not finished is swept, what it had is found. */
	cleanup(freep) char *half = text_make("%s/pods/.new.other", dir);
	assert_int_equal(mkdir(half, 0755), 0);
	assert_int_equal(pods_open(&e), 0);
	assert_int_equal(stat(half, &st), -1);
	assert_int_equal(pods_count(&e), 1);
	p = pod_find(&e, "u-1");
	assert_non_null(p);
	assert_int_equal(p->state, POD_NOTREADY);
	assert_int_equal(p->attempt, 3);
	assert_true(p->stopping);
	assert_string_equal(p->reason, "why");
	assert_string_equal(p->cgroup, "/pods/besteffort/u-1");
	pod_discard(p);
	assert_int_equal(pods_count(&e), 0);
	pods_close(&e);
	assert_int_equal(dir_remove(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(refused),
		cmocka_unit_test(changes),
		cmocka_unit_test(on_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
