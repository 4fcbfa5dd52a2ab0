/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What holds for every request that leaves the node for a registry or for the web: the addresses we do not talk to,
 * whose certificates are trusted, and how credentials become tokens. Credentials stay with the host they were meant
 * for; a token server is asked over https only, unless the registry itself is configured as insecure.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include <yyjson.h>

#include "engine/image/fetch_int.h"

#define USER_AGENT "wherry"

enum { TOKEN_BODY_MAX = 1 << 20, CONNECT_S = 20, ANSWER_S = 60 };

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

/* Sees the address after resolution, so that no name can stand for one of them. */
static curl_socket_t on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
	bool *denied = arg;

	if (link_local(&addr->addr)) {
		*denied = true;
		return CURL_SOCKET_BAD;
	}
	return socket(addr->family, addr->socktype | SOCK_CLOEXEC, addr->protocol);
}

/* ---- one handle */

void url_parts_fini(struct url_parts *p)
{
	curl_free(p->scheme);
	curl_free(p->host);
	curl_free(p->port);
}

bool url_parts_of(const char *url, struct url_parts *p)
{
	CURLU *u = curl_url();
	bool ok;

	memset(p, 0, sizeof(*p));
	ok = u && curl_url_set(u, CURLUPART_URL, url, CURLU_DISALLOW_USER) == CURLUE_OK &&
	     curl_url_get(u, CURLUPART_SCHEME, &p->scheme, 0) == CURLUE_OK &&
	     curl_url_get(u, CURLUPART_HOST, &p->host, 0) == CURLUE_OK &&
	     curl_url_get(u, CURLUPART_PORT, &p->port, CURLU_DEFAULT_PORT) == CURLUE_OK;
	curl_url_cleanup(u);
	return ok;
}

bool fetch_same_origin(const char *a, const char *b)
{
	struct url_parts x, y;
	bool ok = url_parts_of(a, &x), both = url_parts_of(b, &y) && ok;

	both = both && !strcasecmp(x.scheme, y.scheme) && !strcasecmp(x.host, y.host) &&
	       !strcmp(x.port, y.port);
	url_parts_fini(&x);
	url_parts_fini(&y);
	return both;
}

const char *fetch_base(const struct fetcher *f, size_t i, char out[IMAGE_DOMAIN_MAX + 16])
{
	const struct registry_endpoint *e = &f->setup->endpoints->list[i];

	if (!f->plain[i])
		return e->base;
	snprintf(out, IMAGE_DOMAIN_MAX + 16, "http://%s", e->host);
	return out;
}

/* The URL decides which of the two. */
bool fetch_use_proxy(CURL *c, const struct registry_endpoint *e, const char *url)
{
	const char *proxy = !e->proxy			     ? NULL
			    : !strncasecmp(url, "https:", 6) ? e->proxy->https
							     : e->proxy->http;

	if (!proxy)
		return true;
	if (e->proxy->username && e->proxy->password &&
		(curl_easy_setopt(c, CURLOPT_PROXYAUTH, (long)CURLAUTH_BASIC) != CURLE_OK ||
			curl_easy_setopt(c, CURLOPT_PROXYUSERNAME, e->proxy->username) != CURLE_OK ||
			curl_easy_setopt(c, CURLOPT_PROXYPASSWORD, e->proxy->password) != CURLE_OK))
		return false;
	return curl_easy_setopt(c, CURLOPT_PROXY, proxy) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_NOPROXY, e->proxy->except ? e->proxy->except : "") == CURLE_OK;
}

bool fetch_common_options(CURL *c, const struct registry_endpoint *e, bool own, bool *denied)
{
	char ca[64] = REGISTRY_SYSTEM_CA;
	bool insecure = own && e->insecure;

	if (e->ca_fd >= 0)
		snprintf(ca, sizeof(ca), "/proc/self/fd/%d", e->ca_fd);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_USERAGENT, USER_AGENT);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, (long)FETCH_FLOOR_BYTES_S);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)FETCH_PATIENCE_S);
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(c, CURLOPT_BUFFERSIZE, 256L << 10);
	curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, on_socket);
	curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, denied);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, insecure ? 0L : 1L);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, insecure ? 0L : 2L);
	/* ours, or none: never the environment's */
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	return curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, e->insecure ? "https,http" : "https") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_CAINFO, ca) == CURLE_OK;
}

bool fetch_credentials(struct fetcher *f, size_t i, CURL *easy)
{
	const struct auth_credentials *c = f->setup->credentials;
	bool own = f->setup->endpoints->list[i].own;
	const char *token = f->token[i];

	if (own && !token)
		token = c->registry_token;
	if (token) {
		curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
		return curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, token) == CURLE_OK;
	}
	if (f->basic[i] && own && c->username) {
		curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		return curl_easy_setopt(easy, CURLOPT_USERNAME, c->username) == CURLE_OK &&
		       curl_easy_setopt(easy, CURLOPT_PASSWORD, c->password ? c->password : "") == CURLE_OK;
	}
	return true;
}

/* ---- tokens */

struct token_body {
	char *p;
	size_t len;
};

static size_t on_token_body(char *buf, size_t size, size_t n, void *arg)
{
	struct token_body *b = arg;
	char *more;

	if (n > TOKEN_BODY_MAX - b->len)
		return 0;
	more = realloc(b->p, b->len + n + 1);
	if (!more)
		return 0;
	b->p = more;
	memcpy(more + b->len, buf, n);
	b->len += n;
	return n;
}

static char *token_query(
	CURL *c, const struct auth_challenge *ch, const char *scope, const char *more, const char *refresh)
{
	char *service = curl_easy_escape(c, ch->service, 0), *esc = curl_easy_escape(c, scope, 0);
	char *token = refresh ? curl_easy_escape(c, refresh, 0) : NULL, *out = NULL;
	char *extra = more ? curl_easy_escape(c, more, 0) : NULL;
	int r = -1;

	/* the refresh form takes one scope parameter with blanks, the other one several parameters */
	if (service && esc && refresh && token)
		r = asprintf(&out,
			"grant_type=refresh_token&client_id=" USER_AGENT
			"&service=%s&scope=%s%s%s&refresh_token=%s",
			service, esc, extra ? "%20" : "", extra ? extra : "", token);
	else if (service && esc && !refresh)
		r = asprintf(&out, "%s%cservice=%s%s%s%s%s", ch->realm, strchr(ch->realm, '?') ? '&' : '?',
			service, *esc ? "&scope=" : "", esc, extra ? "&scope=" : "", extra ? extra : "");
	curl_free(service);
	curl_free(esc);
	curl_free(token);
	curl_free(extra);
	return r < 0 ? NULL : out;
}

int fetch_token(struct fetcher *f, size_t i, const struct auth_challenge *ch, const char *scope,
	const char *more, char *why, size_t size)
{
	const struct auth_credentials *cred = f->setup->credentials;
	const struct registry_endpoint *e = &f->setup->endpoints->list[i];
	cleanup(freep) char *query = NULL;
	const char *refresh = e->own ? cred->identity_token : NULL;
	struct token_body body = {0};
	struct url_parts parts = {0};
	char base[IMAGE_DOMAIN_MAX + 16];
	bool denied = false, https;
	long status = 0;
	CURL *c = NULL;
	CURLcode code;
	int r = -EACCES;

	https = url_parts_of(ch->realm, &parts) && !strcasecmp(parts.scheme, "https");
	if (!parts.scheme || (!https && !(e->insecure && !strcasecmp(parts.scheme, "http")))) {
		snprintf(why, size, "the registry's token server is not an https address: %.200s", ch->realm);
		r = -EPERM;
		goto out;
	}
	c = curl_easy_init();
	query = c ? token_query(c, ch, *ch->scope ? ch->scope : scope, more, refresh) : NULL;
	if (!query ||
		!fetch_common_options(c, e, fetch_same_origin(ch->realm, fetch_base(f, i, base)), &denied)) {
		snprintf(why, size, "out of memory");
		r = -ENOMEM;
		goto out;
	}
	if (!fetch_use_proxy(c, e, ch->realm)) {
		r = -ENOMEM;
		goto out;
	}
	curl_easy_setopt(c, CURLOPT_URL, refresh ? ch->realm : query);
	curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)ANSWER_S);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_token_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, &body);
	if (refresh) {
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, query);
	} else if (e->own && cred->username) {
		curl_easy_setopt(c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		curl_easy_setopt(c, CURLOPT_USERNAME, cred->username);
		curl_easy_setopt(c, CURLOPT_PASSWORD, cred->password ? cred->password : "");
	}
	code = curl_easy_perform(c);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	if (denied) {
		snprintf(
			why, size, "the registry's token server has a link-local address: %.200s", ch->realm);
		r = -EPERM;
	} else if (code != CURLE_OK) {
		snprintf(why, size, "token server %.200s: %s", parts.host, fetch_curl_words(c, code));
		r = -EHOSTUNREACH;
	} else if (status != 200) {
		snprintf(why, size, "unauthorized: the token server %.200s answered %ld", parts.host, status);
	} else {
		free(f->token[i]);
		f->token[i] = body.p ? auth_token_parse(body.p, body.len) : NULL;
		r = f->token[i] ? 0 : -EBADMSG;
		if (r < 0)
			snprintf(why, size, "the token server %.200s sent no token", parts.host);
	}
out:
	curl_easy_cleanup(c);
	url_parts_fini(&parts);
	free(body.p);
	return r;
}

/* ---- answers */

/* errors[0] of the distribution specification; "" when there is none. */
void fetch_registry_words(const char *body, size_t len, char *out, size_t size)
{
	struct image_reason why;
	yyjson_doc *doc = len ? image_json(body, len, &why) : NULL;
	yyjson_val *first = yyjson_arr_get_first(yyjson_obj_get(yyjson_doc_get_root(doc), "errors"));
	const char *code = yyjson_get_str(yyjson_obj_get(first, "code"));
	const char *message = yyjson_get_str(yyjson_obj_get(first, "message"));

	snprintf(out, size, "%.64s%s%.200s", code ? code : "", code && message ? ": " : "",
		message ? message : "");
	for (char *p = out; *p; p++) {
		if (*p == '_')
			*p = ' ';
		else if (*p >= 'A' && *p <= 'Z' && code && p < out + strlen(code))
			*p += 'a' - 'A';
		else if ((unsigned char)*p < ' ' || *p == 127)
			*p = '?';
	}
	yyjson_doc_free(doc);
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

const char *fetch_curl_words(CURL *c, CURLcode code)
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

/* Not curl's own idea, which carries the user along. */
char *fetch_location(const char *asked, const char *location)
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
