/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The cluster: one process, one loop, and the store's thread. It reads its configuration, opens the store, makes what every
 * cluster has, listens, sets controllers and scheduler to work, and is ready. It may be killed at any moment: what was acknowledged is on disk, and nothing else is
 * kept anywhere but there.
 */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "applets.h"
#include "cluster/access/access.h"
#include "cluster/access/authority.h"
#include "cluster/bootstrap.h"
#include "cluster/controllers/controllers.h"
#include "cluster/controllers/horizontalpodautoscaler.h"
#include "cluster/extensions/extensions.h"
#include "cluster/http/http.h"
#include "cluster/http/node_summary.h"
#include "cluster/ranges.h"
#include "cluster/registry/registry.h"
#include "cluster/scheduler/scheduler.h"
#include "cluster/store/sqlite_restore.h"
#include "lib/address_watch.h"
#include "lib/file.h"
#include "lib/initctl.h"
#include "lib/json.h"
#include "lib/kube_names.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/own_address.h"
#include "lib/service.h"
#include "lib/tls.h"

#define NOTICE "/run/notice/cluster"

enum { CA_MAX = 64 << 10, PORT = 6443, RENEW_CHECK_MS = 60 * 1000, SETTLE_MS = 1000, NAMES_MAX = 16 };

struct cluster {
	const char *data_dir, *run_dir, *config_path;
	int port;
	bool memory;		     /* nothing is kept */
	const char *check, *restore; /* a snapshot, instead of serving */

	struct loop *loop;
	yyjson_doc *config;
	struct registry *registry;
	struct authority *authority;
	struct access *access;
	struct api *api;
	struct cluster_context context;
	char *ca_pem;	    /* owned: context's */
	char *proxy_ca_pem; /* owned */
	struct kube_names names;
	char issuer[KUBE_DOMAIN_MAX + 64];
	struct node_trust node_trust;
	struct controllers *controllers;
	struct scheduler *scheduler;
	struct tls_config *tls;
	struct loop_timer renewal;
	struct address_watch addresses;
	struct bootstrap_options first;
	bool telling; /* objects of `first` are on their way */
	int listener; /* -1: the API has it */
	char hostname[65];
	char told[OWN_ADDRESS_MAX];    /* what the objects say; "": nothing */
	char address[OWN_ADDRESS_MAX]; /* what is on its way to them */
};

/* ---- configuration */

static const char help[] =
	"cluster [--data DIR] [--run DIR] [--port N] [--config FILE] [--memory]\n"
	"cluster [--data DIR] --check FILE | --restore FILE\n"
	"  --data DIR     the database and the keys made at first boot (/data/cluster)\n"
	"  --run DIR      certificates and the administrator's kubeconfig (/run/cluster)\n"
	"  --port N       where the API is served (6443)\n"
	"  --config FILE  the rendered machine configuration (/run/config/config.json)\n"
	"  --memory       keep nothing\n"
	"  --check FILE   is it a snapshot that could be restored?\n"
	"  --restore FILE put a snapshot in the place of the database, while nobody has it open\n";

static yyjson_val *section(const struct cluster *c)
{
	return json_obj(yyjson_doc_get_root(c->config), "cluster");
}

/* ---- what follows this machine's addresses: certificates, and the objects that say where the API is */

static int make_tls(const struct cluster *c, struct tls_config **out)
{
	static const char *const alpn[] = {"http/1.1", NULL};
	struct tls_files files = {.ca = authority_ca_cert(c->authority),
		.cert = authority_server_cert(c->authority),
		.key = authority_server_key(c->authority),
		.ca_optional = true};

	return tls_server_new(out, &files, alpn);
}

static void renew_certificates(struct cluster *c)
{
	struct tls_config *fresh;
	int r = authority_renew(c->authority, time(NULL));

	if (r < 0)
		log_errno(-r, "cluster op=renew msg=\"the certificate stays as it was\"");
	if (r <= 0 || make_tls(c, &fresh))
		return;
	api_set_tls(c->api, fresh);
	tls_config_free(c->tls);
	c->tls = fresh;
	log_info("cluster op=renew msg=\"a new server certificate\"");
}

static void tell_address(struct cluster *c);

static void on_told(bool whole, void *arg)
{
	struct cluster *c = arg;

	c->telling = false;
	if (!whole)
		return; /* again at the next renewal */
	memcpy(c->told, c->address, sizeof(c->told));
	tell_address(c); /* it may be another by now */
}

/* An address that is lost stays in the objects until there is another. */
static void tell_address(struct cluster *c)
{
	char now[OWN_ADDRESS_MAX];

	if (c->telling || !own_address(now) || !strcmp(now, c->told))
		return;
	memcpy(c->address, now, sizeof(now));
	c->first.address = c->address;
	c->telling = true;
	if (cluster_bootstrap_address(&c->first, on_told, c) < 0)
		c->telling = false;
}

static void on_renewal(struct loop_timer *t)
{
	struct cluster *c = container_of(t, struct cluster, renewal);

	if (loop_timer_set(c->loop, t, loop_now_ms(c->loop) + RENEW_CHECK_MS, on_renewal) < 0)
		log_errno(ENOMEM, "cluster op=renew");
	renew_certificates(c);
	tell_address(c);
}

/* A little later, for several at once; and no more often than that, for they are told of pods' addresses, too. */
static void on_addresses(struct address_watch *w)
{
	struct cluster *c = container_of(w, struct cluster, addresses);
	int64_t soon = loop_now_ms(c->loop) + SETTLE_MS;

	if (c->renewal.deadline_ms > soon)
		(void)!loop_timer_set(c->loop, &c->renewal, soon, on_renewal);
}

static int open_authority(struct cluster *c)
{
	yyjson_val *conf = section(c), *list = json_arr(conf, "names"), *v;
	yyjson_val *ca = json_obj(conf, "ca");
	const char *names[NAMES_MAX];
	struct authority_options o = {.data_dir = c->data_dir,
		.run_dir = c->run_dir,
		.cert = json_text(ca, "cert"),
		.key = json_text(ca, "key"),
		.hostname = c->hostname,
		.service_address = c->names.api_address,
		.domain = c->names.domain,
		.names = names,
		.port = c->port};
	size_t i, max;

	yyjson_arr_foreach (list, i, max, v)
		if (o.n_names < NAMES_MAX && yyjson_is_str(v))
			names[o.n_names++] = yyjson_get_str(v);
	return authority_open(&c->authority, &o);
}

/* ---- coming up */

/* Both families on one socket, where the kernel has both. */
static int listen_on(int port)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int one = 1, zero = 0, fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool v6 = fd >= 0;
	int r;

	if (fd < 0)
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (v6) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
		r = bind(fd, (struct sockaddr *)&six, sizeof(six));
	} else {
		r = bind(fd, (struct sockaddr *)&four, sizeof(four));
	}
	if (r < 0 || listen(fd, 512) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

/*
 * Other ranges, or another domain, than those the cluster was made with are refused, where `wherryctl status` and the console
 * show it.
 */
static int check_names(const struct cluster *c)
{
	char why[RANGES_WHY_MAX];
	int fits = ranges_fit(c->registry, &c->names, why);

	if (fits && !c->memory)
		fits = domain_fits(c->data_dir, c->names.domain, why);
	if (fits < 0)
		return log_errno(-fits, "cluster op=check-domain dir=%s", c->data_dir);
	if (fits) {
		unlink(NOTICE);
		return 0;
	}
	(void)!file_put(AT_FDCWD, NOTICE, why, strlen(why), 0644, 0); /* the log has it, too */
	log_error("cluster op=check-names error=\"%s\"", why);
	return -EINVAL;
}

static int open_all(struct cluster *c)
{
	struct registry_options registry = {.loop = c->loop,
		.data_dir = c->memory ? NULL : c->data_dir,
		.service_cidr = c->names.service_range};
	struct access_options access;
	struct api_options api;
	cleanup(freep) char *why = NULL;
	int err = kube_names_of(&c->names, section(c));

	if (!err)
		err = service_dir(c->data_dir);
	/* before there are credentials, so that who has them is not refused but waits */
	if (!err)
		c->listener = listen_on(c->port);
	if (!err && c->listener < 0)
		return log_errno(-c->listener, "cluster op=listen port=%d", c->port);
	if (!err)
		err = open_authority(c);
	if (err)
		return err;
	err = registry_open(&c->registry, &registry, &why);
	if (err)
		return log_errno(-err, "cluster op=open why=\"%s\"", why ? why : "");
	err = check_names(c);
	if (err)
		return err;
	snprintf(c->issuer, sizeof(c->issuer), "https://kubernetes.default.svc.%s", c->names.domain);
	access = (struct access_options){
		.registry = c->registry, .data_dir = c->data_dir, .issuer = c->issuer};
	err = access_open(&c->access, &access);
	if (err)
		return err;
	api = (struct api_options){.registry = c->registry,
		.access = c->access,
		.data_dir = c->memory ? NULL : c->data_dir,
		.kubelet_ca = authority_ca_cert(c->authority),
		.kubelet_cert = authority_kubelet_cert(c->authority),
		.kubelet_key = authority_kubelet_key(c->authority)};
	err = api_open(&c->api, &api);
	return err ? err : make_tls(c, &c->tls);
}

/* Whoever acts on objects begins when what every cluster has is there. */
static int set_to_work(struct cluster *c)
{
	int err;

	c->context.ca_pem = c->ca_pem;
	c->context.authority = c->authority;
	c->context.pod_range = c->names.pod_range;
	c->node_trust = (struct node_trust){authority_ca_cert(c->authority),
		authority_kubelet_cert(c->authority), authority_kubelet_key(c->authority)};
	err = autoscaler_new(&c->context.autoscaler, c->registry, &c->node_trust, 0);
	if (!err)
		err = controllers_start(&c->controllers, c->registry, &c->context);
	return err ? err : scheduler_start(&c->scheduler, c->registry);
}

/* For the agent and the network service of this node; they come when they find their sockets. */
static int listen_for_parts(const struct cluster *c)
{
	char user[sizeof("system:node:") + sizeof(c->hostname)];
	const struct {
		const char *folder, *user, *group;
	} parts[] = {{"node", user, "system:nodes"}, {"network", "system:kube-proxy", "system:node-proxier"}};
	int err = 0;

	snprintf(user, sizeof(user), "system:node:%s", c->hostname);
	for (size_t i = 0; !err && i < array_len(parts); i++) {
		cleanup(freep) char *dir = NULL;
		cleanup(freep) char *path = NULL;

		if (asprintf(&dir, "%s/%s", c->run_dir, parts[i].folder) < 0 ||
			asprintf(&path, "%s/api.sock", dir) < 0)
			return -ENOMEM;
		err = service_dir(dir);
		if (!err)
			err = api_listen_local(c->api, path, parts[i].user, parts[i].group);
	}
	return err;
}

static void on_bootstrapped(bool whole, void *arg)
{
	struct cluster *c = arg;
	int err = set_to_work(c);

	on_told(whole, c);
	if (!err)
		err = listen_for_parts(c);

	if (err) {
		log_errno(-err, "cluster op=start msg=\"controllers and scheduler do not start\"");
		loop_quit(c->loop, 1);
		return;
	}
	api_ready(c->api);
	initctl_ready();
	log_info(
		"cluster op=ready port=%d revision=%lld", c->port, (long long)registry_revision(c->registry));
}

static int read_pem(const char *path, char **pem)
{
	size_t len;
	int err = file_read(AT_FDCWD, path, CA_MAX, pem, &len);

	return err ? log_errno(-err, "cluster op=read file=%s", path) : 0;
}

static int start(struct cluster *c)
{
	int err = read_pem(authority_ca_cert(c->authority), &c->ca_pem);

	if (!err)
		err = read_pem(authority_proxy_ca_cert(c->authority), &c->proxy_ca_pem);
	if (!err)
		err = extensions_set_identity(registry_extensions(c->registry),
			authority_proxy_cert(c->authority), authority_proxy_key(c->authority));
	if (!err)
		err = api_listen(c->api, take_fd(c->listener), c->tls);
	if (!err)
		err = address_watch_start(&c->addresses, c->loop, on_addresses);
	if (!err) /* soon: the certificates are older than the watch */
		err = loop_timer_set(c->loop, &c->renewal, loop_now_ms(c->loop) + SETTLE_MS, on_renewal);
	if (err)
		return err;
	if (!own_address(c->address))
		*c->address = '\0'; /* nobody else reaches anything at the loopback's */
	c->first = (struct bootstrap_options){.registry = c->registry,
		.access = c->access,
		.service_address = c->names.api_address,
		.dns_address = c->names.dns_address,
		.address = *c->address ? c->address : NULL,
		.port = c->port,
		.ca_pem = c->ca_pem,
		.proxy_ca_pem = c->proxy_ca_pem};
	c->telling = true;
	return cluster_bootstrap(&c->first, on_bootstrapped, c);
}

static void close_all(struct cluster *c)
{
	loop_timer_del(&c->renewal);
	address_watch_stop(&c->addresses);
	closep(&c->listener);
	scheduler_stop(c->scheduler);
	autoscaler_free(c->context.autoscaler);
	controllers_stop(c->controllers);
	api_close(c->api);
	access_close(c->access);
	registry_close(c->registry);
	authority_close(c->authority);
	tls_config_free(c->tls);
	yyjson_doc_free(c->config);
	free(c->ca_pem);
	free(c->proxy_ca_pem);
}

/* A snapshot is looked at, or put in place: who ran this reads why not. */
static int use_snapshot(const struct cluster *c)
{
	cleanup(freep) char *path = NULL, *why = NULL;
	int err = service_dir(c->data_dir);

	if (!err && asprintf(&path, "%s/cluster.db", c->data_dir) < 0)
		err = -ENOMEM;
	if (!err && c->check)
		err = store_sqlite_check(path, c->check, &why);
	else if (!err)
		err = store_sqlite_restore(path, c->restore, &why);
	if (err == -EBUSY)
		fputs("cluster: the store is in use: stop the cluster first\n", stderr);
	else if (err)
		fprintf(stderr, "cluster: %s\n", why ? why : strerror(-err));
	return err ? 1 : 0;
}

int cluster_main(int argc, char **argv)
{
	struct cluster c = {.data_dir = "/data/cluster",
		.run_dir = "/run/cluster",
		.config_path = "/run/config/config.json",
		.port = PORT,
		.addresses = ADDRESS_WATCH_OFF,
		.listener = -1};
	const struct service_option options[] = {
		{.name = "data", .text = &c.data_dir},
		{.name = "run", .text = &c.run_dir},
		{.name = "port", .port = &c.port},
		{.name = "config", .text = &c.config_path},
		{.name = "memory", .flag = &c.memory},
		{.name = "check", .text = &c.check},
		{.name = "restore", .text = &c.restore},
		{0},
	};
	int err = service_options(options, help, argc, argv);

	if (err >= 0)
		return err;
	if (c.check || c.restore)
		return use_snapshot(&c);
	if (gethostname(c.hostname, sizeof(c.hostname) - 1))
		snprintf(c.hostname, sizeof(c.hostname), "localhost");
	err = service_loop(&c.loop);
	if (err)
		return log_errno(-err, "cluster op=loop"), 1;
	c.config = service_config(c.config_path);
	err = open_all(&c);
	if (!err)
		err = start(&c);
	if (err)
		log_errno(-err, "cluster op=start msg=\"the cluster cannot start\"");
	else
		err = loop_run(c.loop);
	close_all(&c);
	loop_free(c.loop);
	return err < 0 ? 1 : err;
}
