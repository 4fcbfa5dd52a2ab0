/* SPDX-License-Identifier: Apache-2.0 */

/* Members of documents by their names, and what metadata is made of: times, UIDs, generated names. */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "cluster/schema/lookup_int.h"
#include "cluster/schema/meta.h"

yyjson_val *meta_get(yyjson_val *v, ...)
{
	const char *key;
	va_list ap;

	va_start(ap, v);
	while (v && (key = va_arg(ap, const char *)))
		v = yyjson_obj_get(v, key);
	va_end(ap);
	return v;
}

yyjson_mut_val *meta_mut_get(yyjson_mut_val *v, ...)
{
	const char *key;
	va_list ap;

	va_start(ap, v);
	while (v && (key = va_arg(ap, const char *)))
		v = yyjson_mut_obj_get(v, key);
	va_end(ap);
	return v;
}

yyjson_mut_val *meta_make(yyjson_mut_doc *doc, yyjson_mut_val *v, ...)
{
	const char *key;
	va_list ap;

	va_start(ap, v);
	while (v && (key = va_arg(ap, const char *))) {
		yyjson_mut_val *next = yyjson_mut_obj_get(v, key);

		if (!next) {
			next = yyjson_mut_obj(doc);
			if (!next || !yyjson_mut_obj_add(v, yyjson_mut_strcpy(doc, key), next))
				next = NULL;
		} else if (!yyjson_mut_is_obj(next)) {
			next = NULL;
		}
		v = next;
	}
	va_end(ap);
	return v;
}

const char *meta_text(yyjson_val *object, const char *key)
{
	return yyjson_get_str(yyjson_obj_get(yyjson_obj_get(object, "metadata"), key));
}

const char *meta_mut_text(yyjson_mut_val *object, const char *key)
{
	return yyjson_mut_get_str(yyjson_mut_obj_get(yyjson_mut_obj_get(object, "metadata"), key));
}

bool meta_put(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, yyjson_mut_val *value)
{
	return value && yyjson_mut_obj_put(object, yyjson_mut_str(doc, key), value);
}

static bool put_in_metadata(
	yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, yyjson_mut_val *value)
{
	yyjson_mut_val *metadata = meta_make(doc, object, "metadata", NULL);

	return metadata && value && yyjson_mut_obj_put(metadata, yyjson_mut_strcpy(doc, key), value);
}

bool meta_set_text(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, const char *text)
{
	if (!text) {
		meta_remove(object, key);
		return true;
	}
	return put_in_metadata(doc, object, key, yyjson_mut_strcpy(doc, text));
}

bool meta_set_int(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, int64_t n)
{
	return put_in_metadata(doc, object, key, yyjson_mut_int(doc, n));
}

void meta_remove(yyjson_mut_val *object, const char *key)
{
	yyjson_mut_obj_remove_key(yyjson_mut_obj_get(object, "metadata"), key);
}

static bool equal_numbers(yyjson_mut_val *a, yyjson_mut_val *b)
{
	if (yyjson_mut_is_real(a) || yyjson_mut_is_real(b))
		return yyjson_mut_get_num(a) == yyjson_mut_get_num(b);
	if (yyjson_mut_is_sint(a) != yyjson_mut_is_sint(b))
		/* a signed one that is not negative equals an unsigned one of the same bits */
		return yyjson_mut_get_uint(a) == yyjson_mut_get_uint(b) && yyjson_mut_get_sint(a) >= 0 &&
		       yyjson_mut_get_sint(b) >= 0;
	return yyjson_mut_get_uint(a) == yyjson_mut_get_uint(b);
}

/* Of the same size. Members in the same order cost one step each; once they are not, the rest is looked for. */
static bool equal_members(yyjson_mut_val *a, yyjson_mut_val *b)
{
	yyjson_mut_obj_iter in_order = yyjson_mut_obj_iter_with(b);
	cleanup(lookup_fini) struct lookup l = {0};
	yyjson_mut_val *key, *v, *other, *next;
	size_t i, n;

	yyjson_mut_obj_foreach(a, i, n, key, v)
	{
		next = l.in ? NULL : yyjson_mut_obj_iter_next(&in_order);
		if (next && yyjson_mut_get_len(next) == yyjson_mut_get_len(key) &&
			!memcmp(yyjson_mut_get_str(next), yyjson_mut_get_str(key), yyjson_mut_get_len(key))) {
			other = yyjson_mut_obj_iter_get_val(next);
		} else {
			if (!l.in)
				lookup_init(&l, b, n - i);
			other = lookup_key(&l, key);
		}
		if (!other || !meta_equal(v, other))
			return false;
	}
	return true;
}

bool meta_equal(yyjson_mut_val *a, yyjson_mut_val *b)
{
	size_t i, n;
	yyjson_mut_val *v;
	yyjson_mut_arr_iter items;

	if (a == b)
		return true;
	if (!a || !b)
		return false;
	if (yyjson_mut_is_num(a) && yyjson_mut_is_num(b))
		return equal_numbers(a, b);
	if (yyjson_mut_get_type(a) != yyjson_mut_get_type(b))
		return false;
	switch (yyjson_mut_get_type(a)) {
	case YYJSON_TYPE_BOOL:
		return yyjson_mut_get_bool(a) == yyjson_mut_get_bool(b);
	case YYJSON_TYPE_STR:
		return yyjson_mut_get_len(a) == yyjson_mut_get_len(b) &&
		       !memcmp(yyjson_mut_get_str(a), yyjson_mut_get_str(b), yyjson_mut_get_len(a));
	case YYJSON_TYPE_ARR:
		if (yyjson_mut_arr_size(a) != yyjson_mut_arr_size(b))
			return false;
		items = yyjson_mut_arr_iter_with(b);
		yyjson_mut_arr_foreach(
			a, i, n, v) if (!meta_equal(v, yyjson_mut_arr_iter_next(&items))) return false;
		return true;
	case YYJSON_TYPE_OBJ:
		return yyjson_mut_obj_size(a) == yyjson_mut_obj_size(b) && equal_members(a, b);
	default:
		return true;
	}
}

void meta_time(char buf[static META_TIME_MAX], time_t t)
{
	rfc3339_text(buf, &(struct timespec){.tv_sec = t}, 0);
}

void meta_micro_time(char buf[static META_TIME_MAX], const struct timespec *t)
{
	rfc3339_text(buf, t, 6);
}

/* Digits exactly @n long; -1 otherwise. Moves *p behind them. */
static int digits(const char **p, int n)
{
	int value = 0;

	for (; n; n--, (*p)++) {
		if (**p < '0' || **p > '9')
			return -1;
		value = value * 10 + (**p - '0');
	}
	return value;
}

static bool skip(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

int meta_time_parse(struct timespec *out, const char *text)
{
	static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	const char *p = text;
	struct tm tm = {0};
	long nsec = 0, offset = 0;
	int year, month, day, hour, minute, second;

	if ((year = digits(&p, 4)) < 0 || !skip(&p, '-') || (month = digits(&p, 2)) < 1 || month > 12 ||
		!skip(&p, '-') || (day = digits(&p, 2)) < 1 || !(skip(&p, 'T') || skip(&p, 't')) ||
		(hour = digits(&p, 2)) < 0 || hour > 23 || !skip(&p, ':') || (minute = digits(&p, 2)) < 0 ||
		minute > 59 || !skip(&p, ':') || (second = digits(&p, 2)) < 0 || second > 60)
		return -EINVAL;
	bool leap = (year % 4 == 0 && year % 100) || year % 400 == 0;

	if (day > month_days[month - 1] + (leap && month == 2))
		return -EINVAL;
	if (skip(&p, '.') || skip(&p, ',')) {
		long scale = 100000000;

		if (*p < '0' || *p > '9')
			return -EINVAL;
		for (; *p >= '0' && *p <= '9'; p++, scale /= 10)
			nsec += (*p - '0') * scale;
	}
	if (!skip(&p, 'Z') && !skip(&p, 'z')) {
		int sign = skip(&p, '+') ? 1 : skip(&p, '-') ? -1 : 0;
		int hours = sign ? digits(&p, 2) : -1;
		int minutes = hours >= 0 && hours < 24 && skip(&p, ':') ? digits(&p, 2) : -1;

		if (minutes < 0 || minutes > 59)
			return -EINVAL;
		offset = sign * (hours * 3600L + minutes * 60L);
	}
	if (*p)
		return -EINVAL;
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	tm.tm_mday = day;
	tm.tm_hour = hour;
	tm.tm_min = minute;
	tm.tm_sec = second;
	out->tv_sec = timegm(&tm) - offset;
	out->tv_nsec = nsec;
	return 0;
}

static int random_bytes(void *buf, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = getrandom((char *)buf + done, len - done, 0);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			done += (size_t)n;
	}
	return 0;
}

int meta_uid(char buf[static META_UID_MAX])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char b[16];
	char *at = buf;
	int err = random_bytes(b, sizeof(b));

	if (err)
		return err;
	b[6] = (b[6] & 0x0f) | 0x40;
	b[8] = (b[8] & 0x3f) | 0x80;
	for (size_t i = 0; i < sizeof(b); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		*at++ = digits[b[i] >> 4];
		*at++ = digits[b[i] & 15];
	}
	*at = '\0';
	return 0;
}

int meta_generate_name(char *buf, size_t size, const char *prefix)
{
	/* no vowels and nothing that looks like another, as everywhere in Kubernetes */
	static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
	unsigned char b[5];
	char tail[sizeof(b) + 1] = "";
	int err = random_bytes(b, sizeof(b));

	if (err)
		return err;
	for (size_t i = 0; i < sizeof(b); i++)
		tail[i] = letters[b[i] % (sizeof(letters) - 1)];
	if ((size_t)snprintf(buf, size, "%.58s%s", prefix, tail) >= size)
		return -ENAMETOOLONG;
	return 0;
}
