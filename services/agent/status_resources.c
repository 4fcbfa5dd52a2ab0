/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Resources of a container as the API is told of them. What runs has what the engine holds it to, said in the words of what is set
 * aside where that is the same: the kernel counts in other units. What does not run has what is set aside.
 */

#include <string.h>

#include "agent/pod.h"
#include "agent/status_int.h"
#include "lib/json.h"
#include "lib/quantity.h"

/* In thousandths of cpu, in bytes of memory; 0: none. */
static bool set(yyjson_mut_doc *doc, yyjson_mut_val *r, const char *kind, const char *name, int64_t amount)
{
	bool cpu = !strcmp(name, "cpu");
	struct quantity q = {.nano = (__int128)amount * (cpu ? 1000000 : 1000000000),
		.format = cpu ? QUANTITY_DECIMAL : QUANTITY_BINARY};
	yyjson_mut_val *list = yyjson_mut_obj_get(r, kind);
	char text[QUANTITY_TEXT_MAX];

	if (list)
		yyjson_mut_obj_remove_key(list, name);
	if (amount <= 0)
		return true;
	list = list ? list : yyjson_mut_obj_add_obj(doc, r, kind);
	return list && yyjson_mut_obj_add(list, yyjson_mut_str(doc, name),
			       yyjson_mut_strcpy(doc, quantity_text(&q, text)));
}

/* Does the container weigh what its pod's limit makes it weigh? */
static bool weighs_as_pod(yyjson_val *container)
{
	yyjson_val *r = json_obj(container, "resources");

	return !yyjson_obj_get(json_obj(r, "requests"), "cpu") &&
	       !yyjson_obj_get(json_obj(r, "limits"), "cpu");
}

/* What changes only by a restart is what it was made with; a limit that is the pod's is not said. */
static bool as_made(
	yyjson_mut_doc *doc, yyjson_mut_val *r, const struct pod *p, const struct pod_container *c)
{
	struct resources own = resources_of_container(c->spec);
	const struct resources *made = &c->now.made;

	if (!c->now.made_known)
		return true;
	if (resources_restart_for(p->spec, c->spec, made, RESOURCE_CPU) &&
		(!set(doc, r, "requests", "cpu", weighs_as_pod(c->spec) ? 0 : made->cpu_request_milli) ||
			!set(doc, r, "limits", "cpu", own.cpu_limit_milli ? made->cpu_limit_milli : 0)))
		return false;
	return !resources_restart_for(p->spec, c->spec, made, RESOURCE_MEMORY) ||
	       (set(doc, r, "requests", "memory", made->memory_request_bytes) &&
		       set(doc, r, "limits", "memory",
			       own.memory_limit_bytes ? made->memory_limit_bytes : 0));
}

/*
 * What the engine holds a container, or a pod's group, to, where that is not what is set aside for it: @more of the group is overhead,
 * which is not the pod's.
 */
static bool as_held(yyjson_mut_doc *doc, yyjson_mut_val *r, const struct resources *aside,
	const struct resources *more, const struct limits *have)
{
	struct limits want = limits_of(aside);

	return (have->cpu_shares == want.cpu_shares ||
		       set(doc, r, "requests", "cpu",
			       (have->cpu_shares * 1000 + 1023) / 1024 - more->cpu_request_milli)) &&
	       (have->cpu_quota_us == want.cpu_quota_us ||
		       set(doc, r, "limits", "cpu",
			       have->cpu_quota_us * 1000 / CPU_PERIOD_US - more->cpu_request_milli)) &&
	       (have->memory_bytes == want.memory_bytes ||
		       set(doc, r, "limits", "memory", have->memory_bytes - more->memory_request_bytes));
}

static yyjson_mut_val *copy_of(yyjson_mut_doc *doc, yyjson_val *v)
{
	return v ? yyjson_val_mut_copy(doc, v) : yyjson_mut_obj(doc);
}

/* Lists in which nothing is left are not said. */
static void tidy(yyjson_mut_val *r)
{
	static const char *const kinds[] = {"requests", "limits"};

	for (size_t k = 0; k < array_len(kinds); k++)
		if (!yyjson_mut_obj_size(yyjson_mut_obj_get(r, kinds[k])))
			yyjson_mut_obj_remove_key(r, kinds[k]);
}

static bool say(yyjson_mut_doc *doc, yyjson_mut_val *o, yyjson_mut_val *r, yyjson_val *requests)
{
	tidy(r);
	return yyjson_mut_obj_add_val(doc, o, "resources", r) &&
	       (!yyjson_obj_size(requests) ||
		       yyjson_mut_obj_add_val(doc, o, "allocatedResources", copy_of(doc, requests)));
}

bool status_resources(
	yyjson_mut_doc *doc, yyjson_mut_val *o, const struct pod *p, const struct pod_container *c)
{
	struct resources own = resources_of_container(c->spec);
	yyjson_val *aside = json_obj(c->spec, "resources");
	yyjson_mut_val *r = copy_of(doc, aside);
	struct limits have = c->now.limits;
	bool known = c->running && have.cpu_shares;

	/* what it is held to only because its pod is, is the pod's */
	if (!own.cpu_limit_milli)
		have.cpu_quota_us = 0;
	if (!own.memory_limit_bytes)
		have.memory_bytes = 0;
	if (weighs_as_pod(c->spec))
		have.cpu_shares = limits_of(&own).cpu_shares;
	return r &&
	       (!known || (as_held(doc, r, &own, &(struct resources){0}, &have) && as_made(doc, r, p, c))) &&
	       say(doc, o, r, json_obj(aside, "requests"));
}

bool status_whole_resources(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct pod *p)
{
	struct resources own = resources_of_pod(p->spec), group = resources_of_group(p->spec),
			 more = {.cpu_request_milli = group.cpu_request_milli - own.cpu_request_milli,
				 .memory_request_bytes =
					 group.memory_request_bytes - own.memory_request_bytes};
	yyjson_val *aside = json_obj(p->spec, "resources");
	yyjson_mut_val *r = copy_of(doc, aside);
	bool known = p->sandbox == SANDBOX_READY && p->limits.cpu_shares;

	if (!resources_is_whole(p->spec))
		return true;
	return r && (!known || as_held(doc, r, &group, &more, &p->limits)) &&
	       say(doc, o, r, json_obj(aside, "requests"));
}
