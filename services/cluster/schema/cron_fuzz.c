/* SPDX-License-Identifier: Apache-2.0 */

/* Any text as a schedule, and as a rule of a zone: what is taken has times that come after each other. */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/schema/cron.h"

enum { TEXT_MAX = 4096, NOW = 1767326645 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const rules[] = {"UTC0", "<+0545>-5:45", "CET-1CEST,M3.5.0,M10.5.0/3",
	"<-04>4<-03>,M9.1.6/24,M4.1.6/24", "IST-2IDT,M3.4.4/26,M10.5.0"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cron c;
	char why[320], *text;
	int64_t next, last;
	struct zone zone = {0};

	if (size > TEXT_MAX)
		return 0;
	text = strndup((const char *)data, size);
	if (text && zone_parse(&zone, text)) {
		assert(zone_change(&zone, NOW) > NOW);
		assert(zone_east(&zone, NOW) >= -90000 && zone_east(&zone, NOW) <= 93600);
	}
	if (text && cron_parse(&c, text, why, sizeof(why))) {
		assert(zone_parse(&c.zone, rules[size % array_len(rules)]));
		next = cron_next(&c, NOW);
		assert(next == -1 || next > NOW);
		last = next < 0 ? -1 : cron_last(&c, NOW, next);
		assert(next < 0 || last == next);
	}
	free(text);
	return 0;
}
