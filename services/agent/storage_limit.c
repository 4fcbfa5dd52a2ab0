/* SPDX-License-Identifier: Apache-2.0 */

#include "agent/storage_limit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/pod.h"
#include "agent/pods.h"
#include "agent/resources.h"
#include "agent/volumes.h"
#include "lib/json.h"
#include "lib/json_call.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/quantity.h"
#include "lib/quota.h"

enum { LOOK_MS = 10000, GRACE_MS = 1000 };

struct storage_limit {
	struct agent *a;
	struct loop_timer timer;
};

/* ---- what may be, and what is */

static const char *limit_of(yyjson_val *container, struct quantity *q)
{
	const char *text =
		json_text(json_obj(json_obj(container, "resources"), "limits"), "ephemeral-storage");

	return text && !quantity_parse(q, text, strlen(text)) ? text : NULL;
}

/* What a container of the pod has written; NULL: all of its containers. */
static int64_t written(yyjson_val *sizes, const char *uid, const char *name)
{
	yyjson_val *each, *labels;
	int64_t sum = 0;
	size_t i, n;

	yyjson_arr_foreach (sizes, i, n, each) {
		labels = json_obj(each, "Labels");
		if (strcmp(json_text(labels, "io.kubernetes.pod.uid") ?: "", uid) == 0 &&
			(!name || !strcmp(json_text(labels, "io.kubernetes.container.name") ?: "", name)))
			sum += json_int(each, "SizeRw", 0);
	}
	return sum;
}

bool storage_limit_exceeded(
	yyjson_val *spec, const char *uid, yyjson_val *sizes, int64_t volumes, char *out, size_t size)
{
	char text[QUANTITY_TEXT_MAX];
	struct quantity q, total = {0};
	int64_t may = storage_bytes(spec, "limits");
	yyjson_val *each;
	size_t i, n;

	*out = 0;
	yyjson_arr_foreach (json_arr(spec, "containers"), i, n, each) {
		const char *limit = limit_of(each, &q), *name = json_text(each, "name") ?: "";

		if (!limit)
			continue;
		total.format = q.format;
		if (written(sizes, uid, name) > quantity_value(&q)) {
			snprintf(out, size,
				"Container %s exceeded its local ephemeral storage limit \"%s\". ", name,
				limit);
			return true;
		}
	}
	if (!may || written(sizes, uid, NULL) + volumes <= may)
		return false;
	snprintf(text, sizeof(text), "%lld", (long long)may);
	if (!quantity_parse(&q, text, strlen(text))) {
		q.format = total.format;
		quantity_text(&q, text);
	}
	snprintf(out, size, "Pod ephemeral local storage usage exceeds the total limit of containers %s. ",
		text);
	return true;
}

/* ---- looking */

static void later(struct storage_limit *s);

static bool concerns(const struct pod *pod)
{
	return !pod->finished && !pod->deleting && pod->sandbox == SANDBOX_READY &&
	       storage_bytes(pod->spec, "limits");
}

static void on_sizes(int status, const char *why, yyjson_val *root, void *arg)
{
	struct storage_limit *s = arg;
	char message[300];

	for (struct pod *pod = status == 200 ? pods_first(s->a) : NULL; pod; pod = pod->next) {
		if (!concerns(pod) || !storage_limit_exceeded(pod->spec, pod->uid, root,
					      volumes_usage(pod).bytes, message, sizeof(message)))
			continue;
		log_warn("pod=%s/%s op=evict msg=\"%s\"", pod->ns, pod->name, message);
		agent_event(s->a, pod->root, true, "Evicted", "%s", message);
		pod->end_deadline_ms = loop_now_ms(s->a->loop) + GRACE_MS;
		pod_fail(pod, "Evicted", message);
	}
	later(s);
}

static void on_timer(struct loop_timer *t)
{
	struct storage_limit *s = container_of(t, struct storage_limit, timer);
	struct json_request rq = {.method = "GET", .target = "/containers/json?all=1&size=1"};
	bool any = false;

	for (struct pod *pod = pods_first(s->a); pod && !any; pod = pod->next)
		any = concerns(pod);
	if (!any || json_call(NULL, s->a->engine, &rq, on_sizes, s) < 0)
		later(s);
}

static void later(struct storage_limit *s)
{
	if (loop_timer_set(s->a->loop, &s->timer, loop_now_ms(s->a->loop) + LOOK_MS, on_timer) < 0)
		log_error("op=storage-limit msg=\"out of memory\"");
}

int storage_limit_start(struct agent *a)
{
	struct storage_limit *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->a = a;
	a->storage_limit = s;
	later(s);
	return 0;
}
