/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_STORIES_H
#define CLUSTER_STORIES_H

/*
 * What the tests of controllers share: all controllers and the scheduler over a registry in memory, with nodes whose pods run as soon
 * as they are bound. A story says what a user does and waits until it is so. Everything is static: each test is a program of its own.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "cluster/controllers/controllers.h"
#include "cluster/scheduler/scheduler.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "lib/json.h"

enum { LIMIT_MS = 20000 };

/* Not every story needs every part. */
#define story_part static __attribute__((unused))

static struct loop *l;
static struct registry *r;
static struct controllers *controllers;
static struct scheduler *scheduler;
static struct cluster_context context = {.ca_pem = "CERTIFICATE", .job_backoff_ms = 20};
static struct loop_timer limit;
story_part const char *service_range; /* NULL: the usual one */

/* ---- driving */

story_part const struct schema_kind *kind(const char *version, const char *name)
{
	const struct schema_kind *k = schema_find_kind(version, name);

	assert_non_null(k);
	return k;
}

story_part const struct object *get(
	const char *version, const char *name_of_kind, const char *ns, const char *name)
{
	return registry_get(r, kind(version, name_of_kind), ns, name);
}

story_part void on_written(const struct status *error, const struct object *object, void *arg)
{
	if (error)
		print_error("write: %d %s\n", error->code, error->message);
	assert_null(error);
	*(bool *)arg = true;
	loop_quit(l, 0);
}

story_part void wait_for_write(const bool *done)
{
	while (!*done)
		assert_int_equal(loop_run(l), 0);
}

story_part void create(const char *version, const char *name, const char *ns, const char *json)
{
	yyjson_doc *doc = yyjson_read(json, strlen(json), 0);
	bool done = false;

	assert_non_null(doc);
	registry_create(r, &caller_self, kind(version, name), ns, yyjson_doc_mut_copy(doc, NULL), NULL,
		on_written, &done);
	yyjson_doc_free(doc);
	wait_for_write(&done);
}

struct edit {
	void (*fn)(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *arg);
	const void *arg;
	bool done;
};

story_part enum modify do_edit(
	const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	struct edit *e = arg;

	e->fn(*doc, yyjson_mut_doc_get_root(*doc), e->arg);
	return MODIFY_WRITE;
}

story_part void on_edited(const struct status *error, const struct object *object, void *arg)
{
	on_written(error, object, &((struct edit *)arg)->done);
}

story_part void edit(const char *version, const char *name_of_kind, const char *ns, const char *name,
	void (*fn)(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *arg), const void *arg)
{
	struct edit e = {.fn = fn, .arg = arg};

	registry_modify(
		r, &caller_self, kind(version, name_of_kind), ns, name, false, do_edit, NULL, on_edited, &e);
	wait_for_write(&e.done);
}

story_part void on_deleted(const struct status *error, const struct object *object, bool gone, void *arg)
{
	on_written(error, object, arg);
}

story_part void delete(const char *version, const char *name_of_kind, const char *ns, const char *name,
	enum propagation propagation)
{
	bool done = false;

	registry_delete(r, &caller_self, kind(version, name_of_kind), ns, name,
		&(struct delete_options){.grace_seconds = -1, .propagation = propagation}, on_deleted, &done);
	wait_for_write(&done);
}

story_part void on_look_again(struct loop_timer *t)
{
	loop_quit(l, 0);
}

/* Lets the loop run until it is so. */
story_part void until(const char *what, bool (*so)(const void *arg), const void *arg)
{
	static struct loop_timer again;
	int64_t end = loop_now_ms(l) + LIMIT_MS;

	while (!so(arg)) {
		if (loop_now_ms(l) > end)
			fail_msg("not so: %s", what);
		assert_int_equal(loop_timer_set(l, &again, loop_now_ms(l) + 10, on_look_again), 0);
		assert_int_equal(loop_run(l), 0);
	}
	loop_timer_del(&again);
}

/* For registry_each(): the first, into *arg. */
story_part bool first_of(const struct object *o, void *arg)
{
	*(const struct object **)arg = o;
	return false;
}

story_part void lose_owner(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *arg)
{
	yyjson_mut_obj_remove_key(yyjson_mut_obj_get(root, "metadata"), "ownerReferences");
}

story_part bool pod_is_controlled(const void *name)
{
	const struct object *pod = get("v1", "Pod", "default", name);

	assert_non_null(pod);
	return object_controller(pod);
}

/* ---- nodes that run what is bound to them */

static struct informer kubelet;
story_part size_t most_pods, least_ready; /* of the label app=web, during an update */
static bool watching;

story_part void put(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, const char *json)
{
	yyjson_doc *d = yyjson_read(json, strlen(json), 0);

	assert_true(meta_put(doc, o, key, yyjson_val_mut_copy(doc, yyjson_doc_get_root(d))));
	yyjson_doc_free(d);
}

/*
 * A pod of the image "ok" ends well at once, one of "exit-3" with that code; "broken" never begins; any other runs on.
 */
story_part enum modify run_pod(
	const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	const char *image = strstr(old->json, "\"image\":\"") + 9;
	int code = !strncmp(image, "exit-", 5) ? atoi(image + 5) : 0;
	bool over = code || !strncmp(image, "ok\"", 3);
	char now[META_TIME_MAX], ended[200] = "", json[700];

	meta_time(now, time(NULL));
	if (over)
		snprintf(ended, sizeof(ended),
			",\"containerStatuses\":[{\"name\":\"c\",\"state\":{\"terminated\":{\"exitCode\":%d,\"finishedAt\":\"%s\"}}}]",
			code, now);
	snprintf(json, sizeof(json),
		"{\"phase\":\"%s\",\"startTime\":\"%s\",\"podIP\":\"10.0.0.%u\",\"podIPs\":[{\"ip\":\"10.0.0.%u\"}],"
		"\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"True\"},"
		"{\"type\":\"Ready\",\"status\":\"%s\",\"lastTransitionTime\":\"%s\"}]%s}",
		code   ? "Failed"
		: over ? "Succeeded"
		       : "Running",
		now, (unsigned)(old->revision % 250 + 1), (unsigned)(old->revision % 250 + 1),
		over ? "False" : "True", now, ended);
	put(*doc, yyjson_mut_doc_get_root(*doc), "status", json);
	return MODIFY_WRITE;
}

story_part void on_run(const struct status *error, const struct object *object, void *arg) {}

story_part void on_gone(const struct status *error, const struct object *object, bool gone, void *arg) {}

story_part bool is_ready(const struct object *o)
{
	return strstr(o->json, "\"type\":\"Ready\",\"status\":\"True\"");
}

story_part bool count_web(const struct object *o, void *arg)
{
	size_t *n = arg;
	const char *app = object_label(o, "app");

	if (app && !strcmp(app, "web") && !o->deleted) {
		n[0]++;
		n[1] += is_ready(o);
	}
	return true;
}

story_part void on_pod(
	struct informer *i, enum event_type type, const struct object *old, const struct object *now)
{
	size_t n[2] = {0, 0};

	if (type == EVENT_DELETED)
		return;
	if (now->deleted)
		registry_delete(r, &caller_self, now->kind, now->ns, now->name,
			&(struct delete_options){.grace_seconds = 0, .uid = now->uid}, on_gone, NULL);
	else if (strstr(now->json, "\"nodeName\"") && !strstr(now->json, "\"podIP\"") &&
		 !strstr(now->json, "\"image\":\"broken\""))
		registry_modify(r, &caller_self, now->kind, now->ns, now->name, false, run_pod,
			&(struct write_options){.subresource = "status"}, on_run, NULL);
	if (!watching)
		return;
	registry_each(r, now->kind, "default", count_web, n);
	most_pods = n[0] > most_pods ? n[0] : most_pods;
	least_ready = n[1] < least_ready ? n[1] : least_ready;
}

story_part void on_limit(struct loop_timer *t)
{
	fail_msg("the loop did not end");
}

story_part void add_node(const char *name, const char *cpu)
{
	char json[700];

	snprintf(json, sizeof(json),
		"{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"%s\",\"labels\":{\"kubernetes.io/hostname\":\"%s\"}},"
		"\"status\":{\"allocatable\":{\"cpu\":\"%s\",\"memory\":\"8Gi\",\"pods\":\"110\"},"
		"\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}",
		name, name, cpu);
	create("v1", "Node", "", json);
}

story_part int setup(void **state)
{
	struct registry_options o = {0};
	char *why;

	assert_int_equal(loop_new(&l), 0);
	o.loop = l;
	o.service_cidr = service_range;
	assert_int_equal(registry_open(&r, &o, &why), 0);
	assert_int_equal(loop_timer_set(l, &limit, loop_now_ms(l) + 3 * LIMIT_MS, on_limit), 0);
	create("v1", "Namespace", "",
		"{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"default\"}}");
	create("storage.k8s.io/v1", "StorageClass", "",
		"{\"metadata\":{\"name\":\"local\",\"annotations\":{\"storageclass.kubernetes.io/is-default-class\":\"true\"}},"
		"\"provisioner\":\"wherry.io/local\",\"allowVolumeExpansion\":true,\"volumeBindingMode\":\"WaitForFirstConsumer\"}");
	assert_int_equal(controllers_start(&controllers, r, &context), 0);
	assert_int_equal(scheduler_start(&scheduler, r), 0);
	kubelet = (struct informer){.kind = kind("v1", "Pod"), .event = on_pod};
	registry_inform(r, &kubelet);
	watching = false;
	return 0;
}

story_part bool is_quiet(const void *arg)
{
	return registry_idle(r);
}

story_part int teardown(void **state)
{
	until("no write is on its way", is_quiet, NULL);
	registry_uninform(&kubelet);
	scheduler_stop(scheduler);
	controllers_stop(controllers);
	registry_close(r);
	loop_timer_del(&limit);
	loop_free(l);
	return 0;
}

story_part int64_t number(const char *version, const char *name_of_kind, const char *name, const char *key)
{
	const struct object *o = get(version, name_of_kind, "default", name);
	yyjson_doc *doc = o ? object_doc(o) : NULL;
	int64_t n = json_int(json_obj(yyjson_doc_get_root(doc), "status"), key, 0);

	yyjson_doc_free(doc);
	return n;
}

/* What somebody looks for in an object of the namespace default: {version, kind, name, text}. */
story_part bool says(const void *arg)
{
	const char *const *w = arg;
	const struct object *o = get(w[0], w[1], "default", w[2]);

	return o && strstr(o->json, w[3]);
}

#define SAYS(version, kind, name, text)                                                                      \
	says, (const char *const[])                                                                          \
	{                                                                                                    \
		version, kind, name, text                                                                    \
	}

story_part bool is_gone(const void *arg)
{
	const char *const *w = arg;

	return !get(w[0], w[1], "default", w[2]);
}

#define GONE(version, kind, name)                                                                            \
	is_gone, (const char *const[])                                                                       \
	{                                                                                                    \
		version, kind, name                                                                          \
	}

struct counting {
	const char *key, *value; /* a label; key NULL: all */
	size_t n;
};

story_part bool count_one(const struct object *o, void *arg)
{
	struct counting *c = arg;
	const char *v = c->key ? object_label(o, c->key) : NULL;

	c->n += !o->deleted && (!c->key || (v && !strcmp(v, c->value)));
	return true;
}

/* Objects in default that are not on their way out. */
story_part size_t count_of(const char *version, const char *name_of_kind, const char *key, const char *value)
{
	struct counting c = {key, value, 0};

	registry_each(r, kind(version, name_of_kind), "default", count_one, &c);
	return c.n;
}

story_part bool no_pods(const void *arg)
{
	return !registry_count(r, kind("v1", "Pod")) && !registry_count(r, kind("apps/v1", "ReplicaSet"));
}

story_part void set_image(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *image)
{
	yyjson_mut_val *list = meta_mut_get(root, "spec", "template", "spec", "containers", NULL);

	assert_true(meta_put(doc, yyjson_mut_arr_get_first(list), "image", yyjson_mut_strcpy(doc, image)));
}

story_part void set_replicas(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *n)
{
	assert_true(meta_put(
		doc, yyjson_mut_obj_get(root, "spec"), "replicas", yyjson_mut_int(doc, *(const int *)n)));
}

#define STORY(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

#endif
