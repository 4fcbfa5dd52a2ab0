/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <search.h>
#include <string.h>

#include "cluster/scheduler/cache.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/resized.h"
#include "lib/json.h"
#include "lib/quantity.h"

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

void resources_fini(struct sched_resources *r)
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

int resources_read(struct sched_cache *c, struct sched_resources *r, yyjson_val *list)
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

		err = resources_read(c, &r, i < n ? lists[i] : asked);
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
	if (most_of(c, p, lists, n, asked, &most) < 0 || resources_read(c, &p->asks, asked) < 0)
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

int resources_asked(struct sched_cache *c, struct sched_pod *p)
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
		resources_read(c, &overhead, json_obj(p->spec, "overhead")) < 0 ||
		add_more(&p->asks, &overhead) < 0)
		return -ENOMEM;
	p->asks.pods = 1;
	return 0;
}
