/* SPDX-License-Identifier: Apache-2.0 */

/* Anything a pod could send to cluster DNS, in a cluster that has one service of each kind. */

#include <string.h>

#include "lib/json.h"
#include "lib/loop.h"
#include "network/catalog_int.h"
#include "network/names.h"
#include "network/service_nets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const objects[] = {
	"{\"metadata\":{\"name\":\"w\",\"namespace\":\"s\"},\"spec\":{\"clusterIP\":\"10.96.1.2\",\"ports\":[{\"name\":\"h\",\"port\":80}]}}",
	"{\"metadata\":{\"name\":\"d\",\"namespace\":\"s\"},\"spec\":{\"clusterIP\":\"None\",\"ports\":[{\"name\":\"h\",\"port\":80}]}}",
	"{\"metadata\":{\"name\":\"f\",\"namespace\":\"s\"},\"spec\":{\"type\":\"ExternalName\",\"externalName\":\"a.example\"}}",
	"{\"metadata\":{\"name\":\"n\",\"namespace\":\"s\"},\"spec\":{\"type\":\"ExternalName\",\"externalName\":\"d.s.svc.cluster.local\"}}",
};
static const char slice[] =
	"{\"metadata\":{\"name\":\"d-1\",\"namespace\":\"s\",\"labels\":{\"kubernetes.io/service-name\":\"d\"}},\"ports\":["
	"{\"name\":\"h\",\"port\":81}],\"endpoints\":[{\"addresses\":[\"10.244.0.7\"],\"hostname\":\"d-0\"},{\"addresses\":["
	"\"10.244.0.8\"]},{\"addresses\":[\"2001:db8::1\"]}]}";

static void ignore_change(struct service *s, void *arg) {}

static void ignore_settled(void *arg) {}

static void tell(struct catalog *c, enum catalog_kind kind, const char *text)
{
	yyjson_doc *doc = yyjson_read(text, strlen(text), 0);

	catalog_reflections[kind].change(KUBE_ADDED, yyjson_doc_get_root(doc), c);
	yyjson_doc_free(doc);
}

static void fill(struct names *n)
{
	static const struct catalog_events events = {ignore_change, ignore_settled};
	static struct service_nets nets = {.n = 1};
	static struct catalog *c;
	static struct loop *loop;

	if (loop_new(&loop) < 0 || catalog_new(&c, loop, "n1", &events, NULL) < 0 ||
		ipaddr_parse("10.96.0.10", &n->dns) < 0 || ipaddr_parse("10.96.0.0/12", &nets.items[0]) < 0 ||
		ipaddr_parse("10.244.0.0/16", &n->pods) < 0)
		__builtin_trap();
	for (size_t i = 0; i < array_len(objects); i++)
		tell(c, CATALOG_SERVICES, objects[i]);
	tell(c, CATALOG_SLICES, slice);
	for (size_t i = 0; i < CATALOG_KINDS; i++)
		catalog_reflections[i].synced(c);
	n->catalog = c;
	n->services = &nets;
	n->domain = "cluster.local";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct names n;
	uint8_t out[DNS_UDP_MAX];
	const char *alias = NULL;
	struct dns_question q;
	struct dns_writer w;
	uint16_t edns;
	size_t len;

	if (!n.catalog)
		fill(&n);
	if (dns_question(&q, data, size) < 0)
		return 0;
	edns = dns_udp_size(data, size, &q);
	dns_begin(&w, out, sizeof(out), data, &q, DNS_OK, edns);
	if (names_answer(&n, &w, &q, &alias) != NAMES_HERE)
		return 0;
	len = dns_end(&w);
	if (len > sizeof(out) || !dns_answers(out, len, &q) || (!w.counts[0] && !w.counts[1] && !w.truncated))
		__builtin_trap();
	return 0;
}
