/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Every zone of the table against the C library's reading of the same database: at each change that the compiled files list, at
 * each that the table has, and on days in between.
 */

#include <endian.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "cluster/schema/zone.h"
#include "cluster/schema/zone_int.h"
#include "lib/file.h"

#define ZONEINFO "/usr/share/zoneinfo"

enum { DAY_S = 86400, FILE_MAX = 1 << 20 };
static const int64_t end_s = 4102444800; /* the year 2100 */

static uint32_t be32_at(const char *p)
{
	uint32_t n;

	memcpy(&n, p, sizeof(n));
	return be32toh(n);
}

/* The times of changes in a compiled file (RFC 9636), those of 64 bits; they are behind the same of 32 bits. */
static size_t listed(const char *name, char **file, const char **times)
{
	char path[128];
	size_t len, first, second;

	snprintf(path, sizeof(path), ZONEINFO "/%s", name);
	if (file_read(AT_FDCWD, path, FILE_MAX, file, &len))
		fail_msg("%s: cannot be read", path);
	assert_true(len > 44 && !memcmp(*file, "TZif", 4));
	first = 44 + be32_at(*file + 20) + be32_at(*file + 24) + be32_at(*file + 28) * 8 +
		be32_at(*file + 32) * 5 + be32_at(*file + 36) * 6 + be32_at(*file + 40);
	assert_true(len > first + 44 && !memcmp(*file + first, "TZif", 4));
	second = be32_at(*file + first + 32);
	*times = *file + first + 44;
	assert_true(len > first + 44 + second * 8);
	return second;
}

static long libc_east(int64_t at_s)
{
	time_t t = at_s;
	struct tm tm;

	assert_non_null(localtime_r(&t, &tm));
	return tm.tm_gmtoff;
}

static void same_at(const char *name, const struct zone *z, int64_t at_s)
{
	if (at_s >= 0 && zone_east(z, at_s) != libc_east(at_s))
		fail_msg("%s at %lld: %lld, not %ld", name, (long long)at_s, (long long)zone_east(z, at_s),
			libc_east(at_s));
}

static void same_zone(const char *name)
{
	const struct zone *z = zone_find(name);
	const char *times;
	char tz[80], *file;
	size_t n;

	snprintf(tz, sizeof(tz), ":" ZONEINFO "/%s", name);
	setenv("TZ", tz, 1);
	tzset();
	assert_non_null(z);
	n = listed(name, &file, &times);
	for (size_t i = 0; i < n; i++) {
		uint64_t at;

		memcpy(&at, times + i * sizeof(at), sizeof(at));
		same_at(name, z, (int64_t)be64toh(at) - 1);
		same_at(name, z, (int64_t)be64toh(at));
	}
	free(file);
	for (int64_t at = zone_change(z, 0), last = 0; at < end_s; last = at, at = zone_change(z, at)) {
		if (at <= last || libc_east(at - 1) == libc_east(at))
			fail_msg("%s: no change at %lld", name, (long long)at);
		same_at(name, z, at - 1);
		same_at(name, z, at);
	}
	for (int64_t at = 0; at < end_s; at += (int64_t)5 * DAY_S)
		same_at(name, z, at);
}

static void test_as_the_c_library(void **state)
{
	size_t summers = 0;

	for (size_t i = 0; i < zone_names_len; i++) {
		const struct zone_name *n = &zone_names[i];

		same_zone(zone_text + n->text);
		summers += zone_rules[zones[n->zone].rule].begins.month != 0;
	}
	assert_true(zone_names_len > 400 && summers > 50);
}

/* The database's own text: "Z NAME ..." is a zone, "L ZONE NAME" another name of one. */
static void test_none_is_missing(void **state)
{
	char *text, *rest = NULL;
	size_t len, seen = 0;

	assert_int_equal(file_read(AT_FDCWD, ZONEINFO "/tzdata.zi", FILE_MAX, &text, &len), 0);
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char kind, first[80], second[80];

		if (sscanf(line, "%c %79s %79s", &kind, first, second) != 3 || (kind != 'Z' && kind != 'L'))
			continue;
		if (!zone_find(kind == 'Z' ? first : second))
			fail_msg("%s", line);
		seen++;
	}
	free(text);
	assert_int_equal(seen, zone_names_len);
}

static void test_names(void **state)
{
	static const char *const none[] = {"", "Europe", "Europe/", "Europe/Berlin ", "europe/berlin",
		"CET-1CEST", "../UTC", "Local", "posix/UTC", "right/UTC"};

	assert_non_null(zone_find("UTC"));
	assert_non_null(zone_find("US/Eastern"));
	assert_ptr_equal(zone_find("Europe/Berlin"), zone_find("Arctic/Longyearbyen"));
	for (size_t i = 0; i < array_len(none); i++)
		assert_null(zone_find(none[i]));
	for (size_t i = 1; i < zone_names_len; i++)
		assert_true(strcmp(zone_text + zone_names[i - 1].text, zone_text + zone_names[i].text) < 0);
	assert_int_equal(zone_east(NULL, 0), 0);
	assert_true(zone_change(NULL, 0) == INT64_MAX && zone_change(zone_find("UTC"), 0) == INT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_the_c_library),
		cmocka_unit_test(test_none_is_missing),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
