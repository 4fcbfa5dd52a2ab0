# SPDX-License-Identifier: Apache-2.0
"""Autoscalers that follow what a metrics adapter says: metrics of pods, of other objects, from outside."""

import json
from urllib.parse import parse_qs, unquote

import pytest
from support.extension import APISERVICES, behind_service, register
from support.node import eventually

CUSTOM, EXTERNAL = "custom.metrics.k8s.io", "external.metrics.k8s.io"
VERSIONS = {CUSTOM: "v1beta2", EXTERNAL: "v1beta1"}
ME = "system:serviceaccount:kube-system:horizontal-pod-autoscaler"
NOW = "2026-01-01T00:00:00Z"


class Metrics:
    """.pods: the metric of each, by name; .objects: that of RESOURCE/NAME; .outside: its values. None: there is no such metric."""

    def __init__(self):
        self.pods, self.objects, self.outside, self.asked = {}, {}, [], []

    def __call__(self, url):
        parts = unquote(url.path).split("/")
        group, version, rest = (parts[2], parts[3], parts[4:]) if len(parts) > 3 else ("", "", [])
        if parts[1] != "apis" or not group or VERSIONS.get(group) != version:
            return None
        if not rest:
            return 200, {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{group}/{version}", "resources": []}
        self.asked.append(("/".join(rest[2:]), {key: value[0] for key, value in parse_qs(url.query).items()}))
        if group == EXTERNAL:
            items = None if self.outside is None else [
                {"metricName": rest[2], "metricLabels": {}, "timestamp": NOW, "value": value} for value in self.outside]  # fmt: skip
        elif rest[2:4] == ["pods", "*"]:
            items = self.described("Pod", rest[4], self.pods)
        else:
            one = "/".join(rest[2:4])
            items = self.described("Thing", rest[-1], {rest[3]: self.objects[one]} if one in self.objects else None)
        if items is None:
            return 404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404,
                         "message": f"the server could not find the metric {rest[-1]}"}  # fmt: skip
        kind = "ExternalMetricValueList" if group == EXTERNAL else "MetricValueList"
        return 200, {"kind": kind, "apiVersion": f"{group}/{version}", "metadata": {}, "items": items}

    @staticmethod
    def described(kind, metric, values):
        return values if values is None else [{"describedObject": {"kind": kind, "name": name}, "metric": {"name": metric}, "timestamp": NOW,
                                               "value": value} for name, value in values.items()]  # fmt: skip


@pytest.fixture
def adapter(cluster, ns, tmp_path):
    """A metrics adapter, available, and a load of one pod."""
    made = behind_service(cluster, ns, tmp_path / "adapter")
    made.more = Metrics()
    names = [f"{version}.{group}" for group, version in VERSIONS.items()]
    container = {"name": "c", "image": "wherry/hello", "imagePullPolicy": "IfNotPresent", "command": ["sleep", "1000"]}
    try:
        cluster.ask("POST", f"/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices", made.slice, expect=201)
        for group, version in VERSIONS.items():
            register(cluster, ns, made, group, version)
        cluster.ask("POST", f"/apis/apps/v1/namespaces/{ns}/deployments", {"metadata": {"name": "web"}, "spec": {
            "replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": {
                "metadata": {"labels": {"app": "web"}}, "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]}}}}, expect=201)  # fmt: skip
        for name in names:
            cluster.kubectl("wait", "--for=condition=Available", f"apiservice/{name}", "--timeout=100s")
        yield made
    finally:
        for name in names:
            cluster.raw("DELETE", f"{APISERVICES}/{name}")
        made.end()


def autoscaler(cluster, ns, name, *metrics):
    cluster.ask("POST", f"/apis/autoscaling/v2/namespaces/{ns}/horizontalpodautoscalers", {"metadata": {"name": name}, "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "minReplicas": 1, "maxReplicas": 3,
        "metrics": list(metrics), "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}}, expect=201)  # fmt: skip


def pods_metric(target):
    return {"type": "Pods", "pods": {"metric": {"name": "work"}, "target": {"type": "AverageValue", "averageValue": target}}}


def object_metric(target):
    return {"type": "Object", "object": {"metric": {"name": "rate", "selector": {"matchLabels": {"path": "a"}}}, "target": {
        "type": "Value", "value": target}, "describedObject": {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "main"}}}  # fmt: skip


def external_metric(target):
    return {"type": "External", "external": {"metric": {"name": "queue", "selector": {"matchLabels": {"of": "web"}}}, "target": {
        "type": "AverageValue", "averageValue": target}}}  # fmt: skip


def ready(cluster, ns):
    """Names of the load's pods, when as many are ready as are wanted."""
    one = cluster.ask("GET", f"/apis/apps/v1/namespaces/{ns}/deployments/web")
    pods = cluster.ask("GET", f"/api/v1/namespaces/{ns}/pods?labelSelector=app%3Dweb")["items"]
    names = [p["metadata"]["name"] for p in pods if "deletionTimestamp" not in p["metadata"]]
    return names if one["status"].get("readyReplicas", 0) == one["spec"]["replicas"] == len(names) else []


def becomes(cluster, ns, name, count):
    seen = lambda: cluster.kubectl("-n", ns, "describe", "hpa", name).stdout  # noqa: E731
    assert eventually(lambda: len(ready(cluster, ns)) == count, timeout=90), seen()


def conditions(cluster, ns, name):
    one = cluster.ask("GET", f"/apis/autoscaling/v2/namespaces/{ns}/horizontalpodautoscalers/{name}")
    return {c["type"]: (c["status"], c["reason"], c["message"]) for c in one["status"].get("conditions", [])}


def current(cluster, ns, name):
    one = cluster.ask("GET", f"/apis/autoscaling/v2/namespaces/{ns}/horizontalpodautoscalers/{name}")
    return one["status"].get("currentMetrics")


def events(cluster, ns, name):
    return cluster.get("-n", ns, "events", "--field-selector", f"involvedObject.name={name}")["items"]


def test_metrics_of_pods(cluster, ns, adapter):
    """Up by what the pods say on average, one of which nothing is known counting against it; and down."""
    assert eventually(lambda: len(ready(cluster, ns)) == 1, timeout=60)
    adapter.more.pods = {name: "2" for name in ready(cluster, ns)}
    autoscaler(cluster, ns, "by-pods", pods_metric("1"))
    becomes(cluster, ns, "by-pods", 2)
    assert adapter.more.asked[-1] == ("pods/*/work", {"labelSelector": "app=web"})
    asked = next(headers for _, path, headers in adapter.seen if path.startswith(f"/apis/{CUSTOM}/v1beta2/namespaces/{ns}/"))
    said = sorted((k.lower(), v) for k, v in asked if k.lower() in ("x-remote-user", "x-remote-group"))
    assert said == [("x-remote-group", "system:authenticated"), ("x-remote-group", "system:serviceaccounts"),
                    ("x-remote-group", "system:serviceaccounts:kube-system"), ("x-remote-user", ME)]  # fmt: skip
    adapter.more.pods = {name: "1" for name in ready(cluster, ns)}
    pods = [{"type": "Pods", "pods": {"metric": {"name": "work"}, "current": {"averageValue": "1"}}}]
    assert eventually(lambda: current(cluster, ns, "by-pods") == pods, timeout=60), current(cluster, ns, "by-pods")
    assert conditions(cluster, ns, "by-pods")["ScalingActive"][1:] == (
        "ValidMetricFound", "the HPA was able to successfully calculate a replica count from pods metric work")  # fmt: skip
    assert "1/1" in cluster.kubectl("-n", ns, "get", "hpa", "by-pods").stdout
    adapter.more.pods = {name: "200m" for name in ready(cluster, ns)}
    becomes(cluster, ns, "by-pods", 1)


def test_metrics_of_objects_and_from_outside(cluster, ns, adapter):
    """Each up and down, and both: the larger counts."""
    assert eventually(lambda: len(ready(cluster, ns)) == 1, timeout=60)
    adapter.more.objects = {"ingresses.networking.k8s.io/main": "20"}
    autoscaler(cluster, ns, "by-object", object_metric("10"))
    becomes(cluster, ns, "by-object", 3)
    assert adapter.more.asked[-1] == ("ingresses.networking.k8s.io/main/rate", {"metricLabelSelector": "path=a"})
    adapter.more.objects = {"ingresses.networking.k8s.io/main": "2"}
    becomes(cluster, ns, "by-object", 1)
    cluster.kubectl("-n", ns, "delete", "hpa", "by-object")

    adapter.more.outside = ["15", "5"]
    autoscaler(cluster, ns, "from-outside", external_metric("10"))
    becomes(cluster, ns, "from-outside", 2)
    assert adapter.more.asked[-1] == ("queue", {"labelSelector": "of=web"})
    assert eventually(lambda: "10/10 (avg)" in cluster.kubectl("-n", ns, "get", "hpa", "from-outside").stdout, timeout=60)
    adapter.more.outside = ["4"]
    becomes(cluster, ns, "from-outside", 1)
    cluster.kubectl("-n", ns, "delete", "hpa", "from-outside")

    adapter.more.outside = ["30"]
    autoscaler(cluster, ns, "by-both", object_metric("10"), external_metric("10"))
    becomes(cluster, ns, "by-both", 3)


def test_an_adapter_that_fails(cluster, ns, adapter):
    """What it says, or that it says nothing, is in the condition; nothing shrinks by what is left; and it goes on when it is back."""
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {"user": ME, "resourceAttributes": {
        "verb": "get", "group": CUSTOM, "version": "*", "resource": "pods", "subresource": "work", "namespace": ns, "name": "*"}}}  # fmt: skip
    assert cluster.ask("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review, expect=201)["status"]["allowed"]
    assert eventually(lambda: len(ready(cluster, ns)) == 1, timeout=60)
    adapter.more.outside = ["30"]
    adapter.more.pods = None
    autoscaler(cluster, ns, "a", pods_metric("1"), external_metric("10"))
    becomes(cluster, ns, "a", 3)  # one that is known is enough to grow
    adapter.more.outside = ["5"]
    why = "unable to get metric work: unable to fetch metrics from custom metrics API: the server could not find the metric work"
    failed = ("False", "FailedGetPodsMetric", f"the HPA was unable to compute the replica count: {why}")
    assert eventually(lambda: conditions(cluster, ns, "a").get("ScalingActive") == failed, timeout=60), conditions(cluster, ns, "a")
    told = [("FailedGetPodsMetric", why), ("FailedComputeMetricsReplicas",
            f"invalid metrics (1 invalid out of 2), first error is: failed to get pods metric value: {why}")]  # fmt: skip
    assert eventually(lambda: set(told) <= {(e["reason"], e["message"]) for e in events(cluster, ns, "a")}), events(cluster, ns, "a")
    assert len(ready(cluster, ns)) == 3
    assert "FailedGetPodsMetric" in cluster.kubectl("-n", ns, "describe", "hpa", "a").stdout

    adapter.healthy = False
    said = lambda: conditions(cluster, ns, "a").get("ScalingActive", ("", "", ""))[2]  # noqa: E731
    assert eventually(lambda: "APIService v1beta2.custom.metrics.k8s.io" in said() or "the server is currently unable" in said(), timeout=90), said()
    adapter.healthy = True
    adapter.more.pods = {name: "100m" for name in ready(cluster, ns)}
    becomes(cluster, ns, "a", 1)
    assert conditions(cluster, ns, "a")["ScalingActive"][:2] == ("True", "ValidMetricFound")
    cluster.raw("DELETE", f"{APISERVICES}/v1beta1.{EXTERNAL}")
    assert eventually(lambda: "no external metrics API (external.metrics.k8s.io) registered" in json.dumps(
        events(cluster, ns, "a")), timeout=60), events(cluster, ns, "a")  # fmt: skip
