/* SPDX-License-Identifier: Apache-2.0 */

/* Any text as a schedule: what is taken has times that come after each other and that are times of it. */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/schema/cron.h"

enum { TEXT_MAX = 4096, NOW = 1767326645 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cron c;
	char why[320], *text;
	int64_t next, last, east_s;

	if (size > TEXT_MAX)
		return 0;
	text = strndup((const char *)data, size);
	if (text && cron_zone(text, &east_s))
		assert(east_s >= -12 * 3600 && east_s <= 14 * 3600);
	if (text && cron_parse(&c, text, why, sizeof(why))) {
		c.east_s = size % 27 * 3600 - 12 * 3600;
		next = cron_next(&c, NOW);
		assert(next == -1 || next > NOW);
		last = next < 0 ? -1 : cron_last(&c, NOW, next);
		assert(next < 0 || last == next);
	}
	free(text);
	return 0;
}
