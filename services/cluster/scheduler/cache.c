/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <search.h>
#include <string.h>

#include "cluster/scheduler/cache.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/resized.h"
#include "lib/quantity.h"
#include "lib/json.h"

/* ---- resources */

/* One copy of each name, so that names are compared by address. */
static const char *intern(struct sched_cache *c, const char *name)
{
	char **more, *copy;

	for (size_t i = 0; i < c->n_names; i++)
		if (!strcmp(c->names[i], name))
			return c->names[i];
	more = reallocarray(c->names, c->n_names + 1, sizeof(*more));
	if (!more)
		return NULL;
	c->names = more;
	copy = strdup(name);
	if (copy)
		c->names[c->n_names++] = copy;
	return copy;
}

static int64_t *extended(struct sched_cache *c, struct sched_resources *r, const char *name)
{
	const char *known = intern(c, name);

	for (size_t i = 0; i < r->n_extended; i++)
		if (r->extended[i].name == known)
			return &r->extended[i].n;
	if (!known || r->n_extended == SCHED_EXTENDED_MAX)
		return NULL;
	r->extended[r->n_extended].name = known;
	r->extended[r->n_extended].n = 0;
	return &r->extended[r->n_extended++].n;
}

int64_t resources_extended(const struct sched_resources *r, const char *name)
{
	for (size_t i = 0; i < r->n_extended; i++)
		if (r->extended[i].name == name)
			return r->extended[i].n;
	return 0;
}

void resources_add(struct sched_resources *to, const struct sched_resources *r, int sign)
{
	to->cpu_milli += sign * r->cpu_milli;
	to->memory_bytes += sign * r->memory_bytes;
	to->ephemeral_bytes += sign * r->ephemeral_bytes;
	to->pods += sign * r->pods;
	for (size_t i = 0; i < r->n_extended; i++) {
		size_t k = 0;

		while (k < to->n_extended && to->extended[k].name != r->extended[i].name)
			k++;
		if (k == SCHED_EXTENDED_MAX)
			continue;
		if (k == to->n_extended)
			to->extended[to->n_extended++].name = r->extended[i].name;
		to->extended[k].n += sign * r->extended[i].n;
	}
}

bool resources_fit(const struct sched_resources *asks, const struct sched_node *n)
{
	const struct sched_resources *has = &n->has, *used = &n->used;

	if (used->pods + asks->pods > has->pods ||
		(asks->cpu_milli && asks->cpu_milli > has->cpu_milli - used->cpu_milli) ||
		(asks->memory_bytes && asks->memory_bytes > has->memory_bytes - used->memory_bytes) ||
		(asks->ephemeral_bytes &&
			asks->ephemeral_bytes > has->ephemeral_bytes - used->ephemeral_bytes))
		return false;
	for (size_t i = 0; i < asks->n_extended; i++) {
		const char *name = asks->extended[i].name;

		if (asks->extended[i].n > resources_extended(has, name) - resources_extended(used, name))
			return false;
	}
	return true;
}

/* Reads {"cpu": "100m", ...}. What it cannot count is left out: validation has refused it before. */
static void read_resources(struct sched_cache *c, struct sched_resources *r, yyjson_val *list)
{
	yyjson_val *key, *value;
	size_t i, n;

	json_obj_foreach (list, i, n, key, value) {
		const char *name = yyjson_get_str(key), *text = yyjson_get_str(value);
		struct quantity q;

		if (!text || quantity_parse(&q, text, strlen(text)) < 0)
			continue;
		if (!strcmp(name, "cpu"))
			r->cpu_milli = quantity_milli(&q);
		else if (!strcmp(name, "memory"))
			r->memory_bytes = quantity_value(&q);
		else if (!strcmp(name, "ephemeral-storage"))
			r->ephemeral_bytes = quantity_value(&q);
		else if (!strcmp(name, "pods"))
			r->pods = quantity_value(&q);
		else {
			int64_t *slot = extended(c, r, name);

			if (slot)
				*slot = quantity_value(&q);
		}
	}
}

static void raise_to(struct sched_resources *r, const struct sched_resources *least)
{
#define RAISE(member) r->member = r->member > least->member ? r->member : least->member
	RAISE(cpu_milli);
	RAISE(memory_bytes);
	RAISE(ephemeral_bytes);
#undef RAISE
	for (size_t i = 0; i < least->n_extended; i++) {
		struct sched_resources more = {.n_extended = 1};
		int64_t have = resources_extended(r, least->extended[i].name);

		if (least->extended[i].n <= have)
			continue;
		more.extended[0] = least->extended[i];
		more.extended[0].n -= have;
		resources_add(r, &more, 1);
	}
}

static bool same_resources(const struct sched_resources *a, const struct sched_resources *b)
{
	return a->cpu_milli == b->cpu_milli && a->memory_bytes == b->memory_bytes;
}

/*
 * The most of what is asked for, what is set aside and what there is: they differ while a pod is resized. What the node refuses
 * for good is not among @lists; @asked is.
 */
static struct sched_resources most_of(
	struct sched_cache *c, struct sched_pod *p, yyjson_val *const *lists, size_t n, yyjson_val *asked)
{
	struct sched_resources most = {0}, r;

	for (size_t i = 0; i < n; i++) {
		r = (struct sched_resources){0};
		read_resources(c, &r, lists[i]);
		p->resizing |= i && !same_resources(&r, &most);
		raise_to(&most, &r);
	}
	r = (struct sched_resources){0};
	read_resources(c, &r, asked);
	p->resizing |= !same_resources(&r, &most);
	return most;
}

static struct sched_resources asks_of(
	struct sched_cache *c, struct sched_pod *p, yyjson_val *pod, yyjson_val *container, bool init)
{
	yyjson_val *lists[RESIZED_LISTS_MAX];
	size_t n = resized_lists(pod, container, init, "requests", lists);

	return most_of(c, p, lists, n, meta_get(container, "resources", "requests", NULL));
}

/* What the pod asks for as a whole counts, and not what its containers come to. */
static void read_whole(struct sched_cache *c, struct sched_pod *p, yyjson_val *pod)
{
	yyjson_val *lists[RESIZED_LISTS_MAX], *asked = meta_get(p->spec, "resources", "requests", NULL);
	size_t n = resized_whole_lists(pod, "requests", lists);
	struct sched_resources most;

	if (!yyjson_obj_size(asked))
		return;
	most = most_of(c, p, lists, n, asked);
	read_resources(c, &p->asks, asked);
	if (yyjson_obj_get(asked, "cpu"))
		p->asks.cpu_milli = most.cpu_milli;
	if (yyjson_obj_get(asked, "memory"))
		p->asks.memory_bytes = most.memory_bytes;
}

/*
 * What a pod needs: its containers and sidecars together, or one init container with the sidecars before it, whichever is
 * more; and the overhead of its runtime class.
 */
static void read_asks(struct sched_cache *c, struct sched_pod *p)
{
	yyjson_val *list = json_arr(p->spec, "containers"), *init = json_arr(p->spec, "initContainers"),
		   *pod = yyjson_doc_get_root(p->doc), *each;
	struct sched_resources sidecars = {0}, peak = {0}, overhead = {0};
	size_t i, n;

	yyjson_arr_foreach (list, i, n, each) {
		struct sched_resources r = asks_of(c, p, pod, each, false);

		resources_add(&p->asks, &r, 1);
	}
	yyjson_arr_foreach (init, i, n, each) {
		struct sched_resources r = asks_of(c, p, pod, each, true);

		if (yyjson_equals_str(yyjson_obj_get(each, "restartPolicy"), "Always")) {
			resources_add(&sidecars, &r, 1);
			r = (struct sched_resources){0};
		}
		resources_add(&r, &sidecars, 1);
		raise_to(&peak, &r);
	}
	resources_add(&p->asks, &sidecars, 1);
	raise_to(&p->asks, &peak);
	read_whole(c, p, pod);
	read_resources(c, &overhead, json_obj(p->spec, "overhead"));
	resources_add(&p->asks, &overhead, 1);
	p->asks.pods = 1;
}

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
	if (sched_pod_open(p) < 0 || read_ports(p) < 0) {
		sched_pod_free(p);
		return -ENOMEM;
	}
	read_asks(c, p);
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
	n->has = (struct sched_resources){0};
	allocatable = json_obj(status, "allocatable");
	read_resources(c, &n->has, allocatable ? allocatable : json_obj(status, "capacity"));
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

void cache_count_nominated(struct sched_cache *c, const struct sched_pod *p, int sign)
{
	for (const struct sched_pod *q = c->nominated; q; q = q->next_nominated) {
		struct sched_node *n =
			q != p && q->priority >= p->priority ? find_node(c, q->nominated) : NULL;

		if (n)
			resources_add(&n->used, &q->asks, sign);
	}
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
	for (size_t i = 0; i < c->n_names; i++)
		free(c->names[i]);
	free(c->names);
	free(c->nodes);
	verdicts_fini(&c->verdicts);
	*c = (struct sched_cache){0};
}
