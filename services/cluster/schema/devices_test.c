/* SPDX-License-Identifier: Apache-2.0 */

/* Claims to devices and slices of them: good ones as they are completed, bad ones in upstream's words, and what a status may say. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "cluster/schema/verdict_testing.h"

/* "" when it is good; else what is wrong with it, without the words in front that are always the same. */
static void check(
	const char *kind, enum validate_scope scope, const char *before, const char *body, const char *wanted)
{
	cleanup(freep) char *got = verdict_of("resource.k8s.io/v1", kind, before, body, scope);
	const char *said = strstr(got, "invalid: ");

	said = said ? said + strlen("invalid: ") : "";
	if (strcmp(said, wanted) != 0)
		fail_msg("%s\n%s\n%s", body, said, wanted);
}

#define META	       "metadata: {name: a}\n"
#define CLAIM(devices) META "spec: {devices: {" devices "}}"
#define ONE	       "requests: [{name: r, exactly: {deviceClassName: c.example}}]"
#define EXACTLY(more)  CLAIM("requests: [{name: r, exactly: {deviceClassName: c.example, " more "}}]")
#define SLICE(more)                                                                                          \
	META "spec: {driver: d.example, pool: {name: p/q, generation: 0, resourceSliceCount: 1}, " more "}"
#define DEVICE(more) SLICE("nodeName: n, devices: [{name: d, " more "}]")
#define NO_REQUEST                                                                                           \
	"must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
#define REQUEST "spec.devices.requests[0]"
#define C_NAME                                                                                                    \
	"a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric " \
	"characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is "           \
	"'[A-Za-z_][A-Za-z0-9_]*')"
#define SUBDOMAIN                                                                                                        \
	"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start " \
	"and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "                      \
	"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
#define WAYS "`nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"

static void test_specs(void **state)
{
	static const struct {
		const char *kind, *before, *body, *wrong;
	} cases[] = {
		{"DeviceClass", NULL, META, ""},
		{"DeviceClass", META "spec: {selectors: [{cel: {expression: device.driver}}]}",
			META
			"spec: {selectors: [{cel: {expression: 'true'}}, {cel: {expression: device.driver}}]}",
			""},
		{"DeviceClass", NULL,
			META "spec: {selectors: [{cel: {expression: 'device.driver == \"d.example\"'}}]}",
			""},
		{"DeviceClass", NULL,
			META
			"spec: {selectors: [{cel: {expression: 'cel.bind(a, device.attributes[\"d.example\"], a.fast && "
			"a.firmware.isGreaterThan(semver(\"1.2.0\")))'}}]}",
			""},
		{"DeviceClass", NULL, META "spec: {selectors: [{cel: {expression: device.driver}}]}",
			"spec.selectors[0].cel.expression: Invalid value: \"device.driver\": must evaluate to bool or the unknown type, not string"},
		/* an attribute is of the type that it has */
		{"DeviceClass", NULL,
			META
			"spec: {selectors: [{cel: {expression: 'device.attributes[\"d.example\"].on'}}]}",
			""},
		{"DeviceClass", NULL, META "spec: {selectors: [{cel: {expression: 'devices'}}]}",
			"spec.selectors[0].cel.expression: Invalid value: \"devices\": compilation failed: ERROR: <input>:1:1: "
			"undeclared reference to 'devices' (in container '')"},
		{"DeviceClass", NULL, META "spec: {selectors: [{}]}",
			"spec.selectors[0].cel: Required value"},
		{"DeviceClass", NULL,
			META "spec: {config: [{opaque: {driver: d.example, parameters: {a: 1}}}]}", ""},
		{"DeviceClass", NULL, META "spec: {config: [{opaque: {driver: d.example, parameters: [1]}}]}",
			"spec.config[0].opaque.parameters: Invalid value: null: must be a valid JSON object"},
		{"DeviceClass", NULL, META "spec: {extendedResourceName: e.example/gpu}", ""},
		{"DeviceClass", NULL, META "spec: {extendedResourceName: x.kubernetes.io/gpu}",
			"spec.extendedResourceName: Invalid value: \"x.kubernetes.io/gpu\": must be a valid extended resource name"},

		{"ResourceClaim", NULL, CLAIM(ONE), ""},
		{"ResourceClaim", CLAIM(ONE), CLAIM(ONE), ""},
		{"ResourceClaim", CLAIM(ONE), META,
			"spec: Invalid value: {\"devices\":{}}: field is immutable"},
		{"ResourceClaim", NULL, CLAIM("requests: [{name: r}]"),
			REQUEST ": Required value: exactly one of `exactly` or `firstAvailable` is required"},
		{"ResourceClaim", NULL,
			CLAIM("requests: [{name: r, firstAvailable: [{name: x, deviceClassName: c}, {name: x, deviceClassName: "
			      "c}]}]"),
			REQUEST ".firstAvailable[1].name: Duplicate value: \"x\""},
		{"ResourceClaim", NULL,
			CLAIM("requests: [{name: r, exactly: {deviceClassName: c}}, {name: r, exactly: {deviceClassName: c}}]"),
			"spec.devices.requests[1].name: Duplicate value: \"r\""},
		{"ResourceClaim", NULL, EXACTLY("allocationMode: All"), ""},
		{"ResourceClaim", NULL, EXACTLY("allocationMode: All, count: 2"),
			REQUEST
			".exactly.count: Invalid value: 2: must not be specified when allocationMode is 'All'"},
		{"ResourceClaim", NULL, EXACTLY("count: -1"),
			REQUEST ".exactly.count: Invalid value: -1: must be greater than zero"},
		{"ResourceClaim", NULL, EXACTLY("allocationMode: Some"),
			REQUEST
			".exactly.allocationMode: Unsupported value: \"Some\": supported values: \"All\", "
			"\"ExactCount\""},
		{"ResourceClaim", NULL, EXACTLY("tolerations: [{operator: Exists, value: v}]"),
			REQUEST
			".exactly.tolerations[0].value: Invalid value: \"v\": must be empty for operator `Exists`"},
		{"ResourceClaim", NULL, EXACTLY("tolerations: [{value: v}]"),
			REQUEST
			".exactly.tolerations[0].key: Required value: must not be empty for operator `Equal`"},
		{"ResourceClaim", NULL,
			CLAIM(ONE ", constraints: [{requests: [r], matchAttribute: d.example/model}]"), ""},
		{"ResourceClaim", NULL,
			CLAIM(ONE ", constraints: [{requests: [s], matchAttribute: d.example/model}]"),
			"spec.devices.constraints[0].requests[0]: Invalid value: \"s\": " NO_REQUEST},
		{"ResourceClaim", NULL, CLAIM(ONE ", constraints: [{matchAttribute: model}]"),
			"spec.devices.constraints[0].matchAttribute: Invalid value: \"model\": must include a domain"},
		{"ResourceClaim", NULL,
			CLAIM(ONE ", constraints: [{matchAttribute: \"d.example/model\\0x\"}]"),
			"spec.devices.constraints[0].matchAttribute: Invalid value: \"d.example/model\\u0000x\": " C_NAME},
		{"ResourceClaim", NULL, CLAIM(ONE ", constraints: [{requests: [r]}]"),
			"spec.devices.constraints[0]: Required value: exactly one of `matchAttribute` or `distinctAttribute` is "
			"required"},
		{"ResourceClaim", NULL,
			CLAIM("requests: [{name: r, firstAvailable: [{name: x, deviceClassName: c}]}], "
			      "config: [{requests: [r/x], opaque: {driver: d.example, parameters: {}}}]"),
			""},
		{"ResourceClaim", NULL,
			CLAIM("requests: [{name: r, firstAvailable: [{name: x, deviceClassName: c}]}], "
			      "config: [{requests: [r/y], opaque: {driver: d.example, parameters: {}}}]"),
			"spec.devices.config[0].requests[0]: Invalid value: \"r/y\": " NO_REQUEST},

		{"ResourceClaimTemplate", NULL, META "spec: {spec: {devices: {" ONE "}}}", ""},
		{"ResourceClaimTemplate", META "spec: {spec: {devices: {" ONE "}}}",
			META "spec: {metadata: {labels: {a: b}}, spec: {devices: {" ONE "}}}",
			"spec: Invalid value: {\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{\"devices\":{\"requests\":[{\"name\":"
			"\"r\",\"exactly\":{\"deviceClassName\":\"c.example\",\"allocationMode\":\"ExactCount\",\"count\":1}}]}}}: field "
			"is immutable"},

		{"ResourceSlice", NULL, SLICE("nodeName: n"), ""},
		{"ResourceSlice", NULL, SLICE("allNodes: true, devices: [{name: d}]"), ""},
		{"ResourceSlice", NULL, SLICE("devices: []"), "spec: Required value: exactly one of " WAYS},
		{"ResourceSlice", NULL, SLICE("nodeName: n, allNodes: true"),
			"spec: Invalid value: null: exactly one of " WAYS ", but multiple fields are set"},
		{"ResourceSlice", NULL, SLICE("nodeName: n, allNodes: false"),
			"spec.allNodes: Invalid value: false: must be either unset or set to true"},
		{"ResourceSlice", SLICE("nodeName: n"), SLICE("nodeName: m"),
			"spec.nodeName: Invalid value: \"m\": field is immutable"},
		{"ResourceSlice", NULL,
			META
			"spec: {driver: d.example, nodeName: n, pool: {name: p, generation: -1, resourceSliceCount: 0}}",
			"[spec.pool.generation: Invalid value: -1: must be greater than or equal to 0, spec.pool.resourceSliceCount: "
			"Invalid value: 0: must be greater than zero]"},
		{"ResourceSlice", NULL, SLICE("nodeName: n, devices: [{name: d}, {name: d}]"),
			"spec.devices[1].name: Duplicate value: \"d\""},
		{"ResourceSlice", NULL,
			SLICE("nodeName: n, devices: [{name: d}], sharedCounters: [{name: s, counters: {c: {value: 1}}}]"),
			"spec: Invalid value: null: only one of `sharedCounters` or `devices` is allowed"},
		{"ResourceSlice", NULL,
			DEVICE("attributes: {model: {string: x}, e.example/size: {int: 1}, v: {version: 1.2.3-rc.1+b.01}}"),
			""},
		{"ResourceSlice", NULL, DEVICE("attributes: {1x: {string: x}}"),
			"spec.devices[0].attributes: Invalid value: \"1x\": " C_NAME},
		{"ResourceSlice", NULL, DEVICE("attributes: {x: {version: '1.2'}}"),
			"spec.devices[0].attributes[x].version: Invalid value: \"1.2\": must be a string compatible with semver.org "
			"spec 2.0.0"},
		{"ResourceSlice", NULL, DEVICE("attributes: {x: {version: 1.02.3}}"),
			"spec.devices[0].attributes[x].version: Invalid value: \"1.02.3\": must be a string compatible with semver.org "
			"spec 2.0.0"},
		{"ResourceSlice", NULL, DEVICE("attributes: {x: {version: \"1.0.0\\0x\"}}"),
			"spec.devices[0].attributes[x].version: Invalid value: \"1.0.0\\u0000x\": must be a string compatible with "
			"semver.org spec 2.0.0"},
		{"ResourceSlice", NULL,
			META
			"spec: {driver: d.example, nodeName: n, pool: {name: \"p/q\\0X\", generation: 0, resourceSliceCount: 1}}",
			"spec.pool.name: Invalid value: \"p/q\\u0000X\": " SUBDOMAIN},
		{"ResourceSlice", NULL, DEVICE("attributes: {x: {}}"),
			"spec.devices[0].attributes[x]: Invalid value: {}: exactly one value must be specified"},
		{"ResourceSlice", NULL,
			DEVICE("capacity: {memory: {value: 1Gi, requestPolicy: {default: 1Mi}}}"),
			"spec.devices[0].capacity[memory].requestPolicy: Forbidden: allowMultipleAllocations must be true"},
		{"ResourceSlice", NULL, DEVICE("nodeName: n"),
			"spec.devices[0]: Invalid value: null: `nodeName`, `nodeSelector` and `allNodes` can only be set if "
			"`perDeviceNodeSelection` is set to true in the ResourceSlice spec"},
		{"ResourceSlice", NULL,
			SLICE("perDeviceNodeSelection: true, devices: [{name: d, nodeName: n}]"), ""},
		{"ResourceSlice", NULL, DEVICE("taints: [{key: k, effect: NoSchedule}]"), ""},
		{"ResourceSlice", NULL, DEVICE("taints: [{key: k, effect: Never}]"),
			"spec.devices[0].taints[0].effect: Unsupported value: \"Never\": supported values: \"NoExecute\", "
			"\"NoSchedule\", \"None\""},
	};

	for (size_t i = 0; i < array_len(cases); i++)
		check(cases[i].kind, VALIDATE_MAIN, cases[i].before, cases[i].body, cases[i].wrong);
}

#define FOUND	     "allocation: {devices: {results: [{request: r, driver: d.example, pool: p, device: x}]}}"
#define STATUS(more) CLAIM(ONE) "\nstatus: {" more "}"
#define LEAVING(more)                                                                                        \
	"metadata: {name: a, deletionTimestamp: '2026-01-02T03:04:00Z'}\nspec: {devices: {" ONE              \
	"}}\nstatus: {" more "}"
#define USED(uid) "reservedFor: [{resource: pods, name: p, uid: " uid "}]"

static void test_status(void **state)
{
	static const struct {
		const char *before, *body, *wrong;
	} cases[] = {
		{CLAIM(ONE), STATUS("allocation: {}"), ""},
		{CLAIM(ONE), STATUS(FOUND ", " USED("u")), ""},
		{STATUS(FOUND), STATUS(FOUND), ""},
		{STATUS(FOUND), CLAIM(ONE), ""},
		{STATUS("allocation: {}"), STATUS(FOUND),
			"status.allocation: Invalid value: {\"devices\":{\"results\":[{\"request\":\"r\",\"driver\":\"d.example\","
			"\"pool\":\"p\",\"device\":\"x\"}]}}: field is immutable"},
		{CLAIM(ONE),
			STATUS("allocation: {devices: {results: [{request: s, driver: d.example, pool: p, device: x}]}}"),
			"status.allocation.devices.results[0].request: Invalid value: \"s\": " NO_REQUEST},
		{CLAIM(ONE),
			STATUS("allocation: {devices: {results: [{request: r, driver: d.example, pool: p}]}}"),
			"status.allocation.devices.results[0].device: Required value"},
		{CLAIM(ONE), STATUS(USED("u")),
			"status.reservedFor: Forbidden: may not be specified when `allocated` is not set"},
		{LEAVING(FOUND ", " USED("u")), LEAVING(FOUND ", " USED("u")), ""},
		{LEAVING(FOUND ", " USED("u")), LEAVING(FOUND ", " USED("v")),
			"status.reservedFor: Forbidden: new entries may not be added while `deallocationRequested` or "
			"`deletionTimestamp` are set"},
		{STATUS(FOUND),
			STATUS(FOUND
				", devices: [{driver: d.example, pool: p, device: x, networkData: {ips: [192.0.2.1/24]}}]"),
			""},
		{STATUS(FOUND), STATUS(FOUND ", devices: [{driver: d.example, pool: p, device: y}]"),
			"status.devices[0]: Invalid value: {\"driver\":\"d.example\",\"pool\":\"p\",\"device\":\"y\"}: must be an "
			"allocated device in the claim"},
	};

	for (size_t i = 0; i < array_len(cases); i++)
		check("ResourceClaim", VALIDATE_STATUS, cases[i].before, cases[i].body, cases[i].wrong);
}

static void test_defaults(void **state)
{
	cleanup(json_mut_docp) yyjson_mut_doc *claim = verdict_object(
		schema_find_kind("resource.k8s.io/v1", "ResourceClaim"), EXACTLY("tolerations: [{key: k}]"));
	cleanup(json_mut_docp) yyjson_mut_doc *slice =
		verdict_object(schema_find_kind("resource.k8s.io/v1", "ResourceSlice"),
			DEVICE("taints: [{key: k, effect: None}]"));
	cleanup(freep) char *text = yyjson_mut_val_write(claim->root, 0, NULL);
	cleanup(freep) char *other = yyjson_mut_val_write(slice->root, 0, NULL);

	assert_non_null(strstr(text, "\"allocationMode\":\"ExactCount\",\"count\":1"));
	assert_non_null(strstr(text, "{\"key\":\"k\",\"operator\":\"Equal\"}"));
	assert_non_null(strstr(other, "\"timeAdded\":\"20"));
}

/* ---- more than anybody may ask for */

/* The only error of @body is of this field: nobody looks into what is refused for its length. NULL: there is none. */
static void refused_once(const char *api_version, const char *kind, const char *body, const char *wanted)
{
	const struct schema_kind *k = schema_find_kind(api_version, kind);
	cleanup(json_mut_docp) yyjson_mut_doc *doc = NULL;
	struct status *s = decode_object(&doc, body, strlen(body), DECODE_JSON, k, DECODE_STRICT, NULL);
	struct field_errors e = {0};

	assert_null(s);
	validate_object(k, doc->root, NULL, VALIDATE_MAIN, &e);
	assert_int_equal(e.n, wanted ? 1 : 0);
	if (wanted)
		assert_string_equal(e.items[0].field, wanted);
	field_errors_fini(&e);
}

/* The same text @n times with a number in it, and a comma in between. */
static void repeat(FILE *f, const char *before, const char *after, size_t n, size_t names)
{
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%s%s%zu%s", i ? "," : "", before, i % names, after);
}

static void test_too_many_requests(void **state)
{
	cleanup(freep) char *body = NULL;
	size_t len;
	FILE *f = open_memstream(&body, &len);

	assert_non_null(f);
	fputs("{\"metadata\":{\"name\":\"a\"},\"spec\":{\"devices\":{\"requests\":[", f);
	/* the last one has the first one's name */
	repeat(f, "{\"exactly\":{\"deviceClassName\":\"c\",\"allocationMode\":\"All\"},\"name\":\"r", "\"}",
		20000, 19999);
	fputs("],\"constraints\":[", f);
	repeat(f, "{\"matchAttribute\":\"d.example/model\",\"requests\":[\"r", "\"]}", 32, 32);
	fputs("]}}}", f);
	assert_int_equal(fclose(f), 0);
	refused_once("resource.k8s.io/v1", "ResourceClaim", body, "spec.devices.requests");
}

static void test_too_many_names_of_requests(void **state)
{
	cleanup(freep) char *body = NULL;
	size_t len;
	FILE *f = open_memstream(&body, &len);

	assert_non_null(f);
	fputs("{\"metadata\":{\"name\":\"a\"},\"spec\":{\"devices\":{\"requests\":[{\"name\":\"r\",\"exactly\":{"
	      "\"deviceClassName\":\"c\",\"allocationMode\":\"All\"}}],\"config\":[{\"opaque\":{\"driver\":\"d.example\","
	      "\"parameters\":{}},\"requests\":[",
		f);
	repeat(f, "\"s", "\"", 20000, 19999);
	fputs("]}]}}}", f);
	assert_int_equal(fclose(f), 0);
	refused_once("resource.k8s.io/v1", "ResourceClaim", body, "spec.devices.config[0].requests");
}

/* A pod's claims are refused whatever its containers make of them. */
static void test_claims_of_a_pod(void **state)
{
	cleanup(freep) char *body = NULL;
	size_t len;
	FILE *f = open_memstream(&body, &len);

	assert_non_null(f);
	fputs("{\"metadata\":{\"name\":\"a\",\"namespace\":\"b\"},\"spec\":{\"resourceClaims\":[", f);
	repeat(f, "{\"resourceClaimName\":\"x\",\"name\":\"c", "\"}", 2000, 2000);
	fputs("],\"restartPolicy\":\"Always\",\"dnsPolicy\":\"Default\",\"containers\":[{\"name\":\"c\",\"image\":\"i\","
	      "\"imagePullPolicy\":\"Always\",\"terminationMessagePolicy\":\"File\",\"resources\":{\"claims\":[",
		f);
	repeat(f, "{\"name\":\"d", "\"}", 2000, 2000);
	fputs("]}}]}}", f);
	assert_int_equal(fclose(f), 0);
	refused_once("v1", "Pod", body, "spec.resourceClaims");
}

#define SLICE_BEGINS                                                                                                     \
	"{\"metadata\":{\"name\":\"a\"},\"spec\":{\"driver\":\"d.example\",\"nodeName\":\"n\",\"pool\":{\"name\":\"p\"," \
	"\"generation\":0,\"resourceSliceCount\":1},"
#define TAINT "\"taints\":[{\"key\":\"k\",\"effect\":\"NoSchedule\"}],"
#define TAKES "\"consumesCounters\":[{\"counterSet\":\"s\",\"counters\":{"

/* So many items go between the two. */
static void test_sizes_of_slices(void **state)
{
	static const struct {
		const char *begins, *before, *after, *ends, *wrong;
		size_t n;
	} cases[] = {
		{"\"devices\":[", "{\"name\":\"d", "\"}", "]}}", NULL, 128},
		{"\"devices\":[", "{\"name\":\"d", "\"}", "]}}", "spec.devices", 129},
		{"\"devices\":[", "{" TAINT "\"name\":\"d", "\"}", "]}}", NULL, 64},
		{"\"devices\":[", "{" TAINT "\"name\":\"d", "\"}", "]}}", "spec.devices", 65},
		{"\"devices\":[{\"name\":\"x\"," TAKES "\"c\":{\"value\":\"1\"}}}]},", "{\"name\":\"d", "\"}",
			"]}}", NULL, 63},
		{"\"devices\":[{\"name\":\"x\"," TAKES "\"c\":{\"value\":\"1\"}}}]},", "{\"name\":\"d", "\"}",
			"]}}", "spec.devices", 64},
		{"\"devices\":[{\"name\":\"x\"," TAKES, "\"c", "\":{\"value\":\"1\"}", "}}]}]}}", NULL, 32},
		{"\"devices\":[{\"name\":\"x\"," TAKES, "\"c", "\":{\"value\":\"1\"}", "}}]}]}}",
			"spec.devices[0].consumesCounters[0].counters", 33},
		{"\"sharedCounters\":[{\"name\":\"s\",\"counters\":{", "\"c", "\":{\"value\":\"1\"}", "}}]}}",
			NULL, 32},
		{"\"sharedCounters\":[{\"name\":\"s\",\"counters\":{", "\"c", "\":{\"value\":\"1\"}", "}}]}}",
			"spec.sharedCounters[0].counters", 33},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		cleanup(freep) char *body = NULL;
		size_t len;
		FILE *f = open_memstream(&body, &len);

		assert_non_null(f);
		fprintf(f, SLICE_BEGINS "%s", cases[i].begins);
		repeat(f, cases[i].before, cases[i].after, cases[i].n, cases[i].n);
		fputs(cases[i].ends, f);
		assert_int_equal(fclose(f), 0);
		refused_once("resource.k8s.io/v1", "ResourceSlice", body, cases[i].wrong);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_specs),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_too_many_requests),
		cmocka_unit_test(test_too_many_names_of_requests),
		cmocka_unit_test(test_claims_of_a_pod),
		cmocka_unit_test(test_sizes_of_slices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
