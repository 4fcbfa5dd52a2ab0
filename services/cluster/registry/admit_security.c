/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The security of pods, as the labels of their namespace ask (PodSecurity): pod-security.kubernetes.io/enforce refuses, /warn tells the
 * client and /audit the node's log, both also of workloads whose pods would be refused. Beside each MODE-version may hold it to an
 * older version. What is no level is refused where it is written; one that was there before asks for the most.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/registry/admission.h"
#include "cluster/registry/pod_security.h"
#include "cluster/registry/registry_int.h"
#include "cluster/schema/meta.h"
#include "lib/json.h"
#include "lib/log.h"

#define LABEL "pod-security.kubernetes.io/"

enum mode { ENFORCE, AUDIT, WARN, N_MODES };

static const struct {
	const char *level, *version;
} labels[N_MODES] = {
	[ENFORCE] = {LABEL "enforce", LABEL "enforce-version"},
	[AUDIT] = {LABEL "audit", LABEL "audit-version"},
	[WARN] = {LABEL "warn", LABEL "warn-version"},
};

/* ---- labels */

static const char *const levels[] = {"privileged", "baseline", "restricted"};

static bool read_level(const char *s, enum security_level *level)
{
	for (size_t i = 0; i < array_len(levels); i++)
		if (!strcmp(levels[i], s)) {
			*level = (enum security_level)i;
			return true;
		}
	return false;
}

/* "latest", or "v1.MINOR" without zeros in front. */
static bool read_version(const char *s, int *minor)
{
	size_t digits;

	if (!strcmp(s, "latest")) {
		*minor = SECURITY_LATEST;
		return true;
	}
	if (strncmp(s, "v1.", 3) != 0)
		return false;
	digits = strspn(s + 3, "0123456789");
	if (!digits || digits > 6 || s[3 + digits] || (digits > 1 && s[3] == '0'))
		return false;
	*minor = atoi(s + 3);
	return true;
}

/* @level, @version: values of labels, or NULL. A level that does not read asks for the most. */
static struct security_policy policy_of(const char *level, const char *version)
{
	struct security_policy p = {SECURITY_PRIVILEGED, SECURITY_LATEST};

	if (level && !read_level(level, &p.level))
		p.level = SECURITY_RESTRICTED;
	if (version && !read_version(version, &p.minor))
		p.minor = SECURITY_LATEST;
	return p;
}

static struct security_policy policy_of_namespace(const struct object *ns, enum mode m)
{
	return policy_of(object_label(ns, labels[m].level), object_label(ns, labels[m].version));
}

/* "baseline:latest", "restricted:v1.24" */
static const char *policy_text(const struct security_policy *p, char buf[static 40])
{
	if (p->minor == SECURITY_LATEST)
		snprintf(buf, 40, "%s:latest", levels[p->level]);
	else
		snprintf(buf, 40, "%s:v1.%d", levels[p->level], p->minor);
	return buf;
}

/* The spec of the pods that this object is, or makes. */
static yyjson_mut_val *spec_of(const struct attempt *a)
{
	static const char *const makers[] = {
		"Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "ReplicationController"};

	if (attempt_is(a, "", "Pod"))
		return yyjson_mut_obj_get(a->root, "spec");
	if (attempt_is(a, "", "PodTemplate"))
		return meta_mut_get(a->root, "template", "spec", NULL);
	if (attempt_is(a, "batch", "CronJob"))
		return meta_mut_get(a->root, "spec", "jobTemplate", "spec", "template", "spec", NULL);
	for (size_t i = 0; i < array_len(makers); i++)
		if (!strcmp(makers[i], a->kind->kind) && !(a->kind->flags & SCHEMA_CUSTOM))
			return meta_mut_get(a->root, "spec", "template", "spec", NULL);
	return NULL;
}

/* ---- pods, and what makes them */

static struct status *check_pods(const struct attempt *a, const struct object *ns, yyjson_mut_val *spec)
{
	bool pod = attempt_is(a, "", "Pod");
	char name[40];

	for (enum mode m = ENFORCE; m < N_MODES; m++) {
		struct security_policy p = policy_of_namespace(ns, m);
		struct security_findings found = {0};
		char text[2200];

		if (p.level == SECURITY_PRIVILEGED || (m == ENFORCE && !pod))
			continue;
		security_judge(&found, &p, spec);
		if (!found.len)
			continue;
		policy_text(&p, name);
		if (m == ENFORCE)
			return status_forbidden(
				a->kind, a->name, "violates PodSecurity \"%s\": %s", name, found.text);
		snprintf(text, sizeof(text), "would violate PodSecurity \"%s\": %s", name, found.text);
		if (m == WARN)
			attempt_warn(a, text);
		else
			log_info("audit kind=%s namespace=%s name=%s user=%s msg=\"%s\"", a->kind->kind,
				a->ns, a->name, a->who->user, text);
	}
	return NULL;
}

/* ---- namespaces */

struct label_values {
	const char *level[N_MODES], *version[N_MODES];
};

static void check_label(struct field_errors *e, yyjson_mut_doc *doc, const char *key, const char *value,
	bool good, const char *must)
{
	char path[100];

	if (!value || good)
		return;
	snprintf(path, sizeof(path), "metadata.labels[%s]", key);
	field_error(e, FIELD_INVALID, path, yyjson_mut_strcpy(doc, value), "%s", must);
}

static void check_labels(struct field_errors *e, yyjson_mut_doc *doc, const struct label_values *v)
{
	for (enum mode m = ENFORCE; m < N_MODES; m++) {
		enum security_level level;
		int minor;

		check_label(e, doc, labels[m].level, v->level[m],
			v->level[m] && read_level(v->level[m], &level),
			"must be one of privileged, baseline, restricted");
		check_label(e, doc, labels[m].version, v->version[m],
			v->version[m] && read_version(v->version[m], &minor),
			"must be \"latest\" or \"v1.x\"");
	}
}

/* What pods there are already are told of, grouped by what is wrong with them; so many are looked at, so many groups told. */
enum { PODS_MAX = 3000, GROUPS_MAX = 10 };

struct survey {
	const struct security_policy *policy;
	size_t looked_at, n;
	struct survey_group {
		char first[256];
		size_t others;
		struct security_findings found;
	} groups[GROUPS_MAX];
};

static bool look_at_pod(const struct object *o, void *arg)
{
	struct survey *s = arg;
	cleanup(json_docp) yyjson_doc *doc = object_doc(o);
	yyjson_mut_doc *copy = doc ? yyjson_doc_mut_copy(doc, NULL) : NULL;
	struct security_findings found = {0};
	size_t i = 0;

	if (copy)
		security_judge(&found, s->policy, yyjson_mut_obj_get(yyjson_mut_doc_get_root(copy), "spec"));
	yyjson_mut_doc_free(copy);
	while (found.len && i < s->n && strcmp(s->groups[i].found.text, found.text) != 0)
		i++;
	if (found.len && i < s->n) {
		s->groups[i].others++;
	} else if (found.len && s->n < GROUPS_MAX) {
		s->groups[s->n].found = found;
		snprintf(s->groups[s->n++].first, sizeof(s->groups->first), "%s", o->name);
	}
	return ++s->looked_at < PODS_MAX;
}

static void warn_of_pods(const struct attempt *a, const struct security_policy *policy)
{
	struct survey *s = calloc(1, sizeof(*s));
	char text[2400], name[40];

	if (!s)
		return;
	s->policy = policy;
	registry_each(a->registry, schema_find("", "v1", "pods"), a->name, look_at_pod, s);
	if (s->n) {
		snprintf(text, sizeof(text),
			"existing pods in namespace \"%s\" violate the new PodSecurity enforce level \"%s\"",
			a->name, policy_text(policy, name));
		attempt_warn(a, text);
	}
	for (size_t i = 0; i < s->n; i++) {
		const struct survey_group *g = &s->groups[i];

		if (g->others)
			snprintf(text, sizeof(text), "%s (and %zu other pod%s): %s", g->first, g->others,
				g->others == 1 ? "" : "s", g->found.text);
		else
			snprintf(text, sizeof(text), "%s: %s", g->first, g->found.text);
		attempt_warn(a, text);
	}
	free(s);
}

/* Labels that were wrong before may stay as they are. */
static struct status *check_namespace(const struct attempt *a)
{
	struct field_errors now = {0}, before = {0};
	struct label_values v, old = {0};
	struct security_policy p, was;
	struct status *err;

	for (enum mode m = ENFORCE; m < N_MODES; m++) {
		v.level[m] = yyjson_mut_get_str(
			meta_mut_get(a->root, "metadata", "labels", labels[m].level, NULL));
		v.version[m] = yyjson_mut_get_str(
			meta_mut_get(a->root, "metadata", "labels", labels[m].version, NULL));
		old.level[m] = a->old ? object_label(a->old, labels[m].level) : NULL;
		old.version[m] = a->old ? object_label(a->old, labels[m].version) : NULL;
	}
	check_labels(&now, a->doc, &v);
	check_labels(&before, a->doc, &old);
	err = before.n ? NULL : field_errors_status(&now, a->kind, a->name);
	field_errors_fini(&now);
	field_errors_fini(&before);
	if (err || !a->old)
		return err;
	p = policy_of(v.level[ENFORCE], v.version[ENFORCE]);
	was = policy_of(old.level[ENFORCE], old.version[ENFORCE]);
	if (p.level != SECURITY_PRIVILEGED && (p.minor != was.minor || p.level > was.level))
		warn_of_pods(a, &p);
	return NULL;
}

static struct status *check(const struct attempt *a)
{
	bool pod = attempt_is(a, "", "Pod"), more = !strcmp(a->subresource, "ephemeralcontainers");
	const struct object *ns;
	yyjson_mut_val *spec;

	if (a->verb == ADMIT_DELETE)
		return NULL;
	if (attempt_is(a, "", "Namespace"))
		return *a->subresource ? NULL : check_namespace(a);
	if (!*a->ns || (*a->subresource && !(pod && more)) || (pod && a->verb == ADMIT_UPDATE && !more))
		return NULL;
	spec = spec_of(a);
	ns = spec ? registry_get(a->registry, schema_find("", "v1", "namespaces"), "", a->ns) : NULL;
	return ns ? check_pods(a, ns, spec) : NULL;
}

const struct admission admission_security = {.name = "PodSecurity", .check = check};
