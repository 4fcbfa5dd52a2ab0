/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The index of watchers against a list that is searched from its beginning; and what watchers by field are shown against the
 * same filter over every event, however late they look, and however much else has happened meanwhile.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/registry/registry_testing.h"
#include "cluster/registry/watch_index.h"
#include "cluster/schema/selector.h"

enum { LINKS = 300, VALUES = 40, STEPS = 20000 };

static unsigned next(unsigned *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return *seed >> 8;
}

static void test_like_the_naive_one(void **state)
{
	static struct watch_link links[LINKS];
	struct watch_index ix = {0};
	unsigned seed = 3;

	for (size_t step = 0; step < STEPS; step++) {
		struct watch_link *one = &links[next(&seed) % LINKS], *l;
		char value[16];
		uint64_t hash;
		size_t here = 0, found = 0;

		snprintf(value, sizeof(value), "%u", next(&seed) % VALUES);
		hash = watch_hash("spec.nodeName", value);
		/* it fills up, then empties */
		if (next(&seed) % 8 < (step / 4000 % 2 ? 2u : 6u)) {
			watch_index_remove(&ix, one);
			one->hash = hash;
			assert_int_equal(watch_index_add(&ix, one), 0);
		} else {
			watch_index_remove(&ix, one);
		}
		for (size_t i = 0; i < LINKS; i++)
			here += links[i].linked && links[i].hash == hash;
		for (l = watch_index_first(&ix, hash); l; l = watch_index_next(l)) {
			assert_true(l->linked && l->hash == hash);
			found++;
		}
		assert_int_equal(found, here);
	}
	for (size_t i = 0; i < LINKS; i++)
		watch_index_remove(&ix, &links[i]);
	assert_null(ix.slots);
	assert_null(watch_index_first(&ix, 1));
	assert_true(watch_hash("a", "bc") != watch_hash("ab", "c"));
}

/* ---- with a registry */

enum { NODES = 6, ROUNDS = 600, SEEN_MAX = 2 * ROUNDS };

struct seen {
	enum watch_type type;
	char name[8];
	int64_t revision;
};

/* A watcher, what it is to be shown, and how far it has looked. */
struct one {
	const char *query;
	struct selector *fields; /* ours; the watcher has its own */
	struct watcher *watcher;
	struct seen expected[SEEN_MAX];
	size_t n, at;
	unsigned told;
};

static struct one all[] = {{.query = "spec.unschedulable=true"}, {.query = "spec.unschedulable=false"},
	{.query = "metadata.name=n3"}, {.query = "metadata.name!=n3"}, {.query = "metadata.name=none"},
	{.query = "metadata.name=n1,spec.unschedulable=true"}};

static const char *field_of(const void *object, const char *key)
{
	return object_field(object, key);
}

static void on_event(
	struct informer *i, enum event_type type, const struct object *old, const struct object *now)
{
	for (size_t k = 0; k < array_len(all); k++) {
		struct one *o = &all[k];
		bool before = old && selector_matches(o->fields, field_of, old);
		bool after = type != EVENT_DELETED && selector_matches(o->fields, field_of, now);
		struct seen *s = &o->expected[o->n];

		if (!before && !after)
			continue;
		assert_true(o->n++ < SEEN_MAX);
		s->type = !after ? WATCH_DELETED : before ? WATCH_MODIFIED : WATCH_ADDED;
		s->revision = now->revision;
		snprintf(s->name, sizeof(s->name), "%s", now->name);
	}
}

static void ready(struct watcher *w, void *arg)
{
	((struct one *)arg)->told++;
}

static void done(const struct status *error, const struct object *object, void *arg)
{
	loop_quit(loop, 0);
}

static void deleted(const struct status *error, const struct object *object, bool gone, void *arg)
{
	loop_quit(loop, 0);
}

static enum modify set(const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	yyjson_mut_val *root = yyjson_mut_doc_get_root(*doc), *spec;

	if (!root) {
		root = yyjson_mut_obj(*doc);
		yyjson_mut_doc_set_root(*doc, root);
	}
	spec = yyjson_mut_obj_get(root, "spec");
	if (!spec)
		spec = yyjson_mut_obj_add_obj(*doc, root, "spec");
	yyjson_mut_obj_remove_key(spec, "unschedulable");
	yyjson_mut_obj_add_bool(*doc, spec, "unschedulable", *(const bool *)arg);
	return MODIFY_WRITE;
}

static void write_node(const char *name, bool cordoned)
{
	registry_modify(
		r, &caller_self, schema_find_kind("v1", "Node"), "", name, true, set, NULL, done, &cordoned);
	loop_run(loop);
}

static void change(unsigned *seed)
{
	bool cordoned = next(seed) % 2;
	char name[8];

	snprintf(name, sizeof(name), "n%u", next(seed) % NODES);
	if (next(seed) % 5) {
		write_node(name, cordoned);
		return;
	}
	registry_delete(r, &caller_self, schema_find_kind("v1", "Node"), "", name,
		&(struct delete_options){.grace_seconds = -1}, deleted, NULL);
	loop_run(loop);
}

/* All there is for it, in order. */
static void look(struct one *o)
{
	struct object *object;
	enum watch_type type;
	int64_t revision;

	while ((type = watcher_next(o->watcher, &object, &revision)) != WATCH_NOTHING) {
		const struct seen *s = &o->expected[o->at];

		assert_true(o->at++ < o->n);
		assert_int_equal(type, s->type);
		assert_int_equal(revision, s->revision);
		assert_int_equal(object->revision, s->revision);
		assert_string_equal(object->name, s->name);
		object_unref(object);
	}
	assert_int_equal(o->at, o->n);
	assert_int_equal(revision, registry_revision(r));
}

static void test_watchers_by_field(void **state)
{
	const struct schema_kind *nodes = schema_find_kind("v1", "Node");
	/* room for a few events: those that look rarely would be too late, were they not up to date */
	const struct registry_options few = {.history_events = 256};
	struct informer informer = {.kind = nodes, .event = on_event};
	struct one *never = &all[4];
	unsigned seed = 11;

	registry_test_open(few);
	registry_inform(r, &informer);
	for (size_t i = 0; i < array_len(all); i++) {
		struct watch_options w = {
			.revision = -1, .initial = WATCH_INITIAL_NO, .ready = ready, .arg = &all[i]};
		struct selector *own;

		assert_null(selector_parse_fields(&all[i].fields, all[i].query, nodes));
		assert_null(selector_parse_fields(&own, all[i].query, nodes));
		w.fields = own;
		assert_null(registry_watch(&all[i].watcher, r, nodes, &w));
		look(&all[i]);
	}
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct one *some = &all[next(&seed) % array_len(all)];

		change(&seed);
		/* whoever has something to see was told of it */
		for (size_t i = 0; i < array_len(all); i++)
			assert_true(all[i].at == all[i].n || all[i].told);
		if (some != never && next(&seed) % 3) {
			look(some);
			some->told = 0;
		}
	}
	/* nothing was there for it: it was told of nothing, has not looked, and is not too late */
	assert_int_equal(never->told, 0);
	assert_int_equal(never->n, 0);
	write_node("none", true);
	assert_int_equal(never->n, 1);
	assert_true(never->told);
	for (size_t i = 0; i < array_len(all); i++) {
		assert_true(&all[i] == never || all[i].n > 10);
		look(&all[i]);
		watcher_free(all[i].watcher);
		selector_free(all[i].fields);
	}
	registry_uninform(&informer);
	registry_test_close(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_like_the_naive_one),
		cmocka_unit_test(test_watchers_by_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
