/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What holds for every request to a registry, beside what holds for the web (lib/web.h): how much it is trusted, and how
 * credentials become tokens. Credentials stay with the host they were meant for; a token server is asked over https only,
 * unless the registry itself is configured as insecure.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <yyjson.h>

#include "engine/image/fetch_int.h"

enum { TOKEN_BODY_MAX = 1 << 20, ANSWER_S = 60 };

/* ---- one handle */

const char *fetch_base(const struct fetcher *f, size_t i, char out[IMAGE_DOMAIN_MAX + 16])
{
	const struct registry_endpoint *e = &f->setup->endpoints->list[i];

	if (!f->plain[i])
		return e->base;
	snprintf(out, IMAGE_DOMAIN_MAX + 16, "http://%s", e->host);
	return out;
}

bool fetch_options(CURL *c, const struct registry_endpoint *e, const char *url, bool own, bool *denied)
{
	const struct web_trust trust = {
		.ca_fd = e->ca_fd, .plain = e->insecure, .any_certificate = own && e->insecure};

	return web_options(c, &trust, denied) && web_use_proxy(c, e->proxy, url);
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
			"grant_type=refresh_token&client_id=" WEB_USER_AGENT
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
	struct web_url parts = {0};
	char base[IMAGE_DOMAIN_MAX + 16];
	bool denied = false, https;
	long status = 0;
	CURL *c = NULL;
	CURLcode code;
	int r = -EACCES;

	https = web_url_of(ch->realm, &parts) && !strcasecmp(parts.scheme, "https");
	if (!parts.scheme || (!https && !(e->insecure && !strcasecmp(parts.scheme, "http")))) {
		snprintf(why, size, "the registry's token server is not an https address: %.200s", ch->realm);
		r = -EPERM;
		goto out;
	}
	c = curl_easy_init();
	query = c ? token_query(c, ch, *ch->scope ? ch->scope : scope, more, refresh) : NULL;
	if (!query || !fetch_options(
			      c, e, ch->realm, web_same_origin(ch->realm, fetch_base(f, i, base)), &denied)) {
		snprintf(why, size, "out of memory");
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
		snprintf(why, size, "token server %.200s: %s", parts.host, web_words(c, code));
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
	web_url_fini(&parts);
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
