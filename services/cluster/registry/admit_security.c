/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The security of pods, as the labels of their namespace ask (PodSecurity): pod-security.kubernetes.io/enforce refuses, /warn tells the
 * client, also of workloads whose pods would be refused. Two levels, each check a row of a table: baseline keeps pods from the node,
 * restricted asks for what is known to be good.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cluster/registry/admission.h"
#include "cluster/registry/registry_int.h"
#include "cluster/schema/meta.h"

#define LABEL "pod-security.kubernetes.io/"

enum level { PRIVILEGED, BASELINE, RESTRICTED };

/* ---- reading */

static bool is_true(yyjson_mut_val *o, const char *key)
{
	return yyjson_mut_is_true(yyjson_mut_obj_get(o, key));
}

static const char *text_of(yyjson_mut_val *o, const char *key)
{
	return yyjson_mut_get_str(yyjson_mut_obj_get(o, key)) ?: "";
}

static yyjson_mut_val *context(yyjson_mut_val *o)
{
	return yyjson_mut_obj_get(o, "securityContext");
}

/* Of the container, or of its pod. */
static yyjson_mut_val *either(yyjson_mut_val *spec, yyjson_mut_val *c, const char *key)
{
	yyjson_mut_val *v = yyjson_mut_obj_get(context(c), key);

	return v ? v : yyjson_mut_obj_get(context(spec), key);
}

static bool one_of(const char *s, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(s, list[i]))
			return true;
	return false;
}

static bool all_of(yyjson_mut_val *list, const char *const *allowed, size_t n)
{
	yyjson_mut_val *v;
	size_t i, max;

	yyjson_mut_arr_foreach(
		list, i, max, v) if (!one_of(yyjson_mut_get_str(v) ?: "", allowed, n)) return false;
	return true;
}

/* ---- of a container: true is bad. @c is one; @spec its pod's */

static bool privileged(yyjson_mut_val *spec, yyjson_mut_val *c)
{
	return is_true(context(c), "privileged");
}

static bool more_capabilities(yyjson_mut_val *spec, yyjson_mut_val *c)
{
	static const char *const usual[] = {"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID",
		"KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"};

	return !all_of(meta_mut_get(context(c), "capabilities", "add", NULL), usual, array_len(usual));
}

static bool host_ports(yyjson_mut_val *spec, yyjson_mut_val *c)
{
	yyjson_mut_val *ports = yyjson_mut_obj_get(c, "ports"), *p;
	size_t i, n;

	yyjson_mut_arr_foreach(
		ports, i, n, p) if (yyjson_mut_get_sint(yyjson_mut_obj_get(p, "hostPort"))) return true;
	return false;
}

static bool proc_mount(yyjson_mut_val *spec, yyjson_mut_val *c)
{
	const char *s = text_of(context(c), "procMount");

	return *s && strcmp(s, "Default") != 0;
}

static bool host_process(yyjson_mut_val *spec, yyjson_mut_val *c)
{
	return is_true(either(spec, c, "windowsOptions"), "hostProcess");
}

static bool no_apparmor(yyjson_mut_val *spec, yyjson_mut_val *c)
{
	return !strcmp(text_of(either(spec, c, "appArmorProfile"), "type"), "Unconfined");
}

static bool selinux(yyjson_mut_val *spec, yyjson_mut_val *c)
{
	static const char *const types[] = {
		"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"};
	yyjson_mut_val *o = either(spec, c, "seLinuxOptions");

	return !one_of(text_of(o, "type"), types, array_len(types)) || *text_of(o, "user") ||
	       *text_of(o, "role");
}

static bool no_seccomp(yyjson_mut_val *spec, yyjson_mut_val *c)
{
	return !strcmp(text_of(either(spec, c, "seccompProfile"), "type"), "Unconfined");
}

static bool may_escalate(yyjson_mut_val *spec, yyjson_mut_val *c)
{
	return !yyjson_mut_is_false(yyjson_mut_obj_get(context(c), "allowPrivilegeEscalation"));
}

static bool keeps_capabilities(yyjson_mut_val *spec, yyjson_mut_val *c)
{
	static const char *const bind[] = {"NET_BIND_SERVICE"};
	yyjson_mut_val *drop = meta_mut_get(context(c), "capabilities", "drop", NULL), *v;
	bool all = false;
	size_t i, n;

	yyjson_mut_arr_foreach(drop, i, n, v) all |= yyjson_mut_equals_str(v, "ALL");
	return !all || !all_of(meta_mut_get(context(c), "capabilities", "add", NULL), bind, array_len(bind));
}

static bool may_be_root(yyjson_mut_val *spec, yyjson_mut_val *c)
{
	return !yyjson_mut_is_true(either(spec, c, "runAsNonRoot"));
}

static bool is_root(yyjson_mut_val *spec, yyjson_mut_val *c)
{
	yyjson_mut_val *user = either(spec, c, "runAsUser");

	return user && !yyjson_mut_get_sint(user);
}

static bool seccomp_unsaid(yyjson_mut_val *spec, yyjson_mut_val *c)
{
	const char *type = text_of(either(spec, c, "seccompProfile"), "type");

	return strcmp(type, "RuntimeDefault") != 0 && strcmp(type, "Localhost") != 0;
}

/* ---- of a pod */

static bool host_namespaces(yyjson_mut_val *spec, yyjson_mut_val *unused)
{
	return is_true(spec, "hostNetwork") || is_true(spec, "hostPID") || is_true(spec, "hostIPC");
}

static bool host_path(yyjson_mut_val *spec, yyjson_mut_val *unused)
{
	yyjson_mut_val *volumes = yyjson_mut_obj_get(spec, "volumes"), *v;
	size_t i, n;

	yyjson_mut_arr_foreach(volumes, i, n, v) if (yyjson_mut_obj_get(v, "hostPath")) return true;
	return false;
}

static bool other_volumes(yyjson_mut_val *spec, yyjson_mut_val *unused)
{
	static const char *const allowed[] = {"name", "configMap", "csi", "downwardAPI", "emptyDir",
		"ephemeral", "image", "persistentVolumeClaim", "projected", "secret"};
	yyjson_mut_val *volumes = yyjson_mut_obj_get(spec, "volumes"), *v, *key, *value;
	size_t i, n, k, m;

	yyjson_mut_arr_foreach(volumes, i, n, v) yyjson_mut_obj_foreach(v, k, m, key,
		value) if (!one_of(yyjson_mut_get_str(key), allowed, array_len(allowed))) return true;
	return false;
}

static bool unsafe_sysctls(yyjson_mut_val *spec, yyjson_mut_val *unused)
{
	static const char *const safe[] = {"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range",
		"net.ipv4.ip_unprivileged_port_start", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range",
		"net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout",
		"net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem",
		"net.ipv4.tcp_wmem"};
	yyjson_mut_val *list = yyjson_mut_obj_get(context(spec), "sysctls"), *s;
	size_t i, n;

	yyjson_mut_arr_foreach(
		list, i, n, s) if (!one_of(text_of(s, "name"), safe, array_len(safe))) return true;
	return false;
}

/* ---- the table */

static const struct rule {
	enum level level;
	const char *title, *must; /* what a container, or the pod, must do */
	bool (*bad)(yyjson_mut_val *spec, yyjson_mut_val *container);
	bool of_pod;	/* container is NULL */
	bool pod_or_so; /* the pod may say it for all */
} rules[] = {
	{BASELINE, "hostProcess", "must not set securityContext.windowsOptions.hostProcess=true",
		host_process, .pod_or_so = true},
	{BASELINE, "host namespaces", "must not set hostNetwork, hostPID or hostIPC to true", host_namespaces,
		.of_pod = true},
	{BASELINE, "privileged", "must not set securityContext.privileged=true", privileged},
	{BASELINE, "non-default capabilities",
		"must not add capabilities beyond the default ones in securityContext.capabilities.add",
		more_capabilities},
	{BASELINE, "hostPath volumes", "must not use hostPath volumes", host_path, .of_pod = true},
	{BASELINE, "hostPort", "must not use hostPorts", host_ports},
	{BASELINE, "forbidden AppArmor profile", "must not set AppArmor profile type to \"Unconfined\"",
		no_apparmor, .pod_or_so = true},
	{BASELINE, "seLinuxOptions", "set forbidden securityContext.seLinuxOptions", selinux,
		.pod_or_so = true},
	{BASELINE, "procMount", "must not set securityContext.procMount to other than \"Default\"",
		proc_mount},
	{BASELINE, "seccompProfile", "must not set securityContext.seccompProfile.type to \"Unconfined\"",
		no_seccomp, .pod_or_so = true},
	{BASELINE, "forbidden sysctls", "must not set sysctls that are not known to be safe", unsafe_sysctls,
		.of_pod = true},
	{RESTRICTED, "allowPrivilegeEscalation != false",
		"must set securityContext.allowPrivilegeEscalation=false", may_escalate},
	{RESTRICTED, "unrestricted capabilities",
		"must set securityContext.capabilities.drop=[\"ALL\"] and add none but \"NET_BIND_SERVICE\"",
		keeps_capabilities},
	{RESTRICTED, "restricted volume types", "must not use volumes of types that reach beyond the cluster",
		other_volumes, .of_pod = true},
	{RESTRICTED, "runAsNonRoot != true", "must set securityContext.runAsNonRoot=true", may_be_root,
		.pod_or_so = true},
	{RESTRICTED, "runAsUser=0", "must not set runAsUser=0", is_root, .pod_or_so = true},
	{RESTRICTED, "seccompProfile",
		"must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"",
		seccomp_unsaid, .pod_or_so = true},
};

/* ---- judging */

struct findings {
	char text[2000];
	size_t len;
};

static void add(struct findings *f, const char *format, ...) printf_like(2, 3);

static void add(struct findings *f, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(f->text + f->len, sizeof(f->text) - f->len, format, args);
	va_end(args);
	if (n > 0)
		f->len += (size_t)n < sizeof(f->text) - f->len ? (size_t)n : sizeof(f->text) - f->len - 1;
}

static void judge_containers(struct findings *f, const struct rule *r, yyjson_mut_val *spec)
{
	static const char *const lists[] = {"initContainers", "containers", "ephemeralContainers"};
	char names[400] = "";
	size_t i, n, count = 0, len = 0;
	yyjson_mut_val *c;

	for (size_t l = 0; l < array_len(lists); l++) {
		yyjson_mut_val *list = yyjson_mut_obj_get(spec, lists[l]);

		yyjson_mut_arr_foreach(list, i, n, c)
		{
			int wrote;

			if (!r->bad(spec, c))
				continue;
			wrote = snprintf(names + len, sizeof(names) - len, "%s\"%s\"", count++ ? ", " : "",
				text_of(c, "name"));
			len += wrote > 0 && (size_t)wrote < sizeof(names) - len ? (size_t)wrote : 0;
		}
	}
	if (count)
		add(f, "%s%s (%scontainer%s %s %s)", f->len ? ", " : "", r->title,
			r->pod_or_so ? "pod or " : "", count > 1 ? "s" : "", names, r->must);
}

static void judge(struct findings *f, enum level level, yyjson_mut_val *spec)
{
	for (size_t i = 0; i < array_len(rules); i++) {
		const struct rule *r = &rules[i];

		if (r->level > level || (r->level == BASELINE && level == RESTRICTED && r->bad == no_seccomp))
			continue; /* what the stricter level says again is said once */
		if (!r->of_pod)
			judge_containers(f, r, spec);
		else if (r->bad(spec, NULL))
			add(f, "%s%s (pod %s)", f->len ? ", " : "", r->title, r->must);
	}
}

static enum level level_of(const struct object *ns, const char *mode, const char **name)
{
	char key[64];

	snprintf(key, sizeof(key), LABEL "%s", mode);
	*name = ns ? object_label(ns, key) : NULL;
	return !*name			      ? PRIVILEGED
	       : !strcmp(*name, "baseline")   ? BASELINE
	       : !strcmp(*name, "restricted") ? RESTRICTED
					      : PRIVILEGED;
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
	if (!one_of(a->kind->kind, makers, array_len(makers)) || a->kind->flags & SCHEMA_CUSTOM)
		return NULL;
	return meta_mut_get(a->root, "spec", "template", "spec", NULL);
}

static struct status *check(const struct attempt *a)
{
	bool pod = attempt_is(a, "", "Pod"), more = !strcmp(a->subresource, "ephemeralcontainers");
	struct findings enforced = {0}, warned = {0};
	const struct object *ns;
	const char *name, *warn_name;
	yyjson_mut_val *spec;
	enum level enforce, warn;

	if (a->verb == ADMIT_DELETE || !*a->ns || (*a->subresource && !(pod && more)) ||
		(pod && a->verb == ADMIT_UPDATE && !more))
		return NULL;
	spec = spec_of(a);
	ns = spec ? registry_get(a->registry, schema_find("", "v1", "namespaces"), "", a->ns) : NULL;
	enforce = level_of(ns, "enforce", &name);
	warn = level_of(ns, "warn", &warn_name);
	if (pod && enforce)
		judge(&enforced, enforce, spec);
	if (enforced.len)
		return status_forbidden(
			a->kind, a->name, "violates PodSecurity \"%s:latest\": %s", name, enforced.text);
	if (warn)
		judge(&warned, warn, spec);
	if (warned.len) {
		char text[2200];

		snprintf(text, sizeof(text), "would violate PodSecurity \"%s:latest\": %s", warn_name,
			warned.text);
		attempt_warn(a, text);
	}
	return NULL;
}

const struct admission admission_security = {.name = "PodSecurity", .check = check};
