/* SPDX-License-Identifier: Apache-2.0 */

/* See container_net.h: the namespace, the files, and what is asked at create. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "engine/container.h"
#include "engine/container_net_int.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "lib/json.h"
#include "engine/network.h"
#include "engine/pod.h"
#include "engine/ports.h"
#include "engine/supervisor.h"
#include "engine/userns.h"

static const char *mode_of(yyjson_val *host)
{
	const char *mode = json_text(host, "NetworkMode");

	return !mode || !strcmp(mode, "default") ? "bridge" : mode;
}

const char *container_net_mode(const struct container *c)
{
	return mode_of(c->host);
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
		if (yyjson_arr_size(json_arr(host, "Links"))) {
			*msg = text_make(
				"conflicting options: container type network can't be used with links");
			return -EINVAL;
		}
		return 0;
	}

	int found = networks_find(e->networks, mode, &n, &err);

	if (found) {
		*msg = container_net_said(&err);
		return found;
	}

	found = container_net_check_links(json_arr(host, "Links"), n, msg);
	if (found)
		return found;

	size_t i, max;
	yyjson_val *key, *ep;

	json_obj_foreach (json_obj(networking, "EndpointsConfig"), i, max, key, ep) {
		const char *name = yyjson_get_str(key);

		found = strcmp(name, "default") ? networks_find(e->networks, name, &n, &err) : 0;
		if (found) {
			*msg = container_net_said(&err);
			return found;
		}
		found = container_net_check_wish(ep, n, msg);
		if (found)
			return found;
	}
	return 0;
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
	const char *dns[CONTAINER_NET_LIST_MAX], *search[CONTAINER_NET_LIST_MAX],
		*options[CONTAINER_NET_LIST_MAX], *hosts[CONTAINER_NET_LIST_MAX];
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
		.n_dns = container_net_strings(json_arr(c->host, "Dns"), dns, array_len(dns)),
		.search = search,
		.n_search = container_net_strings(json_arr(c->host, "DnsSearch"), search, array_len(search)),
		.options = options,
		.n_options =
			container_net_strings(json_arr(c->host, "DnsOptions"), options, array_len(options)),
		.extra_hosts = hosts,
		.n_extra_hosts =
			container_net_strings(json_arr(c->host, "ExtraHosts"), hosts, array_len(hosts)),
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
			       ? container_net_said(&nerr)
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

int container_net_up(struct container *c, int userns, int *netns, char **msg)
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
		err = userns < 0 ? network_netns_new(&fd) : userns_netns(userns, &fd);
		if (!err)
			err = supervisor_put(c->e, "container", c->id, "net", &fd, 1);
	}
	if (err) {
		*msg = text_make("cannot make a network namespace: %s", strerror(-err));
		return err;
	}
	if (strncmp(mode, "container:", 10))
		err = container_net_attach(c, fd, msg);
	if (!err)
		err = container_net_republish(c, c->host, msg);
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
