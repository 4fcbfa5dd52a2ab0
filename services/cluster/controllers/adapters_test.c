/* SPDX-License-Identifier: Apache-2.0 */

/* Autoscalers and the adapters that measure for them: one behind TLS, at an address of a network namespace of our own. */

#include "cluster/access/access.h"
#include "cluster/controllers/adapters.h"
#include "cluster/controllers/horizontalpodautoscaler.h"
#include "cluster/controllers/stories.h"
#include "cluster/controllers/usage.h"
#include "lib/http.h"
#include "lib/netns_testing.h"
#include "lib/pki_testing.h"
#include "lib/tls.h"
#include "lib/tree.h"

#define ADDRESS		   "192.0.2.1" /* one that is not of loopback's, on a loopback of our own */
#define HPA		   "autoscaling/v2", "HorizontalPodAutoscaler"
#define SAYING(name, text) SAYS("autoscaling/v2", "HorizontalPodAutoscaler", name, text)
#define API		   "apiregistration.k8s.io/v1", "APIService"
#define CUSTOM		   "custom.metrics.k8s.io"

enum { PERIOD_MS = 50, PORT = 6443, HELD_MAX = 16 };

static struct access *access_of_all;
static char dir[] = "/tmp/adapters-XXXXXX";

/* ---- the adapter */

static struct http_server *adapter;
static struct tls_config *tls;
static char *bundle;	/* base64 of its authority's certificate */
static char seen[1000]; /* the last question: its path, query, and who asks */
static size_t n_seen;
static int status = 200;   /* of its answers; 0: it holds them back */
static const char *values; /* its list's items, or the whole of what is no list; NULL: one of each pod */
static int total;	   /* thousandths, of all pods together */
static struct http_req *held[HELD_MAX];
static size_t n_held;

static void make_certificates(void)
{
	static const char *const names[] = {"adapter.default.svc"};
	struct pki_key *ca = pki_testing_authority(dir, &bundle);

	pki_testing_issue(dir, "server",
		&(struct pki_request){
			.use = PKI_SERVER, .common_name = "adapter", .names = names, .n_names = 1},
		ca);
	pki_key_free(ca);
}

struct written {
	FILE *out;
	const char *comma;
	size_t pods;
};

static bool write_pod(const struct object *o, void *arg)
{
	struct written *w = arg;

	fprintf(w->out, "%s{\"describedObject\":{\"kind\":\"Pod\",\"name\":\"%s\"},\"value\":\"%zum\"}",
		w->comma, o->name, (size_t)total / w->pods);
	w->comma = ",";
	return true;
}

/* A list of its group's, whatever it is asked for. */
static void say_list(struct http_req *q)
{
	bool external = strstr(http_raw_path(q), "external");
	struct written w = {.comma = "", .pods = registry_count(r, kind("v1", "Pod"))};
	char *text;
	size_t len;

	w.out = open_memstream(&text, &len);
	fprintf(w.out,
		"{\"kind\":\"%sMetricValueList\",\"apiVersion\":\"%s.metrics.k8s.io/v1beta1\",\"items\":[",
		external ? "External" : "", external ? "external" : "custom");
	if (values)
		fputs(values, w.out);
	else
		registry_each(r, kind("v1", "Pod"), "default", write_pod, &w);
	fputs("]}", w.out);
	fclose(w.out);
	http_reply(q, 200, "application/json", text, len);
	free(text);
}

static void on_closed(struct http_req *q, bool ok, void *arg)
{
	for (size_t i = 0; i < n_held; i++)
		if (held[i] == q) {
			held[i] = held[--n_held];
			return;
		}
}

static void serve(struct http_req *q, void *arg)
{
	static char resources[300];
	const char *path = http_raw_path(q) + strlen("/apis/"), *slash = strchr(path, '/');

	if (slash && !strchr(slash + 1, '/')) {
		snprintf(resources, sizeof(resources),
			"{\"kind\":\"APIResourceList\",\"groupVersion\":\"%s\",\"resources\":[]}", path);
		http_reply(q, 200, "application/json", resources, strlen(resources));
		return;
	}
	if (strncmp(http_raw_path(q), "/apis/", 6) != 0) {
		http_reply(q, 404, "text/plain", "no", 2);
		return;
	}
	snprintf(seen, sizeof(seen), "%s?%s %s", path, http_raw_query(q),
		http_header(q, "X-Remote-User") ?: "");
	n_seen++;
	if (!status && n_held < HELD_MAX) {
		held[n_held++] = q;
		http_on_closed(q, on_closed, NULL);
	} else if (status == 200 && (!values || *values != '!')) {
		say_list(q);
	} else {
		http_reply(q, status, "application/json", values + (*values == '!'),
			strlen(values) - (*values == '!'));
	}
}

static bool is_available(const void *name)
{
	return strstr(get(API, "", name)->json, "\"reason\":\"Passed\"");
}

/* An APIService of this group and version, which the adapter serves. */
static void register_adapter(const char *version, const char *group)
{
	char json[3000], name[100];

	snprintf(name, sizeof(name), "%s.%s", version, group);
	snprintf(json, sizeof(json),
		"{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"group\":\"%s\",\"version\":\"%s\",\"groupPriorityMinimum\":100,"
		"\"versionPriority\":%d,\"caBundle\":\"%s\",\"service\":{\"namespace\":\"default\",\"name\":\"adapter\",\"port\":443}}}",
		name, group, version, strcmp(version, "v1beta2") == 0 ? 200 : 100, bundle);
	create(API, "", json);
	until("the adapter is available", is_available, name);
}

static void begin_adapter(void)
{
	char json[700];

	assert_int_equal(http_server_new(&adapter, l, serve, NULL), 0);
	assert_int_equal(http_server_listen(adapter, server_on(-1, ADDRESS, SOCK_STREAM, PORT), tls), 0);
	create("v1", "Service", "default",
		"{\"metadata\":{\"name\":\"adapter\"},\"spec\":{\"ports\":[{\"name\":\"https\",\"port\":443}]}}");
	snprintf(json, sizeof(json),
		"{\"metadata\":{\"name\":\"adapter\",\"labels\":{\"kubernetes.io/service-name\":\"adapter\"}},"
		"\"addressType\":\"IPv4\",\"endpoints\":[{\"addresses\":[\"%s\"],\"conditions\":{\"ready\":true}}],"
		"\"ports\":[{\"name\":\"https\",\"port\":%d,\"protocol\":\"TCP\"}]}",
		ADDRESS, PORT);
	create("discovery.k8s.io/v1", "EndpointSlice", "default", json);
}

/* ---- the cluster */

static void on_roles(void *arg)
{
	*(bool *)arg = true;
	loop_quit(l, 0);
}

static void give_roles(void)
{
	bool done = false;

	access_bootstrap(access_of_all, on_roles, &done);
	wait_for_write(&done);
}

static int setup_scaling(void **state)
{
	static const struct node_trust nobody = {0};
	int err = setup(state);

	status = 200;
	values = NULL;
	total = 1000;
	*seen = '\0';
	n_seen = 0;
	if (!err)
		err = access_open(&access_of_all, &(struct access_options){.registry = r});
	return err ? err : autoscaler_new(&context.autoscaler, r, &nobody, PERIOD_MS);
}

static int teardown_scaling(void **state)
{
	autoscaler_free(take(context.autoscaler));
	until("no write is on its way", is_quiet, NULL);
	registry_uninform(&kubelet);
	scheduler_stop(scheduler);
	controllers_stop(controllers);
	access_close(access_of_all);
	registry_close(r);
	http_server_free(take(adapter));
	loop_timer_del(&limit);
	loop_free(l);
	return n_held ? -1 : 0;
}

static bool has_ready_pods(const void *arg)
{
	return number("apps/v1", "Deployment", "web", "readyReplicas") == *(const int64_t *)arg;
}

static void begin_load(void)
{
	static const int64_t one = 1;

	add_node("node-a", "8");
	create("apps/v1", "Deployment", "default",
		"{\"metadata\":{\"name\":\"web\"},\"spec\":{\"replicas\":1,\"selector\":{\"matchLabels\":{\"app\":\"web\"}},"
		"\"template\":{\"metadata\":{\"labels\":{\"app\":\"web\"}},\"spec\":{\"containers\":[{\"name\":\"c\","
		"\"image\":\"one\"}]}}}}");
	until("a pod is ready", has_ready_pods, &one);
}

static void scale(const char *target, const char *name, const char *metrics)
{
	cleanup(freep) char *json = NULL;

	assert_true(
		asprintf(&json,
			"{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"scaleTargetRef\":{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\","
			"\"name\":\"%s\"},\"maxReplicas\":6,\"behavior\":{\"scaleDown\":{\"stabilizationWindowSeconds\":0}},"
			"\"metrics\":[%s]}}",
			name, target, metrics) > 0);
	create(HPA, "default", json);
}

static void scale_by(const char *name, const char *metrics)
{
	scale("web", name, metrics);
}

#define PODS(selector, target)                                                                               \
	"{\"type\":\"Pods\",\"pods\":{\"metric\":{\"name\":\"m\"" selector                                   \
	"},\"target\":{\"type\":\"AverageValue\",\"averageValue\":\"" target "\"}}}"
#define OBJECT(version, kind, type, key, target)                                                                      \
	"{\"type\":\"Object\",\"object\":{\"metric\":{\"name\":\"m\"},\"describedObject\":{\"apiVersion\":\"" version \
	"\",\"kind\":\"" kind "\",\"name\":\"main\"},\"target\":{\"type\":\"" type "\",\"" key                        \
	"\":\"" target "\"}}}"
#define OUTSIDE(selector, type, key, target)                                                                 \
	"{\"type\":\"External\",\"external\":{\"metric\":{\"name\":\"Queue\"" selector                       \
	"},\"target\":{\"type\":\"" type "\",\"" key "\":\"" target "\"}}}"
#define LABELS "\"selector\":{\"matchLabels\":{\"a\":\"b\"}}"
#define ME     " system:serviceaccount:kube-system:horizontal-pod-autoscaler"

static bool was_asked(const void *arg)
{
	return !strcmp(seen, arg);
}

/* Each type with each aim: what is asked, and what the status and the load become of the answer. */
static void test_each_type(void **state)
{
	static const struct {
		const char *metric, *asked, *values;
		int total;
		int64_t pods;
		const char *current;
	} table[] = {
		{PODS("", "500m"), CUSTOM "/v1beta1/namespaces/default/pods/%2A/m?labelSelector=app%3Dweb" ME,
			NULL, 1000, 2,
			"\"pods\":{\"metric\":{\"name\":\"m\"},\"current\":{\"averageValue\":\"500m\"}}"},
		{PODS("," LABELS, "1"),
			CUSTOM
			"/v1beta1/namespaces/default/pods/%2A/m?labelSelector=app%3Dweb&metricLabelSelector=a%3Db" ME,
			NULL, 3000, 3, "\"current\":{\"averageValue\":\"1\"}"},
		{OBJECT("networking.k8s.io/v1", "Ingress", "Value", "value", "10"),
			CUSTOM "/v1beta1/namespaces/default/ingresses.networking.k8s.io/main/m?" ME,
			"{\"describedObject\":{\"kind\":\"Ingress\",\"name\":\"main\"},\"value\":\"20\"}", 0,
			6, "\"name\":\"main\"},\"current\":{\"value\":\"20\"}"},
		{OBJECT("v1", "Service", "AverageValue", "averageValue", "10"),
			CUSTOM "/v1beta1/namespaces/default/services/main/m?" ME,
			"{\"describedObject\":{\"kind\":\"Service\",\"name\":\"main\"},\"value\":\"30\"}", 0,
			3, "\"name\":\"main\"},\"current\":{\"averageValue\":\"10\"}"},
		{OBJECT("v1", "Namespace", "Value", "value", "20"),
			CUSTOM "/v1beta1/namespaces/default/metrics/m?" ME,
			"{\"describedObject\":{\"kind\":\"Namespace\",\"name\":\"default\"},\"value\":\"21\"}",
			0, 3, "\"current\":{\"value\":\"21\"}"},
		{OUTSIDE("," LABELS, "Value", "value", "10"),
			"external.metrics.k8s.io/v1beta1/namespaces/default/queue?labelSelector=a%3Db" ME,
			"{\"value\":\"12\"},{\"value\":\"8\"}", 0, 6, "\"current\":{\"value\":\"20\"}"},
		{OUTSIDE("", "AverageValue", "averageValue", "10"),
			"external.metrics.k8s.io/v1beta1/namespaces/default/queue?" ME,
			"{\"value\":\"12\"},{\"value\":\"8\"}", 0, 2,
			"\"current\":{\"averageValue\":\"10\"}"},
	};

	NEED_NETNS();
	begin_adapter();
	give_roles();
	register_adapter("v1beta1", CUSTOM);
	register_adapter("v1beta1", "external.metrics.k8s.io");
	begin_load();
	for (size_t i = 0; i < array_len(table); i++) {
		char name[20];

		snprintf(name, sizeof(name), "hpa%zu", i);
		values = table[i].values;
		total = table[i].total;
		scale_by(name, table[i].metric);
		until(table[i].asked, was_asked, table[i].asked);
		until("there are as many pods as it asks for", has_ready_pods, &table[i].pods);
		until("its status says what was measured", SAYING(name, table[i].current));
		until("and that it could be", SAYING(name, "ValidMetricFound"));
		delete (HPA, "default", name, PROPAGATE_BACKGROUND);
	}
}

/* The newest version that is known is asked; what it says of both is the same. */
static void test_versions(void **state)
{
	NEED_NETNS();
	begin_adapter();
	give_roles();
	register_adapter("v1beta1", CUSTOM);
	register_adapter("v1beta2", CUSTOM);
	register_adapter("v1", CUSTOM);
	begin_load();
	scale_by("a", PODS("", "1"));
	until("it asks", was_asked,
		CUSTOM "/v1beta2/namespaces/default/pods/%2A/m?labelSelector=app%3Dweb" ME);
	delete (HPA, "default", "a", PROPAGATE_BACKGROUND);
	delete (API, "", "v1beta2." CUSTOM, PROPAGATE_BACKGROUND);
	scale_by("b", PODS("", "1"));
	until("it asks", was_asked,
		CUSTOM "/v1beta1/namespaces/default/pods/%2A/m?labelSelector=app%3Dweb" ME);
}

/* What an adapter says that is no list is in the condition. */
static void test_what_fails(void **state)
{
	static char large[ADAPTERS_ANSWER_MAX + 100];
	static const struct {
		const char *metric;
		int status;
		const char *values, *reason, *why;
	} table[] = {
		{PODS("", "1"), 404,
			"{\"kind\":\"Status\",\"message\":\"the server could not find the metric m for pods\"}",
			"FailedGetPodsMetric",
			"unable to get metric m: unable to fetch metrics from custom metrics API: the server could not "
			"find the metric m for pods"},
		{PODS("", "1"), 200, "", "FailedGetPodsMetric",
			"unable to get metric m: no metrics returned from custom metrics API"},
		{PODS("", "1"), 200, "!{}", "FailedGetPodsMetric",
			"custom metrics API: the answer is no MetricValueList of custom.metrics.k8s.io"},
		{PODS("", "1"), 200, large, "FailedGetPodsMetric",
			"the answer of APIService v1beta1.custom.metrics.k8s.io is larger than 2097152 bytes"},
		{OBJECT("v1", "Service", "Value", "value", "1"), 500, "oh", "FailedGetObjectMetric",
			"unable to get metric m: Service on default main/unable to fetch metrics from custom metrics API: "
			"APIService v1beta1.custom.metrics.k8s.io answers with status 500"},
		{OBJECT("v1", "Service", "Value", "value", "1"), 200,
			"{\"describedObject\":{},\"value\":1},{\"describedObject\":{},\"value\":1}",
			"FailedGetObjectMetric", "returned 2 results when we asked for exactly one"},
		{OBJECT("v1", "Boat", "Value", "value", "1"), 200, "", "FailedGetObjectMetric",
			"unable to map kind Boat to resource"},
		{OUTSIDE("," LABELS, "Value", "value", "1"), 200, "", "FailedGetExternalMetric",
			"unable to get external metric default/Queue/&LabelSelector{MatchLabels:map[string]string{a: b,},"
			"MatchExpressions:[]LabelSelectorRequirement{},}: unable to fetch metrics from external metrics API: no "
			"external metrics API (external.metrics.k8s.io) registered"},
	};

	NEED_NETNS();
	memset(large, ' ', sizeof(large) - 1);
	large[0] = '!';
	begin_adapter();
	give_roles();
	register_adapter("v1beta1", CUSTOM);
	begin_load();
	for (size_t i = 0; i < array_len(table); i++) {
		char name[20];

		snprintf(name, sizeof(name), "hpa%zu", i);
		status = table[i].status;
		values = table[i].values;
		scale_by(name, table[i].metric);
		until(table[i].why, SAYING(name, table[i].why));
		assert_non_null(strstr(get(HPA, "default", name)->json, table[i].reason));
		delete (HPA, "default", name, PROPAGATE_BACKGROUND);
	}
}

/* Of several the largest counts; one that fails keeps the load from shrinking, not from growing. */
static void test_several(void **state)
{
	static const int64_t one = 1, three = 3;

	NEED_NETNS();
	begin_adapter();
	give_roles();
	register_adapter("v1beta1", CUSTOM);
	begin_load();
	total = 3000;
	scale_by("a", PODS("", "1") "," PODS("", "2") "," OUTSIDE("", "Value", "value", "1"));
	until("it grows", has_ready_pods, &three);
	total = 900;
	until("it says what is missing", SAYING("a", "FailedGetExternalMetric"));
	until("entries have the order of the metrics",
		SAYING("a", "\"current\":{\"averageValue\":\"300m\"}}},{\"type\":\"External\"}]"));
	assert_true(has_ready_pods(&three));
	delete (HPA, "default", "a", PROPAGATE_BACKGROUND);
	scale_by("b", PODS("", "1"));
	until("it shrinks", has_ready_pods, &one);
}

static bool holds(const void *arg)
{
	return n_held == *(const size_t *)arg;
}

/* So many metrics of an object: m0, m1... Owned. */
static char *objects(int n)
{
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	for (int i = 0; i < n; i++)
		fprintf(f,
			"%s{\"type\":\"Object\",\"object\":{\"metric\":{\"name\":\"m%d\"},\"describedObject\":{\"apiVersion\":"
			"\"v1\",\"kind\":\"Service\",\"name\":\"main\"},\"target\":{\"type\":\"Value\",\"value\":\"1\"}}}",
			i ? "," : "", i);
	assert_int_equal(fclose(f), 0);
	return text;
}

/* Few are asked at once; one that is deleted leaves nothing behind, and what does not answer is given up. */
static void test_patience(void **state)
{
	static const size_t some = ADAPTERS_AT_ONCE, one = 1, none = 0;
	cleanup(freep) char *metrics = objects(ADAPTERS_AT_ONCE + 2);

	NEED_NETNS();
	begin_adapter();
	give_roles();
	register_adapter("v1beta1", CUSTOM);
	begin_load();
	status = 0;
	scale_by("a", metrics);
	until("they wait", holds, &some);
	delete (HPA, "default", "a", PROPAGATE_BACKGROUND);
	until("nothing is asked any more", holds, &none);
	scale_by("b", PODS("", "1"));
	until("it waits", holds, &one);
	until("it is given up",
		SAYING("b",
			"APIService v1beta1.custom.metrics.k8s.io does not answer: context deadline exceeded"));
}

static bool has_seen(const void *arg)
{
	return n_seen == *(const size_t *)arg;
}

/* Who has many questions is not before who has one: turns go round. */
static void test_fairness(void **state)
{
	static const size_t some = ADAPTERS_AT_ONCE, none = 0;
	cleanup(freep) char *metrics = objects(ADAPTERS_AT_ONCE + 3);
	size_t so_far;

	NEED_NETNS();
	begin_adapter();
	give_roles();
	register_adapter("v1beta1", CUSTOM);
	begin_load();
	status = 0;
	scale_by("a", metrics);
	until("they wait", holds, &some);
	create("apps/v1", "Deployment", "default",
		"{\"metadata\":{\"name\":\"other\"},\"spec\":{\"selector\":{\"matchLabels\":{\"app\":\"other\"}},"
		"\"template\":{\"metadata\":{\"labels\":{\"app\":\"other\"}},\"spec\":{\"containers\":[{\"name\":\"c\","
		"\"image\":\"one\"}]}}}}");
	scale("other", "b", PODS("", "1"));
	scale("none", "c", PODS("", "1"));
	until("the turn of b is over, since that of c is", SAYING("c", "FailedGetScale"));
	so_far = n_seen + 1;
	http_reply(held[0], 404, "text/plain", "no", 2);
	until("there is room for one", has_seen, &so_far);
	assert_string_equal(
		seen, CUSTOM "/v1beta1/namespaces/default/pods/%2A/m?labelSelector=app%3Dother" ME);
	so_far = n_seen + 1;
	http_reply(held[0], 404, "text/plain", "no", 2);
	until("there is room for one more", has_seen, &so_far);
	assert_string_equal(seen, CUSTOM "/v1beta1/namespaces/default/services/main/m5?" ME);
	delete (HPA, "default", "a", PROPAGATE_BACKGROUND);
	delete (HPA, "default", "b", PROPAGATE_BACKGROUND);
	until("nothing is asked any more", holds, &none);
}

/* A turn asks so much and no more. */
static void test_too_many(void **state)
{
	cleanup(freep) char *metrics = objects(ADAPTERS_PER_KEY + 3);

	NEED_NETNS();
	begin_adapter();
	give_roles();
	register_adapter("v1beta1", CUSTOM);
	begin_load();
	values = "{\"describedObject\":{},\"value\":0}";
	scale_by("a", metrics);
	until("it says which was too much",
		SAYING("a",
			"unable to get metric m64: Service on default main/unable to fetch metrics from custom metrics "
			"API: too many metrics: at most 64 are asked of adapters"));
	assert_null(strstr(seen, "m64"));
	delete (HPA, "default", "a", PROPAGATE_BACKGROUND);
}

/* An adapter is asked by one who may. */
static void test_may_it(void **state)
{
	begin_load();
	scale_by("a", PODS("", "1"));
	until("it may not",
		SAYING("a",
			"unable to get metric m: unable to fetch metrics from custom metrics API: pods.custom.metrics.k8s.io "
			"\\\"*\\\" is forbidden: User \\\"system:serviceaccount:kube-system:horizontal-pod-autoscaler\\\" cannot get "
			"resource \\\"pods/m\\\" in API group \\\"custom.metrics.k8s.io\\\" in the namespace \\\"default\\\""));
	give_roles();
	until("nobody is there to be asked",
		SAYING("a", "custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered"));
}

static int group_setup(void **state)
{
	assert_non_null(mkdtemp(dir));
	make_certificates();
	if (netns_testing_enter())
		netns_testing_loopback(ADDRESS);
	tls = pki_testing_server(dir, false);
	return 0;
}

static int group_teardown(void **state)
{
	tls_config_free(tls);
	free(bundle);
	return tree_remove(AT_FDCWD, dir);
}

#define SCALING(t) cmocka_unit_test_setup_teardown(t, setup_scaling, teardown_scaling)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCALING(test_may_it),
		SCALING(test_each_type),
		SCALING(test_versions),
		SCALING(test_what_fails),
		SCALING(test_several),
		SCALING(test_patience),
		SCALING(test_fairness),
		SCALING(test_too_many),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
