/* SPDX-License-Identifier: Apache-2.0 */

/* The core group's other kinds: services, configuration, nodes, storage. */

#include <arpa/inet.h>
#include <string.h>

#include "cluster/schema/check_int.h"
#include "cluster/schema/meta.h"
#include "lib/quantity.h"

schema_check check_service, check_service_spec, check_config_map, check_secret, check_node_spec,
	check_endpoint_slice, check_persistent_volume, check_claim_spec, check_claim_update,
	check_limit_range_item;

static bool is_type(yyjson_mut_val *spec, const char *type)
{
	return !strcmp(text_of(spec, "type"), type);
}

static void service_ports(struct check *c, yyjson_mut_val *spec)
{
	const struct check_once once[] = {
		{CHECK_KEYS("name"), .type = FIELD_DUPLICATE, .member = "name"},
		{CHECK_KEYS("port", "protocol"), .type = FIELD_DUPLICATE},
		{CHECK_KEYS("nodePort", "protocol"), .type = FIELD_DUPLICATE, .member = "nodePort"},
	};
	yyjson_mut_val *ports = yyjson_mut_obj_get(spec, "ports"), *p;
	size_t i, n;

	yyjson_mut_arr_foreach(ports, i, n, p)
	{
		yyjson_mut_val *name = yyjson_mut_obj_get(p, "name");

		if (n > 1 && !yyjson_mut_get_len(name))
			check_error(c, FIELD_REQUIRED, NULL, REL(".ports[%zu].name", i), "%s", "");
		if (int_of(p, "nodePort") && !is_type(spec, "NodePort") && !is_type(spec, "LoadBalancer"))
			check_error(c, FIELD_FORBIDDEN, NULL, REL(".ports[%zu].nodePort", i),
				"may not be used when `type` is '%s'", text_of(spec, "type"));
	}
	for (i = 0; i < array_len(once); i++)
		check_once(c, &(struct check_list){ports, ".ports"}, 1, &once[i]);
}

/* The cluster's addresses are IPv4. Of a service without addresses and pods, somebody else says what its families are. */
static void service_families(struct check *c, yyjson_mut_val *spec, bool headless)
{
	yyjson_mut_val *policy = yyjson_mut_obj_get(spec, "ipFamilyPolicy"), *family;
	size_t i, n;

	if (is_type(spec, "ExternalName") ||
		(headless && !yyjson_mut_obj_size(yyjson_mut_obj_get(spec, "selector"))))
		return;
	if (yyjson_mut_equals_str(policy, "RequireDualStack"))
		check_error(c, FIELD_INVALID, policy, ".ipFamilyPolicy",
			"this cluster is not configured for dual-stack services");
	yyjson_mut_arr_foreach(yyjson_mut_obj_get(spec, "ipFamilies"), i, n,
		family) if (yyjson_mut_equals_str(family, "IPv6")) check_error(c, FIELD_INVALID, family,
		REL(".ipFamilies[%zu]", i), "not configured on this cluster");
}

void check_service_spec(struct check *c, yyjson_mut_val *spec, yyjson_mut_val *old)
{
	yyjson_mut_val *ip = yyjson_mut_obj_get(spec, "clusterIP"),
		       *external = yyjson_mut_obj_get(spec, "externalName");
	bool headless = yyjson_mut_equals_str(ip, "None");

	if (is_type(spec, "ExternalName")) {
		if (yyjson_mut_get_len(ip))
			check_error(c, FIELD_FORBIDDEN, NULL, ".clusterIPs",
				"may not be set when `type` is 'ExternalName'");
		if (!yyjson_mut_get_len(external))
			check_error(c, FIELD_REQUIRED, NULL, ".externalName", "%s", "");
		else
			check_format(c, external, ".externalName", SCHEMA_DNS_SUBDOMAIN);
	} else if (!headless && !yyjson_mut_arr_size(yyjson_mut_obj_get(spec, "ports"))) {
		check_error(c, FIELD_REQUIRED, NULL, ".ports", "%s", "");
	}
	if (headless && (is_type(spec, "LoadBalancer") || is_type(spec, "NodePort")))
		check_error(c, FIELD_INVALID, ip, ".clusterIPs[0]",
			"may not be set to 'None' for %s services", text_of(spec, "type"));
	if (yyjson_mut_get_len(ip) && !headless)
		check_format(c, ip, ".clusterIPs[0]", SCHEMA_IP);
	if (!strcmp(text_of(spec, "sessionAffinity"), "None") &&
		yyjson_mut_obj_get(spec, "sessionAffinityConfig"))
		check_error(c, FIELD_FORBIDDEN, NULL, ".sessionAffinityConfig",
			"must not be set when session affinity is None");
	if (*text_of(spec, "externalTrafficPolicy") && is_type(spec, "ClusterIP") &&
		!yyjson_mut_arr_size(yyjson_mut_obj_get(spec, "externalIPs")))
		check_error(c, FIELD_INVALID, yyjson_mut_obj_get(spec, "externalTrafficPolicy"),
			".externalTrafficPolicy", "may only be set for externally-accessible services");
	if (yyjson_mut_obj_get(spec, "allocateLoadBalancerNodePorts") && !is_type(spec, "LoadBalancer"))
		check_error(c, FIELD_FORBIDDEN, NULL, ".allocateLoadBalancerNodePorts",
			"may only be used when `type` is 'LoadBalancer'");
	service_families(c, spec, headless);
	service_ports(c, spec);
}

void check_service(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	yyjson_mut_val *spec = yyjson_mut_obj_get(o, "spec"), *before = yyjson_mut_obj_get(old, "spec");
	yyjson_mut_val *ip = yyjson_mut_obj_get(before, "clusterIP"),
		       *now = yyjson_mut_obj_get(spec, "clusterIP"),
		       *external = yyjson_mut_obj_get(spec, "externalIPs"), *v;
	size_t i, n;

	if (old && yyjson_mut_get_len(ip) && !is_type(before, "ExternalName") &&
		!is_type(spec, "ExternalName") && !meta_equal(ip, now))
		check_error(c, FIELD_INVALID, now, ".spec.clusterIPs[0]", "may not change once set");
	/* what was stored before there was this rule stays */
	if (!meta_equal(external, yyjson_mut_obj_get(before, "externalIPs")))
		yyjson_mut_arr_foreach(external, i, n, v)
			check_reachable(c, v, REL(".spec.externalIPs[%zu]", i));
}

enum { DATA_MAX = 1 << 20 };

static size_t text_size(yyjson_mut_val *map)
{
	size_t i, n, total = 0;
	yyjson_mut_val *key, *v;

	yyjson_mut_obj_foreach(map, i, n, key, v) total += yyjson_mut_get_len(v);
	return total;
}

/* Once `immutable` is set, neither it nor what it protects changes. */
static void frozen(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old, const char *const *names)
{
	if (!old || !yyjson_mut_is_true(yyjson_mut_obj_get(old, "immutable")))
		return;
	if (!yyjson_mut_is_true(yyjson_mut_obj_get(o, "immutable")))
		check_error(
			c, FIELD_FORBIDDEN, NULL, ".immutable", "field is immutable when `immutable` is set");
	for (; *names; names++) {
		yyjson_mut_val *v = yyjson_mut_obj_get(o, *names), *w = yyjson_mut_obj_get(old, *names);

		if ((v || w) && !meta_equal(v, w))
			check_error(c, FIELD_FORBIDDEN, NULL, REL(".%s", *names),
				"field is immutable when `immutable` is set");
	}
}

void check_config_map(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	static const char *const names[] = {"data", "binaryData", NULL};
	yyjson_mut_val *data = yyjson_mut_obj_get(o, "data"), *binary = yyjson_mut_obj_get(o, "binaryData"),
		       *key, *v, shown;
	size_t i, n;

	yyjson_mut_obj_foreach(data, i, n, key, v)
	{
		if (!yyjson_mut_obj_get(binary, yyjson_mut_get_str(key)))
			continue;
		shown = *key;
		shown.next = NULL;
		check_error(c, FIELD_INVALID, &shown, REL(".data[%.150s]", yyjson_mut_get_str(key)),
			"duplicate of key present in binaryData");
	}
	if (text_size(data) + text_size(binary) / 4 * 3 > DATA_MAX)
		check_error(c, FIELD_TOO_LONG, NULL, "", "may not be more than %d bytes", DATA_MAX);
	frozen(c, o, old, names);
}

void check_secret(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	static const char *const names[] = {"data", NULL};
	static const struct {
		const char *type, *keys[2];
	} needs[] = {
		{"kubernetes.io/dockerconfigjson", {".dockerconfigjson"}},
		{"kubernetes.io/dockercfg", {".dockercfg"}},
		{"kubernetes.io/tls", {"tls.crt", "tls.key"}},
		{"kubernetes.io/ssh-auth", {"ssh-privatekey"}},
	};
	yyjson_mut_val *data = yyjson_mut_obj_get(o, "data");
	const char *type = text_of(o, "type");

	for (size_t i = 0; i < array_len(needs); i++)
		for (size_t j = 0; !strcmp(type, needs[i].type) && j < 2 && needs[i].keys[j]; j++)
			if (!yyjson_mut_obj_get(data, needs[i].keys[j]))
				check_error(c, FIELD_REQUIRED, NULL, REL(".data[%s]", needs[i].keys[j]), "%s",
					"");
	if (!strcmp(type, "kubernetes.io/basic-auth") && !yyjson_mut_obj_get(data, "username") &&
		!yyjson_mut_obj_get(data, "password"))
		check_error(c, FIELD_REQUIRED, NULL, ".data[username]", "%s", "");
	if (!strcmp(type, "kubernetes.io/service-account-token") &&
		!yyjson_mut_get_len(meta_mut_get(
			o, "metadata", "annotations", "kubernetes.io/service-account.name", NULL)))
		check_error(c, FIELD_REQUIRED, NULL,
			".metadata.annotations[kubernetes.io/service-account.name]", "%s", "");
	if (text_size(data) / 4 * 3 > DATA_MAX)
		check_error(c, FIELD_TOO_LONG, NULL, ".data", "may not be more than %d bytes", DATA_MAX);
	frozen(c, o, old, names);
}

void check_node_spec(struct check *c, yyjson_mut_val *spec, yyjson_mut_val *old)
{
	const struct check_once once = {CHECK_KEYS("key", "effect"), CHECK_EMPTY_IS_ABSENT, FIELD_DUPLICATE,
		NULL, "taints must be unique by key and effect pair"};
	yyjson_mut_val *range = yyjson_mut_obj_get(spec, "podCIDR"),
		       *before = yyjson_mut_obj_get(old, "podCIDR");

	check_once(c, &(struct check_list){yyjson_mut_obj_get(spec, "taints"), ".taints"}, 1, &once);
	if (old && before && !meta_equal(range, before))
		check_error(c, FIELD_FORBIDDEN, NULL, ".podCIDRs",
			"node updates may not change podCIDR except from \"\" to valid");
}

void check_endpoint_slice(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	const struct check_once once = {
		CHECK_KEYS("name"), CHECK_EMPTY_IS_ABSENT, FIELD_DUPLICATE, "name", NULL};
	const char *type = text_of(o, "addressType");
	int family = !strcmp(type, "IPv4") ? AF_INET : !strcmp(type, "IPv6") ? AF_INET6 : 0;
	yyjson_mut_val *endpoint, *address;
	size_t i, n, j, m;
	unsigned char buf[16];

	yyjson_mut_arr_foreach(yyjson_mut_obj_get(o, "endpoints"), i, n, endpoint)
	{
		yyjson_mut_arr_foreach(yyjson_mut_obj_get(endpoint, "addresses"), j, m, address)
		{
			const char *where = REL(".endpoints[%zu].addresses[%zu]", i, j);

			if (!family)
				check_format(c, address, where, SCHEMA_DNS_SUBDOMAIN);
			else if (inet_pton(family, yyjson_mut_get_str(address) ?: "", buf) != 1)
				check_error(
					c, FIELD_INVALID, address, where, "must be a valid %s address", type);
			else
				check_reachable(c, address, where);
		}
	}
	check_once(c, &(struct check_list){yyjson_mut_obj_get(o, "ports"), ".ports"}, 1, &once);
}

/* Where the bytes of a volume are: the members of its spec that are sources. */
static bool is_source(const char *name)
{
	static const char *const others[] = {"capacity", "accessModes", "claimRef",
		"persistentVolumeReclaimPolicy", "storageClassName", "mountOptions", "volumeMode",
		"nodeAffinity", "volumeAttributesClassName"};

	for (size_t i = 0; i < array_len(others); i++)
		if (!strcmp(name, others[i]))
			return false;
	return true;
}

void check_persistent_volume(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	yyjson_mut_val *spec = yyjson_mut_obj_get(o, "spec"), *before = yyjson_mut_obj_get(old, "spec"), *key,
		       *v;
	size_t i, n, sources = 0;

	yyjson_mut_obj_foreach(spec, i, n, key, v)
	{
		const char *name = yyjson_mut_get_str(key);

		if (!is_source(name))
			continue;
		if (sources++)
			check_error(c, FIELD_FORBIDDEN, NULL, REL(".spec.%s", name),
				"may not specify more than 1 volume type");
		if (old && !meta_equal(v, yyjson_mut_obj_get(before, name)))
			check_error(c, FIELD_FORBIDDEN, NULL, ".spec.persistentvolumesource",
				"spec.persistentvolumesource is immutable after creation");
	}
	if (!sources)
		check_error(c, FIELD_REQUIRED, NULL, ".spec", "must specify a volume type");
	if (!yyjson_mut_arr_size(yyjson_mut_obj_get(spec, "accessModes")))
		check_error(c, FIELD_REQUIRED, NULL, ".spec.accessModes", "%s", "");
	if (!yyjson_mut_obj_size(yyjson_mut_obj_get(spec, "capacity")))
		check_error(c, FIELD_REQUIRED, NULL, ".spec.capacity", "%s", "");
	if (yyjson_mut_obj_get(spec, "local") && !yyjson_mut_obj_get(spec, "nodeAffinity"))
		check_error(
			c, FIELD_REQUIRED, NULL, ".spec.nodeAffinity", "Local volume requires node affinity");
}

void check_claim_spec(struct check *c, yyjson_mut_val *spec, yyjson_mut_val *old)
{
	if (!yyjson_mut_obj_get(
		    yyjson_mut_obj_get(yyjson_mut_obj_get(spec, "resources"), "requests"), "storage"))
		check_error(c, FIELD_REQUIRED, NULL, ".resources[storage]", "%s", "");
}

static __int128 storage_of(yyjson_mut_val *list)
{
	yyjson_mut_val *v = yyjson_mut_obj_get(list, "storage");
	struct quantity q;

	return yyjson_mut_is_str(v) && !quantity_parse(&q, yyjson_mut_get_str(v), yyjson_mut_get_len(v))
		       ? q.nano
		       : 0;
}

/* All but requests.storage, members of either. */
static bool same_but_storage(yyjson_mut_val *a, yyjson_mut_val *b)
{
	yyjson_mut_val *x = yyjson_mut_obj_get(a, "requests"), *y = yyjson_mut_obj_get(b, "requests"), *key,
		       *v;
	yyjson_mut_val *limits = yyjson_mut_obj_get(a, "limits"), *others = yyjson_mut_obj_get(b, "limits");
	size_t i, n;

	if (yyjson_mut_obj_size(x) != yyjson_mut_obj_size(y) ||
		yyjson_mut_obj_size(limits) != yyjson_mut_obj_size(others) ||
		(yyjson_mut_obj_size(limits) && !meta_equal(limits, others)))
		return false;
	yyjson_mut_obj_foreach(x, i, n, key,
		v) if (!yyjson_mut_equals_str(key, "storage") &&
		       !meta_equal(v, yyjson_mut_obj_get(y, yyjson_mut_get_str(key)))) return false;
	return true;
}

/* What a bound claim may still ask for, or any claim that had nothing there. */
static bool may_differ(const char *name, bool bound, bool removed, yyjson_mut_val *v, yyjson_mut_val *old)
{
	if (!strcmp(name, "resources"))
		return old && same_but_storage(v, old) &&
		       (bound || storage_of(yyjson_mut_obj_get(v, "requests")) ==
					 storage_of(yyjson_mut_obj_get(old, "requests")));
	if (!strcmp(name, "volumeAttributesClassName"))
		return true;
	/* what was empty may be filled in: by the binder, and by the default class */
	return !removed && !old && (!strcmp(name, "volumeName") || !strcmp(name, "storageClassName"));
}

/* A claim may grow, be bound, and change its attributes; the rest stays. */
void check_claim_update(struct check *c, yyjson_mut_val *spec, yyjson_mut_val *old)
{
	bool bound = !strcmp(text_of(yyjson_mut_obj_get(c->object, "status"), "phase"), "Bound");
	yyjson_mut_val *status = yyjson_mut_obj_get(c->old_object, "status");
	__int128 now, was;
	size_t i, n;
	yyjson_mut_val *key, *v;
	bool changed = false;

	if (!old || !spec || c->scope != VALIDATE_MAIN)
		return;
	for (int round = 0; round < 2; round++) {
		yyjson_mut_val *a = round ? old : spec, *b = round ? spec : old;

		yyjson_mut_obj_foreach(a, i, n, key, v)
		{
			const char *name = yyjson_mut_get_str(key);
			yyjson_mut_val *w = yyjson_mut_obj_get(b, name);

			changed |= !meta_equal(v, w) && !may_differ(name, bound, round, v, w);
		}
	}
	if (changed)
		check_error(c, FIELD_FORBIDDEN, NULL, "",
			"spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims");
	now = storage_of(meta_mut_get(spec, "resources", "requests", NULL));
	was = storage_of(meta_mut_get(old, "resources", "requests", NULL));
	/* what it has already is not taken away; a growth that has not come yet may be called off in part */
	if (now < was && now <= storage_of(yyjson_mut_obj_get(status, "capacity")))
		check_error(c, FIELD_FORBIDDEN, NULL, ".resources.requests.storage",
			"field can not be less than status.capacity");
}

void check_limit_range_item(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	static const char *const only_containers[] = {"default", "defaultRequest"};
	const char *type = text_of(o, "type");

	if (!strcmp(type, "Container"))
		return;
	for (size_t i = 0; i < array_len(only_containers); i++)
		if (yyjson_mut_obj_get(o, only_containers[i]) && !strcmp(type, "Pod"))
			check_error(c, FIELD_FORBIDDEN, NULL, REL(".%s", only_containers[i]),
				"may not be specified when `type` is 'Pod'");
}
