/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Quantities are counted in billionths of a unit. Parsing keeps the family of the suffix; writing finds the
 * largest suffix of that family that leaves an integer, which is what upstream calls canonical.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/quantity.h"

static const __int128 NANO = 1000000000;
/* 2^63-1 units: larger ones are cut to it, as upstream does. */
#define LARGEST ((__int128)INT64_MAX * NANO)

struct suffix {
	const char *text;
	enum quantity_format format;
	int base, exponent; /* base^exponent */
};

static const struct suffix suffixes[] = {
	{"Ki", QUANTITY_BINARY, 2, 10},
	{"Mi", QUANTITY_BINARY, 2, 20},
	{"Gi", QUANTITY_BINARY, 2, 30},
	{"Ti", QUANTITY_BINARY, 2, 40},
	{"Pi", QUANTITY_BINARY, 2, 50},
	{"Ei", QUANTITY_BINARY, 2, 60},
	{"n", QUANTITY_DECIMAL, 10, -9},
	{"u", QUANTITY_DECIMAL, 10, -6},
	{"m", QUANTITY_DECIMAL, 10, -3},
	{"", QUANTITY_DECIMAL, 10, 0},
	{"k", QUANTITY_DECIMAL, 10, 3},
	{"M", QUANTITY_DECIMAL, 10, 6},
	{"G", QUANTITY_DECIMAL, 10, 9},
	{"T", QUANTITY_DECIMAL, 10, 12},
	{"P", QUANTITY_DECIMAL, 10, 15},
	{"E", QUANTITY_DECIMAL, 10, 18},
};

/* The number's digits without the point, as far as they can matter, and how many of them stand behind it. */
struct mantissa {
	__int128 digits;
	int behind;
	bool more; /* something that is not zero was left out behind */
	bool huge;
};

static size_t read_mantissa(struct mantissa *m, const char *text, size_t len)
{
	size_t i = 0, seen = 0;
	bool point = false;

	for (; i < len; i++) {
		if (text[i] == '.' && !point) {
			point = true;
			continue;
		}
		if (text[i] < '0' || text[i] > '9')
			break;
		seen++;
		if (m->digits > LARGEST * 100) {
			/* beyond any value that is not cut; keep the size right */
			if (!point)
				m->huge = true;
			else if (text[i] != '0')
				m->more = true;
			continue;
		}
		m->digits = m->digits * 10 + (text[i] - '0');
		m->behind += point;
	}
	return seen ? i : 0;
}

static int read_suffix(const char *text, size_t len, enum quantity_format *format, int *base, int *exponent)
{
	for (size_t i = 0; i < array_len(suffixes); i++) {
		if (strlen(suffixes[i].text) == len && !memcmp(suffixes[i].text, text, len)) {
			*format = suffixes[i].format;
			*base = suffixes[i].base;
			*exponent = suffixes[i].exponent;
			return 0;
		}
	}
	if (len > 1 && (text[0] == 'e' || text[0] == 'E')) {
		size_t i = 1;
		int sign = 1, value = 0;

		if (text[i] == '+' || text[i] == '-')
			sign = text[i++] == '-' ? -1 : 1;
		if (i == len)
			return -EINVAL;
		for (; i < len; i++) {
			if (text[i] < '0' || text[i] > '9')
				return -EINVAL;
			if (value < 10000)
				value = value * 10 + (text[i] - '0');
		}
		*format = QUANTITY_EXPONENT;
		*base = 10;
		*exponent = sign * value;
		return 0;
	}
	return -EINVAL;
}

int quantity_parse(struct quantity *q, const char *text, size_t len)
{
	struct mantissa m = {0};
	size_t i = 0;
	bool negative = false;
	int base, exponent;

	if (i < len && (text[i] == '+' || text[i] == '-'))
		negative = text[i++] == '-';
	size_t n = read_mantissa(&m, text + i, len - i);

	if (!n || read_suffix(text + i + n, len - i - n, &q->format, &base, &exponent))
		return -EINVAL;
	/* digits * base^exponent * 10^-behind, in nano */
	__int128 value = m.huge ? LARGEST : m.digits;
	int tens = 9 - m.behind + (base == 10 ? exponent : 0);
	int twos = base == 2 ? exponent : 0;
	bool up = m.more && !m.huge;

	for (; !m.huge && value && twos > 0; twos--) {
		/* a power of two first divides what stands behind the point */
		if (value > LARGEST * 100) {
			if (tens >= 0)
				break;
			up |= value % 10 != 0;
			value /= 10;
			tens++;
		}
		value *= 2;
	}
	for (; !m.huge && value && tens > 0 && value <= LARGEST; tens--)
		value *= 10;
	for (; !m.huge && value && tens < 0; tens++) {
		up |= value % 10 != 0;
		value /= 10;
	}
	/* what is finer than nano is rounded away from zero */
	if (up)
		value++;
	if (value > LARGEST || m.huge)
		value = LARGEST;
	q->nano = negative ? -value : value;
	return 0;
}

static const char *write_number(
	char buf[static QUANTITY_TEXT_MAX], bool negative, unsigned __int128 n, const char *suffix)
{
	char digits[40];
	size_t at = sizeof(digits) - 1;

	/* thousandths of what is large do not fit into 64 bits */
	digits[at] = 0;
	do
		digits[--at] = (char)('0' + (int)(n % 10));
	while ((n /= 10));
	snprintf(buf, QUANTITY_TEXT_MAX, "%s%s%s", negative ? "-" : "", digits + at, suffix);
	return buf;
}

const char *quantity_text(const struct quantity *q, char buf[static QUANTITY_TEXT_MAX])
{
	bool negative = q->nano < 0;
	__int128 n = negative ? -q->nano : q->nano;
	enum quantity_format format = q->format;

	if (!n)
		return write_number(buf, false, 0, "");
	/* binary suffixes write integers of at least 1024 only */
	if (format == QUANTITY_BINARY && (n % NANO || n < 1024 * NANO))
		format = QUANTITY_DECIMAL;
	if (format == QUANTITY_BINARY) {
		__int128 units = n / NANO;
		int e = 0;

		while (e < 60 && units % 1024 == 0) {
			units /= 1024;
			e += 10;
		}
		for (size_t i = 0; i < array_len(suffixes); i++)
			if (suffixes[i].base == 2 && suffixes[i].exponent == e)
				return write_number(
					buf, negative, (unsigned __int128)units, suffixes[i].text);
		return write_number(buf, negative, (unsigned __int128)units, "");
	}
	int e = -9;

	while (n % 1000 == 0 && e < 18) {
		n /= 1000;
		e += 3;
	}
	if (format == QUANTITY_EXPONENT) {
		char suffix[16] = "";

		if (e)
			snprintf(suffix, sizeof(suffix), "e%d", e);
		return write_number(buf, negative, (unsigned __int128)n, suffix);
	}
	for (size_t i = 0; i < array_len(suffixes); i++)
		if (suffixes[i].base == 10 && suffixes[i].exponent == e)
			return write_number(buf, negative, (unsigned __int128)n, suffixes[i].text);
	return write_number(buf, negative, (unsigned __int128)n, "");
}

static int64_t in_units(const struct quantity *q, __int128 unit)
{
	__int128 v = q->nano / unit;

	if (q->nano > 0 && q->nano % unit)
		v++;
	return v > INT64_MAX ? INT64_MAX : v < INT64_MIN ? INT64_MIN : (int64_t)v;
}

int64_t quantity_value(const struct quantity *q)
{
	return in_units(q, NANO);
}

int64_t quantity_milli(const struct quantity *q)
{
	return in_units(q, NANO / 1000);
}
