/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The node agent: one process, one loop. It reads where things are, opens its clients of the API, the engine and the pod network,
 * registers the node, and follows its pods. It may be killed at any moment: pods run on, and the next one finds them.
 */

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "agent/agent.h"
#include "agent/events.h"
#include "agent/image_gc.h"
#include "agent/network.h"
#include "agent/network_watch.h"
#include "agent/node.h"
#include "agent/pods.h"
#include "agent/pressure.h"
#include "agent/reclaim.h"
#include "agent/server.h"
#include "agent/services.h"
#include "agent/static_pods.h"
#include "agent/storage_limit.h"
#include "applets.h"
#include "lib/http_client.h"
#include "lib/initctl.h"
#include "lib/json.h"
#include "lib/kube.h"
#include "lib/kube_names.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/own_address.h"
#include "lib/service.h"

enum { API_PORT = 6443, RENEW_MS = 3600 * 1000 };

struct options {
	const char *config_path, *engine_socket, *network_socket, *host, *manifests;
	int port;
};

static const char help[] =
	"agent [--data DIR] [--run DIR] [--credentials DIR] [--host ADDRESS] [--port N] [--config FILE]\n"
	"      [--manifests DIR]\n"
	"  --data DIR         volumes and termination messages of pods (/data/agent)\n"
	"  --run DIR          what a boot forgets: volumes in memory (/run/agent)\n"
	"  --credentials DIR  ca.crt, server.crt, server.key; api.sock, or client.crt and client.key (/run/cluster/node)\n"
	"  --host ADDRESS     where the API is (127.0.0.1)\n"
	"  --port N           and its port (6443)\n"
	"  --config FILE      the rendered machine configuration (/run/config/config.json)\n"
	"  --manifests DIR    files of static pods (/state/manifests)\n";

static int open_clients(struct agent *a, const struct options *o)
{
	struct kube_options kube = {.address = o->host,
		.port = (uint16_t)o->port,
		.host = o->host,
		.credentials = a->credentials,
		.user_agent = "wherry-agent"};
	struct http_peer engine = {.unix_path = o->engine_socket, .host = "engine"};
	struct http_peer network = {.unix_path = o->network_socket, .host = "network"};
	int err = kube_new(&a->kube, a->loop, &kube);

	if (err)
		return log_errno(-err, "agent op=open credentials=%s", a->credentials);
	a->api = kube_http(a->kube);
	err = http_client_new(&a->engine, a->loop, &engine);
	return err ? err : http_client_new(&a->network, a->loop, &network);
}

/* @cluster: of the machine configuration. */
static int start(struct agent *a, const struct options *o, yyjson_val *cluster)
{
	int err = open_clients(a, o);

	if (!err)
		err = events_new(&a->events, a);
	if (!err)
		err = node_start(&a->node, a);
	if (!err)
		err = network_watch_start(&a->network_watch, a);
	if (!err)
		err = image_gc_start(&a->image_gc, a);
	if (!err)
		err = pressure_start(&a->pressure, a, json_obj(cluster, "eviction"));
	if (!err)
		err = storage_limit_start(a);
	if (!err)
		err = services_new(&a->services, a->kube);
	if (!err)
		err = pods_start(&a->pods, a);
	if (!err)
		err = static_pods_start(&a->static_pods, a, o->manifests);
	if (!err)
		err = reclaim_start(&a->reclaim, a);
	if (!err)
		services_on_known(a->services, pods_services_known, a->pods);
	return err ? err : server_start(&a->server, a);
}

/*
 * ---- the certificate by which it is known to an API server elsewhere grows old: whoever takes another one up is a new process.
 * The one it serves with is taken up as it comes (server_refresh()).
 */

struct renewal {
	struct loop_timer timer;
	struct agent *a;
	time_t made;
};

static time_t made_at(const struct agent *a)
{
	char path[300];
	struct stat st;

	snprintf(path, sizeof(path), "%s/client.crt", a->credentials);
	return stat(path, &st) ? 0 : st.st_mtime;
}

static void on_renewal(struct loop_timer *t)
{
	struct renewal *r = container_of(t, struct renewal, timer);
	time_t made = made_at(r->a);

	if (made && made != r->made) {
		log_info("agent op=renew msg=\"there is a newer certificate\"");
		loop_quit(r->a->loop, 0);
		return;
	}
	if (loop_timer_set(r->a->loop, t, loop_now_ms(r->a->loop) + RENEW_MS, on_renewal) < 0)
		log_error("agent op=renew msg=\"out of memory\"");
}

int agent_main(int argc, char **argv)
{
	static struct kube_names names;
	static struct agent a = {
		.data_dir = "/data/agent", .run_dir = "/run/agent", .credentials = "/run/cluster/node"};
	struct options o = {.config_path = "/run/config/config.json",
		.manifests = "/state/manifests",
		.engine_socket = "/run/docker.sock",
		.network_socket = NETWORK_SOCKET,
		.host = "127.0.0.1",
		.port = API_PORT};
	struct renewal renewal = {.a = &a};
	cleanup(json_docp) yyjson_doc *config = NULL;
	yyjson_val *cluster;
	const struct service_option options[] = {
		{.name = "data", .text = &a.data_dir},
		{.name = "run", .text = &a.run_dir},
		{.name = "credentials", .text = &a.credentials},
		{.name = "host", .text = &o.host},
		{.name = "port", .port = &o.port},
		{.name = "config", .text = &o.config_path},
		{.name = "manifests", .text = &o.manifests},
		{0},
	};
	int err = service_options(options, help, argc, argv);

	if (err >= 0)
		return err;
	if (gethostname(a.node_name, sizeof(a.node_name) - 1))
		snprintf(a.node_name, sizeof(a.node_name), "localhost");
	own_address(a.node_ip);
	a.memory_bytes = node_memory();
	a.cluster_dns = names.dns_address;
	a.cluster_domain = names.domain;
	err = kube_names_load(&names, o.config_path);
	if (!err)
		err = service_loop(&a.loop);
	config = service_config(o.config_path);
	cluster = json_obj(yyjson_doc_get_root(config), "cluster");
	if (!err)
		err = service_dir(a.data_dir);
	if (!err)
		err = service_dir(a.run_dir);
	renewal.made = made_at(&a);
	if (!err)
		err = start(&a, &o, cluster);
	if (!err)
		err = loop_timer_set(a.loop, &renewal.timer, loop_now_ms(a.loop) + RENEW_MS, on_renewal);
	yyjson_doc_free(take(config)); /* there may be keys in it */
	if (err) {
		log_errno(-err, "agent op=start msg=\"the agent cannot start\"");
		return 1;
	}
	initctl_ready();
	/* What it holds goes with the process: pods outlive it. */
	return loop_run(a.loop) < 0 ? 1 : 0;
}
