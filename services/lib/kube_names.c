/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>

#include "lib/json.h"
#include "lib/kube_names.h"
#include "lib/log.h"
#include "lib/service.h"

struct ipaddr kube_address(const struct ipaddr *range, uint32_t number)
{
	struct ipaddr a = ipaddr_network(range);

	a.prefix = 32;
	a.v4.s_addr = htonl(ntohl(a.v4.s_addr) + number);
	return a;
}

static const char *said(yyjson_val *cluster, const char *key, const char *otherwise)
{
	return json_text(cluster, key) ?: otherwise;
}

int kube_names_of(struct kube_names *out, yyjson_val *cluster)
{
	const char *services = said(cluster, "service_range", KUBE_SERVICE_CIDR),
		   *pods = said(cluster, "pod_range", KUBE_POD_CIDR),
		   *dns = json_text(cluster, "dns_address");
	struct ipaddr range, other, api;
	int err = ipaddr_parse(services, &range);

	if (!err)
		err = ipaddr_parse(pods, &other);
	if (!err && (range.family != AF_INET || other.family != AF_INET))
		err = -EINVAL;
	if (err)
		return log_errno(-err, "services=%s pods=%s op=read-ranges", services, pods);
	api = kube_address(&range, KUBE_DNS_HOST);
	if (dns)
		err = ipaddr_parse(dns, &api);
	if (err)
		return log_errno(-err, "dns=%s op=read-ranges", dns);
	ipaddr_format(&api, false, out->dns_address);
	api = kube_address(&range, KUBE_API_HOST);
	ipaddr_format(&api, false, out->api_address);
	ipaddr_format(&range, true, out->service_range);
	ipaddr_format(&other, true, out->pod_range);
	snprintf(out->domain, sizeof(out->domain), "%s", said(cluster, "domain", KUBE_CLUSTER_DOMAIN));
	return 0;
}

int kube_names_load(struct kube_names *out, const char *config_path)
{
	cleanup(json_docp) yyjson_doc *doc = service_config(config_path);

	return kube_names_of(out, json_obj(yyjson_doc_get_root(doc), "cluster"));
}

struct ipaddr kube_service_range(yyjson_val *service_cidr)
{
	yyjson_val *v;
	size_t i, n;
	struct ipaddr a;

	yyjson_arr_foreach (json_arr(json_obj(service_cidr, "spec"), "cidrs"), i, n, v)
		if (yyjson_is_str(v) && !ipaddr_parse(yyjson_get_str(v), &a) && a.family == AF_INET)
			return ipaddr_network(&a);
	return (struct ipaddr){0};
}
