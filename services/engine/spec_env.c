/* SPDX-License-Identifier: Apache-2.0 */

/* The variables of a process: the engine's and those of links, the container's over them, an exec's over both. */

#include <stdlib.h>
#include <string.h>

#include "engine/container.h"
#include "engine/container_links.h"
#include "engine/files.h"
#include "engine/spec.h"
#include "lib/json.h"

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Lines NAME=value, later ones over earlier ones of the same name; a name alone takes the variable away. */
struct line {
	const char *text;
	size_t place; /* in which it came */
};

struct lines {
	struct line *all;
	size_t n;
};

static size_t name_len(const char *text)
{
	return strcspn(text, "=");
}

static int by_name(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	size_t nx = name_len(x->text), ny = name_len(y->text);
	int order = memcmp(x->text, y->text, nx < ny ? nx : ny);

	if (order)
		return order;
	if (nx != ny)
		return nx < ny ? -1 : 1;
	return x->place < y->place ? -1 : 1;
}

static int by_place(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	return x->place < y->place ? -1 : 1;
}

static bool same_name(const struct line *a, const struct line *b)
{
	return name_len(a->text) == name_len(b->text) && !memcmp(a->text, b->text, name_len(a->text));
}

/*
 * What counts of each name, at the place where the name came first. By sorting, for an image may have as many lines as its
 * configuration has room for.
 */
static void settle(struct lines *l)
{
	size_t kept = 0;

	if (l->n)
		qsort(l->all, l->n, sizeof(*l->all), by_name);
	for (size_t i = 0, first = 0; i < l->n; i++) {
		if (i + 1 < l->n && same_name(&l->all[i], &l->all[i + 1]))
			continue;
		if (strchr(l->all[i].text, '='))
			l->all[kept++] = (struct line){l->all[i].text, l->all[first].place};
		first = i + 1;
	}
	l->n = kept;
	if (l->n)
		qsort(l->all, l->n, sizeof(*l->all), by_place);
}

static void put(struct lines *l, const char *text)
{
	l->all[l->n] = (struct line){text, l->n};
	l->n++;
}

static bool has_home(const struct lines *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strncmp(l->all[i].text, "HOME=", 5))
			return true;
	return false;
}

yyjson_mut_val *spec_environment(
	yyjson_mut_doc *doc, const struct container *c, yyjson_val *more, bool tty, const char *home)
{
	enum { OURS = 4 };
	yyjson_val *const lists[] = {json_arr(c->config, "Env"), more};
	const char *hostname = json_text(c->config, "Hostname");
	cleanup(freep) char *host_line =
		hostname ? text_make("HOSTNAME=%s", hostname) : text_make("HOSTNAME=%.12s", c->id);
	cleanup(freep) char *home_line = text_make("HOME=%s", home);
	yyjson_mut_val *links = yyjson_mut_arr(doc), *env = yyjson_mut_arr(doc), *link;
	cleanup(freep) struct line *all = NULL;
	struct lines l = {0};
	yyjson_val *v;
	size_t i, n;

	container_links_env(c, doc, links);
	all = calloc(
		OURS + yyjson_mut_arr_size(links) + yyjson_arr_size(lists[0]) + yyjson_arr_size(lists[1]),
		sizeof(*all));
	if (!all || !host_line || !home_line)
		return NULL;
	l.all = all;
	put(&l, DEFAULT_PATH);
	put(&l, host_line);
	if (tty)
		put(&l, "TERM=xterm");
	yyjson_mut_arr_foreach(links, i, n, link)
	{
		put(&l, yyjson_mut_get_str(link));
	}
	for (size_t k = 0; k < array_len(lists); k++)
		yyjson_arr_foreach (lists[k], i, n, v)
			if (yyjson_is_str(v))
				put(&l, yyjson_get_str(v));
	settle(&l);
	if (!has_home(&l))
		put(&l, home_line);
	for (i = 0; i < l.n; i++)
		yyjson_mut_arr_add_strcpy(doc, env, l.all[i].text);
	return env;
}
