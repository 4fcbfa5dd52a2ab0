# SPDX-License-Identifier: Apache-2.0
"""Conformance of admission by policies. What they are about is kept to the test's namespace."""

import pytest
from support.cluster import Watch
from support.conformance import named
from support.node import eventually

POLICIES = "[sig-api-machinery] ValidatingAdmissionPolicy [Privileged:ClusterAdmin] "
GROUP = "/apis/admissionregistration.k8s.io/v1"
MERGE = {"kind": "application/merge-patch+json"}


@pytest.fixture
def hold(cluster, ns):
    """hold(spec of a policy): it holds in the test's namespace, and is gone after the test. Its name, which is its binding's, too."""
    made = []

    def make(spec, **binding):
        name = f"{ns[:50]}-{len(made)}"
        constraints = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": ns}},
                       "resourceRules": [{"operations": ["CREATE", "UPDATE"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}]}  # fmt: skip
        cluster.ask("POST", f"{GROUP}/validatingadmissionpolicies", {"metadata": {"name": name}, "spec": {"matchConstraints": constraints, **spec}}, expect=201)
        made.append(f"{GROUP}/validatingadmissionpolicies/{name}")
        bound = {"metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"], **binding}}
        cluster.ask("POST", f"{GROUP}/validatingadmissionpolicybindings", bound, expect=201)
        made.append(f"{GROUP}/validatingadmissionpolicybindings/{name}")
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


def operations(cluster, ns, resource, spec, change):
    """Every verb of a resource, on objects of the test's own. The path of one that is left."""
    path = f"{GROUP}/{resource}"
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
    assert now["status"] == {"conditions": [condition], "observedGeneration": 2}
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
