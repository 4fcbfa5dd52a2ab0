# SPDX-License-Identifier: Apache-2.0
"""APIServices: who serves which version of which group, through kubectl."""

import base64
import json
import re

import pytest
from support.cluster import Watch
from support.extension import APISERVICES as API
from support.extension import BASE, GROUP, RESOURCES, VERSION, behind_service, register
from support.node import eventually

NAME = f"{VERSION}.{GROUP}"


def test_what_is_served(cluster):
    """Each group and version of discovery has an APIService, which is available."""
    served = {f"{v['version']}.{g['name']}" for g in cluster.ask("GET", "/apis")["groups"] for v in g["versions"]} | {"v1."}
    rows = [line.split() for line in cluster.kubectl("get", "apiservices", "--no-headers").stdout.splitlines()]
    local = {row[0] for row in rows if row[1:3] == ["Local", "True"]}
    assert served <= local, served - local
    assert cluster.kubectl("explain", "apiservice.spec.versionPriority").returncode == 0
    one = cluster.ask("GET", f"{API}/v1.apps")
    assert one["metadata"]["labels"]["kube-aggregator.kubernetes.io/automanaged"] == "onstart"
    assert [c["reason"] for c in one["status"]["conditions"]] == ["Local"]


@pytest.fixture
def extension(cluster, ns, tmp_path):
    """An extension API server behind a service of the namespace, and its APIService."""
    made = behind_service(cluster, ns, tmp_path / "extension")
    register(cluster, ns, made, GROUP, VERSION)
    yield made
    cluster.raw("DELETE", f"{API}/{NAME}")
    made.end()


def state(cluster):
    one = cluster.ask("GET", f"{API}/{NAME}")
    return [(c["status"], c["reason"]) for c in one.get("status", {}).get("conditions", []) if c["type"] == "Available"]


def becomes(cluster, status, reason):
    assert eventually(lambda: state(cluster) == [(status, reason)], timeout=60), cluster.ask("GET", f"{API}/{NAME}")["status"]


def probes(extension):
    return sum(path == BASE and ("X-Remote-User", "system:kube-aggregator") in headers for _, path, headers in extension.seen)


def upgraded(cluster, path, to, connection="Upgrade", headers=None):
    """The answer, and the connection it came by."""
    conn = cluster.connect()
    conn.request("GET", path, headers={"Connection": connection, "Upgrade": to, **(headers or {})})
    return conn.getresponse(), conn


def test_upgrades(cluster, ns, extension):
    """A connection that an extension takes over is tied through, whatever protocol it is, and the extension knows whose it is."""
    cluster.ask("POST", f"/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices", extension.slice, expect=201)
    becomes(cluster, "True", "Passed")
    path = f"{BASE}/namespaces/{ns}/flunders/one/echo"
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    me = cluster.ask("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review, expect=201)["status"]["userInfo"]["username"]
    for to in ("SPDY/3.1", "anything"):
        answer, conn = upgraded(cluster, path, to, headers={"X-Remote-User": "mallory"})
        assert (answer.status, answer.headers["Upgrade"]) == (101, to)
        conn.sock.sendall(b"hello\nthere\n")
        said = [answer.fp.readline().decode() for _ in range(3)]
        assert said == [f"{me}\n", "you said hello\n", "you said there\n"]
        conn.close()
    # authorized as any other request
    answer, _ = upgraded(cluster, path, "anything", headers={"Impersonate-User": "ann"})
    assert answer.status == 403
    # what is refused is said as it was; what is no upgrade and no refusal cannot be handed on; what Connection does not name is none
    answer, _ = upgraded(cluster, path, "refused")
    assert (answer.status, json.loads(answer.read())["message"]) == (403, "not so")
    answer, _ = upgraded(cluster, path, "forgotten")
    assert (answer.status, answer.read()) == (503, b"invalid upgrade response: status code 200\n")
    answer, _ = upgraded(cluster, path, "anything", connection="keep-alive")
    assert (answer.status, json.loads(answer.read())["upgrade"]) == (200, None)


def patched(cluster, **spec):
    cluster.ask("PATCH", f"{API}/{NAME}", {"spec": spec}, kind="application/merge-patch+json")


def test_who_it_is(cluster, ns, extension):
    """By caBundle and its name, as it is now, or, with insecureSkipTLSVerify, whoever answers; the certificate is shown in both cases."""
    cluster.ask("POST", f"/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices", extension.slice, expect=201)
    becomes(cluster, "True", "Passed")
    flunders = f"{BASE}/namespaces/{ns}/flunders"
    assert cluster.raw("GET", flunders)[0] == 200
    other = cluster.get("-n", "kube-system", "configmap", "kube-root-ca.crt")["data"]["ca.crt"]
    patched(cluster, caBundle=base64.b64encode(other.encode()).decode())
    becomes(cluster, "False", "FailedDiscoveryCheck")
    assert cluster.raw("GET", flunders)[0] == 503
    patched(cluster, caBundle=None, insecureSkipTLSVerify=True)
    becomes(cluster, "True", "Passed")
    assert cluster.raw("GET", flunders)[0] == 200
    # another name than that in its certificate
    service = {"metadata": {"name": "other"}, "spec": {"ports": [{"name": "https", "port": 7443, "protocol": "TCP"}]}}
    cluster.ask("POST", f"/api/v1/namespaces/{ns}/services", service, expect=201)
    slice = {**extension.slice, "metadata": {**extension.slice["metadata"], "name": "other",
                                             "labels": {"kubernetes.io/service-name": "other"}}}  # fmt: skip
    cluster.ask("POST", f"/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices", slice, expect=201)
    patched(cluster, service={"namespace": ns, "name": "other", "port": 7443})
    becomes(cluster, "True", "Passed")
    assert cluster.raw("GET", flunders)[0] == 200
    patched(cluster, caBundle=extension.bundle, insecureSkipTLSVerify=False)
    becomes(cluster, "False", "FailedDiscoveryCheck")
    patched(cluster, service={"namespace": ns, "name": "wardle", "port": 7443})
    becomes(cluster, "True", "Passed")
    assert cluster.raw("GET", flunders)[0] == 200


def test_many_resources(cluster, ns, extension):
    """A list of several mebibytes is in discovery as any other."""
    one = RESOURCES["resources"][0]
    many = [{**one, "name": f"flunders{i}", "singularName": f"flunder{i}", "kind": f"Flunder{i}", "categories": ["x" * 200]} for i in range(7000)]
    extension.resources = {**RESOURCES, "resources": [*RESOURCES["resources"], *many]}
    assert 2 << 20 < len(json.dumps(extension.resources)) < 4 << 20
    cluster.ask("POST", f"/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices", extension.slice, expect=201)
    becomes(cluster, "True", "Passed")
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    _, everything, _ = cluster.raw("GET", "/apis", headers={"Accept": accept})
    everything = json.loads(everything) if isinstance(everything, bytes) else everything
    versions = next(g["versions"] for g in everything["items"] if g["metadata"].get("name") == GROUP)
    assert [len(v["resources"]) for v in versions] == [7001]


def test_extension(cluster, ns, extension):
    """Unavailable until it has an endpoint; then kubectl works with what it serves as with anything else."""
    becomes(cluster, "False", "EndpointsNotFound")
    status, _, _ = cluster.raw("GET", f"{BASE}/namespaces/{ns}/flunders")
    assert status == 503
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices"
    cluster.ask("POST", slices, extension.slice, expect=201)
    becomes(cluster, "True", "Passed")
    assert f"{ns}/wardle" in cluster.kubectl("get", "apiservice", NAME).stdout

    # discovery, in both forms
    assert GROUP in [g["name"] for g in cluster.ask("GET", "/apis")["groups"]]
    assert cluster.ask("GET", f"/apis/{GROUP}")["preferredVersion"]["version"] == VERSION
    assert [r["name"] for r in cluster.ask("GET", BASE)["resources"]] == ["flunders"]
    assert "flunders" in cluster.kubectl("api-resources", f"--api-group={GROUP}", "--no-headers").stdout
    assert "can be flundered" in cluster.kubectl("explain", "flunder").stdout

    # verbs
    flunder = {"apiVersion": f"{GROUP}/{VERSION}", "kind": "Flunder", "metadata": {"name": "one"}}
    cluster.kubectl("-n", ns, "create", "-f", "-", input=json.dumps(flunder))
    assert cluster.get("-n", ns, "fl", "one")["metadata"]["name"] == "one"
    with Watch(cluster, f"{BASE}/namespaces/{ns}/flunders", "") as watch:
        cluster.ask("POST", f"{BASE}/namespaces/{ns}/flunders", {**flunder, "metadata": {"name": "two"}}, expect=201)
        assert watch.until_seen(lambda e: e["type"] == "ADDED" and e["object"]["metadata"]["name"] == "two"), watch.seen
    cluster.kubectl("-n", ns, "delete", "flunder", "two", "--wait=false")
    assert [o["metadata"]["name"] for o in cluster.get("-n", ns, "flunders")["items"]] == ["one"]
    assert cluster.raw("GET", f"{BASE}/namespaces/{ns}/flunders/two")[0] == 404

    # who asks is said by headers, and by nobody else's
    extension.seen.clear()
    cluster.raw("GET", f"{BASE}/namespaces/{ns}/flunders", headers={"X-Remote-User": "mallory", "x-remote-group": "crew",
                "X-REMOTE-EXTRA-scopes": "all", "Connection": "X-Remote-User", "Authorization": "Basic bWFsbG9yeTpzZWNyZXQ=",
                "Impersonate-User": "ann", "Impersonate-Group": "system:masters"})  # fmt: skip
    headers = next(h for m, p, h in extension.seen if p.startswith(f"{BASE}/namespaces/"))
    said = sorted((k.lower(), v) for k, v in headers if re.match("x-remote-|authorization|impersonate-", k, re.I))
    assert said == [("x-remote-group", "system:authenticated"), ("x-remote-group", "system:masters"), ("x-remote-user", "ann")]

    # RBAC is ours
    no = cluster.kubectl("-n", ns, "get", "flunders", "--as", "ann", check=False)
    assert f'User "ann" cannot list resource "flunders" in API group "{GROUP}" in the namespace "{ns}"' in no.stderr
    cluster.kubectl("-n", ns, "create", "role", "reader", "--verb=get,list", f"--resource=flunders.{GROUP}")
    cluster.kubectl("-n", ns, "create", "rolebinding", "reader", "--role=reader", "--user=ann")
    assert eventually(lambda: cluster.kubectl("-n", ns, "get", "flunders", "--as", "ann", check=False).returncode == 0, timeout=20)
    assert cluster.kubectl("-n", ns, "delete", "flunder", "one", "--as", "ann", check=False).returncode != 0
    # a path is authorized as it is read by the other side, and what could be read otherwise is not handed on
    for path in ("/one%2Fstatus", "/../x", "/%2e%2e/x", "/%2E."):
        assert cluster.raw("GET", f"{BASE}/namespaces/{ns}/flunders{path}")[0] == 400, path
    encoded = f"{ns[:1]}%{ord(ns[1]):02x}{ns[2:]}"
    ann = {"Impersonate-User": "ann"}
    assert cluster.raw("GET", f"{BASE}/namespaces/{encoded}/flunders", headers=ann)[0] == 200
    assert cluster.raw("GET", f"{BASE}/namespaces/{encoded}x/flunders", headers=ann)[0] == 403

    # beside one that is broken
    dead = {**extension.slice, "metadata": {**extension.slice["metadata"], "name": "wardle-2"},
            "ports": [{"name": "https", "port": 1, "protocol": "TCP"}]}  # fmt: skip
    with Watch(cluster, API, "") as watch:
        cluster.ask("POST", slices, dead, expect=201)
        for n in range(8):
            before = probes(extension)
            cluster.kubectl("-n", ns, "label", "--overwrite", "endpointslice", "wardle-2", f"n={n}")
            assert eventually(lambda: probes(extension) > before, timeout=30)
        conditions = [(c["status"], c.get("message")) for e in watch.seen if e["object"]["metadata"]["name"] == NAME
                      for c in e["object"]["status"]["conditions"]]  # fmt: skip
    assert all(status == "True" for status, _ in conditions), conditions
    cluster.ask("DELETE", f"{slices}/wardle-2")
    becomes(cluster, "True", "Passed")

    # away and back
    cluster.ask("DELETE", f"{slices}/wardle")
    becomes(cluster, "False", "EndpointsNotFound")
    assert cluster.raw("GET", f"{BASE}/namespaces/{ns}/flunders")[0] == 503
    cluster.kubectl("get", "pods", "-A")
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    _, everything, _ = cluster.raw("GET", "/apis", headers={"Accept": accept})
    everything = json.loads(everything) if isinstance(everything, bytes) else everything
    versions = next(g["versions"] for g in everything["items"] if g["metadata"].get("name") == GROUP)
    assert [(v["freshness"], [r["resource"] for r in v["resources"]]) for v in versions] == [("Stale", ["flunders"])]
    extension.healthy = False
    cluster.ask("POST", slices, extension.slice, expect=201)
    becomes(cluster, "False", "FailedDiscoveryCheck")
    extension.healthy = True
    becomes(cluster, "True", "Passed")
    assert cluster.ask("GET", f"{BASE}/namespaces/{ns}/flunders/one")["metadata"]["name"] == "one"
