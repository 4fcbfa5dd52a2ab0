/* SPDX-License-Identifier: Apache-2.0 */

/* A list of ServiceCIDRs with the range of each, in the order in which they were told. */

#include <errno.h>
#include <string.h>

#include "lib/json.h"
#include "lib/kube.h"
#include "lib/log.h"
#include "network/service_nets.h"

struct named {
	char *name; /* owned; of the ServiceCIDR */
	struct ipaddr range;
	struct named *next;
};

struct service_nets_watch {
	struct kube_reflector *reflector; /* owned */
	struct ipaddr own;
	struct named *first; /* owned */
	bool read;	     /* the list, once */
	void (*change)(const struct service_nets *now, void *arg);
	void *arg;
};

/* ---- the list */

bool service_nets_equal(const struct service_nets *a, const struct service_nets *b)
{
	for (size_t i = 0; i < a->n && i < b->n; i++)
		if (!ipaddr_equal(&a->items[i], &b->items[i]))
			return false;
	return a->n == b->n;
}

bool service_nets_have(const struct service_nets *n, const struct ipaddr *address)
{
	for (size_t i = 0; i < n->n; i++)
		if (ipaddr_overlap(&n->items[i], address))
			return true;
	return false;
}

bool service_nets_add(struct service_nets *n, const struct ipaddr *range)
{
	for (size_t i = 0; i < n->n; i++)
		if (ipaddr_equal(&n->items[i], range))
			return true;
	if (n->n == SERVICE_NETS_MAX)
		return false;
	n->items[n->n++] = *range;
	return true;
}

/* ---- what the API says */

static void tell(const struct service_nets_watch *w)
{
	struct service_nets all = {.items = {w->own}, .n = 1};

	if (!w->read)
		return;
	for (const struct named *i = w->first; i; i = i->next)
		if (!service_nets_add(&all, &i->range))
			log_error(
				"servicecidr=%s msg=\"more than %d ranges: what leads nowhere there is not refused\"",
				i->name, SERVICE_NETS_MAX);
	w->change(&all, w->arg);
}

static struct named **find(struct service_nets_watch *w, const char *name)
{
	struct named **at = &w->first;

	while (*at && strcmp((*at)->name, name) != 0)
		at = &(*at)->next;
	return at;
}

static void named_free(struct named *n)
{
	free(n->name);
	free(n);
}

static void on_change(enum kube_change change, yyjson_val *object, void *arg)
{
	struct service_nets_watch *w = arg;
	const char *name = json_str(json_obj(object, "metadata"), "name") ?: "";
	struct named **at = find(w, name), *one = *at;
	struct ipaddr range = {0};

	if (change != KUBE_DELETED)
		range = kube_service_range(object);
	if (one && !range.family) {
		*at = one->next;
		named_free(one);
	} else if (!one && range.family) {
		one = calloc(1, sizeof(*one));
		if (one)
			one->name = strdup(name);
		if (!one || !one->name) {
			free(one);
			log_errno(ENOMEM, "servicecidr=%s", name);
			return;
		}
		one->range = range;
		*at = one;
	} else if (one) {
		one->range = range;
	} else {
		return;
	}
	tell(w);
}

static void on_synced(void *arg)
{
	struct service_nets_watch *w = arg;

	if (w->read)
		return;
	w->read = true;
	tell(w);
}

const struct kube_reflector_events service_nets_reflection = {.change = on_change, .synced = on_synced};

int service_nets_watch_new(struct service_nets_watch **out, const struct ipaddr *own,
	void (*change)(const struct service_nets *now, void *arg), void *arg)
{
	struct service_nets_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	*w = (struct service_nets_watch){.own = *own, .change = change, .arg = arg};
	*out = w;
	return 0;
}

int service_nets_follow(struct service_nets_watch *w, struct kube *k)
{
	return kube_reflect(
		&w->reflector, k, "/apis/networking.k8s.io/v1/servicecidrs", "", &service_nets_reflection, w);
}

void service_nets_watch_free(struct service_nets_watch *w)
{
	if (!w)
		return;
	kube_reflector_free(w->reflector);
	while (w->first) {
		struct named *next = w->first->next;

		named_free(w->first);
		w->first = next;
	}
	free(w);
}
