/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Pages of a list. A page at a revision of the past is the view of now with the kind's later events undone: the first of
 * them for a key holds what was there before. So a paged list needs no snapshot, only history.
 *
 * A continue token says at which revision the first page was and with which key to go on; revision -1 marks one given after
 * the history was too short, which goes on with what there is now.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cluster/registry/registry_int.h"
#include "lib/base64.h"
#include "lib/json.h"

#define TOKEN_VERSION "meta.k8s.io/v1"

static struct status *no_memory(void)
{
	return status_errno(-ENOMEM, "list");
}

/* ---- tokens */

static char *token_make(int64_t revision, const char *key)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;
	cleanup(freep) char *text = NULL;
	char *token;
	size_t n = 0;

	/* names of some kinds may have quotes in them */
	if (root && yyjson_mut_obj_add_str(doc, root, "v", TOKEN_VERSION) &&
		yyjson_mut_obj_add_sint(doc, root, "rv", revision) &&
		yyjson_mut_obj_add_str(doc, root, "start", key))
		text = yyjson_mut_val_write(root, YYJSON_WRITE_NOFLAG, &n);
	if (!text)
		return NULL;
	token = base64_make(text, n);
	/* It travels in a query: the other alphabet, without padding. */
	for (char *p = token; p && *p; p++) {
		if (*p == '+')
			*p = '-';
		else if (*p == '/')
			*p = '_';
		else if (*p == '=')
			*p = '\0';
	}
	return token;
}

static struct status *token_read(const char *token, const char *prefix, int64_t *revision, char **start)
{
	cleanup(freep) char *text = strlen(token) > 4096 ? NULL : base64_text(token);
	cleanup(json_docp) yyjson_doc *doc =
		text ? yyjson_read(text, strlen(text), YYJSON_READ_NOFLAG) : NULL;
	yyjson_val *root = yyjson_doc_get_root(doc);
	const char *version = json_str(root, "v"), *key = json_str(root, "start");

	if (!version || strcmp(version, TOKEN_VERSION) != 0 || !key ||
		strncmp(key, prefix, strlen(prefix)) != 0)
		return status_bad_request(
			"continue key is not valid: the token is of another list, or not one of this server");
	*revision = json_int(root, "rv", 0);
	if (!*revision || *revision < -1)
		return status_bad_request(
			"continue key is not valid: incorrect encoded start resourceVersion");
	*start = strdup(key);
	return *start ? NULL : no_memory();
}

static struct status *expired_page(struct list *out, const char *start)
{
	out->continue_token = token_make(-1, start);
	return status_expired(
		"The provided continue parameter is too old to display a consistent list result. You can start a new list "
		"without the continue parameter, or use the continue token in this response to retrieve the remainder of "
		"the results. Continuing with the provided token results in an inconsistent list - objects that were "
		"created, modified, or deleted between the time the first chunk was returned and now may show up in the "
		"list.");
}

/* ---- the past */

/* For every key that changed after @revision what was there: NULL where nothing was. The objects stay the history's. */
static struct status *undo(
	const struct registry *r, const struct view *v, int64_t revision, struct index *past)
{
	for (uint64_t n = v->last && history_at(r, v->last)->revision > revision ? v->first : 0; n;
		n = history_at(r, n)->next) {
		const struct event *e = history_at(r, n);
		struct index_pos pos = index_seek(past, e->now->key);
		const struct index_entry *there = index_next(past, &pos);
		struct index_entry was;

		if (e->revision <= revision || (there && !strcmp(there->key, e->now->key)))
			continue;
		if (index_put(past, e->now->key, e->old, &was))
			return no_memory();
	}
	return NULL;
}

struct walk {
	const struct index *now, *past;
	struct index_pos at_now, at_past;
	const struct index_entry *next_now, *next_past;
};

static void walk_begin(struct walk *w, const struct index *now, const struct index *past, const char *start)
{
	w->now = now;
	w->past = past;
	w->at_now = index_seek(now, start);
	w->at_past = index_seek(past, start);
	w->next_now = index_next(now, &w->at_now);
	w->next_past = index_next(past, &w->at_past);
}

/* Two sorted lists become one; where both have a key, the past counts. */
static struct object *walk_next(struct walk *w)
{
	for (;;) {
		int c = !w->next_now ? 1 : !w->next_past ? -1 : strcmp(w->next_now->key, w->next_past->key);
		struct object *o;

		if (!w->next_now && !w->next_past)
			return NULL;
		o = c < 0 ? w->next_now->object : w->next_past->object;
		if (c <= 0)
			w->next_now = index_next(w->now, &w->at_now);
		if (c >= 0)
			w->next_past = index_next(w->past, &w->at_past);
		if (o)
			return o;
	}
}

/* ---- pages */

static struct status *add(struct list *out, size_t *room, struct object *o)
{
	if (out->n == *room) {
		size_t more = *room ? *room * 2 : 32;
		struct object **p = realloc(out->items, more * sizeof(struct object *));

		if (!p)
			return no_memory();
		out->items = p;
		*room = more;
	}
	out->items[out->n++] = object_ref(o);
	return NULL;
}

static struct status *fill(const struct view *v, const struct list_options *o, const struct index *past,
	const char *prefix, const char *start, struct list *out)
{
	struct walk w;
	struct object *at;
	size_t room = 0, n = strlen(prefix);
	const char *name = o->fields ? selector_demands(o->fields, "metadata.name") : NULL;
	struct status *err = NULL;
	cleanup(freep) char *exact = NULL;

	/* One object by name, as kubectl watches what it deletes: straight to it. */
	if (name && (strlen(prefix) > v->prefix_len || !(v->kind->flags & SCHEMA_NAMESPACED)) &&
		asprintf(&exact, "%s%s", prefix, name) >= 0 && strcmp(exact, start) > 0)
		start = exact;
	walk_begin(&w, &v->objects, past, start);
	while (!err && (at = walk_next(&w)) && !strncmp(at->key, prefix, n)) {
		if (exact && strcmp(at->key, exact) > 0)
			break;
		if (!object_matches(at, NULL, o->labels, o->fields))
			continue;
		if (o->limit && out->n == o->limit) {
			out->continue_token = token_make(out->revision, at->key);
			if (!out->continue_token)
				return no_memory();
			if (!o->labels && !o->fields) {
				out->remaining = 1;
				while ((at = walk_next(&w)) && !strncmp(at->key, prefix, n))
					out->remaining++;
			}
			return NULL;
		}
		err = add(out, &room, at);
	}
	return err;
}

static struct status *page_revision(const struct registry *r, const struct view *v,
	const struct list_options *o, const char *prefix, struct list *out, char **start)
{
	struct status *err;
	int64_t at = r->revision;

	if (o->continue_token && *o->continue_token) {
		err = token_read(o->continue_token, prefix, &at, start);
		if (err)
			return err;
		if (at == -1)
			at = r->revision;
		if (at > r->revision)
			return status_bad_request("continue key is not valid: its revision has not happened");
		if (!history_reaches(r, v, at))
			return expired_page(out, *start);
	} else if (o->revision > 0) {
		bool exact = o->match == MATCH_EXACT || (o->match == MATCH_UNSET && o->limit);

		if (o->revision > r->revision) {
			err = status_timeout("Too large resource version: %" PRId64 ", current: %" PRId64,
				o->revision, r->revision);
			err->retry_after_seconds = 1;
			status_add_cause(err, "ResourceVersionTooLarge", "Too large resource version", NULL);
			return err;
		}
		if (exact && !history_reaches(r, v, o->revision))
			return status_expired("The resourceVersion for the provided list is too old.");
		if (exact)
			at = o->revision;
	}
	out->revision = at;
	return NULL;
}

struct status *registry_list(const struct registry *r, const struct schema_kind *kind,
	const struct list_options *o, struct list *out)
{
	const struct view *v = registry_view(r, kind);
	bool all = !o->ns || !*o->ns || !(kind->flags & SCHEMA_NAMESPACED);
	cleanup(freep) char *prefix = NULL;
	cleanup(freep) char *start = NULL;
	struct index past = {0};
	struct status *err;

	*out = (struct list){.remaining = -1};
	if (asprintf(&prefix, "%s%s%s", v->prefix, all ? "" : o->ns, all ? "" : "/") < 0)
		return no_memory();
	err = page_revision(r, v, o, prefix, out, &start);
	if (err)
		return err;
	if (out->revision < r->revision)
		err = undo(r, v, out->revision, &past);
	if (!err)
		err = fill(v, o, &past, prefix, start ? start : prefix, out);
	index_fini(&past);
	if (err)
		list_fini(out);
	return err;
}

void list_fini(struct list *l)
{
	for (size_t i = 0; i < l->n; i++)
		object_unref(l->items[i]);
	free(l->items);
	free(l->continue_token);
	*l = (struct list){.remaining = -1};
}
