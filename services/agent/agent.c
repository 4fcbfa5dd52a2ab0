/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The node agent: one process, one loop. It reads where things are, opens its clients of the API, the engine and the pod network,
 * registers the node, and follows its pods. It may be killed at any moment: pods run on, and the next one finds them.
 */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "agent/agent.h"
#include "agent/events.h"
#include "agent/image_gc.h"
#include "agent/network.h"
#include "agent/node.h"
#include "agent/pods.h"
#include "agent/server.h"
#include "agent/services.h"
#include "applets.h"
#include "lib/file.h"
#include "lib/http_client.h"
#include "lib/initctl.h"
#include "lib/json.h"
#include "lib/kube.h"
#include "lib/kube_names.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/own_address.h"

enum { CONFIG_MAX = 4 << 20, API_PORT = 6443, RENEW_MS = 3600 * 1000, RENEW_AFTER_S = 30 * 24 * 3600 };

struct options {
	const char *config_path, *engine_socket, *network_socket, *host;
	int port;
};

static const char help[] =
	"agent [--data DIR] [--run DIR] [--credentials DIR] [--host ADDRESS] [--port N] [--config FILE]\n"
	"  --data DIR         volumes and termination messages of pods (/data/agent)\n"
	"  --run DIR          what a boot forgets: volumes in memory (/run/agent)\n"
	"  --credentials DIR  ca.crt, client.crt and client.key for the API (/run/cluster/node)\n"
	"  --host ADDRESS     where the API is (127.0.0.1)\n"
	"  --port N           and its port (6443)\n"
	"  --config FILE      the rendered machine configuration (/run/config/config.json)\n";

static int parse(struct agent *a, struct options *o, int argc, char **argv)
{
	enum { DATA = 256, RUN, CREDENTIALS, HOST, PORT, CONFIG, HELP };
	static const struct option options[] = {
		{"data", required_argument, NULL, DATA},
		{"run", required_argument, NULL, RUN},
		{"credentials", required_argument, NULL, CREDENTIALS},
		{"host", required_argument, NULL, HOST},
		{"port", required_argument, NULL, PORT},
		{"config", required_argument, NULL, CONFIG},
		{"help", no_argument, NULL, HELP},
		{0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case DATA:
			a->data_dir = optarg;
			break;
		case RUN:
			a->run_dir = optarg;
			break;
		case CREDENTIALS:
			a->credentials = optarg;
			break;
		case HOST:
			o->host = optarg;
			break;
		case PORT:
			o->port = atoi(optarg);
			break;
		case CONFIG:
			o->config_path = optarg;
			break;
		case HELP:
			fputs(help, stdout);
			return -1;
		default:
			fputs(help, stderr);
			return 2;
		}
	}
	if (optind == argc && o->port > 0 && o->port < 65536)
		return 0;
	fputs(help, stderr);
	return 2;
}

static bool enabled(const struct options *o)
{
	cleanup(freep) char *text = NULL;
	cleanup(json_docp) yyjson_doc *doc = NULL;
	size_t len;
	int err = file_read(AT_FDCWD, o->config_path, CONFIG_MAX, &text, &len);

	if (err) {
		log_errno(-err, "agent file=%s msg=\"going on without\"", o->config_path);
		return true;
	}
	doc = yyjson_read(text, len, YYJSON_READ_NOFLAG);
	return !yyjson_is_false(yyjson_obj_get(json_obj(yyjson_doc_get_root(doc), "cluster"), "enabled"));
}

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

static int start(struct agent *a, const struct options *o)
{
	int err = open_clients(a, o);

	if (!err)
		err = events_new(&a->events, a);
	if (!err)
		err = node_start(&a->node, a);
	if (!err)
		err = image_gc_start(&a->image_gc, a);
	if (!err)
		err = services_new(&a->services, a->kube);
	if (!err)
		err = pods_start(&a->pods, a);
	if (!err)
		services_on_known(a->services, pods_services_known, a->pods);
	return err ? err : server_start(&a->server, a);
}

/* ---- credentials grow old: whoever takes them up anew is a new process */

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

	if (made - r->made > RENEW_AFTER_S) {
		log_info("agent op=renew msg=\"there is a newer certificate\"");
		loop_quit(r->a->loop, 0);
		return;
	}
	if (loop_timer_set(r->a->loop, t, loop_now_ms(r->a->loop) + RENEW_MS, on_renewal) < 0)
		log_error("agent op=renew msg=\"out of memory\"");
}

static void on_signal(struct loop *l, const siginfo_t *si, void *arg)
{
	loop_quit(l, 0);
}

static int make_dir(const char *path)
{
	return mkdir(path, 0700) < 0 && errno != EEXIST ? log_errno(errno, "agent dir=%s", path) : 0;
}

int agent_main(int argc, char **argv)
{
	static struct agent a = {.data_dir = "/data/agent",
		.run_dir = "/run/agent",
		.credentials = "/run/cluster/node",
		.cluster_dns = KUBE_DNS_ADDRESS,
		.cluster_domain = KUBE_CLUSTER_DOMAIN};
	struct options o = {.config_path = "/run/config/config.json",
		.engine_socket = "/run/docker.sock",
		.network_socket = NETWORK_SOCKET,
		.host = "127.0.0.1",
		.port = API_PORT};
	struct renewal renewal = {.a = &a};
	sigset_t set;
	int err = parse(&a, &o, argc, argv);

	if (err)
		return err < 0 ? 0 : err;
	umask(022);
	loop_raise_nofile(); /* watches, probes and logs are connections */
	if (gethostname(a.node_name, sizeof(a.node_name) - 1))
		snprintf(a.node_name, sizeof(a.node_name), "localhost");
	own_address(a.node_ip);
	a.memory_bytes = node_memory();
	err = loop_new(&a.loop);
	if (err)
		return 1;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	err = loop_signals(a.loop, &set, on_signal, NULL);
	if (!err && !enabled(&o)) {
		log_info("agent msg=\"no cluster on this node by its machine configuration\"");
	} else if (!err) {
		err = make_dir(a.data_dir);
		if (!err)
			err = make_dir(a.run_dir);
		renewal.made = made_at(&a);
		if (!err)
			err = start(&a, &o);
		if (!err)
			err = loop_timer_set(
				a.loop, &renewal.timer, loop_now_ms(a.loop) + RENEW_MS, on_renewal);
	}
	if (err) {
		log_errno(-err, "agent op=start msg=\"the agent cannot start\"");
		return 1;
	}
	initctl_ready();
	/* What it holds goes with the process: pods outlive it. */
	return loop_run(a.loop) < 0 ? 1 : 0;
}
