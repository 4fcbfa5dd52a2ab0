/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/files.h"
#include "lib/json.h"
#include "engine/ports.h"

/* Digits only, 1..65535; moves *s behind them. */
static int number(const char **s, uint16_t *out)
{
	unsigned long n = 0;
	const char *p = *s;

	for (; *p >= '0' && *p <= '9' && n < 100000; p++)
		n = n * 10 + (unsigned)(*p - '0');
	if (p == *s || n > 65535)
		return -EINVAL;
	*out = (uint16_t)n;
	*s = p;
	return 0;
}

int port_parse(const char *s, uint16_t *port, uint8_t *proto)
{
	*proto = IPPROTO_TCP;
	if (number(&s, port) || !*port)
		return -EINVAL;
	if (!*s || !strcmp(s, "/tcp"))
		return 0;
	if (strcmp(s, "/udp") != 0)
		return -EINVAL;
	*proto = IPPROTO_UDP;
	return 0;
}

/* "", "8080", "8000-8010". */
static int host_port(const char *s, struct network_port *p)
{
	if (!s || !*s)
		return 0;
	if (number(&s, &p->host_port))
		return -EINVAL;
	if (*s == '-') {
		s++;
		if (number(&s, &p->host_port_last) || p->host_port_last < p->host_port)
			return -EINVAL;
	}
	return *s ? -EINVAL : 0;
}

static int one_binding(const char *key, yyjson_val *b, struct network_port *p, char **msg)
{
	const char *ip = json_text(b, "HostIp"), *hp = json_str(b, "HostPort");

	if (host_port(hp, p)) {
		*msg = text_make("invalid port specification: \"%s\" for container port %s", hp, key);
		return -EINVAL;
	}
	if (!ip)
		return 0;
	if (strchr(ip, '/') || ipaddr_parse(ip, &p->host_ip) < 0) {
		*msg = text_make("invalid host address \"%s\" for container port %s", ip, key);
		return -EINVAL;
	}
	return 0;
}

static struct network_port *grow(struct network_port **list, size_t n)
{
	struct network_port *more = n < NETWORK_PORTS_MAX ? realloc(*list, (n + 1) * sizeof(**list)) : NULL;

	if (!more)
		return NULL;
	*list = more;
	more[n] = (struct network_port){.held = -1};
	return &more[n];
}

ssize_t ports_read(
	yyjson_val *bindings, yyjson_val *exposed, bool publish_all, struct network_port **out, char **msg)
{
	cleanup(freep) struct network_port *list = NULL;
	size_t count = 0, i, n, j, m;
	yyjson_val *key, *arr, *b;

	json_obj_foreach (bindings, i, n, key, arr) {
		uint16_t port;
		uint8_t proto;

		if (port_parse(yyjson_get_str(key), &port, &proto)) {
			*msg = text_make(
				"invalid port \"%.64s\": 80/tcp or 53/udp is the form (SCTP is not supported by this engine)",
				yyjson_get_str(key));
			return -EINVAL;
		}
		yyjson_arr_foreach (arr, j, m, b) {
			struct network_port *p = grow(&list, count);

			if (!p)
				return -ENOMEM;
			p->container_port = port;
			p->proto = proto;

			int err = one_binding(yyjson_get_str(key), b, p, msg);

			if (err < 0)
				return err;
			count++;
		}
		if (yyjson_is_arr(arr) && !m) {
			struct network_port *p = grow(&list, count);

			if (!p)
				return -ENOMEM;
			p->container_port = port;
			p->proto = proto;
			count++;
		}
	}
	json_obj_foreach (publish_all ? exposed : NULL, i, n, key, b) {
		uint16_t port;
		uint8_t proto;
		bool have = false;

		if (port_parse(yyjson_get_str(key), &port, &proto))
			continue;
		for (size_t k = 0; k < count; k++)
			have = have || (list[k].container_port == port && list[k].proto == proto);
		struct network_port *p = have ? NULL : grow(&list, count);

		if (have)
			continue;
		if (!p)
			return -ENOMEM;
		p->container_port = port;
		p->proto = proto;
		count++;
	}
	*out = take(list);
	return (ssize_t)count;
}
