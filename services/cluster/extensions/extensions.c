/* SPDX-License-Identifier: Apache-2.0 */

/* The APIServices that name a service, in order of their names. */

#include <errno.h>
#include <string.h>

#include "cluster/extensions/extensions_int.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "lib/base64.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/tls.h"

static void extension_free(struct extension *e)
{
	if (!e)
		return;
	probe_cancel(e->probe);
	tls_config_free(e->tls);
	yyjson_doc_free(e->resources);
	free(e->openapi);
	free(e->name);
	free(e->group);
	free(e->version);
	free(e->ns);
	free(e->service);
	free(e->bundle);
	free(e);
}

static bool is_available(yyjson_val *root)
{
	yyjson_val *condition;
	size_t i, n;

	yyjson_arr_foreach (json_arr(json_obj(root, "status"), "conditions"), i, n, condition)
		if (yyjson_equals_str(yyjson_obj_get(condition, "type"), "Available"))
			return yyjson_equals_str(yyjson_obj_get(condition, "status"), "True") &&
			       !yyjson_equals_str(yyjson_obj_get(condition, "reason"), "Local");
	return false;
}

static struct extension *extension_new(const struct object *o, yyjson_val *root)
{
	struct extension *e = calloc(1, sizeof(*e));
	yyjson_val *spec = json_obj(root, "spec"), *service = json_obj(spec, "service");
	const char *bundle = json_text(spec, "caBundle");
	size_t len;

	if (!e)
		return NULL;
	e->name = strdup(o->name);
	e->group = strdup(json_str(spec, "group") ?: "");
	e->version = strdup(json_str(spec, "version") ?: "");
	e->ns = strdup(json_str(service, "namespace") ?: "");
	e->service = strdup(json_str(service, "name") ?: "");
	e->bundle = bundle ? base64_bytes(bundle, &len) : NULL;
	e->port = (int)json_int(service, "port", 443);
	e->insecure = json_bool(spec, "insecureSkipTLSVerify");
	e->group_priority = (int)json_int(spec, "groupPriorityMinimum", 1);
	e->version_priority = (int)json_int(spec, "versionPriority", 1);
	e->available = is_available(root);
	if (e->name && e->group && e->version && e->ns && e->service && !bundle == !e->bundle)
		return e;
	extension_free(e);
	return NULL;
}

static bool same_texts(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* Who answers is the same, and asked in the same way. */
static bool is_same(const struct extension *a, const struct extension *b)
{
	return !strcmp(a->ns, b->ns) && !strcmp(a->service, b->service) && a->port == b->port &&
	       a->insecure == b->insecure && same_texts(a->bundle, b->bundle) &&
	       a->group_priority == b->group_priority && a->version_priority == b->version_priority;
}

static void forget_order(struct extensions *x)
{
	free(x->versions);
	x->versions = NULL;
}

static void take_out(struct extensions *x, struct extension **at)
{
	struct extension *e = *at;

	*at = e->next;
	extension_free(e);
	forget_order(x);
}

static void put_in(struct extensions *x, struct extension **at, struct extension *e)
{
	e->next = *at;
	*at = e;
	forget_order(x);
}

static void on_event(
	struct informer *i, enum event_type type, const struct object *old, const struct object *now)
{
	struct extensions *x = container_of(i, struct extensions, informer);
	struct extension **at = &x->first, *e = NULL;
	cleanup(json_docp) yyjson_doc *doc = object_doc(now);
	yyjson_val *root = yyjson_doc_get_root(doc);
	bool known, wanted = type != EVENT_DELETED && meta_get(root, "spec", "service", NULL);

	while (*at && strcmp((*at)->name, now->name) < 0)
		at = &(*at)->next;
	known = *at && !strcmp((*at)->name, now->name);
	if (wanted)
		e = extension_new(now, root);
	if (!doc || (wanted && !e)) {
		/* going on without it would answer for another server */
		log_errno(ENOMEM, "extensions apiservice=%s", now->name);
		loop_quit(registry_loop(x->r), 1);
		return;
	}
	if (known && e && is_same(*at, e)) {
		(*at)->available = is_available(root);
		extension_free(e);
		return;
	}
	if (known)
		take_out(x, at);
	if (e)
		put_in(x, at, e);
}

int extensions_open(struct extensions **out, struct registry *r)
{
	struct extensions *x = calloc(1, sizeof(*x));

	if (!x)
		return -ENOMEM;
	x->r = r;
	x->informer = (struct informer){
		.kind = schema_find_kind("apiregistration.k8s.io/v1", "APIService"), .event = on_event};
	*out = x;
	registry_inform(r, &x->informer);
	return 0;
}

void extensions_close(struct extensions *x)
{
	if (!x)
		return;
	registry_uninform(&x->informer);
	while (x->first)
		take_out(x, &x->first);
	free(x->cert);
	free(x->key);
	free(x);
}

int extensions_set_identity(struct extensions *x, const char *cert, const char *key)
{
	for (struct extension *e = x->first; e; e = e->next)
		tls_config_free(take(e->tls));
	free(x->cert);
	free(x->key);
	x->cert = strdup(cert);
	x->key = strdup(key);
	return x->cert && x->key ? 0 : -ENOMEM;
}

struct extension *extensions_find(const struct extensions *x, const char *group, const char *version)
{
	struct extension *e = x->first;

	while (e && (strcmp(e->group, group) != 0 || strcmp(e->version, version) != 0))
		e = e->next;
	return e;
}

struct extension *extensions_named(const struct extensions *x, const char *name)
{
	struct extension *e = x->first;

	while (e && strcmp(e->name, name) != 0)
		e = e->next;
	return e;
}

const struct extension *extensions_first(const struct extensions *x)
{
	return x->first;
}

void extensions_moved(struct extensions *x, const char *ns, const char *service,
	void (*fn)(void *arg, const char *name), void *arg)
{
	for (struct extension *e = x->first; e; e = e->next)
		if (!strcmp(e->ns, ns) && !strcmp(e->service, service)) {
			e->probed_ms = 0;
			e->moved = e->probe;
			fn(arg, e->name);
		}
}
