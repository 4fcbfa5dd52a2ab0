/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cluster/ranges.h"
#include "cluster/registry/registry.h"
#include "cluster/registry/service_ranges.h"
#include "cluster/schema/schema.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/kube_names.h"

struct fitting {
	const struct registry *registry;
	const struct kube_names *names;
	struct ipaddr services, pods;
	char *why;
};

static const struct schema_kind *ranges_kind(void)
{
	return schema_find_kind("networking.k8s.io/v1", "ServiceCIDR");
}

/* Services that are at an address of their own. */
static const char *fixed_address(const struct fitting *f, const struct object *o)
{
	if (!strcmp(o->ns, "default") && !strcmp(o->name, "kubernetes"))
		return f->names->api_address;
	if (!strcmp(o->ns, "kube-system") && !strcmp(o->name, "kube-dns"))
		return f->names->dns_address;
	return NULL;
}

struct added {
	const struct ipaddr *address;
	bool found;
};

/* Is it in a range that was added to the cluster's own? */
static bool look_at_range(const struct object *o, void *arg)
{
	struct added *a = arg;
	cleanup(json_docp) yyjson_doc *doc = object_doc(o);
	struct ipaddr range = kube_service_range(yyjson_doc_get_root(doc));

	a->found = strcmp(o->name, SERVICE_RANGE_OWN) != 0 && ipaddr_overlap(a->address, &range);
	return !a->found;
}

static bool is_added(const struct fitting *f, const struct ipaddr *address)
{
	struct added a = {.address = address};

	registry_each(f->registry, ranges_kind(), NULL, look_at_range, &a);
	return a.found;
}

static bool service_fits(const struct object *o, void *arg)
{
	struct fitting *f = arg;
	cleanup(json_docp) yyjson_doc *doc = object_doc(o);
	const char *text = json_text(json_obj(yyjson_doc_get_root(doc), "spec"), "clusterIP"),
		   *fixed = fixed_address(f, o);
	struct ipaddr a;

	if (!text || ipaddr_parse(text, &a) || a.family != AF_INET)
		return true; /* headless */
	if (fixed ? !strcmp(text, fixed) : ipaddr_overlap(&a, &f->services) || is_added(f, &a))
		return true;
	snprintf(f->why, RANGES_WHY_MAX,
		"cluster.service_range %s with cluster.dns_address %s does not fit a cluster that exists: its "
		"service %.63s/%.63s has the address %s. Take the old values, or make the cluster anew",
		f->names->service_range, f->names->dns_address, o->ns, o->name, text);
	return false;
}

static bool node_fits(const struct object *o, void *arg)
{
	struct fitting *f = arg;
	cleanup(json_docp) yyjson_doc *doc = object_doc(o);
	const char *text = json_text(json_obj(yyjson_doc_get_root(doc), "spec"), "podCIDR");
	struct ipaddr a;

	if (!text || ipaddr_parse(text, &a) || (a.prefix >= f->pods.prefix && ipaddr_overlap(&a, &f->pods)))
		return true;
	snprintf(f->why, RANGES_WHY_MAX,
		"cluster.pod_range %s does not fit a cluster that exists: its node %.63s gives addresses of %s. "
		"Take the old value, or make the cluster anew",
		f->names->pod_range, o->name, text);
	return false;
}

/* What was made of the range that the cluster was made with. */
static void check_own_range(const struct fitting *f)
{
	const struct object *o = registry_get(f->registry, ranges_kind(), "", SERVICE_RANGE_OWN);
	cleanup(json_docp) yyjson_doc *doc = o ? object_doc(o) : NULL;
	struct ipaddr range = kube_service_range(yyjson_doc_get_root(doc));
	char text[IPADDR_TEXT_MAX];

	if (range.family && !ipaddr_equal(&range, &f->services))
		snprintf(f->why, RANGES_WHY_MAX,
			"cluster.service_range %s does not fit a cluster that exists: its own ServiceCIDR "
			"(" SERVICE_RANGE_OWN
			") is %s. Take the old value; another ServiceCIDR gives more addresses",
			f->names->service_range, ipaddr_format(&range, true, text));
}

bool ranges_fit(const struct registry *r, const struct kube_names *n, char why[static RANGES_WHY_MAX])
{
	struct fitting f = {.registry = r, .names = n, .why = why};

	*why = 0;
	if (ipaddr_parse(n->service_range, &f.services) || ipaddr_parse(n->pod_range, &f.pods)) {
		snprintf(why, RANGES_WHY_MAX, "cluster: ranges that are none");
		return false;
	}
	registry_each(r, schema_find_kind("v1", "Service"), NULL, service_fits, &f);
	if (!*why)
		check_own_range(&f);
	if (!*why)
		registry_each(r, schema_find_kind("v1", "Node"), NULL, node_fits, &f);
	return !*why;
}

int domain_fits(const char *data_dir, const char *domain, char why[static RANGES_WHY_MAX])
{
	cleanup(closep) int dir = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup(freep) char *kept = NULL;
	size_t len;
	int err;

	if (dir < 0)
		return -errno;
	err = file_read(dir, "domain", KUBE_DOMAIN_MAX, &kept, &len);
	if (err == -ENOENT)
		return file_replace(dir, "domain", domain, strlen(domain), 0644) ?: 1;
	if (err || !kept)
		return err ?: -EIO;
	if (!strcmp(kept, domain))
		return 1;
	snprintf(why, RANGES_WHY_MAX,
		"cluster.domain %.100s does not fit a cluster that exists: its domain is %.100s. Take the old value, or "
		"make the cluster anew",
		domain, kept);
	return 0;
}
