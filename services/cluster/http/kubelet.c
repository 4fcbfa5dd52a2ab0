/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a node's agent answers: logs, exec, attach and port-forward of a pod. The address of the request is made into the
 * agent's, its container found, and the relay does the rest.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/http/node_summary.h"
#include "cluster/http/relay.h"
#include "cluster/http/subresources.h"
#include "cluster/http/websocket.h"
#include "lib/json.h"
#include "lib/uri.h"

enum { VALUES_MAX = 128 };

/* ---- which container */

static bool named(yyjson_val *list, const char *name)
{
	yyjson_val *c;
	size_t i, max;

	yyjson_arr_foreach (list, i, max, c)
		if (json_str(c, "name") && !strcmp(json_str(c, "name"), name))
			return true;
	return false;
}

static struct status *choose_container(
	const struct request *q, const struct object *pod, yyjson_val *root, char *out, size_t size)
{
	yyjson_val *spec = json_obj(root, "spec"), *list = json_arr(spec, "containers"), *c;
	const char *asked = http_query(q->http, "container");
	const char *usual = json_str(json_obj(json_obj(root, "metadata"), "annotations"),
		"kubectl.kubernetes.io/default-container");
	struct text names = {0};
	struct status *err;
	size_t i, max;

	if (!asked || !*asked) {
		if (yyjson_arr_size(list) == 1)
			asked = json_str(yyjson_arr_get_first(list), "name");
		else if (usual && named(list, usual))
			asked = usual;
	}
	if (asked && *asked) {
		if (!named(list, asked) && !named(json_arr(spec, "initContainers"), asked) &&
			!named(json_arr(spec, "ephemeralContainers"), asked))
			return status_bad_request("container %s is not valid for pod %s", asked, pod->name);
		snprintf(out, size, "%s", asked);
		return NULL;
	}
	yyjson_arr_foreach (list, i, max, c) {
		text_puts(&names, i ? " " : "");
		text_puts(&names, json_str(c, "name") ? json_str(c, "name") : "");
	}
	err = status_bad_request("a container name must be specified for pod %s, choose one of: [%s]",
		pod->name, names.bytes ? names.bytes : "");
	text_fini(&names);
	return err;
}

/* ---- the query, in the agent's words */

static const struct word {
	const char *ours, *theirs;
} words[] = {
	{"follow", "follow"},
	{"previous", "previous"},
	{"sinceSeconds", "sinceSeconds"},
	{"sinceTime", "sinceTime"},
	{"timestamps", "timestamps"},
	{"tailLines", "tailLines"},
	{"limitBytes", "limitBytes"},
	{"stream", "stream"},
	{"command", "command"},
	{"stdin", "input"},
	{"stdout", "output"},
	{"stderr", "error"},
	{"tty", "tty"},
	{"ports", "port"},
	{"port", "port"},
};

static void add_query(const struct request *q, struct text *t)
{
	const char *values[VALUES_MAX];
	char mark = '?';

	for (size_t i = 0; i < array_len(words); i++) {
		size_t n = http_query_all(q->http, words[i].ours, values, VALUES_MAX);

		for (size_t k = 0; k < n; k++) {
			bool flag = !strcmp(words[i].theirs, "input") || !strcmp(words[i].theirs, "output") ||
				    !strcmp(words[i].theirs, "error") || !strcmp(words[i].theirs, "tty");
			cleanup(freep) char *value = uri_encode(values[k]);

			if (flag && (!strcmp(values[k], "false") || !strcmp(values[k], "0")))
				continue;
			text_add(t, &mark, 1);
			text_puts(t, words[i].theirs);
			text_puts(t, "=");
			text_puts(t, flag ? "1" : value ? value : "");
			t->failed |= !value;
			mark = '&';
		}
	}
}

/* ---- pods */

static const struct {
	const char *subresource, *path;
	bool of_container;
} verbs[] = {
	{"log", "containerLogs", true},
	{"exec", "exec", true},
	{"attach", "attach", true},
	{"portforward", "portForward", false},
};

static void to_kubelet(struct request *q)
{
	const struct object *pod = registry_get(q->api->registry, q->kind, q->ns, q->name);
	cleanup(json_docp) yyjson_doc *doc = pod ? object_doc(pod) : NULL;
	const char *node = json_text(json_obj(yyjson_doc_get_root(doc), "spec"), "nodeName");
	char container[256] = "";
	char address[64];
	struct text target = {0};
	struct relay_target to = {.address = address, .tls = RELAY_NODE};
	struct status *err = NULL;
	bool messages = !strcmp(q->subresource, "log") && http_is_websocket(q->http);
	struct websocket_plan plan;
	size_t i = 0;

	while (strcmp(verbs[i].subresource, q->subresource) != 0)
		i++;
	if (!pod)
		err = status_not_found(q->kind, q->name);
	if (!err && verbs[i].of_container)
		err = choose_container(q, pod, yyjson_doc_get_root(doc), container, sizeof(container));
	if (!err && !node)
		err = status_bad_request("pod %s does not have a host assigned", q->name);
	if (!err)
		err = node_place(q->api->registry, node, address, sizeof(address), &to.port);
	if (!err && messages)
		err = websocket_plan_logs(q, &plan);
	if (err) {
		reply_status(q, err);
		return;
	}
	text_printf(&target, "/%s/%s/%s%s", verbs[i].path, q->ns, q->name, *container ? "/" : "");
	text_puts(&target, container);
	add_query(q, &target);
	to.target = target.bytes;
	to.messages = messages ? &plan : NULL;
	if (target.failed)
		reply_status(q, status_errno(-ENOMEM, "relay"));
	else
		relay_start(q, &to);
	text_fini(&target);
}

void subresource_kubelet(struct request *q)
{
	if (!strcmp(q->subresource, "log"))
		to_kubelet(q);
	else
		connect_ask(q, to_kubelet);
}
