/* SPDX-License-Identifier: Apache-2.0 */

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cluster/schema/cron.h"

enum { FIELDS = 5, YEARS_MAX = 8, DAY_S = 86400 };

static const struct field {
	int low, high;
	const char *name, *names;
} fields[FIELDS] = {
	{0, 59, "minute", NULL},
	{0, 23, "hour", NULL},
	{1, 31, "day of month", NULL},
	{1, 12, "month", "janfebmaraprmayjunjulaugsepoctnovdec"},
	{0, 6, "day of week", "sunmontuewedthufrisat"},
};

/* ---- reading */

/* A number or a name of the field; moves *p behind it. -1: neither. */
static int value_of(const struct field *f, const char **p, const char *end)
{
	int value = 0;

	if (f->names && end - *p >= 3 && isalpha((unsigned char)**p)) {
		char word[4] = {(char)tolower((*p)[0]), (char)tolower((*p)[1]), (char)tolower((*p)[2]), 0};
		const char *at = strstr(f->names, word);

		*p += 3;
		return at && (at - f->names) % 3 == 0 ? f->low + (int)(at - f->names) / 3 : -1;
	}
	if (*p == end || !isdigit((unsigned char)**p))
		return -1;
	for (; *p < end && isdigit((unsigned char)**p); (*p)++) {
		value = value * 10 + (**p - '0');
		if (value > 1000)
			return -1;
	}
	return value;
}

/* "*", "5", "1-5", each maybe with "/2": adds bits. */
static bool read_part(const struct field *f, const char *p, const char *end, uint64_t *bits, bool *any)
{
	int from = f->low, to = f->high, step = 1;
	bool star = p < end && (*p == '*' || *p == '?'), open = star;

	if (star) {
		p++;
	} else {
		from = to = value_of(f, &p, end);
		if (p < end && *p == '-') {
			p++;
			to = value_of(f, &p, end);
			open = true;
		}
	}
	if (p < end && *p == '/') {
		p++;
		step = p < end && isdigit((unsigned char)*p) ? value_of(f, &p, end) : 0;
		/* "5/15" goes on to the last */
		if (!open)
			to = f->high;
	}
	if (p != end || from < 0 || from < f->low || to > f->high || from > to || step < 1)
		return false;
	*any |= star && step == 1;
	for (int i = from; i <= to; i += step)
		*bits |= UINT64_C(1) << i;
	return true;
}

static bool read_field(const struct field *f, const char *p, size_t len, uint64_t *bits, bool *any)
{
	const char *end = p + len;

	*bits = 0;
	*any = false;
	for (;;) {
		const char *comma = memchr(p, ',', (size_t)(end - p)), *stop = comma ? comma : end;

		if (!read_part(f, p, stop, bits, any))
			return false;
		if (!comma)
			return true;
		p = comma + 1;
	}
}

/* "1h30m", in whole seconds; 0: none. */
static int64_t read_duration(const char *p)
{
	int64_t sum = 0;

	while (*p) {
		int64_t n = 0;
		const char *digits = p;

		for (; isdigit((unsigned char)*p); p++) {
			n = n * 10 + (*p - '0');
			if (n > INT32_MAX)
				return 0;
		}
		if (p == digits)
			return 0;
		if (*p == 'h')
			sum += n * 3600;
		else if (*p == 'm' && p[1] != 's')
			sum += n * 60;
		else if (*p == 's')
			sum += n;
		else
			return 0;
		p++;
		if (sum > INT32_MAX)
			return 0;
	}
	return sum;
}

static bool read_descriptor(struct cron *out, const char *text, char *why, size_t size)
{
	static const struct {
		const char *name, *fields;
	} known[] = {
		{"@yearly", "0 0 1 1 *"},
		{"@annually", "0 0 1 1 *"},
		{"@monthly", "0 0 1 * *"},
		{"@weekly", "0 0 * * 0"},
		{"@daily", "0 0 * * *"},
		{"@midnight", "0 0 * * *"},
		{"@hourly", "0 * * * *"},
	};

	for (size_t i = 0; i < array_len(known); i++)
		if (!strcmp(text, known[i].name))
			return cron_parse(out, known[i].fields, why, size);
	if (strncmp(text, "@every ", 7) != 0) {
		snprintf(why, size, "unrecognized descriptor: %.100s", text);
		return false;
	}
	*out = (struct cron){.every_s = read_duration(text + 7)};
	if (out->every_s > 0)
		return true;
	snprintf(why, size, "failed to parse duration %.100s", text);
	return false;
}

bool cron_parse(struct cron *out, const char *text, char *why, size_t size)
{
	uint64_t bits[FIELDS];
	bool any[FIELDS];
	const char *parts[FIELDS];
	size_t lengths[FIELDS], n = 0;

	if (*text == '@')
		return read_descriptor(out, text, why, size);
	for (const char *p = text + strspn(text, " \t"); *p; p += strspn(p, " \t"), n++) {
		size_t len = strcspn(p, " \t");

		if (n < FIELDS) {
			parts[n] = p;
			lengths[n] = len;
		}
		p += len;
	}
	if (n != FIELDS) {
		snprintf(why, size, "expected exactly 5 fields, found %zu: [%.200s]", n, text);
		return false;
	}
	for (size_t i = 0; i < FIELDS; i++)
		if (!read_field(&fields[i], parts[i], lengths[i], &bits[i], &any[i])) {
			snprintf(why, size, "failed to parse %s: %.*s", fields[i].name,
				(int)(lengths[i] < 100 ? lengths[i] : 100), parts[i]);
			return false;
		}
	*out = (struct cron){.minutes = bits[0],
		.hours = (uint32_t)bits[1],
		.days = (uint32_t)bits[2],
		.months = (uint32_t)bits[3],
		.weekdays = (uint32_t)bits[4],
		.any_day = any[2],
		.any_weekday = any[4]};
	return true;
}

/* ---- times */

static bool day_matches(const struct cron *c, const struct tm *tm)
{
	bool day = c->days >> tm->tm_mday & 1, weekday = c->weekdays >> tm->tm_wday & 1;

	return c->any_day || c->any_weekday ? day && weekday : day || weekday;
}

/* By a clock that shows the fields' time, before @limit_s; -1: none. */
static int64_t next_shown(const struct cron *c, int64_t after_s, int64_t limit_s)
{
	int64_t t = after_s - after_s % 60 + 60;

	while (t < limit_s) {
		time_t at = (time_t)t;
		struct tm tm;

		if (!gmtime_r(&at, &tm))
			return -1;
		if (!(c->months >> (tm.tm_mon + 1) & 1) || !day_matches(c, &tm))
			t += DAY_S - t % DAY_S;
		else if (!(c->hours >> tm.tm_hour & 1))
			t += 3600 - t % 3600;
		else if (!(c->minutes >> tm.tm_min & 1))
			t += 60;
		else
			return t;
	}
	return -1;
}

/* From one change of the clock to the next. */
int64_t cron_next(const struct cron *c, int64_t after_s)
{
	int64_t limit = after_s + (int64_t)YEARS_MAX * 366 * DAY_S;

	if (c->every_s)
		return after_s + c->every_s;
	for (int64_t from = after_s + 1, until; from < limit; from = until) {
		int64_t east = zone_east(c->zone, from), change = zone_change(c->zone, from), shown;

		until = change < limit ? change : limit;
		shown = next_shown(c, from - 1 + east, until + east);
		if (shown >= 0)
			return shown - east;
	}
	return -1;
}

int64_t cron_last(const struct cron *c, int64_t from_s, int64_t now_s)
{
	if (c->every_s)
		return now_s - from_s < c->every_s ? -1 : now_s - (now_s - from_s) % c->every_s;
	/* The nearest past first: there may have been very many. */
	for (int64_t back = 60; back < (int64_t)2 * YEARS_MAX * 366 * DAY_S; back *= 2) {
		int64_t start = now_s - back > from_s ? now_s - back : from_s, t = cron_next(c, start),
			last = -1;

		for (; t >= 0 && t <= now_s; t = cron_next(c, t))
			last = t;
		if (last >= 0 || start == from_s)
			return last;
	}
	return -1;
}
