/* SPDX-License-Identifier: Apache-2.0 */

/* What is written to a group's files, with a directory of ordinary files in the group's place: also what the kernel of the
 * guests has no controller or no device for. */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "runtime/cgroup.h"
#include "runtime/fail.h"

static char folder[] = "/tmp/cgroup_limits_test.XXXXXX";

static void file_make(int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static int apply(int dir, const char *json)
{
	char text[1024] = "";
	struct rt_arena mem = {0};
	struct oci_resources r = {0};

	snprintf(text, sizeof(text), "%s", json);
	yyjson_doc *doc = yyjson_read(text, strlen(text), 0);

	assert_non_null(doc);
	rt_reason_set("");
	int e = oci_resources_parse(&r, &mem, (struct js){yyjson_doc_get_root(doc), "linux.resources"});

	if (e == 0)
		e = rt_cgroup_apply(dir, &r, false, false);
	yyjson_doc_free(doc);
	rt_arena_fini(&mem);
	return e;
}

static void one_file(void **state)
{
	static const struct {
		const char *file, *json, *written;
	} rows[] = {
		{"rdma.max", "{\"rdma\":{\"mlx5_0\":{\"hcaHandles\":3,\"hcaObjects\":10000}}}",
			"mlx5_0 hca_handle=3 hca_object=10000"},
		{"rdma.max", "{\"rdma\":{\"mlx5_0\":{\"hcaObjects\":7}}}", "mlx5_0 hca_object=7"},
		{"io.bfq.weight", "{\"blockIO\":{\"weight\":500}}", "default 500"},
		{"io.weight", "{\"blockIO\":{\"weight\":10}}", "default 1"},
		{"io.weight", "{\"blockIO\":{\"weight\":1000}}", "default 10000"},
		{"io.weight", "{\"blockIO\":{\"weightDevice\":[{\"major\":8,\"minor\":16,\"weight\":110}]}}",
			"8:16 1011"},
		{"io.max",
			"{\"blockIO\":{\"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":0,\"rate\":0}]}}",
			"8:0 wiops=max"},
		{"hugetlb.1GB.max", "{\"hugepageLimits\":[{\"pageSize\":\"1GB\",\"limit\":5}]}", "5"},
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd;
		char text[128] = "";

		file_make(dir, rows[i].file);
		if (apply(dir, rows[i].json) < 0)
			fail_msg("%s: %s", rows[i].json, rt_reason());
		fd = openat(dir, rows[i].file, O_RDONLY | O_CLOEXEC);
		assert_true(fd >= 0);
		assert_true(read(fd, text, sizeof(text) - 1) > 0);
		assert_string_equal(text, rows[i].written);
		close(fd);
		assert_int_equal(unlinkat(dir, rows[i].file, 0), 0);
		close(dir);
	}
}

static void refused(void **state)
{
	static const struct {
		const char *json, *sentence;
	} rows[] = {
		{"{\"rdma\":{\"mlx5_0\":5}}", "linux.resources.rdma must map device names"},
		{"{\"rdma\":{\"a b\":{}}}", "linux.resources.rdma must map device names"},
		{"{\"rdma\":{\"mlx5_0\":{\"hcaHandles\":3}}}", "open cgroup file rdma.max"},
		{"{\"cpu\":{\"realtimePeriod\":1000}}",
			"linux.resources.cpu.realtimePeriod: cgroup v2 has no realtime"},
		{"{\"cpu\":{\"realtimeRuntime\":1}}",
			"linux.resources.cpu.realtimeRuntime: cgroup v2 has no realtime"},
	};
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; i < array_len(rows); i++) {
		assert_true(apply(dir, rows[i].json) < 0);
		if (!strstr(rt_reason(), rows[i].sentence))
			fail_msg("%s: \"%s\" does not say \"%s\"", rows[i].json, rt_reason(),
				rows[i].sentence);
	}
	close(dir);
}

static int setup(void **state)
{
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(one_file), cmocka_unit_test(refused)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
