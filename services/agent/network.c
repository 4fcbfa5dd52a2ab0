/* SPDX-License-Identifier: Apache-2.0 */

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/network.h"
#include "agent/pod.h"
#include "lib/json.h"
#include "lib/json_call.h"

enum { TIMEOUT_MS = 30000 };

struct asked {
	struct pod *p;
	network_done *done;
};

/* ---- addresses */

static bool is_address(const char *text)
{
	unsigned char any[16];

	return inet_pton(AF_INET, text, any) == 1 || inet_pton(AF_INET6, text, any) == 1;
}

bool pod_network_take(struct pod *p, yyjson_val *root)
{
	yyjson_val *list = json_arr(root, "IPs");
	const char *first = yyjson_get_str(yyjson_arr_get(list, 0)),
		   *second = yyjson_get_str(yyjson_arr_get(list, 1));

	if (!first || !is_address(first))
		return false;
	snprintf(p->ip, sizeof(p->ip), "%s", first);
	snprintf(p->ip2, sizeof(p->ip2), "%s", second && is_address(second) ? second : "");
	return true;
}

/* ---- requests */

/* Upstream leaves these to a plugin that may be there or not; here nobody acts on them, and that is said. */
static void say_not_limited(const struct pod *p)
{
	static const char *const words[] = {
		"kubernetes.io/ingress-bandwidth", "kubernetes.io/egress-bandwidth"};
	yyjson_val *annotations = json_obj(json_obj(p->root, "metadata"), "annotations");

	for (size_t i = 0; i < array_len(words); i++)
		if (yyjson_obj_get(annotations, words[i]))
			agent_event(p->agent, p->root, true, "BandwidthNotLimited",
				"The annotation %s is not supported: the pod's traffic is not limited",
				words[i]);
}

/* Ports of the node that lead to those of its containers. */
static bool add_host_ports(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct pod *p)
{
	yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, root, "HostPorts"), *o;
	yyjson_val *each;
	size_t k, n;

	for (size_t i = 0; list && i < p->n_containers; i++)
		yyjson_arr_foreach (json_arr(p->containers[i].spec, "ports"), k, n, each) {
			const char *ip = json_text(each, "hostIP");

			if (!json_int(each, "hostPort", 0))
				continue;
			o = yyjson_mut_arr_add_obj(doc, list);
			if (!o || (ip && !yyjson_mut_obj_add_str(doc, o, "HostIP", ip)) ||
				!yyjson_mut_obj_add_int(doc, o, "HostPort", json_int(each, "hostPort", 0)) ||
				!yyjson_mut_obj_add_int(
					doc, o, "ContainerPort", json_int(each, "containerPort", 0)) ||
				!yyjson_mut_obj_add_str(
					doc, o, "Protocol", json_text(each, "protocol") ?: "TCP"))
				return false;
		}
	return list;
}

static yyjson_mut_doc *request(const struct pod *p)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;
	char path[200];

	snprintf(path, sizeof(path), "/run/engine/pods/%s/netns", p->uid);
	if (root && yyjson_mut_obj_add_str(doc, root, "Name", p->name) &&
		yyjson_mut_obj_add_str(doc, root, "Namespace", p->ns) &&
		yyjson_mut_obj_add_strcpy(doc, root, "NetworkNamespace", path) &&
		add_host_ports(doc, root, p)) {
		yyjson_mut_doc_set_root(doc, root);
		return doc;
	}
	yyjson_mut_doc_free(doc);
	return NULL;
}

static void on_answer(int status, const char *why, yyjson_val *root, void *arg)
{
	struct asked *a = arg;
	struct pod *p = a->p;
	char text[400];

	if (!status && why) {
		snprintf(text, sizeof(text), "the network service does not answer on " NETWORK_SOCKET ": %s",
			why);
		why = text;
	} else if (!why && status == 200 && !pod_network_take(p, root)) {
		why = "the network service gave it no address";
	}
	a->done(p, why);
	free(a);
}

static void call(struct pod *p, const char *method, yyjson_mut_doc *doc, network_done *done)
{
	char target[200];
	struct json_request rq = {.method = method, .target = target, .doc = doc, .timeout_ms = TIMEOUT_MS};
	struct asked *a = malloc(sizeof(*a));
	int err = a ? 0 : -ENOMEM;

	snprintf(target, sizeof(target), "/v1/pods/%s", p->uid);
	if (a) {
		*a = (struct asked){p, done};
		err = json_call(NULL, p->agent->network, &rq, on_answer, a);
	}
	if (err) {
		free(a);
		done(p, strerror(-err));
	}
}

void pod_network_attach(struct pod *p, network_done *done)
{
	yyjson_mut_doc *doc = request(p);

	say_not_limited(p);
	if (doc)
		call(p, "PUT", doc, done);
	else
		done(p, "out of memory");
	yyjson_mut_doc_free(doc);
}

void pod_network_detach(struct pod *p, network_done *done)
{
	call(p, "DELETE", NULL, done);
}
