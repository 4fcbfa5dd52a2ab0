/* SPDX-License-Identifier: Apache-2.0 */

#include <string.h>

#include "agent/admission.h"
#include "lib/json.h"

/* Containers that run at the same time. */
static bool has_ports(const struct pod_container *c)
{
	return c->class == CONTAINER_APP || c->class == CONTAINER_SIDECAR;
}

static int64_t node_port(const struct pod *p, yyjson_val *port)
{
	return json_int(
		port, "hostPort", json_bool(p->spec, "hostNetwork") ? json_int(port, "containerPort", 0) : 0);
}

static const char *protocol(yyjson_val *port)
{
	return json_text(port, "protocol") ?: "TCP";
}

/* Of every address of the node. */
static bool is_anywhere(const char *ip)
{
	return !ip || !strcmp(ip, "0.0.0.0") || !strcmp(ip, "::");
}

static bool meet(yyjson_val *a, yyjson_val *b)
{
	const char *x = json_text(a, "hostIP"), *y = json_text(b, "hostIP");

	return !strcmp(protocol(a), protocol(b)) && (is_anywhere(x) || is_anywhere(y) || !strcmp(x, y));
}

static bool has_port(const struct pod *p, yyjson_val *port, int64_t number)
{
	yyjson_val *each;
	size_t k, n;

	for (size_t i = 0; i < p->n_containers; i++)
		yyjson_arr_foreach (json_arr(p->containers[i].spec, "ports"), k, n, each)
			if (has_ports(&p->containers[i]) && node_port(p, each) == number && meet(each, port))
				return true;
	return false;
}

static bool share_a_port(const struct pod *p, const struct pod *q)
{
	yyjson_val *each;
	size_t k, n;

	for (size_t i = 0; i < p->n_containers; i++)
		yyjson_arr_foreach (json_arr(p->containers[i].spec, "ports"), k, n, each)
			if (has_ports(&p->containers[i]) && node_port(p, each) &&
				has_port(q, each, node_port(p, each)))
				return true;
	return false;
}

static bool runs(const struct pod *p)
{
	for (size_t i = 0; i < p->n_containers; i++)
		if (p->containers[i].running)
			return true;
	return p->sandbox == SANDBOX_READY;
}

enum admission admission_of_ports(const struct pod *p, const struct pod *first)
{
	enum admission a = ADMISSION_FITS;

	for (const struct pod *q = first; q; q = q->next) {
		if (q == p || !pod_has_begun(q) || (q->finished && !runs(q)) || !share_a_port(p, q))
			continue;
		if (!q->deleting && !q->finished)
			return ADMISSION_REFUSED;
		a = ADMISSION_WAITS;
	}
	return a;
}
