/* SPDX-License-Identifier: Apache-2.0 */

/* The special texts of documents in their one form, and the gathering of what is wrong with a body. */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/json.h"
#include "cluster/schema/decode_int.h"
#include "cluster/schema/meta.h"
#include "lib/quantity.h"

void warnings_fini(struct warnings *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->items[i]);
	free(w->items);
	*w = (struct warnings){0};
}

void warnings_add(struct warnings *w, const char *format, ...)
{
	char **more = reallocarray(w->items, w->n + 1, sizeof(*more)), *text;
	va_list ap;
	int n;

	if (!more)
		return;
	w->items = more;
	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	if (n >= 0)
		more[w->n++] = text;
}

void decode_fini(struct decode *d)
{
	free(d->error);
	warnings_fini(&d->strict);
}

yyjson_mut_val *decode_fail(struct decode *d, const char *format, ...)
{
	va_list ap;

	if (d->error)
		return NULL;
	va_start(ap, format);
	if (vasprintf(&d->error, format, ap) < 0) {
		d->error = NULL;
		d->no_memory = true;
	}
	va_end(ap);
	return NULL;
}

yyjson_mut_val *decode_no_memory(struct decode *d)
{
	d->no_memory = true;
	return NULL;
}

void decode_strict(struct decode *d, const char *what, const struct path *p)
{
	char where[PATH_TEXT_MAX];
	size_t n = d->strict.n;

	if (d->validation == DECODE_IGNORE || n >= DECODE_STRICT_ERRORS_MAX)
		return;
	warnings_add(&d->strict, "%s \"%s\"", what, path_text(p, where, sizeof(where)));
	for (size_t i = 0; d->strict.n > n && i < n; i++) {
		if (!strcmp(d->strict.items[i], d->strict.items[n])) {
			free(d->strict.items[n]);
			d->strict.n = n;
		}
	}
}

yyjson_mut_val *decode_quantity(yyjson_mut_doc *doc, const char *text, size_t len, char **why)
{
	char buf[QUANTITY_TEXT_MAX];
	struct quantity q;

	if (quantity_parse(&q, text, len)) {
		*why = strdup(QUANTITY_REFUSED);
		return NULL;
	}
	return yyjson_mut_strcpy(doc, quantity_text(&q, buf));
}

yyjson_mut_val *decode_time(yyjson_mut_doc *doc, const char *text, bool micro, char **why)
{
	char buf[META_TIME_MAX];
	struct timespec t;

	if (meta_time_parse(&t, text)) {
		if (asprintf(why,
			    "parsing time \"\\\"%s\\\"\" as \"2006-01-02T15:04:05%sZ07:00\": cannot parse it",
			    text, micro ? ".000000" : "") < 0)
			*why = NULL;
		return NULL;
	}
	if (micro)
		meta_micro_time(buf, &t);
	else
		meta_time(buf, t.tv_sec);
	return yyjson_mut_strcpy(doc, buf);
}

bool decode_base64_valid(const char *text, size_t len, size_t *bad)
{
	size_t n = len;

	while (n && len - n < 2 && text[n - 1] == '=')
		n--;
	for (size_t i = 0; i < n; i++) {
		char c = text[i];

		*bad = i;
		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
			    c == '+' || c == '/'))
			return false;
	}
	*bad = n;
	return len % 4 == 0;
}

static bool deeper_than(yyjson_val *v, unsigned left)
{
	size_t i, n;
	yyjson_val *key, *child;

	if (!yyjson_is_ctn(v))
		return false;
	if (!left)
		return true;
	if (yyjson_is_arr(v)) {
		yyjson_arr_foreach (v, i, n, child)
			if (deeper_than(child, left - 1))
				return true;
		return false;
	}
	json_obj_foreach (v, i, n, key, child)
		if (deeper_than(child, left - 1))
			return true;
	return false;
}

yyjson_mut_val *decode_any(struct decode *d, yyjson_val *v)
{
	if (d->depth > DECODE_DEPTH_MAX || deeper_than(v, DECODE_DEPTH_MAX - d->depth))
		return decode_fail(d, "json: exceeded max depth");
	return yyjson_val_mut_copy(d->doc, v) ?: decode_no_memory(d);
}
