# SPDX-License-Identifier: Apache-2.0
"""Answers in protobuf, as typed clients of Go ask for them, read by hand; and kubectl, whose typed clients do."""

import gzip
import json

import pytest
from support.protobuf import PROTOBUF, Message, event, events, opened
from support.websocket import WebSocket

META = "g=meta.k8s.io;v=v1"
NAME, RESOURCE_VERSION, LABELS, ANNOTATIONS = 1, 6, 11, 12  # of ObjectMeta
BOATS = {
    "metadata": {"name": "boats.protobuf.example.com"},
    "spec": {
        "group": "protobuf.example.com", "scope": "Namespaced",
        "names": {"plural": "boats", "singular": "boat", "kind": "Boat", "listKind": "BoatList"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
            "type": "object", "x-kubernetes-preserve-unknown-fields": True}}}],
    },
}  # fmt: skip


def ask(cluster, method, path, accept=PROTOBUF, body=None, expect=200):
    status, reply, headers = cluster.raw(method, path, body, headers={"Accept": accept})
    assert (status, headers["Content-Type"]) == (expect, PROTOBUF), (status, headers["Content-Type"], reply)
    return opened(reply)


def refused(cluster, path, status, reason, accept=PROTOBUF):
    """The message of the Status."""
    what, error = ask(cluster, "GET", path, accept, expect=status)
    assert what == ("v1", "Status")
    assert (error.text(2), error.text(4), error.number(6)) == ("Failure", reason, status)
    return error.text(3)


def test_objects_and_lists(cluster, ns):
    path = f"/api/v1/namespaces/{ns}/configmaps"
    body = {"metadata": {"name": "a", "labels": {"x": "1"}}, "data": {"k": "v", "j": ""}, "binaryData": {"b": "AP8="}}
    what, made = ask(cluster, "POST", path, body=body, expect=201)
    assert what == ("v1", "ConfigMap")
    assert (made.text(1, NAME), made.map(1, LABELS), made.map(2)) == ("a", {"x": "1"}, {"k": "v", "j": ""})
    assert Message(made.all(3)[0]).all(2) == [b"\x00\xff"]
    as_json = cluster.ask("GET", f"{path}/a")
    assert made.text(1, RESOURCE_VERSION) == as_json["metadata"]["resourceVersion"]
    # JSON is what it was, for whoever wants it first
    assert cluster.ask("GET", f"{path}/a", headers={"Accept": f"application/json,{PROTOBUF}"}) == as_json
    assert cluster.ask("GET", f"{path}/a", headers={"Accept": f"{PROTOBUF};q=0.1,*/*;q=0.2"}) == as_json

    cluster.ask("POST", path, {"metadata": {"name": "b"}}, expect=201)
    what, found = ask(cluster, "GET", f"{path}?labelSelector=x")
    assert what == ("v1", "ConfigMapList")
    assert found.text(1, 2) and [Message(item).text(1, NAME) for item in found.all(2)] == ["a"]
    what, page = ask(cluster, "GET", f"{path}?limit=1")
    assert len(page.all(2)) == 1 and page.text(1, 3) and page.number(1, 4) > 0
    what, empty = ask(cluster, "GET", f"{path}?labelSelector=none")
    assert what == ("v1", "ConfigMapList") and not empty.all(2)

    what, done = ask(cluster, "DELETE", f"{path}/a")
    assert what == ("v1", "Status") and done.text(2) == "Success"
    what, review = ask(cluster, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", expect=201,
                       body={"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}})  # fmt: skip
    assert what == ("authorization.k8s.io/v1", "SelfSubjectAccessReview") and review.number(3, 1) == 1


def test_a_list_that_is_sent_in_pieces(cluster, ns):
    """Larger than what waits to be sent, compressed or not, it is the list that JSON is."""
    path = f"/api/v1/namespaces/{ns}/configmaps"
    for i in range(5):
        cluster.ask("POST", path, {"metadata": {"name": f"l{i}"}, "data": {"x": f"{i}" * 200_000}}, expect=201)
    what, found = ask(cluster, "GET", path)
    same = f"{path}?resourceVersion={found.text(1, 2)}&resourceVersionMatch=Exact"  # the cluster works on between two lists
    names = [item["metadata"]["name"] for item in cluster.ask("GET", same)["items"]]
    status, data, headers = cluster.raw("GET", same, headers={"Accept": PROTOBUF, "Accept-Encoding": "gzip"})
    assert (status, headers["Content-Type"], headers["Content-Encoding"]) == (200, PROTOBUF, "gzip")
    assert opened(gzip.decompress(data))[1].fields == found.fields
    assert what == ("v1", "ConfigMapList")
    items = [Message(item) for item in found.all(2)]
    assert [item.text(1, NAME) for item in items] == names
    assert [item.map(2)["x"] for item in items if item.text(1, NAME).startswith("l")] == [f"{i}" * 200_000 for i in range(5)]


def test_errors(cluster, ns):
    assert refused(cluster, f"/api/v1/namespaces/{ns}/configmaps/none", 404, "NotFound") == 'configmaps "none" not found'
    refused(cluster, "/api/v1/pods?labelSelector=%21%21", 400, "BadRequest")
    assert "too old" in refused(cluster, "/api/v1/namespaces?watch=1&resourceVersion=1", 410, "Expired").lower()
    # a form that errors do not have is passed over
    status, error, _ = cluster.raw("GET", f"/api/v1/namespaces/{ns}/configmaps/none",
                                   headers={"Accept": f"{PROTOBUF};as=PartialObjectMetadata;{META}"})  # fmt: skip
    assert (status, error["reason"]) == (404, "NotFound")


@pytest.fixture
def boats(cluster):
    cluster.ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", BOATS, expect=201)
    cluster.kubectl("wait", "--for=condition=Established", "crd/boats.protobuf.example.com", "--timeout=60s")
    yield "/apis/protobuf.example.com/v1"
    cluster.kubectl("delete", "crd", "boats.protobuf.example.com", "--timeout=60s")


def test_metadata_alone(cluster, ns, boats):
    """Informers of metadata ask for protobuf of every kind; custom resources themselves have none."""
    path = f"{boats}/namespaces/{ns}/boats"
    boat = {"apiVersion": "protobuf.example.com/v1", "kind": "Boat", "metadata": {"name": "b"}, "sails": 2}
    cluster.ask("POST", path, boat, expect=201)
    one = ",".join(f"{kind};as=PartialObjectMetadata;{META}" for kind in (PROTOBUF, "application/json"))
    many = one.replace("Metadata;", "MetadataList;")
    what, found = ask(cluster, "GET", f"{path}/b", one)
    assert what == ("meta.k8s.io/v1", "PartialObjectMetadata")
    assert found.text(1, NAME) == "b" and set(found.fields) == {1}
    what, found = ask(cluster, "GET", path, many)
    assert what == ("meta.k8s.io/v1", "PartialObjectMetadataList")
    assert found.text(1, 2) and [Message(item).text(1, NAME) for item in found.all(2)] == ["b"]
    what, found = ask(cluster, "GET", f"/api/v1/namespaces/{ns}", one)
    assert found.text(1, NAME) == ns and set(found.fields) == {1}

    assert cluster.ask("GET", f"{path}/b", headers={"Accept": f"{PROTOBUF},application/json"})["sails"] == 2
    assert refused(cluster, f"{path}/b", 406, "NotAcceptable") == "only the following media types are accepted: application/json"
    # there is no Table in protobuf
    table = ",".join(f"{kind};as=Table;{META}" for kind in (PROTOBUF, "application/json"))
    assert cluster.ask("GET", f"/api/v1/namespaces/{ns}/configmaps", headers={"Accept": table})["kind"] == "Table"


def test_a_definition_written_in_protobuf(cluster, ns):
    """As clients of Go that create definitions send it; what is in JSON one of several kinds arrives as what it was."""
    schema = {"type": "object", "properties": {"spec": {"type": "object", "required": ["hull"], "properties": {
        "hull": {"type": "string", "enum": ["oak", "elm"], "default": "oak"},
        "masts": {"type": "array", "items": {"type": "integer", "minimum": 1.5}, "maxItems": 3, "x-kubernetes-list-type": "set"},
        "flags": {"type": "object", "additionalProperties": {"type": "string", "nullable": True}},
        "notes": {"type": "object", "additionalProperties": True},
        "draught": {"x-kubernetes-int-or-string": True},
        "rest": {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "default": {"a": [1, None, "x"]}}},
        "x-kubernetes-validations": [{"rule": "!has(self.masts) || self.masts.size() > 0", "message": "a ship has masts"}]}}}  # fmt: skip
    ships = {
        "metadata": {"name": "ships.protobuf.example.com", "labels": {"x": "1"}},
        "spec": {
            "group": "protobuf.example.com", "scope": "Namespaced",
            "names": {"plural": "ships", "singular": "ship", "kind": "Ship", "listKind": "ShipList", "shortNames": ["sh"]},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}},
                          "additionalPrinterColumns": [{"name": "Hull", "type": "string", "jsonPath": ".spec.hull"}]}],
        },
    }  # fmt: skip
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    wanted = cluster.ask("POST", f"{path}?dryRun=All", ships, expect=201)["spec"]
    status, data, headers = cluster.raw("POST", f"{path}?dryRun=All", ships, headers={"Accept": PROTOBUF})
    assert (status, headers["Content-Type"]) == (201, PROTOBUF)
    made = cluster.ask("POST", path, data, expect=201, kind=PROTOBUF)
    try:
        assert made["spec"] == wanted and made["metadata"]["labels"] == {"x": "1"}
        cluster.kubectl("wait", "--for=condition=Established", "crd/ships.protobuf.example.com", "--timeout=60s")
        what, found = ask(cluster, "GET", path)
        assert what == ("apiextensions.k8s.io/v1", "CustomResourceDefinitionList")
        assert "ships.protobuf.example.com" in [Message(item).text(1, NAME) for item in found.all(2)]
        ship = {"apiVersion": "protobuf.example.com/v1", "kind": "Ship", "metadata": {"name": "s"}, "spec": {"masts": [2], "notes": {"n": [0]}}}
        objects = f"/apis/protobuf.example.com/v1/namespaces/{ns}/ships"
        assert cluster.ask("POST", objects, ship, expect=201)["spec"] == {
            "hull": "oak", "masts": [2], "notes": {"n": [0]}, "rest": {"a": [1, None, "x"]}}  # fmt: skip
        for wrong, said in (({"masts": [1]}, "masts[0]"), ({"flags": {"f": 1}}, "flags.f"), ({"masts": []}, "a ship has masts")):
            refusal = cluster.ask("POST", objects, {**ship, "metadata": {"name": "w"}, "spec": wrong}, expect=422)
            assert said in refusal["message"], refusal
    finally:
        cluster.kubectl("delete", "crd", "ships.protobuf.example.com", "--timeout=60s")


def watch(cluster, path, query, accept=f"{PROTOBUF};stream=watch"):
    conn = cluster.connect()
    conn.request("GET", f"{path}?watch=true&timeoutSeconds=60&{query}", headers={"Accept": accept})
    reply = conn.getresponse()
    assert (reply.status, reply.headers["Content-Type"]) == (200, f"{PROTOBUF};stream=watch")
    return conn, events(reply)


def test_watches(cluster, ns):
    path = f"/api/v1/namespaces/{ns}/configmaps"
    query = "labelSelector=watched&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
    labels = {"watched": "yes"}
    cluster.ask("POST", path, {"metadata": {"name": "w", "labels": labels}, "data": {"n": "1"}}, expect=201)
    conn, seen = watch(cluster, path, query)
    other, metadata = watch(cluster, path, query, f"{PROTOBUF};as=PartialObjectMetadata;{META}")
    for stream, kind in ((seen, ("v1", "ConfigMap")), (metadata, ("meta.k8s.io/v1", "PartialObjectMetadata"))):
        how, what, found = next(stream)
        assert (how, what, found.text(1, NAME)) == ("ADDED", kind, "w")
        how, what, found = next(stream)
        assert (how, what, found.map(1, ANNOTATIONS)) == ("BOOKMARK", kind, {"k8s.io/initial-events-end": "true"})
    changed = {"metadata": {"name": "w", "labels": labels}, "data": {"n": "2"}}
    now = cluster.ask("PUT", f"{path}/w", changed)["metadata"]["resourceVersion"]
    cluster.ask("DELETE", f"{path}/w")
    how, _, found = next(seen)
    assert (how, found.text(1, RESOURCE_VERSION), found.map(2)) == ("MODIFIED", now, {"n": "2"})
    how, _, found = next(seen)
    assert (how, found.text(1, NAME), found.map(2)) == ("DELETED", "w", {"n": "2"})
    for want in ("MODIFIED", "DELETED"):
        how, _, found = next(metadata)
        assert (how, found.text(1, NAME), set(found.fields)) == (want, "w", {1})
    conn.close()
    other.close()


def test_a_watch_in_messages(cluster, ns):
    """Each event is a message of bytes, without its length before it."""
    path = f"/api/v1/namespaces/{ns}/configmaps"
    cluster.ask("POST", path, {"metadata": {"name": "m"}, "data": {"n": "1"}}, expect=201)
    with WebSocket(cluster, f"{path}?watch=true&fieldSelector=metadata.name%3Dm", accept=PROTOBUF) as socket:
        assert socket.status == 101, socket.said
        operation, payload = socket.frame()
        how, what, found = event(payload)
        assert (operation, how, what, found.text(1, NAME)) == (2, "ADDED", ("v1", "ConfigMap"), "m")


def test_discovery_stays(cluster):
    for path in ("/api", "/apis", "/apis/apps", "/apis/apps/v1", "/version"):
        for accept in (f"{PROTOBUF}, */*", f"{PROTOBUF},application/json"):
            assert isinstance(cluster.ask("GET", path, headers={"Accept": accept}), dict)


def test_kubectl(cluster, ns):
    """Its commands that use typed clients: quantities, times, durations and embedded structs are what JSON has."""
    cluster.kubectl("-n", ns, "create", "deployment", "web", "--image=wherry/hello", "--replicas=0")
    cluster.kubectl("-n", ns, "set", "resources", "deployment/web", "--limits=cpu=100m,memory=64Mi")
    told = cluster.kubectl("-n", ns, "describe", "deployment", "web").stdout
    assert "100m" in told and "64Mi" in told and "25% max unavailable, 25% max surge" in told
    cluster.kubectl("-n", ns, "create", "configmap", "c", "--from-literal=k=v")
    told = cluster.kubectl("-n", ns, "describe", "configmap", "c", "-v=8")
    assert "k:\n----\nv\n" in told.stdout and f"Content-Type: {PROTOBUF}" in told.stderr
    cluster.kubectl("-n", ns, "create", "service", "clusterip", "s", "--tcp=80:8080")
    assert "8080/TCP" in cluster.kubectl("-n", ns, "describe", "service", "s").stdout
    told = cluster.kubectl("describe", "nodes").stdout
    assert "Allocatable:" in told and "MemoryPressure" in told
    assert cluster.kubectl("auth", "can-i", "get", "pods").stdout == "yes\n"
    assert json.loads(cluster.kubectl("auth", "whoami", "-o", "json").stdout)["status"]["userInfo"]["username"]
