/* SPDX-License-Identifier: Apache-2.0 */

/* Which folders go with a volume, and which do not, whatever the volume says. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/reclaim.h"
#include "agent/testing.h"

#define GOING	 "\"deletionTimestamp\":\"2026-01-01T00:00:00Z\","
#define OURS	 "\"annotations\":{\"pv.kubernetes.io/provisioned-by\":\"wherry.io/local\"},"
#define LAST	 "\"finalizers\":[\"wherry.io/local-data\"]"
#define AT(path) "\"persistentVolumeReclaimPolicy\":\"Delete\",\"local\":{\"path\":\"" path "\"}"

static void test_verdicts(void **state)
{
	static const struct {
		const char *name, *meta, *spec;
		enum reclaim_verdict verdict;
	} cases[] = {
		{"v", GOING OURS LAST, AT("/data/volumes/v"), RECLAIM_REMOVE},
		/* it may hold more, unless it is going anyway */
		{"v", "\"annotations\":{\"wherry.io/grows\":\"true\"}", AT("/data/volumes/v"), RECLAIM_GROW},
		{"v",
			GOING
			"\"annotations\":{\"wherry.io/grows\":\"true\",\"pv.kubernetes.io/provisioned-by\":\"wherry.io/local\"}," LAST,
			AT("/data/volumes/v"), RECLAIM_REMOVE},
		/* it stays, or others hold it */
		{"v", OURS LAST, AT("/data/volumes/v"), RECLAIM_NOTHING},
		{"v", GOING OURS "\"finalizers\":[\"kubernetes.io/pv-protection\",\"wherry.io/local-data\"]",
			AT("/data/volumes/v"), RECLAIM_NOTHING},
		{"v", GOING OURS "\"finalizers\":[\"example.com/backup\"]", AT("/data/volumes/v"),
			RECLAIM_NOTHING},
		{"v", GOING OURS "\"finalizers\":[]", AT("/data/volumes/v"), RECLAIM_NOTHING},
		/* the data stays */
		{"v", GOING OURS LAST,
			"\"persistentVolumeReclaimPolicy\":\"Retain\",\"local\":{\"path\":\"/data/volumes/v\"}",
			RECLAIM_LET_GO},
		{"v", GOING OURS LAST, "\"local\":{\"path\":\"/data/volumes/v\"}", RECLAIM_LET_GO},
		{"v", GOING LAST, AT("/data/volumes/v"), RECLAIM_LET_GO},
		{"v", GOING "\"annotations\":{\"pv.kubernetes.io/provisioned-by\":\"else\"}," LAST,
			AT("/data/volumes/v"), RECLAIM_LET_GO},
		/* a folder that is not its own */
		{"v", GOING OURS LAST, AT("/data/volumes/w"), RECLAIM_REFUSE},
		{"v", GOING OURS LAST, AT("/data/volumes"), RECLAIM_REFUSE},
		{"v", GOING OURS LAST, AT("/"), RECLAIM_REFUSE},
		{"v", GOING OURS LAST, AT("/data/volumes/v/../../cluster"), RECLAIM_REFUSE},
		{"v", GOING OURS LAST, AT("/data/volumes/v/"), RECLAIM_REFUSE},
		{"v", GOING OURS LAST,
			"\"persistentVolumeReclaimPolicy\":\"Delete\",\"hostPath\":{\"path\":\"/data/volumes/v\"}",
			RECLAIM_REFUSE},
		{"..", GOING OURS LAST, AT("/data/volumes/.."), RECLAIM_REFUSE},
		{".", GOING OURS LAST, AT("/data/volumes/."), RECLAIM_REFUSE},
		{"a/b", GOING OURS LAST, AT("/data/volumes/a/b"), RECLAIM_REFUSE},
		{"", GOING OURS LAST, AT("/data/volumes/"), RECLAIM_REFUSE},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		char text[1000], path[RECLAIM_PATH_MAX] = "", why[RECLAIM_WHY_MAX] = "";
		enum reclaim_verdict v;
		yyjson_doc *doc;

		snprintf(text, sizeof(text), "{\"metadata\":{\"name\":\"%s\",%s},\"spec\":{%s}}",
			cases[i].name, cases[i].meta, cases[i].spec);
		doc = testing_doc(text);
		v = reclaim_verdict(yyjson_doc_get_root(doc), path, why);
		if (v != cases[i].verdict)
			fail_msg("%s: %d", text, v);
		assert_int_equal(v == RECLAIM_REFUSE, *why != 0);
		if (v == RECLAIM_REMOVE)
			assert_string_equal(path, "/data/volumes/v");
		yyjson_doc_free(doc);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
