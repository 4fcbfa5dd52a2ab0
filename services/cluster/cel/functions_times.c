/* SPDX-License-Identifier: Apache-2.0 */

/* Moments and spans of time, in UTC, at an offset, or by the clock of a zone. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/cel/cel_int.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/zone.h"
#include "lib/duration.h"

static struct value timestamp(struct eval *e, const struct value *args, size_t n)
{
	struct value made = {.type = VALUE_TIMESTAMP};
	char buf[64];

	if (args[0].type == VALUE_TIMESTAMP)
		return args[0];
	if (args[0].type == VALUE_INT) {
		made.time.tv_sec = args[0].i;
		return made;
	}
	if (args[0].type != VALUE_STRING)
		return value_overload();
	if (!value_plain(args[0], buf, sizeof(buf)) || meta_time_parse(&made.time, buf))
		return value_error(e, "this text is not a time as RFC 3339 writes it");
	return made;
}

static struct value duration(struct eval *e, const struct value *args, size_t n)
{
	struct value made = {.type = VALUE_DURATION};
	char buf[64];

	if (args[0].type == VALUE_DURATION)
		return args[0];
	/* it is among the overloads, but no number is one */
	if (args[0].type == VALUE_INT)
		return value_error(e, "type conversion error from 'int' to 'google.protobuf.Duration'");
	if (args[0].type != VALUE_STRING)
		return value_overload();
	if (!value_plain(args[0], buf, sizeof(buf)) || duration_parse(buf, &made.time) < 0)
		return value_error(e, "this text is not a duration, such as 1h30m");
	return made;
}

/* ---- parts */

/* Seconds east of UTC at that time: of "+01:00", "02:00", "Europe/Berlin"; "" and "Local" are UTC. NULL, or what is wrong. */
static const char *east_of(struct value zone, time_t at, long *seconds)
{
	char buf[64];
	int hours, minutes, used = 0;
	const char *s = buf;
	const struct zone *z;

	*seconds = 0;
	if (!value_plain(zone, buf, sizeof(buf)))
		return "a time zone is a name, or an offset as +01:00";
	if (!*buf || !strcmp(buf, "UTC") || !strcmp(buf, "Local"))
		return NULL;
	s += *buf == '-' || *buf == '+';
	if (sscanf(s, "%2d:%2d%n", &hours, &minutes, &used) == 2 && !s[used]) {
		*seconds = (hours * 60L + minutes) * 60 * (*buf == '-' ? -1 : 1);
		return NULL;
	}
	z = zone_find(buf);
	if (!z)
		return "the time zone is not known: a name of the tz database, or an offset as +01:00";
	if (at < 0)
		return "time zones are known by name since 1970: before, only UTC and offsets as +01:00";
	*seconds = zone_east(z, at);
	return NULL;
}

/* What CEL takes for a moment: the years 1 to 9999. */
static const int64_t first_s = -62135596800, last_s = 253402300799;

/* The moment's parts in the zone that is asked for, into *tm; VALUE_NULL when they are there. */
static struct value parts(struct eval *e, const struct value *args, size_t n, struct tm *tm)
{
	struct value t = args[0];
	const char *wrong;
	long east = 0;
	time_t at;

	if (t.type == VALUE_STRING)
		t = timestamp(e, &t, 1);
	if (t.type != VALUE_TIMESTAMP)
		return is_error(t) ? t : value_overload();
	if (t.time.tv_sec < first_s || t.time.tv_sec > last_s)
		return value_error(e, "the time is out of range: the years 1 to 9999");
	wrong = n > 1 ? east_of(args[1], t.time.tv_sec, &east) : NULL;
	if (wrong)
		return value_error(e, "%s", wrong);
	at = t.time.tv_sec + east;
	gmtime_r(&at, tm);
	return (struct value){.type = VALUE_NULL};
}

#define PART(name, expression)                                                                               \
	static struct value name(struct eval *e, const struct value *args, size_t n)                         \
	{                                                                                                    \
		struct tm tm = {0};                                                                          \
		struct value v = parts(e, args, n, &tm);                                                     \
                                                                                                             \
		return is_error(v) ? v : value_int(expression);                                              \
	}

PART(full_year, tm.tm_year + 1900)
PART(month, tm.tm_mon)
PART(date, tm.tm_mday)
PART(day_of_month, tm.tm_mday - 1)
PART(day_of_week, tm.tm_wday)
PART(day_of_year, tm.tm_yday)

/* A span, or the text of one. */
static bool is_span(struct value v, struct timespec *out)
{
	char buf[64];

	if (v.type == VALUE_DURATION) {
		*out = v.time;
		return true;
	}
	return v.type == VALUE_STRING && value_plain(v, buf, sizeof(buf)) && !duration_parse(buf, out);
}

/* Of a moment the part, of a span all of it in that unit. */
#define PART_OR_WHOLE(name, expression, unit)                                                                \
	PART(name##_of_moment, expression)                                                                   \
	static struct value name(struct eval *e, const struct value *args, size_t n)                         \
	{                                                                                                    \
		struct timespec span;                                                                        \
                                                                                                             \
		return is_span(args[0], &span) ? value_int(span.tv_sec / (unit))                             \
					       : name##_of_moment(e, args, n);                               \
	}

PART_OR_WHOLE(hours, tm.tm_hour, 3600)
PART_OR_WHOLE(minutes, tm.tm_min, 60)
PART_OR_WHOLE(seconds, tm.tm_sec, 1)

static struct value milliseconds(struct eval *e, const struct value *args, size_t n)
{
	struct timespec span;
	struct tm tm = {0};
	struct value v;

	if (is_span(args[0], &span))
		return value_int((int64_t)span.tv_sec * 1000 + span.tv_nsec / 1000000);
	/* what a moment has after the point is not among the parts */
	v = parts(e, args, n, &tm);
	if (!is_error(v))
		v = timestamp(e, args, 1);
	return is_error(v) ? v : value_int(v.time.tv_nsec / 1000000);
}

/* With or without a zone. */
#define OF_MOMENT "T>I TS>I"

const struct function cel_times[] = {
	{"timestamp", false, "S>T T>T I>T", timestamp},
	{"duration", false, "S>P P>P I>P", duration},
	{"getFullYear", true, OF_MOMENT, full_year},
	{"getMonth", true, OF_MOMENT, month},
	{"getDate", true, OF_MOMENT, date},
	{"getDayOfMonth", true, OF_MOMENT, day_of_month},
	{"getDayOfWeek", true, OF_MOMENT, day_of_week},
	{"getDayOfYear", true, OF_MOMENT, day_of_year},
	{"getHours", true, OF_MOMENT " P>I", hours},
	{"getMinutes", true, OF_MOMENT " P>I", minutes},
	{"getSeconds", true, OF_MOMENT " P>I", seconds},
	{"getMilliseconds", true, OF_MOMENT " P>I", milliseconds},
	{NULL},
};
