/* SPDX-License-Identifier: Apache-2.0 */

/*
 * ServiceCIDRs: what is sent into the range of services and leads to none is refused by every node, so a range that holds a node's
 * own address, those of its pods, or what every machine has for itself, would cut them off. No more are added than nodes know. They
 * are kept while they are in use (controllers/servicecidr.c).
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/registry/admission.h"
#include "cluster/registry/registry_int.h"
#include "cluster/registry/service_ranges.h"
#include "cluster/registry/services.h"
#include "cluster/schema/meta.h"
#include "lib/json.h"
#include "lib/kube_names.h"

struct fitting {
	struct ipaddr range;
	char why[400]; /* "": it fits */
};

/* Has it something in common with this address or range of a node's? */
static bool meets(const struct ipaddr *range, yyjson_val *text)
{
	struct ipaddr a;

	return yyjson_is_str(text) && !ipaddr_parse(yyjson_get_str(text), &a) && ipaddr_overlap(&a, range);
}

bool service_range_meets(const struct ipaddr *range, yyjson_val *node, char *why, size_t size)
{
	const char *name = json_str(json_obj(node, "metadata"), "name") ?: "";
	yyjson_val *v;
	size_t i, n;

	why[0] = '\0';
	yyjson_arr_foreach (json_arr(json_obj(node, "status"), "addresses"), i, n, v)
		if (meets(range, yyjson_obj_get(v, "address")))
			snprintf(
				why, size, "has the address %s of node %.253s", json_str(v, "address"), name);
	yyjson_arr_foreach (json_arr(json_obj(node, "spec"), "podCIDRs"), i, n, v)
		if (meets(range, v))
			snprintf(why, size, "has addresses of the pods of node %.253s: %s", name,
				yyjson_get_str(v));
	return *why;
}

static bool look_at_node(const struct object *o, void *arg)
{
	struct fitting *f = arg;
	cleanup(json_docp) yyjson_doc *doc = object_doc(o);

	return !service_range_meets(&f->range, yyjson_doc_get_root(doc), f->why, sizeof(f->why));
}

static void look_at_special(struct fitting *f)
{
	static const struct {
		const char *range, *what;
	} special[] = {
		{"127.0.0.0/8", "each machine's loopback device"},
		{"169.254.0.0/16", "links"},
		{"224.0.0.0/4", "multicast"},
	};

	for (size_t i = 0; i < array_len(special); i++) {
		struct ipaddr a;

		if (!ipaddr_parse(special[i].range, &a) && ipaddr_overlap(&a, &f->range))
			snprintf(f->why, sizeof(f->why), "has addresses of %s: %s", special[i].what,
				special[i].range);
	}
}

struct others {
	const char *name; /* of the one that is asked about */
	struct ipaddr own;
	size_t n; /* with a range of IPv4 that is not the cluster's own */
};

static bool count_other(const struct object *o, void *arg)
{
	struct others *c = arg;
	cleanup(json_docp) yyjson_doc *doc = object_doc(o);
	struct ipaddr range = kube_service_range(yyjson_doc_get_root(doc));

	if (strcmp(o->name, c->name) != 0 && range.family && !ipaddr_equal(&range, &c->own))
		c->n++;
	return true;
}

static void look_at_number(const struct attempt *a, struct fitting *f, const struct ipaddr *own)
{
	struct others c = {.name = a->name, .own = *own};

	registry_each(a->registry, a->kind, NULL, count_other, &c);
	if (c.n + 1 >= KUBE_SERVICE_RANGES_MAX)
		snprintf(f->why, sizeof(f->why),
			"the cluster has %d ranges already, and nodes know no more: delete a ServiceCIDR, "
			"or make one with a wider range in its place",
			KUBE_SERVICE_RANGES_MAX);
}

static bool is_new(const struct attempt *a, yyjson_mut_val *range)
{
	cleanup(json_docp) yyjson_doc *doc = a->old ? object_doc(a->old) : NULL;
	yyjson_val *before = json_arr(json_obj(yyjson_doc_get_root(doc), "spec"), "cidrs");

	return !json_arr_has(before, yyjson_mut_get_str(range));
}

static bool ours(const struct attempt *a)
{
	return attempt_is(a, "networking.k8s.io", "ServiceCIDR") && !*a->subresource &&
	       a->verb != ADMIT_DELETE;
}

static struct status *change(struct attempt *a)
{
	if (!ours(a) || (a->old && a->old->deleted))
		return NULL;
	return attempt_protect(a, SERVICE_RANGE_FINALIZER);
}

/* That of the machine configuration was checked with it, before there were nodes. */
static struct status *check(const struct attempt *a)
{
	const struct ipaddr own = services_own_range(a->registry);
	yyjson_mut_val *v;
	struct field_errors e = {0};
	struct status *err = NULL;
	size_t i, n;

	if (!ours(a))
		return NULL;
	yyjson_mut_arr_foreach(meta_mut_get(a->root, "spec", "cidrs", NULL), i, n, v)
	{
		struct fitting f = {0};
		char where[32];

		snprintf(where, sizeof(where), "spec.cidrs[%zu]", i);
		if (ipaddr_parse(yyjson_mut_get_str(v) ?: "", &f.range) || !is_new(a, v) ||
			ipaddr_equal(&f.range, &own))
			continue;
		if (f.range.family == AF_INET6)
			attempt_warn(
				a, "services have IPv4 addresses only: none is given from a range of IPv6");
		look_at_special(&f);
		if (!*f.why)
			registry_each(a->registry, schema_find("", "v1", "nodes"), NULL, look_at_node, &f);
		if (!*f.why && f.range.family == AF_INET)
			look_at_number(a, &f, &own);
		if (*f.why)
			field_error(&e, FIELD_INVALID, where, v, "%s", f.why);
	}
	if (e.n)
		err = field_errors_status(&e, a->kind, a->name);
	field_errors_fini(&e);
	return err;
}

const struct admission admission_service_range = {.name = "ServiceRanges", .change = change, .check = check};
