/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a pod says of its node's kernel and network, of names in DNS, and of itself as a value: texts of which only some mean anything,
 * and wishes that exclude each other.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/schema/check_int.h"
#include "cluster/schema/meta.h"

schema_check check_dns_config, check_host_alias, check_field_ref, check_resource_ref;

enum {
	SYSCTL_MAX = 253,
	NAMESERVERS_MAX = 3,
	SEARCH_TEXT_MAX = 2048,
	HOST_NAME_MAX_ = 64,
	SYSCTLS_MAX = 256
};

/* ---- sysctls */

#define SYSCTL_RULE "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"

/* Parts of lower case letters, digits, and - or _ inside, joined by . or /. */
static bool is_sysctl(const char *s)
{
	if (!*s || strlen(s) > SYSCTL_MAX)
		return false;
	for (;;) {
		size_t n = strcspn(s, "./");

		if (!n || strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-_") < n || strchr("-_", s[0]) ||
			strchr("-_", s[n - 1]))
			return false;
		if (!s[n])
			return true;
		s += n + 1;
	}
}

/* The same setting with either separator: net.core.somaxconn, net/core/somaxconn. */
static bool same_sysctl(const char *a, const char *b)
{
	for (; *a && *b; a++, b++)
		if (*a != *b && !(strchr("./", *a) && strchr("./", *b)))
			return false;
	return *a == *b;
}

/* Settings of the host's own namespaces are not a pod's to change. */
static bool is_of_host(const char *name, yyjson_mut_val *spec, const char **which)
{
	static const struct {
		const char *prefix, *flag, *called;
	} table[] = {{"net", "hostNetwork", "host net"}, {"kernel.shm", "hostIPC", "host ipc"},
		{"kernel/shm", "hostIPC", "host ipc"}, {"kernel.msg", "hostIPC", "host ipc"},
		{"kernel/msg", "hostIPC", "host ipc"}, {"kernel.sem", "hostIPC", "host ipc"},
		{"kernel/sem", "hostIPC", "host ipc"}, {"fs.mqueue", "hostIPC", "host ipc"},
		{"fs/mqueue", "hostIPC", "host ipc"}};

	for (size_t i = 0; i < array_len(table); i++)
		if (!strncmp(name, table[i].prefix, strlen(table[i].prefix)) &&
			yyjson_mut_is_true(yyjson_mut_obj_get(spec, table[i].flag))) {
			*which = table[i].called;
			return true;
		}
	return false;
}

static void check_sysctls(struct check *c, yyjson_mut_val *spec)
{
	yyjson_mut_val *list = meta_mut_get(spec, "securityContext", "sysctls", NULL), *s, *t;
	const char *which = "";
	size_t i, n, j, m;

	if (yyjson_mut_arr_size(list) > SYSCTLS_MAX)
		return; /* that they are too many is said by the table */

	yyjson_mut_arr_foreach(list, i, n, s)
	{
		yyjson_mut_val *name = yyjson_mut_obj_get(s, "name");
		const char *text = text_of(s, "name");

		if (!*text)
			continue; /* the table says that it is required */
		if (!is_sysctl(text))
			check_error(c, FIELD_INVALID, name, REL(".securityContext.sysctls[%zu].name", i),
				"must have at most %d characters and match regex " SYSCTL_RULE, SYSCTL_MAX);
		else if (is_of_host(text, spec, &which))
			check_error(c, FIELD_INVALID, name, REL(".securityContext.sysctls[%zu].name", i),
				"may not be specified when '%s' is enabled", which);
		yyjson_mut_arr_foreach(list, j, m, t)
		{
			if (j >= i)
				break;
			if (same_sysctl(text_of(t, "name"), text))
				check_error(c, FIELD_DUPLICATE, name,
					REL(".securityContext.sysctls[%zu].name", i), "%s", "");
		}
	}
}

/* ---- the host's namespaces and ports */

/* The whole of /proc is shown to none but those who are root nowhere else. */
static void check_proc_mounts(struct check *c, yyjson_mut_val *spec)
{
	static const char *const lists[] = {"initContainers", "containers", "ephemeralContainers"};
	yyjson_mut_val *each, *mount;
	size_t i, n;

	if (yyjson_mut_is_false(yyjson_mut_obj_get(spec, "hostUsers")))
		return;
	for (size_t l = 0; l < array_len(lists); l++) {
		yyjson_mut_val *list = yyjson_mut_obj_get(spec, lists[l]);

		yyjson_mut_arr_foreach(list, i, n, each)
		{
			mount = meta_mut_get(each, "securityContext", "procMount", NULL);
			if (yyjson_mut_equals_str(mount, "Unmasked"))
				check_error(c, FIELD_INVALID, mount,
					REL(".%s[%zu].securityContext.procMount", lists[l], i),
					"`hostUsers` must be false to use `Unmasked`");
		}
	}
}

static void check_no_windows(struct check *c, yyjson_mut_val *o, const char *at)
{
	if (meta_mut_get(o, "securityContext", "windowsOptions", NULL))
		check_error(c, FIELD_FORBIDDEN, NULL, REL("%s.securityContext.windowsOptions", at),
			"windows options cannot be set for a linux pod");
}

/* Who says that it is for Linux; of others nobody looks at them. */
static void check_linux(struct check *c, yyjson_mut_val *spec)
{
	static const char *const lists[] = {"initContainers", "containers", "ephemeralContainers"};
	yyjson_mut_val *each;
	size_t i, n;

	if (!yyjson_mut_equals_str(meta_mut_get(spec, "os", "name", NULL), "linux"))
		return;
	check_no_windows(c, spec, "");
	for (size_t l = 0; l < array_len(lists); l++) {
		yyjson_mut_val *list = yyjson_mut_obj_get(spec, lists[l]);

		yyjson_mut_arr_foreach(list, i, n, each)
		{
			char at[64];

			snprintf(at, sizeof(at), ".%s[%zu]", lists[l], i);
			check_no_windows(c, each, at);
		}
	}
}

static void check_namespaces(struct check *c, yyjson_mut_val *spec)
{
	static const char *const of_host[] = {"hostNetwork", "hostPID", "hostIPC"};

	if (yyjson_mut_is_true(yyjson_mut_obj_get(spec, "shareProcessNamespace")) &&
		yyjson_mut_is_true(yyjson_mut_obj_get(spec, "hostPID")))
		check_error(c, FIELD_INVALID, yyjson_mut_obj_get(spec, "shareProcessNamespace"),
			".shareProcessNamespace", "ShareProcessNamespace and HostPID cannot both be enabled");
	check_proc_mounts(c, spec);
	if (!yyjson_mut_is_false(yyjson_mut_obj_get(spec, "hostUsers")))
		return;
	for (size_t i = 0; i < array_len(of_host); i++)
		if (yyjson_mut_is_true(yyjson_mut_obj_get(spec, of_host[i])))
			check_error(c, FIELD_FORBIDDEN, NULL, REL(".%s", of_host[i]),
				"when `hostUsers` is false");
}

/* Two containers of a pod run at the same time, so a port of the node leads to one of them; those before them run one by one. */
static void check_host_ports(struct check *c, yyjson_mut_val *spec)
{
	const struct check_once once = {
		CHECK_KEYS("hostPort", "protocol", "hostIP"), .type = FIELD_DUPLICATE, .member = "hostPort"};
	enum { WHERE_MAX = 64 };
	yyjson_mut_val *list = yyjson_mut_obj_get(spec, "containers"), *container;
	size_t i, n = yyjson_mut_arr_size(list);
	struct check_list *lists = calloc(n + 1, sizeof(*lists));
	char(*where)[WHERE_MAX] = calloc(n + 1, sizeof(*where));

	c->errors->no_memory |= !lists || !where;
	if (lists && where) {
		yyjson_mut_arr_foreach(list, i, n, container)
		{
			snprintf(where[i], WHERE_MAX, ".containers[%zu].ports", i);
			lists[i] = (struct check_list){yyjson_mut_obj_get(container, "ports"), where[i]};
		}
		check_once(c, lists, n, &once);
	}
	free(lists);
	free(where);
	yyjson_mut_arr_foreach(yyjson_mut_obj_get(spec, "initContainers"), i, n, container)
	{
		struct check_list own = {
			yyjson_mut_obj_get(container, "ports"), REL(".initContainers[%zu].ports", i)};

		check_once(c, &own, 1, &once);
	}
}

/* ---- containers */

/* The rules of single containers are not kept by nodes here; only that an init container runs on is. */
static void check_restart(struct check *c, yyjson_mut_val *o, bool init, const char *at)
{
	static const char *const always[] = {"Always", NULL};
	yyjson_mut_val *policy = yyjson_mut_obj_get(o, "restartPolicy");
	yyjson_mut_val *grace = meta_mut_get(o, "readinessProbe", "terminationGracePeriodSeconds", NULL);

	if (yyjson_mut_arr_size(yyjson_mut_obj_get(o, "restartPolicyRules")))
		check_error(c, FIELD_FORBIDDEN, NULL, REL("%s.restartPolicyRules", at),
			"is not supported by this cluster");
	if (policy && !init)
		check_error(c, FIELD_FORBIDDEN, NULL, REL("%s.restartPolicy", at),
			"may not be set for non-init containers");
	else if (policy && !yyjson_mut_equals_str(policy, "Always"))
		check_not_supported(c, policy, REL("%s.restartPolicy", at), always);
	if (grace)
		check_error(c, FIELD_INVALID, grace,
			REL("%s.readinessProbe.terminationGracePeriodSeconds", at),
			"must not be set for readinessProbes");
}

static void check_mounts(struct check *c, yyjson_mut_val *o, const char *at)
{
	bool privileged = yyjson_mut_is_true(meta_mut_get(o, "securityContext", "privileged", NULL));
	yyjson_mut_val *m;
	size_t i, n;

	yyjson_mut_arr_foreach(yyjson_mut_obj_get(o, "volumeMounts"), i, n, m)
	{
		if (strchr(text_of(m, "mountPath"), ':'))
			check_error(c, FIELD_INVALID, yyjson_mut_obj_get(m, "mountPath"),
				REL("%s.volumeMounts[%zu].mountPath", at, i), "must not contain ':'");
		if (!strcmp(text_of(m, "mountPropagation"), "Bidirectional") && !privileged)
			check_error(c, FIELD_FORBIDDEN, NULL,
				REL("%s.volumeMounts[%zu].mountPropagation", at, i),
				"Bidirectional mount propagation is available only to privileged containers");
	}
}

/* Devices that a container uses are the pod's. A pod that has any is refused (check_pod_fields()), however many they are. */
static void check_claims(struct check *c, yyjson_mut_val *o, yyjson_mut_val *pods, const char *at)
{
	yyjson_mut_val *v;
	size_t i, n;

	if (yyjson_mut_arr_size(pods))
		return;
	yyjson_mut_arr_foreach(meta_mut_get(o, "resources", "claims", NULL), i, n, v)
		check_error(c, FIELD_NOT_FOUND, yyjson_mut_obj_get(v, "name"),
			REL("%s.resources.claims[%zu].name", at, i), "%s", "");
}

static void check_containers(struct check *c, yyjson_mut_val *spec)
{
	static const char *const lists[] = {"initContainers", "containers", "ephemeralContainers"};
	yyjson_mut_val *o;
	size_t i, n;

	for (size_t l = 0; l < array_len(lists); l++) {
		yyjson_mut_val *list = yyjson_mut_obj_get(spec, lists[l]);

		yyjson_mut_arr_foreach(list, i, n, o)
		{
			const char *at = REL(".%s[%zu]", lists[l], i);

			check_restart(c, o, !l, at);
			check_mounts(c, o, at);
			check_claims(c, o, yyjson_mut_obj_get(spec, "resourceClaims"), at);
		}
	}
}

void check_pod_fields(struct check *c, yyjson_mut_val *spec)
{
	yyjson_mut_val *override = yyjson_mut_obj_get(spec, "hostnameOverride");

	check_sysctls(c, spec);
	check_pod_resources(c, spec);
	/* what is there already is not asked again */
	if (yyjson_mut_arr_size(yyjson_mut_obj_get(spec, "resourceClaims")) &&
		!(c->old_object && !strcmp(c->kind->kind, "Pod")))
		check_error(c, FIELD_FORBIDDEN, NULL, ".resourceClaims",
			"no node of this cluster has a driver of dynamic resources, and a pod does not run without the "
			"devices that it claims");
	check_linux(c, spec);
	check_namespaces(c, spec);
	check_host_ports(c, spec);
	check_containers(c, spec);
	check_resize_policies(c, spec);
	if (override && yyjson_mut_is_true(yyjson_mut_obj_get(spec, "hostNetwork")))
		check_error(c, FIELD_FORBIDDEN, NULL, ".hostnameOverride",
			"may not be set when `hostNetwork` is true");
	else if (yyjson_mut_get_len(override) > HOST_NAME_MAX_)
		check_error(c, FIELD_TOO_LONG, override, ".hostnameOverride", "may not be more than %d bytes",
			HOST_NAME_MAX_);
	else if (override)
		check_format(c, override, ".hostnameOverride", SCHEMA_DNS_SUBDOMAIN);
}

/* ---- names in DNS */

static void check_search(struct check *c, yyjson_mut_val *search, size_t at)
{
	size_t len = yyjson_mut_get_len(search);
	const char *text = yyjson_mut_get_str(search), *why;

	/* "." and a dot at the end are of absolute names; _ is in names of services */
	if (!text || (len == 1 && *text == '.'))
		return;
	len -= len && text[len - 1] == '.';
	char plain[256];

	for (size_t i = 0; i < len && i < sizeof(plain); i++)
		plain[i] = text[i] == '_' ? 'a' : text[i];
	why = len < sizeof(plain) ? validate_format(SCHEMA_DNS_SUBDOMAIN, plain, len)
				  : "must be no more than 253 characters";
	if (why)
		check_error(c, FIELD_INVALID, search, REL(".searches[%zu]", at), "%s", why);
}

void check_dns_config(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	yyjson_mut_val *servers = yyjson_mut_obj_get(o, "nameservers"),
		       *searches = yyjson_mut_obj_get(o, "searches"), *v;
	size_t i, n, sum = 0;

	if (yyjson_mut_arr_size(servers) > NAMESERVERS_MAX)
		check_error(c, FIELD_INVALID, servers, ".nameservers",
			"must not have more than %d nameservers", NAMESERVERS_MAX);
	yyjson_mut_arr_foreach(searches, i, n, v)
	{
		sum += yyjson_mut_get_len(v) + 1;
		check_search(c, v, i);
	}
	if (sum > SEARCH_TEXT_MAX + 1)
		check_error(c, FIELD_INVALID, searches, ".searches",
			"must not have more than %d characters (including spaces) in the search list",
			SEARCH_TEXT_MAX);
	yyjson_mut_arr_foreach(yyjson_mut_obj_get(o, "options"), i, n, v) if (!*text_of(v, "name"))
		check_error(c, FIELD_REQUIRED, NULL, REL(".options[%zu]", i), "must not be empty");
}

void check_host_alias(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	yyjson_mut_val *v;
	size_t i, n;

	yyjson_mut_arr_foreach(yyjson_mut_obj_get(o, "hostnames"), i, n, v)
		check_format(c, v, REL(".hostnames[%zu]", i), SCHEMA_DNS_SUBDOMAIN);
}

/* ---- the pod as a value */

/* metadata.labels['key'] */
static bool is_keyed(const char *path)
{
	static const char *const maps[] = {"metadata.labels['", "metadata.annotations['"};

	for (size_t i = 0; i < array_len(maps); i++) {
		size_t n = strlen(maps[i]), len = strlen(path);

		if (!strncmp(path, maps[i], n) && len > n + 2 && !strcmp(path + len - 2, "']"))
			return !validate_format(SCHEMA_LABEL_KEY, path + n, len - n - 2);
	}
	return false;
}

void check_field_ref(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	static const char *const supported[] = {"metadata.annotations", "metadata.labels", "metadata.name",
		"metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
		"status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs", NULL};
	yyjson_mut_val *path = yyjson_mut_obj_get(o, "fieldPath");
	const char *text = text_of(o, "fieldPath");

	for (size_t i = 0; supported[i]; i++)
		if (!strcmp(text, supported[i]))
			return;
	if (*text && !is_keyed(text))
		check_not_supported(c, path, ".fieldPath", supported);
}

void check_resource_ref(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	static const char *const supported[] = {"limits.cpu", "limits.ephemeral-storage", "limits.memory",
		"requests.cpu", "requests.ephemeral-storage", "requests.memory", NULL};
	const char *text = text_of(o, "resource");

	for (size_t i = 0; supported[i]; i++)
		if (!strcmp(text, supported[i]))
			return;
	if (*text && strncmp(text, "limits.hugepages-", 17) != 0 &&
		strncmp(text, "requests.hugepages-", 19) != 0)
		check_not_supported(c, yyjson_mut_obj_get(o, "resource"), ".resource", supported);
}
