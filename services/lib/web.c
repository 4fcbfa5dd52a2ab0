/* SPDX-License-Identifier: Apache-2.0 */

/* See web.h. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "lib/web.h"

#define LOCATION "Location:"

enum { CONNECT_S = 20 };

/* ---- addresses we do not talk to */

static bool link_local(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET) {
		uint32_t a = ntohl(((const struct sockaddr_in *)(const void *)sa)->sin_addr.s_addr);

		return a >> 16 == 0xa9fe || a == 0;
	}
	if (sa->sa_family == AF_INET6) {
		const struct in6_addr *a = &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;

		if (IN6_IS_ADDR_V4MAPPED(a))
			return a->s6_addr[12] == 0xa9 && a->s6_addr[13] == 0xfe;
		return IN6_IS_ADDR_LINKLOCAL(a);
	}
	return false;
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
	return socket(addr->family, addr->socktype | SOCK_CLOEXEC, addr->protocol);
}

/* Sees the address after resolution, so that no name can stand for one of them. */
static curl_socket_t open_allowed(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
	bool *denied = arg;

	if (link_local(&addr->addr)) {
		*denied = true;
		return CURL_SOCKET_BAD;
	}
	return open_socket(NULL, purpose, addr);
}

/* ---- one handle */

void web_proxy_fini(struct web_proxy *p)
{
	free(p->http);
	free(p->https);
	free(p->except);
	free(p->username);
	if (p->password)
		explicit_bzero(p->password, strlen(p->password));
	free(p->password);
	memset(p, 0, sizeof(*p));
}

/* The URL decides which of the two. */
bool web_use_proxy(CURL *c, const struct web_proxy *p, const char *url)
{
	const char *proxy = !p ? NULL : !strncasecmp(url, "https:", 6) ? p->https : p->http;

	if (!proxy)
		return true;
	if (p->username && p->password &&
		(curl_easy_setopt(c, CURLOPT_PROXYAUTH, (long)CURLAUTH_BASIC) != CURLE_OK ||
			curl_easy_setopt(c, CURLOPT_PROXYUSERNAME, p->username) != CURLE_OK ||
			curl_easy_setopt(c, CURLOPT_PROXYPASSWORD, p->password) != CURLE_OK))
		return false;
	return curl_easy_setopt(c, CURLOPT_PROXY, proxy) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_NOPROXY, p->except ? p->except : "") == CURLE_OK;
}

bool web_options(CURL *c, const struct web_trust *t, bool *denied)
{
	char ca[64] = WEB_SYSTEM_CA;

	if (t->ca_fd >= 0)
		snprintf(ca, sizeof(ca), "/proc/self/fd/%d", t->ca_fd);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_USERAGENT, WEB_USER_AGENT);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, (long)WEB_FLOOR_BYTES_S);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)WEB_PATIENCE_S);
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(c, CURLOPT_BUFFERSIZE, 256L << 10);
	curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, t->link_local ? open_socket : open_allowed);
	curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, denied);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, t->any_certificate ? 0L : 1L);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, t->any_certificate ? 0L : 2L);
	/* ours, or none: never the environment's */
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	return curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, t->plain ? "https,http" : "https") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_CAINFO, ca) == CURLE_OK;
}

/* What a proxy said that would not make a tunnel, for which curl has only that nothing was received. */
static const char *proxy_words(CURL *c)
{
	static const struct {
		long status;
		const char *words;
	} refusals[] = {
		{403, "the proxy answered 403 (forbidden)"},
		{407, "the proxy answered 407: it wants credentials, and engine.proxy.credentials of the machine configuration has none or others"},
		{502, "the proxy answered 502: it cannot reach the server"},
		{503, "the proxy answered 503: it cannot reach the server"},
		{504, "the proxy answered 504: the server does not answer it"},
	};
	long status = 0;

	if (curl_easy_getinfo(c, CURLINFO_HTTP_CONNECTCODE, &status) != CURLE_OK || status < 300)
		return NULL;
	for (size_t i = 0; i < array_len(refusals); i++)
		if (refusals[i].status == status)
			return refusals[i].words;
	return "the proxy made no tunnel to the server";
}

const char *web_words(CURL *c, CURLcode code)
{
	const char *refusal = proxy_words(c);
	curl_off_t asked_us = 0;

	if (refusal)
		return refusal;
	/* curl has one word for a server that cannot be reached in time and for one that goes slow */
	if (code == CURLE_OPERATION_TIMEDOUT &&
		curl_easy_getinfo(c, CURLINFO_PRETRANSFER_TIME_T, &asked_us) == CURLE_OK && asked_us)
		return "it stalls: next to nothing came from it for too long";
	return curl_easy_strerror(code);
}

/* ---- addresses as text */

void web_url_fini(struct web_url *u)
{
	curl_free(u->scheme);
	curl_free(u->host);
	curl_free(u->port);
}

bool web_url_of(const char *url, struct web_url *u)
{
	CURLU *c = curl_url();
	bool ok;

	memset(u, 0, sizeof(*u));
	ok = c && curl_url_set(c, CURLUPART_URL, url, CURLU_DISALLOW_USER) == CURLUE_OK &&
	     curl_url_get(c, CURLUPART_SCHEME, &u->scheme, 0) == CURLUE_OK &&
	     curl_url_get(c, CURLUPART_HOST, &u->host, 0) == CURLUE_OK &&
	     curl_url_get(c, CURLUPART_PORT, &u->port, CURLU_DEFAULT_PORT) == CURLUE_OK;
	curl_url_cleanup(c);
	return ok;
}

bool web_same_origin(const char *a, const char *b)
{
	struct web_url x, y;
	bool ok = web_url_of(a, &x), both = web_url_of(b, &y) && ok;

	both = both && !strcasecmp(x.scheme, y.scheme) && !strcasecmp(x.host, y.host) &&
	       !strcmp(x.port, y.port);
	web_url_fini(&x);
	web_url_fini(&y);
	return both;
}

size_t web_header_len(const char *line, size_t n)
{
	while (n && (line[n - 1] == '\r' || line[n - 1] == '\n'))
		n--;
	return n;
}

bool web_header_location(const char *line, size_t len, char **location)
{
	size_t blank = strlen(LOCATION);

	if (len <= blank || strncasecmp(line, LOCATION, blank) != 0)
		return false;
	blank += strspn(line + blank, " \t");
	free(*location);
	*location = blank < len ? strndup(line + blank, len - blank) : NULL;
	return true;
}

/* Not curl's own idea, which carries the user along. */
char *web_location(const char *asked, const char *location)
{
	CURLU *u = curl_url();
	char *out = NULL, *copy = NULL;

	if (u && location && curl_url_set(u, CURLUPART_URL, asked, 0) == CURLUE_OK &&
		curl_url_set(u, CURLUPART_URL, location, CURLU_DISALLOW_USER) == CURLUE_OK &&
		curl_url_get(u, CURLUPART_URL, &out, 0) == CURLUE_OK)
		copy = strdup(out);
	curl_free(out);
	curl_url_cleanup(u);
	return copy;
}
