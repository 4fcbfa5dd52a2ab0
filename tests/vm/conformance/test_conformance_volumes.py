# SPDX-License-Identifier: Apache-2.0
"""Conformance of volumes: what their files hold, whose they are, and that they follow their sources."""

import base64
import json

import pytest
from support.casepods import Answers, Case
from support.node import eventually

STORAGE = "[sig-storage] "
NODE = " [NodeConformance]"
LINUX = " [LinuxOnly] [NodeConformance]"
TEXT = "mount-tester new file"
NS = "conformance-volumes"


def user(number):
    return {"securityContext": {"runAsUser": number}}


# ---- emptyDir


def empty_dirs():
    for who, container in (("root", {}), ("non-root", user(1001))):
        for mode in ("0644", "0666", "0777"):
            for medium, source in (("default", {}), ("tmpfs", {"medium": "Memory"})):
                script = f"umask 0; echo {TEXT} >/v/f; chmod {mode} /v/f; stat -c %a /v/f; cat /v/f; stat -fc %T /v"
                kind = "tmpfs" if medium == "tmpfs" else "ext2/ext3"
                yield Case(f"{STORAGE}EmptyDir volumes should support ({who},{mode},{medium}){LINUX}", script,
                           f"{mode[1:]}\n{TEXT}\n{kind}", {"/v": {"emptyDir": source}}, container)  # fmt: skip
    for medium, source in (("default medium", {}), ("tmpfs", {"medium": "Memory"})):
        yield Case(f"{STORAGE}EmptyDir volumes volume on {medium} should have the correct mode{LINUX}", "stat -c %A /v", "drwxrwxrwx",
                   {"/v": {"emptyDir": source}})  # fmt: skip
    yield Case(f"{STORAGE}EmptyDir wrapper volumes should not conflict", "cat /a/data-1 /b/data-1", "value-1value-1",
               {"/a": {"secret": {"secretName": "source"}}, "/b": {"configMap": {"name": "source"}}})  # fmt: skip


# ---- ConfigMaps, Secrets, and both projected


def plain(kind, **more):
    if kind == "configMap":
        return {"configMap": {"name": "source", **more}}
    return {"secret": {"secretName": "source", **more}}


def projected(kind, **more):
    mode = {"defaultMode": more.pop("defaultMode")} if "defaultMode" in more else {}
    return {"projected": {"sources": [{kind: {"name": "source", **more}}], **mode}}


def sources():
    item = [{"key": "data-2", "path": "path/to/data-2"}]
    for kind, make, area, several, item_mode in (
        ("configMap", plain, "ConfigMap", "in the same pod", "Item mode"),
        ("configMap", projected, "Projected configMap", "in the same pod", "Item mode"),
        ("secret", plain, "Secrets", "in a pod", "Item Mode"),
        ("secret", projected, "Projected secret", "in a pod", "Item Mode"),
    ):
        begin = f"{STORAGE}{area} should be consumable "
        yield Case(f"{begin}from pods in volume{NODE}", "cat /v/data-1", "value-1", {"/v": make(kind)})
        yield Case(f"{begin}from pods in volume with defaultMode set{LINUX}", "stat -Lc %a /v/data-1; cat /v/data-1", "400\nvalue-1",
                   {"/v": make(kind, defaultMode=0o400)})  # fmt: skip
        yield Case(f"{begin}from pods in volume with mappings{NODE}", "ls /v; cat /v/path/to/data-2", "path\nvalue-2",
                   {"/v": make(kind, items=item)})  # fmt: skip
        yield Case(f"{begin}from pods in volume with mappings and {item_mode} set{LINUX}", "stat -Lc %a /v/path/to/data-2", "400",
                   {"/v": make(kind, items=[{**item[0], "mode": 0o400}])})  # fmt: skip
        yield Case(f"{begin}in multiple volumes {several}{NODE}", "cat /v/data-1 /w/data-1", "value-1value-1",
                   {"/v": make(kind), "/w": make(kind)})  # fmt: skip
        if kind == "configMap":
            yield Case(f"{begin}from pods in volume as non-root{NODE}", "id -u; cat /v/data-1", "1000\nvalue-1", {"/v": make(kind)}, user(1000))
            yield Case(f"{begin}from pods in volume with mappings as non-root{NODE}", "id -u; cat /v/path/to/data-2", "1000\nvalue-2",
                       {"/v": make(kind, items=item)}, user(1000))  # fmt: skip
        else:
            yield Case(f"{begin}from pods in volume as non-root with defaultMode and fsGroup set{LINUX}",
                       "id -u; stat -Lc '%a %g' /v/data-1; cat /v/data-1", "1000\n440 1001\nvalue-1", {"/v": make(kind, defaultMode=0o440)},
                       pod={"securityContext": {"runAsUser": 1000, "fsGroup": 1001}})  # fmt: skip
    yield Case(f"{STORAGE}ConfigMap binary data should be reflected in volume{NODE}", "od -An -tx1 /v/bin; cat /v/data-1", "de ca fe ba d0 fe ff\nvalue-1",
               {"/v": plain("configMap")})  # fmt: skip
    yield Case(f"{STORAGE}Secrets should be able to mount in a volume regardless of a different secret existing with same name in different "
               f"namespace{NODE}", "cat /v/data-1; ls /v", "value-1data-1\ndata-2", {"/v": plain("secret")})  # fmt: skip
    for what, kind in (("configmap pod", "configMap"), ("secret pod", "secret")):
        yield Case(f"{STORAGE}Subpath Atomic writer volumes should support subpaths with {what}", "cat /v/one", "value-1",
                   {"/v/one": {**plain(kind), "mount": {"subPath": "data-1"}}})  # fmt: skip
    yield Case(f"{STORAGE}Subpath Atomic writer volumes should support subpaths with configmap pod with mountPath of existing file",
               "cat /etc/passwd", "value-1", {"/etc/passwd": {**plain("configMap"), "mount": {"subPath": "data-1"}}})  # fmt: skip
    yield Case(f"{STORAGE}Subpath Atomic writer volumes should support subpaths with projected pod", "cat /v/one", "value-1",
               {"/v/one": {**projected("configMap"), "mount": {"subPath": "data-1"}}})  # fmt: skip
    yield Case(f"{STORAGE}Subpath Atomic writer volumes should support subpaths with downward pod", "cat /v/one",
               lambda said, answers: said.startswith("cases-"),
               {"/v/one": {"downwardAPI": {"items": [{"path": "d/name", "fieldRef": {"fieldPath": "metadata.name"}}]},
                           "mount": {"subPath": "d/name"}}})  # fmt: skip


# ---- what a pod can read about itself


def own_name(said, answers):
    return said in {pod for pod, _ in answers.where.values()}


def allocatable(what):
    def check(said, answers):
        amount = answers.cluster.ask("GET", "/api/v1/nodes")["items"][0]["status"]["allocatable"][what]
        if what == "cpu":
            return int(said) == -(-int(amount.removesuffix("m")) // (1000 if amount.endswith("m") else 1))
        unit = {"Ki": 1024, "Mi": 1 << 20, "": 1}[amount.lstrip("0123456789")]
        return int(said) == int(amount.rstrip("KMi")) * unit

    return check


def downward():
    resources = {"requests": {"cpu": "250m", "memory": "32Mi"}, "limits": {"cpu": "1250m", "memory": "64Mi"}}
    name = {"path": "podname", "fieldRef": {"fieldPath": "metadata.name"}}
    for area, make in (("Downward API volume", lambda items, **more: {"downwardAPI": {"items": items, **more}}),
                       ("Projected downwardAPI", lambda items, **more: {"projected": {"sources": [{"downwardAPI": {"items": items}}], **more}})):  # fmt: skip
        begin = f"{STORAGE}{area} should "
        yield Case(f"{begin}provide podname only{NODE}", "cat /v/podname", own_name, {"/v": make([name])})
        yield Case(f"{begin}set DefaultMode on files{LINUX}", "stat -Lc %a /v/podname", "400", {"/v": make([name], defaultMode=0o400)})
        yield Case(f"{begin}set mode on item file{LINUX}", "stat -Lc %a /v/podname", "400", {"/v": make([{**name, "mode": 0o400}])})
        for what, which, divisor, expect in (("cpu limit", "limits.cpu", "1m", "1250"), ("cpu request", "requests.cpu", "1m", "250"),
                                             ("memory limit", "limits.memory", "1", str(64 << 20)),
                                             ("memory request", "requests.memory", "1Mi", "32")):  # fmt: skip
            # whose resources: the container's own, whose name only Answers knows; so each has a pod of its own
            yield Case(f"{begin}provide container's {what}{NODE}", "cat /v/x", expect,
                       {"/v": make([{"path": "x", "resourceFieldRef": {"containerName": "own", "resource": which, "divisor": divisor}}])},
                       {"name": "own", "resources": resources}, {"hostname": f"{area[:4].lower()}-{which.replace('.', '-')}"})  # fmt: skip
        for what in ("cpu", "memory"):
            yield Case(f"{begin}provide node allocatable ({what}) as default {what} limit if the limit is not set{NODE}", "cat /v/x",
                       allocatable(what), {"/v": make([{"path": "x", "resourceFieldRef": {"containerName": "own", "resource": f"limits.{what}"}}])},
                       {"name": "own"}, {"hostname": f"{area[:4].lower()}-{what}"})  # fmt: skip
    combined = [{"downwardAPI": {"items": [name]}}, {"secret": {"name": "source", "items": [{"key": "data-1", "path": "secret"}]}},
                {"configMap": {"name": "source", "items": [{"key": "data-2", "path": "configmap"}]}}]  # fmt: skip
    yield Case(f"{STORAGE}Projected combined should project all components that make up the projection API [Projection]{NODE}",
               "cat /v/secret /v/configmap; ls /v", "value-1value-2configmap\npodname\nsecret",
               {"/v": {"projected": {"sources": combined}}})  # fmt: skip


CASES = [*empty_dirs(), *sources(), *downward()]


@pytest.fixture(scope="module")
def answers(cluster):
    data = {"data-1": "value-1", "data-2": "value-2"}
    coded = {k: base64.b64encode(v.encode()).decode() for k, v in data.items()}
    for ns in (NS, NS + "-other"):
        cluster.ask("POST", "/api/v1/namespaces", {"metadata": {"name": ns}}, expect=201)
    binary = {"bin": base64.b64encode(b"\xde\xca\xfe\xba\xd0\xfe\xff").decode()}
    cluster.ask("POST", f"/api/v1/namespaces/{NS}/configmaps", {"metadata": {"name": "source"}, "data": data, "binaryData": binary}, expect=201)
    cluster.ask("POST", f"/api/v1/namespaces/{NS}/secrets", {"metadata": {"name": "source"}, "data": coded}, expect=201)
    cluster.ask("POST", f"/api/v1/namespaces/{NS}-other/secrets", {"metadata": {"name": "source"}, "data": {"data-1": "b3RoZXI="}}, expect=201)
    yield Answers(cluster, NS, CASES)
    for ns in (NS, NS + "-other"):
        cluster.ask("DELETE", f"/api/v1/namespaces/{ns}")
    assert eventually(lambda: cluster.raw("GET", f"/api/v1/namespaces/{NS}")[0] == 404, timeout=240), "the namespace does not go"


@pytest.mark.parametrize("case", [pytest.param(c, marks=pytest.mark.conformance(c.name), id=c.name[14:60]) for c in CASES])
def test_volume(answers, case):
    answers.check(case)


@pytest.mark.conformance(f"{STORAGE}EmptyDir wrapper volumes should not cause race condition when used for configmaps [Serial]")
def test_many_volumes_at_once(cluster, ns):
    """Five pods begin together, each with the same fifty volumes."""
    maps = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"m{i}"}, "data": {"data-1": f"value-{i}"}} for i in range(50)]
    cluster.kubectl("-n", ns, "create", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": maps}))
    volumes = [{"name": f"v{i}", "configMap": {"name": f"m{i}", "items": [{"key": "data-1", "path": "data-1"}]}} for i in range(50)]
    check = "i=0; while [ $i -lt 50 ]; do read -r x </v/$i/data-1; [ \"$x\" = value-$i ] || exit 1; i=$((i + 1)); done"
    container = {"name": "c", "image": "wherry/hello", "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", check],
                 "volumeMounts": [{"name": f"v{i}", "mountPath": f"/v/{i}"} for i in range(50)]}  # fmt: skip
    spec = {"restartPolicy": "Never", "automountServiceAccountToken": False, "volumes": volumes, "containers": [container]}
    body = {"metadata": {"name": "many"}, "spec": {"parallelism": 5, "completions": 5, "backoffLimit": 0, "template": {"spec": spec}}}
    path = f"/apis/batch/v1/namespaces/{ns}/jobs"
    cluster.ask("POST", path, body, expect=201)
    status = lambda: cluster.ask("GET", f"{path}/many")["status"]  # noqa: E731
    assert eventually(lambda: status().get("succeeded") == 5, timeout=240), status()
    assert not status().get("failed")


# ---- sources that change


def waiting_pod(cluster, ns, volumes, **metadata):
    body = {"metadata": {"name": "p", **metadata}, "spec": {
        "terminationGracePeriodSeconds": 1,
        "containers": [{"name": "c", "image": "wherry/hello", "imagePullPolicy": "IfNotPresent", "command": ["sleep", "1000"],
                        "volumeMounts": [{"name": f"v{i}", "mountPath": path} for i, path in enumerate(volumes)]}],
        "volumes": [{"name": f"v{i}", **source} for i, source in enumerate(volumes.values())]}}  # fmt: skip
    cluster.ask("POST", f"/api/v1/namespaces/{ns}/pods", body, expect=201)
    cluster.kubectl("-n", ns, "wait", "--for=condition=Ready", "pod/p", "--timeout=120s")
    return lambda path: cluster.kubectl("-n", ns, "exec", "p", "--", "cat", path, check=False).stdout


@pytest.mark.conformance(f"{STORAGE}ConfigMap updates should be reflected in volume{NODE}")
@pytest.mark.conformance(f"{STORAGE}Projected configMap updates should be reflected in volume{NODE}")
@pytest.mark.conformance(f"{STORAGE}ConfigMap optional updates should be reflected in volume{NODE}")
@pytest.mark.conformance(f"{STORAGE}Projected configMap optional updates should be reflected in volume{NODE}")
@pytest.mark.conformance(f"{STORAGE}Secrets optional updates should be reflected in volume{NODE}")
@pytest.mark.conformance(f"{STORAGE}Projected secret optional updates should be reflected in volume{NODE}")
def test_sources_that_change(cluster, ns):
    api = f"/api/v1/namespaces/{ns}"

    def body(kind, name, value):
        data = value if kind == "configmaps" else base64.b64encode(value.encode()).decode()
        return {"metadata": {"name": name}, "data": {"k": data}}

    volumes = {}
    for kind, word, key in (("configmaps", "configMap", "name"), ("secrets", "secret", "secretName")):
        for name in ("updated", "deleted", "created"):
            optional = {} if name == "updated" else {"optional": True}
            volumes[f"/{word}/{name}"] = {word: {key: name, **optional}}
            volumes[f"/p-{word}/{name}"] = {"projected": {"sources": [{word: {"name": name, **optional}}]}}
            if name != "created":
                cluster.ask("POST", f"{api}/{kind}", body(kind, name, "1"), expect=201)
    read = waiting_pod(cluster, ns, volumes)
    for path in volumes:
        assert read(f"{path}/k") == ("" if path.endswith("created") else "1"), path
    for kind in ("configmaps", "secrets"):
        cluster.ask("PUT", f"{api}/{kind}/updated", body(kind, "updated", "2"))
        cluster.ask("DELETE", f"{api}/{kind}/deleted")
        cluster.ask("POST", f"{api}/{kind}", body(kind, "created", "3"), expect=201)
    expect = {"updated": "2", "deleted": "", "created": "3"}
    for path in volumes:
        assert eventually(lambda path=path: read(f"{path}/k") == expect[path.rsplit("/", 1)[1]], timeout=150), path


@pytest.mark.conformance(f"{STORAGE}Downward API volume should update labels on modification{NODE}")
@pytest.mark.conformance(f"{STORAGE}Downward API volume should update annotations on modification{NODE}")
@pytest.mark.conformance(f"{STORAGE}Projected downwardAPI should update labels on modification{NODE}")
@pytest.mark.conformance(f"{STORAGE}Projected downwardAPI should update annotations on modification{NODE}")
def test_labels_that_change(cluster, ns):
    items = [{"path": w, "fieldRef": {"fieldPath": f"metadata.{w}"}} for w in ("labels", "annotations")]
    read = waiting_pod(cluster, ns, {"/d": {"downwardAPI": {"items": items}}, "/p": {"projected": {"sources": [{"downwardAPI": {"items": items}}]}}},
                       labels={"a": "1"}, annotations={"b": "1"})  # fmt: skip
    for where in ("/d", "/p"):
        assert 'a="1"' in read(f"{where}/labels") and 'b="1"' in read(f"{where}/annotations")
    change = {"metadata": {"labels": {"a": "2"}, "annotations": {"b": "2"}}}
    cluster.ask("PATCH", f"/api/v1/namespaces/{ns}/pods/p", change, kind="application/merge-patch+json")
    for where in ("/d", "/p"):
        for word, text in (("labels", 'a="2"'), ("annotations", 'b="2"')):
            assert eventually(lambda where=where, word=word, text=text: text in read(f"{where}/{word}"), timeout=150), (where, word)


@pytest.mark.conformance(f"{STORAGE}EmptyDir volumes pod should support shared volumes between containers")
def test_containers_share_a_volume(cluster, ns):
    mount = [{"name": "v", "mountPath": "/v"}]
    body = {"metadata": {"name": "p"}, "spec": {"restartPolicy": "Never", "volumes": [{"name": "v", "emptyDir": {}}], "containers": [
        {"name": "writer", "image": "wherry/hello", "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", "echo shared >/v/new; mv /v/new /v/f"], "volumeMounts": mount},
        {"name": "reader", "image": "wherry/hello", "imagePullPolicy": "IfNotPresent", "volumeMounts": mount,
         "command": ["sh", "-c", "until [ -e /v/f ]; do sleep 0.2; done; cat /v/f >/dev/termination-log"]}]}}  # fmt: skip
    cluster.ask("POST", f"/api/v1/namespaces/{ns}/pods", body, expect=201)
    pod = lambda: cluster.ask("GET", f"/api/v1/namespaces/{ns}/pods/p")  # noqa: E731
    assert eventually(lambda: pod()["status"]["phase"] == "Succeeded", timeout=120)
    said = {s["name"]: s["state"]["terminated"].get("message") for s in pod()["status"]["containerStatuses"]}
    assert said["reader"] == "shared\n"


# ---- sources that may not change


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("configmaps", marks=pytest.mark.conformance(STORAGE + "ConfigMap should be immutable if `immutable` field is set")),
        pytest.param("secrets", marks=pytest.mark.conformance(STORAGE + "Secrets should be immutable if `immutable` field is set")),
    ],
)
def test_immutable(cluster, ns, kind):
    path = f"/api/v1/namespaces/{ns}/{kind}"
    made = cluster.ask("POST", path, {"metadata": {"name": "x"}, "data": {"k": "dg=="}}, expect=201)
    made["data"]["k"] = "dw=="
    made["immutable"] = True
    made = cluster.ask("PUT", f"{path}/x", made)
    for change in ({"data": {"k": "eA=="}}, {"data": {"l": "eA=="}}, {"immutable": False}, {"immutable": None}):
        said = cluster.ask("PATCH", f"{path}/x", change, expect=422, kind="application/merge-patch+json")
        assert said["reason"] == "Invalid" and "immutable" in json.dumps(said)
    cluster.ask("PATCH", f"{path}/x", {"metadata": {"labels": {"a": "b"}}}, kind="application/merge-patch+json")
    cluster.ask("DELETE", f"{path}/x")
