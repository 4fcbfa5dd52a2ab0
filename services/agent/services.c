/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A reflector of all services, kept as little more than names and ports. The API's own service (default/kubernetes) is seen from
 * every namespace.
 */

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/services.h"
#include "lib/json.h"
#include "lib/kube.h"
#include "lib/log.h"

struct port {
	char name[64], protocol[8];
	int number;
};

struct service {
	char *ns, *name, *ip; /* owned */
	size_t n_ports;
	struct port *ports; /* owned */
	struct service *next;
};

struct services {
	struct kube_reflector *reflector;
	struct service *first;
	bool known;
	void (*fn)(void *arg);
	void *arg;
};

static void service_free(struct service *s)
{
	free(s->ns);
	free(s->name);
	free(s->ip);
	free(s->ports);
	free(s);
}

static const char *meta(yyjson_val *o, const char *key)
{
	return json_str(json_obj(o, "metadata"), key) ?: "";
}

void services_remove(struct services *s, yyjson_val *service)
{
	for (struct service **at = &s->first; *at; at = &(*at)->next) {
		struct service *each = *at;

		if (strcmp(each->name, meta(service, "name")) != 0 ||
			strcmp(each->ns, meta(service, "namespace")) != 0)
			continue;
		*at = each->next;
		service_free(each);
		return;
	}
}

static bool read_ports(struct service *s, yyjson_val *list)
{
	yyjson_val *each;
	size_t i, n;

	s->ports = calloc(yyjson_arr_size(list) + 1, sizeof(*s->ports));
	if (!s->ports)
		return false;
	yyjson_arr_foreach (list, i, n, each) {
		struct port *p = &s->ports[s->n_ports++];

		snprintf(p->name, sizeof(p->name), "%s", json_str(each, "name") ?: "");
		snprintf(p->protocol, sizeof(p->protocol), "%s", json_text(each, "protocol") ?: "TCP");
		p->number = (int)json_int(each, "port", 0);
	}
	return true;
}

void services_set(struct services *s, yyjson_val *service)
{
	yyjson_val *spec = json_obj(service, "spec");
	const char *ip = json_text(spec, "clusterIP");
	struct service *made;

	services_remove(s, service);
	if (!ip || !strcmp(ip, "None"))
		return;
	made = calloc(1, sizeof(*made));
	if (!made)
		return;
	made->ns = strdup(meta(service, "namespace"));
	made->name = strdup(meta(service, "name"));
	made->ip = strdup(ip);
	if (!made->ns || !made->name || !made->ip || !read_ports(made, json_arr(spec, "ports"))) {
		log_error("service=%s/%s msg=\"out of memory\"", meta(service, "namespace"),
			meta(service, "name"));
		service_free(made);
		return;
	}
	made->next = s->first;
	s->first = made;
}

/* ---- variables */

/* "my-web" is MY_WEB. */
static void shout(char *out, size_t size, const char *text)
{
	size_t i = 0;

	for (; text[i] && i + 1 < size; i++)
		out[i] = text[i] == '-' ? '_' : (char)toupper((unsigned char)text[i]);
	out[i] = 0;
}

struct say {
	const struct service *service;
	char prefix[256];
	void (*fn)(const char *name, const char *value, void *arg);
	void *arg;
};

static void printf_like(3, 4) say(const struct say *s, const char *suffix, const char *format, ...)
{
	char name[400], value[200];
	va_list ap;

	snprintf(name, sizeof(name), "%s_%s", s->prefix, suffix);
	va_start(ap, format);
	vsnprintf(value, sizeof(value), format, ap);
	va_end(ap);
	s->fn(name, value, s->arg);
}

static void lower(char *text)
{
	for (; *text; text++)
		*text = (char)tolower((unsigned char)*text);
}

/* The address as a URL has it. */
static const char *host_of(const char *ip, char buf[64])
{
	snprintf(buf, 64, strchr(ip, ':') ? "[%s]" : "%s", ip);
	return buf;
}

static void say_port(const struct say *s, const struct port *p)
{
	char protocol[8], suffix[80], upper[64], host[64], word[24];

	snprintf(protocol, sizeof(protocol), "%s", p->protocol);
	lower(protocol);
	if (*p->name) {
		shout(upper, sizeof(upper), p->name);
		snprintf(suffix, sizeof(suffix), "SERVICE_PORT_%s", upper);
		say(s, suffix, "%d", p->number);
	}
	snprintf(word, sizeof(word), "PORT_%d_%s", p->number, p->protocol);
	say(s, word, "%s://%s:%d", protocol, host_of(s->service->ip, host), p->number);
	snprintf(suffix, sizeof(suffix), "%s_PROTO", word);
	say(s, suffix, "%s", protocol);
	snprintf(suffix, sizeof(suffix), "%s_PORT", word);
	say(s, suffix, "%d", p->number);
	snprintf(suffix, sizeof(suffix), "%s_ADDR", word);
	say(s, suffix, "%s", s->service->ip);
}

static void say_service(const struct say *s)
{
	const struct service *each = s->service;
	char protocol[8], host[64];

	if (!each->n_ports)
		return;
	say(s, "SERVICE_HOST", "%s", each->ip);
	say(s, "SERVICE_PORT", "%d", each->ports[0].number);
	snprintf(protocol, sizeof(protocol), "%s", each->ports[0].protocol);
	lower(protocol);
	say(s, "PORT", "%s://%s:%d", protocol, host_of(each->ip, host), each->ports[0].number);
	for (size_t i = 0; i < each->n_ports; i++)
		say_port(s, &each->ports[i]);
}

void services_each_variable(const struct services *s, const char *ns, bool links,
	void (*fn)(const char *name, const char *value, void *arg), void *arg)
{
	for (const struct service *each = s->first; each; each = each->next) {
		struct say w = {.service = each, .fn = fn, .arg = arg};
		bool own = !strcmp(each->ns, "default") && !strcmp(each->name, "kubernetes");

		if (!own && !(links && !strcmp(each->ns, ns)))
			continue;
		shout(w.prefix, sizeof(w.prefix), each->name);
		say_service(&w);
	}
}

/* ---- watching */

static void on_change(enum kube_change change, yyjson_val *object, void *arg)
{
	if (change == KUBE_DELETED)
		services_remove(arg, object);
	else
		services_set(arg, object);
}

static void on_synced(void *arg)
{
	struct services *s = arg;

	if (s->known)
		return;
	s->known = true;
	if (s->fn)
		s->fn(s->arg);
}

bool services_known(const struct services *s)
{
	return s->known;
}

void services_on_known(struct services *s, void (*known)(void *arg), void *arg)
{
	s->fn = known;
	s->arg = arg;
}

int services_new(struct services **out, struct kube *k)
{
	static const struct kube_reflector_events events = {on_change, on_synced};
	struct services *s = calloc(1, sizeof(*s));
	int err = s ? 0 : -ENOMEM;

	if (!err && k)
		err = kube_reflect(&s->reflector, k, "/api/v1/services", "", &events, s);
	if (err)
		free(s);
	else
		*out = s;
	return err;
}

void services_free(struct services *s)
{
	if (!s)
		return;
	kube_reflector_free(s->reflector);
	while (s->first) {
		struct service *each = s->first;

		s->first = each->next;
		service_free(each);
	}
	free(s);
}
