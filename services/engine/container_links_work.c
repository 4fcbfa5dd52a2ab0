/* SPDX-License-Identifier: Apache-2.0 */

/* See container_links.h: what a container is told about those that it links. */

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/container.h"
#include "engine/container_links.h"
#include "engine/container_net_int.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/network.h"
#include "engine/ports.h"
#include "lib/json.h"
#include "lib/log.h"

/* Its place on the default bridge; NULL: it has none now. */
static struct network_endpoint *place_of(const struct container *c)
{
	for (struct network_endpoint *ep = networks_endpoints(c->e->networks); ep; ep = ep->next)
		if (!strcmp(ep->container, c->id) && !strcmp(ep->network->name, "bridge"))
			return ep;
	return NULL;
}

/* One that is being started has its address by now: a node that boots starts both at once, in the order of their making. */
static bool runs(const struct container *c)
{
	return container_is_up(c) || c->state == CONTAINER_STARTING;
}

int container_links_ready(struct container *c, char **msg)
{
	size_t i, n;
	yyjson_val *v;

	yyjson_arr_foreach (c->links, i, n, v) {
		struct container *target = container_links_target(c->e, v);

		if (!target || !runs(target)) {
			cleanup(freep) char *id = strndup(yyjson_get_str(v), 12);

			*msg = text_make("Cannot link to a non running container: /%s AS /%s/%s",
				target ? target->name
				: id   ? id
				       : "",
				c->name, container_links_alias(v));
			return -ENOTCONN;
		}
		if (place_of(target))
			continue;
		*msg = text_make(
			"cannot link to /%s, as it does not belong to the default network", target->name);
		return -ENOTCONN;
	}
	return 0;
}

/* ---- /etc/hosts */

static void hosts_lines(
	FILE *f, const struct network_endpoint *ep, const struct container *target, const char *alias)
{
	const char *hostname = json_text(target->config, "Hostname");
	bool named = strcmp(alias, target->name) != 0;
	char ip[IPADDR_TEXT_MAX], short_id[13];

	snprintf(short_id, sizeof(short_id), "%.12s", target->id);
	for (enum network_family v = NETWORK_V4; v < NETWORK_FAMILIES; v++)
		if (ep->ip[v].family)
			fprintf(f, "%s\t%s %s%s%s\n", ipaddr_format(&ep->ip[v], false, ip), alias,
				hostname ? hostname : short_id, named ? " " : "", named ? target->name : "");
}

char *container_links_hosts(struct container *c, const char *unlinked)
{
	cleanup(freep) char *text = NULL;
	size_t size = 0, i, n;
	FILE *f = open_memstream(&text, &size);
	yyjson_val *v;

	if (!f)
		return NULL;
	yyjson_arr_foreach (c->links &&place_of(c) ? c->links : NULL, i, n, v) {
		struct container *target = container_links_target(c->e, v);
		struct network_endpoint *ep = target ? place_of(target) : NULL;
		const char *alias = container_links_alias(v);

		if (ep && (!unlinked || strcmp(alias, unlinked) != 0))
			hosts_lines(f, ep, target, alias);
	}
	return fclose(f) ? NULL : take(text);
}

static bool links_to(const struct container *c, const struct container *target)
{
	size_t i, n;
	yyjson_val *v;

	yyjson_arr_foreach (c->links, i, n, v)
		if (container_links_target(c->e, v) == target)
			return true;
	return false;
}

void container_links_tell(struct container *c)
{
	for (size_t i = 0; i < c->e->n_containers; i++) {
		struct container *other = c->e->containers[i];
		cleanup(freep) char *msg = NULL;

		if (links_to(other, c) && place_of(other) && container_net_files_renew(other, NULL, &msg))
			log_error("container=%.12s op=link target=%.12s msg=\"%s\"", other->id, c->id,
				msg ? msg : "out of memory");
	}
}

/* ---- variables */

struct exposed {
	uint16_t port;
	uint8_t proto;
};

/* TCP first, then by number: IPPROTO_TCP is the least that there is here. */
static int by_number(const void *a, const void *b)
{
	const struct exposed *x = a, *y = b;

	return x->proto != y->proto ? x->proto - y->proto : x->port - y->port;
}

/* malloc'ed; NULL without memory, and then *count is 0. */
static struct exposed *read_exposed(yyjson_val *exposed, size_t *count)
{
	struct exposed *all = malloc((yyjson_obj_size(exposed) + 1) * sizeof(*all));
	size_t i, n;
	yyjson_val *key, *v;

	*count = 0;
	if (!all)
		return NULL;
	json_obj_foreach (exposed, i, n, key, v)
		if (!port_parse(yyjson_get_str(key), &all[*count].port, &all[*count].proto))
			++*count;
	qsort(all, *count, sizeof(*all), by_number);
	return all;
}

/* Takes @line. */
static void add(yyjson_mut_doc *doc, yyjson_mut_val *env, char *line)
{
	if (line)
		yyjson_mut_arr_add_strcpy(doc, env, line);
	free(line);
}

/* What has an address and its parts: ALIAS_PORT_80_TCP, ALIAS_PORT_80_TCP_ADDR ... */
struct writer {
	char prefix[256]; /* ALIAS */
	const char *ip;
	yyjson_mut_doc *doc;
	yyjson_mut_val *env;
};

static const char *upper(uint8_t proto)
{
	return proto == IPPROTO_TCP ? "TCP" : "UDP";
}

static void one_port(const struct writer *w, const struct exposed *p)
{
	const char *proto = network_proto_name(p->proto), *big = upper(p->proto);

	add(w->doc, w->env,
		text_make("%s_PORT_%u_%s=%s://%s:%u", w->prefix, p->port, big, proto, w->ip, p->port));
	add(w->doc, w->env, text_make("%s_PORT_%u_%s_ADDR=%s", w->prefix, p->port, big, w->ip));
	add(w->doc, w->env, text_make("%s_PORT_%u_%s_PORT=%u", w->prefix, p->port, big, p->port));
	add(w->doc, w->env, text_make("%s_PORT_%u_%s_PROTO=%s", w->prefix, p->port, big, proto));
}

/* Ports without a gap between them are a range, too. */
static void one_range(const struct writer *w, const struct exposed *first, const struct exposed *last)
{
	static const char *const ends[] = {"START", "END"};
	const char *proto = network_proto_name(first->proto), *big = upper(first->proto);

	for (size_t i = 0; i < array_len(ends) && first != last; i++) {
		unsigned port = i ? last->port : first->port;

		add(w->doc, w->env,
			text_make("%s_PORT_%u_%s_%s=%s://%s:%u", w->prefix, first->port, big, ends[i], proto,
				w->ip, port));
		add(w->doc, w->env,
			text_make("%s_PORT_%u_%s_PORT_%s=%u", w->prefix, first->port, big, ends[i], port));
	}
}

static void ports(const struct writer *w, yyjson_val *config)
{
	size_t n, first = 0;
	cleanup(freep) struct exposed *all = read_exposed(json_obj(config, "ExposedPorts"), &n);

	if (n)
		add(w->doc, w->env,
			text_make("%s_PORT=%s://%s:%u", w->prefix, network_proto_name(all[0].proto), w->ip,
				all[0].port));
	for (size_t i = 0; i < n; i++) {
		one_port(w, &all[i]);
		if (i + 1 < n && all[i + 1].proto == all[i].proto && all[i + 1].port == all[i].port + 1)
			continue;
		one_range(w, &all[first], &all[i]);
		first = i + 1;
	}
}

/* What it was made with, but for what each process has of its own. */
static void its_own(const struct writer *w, yyjson_val *config)
{
	size_t i, n;
	yyjson_val *v;

	yyjson_arr_foreach (json_arr(config, "Env"), i, n, v) {
		const char *s = yyjson_get_str(v);

		if (s && strchr(s, '=') && strncmp(s, "HOME=", 5) != 0 && strncmp(s, "PATH=", 5) != 0)
			add(w->doc, w->env, text_make("%s_ENV_%s", w->prefix, s));
	}
}

void container_link_variables(
	const char *name, const char *ip, yyjson_val *config, yyjson_mut_doc *doc, yyjson_mut_val *env)
{
	struct writer w = {.ip = ip, .doc = doc, .env = env};

	snprintf(w.prefix, sizeof(w.prefix), "%s", strrchr(name, '/') + 1);
	for (char *p = w.prefix; *p; p++)
		*p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
	ports(&w, config);
	add(doc, env, text_make("%s_NAME=%s", w.prefix, name));
	its_own(&w, config);
}

void container_links_env(const struct container *c, yyjson_mut_doc *doc, yyjson_mut_val *env)
{
	size_t i, n;
	yyjson_val *v;

	yyjson_arr_foreach (c->links &&place_of(c) ? c->links : NULL, i, n, v) {
		struct container *target = container_links_target(c->e, v);
		struct network_endpoint *ep = target ? place_of(target) : NULL;
		cleanup(freep) char *name =
			ep ? text_make("/%s/%s", c->name, container_links_alias(v)) : NULL;
		char ip[IPADDR_TEXT_MAX];

		if (name)
			container_link_variables(name, ipaddr_format(&ep->ip[NETWORK_V4], false, ip),
				target->config, doc, env);
	}
}
