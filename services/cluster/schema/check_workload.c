/* SPDX-License-Identifier: Apache-2.0 */

/* Workloads: selectors that fit their templates, roll-outs that can move, jobs that can end. */

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cluster/schema/check_int.h"
#include "cluster/schema/cron.h"
#include "cluster/schema/meta.h"

schema_check check_always_restart, check_workload_selector, check_replication_spec, check_deployment_spec,
	check_deployment_strategy, check_rolling_update, check_stateful_set_spec, check_daemon_set_rolling,
	check_job_spec, check_cron_spec, check_pdb_spec;

void check_always_restart(struct check *c, yyjson_mut_val *template, yyjson_mut_val *old)
{
	static const char *const always[] = {"Always", NULL};
	yyjson_mut_val *policy = meta_mut_get(template, "spec", "restartPolicy", NULL);

	if (policy && !yyjson_mut_equals_str(policy, "Always"))
		check_not_supported(c, policy, ".spec.restartPolicy", always);
	if (meta_mut_get(template, "spec", "activeDeadlineSeconds", NULL))
		check_error(c, FIELD_FORBIDDEN, NULL, ".spec.activeDeadlineSeconds",
			"activeDeadlineSeconds in %s is not Supported", c->kind->kind);
}

/* A selector that selects, and selects what the template makes. */
void check_workload_selector(struct check *c, yyjson_mut_val *spec, yyjson_mut_val *old)
{
	yyjson_mut_val *selector = yyjson_mut_obj_get(spec, "selector");
	yyjson_mut_val *labels = meta_mut_get(spec, "template", "metadata", "labels", NULL), empty = {0};

	if (!selector)
		return;
	if (!yyjson_mut_obj_size(yyjson_mut_obj_get(selector, "matchLabels")) &&
		!yyjson_mut_arr_size(yyjson_mut_obj_get(selector, "matchExpressions"))) {
		char kind[64];
		size_t i;

		for (i = 0; i < sizeof(kind) - 1 && c->kind->kind[i]; i++)
			kind[i] = (char)tolower((unsigned char)c->kind->kind[i]);
		kind[i] = 0;
		check_error(
			c, FIELD_INVALID, selector, ".selector", "empty selector is invalid for %s", kind);
		return;
	}
	if (!yyjson_mut_obj_get(spec, "template") || check_selects(selector, labels))
		return;
	unsafe_yyjson_set_type(&empty, YYJSON_TYPE_OBJ, YYJSON_SUBTYPE_NONE);
	check_error(c, FIELD_INVALID, labels ?: &empty, ".template.metadata.labels",
		"`selector` does not match template `labels`");
}

void check_replication_spec(struct check *c, yyjson_mut_val *spec, yyjson_mut_val *old)
{
	yyjson_mut_val *selector = yyjson_mut_obj_get(spec, "selector"), *key, *v;
	yyjson_mut_val *labels = meta_mut_get(spec, "template", "metadata", "labels", NULL);
	size_t i, n;

	check_always_restart(&(struct check){.errors = c->errors,
				     .path = &(struct path){.up = c->path, .name = "template", .len = 8},
				     .kind = c->kind},
		yyjson_mut_obj_get(spec, "template"), NULL);
	if (!yyjson_mut_obj_size(selector)) {
		check_error(c, FIELD_REQUIRED, NULL, ".selector", "%s", "");
		return;
	}
	yyjson_mut_obj_foreach(selector, i, n, key, v)
	{
		if (meta_equal(v, yyjson_mut_obj_get(labels, yyjson_mut_get_str(key))))
			continue;
		check_error(c, FIELD_INVALID, labels, ".template.metadata.labels",
			"`selector` does not match template `labels`");
		break;
	}
}

void check_deployment_spec(struct check *c, yyjson_mut_val *spec, yyjson_mut_val *old)
{
	yyjson_mut_val *deadline = yyjson_mut_obj_get(spec, "progressDeadlineSeconds");

	check_workload_selector(c, spec, old);
	if (deadline && yyjson_mut_get_sint(deadline) <= int_of(spec, "minReadySeconds"))
		check_error(c, FIELD_INVALID, deadline, ".progressDeadlineSeconds",
			"must be greater than minReadySeconds");
}

void check_deployment_strategy(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	if (!strcmp(text_of(o, "type"), "Recreate") && yyjson_mut_obj_get(o, "rollingUpdate"))
		check_error(c, FIELD_FORBIDDEN, NULL, ".rollingUpdate",
			"may not be specified when strategy `type` is 'Recreate'");
}

/* 0, "0%" */
static bool is_none(yyjson_mut_val *v)
{
	const char *s = yyjson_mut_get_str(v);

	return s ? strspn(s, "0") == strcspn(s, "%") : yyjson_mut_is_int(v) && !yyjson_mut_get_sint(v);
}

static bool above_all(yyjson_mut_val *v)
{
	const char *s = yyjson_mut_get_str(v);

	return s && strtol(s, NULL, 10) > 100;
}

void check_rolling_update(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	yyjson_mut_val *unavailable = yyjson_mut_obj_get(o, "maxUnavailable"),
		       *surge = yyjson_mut_obj_get(o, "maxSurge");

	if (is_none(unavailable) && is_none(surge))
		check_error(c, FIELD_INVALID, unavailable, ".maxUnavailable",
			"may not be 0 when `maxSurge` is 0");
	if (above_all(unavailable))
		check_error(
			c, FIELD_INVALID, unavailable, ".maxUnavailable", "must not be greater than 100%%");
}

void check_daemon_set_rolling(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	yyjson_mut_val *unavailable = yyjson_mut_obj_get(o, "maxUnavailable"),
		       *surge = yyjson_mut_obj_get(o, "maxSurge");

	if (is_none(unavailable) && is_none(surge))
		check_error(c, FIELD_REQUIRED, NULL, ".maxUnavailable", "cannot be 0 when maxSurge is 0");
	if (unavailable && surge && !is_none(unavailable) && !is_none(surge))
		check_error(c, FIELD_INVALID, surge, ".maxSurge",
			"may not be set when maxUnavailable is non-zero");
	if (above_all(unavailable))
		check_error(
			c, FIELD_INVALID, unavailable, ".maxUnavailable", "must not be greater than 100%%");
	if (above_all(surge))
		check_error(c, FIELD_INVALID, surge, ".maxSurge", "must not be greater than 100%%");
}

/* Whether anything but these members differs. */
static bool differs_elsewhere(yyjson_mut_val *a, yyjson_mut_val *b, const char *const *names)
{
	size_t i, n;
	yyjson_mut_val *key, *v;

	for (int round = 0; round < 2; round++) {
		yyjson_mut_val *x = round ? b : a, *y = round ? a : b;

		yyjson_mut_obj_foreach(x, i, n, key, v)
		{
			const char *const *s = names;

			while (*s && !yyjson_mut_equals_str(key, *s))
				s++;
			if (!*s && !meta_equal(v, yyjson_mut_obj_get(y, yyjson_mut_get_str(key))))
				return true;
		}
	}
	return false;
}

void check_stateful_set_spec(struct check *c, yyjson_mut_val *spec, yyjson_mut_val *old)
{
	static const char *const may_change[] = {"replicas", "ordinals", "template", "updateStrategy",
		"revisionHistoryLimit", "persistentVolumeClaimRetentionPolicy", "minReadySeconds", NULL};

	check_workload_selector(c, spec, old);
	if (old && c->scope == VALIDATE_MAIN && differs_elsewhere(spec, old, may_change))
		check_error(c, FIELD_FORBIDDEN, NULL, "",
			"updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
			"'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden");
}

/* Of a job that has not begun: where its pods can go, what they are called, and what they are given. */
static bool template_may_become(yyjson_mut_val *template, yyjson_mut_val *old)
{
	static const char *const free_fields[] = {"nodeSelector", "tolerations", "schedulingGates"};
	yyjson_mut_val *specs[] = {yyjson_mut_obj_get(template, "spec"), yyjson_mut_obj_get(old, "spec")},
		       *key, *v;
	size_t i, n, f;

	for (size_t side = 0; side < 2; side++)
		yyjson_mut_obj_foreach(specs[side], i, n, key, v)
		{
			const char *name = yyjson_mut_get_str(key);
			yyjson_mut_val *other = yyjson_mut_obj_get(specs[!side], name);

			for (f = 0; f < array_len(free_fields) && strcmp(name, free_fields[f]) != 0; f++)
				;
			if (f < array_len(free_fields) || meta_equal(v, other))
				continue;
			if (!strcmp(name, "affinity") ? !check_affinity_may_change(v, other)
				: !strcmp(name, "containers") || !strcmp(name, "initContainers")
					? !check_only_differ(v, other, "resources")
					: true)
				return false;
		}
	return true;
}

static void job_changes(struct check *c, yyjson_mut_val *spec, yyjson_mut_val *old)
{
	static const char *const fixed[] = {"selector", "managedBy", "backoffLimitPerIndex"};
	bool waits = yyjson_mut_is_true(yyjson_mut_obj_get(old, "suspend")) &&
		     !meta_mut_get(c->old_object, "status", "startTime", NULL);
	yyjson_mut_val *completions = yyjson_mut_obj_get(spec, "completions");
	yyjson_mut_val *before = yyjson_mut_obj_get(old, "completions");

	for (size_t i = 0; i < array_len(fixed); i++) {
		yyjson_mut_val *v = yyjson_mut_obj_get(spec, fixed[i]),
			       *w = yyjson_mut_obj_get(old, fixed[i]);

		if ((v || w) && !meta_equal(v, w))
			check_error(c, FIELD_INVALID, v, REL(".%s", fixed[i]), "field is immutable");
	}
	/* an indexed job may grow or shrink when it runs all at once */
	if ((completions || before) && !meta_equal(completions, before) &&
		!(!strcmp(text_of(spec, "completionMode"), "Indexed") && completions &&
			meta_equal(completions, yyjson_mut_obj_get(spec, "parallelism"))))
		check_error(c, FIELD_INVALID, completions, ".completions", "field is immutable");
	yyjson_mut_val *template = yyjson_mut_obj_get(spec, "template"),
		       *was = yyjson_mut_obj_get(old, "template");

	if (!meta_equal(template, was) && !(waits && template_may_become(template, was)))
		check_error(c, FIELD_INVALID, template, ".template", "field is immutable");
}

/* As many as the controller keeps a set of. */
enum { INDEXED_COMPLETIONS_MAX = 1 << 20 };

void check_job_spec(struct check *c, yyjson_mut_val *spec, yyjson_mut_val *old)
{
	bool indexed = !strcmp(text_of(spec, "completionMode"), "Indexed");

	if (!strcmp(yyjson_mut_get_str(meta_mut_get(spec, "template", "spec", "restartPolicy", NULL))
			    ?: "Always",
		    "Always"))
		check_error(c, FIELD_REQUIRED, NULL, ".template.spec.restartPolicy",
			"valid values: \"OnFailure\", \"Never\"");
	if (indexed && !yyjson_mut_obj_get(spec, "completions"))
		check_error(c, FIELD_REQUIRED, NULL, ".completions", "when completion mode is Indexed");
	if (indexed && int_of(spec, "completions") > INDEXED_COMPLETIONS_MAX)
		check_error(c, FIELD_INVALID, yyjson_mut_obj_get(spec, "completions"), ".completions",
			"must be less than or equal to %d when completion mode is Indexed",
			INDEXED_COMPLETIONS_MAX);
	if (!indexed && yyjson_mut_obj_get(spec, "backoffLimitPerIndex"))
		check_error(c, FIELD_INVALID, yyjson_mut_obj_get(spec, "backoffLimitPerIndex"),
			".backoffLimitPerIndex", "requires indexed completion mode");
	if (!yyjson_mut_obj_get(spec, "backoffLimitPerIndex") && yyjson_mut_obj_get(spec, "maxFailedIndexes"))
		check_error(c, FIELD_REQUIRED, NULL, ".backoffLimitPerIndex",
			"when maxFailedIndexes is specified");
	if (!indexed && yyjson_mut_obj_get(spec, "successPolicy"))
		check_error(c, FIELD_INVALID, yyjson_mut_obj_get(spec, "successPolicy"), ".successPolicy",
			"requires indexed completion mode");
	if (yyjson_mut_obj_get(spec, "podFailurePolicy") &&
		strcmp(text_of(spec, "podReplacementPolicy"), "Failed") != 0)
		check_error(c, FIELD_NOT_SUPPORTED, yyjson_mut_obj_get(spec, "podReplacementPolicy"),
			".podReplacementPolicy", "supported values: \"Failed\"");
	if (old && c->scope == VALIDATE_MAIN && !strcmp(c->kind->kind, "Job"))
		job_changes(c, spec, old);
}

static void check_zone(struct check *c, yyjson_mut_val *zone)
{
	const char *name = yyjson_mut_get_str(zone);

	if (!name)
		return;
	if (!*name) {
		check_error(c, FIELD_INVALID, zone, ".timeZone", "timeZone must be nil or non-empty string");
		return;
	}
	if (!strcasecmp(name, "Local"))
		check_error(c, FIELD_INVALID, zone, ".timeZone",
			"timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones");
	if (strcmp(name, "Local") != 0 && !zone_find(name))
		check_error(c, FIELD_INVALID, zone, ".timeZone", "unknown time zone %s", name);
}

void check_cron_spec(struct check *c, yyjson_mut_val *spec, yyjson_mut_val *old)
{
	yyjson_mut_val *schedule = yyjson_mut_obj_get(spec, "schedule"),
		       *zone = yyjson_mut_obj_get(spec, "timeZone");
	yyjson_mut_val *name = meta_mut_get(c->object, "metadata", "name", NULL);
	struct path top = {.name = "metadata", .len = 8};
	struct cron cron;
	char why[320];

	if (strstr(text_of(spec, "schedule"), "TZ="))
		check_error(c, FIELD_INVALID, schedule, ".schedule",
			"cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
	else if (yyjson_mut_get_len(schedule) &&
		 !cron_parse(&cron, yyjson_mut_get_str(schedule), why, sizeof(why)))
		check_error(c, FIELD_INVALID, schedule, ".schedule", "%s", why);
	/* what an older image knew is kept */
	if (!old || !meta_equal(zone, yyjson_mut_obj_get(old, "timeZone")))
		check_zone(c, zone);
	/* jobs get eleven more characters */
	if (yyjson_mut_get_len(name) > 52) {
		struct check at = *c;

		at.path = &top;
		check_error(&at, FIELD_INVALID, name, ".name", "must be no more than 52 characters");
	}
}

void check_pdb_spec(struct check *c, yyjson_mut_val *spec, yyjson_mut_val *old)
{
	if (yyjson_mut_obj_get(spec, "minAvailable") && yyjson_mut_obj_get(spec, "maxUnavailable"))
		check_error(c, FIELD_INVALID, spec, "", "minAvailable and maxUnavailable cannot be both set");
}
