/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "lib/size.h"

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

/* What follows the number, as a power of two. -EINVAL for what is no unit. */
static int unit(const char *text)
{
	static const char letters[] = "kmgtp";
	const char *at = *text ? strchr(letters, *text | 0x20) : NULL;

	if (!*text || !strcasecmp(text, "b"))
		return 0;
	if (!at || (text[1] && strcasecmp(text + 1, "b") && strcasecmp(text + 1, "ib")))
		return -EINVAL;
	return 10 * (int)(at - letters + 1);
}

int size_parse(const char *text, int64_t *out)
{
	uint64_t whole = 0, part = 0, scale = 1;
	const char *c = text;

	if (!digit(*c))
		return -EINVAL;
	for (; digit(*c); c++)
		if (__builtin_mul_overflow(whole, 10, &whole) ||
			__builtin_add_overflow(whole, (unsigned)(*c - '0'), &whole))
			return -EINVAL;
	/* Nine digits of a fraction: more would not fit beside a unit. */
	for (c += *c == '.'; digit(*c); c++) {
		if (scale == 1000000000)
			continue;
		part = part * 10 + (unsigned)(*c - '0');
		scale *= 10;
	}
	int shift = unit(c + (*c == ' ' && c[1]));

	if (shift < 0 || whole > (uint64_t)INT64_MAX >> shift)
		return -EINVAL;
	uint64_t more = (uint64_t)(((unsigned __int128)part << shift) / scale);

	if (more > (uint64_t)INT64_MAX - (whole << shift))
		return -EINVAL;
	*out = (int64_t)((whole << shift) + more);
	return 0;
}
