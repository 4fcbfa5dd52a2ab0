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

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* One copy of each name, so that names are compared by address. NULL: no memory. */
static const char *intern(struct sched_cache *c, const char *name)
{
	char **found = tfind(name, &c->names, by_text), *copy;

	if (found)
		return *found;
	copy = strdup(name);
	if (!copy || tsearch(copy, &c->names, by_text))
		return copy;
	free(copy);
	return NULL;
}

static void resources_fini(struct sched_resources *r)
{
	free(r->extended);
	*r = (struct sched_resources){0};
}

/* Where @name is, or would be. */
static size_t place_of(const struct sched_resources *r, const char *name)
{
	size_t from = 0, to = r->n_extended;

	while (from < to) {
		size_t mid = from + (to - from) / 2;

		if (strcmp(r->extended[mid].name, name) < 0)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

/* The number of a resource; @name is interned. NULL: not there. */
static int64_t *number_of(const struct sched_resources *r, const char *name)
{
	size_t i = place_of(r, name);

	return i < r->n_extended && r->extended[i].name == name ? &r->extended[i].n : NULL;
}

/* The same, made when it is not there. NULL: no memory. */
static int64_t *make_number(struct sched_resources *r, const char *name)
{
	int64_t *there = number_of(r, name);
	struct sched_extended *more;
	size_t i = place_of(r, name);

	if (there)
		return there;
	more = reallocarray(r->extended, r->n_extended + 1, sizeof(*more));
	if (!more)
		return NULL;
	r->extended = more;
	memmove(more + i + 1, more + i, (r->n_extended++ - i) * sizeof(*more));
	more[i] = (struct sched_extended){.name = name};
	return &more[i].n;
}

int64_t resources_extended(const struct sched_resources *r, const char *name)
{
	const int64_t *n = number_of(r, name);

	return n ? *n : 0;
}

int resources_reserve(struct sched_resources *to, const struct sched_resources *r)
{
	for (size_t i = 0; i < r->n_extended; i++)
		if (!make_number(to, r->extended[i].name))
			return -ENOMEM;
	return 0;
}

void resources_add(struct sched_resources *to, const struct sched_resources *r, int sign)
{
	to->cpu_milli += sign * r->cpu_milli;
	to->memory_bytes += sign * r->memory_bytes;
	to->ephemeral_bytes += sign * r->ephemeral_bytes;
	to->pods += sign * r->pods;
	for (size_t i = 0; i < r->n_extended; i++)
		*number_of(to, r->extended[i].name) += sign * r->extended[i].n;
}

/* Both in one, for those who may fail. */
static int add_more(struct sched_resources *to, const struct sched_resources *r)
{
	if (resources_reserve(to, r) < 0)
		return -ENOMEM;
	resources_add(to, r, 1);
	return 0;
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

/*
 * Reads {"cpu": "100m", ...}. What is no quantity is left out: validation has refused it before. So is an extended resource of which
 * there is none: a pod that asks for 0 of it fits also where more is given away than there is. 0 or -ENOMEM.
 */
static int read_resources(struct sched_cache *c, struct sched_resources *r, yyjson_val *list)
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
		else if (quantity_value(&q)) {
			const char *known = intern(c, name);
			int64_t *number = known ? make_number(r, known) : NULL;

			if (!number)
				return -ENOMEM;
			*number = quantity_value(&q);
		}
	}
	return 0;
}

static int raise_to(struct sched_resources *r, const struct sched_resources *least)
{
	if (resources_reserve(r, least) < 0)
		return -ENOMEM;
#define RAISE(member) r->member = r->member > least->member ? r->member : least->member
	RAISE(cpu_milli);
	RAISE(memory_bytes);
	RAISE(ephemeral_bytes);
#undef RAISE
	for (size_t i = 0; i < least->n_extended; i++) {
		int64_t *have = number_of(r, least->extended[i].name), n = least->extended[i].n;

		*have = *have > n ? *have : n;
	}
	return 0;
}

static bool same_resources(const struct sched_resources *a, const struct sched_resources *b)
{
	return a->cpu_milli == b->cpu_milli && a->memory_bytes == b->memory_bytes;
}

/*
 * The most of what is asked for, what is set aside and what there is: they differ while a pod is resized. What the node refuses
 * for good is not among @lists; @asked is. @most is empty before.
 */
static int most_of(struct sched_cache *c, struct sched_pod *p, yyjson_val *const *lists, size_t n,
	yyjson_val *asked, struct sched_resources *most)
{
	int err = 0;

	for (size_t i = 0; i <= n && !err; i++) {
		cleanup(resources_fini) struct sched_resources r = {0};

		err = read_resources(c, &r, i < n ? lists[i] : asked);
		p->resizing |= i && !same_resources(&r, most);
		if (!err && i < n)
			err = raise_to(most, &r);
	}
	return err;
}

static int asks_of(struct sched_cache *c, struct sched_pod *p, yyjson_val *container, bool init,
	struct sched_resources *asks)
{
	yyjson_val *lists[RESIZED_LISTS_MAX];
	size_t n = resized_lists(yyjson_doc_get_root(p->doc), container, init, "requests", lists);

	return most_of(c, p, lists, n, meta_get(container, "resources", "requests", NULL), asks);
}

/* What the pod asks for as a whole counts, and not what its containers come to. */
static int read_whole(struct sched_cache *c, struct sched_pod *p)
{
	yyjson_val *lists[RESIZED_LISTS_MAX], *asked = meta_get(p->spec, "resources", "requests", NULL);
	size_t n = resized_whole_lists(yyjson_doc_get_root(p->doc), "requests", lists);
	cleanup(resources_fini) struct sched_resources most = {0};

	if (!yyjson_obj_size(asked))
		return 0;
	if (most_of(c, p, lists, n, asked, &most) < 0 || read_resources(c, &p->asks, asked) < 0)
		return -ENOMEM;
	if (yyjson_obj_get(asked, "cpu"))
		p->asks.cpu_milli = most.cpu_milli;
	if (yyjson_obj_get(asked, "memory"))
		p->asks.memory_bytes = most.memory_bytes;
	return 0;
}

/* An init container has the sidecars before it beside itself; a sidecar is one of them from then on. */
static int read_init(struct sched_cache *c, struct sched_pod *p, yyjson_val *container,
	struct sched_resources *sidecars, struct sched_resources *peak)
{
	bool sidecar = yyjson_equals_str(yyjson_obj_get(container, "restartPolicy"), "Always");
	cleanup(resources_fini) struct sched_resources r = {0};

	if (asks_of(c, p, container, true, &r) < 0)
		return -ENOMEM;
	if (sidecar)
		return add_more(sidecars, &r) < 0 ? -ENOMEM : raise_to(peak, sidecars);
	return add_more(&r, sidecars) < 0 ? -ENOMEM : raise_to(peak, &r);
}

/*
 * What a pod needs: its containers and sidecars together, or one init container with the sidecars before it, whichever is
 * more; and the overhead of its runtime class. 0 or -ENOMEM.
 */
static int read_asks(struct sched_cache *c, struct sched_pod *p)
{
	yyjson_val *list = json_arr(p->spec, "containers"), *init = json_arr(p->spec, "initContainers"),
		   *each;
	cleanup(resources_fini) struct sched_resources sidecars = {0}, peak = {0}, overhead = {0};
	size_t i, n;

	yyjson_arr_foreach (list, i, n, each) {
		cleanup(resources_fini) struct sched_resources r = {0};

		if (asks_of(c, p, each, false, &r) < 0 || add_more(&p->asks, &r) < 0)
			return -ENOMEM;
	}
	yyjson_arr_foreach (init, i, n, each)
		if (read_init(c, p, each, &sidecars, &peak) < 0)
			return -ENOMEM;
	if (add_more(&p->asks, &sidecars) < 0 || raise_to(&p->asks, &peak) < 0 || read_whole(c, p) < 0 ||
		read_resources(c, &overhead, json_obj(p->spec, "overhead")) < 0 ||
		add_more(&p->asks, &overhead) < 0)
		return -ENOMEM;
	p->asks.pods = 1;
	return 0;
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
	if (sched_pod_open(p) < 0 || read_ports(p) < 0 || read_asks(c, p) < 0) {
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
	if (read_resources(c, &n->has, allocatable ? allocatable : json_obj(status, "capacity")) < 0)
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
