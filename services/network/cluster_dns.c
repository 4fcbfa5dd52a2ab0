/* SPDX-License-Identifier: Apache-2.0 */

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "lib/dns_ask.h"
#include "lib/dns_server.h"
#include "lib/log.h"
#include "network/cluster_dns.h"
#include "network/names.h"

enum { DNS_PORT = 53, BACKLOG = 64, ADDRESSES_MAX = 64 };

struct cluster_dns {
	struct names names;
	const char *resolv_conf;
	struct dns_asker *asker;   /* owned */
	struct dns_server *server; /* owned */
	struct waiting *waiting;   /* owned; queries on their way to nameservers */
	uint8_t out[DNS_MESSAGE_MAX];
};

/* A query of a client, while a nameserver is asked. */
struct waiting {
	struct cluster_dns *dns;
	struct dns_client client;
	struct dns_question q;
	uint16_t udp_size; /* as dns_udp_size() */
	char alias[DNS_NAME_MAX +
		   1]; /* whose addresses are asked for, in the client's name; "": its own query */
	struct dns_ask *ask;
	struct waiting *prev, *next;
	uint8_t head[]; /* of the query, with its question */
};

static void answer_failure(struct cluster_dns *d, const struct dns_client *client, const uint8_t *head,
	const struct dns_question *q, uint16_t udp_size)
{
	struct dns_writer w;

	dns_begin(&w, d->out, DNS_UDP_MAX, head, q, DNS_SERVFAIL, udp_size);
	dns_server_reply(client, d->out, dns_end(&w));
}

/* ---- asking */

static void end(struct waiting *w)
{
	if (w->prev)
		w->prev->next = w->next;
	else
		w->dns->waiting = w->next;
	if (w->next)
		w->next->prev = w->prev;
	free(w);
}

static void answer_alias(struct waiting *w, const uint8_t *msg, size_t len)
{
	struct ipaddr found[ADDRESSES_MAX];
	size_t n = dns_reply_addresses(msg, len, w->q.type, found, array_len(found));
	struct dns_writer out;

	dns_begin(&out, w->dns->out, dns_client_room(&w->client, w->udp_size), w->head, &w->q, dns_rcode(msg),
		w->udp_size);
	dns_put_name(&out, DNS_ANSWER, NULL, DNS_TYPE_CNAME, w->alias, NAMES_TTL_S);
	for (size_t i = 0; i < n; i++)
		dns_put_address(&out, DNS_ANSWER, w->alias, &found[i], NAMES_TTL_S);
	dns_server_reply(&w->client, w->dns->out, dns_end(&out));
}

static void on_answer(uint8_t *msg, size_t len, void *arg)
{
	struct waiting *w = arg;

	if (!msg)
		answer_failure(w->dns, &w->client, w->head, &w->q, w->udp_size);
	else if (*w->alias)
		answer_alias(w, msg, len);
	else
		dns_server_reply(&w->client, msg, len);
	end(w);
}

/* @alias: NULL, or the name to ask for instead of the query's own. */
static void ask(struct cluster_dns *d, const struct dns_client *client, const uint8_t *msg, size_t len,
	const struct dns_question *q, uint16_t udp_size, const char *alias)
{
	struct ipaddr servers[DNS_SERVERS_MAX];
	uint8_t own[DNS_HEADER + DNS_NAME_MAX + 6];
	struct dns_question own_question;
	struct dns_asking what = {.msg = msg, .len = len, .q = q, .tcp = client->conn, .servers = servers};
	struct waiting *w = calloc(1, sizeof(*w) + q->end);

	what.n_servers = dns_servers_read(d->resolv_conf, &d->names.dns, servers);
	if (alias) {
		what.len = dns_query(own, sizeof(own), 0, alias, q->type);
		what.msg = own;
		what.q = &own_question;
	}
	if (!w || (alias && dns_question(&own_question, own, what.len) < 0) ||
		dns_ask(&w->ask, d->asker, &what, on_answer, w) < 0) {
		answer_failure(d, client, msg, q, udp_size);
		free(w);
		return;
	}
	w->dns = d;
	w->client = *client;
	w->q = *q;
	w->udp_size = udp_size;
	if (alias)
		strncpy(w->alias, alias, sizeof(w->alias) - 1);
	memcpy(w->head, msg, q->end);
	w->next = d->waiting;
	if (w->next)
		w->next->prev = w;
	d->waiting = w;
}

static void on_query(const struct dns_client *client, const uint8_t *msg, size_t len,
	const struct dns_question *q, void *arg)
{
	struct cluster_dns *d = arg;
	uint16_t udp_size = dns_udp_size(msg, len, q);
	const char *alias = NULL;
	struct dns_writer w;

	dns_begin(&w, d->out, dns_client_room(client, udp_size), msg, q, DNS_OK, udp_size);
	switch (names_answer(&d->names, &w, q, &alias)) {
	case NAMES_HERE:
		dns_server_reply(client, d->out, dns_end(&w));
		break;
	case NAMES_LATER:
		answer_failure(d, client, msg, q, udp_size);
		break;
	case NAMES_ALIAS:
		ask(d, client, msg, len, q, udp_size, alias);
		break;
	case NAMES_ELSEWHERE:
		ask(d, client, msg, len, q, udp_size, NULL);
		break;
	}
}

/* ---- coming and going */

static int bound(int type, const struct sockaddr_in *at)
{
	cleanup(closep) int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int on = 1;

	if (fd < 0 ||
		(type == SOCK_STREAM && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0) ||
		bind(fd, (const struct sockaddr *)at, sizeof(*at)) < 0 ||
		(type == SOCK_STREAM && listen(fd, BACKLOG) < 0))
		return -errno;
	return take_fd(fd);
}

static int serve(struct cluster_dns *d, const struct cluster_dns_options *o)
{
	const struct sockaddr_in at = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)(o->port ? o->port : DNS_PORT)),
		.sin_addr = d->names.dns.v4};
	int udp = bound(SOCK_DGRAM, &at), tcp;

	if (udp < 0)
		return udp;
	tcp = bound(SOCK_STREAM, &at);
	if (tcp < 0) {
		close(udp);
		return tcp;
	}
	return dns_server_new(&d->server, o->loop, udp, tcp, on_query, d);
}

int cluster_dns_open(struct cluster_dns **out, const struct cluster_dns_options *o)
{
	struct cluster_dns *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return -ENOMEM;
	d->resolv_conf = o->resolv_conf;
	d->names = (struct names){.catalog = o->catalog, .domain = o->domain, .services = o->services};
	r = ipaddr_parse(o->address, &d->names.dns);
	if (!r)
		r = ipaddr_parse(o->pod_range, &d->names.pods);
	if (!r)
		r = dns_asker_new(&d->asker, o->loop);
	if (!r)
		r = serve(d, o);
	if (r < 0) {
		cluster_dns_close(d);
		return log_errno(-r, "op=serve-dns address=%s", o->address);
	}
	*out = d;
	return 0;
}

void cluster_dns_close(struct cluster_dns *d)
{
	if (!d)
		return;
	while (d->waiting) {
		struct waiting *w = d->waiting;

		dns_ask_cancel(w->ask);
		dns_server_reply(&w->client, NULL, 0);
		end(w);
	}
	dns_server_free(d->server);
	dns_asker_free(d->asker);
	free(d);
}
