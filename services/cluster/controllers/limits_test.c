/* SPDX-License-Identifier: Apache-2.0 */

/* Quotas, limit ranges and the security of pods: what a namespace lets in, as a table, and what is said of it. */

#include "cluster/controllers/stories.h"
#include "cluster/registry/quota.h"

static char answer[1200];

static void on_answer(const struct status *error, const struct object *object, void *arg)
{
	snprintf(answer, sizeof(answer), "%d %s", error ? error->code : 201, error ? error->message : "");
	loop_quit(l, 0);
}

/* The code and message of a creation, in default or of a namespace. */
static const char *try(const char *name_of_kind, const char *json)
{
	yyjson_doc *doc = yyjson_read(json, strlen(json), 0);

	assert_non_null(doc);
	*answer = 0;
	registry_create(r, &caller_self, kind("v1", name_of_kind),
		!strcmp(name_of_kind, "Namespace") ? "" : "default", yyjson_doc_mut_copy(doc, NULL), NULL,
		on_answer, NULL);
	yyjson_doc_free(doc);
	while (!*answer)
		assert_int_equal(loop_run(l), 0);
	return answer;
}

#define POD(name, resources)                                                                                 \
	"{\"metadata\":{\"name\":\"" name                                                                    \
	"\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"one\",\"resources\":{" resources "}}]}}"
/* A pod that says something as a whole. */
#define WHOLE(name, whole, resources)                                                                        \
	"{\"metadata\":{\"name\":\"" name "\"},\"spec\":{\"resources\":{" whole                              \
	"},\"containers\":[{\"name\":\"c\",\"image\":\"one\",\"resources\":{" resources "}}]}}"
#define CPU(n) "\"cpu\":\"" n "\""
#define CLAIM(name, size)                                                                                    \
	"{\"metadata\":{\"name\":\"" name                                                                    \
	"\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],\"resources\":{\"requests\":{\"storage\":\"" size \
	"\"}}}}"

struct row {
	const char *kind, *json, *answer; /* what it must contain */
};

static void all_of(const struct row *table, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strstr(try(table[i].kind, table[i].json), table[i].answer))
			fail_msg("row %zu: %s", i, answer);
}

static void test_quota(void **state)
{
	static const struct row table[] = {
		{"Pod", POD("a", ""),
			"403 pods \"a\" is forbidden: failed quota: q: must specify requests.cpu for: c"},
		{"Pod", POD("a", "\"requests\":{\"cpu\":\"1\"}"), "201"},
		{"Pod", POD("b", "\"requests\":{\"cpu\":\"1500m\"}"),
			"exceeded quota: q, requested: requests.cpu=1500m, used: requests.cpu=1, limited: requests.cpu=2"},
		{"Pod", POD("b", "\"requests\":{\"cpu\":\"1\"}"), "201"},
		{"Pod", POD("d", "\"requests\":{\"cpu\":\"0\"}"),
			"requested: pods=1, used: pods=2, limited: pods=2"},
		{"ConfigMap", "{\"metadata\":{\"name\":\"one\"}}", "201"},
		{"ConfigMap", "{\"metadata\":{\"name\":\"two\"}}", "limited: count/configmaps=2"},
		{"PersistentVolumeClaim", CLAIM("a", "3Gi"), "limited: requests.storage=2Gi"},
		{"PersistentVolumeClaim", CLAIM("a", "2Gi"), "201"},
		{"Service",
			"{\"metadata\":{\"name\":\"a\"},\"spec\":{\"type\":\"NodePort\",\"ports\":[{\"port\":80}]}}",
			"limited: services.nodeports=0"},
	};

	until("the namespace has what is everybody's", SAYS("v1", "ConfigMap", "kube-root-ca.crt", "ca.crt"));
	create("v1", "ResourceQuota", "default",
		"{\"metadata\":{\"name\":\"q\"},\"spec\":{\"hard\":{\"pods\":\"2\",\"requests.cpu\":\"2\",\"count/configmaps\":\"2\","
		"\"requests.storage\":\"2Gi\",\"services.nodeports\":\"0\"}}}");
	all_of(table, array_len(table));
	until("it says what is used",
		SAYS("v1", "ResourceQuota", "q",
			"\"used\":{\"pods\":\"2\",\"requests.cpu\":\"2\",\"count/configmaps\":\"2\","
			"\"requests.storage\":\"2Gi\",\"services.nodeports\":\"0\"}"));
	delete ("v1", "Pod", "default", "a", PROPAGATE_BACKGROUND);
	until("less when one has gone",
		SAYS("v1", "ResourceQuota", "q", "\"used\":{\"pods\":\"1\",\"requests.cpu\":\"1\""));
	assert_non_null(strstr(try("Pod", POD("d", "\"requests\":{\"cpu\":\"1\"}")), "201"));
}

/* What pods say as a whole counts, and then their containers need not say anything. */
static void test_quota_of_whole_pods(void **state)
{
	static const struct row table[] = {
		{"Pod", WHOLE("a", "\"limits\":{\"cpu\":\"1500m\"}", ""), "201"},
		{"Pod", WHOLE("b", "\"limits\":{\"cpu\":\"2\"}", "\"requests\":{\"cpu\":\"600m\"}"),
			"exceeded quota: q, requested: requests.cpu=600m, used: requests.cpu=1500m, limited: requests.cpu=2"},
		{"Pod", WHOLE("b", "\"requests\":{\"cpu\":\"500m\"}", "\"limits\":{\"memory\":\"16Mi\"}"),
			"201"},
	};

	until("the namespace has what is everybody's", SAYS("v1", "ConfigMap", "kube-root-ca.crt", "ca.crt"));
	create("v1", "ResourceQuota", "default",
		"{\"metadata\":{\"name\":\"q\"},\"spec\":{\"hard\":{\"requests.cpu\":\"2\",\"limits.memory\":\"1Gi\"}}}");
	all_of(table, array_len(table));
	until("it says what is used",
		SAYS("v1", "ResourceQuota", "q",
			"\"used\":{\"requests.cpu\":\"2\",\"limits.memory\":\"16Mi\"}"));
}

/* What a runtime class uses beside the containers is requested, and limits what is limited. */
static void test_quota_with_overhead(void **state)
{
#define OVER(resources, whole)                                                                               \
	"{\"spec\":{\"overhead\":{\"cpu\":\"100m\"}," whole                                                  \
	"\"containers\":[{\"name\":\"c\",\"resources\":{" resources "}}]}}"
	static const struct {
		const char *pod;
		int requests, limits; /* thousandths of cpu */
	} table[] = {
		{OVER("", ""), 100, 0},
		{OVER("\"requests\":{\"cpu\":\"1\"}", ""), 1100, 0},
		{OVER("\"requests\":{\"cpu\":\"1\"},\"limits\":{\"cpu\":\"2\"}", ""), 1100, 2100},
		{OVER("\"limits\":{\"cpu\":\"0\"}", ""), 100, 0},
		{OVER("", "\"resources\":{\"requests\":{\"cpu\":\"1\"},\"limits\":{\"cpu\":\"2\"}},"), 1100,
			2100},
	};

	for (size_t i = 0; i < array_len(table); i++) {
		yyjson_doc *pod = yyjson_read(table[i].pod, strlen(table[i].pod), 0);
		yyjson_val *root = yyjson_doc_get_root(pod);

		assert_non_null(root);
		assert_int_equal(
			quota_takes("requests.cpu", kind("v1", "Pod"), root) / 1000000, table[i].requests);
		assert_int_equal(
			quota_takes("limits.cpu", kind("v1", "Pod"), root) / 1000000, table[i].limits);
		yyjson_doc_free(pod);
	}
#undef OVER
}

/* Which objects a scope is about. */
static void test_quota_scopes(void **state)
{
#define TERM(more) "{\"topologyKey\":\"t\",\"labelSelector\":{}" more "}"
#define REQUIRED(w, t)                                                                                       \
	"{\"spec\":{\"affinity\":{\"" w "\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[" t "]}}}}"
#define PREFERRED(w, t)                                                                                      \
	"{\"spec\":{\"affinity\":{\"" w                                                                      \
	"\":{\"preferredDuringSchedulingIgnoredDuringExecution\":[{\"weight\":1,\"podAffinityTerm\":" t      \
	"}]}}}}"
#define SCOPE(name) "{\"scopes\":[\"" name "\"]}"
#define TERMS(name, op, values)                                                                              \
	"{\"scopeSelector\":{\"matchExpressions\":[{\"scopeName\":\"" name "\",\"operator\":\"" op           \
	"\"" values "}]}}"
	static const char crossing[] = SCOPE("CrossNamespacePodAffinity"),
			  of_class[] = SCOPE("VolumeAttributesClass"),
			  gold[] = TERMS("VolumeAttributesClass", "In", ",\"values\":[\"gold\"]"),
			  not_gold[] = TERMS("VolumeAttributesClass", "NotIn", ",\"values\":[\"gold\"]"),
			  without[] = TERMS("VolumeAttributesClass", "DoesNotExist", "");
	static const struct {
		const char *quota, *kind, *object;
		bool counts;
	} table[] = {
		{crossing, "Pod", REQUIRED("podAffinity", TERM("")), false},
		{crossing, "Pod", REQUIRED("podAffinity", TERM(",\"namespaces\":[]")), false},
		{crossing, "Pod", REQUIRED("podAffinity", TERM(",\"namespaces\":[\"n\"]")), true},
		{crossing, "Pod", REQUIRED("podAffinity", TERM("") "," TERM(",\"namespaceSelector\":{}")),
			true},
		{crossing, "Pod", REQUIRED("podAntiAffinity", TERM("")), false},
		{crossing, "Pod", REQUIRED("podAntiAffinity", TERM(",\"namespaceSelector\":{}")), true},
		{crossing, "Pod", PREFERRED("podAffinity", TERM("")), false},
		{crossing, "Pod", PREFERRED("podAffinity", TERM(",\"namespaces\":[\"n\"]")), true},
		{crossing, "Pod", PREFERRED("podAntiAffinity", TERM(",\"namespaces\":[\"n\"]")), true},
		{crossing, "Pod", "{\"spec\":{}}", false},
		{crossing, "PersistentVolumeClaim", "{\"spec\":{}}", false},
		{of_class, "Pod", "{\"spec\":{}}", false},
		{of_class, "PersistentVolumeClaim", "{\"spec\":{}}", false},
		{of_class, "PersistentVolumeClaim", "{\"spec\":{\"volumeAttributesClassName\":\"gold\"}}",
			true},
		{gold, "PersistentVolumeClaim", "{\"spec\":{\"volumeAttributesClassName\":\"gold\"}}", true},
		{gold, "PersistentVolumeClaim", "{\"spec\":{\"volumeAttributesClassName\":\"tin\"}}", false},
		{gold, "PersistentVolumeClaim",
			"{\"spec\":{\"volumeAttributesClassName\":\"tin\"},\"status\":{\"currentVolumeAttributesClassName\":\"gold\"}}",
			true},
		{gold, "PersistentVolumeClaim",
			"{\"spec\":{},\"status\":{\"modifyVolumeStatus\":{\"targetVolumeAttributesClassName\":\"gold\"}}}",
			true},
		{gold, "PersistentVolumeClaim", "{\"spec\":{}}", false},
		{not_gold, "PersistentVolumeClaim", "{\"spec\":{}}", true},
		{not_gold, "PersistentVolumeClaim", "{\"spec\":{\"volumeAttributesClassName\":\"gold\"}}",
			false},
		{without, "PersistentVolumeClaim", "{\"spec\":{}}", true},
		{without, "PersistentVolumeClaim", "{\"spec\":{\"volumeAttributesClassName\":\"gold\"}}",
			false},
		{of_class, "ConfigMap", "{}", false},
	};

	for (size_t i = 0; i < array_len(table); i++) {
		yyjson_doc *quota = yyjson_read(table[i].quota, strlen(table[i].quota), 0),
			   *object = yyjson_read(table[i].object, strlen(table[i].object), 0);

		assert_true(quota && object);
		if (quota_counts(yyjson_doc_get_root(quota), kind("v1", table[i].kind),
			    yyjson_doc_get_root(object)) != table[i].counts)
			fail_msg("row %zu", i);
		yyjson_doc_free(quota);
		yyjson_doc_free(object);
	}
#undef TERM
#undef REQUIRED
#undef PREFERRED
#undef SCOPE
#undef TERMS
}

static int answers[2], n_answers;

static void on_one_of_two(const struct status *error, const struct object *object, void *arg)
{
	answers[n_answers++] = error ? error->code : 201;
	loop_quit(l, 0);
}

/* Two that are on their way at once do not share the last place. */
static void test_quota_at_once(void **state)
{
	static const char *const both[] = {
		"{\"metadata\":{\"name\":\"a\"}}", "{\"metadata\":{\"name\":\"b\"}}"};

	create("v1", "ResourceQuota", "default",
		"{\"metadata\":{\"name\":\"q\"},\"spec\":{\"hard\":{\"secrets\":\"1\"}}}");
	n_answers = 0;
	for (size_t i = 0; i < 2; i++) {
		yyjson_doc *doc = yyjson_read(both[i], strlen(both[i]), 0);

		registry_create(r, &caller_self, kind("v1", "Secret"), "default",
			yyjson_doc_mut_copy(doc, NULL), NULL, on_one_of_two, NULL);
		yyjson_doc_free(doc);
	}
	while (n_answers < 2)
		assert_int_equal(loop_run(l), 0);
	assert_int_equal(answers[0] + answers[1], 201 + 403);
}

static void test_limits(void **state)
{
	static const struct row table[] = {
		{"Pod", POD("a", ""), "201"},
		{"Pod", POD("b", "\"requests\":{\"cpu\":\"50m\"}"),
			"403 pods \"b\" is forbidden: [minimum cpu usage per Container is 100m, but request is 50m, "},
		{"Pod", POD("c", "\"requests\":{\"cpu\":\"1\"},\"limits\":{\"cpu\":\"3\"}"),
			"[maximum cpu usage per Container is 2, but limit is 3, maximum cpu usage per Pod is 2, but limit is 3]"},
		{"Pod", POD("d", "\"requests\":{\"cpu\":\"100m\"},\"limits\":{\"cpu\":\"2\"}"),
			"cpu max limit to request ratio per Container is 4, but provided ratio is 20.000000"},
		{"PersistentVolumeClaim", CLAIM("a", "512Mi"),
			"minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 512Mi"},
		{"PersistentVolumeClaim", CLAIM("a", "1Gi"), "201"},
	};

	create("v1", "LimitRange", "default",
		"{\"metadata\":{\"name\":\"l\"},\"spec\":{\"limits\":[{\"type\":\"Container\",\"min\":{\"cpu\":\"100m\"},\"max\":{\"cpu\":\"2\"},"
		"\"default\":{\"cpu\":\"400m\"},\"defaultRequest\":{\"cpu\":\"200m\"},\"maxLimitRequestRatio\":{\"cpu\":\"4\"}},"
		"{\"type\":\"Pod\",\"max\":{\"cpu\":\"2\"}},{\"type\":\"PersistentVolumeClaim\",\"min\":{\"storage\":\"1Gi\"}}]}}");
	all_of(table, array_len(table));
	assert_true(says((const char *const[]){"v1", "Pod", "a",
		"\"resources\":{\"limits\":{\"cpu\":\"400m\"},\"requests\":{\"cpu\":\"200m\"}}"}));
}

/* Pods are held to what they say as a whole; their containers get defaults all the same. */
static void test_limits_of_whole_pods(void **state)
{
	static const struct row table[] = {
		{"Pod", WHOLE("a", "\"limits\":{\"memory\":\"64Mi\"}", ""), "201"},
		{"Pod", WHOLE("b", "\"limits\":{\"memory\":\"65Mi\"}", ""),
			"maximum memory usage per Pod is 64Mi, but limit is 65Mi"},
		{"Pod", WHOLE("c", "\"limits\":{\"memory\":\"64Mi\"},\"requests\":{\"memory\":\"16Mi\"}", ""),
			"minimum memory usage per Pod is 32Mi, but request is 16Mi"},
		{"Pod", WHOLE("d", "\"limits\":{\"cpu\":\"2\"}", "\"limits\":{\"memory\":\"65Mi\"}"),
			"maximum memory usage per Pod is 64Mi, but limit is 65Mi"},
		{"Pod",
			WHOLE("e",
				"\"limits\":{\"cpu\":\"100m\",\"memory\":\"64Mi\"},\"requests\":{\"cpu\":\"100m\"}",
				""),
			"spec.resources.requests[cpu]: Invalid value: \"100m\": must be greater than or equal to aggregate "
			"container requests of 200m"},
	};

	create("v1", "LimitRange", "default",
		"{\"metadata\":{\"name\":\"l\"},\"spec\":{\"limits\":[{\"type\":\"Container\",\"defaultRequest\":{\"cpu\":\"200m\"}},"
		"{\"type\":\"Pod\",\"min\":{\"memory\":\"32Mi\"},\"max\":{\"memory\":\"64Mi\"}}]}}");
	all_of(table, array_len(table));
}

/* Containers together, beside their sidecars, or an init container that takes more; those that say nothing count for nothing. */
static void test_limits_of_sums(void **state)
{
#define SUMS(name, inits, containers)                                                                        \
	"{\"metadata\":{\"name\":\"" name "\"},\"spec\":{\"initContainers\":[" inits                         \
	"],\"containers\":[" containers "]}}"
#define ONE(name, more, r, l)                                                                                \
	"{\"name\":\"" name "\",\"image\":\"i\"," more "\"resources\":{\"requests\":{" r "},\"limits\":{" l  \
	"}}}"
#define SIDECAR "\"restartPolicy\":\"Always\","
	static const struct row table[] = {
		{"Pod", SUMS("a", "", ONE("x", "", "", CPU("1")) "," ONE("y", "", "", "")), "201"},
		{"Pod", SUMS("b", "", ONE("x", "", "", "") "," ONE("y", "", "", "")),
			"[minimum cpu usage per Pod is 100m.  No request is specified, maximum cpu usage per Pod is 2.  No limit"},
		{"Pod", SUMS("b", "", ONE("x", "", "", CPU("1")) "," ONE("y", "", "", CPU("1100m"))),
			"maximum cpu usage per Pod is 2, but limit is 2100m"},
		{"Pod", SUMS("b", "", ONE("x", "", "", CPU("1")) "," ONE("y", "", CPU("1500m"), "")),
			"maximum cpu usage per Pod is 2, but request is 2500m"},
		{"Pod", SUMS("b", "", ONE("x", "", "", CPU("50m")) "," ONE("y", "", CPU("1"), "")),
			"minimum cpu usage per Pod is 100m, but limit is 50m"},
		{"Pod", SUMS("b", ONE("s", SIDECAR, "", CPU("1500m")), ONE("x", "", "", CPU("1"))),
			"maximum cpu usage per Pod is 2, but limit is 2500m"},
		{"Pod", SUMS("b", ONE("i", "", "", CPU("3")), ONE("x", "", "", CPU("1"))),
			"maximum cpu usage per Pod is 2, but limit is 3"},
		{"Pod", SUMS("c", ONE("i", "", "", CPU("2")), ONE("x", "", "", CPU("2"))), "201"},
	};

	create("v1", "LimitRange", "default",
		"{\"metadata\":{\"name\":\"l\"},\"spec\":{\"limits\":[{\"type\":\"Pod\",\"min\":{\"cpu\":\"100m\"},"
		"\"max\":{\"cpu\":\"2\"}}]}}");
	all_of(table, array_len(table));
#undef SUMS
#undef ONE
#undef SIDECAR
}

/* The overhead of a pod is not held to limit ranges. */
static void test_limits_without_overhead(void **state)
{
	static const struct row table[] = {
		{"Pod",
			"{\"metadata\":{\"name\":\"a\"},\"spec\":{\"runtimeClassName\":\"large\",\"containers\":[{\"name\":\"c\",\"image\":"
			"\"i\",\"resources\":{\"limits\":{\"cpu\":\"2\"}}}]}}",
			"201"},
	};

	create("node.k8s.io/v1", "RuntimeClass", "",
		"{\"metadata\":{\"name\":\"large\"},\"handler\":\"runc\",\"overhead\":{\"podFixed\":{\"cpu\":\"1\"}}}");
	create("v1", "LimitRange", "default",
		"{\"metadata\":{\"name\":\"l\"},\"spec\":{\"limits\":[{\"type\":\"Pod\",\"max\":{\"cpu\":\"2\"}}]}}");
	all_of(table, array_len(table));
}

static char warning[2400];

static void on_warning(const char *text, void *arg)
{
	snprintf(warning, sizeof(warning), "%s", text);
}

static void label_namespace(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *labels)
{
	yyjson_doc *d = yyjson_read(labels, strlen(labels), 0);
	yyjson_val *key, *value;
	size_t i, n;

	json_obj_foreach (yyjson_doc_get_root(d), i, n, key, value)
		assert_true(meta_put(doc, meta_make(doc, root, "metadata", "labels", NULL),
			yyjson_mut_get_str(yyjson_val_mut_copy(doc, key)), yyjson_val_mut_copy(doc, value)));
	yyjson_doc_free(d);
}

static char warnings[8000];

static void on_one_of_them(const char *text, void *arg)
{
	size_t n = strlen(warnings);

	snprintf(warnings + n, sizeof(warnings) - n, "%s\n", text);
}

/* Labels of default; what its writer is told. */
static void relabel(const char *labels)
{
	struct edit e = {.fn = label_namespace, .arg = labels};

	*warnings = '\0';
	registry_modify(r, &caller_self, kind("v1", "Namespace"), "", "default", false, do_edit,
		&(struct write_options){.warn = on_one_of_them}, on_edited, &e);
	wait_for_write(&e.done);
}

#define LABELLED(name, label, value)                                                                         \
	"{\"metadata\":{\"name\":\"" name "\",\"labels\":{\"pod-security.kubernetes.io/" label "\":\"" value \
	"\"}}}"
#define SECURE(name, spec, container)                                                                        \
	"{\"metadata\":{\"name\":\"" name "\"},\"spec\":{" spec                                              \
	"\"containers\":[{\"name\":\"c\",\"image\":\"one\"" container "}]}}"
#define CONTEXT(members) ",\"securityContext\":{" members "}"
#define GOOD                                                                                                         \
	"\"allowPrivilegeEscalation\":false,\"runAsNonRoot\":true,\"seccompProfile\":{\"type\":\"RuntimeDefault\"}," \
	"\"capabilities\":{\"drop\":[\"ALL\"]}"

static void test_baseline(void **state)
{
	static const struct row table[] = {
		{"Pod", SECURE("a", "", ""), "201"},
		{"Pod", SECURE("b", "\"hostNetwork\":true,", ""),
			"403 pods \"b\" is forbidden: violates PodSecurity \"baseline:latest\": host namespaces"},
		{"Pod", SECURE("b", "", CONTEXT("\"privileged\":true")),
			"privileged (container \"c\" must not set securityContext.privileged=true)"},
		{"Pod", SECURE("b", "", CONTEXT("\"capabilities\":{\"add\":[\"SYS_ADMIN\"]}")),
			"non-default capabilities"},
		{"Pod", SECURE("c", "", CONTEXT("\"capabilities\":{\"add\":[\"CHOWN\"]}")), "201"},
		{"Pod", SECURE("b", "\"volumes\":[{\"name\":\"v\",\"hostPath\":{\"path\":\"/\"}}],", ""),
			"hostPath volumes"},
		{"Pod", SECURE("b", "", ",\"ports\":[{\"containerPort\":80,\"hostPort\":80}]"), "hostPort"},
		{"Pod", SECURE("b", "", CONTEXT("\"seccompProfile\":{\"type\":\"Unconfined\"}")),
			"seccompProfile"},
		{"Pod",
			SECURE("b",
				"\"securityContext\":{\"sysctls\":[{\"name\":\"kernel.msgmax\",\"value\":\"1\"}]},",
				""),
			"forbidden sysctls"},
	};

	edit("v1", "Namespace", "", "default", label_namespace,
		"{\"pod-security.kubernetes.io/enforce\":\"baseline\"}");
	all_of(table, array_len(table));
}

static void test_restricted(void **state)
{
	static const struct row table[] = {
		{"Pod", SECURE("a", "", ""), "allowPrivilegeEscalation != false (container \"c\" must set"},
		{"Pod", SECURE("a", "", ""), "unrestricted capabilities"},
		{"Pod", SECURE("a", "", ""), "runAsNonRoot != true (pod or container \"c\" must set"},
		{"Pod", SECURE("a", "", CONTEXT(GOOD)), "201"},
		{"Pod", SECURE("b", "", CONTEXT(GOOD ",\"runAsUser\":0")), "runAsUser=0"},
		{"Pod", SECURE("b", "\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}],", CONTEXT(GOOD)), "201"},
		{"Pod",
			SECURE("c",
				"\"volumes\":[{\"name\":\"v\",\"nfs\":{\"server\":\"s\",\"path\":\"/\"}}],",
				CONTEXT(GOOD)),
			"restricted volume types"},
	};

	edit("v1", "Namespace", "", "default", label_namespace,
		"{\"pod-security.kubernetes.io/enforce\":\"restricted\"}");
	all_of(table, array_len(table));
}

/* A workload is let in, but it is said what would become of its pods. */
static void test_warned(void **state)
{
	static const char json[] =
		"{\"metadata\":{\"name\":\"w\"},\"spec\":{\"selector\":{\"matchLabels\":{\"a\":\"b\"}},\"template\":{"
		"\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{\"hostPID\":true,\"containers\":[{\"name\":\"c\","
		"\"image\":\"one\"}]}}}}";
	yyjson_doc *doc = yyjson_read(json, strlen(json), 0);

	edit("v1", "Namespace", "", "default", label_namespace,
		"{\"pod-security.kubernetes.io/warn\":\"baseline\"}");
	*warning = *answer = 0;
	registry_create(r, &caller_self, kind("apps/v1", "Deployment"), "default",
		yyjson_doc_mut_copy(doc, NULL), &(struct write_options){.warn = on_warning}, on_answer, NULL);
	yyjson_doc_free(doc);
	while (!*answer)
		assert_int_equal(loop_run(l), 0);
	assert_non_null(strstr(answer, "201"));
	assert_non_null(strstr(warning, "would violate PodSecurity \"baseline:latest\": host namespaces"));
}

/* A label that is no level would let everything in unseen: it is refused. An older version asks for what it knew. */
static void test_labels_of_namespaces(void **state)
{
	static const struct row table[] = {
		{"Namespace", LABELLED("a", "enforce", "restrictive"),
			"422 Namespace \"a\" is invalid: metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "
			"\"restrictive\": must be one of privileged, baseline, restricted"},
		{"Namespace", LABELLED("a", "warn", ""), "422 "},
		{"Namespace", LABELLED("a", "audit-version", "v1.034"),
			"metadata.labels[pod-security.kubernetes.io/audit-version]: Invalid value: \"v1.034\": must be \"latest\" or "
			"\"v1.x\""},
		{"Namespace", LABELLED("a", "enforce-version", "1.34"), "422 "},
		{"Namespace", LABELLED("a", "enforce-version", "v1.34"), "201"},
	};
	static const struct row older[] = {
		{"Pod", SECURE("s", "", CONTEXT("\"allowPrivilegeEscalation\":false,\"runAsNonRoot\":true")),
			"201"},
		{"Pod", SECURE("t", "", ""),
			"violates PodSecurity \"restricted:v1.18\": allowPrivilegeEscalation != false"},
	};

	all_of(table, array_len(table));
	edit("v1", "Namespace", "", "default", label_namespace,
		"{\"pod-security.kubernetes.io/enforce\":\"restricted\",\"pod-security.kubernetes.io/enforce-version\":\"v1.18\"}");
	all_of(older, array_len(older));
}

/* Who tightens a namespace is told which of its pods would not get in again. */
static void test_pods_that_are_there(void **state)
{
	static const struct row pods[] = {
		{"Pod", SECURE("a", "", ""), "201"},
		{"Pod", SECURE("b", "", ""), "201"},
		{"Pod", SECURE("c", "\"hostPID\":true,", ""), "201"},
	};

	all_of(pods, array_len(pods));
	relabel("{\"pod-security.kubernetes.io/enforce\":\"baseline\"}");
	assert_string_equal(warnings,
		"existing pods in namespace \"default\" violate the new PodSecurity enforce level \"baseline:latest\"\n"
		"c: host namespaces (pod must not set hostNetwork, hostPID or hostIPC to true)\n");
	relabel("{\"pod-security.kubernetes.io/enforce\":\"restricted\"}");
	assert_non_null(strstr(warnings, "\na (and 1 other pod): allowPrivilegeEscalation != false"));
	assert_non_null(strstr(warnings, "\nc: host namespaces"));
	relabel("{\"pod-security.kubernetes.io/enforce\":\"baseline\"}");
	assert_string_equal(warnings, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(test_quota),
		STORY(test_quota_of_whole_pods),
		STORY(test_quota_with_overhead),
		STORY(test_quota_scopes),
		STORY(test_quota_at_once),
		STORY(test_limits),
		STORY(test_limits_of_whole_pods),
		STORY(test_limits_of_sums),
		STORY(test_limits_without_overhead),
		STORY(test_baseline),
		STORY(test_restricted),
		STORY(test_warned),
		STORY(test_labels_of_namespaces),
		STORY(test_pods_that_are_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
