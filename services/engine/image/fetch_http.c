/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is said to a registry: the request, its redirects, credentials, and what its answer means.
 *
 * Redirects are followed by hand, because each is a decision: never to a link-local address, never from
 * encrypted to plain, and credentials stay with the host they were meant for. A token server is asked over
 * https only, unless the registry itself is configured as insecure.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <netinet/in.h>

#include <yyjson.h>

#include "engine/image/fetch_int.h"

#define USER_AGENT "wherry"

enum { REDIRECTS_MAX = 5, ERROR_BODY_MAX = 16 << 10, TOKEN_BODY_MAX = 1 << 20, STALL_S = 30, CONNECT_S = 20 };

static const struct registry_endpoint *endpoint(const struct xfer *x)
{
	return &x->f->setup->endpoints->list[x->endpoint];
}

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

struct url_parts {
	char *scheme, *host, *port;
};

static void parts_fini(struct url_parts *p)
{
	curl_free(p->scheme);
	curl_free(p->host);
	curl_free(p->port);
}

static bool parts_of(const char *url, struct url_parts *p)
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

static bool same_origin(const char *a, const char *b)
{
	struct url_parts x, y;
	bool ok = parts_of(a, &x), both = parts_of(b, &y) && ok;

	both = both && !strcasecmp(x.scheme, y.scheme) && !strcasecmp(x.host, y.host) &&
	       !strcmp(x.port, y.port);
	parts_fini(&x);
	parts_fini(&y);
	return both;
}

static const char *base_of(const struct xfer *x, char out[IMAGE_DOMAIN_MAX + 16])
{
	const struct registry_endpoint *e = endpoint(x);

	if (!x->f->plain[x->endpoint])
		return e->base;
	snprintf(out, IMAGE_DOMAIN_MAX + 16, "http://%s", e->host);
	return out;
}

/* What holds for every request; @own: to the endpoint itself, which may be configured as insecure. */
static bool common_options(CURL *c, const struct registry_endpoint *e, bool own, bool *denied)
{
	char ca[64] = REGISTRY_SYSTEM_CA;
	bool insecure = own && e->insecure;

	if (e->ca_fd >= 0)
		snprintf(ca, sizeof(ca), "/proc/self/fd/%d", e->ca_fd);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_USERAGENT, USER_AGENT);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)STALL_S);
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(c, CURLOPT_BUFFERSIZE, 256L << 10);
	curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, on_socket);
	curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, denied);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, insecure ? 0L : 1L);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, insecure ? 0L : 2L);
	curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	return curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, e->insecure ? "https,http" : "https") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_CAINFO, ca) == CURLE_OK;
}

/* ---- the answer as it comes in */

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
	struct xfer *x = arg;
	size_t len = n;

	while (len && (line[len - 1] == '\r' || line[len - 1] == '\n'))
		len--;
	if (len >= 5 && !strncmp(line, "HTTP/", 5)) {
		*x->www_authenticate = *x->content_range = '\0';
		x->retry_after_s = 0;
		x->headers_seen = false;
	} else if (len > 17 && !strncasecmp(line, "WWW-Authenticate:", 17)) {
		size_t have = strlen(x->www_authenticate);

		snprintf(x->www_authenticate + have, sizeof(x->www_authenticate) - have, "%s%.*s",
			have ? ", " : "", (int)len - 17, line + 17);
	} else if (len > 9 && !strncasecmp(line, "Location:", 9)) {
		size_t blank = 9 + strspn(line + 9, " \t");

		free(x->location);
		x->location = blank < len ? strndup(line + blank, len - blank) : NULL;
	} else if (len > 14 && !strncasecmp(line, "Content-Range:", 14)) {
		snprintf(x->content_range, sizeof(x->content_range), "%.*s", (int)len - 14, line + 14);
	} else if (len > 12 && !strncasecmp(line, "Retry-After:", 12)) {
		x->retry_after_s = (unsigned)strtoul(line + 12, NULL, 10);
	}
	return n;
}

/* A range answer must begin where we asked it to. */
static bool range_fits(const struct xfer *x)
{
	unsigned long long from;

	return sscanf(x->content_range, " bytes %20llu-", &from) == 1 && from == x->received;
}

static size_t keep_error_body(struct xfer *x, const char *buf, size_t n)
{
	size_t take = ERROR_BODY_MAX - x->error_len < n ? ERROR_BODY_MAX - x->error_len : n;
	char *more = realloc(x->error_body, x->error_len + take + 1);

	if (more) {
		memcpy(more + x->error_len, buf, take);
		x->error_body = more;
		x->error_len += take;
		more[x->error_len] = '\0';
	}
	return n;
}

static size_t on_body(char *buf, size_t size, size_t n, void *arg)
{
	struct xfer *x = arg;
	size_t all = n;
	long status = 0;

	curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200 && status != 206)
		return keep_error_body(x, buf, n);
	if (!x->headers_seen) {
		x->headers_seen = true;
		x->skip = status == 200 ? x->received : 0;
		if (status == 206 && !range_fits(x)) {
			x->bad_range = true;
			return 0;
		}
	}
	if (x->pending_len)
		return CURL_WRITEFUNC_PAUSE;
	if (x->skip) {
		size_t had = x->skip < n ? (size_t)x->skip : n;

		x->skip -= had;
		buf += had;
		n -= had;
	}
	if (n > x->req.size_bytes - x->received) {
		x->too_big = true;
		return 0;
	}
	x->sink_error = n ? fetch_deliver(x, buf, n) : 0;
	return x->sink_error < 0 ? 0 : all;
}

/* ---- asking */

void fetch_http_stop(struct xfer *x)
{
	if (x->easy) {
		curl_multi_remove_handle(x->f->multi, x->easy);
		curl_easy_cleanup(x->easy);
		x->easy = NULL;
	}
	curl_slist_free_all(x->headers);
	x->headers = NULL;
	x->running = false;
}

static bool add_header(struct xfer *x, const char *line)
{
	struct curl_slist *more = curl_slist_append(x->headers, line);

	if (more)
		x->headers = more;
	return more != NULL;
}

static bool add_credentials(struct xfer *x)
{
	const struct auth_credentials *c = x->f->setup->credentials;
	const char *token = x->f->token[x->endpoint];

	if (endpoint(x)->own && !token)
		token = c->registry_token;
	if (token) {
		curl_easy_setopt(x->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
		return curl_easy_setopt(x->easy, CURLOPT_XOAUTH2_BEARER, token) == CURLE_OK;
	}
	if (x->f->basic[x->endpoint] && endpoint(x)->own && c->username) {
		curl_easy_setopt(x->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		return curl_easy_setopt(x->easy, CURLOPT_USERNAME, c->username) == CURLE_OK &&
		       curl_easy_setopt(x->easy, CURLOPT_PASSWORD, c->password ? c->password : "") ==
			       CURLE_OK;
	}
	return true;
}

void fetch_http_start(struct xfer *x)
{
	char own[1024], base[IMAGE_DOMAIN_MAX + 16], range[32];
	const char *url = x->url;
	bool at_home, ok;

	if (x->req.kind == FETCH_PING)
		snprintf(own, sizeof(own), "%s/v2/", base_of(x, base));
	else
		snprintf(own, sizeof(own), "%s/v2/%s/%s/%s", base_of(x, base), x->f->setup->path,
			x->req.kind == FETCH_MANIFEST ? "manifests" : "blobs", x->req.what);
	if (!url)
		url = own;
	at_home = same_origin(url, own);

	x->denied = x->too_big = x->bad_range = x->headers_seen = false;
	x->sink_error = 0;
	x->error_len = 0;
	x->skip = 0;
	free(take(x->location));
	free(x->asked);
	x->asked = strdup(url);
	x->easy = curl_easy_init();
	ok = x->asked && x->easy && common_options(x->easy, endpoint(x), at_home, &x->denied) &&
	     curl_easy_setopt(x->easy, CURLOPT_URL, url) == CURLE_OK;
	if (ok && x->req.kind == FETCH_MANIFEST)
		ok = add_header(x, "Accept: " IMAGE_TYPE_OCI_INDEX) &&
		     add_header(x, "Accept: " IMAGE_TYPE_OCI_MANIFEST) &&
		     add_header(x, "Accept: " IMAGE_TYPE_DOCKER_LIST) &&
		     add_header(x, "Accept: " IMAGE_TYPE_DOCKER_MANIFEST);
	if (ok && at_home)
		ok = add_credentials(x);
	if (ok && x->received) {
		snprintf(range, sizeof(range), "%llu-", (unsigned long long)x->received);
		ok = curl_easy_setopt(x->easy, CURLOPT_RANGE, range) == CURLE_OK;
	}
	if (ok) {
		curl_easy_setopt(x->easy, CURLOPT_PRIVATE, x);
		curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, x->headers);
		curl_easy_setopt(x->easy, CURLOPT_HEADERFUNCTION, on_header);
		curl_easy_setopt(x->easy, CURLOPT_HEADERDATA, x);
		curl_easy_setopt(x->easy, CURLOPT_WRITEFUNCTION, on_body);
		curl_easy_setopt(x->easy, CURLOPT_WRITEDATA, x);
		ok = curl_multi_add_handle(x->f->multi, x->easy) == CURLM_OK;
	}
	if (!ok) {
		fetch_fail(x, -ENOMEM, "the request cannot be made");
		return;
	}
	x->running = true;
}

/* Once more, at once. */
static void again(struct xfer *x)
{
	fetch_http_stop(x);
	x->start_at_ms = 0;
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

static char *token_query(CURL *c, const struct auth_challenge *ch, const char *scope, const char *refresh)
{
	char *service = curl_easy_escape(c, ch->service, 0), *esc = curl_easy_escape(c, scope, 0);
	char *token = refresh ? curl_easy_escape(c, refresh, 0) : NULL, *out = NULL;
	int r = -1;

	if (service && esc && refresh && token)
		r = asprintf(&out,
			"grant_type=refresh_token&client_id=" USER_AGENT
			"&service=%s&scope=%s&refresh_token=%s",
			service, esc, token);
	else if (service && esc && !refresh)
		r = asprintf(&out, "%s%cservice=%s%s%s", ch->realm, strchr(ch->realm, '?') ? '&' : '?',
			service, *esc ? "&scope=" : "", esc);
	curl_free(service);
	curl_free(esc);
	curl_free(token);
	return r < 0 ? NULL : out;
}

/* Asks the token server, waiting for it. 0 with the endpoint's token set, or -errno with the reason. */
static int get_token(struct xfer *x, const struct auth_challenge *ch, char *why, size_t size)
{
	const struct auth_credentials *cred = x->f->setup->credentials;
	const struct registry_endpoint *e = endpoint(x);
	cleanup(freep) char *query = NULL;
	const char *refresh = e->own ? cred->identity_token : NULL;
	struct token_body body = {0};
	struct url_parts parts = {0};
	char scope[600], base[IMAGE_DOMAIN_MAX + 16];
	bool denied = false, https;
	long status = 0;
	CURL *c = NULL;
	CURLcode code;
	int r = -EACCES;

	https = parts_of(ch->realm, &parts) && !strcasecmp(parts.scheme, "https");
	if (!parts.scheme || (!https && !(e->insecure && !strcasecmp(parts.scheme, "http")))) {
		snprintf(why, size, "the registry's token server is not an https address: %.200s", ch->realm);
		r = -EPERM;
		goto out;
	}
	*scope = '\0';
	if (x->req.kind != FETCH_PING)
		snprintf(scope, sizeof(scope), "repository:%s:pull", x->f->setup->path);
	c = curl_easy_init();
	query = c ? token_query(c, ch, *ch->scope ? ch->scope : scope, refresh) : NULL;
	if (!query || !common_options(c, e, same_origin(ch->realm, base_of(x, base)), &denied)) {
		snprintf(why, size, "out of memory");
		r = -ENOMEM;
		goto out;
	}
	curl_easy_setopt(c, CURLOPT_URL, refresh ? ch->realm : query);
	curl_easy_setopt(c, CURLOPT_TIMEOUT, 60L);
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
		snprintf(why, size, "token server %.200s: %s", parts.host, curl_easy_strerror(code));
		r = -EHOSTUNREACH;
	} else if (status != 200) {
		snprintf(why, size, "unauthorized: the token server %.200s answered %ld", parts.host, status);
	} else {
		free(x->f->token[x->endpoint]);
		x->f->token[x->endpoint] = body.p ? auth_token_parse(body.p, body.len) : NULL;
		r = x->f->token[x->endpoint] ? 0 : -EBADMSG;
		if (r < 0)
			snprintf(why, size, "the token server %.200s sent no token", parts.host);
	}
out:
	curl_easy_cleanup(c);
	parts_fini(&parts);
	free(body.p);
	return r;
}

/* ---- what the answer means */

/* errors[0] of the distribution specification, as one printable line; "" when there is none. */
static void registry_words(const struct xfer *x, char *out, size_t size)
{
	struct image_reason why;
	yyjson_doc *doc = x->error_len ? image_json(x->error_body, x->error_len, &why) : NULL;
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

/* This endpoint cannot serve it. The next one, if there is one; the error is that of the last. */
static void next_endpoint(struct xfer *x, int err, const char *text)
{
	if (x->endpoint + 1 < x->f->setup->endpoints->n) {
		x->endpoint++;
		x->attempts = x->auth_tries = x->redirects = 0;
		free(take(x->url));
		again(x);
		return;
	}
	fetch_fail(x, err, text);
}

static void answer_401(struct xfer *x)
{
	struct auth_challenge ch;
	char text[400] = "unauthorized: authentication required", words[300];
	const struct auth_credentials *c = x->f->setup->credentials;
	int r;

	registry_words(x, words, sizeof(words));
	if (*words)
		snprintf(text, sizeof(text), "%s", words);
	if (x->auth_tries++ >= 2 || x->url || auth_challenge_parse(x->www_authenticate, &ch) < 0) {
		next_endpoint(x, -EACCES, text);
		return;
	}
	if (ch.scheme == AUTH_BASIC) {
		if (x->f->basic[x->endpoint] && x->auth_tries > 1)
			next_endpoint(x, -EACCES, text);
		else if (!endpoint(x)->own || !c->username)
			next_endpoint(x, -EACCES, text);
		else
			x->f->basic[x->endpoint] = true, again(x);
		return;
	}
	r = get_token(x, &ch, text, sizeof(text));
	if (r < 0)
		next_endpoint(x, r, text);
	else
		again(x);
}

/* Location against the URL that was asked for (RFC 3986 section 5.2); not curl's own idea, which carries the
 * user along. */
static char *redirect_target(const struct xfer *x)
{
	CURLU *u = curl_url();
	char *out = NULL, *copy = NULL;

	if (u && x->location && curl_url_set(u, CURLUPART_URL, x->asked, 0) == CURLUE_OK &&
		curl_url_set(u, CURLUPART_URL, x->location, CURLU_DISALLOW_USER) == CURLUE_OK &&
		curl_url_get(u, CURLUPART_URL, &out, 0) == CURLUE_OK)
		copy = strdup(out);
	curl_free(out);
	curl_url_cleanup(u);
	return copy;
}

static void answer_redirect(struct xfer *x)
{
	struct url_parts from = {0}, to = {0};
	cleanup(freep) char *url = redirect_target(x);
	char text[500];
	struct in_addr v4;
	bool ok = false;

	if (!url || !parts_of(url, &to) || !parts_of(x->asked, &from))
		snprintf(text, sizeof(text), "redirect to what is no address of a server refused: %.300s",
			x->location ? x->location : "");
	else if (x->redirects++ >= REDIRECTS_MAX)
		snprintf(text, sizeof(text), "more than %d redirects", REDIRECTS_MAX);
	else if (inet_pton(AF_INET, to.host, &v4) == 1 && ntohl(v4.s_addr) >> 16 == 0xa9fe)
		snprintf(text, sizeof(text), "redirect to a link-local address refused: %.300s", url);
	else if (strcasecmp(to.scheme, "https") &&
		 (strcasecmp(to.scheme, "http") || strcasecmp(from.scheme, "http")))
		snprintf(text, sizeof(text), "redirect to an unencrypted address refused: %.300s", url);
	else
		ok = true;
	if (ok) {
		free(x->url);
		x->url = take(url);
	}
	parts_fini(&from);
	parts_fini(&to);
	if (ok)
		again(x);
	else
		next_endpoint(x, -EPERM, text);
}

static void answer(struct xfer *x, long status)
{
	char text[700], words[300];

	registry_words(x, words, sizeof(words));
	snprintf(text, sizeof(text), "%s answered %ld%s%s", endpoint(x)->host, status, *words ? ": " : "",
		words);
	if (status == 301 || status == 302 || status == 303 || status == 307 || status == 308)
		answer_redirect(x);
	else if (status == 401)
		answer_401(x);
	else if (status == 403)
		next_endpoint(
			x, -EACCES, *words ? words : "denied: requested access to the resource is denied");
	else if (status == 404)
		next_endpoint(x, -ENOENT, *words ? words : "not found");
	else if (status == 416 && x->received)
		next_endpoint(x, -EBADMSG, "the registry cannot go on where it stopped");
	else if (status == 408 || status == 429 || status >= 500)
		fetch_retry(x, -EHOSTUNREACH, text, x->retry_after_s);
	else
		next_endpoint(x, -EPROTO, text);
}

static void broken(struct xfer *x, CURLcode code)
{
	char text[400];

	snprintf(text, sizeof(text), "%s: %s", endpoint(x)->host, curl_easy_strerror(code));
	if (x->denied) {
		snprintf(text, sizeof(text), "a link-local address refused: %.300s",
			x->url ? x->url : endpoint(x)->host);
		next_endpoint(x, -EPERM, text);
	} else if (x->sink_error < 0) {
		fetch_fail(x, x->sink_error, "its reader is gone");
	} else if (x->too_big) {
		snprintf(text, sizeof(text), "larger than the %llu bytes that were announced, the limit",
			(unsigned long long)x->req.size_bytes);
		fetch_fail(x, -E2BIG, text);
	} else if (x->bad_range) {
		fetch_fail(x, -EPROTO, "the registry answered with a part that was not asked for");
	} else if (endpoint(x)->insecure && !x->f->plain[x->endpoint] && !x->url &&
		   (code == CURLE_SSL_CONNECT_ERROR || code == CURLE_COULDNT_CONNECT)) {
		x->f->plain[x->endpoint] = true;
		again(x);
	} else if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE) {
		snprintf(text, sizeof(text), "%s: its certificate is not trusted (%s)", endpoint(x)->host,
			curl_easy_strerror(code));
		next_endpoint(x, -EHOSTUNREACH, text);
	} else if (x->endpoint + 1 < x->f->setup->endpoints->n) {
		next_endpoint(x, -EHOSTUNREACH, text);
	} else if (code == CURLE_COULDNT_RESOLVE_HOST) {
		fetch_fail(x, -EHOSTUNREACH, text);
	} else {
		fetch_retry(x, -EHOSTUNREACH, text, 0);
	}
}

void fetch_http_finished(struct fetcher *f)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(f->multi, &left))) {
		struct xfer *x = NULL;
		CURLcode code = m->data.result;
		long status = 0;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &x);
		curl_easy_getinfo(m->easy_handle, CURLINFO_RESPONSE_CODE, &status);
		x->running = false;
		if (code != CURLE_OK) {
			broken(x, code);
		} else if (status != 200 && status != 206) {
			answer(x, status);
		} else {
			fetch_http_stop(x);
			x->finished = true;
			if (!x->pending_len)
				fetch_done(x);
		}
	}
}
