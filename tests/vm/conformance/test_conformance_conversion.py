# SPDX-License-Identifier: Apache-2.0
"""Conformance of definitions whose versions are made by a webhook, which is the test's own. Objects of v1 say hostPort and
spec.replicas; those of v2 host, port and spec.count."""

import json

import pytest
from support.cluster import Watch
from support.conformance import named
from support.node import eventually
from support.webhook import deny, patch

CONVERSION = "[sig-api-machinery] CustomResourceConversionWebhook [Privileged:ClusterAdmin] should be able to convert "
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
HOOKS = "/apis/admissionregistration.k8s.io/v1"
MERGE = {"kind": "application/merge-patch+json"}
APPLY = {"kind": "application/apply-patch+yaml"}
TEXT, NUMBER = {"type": "string"}, {"type": "integer"}


def in_version(o, version):
    o, spec = {**o, "apiVersion": version}, dict(o.get("spec", {}))
    if version.endswith("/v2"):
        if "hostPort" in o:
            o["host"], o["port"] = o.pop("hostPort").split(":")
        if "replicas" in spec:
            spec["count"] = spec.pop("replicas")
    else:
        if "host" in o:
            o["hostPort"] = f"{o.pop('host')}:{o.pop('port')}"
        if "count" in spec:
            spec["replicas"] = spec.pop("count")
    return {**o, "spec": spec} if spec else o


def convert(request):
    return [in_version(o, request["desiredAPIVersion"]) for o in request["objects"]]


def schema(**properties):
    return {"openAPIV3Schema": {"type": "object", "properties": {**properties, "status": {"type": "object", "properties": {"n": NUMBER}}}}}


def versions(stored):
    count = lambda name: {"status": {}, "scale": {"specReplicasPath": f".spec.{name}", "statusReplicasPath": ".status.n"}}  # noqa: E731
    spec = lambda name: {"type": "object", "properties": {name: NUMBER}}  # noqa: E731
    return [
        {"name": "v1", "served": True, "storage": stored == "v1", "subresources": count("replicas"), "schema": schema(hostPort=TEXT, spec=spec("replicas"))},
        {"name": "v2", "served": True, "storage": stored == "v2", "subresources": count("count"),
         "additionalPrinterColumns": [{"name": "Host", "type": "string", "jsonPath": ".host"}], "schema": schema(host=TEXT, port=TEXT, spec=spec("count"))},
    ]  # fmt: skip


class Kind:
    def __init__(self, cluster, ns, webhook, stored="v1"):
        self.cluster, self.ns, self.group = cluster, ns, f"{ns[:30].strip('-')}.example.com"
        self.name, self.hook = f"turned.{self.group}", f"/{ns}"
        self.path, self.webhook = f"{DEFINITIONS}/{self.name}", webhook
        webhook.says[self.hook] = convert
        client = {"url": webhook.url + self.hook, "caBundle": webhook.bundle}
        cluster.ask("POST", DEFINITIONS, {"metadata": {"name": self.name}, "spec": {
            "group": self.group, "scope": "Namespaced", "versions": versions(stored),
            "names": {"plural": "turned", "singular": "turned", "kind": "Turned", "listKind": "TurnedList"},
            "conversion": {"strategy": "Webhook", "webhook": {"clientConfig": client, "conversionReviewVersions": ["v1", "v1beta1"]}}}}, expect=201)  # fmt: skip
        assert eventually(lambda: cluster.raw("GET", self.at())[0] == 200, timeout=60), "it is not served"

    def at(self, name="", version="v1", ns=None):
        return f"/apis/{self.group}/{version}/namespaces/{ns or self.ns}/turned" + (f"/{name}" if name else "")

    def make(self, name, version="v1", ns=None, **fields):
        body = {"apiVersion": f"{self.group}/{version}", "kind": "Turned", "metadata": {"name": name}, **fields}
        return self.cluster.ask("POST", self.at(version=version, ns=ns), body, expect=201)

    def store_in(self, version):
        self.cluster.ask("PATCH", self.path, {"spec": {"versions": versions(version)}}, **MERGE)

    def is_v1(self, o):
        return o["apiVersion"] == f"{self.group}/v1" and o["hostPort"] == "localhost:8080" and not {"host", "port"} & set(o)

    def is_v2(self, o):
        return o["apiVersion"] == f"{self.group}/v2" and (o["host"], o["port"]) == ("localhost", "8080") and "hostPort" not in o

    def asked(self):
        """The conversions there were since the last time."""
        seen = [request for path, request in self.webhook.seen if path == self.hook]
        self.webhook.seen[:] = [s for s in self.webhook.seen if s[0] != self.hook]
        return seen

    def end(self):
        self.cluster.ask("DELETE", self.path)
        assert eventually(lambda: self.cluster.raw("GET", self.path)[0] == 404, timeout=60), "the definition does not go"


@pytest.fixture
def kind(cluster, ns, webhook):
    made = Kind(cluster, ns, webhook)
    yield made
    made.end()


@named(CONVERSION, "from CR v1 to CR v2")
def test_one_object(cluster, kind):
    made = kind.make("a", hostPort="localhost:8080")
    assert kind.is_v1(made) and not kind.asked()
    now = cluster.ask("GET", kind.at("a", "v2"))
    assert kind.is_v2(now)
    assert now["metadata"] == made["metadata"]
    (asked,) = kind.asked()
    assert asked["desiredAPIVersion"] == f"{kind.group}/v2" and [kind.is_v1(o) for o in asked["objects"]] == [True]
    assert kind.is_v1(cluster.ask("GET", kind.at("a"))) and not kind.asked()


@named(CONVERSION, "a non homogeneous list of CRs")
def test_a_list_of_both(cluster, kind):
    kind.make("cr-instance-1", hostPort="localhost:8080")
    kind.store_in("v2")
    kind.make("cr-instance-2", hostPort="localhost:8080")
    kind.make("cr-instance-3", version="v2", host="localhost", port="8080")
    kind.asked()
    for version, right, others in (("v1", kind.is_v1, 2), ("v2", kind.is_v2, 1)):
        items = cluster.ask("GET", kind.at(version=version))["items"]
        assert [o["metadata"]["name"] for o in items] == ["cr-instance-1", "cr-instance-2", "cr-instance-3"]
        assert all(right(o) for o in items), items
        assert [len(request["objects"]) for request in kind.asked()] == [others], "it takes one question"
    # a page, a table, a collection that is deleted
    page = cluster.ask("GET", kind.at(version="v2") + "?limit=1")
    assert kind.is_v2(page["items"][0]) and page["metadata"]["remainingItemCount"] == 2
    listed = cluster.kubectl("-n", kind.ns, "get", f"turned.v2.{kind.group}", "--no-headers").stdout.split()
    assert listed[:6:2] == ["cr-instance-1", "cr-instance-2", "cr-instance-3"] and listed[1::2] == ["localhost"] * 3
    # what is written again is stored as new objects are
    kind.asked()
    cluster.ask("PUT", kind.at("cr-instance-1", "v2"), cluster.ask("GET", kind.at("cr-instance-1", "v2")))
    kind.asked()
    assert kind.is_v2(cluster.ask("GET", kind.at("cr-instance-1", "v2"))) and not kind.asked()
    assert all(kind.is_v1(o) for o in cluster.ask("DELETE", kind.at())["items"])


def test_writes_in_a_version_that_is_not_stored(cluster, kind):
    made = kind.make("a", version="v2", host="h", port="1", spec={"count": 2})
    assert (made["host"], made["port"], made["spec"]) == ("h", "1", {"count": 2})
    assert cluster.ask("GET", kind.at("a"))["hostPort"] == "h:1"
    now = cluster.ask("PATCH", kind.at("a", "v2"), {"port": "2"}, **MERGE)
    assert (now["port"], now["metadata"]["generation"]) == ("2", 2)
    applied = {"apiVersion": f"{kind.group}/v2", "kind": "Turned", "metadata": {"name": "a"}, "host": "other", "port": "3"}
    path = kind.at("a", "v2") + "?fieldManager=test&force=true"
    now = cluster.ask("PATCH", path, json.dumps(applied), **APPLY)
    assert (now["host"], now["port"], now["spec"]["count"]) == ("other", "3", 2)
    assert f"{kind.group}/v2" in {m["apiVersion"] for m in now["metadata"]["managedFields"] if m["manager"] == "test"}
    assert cluster.ask("GET", kind.at("a"))["hostPort"] == "other:3"
    now["port"], stale = "4", dict(now, metadata={**now["metadata"]})
    assert cluster.ask("PUT", kind.at("a", "v2"), now)["port"] == "4"
    assert cluster.ask("PUT", kind.at("a", "v2"), stale, expect=409)["reason"] == "Conflict"
    now = cluster.ask("PATCH", kind.at("a", "v2") + "/status", {"status": {"n": 1}}, **MERGE)
    assert now["status"] == {"n": 1} and now["port"] == "4"
    # the number of the scale is where the version that is asked for has it
    scale = cluster.ask("GET", kind.at("a", "v2") + "/scale")
    assert (scale["spec"]["replicas"], scale["status"]["replicas"]) == (2, 1)
    assert cluster.ask("PATCH", kind.at("a", "v2") + "/scale", {"spec": {"replicas": 5}}, **MERGE)["spec"]["replicas"] == 5
    assert cluster.ask("GET", kind.at("a"))["spec"] == {"replicas": 5}
    # a field that the version does not have
    said = cluster.raw("POST", kind.at(version="v2") + "?fieldValidation=Strict", {**applied, "metadata": {"name": "b"}, "hostPort": "x:1"})
    assert said[0] == 400 and 'unknown field "hostPort"' in said[1]["message"]
    dry = {**applied, "metadata": {"name": "dry"}}
    assert cluster.ask("POST", kind.at(version="v2") + "?dryRun=All", dry, expect=201)["host"] == "other"
    assert cluster.raw("GET", kind.at("dry"))[0] == 404


def test_watches(cluster, kind):
    with Watch(cluster, kind.at(version="v2"), "") as new, Watch(cluster, kind.at(), "") as old:
        kind.make("a", hostPort="localhost:8080")
        for i in range(30):
            cluster.ask("PATCH", kind.at("a"), {"spec": {"replicas": i}}, **MERGE)
        kind.store_in("v2")
        cluster.ask("PATCH", kind.at("a"), {"spec": {"replicas": 30}}, **MERGE)
        cluster.ask("DELETE", kind.at("a"))
        assert new.until("DELETED") and old.until("DELETED")
    for watch, right, name in ((new, kind.is_v2, "count"), (old, kind.is_v1, "replicas")):
        assert watch.types() == ["ADDED"] + ["MODIFIED"] * 31 + ["DELETED"]
        objects = [event["object"] for event in watch.seen if event["type"] != "BOOKMARK"]
        assert all(right(o) for o in objects)
        assert [o["spec"][name] for o in objects[1:-1]] == list(range(31))
        revisions = [int(o["metadata"]["resourceVersion"]) for o in objects]
        assert revisions == sorted(revisions)


def test_admission_in_another_version(cluster, ns, kind, webhook):
    """Who judges and changes v2 is shown v2, whatever version is written."""
    webhook.says["/v2-only"] = lambda request: deny("no such port") if request["object"]["port"] == "13" else {"allowed": True}
    webhook.says["/v2-change"] = lambda request: patch(("replace", "/host", request["object"]["host"].lower()))
    rules = [{"operations": ["CREATE", "UPDATE"], "apiGroups": [kind.group], "apiVersions": ["v2"], "resources": ["turned"]}]
    hooks = {"validating": "/v2-only", "mutating": "/v2-change"}
    for how, path in hooks.items():
        cluster.ask("POST", f"{HOOKS}/{how}webhookconfigurations", {"metadata": {"name": f"{ns[:40]}-{how}"}, "webhooks": [{
            "name": f"{how}.hooks.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None", "rules": rules,
            "clientConfig": {"url": webhook.url + path, "caBundle": webhook.bundle}}]}, expect=201)  # fmt: skip
    policy = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": ns[:50]}, "spec": {
        "matchConstraints": {"resourceRules": rules}, "validations": [{"expression": "object.port != '14'"}]}}  # fmt: skip
    binding = {"apiVersion": policy["apiVersion"], "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": ns[:50]}, "spec": {
        "policyName": ns[:50], "validationActions": ["Deny"]}}  # fmt: skip
    cluster.ask("POST", f"{HOOKS}/validatingadmissionpolicies", policy, expect=201)
    cluster.ask("POST", f"{HOOKS}/validatingadmissionpolicybindings", binding, expect=201)
    try:
        body = {"apiVersion": f"{kind.group}/v1", "kind": "Turned", "metadata": {"name": "a"}}
        said = cluster.ask("POST", kind.at(), {**body, "hostPort": "H:13"}, expect=400)["message"]
        assert "no such port" in said
        said = cluster.ask("POST", kind.at(), {**body, "hostPort": "H:14"}, expect=422)["message"]
        assert "failed expression: object.port != '14'" in said
        assert cluster.ask("POST", kind.at(), {**body, "hostPort": "H:15"}, expect=201)["hostPort"] == "h:15"
    finally:
        for path in ("validatingadmissionpolicies/" + ns[:50], "validatingadmissionpolicybindings/" + ns[:50],
                     *(f"{how}webhookconfigurations/{ns[:40]}-{how}" for how in hooks)):  # fmt: skip
            cluster.raw("DELETE", f"{HOOKS}/{path}")


def test_a_webhook_that_fails(cluster, ns, kind, webhook):
    """What needs it says so; what does not goes on: its own version, deletions, what is ended with its owner or its namespace."""
    other = f"{ns[:40]}-other"
    cluster.kubectl("create", "namespace", other)
    owner = cluster.ask("POST", f"/api/v1/namespaces/{ns}/configmaps", {"metadata": {"name": "owner"}}, expect=201)
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    kind.make("a", hostPort="localhost:8080")
    kind.make("b", ns=other, hostPort="localhost:8080")
    owned = {"apiVersion": f"{kind.group}/v1", "kind": "Turned", "metadata": {"name": "c", "ownerReferences": [reference]}, "hostPort": "localhost:8080"}
    cluster.ask("POST", kind.at(), owned, expect=201)
    kind.store_in("v2")

    with Watch(cluster, kind.at(version="v2"), "") as watch:
        assert watch.until("ADDED", count=2)
        webhook.says[kind.hook] = lambda request: {"result": {"status": "Failed", "message": "not today"}}
        why = f"conversion webhook for {kind.group}/v1, Kind=Turned failed: not today"
        for status, reply, _ in (cluster.raw("GET", kind.at("a", "v2")), cluster.raw("GET", kind.at(version="v2")),
                                 cluster.raw("PATCH", kind.at("a"), {"spec": {"replicas": 1}}, **MERGE)):  # fmt: skip
            assert status == 500 and reply["message"] == why, reply
        assert f"Error from server: {why}" in cluster.kubectl("-n", ns, "get", f"turned.v2.{kind.group}", "a", check=False).stderr
        assert all(kind.is_v1(o) for o in cluster.ask("GET", kind.at())["items"])
        cluster.ask("DELETE", f"/api/v1/namespaces/{ns}/configmaps/owner")
        assert watch.until("ERROR")
    assert watch.seen[-1]["object"]["message"] == why
    assert eventually(lambda: cluster.raw("GET", kind.at("c"))[0] == 404, timeout=60), "what was owned is not collected"
    cluster.ask("DELETE", kind.at("a"))
    cluster.kubectl("delete", "namespace", other, "--wait=false")
    assert eventually(lambda: cluster.raw("GET", f"/api/v1/namespaces/{other}")[0] == 404, timeout=120), "the namespace does not go"
    webhook.says[kind.hook] = convert


def test_what_a_definition_may_not_say(cluster, kind):
    conversion = lambda value, expect=422: json.dumps(cluster.ask("PATCH", kind.path, {"spec": {"conversion": value}}, expect=expect, **MERGE))  # noqa: E731
    assert "should not be set when strategy is not set to Webhook" in conversion({"strategy": "None"})
    assert "must include at least one of v1, v1beta1" in conversion({"webhook": {"conversionReviewVersions": ["v7"]}})
    assert "'https' is the only allowed URL scheme" in conversion({"webhook": {"clientConfig": {"url": "http://10.0.2.100/"}}})
    assert eventually(lambda: "v1" in cluster.ask("GET", kind.path)["status"]["storedVersions"], timeout=60)
    only = [v for v in versions("v2") if v["name"] == "v2"]
    said = cluster.ask("PATCH", kind.path, {"spec": {"versions": only}}, expect=422, **MERGE)["message"]
    assert 'status.storedVersions[0]: Invalid value: "v1": must appear in spec.versions' in said
