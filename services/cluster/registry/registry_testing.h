/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_REGISTRY_TESTING_H
#define CLUSTER_REGISTRY_TESTING_H

/* For unit tests: a registry in memory and its loop, anew for each test, and what is in it first. After cmocka.h. */

#include "cluster/registry/registry.h"
#include "cluster/schema/doc_testing.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "lib/loop.h"

static struct loop *loop;
static struct registry *r;

/* For registry_test_close(); one that is there is closed first, its loop stays. */
static inline void registry_test_open(struct registry_options o)
{
	char *why;

	registry_close(r);
	r = NULL;
	if (!loop)
		assert_int_equal(loop_new(&loop), 0);
	o.loop = loop;
	assert_int_equal(registry_open(&r, &o, &why), 0);
}

static inline int registry_test_setup(void **state)
{
	registry_test_open((struct registry_options){0});
	return 0;
}

static inline int registry_test_close(void **state)
{
	registry_close(r);
	loop_free(loop);
	r = NULL;
	loop = NULL;
	return 0;
}

static inline void on_given(const struct status *error, const struct object *object, void *arg)
{
	if (error)
		fail_msg("%s: %s", (const char *)arg, error->message);
	loop_quit(loop, 0);
}

/* @ns: of kinds that have one */
static inline void given(const char *version, const char *kind, const char *ns, const char *json)
{
	const struct schema_kind *k = schema_find_kind(version, kind);

	assert_non_null(k);
	registry_create(r, &caller_self, k, k->flags & SCHEMA_NAMESPACED ? ns : "", doc_of(json), NULL,
		on_given, (void *)(uintptr_t)json);
	loop_run(loop);
}

static inline void on_passed(struct loop_timer *t)
{
	loop_quit(loop, 0);
}

static inline void let_pass(int ms)
{
	struct loop_timer t = {0};

	assert_int_equal(loop_timer_set(loop, &t, loop_now_ms(loop) + ms, on_passed), 0);
	loop_run(loop);
	loop_timer_del(&t);
}

#endif
