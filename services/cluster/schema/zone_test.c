/* SPDX-License-Identifier: Apache-2.0 */

/* Rules of time zones, every zone of the table against the C library's reading of the same database. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "cluster/schema/zone.h"

extern const char zone_table[];

enum { FROM = 1767225600, DAY_S = 86400 }; /* 2026-01-01 */
/* A year later: what the database has changed of 2026 (Alberta's last winter time) is no rule. */
enum { MODEL_FROM = 1798761600, MODEL_DAYS = 10 * 366 };

/* Zones whose next changes are written down one by one, because they follow no rule. */
static bool is_irregular(const char *name)
{
	return !strcmp(name, "Africa/Casablanca") || !strcmp(name, "Africa/El_Aaiun");
}

static void test_as_the_c_library(void **state)
{
	size_t seen = 0, summers = 0;

	for (const char *at = zone_table; *at; at += strlen(at) + 1) {
		const char *name = at;
		char tz[80];
		struct zone z;

		at += strlen(at) + 1;
		if (!zone_find(&z, name))
			fail_msg("%s: no rule in %s", name, at);
		seen++;
		summers += z.has_summer;
		if (is_irregular(name))
			continue;
		snprintf(tz, sizeof(tz), ":%s", name);
		setenv("TZ", tz, 1);
		tzset();
		for (int day = 0; day < MODEL_DAYS; day++) {
			time_t t = MODEL_FROM + (time_t)day * DAY_S;
			struct tm tm;

			localtime_r(&t, &tm);
			if (zone_east(&z, t) != tm.tm_gmtoff)
				fail_msg("%s at %lld: %lld, not %ld", name, (long long)t,
					(long long)zone_east(&z, t), tm.tm_gmtoff);
		}
		/* and to the second */
		for (int64_t c = zone_change(&z, MODEL_FROM); c < MODEL_FROM + (int64_t)MODEL_DAYS * DAY_S;
			c = zone_change(&z, c)) {
			time_t before = c - 1, from = c;
			struct tm a, b;

			localtime_r(&before, &a);
			localtime_r(&from, &b);
			if (a.tm_gmtoff == b.tm_gmtoff || zone_east(&z, from) != b.tm_gmtoff ||
				zone_east(&z, before) != a.tm_gmtoff)
				fail_msg("%s: no change at %lld", name, (long long)c);
		}
	}
	assert_true(seen > 400 && summers > 50);
}

static void test_names(void **state)
{
	static const char *const none[] = {
		"", "Europe", "Europe/", "Europe/Berlin ", "CET-1CEST", "../UTC", "Local"};
	struct zone z;

	assert_true(zone_find(&z, "UTC"));
	assert_int_equal(z.east_s, 0);
	assert_true(zone_find(&z, "US/Eastern"));
	for (size_t i = 0; i < array_len(none); i++)
		assert_false(zone_find(&z, none[i]));
}

static void test_rules(void **state)
{
	static const struct {
		const char *text;
		int64_t at_s, east_s, change_s;
	} good[] = {
		{"UTC0", FROM, 0, INT64_MAX},
		{"<+0545>-5:45", FROM, 20700, INT64_MAX},
		{"ABC+3:30:30", FROM, -12630, INT64_MAX},
		{"CET-1CEST,M3.5.0,M10.5.0/3", FROM, 3600, 1774746000},
		/* the 60th day is 1 March, in a leap year, too, or 29 February */
		{"AAA0BBB,J60/0,J61/0", 1835308800, 0, 1835481600},
		{"AAA0BBB,59/0,60/0", 1835308800, 0, 1835395200},
		/* hours of another day, and a summer of two hours */
		{"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", FROM, -7200, 1774746000},
		{"<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", FROM, 39600, 1775314800},
	};
	static const char *const bad[] = {"", "UT0", "UTC", "UTC25", "<UTC0", "CET-1CEST", "CET-1CEST,M3.5.0",
		"CET-1CEST,M3.5.0,M10.5.0/3x", "CET-1CEST,M13.5.0,M10.5.0", "CET-1CEST,M3.6.0,M10.5.0",
		"CET-1CEST,M3.5.7,M10.5.0", "CET-1CEST,J0,J5", "CET-1CEST,366,5",
		"CET-1CEST,M3.5.0/168,M10.5.0", "UTC0,M3.5.0,M10.5.0"};
	struct zone z;

	for (size_t i = 0; i < array_len(good); i++) {
		if (!zone_parse(&z, good[i].text))
			fail_msg("%s", good[i].text);
		if (zone_east(&z, good[i].at_s) != good[i].east_s ||
			zone_change(&z, good[i].at_s) != good[i].change_s)
			fail_msg("%s: %lld, until %lld", good[i].text, (long long)zone_east(&z, good[i].at_s),
				(long long)zone_change(&z, good[i].at_s));
	}
	for (size_t i = 0; i < array_len(bad); i++)
		if (zone_parse(&z, bad[i]))
			fail_msg("%s is taken", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_the_c_library),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
