/* SPDX-License-Identifier: Apache-2.0 */

/* A container of a pod as the engine is asked for it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/container_env.h"
#include "agent/downward.h"
#include "agent/node.h"
#include "agent/testing.h"

static void test_expansion(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"", ""},
		{"$(A)", "1"},
		{"x$(A)y$(B)z", "x1y2z"},
		{"$(NOBODY)", "$(NOBODY)"},
		{"$$(A)", "$(A)"},
		{"$$$(A)", "$1"},
		{"$(A", "$(A"},
		{"$", "$"},
		{"a$b", "a$b"},
		{"$()", "$()"},
	};
	struct env e = {0};

	assert_int_equal(env_set(&e, "A", "0"), 0);
	assert_int_equal(env_set(&e, "B", "2"), 0);
	assert_int_equal(env_set(&e, "A", "1"), 0);
	assert_int_equal(e.n, 2);
	for (size_t i = 0; i < array_len(cases); i++) {
		char *out = env_expand(&e, cases[i].in);

		assert_string_equal(out, cases[i].out);
		free(out);
	}
	env_fini(&e);
}

static void add_service(const char *ns, const char *name, const char *ports)
{
	cleanup(freep) char *text = NULL;
	yyjson_doc *doc;

	assert_true(
		asprintf(&text,
			"{\"metadata\":{\"namespace\":\"%s\",\"name\":\"%s\"},\"spec\":{\"clusterIP\":\"10.0.0.9\",\"ports\":"
			"[%s]}}",
			ns, name, ports) > 0);
	doc = testing_doc(text);
	services_set(testing_agent.services, yyjson_doc_get_root(doc));
	yyjson_doc_free(doc);
}

static void test_services(void **state)
{
	struct pod *p = testing_pod("\"containers\":[{\"name\":\"a\"}]", "");
	struct env e = {0};
	char why[400];

	add_service("shop", "my-db", "{\"name\":\"pg\",\"port\":5432},{\"port\":53,\"protocol\":\"UDP\"}");
	add_service("other", "web", "{\"port\":80}");
	add_service("default", "kubernetes", "{\"name\":\"https\",\"port\":443}");
	assert_int_equal(env_make(&e, p, &p->containers[0], why, sizeof(why)), 0);
	assert_string_equal(env_get(&e, "MY_DB_SERVICE_HOST"), "10.0.0.9");
	assert_string_equal(env_get(&e, "MY_DB_SERVICE_PORT"), "5432");
	assert_string_equal(env_get(&e, "MY_DB_SERVICE_PORT_PG"), "5432");
	assert_string_equal(env_get(&e, "MY_DB_PORT"), "tcp://10.0.0.9:5432");
	assert_string_equal(env_get(&e, "MY_DB_PORT_53_UDP"), "udp://10.0.0.9:53");
	assert_string_equal(env_get(&e, "MY_DB_PORT_53_UDP_PROTO"), "udp");
	assert_string_equal(env_get(&e, "MY_DB_PORT_5432_TCP_ADDR"), "10.0.0.9");
	assert_string_equal(env_get(&e, "KUBERNETES_SERVICE_PORT_HTTPS"), "443");
	assert_null(env_get(&e, "WEB_SERVICE_HOST"));
	env_fini(&e);
	agent_pod_free(p);

	p = testing_pod(
		"\"enableServiceLinks\":false,\"containers\":[{\"name\":\"a\",\"env\":[{\"name\":\"X\",\"value\":"
		"\"$(KUBERNETES_SERVICE_HOST)\"},{\"name\":\"X2\",\"value\":\"$(X)!\"}]}]",
		"");
	assert_int_equal(env_make(&e, p, &p->containers[0], why, sizeof(why)), 0);
	assert_null(env_get(&e, "MY_DB_SERVICE_HOST"));
	assert_string_equal(env_get(&e, "X2"), "10.0.0.9!");
	env_fini(&e);
	agent_pod_free(p);
}

static void check_field(const struct pod *p, const char *path, const char *wanted)
{
	char *text = downward_field(p, path);

	if (wanted)
		assert_string_equal(text, wanted);
	else
		assert_null(text);
	free(text);
}

static void check_resource(const struct pod *p, const char *ref, const char *wanted)
{
	yyjson_doc *doc = testing_doc(ref);
	char *text = downward_resource(p, yyjson_doc_get_root(doc), "a");

	if (wanted)
		assert_string_equal(text, wanted);
	else
		assert_null(text);
	free(text);
	yyjson_doc_free(doc);
}

static void test_downward(void **state)
{
	struct pod *p = testing_pod(
		"\"serviceAccountName\":\"sa\",\"containers\":[{\"name\":\"a\",\"resources\":{\"limits\":{\"cpu\":"
		"\"1500m\"},\"requests\":{\"memory\":\"10Mi\"}}}]",
		"\"podIPs\":[{\"ip\":\"10.0.0.7\"},{\"ip\":\"fd00::7\"}]");
	char cpus[24];

	check_field(p, "metadata.name", "web");
	check_field(p, "metadata.namespace", "shop");
	check_field(p, "metadata.uid", "u1");
	check_field(p, "metadata.labels['app']", "web");
	check_field(p, "metadata.labels['none']", "");
	check_field(p, "metadata.labels", "app=\"web\"\ntier=\"front\"");
	check_field(p, "metadata.annotations", "");
	check_field(p, "spec.nodeName", "n1");
	check_field(p, "spec.serviceAccountName", "sa");
	check_field(p, "status.hostIP", "192.0.2.1");
	check_field(p, "status.podIP", "10.0.0.7");
	check_field(p, "status.podIPs", "10.0.0.7,fd00::7");
	check_field(p, "metadata.labels[app]", NULL);
	check_field(p, "spec.containers", NULL);
	check_resource(p, "{\"resource\":\"limits.cpu\"}", "2");
	check_resource(p, "{\"resource\":\"limits.cpu\",\"divisor\":\"1m\"}", "1500");
	check_resource(p, "{\"resource\":\"requests.memory\",\"divisor\":\"1Mi\"}", "10");
	check_resource(p, "{\"resource\":\"requests.cpu\"}", "0");
	check_resource(p, "{\"resource\":\"nothing\"}", NULL);
	check_resource(p, "{\"containerName\":\"b\",\"resource\":\"limits.cpu\"}", NULL);
	agent_pod_free(p);

	/* what the container does not say, the pod may limit as a whole; it requests nothing in the container's place */
	p = testing_pod(
		"\"resources\":{\"requests\":{\"cpu\":\"3\"},\"limits\":{\"cpu\":\"7\",\"memory\":\"30Mi\"}},"
		"\"containers\":[{\"name\":\"a\",\"resources\":{\"limits\":{\"memory\":\"20Mi\"}}}]",
		"");
	check_resource(p, "{\"resource\":\"limits.cpu\"}", "7");
	check_resource(p, "{\"resource\":\"requests.cpu\"}", "0");
	check_resource(p, "{\"resource\":\"limits.memory\",\"divisor\":\"1Mi\"}", "20");
	agent_pod_free(p);

	/* a limit of nothing is none */
	p = testing_pod("\"containers\":[{\"name\":\"a\",\"resources\":{\"limits\":{\"cpu\":\"0\"}}}]", "");
	snprintf(cpus, sizeof(cpus), "%lld", (long long)node_cpus());
	check_resource(p, "{\"resource\":\"limits.cpu\"}", cpus);
	agent_pod_free(p);
}

static const char *text_at(yyjson_mut_doc *doc, const char *pointer)
{
	return yyjson_mut_get_str(yyjson_mut_doc_ptr_get(doc, pointer)) ?: "";
}

static int64_t number_at(yyjson_mut_doc *doc, const char *pointer)
{
	return yyjson_mut_get_sint(yyjson_mut_doc_ptr_get(doc, pointer));
}

static yyjson_mut_doc *body_of(struct pod *p)
{
	char why[400];
	yyjson_mut_doc *doc = container_spec(p, &p->containers[0], why, sizeof(why));

	if (!doc)
		fail_msg("refused: %s", why);
	return doc;
}

static void test_body(void **state)
{
	struct pod *p = testing_pod(
		"\"terminationGracePeriodSeconds\":45,\"securityContext\":{\"runAsUser\":5,\"fsGroup\":7,\"supplementalGroups\":[8]},\"containers\":[{\"name\":\"a\",\"image\":"
		"\"img\",\"command\":[\"$(X)\",\"$(Y)\"],\"args\":[\"b\"],\"env\":[{\"name\":\"X\",\"value\":\"x\"}],\"resources\":{"
		"\"requests\":{\"cpu\":\"250m\"},\"limits\":{\"cpu\":\"500m\",\"memory\":\"64Mi\",\"hugepages-2Mi\":\"4Mi\"}},"
		"\"lifecycle\":{\"stopSignal\":\"SIGINT\"},\"securityContext\":{\"runAsUser\":6,\"capabilities\":{\"drop\":[\"ALL\"]},"
		"\"allowPrivilegeEscalation\":false,\"readOnlyRootFilesystem\":true,\"procMount\":\"Unmasked\"}}]",
		"");
	yyjson_mut_doc *doc;

	p->containers[0].restarts = 2;
	p->attempt = 1;
	doc = body_of(p);
	assert_string_equal(text_at(doc, "/Image"), "img");
	assert_string_equal(text_at(doc, "/Entrypoint/0"), "x");
	assert_string_equal(text_at(doc, "/Entrypoint/1"), "$(Y)");
	assert_string_equal(text_at(doc, "/Cmd/0"), "b");
	assert_string_equal(text_at(doc, "/User"), "6");
	assert_string_equal(text_at(doc, "/StopSignal"), "SIGINT");
	assert_int_equal(number_at(doc, "/StopTimeout"), 45);
	assert_string_equal(text_at(doc, "/Labels/io.kubernetes.container.name"), "a");
	assert_string_equal(text_at(doc, "/Labels/io.kubernetes.container.restartCount"), "2");
	assert_string_equal(text_at(doc, "/Labels/io.wherry.pod.attempt"), "1");
	assert_string_equal(text_at(doc, "/HostConfig/GroupAdd/0"), "8");
	assert_string_equal(text_at(doc, "/HostConfig/GroupAdd/1"), "7");
	assert_string_equal(text_at(doc, "/HostConfig/CapDrop/0"), "ALL");
	assert_string_equal(text_at(doc, "/HostConfig/SecurityOpt/0"), "no-new-privileges");
	assert_true(yyjson_mut_get_bool(yyjson_mut_doc_ptr_get(doc, "/HostConfig/ReadonlyRootfs")));
	assert_int_equal(yyjson_mut_arr_size(yyjson_mut_doc_ptr_get(doc, "/HostConfig/MaskedPaths")), 0);
	assert_true(yyjson_mut_is_arr(yyjson_mut_doc_ptr_get(doc, "/HostConfig/MaskedPaths")));
	assert_int_equal(number_at(doc, "/HostConfig/CpuShares"), 256);
	assert_int_equal(number_at(doc, "/HostConfig/CpuQuota"), 50000);
	assert_int_equal(number_at(doc, "/HostConfig/Memory"), 64 << 20);
	assert_int_equal(number_at(doc, "/HostConfig/MemorySwap"), 64 << 20);
	assert_string_equal(text_at(doc, "/HostConfig/Pod/HugepageLimits/0/PageSize"), "2MB");
	assert_int_equal(number_at(doc, "/HostConfig/Pod/HugepageLimits/0/Limit"), 4 << 20);
	yyjson_mut_doc_free(doc);
	agent_pod_free(p);
}

/* Limits that a container has not are those of its pod as a whole. */
static void test_body_of_a_limited_pod(void **state)
{
	struct pod *p = testing_pod(
		"\"resources\":{\"requests\":{\"cpu\":\"100m\",\"memory\":\"512Mi\"},\"limits\":{\"cpu\":"
		"\"200m\",\"memory\":\"640Mi\",\"hugepages-2Mi\":\"4Mi\",\"hugepages-1Gi\":\"1Gi\"}},"
		"\"containers\":[{\"name\":\"a\",\"image\":\"img\",\"resources\":{\"limits\":{"
		"\"hugepages-2Mi\":\"2Mi\"}}},{\"name\":\"b\",\"image\":\"img\"}]",
		"");
	yyjson_mut_doc *doc = body_of(p);

	assert_int_equal(number_at(doc, "/HostConfig/CpuShares"), 204);
	assert_int_equal(number_at(doc, "/HostConfig/CpuQuota"), 20000);
	assert_int_equal(number_at(doc, "/HostConfig/Memory"), 640 << 20);
	assert_int_equal(number_at(doc, "/HostConfig/OomScoreAdj"), 750);
	assert_int_equal(
		yyjson_mut_arr_size(yyjson_mut_doc_ptr_get(doc, "/HostConfig/Pod/HugepageLimits")), 2);
	assert_int_equal(number_at(doc, "/HostConfig/Pod/HugepageLimits/0/Limit"), 2 << 20);
	assert_string_equal(text_at(doc, "/HostConfig/Pod/HugepageLimits/1/PageSize"), "1GB");
	yyjson_mut_doc_free(doc);
	doc = sandbox_spec(p);
	assert_non_null(doc);
	assert_string_equal(text_at(doc, "/QOS"), "burstable");
	assert_int_equal(number_at(doc, "/Resources/CpuShares"), 102);
	assert_int_equal(number_at(doc, "/Resources/CpuQuota"), 20000);
	assert_int_equal(number_at(doc, "/Resources/Memory"), 640 << 20);
	assert_int_equal(number_at(doc, "/Resources/HugepageLimits/0/Limit"), 4 << 20);
	yyjson_mut_doc_free(doc);
	agent_pod_free(p);
}

/* What the runtime class uses is its group's, and no container's. */
static void test_body_of_a_pod_with_overhead(void **state)
{
	struct pod *p = testing_pod(
		"\"overhead\":{\"cpu\":\"100m\",\"memory\":\"64Mi\"},\"containers\":[{\"name\":\"a\",\"image\":\"img\",\"resources\":{"
		"\"requests\":{\"cpu\":\"100m\",\"memory\":\"64Mi\"},\"limits\":{\"cpu\":\"200m\",\"memory\":\"128Mi\"}}}]",
		"");
	yyjson_mut_doc *doc = sandbox_spec(p);

	assert_non_null(doc);
	assert_int_equal(number_at(doc, "/Resources/CpuShares"), 204);
	assert_int_equal(number_at(doc, "/Resources/CpuQuota"), 30000);
	assert_int_equal(number_at(doc, "/Resources/Memory"), 192 << 20);
	yyjson_mut_doc_free(doc);
	doc = body_of(p);
	assert_int_equal(number_at(doc, "/HostConfig/CpuShares"), 102);
	assert_int_equal(number_at(doc, "/HostConfig/CpuQuota"), 20000);
	assert_int_equal(number_at(doc, "/HostConfig/Memory"), 128 << 20);
	yyjson_mut_doc_free(doc);
	agent_pod_free(p);
}

static void test_images_as_volumes(void **state)
{
	struct pod *p = testing_pod(
		"\"volumes\":[{\"name\":\"v\",\"image\":{\"reference\":\"r/x:1\",\"pullPolicy\":\"Always\"}}],"
		"\"containers\":[{\"name\":\"a\",\"image\":\"img\",\"env\":[{\"name\":\"D\",\"value\":\"e/f\"}],"
		"\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/v\"},{\"name\":\"v\",\"mountPath\":\"w\",\"subPathExpr\":\"d/$(D)\"}]},"
		"{\"name\":\"b\",\"image\":\"img\",\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/v\",\"subPath\":\"../x\"}]}]",
		"");
	yyjson_mut_doc *doc = body_of(p);
	char why[400] = "";

	assert_string_equal(text_at(doc, "/HostConfig/Mounts/0/Type"), "image");
	assert_string_equal(text_at(doc, "/HostConfig/Mounts/0/Source"), "r/x:1");
	assert_string_equal(text_at(doc, "/HostConfig/Mounts/0/Target"), "/v");
	assert_true(yyjson_mut_get_bool(yyjson_mut_doc_ptr_get(doc, "/HostConfig/Mounts/0/ReadOnly")));
	assert_null(yyjson_mut_doc_ptr_get(doc, "/HostConfig/Mounts/0/ImageOptions"));
	assert_null(yyjson_mut_doc_ptr_get(doc, "/HostConfig/Mounts/0/BindOptions"));
	assert_string_equal(text_at(doc, "/HostConfig/Mounts/1/Target"), "/w");
	assert_string_equal(text_at(doc, "/HostConfig/Mounts/1/ImageOptions/Subpath"), "d/e/f");
	yyjson_mut_doc_free(doc);
	assert_null(container_spec(p, &p->containers[1], why, sizeof(why)));
	assert_non_null(strstr(why, "must not contain '..'"));
	agent_pod_free(p);
}

static void test_refused(void **state)
{
	static const struct {
		const char *container, *user, *why;
	} cases[] = {
		{"\"securityContext\":{\"runAsNonRoot\":true,\"runAsUser\":0}", "", "breaks non-root policy"},
		{"\"securityContext\":{\"runAsNonRoot\":true}", "", "image will run as root"},
		{"\"securityContext\":{\"runAsNonRoot\":true}", "0:0", "image will run as root"},
		{"\"securityContext\":{\"runAsNonRoot\":true}", "000:5", "image will run as root"},
		{"\"securityContext\":{\"runAsNonRoot\":true}", "0nginx", "non-numeric user (0nginx)"},
		{"\"securityContext\":{\"runAsNonRoot\":true}", "nginx", "non-numeric user (nginx)"},
		{"\"securityContext\":{\"runAsNonRoot\":true}", "101:101", NULL},
		{"\"securityContext\":{\"appArmorProfile\":{\"type\":\"Localhost\"}}", "", "AppArmor"},
		{"\"securityContext\":{\"seccompProfile\":{\"type\":\"Localhost\",\"localhostProfile\":\"../x\"}}",
			"", "../x"},
		{"\"volumeDevices\":[{\"name\":\"v\"}]", "", "volumeDevices"},
		{"\"targetContainerName\":\"b\"", "", "target container b"},
		{"\"env\":[{\"name\":\"A\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"status.x\"}}}]", "",
			"status.x"},
		{"\"env\":[{\"name\":\"A\",\"valueFrom\":{\"fileKeyRef\":{}}}]", "", "fileKeyRef"},
		{"\"env\":[{\"name\":\"A\",\"valueFrom\":{\"configMapKeyRef\":{\"name\":\"c\",\"key\":\"k\"}}}]",
			"", "configmap \"c\" not found"},
		{"\"env\":[{\"name\":\"A\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"c\",\"key\":\"k\",\"optional\":true}}}]",
			"", NULL},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		char spec[600], why[400] = "";
		yyjson_mut_doc *doc;
		struct pod *p;

		snprintf(spec, sizeof(spec), "\"containers\":[{\"name\":\"a\",%s}]", cases[i].container);
		p = testing_pod(spec, "");
		snprintf(p->containers[0].image_user, sizeof(p->containers[0].image_user), "%s",
			cases[i].user);
		doc = container_spec(p, &p->containers[0], why, sizeof(why));
		if (!doc != !!cases[i].why || (cases[i].why && !strstr(why, cases[i].why)))
			fail_msg("%s: %s", cases[i].container, why);
		yyjson_mut_doc_free(doc);
		agent_pod_free(p);
	}
}

static void test_sandbox(void **state)
{
	struct pod *p = testing_pod(
		"\"containers\":[{\"name\":\"a\"}],\"hostname\":\"h\",\"subdomain\":\"sub\",\"dnsConfig\":{\"options\":[{"
		"\"name\":\"ndots\",\"value\":\"2\"}]},\"hostAliases\":[{\"ip\":\"1.2.3.4\",\"hostnames\":[\"x\",\"y\"]}]",
		"\"podIPs\":[{\"ip\":\"10.0.0.7\"}]");
	yyjson_mut_doc *doc = sandbox_spec(p);

	assert_string_equal(text_at(doc, "/UID"), "u1");
	assert_string_equal(text_at(doc, "/QOS"), "besteffort");
	assert_string_equal(text_at(doc, "/Hostname"), "h");
	assert_non_null(strstr(text_at(doc, "/ResolvConf"), "nameserver 10.96.0.10\n"));
	assert_non_null(strstr(text_at(doc, "/ResolvConf"),
		"search shop.svc.cluster.local svc.cluster.local cluster.local\n"));
	assert_non_null(strstr(text_at(doc, "/ResolvConf"), "options ndots:5 ndots:2\n"));
	assert_non_null(strstr(text_at(doc, "/Hosts"), "10.0.0.7\th.sub.shop.svc.cluster.local\th\n"));
	assert_non_null(strstr(text_at(doc, "/Hosts"), "1.2.3.4\tx\ty\n"));
	assert_string_equal(text_at(doc, "/Annotations/io.wherry.agent"), "n1");
	yyjson_mut_doc_free(doc);
	agent_pod_free(p);
}

static size_t lines_of(const char *text, const char *word)
{
	size_t n = 0;

	for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		n += !strncmp(line, word, strlen(word));
	return n;
}

/* There is one line of domains to search: of several only the last one would count. */
static void test_names_are_searched_in_one_line(void **state)
{
	static const struct {
		const char *spec, *resolv; /* NULL: what is in the machine's file is in it, too */
	} cases[] = {
		{"\"dnsPolicy\":\"None\",\"dnsConfig\":{\"nameservers\":[\"192.0.2.1\"],\"searches\":[\"a.example\",\"b.example\"]}",
			"nameserver 192.0.2.1\nsearch a.example b.example\n"},
		{"\"dnsPolicy\":\"None\",\"dnsConfig\":{\"nameservers\":[\"192.0.2.1\"]}",
			"nameserver 192.0.2.1\n"},
		{"\"dnsConfig\":{\"searches\":[\"a.example\",\"b.example\"]}",
			"nameserver 10.96.0.10\nsearch shop.svc.cluster.local svc.cluster.local cluster.local a.example b.example\n"
			"options ndots:5\n"},
		{"\"dnsPolicy\":\"Default\",\"dnsConfig\":{\"searches\":[\"a.example\",\"b.example\"]}",
			NULL},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		cleanup(freep) char *spec = NULL;
		const char *resolv;
		yyjson_mut_doc *doc;
		struct pod *p;

		assert_true(asprintf(&spec, "\"containers\":[{\"name\":\"a\"}],%s", cases[i].spec) > 0);
		p = testing_pod(spec, "");
		doc = sandbox_spec(p);
		resolv = text_at(doc, "/ResolvConf");
		if (cases[i].resolv)
			assert_string_equal(resolv, cases[i].resolv);
		assert_int_equal(lines_of(resolv, "search"), i != 1);
		assert_int_equal(!strstr(resolv, " a.example b.example\n"), i == 1);
		yyjson_mut_doc_free(doc);
		agent_pod_free(p);
	}
}

static void test_hostname(void **state)
{
	static const struct {
		const char *spec, *hostname, *hosts;
	} cases[] = {
		{"", "web", "10.0.0.7\tweb\n"},
		{",\"hostname\":\"h\",\"subdomain\":\"s\",\"setHostnameAsFQDN\":true",
			"h.s.shop.svc.cluster.local", "10.0.0.7\th.s.shop.svc.cluster.local\th\n"},
		{",\"hostnameOverride\":\"over.example.com\"", "over.example.com",
			"10.0.0.7\tover.example.com\n"},
		{",\"hostname\":\"h\",\"subdomain\":\"s\",\"hostnameOverride\":\"over\"", "over",
			"10.0.0.7\tover\n"},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		char spec[300];
		struct pod *p;
		yyjson_mut_doc *doc;

		snprintf(spec, sizeof(spec), "\"containers\":[{\"name\":\"a\"}]%s", cases[i].spec);
		p = testing_pod(spec, "\"podIPs\":[{\"ip\":\"10.0.0.7\"}]");
		doc = sandbox_spec(p);
		assert_string_equal(text_at(doc, "/Hostname"), cases[i].hostname);
		if (!strstr(text_at(doc, "/Hosts"), cases[i].hosts))
			fail_msg("%s: %s", cases[i].spec, text_at(doc, "/Hosts"));
		yyjson_mut_doc_free(doc);
		agent_pod_free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_expansion),
		cmocka_unit_test(test_services),
		cmocka_unit_test(test_downward),
		cmocka_unit_test(test_body),
		cmocka_unit_test(test_body_of_a_limited_pod),
		cmocka_unit_test(test_body_of_a_pod_with_overhead),
		cmocka_unit_test(test_images_as_volumes),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_sandbox),
		cmocka_unit_test(test_names_are_searched_in_one_line),
		cmocka_unit_test(test_hostname),
	};

	return cmocka_run_group_tests(tests, NULL, testing_end);
}
