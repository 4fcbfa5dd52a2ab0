/* SPDX-License-Identifier: Apache-2.0 */

#include <assert.h>
#include <string.h>

#include "init/unit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct unit_error err;
	struct unit u;

	if (unit_parse(&u, "fuzzed", (const char *)data, size, &err)) {
		assert(err.reason);
		return 0;
	}
	/* What was accepted keeps what the rest of init relies on. */
	assert(u.exec[0] && u.exec[0][0] == '/');
	assert(u.start_timeout_ms >= 100 && u.stop_timeout_ms >= 100);
	assert(u.memory_min >= 0 && u.oom_score_adj >= -1000 && u.oom_score_adj <= 1000);
	for (size_t i = 0; u.after[i]; i++)
		assert(unit_name_valid(u.after[i]));
	for (size_t i = 0; u.env[i]; i++)
		assert(strchr(u.env[i], '='));
	unit_fini(&u);
	return 0;
}
