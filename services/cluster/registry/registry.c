/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The view: every stored object in memory, in one index a kind, and by uid and by owner. It changes only when the
 * store says that something was written; then history.c tells everybody else.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/registry/registry_int.h"
#include "cluster/registry/services.h"
#include "cluster/schema/convert.h"
#include "cluster/schema/default.h"
#include "cluster/store/sqlite_restore.h"
#include "lib/log.h"

void registry_broken(struct registry *r, const char *what)
{
	log_error("registry op=%s error=\"the view cannot follow the store: starting again\"", what);
	loop_quit(r->loop, 1);
}

/* ---- kinds */

static struct view *view_of_key(const struct registry *r, const char *key)
{
	size_t lo = 0, hi = r->n_views, n = strcspn(key, "/") + 1;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		struct view *v = r->views[mid];
		int c = strncmp(v->prefix, key, n);

		if (!c && v->prefix_len == n)
			return v;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

enum { PREFIX_MAX = 512 };

/* snprintf() would be much of what reading one object takes. */
static size_t append(char *buf, size_t size, size_t at, const char *s)
{
	size_t n = strlen(s);

	if (at + n >= size)
		n = size - at - 1;
	memcpy(buf + at, s, n);
	buf[at + n] = '\0';
	return at + n;
}

/* "pods/", "deployments.apps/" */
static size_t prefix_of(const struct schema_kind *kind, char buf[static PREFIX_MAX])
{
	size_t n = append(buf, PREFIX_MAX, 0, kind->plural);

	n = append(buf, PREFIX_MAX, n, *kind->group ? "." : "");
	n = append(buf, PREFIX_MAX, n, kind->group);
	return append(buf, PREFIX_MAX, n, "/");
}

struct view *registry_view(const struct registry *r, const struct schema_kind *kind)
{
	char prefix[PREFIX_MAX];

	prefix_of(kind, prefix);

	struct view *v = view_of_key(r, prefix);

	if (!v && kind->stored && kind->stored != kind)
		return registry_view(r, kind->stored);
	return v;
}

static int add_view(struct registry *r, const struct schema_kind *kind)
{
	char prefix[PREFIX_MAX];
	size_t n = prefix_of(kind, prefix);
	struct view **grown = realloc(r->views, (r->n_views + 1) * sizeof(*grown)), *v;
	size_t at = r->n_views;

	if (!grown)
		return -ENOMEM;
	r->views = grown;
	v = calloc(1, sizeof(*v) + n + 1);
	if (!v)
		return -ENOMEM;
	v->kind = kind;
	v->floor = r->revision;
	v->prefix_len = n;
	memcpy(v->prefix, prefix, n + 1);
	while (at && strcmp(r->views[at - 1]->prefix, prefix) > 0) {
		r->views[at] = r->views[at - 1];
		at--;
	}
	r->views[at] = v;
	r->n_views++;
	return 0;
}

static int add_built_in(struct registry *r)
{
	size_t n;
	const struct schema_kind *kinds = schema_kinds(&n);
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		const struct schema_kind *k = &kinds[i];

		if (k->flags & (SCHEMA_REVIEW | SCHEMA_METRICS) || (k->stored && k->stored != k))
			continue;
		err = add_view(r, k);
	}
	return err;
}

char *registry_key(const struct view *v, const char *ns, const char *name)
{
	char *key = NULL;
	bool namespaced = v->kind->flags & SCHEMA_NAMESPACED;

	if (asprintf(&key, "%s%s%s%s", v->prefix, namespaced ? ns : "", namespaced ? "/" : "", name) < 0)
		return NULL;
	return key;
}

/* ---- the indexes */

static char *owned_key(const char *uid, const char *key)
{
	char *text = NULL;

	return asprintf(&text, "%s\001%s", uid, key) < 0 ? NULL : text;
}

static void forget_owners(struct registry *r, const struct object *o)
{
	for (size_t i = 0; i < o->n_owners; i++) {
		cleanup(freep) char *key = owned_key(o->owners[i].uid, o->key);

		if (!key) {
			registry_broken(r, "owners");
			return;
		}
		free((char *)(uintptr_t)index_remove(&r->owned, key).key);
	}
}

static void note_owners(struct registry *r, struct object *o)
{
	for (size_t i = 0; i < o->n_owners; i++) {
		char *key = owned_key(o->owners[i].uid, o->key);
		struct index_entry was = {0};

		if (!key || index_put(&r->owned, key, o, &was)) {
			free(key);
			registry_broken(r, "owners");
			return;
		}
		free((char *)(uintptr_t)was.key);
	}
}

static bool same_owners(const struct object *a, const struct object *b)
{
	if (a->n_owners != b->n_owners)
		return false;
	for (size_t i = 0; i < a->n_owners; i++)
		if (strcmp(a->owners[i].uid, b->owners[i].uid) != 0)
			return false;
	return true;
}

/* The object is in, or takes the place of another, which is handed back with its reference. */
static struct object *put(struct registry *r, struct view *v, struct object *o)
{
	struct index_entry was, other;
	struct object *old;

	if (index_put(&v->objects, o->key, o, &was)) {
		registry_broken(r, "index");
		return NULL;
	}
	old = was.object;
	if (old && strcmp(old->uid, o->uid) != 0)
		index_remove(&r->by_uid, old->uid);
	if (*o->uid && index_put(&r->by_uid, o->uid, o, &other))
		registry_broken(r, "index");
	/* Equal owners: their entries change only where they point. */
	if (old && !same_owners(old, o))
		forget_owners(r, old);
	note_owners(r, o);
	return old;
}

static struct object *drop(struct registry *r, struct view *v, const char *key)
{
	struct object *o = index_remove(&v->objects, key).object;

	if (!o)
		return NULL;
	index_remove(&r->by_uid, o->uid);
	forget_owners(r, o);
	return o;
}

/* ---- what the store says */

/* An object whose kind comes with a definition that has not been read yet, or is gone. */
struct pending {
	struct pending *next;
	int64_t revision;
	size_t len, key_len;
	char key_and_value[];
};

static void wait_for_kind(struct registry *r, const struct store_item *item)
{
	size_t key_len = strlen(item->key) + 1;
	struct pending *p = malloc(sizeof(*p) + key_len + item->len);

	if (!p) {
		log_errno(ENOMEM, "registry key=%s op=load msg=\"left out\"", item->key);
		return;
	}
	p->revision = item->revision;
	p->len = item->len;
	p->key_len = key_len;
	memcpy(p->key_and_value, item->key, key_len);
	memcpy(p->key_and_value + key_len, item->value, item->len);
	p->next = r->pending;
	r->pending = p;
}

/* Objects of a definition stay in the version in which they were written, until they are written again. */
static const struct schema_kind *kind_of_bytes(const struct view *v, const char *json, size_t len)
{
	const struct schema_kind *const *k = v->kind->versions;

	for (; k && *k; k++)
		if (object_is_of(*k, json, len))
			return *k;
	return v->kind;
}

/* The object of a definition's kind: what was written under another definition has the defaults of this one. */
static int load_custom(struct object **out, const struct view *v, const struct pending *p)
{
	const char *bytes = p->key_and_value + p->key_len;
	const struct schema_kind *kind = kind_of_bytes(v, bytes, p->len);
	int err = object_new(out, kind, p->key_and_value, bytes, p->len, p->revision);
	yyjson_mut_doc *doc = err ? NULL : object_mut_doc(*out);
	size_t len = 0;
	cleanup(freep) char *json = doc && default_object(doc, kind) ? object_encode(doc, kind, &len) : NULL;

	yyjson_mut_doc_free(doc);
	if (err)
		return err;
	object_unref(take(*out));
	return json ? object_new(out, kind, p->key_and_value, json, len, p->revision) : -ENOMEM;
}

static void load_pending(struct registry *r, struct view *v)
{
	for (struct pending **at = &r->pending; *at;) {
		struct pending *p = *at;
		struct object *o;
		int err;

		if (strncmp(p->key_and_value, v->prefix, v->prefix_len) != 0) {
			at = &p->next;
			continue;
		}
		err = load_custom(&o, v, p);
		if (err)
			log_errno(-err, "registry key=%s op=load msg=\"left out\"", p->key_and_value);
		else
			(void)put(r, v, o);
		*at = p->next;
		free(p);
	}
}

int registry_add_view(struct registry *r, const struct schema_kind *kind)
{
	int err = add_view(r, kind);

	if (!err)
		load_pending(r, registry_view(r, kind));
	return err;
}

static void drop_pending(struct registry *r, bool say)
{
	while (r->pending) {
		struct pending *p = r->pending;

		if (say)
			log_warn("registry key=%s msg=\"of no kind that is served: left alone\"",
				p->key_and_value);
		r->pending = p->next;
		free(p);
	}
}

static void on_load(const struct store_item *item, void *arg)
{
	struct registry *r = arg;
	struct view *v = view_of_key(r, item->key);
	struct object *o;
	int err;

	if (!v) {
		wait_for_kind(r, item);
		return;
	}
	err = object_new(&o, v->kind, item->key, item->value, item->len, item->revision);
	if (err)
		log_errno(-err, "registry key=%s op=load msg=\"left out\"", item->key);
	else
		(void)put(r, v, o);
}

static void on_item(const struct store_item *item, void *arg)
{
	struct registry *r = arg;
	struct view *v = view_of_key(r, item->key);
	struct object *now = NULL, *old;
	int err;

	r->revision = item->revision;
	if (!v)
		return;
	if (item->value) {
		err = object_new(&now, kind_of_bytes(v, item->value, item->len), item->key, item->value,
			item->len, item->revision);
		if (err) {
			log_errno(-err, "registry key=%s op=event", item->key);
			registry_broken(r, "event");
			return;
		}
		old = put(r, v, now);
		history_add(r, v, old ? EVENT_MODIFIED : EVENT_ADDED, old, object_ref(now));
		return;
	}
	old = drop(r, v, item->key);
	if (!old)
		return;
	err = object_at(&now, old, item->revision);
	if (err) {
		registry_broken(r, "event");
		return;
	}
	history_add(r, v, EVENT_DELETED, old, now);
}

static void on_failed(int err, void *arg)
{
	log_errno(-err, "registry op=store msg=\"the store takes no more writes\"");
}

static const struct store_events store_events = {on_item, on_failed};

/* ---- opening and closing */

static int open_store(struct registry *r, char **why)
{
	cleanup(freep) char *path = NULL;

	if (!r->opts.data_dir)
		return store_memory_open(&r->store, r->loop, &store_events, r);
	if (asprintf(&path, "%s/cluster.db", r->opts.data_dir) < 0)
		return -ENOMEM;

	int err = store_sqlite_open(&r->store, r->loop, path, &store_events, r, why);

	if (err && err != -EBUSY && store_sqlite_put_back(path)) {
		log_error(
			"store op=open error=\"%s\" msg=\"the store from before the restoration is in its place again\"",
			*why ? *why : "");
		free(take(*why));
		err = store_sqlite_open(&r->store, r->loop, path, &store_events, r, why);
	}
	return err;
}

/* What a restoration has kept is not needed any more. */
static void settle_store(const struct registry *r)
{
	cleanup(freep) char *path = NULL;

	if (r->opts.data_dir && asprintf(&path, "%s/cluster.db", r->opts.data_dir) >= 0)
		store_sqlite_settled(path);
}

int registry_open(struct registry **out, const struct registry_options *opts, char **why)
{
	struct registry *r = calloc(1, sizeof(*r));
	int err;

	*why = NULL;
	if (!r)
		return -ENOMEM;
	r->loop = opts->loop;
	r->opts = *opts;
	err = add_built_in(r);
	if (!err)
		err = history_open(r);
	if (!err)
		err = open_store(r, why);
	if (!err)
		err = store_load(r->store, on_load, r, &r->revision);
	if (err) {
		registry_close(r);
		return err;
	}
	for (size_t i = 0; i < r->n_views; i++)
		r->views[i]->floor = r->revision;
	settle_store(r);
	err = custom_open(&r->custom, r);
	drop_pending(r, true);
	if (!err)
		err = services_open(&r->services, r);
	if (!err)
		err = webhooks_open(&r->webhooks, r);
	if (!err)
		err = policies_open(&r->policies, r);
	if (!err)
		err = extensions_open(&r->extensions, r);
	if (err) {
		registry_close(r);
		return err;
	}
	*out = r;
	return 0;
}

void registry_close(struct registry *r)
{
	const struct index_entry *e;

	if (!r)
		return;
	r->closing = true;
	store_close(r->store);
	ops_close(r);
	services_close(r->services);
	webhooks_close(r->webhooks);
	policies_close(r->policies);
	extensions_close(r->extensions);
	custom_close(r->custom);
	drop_pending(r, false);
	history_close(r);
	for (struct index_pos pos = {0}; (e = index_next(&r->owned, &pos));)
		free((char *)(uintptr_t)e->key);
	index_fini(&r->owned);
	index_fini(&r->by_uid);
	for (size_t i = 0; i < r->n_views; i++) {
		for (struct index_pos pos = {0}; (e = index_next(&r->views[i]->objects, &pos));)
			object_unref(e->object);
		index_fini(&r->views[i]->objects);
		free(r->views[i]);
	}
	free(r->views);
	free(r);
}

/* ---- reading */

struct loop *registry_loop(const struct registry *r)
{
	return r->loop;
}

struct store *registry_store(const struct registry *r)
{
	return r->store;
}

bool registry_idle(const struct registry *r)
{
	return !r->ops;
}

void registry_set_access(struct registry *r, struct access *a)
{
	r->access = a;
}

struct policies *registry_policies(const struct registry *r)
{
	return r->policies;
}

struct extensions *registry_extensions(const struct registry *r)
{
	return r->extensions;
}

struct webhooks *registry_webhooks(const struct registry *r)
{
	return r->webhooks;
}

struct access *registry_access(const struct registry *r)
{
	return r->access;
}

int64_t registry_revision(const struct registry *r)
{
	return r->revision;
}

const struct schema_kind *registry_written_as(const struct registry *r, const struct schema_kind *kind)
{
	const struct view *v = registry_view(r, kind);

	return !v || convert_webhook(kind, v->kind) ? kind : v->kind;
}

const struct object *registry_get(
	const struct registry *r, const struct schema_kind *kind, const char *ns, const char *name)
{
	struct view *v = registry_view(r, kind);
	char key[STORE_KEY_MAX + 2];
	size_t n;

	if (!v)
		return NULL;
	n = append(key, sizeof(key), 0, v->prefix);
	if (kind->flags & SCHEMA_NAMESPACED) {
		n = append(key, sizeof(key), n, ns);
		n = append(key, sizeof(key), n, "/");
	}
	n = append(key, sizeof(key), n, name);
	return n <= STORE_KEY_MAX ? index_get(&v->objects, key) : NULL;
}

void registry_each(const struct registry *r, const struct schema_kind *kind, const char *ns,
	bool (*fn)(const struct object *o, void *arg), void *arg)
{
	struct view *v = registry_view(r, kind);
	char prefix[STORE_KEY_MAX];
	bool all = !ns || !*ns || !(kind->flags & SCHEMA_NAMESPACED);
	size_t n;
	const struct index_entry *e;

	if (!v)
		return;
	snprintf(prefix, sizeof(prefix), "%s%s%s", v->prefix, all ? "" : ns, all ? "" : "/");
	n = strlen(prefix);
	for (struct index_pos pos = index_seek(&v->objects, prefix);
		(e = index_next(&v->objects, &pos)) && !strncmp(e->key, prefix, n);)
		if (!fn(e->object, arg))
			return;
}

size_t registry_count(const struct registry *r, const struct schema_kind *kind)
{
	struct view *v = registry_view(r, kind);

	return v ? v->objects.count : 0;
}

void registry_each_owned(
	const struct registry *r, const char *uid, bool (*fn)(const struct object *o, void *arg), void *arg)
{
	size_t n = strlen(uid);
	const struct index_entry *e;

	for (struct index_pos pos = index_seek(&r->owned, uid);
		(e = index_next(&r->owned, &pos)) && !strncmp(e->key, uid, n) && e->key[n] == '\001';)
		if (!fn(e->object, arg))
			return;
}

const struct object *registry_by_uid(const struct registry *r, const char *uid)
{
	return index_get(&r->by_uid, uid);
}
