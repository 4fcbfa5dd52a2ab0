/* SPDX-License-Identifier: Apache-2.0 */

/* See auth.h. */

#include <errno.h>
#include <string.h>
#include <strings.h>

#include <yyjson.h>

#include "engine/image/auth.h"
#include "engine/image/manifest.h"

static bool is_token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static size_t token_len(const char *s)
{
	size_t n = 0;

	while (is_token_char(s[n]))
		n++;
	return n;
}

static const char *skip_blank(const char *s)
{
	return s + strspn(s, " \t");
}

/* A token or a quoted string; NULL when it is neither or does not fit. What is printed later holds no control
 * bytes. */
static const char *read_value(const char *s, char *out, size_t size)
{
	size_t n = 0;

	if (*s != '"') {
		n = token_len(s);
		if (n == 0 || n >= size)
			return NULL;
		memcpy(out, s, n);
		out[n] = '\0';
		return s + n;
	}
	for (s++; *s && *s != '"'; s++) {
		if (*s == '\\' && s[1])
			s++;
		if ((unsigned char)*s < ' ' || *s == 127 || n + 1 >= size)
			return NULL;
		out[n++] = *s;
	}
	out[n] = '\0';
	return *s == '"' ? s + 1 : NULL;
}

static char *field(struct auth_challenge *c, const char *name, size_t len, size_t *size)
{
	if (len == 5 && !strncasecmp(name, "realm", 5))
		return *size = sizeof(c->realm), c->realm;
	if (len == 7 && !strncasecmp(name, "service", 7))
		return *size = sizeof(c->service), c->service;
	if (len == 5 && !strncasecmp(name, "scope", 5))
		return *size = sizeof(c->scope), c->scope;
	return NULL;
}

/* One challenge; returns what follows it, NULL when malformed. */
static const char *read_challenge(const char *s, struct auth_challenge *out)
{
	char ignored[1024];
	size_t n = token_len(s);

	memset(out, 0, sizeof(*out));
	if (n == 0)
		return NULL;
	if (n == 5 && !strncasecmp(s, "Basic", n))
		out->scheme = AUTH_BASIC;
	else if (n == 6 && !strncasecmp(s, "Bearer", n))
		out->scheme = AUTH_BEARER;
	s = skip_blank(s + n);
	while (*s) {
		const char *name = s, *next;
		char *to;
		size_t size = 0;

		n = token_len(s);
		next = skip_blank(s + n);
		if (n == 0 || *next != '=') /* no parameter: the next challenge begins here */
			return *s == ',' ? s : n ? s : NULL;
		to = field(out, name, n, &size);
		if (!to) {
			to = ignored;
			size = sizeof(ignored);
		}
		s = read_value(skip_blank(next + 1), to, size);
		if (!s)
			return NULL;
		s = skip_blank(s);
		if (*s && *s != ',')
			return NULL;
		while (*s == ',' || *s == ' ' || *s == '\t')
			s++;
	}
	return s;
}

int auth_challenge_parse(const char *s, struct auth_challenge *out)
{
	struct auth_challenge best = {.scheme = AUTH_NONE}, one;

	for (;;) {
		while (*s == ',' || *s == ' ' || *s == '\t')
			s++;
		if (!*s)
			break;
		s = read_challenge(s, &one);
		if (!s)
			return -EINVAL;
		if (one.scheme == AUTH_BEARER && !*one.realm)
			continue;
		if (one.scheme > best.scheme)
			best = one;
	}
	if (best.scheme == AUTH_NONE)
		return -EINVAL;
	*out = best;
	return 0;
}

static int copy(yyjson_val *root, const char *key, char **out)
{
	yyjson_val *v = yyjson_obj_get(root, key);
	const char *s = yyjson_get_str(v);

	if (!s || !*s)
		return 0;
	if (strlen(s) != yyjson_get_len(v) || strpbrk(s, "\r\n"))
		return -EINVAL;
	*out = strdup(s);
	return *out ? 0 : -ENOMEM;
}

int auth_credentials_parse(const char *json, struct auth_credentials *out)
{
	struct image_reason why;
	yyjson_doc *doc;
	yyjson_val *root;
	int r;

	memset(out, 0, sizeof(*out));
	if (!json || !*json)
		return 0;
	doc = image_json(json, strlen(json), &why);
	if (!doc)
		return -EINVAL;
	root = yyjson_doc_get_root(doc);
	r = copy(root, "username", &out->username);
	if (r == 0)
		r = copy(root, "password", &out->password);
	if (r == 0)
		r = copy(root, "identitytoken", &out->identity_token);
	if (r == 0)
		r = copy(root, "registrytoken", &out->registry_token);
	yyjson_doc_free(doc);
	if (r < 0)
		auth_credentials_fini(out);
	return r;
}

void auth_credentials_fini(struct auth_credentials *c)
{
	char **all[] = {&c->username, &c->password, &c->identity_token, &c->registry_token};

	for (size_t i = 0; i < array_len(all); i++) {
		if (*all[i])
			explicit_bzero(*all[i], strlen(*all[i]));
		free(*all[i]);
		*all[i] = NULL;
	}
}

char *auth_token_parse(const char *json, size_t len)
{
	struct image_reason why;
	yyjson_doc *doc = image_json(json, len, &why);
	char *token = NULL;

	if (!doc)
		return NULL;
	if (copy(yyjson_doc_get_root(doc), "token", &token) < 0 ||
		(!token && copy(yyjson_doc_get_root(doc), "access_token", &token) < 0))
		token = NULL;
	yyjson_doc_free(doc);
	/* it goes into a header */
	for (const char *p = token; p && *p; p++) {
		if (*p <= ' ' || *p > 126) {
			free(token);
			return NULL;
		}
	}
	return token;
}
