/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <string.h>

#include "engine/stdcopy.h"

static int parse_key(const char *s, size_t len, unsigned char *out)
{
	if (len == 1) {
		*out = (unsigned char)s[0];
		return 0;
	}
	if (len != 6 || strncmp(s, "ctrl-", 5) != 0)
		return -EINVAL;

	char c = s[5];

	if (c >= 'a' && c <= 'z')
		*out = (unsigned char)(c - 'a' + 1);
	else if (c == '@')
		*out = 0;
	else if (c >= '[' && c <= '_')
		*out = (unsigned char)(c - '[' + 27);
	else
		return -EINVAL;
	return 0;
}

int detach_parse(struct detach *d, const char *text)
{
	*d = (struct detach){0};
	if (!text || !*text)
		text = "ctrl-p,ctrl-q";
	for (;;) {
		size_t len = strcspn(text, ",");

		if (d->n == DETACH_KEYS_MAX || parse_key(text, len, &d->keys[d->n]))
			return -EINVAL;
		d->n++;
		if (!text[len])
			return 0;
		text += len + 1;
	}
}

size_t detach_feed(struct detach *d, const unsigned char *in, size_t len, unsigned char *out, bool *detached)
{
	size_t n = 0;

	*detached = false;
	for (size_t i = 0; i < len; i++) {
		if (in[i] == d->keys[d->matched]) {
			if (++d->matched < d->n)
				continue;
			d->matched = 0;
			*detached = true;
			return n;
		}
		/* It was none after all: what was held back goes through, and this byte may begin anew. */
		memcpy(out + n, d->keys, d->matched);
		n += d->matched;
		d->matched = 0;
		if (in[i] == d->keys[0] && d->n > 1)
			d->matched = 1;
		else
			out[n++] = in[i];
	}
	return n;
}
