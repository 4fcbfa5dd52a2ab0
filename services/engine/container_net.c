/* SPDX-License-Identifier: Apache-2.0 */

/* See container_net.h: the namespace, and what is asked at create. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "engine/container.h"
#include "engine/container_links.h"
#include "engine/container_net_int.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/inspect.h"
#include "lib/errno_text.h"
#include "lib/json.h"
#include "engine/network.h"
#include "engine/pod.h"
#include "engine/ports.h"
#include "engine/supervisor.h"
#include "engine/userns.h"

const char *container_net_mode_of(yyjson_val *host)
{
	const char *mode = json_text(host, "NetworkMode");

	return !mode || !strcmp(mode, "default") ? "bridge" : mode;
}

const char *container_net_mode(const struct container *c)
{
	return container_net_mode_of(c->host);
}

/* Whose network is joined; what of it cannot be is no fault of the request to start this one. 0 or -errno with *msg. */
static int find_joined(struct container *c, const char *name, struct container **other, char **msg)
{
	if (container_find(c->e, name, other)) {
		*msg = text_make("joining network namespace of container: No such container: %s", name);
		return -ESRCH;
	}
	if (*other == c) {
		*msg = text_make("cannot join own network namespace");
		return -ESRCH;
	}
	if (!container_is_up(*other)) {
		*msg = text_make(
			"cannot join network namespace of a non running container: container %s is %s",
			(*other)->name, container_public_state(*other));
		return -EBUSY;
	}
	return 0;
}

/* What another container's network brings with it cannot be said once more. */
static int check_shared(yyjson_val *config, yyjson_val *host, char **msg)
{
	const struct {
		yyjson_val *value;
		const char *what;
	} theirs[] = {
		{yyjson_obj_get(host, "PortBindings"), "port publishing and the container type network mode"},
		{yyjson_obj_get(host, "PublishAllPorts"),
			"port publishing and the container type network mode"},
		{yyjson_obj_get(config, "ExposedPorts"), "port exposing and the container type network mode"},
		{yyjson_obj_get(config, "Hostname"), "hostname and the network mode"},
		{yyjson_obj_get(config, "MacAddress"), "mac-address and the network mode"},
		{yyjson_obj_get(host, "Links"),
			"container type network can't be used with links. This would result in undefined behavior"},
		{yyjson_obj_get(host, "Dns"), "dns and the network mode"},
		{yyjson_obj_get(host, "DnsSearch"), "dns-search and the network mode"},
		{yyjson_obj_get(host, "DnsOptions"), "dns-option and the network mode"},
		{yyjson_obj_get(host, "ExtraHosts"), "custom host-to-IP mapping and the network mode"},
	};

	for (size_t i = 0; i < array_len(theirs); i++) {
		if (json_blank(theirs[i].value))
			continue;
		*msg = text_make("conflicting options: %s", theirs[i].what);
		return -EINVAL;
	}
	return 0;
}

static int check_links(struct engine *e, yyjson_val *host, const struct network *n, char **msg)
{
	yyjson_val *links = json_arr(host, "Links");

	if (!strcmp(container_net_mode_of(host), "bridge"))
		return container_links_check(e, links, msg);
	if (!strcmp(container_net_mode_of(host), "host") && yyjson_arr_size(links)) {
		*msg = text_make("%s", CONTAINER_LINKS_HOST);
		return -EINVAL;
	}
	return container_net_check_links(links, NULL, n, msg);
}

int container_net_check_ports(yyjson_val *config, yyjson_val *host, char **msg)
{
	cleanup(freep) struct network_port *ports = NULL;
	ssize_t n_ports = ports_read(json_obj(host, "PortBindings"), json_obj(config, "ExposedPorts"),
		json_bool(host, "PublishAllPorts"), &ports, msg);

	if (n_ports < 0)
		return (int)n_ports;
	return strncmp(container_net_mode_of(host), "container:", 10) ? 0 : check_shared(config, host, msg);
}

/* The MAC address that is not an endpoint's is for the one in the mode's network. */
static int check_mac(yyjson_val *config, yyjson_val *networking, yyjson_val *own, char **msg)
{
	const char *mac = json_text(config, "MacAddress"), *its = json_text(own, "MacAddress");
	uint8_t bytes[6];

	if (mac && container_net_parse_mac(mac, bytes)) {
		*msg = text_make("invalid MAC address \"%s\"", mac);
		return -EINVAL;
	}
	if (!mac || (own && (!its || !strcmp(its, mac))) ||
		(!own && json_blank(yyjson_obj_get(networking, "EndpointsConfig"))))
		return 0;
	*msg = text_make(
		own ? "MacAddress %s is not that of its endpoint in the network of HostConfig.NetworkMode"
		    : "MacAddress %s is for the network of HostConfig.NetworkMode, which is not in "
		      "NetworkingConfig.EndpointsConfig",
		mac);
	return -EINVAL;
}

bool container_net_stands_alone(const struct network *n)
{
	return n->driver == NETWORK_HOST || n->driver == NETWORK_NONE;
}

/* NULL: it is not known yet. */
static bool alone(const struct network *n)
{
	return n && container_net_stands_alone(n);
}

/* The network of that name, or NULL when it is not there, which only matters to the start. 0 or -errno with *msg. */
static int find_or_wait(struct engine *e, const char *name, struct network **out, char **msg)
{
	struct network_error err = {0};
	int r = networks_find(e->networks, name, out, &err);

	if (r == -ENOENT)
		*out = NULL;
	else if (r)
		*msg = container_net_said(&err);
	return r == -ENOENT ? 0 : r;
}

/* Each endpoint's network gives what is asked for, and can be had beside @primary, the mode's own (NULL: not known). */
static int check_endpoints(
	struct engine *e, const struct network *primary, yyjson_val *host, yyjson_val *networking, char **msg)
{
	const char *mode = container_net_mode_of(host);
	yyjson_val *made_with = !strcmp(mode, "bridge") ? json_arr(host, "Links") : NULL;
	struct network *other = NULL;
	size_t i, max;
	yyjson_val *key, *ep;

	json_obj_foreach (json_obj(networking, "EndpointsConfig"), i, max, key, ep) {
		const char *name = yyjson_get_str(key);
		bool own = !strcmp(name, "default") || !strcmp(name, mode);
		int r = own ? 0 : find_or_wait(e, name, &other, msg);
		const struct network *n = own ? primary : other;
		cleanup(freep) char *why = NULL;

		if (r)
			return r;
		own = own || (n && n == primary);
		if (!own && (alone(n) || alone(primary))) {
			*msg = text_make("conflicting options: network %s cannot be had together with %s",
				n ? n->name : name, primary ? primary->name : mode);
			return -EINVAL;
		}
		r = container_net_check_wish(ep, made_with, n, &why);
		if (r) {
			*msg = text_make(
				"invalid config for network %s: %s", name, why ? why : errno_text(-r));
			return r;
		}
	}
	return 0;
}

int container_net_check(
	struct engine *e, yyjson_val *config, yyjson_val *host, yyjson_val *networking, char **msg)
{
	const char *mode = container_net_mode_of(host);
	struct network *n;
	int r = container_net_check_ports(config, host, msg);

	if (r || !strncmp(mode, "container:", 10))
		return r;
	r = find_or_wait(e, mode, &n, msg);
	if (!r)
		r = check_links(e, host, n, msg);
	if (!r)
		r = check_mac(config, networking, container_net_own(e->networks, host, networking), msg);
	return r ? r : check_endpoints(e, n, host, networking, msg);
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

static int bring_up(struct container *c, int userns, int *netns, char **msg)
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
	err = container_links_ready(c, msg);
	if (err)
		return err;
	if (!strncmp(mode, "container:", 10)) {
		struct container *other = NULL;

		err = find_joined(c, mode + 10, &other, msg);
		if (err)
			return err;
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
		err = userns < 0 ? network_netns_new(&fd) : userns_netns(userns, &fd);
		if (!err)
			err = supervisor_put(c->e, "container", c->id, "net", &fd, 1);
	}
	if (err) {
		*msg = text_make("cannot make a network namespace: %s", errno_text(-err));
		return err;
	}
	if (strncmp(mode, "container:", 10))
		err = container_net_attach(c, fd, msg);
	if (!err)
		err = container_net_republish(c, c->host, msg);
files:
	if (!err)
		err = container_net_files(c, msg);
	if (err)
		return err;
	container_links_tell(c);
	*netns = take_fd(fd);
	return 0;
}

int container_net_up(struct container *c, int userns, int *netns, char **msg)
{
	cleanup(freep) char *why = NULL;
	int err = bring_up(c, userns, netns, &why);

	if (err)
		*msg = text_make("failed to set up container networking: %s", why ? why : errno_text(-err));
	return err;
}

void container_net_down(struct container *c)
{
	if (pod_of(c))
		return;
	network_detach_all(c->e->networks, c->id);
	supervisor_drop(c->e, "container", c->id, "net");
}
