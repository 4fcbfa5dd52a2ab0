/* SPDX-License-Identifier: Apache-2.0 */

/* What an update leaves as it was, and what it changes. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/update.h"
#include "lib/json.h"

static void merged(void **state)
{
	static const struct {
		const char *host, *update;
		int minor;
		const char *after;
	} cases[] = {
		{"{\"Memory\":9}", "{\"Memory\":0,\"CpusetCpus\":\"\",\"CpuShares\":null,\"CpuQuota\":5}", 51,
			"{\"Memory\":9,\"CpuQuota\":5}"},
		{"{\"PidsLimit\":9}", "{}", 51, "{\"PidsLimit\":9}"},
		{"{\"PidsLimit\":9}", "{\"PidsLimit\":null}", 51, "{\"PidsLimit\":9}"},
		{"{\"PidsLimit\":9}", "{\"PidsLimit\":7}", 40, "{\"PidsLimit\":7}"},
		{"{\"PidsLimit\":9}", "{\"PidsLimit\":0}", 40, "{\"PidsLimit\":0}"},
		{"{\"PidsLimit\":9}", "{\"PidsLimit\":-1}", 51, "{\"PidsLimit\":0}"},
		{"{\"PidsLimit\":9}", "{\"PidsLimit\":-2}", 51, "{\"PidsLimit\":0}"},
		{"{\"PidsLimit\":9}", "{\"PidsLimit\":7}", 39, "{\"PidsLimit\":9}"},
		{"{\"PidsLimit\":9}", "{\"PidsLimit\":0}", 39, "{\"PidsLimit\":9}"},
		{"{\"RestartPolicy\":{\"Name\":\"always\"}}",
			"{\"RestartPolicy\":{\"Name\":\"\",\"MaximumRetryCount\":0}}", 51,
			"{\"RestartPolicy\":{\"Name\":\"always\"}}"},
		{"{\"PortBindings\":{\"80/tcp\":[]},\"PublishAllPorts\":true}",
			"{\"PortBindings\":{},\"PublishAllPorts\":false}", 51,
			"{\"PortBindings\":{},\"PublishAllPorts\":false}"},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		cleanup(json_docp)
			yyjson_doc *host = yyjson_read(cases[i].host, strlen(cases[i].host), 0),
				   *update = yyjson_read(cases[i].update, strlen(cases[i].update), 0);
		cleanup(json_mut_docp) yyjson_mut_doc *doc = yyjson_doc_mut_copy(host, NULL);
		cleanup(freep) char *text = NULL;

		update_merge(doc, yyjson_mut_doc_get_root(doc), yyjson_doc_get_root(update), cases[i].minor);
		text = yyjson_mut_write(doc, 0, NULL);
		assert_string_equal(text, cases[i].after);
	}
}

int main(void)
{
	const struct CMUnitTest t[] = {cmocka_unit_test(merged)};

	return cmocka_run_group_tests(t, NULL, NULL);
}
