# SPDX-License-Identifier: Apache-2.0
"""Conformance of admission by webhooks. The webhook is the test's own, on the machine that runs the test; what it is asked about is
kept to the test's namespace, or to a kind of the test's own."""

import json
import time

import pytest
from support.conformance import named
from support.node import eventually
from support.webhook import deny, patch

HOOKS = "[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] "
GROUP = "/apis/admissionregistration.k8s.io/v1"
MERGE = {"kind": "application/merge-patch+json"}
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
KINDS = {"mutating": "mutatingwebhookconfigurations", "validating": "validatingwebhookconfigurations"}


def rule(resource, *operations, group="", versions=("v1",)):
    return {"operations": list(operations) or ["CREATE", "UPDATE"], "apiGroups": [group], "apiVersions": list(versions), "resources": [resource]}


@pytest.fixture
def register(cluster, ns, webhook):
    """register("validating", "/path", rule(...)): a configuration of one webhook, gone after the test."""
    made = []

    def make(kind, path, *rules, everywhere=False, expect=201, name="hook", **more):
        body = {"metadata": {"name": f"{ns[:40]}-{name}", "labels": {"of": ns}}, "webhooks": [{
            "name": f"{name}.hooks.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "clientConfig": {"url": webhook.url + path, "caBundle": webhook.bundle}, "rules": list(rules),
            **({} if everywhere else {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": ns}}}), **more}]}  # fmt: skip
        reply = cluster.ask("POST", f"{GROUP}/{KINDS[kind]}", body, expect=expect)
        if expect == 201:
            made.append(f"{GROUP}/{KINDS[kind]}/{body['metadata']['name']}")
        return made[-1] if expect == 201 else reply

    yield make
    for path in made:
        cluster.raw("DELETE", path)


def at(ns, resource, name=""):
    return f"/api/v1/namespaces/{ns}/{resource}" + (f"/{name}" if name else "")


def configmap(name, **data):
    return {"metadata": {"name": name}, "data": data}


def pod(name):
    return {"metadata": {"name": name}, "spec": {"schedulingGates": [{"name": "example.com/wait"}], "containers": [{"name": "c", "image": "i"}]}}


@named(HOOKS, "should include webhook resources in discovery documents")
def test_discovery(cluster):
    found = {g["name"]: [v["groupVersion"] for v in g["versions"]] for g in cluster.ask("GET", "/apis")["groups"]}
    assert "admissionregistration.k8s.io/v1" in found["admissionregistration.k8s.io"]
    assert "admissionregistration.k8s.io/v1" in [v["groupVersion"] for v in cluster.ask("GET", "/apis/admissionregistration.k8s.io")["versions"]]
    assert set(KINDS.values()) <= {r["name"] for r in cluster.ask("GET", GROUP)["resources"]}


@named(HOOKS, "listing validating webhooks should work", "listing mutating webhooks should work", "patching/updating a validating webhook should work",
             "patching/updating a mutating webhook should work")  # fmt: skip
@pytest.mark.parametrize("kind", KINDS)
def test_configurations(cluster, ns, webhook, register, kind):
    """What they say holds from the next write on, and no longer than that."""
    webhook.says["/one"] = lambda request: patch(("add", "/data/hook", "yes")) if kind == "mutating" else deny("no")
    path, n = at(ns, "configmaps"), [0]

    def is_asked():
        n[0] += 1
        status, reply, _ = cluster.raw("POST", path, configmap(f"m{n[0]}", a="b"))
        assert status == 201 or "denied the request" in reply["message"], reply
        return status != 201 or reply["data"].get("hook") == "yes"

    assert not is_asked()
    mine = [register(kind, "/one", rule("configmaps", "CREATE"), name=f"hook{i}") for i in range(2)]
    select = f"{GROUP}/{KINDS[kind]}?labelSelector=of%3D{ns}"
    assert len(cluster.ask("GET", select)["items"]) == 2 and is_asked()
    cluster.ask("DELETE", mine[1])
    now = cluster.ask("GET", mine[0])
    now["webhooks"][0]["rules"][0]["operations"] = ["UPDATE"]
    assert cluster.ask("PUT", mine[0], now)["metadata"]["generation"] == 2
    assert not is_asked()
    again = [{"op": "replace", "path": "/webhooks/0/rules/0/operations/0", "value": "CREATE"}]
    cluster.ask("PATCH", mine[0], again, kind="application/json-patch+json")
    assert is_asked()
    cluster.ask("DELETE", select)
    assert not is_asked()


@named(HOOKS, "should be able to deny pod and configmap creation", "should be able to deny attaching pod",
             "should unconditionally reject operations on fail closed webhook")  # fmt: skip
def test_refusals(cluster, ns, webhook, register):
    webhook.says["/pods"] = lambda request: deny("the pod contains unwanted container name")
    webhook.says["/maps"] = lambda request: deny("the configmap contains unwanted key and value") if request["object"]["data"].get("bad") else {"allowed": True}
    webhook.says["/attach"] = lambda request: deny("attaching to pod 'p' is not allowed") if request["name"] == "p" else {"allowed": True}
    cluster.ask("POST", at(ns, "pods"), pod("p"), expect=201)
    register("validating", "/pods", rule("pods", "CREATE"), name="pods")
    register("validating", "/maps", rule("configmaps"), name="maps")
    register("validating", "/attach", rule("pods/attach", "CONNECT"), name="attach")
    said = cluster.ask("POST", at(ns, "pods"), pod("q"), expect=400)["message"]
    assert said == 'admission webhook "pods.hooks.example.com" denied the request: the pod contains unwanted container name'
    cluster.ask("POST", at(ns, "configmaps"), configmap("bad", bad="yes"), expect=400)
    cluster.ask("POST", at(ns, "configmaps"), configmap("good", a="b"), expect=201)
    cluster.ask("PUT", at(ns, "configmaps", "good"), configmap("good", bad="yes"), expect=400)
    cluster.ask("PATCH", at(ns, "configmaps", "good"), {"data": {"bad": "yes"}}, expect=400, **MERGE)
    assert cluster.ask("GET", at(ns, "configmaps", "good"))["data"] == {"a": "b"}
    assert "attaching to pod 'p' is not allowed" in cluster.ask("POST", at(ns, "pods", "p") + "/attach?stdin=true", expect=400)["message"]
    asked = [request for path, request in webhook.seen if path == "/attach"][-1]
    assert asked["operation"] == "CONNECT" and asked["subResource"] == "attach" and asked["object"]["kind"] == "PodAttachOptions"
    webhook.says["/evict"] = lambda request: deny(f"{request['object']['metadata']['name']} is needed")
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p", "namespace": ns}}
    hook = register("validating", "/evict", rule("pods/eviction", "CREATE"), name="evict")
    assert "p is needed" in cluster.ask("POST", at(ns, "pods", "p") + "/eviction", eviction, expect=400)["message"]
    asked = [request for path, request in webhook.seen if path == "/evict"][-1]
    assert asked["kind"] == {"group": "policy", "version": "v1", "kind": "Eviction"}
    assert asked["resource"] == {"group": "", "version": "v1", "resource": "pods"} and asked["subResource"] == "eviction"
    cluster.ask("DELETE", hook)
    cluster.ask("POST", at(ns, "pods", "p") + "/eviction", {**eviction, "metadata": {"name": "q"}}, expect=400)
    # who judges deletions is not asked about an eviction; who changes evictions is, and another name is nobody's to give
    webhook.says["/delete"] = lambda request: deny("nobody is deleted")
    register("validating", "/delete", rule("pods", "DELETE"), name="delete")
    webhook.says["/hurry"] = lambda request: patch(("replace", "/metadata/name", "q"))
    hurry = register("mutating", "/hurry", rule("pods/eviction", "CREATE"), name="hurry")
    cluster.ask("POST", at(ns, "pods", "p") + "/eviction", eviction, expect=400)
    webhook.says["/hurry"] = lambda request: patch(("add", "/deleteOptions", {"preconditions": {"uid": "another"}}))
    cluster.ask("POST", at(ns, "pods", "p") + "/eviction", eviction, expect=409)
    cluster.ask("DELETE", hurry)
    assert "nobody is deleted" in cluster.ask("DELETE", at(ns, "pods", "p"), expect=400)["message"]
    cluster.ask("POST", at(ns, "pods", "p") + "/eviction", eviction, expect=201)
    other = at("default", "configmaps")  # where nobody is asked
    cluster.ask("POST", other, configmap(f"{ns[:40]}-bad", bad="yes"), expect=201)
    cluster.ask("DELETE", f"{other}/{ns[:40]}-bad")
    # nobody answers there, and its certificate would not do either
    register("validating", "/x", rule("secrets", "CREATE"), name="closed", clientConfig={"url": "https://127.0.0.1:9/x"})
    said = cluster.ask("POST", at(ns, "secrets"), {"metadata": {"name": "s"}}, expect=500)
    assert said["reason"] == "InternalError" and 'failed calling webhook "closed.hooks.example.com"' in said["message"]


@named(HOOKS, "should mutate configmap", "should mutate pod and apply defaults after mutation")
def test_changes(cluster, ns, webhook, register):
    def stage(number, needs):
        def says(request):
            there = request["object"]["data"]
            return patch(("add", f"/data/mutation-stage-{number}", "yes")) if needs in there else {"allowed": True}

        return says

    webhook.says["/stage1"] = stage(1, "mutation-start")
    webhook.says["/stage2"] = stage(2, "mutation-stage-1")
    register("mutating", "/stage2", rule("configmaps", "CREATE"), name="b")
    register("mutating", "/stage1", rule("configmaps", "CREATE"), name="a")
    made = cluster.ask("POST", at(ns, "configmaps"), configmap("m", **{"mutation-start": "yes"}), expect=201)
    assert made["data"] == {"mutation-start": "yes", "mutation-stage-1": "yes", "mutation-stage-2": "yes"}
    init = {"name": "webhook-added-init-container", "image": "wherry/hello"}
    webhook.says["/pod"] = lambda request: patch(("add", "/spec/initContainers", [init]))
    register("mutating", "/pod", rule("pods", "CREATE"), name="pod")
    made = cluster.ask("POST", at(ns, "pods"), pod("p"), expect=201)["spec"]["initContainers"][0]
    assert made["name"] == init["name"] and made["terminationMessagePolicy"] == "File" and made["imagePullPolicy"] == "Always"


@named(HOOKS, "should not be able to mutate or prevent deletion of webhook configuration objects")
def test_nobody_is_asked_about_webhooks(cluster, webhook, register):
    webhook.says["/never"] = lambda request: deny("never")
    webhook.says["/label"] = lambda request: patch(("add", "/metadata/labels/changed", "yes"))
    everything = [rule(resource, "*", group="admissionregistration.k8s.io", versions=("*",)) for resource in KINDS.values()]
    register("validating", "/never", *everything, everywhere=True, name="never")
    register("mutating", "/label", *everything, everywhere=True, name="label")
    for kind in KINDS:
        dummy = register(kind, "/never", rule("configmaps", "CREATE"), name="dummy")
        assert "changed" not in cluster.ask("GET", dummy)["metadata"]["labels"]
        cluster.ask("DELETE", dummy)
    assert not [path for path, _ in webhook.seen if path in ("/never", "/label")]


@named(HOOKS, "should honor timeout")
def test_timeouts(cluster, ns, webhook, register):
    def attempt(name, **more):
        path = register("validating", "/slow", rule("configmaps", "CREATE"), **more)
        began = time.monotonic()
        status, reply, _ = cluster.raw("POST", at(ns, "configmaps"), configmap(name))
        cluster.ask("DELETE", path)
        return status, reply, time.monotonic() - began

    status, reply, took = attempt("short", timeoutSeconds=1)
    assert status == 500 and "context deadline exceeded" in reply["message"] and "timeout=1s" in reply["message"], reply
    assert attempt("ignored", timeoutSeconds=1, failurePolicy="Ignore")[0] == 201
    status, _, took = attempt("long", timeoutSeconds=20)
    assert status == 201 and took >= 3
    path = register("validating", "/slow", rule("configmaps", "CREATE"))
    assert cluster.ask("GET", path)["webhooks"][0]["timeoutSeconds"] == 10  # when it does not say


# ---- kinds of one's own


def definition(cluster, ns, *versions):
    """A kind of the test's own, served; (name, group, where its objects are)"""
    group = f"{ns[:30].strip('-')}.example.com"
    name = f"hooked.{group}"
    cluster.ask("POST", DEFINITIONS, {"metadata": {"name": name}, "spec": {
        "group": group, "scope": "Namespaced", "versions": list(versions),
        "names": {"plural": "hooked", "singular": "hooked", "kind": "Hooked", "listKind": "HookedList"}}}, expect=201)  # fmt: skip
    path = f"/apis/{group}/v1/namespaces/{ns}/hooked"
    assert eventually(lambda: cluster.raw("GET", path)[0] == 200, timeout=60), "it is not served"
    return name, group, path


def version(name="v1", storage=True, schema=None):
    free = {"type": "object", "properties": {"data": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}
    return {"name": name, "served": True, "storage": storage, "schema": {"openAPIV3Schema": schema or free}}


def custom(group, name, **data):
    return {"apiVersion": f"{group}/v1", "kind": "Hooked", "metadata": {"name": name}, "data": data}


@named(HOOKS, "should be able to deny custom resource creation, update and deletion", "should mutate custom resource",
             "should mutate custom resource with different stored version")  # fmt: skip
def test_objects_of_a_definition(cluster, ns, webhook, register):
    name, group, path = definition(cluster, ns, version(), version("v2", storage=False))

    def judge(request):
        either = request["object"] or request["oldObject"]
        return deny("the custom resource contains unwanted data") if either["data"].get("bad") else {"allowed": True}

    webhook.says["/judge"] = judge
    cluster.ask("POST", path, custom(group, "stays", bad="yes"), expect=201)
    register("validating", "/judge", rule("hooked", "CREATE", "UPDATE", "DELETE", group=group), name="judge")
    assert "unwanted data" in cluster.ask("POST", path, custom(group, "no", bad="yes"), expect=400)["message"]
    cluster.ask("POST", path, custom(group, "yes", good="yes"), expect=201)
    cluster.ask("PATCH", f"{path}/yes", {"data": {"bad": "yes"}}, expect=400, **MERGE)
    assert "unwanted data" in cluster.ask("DELETE", f"{path}/stays", expect=400)["message"]
    cluster.ask("PATCH", f"{path}/stays", {"data": {"bad": None}}, **MERGE)
    cluster.ask("DELETE", f"{path}/stays")

    # one that changes is shown its own version, whatever is stored
    webhook.says["/change"] = lambda request: patch(("add", "/data/seen-as", request["object"]["apiVersion"].split("/")[1]))
    register("mutating", "/change", rule("hooked", group=group), name="change")
    assert cluster.ask("POST", path, custom(group, "a", x="1"), expect=201)["data"] == {"x": "1", "seen-as": "v1"}
    cluster.ask("PATCH", f"{DEFINITIONS}/{name}", {"spec": {"versions": [version(storage=False), version("v2")]}}, **MERGE)
    stored = lambda: cluster.ask("PATCH", f"{path}/a", {"data": {"x": str(time.monotonic())}}, **MERGE)["data"]["seen-as"]  # noqa: E731
    assert stored() == "v1"
    newer = path.replace("/v1/", "/v2/")
    assert cluster.ask("GET", f"{newer}/a")["data"]["seen-as"] == "v1"
    body = {**custom(group, "b", x="1"), "apiVersion": f"{group}/v2"}
    assert cluster.ask("POST", newer, body, expect=201)["data"]["seen-as"] == "v1"
    cluster.ask("DELETE", f"{DEFINITIONS}/{name}")
    assert eventually(lambda: cluster.raw("GET", f"{DEFINITIONS}/{name}")[0] == 404, timeout=60)


@named(HOOKS, "should mutate custom resource with pruning", "should deny crd creation")
def test_what_a_definition_does_not_know(cluster, ns, webhook, register):
    known = {"type": "object", "properties": {"data": {"type": "object", "properties": {
        "start": {"type": "string"}, "stage-1": {"type": "string"}}}}}  # fmt: skip
    name, group, path = definition(cluster, ns, version(schema=known))
    webhook.says["/stages"] = lambda request: patch(("add", "/data/stage-1", "yes"), ("add", "/data/stage-2", "yes"))
    register("mutating", "/stages", rule("hooked", "CREATE", group=group), name="stages")
    assert cluster.ask("POST", path, custom(group, "a", start="yes"), expect=201)["data"] == {"start": "yes", "stage-1": "yes"}
    cluster.ask("DELETE", f"{DEFINITIONS}/{name}")
    assert eventually(lambda: cluster.raw("GET", f"{DEFINITIONS}/{name}")[0] == 404, timeout=60)
    webhook.says["/kinds"] = lambda request: deny("the crd contains unwanted label")
    register("validating", "/kinds", rule("customresourcedefinitions", "CREATE", group="apiextensions.k8s.io", versions=("*",)), everywhere=True,
             name="kinds", objectSelector={"matchLabels": {"unwanted": ns}})  # fmt: skip
    body = {"metadata": {"name": name, "labels": {"unwanted": ns}}, "spec": {"group": group, "scope": "Namespaced", "versions": [version()], "names": {
        "plural": "hooked", "singular": "hooked", "kind": "Hooked", "listKind": "HookedList"}}}  # fmt: skip
    assert "the crd contains unwanted label" in cluster.ask("POST", DEFINITIONS, body, expect=400)["message"]
    assert cluster.raw("GET", f"{DEFINITIONS}/{name}")[0] == 404


@named(HOOKS, "should be able to create and update validating webhook configurations with match conditions",
             "should be able to create and update mutating webhook configurations with match conditions",
             "should reject validating webhook configurations with invalid match conditions",
             "should reject mutating webhook configurations with invalid match conditions")  # fmt: skip
@pytest.mark.parametrize("kind", KINDS)
def test_conditions_are_kept(cluster, register, kind):
    conditions = [{"name": "expression-1", "expression": "object.metadata.namespace == 'production'"}]
    path = register(kind, "/x", rule("configmaps"), matchConditions=conditions)
    now = cluster.ask("GET", path)
    assert now["webhooks"][0]["matchConditions"] == conditions
    conditions.append({"name": "expression-2", "expression": "request.userInfo.username != 'somebody'"})
    now["webhooks"][0]["matchConditions"] = conditions
    cluster.ask("PUT", path, now)
    assert cluster.ask("GET", path)["webhooks"][0]["matchConditions"] == conditions
    wrong = [{"name": "expression-1", "expression": "... [] bad expression"}]
    said = register(kind, "/x", rule("configmaps"), name="wrong", expect=422, matchConditions=wrong)
    assert "compilation failed" in said["message"], said


@named(HOOKS, "should mutate everything except 'skip-me' configmaps")
def test_conditions_decide(cluster, ns, webhook, register):
    webhook.says["/stage"] = lambda request: patch(("add", "/data/mutation-stage-1", "yes"))
    register("mutating", "/stage", rule("configmaps", "CREATE"), matchConditions=[{"name": "skip-me", "expression": "object.metadata.name != 'skip-me'"}])
    start = {"mutation-start": "yes"}
    assert "mutation-stage-1" not in cluster.ask("POST", at(ns, "configmaps"), configmap("skip-me", **start), expect=201)["data"]
    assert "mutation-stage-1" in cluster.ask("POST", at(ns, "configmaps"), configmap("m", **start), expect=201)["data"]


def test_what_is_not_supported(register, webhook):
    """Hosts by name, in one sentence."""
    said = register("mutating", "/x", rule("configmaps"), expect=422, clientConfig={"url": "https://hooks.example.com/x"})
    assert "host names are not resolved for webhooks" in json.dumps(said)
