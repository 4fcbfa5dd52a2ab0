/* SPDX-License-Identifier: Apache-2.0 */

/*
 * metrics.k8s.io: what nodes and pods use now. Nothing of it is stored or sampled: the agents of the nodes that are meant are asked
 * for their summaries, all at once, and what they say is put into the API's words. A node that does not answer is left
 * out, as one is that has just come.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/http/http_int.h"
#include "cluster/http/node_summary.h"
#include "cluster/schema/selector.h"
#include "lib/json.h"

enum { WINDOW_S = 15 };

struct asked_node {
	struct metrics *m;
	struct node_summary *asked;
	char name[256];
	yyjson_doc *answer; /* owned; NULL: none */
};

/* Of one request. */
struct metrics {
	struct request *q; /* NULL: gone */
	struct api *api;
	bool of_pods, one;
	struct list wanted; /* nodes or pods that are asked about */
	struct asked_node *nodes;
	size_t n, left;
	struct loop_task bury;
};

/* ---- the end */

static void on_bury(struct loop_task *t)
{
	struct metrics *m = container_of(t, struct metrics, bury);

	for (size_t i = 0; i < m->n; i++) {
		node_summary_free(m->nodes[i].asked);
		yyjson_doc_free(m->nodes[i].answer);
	}
	free(m->nodes);
	list_fini(&m->wanted);
	free(m);
}

/* The request is over: what is under way is ended from the loop, not from inside a client's callback. */
static void own_gone(void *own)
{
	struct metrics *m = own;

	m->q = NULL;
	loop_defer(m->api->loop, &m->bury, on_bury);
}

/* ---- the answer */

static bool is_wanted(const struct metrics *m, const char *ns, const char *name)
{
	for (size_t i = 0; name && i < m->wanted.n; i++)
		if (!strcmp(m->wanted.items[i]->name, name) && (!ns || !strcmp(m->wanted.items[i]->ns, ns)))
			return true;
	return false;
}

static const struct object *wanted_of(const struct metrics *m, const char *ns, const char *name)
{
	for (size_t i = 0; i < m->wanted.n; i++)
		if (!strcmp(m->wanted.items[i]->name, name) && !strcmp(m->wanted.items[i]->ns, ns))
			return m->wanted.items[i];
	return NULL;
}

static yyjson_mut_val *put_usage(yyjson_mut_doc *doc, yyjson_mut_val *obj, yyjson_val *of)
{
	yyjson_mut_val *usage = yyjson_mut_obj_add_obj(doc, obj, "usage");
	char text[40];

	snprintf(text, sizeof(text), "%lldn", (long long)json_int(json_obj(of, "cpu"), "usageNanoCores", 0));
	yyjson_mut_obj_add_strcpy(doc, usage, "cpu", text);
	snprintf(text, sizeof(text), "%lldKi",
		(long long)json_int(json_obj(of, "memory"), "workingSetBytes", 0) / 1024);
	yyjson_mut_obj_add_strcpy(doc, usage, "memory", text);
	return usage;
}

static yyjson_mut_val *put_object(
	struct metrics *m, yyjson_mut_doc *doc, const struct object *o, yyjson_val *node, yyjson_val *of)
{
	yyjson_mut_val *item = yyjson_mut_obj(doc), *meta;
	cleanup(json_docp) yyjson_doc *stored = object_doc(o);
	yyjson_val *labels = json_obj(json_obj(yyjson_doc_get_root(stored), "metadata"), "labels");
	const char *time_text = json_str(json_obj(of, "cpu"), "time");
	char window[24];

	yyjson_mut_obj_add_str(doc, item, "kind", m->of_pods ? "PodMetrics" : "NodeMetrics");
	yyjson_mut_obj_add_str(doc, item, "apiVersion", "metrics.k8s.io/v1beta1");
	meta = yyjson_mut_obj_add_obj(doc, item, "metadata");
	yyjson_mut_obj_add_strcpy(doc, meta, "name", o->name);
	if (*o->ns)
		yyjson_mut_obj_add_strcpy(doc, meta, "namespace", o->ns);
	if (labels)
		json_copy(doc, meta, "labels", labels);
	if (time_text) {
		yyjson_mut_obj_add_strcpy(doc, meta, "creationTimestamp", time_text);
		yyjson_mut_obj_add_strcpy(doc, item, "timestamp", time_text);
	}
	snprintf(window, sizeof(window), "%llds", (long long)json_int(node, "windowSeconds", WINDOW_S));
	yyjson_mut_obj_add_strcpy(doc, item, "window", window);
	return item;
}

static void put_pods(struct metrics *m, yyjson_mut_doc *doc, yyjson_mut_val *items, yyjson_val *root)
{
	yyjson_val *pod, *c;
	size_t i, n, k, max;

	yyjson_arr_foreach (json_arr(root, "pods"), i, n, pod) {
		yyjson_val *ref = json_obj(pod, "podRef");
		const char *ns = json_str(ref, "namespace"), *name = json_str(ref, "name");
		yyjson_mut_val *item, *containers;

		/* One that has only begun is measured by nobody yet. */
		if (!ns || !is_wanted(m, ns, name) || !json_obj(pod, "cpu") ||
			!yyjson_obj_get(json_obj(pod, "cpu"), "usageNanoCores"))
			continue;
		item = put_object(m, doc, wanted_of(m, ns, name), json_obj(root, "node"), pod);
		containers = yyjson_mut_obj_add_arr(doc, item, "containers");
		yyjson_arr_foreach (json_arr(pod, "containers"), k, max, c) {
			yyjson_mut_val *each = yyjson_mut_arr_add_obj(doc, containers);

			yyjson_mut_obj_add_strcpy(
				doc, each, "name", json_str(c, "name") ? json_str(c, "name") : "");
			put_usage(doc, each, c);
		}
		yyjson_mut_arr_append(items, item);
	}
}

static void put_node(struct metrics *m, yyjson_mut_doc *doc, yyjson_mut_val *items, struct asked_node *a)
{
	yyjson_val *node = json_obj(yyjson_doc_get_root(a->answer), "node");
	yyjson_mut_val *item;

	if (!node || !yyjson_obj_get(json_obj(node, "cpu"), "usageNanoCores"))
		return;
	item = put_object(m, doc, wanted_of(m, "", a->name), node, node);
	put_usage(doc, item, node);
	yyjson_mut_arr_append(items, item);
}

static void answer(struct metrics *m)
{
	struct request *q = m->q;
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL, *items;

	if (!root) {
		yyjson_mut_doc_free(doc);
		reply_status(q, status_errno(-ENOMEM, "metrics"));
		return;
	}
	yyjson_mut_obj_add_str(doc, root, "kind", q->kind->list_kind);
	yyjson_mut_obj_add_str(doc, root, "apiVersion", q->kind->api_version);
	yyjson_mut_obj_add_obj(doc, root, "metadata");
	items = yyjson_mut_obj_add_arr(doc, root, "items");
	for (size_t i = 0; i < m->n; i++) {
		if (m->of_pods)
			put_pods(m, doc, items, yyjson_doc_get_root(m->nodes[i].answer));
		else if (m->nodes[i].answer)
			put_node(m, doc, items, &m->nodes[i]);
	}
	if (m->one && !yyjson_mut_arr_size(items)) {
		yyjson_mut_doc_free(doc);
		reply_status(q, status_not_found(q->kind, q->name));
		return;
	}
	yyjson_mut_doc_set_root(doc, m->one ? yyjson_mut_arr_get_first(items) : root);
	reply_doc(q, 200, doc);
}

static void one_less(struct metrics *m)
{
	if (!--m->left && m->q)
		answer(m);
}

/* ---- asking */

static void on_summary(yyjson_val *root, void *arg)
{
	struct asked_node *a = arg;
	yyjson_mut_doc *copy = root ? yyjson_mut_doc_new(NULL) : NULL;

	if (copy) {
		yyjson_mut_doc_set_root(copy, yyjson_val_mut_copy(copy, root));
		a->answer = yyjson_mut_doc_imut_copy(copy, NULL);
		yyjson_mut_doc_free(copy);
	}
	one_less(a->m);
}

static void ask(struct metrics *m, const char *node)
{
	struct asked_node *a = &m->nodes[m->n];
	const struct api_options *opts = &m->api->opts;
	struct node_trust trust = {opts->kubelet_ca, opts->kubelet_cert, opts->kubelet_key};

	*a = (struct asked_node){.m = m};
	snprintf(a->name, sizeof(a->name), "%s", node);
	m->n++;
	if (!node_summary_ask(&a->asked, m->api->loop, m->api->registry, &trust, node, on_summary, a))
		m->left++;
}

static bool has_been_asked(const struct metrics *m, const char *node)
{
	for (size_t i = 0; i < m->n; i++)
		if (!strcmp(m->nodes[i].name, node))
			return true;
	return false;
}

static void ask_all(struct metrics *m)
{
	for (size_t i = 0; i < m->wanted.n; i++) {
		const struct object *o = m->wanted.items[i];
		cleanup(json_docp) yyjson_doc *doc = m->of_pods ? object_doc(o) : NULL;
		const char *node = m->of_pods
					   ? json_text(json_obj(yyjson_doc_get_root(doc), "spec"), "nodeName")
					   : o->name;

		if (node && !has_been_asked(m, node))
			ask(m, node);
	}
}

/* What is asked about: the pods or nodes of these names, labels and namespace. */
static struct status *find_wanted(struct metrics *m, const struct schema_kind *kind)
{
	struct request *q = m->q;
	struct selector *labels, *fields;
	struct list_options o;
	const struct object *found;
	struct status *err;

	m->one = *q->name;
	if (m->one) {
		found = registry_get(q->api->registry, kind, q->ns, q->name);
		if (!found)
			return status_not_found(q->kind, q->name);
		m->wanted.items = calloc(1, sizeof(*m->wanted.items));
		if (!m->wanted.items)
			return status_errno(-ENOMEM, "metrics");
		m->wanted.items[0] = object_ref(found);
		m->wanted.n = 1;
		return NULL;
	}
	err = list_options_of(q, &o, &labels, &fields);
	o.limit = 0;
	o.revision = -1;
	if (!err)
		err = registry_list(q->api->registry, kind, &o, &m->wanted);
	selector_free(labels);
	selector_free(fields);
	return err;
}

void handle_metrics(struct request *q)
{
	struct metrics *m = calloc(1, sizeof(*m));
	struct status *err;

	if (!m) {
		reply_status(q, status_errno(-ENOMEM, "metrics"));
		return;
	}
	m->q = q;
	m->api = q->api;
	m->of_pods = !strcmp(q->kind->plural, "pods");
	q->own = m;
	q->own_free = own_gone;
	err = find_wanted(m, schema_find("", "v1", q->kind->plural));
	if (!err) {
		m->nodes = calloc(m->wanted.n + 1, sizeof(*m->nodes));
		if (!m->nodes)
			err = status_errno(-ENOMEM, "metrics");
	}
	if (err) {
		reply_status(q, err);
		return;
	}
	m->left = 1; /* until all have been asked */
	ask_all(m);
	one_less(m);
}
