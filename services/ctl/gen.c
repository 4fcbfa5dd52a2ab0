/* SPDX-License-Identifier: Apache-2.0 */

/*
 * `wherryctl gen`: everything one node needs, in one step, on the operator's machine. The directory appears
 * whole or not at all: it is made under another name beside it and renamed.
 *
 *	ca.key			the authority that vouches for the node and its clients; stays with the operator
 *	machine.yaml		the machine configuration, with the node's certificate and key
 *	docker/			what a docker client needs: ca.pem, cert.pem, key.pem (DOCKER_CERT_PATH)
 *	docker-context.tar	the same for `docker context import`, when an address is known
 *	cluster-ca.key		the cluster's authority; stays with the operator, and is in the machine configuration
 *	cluster-ca.pem
 *	kubeconfig		the cluster's administrator, for kubectl
 *	clients/NAME/		further clients, made by `gen --client NAME DIR`
 */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "ctl/context.h"
#include "ctl/ctl.h"
#include "lib/kubeconfig.h"
#include "lib/log.h"
#include "lib/pki.h"
#include "lib/util.h"

enum { ADDRESSES_MAX = 32, FILES_MAX = 16, INPUT_MAX = 64 * 1024 };

#define CA_NAME "Wherry node CA"

struct input {
	const char *host; /* registries only */
	char *text;	  /* owned */
};

struct gen {
	const char *dir;
	const char *hostname;
	const char *client;
	const char *addresses[ADDRESSES_MAX];
	size_t n_addresses;
	struct input ssh_keys[FILES_MAX];
	size_t n_ssh_keys;
	struct input registries[FILES_MAX];
	size_t n_registries;
	bool force;
};

static const char help[] =
	"usage: wherryctl gen DIR [OPTION]...\n"
	"       wherryctl gen --client NAME DIR\n"
	"\n"
	"  --hostname H            the node's host name (default: the node derives one)\n"
	"  --address A             an address or DNS name clients reach it by; may be repeated\n"
	"  --ssh-key FILE          a public key that may log in as root; may be repeated\n"
	"  --registry-ca HOST=FILE the authority (PEM) that registry HOST[:PORT] is signed by; may be repeated\n"
	"  --force                 replace DIR; what it held is kept as DIR.old\n"
	"  --client NAME           one more docker client for the node of DIR, in DIR/clients/NAME\n";

static int complain(const char *what, const char *value)
{
	fprintf(stderr, "wherryctl gen: %s: %s\n", value, what);
	return 2;
}

/* ---- files */

static int read_text(const char *path, char **out)
{
	cleanup(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	cleanup(freep) char *text = malloc(INPUT_MAX + 1);
	size_t len = 0;
	ssize_t n;

	if (!text)
		return -ENOMEM;
	if (fd < 0)
		return -errno;
	while ((n = read(fd, text + len, INPUT_MAX + 1 - len)) > 0) {
		len += (size_t)n;
		if (len > INPUT_MAX)
			return -EFBIG;
	}
	if (n < 0)
		return -errno;
	text[len] = '\0';
	if (strlen(text) != len)
		return -EILSEQ;
	*out = take(text);
	return 0;
}

/* A new file, on the disk when this returns. */
static int put_file(int dir, const char *name, mode_t mode, const void *data, size_t len)
{
	cleanup(closep) int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	const char *p = data;

	if (fd < 0)
		return log_errno(errno, "file=%s op=create", name);
	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return log_errno(errno, "file=%s op=write", name);
		p += n;
		len -= (size_t)n;
	}
	if (fsync(fd) < 0)
		return log_errno(errno, "file=%s op=fsync", name);
	return 0;
}

static int put_text(int dir, const char *name, mode_t mode, const char *text)
{
	return put_file(dir, name, mode, text, strlen(text));
}

static int make_dir(int at, const char *name, mode_t mode, int *fd)
{
	if (mkdirat(at, name, mode) < 0 && errno != EEXIST)
		return log_errno(errno, "dir=%s op=mkdir", name);
	*fd = openat(at, name, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	return *fd < 0 ? log_errno(errno, "dir=%s op=open", name) : 0;
}

/* ---- the machine configuration */

static void put_indented(FILE *f, const char *indent, const char *text)
{
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\r\n");

		if (len)
			fprintf(f, "%s%.*s\n", indent, (int)len, line);
		line += len;
		line += strspn(line, "\r\n");
	}
}

static int write_config(int dir, const struct gen *g, const char *ca, const char *cert, const char *key,
	const char *cluster_ca, const char *cluster_key)
{
	cleanup(freep) char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return -ENOMEM;
	fputs("version: 1\n", f);
	if (g->hostname)
		fprintf(f, "hostname: \"%s\"\n", g->hostname);
	fputs("engine:\n  listen: [\"0.0.0.0:2376\"]\n  tls:\n    ca: |\n", f);
	put_indented(f, "      ", ca);
	fputs("    cert: |\n", f);
	put_indented(f, "      ", cert);
	fputs("    key: |\n", f);
	put_indented(f, "      ", key);
	if (g->n_registries)
		fputs("  registries:\n", f);
	for (size_t i = 0; i < g->n_registries; i++) {
		fprintf(f, "    - host: \"%s\"\n      ca: |\n", g->registries[i].host);
		put_indented(f, "        ", g->registries[i].text);
	}
	fputs("cluster:\n  ca:\n    cert: |\n", f);
	put_indented(f, "      ", cluster_ca);
	fputs("    key: |\n", f);
	put_indented(f, "      ", cluster_key);
	if (g->n_addresses)
		fputs("  names:\n", f);
	for (size_t i = 0; i < g->n_addresses; i++)
		fprintf(f, "    - \"%s\"\n", g->addresses[i]);
	if (g->n_ssh_keys)
		fputs("ssh:\n  authorized_keys:\n", f);
	for (size_t i = 0; i < g->n_ssh_keys; i++)
		put_indented(f, "    - ", g->ssh_keys[i].text);
	if (fclose(f))
		return -ENOMEM;
	return put_file(dir, "machine.yaml", 0600, text, len);
}

/* ---- secrets */

/* A client's three files in @dir; the certificate and key also go out, for the context. */
static int write_client(
	int dir, const char *name, const struct pki_key *ca_key, const char *ca, char **cert, char **key)
{
	struct pki_request req = {.use = PKI_CLIENT, .common_name = name};
	struct pki_key *k = NULL;
	int r;

	r = pki_key_new(&k);
	if (!r)
		r = pki_certify(cert, &req, k, ca_key, CA_NAME);
	if (!r)
		r = pki_key_pem(k, key);
	pki_key_free(k);
	if (!r)
		r = put_text(dir, "ca.pem", 0644, ca);
	if (!r)
		r = put_text(dir, "cert.pem", 0644, *cert);
	if (!r)
		r = put_text(dir, "key.pem", 0600, *key);
	return r;
}

static int certify_node(const struct gen *g, const struct pki_key *ca_key, struct pki_key **key, char **cert)
{
	const char *names[ADDRESSES_MAX + 4] = {"localhost", "127.0.0.1", "::1"};
	struct pki_request req = {.use = PKI_SERVER, .names = names, .n_names = 3};
	int r;

	req.common_name = g->hostname ? g->hostname : "wherry";
	if (g->hostname)
		names[req.n_names++] = g->hostname;
	for (size_t i = 0; i < g->n_addresses; i++)
		names[req.n_names++] = g->addresses[i];
	r = pki_key_new(key);
	return r ? r : pki_certify(cert, &req, *key, ca_key, CA_NAME);
}

static int write_context(int dir, const struct gen *g, const char *ca, const char *cert, const char *key)
{
	struct context c = {.name = g->hostname ? g->hostname : "wherry", .ca = ca, .cert = cert, .key = key};
	cleanup(freep) char *host = NULL;
	cleanup(freep) void *tar = NULL;
	bool v6;
	size_t len;
	int r;

	if (!g->n_addresses)
		return 0;
	v6 = strchr(g->addresses[0], ':') != NULL;
	if (asprintf(&host, "tcp://%s%s%s:2376", v6 ? "[" : "", g->addresses[0], v6 ? "]" : "") < 0)
		return -ENOMEM;
	c.host = host;
	r = context_tar(&c, &tar, &len);
	return r ? r : put_file(dir, "docker-context.tar", 0600, tar, len);
}

/* The cluster's authority, and its administrator. */
static int write_cluster(int dir, const struct gen *g, char **ca, char **ca_key_pem)
{
	struct pki_request authority = {.use = PKI_CA, .common_name = KUBECONFIG_CA_NAME};
	struct pki_request admin = {
		.use = PKI_CLIENT, .common_name = KUBECONFIG_ADMIN, .organisation = KUBECONFIG_ADMIN_GROUP};
	struct pki_key *ca_key = NULL, *admin_key = NULL;
	cleanup(freep) char *cert = NULL;
	cleanup(freep) char *key = NULL;
	cleanup(freep) char *text = NULL;
	const char *address = g->n_addresses ? g->addresses[0] : "127.0.0.1";
	char server[320];
	int r = pki_key_new(&ca_key);

	snprintf(server, sizeof(server), strchr(address, ':') ? "https://[%s]:6443" : "https://%s:6443",
		address);
	if (!r)
		r = pki_certify(ca, &authority, ca_key, ca_key, KUBECONFIG_CA_NAME);
	if (!r)
		r = pki_key_pem(ca_key, ca_key_pem);
	if (!r)
		r = pki_key_new(&admin_key);
	if (!r)
		r = pki_certify(&cert, &admin, admin_key, ca_key, KUBECONFIG_CA_NAME);
	if (!r)
		r = pki_key_pem(admin_key, &key);
	if (!r) {
		text = kubeconfig_text(&(struct kubeconfig){server, *ca, cert, key});
		r = text ? put_text(dir, "kubeconfig", 0600, text) : -ENOMEM;
	}
	if (!r)
		r = put_text(dir, "cluster-ca.pem", 0644, *ca);
	if (!r)
		r = put_text(dir, "cluster-ca.key", 0600, *ca_key_pem);
	pki_key_free(ca_key);
	pki_key_free(admin_key);
	return r;
}

static int fill(int dir, const struct gen *g)
{
	struct pki_request authority = {.use = PKI_CA, .common_name = CA_NAME};
	struct pki_key *ca_key = NULL, *node_key = NULL;
	cleanup(freep) char *ca_key_pem = NULL;
	cleanup(freep) char *ca = NULL;
	cleanup(freep) char *cert = NULL;
	cleanup(freep) char *key = NULL;
	cleanup(freep) char *client_cert = NULL;
	cleanup(freep) char *client_key = NULL;
	cleanup(freep) char *cluster_ca = NULL;
	cleanup(freep) char *cluster_key = NULL;
	cleanup(closep) int docker = -1;
	int r;

	r = pki_key_new(&ca_key);
	if (!r)
		r = pki_certify(&ca, &authority, ca_key, ca_key, CA_NAME);
	if (!r)
		r = pki_key_pem(ca_key, &ca_key_pem);
	if (!r)
		r = certify_node(g, ca_key, &node_key, &cert);
	if (!r)
		r = pki_key_pem(node_key, &key);
	if (!r)
		r = put_text(dir, "ca.key", 0600, ca_key_pem);
	if (!r)
		r = write_cluster(dir, g, &cluster_ca, &cluster_key);
	if (!r)
		r = write_config(dir, g, ca, cert, key, cluster_ca, cluster_key);
	if (!r)
		r = make_dir(dir, "docker", 0700, &docker);
	if (!r)
		r = write_client(docker, "docker client", ca_key, ca, &client_cert, &client_key);
	if (!r)
		r = write_context(dir, g, ca, client_cert, client_key);
	pki_key_free(ca_key);
	pki_key_free(node_key);
	return r;
}

/* ---- making the directory appear at once */

/* Removes what a failed attempt had written; the names are all ours. */
static void sweep(const char *tmp)
{
	static const char *const names[] = {"docker/ca.pem", "docker/cert.pem", "docker/key.pem", "ca.key",
		"machine.yaml", "docker-context.tar", "kubeconfig", "cluster-ca.pem", "cluster-ca.key",
		"ca.pem", "cert.pem", "key.pem"};
	int dir = open(tmp, O_DIRECTORY | O_RDONLY | O_CLOEXEC);

	if (dir < 0)
		return;
	for (size_t i = 0; i < array_len(names); i++)
		unlinkat(dir, names[i], 0);
	unlinkat(dir, "docker", AT_REMOVEDIR);
	close(dir);
	rmdir(tmp);
}

static int appear(const struct gen *g, const char *tmp)
{
	cleanup(freep) char *old = NULL;

	if (!rename(tmp, g->dir))
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return log_errno(errno, "dir=%s op=rename", g->dir);
	if (!g->force) {
		fprintf(stderr, "wherryctl gen: %s is not empty; --force keeps what it holds as %s.old\n",
			g->dir, g->dir);
		return -EEXIST;
	}
	if (asprintf(&old, "%s.old", g->dir) < 0)
		return -ENOMEM;
	if (rename(g->dir, old) < 0)
		return log_errno(errno, "dir=%s to=%s op=rename", g->dir, old);
	if (rename(tmp, g->dir) < 0)
		return log_errno(errno, "dir=%s op=rename", g->dir);
	return 0;
}

static int gen_node(const struct gen *g)
{
	cleanup(freep) char *tmp = NULL;
	cleanup(closep) int dir = -1;
	int r;

	if (asprintf(&tmp, "%s.XXXXXX", g->dir) < 0)
		return -ENOMEM;
	if (!mkdtemp(tmp))
		return log_errno(errno, "dir=%s op=mkdtemp", tmp);
	dir = open(tmp, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	r = dir < 0 ? -errno : fill(dir, g);
	if (!r)
		r = appear(g, tmp);
	if (r) {
		sweep(tmp);
		return r;
	}
	printf("%s/machine.yaml   the node's configuration: fw_cfg, or the boot partition\n", g->dir);
	printf("%s/docker         DOCKER_CERT_PATH of a client, with DOCKER_TLS_VERIFY=1\n", g->dir);
	if (g->n_addresses)
		printf("%s/docker-context.tar   or: docker context import NAME FILE\n", g->dir);
	printf("%s/kubeconfig     KUBECONFIG of the cluster's administrator\n", g->dir);
	printf("%s/ca.key         keep it: it makes further clients (gen --client NAME %s)\n", g->dir,
		g->dir);
	return 0;
}

static int gen_client(const struct gen *g)
{
	cleanup(freep) char *ca_key_path = NULL;
	cleanup(freep) char *ca_path = NULL;
	cleanup(freep) char *ca = NULL;
	cleanup(freep) char *tmp = NULL;
	cleanup(freep) char *final = NULL;
	cleanup(freep) char *cert = NULL;
	cleanup(freep) char *key = NULL;
	cleanup(closep) int top = -1;
	cleanup(closep) int clients = -1;
	cleanup(closep) int dir = -1;
	struct pki_key *ca_key = NULL;
	int r;

	if (asprintf(&ca_key_path, "%s/ca.key", g->dir) < 0 ||
		asprintf(&ca_path, "%s/docker/ca.pem", g->dir) < 0 ||
		asprintf(&tmp, "%s/clients/.XXXXXX", g->dir) < 0 ||
		asprintf(&final, "%s/clients/%s", g->dir, g->client) < 0)
		return -ENOMEM;
	r = read_text(ca_path, &ca);
	if (r)
		return log_errno(-r, "file=%s op=read", ca_path);
	r = pki_key_load(&ca_key, ca_key_path);
	if (r)
		return r;
	top = open(g->dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	r = make_dir(top, "clients", 0700, &clients);
	if (!r && !mkdtemp(tmp))
		r = log_errno(errno, "dir=%s op=mkdtemp", tmp);
	if (r) {
		pki_key_free(ca_key);
		return r;
	}
	dir = open(tmp, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	r = write_client(dir, g->client, ca_key, ca, &cert, &key);
	pki_key_free(ca_key);
	if (!r && rename(tmp, final) < 0)
		r = log_errno(errno, "dir=%s op=rename", final);
	if (r) {
		sweep(tmp);
		return r;
	}
	printf("%s   DOCKER_CERT_PATH of the client\n", final);
	return 0;
}

/* ---- words */

static int add_ssh_key(struct gen *g, const char *path)
{
	struct input *in = &g->ssh_keys[g->n_ssh_keys];
	int r;

	if (g->n_ssh_keys == FILES_MAX)
		return complain("too many keys", path);
	r = read_text(path, &in->text);
	if (r)
		return complain(strerror(-r), path);
	g->n_ssh_keys++;
	if (strncmp(in->text, "ssh-", 4) && strncmp(in->text, "ecdsa-", 6) && strncmp(in->text, "sk-", 3))
		return complain("not an OpenSSH public key (the file that ends in .pub)", path);
	return 0;
}

static int add_registry(struct gen *g, char *words)
{
	struct input *in = &g->registries[g->n_registries];
	char *equals = strchr(words, '=');
	int r;

	if (!equals || equals == words)
		return complain("is not HOST=FILE", words);
	if (g->n_registries == FILES_MAX)
		return complain("too many registries", words);
	*equals = '\0';
	if (strpbrk(words, "\"\\\n"))
		return complain("not a registry's host", words);
	r = read_text(equals + 1, &in->text);
	if (r)
		return complain(strerror(-r), equals + 1);
	in->host = words;
	g->n_registries++;
	if (!strstr(in->text, "-----BEGIN CERTIFICATE-----"))
		return complain("holds no certificate in PEM", equals + 1);
	return 0;
}

static int parse(struct gen *g, int argc, char **argv)
{
	enum { HOSTNAME = 256, ADDRESS, SSH_KEY, REGISTRY_CA, FORCE, CLIENT, HELP };
	static const struct option options[] = {
		{"hostname", required_argument, NULL, HOSTNAME},
		{"address", required_argument, NULL, ADDRESS},
		{"ssh-key", required_argument, NULL, SSH_KEY},
		{"registry-ca", required_argument, NULL, REGISTRY_CA},
		{"force", no_argument, NULL, FORCE},
		{"client", required_argument, NULL, CLIENT},
		{"help", no_argument, NULL, HELP},
		{0},
	};
	int r = 0, c;

	optind = 1;
	while (!r && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case HOSTNAME:
			g->hostname = optarg;
			if (!pki_alt_name_ok(optarg) || strchr(optarg, ':') || strlen(optarg) > 63)
				r = complain("not a host name", optarg);
			break;
		case ADDRESS:
			if (!pki_alt_name_ok(optarg))
				r = complain("neither an address nor a DNS name", optarg);
			else if (g->n_addresses == ADDRESSES_MAX)
				r = complain("too many addresses", optarg);
			else
				g->addresses[g->n_addresses++] = optarg;
			break;
		case SSH_KEY:
			r = add_ssh_key(g, optarg);
			break;
		case REGISTRY_CA:
			r = add_registry(g, optarg);
			break;
		case FORCE:
			g->force = true;
			break;
		case CLIENT:
			g->client = optarg;
			if (!pki_name_ok(optarg) || optarg[0] == '.')
				r = complain("not a client's name: letters, digits, . _ - : @", optarg);
			break;
		case HELP:
			fputs(help, stdout);
			return -1;
		default:
			return 2;
		}
	}
	if (!r && optind != argc - 1) {
		fputs(help, stderr);
		r = 2;
	}
	if (!r && g->client &&
		(g->hostname || g->n_addresses || g->n_ssh_keys || g->n_registries || g->force))
		r = complain("goes with no other option", "--client");
	g->dir = argv[argc - 1];
	return r;
}

int ctl_gen(int argc, char **argv)
{
	struct gen g = {0};
	int r = parse(&g, argc, argv);

	if (!r) {
		umask(077);
		r = (g.client ? gen_client(&g) : gen_node(&g)) ? 1 : 0;
	}
	for (size_t i = 0; i < g.n_ssh_keys; i++)
		free(g.ssh_keys[i].text);
	for (size_t i = 0; i < g.n_registries; i++)
		free(g.registries[i].text);
	return r < 0 ? 0 : r;
}
