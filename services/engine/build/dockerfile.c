/* SPDX-License-Identifier: Apache-2.0 */

/* See dockerfile.h. Lines first, then one instruction at a time. */

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <yyjson.h>

#include "engine/build/dockerfile.h"

/* Which of its forms an instruction has. */
enum { JSON = 1, HEREDOC = 2, NEEDS_REST = 4 };
static const struct {
	const char *keyword;
	unsigned forms;
} ops[DF_OPS] = {
	[DF_ADD] = {"ADD", JSON | HEREDOC | NEEDS_REST},
	[DF_ARG] = {"ARG", NEEDS_REST},
	[DF_CMD] = {"CMD", JSON},
	[DF_COPY] = {"COPY", JSON | HEREDOC | NEEDS_REST},
	[DF_ENTRYPOINT] = {"ENTRYPOINT", JSON},
	[DF_ENV] = {"ENV", NEEDS_REST},
	[DF_EXPOSE] = {"EXPOSE", NEEDS_REST},
	[DF_FROM] = {"FROM", NEEDS_REST},
	[DF_HEALTHCHECK] = {"HEALTHCHECK", NEEDS_REST},
	[DF_LABEL] = {"LABEL", NEEDS_REST},
	[DF_MAINTAINER] = {"MAINTAINER", NEEDS_REST},
	[DF_ONBUILD] = {"ONBUILD", NEEDS_REST},
	[DF_RUN] = {"RUN", JSON | HEREDOC | NEEDS_REST},
	[DF_SHELL] = {"SHELL", JSON | NEEDS_REST},
	[DF_STOPSIGNAL] = {"STOPSIGNAL", NEEDS_REST},
	[DF_USER] = {"USER", NEEDS_REST},
	[DF_VOLUME] = {"VOLUME", JSON | NEEDS_REST},
	[DF_WORKDIR] = {"WORKDIR", NEEDS_REST},
};

struct parser {
	struct dockerfile *d;
	struct dockerfile_error *err;
	const char *p, *end;
	unsigned line; /* of p */
};

const char *dockerfile_keyword(enum dockerfile_op op)
{
	return ops[op].keyword;
}

const char *dockerfile_flag(const struct dockerfile_step *s, const char *name)
{
	for (size_t i = 0; i < s->n_flags; i++)
		if (!strcmp(s->flags[i].name, name))
			return s->flags[i].value;
	return NULL;
}

int dockerfile_refuse(struct dockerfile_error *err, unsigned line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	for (char *c = err->text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = '?';
	err->line = line;
	return -EINVAL;
}

static int no_memory(struct dockerfile_error *err, unsigned line)
{
	dockerfile_refuse(err, line, "out of memory");
	return -ENOMEM;
}

/* ---- freeing */

static void step_fini(struct dockerfile_step *s)
{
	free(s->source);
	free(s->rest);
	for (size_t i = 0; i < s->n_words; i++)
		free(s->words[i]);
	free(s->words);
	for (size_t i = 0; i < s->n_flags; i++) {
		free(s->flags[i].name);
		free(s->flags[i].value);
	}
	free(s->flags);
	for (size_t i = 0; i < s->n_heredocs; i++) {
		free(s->heredocs[i].name);
		free(s->heredocs[i].text);
	}
	free(s->heredocs);
}

void dockerfile_free(struct dockerfile *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->n_steps; i++)
		step_fini(&d->steps[i]);
	free(d->steps);
	free(d->syntax);
	free(d);
}

/* ---- small words */

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

static size_t skip_blanks(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && blank(s[n]))
		n++;
	return n;
}

/* Grows a list by one zeroed member; NULL: no memory. */
static void *grow(void *list, size_t *n, size_t size)
{
	void **p = list;
	char *more = realloc(*p, (*n + 1) * size);

	if (!more)
		return NULL;
	*p = more;
	more += *n * size;
	memset(more, 0, size);
	(*n)++;
	return more;
}

/* Where the word that begins at @s ends: at a blank that is neither quoted nor escaped. */
static size_t word_len(const char *s, char escape)
{
	char quote = 0;
	size_t n = 0;

	for (; s[n]; n++) {
		if (quote) {
			if (s[n] == quote)
				quote = 0;
			else if (s[n] == escape && quote == '"' && s[n + 1])
				n++;
		} else if (s[n] == '\'' || s[n] == '"') {
			quote = s[n];
		} else if (s[n] == escape && s[n + 1]) {
			n++;
		} else if (blank(s[n])) {
			break;
		}
	}
	return n;
}

static int cut_words(struct dockerfile_step *s, char escape)
{
	for (const char *p = s->rest; *p;) {
		size_t n;
		char **w;

		p += skip_blanks(p, strlen(p));
		n = word_len(p, escape);
		if (!n)
			break;
		if (s->n_words == DOCKERFILE_WORDS_MAX)
			return -E2BIG;
		w = grow(&s->words, &s->n_words, sizeof(*w));
		if (!w)
			return -ENOMEM;
		*w = strndup(p, n);
		if (!*w)
			return -ENOMEM;
		p += n;
	}
	return 0;
}

/* ["a", "b"]: words; anything else leaves the step as it is. */
static int json_words(struct dockerfile_step *s)
{
	yyjson_doc *doc;
	yyjson_val *v;
	size_t i, n;

	if (*s->rest != '[')
		return 0;
	doc = yyjson_read(s->rest, strlen(s->rest), 0);
	if (!doc || !yyjson_is_arr(yyjson_doc_get_root(doc))) {
		yyjson_doc_free(doc);
		return 0;
	}
	s->json = true;
	yyjson_arr_foreach (yyjson_doc_get_root(doc), i, n, v)
		s->json = s->json && yyjson_is_str(v) && strlen(yyjson_get_str(v)) == yyjson_get_len(v);
	if (s->json && yyjson_arr_size(yyjson_doc_get_root(doc)) > DOCKERFILE_WORDS_MAX) {
		yyjson_doc_free(doc);
		return -E2BIG;
	}
	yyjson_arr_foreach (yyjson_doc_get_root(doc), i, n, v) {
		char **w = s->json ? grow(&s->words, &s->n_words, sizeof(*w)) : NULL;

		if (s->json && (!w || !(*w = strdup(yyjson_get_str(v))))) {
			yyjson_doc_free(doc);
			return -ENOMEM;
		}
	}
	yyjson_doc_free(doc);
	return 0;
}

/* --name[=value] at the beginning of *rest, which moves behind them. */
static int take_flags(struct dockerfile_step *s, const char **rest, char escape)
{
	for (;;) {
		const char *p = *rest + skip_blanks(*rest, strlen(*rest)), *eq;
		struct dockerfile_flag *f;
		size_t n;

		if (p[0] != '-' || p[1] != '-') {
			*rest = p;
			return 0;
		}
		n = word_len(p, escape);
		if (n == 2) { /* a lone -- ends the flags */
			*rest = p + 2;
			return 0;
		}
		if (s->n_flags == 100)
			return -E2BIG;
		f = grow(&s->flags, &s->n_flags, sizeof(*f));
		if (!f)
			return -ENOMEM;
		eq = memchr(p, '=', n);
		f->name = strndup(p + 2, (eq ? (size_t)(eq - p) : n) - 2);
		f->value = eq ? strndup(eq + 1, n - (size_t)(eq - p) - 1) : strdup("");
		if (!f->name || !f->value)
			return -ENOMEM;
		*rest = p + n;
	}
}

/* ---- lines */

/* The physical line at p, without its end; moves on. false: there is none. */
static bool next_line(struct parser *ps, const char **line, size_t *len)
{
	const char *nl;

	if (ps->p >= ps->end)
		return false;
	nl = memchr(ps->p, '\n', (size_t)(ps->end - ps->p));
	*line = ps->p;
	*len = (size_t)((nl ? nl : ps->end) - ps->p);
	ps->p = nl ? nl + 1 : ps->end;
	ps->line++;
	if (*len && (*line)[*len - 1] == '\r')
		(*len)--;
	return true;
}

/* Ends it with the escape character? Then *len is what comes before. */
static bool continued(const char *line, size_t *len, char escape)
{
	size_t n = *len;

	while (n && blank(line[n - 1]))
		n--;
	if (!n || line[n - 1] != escape)
		return false;
	*len = n - 1;
	return true;
}

struct text {
	char *p;
	size_t len, max;
};

static int text_add(struct text *t, const char *s, size_t len)
{
	if (!t->p || t->len + len + 1 > t->max) {
		size_t max = (t->len + len + 1) * 2;
		char *more = realloc(t->p, max);

		if (!more)
			return -ENOMEM;
		t->p = more;
		t->max = max;
	}
	memcpy(t->p + t->len, s, len);
	t->len += len;
	t->p[t->len] = '\0';
	return 0;
}

/* ---- heredocs */

/* <<[-]WORD, in quotes or not, as a word of its own (with a descriptor's number before it in RUN). */
static bool heredoc_word(const char *w, char *name, size_t size, bool *strip, bool *expand)
{
	size_t n;
	char quote = 0;

	while (isdigit((unsigned char)*w))
		w++;
	if (w[0] != '<' || w[1] != '<' || w[2] == '<')
		return false;
	w += 2;
	*strip = *w == '-';
	w += *strip;
	if (*w == '\'' || *w == '"')
		quote = *w++;
	for (n = 0; w[n] && (isalnum((unsigned char)w[n]) || w[n] == '_' || w[n] == '.' || w[n] == '-'); n++)
		;
	if (!n || n >= size || (quote && w[n] != quote) || w[n + (quote != 0)])
		return false;
	memcpy(name, w, n);
	name[n] = '\0';
	*expand = !quote;
	return true;
}

static int read_heredoc(
	struct parser *ps, struct dockerfile_step *s, const char *name, bool strip, bool expand)
{
	struct dockerfile_heredoc *h = grow(&s->heredocs, &s->n_heredocs, sizeof(*h));
	struct text text = {NULL, 0, 0};
	const char *line;
	size_t len;
	int r = h ? text_add(&text, "", 0) : -ENOMEM;

	if (h) {
		h->name = strdup(name);
		h->expand = expand;
	}
	while (r == 0) {
		if (!next_line(ps, &line, &len)) {
			free(text.p);
			return dockerfile_refuse(ps->err, s->line, "unterminated heredoc <<%s", name);
		}
		while (strip && len && *line == '\t') {
			line++;
			len--;
		}
		if (len == strlen(name) && !memcmp(line, name, len))
			break;
		r = text_add(&text, line, len);
		if (r == 0)
			r = text_add(&text, "\n", 1);
	}
	if (h)
		h->text = text.p;
	else
		free(text.p);
	return r < 0 || !h->name ? no_memory(ps->err, s->line) : 0;
}

static int read_heredocs(struct parser *ps, struct dockerfile_step *s)
{
	char name[128];
	bool strip, expand;

	for (size_t i = 0; i < s->n_words; i++) {
		int r;

		if (!heredoc_word(s->words[i], name, sizeof(name), &strip, &expand))
			continue;
		if (s->n_heredocs == 100)
			return dockerfile_refuse(ps->err, s->line, "more than 100 heredocs");
		r = read_heredoc(ps, s, name, strip, expand);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- one instruction */

static int find_op(const char *word, size_t len)
{
	for (int i = 0; i < DF_OPS; i++)
		if (strlen(ops[i].keyword) == len && !strncasecmp(ops[i].keyword, word, len))
			return i;
	return -1;
}

/* @text: the whole logical line, not blank at either end. */
static int add_step(struct parser *ps, const char *text, unsigned line)
{
	char escape = ps->d->escape;
	struct dockerfile_step *s;
	size_t n = 0;
	const char *rest;
	int op, r;

	while (text[n] && !blank(text[n]))
		n++;
	op = find_op(text, n);
	if (op < 0)
		return dockerfile_refuse(
			ps->err, line, "unknown instruction: %.*s", (int)(n < 64 ? n : 64), text);
	if (ps->d->n_steps == DOCKERFILE_STEPS_MAX)
		return dockerfile_refuse(ps->err, line, "more than %d instructions", DOCKERFILE_STEPS_MAX);
	s = grow(&ps->d->steps, &ps->d->n_steps, sizeof(*s));
	if (!s)
		return no_memory(ps->err, line);
	s->op = (enum dockerfile_op)op;
	s->line = line;
	rest = text + n + skip_blanks(text + n, strlen(text + n));
	if (asprintf(&s->source, "%s%s%s", ops[op].keyword, *rest ? " " : "", rest) < 0) {
		s->source = NULL;
		return no_memory(ps->err, line);
	}
	/* the flags of what ONBUILD holds are its own */
	r = op == DF_ONBUILD ? 0 : take_flags(s, &rest, escape);
	s->rest = r < 0 ? NULL : strdup(rest);
	if (r == 0 && !s->rest)
		r = -ENOMEM;
	if (r == 0 && ops[op].forms & JSON)
		r = json_words(s);
	if (r == 0 && !s->json)
		r = cut_words(s, escape);
	if (r == -E2BIG)
		return dockerfile_refuse(ps->err, line, "%s has too many words", ops[op].keyword);
	if (r < 0)
		return no_memory(ps->err, line);
	if (ops[op].forms & NEEDS_REST && !*s->rest)
		return dockerfile_refuse(ps->err, line, "%s requires at least one argument", ops[op].keyword);
	return ops[op].forms & HEREDOC && !s->json ? read_heredocs(ps, s) : 0;
}

/* ---- directives */

/* `# key=value` in the first lines. 1: it was one, 0: it was none, or -errno. */
static int directive(struct parser *ps, const char *line, size_t len, unsigned *seen)
{
	static const char *const keys[] = {"syntax", "escape", "check"};
	size_t n = skip_blanks(line, len), k;
	const char *eq, *value;

	if (n == len || line[n] != '#')
		return 0;
	line += n + 1;
	len -= n + 1;
	n = skip_blanks(line, len);
	line += n;
	len -= n;
	eq = memchr(line, '=', len);
	if (!eq)
		return 0;
	n = (size_t)(eq - line);
	while (n && blank(line[n - 1]))
		n--;
	for (k = 0; k < array_len(keys); k++)
		if (strlen(keys[k]) == n && !strncasecmp(keys[k], line, n))
			break;
	if (k == array_len(keys))
		return 0;
	if (*seen & 1U << k)
		return dockerfile_refuse(ps->err, ps->line, "the directive %s is given twice", keys[k]);
	*seen |= 1U << k;
	value = eq + 1;
	len -= (size_t)(value - line);
	n = skip_blanks(value, len);
	value += n;
	len -= n;
	while (len && blank(value[len - 1]))
		len--;
	if (k == 0) {
		ps->d->syntax = strndup(value, len);
		return ps->d->syntax ? 1 : no_memory(ps->err, ps->line);
	}
	if (k == 1) {
		if (len != 1 || (*value != '\\' && *value != '`'))
			return dockerfile_refuse(
				ps->err, ps->line, "invalid escape character: it must be \\ or `");
		ps->d->escape = *value;
	}
	return 1;
}

/* ---- the file */

/* One logical line: continuations joined, comments and empty lines inside left out. */
static int read_instruction(struct parser *ps, const char *line, size_t len)
{
	unsigned first = ps->line;
	struct text text = {NULL, 0, 0};
	size_t n = skip_blanks(line, len);
	bool more;
	int r;

	line += n;
	len -= n;
	more = continued(line, &len, ps->d->escape);
	r = text_add(&text, line, len);
	while (r == 0 && more && next_line(ps, &line, &len)) {
		n = skip_blanks(line, len);
		if (n == len || line[n] == '#')
			continue;
		more = continued(line, &len, ps->d->escape);
		r = text_add(&text, line, len);
	}
	while (r == 0 && text.len && blank(text.p[text.len - 1]))
		text.p[--text.len] = '\0';
	/* only an escape character: nothing */
	if (r == 0 && text.len)
		r = add_step(ps, text.p, first);
	else if (r < 0)
		r = no_memory(ps->err, first);
	free(text.p);
	return r;
}

static int read_all(struct parser *ps)
{
	bool directives = true;
	unsigned seen = 0;
	const char *line;
	size_t len;

	while (next_line(ps, &line, &len)) {
		size_t n = skip_blanks(line, len);
		int r = directives ? directive(ps, line, len, &seen) : 0;

		if (r < 0)
			return r;
		directives = r == 1;
		if (r == 1 || n == len || line[n] == '#')
			continue;
		r = read_instruction(ps, line, len);
		if (r < 0)
			return r;
	}
	return 0;
}

static int parse(
	struct dockerfile **out, const char *text, size_t len, char escape, struct dockerfile_error *err)
{
	struct parser ps = {.err = err, .p = text, .end = text + len};
	int r;

	memset(err, 0, sizeof(*err));
	if (len > DOCKERFILE_MAX)
		return dockerfile_refuse(err, 0, "the file is larger than %d bytes", DOCKERFILE_MAX);
	if (memchr(text, '\0', len))
		return dockerfile_refuse(err, 0, "the file holds a zero byte: it is no text");
	ps.d = calloc(1, sizeof(*ps.d));
	if (!ps.d)
		return no_memory(err, 0);
	ps.d->escape = escape;
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		ps.p += 3;
	r = read_all(&ps);
	if (r == 0 && !ps.d->n_steps)
		r = dockerfile_refuse(err, 0, "file with no instructions");
	if (r < 0)
		dockerfile_free(ps.d);
	else
		*out = ps.d;
	return r;
}

int dockerfile_parse(struct dockerfile **out, const char *text, size_t len, struct dockerfile_error *err)
{
	return parse(out, text, len, '\\', err);
}

int dockerfile_parse_line(
	struct dockerfile **out, const char *line, char escape, struct dockerfile_error *err)
{
	struct dockerfile *d = NULL;
	int r = parse(&d, line, strlen(line), escape, err);

	if (!d)
		return r;
	if (d->n_steps != 1) {
		dockerfile_free(d);
		return dockerfile_refuse(err, 1, "more than one instruction");
	}
	*out = d;
	return 0;
}
