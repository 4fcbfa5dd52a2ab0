/* SPDX-License-Identifier: Apache-2.0 */

/* What may change of a pod that is there, and of the containers that are added to look into it, in upstream's words. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "cluster/schema/verdict_testing.h"

#define POD(spec)   "metadata: {name: a, namespace: d}\nspec: {containers: [{name: c, image: i}]" spec "}"
#define BAD(text)   "Pod \"a\" is invalid: " text
#define GATED(more) POD(", schedulingGates: [{name: g}]" more)
#define NODES(terms)                                                                                                    \
	GATED(", affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [" terms \
	      "]}}}")
#define IN(key) "{key: " key ", operator: Exists}"
#define TERMS	"spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
#define OTHER_FIELDS                                                                                                           \
	BAD("spec: Forbidden: pod updates may not change fields other than "                                                   \
	    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only " \
	    "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was "      \
	    "previously negative)")
#define LOOK(more) POD(", ephemeralContainers: [{name: e, image: i" more "}]")
#define AT(field)  "spec.ephemeralContainers[0]." field ": Forbidden: cannot be set for an Ephemeral Container"

static const struct {
	enum validate_scope scope;
	const char *before, *now, *verdict;
} cases[] = {
	{VALIDATE_MAIN, GATED(""), POD(""), "valid"},
	{VALIDATE_MAIN, POD(""), GATED(""), OTHER_FIELDS},
	{VALIDATE_MAIN, POD(""), POD(", nodeSelector: {a: b}"), OTHER_FIELDS},
	/* while gates hold it back it may be narrowed */
	{VALIDATE_MAIN, GATED(""), GATED(", nodeSelector: {a: b}"), "valid"},
	{VALIDATE_MAIN, GATED(", nodeSelector: {a: b}"), GATED(", nodeSelector: {a: b, c: d}"), "valid"},
	{VALIDATE_MAIN, GATED(", nodeSelector: {a: b}"), GATED(", nodeSelector: {a: c}"),
		BAD("spec.nodeSelector: Invalid value: {\"a\":\"c\"}: only additions to spec.nodeSelector are allowed (no "
		    "mutations or deletions)")},
	{VALIDATE_MAIN, GATED(", nodeSelector: {a: b}"), GATED(""),
		BAD("spec.nodeSelector: Invalid value: null: only additions to spec.nodeSelector are allowed (no mutations or "
		    "deletions)")},
	{VALIDATE_MAIN, GATED(""), NODES("{matchExpressions: [" IN("a") "]}"), "valid"},
	{VALIDATE_MAIN, NODES("{matchExpressions: [" IN("a") "]}"),
		NODES("{matchExpressions: [" IN("a") ", " IN("b") "]}"), "valid"},
	{VALIDATE_MAIN, NODES("{matchExpressions: [" IN("a") "]}"),
		NODES("{matchExpressions: [" IN("b") "]}"), BAD(TERMS "[0]: Invalid value: ")},
	{VALIDATE_MAIN, NODES("{matchExpressions: [" IN("a") "]}"),
		NODES("{matchExpressions: [" IN("a") "]}, {matchExpressions: [" IN("b") "]}"),
		BAD(TERMS ": Invalid value: ")},
	{VALIDATE_MAIN, NODES("{}"), NODES("{matchExpressions: [" IN("b") "]}"),
		BAD(TERMS "[0]: Invalid value: ")},
	{VALIDATE_MAIN, GATED(""), GATED(", affinity: {podAffinity: {}}"), OTHER_FIELDS},

	{VALIDATE_EPHEMERAL, POD(""), LOOK(""), "valid"},
	{VALIDATE_EPHEMERAL, POD(""),
		LOOK(", targetContainerName: c, stdin: true, tty: true, env: [{name: A, value: b}]"),
		"valid"},
	{VALIDATE_EPHEMERAL, LOOK(""), LOOK(""), "valid"},
	{VALIDATE_EPHEMERAL, POD(""), LOOK(", targetContainerName: d"),
		BAD("spec.ephemeralContainers[0].targetContainerName: Not found: \"d\"")},
	{VALIDATE_EPHEMERAL, POD(""), LOOK(", ports: [{containerPort: 80}]"), BAD(AT("ports"))},
	{VALIDATE_EPHEMERAL, POD(""), LOOK(", livenessProbe: {tcpSocket: {port: 80}}"),
		BAD(AT("livenessProbe"))},
	{VALIDATE_EPHEMERAL, POD(""), LOOK(", resources: {limits: {cpu: 1}}"), BAD(AT("resources"))},
	{VALIDATE_EPHEMERAL, POD(""), LOOK(", lifecycle: {preStop: {sleep: {seconds: 1}}}"),
		BAD(AT("lifecycle"))},
	{VALIDATE_EPHEMERAL, POD(", volumes: [{name: v}]"),
		POD(", volumes: [{name: v}], ephemeralContainers: [{name: e, image: i, volumeMounts: [{name: v, mountPath: /v, "
		    "subPath: s}]}]"),
		BAD(AT("volumeMounts[0].subPath"))},
	{VALIDATE_EPHEMERAL, POD(""), POD(", ephemeralContainers: [{name: c, image: i}]"),
		BAD("spec.ephemeralContainers[0].name: Duplicate value: \"c\"")},
	{VALIDATE_EPHEMERAL, POD(""), POD(", ephemeralContainers: [{name: e}]"),
		BAD("spec.ephemeralContainers[0].image: Required value")},
	{VALIDATE_EPHEMERAL, LOOK(""), LOOK(", command: [a]"),
		BAD("spec.ephemeralContainers: Forbidden: existing ephemeral containers \"e\" may not be changed")},
	{VALIDATE_EPHEMERAL, LOOK(""), POD(""),
		BAD("spec.ephemeralContainers: Forbidden: existing ephemeral containers \"e\" may not be removed")},
};

static void test_updates(void **state)
{
	size_t wrong = 0;

	for (size_t i = 0; i < array_len(cases); i++) {
		cleanup(freep) char *got =
			verdict_of("v1", "Pod", cases[i].before, cases[i].now, cases[i].scope);

		if (!verdict_is(got, cases[i].verdict)) {
			print_message("%s\n  want %s\n  got  %s\n", cases[i].now, cases[i].verdict, got);
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_updates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
