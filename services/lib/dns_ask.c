/* SPDX-License-Identifier: Apache-2.0 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "lib/dns_ask.h"
#include "lib/file.h"
#include "lib/loop.h"
#include "lib/stream.h"

enum { RESOLV_MAX = 64 << 10, PREFIX = 2 /* over TCP: the length */, SILENT_MS = 10000 };

struct dns_asker {
	struct loop *loop;
	struct ipaddr last_good;
	unsigned at_once;
	int64_t silent_until_ms; /* a query has waited in vain; until then */
	struct dns_ask *probe;	 /* only this one waits */
};

struct dns_ask {
	struct dns_asker *asker;
	dns_answered *fn;
	void *arg;
	struct dns_question q;
	struct ipaddr servers[DNS_SERVERS_MAX];
	size_t n_servers;
	bool tcp;
	uint8_t id[2]; /* of our own query: unguessable, as its port is */
	unsigned tries;
	struct ipaddr server; /* that is asked now */
	int fd;		      /* owned; -1; over UDP */
	struct loop_io io;
	struct stream *stream; /* owned; over TCP */
	uint8_t *answer;       /* owned; over TCP: prefix and message, as far as they have come */
	size_t answer_len;
	struct loop_timer timer;
	struct loop_task over; /* nobody is left to ask, found out where @fn must not be called */
	size_t len;
	uint8_t prefix[PREFIX]; /* together with the message, as TCP wants it */
	uint8_t msg[];
};

static void try_next(struct dns_ask *p);

int dns_asker_new(struct dns_asker **out, struct loop *l)
{
	struct dns_asker *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->loop = l;
	*out = a;
	return 0;
}

void dns_asker_free(struct dns_asker *a)
{
	free(a);
}

size_t dns_servers_read(
	const char *resolv_conf, const struct ipaddr * not, struct ipaddr out[DNS_SERVERS_MAX])
{
	cleanup(freep) char *text = NULL;
	char *at, *line;
	size_t len, n = 0;

	if (file_read(AT_FDCWD, resolv_conf, RESOLV_MAX, &text, &len) < 0)
		return 0;
	at = text;
	while (n < DNS_SERVERS_MAX && (line = strsep(&at, "\n"))) {
		char server[INET6_ADDRSTRLEN + 8];

		if (sscanf(line, " nameserver %53s", server) == 1 && ipaddr_parse(server, &out[n]) == 0 &&
			!(not&&ipaddr_equal(not, &out[n])))
			n++;
	}
	return n;
}

/* The @try-th server to ask, in turn, from the one that answered last on. */
static struct ipaddr choose(const struct dns_ask *p, unsigned try)
{
	size_t first = 0;

	for (size_t i = 0; i < p->n_servers; i++)
		if (ipaddr_equal(&p->servers[i], &p->asker->last_good))
			first = i;
	return p->n_servers ? p->servers[(first + try) % p->n_servers] : p->asker->last_good;
}

static void hang_up(struct dns_ask *p)
{
	loop_io_del(&p->io);
	closep(&p->fd);
	stream_free(take(p->stream));
	p->answer_len = 0;
}

void dns_ask_cancel(struct dns_ask *p)
{
	if (!p)
		return;
	if (p->asker->probe == p)
		p->asker->probe = NULL;
	p->asker->at_once--;
	loop_timer_del(&p->timer);
	loop_defer_del(&p->over);
	hang_up(p);
	free(p->answer);
	free(p);
}

static void end(struct dns_ask *p, uint8_t *msg, size_t len)
{
	dns_answered *fn = p->fn;
	void *arg = p->arg;

	/* The answer may lie in what is freed. */
	fn(msg, len, arg);
	dns_ask_cancel(p);
}

static void give_up(struct loop_task *t)
{
	struct dns_ask *p = container_of(t, struct dns_ask, over);

	p->asker->silent_until_ms = loop_now_ms(p->asker->loop) + SILENT_MS;
	end(p, NULL, 0);
}

/* Whether this is the answer; then the query is over. */
static bool pass_on(struct dns_ask *p, uint8_t *msg, size_t len)
{
	if (len < DNS_HEADER || memcmp(msg, p->id, sizeof(p->id)) != 0 || !dns_answers(msg, len, &p->q))
		return false;
	memcpy(msg, &p->q.id, sizeof(p->q.id));
	p->asker->last_good = p->server;
	p->asker->silent_until_ms = 0;
	end(p, msg, len);
	return true;
}

static void on_answer(struct loop_io *io, uint32_t events)
{
	struct dns_ask *p = container_of(io, struct dns_ask, io);
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
	struct dns_ask *p = arg;
	size_t want;

	if (!p->answer)
		p->answer = malloc(PREFIX + DNS_MESSAGE_MAX);
	if (!p->answer) {
		end(p, NULL, 0);
		return;
	}
	if (len > PREFIX + DNS_MESSAGE_MAX - p->answer_len)
		len = PREFIX + DNS_MESSAGE_MAX - p->answer_len;
	memcpy(p->answer + p->answer_len, buf, len);
	p->answer_len += len;
	if (p->answer_len < PREFIX)
		return;
	want = (size_t)p->answer[0] << 8 | p->answer[1];
	/* On a connection there is nobody else: what is no answer is a broken server. */
	if (p->answer_len >= PREFIX + want && !pass_on(p, p->answer + PREFIX, want))
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
	try_next(container_of(t, struct dns_ask, timer));
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

static int ask(struct dns_ask *p)
{
	static const struct stream_events events = {.data = on_bytes, .eof = on_end, .closed = on_broken};
	int fd = connect_to(&p->server, p->tcp ? SOCK_STREAM : SOCK_DGRAM);

	if (fd < 0)
		return fd;
	if (getrandom(p->id, sizeof(p->id), 0) != sizeof(p->id)) {
		close(fd);
		return -EAGAIN;
	}
	memcpy(p->msg, p->id, sizeof(p->id));
	if (p->tcp) {
		int r = stream_new(&p->stream, p->asker->loop, fd, NULL, &events, p);

		return r < 0 ? r : stream_write(p->stream, p->prefix, PREFIX + p->len);
	}
	p->fd = fd;
	if (send(p->fd, p->msg, p->len, MSG_NOSIGNAL) < 0)
		return -errno;
	return loop_io_add(p->asker->loop, &p->io, p->fd, EPOLLIN, on_answer);
}

static void try_next(struct dns_ask *p)
{
	struct loop *loop = p->asker->loop;

	while (p->tries < DNS_ASK_TRIES) {
		hang_up(p);
		p->server = choose(p, p->tries++);
		if (ask(p) < 0)
			continue;
		if (loop_timer_set(loop, &p->timer, loop_now_ms(loop) + DNS_ASK_TRY_MS, on_silence) < 0)
			break;
		return;
	}
	hang_up(p);
	loop_timer_del(&p->timer);
	loop_defer(loop, &p->over, give_up);
}

int dns_ask(
	struct dns_ask **out, struct dns_asker *a, const struct dns_asking *what, dns_answered *fn, void *arg)
{
	bool silent = loop_now_ms(a->loop) < a->silent_until_ms;
	struct dns_ask *p;

	if (!what->n_servers || (silent && a->probe))
		return -EHOSTDOWN;
	if (a->at_once >= DNS_ASK_AT_ONCE)
		return -EBUSY;
	p = calloc(1, sizeof(*p) + what->len);
	if (!p)
		return -ENOMEM;
	p->asker = a;
	p->fn = fn;
	p->arg = arg;
	p->q = *what->q;
	p->n_servers = what->n_servers;
	memcpy(p->servers, what->servers, what->n_servers * sizeof(*p->servers));
	p->tcp = what->tcp;
	p->fd = -1;
	p->len = what->len;
	p->prefix[0] = (uint8_t)(what->len >> 8);
	p->prefix[1] = (uint8_t)what->len;
	memcpy(p->msg, what->msg, what->len);
	a->at_once++;
	if (silent)
		a->probe = p;
	*out = p;
	try_next(p);
	return 0;
}
