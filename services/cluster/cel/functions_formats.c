/* SPDX-License-Identifier: Apache-2.0 */

/* Texts of certain forms, by name: format.dns1123Label().validate(text) is an optional list of what is wrong with it. */

#include <stdio.h>
#include <string.h>

#include "cluster/cel/cel_int.h"
#include "cluster/schema/decode.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/validate.h"

/* Longer than any text that is of a form with a name. */
enum { FORM_MAX = 1024 };

struct text_format {
	const char *name;
	enum schema_format format; /* of validate.h, or none */
	bool prefix;		   /* what a name may begin with: a dash at the end is one in the middle */
	const char *(*check)(struct text t);
};

static const char *check_uri(struct text t)
{
	return text_is_url(t) ? NULL : "invalid URI";
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* 32 digits; between the groups of 8, 4, 4, 4 and 12 there may be a dash, each for itself. */
static const char *check_uuid(struct text t)
{
	size_t digits = 0;
	bool right = true;

	for (size_t i = 0; right && i < t.n; i++) {
		bool dash = t.s[i] == '-';

		if (dash)
			right = (digits == 8 || digits == 12 || digits == 16 || digits == 20) &&
				t.s[i - 1] != '-';
		else
			right = is_hex(t.s[i]);
		digits += !dash;
	}
	return right && digits == 32 ? NULL : "does not match the UUID format";
}

static const char *check_byte(struct text t)
{
	size_t bad;

	return decode_base64_valid(t.s, t.n, &bad) ? NULL : "invalid base64";
}

static const char *check_time(struct text t)
{
	char plain[META_TIME_MAX + 8];
	struct timespec at;

	return value_plain(value_string(t.s, t.n), plain, sizeof(plain)) && !meta_time_parse(&at, plain)
		       ? NULL
		       : "invalid datetime";
}

static const char *check_date(struct text t)
{
	char whole[32];

	if (t.n != 10 || memchr(t.s, 0, t.n))
		return "invalid date";
	snprintf(whole, sizeof(whole), "%.10sT00:00:00Z", t.s);
	return check_time((struct text){whole, strlen(whole)}) ? "invalid date" : NULL;
}

/* clang-format off */
#define FORMATS(X) \
	X(dns1123Label, SCHEMA_DNS_LABEL, false, NULL) \
	X(dns1123Subdomain, SCHEMA_DNS_SUBDOMAIN, false, NULL) \
	X(dns1035Label, SCHEMA_DNS_LABEL_1035, false, NULL) \
	X(qualifiedName, SCHEMA_LABEL_KEY, false, NULL) \
	X(dns1123LabelPrefix, SCHEMA_DNS_LABEL, true, NULL) \
	X(dns1123SubdomainPrefix, SCHEMA_DNS_SUBDOMAIN, true, NULL) \
	X(dns1035LabelPrefix, SCHEMA_DNS_LABEL_1035, true, NULL) \
	X(labelValue, SCHEMA_LABEL_VALUE, false, NULL) \
	X(uri, SCHEMA_FORMAT_NONE, false, check_uri) \
	X(uuid, SCHEMA_FORMAT_NONE, false, check_uuid) \
	X(byte, SCHEMA_FORMAT_NONE, false, check_byte) \
	X(date, SCHEMA_FORMAT_NONE, false, check_date) \
	X(datetime, SCHEMA_FORMAT_NONE, false, check_time)
/* clang-format on */

#define FORMAT_NUMBER(name, format, prefix, check) FORMAT_##name,
enum { FORMATS(FORMAT_NUMBER) N_FORMATS };

#define FORMAT_ROW(name, format, prefix, check) [FORMAT_##name] = {#name, format, prefix, check},
static const struct text_format formats[N_FORMATS] = {FORMATS(FORMAT_ROW)};

#define FORMAT_MADE(name, format_of, prefix, check)                                                          \
	static struct value make_##name(struct eval *e, const struct value *args, size_t n)                  \
	{                                                                                                    \
		return (struct value){.type = VALUE_FORMAT, .format = &formats[FORMAT_##name]};              \
	}
FORMATS(FORMAT_MADE)

static const struct text_format *find(struct text name)
{
	for (size_t i = 0; i < array_len(formats); i++)
		if (strlen(formats[i].name) == name.n && !memcmp(formats[i].name, name.s, name.n))
			return &formats[i];
	return NULL;
}

/* NULL: it is of the form. */
static const char *complaint(const struct text_format *f, struct text t)
{
	char plain[FORM_MAX];

	if (f->check)
		return f->check(t);
	if (!value_plain(value_string(t.s, t.n), plain, sizeof(plain)))
		return t.n < sizeof(plain) ? "must not have a NUL in it" : "is too long";
	if (f->prefix && t.n > 1 && plain[t.n - 1] == '-')
		plain[t.n - 1] = 'a';
	return validate_format((int)f->format, plain, t.n);
}

static struct value validate(struct eval *e, const struct value *args, size_t n)
{
	struct value *items, list;
	const char *why;

	if (args[0].type != VALUE_FORMAT || args[1].type != VALUE_STRING)
		return value_overload();
	if (!eval_read(e, args[1].text))
		return value_no_room;
	why = complaint(args[0].format, args[1].text);
	if (!why)
		return value_optional(e, NULL);
	list = value_make_list(e, 1, &items);
	if (is_error(list))
		return list;
	items[0] = value_string(why, strlen(why));
	return value_optional(e, &list);
}

static struct value named(struct eval *e, const struct value *args, size_t n)
{
	const struct text_format *f;
	struct value v = {.type = VALUE_FORMAT};

	if (args[0].type != VALUE_STRING)
		return value_overload();
	f = find(args[0].text);
	v.format = f;
	return value_optional(e, f ? &v : NULL);
}

#define FORMAT_FUNCTION(name, format, prefix, check) {"format." #name, false, ">F", make_##name},
const struct function cel_formats[] = {
	/* clang-format off */
	FORMATS(FORMAT_FUNCTION)
	/* clang-format on */
	{"format.named", false, "S>?F", named},
	{"validate", true, "FS>?[S]", validate},
	{NULL},
};
