/* SPDX-License-Identifier: Apache-2.0 */

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "init/network/lease.h"

static const char *const events[] = {
	[LEASE_DECONFIG] = "deconfig",
	[LEASE_BOUND] = "bound",
	[LEASE_RENEW] = "renew",
	[LEASE_NAK] = "nak",
	[LEASE_FAIL] = "leasefail",
};

/* The variables of udhcpc that are read; busybox networking/udhcp/common.c names them. */
static const char *const keys[] = {
	"ip",
	"subnet",
	"router",
	"staticroutes",
	"dns",
	"domain",
	"search",
	"ntpsrv",
	"mtu",
	"lease",
	LEASE_CONFIG_URL_KEY,
};

ssize_t lease_message(const char *event, const char *const *envp, char out[LEASE_MESSAGE_MAX])
{
	int n = snprintf(out, LEASE_MESSAGE_MAX, "event=%s\n", event);

	if (n >= LEASE_MESSAGE_MAX || strchr(event, '\n'))
		return -EINVAL;
	for (; *envp; envp++) {
		const char *eq = strchr(*envp, '=');
		size_t name = eq ? (size_t)(eq - *envp) : 0, len = strlen(*envp);

		for (size_t k = 0; eq && k < array_len(keys); k++) {
			if (strlen(keys[k]) != name || memcmp(keys[k], *envp, name) != 0)
				continue;
			/* A line in a line would be a key of the server's choice. What does not fit is left
			 * out. */
			if (!strchr(*envp, '\n') && (size_t)n + len + 1 < LEASE_MESSAGE_MAX)
				n += snprintf(out + n, (size_t)(LEASE_MESSAGE_MAX - n), "%s\n", *envp);
		}
	}
	return n;
}

/* An address a host can have or talk to. */
static bool usable(struct in_addr a)
{
	uint32_t h = ntohl(a.s_addr);

	return h >> 24 != 0 && h >> 24 != 127 && h < 0xe0000000;
}

/* Splits at spaces, in place. Return: the next word or NULL. */
static char *word(char **at)
{
	char *w;

	do
		w = strsep(at, " ");
	while (w && !*w);
	return w;
}

static void get_addresses(char *value, struct in_addr *out, size_t *n)
{
	for (char *w; *n < LEASE_LIST_MAX && (w = word(&value));) {
		struct in_addr a;

		if (inet_pton(AF_INET, w, &a) == 1 && usable(a))
			out[(*n)++] = a;
	}
}

static bool name_valid(const char *s)
{
	size_t label = 0, len = strlen(s);

	if (!len || len >= LEASE_NAME_MAX || s[0] == '-')
		return false;
	for (; *s; s++) {
		if (*s == '.') {
			if (!label || s[-1] == '-')
				return false;
			label = 0;
		} else if (isalnum((unsigned char)*s) || *s == '_' || (*s == '-' && label)) {
			if (++label > 63)
				return false;
		} else {
			return false;
		}
	}
	return s[-1] != '-';
}

static void get_names(char *value, struct lease *l)
{
	for (char *w; l->n_search < LEASE_LIST_MAX && (w = word(&value));) {
		size_t len = strlen(w);

		if (len && w[len - 1] == '.')
			w[--len] = '\0';
		if (name_valid(w))
			memcpy(l->search[l->n_search++], w, len + 1);
	}
}

static void add_route(struct lease *l, const struct ipaddr *dst, struct in_addr gateway)
{
	struct route *r;

	if (l->n_routes == LEASE_ROUTES_MAX)
		return;
	r = &l->routes[l->n_routes++];
	*r = (struct route){.dst = ipaddr_network(dst)};
	if (gateway.s_addr)
		r->gateway = (struct ipaddr){.family = AF_INET, .prefix = 32, .v4 = gateway};
}

/* RFC 3442: pairs of network and gateway, 0.0.0.0 for "on the link". */
static void get_routes(char *value, struct lease *l)
{
	for (char *net, *gw; (net = word(&value)) && (gw = word(&value));) {
		struct ipaddr dst;
		struct in_addr a;

		if (ipaddr_parse(net, &dst) < 0 || dst.family != AF_INET || inet_pton(AF_INET, gw, &a) != 1)
			continue;
		if (a.s_addr && !usable(a))
			continue;
		add_route(l, &dst, a);
	}
}

static uint32_t get_number(const char *value, uint32_t max)
{
	uint64_t v = 0;

	if (!*value)
		return 0;
	for (; *value; value++) {
		if (*value < '0' || *value > '9')
			return 0;
		v = v * 10 + (uint64_t)(*value - '0');
		if (v > max)
			return max;
	}
	return (uint32_t)v;
}

/* Of lower case, as udhcpc writes it. */
static int hex_lower(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* An address of the web, in hexadecimal; some servers send the NUL that ends it. */
static void get_url(const char *hex, char out[LEASE_URL_MAX])
{
	size_t len = 0;
	char url[LEASE_URL_MAX];

	for (; hex[0] && hex[1]; hex += 2) {
		int high = hex_lower(hex[0]), low = hex_lower(hex[1]);

		if (high < 0 || low < 0 || len == sizeof(url) - 1)
			return;
		url[len++] = (char)(high << 4 | low);
	}
	if (len && url[len - 1] == '\0')
		len--;
	for (size_t i = 0; i < len; i++)
		if (url[i] <= ' ' || url[i] > '~')
			return;
	url[len] = '\0';
	if (!*hex && (!strncmp(url, "http://", 7) || !strncmp(url, "https://", 8)))
		memcpy(out, url, len + 1);
}

/* What is gathered before it can be judged. */
struct raw {
	bool has_event, has_ip;
	struct in_addr mask, routers[LEASE_LIST_MAX];
	size_t n_routers;
	char domain[LEASE_NAME_MAX];
};

static void get_line(char *line, struct lease *l, struct raw *raw)
{
	char *value = strchr(line, '=');

	if (!value)
		return;
	*value++ = '\0';
	if (!strcmp(line, "event")) {
		for (size_t i = 0; i < array_len(events); i++)
			if (!strcmp(events[i], value)) {
				l->event = (enum lease_event)i;
				raw->has_event = true;
			}
	} else if (!strcmp(line, "ip")) {
		raw->has_ip = inet_pton(AF_INET, value, &l->address.v4) == 1 && usable(l->address.v4);
	} else if (!strcmp(line, "subnet")) {
		if (inet_pton(AF_INET, value, &raw->mask) != 1)
			raw->mask.s_addr = 0;
	} else if (!strcmp(line, "router")) {
		get_addresses(value, raw->routers, &raw->n_routers);
	} else if (!strcmp(line, "staticroutes")) {
		get_routes(value, l);
	} else if (!strcmp(line, "dns")) {
		get_addresses(value, l->dns, &l->n_dns);
	} else if (!strcmp(line, "ntpsrv")) {
		get_addresses(value, l->ntp, &l->n_ntp);
	} else if (!strcmp(line, "search")) {
		get_names(value, l);
	} else if (!strcmp(line, "domain")) {
		snprintf(raw->domain, sizeof(raw->domain), "%.*s", LEASE_NAME_MAX - 1, value);
	} else if (!strcmp(line, "mtu")) {
		l->mtu = get_number(value, 65535);
		if (l->mtu < 576)
			l->mtu = 0;
	} else if (!strcmp(line, LEASE_CONFIG_URL_KEY)) {
		get_url(value, l->config_url);
	} else if (!strcmp(line, "lease")) {
		l->seconds = get_number(value, UINT32_MAX);
	}
}

int lease_parse(struct lease *out, const char *msg, size_t len)
{
	const struct ipaddr everywhere = {.family = AF_INET};
	char copy[LEASE_MESSAGE_MAX + 1];
	char *at = copy;
	struct lease l = {};
	struct raw raw = {};
	uint32_t mask;

	if (len > LEASE_MESSAGE_MAX || memchr(msg, '\0', len))
		return -EINVAL;
	memcpy(copy, msg, len);
	copy[len] = '\0';
	for (char *line; (line = strsep(&at, "\n"));)
		get_line(line, &l, &raw);
	if (!raw.has_event)
		return -EINVAL;
	if (l.event != LEASE_BOUND && l.event != LEASE_RENEW) {
		*out = (struct lease){.event = l.event};
		return 0;
	}
	/* The mask must be ones and then zeros; without one the address stands alone. */
	mask = ntohl(raw.mask.s_addr);
	if (!raw.has_ip || (~mask & (~mask + 1)) != 0)
		return -EINVAL;
	l.address.family = AF_INET;
	l.address.prefix = mask ? (uint8_t)__builtin_popcount(mask) : 32;
	/* RFC 3442: where classless routes are given, the router option is ignored. */
	if (!l.n_routes && raw.n_routers)
		add_route(&l, &everywhere, raw.routers[0]);
	if (!l.n_search)
		get_names(raw.domain, &l);
	*out = l;
	return 0;
}
