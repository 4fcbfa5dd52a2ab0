/* SPDX-License-Identifier: Apache-2.0 */

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "network/catalog.h"
#include "network/names.h"
#include "network/service_nets.h"

enum { LABELS_MAX = 6, ENDPOINTS_MAX = 1024, POINTERS_MAX = 16 };

/* A name's labels below the domain, the last first: "svc", namespace, service, ... */
struct labels {
	char text[DNS_NAME_MAX + 1];
	const char *at[LABELS_MAX];
	size_t n; /* LABELS_MAX + 1: more */
};

/* Whether @name is @domain or below it. */
static bool read_labels(struct labels *l, const char *name, const char *domain)
{
	size_t len = strlen(name), end = strlen(domain);
	char *dot;

	l->n = 0;
	if (len < end || strcmp(name + len - end, domain) != 0 || (len > end && name[len - end - 1] != '.'))
		return false;
	if (len == end)
		return true;
	snprintf(l->text, sizeof(l->text), "%.*s", (int)(len - end - 1), name);
	while (l->n < LABELS_MAX && (dot = strrchr(l->text, '.'))) {
		l->at[l->n++] = dot + 1;
		*dot = '\0';
	}
	if (l->n < LABELS_MAX)
		l->at[l->n] = l->text;
	l->n++;
	return true;
}

/* ---- endpoints */

/* The name of an endpoint within its service. */
static const char *host_of(const struct endpoint *e, const struct ipaddr *a, char out[DNS_LABEL_MAX + 1])
{
	char text[IPADDR_TEXT_MAX];

	if (e->hostname)
		return e->hostname;
	snprintf(out, DNS_LABEL_MAX + 1, "%s", ipaddr_format(a, false, text));
	for (char *p = out; *p; p++)
		if (*p == '.' || *p == ':')
			*p = '-';
	return out;
}

struct found {
	const struct endpoint *endpoint;
	const struct ipaddr *address;
	const struct slice_port *port; /* when ports were asked for */
};

/* What is looked for; NULL and 0: anything. */
struct look {
	const char *host, *port;
	uint8_t proto;
	bool ports; /* one for each port */
};

static size_t look_up_ports(const struct slice *s, const struct look *l, const struct found *found,
	struct found *out, size_t room)
{
	size_t n = 0;

	if (!l->ports && room) {
		*out = *found;
		return 1;
	}
	for (size_t i = 0; i < s->n_ports && n < room; i++)
		if ((!l->port || !strcmp(l->port, s->ports[i].name)) &&
			(!l->proto || l->proto == s->ports[i].proto)) {
			out[n] = *found;
			out[n++].port = &s->ports[i];
		}
	return n;
}

static size_t look_up(const struct service *s, const struct look *l, struct found out[ENDPOINTS_MAX])
{
	char text[DNS_LABEL_MAX + 1];
	size_t n = 0;

	for (const struct slice *slice = s->slices; slice; slice = slice->next)
		for (size_t i = 0; i < slice->n_endpoints; i++) {
			const struct endpoint *e = &slice->endpoints[i];

			for (size_t k = 0; e->ready && k < e->n_addresses; k++) {
				const struct found f = {e, &e->addresses[k], NULL};

				if (!l->host || !strcmp(l->host, host_of(e, f.address, text)))
					n += look_up_ports(slice, l, &f, out + n, ENDPOINTS_MAX - n);
			}
		}
	return n;
}

/* ---- writing */

static bool has_type(uint16_t asked, const struct ipaddr *a)
{
	return asked == DNS_TYPE_ANY || asked == (a->family == AF_INET6 ? DNS_TYPE_AAAA : DNS_TYPE_A);
}

static void put_found(struct names *n, struct dns_writer *w, const char *owner, uint16_t type,
	const struct found *f, size_t count)
{
	n->turn++;
	for (size_t i = 0; i < count; i++) {
		const struct ipaddr *a = f[(i + n->turn) % count].address;

		if (has_type(type, a))
			dns_put_address(w, DNS_ANSWER, owner, a, NAMES_TTL_S);
	}
}

/* Each target's addresses follow as additional records. */
static void put_services(const struct names *n, struct dns_writer *w, const struct service *s,
	const struct found *f, size_t count)
{
	char name[2 * DNS_NAME_MAX], text[DNS_LABEL_MAX + 1];

	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < count; i++) {
			snprintf(name, sizeof(name), "%s.%s.%s.svc.%s",
				host_of(f[i].endpoint, f[i].address, text), s->name, s->ns, n->domain);
			if (!pass)
				dns_put_srv(w, NULL, 100, f[i].port->port, name, NAMES_TTL_S);
			else
				dns_put_address(w, DNS_ADDITIONAL, name, f[i].address, NAMES_TTL_S);
		}
}

static void put_soa(const struct names *n, struct dns_writer *w, enum dns_section s, const char *zone)
{
	char server[DNS_NAME_MAX], mail[DNS_NAME_MAX];

	snprintf(server, sizeof(server), "ns.dns.%s", n->domain);
	snprintf(mail, sizeof(mail), "hostmaster.%s", n->domain);
	dns_put_soa(w, s, zone, server, mail, 1, NAMES_TTL_S);
}

/* Nothing of this type (@exists), or no such name. */
static enum names_answer nothing(const struct names *n, struct dns_writer *w, bool exists, const char *zone)
{
	if (!exists)
		dns_set_rcode(w, DNS_NXDOMAIN);
	put_soa(n, w, DNS_AUTHORITY, zone);
	return NAMES_HERE;
}

static enum names_answer done(const struct names *n, struct dns_writer *w, bool exists)
{
	return w->counts[DNS_ANSWER] || w->truncated ? NAMES_HERE : nothing(n, w, exists, n->domain);
}

/* ---- services */

/* Addresses of a service, under the name @owner. Return: whether the name exists. */
static bool put_addresses(
	struct names *n, struct dns_writer *w, const char *owner, uint16_t type, const struct service *s)
{
	static const struct look anybody;
	struct found found[ENDPOINTS_MAX];
	size_t count;

	if (!s->headless) {
		if (s->ip.family && has_type(type, &s->ip))
			dns_put_address(w, DNS_ANSWER, owner, &s->ip, NAMES_TTL_S);
		return true;
	}
	count = look_up(s, &anybody, found);
	put_found(n, w, owner, type, found, count);
	return count;
}

static enum names_answer answer_alias(
	struct names *n, struct dns_writer *w, uint16_t type, const struct service *s, const char **alias)
{
	const struct service *target;
	struct labels l;

	dns_put_name(w, DNS_ANSWER, NULL, DNS_TYPE_CNAME, s->external_name, NAMES_TTL_S);
	if (!w->counts[DNS_ANSWER] || (type != DNS_TYPE_A && type != DNS_TYPE_AAAA))
		return done(n, w, true);
	if (!read_labels(&l, s->external_name, n->domain)) {
		*alias = s->external_name;
		return NAMES_ALIAS;
	}
	/* One step within the cluster; an alias of an alias is the client's to follow. */
	target = l.n == 3 && !strcmp(l.at[0], "svc") ? catalog_find(n->catalog, l.at[1], l.at[2]) : NULL;
	if (target && target->there && !target->external_name)
		(void)put_addresses(n, w, s->external_name, type, target);
	return NAMES_HERE;
}

static enum names_answer answer_service(
	struct names *n, struct dns_writer *w, uint16_t type, const struct service *s, const char **alias)
{
	const struct look every_port = {.ports = true};
	struct found found[ENDPOINTS_MAX];
	char name[2 * DNS_NAME_MAX];

	if (s->external_name)
		return answer_alias(n, w, type, s, alias);
	if (type != DNS_TYPE_SRV)
		return done(n, w, put_addresses(n, w, NULL, type, s));
	if (s->headless) {
		size_t count = look_up(s, &every_port, found);

		put_services(n, w, s, found, count);
		return done(n, w, count);
	}
	snprintf(name, sizeof(name), "%s.%s.svc.%s", s->name, s->ns, n->domain);
	for (size_t i = 0; i < s->n_ports; i++)
		dns_put_srv(w, NULL, 100, s->ports[i].port, name, NAMES_TTL_S);
	if (s->ip.family)
		dns_put_address(w, DNS_ADDITIONAL, name, &s->ip, NAMES_TTL_S);
	return done(n, w, true);
}

static enum names_answer answer_endpoint(
	struct names *n, struct dns_writer *w, uint16_t type, const struct service *s, const char *host)
{
	const struct look look = {.host = host};
	struct found found[ENDPOINTS_MAX];
	size_t count;

	/* What ports are below is no name of anybody. */
	if (!strcmp(host, "_tcp") || !strcmp(host, "_udp"))
		return nothing(n, w, true, n->domain);
	count = s->external_name ? 0 : look_up(s, &look, found);
	put_found(n, w, NULL, type, found, count);
	return done(n, w, count);
}

static enum names_answer answer_port(struct names *n, struct dns_writer *w, uint16_t type,
	const struct service *s, const char *port, const char *proto)
{
	const struct look look = {
		.port = port + 1, .proto = !strcmp(proto, "_tcp") ? IPPROTO_TCP : IPPROTO_UDP, .ports = true};
	struct found found[ENDPOINTS_MAX];
	char name[2 * DNS_NAME_MAX];
	size_t count = 0;
	bool srv = type == DNS_TYPE_SRV || type == DNS_TYPE_ANY;

	if (*port != '_' || (strcmp(proto, "_tcp") != 0 && strcmp(proto, "_udp") != 0) || s->external_name)
		return nothing(n, w, false, n->domain);
	if (s->headless) {
		count = look_up(s, &look, found);
		if (srv)
			put_services(n, w, s, found, count);
		else
			put_found(n, w, NULL, type, found, count);
		return done(n, w, count);
	}
	snprintf(name, sizeof(name), "%s.%s.svc.%s", s->name, s->ns, n->domain);
	for (size_t i = 0; i < s->n_ports; i++) {
		if (s->ports[i].proto != look.proto || strcmp(s->ports[i].name, look.port) != 0)
			continue;
		count++;
		if (srv)
			dns_put_srv(w, NULL, 100, s->ports[i].port, name, NAMES_TTL_S);
	}
	if (count && s->ip.family && (srv || has_type(type, &s->ip)))
		dns_put_address(w, srv ? DNS_ADDITIONAL : DNS_ANSWER, srv ? name : NULL, &s->ip, NAMES_TTL_S);
	return done(n, w, count);
}

struct namespace
{
	const char *name;
	bool found;
};

static bool in_namespace(struct service *s, void *arg)
{
	struct namespace *ns = arg;

	ns->found = s->there && !strcmp(s->ns, ns->name);
	return !ns->found;
}

static enum names_answer answer_svc(
	struct names *n, struct dns_writer *w, uint16_t type, const struct labels *l, const char **alias)
{
	const struct service *s;

	if (l->n == 2) {
		struct namespace ns = {.name = l->at[1]};

		catalog_each(n->catalog, in_namespace, &ns);
		return nothing(n, w, ns.found, n->domain);
	}
	s = catalog_find(n->catalog, l->at[1], l->at[2]);
	if (!s || !s->there || l->n > 5)
		return nothing(n, w, false, n->domain);
	if (l->n == 3)
		return answer_service(n, w, type, s, alias);
	return l->n == 4 ? answer_endpoint(n, w, type, s, l->at[3])
			 : answer_port(n, w, type, s, l->at[4], l->at[3]);
}

/* ---- the rest of the domain */

static enum names_answer answer_pod(
	const struct names *n, struct dns_writer *w, uint16_t type, const struct labels *l)
{
	char text[INET_ADDRSTRLEN];
	struct ipaddr a;

	if (l->n == 2)
		return nothing(n, w, true, n->domain);
	snprintf(text, sizeof(text), "%s", l->at[2]);
	for (char *p = text; *p; p++)
		if (*p == '-')
			*p = '.';
	if (l->n > 3 || strlen(l->at[2]) >= sizeof(text) || strchr(l->at[2], '.') ||
		ipaddr_parse(text, &a) < 0 || a.family != AF_INET)
		return nothing(n, w, false, n->domain);
	if (has_type(type, &a))
		dns_put_address(w, DNS_ANSWER, NULL, &a, NAMES_TTL_S);
	return done(n, w, true);
}

static enum names_answer answer_domain(struct names *n, struct dns_writer *w, uint16_t type)
{
	char server[DNS_NAME_MAX];

	snprintf(server, sizeof(server), "ns.dns.%s", n->domain);
	if (type == DNS_TYPE_SOA || type == DNS_TYPE_ANY)
		put_soa(n, w, DNS_ANSWER, n->domain);
	if (type == DNS_TYPE_NS || type == DNS_TYPE_ANY)
		dns_put_name(w, DNS_ANSWER, NULL, DNS_TYPE_NS, server, NAMES_TTL_S);
	if (type == DNS_TYPE_NS)
		dns_put_address(w, DNS_ADDITIONAL, server, &n->dns, NAMES_TTL_S);
	return done(n, w, true);
}

static enum names_answer answer_dns(
	const struct names *n, struct dns_writer *w, uint16_t type, const struct labels *l)
{
	bool server = l->n == 2 && !strcmp(l->at[1], "ns");

	if (server && has_type(type, &n->dns))
		dns_put_address(w, DNS_ANSWER, NULL, &n->dns, NAMES_TTL_S);
	return done(n, w, server || l->n == 1);
}

/* ---- addresses */

struct pointers {
	const struct names *n;
	struct dns_writer *w;
	const struct ipaddr *a;
	size_t found;
};

static void put_pointer(struct pointers *p, const struct service *s, const char *host)
{
	char name[2 * DNS_NAME_MAX];

	snprintf(name, sizeof(name), "%s%s%s.%s.svc.%s", host ? host : "", host ? "." : "", s->name, s->ns,
		p->n->domain);
	dns_put_name(p->w, DNS_ANSWER, NULL, DNS_TYPE_PTR, name, NAMES_TTL_S);
	p->found++;
}

static bool point(struct service *s, void *arg)
{
	struct pointers *p = arg;
	char text[DNS_LABEL_MAX + 1];

	if (!s->there)
		return true;
	if (s->ip.family && ipaddr_equal(&s->ip, p->a))
		put_pointer(p, s, NULL);
	for (const struct slice *slice = s->slices; slice; slice = slice->next)
		for (size_t i = 0; i < slice->n_endpoints; i++) {
			const struct endpoint *e = &slice->endpoints[i];

			for (size_t k = 0; e->ready && k < e->n_addresses; k++)
				if (ipaddr_equal(&e->addresses[k], p->a) && p->found < POINTERS_MAX)
					put_pointer(p, s, host_of(e, p->a, text));
		}
	return p->found < POINTERS_MAX;
}

static enum names_answer answer_pointer(
	struct names *n, struct dns_writer *w, const struct dns_question *q, const struct ipaddr *a)
{
	struct pointers p = {n, w, a, 0};
	const char *zone = a->family == AF_INET6 ? "ip6.arpa" : "in-addr.arpa";

	if (q->type == DNS_TYPE_PTR || q->type == DNS_TYPE_ANY)
		catalog_each(n->catalog, point, &p);
	if (p.found)
		return NAMES_HERE;
	return service_nets_have(n->services, a) || ipaddr_overlap(&n->pods, a) ? nothing(n, w, false, zone)
										: NAMES_ELSEWHERE;
}

enum names_answer names_answer(
	struct names *n, struct dns_writer *w, const struct dns_question *q, const char **alias)
{
	struct ipaddr a;
	struct labels l;

	if (q->class != DNS_CLASS_IN)
		return NAMES_ELSEWHERE;
	if (dns_reverse(q->name, &a))
		return catalog_known(n->catalog)	    ? answer_pointer(n, w, q, &a)
		       : service_nets_have(n->services, &a) ? NAMES_LATER
							    : NAMES_ELSEWHERE;
	if (!read_labels(&l, q->name, n->domain))
		return NAMES_ELSEWHERE;
	if (!l.n)
		return answer_domain(n, w, q->type);
	if (l.n == 1 && !strcmp(l.at[0], "dns-version")) {
		if (q->type == DNS_TYPE_TXT || q->type == DNS_TYPE_ANY)
			dns_put_text(w, "1.1.0", NAMES_TTL_S);
		return done(n, w, true);
	}
	if (!strcmp(l.at[0], "dns"))
		return answer_dns(n, w, q->type, &l);
	if (!strcmp(l.at[0], "svc") || !strcmp(l.at[0], "pod")) {
		if (l.n == 1)
			return nothing(n, w, true, n->domain);
		if (*l.at[0] == 'p')
			return answer_pod(n, w, q->type, &l);
		return catalog_known(n->catalog) ? answer_svc(n, w, q->type, &l, alias) : NAMES_LATER;
	}
	return nothing(n, w, false, n->domain);
}
