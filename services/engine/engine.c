/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The engine: one process, one loop. It opens its stores, takes up what the last engine left, listens, and is
 * ready. It may be killed at any moment: containers are init's children, their descriptors lie in init's
 * store, and what matters is on disk before it is acknowledged.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "engine/api.h"
#include "engine/build/build_api.h"
#include "engine/container.h"
#include "engine/container_net.h"
#include "engine/down.h"
#include "engine/engine.h"
#include "engine/engine_run.h"
#include "engine/events.h"
#include "engine/exec.h"
#include "engine/fault_arm.h"
#include "engine/files.h"
#include "engine/image.h"
#include "lib/json.h"
#include "lib/kube_names.h"
#include "lib/last_exits.h"
#include "engine/lifecycle.h"
#include "engine/network.h"
#include "engine/pod.h"
#include "engine/supervisor.h"
#include "engine/trash.h"
#include "engine/volumes.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/tls.h"

#define CONFIG_PATH    "/run/config/config.json"
#define BUILTIN_IMAGES "/usr/share/wherry/images"

enum { CONFIG_MAX = 4 << 20, LISTEN_MAX = 16 };

/* ---- what is where */

static int make_dirs(struct engine *e)
{
	static const char *const below[] = {"containers", "trash"};
	int err = dir_make(e->data_dir, 0711);

	for (size_t i = 0; !err && i < array_len(below); i++) {
		cleanup(freep) char *dir = text_make("%s/%s", e->data_dir, below[i]);

		err = dir ? dir_make(dir, 0711) : -ENOMEM;
	}
	return err ? err : dir_make(e->run_dir, 0711);
}

/* The node's id, made once; and whether this is the first engine since the node booted. */
static int identify(struct engine *e)
{
	cleanup(freep) char *path = text_make("%s/id", e->data_dir),
			    *mark = text_make("%s/booted", e->run_dir);
	cleanup(freep) char *text = NULL;
	size_t len;

	if (!path || !mark)
		return -ENOMEM;
	e->booted = access(mark, F_OK) != 0;
	if (!disk_read(path, 4096, &text, &len) && len >= 64) {
		memcpy(e->id, text, 64);
		e->id[64] = 0;
		return 0;
	}
	int err = random_id(e->id);

	return err ? err : disk_replace(e->data_dir, "id", e->id, 64, 0644, FILE_DURABLE);
}

/* Containers whose creation was cut: they have no name in the list yet, and nobody was told of them. */
static void sweep_unborn(struct engine *e)
{
	cleanup(freep) char *dir = text_make("%s/containers", e->data_dir);

	if (dir)
		dir_sweep_hidden(dir);
}

/* ---- listeners */

/* "0.0.0.0:2376", "[::]:2376". Digits only: there is no resolver to wait for. */
static int parse_address(const char *s, struct sockaddr_storage *out, socklen_t *len)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
	char host[64];
	const char *colon = strrchr(s, ':');
	char *end;
	long port = colon ? strtol(colon + 1, &end, 10) : 0;

	memset(out, 0, sizeof(*out));
	if (!colon || *end || port < 1 || port > 65535 || (size_t)(colon - s) >= sizeof(host))
		return -EINVAL;
	snprintf(host, sizeof(host), "%.*s", (int)(colon - s), s);
	if (*host == '[') {
		size_t n = strlen(host);

		if (host[n - 1] != ']')
			return -EINVAL;
		host[n - 1] = 0;
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		*len = sizeof(*v6);
		return inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1 ? 0 : -EINVAL;
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons((uint16_t)port);
	*len = sizeof(*v4);
	return inet_pton(AF_INET, *host ? host : "0.0.0.0", &v4->sin_addr) == 1 ? 0 : -EINVAL;
}

static int listen_tcp(struct engine *e, const char *address, struct tls_config *tls)
{
	struct sockaddr_storage addr;
	socklen_t len;
	int err = parse_address(address, &addr, &len), one = 1;

	if (err)
		return log_errno(-err, "op=listen address=%s", address);

	int fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return log_errno(errno, "op=listen address=%s", address);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&addr, len) < 0 || listen(fd, 128) < 0) {
		err = -errno;
		close(fd);
		return log_errno(-err, "op=listen address=%s", address);
	}
	log_info("op=listen address=%s tls=mutual", address);
	return http_server_listen(e->http, fd, tls);
}

/* The PEM texts become files that only we can read, on tmpfs: Mbed TLS is asked for files. */
static int make_tls(struct engine *e, yyjson_val *conf, struct tls_config **out)
{
	static const char *const names[] = {"ca", "cert", "key"};
	cleanup(freep) char *dir = text_make("%s/tls", e->run_dir);
	char *paths[3] = {0};
	int err = dir ? dir_make(dir, 0700) : -ENOMEM;

	for (size_t i = 0; !err && i < array_len(names); i++) {
		const char *pem = json_text(conf, names[i]);

		paths[i] = text_make("%s/%s", dir, names[i]);
		err = !paths[i] ? -ENOMEM
		      : !pem	? log_errno(EINVAL, "op=tls msg=\"engine.tls.%s is missing\"", names[i])
				: disk_replace(dir, names[i], pem, strlen(pem), 0600, 0);
	}
	if (!err) {
		struct tls_files files = {.ca = paths[0], .cert = paths[1], .key = paths[2]};

		err = tls_server_new(out, &files, NULL);
	}
	for (size_t i = 0; i < array_len(paths); i++)
		free(paths[i]);
	return err;
}

/* A listener that cannot be had is said aloud; the others, and the socket, still serve. */
static void listen_config(struct engine *e, struct tls_config **tls)
{
	yyjson_val *conf = json_obj(yyjson_doc_get_root(e->config), "engine");
	yyjson_val *list = json_arr(conf, "listen"), *certs = json_obj(conf, "tls"), *v;
	size_t i, n;

	if (!yyjson_arr_size(list) || !certs || !json_text(certs, "cert")) {
		log_info(
			"op=listen msg=\"no TCP listener: engine.listen and engine.tls are not both configured\"");
		return;
	}
	if (make_tls(e, certs, tls))
		return;
	yyjson_arr_foreach (list, i, n, v)
		if (i < LISTEN_MAX && yyjson_is_str(v))
			(void)!listen_tcp(e, yyjson_get_str(v), *tls);
}

/* ---- coming up */

static int netns_of(const char *id, void *arg)
{
	struct engine *e = arg;
	struct container *c;

	if (container_find(e, id, &c) || strcmp(c->id, id) != 0 ||
		(!container_is_up(c) && c->state != CONTAINER_STARTING))
		return -1;
	return container_net_ns(c);
}

/* Only a container between its start and the end of its release has anything in init's store. */
static bool holds(struct engine *e, const char *id)
{
	struct container *c;

	return !container_find(e, id, &c) && !strcmp(c->id, id) &&
	       (container_is_up(c) || c->state == CONTAINER_STARTING || c->state == CONTAINER_EXITING);
}

static int open_networks(struct engine *e)
{
	cleanup(freep) char *dir = text_make("%s/networks", e->data_dir),
			    *run = text_make("%s/networks", e->run_dir);
	int err = dir && run ? networks_open(&e->networks, e->loop, dir, run) : -ENOMEM;
	yyjson_val *cluster = json_obj(yyjson_doc_get_root(e->config), "cluster");

	/* On this node they are translated, not routed: a network there would never be reached. */
	if (!err && !yyjson_is_false(yyjson_obj_get(cluster, "enabled"))) {
		struct kube_names names;

		err = kube_names_of(&names, cluster);
		if (!err) {
			networks_reserve(e->networks, names.service_range, "the cluster's services");
			networks_reserve(e->networks, names.pod_range, "the cluster's pods");
		}
	}
	return err ? err : networks_restore(e->networks, netns_of, e);
}

int engine_open(struct engine *e)
{
	int err = make_dirs(e);

	if (!err)
		err = identify(e);
	if (!err)
		err = supervisor_open(e);
	if (!err)
		err = events_open(e);
	if (!err)
		err = image_store_open(&e->images, e->data_dir, e->builtin_images);
	if (!err)
		image_store_watch(e->images, e->loop);
	if (!err)
		err = volumes_open(e);
	if (!err) {
		trash_sweep(e);
		sweep_unborn(e);
		err = pods_open(e);
	}
	if (!err) {
		err = containers_load(e);
	}
	if (!err)
		err = open_networks(e);
	if (!err)
		err = execs_open(e);
	if (err)
		return err;
	lifecycle_recover(e);
	build_sweep(e);
	err = supervisor_subscribe(e);
	if (err)
		return err;
	supervisor_replay(e);
	if (e->booted)
		lifecycle_last_boot(e, LAST_EXITS_PATH);
	execs_settle(e);
	lifecycle_autostart(e);
	pods_recover(e);
	supervisor_sweep(e, holds);
	/* Each of them is on disk now, durably. */
	if (e->booted && unlink(LAST_EXITS_PATH) < 0 && errno != ENOENT)
		log_errno(errno, "op=last-exits path=%s", LAST_EXITS_PATH);
	err = disk_replace(e->run_dir, "booted", "", 0, 0644, 0);
	if (!err)
		err = http_server_new(&e->http, e->loop, api_handle, e);
	return err ? err : http_server_listen_unix(e->http, e->socket_path, 0660);
}

void engine_close(struct engine *e)
{
	http_server_free(e->http);
	containers_free(e);
	pods_close(e);
	execs_close(e);
	networks_close(e->networks);
	volumes_close(e);
	image_store_free(e->images);
	events_close(e);
	supervisor_close(e);
	loop_timer_del(&e->down_timer);
	loop_defer_del(&e->down_pass);
	yyjson_doc_free(e->config);
}

static void on_signal(struct loop *l, const siginfo_t *si, void *arg)
{
	if (si->si_signo == SIGPWR)
		down_begin(arg);
	else
		loop_quit(l, 0);
}

int engine_main(int argc, char **argv)
{
	struct engine e = {
		.data_dir = "/data/engine",
		.run_dir = "/run/engine",
		.runtime = "/bin/runtime",
		.runtime_root = "/run/runtime",
		.container_init = "/sbin/docker-init",
		.worker = "/bin/wherry",
		.socket_path = "/run/docker.sock",
		.cgroup = "/docker",
		.builtin_images = BUILTIN_IMAGES,
	};
	struct tls_config *tls = NULL;
	sigset_t set;
	int err;

	signal(SIGPIPE, SIG_IGN);
	umask(022);
	loop_raise_nofile(); /* each running container holds half a dozen */
	err = loop_new(&e.loop);
	if (err)
		return 1;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGPWR);
	err = loop_signals(e.loop, &set, on_signal, &e);
	if (!err)
		err = disk_read_json(CONFIG_PATH, CONFIG_MAX, &e.config);
	if (err)
		log_errno(-err, "op=config file=%s", CONFIG_PATH);
	err = engine_open(&e);
	if (err) {
		log_errno(-err, "op=start msg=\"the engine cannot start\"");
		return 1;
	}
	listen_config(&e, &tls);
	fault_arm(&e);
	initctl_ready();
	log_info("op=ready containers=%zu", e.n_containers);
	err = loop_run(e.loop);
	engine_close(&e);
	tls_config_free(tls);
	/* Children that are still at work hold their sources in the loop; the process ends here anyway. */
	return err < 0 ? 1 : err;
}
