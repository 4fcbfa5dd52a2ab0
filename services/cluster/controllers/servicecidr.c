/* SPDX-License-Identifier: Apache-2.0 */

/*
 * ServiceCIDRs: whether services are given addresses of them. One that is being deleted gives none any more (service_ranges.h), and
 * stays until no Service has an address that is in no other. That of the cluster itself is made anew when it is not there.
 */

#include <string.h>

#include "cluster/controllers/controllers.h"
#include "cluster/registry/service_ranges.h"
#include "cluster/registry/services.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
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

static void say(struct turn *t, const struct word *word)
{
	struct condition *c = malloc(sizeof(*c));

	if (!c) {
		turn_failed(t);
		return;
	}
	*c = (struct condition){*word, t->now_s};
	turn_modify(t, t->object, "status", write_ready, c);
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
		say(t, &leaving);
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
	} else {
		say(t, !range.family ? &other_family : !service_range_size(&range) ? &too_small : &ready);
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
	.watches = {{API, "ServiceCIDR", on_range}, {"v1", "Service", on_service}},
};
