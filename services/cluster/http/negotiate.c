/* SPDX-License-Identifier: Apache-2.0 */

/* See negotiate.h. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cluster/http/negotiate.h"

enum { PARAMETER_MAX = 64 };

/* One of the types of the header, with its parameters. */
struct clause {
	const char *text;
	size_t len, bare; /* bare: up to its parameters */
};

/* Without one, or with one that is too long to be known, @buf is "". false: it is not there. */
static bool parameter(const struct clause *c, const char *key, char buf[static PARAMETER_MAX])
{
	const char *end = c->text + c->len, *p = c->text + c->bare;
	size_t key_len = strlen(key), n;

	buf[0] = '\0';
	for (; (p = memchr(p, ';', (size_t)(end - p))); p++) {
		const char *at = p + 1;

		while (at < end && *at == ' ')
			at++;
		if ((size_t)(end - at) <= key_len || strncmp(at, key, key_len) != 0 || at[key_len] != '=')
			continue;
		at += key_len + 1;
		for (n = 0; at + n < end && at[n] != ';' && at[n] != ' ';)
			n++;
		if (n < PARAMETER_MAX) {
			memcpy(buf, at, n);
			buf[n] = '\0';
		}
		return true;
	}
	return false;
}

/* Goes on behind the next type of the header. false: there is none. */
static bool next_clause(const char **header, struct clause *c)
{
	c->text = *header + strspn(*header, ", \t");
	c->len = strcspn(c->text, ",");
	c->bare = strcspn(c->text, ";, \t");
	*header = c->text + c->len;
	return c->len;
}

static bool is_called(const struct clause *c, const char *name)
{
	return strlen(name) == c->bare && !strncasecmp(c->text, name, c->bare);
}

/* Can it be had, and what is it then? */
static bool accept_clause(const struct clause *c, const struct offer *offer, struct negotiated *out)
{
	static const char *const for_json[] = {CONTENT_JSON, "application/*", "*/*", "*"};
	char kind[PARAMETER_MAX], group[PARAMETER_MAX], version[PARAMETER_MAX], stream[PARAMETER_MAX];
	bool json = false, protobuf = is_called(c, CONTENT_PROTOBUF), other;

	for (size_t i = 0; i < array_len(for_json); i++)
		json |= is_called(c, for_json[i]);
	if ((!json && !protobuf) || (parameter(c, "stream", stream) && strcmp(stream, "watch") != 0))
		return false;
	*out = (struct negotiated){.encoding = protobuf ? ENCODING_PROTOBUF : ENCODING_JSON};
	other = parameter(c, "as", kind);
	other |= parameter(c, "g", group);
	other |= parameter(c, "v", version);
	if (!other)
		return json || offer->protobuf;
	if (!offer->forms || strcmp(group, "meta.k8s.io") != 0)
		return false;
	out->version = !strcmp(version, "v1")	     ? "meta.k8s.io/v1"
		       : !strcmp(version, "v1beta1") ? "meta.k8s.io/v1beta1"
						     : NULL;
	out->form = !strcmp(kind, "Table") ? FORM_TABLE : FORM_PARTIAL;
	if (!out->version)
		return false;
	if (out->form == FORM_TABLE)
		return json;
	return !strcmp(kind, "PartialObjectMetadata") || !strcmp(kind, "PartialObjectMetadataList");
}

/* How much it is wanted, and whether it is more than a pattern. */
struct rank {
	double q;
	int exact;
};

static struct rank rank_of(const struct clause *c)
{
	struct rank r = {1, 2};
	char q[PARAMETER_MAX];

	if (parameter(c, "q", q)) {
		r.q = strtod(q, NULL);
		/* what is no number counts as nothing */
		if (!(r.q >= 0))
			r.q = 0;
	}
	if (c->text[0] == '*')
		r.exact = 0;
	else if (is_called(c, "application/*"))
		r.exact = 1;
	return r;
}

bool negotiate(const char *accept, const struct offer *offer, struct negotiated *out)
{
	struct rank best = {-1, 0};
	struct negotiated one;
	struct clause c;

	if (!accept || !*accept) {
		*out = (struct negotiated){0};
		return true;
	}
	while (next_clause(&accept, &c)) {
		struct rank r = rank_of(&c);

		if ((r.q > best.q || (r.q == best.q && r.exact > best.exact)) &&
			accept_clause(&c, offer, &one)) {
			best = r;
			*out = one;
		}
	}
	return best.q >= 0;
}
