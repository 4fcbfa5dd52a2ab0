# SPDX-License-Identifier: Apache-2.0
"""Conformance of kinds of one's own: definitions and their objects, in discovery and OpenAPI, and what happens to their fields."""

import json

import pytest
from support.cluster import Watch
from support.conformance import named
from support.node import eventually

MACHINERY = "[sig-api-machinery] "
PRIVILEGED = " [Privileged:ClusterAdmin] "
MERGE = {"kind": "application/merge-patch+json"}
STRATEGIC = {"kind": "application/strategic-merge-patch+json"}
APPLY = {"kind": "application/apply-patch+yaml"}
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
ANY = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def version(name="v1", schema=None, served=True, storage=True, **more):
    return {"name": name, "served": served, "storage": storage, "schema": {"openAPIV3Schema": schema or ANY}, **more}


class Kind:
    """A definition of the test's own and where its objects are. @word makes it differ from the test's others."""

    def __init__(self, cluster, ns, *versions, word="foo", group="example.com", scope="Namespaced"):
        self.cluster, self.ns, self.group = cluster, ns, f"{ns[:30].strip('-')}.{group}"
        self.plural, self.kind = word + "s", word.capitalize()
        self.name = f"{self.plural}.{self.group}"
        self.path = f"{DEFINITIONS}/{self.name}"
        cluster.ask("POST", DEFINITIONS, {"metadata": {"name": self.name, "labels": {"of": ns}}, "spec": {
            "group": self.group, "scope": scope, "versions": list(versions) or [version()],
            "names": {"plural": self.plural, "singular": word, "kind": self.kind, "listKind": self.kind + "List"}}}, expect=201)  # fmt: skip
        self.established()

    def established(self):
        true = lambda: {c["type"] for c in self.cluster.ask("GET", self.path)["status"].get("conditions") or [] if c["status"] == "True"}  # noqa: E731
        assert eventually(lambda: {"Established", "NamesAccepted"} <= true(), timeout=60), true()
        first = next(v["name"] for v in self.cluster.ask("GET", self.path)["spec"]["versions"] if v["served"])
        assert eventually(lambda: self.cluster.raw("GET", self.at(version=first))[0] == 200, timeout=60), "it is not served"

    def at(self, name="", version="v1"):
        return f"/apis/{self.group}/{version}/namespaces/{self.ns}/{self.plural}" + (f"/{name}" if name else "")

    def body(self, name, version="v1", **fields):
        return {"apiVersion": f"{self.group}/{version}", "kind": self.kind, "metadata": {"name": name}, **fields}

    def make(self, name, version="v1", expect=201, **fields):
        return self.cluster.ask("POST", self.at(version=version), self.body(name, version, **fields), expect=expect)

    def end(self):
        self.cluster.ask("DELETE", self.path)
        assert eventually(lambda: self.cluster.raw("GET", self.path)[0] == 404, timeout=60), "the definition does not go"

    def published(self, version="v1"):
        """The kind's schema as OpenAPI has it; None while it does not."""
        status, document, _ = self.cluster.raw("GET", f"/openapi/v3/apis/{self.group}/{version}")
        schemas = document["components"]["schemas"].values() if status == 200 else []
        mine = {"group": self.group, "version": version, "kind": self.kind}
        return next((s for s in schemas if mine in s.get("x-kubernetes-group-version-kind", [])), None)


@pytest.fixture
def define(cluster, ns):
    made = []

    def make(*versions, **how):
        made.append(Kind(cluster, ns, *versions, **how))
        return made[-1]

    yield make
    for kind in made:
        if cluster.raw("GET", kind.path)[0] == 200:
            kind.end()


# ---- definitions


@named(MACHINERY + "CustomResourceDefinition resources" + PRIVILEGED, "Simple CustomResourceDefinition creating/deleting custom resource definition objects works",
             "Simple CustomResourceDefinition listing custom resource definition objects works",
             "should include custom resource definition resources in discovery documents")  # fmt: skip
def test_definitions_come_and_go(cluster, ns, define):
    groups = {g["name"]: [v["groupVersion"] for v in g["versions"]] for g in cluster.ask("GET", "/apis")["groups"]}
    assert "apiextensions.k8s.io/v1" in groups["apiextensions.k8s.io"]
    assert "apiextensions.k8s.io/v1" in [v["groupVersion"] for v in cluster.ask("GET", "/apis/apiextensions.k8s.io")["versions"]]
    assert "customresourcedefinitions" in [r["name"] for r in cluster.ask("GET", "/apis/apiextensions.k8s.io/v1")["resources"]]
    kinds = [define(word=word) for word in ("foo", "bar", "baz")]
    select = f"{DEFINITIONS}?labelSelector=of%3D{ns}"
    assert {d["metadata"]["name"] for d in cluster.ask("GET", select)["items"]} == {k.name for k in kinds}
    kinds[0].end()
    assert cluster.raw("GET", kinds[0].at())[0] == 404
    cluster.ask("DELETE", select)
    assert eventually(lambda: not cluster.ask("GET", select)["items"], timeout=60)


@named(MACHINERY + "CustomResourceDefinition resources" + PRIVILEGED,
             "Simple CustomResourceDefinition getting/updating/patching custom resource definition status sub-resource works")  # fmt: skip
def test_the_status_of_a_definition(cluster, define):
    kind = define()
    condition = {"type": "Told", "status": "True", "reason": "Because", "message": "by the test"}

    def put():
        now = cluster.ask("GET", kind.path + "/status")
        now["status"]["conditions"].append(condition)
        code, reply, _ = cluster.raw("PUT", kind.path + "/status", now)
        assert code in (200, 409), reply  # its controller may have been faster
        return code == 200

    assert eventually(put, timeout=60), "the status is never put"
    told = lambda: [c["reason"] for c in cluster.ask("GET", kind.path + "/status")["status"]["conditions"] if c["type"] == "Told"]  # noqa: E731
    assert told() == ["Because"]
    patched = cluster.ask("PATCH", kind.path + "/status", {"metadata": {"annotations": {"patched": "yes"}}}, **MERGE)
    assert patched["kind"] == "CustomResourceDefinition" and told() == ["Because"]


@named(MACHINERY + "CustomResourceDefinition resources" + PRIVILEGED, "custom resource defaulting for requests and from storage works")
def test_defaults_for_requests_and_from_storage(cluster, define):
    text, object_ = {"type": "string"}, lambda **p: {"type": "object", "properties": p}  # noqa: E731
    kind = define(version(schema=object_(a=text, b=text, c=text)))
    kind.make("before")

    def with_defaults(**defaults):
        fields = {k: {**text, **({"default": defaults[k]} if k in defaults else {})} for k in "abc"}
        cluster.ask("PATCH", kind.path, {"spec": {"versions": [version(schema=object_(**fields))]}}, **MERGE)

    with_defaults(a="A", b="B")
    assert eventually(lambda: cluster.ask("GET", kind.at("before")).get("a") == "A", timeout=60), "what is stored has no default"
    made = kind.make("after", c="mine")
    assert (made["a"], made["b"], made["c"]) == ("A", "B", "mine")
    # what was written has its defaults for good, what was only read has the newest
    with_defaults(c="C")
    assert eventually(lambda: cluster.ask("GET", kind.at("before")).get("c") == "C", timeout=60)
    now = cluster.ask("GET", kind.at("before"))
    assert "a" not in now and "b" not in now
    now = cluster.ask("GET", kind.at("after"))
    assert (now["a"], now["b"], now["c"]) == ("A", "B", "mine")


@named(MACHINERY + "CustomResourceDefinition Watch" + PRIVILEGED, "CustomResourceDefinition Watch watch on custom resource definition objects")
def test_objects_are_watched(cluster, define):
    kind = define()
    with Watch(cluster, kind.at(), "fieldSelector=metadata.name%3Da") as a, Watch(cluster, kind.at(), "") as both:
        for name in "ab":
            kind.make(name, content="x")
        for name in "ab":
            cluster.ask("PATCH", kind.at(name), {"content": "y"}, **MERGE)
            cluster.ask("DELETE", kind.at(name))
        assert a.until("DELETED") and both.until("DELETED", count=2)
        assert a.types() == ["ADDED", "MODIFIED", "DELETED"]
        assert both.types() == ["ADDED", "ADDED", "MODIFIED", "DELETED", "MODIFIED", "DELETED"]


@named(MACHINERY + "CustomResourceFieldSelectors" + PRIVILEGED, "CustomResourceFieldSelectors MUST list and watch custom resources matching the field selector")
def test_objects_are_selected_by_fields(cluster, define):
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "color": {"type": "string"}, "size": {"type": "string"}}}}}  # fmt: skip
    selectable = [{"jsonPath": ".spec.color"}, {"jsonPath": ".spec.size"}]
    kind = define(version(schema=schema, selectableFields=selectable))
    with Watch(cluster, kind.at(), "fieldSelector=spec.color%3Dblue") as blue, Watch(
        cluster, kind.at(), "fieldSelector=spec.color%3Dblue%2Cspec.size%3DL"
    ) as large:
        for name, color, size in (("a", "blue", "S"), ("b", "blue", "L"), ("c", "green", "L")):
            kind.make(name, spec={"color": color, "size": size})
        names = lambda query: [o["metadata"]["name"] for o in cluster.ask("GET", kind.at() + "?fieldSelector=" + query)["items"]]  # noqa: E731
        assert names("spec.color%3Dblue") == ["a", "b"] and names("spec.color%3Dblue%2Cspec.size%3DL") == ["b"]
        assert names("spec.color!%3Dblue") == ["c"]
        assert cluster.raw("GET", kind.at() + "?fieldSelector=spec.no%3Dx")[0] == 400
        cluster.ask("PATCH", kind.at("b"), {"spec": {"color": "green"}}, **MERGE)  # which is gone, to them
        cluster.ask("DELETE", kind.at() + "?fieldSelector=spec.color%3Dblue")
        assert blue.until("DELETED", count=2) and large.until("DELETED")
        assert blue.types() == ["ADDED", "ADDED", "DELETED", "DELETED"] and large.types() == ["ADDED", "DELETED"]
    assert names("spec.color%3Dgreen") == ["b", "c"]


# ---- discovery


@named(MACHINERY + "AggregatedDiscovery should support ", "aggregated discovery interface for CRDs", "raw aggregated discovery request for CRDs")
def test_definitions_are_discovered(cluster, define):
    kind = define(version(), version("v2", storage=False))
    accept = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}

    def found():
        groups = {g["metadata"]["name"]: g["versions"] for g in cluster.raw("GET", "/apis", headers=accept)[1]["items"]}
        return {v["version"]: v["resources"] for v in groups.get(kind.group, [])}

    assert eventually(lambda: set(found()) == {"v1", "v2"}, timeout=60), found()
    for name, resources in found().items():
        assert [(r["resource"], r["scope"], r["responseKind"]["kind"], r["responseKind"]["version"]) for r in resources] == [
            (kind.plural, "Namespaced", kind.kind, name)]  # fmt: skip
        assert {"get", "list", "watch", "create", "update", "patch", "delete"} <= set(resources[0]["verbs"])
    listed = cluster.kubectl("api-resources", "--api-group", kind.group, "--no-headers", "-o", "name").stdout.split()
    assert kind.name in listed
    kind.end()
    assert eventually(lambda: not found(), timeout=60)


# ---- OpenAPI, and what kubectl makes of it

OPENAPI = "CustomResourcePublishOpenAPI" + PRIVILEGED
FOO = {"type": "object", "description": "Foo CRD for testing", "properties": {
    "spec": {"type": "object", "description": "Specification of Foo", "properties": {
        "bars": {"type": "array", "description": "List of Bars and their specs.", "items": {
            "type": "object", "required": ["name"], "properties": {
                "name": {"type": "string", "description": "Name of Bar."}, "age": {"type": "string", "description": "Age of Bar."},
                "feeling": {"type": "string", "enum": ["Great", "Down"]}}}}}},
    "status": {"type": "object", "description": "Status of Foo"}}}  # fmt: skip


def applied(kind, body, check=True):
    return kind.cluster.kubectl("-n", kind.ns, "apply", "-f", "-", input=json.dumps(body), check=check)


def explained(kind, field="", version="v1", check=True):
    return kind.cluster.kubectl("explain", kind.plural + field, "--api-version", f"{kind.group}/{version}", check=check)


@named(MACHINERY + OPENAPI, "works for CRD with validation schema")
def test_openapi_of_a_schema(cluster, ns, define):
    kind = define(version(schema=FOO))
    assert eventually(kind.published, timeout=60), "it is not in OpenAPI"
    assert kind.published()["description"] == "Foo CRD for testing"
    applied(kind, kind.body("good", spec={"bars": [{"name": "test-bar", "feeling": "Great"}]}))
    for bars, why in (([{"name": "x", "unknown": "y"}], 'unknown field "spec.bars[0].unknown"'), ([{"age": "10"}], "name: Required value"),
                      ([{"name": "x", "feeling": "Meh"}], "Unsupported value")):  # fmt: skip
        done = applied(kind, kind.body("bad", spec={"bars": bars}), check=False)
        assert done.returncode and why in done.stderr, done.stderr
    said = explained(kind, ".spec.bars").stdout
    assert "List of Bars and their specs." in said and "Age of Bar." in said and "-required-" in said
    assert explained(kind, ".spec.no", check=False).returncode


@named(MACHINERY + OPENAPI, "works for CRD without validation schema", "works for CRD preserving unknown fields at the schema root",
             "works for CRD preserving unknown fields in an embedded object")  # fmt: skip
def test_openapi_of_what_is_kept_as_it_is(cluster, define):
    embedded = {"type": "object", "properties": {"spec": ANY, "status": ANY}}
    for word, schema, inside in (("foo", None, False), ("bar", {**FOO, "x-kubernetes-preserve-unknown-fields": True}, False), ("baz", embedded, True)):
        kind = define(version(schema=schema), word=word)
        assert eventually(kind.published, timeout=60), "it is not in OpenAPI"
        fields = {"spec": {"a": {"b": ["c"]}}} if inside or word == "foo" else {"own": {"b": 1}, "spec": {"bars": [{"name": "x"}]}}
        applied(kind, kind.body("any", **fields))
        now = cluster.ask("GET", kind.at("any"))
        assert {k: now[k] for k in fields} == fields
        assert kind.kind in explained(kind).stdout


@named(MACHINERY + OPENAPI, "works for multiple CRDs of different groups", "works for multiple CRDs of same group but different versions",
             "works for multiple CRDs of same group and version but different kinds")  # fmt: skip
def test_openapi_of_several(cluster, define):
    kinds = [(define(version(schema=FOO)), "v1"), (define(version(schema=FOO), group="other.example.com"), "v1"),
             (define(version("v2", schema=FOO), word="bar"), "v2"), (define(version(schema=FOO), word="baz"), "v1")]  # fmt: skip
    for kind, name in kinds:
        assert eventually(lambda: kind.published(name), timeout=60), (kind.name, name)  # noqa: B023
        said = explained(kind, version=name).stdout
        assert "Foo CRD for testing" in said and kind.kind in said


@named(MACHINERY + OPENAPI, "updates the published spec when one version gets renamed", "removes definition from spec when one version gets changed to not be served")
def test_openapi_follows(cluster, define):
    kind = define(version("v2", schema=FOO), version("v3", schema=FOO, storage=False))
    assert eventually(lambda: kind.published("v2") and kind.published("v3"), timeout=60)
    versions = lambda *all_: cluster.ask("PATCH", kind.path, {"spec": {"versions": list(all_)}}, **MERGE)  # noqa: E731
    versions(version("v2", schema=FOO), version("v4", schema=FOO, storage=False))
    assert eventually(lambda: kind.published("v4") and not kind.published("v3"), timeout=60)
    assert kind.published("v2") and "Foo CRD for testing" in kind.published("v4")["description"]
    versions(version("v2", schema=FOO), version("v4", schema=FOO, storage=False, served=False))
    assert eventually(lambda: not kind.published("v4"), timeout=60) and kind.published("v2")


# ---- fields that nobody knows, and those that are said twice

FIELDS = "FieldValidation should "
CHECKED = {"type": "object", "properties": {"spec": {"type": "object", "properties": {
    "cronSpec": {"type": "string", "pattern": r"^(\d+|\*)(/\d+)?(\s+(\d+|\*)(/\d+)?){4}$"},
    "ports": {"type": "array", "x-kubernetes-list-map-keys": ["containerPort", "protocol"], "x-kubernetes-list-type": "map", "items": {
        "type": "object", "required": ["containerPort", "protocol"], "properties": {
            "containerPort": {"type": "integer"}, "hostPort": {"type": "integer"}, "protocol": {"type": "string"}}}}}}}}  # fmt: skip


def asked(kind, method, body, how="Strict", expect=None, **options):
    """The answer to a creation or an apply with strict fields; apply is what kubectl does with --server-side."""
    text = body if isinstance(body, str) else json.dumps(body)
    path = kind.at() if method == "POST" else kind.at(json.loads(text)["metadata"]["name"])
    status, reply, headers = kind.cluster.raw(method, f"{path}?fieldValidation={how}" + ("" if method == "POST" else "&fieldManager=test"), text,
                                              **({} if method == "POST" else APPLY), **options)  # fmt: skip
    assert expect is None or status in expect, (status, reply)
    return status, reply, headers


@named(MACHINERY + FIELDS, "create/apply a CR with unknown fields for CRD with no validation schema",
             "create/apply a valid CR for CRD with validation schema",
             "create/apply an invalid CR with extra properties for CRD with validation schema")  # fmt: skip
def test_fields_of_objects(define):
    free, strict = define(), define(version(schema=CHECKED), word="bar")
    spec = {"cronSpec": "* * * * */5", "ports": [{"containerPort": 80, "hostPort": 8080, "protocol": "TCP"}]}
    for i, method in enumerate(("POST", "PATCH")):
        asked(free, method, free.body(f"m{i}", spec={"unknown": "x", **spec}), expect=(200, 201))
        asked(strict, method, strict.body(f"m{i}", spec=spec), expect=(200, 201))
        extra = strict.body(f"x{i}", spec={**spec, "extraProperty": "arbitrary-value"})
        status, reply, _ = asked(strict, method, extra)
        assert status in (400, 500) and "spec.extraProperty" in reply["message"], reply
        if method == "POST":  # an applier owns what it says, so it says nothing that is dropped
            assert asked(strict, method, extra, how="Ignore", expect=(201,))[1]["spec"] == spec


@named(MACHINERY + FIELDS, "detect duplicates in a CR when preserving unknown fields")
def test_fields_said_twice(define):
    kind = define(version(schema={**CHECKED, "x-kubernetes-preserve-unknown-fields": True}))
    text = json.dumps(kind.body("d", spec={"cronSpec": "* * * * */5", "unknown": "x"}))
    twice = text.replace('"unknown": "x"', '"unknown": "x", "foo": "bar", "foo": "baz"').replace('"kind"', '"own": 1, "own": 2, "kind"')
    status, reply, _ = asked(kind, "POST", twice)
    assert status == 400 and 'duplicate field "spec.foo"' in reply["message"] and 'duplicate field "own"' in reply["message"], reply
    warned = asked(kind, "POST", twice, how="Warn", expect=(201,))[2].get_all("Warning")
    assert any("spec.foo" in w for w in warned), warned


@named(MACHINERY + FIELDS, "detect unknown metadata fields in both the root and embedded object of a CR")
def test_unknown_fields_of_metadata(define):
    inside = {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True}
    kind = define(version(schema={"type": "object", "properties": {"spec": {"type": "object", "properties": {"template": inside}}}}))
    body = kind.body("u", spec={"template": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "unknownSubMeta": "y"}}})
    body["metadata"]["unknownMeta"] = "z"
    for method in ("POST", "PATCH"):
        status, reply, _ = asked(kind, method, body)
        assert status in (400, 500), reply
        assert 'metadata.unknownMeta' in reply["message"] and "spec.template.metadata.unknownSubMeta" in reply["message"], reply
