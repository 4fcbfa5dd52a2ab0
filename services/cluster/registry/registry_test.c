/* SPDX-License-Identifier: Apache-2.0 */

/* The registry over the memory store: what clients and controllers rely on, verb by verb. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "cluster/registry/registry_testing.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/selector.h"
#include "lib/json.h"
#include "lib/tree.h"

struct answer {
	int code; /* 0: success */
	char reason[32];
	struct object *object; /* held */
	bool gone;
};

static void on_done(const struct status *error, const struct object *object, void *arg)
{
	struct answer *a = arg;

	a->code = error ? error->code : 0;
	snprintf(a->reason, sizeof(a->reason), "%s", error ? error->reason : "");
	a->object = object ? object_ref(object) : NULL;
	loop_quit(loop, 0);
}

static void on_deleted(const struct status *error, const struct object *object, bool gone, void *arg)
{
	((struct answer *)arg)->gone = gone;
	on_done(error, object, arg);
}

static const struct schema_kind *kind(const char *plural)
{
	const struct schema_kind *k = schema_find("", "v1", plural);

	assert_non_null(k);
	return k;
}

static struct answer create(const char *plural, const char *ns, const char *json)
{
	struct answer a = {.code = -1};

	registry_create(r, &caller_self, kind(plural), ns, doc_of(json), NULL, on_done, &a);
	loop_run(loop);
	return a;
}

static struct answer update(const char *ns, const char *name, const char *json)
{
	struct answer a = {.code = -1};

	registry_update(r, &caller_self, kind("configmaps"), ns, name, doc_of(json), NULL, on_done, &a);
	loop_run(loop);
	return a;
}

static struct answer delete(const char *plural, const char *ns, const char *name, struct delete_options o)
{
	struct answer a = {.code = -1};

	registry_delete(r, &caller_self, kind(plural), ns, name, &o, on_deleted, &a);
	loop_run(loop);
	return a;
}

#define NO_OPTIONS ((struct delete_options){.grace_seconds = -1})

static void done_with(struct answer a)
{
	object_unref(a.object);
}

static void configmap(const char *name)
{
	char json[128];
	struct answer a;

	snprintf(json, sizeof(json), "{\"metadata\":{\"name\":\"%s\"}}", name);
	a = create("configmaps", "default", json);
	assert_int_equal(a.code, 0);
	done_with(a);
}

/* With the namespace `default`. */
static void open_registry(struct registry_options o)
{
	registry_test_open(o);
	given("v1", "Namespace", "", "{\"metadata\":{\"name\":\"default\"}}");
}

static int setup(void **state)
{
	open_registry((struct registry_options){0});
	return 0;
}

/* ---- writing */

static void test_create(void **state)
{
	struct answer a = create("configmaps", "default",
		"{\"metadata\":{\"name\":\"a\",\"labels\":{\"x\":\"y\"}},\"data\":{\"k\":\"v\"}}");

	assert_int_equal(a.code, 0);
	assert_string_equal(a.object->name, "a");
	assert_string_equal(a.object->ns, "default");
	assert_int_equal(strspn(a.object->uid, "0123456789abcdef-"), 36);
	assert_int_equal(a.object->uid[36], '\0');
	for (size_t i = 0; i < 36; i++)
		assert_int_equal(a.object->uid[i] == '-', i == 8 || i == 13 || i == 18 || i == 23);
	assert_int_equal(a.object->uid[14], '4'); /* random, RFC 9562 */
	assert_non_null(a.object->created);
	assert_string_equal(object_label(a.object, "x"), "y");
	assert_true(a.object->revision > 0);
	assert_ptr_equal(registry_get(r, kind("configmaps"), "default", "a"), a.object);
	assert_ptr_equal(registry_by_uid(r, a.object->uid), a.object);
	done_with(a);
	a = create("configmaps", "default", "{\"metadata\":{\"name\":\"a\"}}");
	assert_int_equal(a.code, 409);
	assert_string_equal(a.reason, "AlreadyExists");
	a = create("configmaps", "nowhere", "{\"metadata\":{\"name\":\"a\"}}");
	assert_int_equal(a.code, 404);
	a = create("configmaps", "default", "{\"metadata\":{\"name\":\"Not A Name\"}}");
	assert_int_equal(a.code, 422);
	a = create("configmaps", "default", "{\"metadata\":{}}");
	assert_int_equal(a.code, 422);
	a = create("configmaps", "default", "{\"metadata\":{\"generateName\":\"g-\"}}");
	assert_int_equal(a.code, 0);
	assert_int_equal(strlen(a.object->name), 7);
	done_with(a);
}

static void test_update_and_conflict(void **state)
{
	struct answer a, b;
	char json[256];

	configmap("u");
	a = update("default", "u", "{\"metadata\":{\"name\":\"u\"},\"data\":{\"k\":\"1\"}}");
	assert_int_equal(a.code, 0);
	/* The same again is no write. */
	b = update("default", "u", "{\"metadata\":{\"name\":\"u\"},\"data\":{\"k\":\"1\"}}");
	assert_int_equal(b.object->revision, a.object->revision);
	done_with(b);
	snprintf(json, sizeof(json),
		"{\"metadata\":{\"name\":\"u\",\"resourceVersion\":\"%lld\"},\"data\":{\"k\":\"2\"}}",
		(long long)a.object->revision);
	done_with(a);
	a = update("default", "u", json);
	assert_int_equal(a.code, 0);
	done_with(a);
	a = update("default", "u", json);
	assert_int_equal(a.code, 409);
	assert_string_equal(a.reason, "Conflict");
	a = update("default", "none", "{\"metadata\":{\"name\":\"none\"}}");
	assert_int_equal(a.code, 404);
	a = update("default", "u", "{\"metadata\":{\"name\":\"other\"}}");
	assert_int_equal(a.code, 400);
}

struct counter {
	unsigned calls, left;
};

static enum modify add_one(const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	yyjson_mut_val *root = yyjson_mut_doc_get_root(*doc), *data = meta_make(*doc, root, "data", NULL);
	const char *was = yyjson_mut_get_str(yyjson_mut_obj_get(data, "n"));
	char text[16];

	((struct counter *)arg)->calls++;
	snprintf(text, sizeof(text), "%d", (was ? atoi(was) : 0) + 1);
	return meta_put(*doc, data, "n", yyjson_mut_strcpy(*doc, text)) ? MODIFY_WRITE : MODIFY_FAIL;
}

static void one_less(const struct status *error, const struct object *object, void *arg)
{
	assert_null(error);
	if (!--((struct counter *)arg)->left)
		loop_quit(loop, 0);
}

/* All at once: each is shown what the others wrote, and none is lost. */
static void test_modify_tries_again(void **state)
{
	enum { WRITERS = 30 };
	struct counter c = {.left = WRITERS};
	const struct object *o;
	yyjson_doc *doc;

	configmap("count");
	for (int i = 0; i < WRITERS; i++)
		registry_modify(r, &caller_self, kind("configmaps"), "default", "count", false, add_one, NULL,
			one_less, &c);
	loop_run(loop);
	o = registry_get(r, kind("configmaps"), "default", "count");
	doc = object_doc(o);
	assert_string_equal(json_str(json_obj(yyjson_doc_get_root(doc), "data"), "n"), "30");
	yyjson_doc_free(doc);
	assert_true(c.calls > WRITERS);
}

static void test_dry_run(void **state)
{
	struct write_options o = {.dry_run = true};
	struct answer a = {.code = -1};

	registry_create(r, &caller_self, kind("configmaps"), "default",
		doc_of("{\"metadata\":{\"name\":\"ghost\"}}"), &o, on_done, &a);
	loop_run(loop);
	assert_int_equal(a.code, 0);
	assert_string_equal(a.object->name, "ghost");
	assert_null(strstr(a.object->json, "resourceVersion"));
	assert_null(registry_get(r, kind("configmaps"), "default", "ghost"));
	done_with(a);
}

/* ---- deleting */

static void test_delete(void **state)
{
	struct answer a;

	configmap("d");
	a = delete (
		"configmaps", "default", "d", (struct delete_options){.grace_seconds = -1, .uid = "another"});
	assert_int_equal(a.code, 409);
	a = delete ("configmaps", "default", "d", NO_OPTIONS);
	assert_int_equal(a.code, 0);
	assert_true(a.gone);
	done_with(a);
	a = delete ("configmaps", "default", "d", NO_OPTIONS);
	assert_int_equal(a.code, 404);
	a = delete ("namespaces", "", "default", NO_OPTIONS);
	assert_int_equal(a.code, 403);
}

static void test_finalizers(void **state)
{
	struct answer a;

	done_with(create("configmaps", "default",
		"{\"metadata\":{\"name\":\"f\",\"finalizers\":[\"example.org/x\"]}}"));
	a = delete ("configmaps", "default", "f", NO_OPTIONS);
	assert_false(a.gone);
	assert_non_null(a.object->deleted);
	done_with(a);
	a = update("default", "f", "{\"metadata\":{\"name\":\"f\"}}");
	assert_int_equal(a.code, 0);
	done_with(a);
	assert_null(registry_get(r, kind("configmaps"), "default", "f"));

	configmap("g");
	a = delete ("configmaps", "default", "g",
		(struct delete_options){.grace_seconds = -1, .propagation = PROPAGATE_FOREGROUND});
	assert_false(a.gone);
	assert_true(object_has_finalizer(a.object, "foregroundDeletion"));
	done_with(a);
}

static void test_a_pod_goes_in_two_steps(void **state)
{
	struct answer a;

	done_with(create("serviceaccounts", "default", "{\"metadata\":{\"name\":\"default\"}}"));
	a = create("pods", "default",
		"{\"metadata\":{\"name\":\"p\"},\"spec\":{\"nodeName\":\"n\",\"terminationGracePeriodSeconds\":20,"
		"\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}");
	assert_int_equal(a.code, 0);
	done_with(a);
	a = delete ("pods", "default", "p", NO_OPTIONS);
	assert_int_equal(a.code, 0);
	assert_false(a.gone);
	assert_int_equal(a.object->deletion_grace, 20);
	done_with(a);
	/* Not longer than it was. */
	a = delete ("pods", "default", "p", (struct delete_options){.grace_seconds = 60});
	assert_int_equal(a.object->deletion_grace, 20);
	done_with(a);
	a = delete ("pods", "default", "p", (struct delete_options){.grace_seconds = 0});
	assert_true(a.gone);
	done_with(a);
	/* One that no node has goes at once. */
	done_with(create("pods", "default",
		"{\"metadata\":{\"name\":\"q\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"));
	a = delete ("pods", "default", "q", NO_OPTIONS);
	assert_true(a.gone);
	done_with(a);
}

static bool count(const struct object *o, void *arg)
{
	++*(int *)arg;
	return true;
}

static void test_owned(void **state)
{
	const struct object *owner;
	char json[512];
	int n = 0;

	configmap("owner");
	owner = registry_get(r, kind("configmaps"), "default", "owner");
	snprintf(json, sizeof(json),
		"{\"metadata\":{\"name\":\"child\",\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"name\":\"owner\","
		"\"uid\":\"%s\",\"controller\":true}]}}",
		owner->uid);
	owner = object_ref(owner);
	done_with(create("configmaps", "default", json));
	registry_each_owned(r, owner->uid, count, &n);
	assert_int_equal(n, 1);
	done_with(delete ("configmaps", "default", "child", NO_OPTIONS));
	n = 0;
	registry_each_owned(r, owner->uid, count, &n);
	assert_int_equal(n, 0);
	object_unref((struct object *)(uintptr_t)owner);
}

/* ---- lists */

static void names_of(const struct list *l, char *out, size_t size)
{
	*out = '\0';
	for (size_t i = 0; i < l->n; i++)
		snprintf(out + strlen(out), size - strlen(out), "%s%s", i ? " " : "", l->items[i]->name);
}

static void test_pages(void **state)
{
	struct list_options o = {.ns = "default", .limit = 2, .revision = -1};
	struct list l;
	char names[64], *token;
	struct status *err;

	for (int i = 0; i < 5; i++)
		configmap((char[]){'p', (char)('0' + i), 0});
	assert_null(registry_list(r, kind("configmaps"), &o, &l));
	names_of(&l, names, sizeof(names));
	assert_string_equal(names, "p0 p1");
	assert_int_equal(l.remaining, 3);
	token = strdup(l.continue_token);
	list_fini(&l);
	done_with(delete ("configmaps", "default", "p3", NO_OPTIONS));
	configmap("p25");
	done_with(update("default", "p4", "{\"metadata\":{\"name\":\"p4\"},\"data\":{\"new\":\"1\"}}"));
	o.continue_token = token;
	o.limit = 9;
	assert_null(registry_list(r, kind("configmaps"), &o, &l));
	names_of(&l, names, sizeof(names));
	assert_string_equal(names, "p2 p3 p4");
	assert_null(strstr(l.items[2]->json, "new"));
	assert_null(l.continue_token);
	list_fini(&l);
	free(token);
	o.continue_token = "bm9uc2Vuc2U";
	err = registry_list(r, kind("configmaps"), &o, &l);
	assert_int_equal(err->code, 400);
	status_free(err);
	o = (struct list_options){.revision = registry_revision(r) + 100};
	err = registry_list(r, kind("configmaps"), &o, &l);
	assert_int_equal(err->code, 504);
	status_free(err);
}

/* The history that a token needs has ended: what comes with the refusal goes on after the same name, with what there is now. */
static void test_pages_after_compaction(void **state)
{
	struct registry_options small = {.history_events = 256, .history_bytes = 4096};
	struct list_options o = {.ns = "default", .limit = 2, .revision = -1};
	struct status *err;
	struct list l;
	char names[64];

	open_registry(small);
	for (int i = 0; i < 5; i++)
		configmap((char[]){'p', (char)('0' + i), 0});
	assert_null(registry_list(r, kind("configmaps"), &o, &l));
	cleanup(freep) char *token = strdup(l.continue_token);

	list_fini(&l);
	for (int i = 0; i < 40; i++) {
		configmap("p25");
		done_with(delete ("configmaps", "default", "p25", NO_OPTIONS));
	}
	configmap("p35");
	o.continue_token = token;
	err = registry_list(r, kind("configmaps"), &o, &l);
	assert_non_null(err);
	assert_int_equal(err->code, 410);
	assert_string_equal(err->reason, "Expired");
	status_free(err);
	assert_non_null(l.continue_token);
	cleanup(freep) char *again = strdup(l.continue_token);

	list_fini(&l);
	o.continue_token = again;
	assert_null(registry_list(r, kind("configmaps"), &o, &l));
	names_of(&l, names, sizeof(names));
	assert_string_equal(names, "p2 p3");
	assert_int_equal(l.revision, registry_revision(r));
	cleanup(freep) char *last = strdup(l.continue_token);

	list_fini(&l);
	o.continue_token = last;
	assert_null(registry_list(r, kind("configmaps"), &o, &l));
	names_of(&l, names, sizeof(names));
	assert_string_equal(names, "p35 p4");
	assert_null(l.continue_token);
	list_fini(&l);
}

/* A page's time is over although nothing of its kind has happened since, as long as anything has. */
static void test_pages_end_with_time(void **state)
{
	struct registry_options brief = {.history_ms = 50};
	struct list_options o = {.ns = "default", .limit = 1, .revision = -1};
	struct status *err;
	struct list l;

	open_registry(brief);
	configmap("a");
	configmap("b");
	assert_null(registry_list(r, kind("configmaps"), &o, &l));
	cleanup(freep) char *token = strdup(l.continue_token);

	list_fini(&l);
	o.continue_token = token;
	done_with(create("namespaces", "", "{\"metadata\":{\"name\":\"n1\"}}"));
	assert_null(registry_list(r, kind("configmaps"), &o, &l));
	list_fini(&l);
	usleep(120 * 1000);
	done_with(create("namespaces", "", "{\"metadata\":{\"name\":\"n2\"}}"));
	done_with(create("namespaces", "", "{\"metadata\":{\"name\":\"n3\"}}"));
	err = registry_list(r, kind("configmaps"), &o, &l);
	assert_non_null(err);
	assert_int_equal(err->code, 410);
	assert_non_null(l.continue_token);
	status_free(err);
	list_fini(&l);
}

/* Nothing more can be written: that is said, what is there can be read, and with room again it goes on. */
static void test_full_disk(void **state)
{
	char dir[] = "/tmp/registry-XXXXXX", big[20200];
	struct registry_options on_disk = {.data_dir = dir};
	struct rlimit limit;
	struct answer a;
	struct status *full = status_errno(-ENOSPC, "write");

	assert_int_equal(full->code, 507);
	assert_non_null(strstr(full->message, "the store's disk is full"));
	status_free(full);
	assert_non_null(mkdtemp(dir));
	open_registry(on_disk);
	configmap("before");
	snprintf(big, sizeof(big), "{\"metadata\":{\"name\":\"big\"},\"data\":{\"a\":\"%020000d\"}}", 1);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){16384, limit.rlim_max}), 0);
	a = create("configmaps", "default", big);
	assert_true(a.code >= 500);
	assert_string_equal(a.reason, "InternalError");
	done_with(a);
	assert_null(registry_get(r, kind("configmaps"), "default", "big"));
	assert_non_null(registry_get(r, kind("configmaps"), "default", "before"));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	a = create("configmaps", "default", big);
	assert_int_equal(a.code, 0);
	done_with(a);
	registry_test_open(on_disk);
	assert_non_null(registry_get(r, kind("configmaps"), "default", "big"));
	registry_close(r);
	r = NULL;
	assert_int_equal(tree_remove(AT_FDCWD, dir), 0);
}

/* A token goes on after whatever name: those of roles may hold nearly anything. */
static void test_pages_of_odd_names(void **state)
{
	static const char *const odd[] = {"a\\\"b", "a\\\\c", "d"};
	const struct schema_kind *roles = schema_find("rbac.authorization.k8s.io", "v1", "clusterroles");
	struct list_options o = {.limit = 1, .revision = -1};
	struct list l;
	char *token = NULL;

	for (size_t i = 0; i < array_len(odd); i++) {
		struct answer a = {.code = -1};
		char json[128];

		snprintf(json, sizeof(json), "{\"metadata\":{\"name\":\"%s\"}}", odd[i]);
		registry_create(r, &caller_self, roles, "", doc_of(json), NULL, on_done, &a);
		loop_run(loop);
		assert_int_equal(a.code, 0);
		done_with(a);
	}
	for (size_t i = 0; i < array_len(odd); i++) {
		o.continue_token = token;
		assert_null(registry_list(r, roles, &o, &l));
		assert_int_equal(l.n, 1);
		free(token);
		token = l.continue_token ? strdup(l.continue_token) : NULL;
		list_fini(&l);
	}
	assert_null(token);
}

static void test_selectors(void **state)
{
	struct list_options o = {.revision = -1};
	struct selector *labels, *fields;
	struct list l;

	done_with(create(
		"configmaps", "default", "{\"metadata\":{\"name\":\"a\",\"labels\":{\"tier\":\"web\"}}}"));
	done_with(create(
		"configmaps", "default", "{\"metadata\":{\"name\":\"b\",\"labels\":{\"tier\":\"db\"}}}"));
	assert_null(selector_parse_labels(&labels, "tier in (web,db),tier!=db"));
	assert_null(selector_parse_fields(&fields, "metadata.name=b", kind("configmaps")));
	o.labels = labels;
	assert_null(registry_list(r, kind("configmaps"), &o, &l));
	assert_int_equal(l.n, 1);
	assert_string_equal(l.items[0]->name, "a");
	list_fini(&l);
	o = (struct list_options){.ns = "default", .revision = -1, .fields = fields};
	assert_null(registry_list(r, kind("configmaps"), &o, &l));
	assert_int_equal(l.n, 1);
	assert_string_equal(l.items[0]->name, "b");
	list_fini(&l);
	selector_free(labels);
	selector_free(fields);
}

/* ---- being told */

static void ready(struct watcher *w, void *arg)
{
	++*(int *)arg;
}

static void expect(struct watcher *w, enum watch_type type, const char *name)
{
	struct object *o;
	int64_t revision;

	assert_int_equal(watcher_next(w, &o, &revision), type);
	if (name)
		assert_string_equal(o->name, name);
	object_unref(o);
}

static void test_watch(void **state)
{
	int told = 0;
	struct selector *labels;
	struct watch_options o = {
		.ns = "default", .ready = ready, .arg = &told, .initial = WATCH_INITIAL_YES, .revision = -1};
	struct watcher *w;

	done_with(
		create("configmaps", "default", "{\"metadata\":{\"name\":\"a\",\"labels\":{\"x\":\"1\"}}}"));
	configmap("b");
	assert_null(selector_parse_labels(&labels, "x=1"));
	o.labels = labels;
	assert_null(registry_watch(&w, r, kind("configmaps"), &o));
	expect(w, WATCH_ADDED, "a");
	expect(w, WATCH_SYNCED, NULL);
	expect(w, WATCH_NOTHING, NULL);
	/* Into sight, and out of it. */
	done_with(update("default", "b", "{\"metadata\":{\"name\":\"b\",\"labels\":{\"x\":\"1\"}}}"));
	done_with(update("default", "b",
		"{\"metadata\":{\"name\":\"b\",\"labels\":{\"x\":\"1\"}},\"data\":{\"k\":\"v\"}}"));
	done_with(update("default", "b", "{\"metadata\":{\"name\":\"b\"}}"));
	done_with(delete ("configmaps", "default", "b", NO_OPTIONS));
	done_with(delete ("configmaps", "default", "a", NO_OPTIONS));
	assert_true(told > 0);
	expect(w, WATCH_ADDED, "b");
	expect(w, WATCH_MODIFIED, "b");
	expect(w, WATCH_DELETED, "b");
	expect(w, WATCH_DELETED, "a");
	expect(w, WATCH_NOTHING, NULL);
	watcher_free(w);
}

/* A watcher that does not look falls off the end; so does a revision from before. */
static void test_too_late(void **state)
{
	struct registry_options small = {.history_events = 256, .history_bytes = 4096};
	struct watch_options o = {.ready = ready, .revision = -1};
	int told = 0;
	struct watcher *w;
	struct status *err;
	char name[16];

	open_registry(small);
	o.arg = &told;
	assert_null(registry_watch(&w, r, kind("configmaps"), &o));
	int64_t before = registry_revision(r);

	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "c%d", i);
		configmap(name);
		done_with(delete ("configmaps", "default", name, NO_OPTIONS));
	}
	expect(w, WATCH_EXPIRED, NULL);
	expect(w, WATCH_EXPIRED, NULL);
	watcher_free(w);
	o.revision = before;
	err = registry_watch(&w, r, kind("configmaps"), &o);
	assert_non_null(err);
	assert_int_equal(err->code, 410);
	status_free(err);
	/* A kind where nothing happened can be watched from as long ago as one likes. */
	assert_null(registry_watch(&w, r, kind("secrets"), &o));
	watcher_free(w);
}

/* What is older than the history's time goes with the next event, whatever room there is; who has seen it goes on. */
static void test_history_ends_with_time(void **state)
{
	struct registry_options brief = {.history_ms = 50};
	struct watch_options o = {.ready = ready, .revision = -1};
	int told = 0;
	struct watcher *w, *late;
	struct status *err;

	open_registry(brief);
	int64_t before = registry_revision(r);

	configmap("a");
	o.arg = &told;
	assert_null(registry_watch(&w, r, kind("configmaps"), &o));
	let_pass(100);
	configmap("b");
	expect(w, WATCH_ADDED, "a");
	expect(w, WATCH_ADDED, "b");
	expect(w, WATCH_NOTHING, NULL);
	watcher_free(w);
	o.revision = before;
	err = registry_watch(&late, r, kind("configmaps"), &o);
	assert_non_null(err);
	assert_int_equal(err->code, 410);
	status_free(err);
}

struct heard {
	struct informer informer;
	char text[256];
};

static void hear(struct informer *i, enum event_type type, const struct object *old, const struct object *now)
{
	struct heard *h = container_of(i, struct heard, informer);
	size_t n = strlen(h->text);

	snprintf(h->text + n, sizeof(h->text) - n, "%c%s%s ", "+~-"[type], now -> name, old ? "" : "!");
}

static void test_informer(void **state)
{
	struct heard h = {.informer = {.event = hear}};

	h.informer.kind = kind("configmaps");
	configmap("a");
	registry_inform(r, &h.informer);
	done_with(update("default", "a", "{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"v\"}}"));
	configmap("b");
	done_with(delete ("configmaps", "default", "a", NO_OPTIONS));
	assert_string_equal(h.text, "+a! ~a +b! -a ");
	registry_uninform(&h.informer);
	configmap("c");
	assert_string_equal(h.text, "+a! ~a +b! -a ");
}

/* ---- services */

static void test_service_addresses(void **state)
{
	static const char json[] =
		"{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"type\":\"NodePort\",\"clusterIP\":\"%s\",\"ports\":[{\"port\":80}]}}";
	char text[256], address[64];
	struct answer a;
	yyjson_doc *doc;

	snprintf(text, sizeof(text), json, "a", "");
	a = create("services", "default", text);
	assert_int_equal(a.code, 0);
	doc = object_doc(a.object);
	snprintf(address, sizeof(address), "%s",
		json_str(json_obj(yyjson_doc_get_root(doc), "spec"), "clusterIP"));
	assert_memory_equal(address, "10.", 3);
	yyjson_doc_free(doc);
	done_with(a);
	snprintf(text, sizeof(text), json, "b", address);
	a = create("services", "default", text);
	assert_int_equal(a.code, 422);
	done_with(delete ("services", "default", "a", NO_OPTIONS));
	/* Given back, and nothing is left of the attempt that failed. */
	a = create("services", "default", text);
	assert_int_equal(a.code, 0);
	done_with(a);
	a = create("services", "default",
		"{\"metadata\":{\"name\":\"c\"},\"spec\":{\"clusterIP\":\"192.0.2.1\",\"ports\":[{\"port\":80}]}}");
	assert_int_equal(a.code, 422);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, registry_test_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_create),
		TEST(test_update_and_conflict),
		TEST(test_modify_tries_again),
		TEST(test_dry_run),
		TEST(test_delete),
		TEST(test_finalizers),
		TEST(test_a_pod_goes_in_two_steps),
		TEST(test_owned),
		TEST(test_pages),
		TEST(test_pages_after_compaction),
		TEST(test_pages_end_with_time),
		TEST(test_full_disk),
		TEST(test_pages_of_odd_names),
		TEST(test_selectors),
		TEST(test_watch),
		TEST(test_too_late),
		TEST(test_history_ends_with_time),
		TEST(test_informer),
		TEST(test_service_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
