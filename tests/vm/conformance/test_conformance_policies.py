# SPDX-License-Identifier: Apache-2.0
"""Conformance of admission by policies. What they are about is kept to the test's namespace."""

import pytest
from support.cluster import Watch
from support.conformance import named
from support.node import eventually

POLICIES = "[sig-api-machinery] ValidatingAdmissionPolicy [Privileged:ClusterAdmin] "
MUTATING = "[sig-api-machinery] MutatingAdmissionPolicy [Privileged:ClusterAdmin] "
GROUP = "/apis/admissionregistration.k8s.io/v1"
MERGE = {"kind": "application/merge-patch+json"}


@pytest.fixture
def hold(cluster, ns):
    """hold(spec of a policy): it holds in the test's namespace, and is gone after the test. Its name, which is its binding's, too."""
    made = []

    def make(spec, **binding):
        kind, actions = ("mutatingadmissionpolicy", {}) if "mutations" in spec else ("validatingadmissionpolicy", {"validationActions": ["Deny"]})
        policies, bindings = f"{GROUP}/{kind[:-1]}ies", f"{GROUP}/{kind}bindings"
        name = f"{ns[:50]}-{len(made)}"
        constraints = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": ns}},
                       "resourceRules": [{"operations": ["CREATE", "UPDATE"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}]}  # fmt: skip
        cluster.ask("POST", policies, {"metadata": {"name": name}, "spec": {"matchConstraints": constraints, **spec}}, expect=201)
        made.append(f"{policies}/{name}")
        bound = {"metadata": {"name": name}, "spec": {"policyName": name, **actions, **binding}}
        cluster.ask("POST", bindings, bound, expect=201)
        made.append(f"{bindings}/{name}")
        return name

    yield make
    for path in reversed(made):
        cluster.raw("DELETE", path)


def workload(name, replicas):
    """A Deployment's or a ReplicaSet's; its pods are never scheduled."""
    pod = {"schedulingGates": [{"name": "example.com/wait"}], "containers": [{"name": "c", "image": "i"}]}
    return {"metadata": {"name": name}, "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
                                                 "template": {"metadata": {"labels": {"app": name}}, "spec": pod}}}  # fmt: skip


@named(POLICIES, "should validate against a Deployment")
def test_a_deployment(cluster, ns, hold):
    """A rule holds from the next write on, for what it is about; kubectl says why."""
    path = f"/apis/apps/v1/namespaces/{ns}/"
    name = hold({"validations": [{"expression": "object.spec.replicas > 1", "messageExpression": "'wants replicas > 1, got ' + string(object.spec.replicas)"},
                                 {"expression": f"namespaceObject.metadata.name == '{ns}'"}]})  # fmt: skip
    cluster.ask("POST", path + "deployments", workload("replicated", 2), expect=201)
    cluster.ask("POST", path + "replicasets", workload("alone", 1), expect=201)
    said = cluster.ask("POST", path + "deployments", workload("alone", 1), expect=422)
    assert said["reason"] == "Invalid" and said["details"]["kind"] == "deployments" and said["details"]["name"] == "alone"
    denied = f"ValidatingAdmissionPolicy '{name}' with binding '{name}' denied request: wants replicas > 1, got 1"
    assert said["message"] == f'deployments.apps "alone" is forbidden: {denied}' and said["details"]["causes"] == [{"message": denied}]
    said = cluster.kubectl("-n", ns, "patch", "deployment", "replicated", "--type=merge", "-p", '{"spec": {"replicas": 1}}', check=False)
    assert said.returncode != 0 and denied in said.stderr


@named(POLICIES, "should allow expressions to refer variables.")
def test_variables(cluster, ns, hold):
    path = f"/apis/apps/v1/namespaces/{ns}/deployments"
    hold({"variables": [{"name": "replicas", "expression": "object.spec.replicas"}, {"name": "odd", "expression": "variables.replicas % 2 == 1"}],
          "validations": [{"expression": "variables.replicas > 1"}, {"expression": "variables.odd"}]})  # fmt: skip
    cluster.ask("POST", path, workload("three", 3), expect=201)
    assert "failed expression: variables.replicas > 1" in cluster.ask("POST", path, workload("one", 1), expect=422)["message"]
    assert "failed expression: variables.odd" in cluster.ask("POST", path, workload("two", 2), expect=422)["message"]


def test_warnings_and_parameters(cluster, ns, hold):
    """What a binding's parameter says is asked for anew with each write; a warning lets it pass."""
    cluster.ask("POST", f"/api/v1/namespaces/{ns}/configmaps", {"metadata": {"name": "most"}, "data": {"replicas": "2"}}, expect=201)
    name = hold({"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}, "validations": [{"expression": "object.spec.replicas <= int(params.data.replicas)",
                 "message": "too many"}]}, validationActions=["Warn", "Audit"], paramRef={"name": "most", "parameterNotFoundAction": "Deny"})  # fmt: skip
    path = f"/apis/apps/v1/namespaces/{ns}/deployments"
    status, _, headers = cluster.raw("POST", path, workload("three", 3))
    assert status == 201 and f"Validation failed for ValidatingAdmissionPolicy '{name}' with binding '{name}': too many" in headers["Warning"]
    cluster.ask("PATCH", f"/api/v1/namespaces/{ns}/configmaps/most", {"data": {"replicas": "3"}}, **MERGE)
    status, _, headers = cluster.raw("POST", path, workload("also", 3))
    assert status == 201 and headers["Warning"] is None


def test_who_may_change_a_field(cluster, ns, hold):
    """Two who may change the same objects: only one of them has the verb that a policy asks for. From the next write on, as roles say."""
    everyone = [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": name} for name in ("ann", "bob")]
    roles = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}"

    def bind(name, kind, users):
        ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}
        cluster.ask("POST", f"{roles}/rolebindings", {"metadata": {"name": name}, "roleRef": ref, "subjects": users}, expect=201)

    bind("edit", "ClusterRole", everyone)
    rule = {"apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["web"], "verbs": ["resize"]}
    cluster.ask("POST", f"{roles}/roles", {"metadata": {"name": "resizer"}, "rules": [rule]}, expect=201)
    bind("resizer", "Role", everyone[:1])
    name = hold({"matchConditions": [{"name": "changes", "expression": "request.operation == 'UPDATE' && authorizer.path('/version').check('get').allowed()"}],
                 "variables": [{"name": "may", "expression": "authorizer.requestResource.check('resize')"}],
                 "validations": [{"expression": "object.spec.replicas == oldObject.spec.replicas || variables.may.allowed()",
                                  "messageExpression": "request.userInfo.username + ' may not resize ' + string(object.metadata.name)"}]})  # fmt: skip

    def patch(user, change, what="web"):
        return cluster.kubectl("-n", ns, "patch", "deployment", what, "--type=merge", "-p", change, "--as", user, check=False)

    for what in ("web", "other"):
        cluster.ask("POST", f"/apis/apps/v1/namespaces/{ns}/deployments", workload(what, 1), expect=201)
    said = patch("bob", '{"spec": {"replicas": 2}}')
    assert said.returncode != 0 and f"'{name}' with binding '{name}' denied request: bob may not resize web" in said.stderr
    assert patch("bob", '{"metadata": {"labels": {"a": "b"}}}').returncode == 0
    said = patch("ann", '{"spec": {"replicas": 2}}')
    assert said.returncode == 0, said.stderr
    said = patch("ann", '{"spec": {"replicas": 2}}', "other")
    assert said.returncode != 0 and "ann may not resize other" in said.stderr
    cluster.ask("DELETE", f"{roles}/rolebindings/resizer")
    said = patch("ann", '{"spec": {"replicas": 3}}')
    assert said.returncode != 0 and "ann may not resize web" in said.stderr
    assert cluster.ask("GET", f"/apis/apps/v1/namespaces/{ns}/deployments/web")["spec"]["replicas"] == 2


CRONTABS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: GROUPED}
spec:
  group: GROUP
  scope: Namespaced
  names: {plural: crontabs, singular: crontab, kind: CronTab}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {cronSpec: {type: string}, replicas: {type: integer}}}}}
"""


def test_types_of_expressions(cluster, ns, hold):
    """Objects are what their kind says: mistakes are in the status of what is kept. What is wrong for all of them is not kept."""

    def warnings(*validations, group="apps", resource="deployments"):
        rules = [{"operations": ["CREATE"], "apiGroups": [group], "apiVersions": ["v1"], "resources": [resource]}]
        spaces = {"matchLabels": {"kubernetes.io/metadata.name": ns}}
        name = hold({"matchConstraints": {"resourceRules": rules, "namespaceSelector": spaces}, "validations": list(validations)})
        status = eventually(lambda: cluster.ask("GET", f"{GROUP}/validatingadmissionpolicies/{name}").get("status"))
        assert status["observedGeneration"] == 1
        return [(w["fieldRef"], w["warning"]) for w in status["typeChecking"].get("expressionWarnings", [])]

    assert warnings({"expression": "object.spec.replicas > 1"}) == []
    confused = {"expression": "object.spec.replicas > '1'", "messageExpression": "'wants replicas > 1, got ' + object.spec.replicas"}
    assert warnings(confused) == [
        ("spec.validations[0].expression", "apps/v1, Kind=Deployment: ERROR: <input>:1:22: found no matching overload for '_>_' applied to '(int, string)'\n"),
        ("spec.validations[0].messageExpression", "apps/v1, Kind=Deployment: ERROR: <input>:1:28: found no matching overload for '_+_' applied to '(string, int)'\n"),
    ]  # fmt: skip
    group = f"stable.{ns}.example.com"
    cluster.kubectl("create", "-f", "-", input=CRONTABS.replace("GROUPED", f"crontabs.{group}").replace("GROUP", group))
    try:
        cluster.kubectl("wait", "--for=condition=Established", f"crd/crontabs.{group}", "--timeout=60s")
        assert warnings({"expression": "object.spec.replicas > 1"}, group=group, resource="crontabs") == []
        found = warnings({"expression": "object.spec.replicas > '1'"}, {"expression": "object.spec.maxRetries < 10"}, group=group, resource="crontabs")
        assert [where for where, _ in found] == ["spec.validations[0].expression", "spec.validations[1].expression"]
        assert "'_>_' applied to '(int, string)'" in found[0][1] and "undefined field 'maxRetries'" in found[1][1]
    finally:
        cluster.kubectl("delete", "crd", f"crontabs.{group}", "--timeout=60s")
    for expression, why in (
        ("1 + 'a' == object.a", "applied to '(int, string)'"),
        ("object.a + 1", "must evaluate to bool but got int"),
        ("object.spec.paused", "must evaluate to bool but got dyn"),
    ):
        rules = [{"operations": ["CREATE"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}]
        wrong = {"metadata": {"name": "wrong"}, "spec": {"matchConstraints": {"resourceRules": rules}, "validations": [{"expression": expression}]}}
        assert why in cluster.ask("POST", f"{GROUP}/validatingadmissionpolicies", wrong, expect=422)["message"]


def applies(*expressions, again="Never"):
    """The spec of a policy that changes, by an Object each."""
    return {"reinvocationPolicy": again, "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": e}} for e in expressions]}


@named(MUTATING, "should mutate a Deployment")
def test_a_deployment_is_changed(cluster, ns, hold):
    """From the next write on, for what it is about; who asked for something else sees what it has become."""
    path = f"/apis/apps/v1/namespaces/{ns}/"
    hold(applies("Object{spec: Object.spec{replicas: 3}}"))
    assert cluster.ask("POST", path + "deployments", workload("web", 1), expect=201)["spec"]["replicas"] == 3
    assert cluster.ask("GET", path + "deployments/web")["spec"]["replicas"] == 3
    assert cluster.ask("PATCH", path + "deployments/web", {"spec": {"replicas": 2}}, **MERGE)["spec"]["replicas"] == 3
    assert cluster.ask("POST", path + "replicasets", workload("alone", 1), expect=201)["spec"]["replicas"] == 1
    assert cluster.ask("POST", path + "deployments?dryRun=All", workload("dry", 1), expect=201)["spec"]["replicas"] == 3
    cluster.ask("GET", path + "deployments/dry", expect=404)


@named(MUTATING, "should mutate a Deployment with annotations")
def test_annotations_are_added(cluster, ns, hold):
    hold(applies("Object{metadata: Object.metadata{annotations: {'mutated-by': 'admission-policy'}}}"))
    given = workload("web", 1)
    given["metadata"]["annotations"] = {"of": "its own"}
    made = cluster.ask("POST", f"/apis/apps/v1/namespaces/{ns}/deployments", given, expect=201)
    assert made["metadata"]["annotations"] == {"mutated-by": "admission-policy", "of": "its own"}
    said = cluster.kubectl("-n", ns, "annotate", "deployment", "web", "mutated-by-").stdout
    assert "annotated" in said
    assert cluster.ask("GET", f"/apis/apps/v1/namespaces/{ns}/deployments/web")["metadata"]["annotations"]["mutated-by"] == "admission-policy"


def test_a_sidecar_by_parameter(cluster, ns, hold):
    """Operations of a JSON patch with what a parameter says; kubectl is told why when there is no answer, and what the object lacks."""
    cluster.ask("POST", f"/api/v1/namespaces/{ns}/configmaps", {"metadata": {"name": "side"}, "data": {"image": "example.com/side:1"}}, expect=201)
    containers = "/spec/template/spec/containers"
    patch = f"""[JSONPatch{{op: "add", path: "{containers}/-", value: Object.spec.template.spec.containers{{name: "side", image: params.data.image}}}},
                 JSONPatch{{op: "add", path: "/spec/template/metadata/labels/" + jsonpatch.escapeKey("example.com/side"), value: "yes"}}]"""
    spec = {"reinvocationPolicy": "Never", "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
            "matchConditions": [{"name": "once", "expression": "!object.spec.template.spec.containers.exists(c, c.name == 'side')"}],
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": patch}}]}  # fmt: skip
    name = hold(spec, paramRef={"name": "side", "parameterNotFoundAction": "Deny"})
    path = f"/apis/apps/v1/namespaces/{ns}/deployments"
    template = cluster.ask("POST", path, workload("web", 0), expect=201)["spec"]["template"]
    assert [(c["name"], c["image"]) for c in template["spec"]["containers"]] == [("c", "i"), ("side", "example.com/side:1")]
    assert template["spec"]["containers"][1]["terminationMessagePath"] == "/dev/termination-log"  # it has its defaults
    assert template["metadata"]["labels"] == {"app": "web", "example.com/side": "yes"}
    assert len(cluster.ask("PATCH", f"{path}/web", {"spec": {"replicas": 1}}, **MERGE)["spec"]["template"]["spec"]["containers"]) == 2
    cluster.ask("PATCH", f"/api/v1/namespaces/{ns}/configmaps/side", {"data": {"image": None}}, **MERGE)
    said = cluster.kubectl("-n", ns, "create", "deployment", "other", "--image=i", check=False)
    assert said.returncode != 0 and f"policy '{name}' with binding '{name}' denied request: expression" in said.stderr and "no such key: " in said.stderr
    cluster.ask("PATCH", f"/api/v1/namespaces/{ns}/configmaps/side", {"data": {"image": ""}}, **MERGE)
    said = cluster.ask("POST", path, workload("other", 0), expect=422)
    assert "spec.template.spec.containers[1].image: Required value" in said["message"]
    table = cluster.kubectl("get", "mutatingadmissionpolicies", name).stdout
    assert table.split()[:3] == ["NAME", "MUTATIONS", "PARAMKIND"] and "v1/ConfigMap" in table


def operations(cluster, ns, resource, spec, change):
    """Every verb of a resource, on objects of the test's own. The path of one that is left."""
    path = f"{GROUP}/{resource}"
    group = next(g for g in cluster.ask("GET", "/apis")["groups"] if g["name"] == "admissionregistration.k8s.io")
    assert "v1" in [v["version"] for v in group["versions"]] and cluster.ask("GET", "/apis/admissionregistration.k8s.io")["versions"] == group["versions"]
    found = {r["name"]: set(r["verbs"]) for r in cluster.ask("GET", GROUP)["resources"]}
    assert {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"} <= found[resource]
    names = [f"{ns[:50]}-{resource[-8:]}-{i}" for i in range(3)]
    made = [cluster.ask("POST", path, {"metadata": {"name": name, "labels": {"of": ns}}, "spec": spec}, expect=201) for name in names]
    select = f"labelSelector=of%3D{ns}"
    assert sorted(o["metadata"]["name"] for o in cluster.ask("GET", f"{path}?{select}")["items"]) == names
    with Watch(cluster, path, f"{select}&resourceVersion={made[-1]['metadata']['resourceVersion']}") as watch:
        patched = cluster.ask("PATCH", f"{path}/{names[0]}", {"metadata": {"annotations": {"patched": "true"}}}, **MERGE)
        assert patched["metadata"]["annotations"] == {"patched": "true"} and patched["metadata"]["generation"] == 1

        def updated():
            now = cluster.ask("GET", f"{path}/{names[0]}")
            now["spec"].update(change)
            status, reply, _ = cluster.raw("PUT", f"{path}/{names[0]}", now)
            assert status in (200, 409), reply  # its status may be written meanwhile
            return status == 200 and reply

        assert eventually(updated)["metadata"]["generation"] == 2
        cluster.ask("DELETE", f"{path}/{names[2]}")
        assert watch.until("MODIFIED") and watch.until("DELETED")
    cluster.ask("GET", f"{path}/{names[2]}", expect=404)
    columns = [c["name"] for c in cluster.ask("GET", f"{path}/{names[0]}", headers={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"})["columnDefinitions"]]
    assert columns[0] == "Name" and columns[-1] == "Age" and len(columns) == 4
    cluster.ask("DELETE", f"{path}?{select}&fieldSelector=metadata.name%3D{names[1]}")
    assert [o["metadata"]["name"] for o in cluster.ask("GET", f"{path}?{select}")["items"]] == names[:1]
    return f"{path}/{names[0]}"


@named(POLICIES, "should support ValidatingAdmissionPolicy API operations")
def test_policies(cluster, ns):
    rules = [{"operations": ["CREATE"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}]
    spec = {"validations": [{"expression": "false"}], "matchConstraints": {"resourceRules": rules}}
    path = operations(cluster, ns, "validatingadmissionpolicies", spec, {"failurePolicy": "Ignore"})
    assert eventually(lambda: cluster.ask("GET", f"{path}/status").get("status", {}).get("observedGeneration") == 2)
    condition = {"type": "Ready", "status": "True", "reason": "R", "message": "m", "lastTransitionTime": "2026-01-02T03:04:05Z"}
    now = cluster.ask("PATCH", f"{path}/status", {"status": {"conditions": [condition]}}, **MERGE)
    assert now["status"] == {"conditions": [condition], "observedGeneration": 2, "typeChecking": {}}
    now["status"]["conditions"][0]["reason"] = "Other"
    now["spec"]["failurePolicy"] = "Fail"
    now = cluster.ask("PUT", f"{path}/status", now)
    assert now["status"]["conditions"][0]["reason"] == "Other" and now["spec"]["failurePolicy"] == "Ignore"
    wrong = {"metadata": {"name": "wrong"}, "spec": {**spec, "validations": [{"expression": "object.a +"}]}}
    assert "spec.validations[0].expression: Invalid value" in cluster.ask("POST", f"{GROUP}/validatingadmissionpolicies", wrong, expect=422)["message"]
    cluster.ask("DELETE", path)


@named(POLICIES, "should support ValidatingAdmissionPolicyBinding API operations")
def test_bindings(cluster, ns):
    spec = {"policyName": "none", "validationActions": ["Deny"]}
    cluster.ask("DELETE", operations(cluster, ns, "validatingadmissionpolicybindings", spec, {"validationActions": ["Warn", "Audit"]}))


@named(MUTATING, "should support MutatingAdmissionPolicy API operations")
def test_policies_that_change(cluster, ns):
    rules = [{"operations": ["CREATE"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}]
    spec = {**applies("Object{spec: Object.spec{replicas: 100}}"), "matchConstraints": {"resourceRules": rules}}
    path = operations(cluster, ns, "mutatingadmissionpolicies", spec, {"reinvocationPolicy": "IfNeeded"})
    assert cluster.ask("GET", path)["spec"]["reinvocationPolicy"] == "IfNeeded" and cluster.ask("GET", path)["spec"]["failurePolicy"] == "Fail"
    wrong = {"metadata": {"name": "wrong"}, "spec": {**spec, **applies("Object{}", "Object{spec: Object.spec{replicas: }}")}}
    said = cluster.ask("POST", f"{GROUP}/mutatingadmissionpolicies", wrong, expect=422)["message"]
    assert "spec.mutations[1].applyConfiguration.expression: Invalid value" in said
    cluster.ask("DELETE", path)


@named(MUTATING, "should support MutatingAdmissionPolicyBinding API operations")
def test_bindings_of_policies_that_change(cluster, ns):
    cluster.ask("DELETE", operations(cluster, ns, "mutatingadmissionpolicybindings", {"policyName": "none"}, {"policyName": "other"}))
