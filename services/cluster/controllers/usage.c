/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/controllers/controller.h"
#include "cluster/controllers/usage.h"
#include "lib/json.h"
#include "lib/log.h"

/* A summary is news for less than an autoscaler's period, and forgotten when nobody asks for the node any more. */
enum { FRESH_MS = 10 * 1000, FORGOTTEN_MS = 10 * 60 * 1000, WINDOW_S = 15 };

struct waiting {
	struct waiting *next;
	struct controller *c;
	char *ns, *name; /* owned */
};

struct usage_node {
	struct usage_node *next;
	struct usage *u;
	char *name;			       /* owned */
	struct node_summary *asked, *answered; /* under way; over, and freed when it is asked again */
	yyjson_doc *doc;		       /* owned; NULL: it did not answer */
	int64_t at_ms;			       /* of the answer; -1: none yet */
	struct waiting *waiting;
};

struct usage {
	struct registry *r;
	struct loop *loop;
	struct node_trust trust;
	struct usage_node *nodes;
};

int usage_new(struct usage **out, struct registry *r, const struct node_trust *trust)
{
	struct usage *u = calloc(1, sizeof(*u));

	if (!u)
		return -ENOMEM;
	u->r = r;
	u->loop = registry_loop(r);
	u->trust = *trust;
	*out = u;
	return 0;
}

static void waiting_free(struct waiting *w)
{
	free(w->ns);
	free(w->name);
	free(w);
}

static void node_free(struct usage_node *n)
{
	struct waiting *w;

	while ((w = n->waiting)) {
		n->waiting = w->next;
		waiting_free(w);
	}
	node_summary_free(n->asked);
	node_summary_free(n->answered);
	yyjson_doc_free(n->doc);
	free(n->name);
	free(n);
}

void usage_free(struct usage *u)
{
	struct usage_node *n;

	while (u && (n = u->nodes)) {
		u->nodes = n->next;
		node_free(n);
	}
	free(u);
}

/* ---- nodes */

static void forget_others(struct usage *u, const char *name)
{
	struct usage_node **p = &u->nodes, *n;

	while ((n = *p)) {
		if (!n->asked && n->at_ms + FORGOTTEN_MS < loop_now_ms(u->loop) &&
			strcmp(n->name, name) != 0) {
			*p = n->next;
			node_free(n);
		} else {
			p = &n->next;
		}
	}
}

static struct usage_node *node_of(struct usage *u, const char *name)
{
	struct usage_node *n;

	for (n = u->nodes; n; n = n->next)
		if (!strcmp(n->name, name))
			return n;
	forget_others(u, name);
	n = calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	n->u = u;
	n->at_ms = -1;
	n->name = strdup(name);
	if (!n->name) {
		free(n);
		return NULL;
	}
	n->next = u->nodes;
	u->nodes = n;
	return n;
}

static void answer(struct usage_node *n, yyjson_val *root)
{
	yyjson_mut_doc *copy = root ? yyjson_mut_doc_new(NULL) : NULL;
	struct waiting *w;

	yyjson_doc_free(n->doc);
	n->doc = NULL;
	if (copy) {
		yyjson_mut_doc_set_root(copy, yyjson_val_mut_copy(copy, root));
		n->doc = yyjson_mut_doc_imut_copy(copy, NULL);
		yyjson_mut_doc_free(copy);
	}
	n->at_ms = loop_now_ms(n->u->loop);
	while ((w = n->waiting)) {
		n->waiting = w->next;
		controller_queue(w->c, w->ns, w->name);
		waiting_free(w);
	}
}

static void on_summary(yyjson_val *root, void *arg)
{
	struct usage_node *n = arg;

	node_summary_free(n->answered);
	n->answered = take(n->asked);
	answer(n, root);
}

int usage_set(struct usage *u, const char *node, yyjson_val *root)
{
	struct usage_node *n = node_of(u, node);

	if (n)
		answer(n, root);
	return n && n->doc ? 0 : -ENOMEM;
}

static bool wait_for(struct usage_node *n, struct controller *c, const char *ns, const char *name)
{
	struct waiting *w;

	for (w = n->waiting; w; w = w->next)
		if (w->c == c && !strcmp(w->ns, ns) && !strcmp(w->name, name))
			return true;
	w = calloc(1, sizeof(*w));
	if (!w)
		return false;
	w->c = c;
	w->ns = strdup(ns);
	w->name = strdup(name);
	if (!w->ns || !w->name) {
		waiting_free(w);
		return false;
	}
	w->next = n->waiting;
	n->waiting = w;
	return true;
}

bool usage_ask(struct usage *u, const char *node, struct controller *c, const char *ns, const char *name,
	yyjson_val **out)
{
	struct usage_node *n = node_of(u, node);

	*out = NULL;
	if (!n)
		return true;
	if (n->at_ms >= 0 && n->at_ms + FRESH_MS > loop_now_ms(u->loop)) {
		*out = yyjson_doc_get_root(n->doc);
		return true;
	}
	if (!n->asked) {
		node_summary_free(take(n->answered));
		if (!u->trust.ca ||
			node_summary_ask(&n->asked, u->loop, u->r, &u->trust, node, on_summary, n)) {
			/* cannot even be asked: that is what there is to know, for as long as an answer is */
			answer(n, NULL);
			return true;
		}
	}
	return !wait_for(n, c, ns, name);
}

/* ---- pods */

static yyjson_val *find(yyjson_val *list, const char *part, const char *ns, const char *name)
{
	yyjson_val *each;
	size_t i, n;

	yyjson_arr_foreach (list, i, n, each) {
		yyjson_val *ref = part ? json_obj(each, part) : each;

		if (yyjson_equals_str(yyjson_obj_get(ref, "name"), name) &&
			(!ns || yyjson_equals_str(yyjson_obj_get(ref, "namespace"), ns)))
			return each;
	}
	return NULL;
}

static bool amount(yyjson_val *of, const char *resource, int64_t *milli)
{
	bool cpu = !strcmp(resource, "cpu");
	yyjson_val *v = yyjson_obj_get(json_obj(of, resource), cpu ? "usageNanoCores" : "workingSetBytes");

	if (!yyjson_is_int(v))
		return false;
	*milli = cpu ? (yyjson_get_sint(v) + 999999) / 1000000 : yyjson_get_sint(v) * 1000;
	return true;
}

bool usage_of(yyjson_val *summary, const char *ns, const char *pod, const char *container,
	const char *resource, struct usage_sample *out)
{
	yyjson_val *p = find(json_arr(summary, "pods"), "podRef", ns, pod), *c;
	size_t i, n;
	int64_t one = 0;

	/* one that has only begun has no rate, and is measured by nobody yet */
	if (!p || !yyjson_obj_get(json_obj(p, "cpu"), "usageNanoCores"))
		return false;
	*out = (struct usage_sample){.measured_s = time_of(yyjson_obj_get(json_obj(p, "cpu"), "time")),
		.window_s = json_int(json_obj(summary, "node"), "windowSeconds", WINDOW_S)};
	if (container)
		return amount(find(json_arr(p, "containers"), NULL, NULL, container), resource, &out->milli);
	yyjson_arr_foreach (json_arr(p, "containers"), i, n, c) {
		if (!amount(c, resource, &one))
			return false;
		out->milli += one;
	}
	return n > 0;
}
