/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "engine/container.h"
#include "engine/container_net.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "lib/json.h"
#include "engine/network.h"
#include "lib/link.h"
#include "lib/log.h"
#include "engine/pod.h"
#include "engine/ports.h"
#include "engine/supervisor.h"

enum { NAME_LIST_MAX = 64 };

static const char *mode_of(yyjson_val *host)
{
	const char *mode = json_text(host, "NetworkMode");

	return !mode || !strcmp(mode, "default") ? "bridge" : mode;
}

const char *container_net_mode(const struct container *c)
{
	return mode_of(c->host);
}

/* The endpoint settings for a network: by its name, or "default" for the mode's own. */
static yyjson_val *endpoint_config(yyjson_val *networking, const char *network, bool primary)
{
	yyjson_val *all = json_obj(networking, "EndpointsConfig"), *v = json_obj(all, network);

	return v || !primary ? v : json_obj(all, "default");
}

static char *said(struct network_error *err)
{
	return text_make("%s", err->text[0] ? err->text : "the network failed without a word");
}

static int parse_mac(const char *s, uint8_t mac[6])
{
	int used = 0;

	return sscanf(s, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4],
		       &mac[5], &used) == 6 &&
			       used == 17 && !s[17]
		       ? 0
		       : -EINVAL;
}

/* Options of an endpoint (docker network connect --driver-opt, --network name=...,driver-opt=...). */
#define OPT_IFNAME  "com.docker.network.endpoint.ifname"
#define OPT_SYSCTLS "com.docker.network.endpoint.sysctls"

static int check_endpoint(yyjson_val *ep, char **msg)
{
	const char *m = json_text(ep, "MacAddress"), *v;
	uint8_t mac[6];
	size_t i, n;
	yyjson_val *key, *val;

	if (m && parse_mac(m, mac)) {
		*msg = text_make("invalid MAC address \"%s\"", m);
		return -EINVAL;
	}
	if (yyjson_arr_size(json_arr(json_obj(ep, "IPAMConfig"), "LinkLocalIPs"))) {
		*msg = text_make("link-local addresses for containers are not supported by this engine");
		return -EINVAL;
	}
	if (yyjson_arr_size(json_arr(ep, "Links"))) {
		*msg = text_make("links are not supported by this engine: use network aliases");
		return -EINVAL;
	}
	json_obj_foreach (json_obj(ep, "DriverOpts"), i, n, key, val) {
		const char *k = yyjson_get_str(key);

		v = yyjson_get_str(val);
		if (v && !strcmp(k, OPT_IFNAME) && link_name_valid(v) && strcmp(v, "lo") != 0)
			continue;
		if (v && !strcmp(k, OPT_SYSCTLS))
			continue; /* each is looked at where it is set */
		*msg = !strcmp(k, OPT_IFNAME)
			       ? text_make("invalid interface name \"%s\"", v ? v : "")
			       : text_make("endpoint option %s is not supported by this engine: " OPT_IFNAME
					   " and " OPT_SYSCTLS " are",
					 k);
		return -EINVAL;
	}
	return 0;
}

int container_net_check(
	struct engine *e, yyjson_val *config, yyjson_val *host, yyjson_val *networking, char **msg)
{
	const char *mode = mode_of(host);
	cleanup(freep) struct network_port *ports = NULL;
	ssize_t n_ports = ports_read(json_obj(host, "PortBindings"), json_obj(config, "ExposedPorts"),
		json_bool(host, "PublishAllPorts"), &ports, msg);
	struct network_error err = {0};
	struct network *n;

	if (n_ports < 0)
		return (int)n_ports;
	if (!strncmp(mode, "container:", 10)) {
		struct container *other;

		if (container_find(e, mode + 10, &other)) {
			*msg = text_make("No such container: %s", mode + 10);
			return -ENOENT;
		}
		if (n_ports) {
			*msg = text_make(
				"conflicting options: port publishing and the container type network mode");
			return -EINVAL;
		}
		if (json_text(config, "Hostname")) {
			*msg = text_make("conflicting options: hostname and the network mode");
			return -EINVAL;
		}
		return 0;
	}

	int found = networks_find(e->networks, mode, &n, &err);

	if (found) {
		*msg = said(&err);
		return found;
	}

	size_t i, max;
	yyjson_val *key, *ep;

	json_obj_foreach (json_obj(networking, "EndpointsConfig"), i, max, key, ep) {
		const char *name = yyjson_get_str(key);

		found = strcmp(name, "default") ? networks_find(e->networks, name, &n, &err) : 0;
		if (found) {
			*msg = said(&err);
			return found;
		}
		found = check_endpoint(ep, msg);
		if (found)
			return found;
	}
	return 0;
}

static size_t strings(yyjson_val *arr, const char **out, size_t max)
{
	size_t i, n, count = 0;
	yyjson_val *v;

	yyjson_arr_foreach (arr, i, n, v)
		if (yyjson_is_str(v) && count < max)
			out[count++] = yyjson_get_str(v);
	return count;
}

/* What the endpoint's settings say, beside names and ports; borrowed from @ep and @sysctls, which is cut up. */
static int read_endpoint_config(yyjson_val *ep, char *sysctls, const char *lines[NETWORK_SYSCTLS_MAX],
	struct network_attach *a, char **msg)
{
	yyjson_val *ipam = json_obj(ep, "IPAMConfig"), *opts = json_obj(ep, "DriverOpts");
	int64_t priority = json_int(ep, "GwPriority", 0);

	a->ip[NETWORK_V4] = json_text(ipam, "IPv4Address");
	a->ip[NETWORK_V6] = json_text(ipam, "IPv6Address");
	a->ifname = json_text(opts, OPT_IFNAME);
	a->sysctls = lines;
	if (priority < INT32_MIN || priority > INT32_MAX) {
		*msg = text_make("gateway priority %lld is out of range", (long long)priority);
		return -EINVAL;
	}
	a->gw_priority = (int32_t)priority;
	while (sysctls && *sysctls) {
		char *line = strsep(&sysctls, ",");

		if (!*line)
			continue;
		if (a->n_sysctls == NETWORK_SYSCTLS_MAX) {
			*msg = text_make("more than %d settings in " OPT_SYSCTLS, NETWORK_SYSCTLS_MAX);
			return -EINVAL;
		}
		lines[a->n_sysctls++] = line;
	}
	return 0;
}

static ssize_t wanted_ports(struct container *c, struct network_port **out, char **msg)
{
	return ports_read(json_obj(c->host, "PortBindings"), json_obj(c->config, "ExposedPorts"),
		json_bool(c->host, "PublishAllPorts"), out, msg);
}

static int attach_one(
	struct container *c, struct network *n, yyjson_val *ep, bool primary, int netns, char **msg)
{
	const char *aliases[NAME_LIST_MAX], *lines[NETWORK_SYSCTLS_MAX], *mac = json_text(ep, "MacAddress");
	const char *given = json_text(json_obj(ep, "DriverOpts"), OPT_SYSCTLS);
	cleanup(freep) char *sysctls = given ? strdup(given) : NULL;
	char short_id[13];
	uint8_t mac_bytes[6];
	struct network_error err = {0};
	struct network_endpoint *out;
	struct network_attach a = {.container = c->id, .name = c->name, .netns = netns};
	int r = given && !sysctls ? -ENOMEM : read_endpoint_config(ep, sysctls, lines, &a, msg);

	if (r)
		return r;
	if (!mac && primary)
		mac = json_text(c->config, "MacAddress");
	if (mac && !parse_mac(mac, mac_bytes))
		a.mac = mac_bytes;
	a.n_aliases = strings(json_arr(ep, "Aliases"), aliases, array_len(aliases) - 1);
	snprintf(short_id, sizeof(short_id), "%.12s", c->id);
	aliases[a.n_aliases++] = short_id;
	a.aliases = aliases;
	r = network_attach(c->e->networks, n, &a, &out, &err);
	if (r)
		*msg = said(&err);
	return r;
}

/* Ports are published where the way out is: what comes in by another network would have its answers leave there. */
int container_net_republish(struct container *c, char **msg)
{
	cleanup(freep) struct network_port *ports = NULL;
	struct network_error err = {0};
	struct network_endpoint *way_out = network_endpoint_of(c->e->networks, c->id, NULL);
	ssize_t n_ports = wanted_ports(c, &ports, msg);
	int r = 0;

	if (n_ports < 0)
		return (int)n_ports;
	for (struct network_endpoint *ep = networks_endpoints(c->e->networks); ep && !r; ep = ep->next)
		if (ep != way_out && ep->n_ports && !strcmp(ep->container, c->id))
			r = network_republish(c->e->networks, ep, NULL, 0, &err);
	if (!r && way_out)
		r = network_republish(c->e->networks, way_out, ports, (size_t)n_ports, &err);
	if (r)
		*msg = said(&err);
	return r;
}

static int attach_all(struct container *c, int netns, char **msg)
{
	const char *mode = container_net_mode(c);
	struct network_error err = {0};
	struct network *primary, *n;
	size_t i, max;
	yyjson_val *key, *ep;
	int r = networks_find(c->e->networks, mode, &primary, &err);

	if (!r)
		r = attach_one(c, primary, endpoint_config(c->networking, mode, true), true, netns, msg);
	json_obj_foreach (json_obj(c->networking, "EndpointsConfig"), i, max, key, ep) {
		const char *name = yyjson_get_str(key);

		if (r || !strcmp(name, "default"))
			continue;
		r = networks_find(c->e->networks, name, &n, &err);
		if (!r && n != primary)
			r = attach_one(c, n, ep, false, netns, msg);
	}
	if (r && !*msg)
		*msg = said(&err);
	return r;
}

static int copy_file(const char *from_dir, const char *to_dir, const char *name)
{
	cleanup(freep) char *path = text_make("%s/%s", from_dir, name), *text = NULL;
	size_t len;
	int err = path ? disk_read(path, 1 << 20, &text, &len) : -ENOMEM;

	return err ? err : disk_replace(to_dir, name, text, len, 0644, 0);
}

/* Where a container's name files lie. */
static const char *files_dir(const struct container *c)
{
	const struct pod *p = pod_of(c);

	return p ? p->dir : c->dir;
}

int container_net_files(struct container *c, char **msg)
{
	const char *dns[NAME_LIST_MAX], *search[NAME_LIST_MAX], *options[NAME_LIST_MAX],
		*hosts[NAME_LIST_MAX];
	const char *mode = container_net_mode(c), *hostname = json_text(c->config, "Hostname");
	cleanup(freep) char *resolv = NULL, *hosts_text = NULL, *line = NULL;
	struct network_error nerr = {0};
	struct container *other;
	char short_id[13];

	if (!strncmp(mode, "container:", 10)) {
		int err = container_find(c->e, mode + 10, &other);

		if (!err)
			err = copy_file(files_dir(other), c->dir, "hostname");
		if (!err)
			err = copy_file(files_dir(other), c->dir, "hosts");
		if (!err)
			err = copy_file(files_dir(other), c->dir, "resolv.conf");
		if (err)
			*msg = text_make(
				"cannot share the name files of container %s: %s", mode + 10, strerror(-err));
		return err;
	}
	snprintf(short_id, sizeof(short_id), "%.12s", c->id);

	struct network_names names = {
		.hostname = hostname ? hostname : short_id,
		.domainname = json_text(c->config, "Domainname"),
		.dns = dns,
		.n_dns = strings(json_arr(c->host, "Dns"), dns, array_len(dns)),
		.search = search,
		.n_search = strings(json_arr(c->host, "DnsSearch"), search, array_len(search)),
		.options = options,
		.n_options = strings(json_arr(c->host, "DnsOptions"), options, array_len(options)),
		.extra_hosts = hosts,
		.n_extra_hosts = strings(json_arr(c->host, "ExtraHosts"), hosts, array_len(hosts)),
	};
	int err = network_resolv_conf(c->e->networks, c->id, &names, &resolv);

	if (!err)
		err = network_hosts(c->e->networks, c->id, &names, &hosts_text, &nerr);
	if (!err) {
		line = text_make("%s\n", names.hostname);
		err = line ? 0 : -ENOMEM;
	}
	if (!err)
		err = disk_replace(c->dir, "resolv.conf", resolv, strlen(resolv), 0644, 0);
	if (!err)
		err = disk_replace(c->dir, "hosts", hosts_text, strlen(hosts_text), 0644, 0);
	if (!err)
		err = disk_replace(c->dir, "hostname", line, strlen(line), 0644, 0);
	if (err && !*msg)
		*msg = nerr.text[0]
			       ? said(&nerr)
			       : text_make("cannot write the container's name files: %s", strerror(-err));
	return err;
}

int container_net_ns(struct container *c)
{
	struct pod *p = pod_of(c);
	cleanup(freep) char *path = p ? pod_ns_path(p, "net") : NULL;
	int fd = -1;

	if (p)
		return path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	return supervisor_get(c->e, "container", c->id, "net", &fd, 1) == 1 ? fd : -1;
}

int container_net_up(struct container *c, int *netns, char **msg)
{
	const char *mode = container_net_mode(c);
	cleanup(closep) int fd = -1;
	int err = 0;

	if (pod_of(c)) {
		fd = container_net_ns(c);
		if (fd < 0 && strcmp(mode, "host") != 0) {
			*msg = text_make("the network namespace of the container's pod cannot be opened");
			return -EIO;
		}
		*netns = take_fd(fd);
		return 0;
	}
	network_detach_all(c->e->networks, c->id);
	if (!strncmp(mode, "container:", 10)) {
		struct container *other = NULL;

		if (container_find(c->e, mode + 10, &other) || !container_is_up(other)) {
			*msg = text_make("cannot join network of a non running container: %s", mode + 10);
			return -EBUSY;
		}
		/* A container on the node's own network has no namespace of its own to join. */
		if (!strcmp(container_net_mode(other), "host"))
			goto files;
		fd = container_net_ns(other);
		if (fd < 0) {
			*msg = text_make("the network of container %s cannot be joined", mode + 10);
			return -EBUSY;
		}
		err = supervisor_put(c->e, "container", c->id, "net", &fd, 1);
	} else if (strcmp(mode, "host") != 0) {
		err = network_netns_new(&fd);
		if (!err)
			err = supervisor_put(c->e, "container", c->id, "net", &fd, 1);
	}
	if (err) {
		*msg = text_make("cannot make a network namespace: %s", strerror(-err));
		return err;
	}
	if (strncmp(mode, "container:", 10))
		err = attach_all(c, fd, msg);
	if (!err)
		err = container_net_republish(c, msg);
files:
	if (!err)
		err = container_net_files(c, msg);
	if (!err)
		*netns = take_fd(fd);
	return err;
}

void container_net_down(struct container *c)
{
	if (pod_of(c))
		return;
	network_detach_all(c->e->networks, c->id);
	supervisor_drop(c->e, "container", c->id, "net");
}

/* ---- docker network connect, disconnect */

/* Writes EndpointsConfig with @endpoint under @name, or without it when @remove. */
static int keep_wish(struct container *c, const char *name, yyjson_val *endpoint, bool remove)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = container_config_copy(c);
	yyjson_mut_val *root = doc ? yyjson_mut_doc_get_root(doc) : NULL, *net, *all;

	if (!root)
		return -ENOMEM;
	net = yyjson_mut_obj_get(root, "NetworkingConfig");
	if (!yyjson_mut_is_obj(net)) {
		net = yyjson_mut_obj(doc);
		yyjson_mut_obj_put(root, yyjson_mut_str(doc, "NetworkingConfig"), net);
	}
	all = yyjson_mut_obj_get(net, "EndpointsConfig");
	if (!yyjson_mut_is_obj(all)) {
		all = yyjson_mut_obj(doc);
		yyjson_mut_obj_put(net, yyjson_mut_str(doc, "EndpointsConfig"), all);
	}
	if (remove)
		yyjson_mut_obj_remove_key(all, name);
	else
		yyjson_mut_obj_put(all, yyjson_mut_strcpy(doc, name),
			endpoint ? yyjson_val_mut_copy(doc, endpoint) : yyjson_mut_obj(doc));
	return container_save_config(c, doc);
}

/* Undoes half a connection; the ports go back to where they were. */
static void leave(struct container *c, const struct network *n)
{
	struct network_endpoint *ep = network_endpoint_of(c->e->networks, c->id, n);
	cleanup(freep) char *msg = NULL;

	if (ep)
		network_detach(c->e->networks, ep);
	if (container_net_republish(c, &msg))
		log_error("container=%.12s op=republish msg=\"%s\"", c->id, msg ? msg : "out of memory");
}

int container_net_connect(struct container *c, struct network *n, yyjson_val *endpoint, char **msg)
{
	const char *mode = container_net_mode(c);
	cleanup(closep) int netns = -1;
	int bad = check_endpoint(endpoint, msg);

	if (pod_of(c)) {
		*msg = text_make("container %s belongs to a pod, whose network is the cluster's", c->name);
		return -EINVAL;
	}
	if (bad)
		return bad;
	if (!strcmp(mode, "host") || !strncmp(mode, "container:", 10) || n->driver == NETWORK_HOST ||
		n->driver == NETWORK_NONE) {
		*msg = text_make(
			"container sharing network namespace with another container or host cannot be connected to any "
			"other network");
		return -EINVAL;
	}
	if (network_endpoint_of(c->e->networks, c->id, n) ||
		json_obj(json_obj(c->networking, "EndpointsConfig"), n->name) || !strcmp(mode, n->name)) {
		*msg = text_make("endpoint with name %s already exists in network %s", c->name, n->name);
		return -EPERM;
	}
	if (container_is_up(c)) {
		netns = container_net_ns(c);
		if (netns < 0) {
			*msg = text_make("the network namespace of container %s cannot be opened", c->name);
			return -EIO;
		}
		int err = attach_one(c, n, endpoint, false, netns, msg);

		if (!err)
			err = container_net_republish(c, msg);
		if (!err)
			err = container_net_files(c, msg);
		if (err) {
			leave(c, n);
			return err;
		}
	}
	return keep_wish(c, n->name, endpoint, false);
}

int container_net_disconnect(struct container *c, struct network *n, char **msg)
{
	struct network_endpoint *ep = network_endpoint_of(c->e->networks, c->id, n);
	bool primary = !strcmp(container_net_mode(c), n->name);

	if (!ep && !json_obj(json_obj(c->networking, "EndpointsConfig"), n->name) && !primary) {
		*msg = text_make("container %s is not connected to network %s", c->name, n->name);
		return -EPERM;
	}
	if (n->driver == NETWORK_HOST) {
		*msg = text_make(
			"container cannot be disconnected from host network or connected to host network");
		return -EINVAL;
	}
	if (primary && !ep) {
		*msg = text_make(
			"the network that container %s was made with can be disconnected only while it runs",
			c->name);
		return -EINVAL;
	}
	if (ep) {
		network_detach(c->e->networks, ep);
		int err = container_net_republish(c, msg);

		if (!err)
			err = container_net_files(c, msg);
		if (err)
			return err;
	}
	return keep_wish(c, n->name, NULL, true);
}

/* ---- as the API shows it */

static const char *mac_text(const uint8_t m[6], char buf[18])
{
	snprintf(buf, 18, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
	return strcmp(buf, "00:00:00:00:00:00") ? buf : "";
}

/* The five members that say where an endpoint is; blank without one. */
static void put_place(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct network_endpoint *ep)
{
	static const struct {
		const char *gateway, *address, *prefix;
	} names[NETWORK_FAMILIES] = {{"Gateway", "IPAddress", "IPPrefixLen"},
		{"IPv6Gateway", "GlobalIPv6Address", "GlobalIPv6PrefixLen"}};
	static const struct ipaddr none;

	for (enum network_family f = NETWORK_V4; f < NETWORK_FAMILIES; f++) {
		const struct ipaddr *ip = ep ? &ep->ip[f] : &none, *gw = ep ? &ep->gateway[f] : &none;
		char text[IPADDR_TEXT_MAX];

		yyjson_mut_obj_add_strcpy(doc, o, names[f].gateway, ipaddr_format(gw, false, text));
		yyjson_mut_obj_add_strcpy(doc, o, names[f].address, ipaddr_format(ip, false, text));
		yyjson_mut_obj_add_int(doc, o, names[f].prefix, ip->prefix);
	}
}

yyjson_mut_val *container_net_endpoint(
	const struct network_endpoint *ep, yyjson_val *config, yyjson_mut_doc *doc)
{
	yyjson_mut_val *o = yyjson_mut_obj(doc), *names = yyjson_mut_arr(doc);
	char mac[18];

	json_copy(doc, o, "IPAMConfig", json_obj(config, "IPAMConfig"));
	json_copy(doc, o, "Links", NULL);
	json_copy(doc, o, "Aliases", json_arr(config, "Aliases"));
	yyjson_mut_obj_add_strcpy(doc, o, "MacAddress", ep ? mac_text(ep->mac, mac) : "");
	json_copy(doc, o, "DriverOpts", json_obj(config, "DriverOpts"));
	yyjson_mut_obj_add_int(doc, o, "GwPriority", json_int(config, "GwPriority", 0));
	yyjson_mut_obj_add_strcpy(doc, o, "NetworkID", ep ? ep->network->id : "");
	yyjson_mut_obj_add_strcpy(doc, o, "EndpointID", ep ? ep->id : "");
	put_place(doc, o, ep);
	if (ep && network_names_served(ep->network))
		yyjson_mut_arr_add_strcpy(doc, names, ep->name);
	for (size_t i = 0; ep && i < ep->n_aliases && network_names_served(ep->network); i++)
		yyjson_mut_arr_add_strcpy(doc, names, ep->aliases[i]);
	yyjson_mut_obj_add_val(doc, o, "DNSNames", names);
	return o;
}

static yyjson_mut_val *ports_object(struct container *c, yyjson_mut_doc *doc)
{
	yyjson_mut_val *o = yyjson_mut_obj(doc);
	yyjson_val *key, *v;
	size_t i, n;

	if (!container_is_up(c))
		return o;
	for (struct network_endpoint *ep = networks_endpoints(c->e->networks); ep; ep = ep->next) {
		if (strcmp(ep->container, c->id) != 0)
			continue;
		for (i = 0; i < ep->n_ports; i++) {
			char name[16], hp[8], ip[IPADDR_TEXT_MAX];

			snprintf(name, sizeof(name), "%u/%s", ep->ports[i].container_port,
				network_proto_name(ep->ports[i].proto));

			yyjson_mut_val *arr = yyjson_mut_obj_get(o, name), *b = yyjson_mut_obj(doc);

			if (!arr) {
				arr = yyjson_mut_arr(doc);
				yyjson_mut_obj_add(o, yyjson_mut_strcpy(doc, name), arr);
			}
			/* What is routed has no port of the node. */
			hp[0] = '\0';
			if (ep->ports[i].host_port)
				snprintf(hp, sizeof(hp), "%u", ep->ports[i].host_port);
			yyjson_mut_obj_add_strcpy(
				doc, b, "HostIp", ipaddr_format(&ep->ports[i].host_ip, false, ip));
			yyjson_mut_obj_add_strcpy(doc, b, "HostPort", hp);
			yyjson_mut_arr_append(arr, b);
		}
	}
	json_obj_foreach (json_obj(c->config, "ExposedPorts"), i, n, key, v)
		if (!yyjson_mut_obj_get(o, yyjson_get_str(key)))
			yyjson_mut_obj_add(
				o, yyjson_mut_strcpy(doc, yyjson_get_str(key)), yyjson_mut_null(doc));
	return o;
}

static yyjson_mut_val *networks_object(struct container *c, yyjson_mut_doc *doc)
{
	yyjson_mut_val *o = yyjson_mut_obj(doc);
	const char *mode = container_net_mode(c);
	size_t i, n;
	yyjson_val *key, *cfg;

	for (struct network_endpoint *ep = networks_endpoints(c->e->networks); ep; ep = ep->next) {
		if (strcmp(ep->container, c->id) != 0)
			continue;
		yyjson_mut_obj_add(o, yyjson_mut_strcpy(doc, ep->network->name),
			container_net_endpoint(ep,
				endpoint_config(
					c->networking, ep->network->name, !strcmp(ep->network->name, mode)),
				doc));
	}
	if (!strncmp(mode, "container:", 10))
		return o;
	if (!yyjson_mut_obj_get(o, mode) && !container_is_up(c))
		yyjson_mut_obj_add(o, yyjson_mut_strcpy(doc, mode),
			container_net_endpoint(NULL, endpoint_config(c->networking, mode, true), doc));
	json_obj_foreach (json_obj(c->networking, "EndpointsConfig"), i, n, key, cfg)
		if (strcmp(yyjson_get_str(key), "default") && !yyjson_mut_obj_get(o, yyjson_get_str(key)))
			yyjson_mut_obj_add(o, yyjson_mut_strcpy(doc, yyjson_get_str(key)),
				container_net_endpoint(NULL, cfg, doc));
	return o;
}

yyjson_mut_val *container_net_settings(struct container *c, yyjson_mut_doc *doc, bool brief)
{
	yyjson_mut_val *o = yyjson_mut_obj(doc);
	struct network_endpoint *ep = network_endpoint_of(c->e->networks, c->id, NULL);
	char mac[18];

	if (!brief) {
		bool bridge = ep && !strcmp(ep->network->name, "bridge");

		yyjson_mut_obj_add_strcpy(doc, o, "Bridge", "");
		yyjson_mut_obj_add_strcpy(doc, o, "SandboxID", container_is_up(c) ? c->id : "");
		yyjson_mut_obj_add_str(doc, o, "SandboxKey", "");
		yyjson_mut_obj_add_val(doc, o, "Ports", ports_object(c, doc));
		yyjson_mut_obj_add_strcpy(doc, o, "EndpointID", bridge ? ep->id : "");
		put_place(doc, o, bridge ? ep : NULL);
		yyjson_mut_obj_add_strcpy(doc, o, "MacAddress", bridge ? mac_text(ep->mac, mac) : "");
	}
	yyjson_mut_obj_add_val(doc, o, "Networks", networks_object(c, doc));
	return o;
}

yyjson_mut_val *container_net_ports(struct container *c, yyjson_mut_doc *doc)
{
	yyjson_mut_val *arr = yyjson_mut_arr(doc);
	bool any = false;

	if (!container_is_up(c))
		return arr;
	for (struct network_endpoint *ep = networks_endpoints(c->e->networks); ep; ep = ep->next) {
		if (strcmp(ep->container, c->id) != 0)
			continue;
		for (size_t i = 0; i < ep->n_ports; i++) {
			yyjson_mut_val *o = yyjson_mut_arr_add_obj(doc, arr);
			char ip[IPADDR_TEXT_MAX];

			if (ep->ports[i].host_port)
				yyjson_mut_obj_add_strcpy(
					doc, o, "IP", ipaddr_format(&ep->ports[i].host_ip, false, ip));
			yyjson_mut_obj_add_uint(doc, o, "PrivatePort", ep->ports[i].container_port);
			if (ep->ports[i].host_port)
				yyjson_mut_obj_add_uint(doc, o, "PublicPort", ep->ports[i].host_port);
			yyjson_mut_obj_add_str(doc, o, "Type", network_proto_name(ep->ports[i].proto));
			any = true;
		}
	}

	size_t i, n;
	yyjson_val *key, *v;

	json_obj_foreach (any ? NULL : json_obj(c->config, "ExposedPorts"), i, n, key, v) {
		uint16_t port;
		uint8_t proto;

		if (port_parse(yyjson_get_str(key), &port, &proto))
			continue;
		yyjson_mut_val *o = yyjson_mut_arr_add_obj(doc, arr);

		yyjson_mut_obj_add_uint(doc, o, "PrivatePort", port);
		yyjson_mut_obj_add_str(doc, o, "Type", network_proto_name(proto));
	}
	return arr;
}
