/* SPDX-License-Identifier: Apache-2.0 */

/* Any text as a schedule, in this zone and that: what is taken has times that come after each other. */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/schema/cron.h"

enum { TEXT_MAX = 4096, NOW = 1767326645 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const zones[] = {"UTC", "Asia/Kathmandu", "Europe/Berlin", "America/Santiago",
	"Africa/Casablanca", "Australia/Lord_Howe"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cron c;
	char why[320], *text;
	int64_t next, last;

	if (size > TEXT_MAX)
		return 0;
	text = strndup((const char *)data, size);
	if (text && cron_parse(&c, text, why, sizeof(why))) {
		c.zone = zone_find(zones[size % array_len(zones)]);
		assert(c.zone);
		next = cron_next(&c, NOW);
		assert(next == -1 || next > NOW);
		last = next < 0 ? -1 : cron_last(&c, NOW, next);
		assert(next < 0 || last == next);
	}
	free(text);
	return 0;
}
