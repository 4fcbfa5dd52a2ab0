/* SPDX-License-Identifier: Apache-2.0 */

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/webhooks/hook_url.h"

/* "ADDRESS", "ADDRESS:PORT", "[V6]:PORT" */
static const char *read_authority(struct hook_url *out, const char *s, size_t len)
{
	char copy[96], *colon;
	struct in6_addr v6;
	struct in_addr v4;

	if (len >= sizeof(copy) || memchr(s, '@', len))
		return "user information is not permitted in the URL, and its host has to be an address";
	memcpy(copy, s, len);
	copy[len] = '\0';
	colon = strrchr(copy, *copy == '[' ? ']' : ':');
	if (*copy == '[' && colon) {
		*colon++ = '\0';
		memmove(copy, copy + 1, strlen(copy));
		if (*colon && *colon != ':')
			return "the port of the URL is none";
		colon = *colon ? colon : NULL;
	} else if (colon) {
		*colon = '\0';
	}
	out->port = 443;
	if (colon) {
		char *end;
		long port = strtol(colon + 1, &end, 10);

		if (*end || end == colon + 1 || port < 1 || port > 65535)
			return "the port of the URL is none";
		out->port = (int)port;
	}
	if (inet_pton(AF_INET, copy, &v4) != 1 && inet_pton(AF_INET6, copy, &v6) != 1)
		return "host names are not resolved for webhooks: the host has to be an IP address, or use a service";
	snprintf(out->address, sizeof(out->address), "%.63s", copy);
	return NULL;
}

const char *hook_url_read(struct hook_url *out, const char *url)
{
	static const char scheme[] = "https://";
	const char *host, *path;

	*out = (struct hook_url){0};
	if (strncmp(url, scheme, strlen(scheme)) != 0)
		return "'https' is the only allowed URL scheme";
	host = url + strlen(scheme);
	path = host + strcspn(host, "/?#");
	if (strpbrk(path, "?#"))
		return "query parameters and fragments are not permitted in the URL";
	for (const char *c = path; *c; c++)
		if (*c <= ' ' || *c == 0x7f)
			return "the URL has a character that has to be encoded";
	if (strlen(path) >= sizeof(out->path))
		return "the URL is too long";
	snprintf(out->path, sizeof(out->path), "%s", *path ? path : "/");
	return read_authority(out, host, (size_t)(path - host));
}
