/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Queries on their way to the node's nameservers, from the node: a UDP query over UDP, a TCP query over TCP.
 * The server that answered last is asked first. A query costs a bounded amount of everything: so many at
 * once a container and in all, so many tries, so much time. When no nameserver answers the client is told
 * so; it never waits for longer than TRIES * TRY_MS.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "engine/network_dns_int.h"
#include "lib/file.h"
#include "lib/log.h"

enum {
	TRIES = 3,
	TRY_MS = 1500,
	AT_ONCE_CONTAINER = 64,
	AT_ONCE_NODE = 1024,
	SERVERS_MAX = NETWORK_DNS_MAX,
	RESOLV_MAX = 64 << 10,
};

/* A query on its way to a nameserver. */
struct network_query {
	struct network_resolver *r;
	struct network_dns_client client;
	struct dns_question q;
	uint8_t id[2]; /* of our own query: unguessable, as its port is */
	unsigned tries;
	struct ipaddr server; /* that is asked now */
	int fd;		      /* owned; -1; over UDP */
	struct loop_io io;
	struct stream *stream; /* owned; over TCP */
	uint8_t *answer;       /* owned; over TCP: prefix and message, as far as they have come */
	size_t answer_len;
	struct loop_timer timer;
	struct network_query *next;
	size_t len;
	uint8_t prefix[DNS_PREFIX]; /* together with the message, as TCP wants it */
	uint8_t msg[];
};

static unsigned on_the_way; /* queries in all */

static void try_next(struct network_query *p);

/* Those the container was given, else the node's, as they are now; last_good first. */
static size_t nameservers(const struct networks *ns, const char *container, struct ipaddr out[SERVERS_MAX])
{
	cleanup(freep) char *text = NULL;
	char *at, *line;
	size_t len, n = 0;

	for (const struct network_endpoint *e = ns->endpoints; e && !n; e = e->next)
		for (size_t i = 0; i < e->n_dns && !strcmp(e->container, container); i++)
			if (ipaddr_parse(e->dns[i], &out[n]) == 0)
				n++;
	if (n)
		return n;
	if (file_read(AT_FDCWD, ns->host_resolv, RESOLV_MAX, &text, &len) < 0)
		return 0;
	at = text;
	while (n < SERVERS_MAX && (line = strsep(&at, "\n"))) {
		char server[INET6_ADDRSTRLEN + 8];

		if (sscanf(line, " nameserver %53s", server) == 1 && ipaddr_parse(server, &out[n]) == 0)
			n++;
	}
	return n;
}

/* The @try-th server to ask, in turn, from the one that answered last on. */
static struct ipaddr choose(const struct networks *ns, const struct ipaddr *servers, size_t n, unsigned try)
{
	size_t first = 0;

	for (size_t i = 0; i < n; i++)
		if (ipaddr_equal(&servers[i], &ns->dns_last_good))
			first = i;
	return servers[(first + try) % n];
}

static void hang_up(struct network_query *p)
{
	loop_io_del(&p->io);
	closep(&p->fd);
	stream_free(take(p->stream));
	p->answer_len = 0;
}

static void end_query(struct network_query *p)
{
	struct network_query **at = &p->r->queries;

	while (*at && *at != p)
		at = &(*at)->next;
	if (*at)
		*at = p->next;
	p->r->at_once--;
	on_the_way--;
	loop_timer_del(&p->timer);
	hang_up(p);
	free(p->answer);
	free(p);
}

static void give_up(struct network_query *p)
{
	uint8_t out[DNS_UDP_MAX];
	size_t len = dns_answer_none(out, sizeof(out), p->msg, &p->q, DNS_SERVFAIL);

	network_dns_reply(p->r, &p->client, out, len);
	end_query(p);
}

/* Whether this is the answer; then it has gone to the client, and the query is over. */
static bool pass_on(struct network_query *p, uint8_t *msg, size_t len)
{
	if (len < DNS_HEADER || memcmp(msg, p->id, sizeof(p->id)) != 0 || !dns_answers(msg, len, &p->q))
		return false;
	memcpy(msg, &p->q.id, sizeof(p->q.id));
	p->r->ns->dns_last_good = p->server;
	network_dns_reply(p->r, &p->client, msg, len);
	end_query(p);
	return true;
}

static void on_answer(struct loop_io *io, uint32_t events)
{
	struct network_query *p = container_of(io, struct network_query, io);
	uint8_t msg[DNS_MESSAGE_MAX];
	ssize_t n = recv(p->fd, msg, sizeof(msg), MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0) /* nobody is there: no reason to wait */
		try_next(p);
	else
		(void)pass_on(p, msg, (size_t)n);
}

static void on_bytes(struct stream *s, const void *buf, size_t len, void *arg)
{
	struct network_query *p = arg;
	size_t want;

	if (!p->answer)
		p->answer = malloc(DNS_PREFIX + DNS_MESSAGE_MAX);
	if (!p->answer) {
		give_up(p);
		return;
	}
	if (len > DNS_PREFIX + DNS_MESSAGE_MAX - p->answer_len)
		len = DNS_PREFIX + DNS_MESSAGE_MAX - p->answer_len;
	memcpy(p->answer + p->answer_len, buf, len);
	p->answer_len += len;
	if (p->answer_len < DNS_PREFIX)
		return;
	want = (size_t)p->answer[0] << 8 | p->answer[1];
	/* On a connection there is nobody else: what is no answer is a broken server. */
	if (p->answer_len >= DNS_PREFIX + want && !pass_on(p, p->answer + DNS_PREFIX, want))
		try_next(p);
}

static void on_end(struct stream *s, void *arg)
{
	try_next(arg);
}

static void on_broken(struct stream *s, int err, void *arg)
{
	try_next(arg);
}

static void on_silence(struct loop_timer *t)
{
	try_next(container_of(t, struct network_query, timer));
}

static int connect_to(const struct ipaddr *server, int type)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(53), .sin_addr = server->v4};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(53), .sin6_addr = server->v6};
	bool is_v4 = server->family == AF_INET;
	cleanup(closep) int fd = socket(server->family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || (connect(fd, is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6,
			       is_v4 ? sizeof(v4) : sizeof(v6)) < 0 &&
			      errno != EINPROGRESS))
		return -errno;
	return take_fd(fd);
}

static int ask(struct network_query *p)
{
	static const struct stream_events events = {.data = on_bytes, .eof = on_end, .closed = on_broken};
	bool tcp = p->client.conn;
	int fd = connect_to(&p->server, tcp ? SOCK_STREAM : SOCK_DGRAM);

	if (fd < 0)
		return fd;
	if (getrandom(p->id, sizeof(p->id), 0) != sizeof(p->id)) {
		close(fd);
		return -EAGAIN;
	}
	memcpy(p->msg, p->id, sizeof(p->id));
	if (tcp) {
		int r = stream_new(&p->stream, p->r->ns->loop, fd, NULL, &events, p);

		return r < 0 ? r : stream_write(p->stream, p->prefix, DNS_PREFIX + p->len);
	}
	p->fd = fd;
	if (send(p->fd, p->msg, p->len, MSG_NOSIGNAL) < 0)
		return -errno;
	return loop_io_add(p->r->ns->loop, &p->io, p->fd, EPOLLIN, on_answer);
}

static void try_next(struct network_query *p)
{
	struct loop *loop = p->r->ns->loop;
	struct ipaddr servers[SERVERS_MAX];
	size_t n = nameservers(p->r->ns, p->r->container, servers);

	while (n && p->tries < TRIES) {
		hang_up(p);
		p->server = choose(p->r->ns, servers, n, p->tries++);
		if (ask(p) < 0)
			continue;
		if (loop_timer_set(loop, &p->timer, loop_now_ms(loop) + TRY_MS, on_silence) < 0)
			break;
		return;
	}
	/* The answer of last resort carries the client's id again. */
	memcpy(p->msg, &p->q.id, sizeof(p->q.id));
	give_up(p);
}

void network_dns_ask(struct network_resolver *r, const uint8_t *msg, size_t len, const struct dns_question *q,
	const struct network_dns_client *client)
{
	struct network_query *p = NULL;
	uint8_t out[DNS_UDP_MAX];

	if (r->at_once < AT_ONCE_CONTAINER && on_the_way < AT_ONCE_NODE)
		p = calloc(1, sizeof(*p) + len);
	if (!p) {
		size_t n = dns_answer_none(out, sizeof(out), msg, q, DNS_SERVFAIL);

		network_dns_reply(r, client, out, n);
		return;
	}
	p->r = r;
	p->client = *client;
	p->q = *q;
	p->fd = -1;
	p->len = len;
	p->prefix[0] = (uint8_t)(len >> 8);
	p->prefix[1] = (uint8_t)len;
	memcpy(p->msg, msg, len);
	p->next = r->queries;
	r->queries = p;
	r->at_once++;
	on_the_way++;
	try_next(p);
}

bool network_dns_busy(const struct network_resolver *r, const struct network_dns_conn *conn)
{
	for (const struct network_query *p = r->queries; p; p = p->next)
		if (p->client.conn == conn)
			return true;
	return false;
}

void network_dns_forget(struct network_resolver *r, const struct network_dns_conn *conn)
{
	struct network_query *next;

	for (struct network_query *p = r->queries; p; p = next) {
		next = p->next;
		if (!conn || p->client.conn == conn)
			end_query(p);
	}
}
