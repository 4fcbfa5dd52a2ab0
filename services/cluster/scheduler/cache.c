/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <search.h>
#include <string.h>

#include "cluster/scheduler/cache.h"
#include "cluster/schema/meta.h"
#include "lib/json.h"

/* ---- pods */

static bool has_claims(yyjson_val *spec)
{
	yyjson_val *v;
	size_t i, n;

	yyjson_arr_foreach (json_arr(spec, "volumes"), i, n, v)
		if (json_obj(v, "persistentVolumeClaim") || json_obj(v, "ephemeral"))
			return true;
	return false;
}

static int read_ports(struct sched_pod *p)
{
	yyjson_val *containers = json_arr(p->spec, "containers"), *container, *port;
	bool host = json_bool(p->spec, "hostNetwork");
	size_t i, n, k, m;

	yyjson_arr_foreach (containers, i, n, container) {
		yyjson_val *ports = json_arr(container, "ports");

		yyjson_arr_foreach (ports, k, m, port) {
			int64_t number =
				json_int(port, "hostPort", host ? json_int(port, "containerPort", 0) : 0);
			struct sched_port *more;

			if (!number)
				continue;
			more = reallocarray(p->ports, p->n_ports + 1, sizeof(*more));
			if (!more)
				return -ENOMEM;
			p->ports = more;
			p->ports[p->n_ports++] = (struct sched_port){json_text(port, "hostIP") ?: "0.0.0.0",
				json_text(port, "protocol") ?: "TCP", number};
		}
	}
	return 0;
}

int sched_pod_open(struct sched_pod *p)
{
	if (!p->doc)
		p->doc = object_doc(p->o);
	p->spec = json_obj(yyjson_doc_get_root(p->doc), "spec");
	return p->doc ? 0 : -ENOMEM;
}

void sched_pod_slim(struct sched_pod *p)
{
	if (p->has_affinity || p->n_ports)
		return;
	yyjson_doc_free(p->doc);
	p->doc = NULL;
	p->spec = NULL;
}

int sched_pod_new(struct sched_pod **out, struct sched_cache *c, const struct object *o)
{
	struct sched_pod *p = calloc(1, sizeof(*p));
	yyjson_val *affinity;

	if (!p)
		return -ENOMEM;
	p->o = object_ref(o);
	if (sched_pod_open(p) < 0 || read_ports(p) < 0 || resources_asked(c, p) < 0) {
		sched_pod_free(p);
		return -ENOMEM;
	}
	p->priority = json_int(p->spec, "priority", 0);
	p->has_claims = has_claims(p->spec);
	affinity = json_obj(p->spec, "affinity");
	p->has_affinity = json_obj(affinity, "podAffinity") || json_obj(affinity, "podAntiAffinity");
	p->minds_pods = p->has_affinity || yyjson_arr_size(json_arr(p->spec, "topologySpreadConstraints"));
	p->has_anti = yyjson_arr_size(json_arr(
		json_obj(affinity, "podAntiAffinity"), "requiredDuringSchedulingIgnoredDuringExecution"));
	*out = p;
	return 0;
}

void sched_pod_free(struct sched_pod *p)
{
	if (!p)
		return;
	free(p->nominated);
	free(p->ports);
	resources_fini(&p->asks);
	yyjson_doc_free(p->doc);
	object_unref(p->o);
	free(p);
}

static int by_uid(const void *a, const void *b)
{
	return strcmp(((const struct sched_pod *)a)->o->uid, ((const struct sched_pod *)b)->o->uid);
}

struct sched_pod *cache_pod(struct sched_cache *c, const char *uid)
{
	struct object o = {.uid = uid};
	struct sched_pod probe = {.o = &o};
	struct sched_pod **found = tfind(&probe, &c->by_uid, by_uid);

	return found ? *found : NULL;
}

int cache_add_pod(struct sched_cache *c, struct sched_pod *p)
{
	return tsearch(p, &c->by_uid, by_uid) ? 0 : -ENOMEM;
}

static void take_back(struct sched_cache *c, struct sched_pod *p)
{
	struct sched_pod **at = &c->nominated;

	if (!p->nominated)
		return;
	while (*at != p)
		at = &(*at)->next_nominated;
	*at = p->next_nominated;
	free(take(p->nominated));
}

int cache_nominate(struct sched_cache *c, struct sched_pod *p, const char *node)
{
	char *copy = *node ? strdup(node) : NULL;

	if (*node && !copy)
		return -ENOMEM;
	take_back(c, p);
	if (!copy)
		return 0;
	p->nominated = copy;
	p->next_nominated = c->nominated;
	c->nominated = p;
	return 0;
}

void cache_forget_pod(struct sched_cache *c, struct sched_pod *p)
{
	take_back(c, p);
	cache_unplace(c, p);
	tdelete(p, &c->by_uid, by_uid);
	sched_pod_free(p);
}

/* ---- nodes */

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct sched_node *)a)->name, ((const struct sched_node *)b)->name);
}

static struct sched_node *find_node(struct sched_cache *c, const char *name)
{
	struct sched_node probe = {.name = (char *)(uintptr_t)name};
	struct sched_node **found = tfind(&probe, &c->by_name, by_name);

	return found ? *found : NULL;
}

static void node_free(struct sched_node *n)
{
	resources_fini(&n->has);
	resources_fini(&n->used);
	free(n->lists);
	free(n->pods);
	free(n->name);
	object_unref(n->o);
	free(n);
}

static struct sched_node *make_node(struct sched_cache *c, const char *name)
{
	struct sched_node *n = find_node(c, name);

	if (n)
		return n;
	if (c->n_all == c->cap_nodes) {
		size_t cap = c->cap_nodes ? 2 * c->cap_nodes : 16;
		struct sched_node **more = reallocarray(c->nodes, cap, sizeof(struct sched_node *));

		if (!more)
			return NULL;
		c->nodes = more;
		c->cap_nodes = cap;
	}
	n = calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	n->name = strdup(name);
	if (!n->name || !tsearch(n, &c->by_name, by_name)) {
		node_free(n);
		return NULL;
	}
	n->at = c->n_all;
	c->nodes[c->n_all++] = n;
	return n;
}

static void put_at(struct sched_cache *c, struct sched_node *n, size_t at)
{
	c->nodes[at] = n;
	n->at = at;
	verdicts_forget(&c->verdicts, at);
}

/* The node and the one at @at change places. */
static void move_to(struct sched_cache *c, struct sched_node *n, size_t at)
{
	size_t from = n->at;

	put_at(c, c->nodes[at], from);
	put_at(c, n, at);
}

/*
 * Taints and images of a Node, their arrays and texts in one block: a fraction of the document they are read from, which is not
 * kept. Packed in two passes over the same code, the first of which only counts.
 */
struct pack {
	char *base; /* NULL: counting */
	size_t used;
};

static void *pack_array(struct pack *p, size_t n, size_t size)
{
	void *at = p->base ? p->base + p->used : NULL;

	p->used += n * size;
	return at;
}

static const char *pack_text(struct pack *p, const char *s)
{
	size_t len = strlen(s ?: "") + 1;
	char *at = p->base ? p->base + p->used : NULL;

	p->used += len;
	return at ? memcpy(at, s ?: "", len) : NULL;
}

static size_t count_names(yyjson_val *images)
{
	yyjson_val *each;
	size_t i, n, total = 0;

	yyjson_arr_foreach (images, i, n, each)
		total += yyjson_arr_size(json_arr(each, "names"));
	return total;
}

static void pack_lists(struct pack *p, struct sched_node *to, yyjson_val *taints, yyjson_val *images)
{
	struct sched_taint *taint = pack_array(p, yyjson_arr_size(taints), sizeof(*taint));
	struct sched_image *image = pack_array(p, count_names(images), sizeof(*image));
	yyjson_val *each, *name;
	size_t i, n, k, m;

	to->taints = taint;
	to->images = image;
	to->n_taints = to->n_images = 0;
	yyjson_arr_foreach (taints, i, n, each) {
		struct sched_taint t = {pack_text(p, json_str(each, "key")),
			pack_text(p, json_str(each, "value")), pack_text(p, json_str(each, "effect"))};

		if (taint)
			taint[to->n_taints++] = t;
	}
	yyjson_arr_foreach (images, i, n, each) {
		yyjson_val *names = json_arr(each, "names");

		yyjson_arr_foreach (names, k, m, name) {
			struct sched_image one = {
				pack_text(p, yyjson_get_str(name)), json_int(each, "sizeBytes", 0)};

			if (image)
				image[to->n_images++] = one;
		}
	}
}

static int read_lists(struct sched_node *n, yyjson_val *taints, yyjson_val *images)
{
	struct pack p = {0};

	free(n->lists);
	pack_lists(&p, n, taints, images);
	n->lists = p.base = malloc(p.used + 1);
	p.used = 0;
	if (!p.base)
		return -ENOMEM;
	pack_lists(&p, n, taints, images);
	return 0;
}

int cache_set_node(struct sched_cache *c, const struct object *o)
{
	struct sched_node *n = make_node(c, o->name);
	cleanup(json_docp) yyjson_doc *doc = n ? object_doc(o) : NULL;
	yyjson_val *spec, *status, *allocatable;

	if (!doc)
		return -ENOMEM;
	if (!n->o)
		move_to(c, n, c->n_nodes++);
	verdicts_forget(&c->verdicts, n->at);
	object_unref(n->o);
	n->o = object_ref(o);
	spec = json_obj(yyjson_doc_get_root(doc), "spec");
	status = json_obj(yyjson_doc_get_root(doc), "status");
	n->unschedulable = json_bool(spec, "unschedulable");
	resources_fini(&n->has);
	allocatable = json_obj(status, "allocatable");
	if (resources_read(c, &n->has, allocatable ? allocatable : json_obj(status, "capacity")) < 0)
		return -ENOMEM;
	return read_lists(n, json_arr(spec, "taints"), json_arr(status, "images"));
}

void cache_drop_node(struct sched_cache *c, const char *name)
{
	struct sched_node *n = find_node(c, name);

	if (!n || !n->o)
		return;
	move_to(c, n, --c->n_nodes);
	if (n->n_pods) {
		/* its pods are counted until they are gone, too */
		object_unref(n->o);
		n->o = NULL;
		return;
	}
	move_to(c, n, --c->n_all);
	tdelete(n, &c->by_name, by_name);
	node_free(n);
}

/* ---- pods on nodes */

/* The node that is promised to @q, if that counts while one for @p is looked for; else NULL. */
static struct sched_node *promised_to(
	struct sched_cache *c, const struct sched_pod *q, const struct sched_pod *p)
{
	return q != p && q->priority >= p->priority ? find_node(c, q->nominated) : NULL;
}

static void add_nominated(struct sched_cache *c, const struct sched_pod *p, int sign)
{
	for (const struct sched_pod *q = c->nominated; q; q = q->next_nominated) {
		struct sched_node *n = promised_to(c, q, p);

		if (n)
			resources_add(&n->used, &q->asks, sign);
	}
}

int cache_count_nominated(struct sched_cache *c, const struct sched_pod *p)
{
	for (const struct sched_pod *q = c->nominated; q; q = q->next_nominated) {
		struct sched_node *n = promised_to(c, q, p);

		if (n && resources_reserve(&n->used, &q->asks) < 0)
			return -ENOMEM;
	}
	add_nominated(c, p, 1);
	return 0;
}

void cache_discount_nominated(struct sched_cache *c, const struct sched_pod *p)
{
	add_nominated(c, p, -1);
}

int cache_place(struct sched_cache *c, struct sched_pod *p, const char *node)
{
	struct sched_node *n = make_node(c, node);

	if (!n)
		return -ENOMEM;
	if (p->node == n)
		return 0;
	take_back(c, p);
	cache_unplace(c, p);
	if (n->n_pods == n->cap_pods) {
		size_t cap = n->cap_pods ? 2 * n->cap_pods : 16;
		struct sched_pod **more = reallocarray(n->pods, cap, sizeof(struct sched_pod *));

		if (!more)
			return -ENOMEM;
		n->pods = more;
		n->cap_pods = cap;
	}
	if (resources_reserve(&n->used, &p->asks) < 0)
		return -ENOMEM;
	p->node = n;
	p->slot = n->n_pods;
	n->pods[n->n_pods++] = p;
	resources_add(&n->used, &p->asks, 1);
	n->likely_cpu_milli += sched_pod_cpu(p);
	n->likely_memory_bytes += sched_pod_memory(p);
	n->n_anti += p->has_anti;
	n->n_ports += p->n_ports > 0;
	c->n_anti += p->has_anti;
	c->n_affinity += p->has_affinity;
	return 0;
}

void cache_unplace(struct sched_cache *c, struct sched_pod *p)
{
	struct sched_node *n = p->node;

	if (!n)
		return;
	n->pods[p->slot] = n->pods[--n->n_pods];
	n->pods[p->slot]->slot = p->slot;
	resources_add(&n->used, &p->asks, -1);
	n->likely_cpu_milli -= sched_pod_cpu(p);
	n->likely_memory_bytes -= sched_pod_memory(p);
	n->n_anti -= p->has_anti;
	n->n_ports -= p->n_ports > 0;
	c->n_anti -= p->has_anti;
	c->n_affinity -= p->has_affinity;
	p->node = NULL;
	if (!n->o && !n->n_pods) {
		move_to(c, n, --c->n_all);
		tdelete(n, &c->by_name, by_name);
		node_free(n);
	}
}

static void drop_pod(void *p)
{
	sched_pod_free(p);
}

static void keep(void *n) {}

void cache_fini(struct sched_cache *c)
{
	tdestroy(c->by_uid, drop_pod);
	tdestroy(c->by_name, keep);
	for (size_t i = 0; i < c->n_all; i++)
		node_free(c->nodes[i]);
	tdestroy(c->names, free);
	free(c->nodes);
	verdicts_fini(&c->verdicts);
	*c = (struct sched_cache){0};
}
