/* SPDX-License-Identifier: Apache-2.0 */

/*
 * HTML is read as a browser reads it (WHATWG HTML, 13.2.5), as far as it takes to know where values of attributes begin and end. Every
 * byte goes on as it came; before a link that needs it the proxy's path is put in.
 */

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "cluster/http/links.h"

/* Attributes that hold one URL (WHATWG HTML, "Attributes"), and those of older pages. */
static const struct {
	const char *tag, *attributes;
} tags[] = {
	{"a", "href"},
	{"area", "href"},
	{"audio", "src"},
	{"base", "href"},
	{"blockquote", "cite"},
	{"body", "background"},
	{"button", "formaction"},
	{"del", "cite"},
	{"embed", "src"},
	{"form", "action"},
	{"frame", "longdesc src"},
	{"head", "profile"},
	{"html", "manifest"},
	{"iframe", "longdesc src"},
	{"img", "longdesc src"},
	{"input", "formaction src"},
	{"ins", "cite"},
	{"link", "href"},
	{"object", "codebase data"},
	{"q", "cite"},
	{"script", "src"},
	{"source", "src"},
	{"track", "src"},
	{"video", "poster src"},
};

static const char *const raws[] = {
	"iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp"};

/* ---- one link */

static bool is_host(const struct links_rule *r, const char *host, size_t len)
{
	for (size_t i = 0; i < LINKS_HOSTS; i++)
		if (r->hosts[i] && strlen(r->hosts[i]) == len && !strncasecmp(r->hosts[i], host, len))
			return true;
	return false;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

static size_t spaces(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && is_space(s[n]))
		n++;
	return n;
}

static bool begins(const char *s, size_t len, const char *with)
{
	return len >= strlen(with) && !strncasecmp(s, with, strlen(with));
}

/* Where in it the path begins, if it leads to the server itself by an absolute path; -1: it does not. */
static ssize_t path_in(const struct links_rule *r, const char *url, size_t len)
{
	size_t at = spaces(url, len), end;

	if (begins(url + at, len - at, "http:"))
		at += 5;
	else if (begins(url + at, len - at, "https:"))
		at += 6;
	else if (!begins(url + at, len - at, "//"))
		return at < len && url[at] == '/' ? (ssize_t)at : -1;
	if (!begins(url + at, len - at, "//"))
		return -1;
	at += 2;
	for (end = at; end < len && !strchr("/?#", url[end]); end++)
		;
	return is_host(r, url + at, end - at) ? (ssize_t)end : -1;
}

void links_add(const struct links_rule *r, const char *url, size_t len, struct text *out)
{
	ssize_t path = path_in(r, url, len);
	size_t n = strlen(r->prefix);

	if (path >= 0) {
		text_add(out, url, spaces(url, len));
		url += path;
		len -= (size_t)path;
		if (!begins(url, len, r->prefix) || (len > n && !strchr("/?#", url[n])))
			text_puts(out, r->prefix);
	}
	text_add(out, url, len);
}

/* ---- a page */

enum state {
	TEXT,
	OPEN,	   /* after '<' */
	BANG,	   /* after "<!" */
	DASH,	   /* after "<!-" */
	COMMENT,   /* at: dashes just before */
	MARKUP,	   /* no tag that begins something: up to '>' */
	NAME,	   /* of a tag */
	GAP,	   /* between attributes */
	ATTRIBUTE, /* its name */
	AFTER,	   /* behind that name */
	BEGIN,	   /* behind '=' */
	QUOTED,
	BARE,
	RAW, /* at: so much of "</" and the tag's name has come */
};

static void begin_word(struct links *l, char c)
{
	l->word[0] = (char)tolower((unsigned char)c);
	l->at = 1;
}

static void add_word(struct links *l, char c)
{
	if (l->at < LINKS_WORD - 1)
		l->word[l->at] = (char)tolower((unsigned char)c);
	if (l->at < LINKS_WORD)
		l->at++;
}

/* "": it was too long. */
static const char *end_word(struct links *l)
{
	l->word[l->at < LINKS_WORD ? l->at : 0] = '\0';
	return l->word;
}

static void know_tag(struct links *l)
{
	const char *name = end_word(l);

	l->attributes = l->raw = NULL;
	for (size_t i = 0; i < array_len(tags); i++)
		if (!strcmp(tags[i].tag, name))
			l->attributes = tags[i].attributes;
	for (size_t i = 0; i < array_len(raws); i++)
		if (!strcmp(raws[i], name))
			l->raw = raws[i];
}

static bool is_link(struct links *l)
{
	const char *name = end_word(l);
	size_t len = strlen(name);

	for (const char *p = l->attributes; p && *p && len;) {
		size_t n = strcspn(p, " ");

		if (n == len && !strncmp(p, name, n))
			return true;
		p += n;
		p += strspn(p, " ");
	}
	return false;
}

static void release(struct links *l, struct text *out)
{
	if (l->holds)
		links_add(l->rule, l->held, l->n_held, out);
	l->holds = false;
	l->n_held = 0;
}

static void hold(struct links *l, char c, struct text *out)
{
	if (!l->holds) {
		text_add(out, &c, 1);
		return;
	}
	l->held[l->n_held++] = c;
	if (l->n_held == LINKS_HELD) /* whether it leads here is known by now */
		release(l, out);
}

static int end_tag(struct links *l)
{
	l->at = 0;
	return l->raw ? RAW : TEXT;
}

/* A name of a tag or of an attribute is over. */
static bool ends_name(char c)
{
	return c == '>' || c == '/' || is_space(c);
}

static int after_name(struct links *l, char c)
{
	return c == '>' ? end_tag(l) : GAP;
}

static int begin_attribute(struct links *l, char c)
{
	begin_word(l, c);
	return ATTRIBUTE;
}

static int in_name(struct links *l, char c)
{
	if (!ends_name(c)) {
		add_word(l, c);
		return NAME;
	}
	know_tag(l);
	return after_name(l, c);
}

static int in_attribute(struct links *l, char c)
{
	if (c == '=') {
		l->holds = is_link(l);
		return BEGIN;
	}
	if (is_space(c))
		return AFTER;
	if (c == '>' || c == '/')
		return after_name(l, c);
	add_word(l, c);
	return ATTRIBUTE;
}

static int begin_value(struct links *l, char c, struct text *out)
{
	if (c == '>')
		l->holds = false;
	if (c == '>' || is_space(c)) {
		text_add(out, &c, 1);
		return c == '>' ? end_tag(l) : BEGIN;
	}
	if (c == '"' || c == '\'') {
		l->quote = c;
		text_add(out, &c, 1);
		return QUOTED;
	}
	hold(l, c, out);
	return BARE;
}

static int in_value(struct links *l, char c, struct text *out)
{
	bool over = l->state == QUOTED ? c == l->quote : c == '>' || is_space(c);

	if (!over) {
		hold(l, c, out);
		return l->state;
	}
	release(l, out);
	text_add(out, &c, 1);
	return c == '>' && l->state == BARE ? end_tag(l) : GAP;
}

static int in_raw(struct links *l, char c)
{
	size_t n = strlen(l->raw) + 2;

	if (l->at == n && ends_name(c)) {
		l->raw = NULL;
		return c == '>' ? TEXT : MARKUP;
	}
	if (l->at < n && tolower((unsigned char)c) == (l->at < 2 ? "</"[l->at] : l->raw[l->at - 2]))
		l->at++;
	else
		l->at = c == '<';
	return RAW;
}

static int in_comment(struct links *l, char c)
{
	if (c == '>' && l->at >= 2)
		return TEXT;
	l->at = c == '-' ? l->at + 1 : 0;
	return COMMENT;
}

static int after_open(struct links *l, char c)
{
	if (isalpha((unsigned char)c)) {
		begin_word(l, c);
		return NAME;
	}
	return c == '!' ? BANG : c == '/' || c == '?' ? MARKUP : c == '<' ? OPEN : TEXT;
}

/* Outside of values, where every byte goes on at once. */
static int outside(struct links *l, char c)
{
	switch ((enum state)l->state) {
	case TEXT:
		return c == '<' ? OPEN : TEXT;
	case OPEN:
		return after_open(l, c);
	case BANG:
		return c == '-' ? DASH : c == '>' ? TEXT : MARKUP;
	case DASH:
		l->at = 2; /* "<!-->" is a whole one */
		return c == '-' ? COMMENT : c == '>' ? TEXT : MARKUP;
	case COMMENT:
		return in_comment(l, c);
	case MARKUP:
		return c == '>' ? TEXT : MARKUP;
	case NAME:
		return in_name(l, c);
	case GAP:
		return ends_name(c) ? after_name(l, c) : begin_attribute(l, c);
	case ATTRIBUTE:
		return in_attribute(l, c);
	case AFTER:
		if (c == '=' || is_space(c))
			return in_attribute(l, c);
		return ends_name(c) ? after_name(l, c) : begin_attribute(l, c);
	default:
		return in_raw(l, c);
	}
}

void links_feed(struct links *l, const char *page, size_t len, struct text *out)
{
	for (size_t i = 0; i < len; i++) {
		if (l->state == BEGIN) {
			l->state = begin_value(l, page[i], out);
		} else if (l->state == QUOTED || l->state == BARE) {
			l->state = in_value(l, page[i], out);
		} else {
			text_add(out, page + i, 1);
			l->state = outside(l, page[i]);
		}
	}
}

void links_end(struct links *l, struct text *out)
{
	release(l, out);
}
