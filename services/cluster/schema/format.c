/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Texts that follow a rule: names, labels, keys, ports, addresses, paths; and upstream's sentence when they
 * do not.
 */

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "cluster/schema/schema.h"
#include "cluster/schema/validate.h"
#include "lib/quantity.h"

#define LABEL_RULE "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
#define NAME_RULE  "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
#define USED	   "regex used for validation is '"
#define ALPHANUMERIC_INSIDE                                                                                  \
	"alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"

#define SUBDOMAIN                                                                                                        \
	"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start " \
	"and end with an alphanumeric character (e.g. 'example.com', " USED LABEL_RULE "(\\." LABEL_RULE                 \
	")*')"

static const char label_rule[] =
	"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
	"with an alphanumeric character (e.g. 'my-name',  or '123-abc', " USED LABEL_RULE "')";
static const char label_1035_rule[] =
	"a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
	"and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', " USED
	"[a-z]([-a-z0-9]*[a-z0-9])?')";
static const char subdomain_rule[] = SUBDOMAIN;
static const char prefix_subdomain_rule[] = "prefix part " SUBDOMAIN;
static const char name_part_rule[] = "name part must consist of " ALPHANUMERIC_INSIDE
				     " (e.g. 'MyName',  or 'my.name',  or '123-abc', " USED NAME_RULE "')";
static const char qualified_rule[] =
	"a qualified name must consist of " ALPHANUMERIC_INSIDE
	" (e.g. 'MyName',  or 'my.name',  or '123-abc', " USED NAME_RULE
	"') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
static const char label_value_rule[] =
	"a valid label must be an empty string or consist of " ALPHANUMERIC_INSIDE
	" (e.g. 'MyValue',  or 'my_value',  or '12345', " USED "(" NAME_RULE ")?')";
static const char config_key_rule[] =
	"a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
	"'key-name', " USED "[-._a-zA-Z0-9]+')";
static const char percent_rule[] =
	"a valid percent string must be a numeric followed by an ending '%' (e.g. '1%',  or '93%', " USED
	"[0-9]+%')";
static const char port_rule[] = "must be between 1 and 65535, inclusive";

static bool lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool alphanumeric(char c)
{
	return lower(c) || digit(c) || (c >= 'A' && c <= 'Z');
}

/* What names and keys may have inside. */
static bool inside(char c)
{
	return alphanumeric(c) || c == '-' || c == '_' || c == '.';
}

static bool is_label(const char *s, size_t len)
{
	if (!len || s[0] == '-' || s[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!lower(s[i]) && !digit(s[i]) && s[i] != '-')
			return false;
	return true;
}

static bool is_subdomain(const char *s, size_t len)
{
	for (;;) {
		const char *dot = memchr(s, '.', len);
		size_t part = dot ? (size_t)(dot - s) : len;

		if (!is_label(s, part))
			return false;
		if (!dot)
			return true;
		s += part + 1;
		len -= part + 1;
	}
}

/* Letters, digits, "-_." inside. */
static bool is_name_part(const char *s, size_t len)
{
	if (!len || !alphanumeric(s[0]) || !alphanumeric(s[len - 1]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!inside(s[i]))
			return false;
	return true;
}

static const char *dns_label(const char *s, size_t len)
{
	return len > 63 ? "must be no more than 63 bytes" : is_label(s, len) ? NULL : label_rule;
}

static const char *dns_label_1035(const char *s, size_t len)
{
	if (len > 63)
		return "must be no more than 63 bytes";
	return is_label(s, len) && lower(s[0]) ? NULL : label_1035_rule;
}

static const char *dns_subdomain(const char *s, size_t len)
{
	return len > 253 ? "must be no more than 253 bytes" : is_subdomain(s, len) ? NULL : subdomain_rule;
}

static const char *label_key(const char *s, size_t len)
{
	const char *slash = memchr(s, '/', len), *name = slash ? slash + 1 : s;
	size_t name_len = len - (size_t)(name - s), prefix_len = slash ? (size_t)(slash - s) : 0;

	if (memchr(name, '/', name_len))
		return qualified_rule;
	if (slash && !prefix_len)
		return "prefix part must be non-empty";
	if (slash && prefix_len > 253)
		return "prefix part must be no more than 253 bytes";
	if (slash && !is_subdomain(s, prefix_len))
		return prefix_subdomain_rule;
	if (!name_len)
		return "name part must be non-empty";
	if (name_len > 63)
		return "name part must be no more than 63 bytes";
	return is_name_part(name, name_len) ? NULL : name_part_rule;
}

static const char *label_value(const char *s, size_t len)
{
	if (len > 63)
		return "must be no more than 63 bytes";
	return !len || is_name_part(s, len) ? NULL : label_value_rule;
}

static const char *path_segment(const char *s, size_t len)
{
	if (len == 1 && s[0] == '.')
		return "may not be '.'";
	if (len == 2 && !memcmp(s, "..", 2))
		return "may not be '..'";
	return memchr(s, '/', len)    ? "may not contain '/'"
	       : memchr(s, '%', len)  ? "may not contain '%'"
	       : memchr(s, '\0', len) ? "may not contain a NUL"
				      : NULL;
}

static const char *config_key(const char *s, size_t len)
{
	if (len > 253)
		return "must be no more than 253 bytes";
	if (!len)
		return config_key_rule;
	for (size_t i = 0; i < len; i++)
		if (!inside(s[i]))
			return config_key_rule;
	if (len == 1 && s[0] == '.')
		return "must not be '.'";
	if (len >= 2 && !memcmp(s, "..", 2))
		return len == 2 ? "must not be '..'" : "must not start with '..'";
	return NULL;
}

static const char *port_name(const char *s, size_t len)
{
	bool letter = false;

	if (len > 15)
		return "must be no more than 15 bytes";
	for (size_t i = 0; i < len; i++) {
		if (!lower(s[i]) && !digit(s[i]) && s[i] != '-')
			return "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)";
		letter |= lower(s[i]);
		if (i && s[i] == '-' && s[i - 1] == '-')
			return "must not contain consecutive hyphens";
	}
	if (!letter)
		return "must contain at least one letter (a-z)";
	return s[0] == '-' || s[len - 1] == '-' ? "must not begin or end with a hyphen" : NULL;
}

static const char *env_name(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (s[i] < ' ' || s[i] > '~' || s[i] == '=')
			return "a valid environment variable name must consist only of printable ASCII characters other than '='";
	return len ? NULL : "environment variable name must not be empty";
}

static bool is_ip(const char *s, int *bits)
{
	unsigned char buf[16];

	*bits = 32;
	if (inet_pton(AF_INET, s, buf) == 1)
		return true;
	*bits = 128;
	return inet_pton(AF_INET6, s, buf) == 1;
}

static const char *ip(const char *s, size_t len)
{
	int bits;

	return is_ip(s, &bits) ? NULL : "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
}

static const char *cidr(const char *s, size_t len)
{
	static const char rule[] = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
	const char *slash = strchr(s, '/');
	char address[64];
	int bits, prefix = 0;

	if (!slash || (size_t)(slash - s) >= sizeof(address) || !slash[1] || strlen(slash + 1) > 3)
		return rule;
	memcpy(address, s, (size_t)(slash - s));
	address[slash - s] = 0;
	for (const char *p = slash + 1; *p; p++) {
		if (!digit(*p))
			return rule;
		prefix = prefix * 10 + (*p - '0');
	}
	return is_ip(address, &bits) && prefix <= bits ? NULL : rule;
}

static bool has_dots(const char *s)
{
	for (const char *p = s; (p = strstr(p, "..")); p += 2)
		if ((p == s || p[-1] == '/') && (!p[2] || p[2] == '/'))
			return true;
	return false;
}

static const char *absolute_path(const char *s, size_t len)
{
	return s[0] == '/' ? NULL : "must be an absolute path";
}

static const char *local_path(const char *s, size_t len)
{
	return s[0] == '/' ? "must be a relative path" : has_dots(s) ? "must not contain '..'" : NULL;
}

static const char *quantity_non_negative(const char *s, size_t len)
{
	struct quantity q;

	if (quantity_parse(&q, s, len))
		return QUANTITY_REFUSED;
	return q.nano < 0 ? "must be greater than or equal to 0" : NULL;
}

static const char *percent(const char *s, size_t len)
{
	if (len < 2 || s[len - 1] != '%')
		return percent_rule;
	for (size_t i = 0; i + 1 < len; i++)
		if (!digit(s[i]))
			return percent_rule;
	return NULL;
}

static const char *not_empty(const char *s, size_t len)
{
	return len ? NULL : "must not be empty";
}

static const char *a_number(const char *s, size_t len)
{
	return "must be a number";
}

static const char *const number_rules[] = {
	[SCHEMA_PORT] = port_rule,
	[SCHEMA_PORT_OR_NAME] = port_rule,
	[SCHEMA_NON_NEGATIVE] = "must be greater than or equal to 0",
	[SCHEMA_PERCENT_OR_INT] = "must be greater than or equal to 0",
	[SCHEMA_POSITIVE] = "must be greater than 0",
	[SCHEMA_NOT_EMPTY] = NULL,
};

static const char *(*const text_rules[])(const char *s, size_t len) = {
	[SCHEMA_DNS_LABEL] = dns_label,
	[SCHEMA_DNS_LABEL_1035] = dns_label_1035,
	[SCHEMA_DNS_SUBDOMAIN] = dns_subdomain,
	[SCHEMA_LABEL_KEY] = label_key,
	[SCHEMA_LABEL_VALUE] = label_value,
	[SCHEMA_PATH_SEGMENT] = path_segment,
	[SCHEMA_CONFIG_KEY] = config_key,
	[SCHEMA_PORT] = a_number,
	[SCHEMA_PORT_NAME] = port_name,
	[SCHEMA_PORT_OR_NAME] = port_name,
	[SCHEMA_ENV_NAME] = env_name,
	[SCHEMA_IP] = ip,
	[SCHEMA_CIDR] = cidr,
	[SCHEMA_ABSOLUTE_PATH] = absolute_path,
	[SCHEMA_LOCAL_PATH] = local_path,
	[SCHEMA_NON_NEGATIVE] = a_number,
	[SCHEMA_POSITIVE] = a_number,
	[SCHEMA_QUANTITY_NON_NEGATIVE] = quantity_non_negative,
	[SCHEMA_PERCENT_OR_INT] = percent,
	[SCHEMA_NOT_EMPTY] = not_empty,
};

const char *validate_format(int format, const char *text, size_t len)
{
	if (format < 0 || (size_t)format >= array_len(text_rules) || !text_rules[format])
		return NULL;
	return text_rules[format](text, len);
}

const char *validate_number(int format, int64_t n)
{
	bool bad;

	if (format < 0 || (size_t)format >= array_len(number_rules) || !number_rules[format])
		return NULL;
	switch (format) {
	case SCHEMA_PORT:
	case SCHEMA_PORT_OR_NAME:
		bad = n < 1 || n > 65535;
		break;
	case SCHEMA_POSITIVE:
		bad = n < 1;
		break;
	default:
		bad = n < 0;
		break;
	}
	return bad ? number_rules[format] : NULL;
}
