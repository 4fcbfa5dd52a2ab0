# SPDX-License-Identifier: Apache-2.0
"""Conformance of the addresses of services as objects: ServiceCIDR, IPAddress."""

import pytest
from support.cluster import Watch
from support.conformance import named
from support.node import eventually

NET = "[sig-network] ServiceCIDR and IPAddress API "
API = "/apis/networking.k8s.io/v1"
MERGE = {"kind": "application/merge-patch+json"}


def resources(cluster):
    """What discovery says of the group's version: names with verbs."""
    groups = {g["name"]: g for g in cluster.ask("GET", "/apis")["groups"]}
    assert "networking.k8s.io/v1" in [v["groupVersion"] for v in groups["networking.k8s.io"]["versions"]]
    return {r["name"]: set(r["verbs"]) for r in cluster.ask("GET", API)["resources"]}


ALL = {"create", "get", "list", "watch", "update", "patch", "delete", "deletecollection"}


@named("", NET + "should support ServiceCIDR API operations")
def test_ranges_of_services(cluster):
    found = resources(cluster)
    assert found["servicecidrs"] >= ALL and found["servicecidrs/status"] >= {"get", "patch", "update"}
    own = cluster.ask("GET", f"{API}/servicecidrs/kubernetes")
    assert own["spec"]["cidrs"] == ["10.96.0.0/12"]
    ready = {c["type"]: c for c in own["status"]["conditions"]}["Ready"]
    assert ready["status"] == "True" and ready["message"] and ready["lastTransitionTime"]
    status = cluster.ask("GET", f"{API}/servicecidrs/kubernetes/status")
    assert (status["kind"], status["apiVersion"], status["metadata"]["uid"]) == ("ServiceCIDR", "networking.k8s.io/v1", own["metadata"]["uid"])
    assert "kubernetes" in [x["metadata"]["name"] for x in cluster.ask("GET", f"{API}/servicecidrs")["items"]]
    with Watch(cluster, f"{API}/servicecidrs", "fieldSelector=metadata.name%3Dkubernetes") as watch:
        assert watch.until("ADDED")


@named("", NET + "should support IPAddress API operations")
def test_addresses(cluster):
    assert resources(cluster)["ipaddresses"] >= ALL
    path = f"{API}/ipaddresses"
    parent = {"group": "mygroup", "resource": "myresources", "namespace": "foo", "name": "bar"}

    def body(name, kind):
        return {"metadata": {"name": name, "labels": {"type": kind}}, "spec": {"parentRef": parent}}

    made = cluster.ask("POST", path, body("255.255.255.255", "broadcast"), expect=201)
    cluster.ask("POST", path, body("fe80::42:1dff:fe84:f9e2", "link-local"), expect=201)
    assert made["spec"]["parentRef"] == parent
    patched = cluster.ask("PATCH", f"{path}/255.255.255.255", {"metadata": {"annotations": {"patched": "true"}}}, **MERGE)
    assert patched["metadata"]["annotations"]["patched"] == "true"
    assert int(patched["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    patched["metadata"]["annotations"]["updated"] = "true"
    assert cluster.ask("PUT", f"{path}/255.255.255.255", patched)["metadata"]["annotations"]["updated"] == "true"
    assert cluster.ask("GET", f"{path}/255.255.255.255")["metadata"]["uid"] == made["metadata"]["uid"]
    assert len(cluster.ask("GET", f"{path}?labelSelector=type%3Dbroadcast")["items"]) == 1
    with Watch(cluster, path, "labelSelector=type%3Dbroadcast") as watch:
        assert watch.until("ADDED")
    cluster.ask("DELETE", f"{path}/255.255.255.255")
    cluster.ask("DELETE", f"{path}?labelSelector=type%3Dlink-local")
    assert not cluster.ask("GET", f"{path}?labelSelector=type%3Dlink-local")["items"]

    # one name an address, and whose it is stays
    assert cluster.ask("POST", path, body("192.0.2.01", "x"), expect=422)["reason"] == "Invalid"
    assert "canonical form" in cluster.ask("POST", path, body("2001:db8:0::1", "x"), expect=422)["message"]
    assert "parentRef" in cluster.ask("POST", path, {"metadata": {"name": "192.0.2.1"}, "spec": {}}, expect=422)["message"]


def test_each_service_has_its_address_as_an_object(cluster, ns):
    parents = cluster.kubectl("get", "servicecidrs,ip", "--no-headers").stdout
    assert "10.96.0.0/12" in parents and "services/default/kubernetes" in parents and "services/kube-system/kube-dns" in parents
    made = cluster.ask("POST", f"/api/v1/namespaces/{ns}/services", {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}, expect=201)
    ip = made["spec"]["clusterIP"]
    assert eventually(lambda: cluster.raw("GET", f"{API}/ipaddresses/{ip}")[0] == 200, timeout=30)
    found = cluster.ask("GET", f"{API}/ipaddresses/{ip}")
    assert found["spec"]["parentRef"] == {"resource": "services", "namespace": ns, "name": "s"}
    assert found["metadata"]["labels"] == {"ipaddress.kubernetes.io/ip-family": "IPv4", "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io"}
    cluster.ask("DELETE", f"{API}/ipaddresses/{ip}")
    assert eventually(lambda: cluster.raw("GET", f"{API}/ipaddresses/{ip}")[0] == 200, timeout=30), "not made again"
    cluster.ask("DELETE", f"/api/v1/namespaces/{ns}/services/s")
    assert eventually(lambda: cluster.raw("GET", f"{API}/ipaddresses/{ip}")[0] == 404, timeout=30), "it outlives its service"


# ---- a second range

SERVE = "mkdir /w; hostname >/w/index.html; httpd -f -p 8080 -h /w"
LATER = {"timeout": 60, "every": 1}


@pytest.fixture
def pods(cluster, ns):
    """One pod that serves, another that asks."""
    for name, script in (("a", SERVE), ("c", "sleep 100000")):
        cluster.ask("POST", f"/api/v1/namespaces/{ns}/pods", {"metadata": {"name": name, "labels": {"app": name}}, "spec": {
            "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False, "containers": [
                {"name": "c", "image": "wherry/hello", "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script]}]}}, expect=201)  # fmt: skip
    cluster.kubectl("-n", ns, "wait", "--for=condition=Ready", "pod/a", "pod/c", "--timeout=120s")


def test_a_second_range_is_given_and_served(cluster, ns, pods):
    ranges, services = f"{API}/servicecidrs", f"/api/v1/namespaces/{ns}/services"
    web = {"metadata": {"name": "web"}, "spec": {"clusterIP": "203.0.113.10", "selector": {"app": "a"}, "ports": [{"port": 80, "targetPort": 8080}]}}
    assert "203.0.113.10" in cluster.ask("POST", services, web, expect=422)["message"]
    cluster.ask("POST", ranges, {"metadata": {"name": "more"}, "spec": {"cidrs": ["203.0.113.0/24"]}}, expect=201)
    try:
        cluster.kubectl("wait", "--for=condition=Ready", "servicecidr/more", "--timeout=30s")
        cluster.ask("POST", services, web, expect=201)
        inside = lambda script: cluster.kubectl("-n", ns, "exec", "c", "--", "sh", "-c", script, check=False).stdout.strip()  # noqa: E731
        ask = "wget -q -T 5 -O - http://{}"
        assert eventually(lambda: inside(ask.format("203.0.113.10")) == "a", **LATER)
        assert inside(ask.format("web")) == "a", "by its name"
        assert f"name = web.{ns}.svc.cluster.local" in inside("nslookup 203.0.113.10")
        assert cluster.node.ssh(ask.format("203.0.113.10"), check=False).stdout.strip() == "a", "from the node itself"
        # what nobody serves there is refused at once, as in the first range
        refused = "wget -T 20 -O - http://203.0.113.11 2>&1"
        assert eventually(lambda: "refused" in inside(refused), **LATER), inside(refused)

        # it is kept while it is used, and gives nothing more
        cluster.ask("DELETE", f"{ranges}/more")
        condition = lambda: {c["type"]: c for c in cluster.ask("GET", f"{ranges}/more")["status"]["conditions"]}["Ready"]  # noqa: E731
        assert eventually(lambda: condition().get("reason") == "Terminating", timeout=30), condition()
        assert inside(ask.format("203.0.113.10")) == "a"
        other = {"metadata": {"name": "other"}, "spec": {"clusterIP": "203.0.113.12", "ports": [{"port": 80}]}}
        assert "not in a range" in cluster.ask("POST", services, other, expect=422)["message"]
        cluster.ask("DELETE", f"{services}/web")
        assert eventually(lambda: cluster.raw("GET", f"{ranges}/more")[0] == 404, timeout=30)
        rules = lambda: cluster.node.ssh("ip route show dev lo").strip()  # noqa: E731
        assert eventually(lambda: "203.0.113.0" not in rules(), timeout=30), rules()
    finally:
        cluster.raw("DELETE", f"{services}/web")
        cluster.raw("DELETE", f"{ranges}/more")


def test_ranges_that_would_cut_a_node_off_are_refused(cluster):
    node = cluster.get("nodes")["items"][0]
    own = next(a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP")
    for range_, why in ((f"{own}/32", f"has the address {own}"), (node["spec"]["podCIDR"], "has addresses of the pods of node")):
        body = {"metadata": {"name": "bad"}, "spec": {"cidrs": [range_]}}
        assert why in cluster.ask("POST", f"{API}/servicecidrs", body, expect=422)["message"]
    status, reply, headers = cluster.raw("POST", f"{API}/servicecidrs?dryRun=All", {"metadata": {"name": "six"}, "spec": {"cidrs": ["2001:db8::/64"]}})
    assert status == 201 and "IPv4 addresses only" in headers.get("Warning", ""), (reply, headers)


def test_the_cluster_keeps_its_own_range(cluster):
    path = f"{API}/servicecidrs/kubernetes"
    assert "immutable" in cluster.ask("PATCH", path, {"spec": {"cidrs": ["10.128.0.0/12"]}}, expect=422, **MERGE)["message"]
    patched = cluster.ask("PATCH", f"{path}/status", {"status": {"conditions": [
        {"type": "Extra", "status": "True", "reason": "R", "message": "m", "lastTransitionTime": "2026-01-02T03:04:05Z"}]}}, **MERGE)  # fmt: skip
    assert "Extra" in [c["type"] for c in patched["status"]["conditions"]]
    ready = lambda: {c["type"]: c["status"] for c in cluster.ask("GET", path)["status"]["conditions"]}.get("Ready")  # noqa: E731
    assert eventually(lambda: ready() == "True", timeout=30), "the condition that was lost is not made again"
