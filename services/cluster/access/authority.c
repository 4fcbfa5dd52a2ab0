/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Files of the authority:
 *
 *   DATA/pki/ca.crt, ca.key      when the configuration gives none
 *   DATA/pki/front-proxy-ca.*    by which extension API servers know this one
 *   RUN/pki/ca.crt, ca.key       those in use
 *   RUN/pki/server.*, kubelet-client.*, front-proxy-client.*, front-proxy-ca.crt
 *   RUN/kubeconfig               the administrator's
 *   RUN/node/                    ca.crt, server.crt and server.key for this node's agent
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cluster/access/authority.h"
#include "lib/file.h"
#include "lib/kube_names.h"
#include "lib/kubeconfig.h"
#include "lib/log.h"
#include "lib/pki.h"

#define PROXY_CA "front-proxy-ca"

enum { NAMES_MAX = 48, PEM_MAX = 64 * 1024, RENEW_S = 30 * 24 * 3600 };

struct names {
	char *text[NAMES_MAX]; /* owned */
	size_t n;
};

struct authority {
	struct authority_options o; /* o.names is given.text */
	struct names given;
	struct pki_key *ca_key, *server_key, *node_key;
	char *ca_pem;
	char ca_name[PKI_NAME_MAX];
	int run, pki;	     /* directories */
	struct names served; /* by the server's certificate */
	time_t made;
	char *ca_cert_path, *ca_key_path, *cert_path, *key_path, *kubelet_cert_path, *kubelet_key_path;
	char *proxy_ca_cert_path, *proxy_cert_path, *proxy_key_path;
};

/* ---- names */

static void names_fini(struct names *n)
{
	while (n->n)
		free(n->text[--n->n]);
}

static void names_add(struct names *n, const char *text)
{
	if (!text || !*text || !pki_alt_name_ok(text) || n->n == NAMES_MAX)
		return;
	for (size_t i = 0; i < n->n; i++)
		if (!strcmp(n->text[i], text))
			return;
	n->text[n->n] = strdup(text);
	n->n += n->text[n->n] != NULL;
}

/* Addresses of the machine's own interfaces; those of pods and containers are many, and none the server is asked by. */
static void names_of_interfaces(struct names *n)
{
	struct ifaddrs *list, *i;

	if (getifaddrs(&list)) {
		log_errno(errno, "access op=addresses");
		return;
	}
	for (i = list; i; i = i->ifa_next) {
		char text[INET6_ADDRSTRLEN];
		const void *a;

		if (!i->ifa_addr || !(i->ifa_flags & IFF_UP) || !strncmp(i->ifa_name, "veth", 4))
			continue;
		if (i->ifa_addr->sa_family == AF_INET) {
			a = &((struct sockaddr_in *)(void *)i->ifa_addr)->sin_addr;
		} else if (i->ifa_addr->sa_family == AF_INET6) {
			a = &((struct sockaddr_in6 *)(void *)i->ifa_addr)->sin6_addr;
			if (IN6_IS_ADDR_LINKLOCAL((const struct in6_addr *)a))
				continue;
		} else {
			continue;
		}
		if (inet_ntop(i->ifa_addr->sa_family, a, text, sizeof(text)))
			names_add(n, text);
	}
	freeifaddrs(list);
}

static void server_names(const struct authority *a, struct names *n)
{
	static const char *const always[] = {"localhost", "127.0.0.1", "::1", "kubernetes",
		"kubernetes.default", "kubernetes.default.svc"};
	char in_domain[sizeof("kubernetes.default.svc.") + KUBE_DOMAIN_MAX];

	for (size_t i = 0; i < array_len(always); i++)
		names_add(n, always[i]);
	snprintf(in_domain, sizeof(in_domain), "kubernetes.default.svc.%s",
		a->o.domain ?: KUBE_CLUSTER_DOMAIN);
	names_add(n, in_domain);
	names_add(n, a->o.hostname);
	names_add(n, a->o.service_address);
	for (size_t i = 0; i < a->o.n_names; i++)
		names_add(n, a->o.names[i]);
	names_of_interfaces(n);
}

static bool same_names(const struct names *a, const struct names *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->text[i], b->text[i]) != 0)
			return false;
	return true;
}

/* ---- files */

static int make_dir(int at, const char *path, mode_t mode, int *fd)
{
	if (mkdirat(at, path, mode) < 0 && errno != EEXIST)
		return log_errno(errno, "access dir=%s op=mkdir", path);
	*fd = openat(at, path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	return *fd < 0 ? log_errno(errno, "access dir=%s op=open", path) : 0;
}

static int put(int dir, const char *name, const char *text, mode_t mode)
{
	int err = file_replace(dir, name, text, strlen(text), mode);

	return err ? log_errno(-err, "access file=%s op=write", name) : 0;
}

/* ---- the authority itself */

static int make_ca(int dir, const char *name, const char *cert_file, const char *key_file)
{
	struct pki_request req = {.use = PKI_CA, .common_name = name};
	struct pki_key *key = NULL;
	cleanup(freep) char *cert = NULL;
	cleanup(freep) char *pem = NULL;
	int err = pki_key_new(&key);

	if (!err)
		err = pki_certify(&cert, &req, key, key, name);
	if (!err)
		err = pki_key_pem(key, &pem);
	/* The key first: a certificate that is there has its key. */
	if (!err)
		err = put(dir, key_file, pem, 0600);
	if (!err)
		err = put(dir, cert_file, cert, 0644);
	pki_key_free(key);
	return err;
}

static int copy(int from, int to, const char *name, mode_t mode)
{
	cleanup(freep) char *text = NULL;
	size_t len;
	int err = file_read(from, name, PEM_MAX, &text, &len);

	return err ? log_errno(-err, "access file=%s op=read", name) : put(to, name, text, mode);
}

static int open_data(const struct authority *a, int *dir)
{
	cleanup(closep) int data = -1;
	int err = make_dir(AT_FDCWD, a->o.data_dir, 0700, &data);

	return err ? err : make_dir(data, "pki", 0700, dir);
}

static int own_ca(struct authority *a)
{
	cleanup(closep) int dir = -1;
	int err = open_data(a, &dir);

	if (!err && faccessat(dir, "ca.crt", F_OK, 0))
		err = make_ca(dir, KUBECONFIG_CA_NAME, "ca.crt", "ca.key");
	if (!err)
		err = copy(dir, a->pki, "ca.crt", 0644);
	return err ? err : copy(dir, a->pki, "ca.key", 0600);
}

static int load_ca(struct authority *a)
{
	size_t len;
	int err;

	if (a->o.cert && a->o.key) {
		err = put(a->pki, "ca.crt", a->o.cert, 0644);
		if (!err)
			err = put(a->pki, "ca.key", a->o.key, 0600);
	} else {
		err = own_ca(a);
	}
	if (!err)
		err = file_read(a->pki, "ca.crt", PEM_MAX, &a->ca_pem, &len);
	if (!err)
		err = pki_common_name(a->ca_pem, a->ca_name);
	return err ? err : pki_key_load(&a->ca_key, a->ca_key_path);
}

/* ---- what it signs */

struct issued {
	char *cert, *key; /* owned */
};

static void issued_fini(struct issued *i)
{
	free(i->cert);
	free(i->key);
}

/* @key: NULL for a new one */
static int issue_by(const struct pki_key *ca_key, const char *ca_name, const struct pki_request *req,
	struct pki_key *key, struct issued *out)
{
	struct pki_key *own = NULL;
	int err = 0;

	if (!key) {
		err = pki_key_new(&own);
		key = own;
	}
	if (!err)
		err = pki_certify(&out->cert, req, key, ca_key, ca_name);
	if (!err)
		err = pki_key_pem(key, &out->key);
	pki_key_free(own);
	return err;
}

static int issue(struct authority *a, const struct pki_request *req, struct pki_key *key, struct issued *out)
{
	return issue_by(a->ca_key, a->ca_name, req, key, out);
}

static int put_issued(int dir, const char *name, const struct issued *i)
{
	char file[64];
	int err;

	snprintf(file, sizeof(file), "%s.key", name);
	err = put(dir, file, i->key, 0600);
	snprintf(file, sizeof(file), "%s.crt", name);
	return err ? err : put(dir, file, i->cert, 0644);
}

static int issue_to(
	struct authority *a, const struct pki_request *req, struct pki_key *key, int dir, const char *name)
{
	struct issued i = {0};
	int err = issue(a, req, key, &i);

	if (!err)
		err = put_issued(dir, name, &i);
	issued_fini(&i);
	return err;
}

/*
 * Whoever has a certificate of this authority is believed who he says somebody is, so it is another than the cluster's, which
 * many have one of.
 */
static int proxy_part(struct authority *a)
{
	struct pki_request req = {.use = PKI_CLIENT, .common_name = "front-proxy-client"};
	cleanup(freep) char *key_path = NULL;
	cleanup(closep) int dir = -1;
	struct pki_key *key = NULL;
	struct issued i = {0};
	int err = open_data(a, &dir);

	if (!err && faccessat(dir, "front-proxy-ca.crt", F_OK, 0))
		err = make_ca(dir, PROXY_CA, "front-proxy-ca.crt", "front-proxy-ca.key");
	if (!err)
		err = copy(dir, a->pki, "front-proxy-ca.crt", 0644);
	if (!err && asprintf(&key_path, "%s/pki/front-proxy-ca.key", a->o.data_dir) < 0) {
		key_path = NULL;
		err = -ENOMEM;
	}
	if (!err)
		err = pki_key_load(&key, key_path);
	if (!err)
		err = issue_by(key, PROXY_CA, &req, NULL, &i);
	if (!err)
		err = put_issued(a->pki, "front-proxy-client", &i);
	issued_fini(&i);
	pki_key_free(key);
	return err;
}

static int server_certificate(struct authority *a, struct names *n)
{
	struct pki_request req = {.use = PKI_SERVER,
		.common_name = "kube-apiserver",
		.names = (const char *const *)n->text,
		.n_names = n->n};
	int err = issue_to(a, &req, a->server_key, a->pki, "server");

	if (err)
		return err;
	names_fini(&a->served);
	a->served = *n;
	n->n = 0;
	a->made = time(NULL);
	return 0;
}

/* What this node's agent shows to the API server, and the authority by which it knows that one. */
static int node_part(struct authority *a)
{
	struct pki_request req = {.use = PKI_SERVER, .organisation = "system:nodes"};
	struct names n = {0};
	cleanup(closep) int dir = -1;
	char user[128];
	int err;

	snprintf(user, sizeof(user), "system:node:%s", a->o.hostname);
	names_add(&n, a->o.hostname);
	names_add(&n, "127.0.0.1");
	names_of_interfaces(&n);
	req.common_name = user;
	req.names = (const char *const *)n.text;
	req.n_names = n.n;
	err = make_dir(a->run, "node", 0700, &dir);
	if (!err)
		err = put(dir, "ca.crt", a->ca_pem, 0644);
	if (!err)
		err = issue_to(a, &req, a->node_key, dir, "server");
	names_fini(&n);
	return err;
}

static int kubeconfig(struct authority *a)
{
	struct pki_request req = {
		.use = PKI_CLIENT, .common_name = KUBECONFIG_ADMIN, .organisation = KUBECONFIG_ADMIN_GROUP};
	struct issued i = {0};
	char server[64];
	cleanup(freep) char *text = NULL;
	int err = issue(a, &req, NULL, &i);

	snprintf(server, sizeof(server), "https://127.0.0.1:%d", a->o.port);
	if (!err) {
		text = kubeconfig_text(&(struct kubeconfig){server, a->ca_pem, i.cert, i.key});
		err = text ? put(a->run, "kubeconfig", text, 0600) : -ENOMEM;
	}
	issued_fini(&i);
	return err;
}

static int everything(struct authority *a)
{
	struct pki_request kubelet = {.use = PKI_CLIENT,
		.common_name = "kube-apiserver-kubelet-client",
		.organisation = "system:masters"};
	struct names n = {0};
	int err = load_ca(a);

	if (!err)
		err = pki_key_new(&a->server_key);
	if (!err)
		err = pki_key_new(&a->node_key);
	if (!err) {
		server_names(a, &n);
		err = server_certificate(a, &n);
		names_fini(&n);
	}
	if (!err)
		err = issue_to(a, &kubelet, NULL, a->pki, "kubelet-client");
	if (!err)
		err = proxy_part(a);
	if (!err)
		err = node_part(a);
	return err ? err : kubeconfig(a);
}

/* ---- opening */

static char *path_of(const struct authority *a, const char *name)
{
	char *path = NULL;

	return asprintf(&path, "%s/pki/%s", a->o.run_dir, name) < 0 ? NULL : path;
}

int authority_open(struct authority **out, const struct authority_options *o)
{
	struct authority *a = calloc(1, sizeof(*a));
	int err;

	if (!a)
		return -ENOMEM;
	a->o = *o;
	for (size_t i = 0; i < o->n_names; i++)
		names_add(&a->given, o->names[i]);
	a->o.names = (const char *const *)a->given.text;
	a->o.n_names = a->given.n;
	a->run = a->pki = -1;
	a->ca_cert_path = path_of(a, "ca.crt");
	a->ca_key_path = path_of(a, "ca.key");
	a->cert_path = path_of(a, "server.crt");
	a->key_path = path_of(a, "server.key");
	a->kubelet_cert_path = path_of(a, "kubelet-client.crt");
	a->kubelet_key_path = path_of(a, "kubelet-client.key");
	a->proxy_ca_cert_path = path_of(a, "front-proxy-ca.crt");
	a->proxy_cert_path = path_of(a, "front-proxy-client.crt");
	a->proxy_key_path = path_of(a, "front-proxy-client.key");
	err = a->ca_cert_path && a->ca_key_path && a->cert_path && a->key_path && a->kubelet_cert_path &&
			      a->kubelet_key_path && a->proxy_ca_cert_path && a->proxy_cert_path &&
			      a->proxy_key_path
		      ? 0
		      : -ENOMEM;
	if (!err)
		err = make_dir(AT_FDCWD, o->run_dir, 0755, &a->run);
	if (!err)
		err = make_dir(a->run, "pki", 0700, &a->pki);
	if (!err)
		err = everything(a);
	if (err) {
		authority_close(a);
		return err;
	}
	*out = a;
	return 0;
}

void authority_close(struct authority *a)
{
	if (!a)
		return;
	pki_key_free(a->ca_key);
	pki_key_free(a->server_key);
	pki_key_free(a->node_key);
	names_fini(&a->served);
	names_fini(&a->given);
	closep(&a->run);
	closep(&a->pki);
	free(a->ca_pem);
	free(a->ca_cert_path);
	free(a->ca_key_path);
	free(a->cert_path);
	free(a->key_path);
	free(a->kubelet_cert_path);
	free(a->kubelet_key_path);
	free(a->proxy_ca_cert_path);
	free(a->proxy_cert_path);
	free(a->proxy_key_path);
	free(a);
}

const char *authority_ca_cert(const struct authority *a)
{
	return a->ca_cert_path;
}

const char *authority_ca_key(const struct authority *a)
{
	return a->ca_key_path;
}

const char *authority_server_cert(const struct authority *a)
{
	return a->cert_path;
}

const char *authority_server_key(const struct authority *a)
{
	return a->key_path;
}

const char *authority_kubelet_cert(const struct authority *a)
{
	return a->kubelet_cert_path;
}

const char *authority_kubelet_key(const struct authority *a)
{
	return a->kubelet_key_path;
}

const char *authority_proxy_ca_cert(const struct authority *a)
{
	return a->proxy_ca_cert_path;
}

const char *authority_proxy_cert(const struct authority *a)
{
	return a->proxy_cert_path;
}

const char *authority_proxy_key(const struct authority *a)
{
	return a->proxy_key_path;
}

int authority_renew(struct authority *a, time_t now)
{
	struct names n = {0};
	int err = 0, node = 0;
	bool renew;

	server_names(a, &n);
	renew = !same_names(&n, &a->served) || now - a->made > RENEW_S;
	if (renew) {
		node = node_part(a);
		err = server_certificate(a, &n);
	}
	/* neither waits for the other, and what failed is done again */
	if (node) {
		log_errno(-node, "cluster op=renew msg=\"the agent's certificate stays as it was\"");
		a->made = 0;
	}
	names_fini(&n);
	return err ? err : renew;
}

int authority_sign(struct authority *a, const struct pki_csr *csr, bool server, int64_t seconds, char **pem)
{
	return pki_certify_csr(pem, csr, server ? PKI_SERVER : PKI_CLIENT, seconds, a->ca_key, a->ca_name);
}
