/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "agent/probe_url.h"

static int take_authority(struct probe_url *u, const char *text, size_t len)
{
	const char *host = text, *port = NULL;
	size_t host_len = len;
	long n;

	if (len && *text == '[') {
		const char *close = memchr(text, ']', len);

		if (!close)
			return -EINVAL;
		host = text + 1;
		host_len = (size_t)(close - host);
		if (close + 1 < text + len && close[1] == ':')
			port = close + 2;
	} else {
		const char *colon = memchr(text, ':', len);

		if (colon) {
			host_len = (size_t)(colon - text);
			port = colon + 1;
		}
	}
	if (!host_len || host_len >= sizeof(u->host) || memchr(host, '@', host_len))
		return -EINVAL;
	memcpy(u->host, host, host_len);
	u->host[host_len] = 0;
	n = port ? strtol(port, NULL, 10) : u->https ? 443 : 80;
	if (n < 1 || n > 65535)
		return -EINVAL;
	u->port = (uint16_t)n;
	return 0;
}

/* A target has no spaces, control characters or anything that would end its line. */
int probe_url_target(struct probe_url *u, const char *text)
{
	size_t len = strcspn(text, "#");

	if (len >= sizeof(u->target) - 1)
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] <= ' ' || text[i] == 0x7f)
			return -EINVAL;
	snprintf(u->target, sizeof(u->target), "%s%.*s", *text == '/' ? "" : "/", (int)len, text);
	return 0;
}

int probe_url_parse(struct probe_url *out, const struct probe_url *base, const char *text)
{
	const char *rest = NULL;
	size_t len;
	int r;

	*out = *base;
	if (!strncasecmp(text, "http://", 7))
		rest = text + 7;
	else if (!strncasecmp(text, "https://", 8))
		rest = text + 8;
	else if (!strncmp(text, "//", 2))
		rest = text + 2;
	if (!rest)
		return strstr(text, "://") && strcspn(text, "/?") > strcspn(text, ":")
			       ? -EINVAL
			       : probe_url_target(out, text);
	if (text[0] != '/')
		out->https = text[4] != ':';
	len = strcspn(rest, "/?#");
	r = take_authority(out, rest, len);
	return r ? r : probe_url_target(out, rest + len);
}
