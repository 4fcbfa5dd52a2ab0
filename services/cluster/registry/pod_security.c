/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the levels of PodSecurity ask of a pod, each check a row of a table: baseline keeps pods from the node, restricted asks for
 * what is known to be good. A namespace may keep to the table as a version of Kubernetes had it.
 */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cluster/registry/pod_security.h"
#include "cluster/schema/meta.h"

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

static bool selinux(yyjson_mut_val *o, const char *engine)
{
	const char *const types[] = {"", "container_t", "container_init_t", "container_kvm_t", engine};

	return !one_of(text_of(o, "type"), types, array_len(types)) || *text_of(o, "user") ||
	       *text_of(o, "role");
}

static bool selinux_old(yyjson_mut_val *spec, yyjson_mut_val *c)
{
	return selinux(either(spec, c, "seLinuxOptions"), "");
}

static bool selinux_new(yyjson_mut_val *spec, yyjson_mut_val *c)
{
	return selinux(either(spec, c, "seLinuxOptions"), "container_engine_t");
}

/* What the node asks, or a hook that it calls, reaches another machine. */
static bool has_host(yyjson_mut_val *handler)
{
	return *text_of(yyjson_mut_obj_get(handler, "httpGet"), "host") ||
	       *text_of(yyjson_mut_obj_get(handler, "tcpSocket"), "host");
}

static bool probes_hosts(yyjson_mut_val *spec, yyjson_mut_val *c)
{
	yyjson_mut_val *hooks = yyjson_mut_obj_get(c, "lifecycle");

	return has_host(yyjson_mut_obj_get(c, "livenessProbe")) ||
	       has_host(yyjson_mut_obj_get(c, "readinessProbe")) ||
	       has_host(yyjson_mut_obj_get(c, "startupProbe")) ||
	       has_host(yyjson_mut_obj_get(hooks, "postStart")) ||
	       has_host(yyjson_mut_obj_get(hooks, "preStop"));
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

/* Grown by versions: the first so many of the list. */
static bool unsafe_sysctls(yyjson_mut_val *spec, size_t known)
{
	static const char *const safe[] = {"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range",
		"net.ipv4.ip_unprivileged_port_start", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range",
		"net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout",
		"net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem",
		"net.ipv4.tcp_wmem"};
	yyjson_mut_val *list = yyjson_mut_obj_get(context(spec), "sysctls"), *s;
	size_t i, n;

	yyjson_mut_arr_foreach(list, i, n, s) if (!one_of(text_of(s, "name"), safe, known)) return true;
	return false;
}

static bool sysctls_of_1_0(yyjson_mut_val *spec, yyjson_mut_val *unused)
{
	return unsafe_sysctls(spec, 5);
}

static bool sysctls_of_1_27(yyjson_mut_val *spec, yyjson_mut_val *unused)
{
	return unsafe_sysctls(spec, 6);
}

static bool sysctls_of_1_29(yyjson_mut_val *spec, yyjson_mut_val *unused)
{
	return unsafe_sysctls(spec, 10);
}

static bool sysctls_of_1_32(yyjson_mut_val *spec, yyjson_mut_val *unused)
{
	return unsafe_sysctls(spec, 12);
}

/* ---- the table */

#define SYSCTLS "forbidden sysctls", "must not set sysctls that are not known to be safe"
#define SELINUX "seLinuxOptions", "set forbidden securityContext.seLinuxOptions"

static const struct rule {
	enum security_level level;
	const char *title, *must; /* what a container, or the pod, must do */
	bool (*bad)(yyjson_mut_val *spec, yyjson_mut_val *container);
	bool of_pod;	  /* container is NULL */
	bool pod_or_so;	  /* the pod may say it for all */
	bool not_windows; /* from 1.25 pods of Windows need not keep to it */
	bool not_apart;	  /* from 1.35 pods in a user namespace of their own (hostUsers: false) need not */
	int since, until; /* minor versions of 1.x, the first with it and the first without; 0: always */
} rules[] = {
	{SECURITY_BASELINE, "hostProcess", "must not set securityContext.windowsOptions.hostProcess=true",
		host_process, .pod_or_so = true},
	{SECURITY_BASELINE, "host namespaces", "must not set hostNetwork, hostPID or hostIPC to true",
		host_namespaces, .of_pod = true},
	{SECURITY_BASELINE, "privileged", "must not set securityContext.privileged=true", privileged},
	{SECURITY_BASELINE, "non-default capabilities",
		"must not add capabilities beyond the default ones in securityContext.capabilities.add",
		more_capabilities},
	{SECURITY_BASELINE, "hostPath volumes", "must not use hostPath volumes", host_path, .of_pod = true},
	{SECURITY_BASELINE, "hostPort", "must not use hostPorts", host_ports},
	{SECURITY_BASELINE, "probe or lifecycle host",
		"must not set a host in its probes or lifecycle handlers", probes_hosts, .since = 34},
	{SECURITY_BASELINE, "forbidden AppArmor profile",
		"must not set AppArmor profile type to \"Unconfined\"", no_apparmor, .pod_or_so = true},
	{SECURITY_BASELINE, SELINUX, selinux_old, .pod_or_so = true, .until = 31},
	{SECURITY_BASELINE, SELINUX, selinux_new, .pod_or_so = true, .since = 31},
	{SECURITY_BASELINE, "procMount", "must not set securityContext.procMount to other than \"Default\"",
		proc_mount, .not_apart = true},
	{SECURITY_BASELINE, "seccompProfile",
		"must not set securityContext.seccompProfile.type to \"Unconfined\"", no_seccomp,
		.pod_or_so = true, .since = 19},
	{SECURITY_BASELINE, SYSCTLS, sysctls_of_1_0, .of_pod = true, .until = 27},
	{SECURITY_BASELINE, SYSCTLS, sysctls_of_1_27, .of_pod = true, .since = 27, .until = 29},
	{SECURITY_BASELINE, SYSCTLS, sysctls_of_1_29, .of_pod = true, .since = 29, .until = 32},
	{SECURITY_BASELINE, SYSCTLS, sysctls_of_1_32, .of_pod = true, .since = 32},
	{SECURITY_RESTRICTED, "allowPrivilegeEscalation != false",
		"must set securityContext.allowPrivilegeEscalation=false", may_escalate, .since = 8,
		.not_windows = true},
	{SECURITY_RESTRICTED, "unrestricted capabilities",
		"must set securityContext.capabilities.drop=[\"ALL\"] and add none but \"NET_BIND_SERVICE\"",
		keeps_capabilities, .since = 22, .not_windows = true},
	{SECURITY_RESTRICTED, "restricted volume types",
		"must not use volumes of types that reach beyond the cluster", other_volumes, .of_pod = true},
	{SECURITY_RESTRICTED, "runAsNonRoot != true", "must set securityContext.runAsNonRoot=true",
		may_be_root, .pod_or_so = true, .not_apart = true},
	{SECURITY_RESTRICTED, "runAsUser=0", "must not set runAsUser=0", is_root, .pod_or_so = true,
		.not_apart = true, .since = 23},
	{SECURITY_RESTRICTED, "seccompProfile",
		"must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"",
		seccomp_unsaid, .pod_or_so = true, .since = 19, .not_windows = true},
};

/* ---- judging */

static void add(struct security_findings *f, const char *format, ...) printf_like(2, 3);

static void add(struct security_findings *f, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(f->text + f->len, sizeof(f->text) - f->len, format, args);
	va_end(args);
	if (n > 0)
		f->len += (size_t)n < sizeof(f->text) - f->len ? (size_t)n : sizeof(f->text) - f->len - 1;
}

static void judge_containers(struct security_findings *f, const struct rule *r, yyjson_mut_val *spec)
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

static bool is_windows(yyjson_mut_val *spec)
{
	return !strcmp(text_of(yyjson_mut_obj_get(spec, "os"), "name"), "windows");
}

/* What the stricter level says again is said once. */
static bool said_again(const struct rule *r, const struct security_policy *p)
{
	return p->level == SECURITY_RESTRICTED && (r->bad == no_seccomp || r->bad == host_path ||
							  (r->bad == more_capabilities && p->minor >= 22));
}

/* The stricter level knows no exception of procMount. */
static bool excepted(const struct rule *r, const struct security_policy *p, yyjson_mut_val *spec)
{
	return r->not_apart && p->minor >= 35 && yyjson_mut_is_false(yyjson_mut_obj_get(spec, "hostUsers")) &&
	       !(r->bad == proc_mount && p->level == SECURITY_RESTRICTED);
}

static bool applies(const struct rule *r, const struct security_policy *p, yyjson_mut_val *spec)
{
	return r->level <= p->level && p->minor >= r->since && (!r->until || p->minor < r->until) &&
	       !said_again(r, p) && !excepted(r, p, spec) &&
	       !(r->not_windows && p->minor >= 25 && is_windows(spec));
}

void security_judge(struct security_findings *f, const struct security_policy *p, yyjson_mut_val *spec)
{
	for (size_t i = 0; i < array_len(rules); i++) {
		const struct rule *r = &rules[i];

		if (!applies(r, p, spec))
			continue;
		if (!r->of_pod)
			judge_containers(f, r, spec);
		else if (r->bad(spec, NULL))
			add(f, "%s%s (pod %s)", f->len ? ", " : "", r->title, r->must);
	}
}
