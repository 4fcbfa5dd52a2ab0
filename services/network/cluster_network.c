/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The cluster's network on this node: addresses of pods, addresses of services, names. One process, one loop; an ordinary client
 * of the Kubernetes API. It may be killed at any moment: what it made is in the kernel, traffic goes on, and the next one
 * finds it there. Without an API server what is there stays as it is.
 */

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "applets.h"
#include "lib/http.h"
#include "lib/initctl.h"
#include "lib/kube.h"
#include "lib/kube_names.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/privilege.h"
#include "lib/service.h"
#include "network/catalog.h"
#include "network/cluster_dns.h"
#include "network/host.h"
#include "network/node.h"
#include "network/podnet.h"
#include "network/podnet_api.h"
#include "network/service_nets.h"
#include "network/service_rules.h"

enum { HOSTNAME_MAX = 64 };

struct cluster_network {
	const char *node, *socket, *credentials, *api_address, *config_path;
	int api_port;
	struct kube_names names;
	struct loop *loop;
	struct http_server *http;
	struct podnet *pods;
	struct podnet_api *api;
	struct catalog *catalog;
	struct service_rules_table *rules;
	struct cluster_dns *dns;
	struct service_nets nets;
	struct host_routes routes;

	/* While there is a cluster: */
	struct kube *kube;
	struct node_watch *node_watch;
	struct service_nets_watch *nets_watch;
	struct timespec made; /* of the socket or certificate in use */
	struct loop_io look;  /* inotify, on the credentials */
};

/* ---- the cluster */

static void on_service_change(struct service *s, void *arg)
{
	struct cluster_network *c = arg;

	service_rules_change(c->rules, s);
}

static void on_services_settled(void *arg)
{
	struct cluster_network *c = arg;

	service_rules_settled(c->rules, c->catalog);
}

static void on_nets(const struct service_nets *now, void *arg)
{
	struct cluster_network *c = arg;

	host_follow(&c->routes, now);
	if (service_nets_equal(now, &c->nets))
		return;
	c->nets = *now;
	service_rules_nets(c->rules);
}

static void leave(struct cluster_network *c)
{
	service_nets_watch_free(take(c->nets_watch));
	catalog_unfollow(c->catalog);
	node_watch_free(take(c->node_watch));
	kube_free(take(c->kube));
}

static int join(struct cluster_network *c)
{
	const struct kube_options o = {.address = c->api_address,
		.port = (uint16_t)c->api_port,
		.host = c->api_address,
		.credentials = c->credentials,
		.user_agent = "wherry-network"};
	int r = kube_new(&c->kube, c->loop, &o);

	if (!r)
		r = node_watch_new(&c->node_watch, c->kube, c->node, c->pods);
	if (!r)
		r = service_nets_watch_new(&c->nets_watch, &c->nets.items[0], on_nets, c);
	if (!r)
		r = service_nets_follow(c->nets_watch, c->kube);
	if (!r)
		r = catalog_follow(c->catalog, c->kube);
	if (r < 0)
		leave(c);
	return r;
}

/* Something is there once the cluster comes up, and something new when it was started or renewed. */
static void look(struct cluster_network *c)
{
	struct timespec made;

	if (!kube_credentials(c->credentials, &made) ||
		(made.tv_sec == c->made.tv_sec && made.tv_nsec == c->made.tv_nsec))
		return;
	leave(c);
	if (join(c) == 0) {
		c->made = made;
		log_info("event=joined node=%s api=%s:%d", c->node, c->api_address, c->api_port);
	}
}

static void on_look(struct loop_io *io, uint32_t events)
{
	_Alignas(struct inotify_event) char buf[4096];

	/* What happened does not matter, only that something did. */
	while (read(io->fd, buf, sizeof(buf)) > 0)
		;
	look(container_of(io, struct cluster_network, look));
}

static int watch(struct cluster_network *c)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	r = inotify_add_watch(fd, c->credentials, IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR) < 0
		    ? -errno
		    : loop_io_add(c->loop, &c->look, fd, EPOLLIN, on_look);
	if (r < 0) {
		close(fd);
		return log_errno(-r, "op=watch dir=%s", c->credentials);
	}
	look(c);
	return 0;
}

/* The folder may be there before the cluster, which fills it. */
static int make_credentials_dir(const struct cluster_network *c)
{
	const char *slash = strrchr(c->credentials, '/');
	cleanup(freep) char *above = slash ? strndup(c->credentials, (size_t)(slash - c->credentials)) : NULL;

	if (above && *above && mkdir(above, 0755) < 0 && errno != EEXIST)
		return log_errno(errno, "op=mkdir dir=%s", above);
	if (mkdir(c->credentials, 0700) < 0 && errno != EEXIST)
		return log_errno(errno, "op=mkdir dir=%s", c->credentials);
	return 0;
}

/* ---- coming up */

static const char help[] =
	"cluster_network [--node NAME] [--socket PATH] [--credentials DIR] [--api ADDRESS] [--port N] [--config FILE]\n"
	"  --node NAME        whose pods these are (the host name)\n"
	"  --socket PATH      where the agent asks (/run/network/pods.sock)\n"
	"  --credentials DIR  api.sock, or ca.crt, client.crt, client.key (/run/cluster/network)\n"
	"  --api ADDRESS      of the Kubernetes API (127.0.0.1)\n"
	"  --port N           its port (6443)\n"
	"  --config FILE      the rendered machine configuration (/run/config/config.json)\n";

/* Devices, rules and a low port; other namespaces are entered. Files are reached as their owner. */
static int give_up_privileges(void)
{
	int r = privilege_keep(
		PRIVILEGE(CAP_NET_ADMIN) | PRIVILEGE(CAP_NET_BIND_SERVICE) | PRIVILEGE(CAP_SYS_ADMIN));

	return r < 0 ? log_errno(-r, "op=drop-capabilities") : 0;
}

static int serve_names(struct cluster_network *c)
{
	const struct cluster_dns_options o = {.loop = c->loop,
		.catalog = c->catalog,
		.address = c->names.dns_address,
		.domain = c->names.domain,
		.services = &c->nets,
		.pod_range = c->names.pod_range,
		.resolv_conf = "/run/resolv.conf"};

	return cluster_dns_open(&c->dns, &o);
}

static int start(struct cluster_network *c)
{
	static const struct catalog_events events = {
		.change = on_service_change, .settled = on_services_settled};
	const struct podnet_options pods = {.cluster_range = c->names.pod_range};
	const struct service_rules_options services = {
		.loop = c->loop, .nets = &c->nets, .dns_address = c->names.dns_address};
	int r = make_credentials_dir(c);

	c->routes.loop = c->loop;
	c->nets.n = 1;
	if (!r)
		r = ipaddr_parse(c->names.service_range, &c->nets.items[0]);
	if (!r)
		r = give_up_privileges();
	if (!r)
		r = podnet_open(&c->pods, &pods);
	if (!r)
		r = host_prepare(c->names.service_range, c->names.dns_address);
	if (!r)
		r = service_rules_new(&c->rules, &services);
	if (!r)
		r = catalog_new(&c->catalog, c->loop, c->node, &events, c);
	if (!r)
		r = serve_names(c);
	if (!r)
		r = podnet_api_new(&c->api, c->pods);
	if (!r)
		r = http_server_new(&c->http, c->loop, podnet_api_handle, c->api);
	if (!r)
		r = http_server_listen_unix(c->http, c->socket, 0600);
	if (!r)
		r = watch(c);
	if (!r)
		initctl_ready();
	return r;
}

static void close_all(struct cluster_network *c)
{
	int fd = c->look.loop ? c->look.fd : -1;

	loop_io_del(&c->look);
	closep(&fd);
	if (c->catalog)
		leave(c);
	host_unfollow(&c->routes);
	http_server_free(c->http);
	podnet_api_free(c->api);
	cluster_dns_close(c->dns);
	service_rules_free(c->rules);
	catalog_free(c->catalog);
	podnet_close(c->pods);
}

int cluster_network_main(int argc, char **argv)
{
	struct cluster_network c = {.socket = "/run/network/pods.sock",
		.credentials = "/run/cluster/network",
		.config_path = "/run/config/config.json",
		.api_address = "127.0.0.1",
		.api_port = 6443};
	const struct service_option options[] = {
		{.name = "node", .text = &c.node},
		{.name = "socket", .text = &c.socket},
		{.name = "credentials", .text = &c.credentials},
		{.name = "api", .text = &c.api_address},
		{.name = "port", .port = &c.api_port},
		{.name = "config", .text = &c.config_path},
		{0},
	};
	char hostname[HOSTNAME_MAX + 1] = "";
	int r = service_options(options, help, argc, argv);

	if (r >= 0)
		return r;
	if (!c.node) {
		if (gethostname(hostname, HOSTNAME_MAX) < 0)
			snprintf(hostname, sizeof(hostname), "localhost");
		c.node = hostname;
	}
	r = service_loop(&c.loop);
	if (r < 0)
		return log_errno(-r, "op=loop"), 1;
	r = kube_names_load(&c.names, c.config_path);
	if (!r)
		r = start(&c);
	if (!r)
		r = loop_run(c.loop);
	close_all(&c);
	loop_free(c.loop);
	return r < 0 ? 1 : r;
}
