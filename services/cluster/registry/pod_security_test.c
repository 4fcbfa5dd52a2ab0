/* SPDX-License-Identifier: Apache-2.0 */

/* The levels of PodSecurity, as each version of Kubernetes has had them: a table of both sides of each change. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/registry/pod_security.h"

#define POD(of_pod, of_container)                                                                            \
	"{" of_pod "\"containers\":[{\"name\":\"c\",\"image\":\"i\"" of_container "}]}"
#define CONTEXT(members)    ",\"securityContext\":{" members "}"
#define SYSCTL(name)	    POD("\"securityContext\":{\"sysctls\":[{\"name\":\"" name "\",\"value\":\"1\"}]},", "")
#define SELINUX(type)	    POD("", CONTEXT("\"seLinuxOptions\":{\"type\":\"" type "\"}"))
#define NO_ESCALATION	    "\"allowPrivilegeEscalation\":false,"
#define DROPS		    "\"capabilities\":{\"drop\":[\"ALL\"]},"
#define NOT_ROOT	    "\"runAsNonRoot\":true,"
#define FILTERED	    "\"seccompProfile\":{\"type\":\"RuntimeDefault\"}"
#define HOOK(when, handler) ",\"lifecycle\":{\"" when "\":{" handler "}}"
#define WINDOWS		    "\"os\":{\"name\":\"windows\"},"

enum { LATEST = SECURITY_LATEST, BASE = SECURITY_BASELINE, FULL = SECURITY_RESTRICTED };

static const struct row {
	enum security_level level;
	int minor;
	const char *spec, *finds; /* the title of what it finds; "": nothing */
} rows[] = {
	{SECURITY_PRIVILEGED, LATEST, POD("\"hostPID\":true,", CONTEXT("\"privileged\":true")), ""},
	{BASE, 0, POD("\"hostPID\":true,", ""), "host namespaces"},
	{BASE, LATEST, POD("", CONTEXT("\"privileged\":true")), "privileged"},
	/* what a node asks another machine */
	{BASE, LATEST, POD("", ",\"livenessProbe\":{\"httpGet\":{\"host\":\"h\",\"port\":1}}"),
		"probe or lifecycle host"},
	{BASE, 34, POD("", ",\"readinessProbe\":{\"tcpSocket\":{\"host\":\"h\",\"port\":1}}"),
		"probe or lifecycle host"},
	{BASE, 34, POD("", ",\"startupProbe\":{\"httpGet\":{\"host\":\"h\",\"port\":1}}"),
		"probe or lifecycle host"},
	{BASE, 34, POD("", HOOK("postStart", "\"httpGet\":{\"host\":\"h\",\"port\":1}")),
		"probe or lifecycle host"},
	{BASE, 34, POD("", HOOK("preStop", "\"tcpSocket\":{\"host\":\"h\",\"port\":1}")),
		"probe or lifecycle host"},
	{BASE, 34, POD("", HOOK("preStop", "\"httpGet\":{\"host\":\"\",\"port\":1}")), ""},
	{BASE, 33, POD("", ",\"livenessProbe\":{\"httpGet\":{\"host\":\"h\",\"port\":1}}"), ""},
	{BASE, 30, SELINUX("container_engine_t"), "seLinuxOptions"},
	{BASE, 31, SELINUX("container_engine_t"), ""},
	{BASE, 31, SELINUX("spc_t"), "seLinuxOptions"},
	{BASE, 18, POD("", CONTEXT("\"seccompProfile\":{\"type\":\"Unconfined\"}")), ""},
	{BASE, 19, POD("", CONTEXT("\"seccompProfile\":{\"type\":\"Unconfined\"}")), "seccompProfile"},
	{BASE, 0, SYSCTL("net.ipv4.ping_group_range"), ""},
	{BASE, 26, SYSCTL("net.ipv4.ip_local_reserved_ports"), "forbidden sysctls"},
	{BASE, 27, SYSCTL("net.ipv4.ip_local_reserved_ports"), ""},
	{BASE, 28, SYSCTL("net.ipv4.tcp_keepalive_probes"), "forbidden sysctls"},
	{BASE, 29, SYSCTL("net.ipv4.tcp_keepalive_probes"), ""},
	{BASE, 31, SYSCTL("net.ipv4.tcp_wmem"), "forbidden sysctls"},
	{BASE, 32, SYSCTL("net.ipv4.tcp_wmem"), ""},
	{BASE, LATEST, SYSCTL("kernel.msgmax"), "forbidden sysctls"},
	/* restricted */
	{FULL, LATEST, POD("", CONTEXT(NO_ESCALATION DROPS NOT_ROOT FILTERED)), ""},
	{FULL, 7, POD("", CONTEXT("\"runAsNonRoot\":true")), ""},
	{FULL, 8, POD("", CONTEXT("\"runAsNonRoot\":true")), "allowPrivilegeEscalation != false"},
	{FULL, 18, POD("", CONTEXT(NO_ESCALATION "\"runAsNonRoot\":true")), ""},
	{FULL, 19, POD("", CONTEXT(NO_ESCALATION "\"runAsNonRoot\":true")), "seccompProfile"},
	{FULL, 21, POD("", CONTEXT(NO_ESCALATION NOT_ROOT FILTERED)), ""},
	{FULL, 22, POD("", CONTEXT(NO_ESCALATION NOT_ROOT FILTERED)), "unrestricted capabilities"},
	{FULL, 22, POD("", CONTEXT("\"runAsUser\":0," NO_ESCALATION DROPS NOT_ROOT FILTERED)), ""},
	{FULL, 23, POD("", CONTEXT("\"runAsUser\":0," NO_ESCALATION DROPS NOT_ROOT FILTERED)), "runAsUser=0"},
	{FULL, 24, POD(WINDOWS, CONTEXT(DROPS NOT_ROOT FILTERED)), "allowPrivilegeEscalation != false"},
	{FULL, 25, POD(WINDOWS, CONTEXT("\"runAsNonRoot\":true")), ""},
	{FULL, 25, POD(WINDOWS, ""), "runAsNonRoot != true"},
	{FULL, 34,
		POD("", CONTEXT(NO_ESCALATION DROPS NOT_ROOT "\"seccompProfile\":{\"type\":\"Unconfined\"}")),
		"seccompProfile"},
};

static void test_levels(void **state)
{
	size_t wrong = 0;

	for (size_t i = 0; i < array_len(rows); i++) {
		const struct row *r = &rows[i];
		yyjson_doc *doc = yyjson_read(r->spec, strlen(r->spec), 0);
		yyjson_mut_doc *copy = yyjson_doc_mut_copy(doc, NULL);
		struct security_policy p = {r->level, r->minor};
		struct security_findings f = {0};
		size_t n = strlen(r->finds);

		assert_non_null(copy);
		security_judge(&f, &p, yyjson_mut_doc_get_root(copy));
		/* one finding: its title, and who in brackets */
		if (n ? strncmp(f.text, r->finds, n) != 0 || strncmp(f.text + n, " (", 2) != 0 ||
					strstr(f.text, "), ")
		      : f.len != 0) {
			print_message("row %zu: %s\n", i, f.text);
			wrong++;
		}
		yyjson_mut_doc_free(copy);
		yyjson_doc_free(doc);
	}
	assert_int_equal(wrong, 0);
}

/* A pod with very many containers that are all wrong: the text is cut, nothing else. */
static void test_much_is_cut(void **state)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *spec = yyjson_mut_obj(doc), *list = yyjson_mut_obj_add_arr(doc, spec, "containers");
	struct security_policy p = {SECURITY_RESTRICTED, SECURITY_LATEST};
	struct security_findings f = {0};

	for (int i = 0; i < 500; i++) {
		yyjson_mut_val *c = yyjson_mut_arr_add_obj(doc, list);

		yyjson_mut_obj_add_str(
			doc, c, "name", "a-container-whose-name-is-as-long-as-a-name-of-one-may-well-be");
	}
	security_judge(&f, &p, spec);
	assert_in_range(f.len, 1, sizeof(f.text) - 1);
	assert_int_equal(strlen(f.text), f.len);
	yyjson_mut_doc_free(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_much_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
