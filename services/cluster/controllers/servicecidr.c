/* SPDX-License-Identifier: Apache-2.0 */

/*
 * ServiceCIDRs: whether services are given addresses of them. One that is being deleted gives none any more (service_ranges.h), and
 * stays until no Service has an address that is in no other. That of the cluster itself is made anew when it is not there. A node that
 * came later than a range with an address in it is named by the range's condition.
 */

#include <stdio.h>
#include <string.h>

#include "cluster/controllers/controllers.h"
#include "cluster/registry/service_ranges.h"
#include "cluster/registry/services.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "lib/json.h"
#include "lib/kube_names.h"

#define API "networking.k8s.io/v1"

/* A write on its way is answered soon. */
enum { ASKED_MS = 500 };

struct word {
	const char *status, *reason, *message;
};

static const struct word
	ready = {"True", "", "Kubernetes Service CIDR is ready"},
	leaving = {"False", "Terminating",
		"There are still IPAddresses referencing the ServiceCIDR, please remove them or "
		"create a new ServiceCIDR"},
	too_small = {"False", "NoAddresses",
		"a service can have neither the first nor the last address of the range, and there is no "
		"other"},
	other_family = {"False", "FamilyNotServed",
		"services have IPv4 addresses only: none is given from a range of IPv6"};

struct condition {
	struct word word;
	int64_t now_s;
	char text[600]; /* of a message that is made */
};

static enum modify write_ready(
	const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	const struct condition *c = arg;
	yyjson_mut_val *list = conditions_of(*doc, yyjson_mut_doc_get_root(*doc));

	if (!list)
		return MODIFY_FAIL;
	return condition_set(*doc, list, "Ready", c->word.status, c->word.reason, c->word.message, c->now_s)
		       ? MODIFY_WRITE
		       : MODIFY_NOTHING;
}

/* @cut_off: what it has of which node; NULL: nothing */
static void say(struct turn *t, const struct word *word, const char *cut_off)
{
	struct condition *c = malloc(sizeof(*c));

	if (!c) {
		turn_failed(t);
		return;
	}
	*c = (struct condition){.word = *word, .now_s = t->now_s};
	if (cut_off) {
		snprintf(c->text, sizeof(c->text),
			"%s, but it %s, which other nodes cannot reach there: give the node "
			"another address, or delete this ServiceCIDR",
			word->message, cut_off);
		c->word.reason = "NodeInRange";
		c->word.message = c->text;
	}
	turn_modify(t, t->object, "status", write_ready, c);
}

struct search {
	const struct ipaddr *range;
	char why[400]; /* "": there is none */
};

static bool look_at_node(const struct object *o, void *arg)
{
	struct search *s = arg;
	cleanup(json_docp) yyjson_doc *doc = object_doc(o);

	return !service_range_meets(s->range, yyjson_doc_get_root(doc), s->why, sizeof(s->why));
}

static void say_ready(struct turn *t, const struct ipaddr *range)
{
	struct search s = {.range = range};

	registry_each(t->r, schema_find_kind("v1", "Node"), NULL, look_at_node, &s);
	say(t, &ready, *s.why ? s.why : NULL);
}

static void make_own(struct turn *t)
{
	const struct schema_kind *kind = schema_find_kind(API, "ServiceCIDR");
	const struct ipaddr range = services_own_range(t->r);
	yyjson_mut_doc *doc = new_object(kind);
	yyjson_mut_val *spec = doc ? meta_make(doc, yyjson_mut_doc_get_root(doc), "spec", NULL) : NULL;
	yyjson_mut_val *list = spec ? yyjson_mut_obj_add_arr(doc, spec, "cidrs") : NULL;
	char text[IPADDR_TEXT_MAX];

	if (list && yyjson_mut_arr_add_strcpy(doc, list, ipaddr_format(&range, true, text)) &&
		meta_set_text(doc, yyjson_mut_doc_get_root(doc), "name", SERVICE_RANGE_OWN)) {
		turn_create(t, kind, "", doc);
		return;
	}
	yyjson_mut_doc_free(doc);
	turn_failed(t);
}

static void let_go(struct turn *t, const struct ipaddr *range)
{
	enum service_range_use use = range->family ? services_use(t->r, range) : SERVICE_RANGE_UNUSED;

	if (use == SERVICE_RANGE_USED)
		say(t, &leaving, NULL);
	else if (use == SERVICE_RANGE_ASKED)
		turn_again_in(t, ASKED_MS);
	else
		turn_remove(t, t->object, NULL, "metadata", SERVICE_RANGE_FINALIZER);
}

static void sync_range(struct turn *t)
{
	struct ipaddr range = kube_service_range(t->root);

	if (!t->object) {
		if (!strcmp(t->name, SERVICE_RANGE_OWN))
			make_own(t);
	} else if (t->object->deleted) {
		let_go(t, &range);
	} else if (range.family && service_range_size(&range)) {
		say_ready(t, &range);
	} else {
		say(t, range.family ? &too_small : &other_family, NULL);
	}
}

static bool is_leaving(const struct object *o, const void *arg)
{
	return o->deleted;
}

static void on_range(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	controller_queue_where(c, NULL, is_leaving, NULL);
}

/* A node as it was and as it is. */
struct nodes {
	yyjson_val *roots[2];
};

static bool meets_node(const struct object *o, const void *arg)
{
	const struct nodes *nodes = arg;
	cleanup(json_docp) yyjson_doc *doc = object_doc(o);
	struct ipaddr range = kube_service_range(yyjson_doc_get_root(doc));
	char why[400];

	for (size_t i = 0; range.family && i < array_len(nodes->roots); i++)
		if (service_range_meets(&range, nodes->roots[i], why, sizeof(why)))
			return true;
	return false;
}

static void on_node(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	cleanup(json_docp) yyjson_doc *before = old ? object_doc(old) : NULL, *after = object_doc(now);
	struct nodes nodes = {{yyjson_doc_get_root(before), yyjson_doc_get_root(after)}};

	/* most of what a node says is how it is */
	if (type == EVENT_MODIFIED &&
		yyjson_equals(meta_get(nodes.roots[0], "status", "addresses", NULL),
			meta_get(nodes.roots[1], "status", "addresses", NULL)) &&
		yyjson_equals(meta_get(nodes.roots[0], "spec", "podCIDRs", NULL),
			meta_get(nodes.roots[1], "spec", "podCIDRs", NULL)))
		return;
	controller_queue_where(c, NULL, meets_node, &nodes);
}

/* There is always one: the API's own. */
static void on_service(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	controller_queue_where(c, NULL, is_leaving, NULL);
	if (!registry_get(
		    controller_registry(c), schema_find_kind(API, "ServiceCIDR"), "", SERVICE_RANGE_OWN))
		controller_queue(c, "", SERVICE_RANGE_OWN);
}

const struct controller_type service_range_controller = {
	.name = "service-cidr-controller",
	.api_version = API,
	.kind = "ServiceCIDR",
	.sync = sync_range,
	.watches = {{API, "ServiceCIDR", on_range}, {"v1", "Service", on_service}, {"v1", "Node", on_node}},
};
