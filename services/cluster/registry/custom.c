/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Kinds of CustomResourceDefinitions: served while there is a definition that says so. The tables of a definition that was replaced stay
 * until the registry is closed: objects and watches may still speak of them.
 *
 * Objects of such kinds are read from the store before their definitions are known, so they wait until all of those are.
 */

#include <errno.h>
#include <string.h>

#include "cluster/registry/registry_int.h"
#include "cluster/schema/crd.h"
#include "cluster/schema/custom.h"
#include "lib/json.h"
#include "lib/log.h"

struct definition {
	struct definition *next;
	struct crd *crd; /* owned */
	char *name;	 /* owned: of the definition, PLURAL.GROUP */
	bool current;
};

struct custom {
	struct registry *r;
	struct informer informer;
	struct definition *definitions; /* with those that were replaced */
};

/* Another definition's kind of the same name in the group: only one can have it. */
static bool is_taken(const struct schema_kind *k)
{
	size_t n;
	const struct schema_kind *const *all = custom_all(&n);

	for (size_t i = 0; all && i < n; i++)
		if (!strcmp(all[i]->group, k->group) && strcmp(all[i]->plural, k->plural) != 0 &&
			(!strcmp(all[i]->kind, k->kind) || !strcmp(all[i]->list_kind, k->list_kind)))
			return true;
	return false;
}

static void forget(struct custom *c, const char *name)
{
	for (struct definition *d = c->definitions; d; d = d->next)
		if (d->current && !strcmp(d->name, name)) {
			d->current = false;
			if (d->crd->n)
				custom_remove(d->crd->kinds[0]->group, d->crd->kinds[0]->plural);
		}
}

static bool serve(struct custom *c, struct definition *d)
{
	const struct schema_kind *first = d->crd->n ? d->crd->kinds[0] : NULL;
	struct view *v;

	if (!first)
		return true;
	if (is_taken(first)) {
		log_warn("registry definition=%s msg=\"the kind %s is another's\"", d->name, first->kind);
		return false;
	}
	v = registry_view(c->r, first);
	if (v)
		v->kind = first->stored;
	else if (registry_add_view(c->r, first->stored))
		return false;
	for (struct definition *other = c->definitions; other; other = other->next)
		if (!strcmp(other->name, d->name))
			other->current = false;
	return !custom_add(d->crd->kinds, d->crd->n);
}

static void learn(struct custom *c, const struct object *o)
{
	cleanup(json_docp) yyjson_doc *doc = object_doc(o);
	struct field_errors errors = {0};
	struct definition *d = calloc(1, sizeof(*d));

	if (d && doc) {
		d->name = strdup(o->name);
		d->crd = crd_new(yyjson_doc_get_root(doc), false, NULL, &errors);
	}
	if (d && d->name && d->crd && serve(c, d)) {
		d->current = true;
		d->next = c->definitions;
		c->definitions = d;
	} else {
		log_warn("registry definition=%s msg=\"not served\" why=\"%s\"", o->name,
			errors.n ? errors.items[0].message : "");
		if (d) {
			crd_free(d->crd);
			free(d->name);
		}
		free(d);
	}
	field_errors_fini(&errors);
}

static bool is_served(const struct custom *c, const char *name)
{
	for (const struct definition *d = c->definitions; d; d = d->next)
		if (d->current && !strcmp(d->name, name))
			return true;
	return false;
}

static void on_event(
	struct informer *i, enum event_type type, const struct object *old, const struct object *now)
{
	struct custom *c = container_of(i, struct custom, informer);

	if (type == EVENT_DELETED)
		forget(c, now->name);
	else if (!old || old->generation != now->generation || !is_served(c, now->name))
		learn(c, now);
}

int custom_open(struct custom **out, struct registry *r)
{
	struct custom *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->r = r;
	c->informer = (struct informer){
		.kind = schema_find("apiextensions.k8s.io", "v1", "customresourcedefinitions"),
		.event = on_event};
	*out = c;
	registry_inform(r, &c->informer);
	return 0;
}

void custom_close(struct custom *c)
{
	if (!c)
		return;
	registry_uninform(&c->informer);
	while (c->definitions) {
		struct definition *d = c->definitions;

		c->definitions = d->next;
		if (d->current && d->crd->n)
			custom_remove(d->crd->kinds[0]->group, d->crd->kinds[0]->plural);
		crd_free(d->crd);
		free(d->name);
		free(d);
	}
	free(c);
}
