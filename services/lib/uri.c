/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <string.h>

#include "lib/hex.h"
#include "lib/uri.h"

ssize_t uri_decode(char *s, size_t len, bool plus)
{
	size_t out = 0;

	for (size_t i = 0; i < len; i++) {
		char c = s[i];

		if (c == '%') {
			int hi = i + 2 < len ? hex_digit(s[i + 1]) : -1;
			int lo = i + 2 < len ? hex_digit(s[i + 2]) : -1;

			if (hi < 0 || lo < 0)
				return -EINVAL;
			c = (char)(hi << 4 | lo);
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		if (!c)
			return -EINVAL;
		s[out++] = c;
	}
	return (ssize_t)out;
}

ssize_t uri_query(char *s, struct uri_pair *pairs, size_t max)
{
	size_t n = 0;
	char *next;

	for (; s; s = next) {
		next = strchr(s, '&');
		if (next)
			*next++ = 0;
		if (!*s)
			continue;
		if (n == max)
			return -E2BIG;

		char *value = strchr(s, '=');
		ssize_t len;

		if (value)
			*value++ = 0;
		len = uri_decode(s, strlen(s), true);
		if (len < 0)
			return len;
		s[len] = 0;
		pairs[n].key = s;
		pairs[n].value = "";
		if (value) {
			len = uri_decode(value, strlen(value), true);
			if (len < 0)
				return len;
			value[len] = 0;
			pairs[n].value = value;
		}
		n++;
	}
	return (ssize_t)n;
}

static bool unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '.' || c == '_' || c == '~';
}

char *uri_encode(const char *s)
{
	static const char digits[] = "0123456789ABCDEF";
	char *out = malloc(3 * strlen(s) + 1), *o = out;

	if (!out)
		return NULL;
	for (; *s; s++) {
		if (unreserved(*s)) {
			*o++ = *s;
		} else {
			*o++ = '%';
			*o++ = digits[(unsigned char)*s >> 4];
			*o++ = digits[*s & 15];
		}
	}
	*o = 0;
	return out;
}
