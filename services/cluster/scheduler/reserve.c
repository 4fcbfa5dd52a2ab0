/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/controllers/volumes.h"
#include "cluster/scheduler/reserve.h"
#include "cluster/schema/status.h"

/* One pod's volumes. */
struct reservation {
	struct sched_cache *cache;
	size_t left; /* writes that are not answered */
	bool failed;
	void (*done)(bool ok, void *arg);
	void *arg;
};

struct volume_promise {
	struct reservation *of;
	struct object *volume, *claim; /* held */
	struct volume_promise *next;
};

bool volume_promised(const struct sched_cache *c, const struct object *volume)
{
	for (const struct volume_promise *p = c->promises; p; p = p->next)
		if (!strcmp(p->volume->name, volume->name))
			return true;
	return false;
}

const struct object *volume_promised_to(const struct sched_cache *c, const struct object *claim)
{
	for (const struct volume_promise *p = c->promises; p; p = p->next)
		if (!strcmp(p->claim->uid, claim->uid))
			return p->volume;
	return NULL;
}

static void promise_free(struct volume_promise *p)
{
	struct volume_promise **at = &p->of->cache->promises;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	object_unref(p->volume);
	object_unref(p->claim);
	free(p);
}

static enum modify take_it(const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	const struct volume_promise *p = arg;
	struct claim_ref ref;

	claim_ref_of(&ref, p->claim);
	switch (claim_ref_take(&ref, old, *doc)) {
	case TAKEN_NOW:
		return MODIFY_WRITE;
	case TAKEN_BEFORE:
		return MODIFY_NOTHING;
	case TAKEN_BY_ANOTHER:
		*error = status_conflict(old->kind, old->name, "it is another claim's, or going");
		return MODIFY_FAIL;
	case TAKEN_NO_MEMORY:
		break;
	}
	*error = status_internal("out of memory");
	return MODIFY_FAIL;
}

static void on_taken(const struct status *error, const struct object *object, void *arg)
{
	struct volume_promise *p = arg;
	struct reservation *of = p->of;

	of->failed |= error != NULL;
	promise_free(p);
	if (--of->left)
		return;
	of->done(!of->failed, of->arg);
	free(of);
}

static int promise(struct reservation *of, const struct pod_claim *claim)
{
	struct volume_promise *p = malloc(sizeof(*p));

	if (!p)
		return -ENOMEM;
	*p = (struct volume_promise){
		of, object_ref(claim->chosen->o), object_ref(claim->claim), of->cache->promises};
	of->cache->promises = p;
	of->left++;
	return 0;
}

static struct reservation *reservation_new(
	struct sched_cache *cache, void (*done)(bool ok, void *arg), void *arg)
{
	struct reservation *of = malloc(sizeof(*of));

	if (of)
		*of = (struct reservation){.cache = cache, .done = done, .arg = arg};
	return of;
}

int reserve_volumes(struct cycle *c, struct registry *r, const struct caller *who,
	void (*done)(bool ok, void *arg), void *arg)
{
	struct reservation *of = NULL;
	int err = 0;

	for (size_t i = 0; !err && i < c->n_claims; i++) {
		if (!c->claims[i].chosen)
			continue;
		if (!of)
			of = reservation_new(c->cache, done, arg);
		err = of ? promise(of, &c->claims[i]) : -ENOMEM;
	}
	if (!of)
		return err ? err : RESERVE_NOTHING;
	/* promises are the first of the list, and answers come from the loop */
	for (struct volume_promise *p = c->cache->promises, *next; p && p->of == of; p = next) {
		next = p->next;
		if (err)
			promise_free(p);
		else
			registry_modify(r, who, p->volume->kind, "", p->volume->name, false, take_it,
				&(struct write_options){.field_manager = "default-scheduler"}, on_taken, p);
	}
	if (err)
		free(of);
	return err ? err : RESERVE_UNDER_WAY;
}
