/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is said to a registry: the request, its redirects, credentials, and what its answer means.
 *
 * Redirects are followed by hand, because each is a decision: never to a link-local address, never from
 * encrypted to plain, and credentials stay with the host they were meant for (fetch_registry.c).
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
#include "lib/errno_text.h"

enum { REDIRECTS_MAX = 5, ERROR_BODY_MAX = 16 << 10 };

static const struct registry_endpoint *endpoint(const struct xfer *x)
{
	return &x->f->setup->endpoints->list[x->endpoint];
}

/* ---- the answer as it comes in */

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
	struct xfer *x = arg;
	size_t len = web_header_len(line, n);

	if (len >= 5 && !strncmp(line, "HTTP/", 5)) {
		*x->www_authenticate = *x->content_range = '\0';
		x->retry_after_s = 0;
		x->headers_seen = false;
	} else if (len > 17 && !strncasecmp(line, "WWW-Authenticate:", 17)) {
		size_t have = strlen(x->www_authenticate);

		snprintf(x->www_authenticate + have, sizeof(x->www_authenticate) - have, "%s%.*s",
			have ? ", " : "", (int)len - 17, line + 17);
	} else if (web_header_location(line, len, &x->location)) {
		; /* kept */
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

void fetch_http_start(struct xfer *x)
{
	char own[1024], base[IMAGE_DOMAIN_MAX + 16], range[32];
	const char *url = x->url;
	bool at_home, ok;

	if (x->req.kind == FETCH_PING)
		snprintf(own, sizeof(own), "%s/v2/", fetch_base(x->f, x->endpoint, base));
	else
		snprintf(own, sizeof(own), "%s/v2/%s/%s/%s", fetch_base(x->f, x->endpoint, base),
			x->f->setup->path, x->req.kind == FETCH_MANIFEST ? "manifests" : "blobs",
			x->req.what);
	if (!url)
		url = own;
	at_home = web_same_origin(url, own);

	x->denied = x->too_big = x->bad_range = x->headers_seen = false;
	x->sink_error = 0;
	x->error_len = 0;
	x->skip = 0;
	free(take(x->location));
	free(x->asked);
	x->asked = strdup(url);
	x->easy = curl_easy_init();
	ok = x->asked && x->easy && fetch_options(x->easy, endpoint(x), url, at_home, &x->denied) &&
	     curl_easy_setopt(x->easy, CURLOPT_URL, url) == CURLE_OK;
	if (ok && x->req.kind == FETCH_MANIFEST)
		ok = add_header(x, "Accept: " IMAGE_TYPE_OCI_INDEX) &&
		     add_header(x, "Accept: " IMAGE_TYPE_OCI_MANIFEST) &&
		     add_header(x, "Accept: " IMAGE_TYPE_DOCKER_LIST) &&
		     add_header(x, "Accept: " IMAGE_TYPE_DOCKER_MANIFEST);
	if (ok && at_home)
		ok = fetch_credentials(x->f, x->endpoint, x->easy);
	if (ok && x->received) {
		snprintf(range, sizeof(range), "%llu-", (unsigned long long)x->received);
		ok = curl_easy_setopt(x->easy, CURLOPT_RANGE, range) == CURLE_OK;
	}
	if (ok && x->f->setup->patience_s)
		curl_easy_setopt(x->easy, CURLOPT_LOW_SPEED_TIME, (long)x->f->setup->patience_s);
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

/* Asks the token server, waiting for it. 0 with the endpoint's token set, or -errno with the reason. */
static int get_token(struct xfer *x, const struct auth_challenge *ch, char *why, size_t size)
{
	char scope[600] = "";

	if (x->req.kind != FETCH_PING)
		snprintf(scope, sizeof(scope), "repository:%s:pull", x->f->setup->path);
	return fetch_token(x->f, x->endpoint, ch, scope, NULL, why, size);
}

/* ---- what the answer means */

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

	fetch_registry_words(x->error_body, x->error_len, words, sizeof(words));
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

static void answer_redirect(struct xfer *x)
{
	struct web_url from = {0}, to = {0};
	cleanup(freep) char *url = web_location(x->asked, x->location);
	char text[500];
	struct in_addr v4;
	bool ok = false;

	if (!url || !web_url_of(url, &to) || !web_url_of(x->asked, &from))
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
	web_url_fini(&from);
	web_url_fini(&to);
	if (ok)
		again(x);
	else
		next_endpoint(x, -EPERM, text);
}

static void answer(struct xfer *x, long status)
{
	char text[700], words[300];

	fetch_registry_words(x->error_body, x->error_len, words, sizeof(words));
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

	snprintf(text, sizeof(text), "%s: %s", endpoint(x)->host, web_words(x->easy, code));
	if (x->denied) {
		snprintf(text, sizeof(text), "a link-local address refused: %.300s",
			x->url ? x->url : endpoint(x)->host);
		next_endpoint(x, -EPERM, text);
	} else if (x->sink_error < 0) {
		fetch_fail(x, x->sink_error,
			x->sink_error == -EPIPE ? "its reader is gone" : errno_text(-x->sink_error));
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
