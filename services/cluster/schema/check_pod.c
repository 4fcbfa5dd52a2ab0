/* SPDX-License-Identifier: Apache-2.0 */

/* Pods: names that must be unique or known, and what may not stand together. */

#include <stdio.h>
#include <string.h>

#include "cluster/schema/check_int.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/selector.h"
#include "lib/quantity.h"

schema_check check_pod, check_pod_spec, check_pod_template, check_security_context, check_profile,
	check_resources, check_toleration, check_node_requirement, check_label_selector, check_token_request,
	check_binding, check_pod_terms;

enum { CLAIM_NAME_MAX = 253, RESOURCES_MAX = 256 };

/* The pod's own volumes, and the claims that a StatefulSet makes for each pod. */
static struct check_names volume_names(struct check *c, yyjson_mut_val *spec)
{
	yyjson_mut_val *v, *claims = meta_mut_get(c->object, "spec", "volumeClaimTemplates", NULL);
	struct check_names names = {0};
	size_t i, n;

	yyjson_mut_arr_foreach(yyjson_mut_obj_get(spec, "volumes"), i, n, v)
		check_names_add(&names, text_of(v, "name"));
	yyjson_mut_arr_foreach(claims, i, n, v)
		check_names_add(&names, text_of(yyjson_mut_obj_get(v, "metadata"), "name"));
	return names;
}

static void mounts(struct check *c, struct check_names *volumes, yyjson_mut_val *container, const char *where,
	size_t index)
{
	static const struct {
		const char *list, *path;
	} kinds[] = {{"volumeMounts", "mountPath"}, {"volumeDevices", "devicePath"}};
	size_t i, n;
	yyjson_mut_val *v;

	for (size_t k = 0; k < array_len(kinds); k++) {
		const struct check_once once = {CHECK_KEYS(kinds[k].path), .type = FIELD_INVALID,
			.member = kinds[k].path, .why = "must be unique"};
		yyjson_mut_val *list = yyjson_mut_obj_get(container, kinds[k].list);

		yyjson_mut_arr_foreach(list, i, n, v)
		{
			yyjson_mut_val *name = yyjson_mut_obj_get(v, "name");

			if (yyjson_mut_get_len(name) && !check_names_has(volumes, yyjson_mut_get_str(name)))
				check_error(c, FIELD_NOT_FOUND, name,
					REL(".%s[%zu].%s[%zu].name", where, index, kinds[k].list, i), "%s",
					"");
		}
		check_once(c, &(struct check_list){list, REL(".%s[%zu].%s", where, index, kinds[k].list)}, 1,
			&once);
	}
}

static void ports(
	struct check *c, yyjson_mut_val *container, const char *where, size_t index, bool host_network)
{
	size_t i, n;
	yyjson_mut_val *p, *list = yyjson_mut_obj_get(container, "ports");

	yyjson_mut_arr_foreach(list, i, n, p)
	{
		if (host_network && int_of(p, "hostPort") != int_of(p, "containerPort"))
			check_error(c, FIELD_INVALID, yyjson_mut_obj_get(p, "containerPort"),
				REL(".%s[%zu].ports[%zu].containerPort", where, index, i),
				"must match `hostPort` when `hostNetwork` is true");
	}
	check_names_once(c, list, REL(".%s[%zu].ports", where, index));
}

static void probes(struct check *c, yyjson_mut_val *container, const char *where, size_t index)
{
	static const char *const one[] = {"livenessProbe", "startupProbe"};
	static const char *const not_in_init[] = {
		"livenessProbe", "readinessProbe", "startupProbe", "lifecycle"};
	bool init = !strcmp(where, "initContainers") &&
		    strcmp(text_of(container, "restartPolicy"), "Always") != 0;

	for (size_t i = 0; i < array_len(one); i++) {
		yyjson_mut_val *threshold = meta_mut_get(container, one[i], "successThreshold", NULL);

		if (threshold && yyjson_mut_get_sint(threshold) != 1)
			check_error(c, FIELD_INVALID, threshold,
				REL(".%s[%zu].%s.successThreshold", where, index, one[i]), "must be 1");
	}
	for (size_t i = 0; init && i < array_len(not_in_init); i++)
		if (yyjson_mut_obj_get(container, not_in_init[i]))
			check_error(c, FIELD_FORBIDDEN, NULL,
				REL(".%s[%zu].%s", where, index, not_in_init[i]),
				"may not be set for init containers without restartPolicy=Always");
}

/* Of the metadata of the claim that is to be made only these are anybody's to say. */
static void claim_template(struct check *c, yyjson_mut_val *volume, size_t at)
{
	yyjson_mut_val *meta = meta_mut_get(volume, "ephemeral", "volumeClaimTemplate", "metadata", NULL),
		       *key, *v;
	size_t i, n;

	yyjson_mut_obj_foreach(meta, i, n, key, v)
	{
		const char *name = yyjson_mut_get_str(key);

		if (strcmp(name, "labels") != 0 && strcmp(name, "annotations") != 0)
			check_error(c, FIELD_FORBIDDEN, NULL,
				REL(".volumes[%zu].ephemeral.volumeClaimTemplate.metadata.%s", at, name),
				"cannot be set for an ephemeral volume");
	}
}

/* Claims of ephemeral volumes are named after the pod, and no other volume may be the same one. With generateName the pod has no name yet. */
static void claim_names(struct check *c, yyjson_mut_val *volumes)
{
	const char *pod = strcmp(c->kind->kind, "Pod") ? NULL : meta_mut_text(c->object, "name");
	const size_t len = pod ? strlen(pod) : 0;
	struct check_names ephemeral = {0};
	yyjson_mut_val *v;
	size_t i, n;

	if (!len)
		return;
	yyjson_mut_arr_foreach(volumes, i, n, v)
	{
		yyjson_mut_val *name = yyjson_mut_obj_get(v, "name");

		if (!yyjson_mut_obj_get(v, "ephemeral"))
			continue;
		check_names_add(&ephemeral, text_of(v, "name"));
		if (len + 1 + yyjson_mut_get_len(name) > CLAIM_NAME_MAX)
			check_error(c, FIELD_INVALID, name, REL(".volumes[%zu].name", i),
				"PVC name \"%s-%s\": must be no more than %d characters", pod,
				text_of(v, "name"), CLAIM_NAME_MAX);
	}
	yyjson_mut_arr_foreach(volumes, i, n, v)
	{
		yyjson_mut_val *claim = meta_mut_get(v, "persistentVolumeClaim", "claimName", NULL);
		const char *text = yyjson_mut_get_str(claim) ?: "";

		if (!strncmp(text, pod, len) && text[len] == '-' &&
			check_names_has(&ephemeral, text + len + 1))
			check_error(c, FIELD_INVALID, claim,
				REL(".volumes[%zu].persistentVolumeClaim.claimName", i),
				"must not reference a PVC that gets created for an ephemeral volume");
	}
	check_names_fini(c, &ephemeral);
}

void check_pod_spec(struct check *c, yyjson_mut_val *spec, yyjson_mut_val *old)
{
	const struct check_once once = {CHECK_KEYS("name"), .type = FIELD_DUPLICATE, .member = "name"};
	bool host_network = yyjson_mut_is_true(yyjson_mut_obj_get(spec, "hostNetwork"));
	yyjson_mut_val *o, *volumes = yyjson_mut_obj_get(spec, "volumes");
	struct check_names names = volume_names(c, spec);
	const struct check_list containers[] = {
		{yyjson_mut_obj_get(spec, "initContainers"), ".initContainers"},
		{yyjson_mut_obj_get(spec, "containers"), ".containers"},
		{yyjson_mut_obj_get(spec, "ephemeralContainers"), ".ephemeralContainers"},
	};
	size_t i, n;

	check_once(c, containers, array_len(containers), &once);
	for (size_t l = 0; l < array_len(containers); l++) {
		const char *where = containers[l].where + 1;

		yyjson_mut_arr_foreach(containers[l].items, i, n, o)
		{
			mounts(c, &names, o, where, i);
			ports(c, o, where, i, host_network);
			probes(c, o, where, i);
		}
	}
	check_names_fini(c, &names);
	check_names_once(c, volumes, ".volumes");
	yyjson_mut_arr_foreach(volumes, i, n, o) if (yyjson_mut_obj_get(o, "ephemeral"))
		claim_template(c, o, i);
	claim_names(c, volumes);
	if (!strcmp(text_of(spec, "dnsPolicy"), "None") &&
		!yyjson_mut_arr_size(meta_mut_get(spec, "dnsConfig", "nameservers", NULL)))
		check_error(c, FIELD_REQUIRED, NULL, ".dnsConfig.nameservers",
			"must provide at least one DNS nameserver when `dnsPolicy` is None");
	check_pod_fields(c, spec);
}

void check_pod(struct check *c, yyjson_mut_val *pod, yyjson_mut_val *old)
{
	yyjson_mut_val *spec = yyjson_mut_obj_get(pod, "spec");

	if (old) {
		if (c->scope == VALIDATE_RESIZE)
			check_resize(c, pod, old);
		else if (c->scope == VALIDATE_EPHEMERAL)
			check_pod_ephemeral(c, pod, old);
		else if (c->scope == VALIDATE_MAIN)
			check_pod_update(c, pod, old);
		return;
	}
	if (*text_of(spec, "nodeName") && yyjson_mut_arr_size(yyjson_mut_obj_get(spec, "schedulingGates")))
		check_error(c, FIELD_FORBIDDEN, NULL, ".spec.nodeName",
			"cannot be set until all schedulingGates have been cleared");
	if (yyjson_mut_obj_get(spec, "ephemeralContainers"))
		check_error(c, FIELD_FORBIDDEN, NULL, ".spec.ephemeralContainers", "cannot be set on create");
}

void check_pod_template(struct check *c, yyjson_mut_val *template, yyjson_mut_val *old)
{
	struct path step = {.up = c->path, .name = "metadata", .len = 8};
	struct check m = *c;
	size_t i, n;
	yyjson_mut_val *key, *v, shown;

	m.path = &step;
	yyjson_mut_obj_foreach(meta_mut_get(template, "metadata", "labels", NULL), i, n, key, v)
	{
		shown = *key;
		shown.next = NULL;
		check_format(&m, &shown, ".labels", SCHEMA_LABEL_KEY);
		check_format(&m, v, ".labels", SCHEMA_LABEL_VALUE);
	}
	yyjson_mut_val *ephemeral = meta_mut_get(template, "spec", "ephemeralContainers", NULL);

	if (yyjson_mut_arr_size(ephemeral))
		check_error(c, FIELD_FORBIDDEN, NULL, ".spec.ephemeralContainers",
			"ephemeral containers not allowed in pod template");
}

void check_security_context(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	yyjson_mut_val *escalation = yyjson_mut_obj_get(o, "allowPrivilegeEscalation");
	size_t i, n;
	yyjson_mut_val *v;

	if (!yyjson_mut_is_false(escalation))
		return;
	if (yyjson_mut_is_true(yyjson_mut_obj_get(o, "privileged")))
		check_error(c, FIELD_INVALID, o, "",
			"cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
	yyjson_mut_arr_foreach(meta_mut_get(o, "capabilities", "add", NULL), i, n,
		v) if (yyjson_mut_equals_str(v, "CAP_SYS_ADMIN")) check_error(c, FIELD_INVALID, o, "",
		"cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN");
}

/* seccomp and AppArmor: a profile's name goes with Localhost, and only with it. */
void check_profile(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	yyjson_mut_val *name = yyjson_mut_obj_get(o, "localhostProfile");
	bool local = !strcmp(text_of(o, "type"), "Localhost");

	if (local && !yyjson_mut_get_len(name))
		check_error(
			c, FIELD_REQUIRED, NULL, ".localhostProfile", "must be set when type is Localhost");
	else if (!local && name)
		check_error(c, FIELD_INVALID, name, ".localhostProfile",
			"can only be set when type is Localhost");
	else if (name)
		check_format(c, name, ".localhostProfile", SCHEMA_LOCAL_PATH);
}

static bool amount(yyjson_mut_val *v, struct quantity *q)
{
	return yyjson_mut_is_str(v) && !quantity_parse(q, yyjson_mut_get_str(v), yyjson_mut_get_len(v));
}

/* What a container may ask for: what every node has, or what somebody's name stands before. */
static void resource_names(struct check *c, const char *at, yyjson_mut_val *amounts)
{
	size_t i, n;
	yyjson_mut_val *key, *v;

	yyjson_mut_obj_foreach(amounts, i, n, key, v)
	{
		const char *name = yyjson_mut_get_str(key);

		if (!strchr(name, '/') && strcmp(name, "cpu") != 0 && strcmp(name, "memory") != 0 &&
			strcmp(name, "ephemeral-storage") != 0 && strncmp(name, "hugepages-", 10) != 0)
			check_error(c, FIELD_INVALID, key, REL(".%s[%.120s]", at, name),
				"must be a standard resource type or fully qualified");
	}
}

void check_resources(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	static const char *const lists[] = {"requests", "limits"};
	yyjson_mut_val *limits = yyjson_mut_obj_get(o, "limits"), *key, *v, count = {0};
	struct quantity want, limit;
	size_t i, n;

	/* While a container is resized, its status has what is set aside for it beside the limits it still has. */
	if (c->scope == VALIDATE_STATUS)
		return;
	for (i = 0; i < array_len(lists); i++) {
		unsafe_yyjson_set_uint(&count, yyjson_mut_obj_size(yyjson_mut_obj_get(o, lists[i])));
		if (yyjson_mut_get_uint(&count) <= RESOURCES_MAX)
			continue;
		check_error(c, FIELD_TOO_MANY, &count, REL(".%s", lists[i]), "must have at most %d items",
			RESOURCES_MAX);
		return;
	}
	yyjson_mut_obj_foreach(yyjson_mut_obj_get(o, "requests"), i, n, key, v)
	{
		const char *name = yyjson_mut_get_str(key);
		yyjson_mut_val *l = yyjson_mut_obj_get(limits, name);
		bool extended = strchr(name, '/') || !strncmp(name, "hugepages-", 10);

		if (!amount(v, &want))
			continue;
		if (amount(l, &limit) && quantity_compare(&want, &limit) > 0)
			check_error(c, FIELD_INVALID, v, ".requests",
				"must be less than or equal to %s limit of %s", name, yyjson_mut_get_str(l));
		else if (extended && !l)
			check_error(c, FIELD_REQUIRED, NULL, ".limits",
				"Limit must be set for non overcommitable resources");
	}
	resource_names(c, "requests", yyjson_mut_obj_get(o, "requests"));
	resource_names(c, "limits", limits);
}

void check_toleration(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	const char *operator= text_of(o, "operator");
	yyjson_mut_val *value = yyjson_mut_obj_get(o, "value");

	if (!*text_of(o, "key") && strcmp(operator, "Exists") != 0)
		check_error(c, FIELD_INVALID, yyjson_mut_obj_get(o, "operator"), ".operator",
			"operator must be Exists when `key` is empty, which means \"match all values and all keys\"");
	if (yyjson_mut_obj_get(o, "tolerationSeconds") && strcmp(text_of(o, "effect"), "NoExecute") != 0)
		check_error(c, FIELD_INVALID, yyjson_mut_obj_get(o, "effect"), ".effect",
			"effect must be 'NoExecute' when `tolerationSeconds` is set");
	if (!strcmp(operator, "Exists") && yyjson_mut_get_len(value))
		check_error(
			c, FIELD_INVALID, o, ".operator", "value must be empty when `operator` is 'Exists'");
	else if (value && (!*operator|| !strcmp(operator, "Equal")))
		check_format(c, value, ".operator", SCHEMA_LABEL_VALUE);
}

static void requirement(struct check *c, yyjson_mut_val *o, bool numbers)
{
	const char *operator= text_of(o, "operator");
	size_t n = yyjson_mut_arr_size(yyjson_mut_obj_get(o, "values"));

	if (!strcmp(operator, "In") || !strcmp(operator, "NotIn")) {
		if (!n)
			check_error(c, FIELD_REQUIRED, NULL, ".values",
				"must be specified when `operator` is 'In' or 'NotIn'");
	} else if (!strcmp(operator, "Exists") || !strcmp(operator, "DoesNotExist")) {
		if (n)
			check_error(c, FIELD_FORBIDDEN, NULL, ".values",
				"may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
	} else if (numbers && (!strcmp(operator, "Gt") || !strcmp(operator, "Lt"))) {
		if (n != 1)
			check_error(c, FIELD_REQUIRED, NULL, ".values",
				"must be specified single value when `operator` is 'Lt' or 'Gt'");
	} else {
		check_error(c, FIELD_INVALID, yyjson_mut_obj_get(o, "operator"), ".operator",
			"not a valid selector operator");
	}
}

void check_node_requirement(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	requirement(c, o, true);
}

/* What had as many @before may keep them: another version has accepted it, and other parts of it are still to change. */
static bool too_many(struct check *c, size_t n, size_t before, size_t max, const char *where)
{
	yyjson_mut_val count = {0};

	if (n <= max || n <= before)
		return false;
	unsafe_yyjson_set_uint(&count, n);
	check_error(c, FIELD_TOO_MANY, &count, where, "must have at most %zu items", max);
	return true;
}

void check_pod_terms(struct check *c, yyjson_mut_val *list, yyjson_mut_val *old)
{
	too_many(c, yyjson_mut_arr_size(list), yyjson_mut_arr_size(old), POD_TERMS_MAX, "");
}

static size_t count_requirements(yyjson_mut_val *selector)
{
	return yyjson_mut_obj_size(yyjson_mut_obj_get(selector, "matchLabels")) +
	       yyjson_mut_arr_size(yyjson_mut_obj_get(selector, "matchExpressions"));
}

/* What selector_read() does not take. A pod has its selectors for as long as it lives. */
static bool is_too_large(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	yyjson_mut_val *list = yyjson_mut_obj_get(o, "matchExpressions"), *e,
		       *were = yyjson_mut_obj_get(old, "matchExpressions");
	size_t i, n;

	if (c->old_object && !strcmp(c->kind->kind, "Pod"))
		return false;
	if (too_many(c, count_requirements(o), count_requirements(old), SELECTOR_TERMS_MAX, ""))
		return true;
	yyjson_mut_arr_foreach(list, i, n, e)
	{
		yyjson_mut_val *before = yyjson_mut_obj_get(yyjson_mut_arr_get(were, i), "values");

		if (too_many(c, yyjson_mut_arr_size(yyjson_mut_obj_get(e, "values")),
			    yyjson_mut_arr_size(before), SELECTOR_VALUES_MAX,
			    REL(".matchExpressions[%zu].values", i)))
			return true;
	}
	return false;
}

void check_label_selector(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	size_t i, n;
	yyjson_mut_val *e, *key, *v, shown;
	struct path list = {.up = c->path, .name = "matchExpressions", .len = 16};

	if (is_too_large(c, o, old))
		return;
	yyjson_mut_obj_foreach(yyjson_mut_obj_get(o, "matchLabels"), i, n, key, v)
	{
		shown = *key;
		shown.next = NULL;
		check_format(c, &shown, ".matchLabels", SCHEMA_LABEL_KEY);
		check_format(c, v, ".matchLabels", SCHEMA_LABEL_VALUE);
	}
	yyjson_mut_arr_foreach(yyjson_mut_obj_get(o, "matchExpressions"), i, n, e)
	{
		struct path step = {.up = &list, .index = i, .step = PATH_INDEX};
		struct check in = *c;

		in.path = &step;
		requirement(&in, e, false);
	}
}

void check_token_request(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	yyjson_mut_val *seconds = meta_mut_get(o, "spec", "expirationSeconds", NULL);

	if (seconds && yyjson_mut_get_sint(seconds) < 600)
		check_error(c, FIELD_INVALID, seconds, ".spec.expirationSeconds",
			"may not specify a duration less than 10 minutes");
	if (yyjson_mut_get_sint(seconds) > 1LL << 32)
		check_error(c, FIELD_INVALID, seconds, ".spec.expirationSeconds",
			"may not specify a duration larger than 2^32 seconds");
}

void check_binding(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	yyjson_mut_val *target = yyjson_mut_obj_get(o, "target"), *kind = yyjson_mut_obj_get(target, "kind");
	static const char *const kinds[] = {"Node", "<empty>", NULL};

	if (yyjson_mut_get_len(kind) && !yyjson_mut_equals_str(kind, "Node"))
		check_not_supported(c, kind, ".target.kind", kinds);
	if (!*text_of(target, "name"))
		check_error(c, FIELD_REQUIRED, NULL, ".target.name", "%s", "");
}
