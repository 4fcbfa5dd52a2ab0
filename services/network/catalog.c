/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A hash table by namespace and name. Changes are gathered for one turn of the loop, so that a rollout of ten pods is one
 * batch of rules. When another API server is followed, or the same one again, what its lists do not have goes: each object
 * carries the round in which it was seen.
 */

#include <errno.h>
#include <string.h>

#include "lib/json.h"
#include "lib/kube.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "network/catalog_int.h"

enum { SLOTS = 4096 };

struct catalog {
	struct loop *loop;
	const char *node;
	const struct catalog_events *events;
	void *arg;
	struct kube_reflector *reflectors[CATALOG_KINDS]; /* owned: Services, EndpointSlices */
	bool read[CATALOG_KINDS];			  /* lists of this round */
	bool known;
	uint64_t round;
	struct service *slots[SLOTS]; /* owned */
	struct service *changed;
	struct loop_task tell;
};

/* ---- the table */

static size_t slot_of(const char *ns, const char *name)
{
	size_t h = 5381;

	for (; *ns; ns++)
		h = h * 33 ^ (unsigned char)*ns;
	for (h = h * 33 ^ '/'; *name; name++)
		h = h * 33 ^ (unsigned char)*name;
	return h % SLOTS;
}

struct service *catalog_find(const struct catalog *s, const char *ns, const char *name)
{
	struct service *i = s->slots[slot_of(ns, name)];

	while (i && (strcmp(i->name, name) != 0 || strcmp(i->ns, ns) != 0))
		i = i->next;
	return i;
}

void catalog_each(const struct catalog *s, bool (*fn)(struct service *each, void *arg), void *arg)
{
	for (size_t i = 0; i < SLOTS; i++)
		for (struct service *each = s->slots[i], *next; each; each = next) {
			next = each->next;
			if (!fn(each, arg))
				return;
		}
}

static void slice_free(struct slice *s)
{
	catalog_slice_clear(s);
	free(s->name);
	free(s);
}

static void service_free(struct service *s)
{
	while (s->slices) {
		struct slice *next = s->slices->next;

		slice_free(s->slices);
		s->slices = next;
	}
	catalog_service_clear(s);
	free(s->ns);
	free(s->name);
	free(s);
}

static struct service *find_or_make(struct catalog *s, const char *ns, const char *name)
{
	struct service *i = catalog_find(s, ns, name), **slot = &s->slots[slot_of(ns, name)];

	if (i)
		return i;
	i = calloc(1, sizeof(*i));
	if (!i)
		return NULL;
	i->ns = strdup(ns);
	i->name = strdup(name);
	if (!i->ns || !i->name) {
		service_free(i);
		return NULL;
	}
	i->next = *slot;
	*slot = i;
	return i;
}

static void drop(struct catalog *s, struct service *gone)
{
	struct service **at = &s->slots[slot_of(gone->ns, gone->name)];

	while (*at && *at != gone)
		at = &(*at)->next;
	if (*at)
		*at = gone->next;
	service_free(gone);
}

/* ---- telling */

static void tell(struct loop_task *t)
{
	struct catalog *s = container_of(t, struct catalog, tell);

	if (!s->known)
		return;
	while (s->changed) {
		struct service *each = s->changed;

		s->changed = each->next_changed;
		each->changed = false;
		s->events->change(each, s->arg);
		if (!each->there && !each->slices)
			drop(s, each);
	}
	s->events->settled(s->arg);
}

static void changed(struct catalog *s, struct service *each)
{
	loop_defer(s->loop, &s->tell, tell);
	if (each->changed)
		return;
	each->changed = true;
	each->next_changed = s->changed;
	s->changed = each;
}

/* ---- Services */

static const char *meta(yyjson_val *object, const char *key)
{
	return json_str(json_obj(object, "metadata"), key) ?: "";
}

static void out_of_memory(yyjson_val *object)
{
	log_errno(ENOMEM, "service=%s/%s", meta(object, "namespace"), meta(object, "name"));
}

static void on_service(enum kube_change change, yyjson_val *object, void *arg)
{
	struct catalog *s = arg;
	const char *ns = meta(object, "namespace"), *name = meta(object, "name");
	struct service *each = change == KUBE_DELETED ? catalog_find(s, ns, name) : find_or_make(s, ns, name);

	if (!each && change == KUBE_DELETED)
		return;
	if (each && change == KUBE_DELETED) {
		catalog_service_clear(each);
	} else if (!each || catalog_service_read(each, object) < 0) {
		out_of_memory(object);
		if (!each)
			return;
	}
	each->round = s->round;
	changed(s, each);
}

/* ---- EndpointSlices */

static struct slice **slice_at(struct service *service, const char *name)
{
	struct slice **at = &service->slices;

	while (*at && strcmp((*at)->name, name) != 0)
		at = &(*at)->next;
	return at;
}

static void remove_slice(struct catalog *s, struct service *service, struct slice **at)
{
	struct slice *gone = *at;

	*at = gone->next;
	slice_free(gone);
	changed(s, service);
}

struct removal {
	struct catalog *s;
	const char *ns, *name;
	const struct service *but;
};

/* A slice that is gone shows only its name; and one that was given to another Service leaves the old one. */
static bool remove_where_it_is(struct service *each, void *arg)
{
	struct removal *r = arg;
	struct slice **at;

	if (each == r->but || strcmp(each->ns, r->ns) != 0)
		return true;
	at = slice_at(each, r->name);
	if (*at)
		remove_slice(r->s, each, at);
	return true;
}

static void put_slice(struct catalog *s, struct service *service, yyjson_val *object)
{
	struct slice **at = slice_at(service, meta(object, "name")), *slice = *at;

	if (!slice) {
		slice = calloc(1, sizeof(*slice));
		if (slice)
			slice->name = strdup(meta(object, "name"));
		if (!slice || !slice->name) {
			free(slice);
			out_of_memory(object);
			return;
		}
		*at = slice;
	}
	if (catalog_slice_read(slice, object, s->node) < 0)
		out_of_memory(object);
	slice->round = s->round;
	changed(s, service);
}

static void on_slice(enum kube_change change, yyjson_val *object, void *arg)
{
	struct catalog *s = arg;
	const char *owner = catalog_slice_service(object);
	struct removal r = {.s = s, .ns = meta(object, "namespace"), .name = meta(object, "name")};
	struct service *service;

	if (change == KUBE_DELETED && owner) {
		service = catalog_find(s, r.ns, owner);
		if (service && *slice_at(service, r.name))
			remove_slice(s, service, slice_at(service, r.name));
		return;
	}
	if (change == KUBE_DELETED || !owner) {
		catalog_each(s, remove_where_it_is, &r);
		return;
	}
	service = find_or_make(s, r.ns, owner);
	if (!service) {
		out_of_memory(object);
		return;
	}
	r.but = service;
	if (change == KUBE_MODIFIED && !*slice_at(service, r.name))
		catalog_each(s, remove_where_it_is, &r);
	put_slice(s, service, object);
}

/* ---- whole lists */

static bool sweep_service(struct service *each, void *arg)
{
	struct catalog *s = arg;

	if (each->there && each->round != s->round) {
		catalog_service_clear(each);
		changed(s, each);
	}
	return true;
}

static bool sweep_slices(struct service *each, void *arg)
{
	struct catalog *s = arg;

	for (struct slice **at = &each->slices; *at;) {
		if ((*at)->round != s->round)
			remove_slice(s, each, at);
		else
			at = &(*at)->next;
	}
	return true;
}

/* Only the first lists of a round can lack what another round has left; later ones tell what vanished. */
static void synced(struct catalog *s, size_t kind, bool (*sweep)(struct service *each, void *arg))
{
	if (s->read[kind])
		return;
	s->read[kind] = true;
	catalog_each(s, sweep, s);
	s->known |= s->read[CATALOG_SERVICES] && s->read[CATALOG_SLICES];
	loop_defer(s->loop, &s->tell, tell);
}

static void on_services(void *arg)
{
	synced(arg, CATALOG_SERVICES, sweep_service);
}

static void on_slices(void *arg)
{
	synced(arg, CATALOG_SLICES, sweep_slices);
}

bool catalog_known(const struct catalog *s)
{
	return s->known;
}

const struct kube_reflector_events catalog_reflections[CATALOG_KINDS] = {
	[CATALOG_SERVICES] = {.change = on_service, .synced = on_services},
	[CATALOG_SLICES] = {.change = on_slice, .synced = on_slices},
};

int catalog_follow(struct catalog *s, struct kube *k)
{
	static const char *const paths[CATALOG_KINDS] = {[CATALOG_SERVICES] = "/api/v1/services",
		[CATALOG_SLICES] = "/apis/discovery.k8s.io/v1/endpointslices"};
	int r = 0;

	catalog_unfollow(s);
	s->round++;
	for (size_t i = 0; i < CATALOG_KINDS && !r; i++)
		r = kube_reflect(&s->reflectors[i], k, paths[i], "", &catalog_reflections[i], s);
	return r;
}

void catalog_unfollow(struct catalog *s)
{
	for (size_t i = 0; i < CATALOG_KINDS; i++) {
		kube_reflector_free(take(s->reflectors[i]));
		s->read[i] = false;
	}
}

int catalog_new(struct catalog **out, struct loop *l, const char *node, const struct catalog_events *events,
	void *arg)
{
	struct catalog *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	*s = (struct catalog){.loop = l, .node = node, .events = events, .arg = arg};
	*out = s;
	return 0;
}

void catalog_free(struct catalog *s)
{
	if (!s)
		return;
	catalog_unfollow(s);
	loop_defer_del(&s->tell);
	for (size_t i = 0; i < SLOTS; i++)
		while (s->slots[i]) {
			struct service *next = s->slots[i]->next;

			service_free(s->slots[i]);
			s->slots[i] = next;
		}
	free(s);
}
