/* SPDX-License-Identifier: Apache-2.0 */

/* The configurations there are, read once and in order. */

#include <errno.h>
#include <string.h>

#include "cluster/schema/schema.h"
#include "cluster/webhooks/conversion.h"
#include "cluster/webhooks/webhooks_int.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/loop.h"

enum { TIMEOUT_S = 10 };

void configuration_unref(struct configuration *c)
{
	if (!c || --c->refs)
		return;
	for (size_t i = 0; i < c->n; i++) {
		match_fini(&c->hooks[i].match);
		conditions_fini(&c->hooks[i].conditions);
	}
	free(c->hooks);
	yyjson_doc_free(c->doc);
	free(c->name);
	free(c);
}

static bool is(yyjson_val *v, const char *key, const char *text)
{
	return yyjson_equals_str(yyjson_obj_get(v, key), text);
}

static bool read_hook(struct hook *h, struct configuration *of, yyjson_val *v)
{
	*h = (struct hook){.of = of,
		.name = json_str(v, "name") ?: "",
		.root = v,
		.ignore = is(v, "failurePolicy", "Ignore"),
		.again = is(v, "reinvocationPolicy", "IfNeeded"),
		.timeout_ms = 1000 * json_int(v, "timeoutSeconds", TIMEOUT_S)};
	return match_read(&h->match, v, "rules", false) &&
	       conditions_read(&h->conditions, v, condition_names);
}

static struct configuration *read_configuration(const struct object *o)
{
	struct configuration *c = calloc(1, sizeof(*c));
	yyjson_val *list, *v;
	size_t i, n;

	if (!c)
		return NULL;
	c->refs = 1;
	c->name = strdup(o->name);
	c->doc = object_doc(o);
	list = json_arr(yyjson_doc_get_root(c->doc), "webhooks");
	c->hooks = calloc(yyjson_arr_size(list) + 1, sizeof(*c->hooks));
	if (!c->name || !c->doc || !c->hooks)
		goto fail;
	yyjson_arr_foreach (list, i, n, v)
		if (!read_hook(&c->hooks[c->n++], c, v))
			goto fail;
	return c;
fail:
	configuration_unref(c);
	return NULL;
}

static void on_event(
	struct informer *i, enum event_type type, const struct object *old, const struct object *now)
{
	enum webhook_phase phase = !strcmp(i->kind->kind, "MutatingWebhookConfiguration")
					   ? WEBHOOK_MUTATING
					   : WEBHOOK_VALIDATING;
	struct webhooks *w = container_of(i, struct webhooks, informers[phase]);
	struct configuration **at = &w->first[phase], *c;

	while (*at && strcmp((*at)->name, now->name) < 0)
		at = &(*at)->next;
	if (*at && !strcmp((*at)->name, now->name)) {
		c = *at;
		*at = c->next;
		configuration_unref(c);
	}
	if (type == EVENT_DELETED)
		return;
	c = read_configuration(now);
	if (!c) {
		/* going on without it would let pass what it is there to stop */
		log_errno(ENOMEM, "webhooks configuration=%s", now->name);
		loop_quit(registry_loop(w->r), 1);
		return;
	}
	c->next = *at;
	*at = c;
}

int webhooks_open(struct webhooks **out, struct registry *r)
{
	static const char *const plurals[] = {[WEBHOOK_MUTATING] = "mutatingwebhookconfigurations",
		[WEBHOOK_VALIDATING] = "validatingwebhookconfigurations"};
	struct webhooks *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->r = r;
	*out = w;
	for (size_t i = 0; i < N_WEBHOOK_PHASES; i++) {
		w->informers[i] = (struct informer){
			.kind = schema_find("admissionregistration.k8s.io", "v1", plurals[i]),
			.event = on_event};
		registry_inform(r, &w->informers[i]);
	}
	return 0;
}

void webhooks_close(struct webhooks *w)
{
	if (!w)
		return;
	while (w->conversions)
		conversion_cancel(w->conversions);
	for (size_t i = 0; i < N_WEBHOOK_PHASES; i++) {
		registry_uninform(&w->informers[i]);
		while (w->first[i]) {
			struct configuration *c = w->first[i];

			w->first[i] = c->next;
			configuration_unref(c);
		}
	}
	free(w);
}
