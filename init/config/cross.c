/* SPDX-License-Identifier: Apache-2.0 */

/* Rules between keys: which of them need, exclude or must match each other. */

#include <string.h>
#include <strings.h>

#include "init/config/check.h"
#include "init/config/cross.h"
#include "lib/ipconf.h"
#include "lib/kube_names.h"

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
	for (size_t i = 0; map && i < map->n_kids; i++)
		if (!strcmp(map->kids[i]->key, key))
			return map->kids[i];
	return NULL;
}

static bool is_true(const struct yaml_node *n)
{
	return n && !strcmp(n->text, "true");
}

static const struct yaml_node *first_address(const struct yaml_node *list, bool v6)
{
	for (size_t i = 0; list && i < list->n_kids; i++)
		if (!strchr(list->kids[i]->text, ':') == !v6)
			return list->kids[i];
	return NULL;
}

static int refuse_at(struct config_error *err, const struct yaml_node *n, const char *text)
{
	return config_refuse(err, n->line, n->column, "%s", text);
}

static int check_interface(const struct yaml_node *n, struct config_error *err)
{
	const struct yaml_node *name = yaml_get(n, "name"), *mac = yaml_get(n, "mac");
	const struct yaml_node *vlan = yaml_get(n, "vlan"), *bond = yaml_get(n, "bond");
	const struct yaml_node *addresses = yaml_get(n, "addresses"), *ipv6 = yaml_get(n, "ipv6");
	const struct yaml_node *gateway = yaml_get(n, "gateway"), *gateway6 = yaml_get(n, "gateway6");
	const struct yaml_node *v6 = gateway6 ? gateway6 : first_address(addresses, true);

	if (!name && !mac)
		return refuse_at(err, n, "an interface needs a name or a mac");
	if (vlan && bond)
		return refuse_at(err, bond, "an interface is a vlan or a bond, not both");
	if ((vlan || bond) && (!name || mac))
		return refuse_at(
			err, n, "a vlan or bond is made under its name; it has no mac to be found by");
	if (vlan && !strcmp(yaml_get(vlan, "parent")->text, name->text))
		return refuse_at(err, yaml_get(vlan, "parent"), "a vlan cannot be its own parent");
	if (bond && yaml_get(bond, "members")->n_kids == 0)
		return refuse_at(err, yaml_get(bond, "members"), "a bond needs at least one member");
	if (gateway && !first_address(addresses, false))
		return refuse_at(err, gateway, "a gateway needs an IPv4 address in addresses");
	if (ipv6 && !strcmp(ipv6->text, "off") && v6)
		return refuse_at(err, v6, "an IPv6 address needs ipv6: auto");
	return CONFIG_OK;
}

/* No two maps of @list have the same @key. */
static int check_unique(const struct yaml_node *list, const char *key, struct config_error *err)
{
	for (size_t i = 0; list && i < list->n_kids; i++)
		for (size_t j = 0; j < i; j++) {
			const struct yaml_node *a = yaml_get(list->kids[i], key),
					       *b = yaml_get(list->kids[j], key);

			if (a && b && !strcasecmp(a->text, b->text))
				return config_refuse(err, a->line, a->column,
					"%s \"%.64s\" is given twice, first on line %u", key, a->text,
					b->line);
		}
	return CONFIG_OK;
}

static int check_engine(const struct yaml_node *engine, struct config_error *err)
{
	const struct yaml_node *listen = yaml_get(engine, "listen"), *tls = yaml_get(engine, "tls");

	if (listen && listen->n_kids && !tls)
		return refuse_at(err, listen,
			"engine.listen needs engine.tls: the Docker API is never served in the clear");
	if (tls && !pem_key_matches(yaml_get(tls, "cert")->text, yaml_get(tls, "key")->text))
		return refuse_at(
			err, yaml_get(tls, "key"), "engine.tls.key is not the key of engine.tls.cert");
	return check_unique(yaml_get(engine, "registries"), "host", err);
}

/* Ranges that are given must not hold an address of the machine itself. */
static int check_own_addresses(const struct yaml_node *root, const struct yaml_node *range, const char *key,
	struct config_error *err)
{
	const struct yaml_node *interfaces = yaml_get(yaml_get(root, "network"), "interfaces");
	struct ipaddr network, own;

	if (!range || ipaddr_parse(range->text, &network))
		return CONFIG_OK;
	for (size_t i = 0; interfaces && i < interfaces->n_kids; i++) {
		const struct yaml_node *list = yaml_get(interfaces->kids[i], "addresses");

		for (size_t j = 0; list && j < list->n_kids; j++)
			if (!ipaddr_parse(list->kids[j]->text, &own) && own.family == AF_INET &&
				ipaddr_overlap(&own, &network))
				return config_refuse(err, range->line, range->column,
					"cluster.%s holds addresses of the machine's own network %.64s", key,
					list->kids[j]->text);
	}
	return CONFIG_OK;
}

/* Of the cluster's addresses, as they are given or as they are otherwise. */
static int check_ranges(
	const struct yaml_node *root, const struct yaml_node *cluster, struct config_error *err)
{
	const struct yaml_node *services = yaml_get(cluster, "service_range"),
			       *pods = yaml_get(cluster, "pod_range"),
			       *dns = yaml_get(cluster, "dns_address");
	struct ipaddr service_range, pod_range, address, first, last;
	int rc;

	if (ipaddr_parse(services ? services->text : KUBE_SERVICE_CIDR, &service_range) ||
		ipaddr_parse(pods ? pods->text : KUBE_POD_CIDR, &pod_range))
		return CONFIG_OK; /* refused already */
	if ((services || pods) && ipaddr_overlap(&service_range, &pod_range))
		return refuse_at(err, pods ? pods : services,
			"cluster.pod_range and cluster.service_range have addresses in common");
	first = kube_address(&service_range, KUBE_API_HOST);
	last = kube_address(&service_range, (1U << (32 - service_range.prefix)) - 1);
	if (dns && !ipaddr_parse(dns->text, &address)) {
		struct ipaddr none = kube_address(&service_range, 0);

		if (!ipaddr_overlap(&address, &service_range) || ipaddr_equal(&address, &first) ||
			ipaddr_equal(&address, &last) || ipaddr_equal(&address, &none))
			return refuse_at(err, dns,
				"cluster.dns_address is an address of cluster.service_range, and not its first, which is the API's, nor its last");
	}
	rc = check_own_addresses(root, services, "service_range", err);
	return rc ? rc : check_own_addresses(root, pods, "pod_range", err);
}

static int check_cluster(
	const struct yaml_node *root, const struct yaml_node *cluster, struct config_error *err)
{
	const struct yaml_node *ca = yaml_get(cluster, "ca");

	if (ca && !pem_key_matches(yaml_get(ca, "cert")->text, yaml_get(ca, "key")->text))
		return refuse_at(
			err, yaml_get(ca, "key"), "cluster.ca.key is not the key of cluster.ca.cert");
	return cluster ? check_ranges(root, cluster, err) : CONFIG_OK;
}

int config_cross_check(const struct yaml_node *root, struct config_error *err)
{
	const struct yaml_node *interfaces = yaml_get(yaml_get(root, "network"), "interfaces");
	const struct yaml_node *storage = yaml_get(root, "storage");
	const struct yaml_node *wipe = yaml_get(storage, "wipe");
	int rc = CONFIG_OK;

	for (size_t i = 0; !rc && interfaces && i < interfaces->n_kids; i++)
		rc = check_interface(interfaces->kids[i], err);
	if (!rc)
		rc = check_unique(interfaces, "name", err);
	if (!rc)
		rc = check_unique(interfaces, "mac", err);
	if (!rc && is_true(wipe) && !yaml_get(storage, "disk"))
		rc = refuse_at(
			err, wipe, "storage.wipe needs storage.disk: only a disk that is named is wiped");
	if (!rc)
		rc = check_engine(yaml_get(root, "engine"), err);
	if (!rc)
		rc = check_cluster(root, yaml_get(root, "cluster"), err);
	return rc;
}
