# SPDX-License-Identifier: Apache-2.0
"""The workers of push, save, load, commit and import alone, on a store on this machine."""

import io
import json
import os
import subprocess
import tarfile
from types import SimpleNamespace

import pytest

from support import oci
from support.proxy import Proxy
from support.registry import Registry

USER = ("boat", "oars")


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    made = Registry(tmp_path_factory.mktemp("registry"), user=USER)
    yield made
    made.stop()


def at(server):
    host = f"127.0.0.1:{server.port}"
    return {"host": host, "ca": (server.folder / "ca.pem").read_text()}, host


@pytest.fixture
def store(registry, puller_for, worker_for):
    section, host = at(registry)
    pull = puller_for(section)
    return pull, worker_for(pull), host


def image(how="gzip", docker=False, text=b"hi\n", **more):
    return oci.Image([oci.Layer(oci.tar([oci.Member("base", b"b" * 5000)]), how),
                      oci.Layer(oci.tar([oci.Member("dir/.wh.gone"), oci.Member("hello", text)]), how)],
                     docker=docker, **more)  # fmt: skip


def manifest_of(registry, name, tag):
    reply, data = registry.request("GET", f"/v2/{name}/manifests/{tag}", headers={"Accept": ", ".join(
        [oci.OCI + "manifest.v1+json", oci.DOCKER + "manifest.v2+json"])})
    assert reply.status == 200, data
    return data


def retag(pull, old, new, code=0):
    """Gives an image one more name, as `docker tag` does: the engine's own doing, here by hand."""
    names = pull.dir / "images" / "names"
    held = {json.loads(p.read_text())["name"]: json.loads(p.read_text())["id"] for p in names.iterdir()}
    import hashlib

    (names / hashlib.sha256(new.encode()).hexdigest()).write_text(json.dumps({"name": new, "id": held[old]}))


@pytest.mark.parametrize("how, docker", [("gzip", False), ("zstd", False), ("zstd:chunked", False), ("", False), ("gzip", True)])
def test_what_was_pulled_is_pushed_under_the_same_digest(registry, store, how, docker):
    pull, work, host = store
    made = image(how, docker, text=f"{how} {docker}\n".encode())
    registry.push("from/app", "1", made)
    assert pull(f"{host}/from/app:1", auth=USER)[0] == 0
    repository = f"to/app{how}{int(docker)}".replace(":", "-")
    other = f"{host}/{repository}:2"
    retag(pull, f"{host}/from/app:1", other)
    code, why, messages, _ = work("push", name=other, auth=USER)
    assert code == 0, why
    assert messages[0]["status"] == f"The push refers to repository [{other.rsplit(':', 1)[0]}]"
    assert [m["status"] for m in messages if m.get("id")].count("Preparing") == 2
    assert messages[-1]["aux"] == {"Tag": "2", "Digest": oci.digest(made.manifest()), "Size": len(made.manifest())}
    assert manifest_of(registry, repository, "2") == made.manifest()
    # a registry that was asked before knows them: nothing is sent twice
    again = work("push", name=other, auth=USER)[2]
    assert [m.get("status") for m in again].count("Layer already exists") == 2


def test_layers_are_mounted_within_a_registry(registry, store):
    pull, work, host = store
    registry.push("mount/from", "1", image(text=b"mounted\n"))
    assert pull(f"{host}/mount/from:1", auth=USER)[0] == 0
    retag(pull, f"{host}/mount/from:1", f"{host}/mount/to:1")
    code, why, messages, _ = work("push", name=f"{host}/mount/to:1", auth=USER)
    assert code == 0, why
    assert [m.get("status") for m in messages].count("Mounted from mount/from") == 2


def test_push_needs_the_password_and_a_name(registry, store):
    pull, work, host = store
    registry.push("locked", "1", image())
    assert pull(f"{host}/locked:1", auth=USER)[0] == 0
    code, why, _, _ = work("push", name=f"{host}/locked:1")
    assert code < 0 and "denied" in why
    code, why, _, _ = work("push", name=f"{host}/locked:nope", auth=USER)
    assert code < 0 and why == f"tag does not exist: {host}/locked:nope"
    code, why, _, _ = work("push", name=f"{host}/nosuch:1", auth=USER)
    assert code < 0 and why == f"An image does not exist locally with the tag: {host}/nosuch"


def members(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {m.name: archive.extractfile(m).read() for m in archive if m.isfile()}


@pytest.mark.parametrize("how", ["gzip", "zstd", ""])
def test_saved_and_loaded_elsewhere(registry, store, puller_for, worker_for, tmp_path, how):
    pull, work, host = store
    made = image(how, text=b"saved " + how.encode())
    registry.push("save/app", how or "plain", made)
    name = f"{host}/save/app:{how or 'plain'}"
    assert pull(name, auth=USER)[0] == 0
    code, why, _, data = work("save", names=[name])
    assert code == 0, why
    made_id = oci.digest(made.config())
    assert work.happened == [["save", made_id, made_id]]
    held = members(data)
    assert json.loads(held["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    entry = json.loads(held["index.json"])["manifests"][0]
    assert entry["digest"] == oci.digest(made.manifest()) and held["blobs/sha256/" + entry["digest"][7:]] == made.manifest()
    assert json.loads(held["manifest.json"])[0]["RepoTags"] == [name]
    for path, blob in held.items():
        if path.startswith("blobs/sha256/"):
            assert oci.digest(blob) == "sha256:" + path[13:]
    assert work("save", names=[name])[3] == data, "the same archive each time"

    (tmp_path / "other").mkdir()
    elsewhere = type(pull)(tmp_path / "other", [])
    elsewhere.dir.mkdir()
    (elsewhere.dir / "images").mkdir()
    load = worker_for(elsewhere)
    code, why, messages, _ = load("load", stdin=data)
    assert code == 0, why
    assert messages == [{"stream": f"Loaded image: {name}\n"}] and load.happened == [["load", made_id, made_id]]
    for layer in made.layers:
        assert elsewhere.layer(layer.diff_id()).is_dir()
    # and out again: what was loaded is what was saved, but for plain layers, which are kept compressed
    if how:
        assert members(load("save", names=[name])[3])["manifest.json"] == held["manifest.json"]


def docker_archive(images, link=False):
    """An archive as `docker save` of old versions wrote it; with @link repeated layers are links."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:

        def put(name, data):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))

        listing = []
        for tag, made in images:
            config = oci.digest(made.config())[7:] + ".json"
            put(config, made.config())
            layers = []
            for i, layer in enumerate(made.layers):
                path = f"{tag.replace('/', '_').replace(':', '_')}{i}/layer.tar"
                put(path, layer.plain)
                if link:
                    info = tarfile.TarInfo(f"link{i}/layer.tar")
                    info.type, info.linkname = tarfile.SYMTYPE, "../" + path
                    archive.addfile(info)
                    path = f"link{i}/layer.tar"
                layers.append(path)
            listing.append({"Config": config, "RepoTags": [tag], "Layers": layers})
        put("manifest.json", json.dumps(listing).encode())
    return out.getvalue()


@pytest.fixture
def empty(tmp_path, puller_for, worker_for):
    pull = puller_for()
    (pull.dir / "images").mkdir(parents=True)
    return pull, worker_for(pull)


@pytest.mark.parametrize("link", [False, True])
@pytest.mark.parametrize("packed", ["", "gzip", "xz", "bzip2"])
def test_old_docker_archive(empty, link, packed):
    pull, work = empty
    made = image("")
    data = oci.compress(docker_archive([("old/app:1", made)], link), packed)
    code, why, messages, _ = work("load", stdin=data)
    assert code == 0, why
    assert messages == [{"stream": "Loaded image: old/app:1\n"}]
    assert (pull.layer(made.layers[1].diff_id()) / "hello").read_bytes() == b"hi\n"
    # plain layers are kept compressed, so they can be saved and pushed later on
    assert work("save", names=["old/app:1"])[0] == 0


def oci_layout(made, **changes):
    blobs = {"blobs/sha256/" + d[7:]: b for d, b in {**oci.blobs(made), oci.digest(made.manifest()): made.manifest()}.items()}
    index = {"schemaVersion": 2, "manifests": [{"mediaType": made.media_type(), "digest": oci.digest(made.manifest()),
             "size": len(made.manifest()), "annotations": {"org.opencontainers.image.ref.name": "layout/app:7"}}]}  # fmt: skip
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps(index).encode(), **blobs, **changes}
    return oci.tar([oci.Member(name, data) for name, data in files.items()])


def test_oci_layout(empty):
    pull, work = empty
    made = image("zstd")
    code, why, messages, _ = work("load", stdin=oci_layout(made))
    assert code == 0, why
    assert messages == [{"stream": "Loaded image: layout/app:7\n"}]


@pytest.mark.parametrize("name, data, words", [
    ("junk", b"this is no archive at all" * 100, "not a tar"),
    ("empty", oci.tar([oci.Member("README", b"hello")]), "neither manifest.json"),
    ("climbs", oci.tar([oci.Member("../../evil", b"x")]), "climbs out"),
    ("outside link", oci.tar([oci.Member("manifest.json", type=tarfile.SYMTYPE, link="/etc/passwd")]), "neither manifest.json"),
    ("device", oci.tar([oci.Member("manifest.json", type=tarfile.CHRTYPE, device=(1, 3))]), "a device"),
    ("no list", oci.tar([oci.Member("manifest.json", b"{}")]), "no list of images"),
    ("bad json", oci.tar([oci.Member("manifest.json", b"[{" * 1000)]), ""),
    ("config away", oci.tar([oci.Member("manifest.json", b'[{"Config":"../../../etc/shadow","Layers":[]}]')]), "no usable"),
], ids=lambda v: v if isinstance(v, str) and len(v) < 20 else "")  # fmt: skip
def test_hostile_archives_are_refused(empty, name, data, words):
    pull, work = empty
    code, why, messages, _ = work("load", stdin=data)
    assert code < 0 and words in why and not messages, (code, why)
    assert not pull.listing()
    assert not (pull.dir.parent / "evil").exists()


def test_wrong_digests_in_an_archive(empty):
    pull, work = empty
    made = image("gzip")
    layer = "blobs/sha256/" + made.layers[0].digest()[7:]
    code, why, _, _ = work("load", stdin=oci_layout(made, **{layer: oci.compress(oci.tar([oci.Member("other", b"")]), "gzip")}))
    assert code < 0 and "wrong digest" in why
    config = "blobs/sha256/" + oci.digest(made.config())[7:]
    code, why, _, _ = work("load", stdin=oci_layout(made, **{config: made.config() + b" "}))
    assert code < 0 and "wrong digest" in why
    lying = oci.Image([oci.Layer(oci.tar([oci.Member("x", b"1")]), claimed_diff=oci.digest(b"something else"))])
    code, why, _, _ = work("load", stdin=oci_layout(lying))
    assert code < 0 and "wrong diff id" in why
    assert not list((pull.dir / "staging").iterdir()) and not list((pull.dir / "images/ids").iterdir())


def upper_of(folder):
    """What an overlay leaves of a container that wrote, deleted and replaced."""
    upper = folder / "upper"
    (upper / "etc").mkdir(parents=True)
    (upper / "etc/hosts").touch()
    (upper / "etc/new").write_text("new\n")
    os.link(upper / "etc/new", upper / "etc/same")
    os.mknod(upper / "base", 0o020000, 0)  # a whiteout
    (upper / "dir").mkdir()
    os.setxattr(upper / "dir", "trusted.overlay.opaque", b"y")
    os.symlink("/etc/new", upper / "link")
    (upper / ("d" * 90)).mkdir()
    (upper / ("d" * 90) / ("e" * 200)).write_text("long\n")
    os.chown(upper / "etc/new", 12345678, 7)
    os.setxattr(upper / "etc/new", "user.note", b"\x00x")
    os.chmod(upper / "etc/new", 0o4755)
    return upper


def test_commit_makes_a_layer_that_can_be_written_again(registry, store, tmp_path):
    pull, work, host = store
    registry.push("commit/base", "1", image(Env=["A=b"]))
    assert pull(f"{host}/commit/base:1", auth=USER)[0] == 0
    upper = upper_of(tmp_path)
    base = json.loads(next(p for p in (pull.dir / "images/names").iterdir() if "commit/base:1" in p.read_text()).read_text())["id"]
    name = f"{host}/commit/made:1"
    code, made, _, _ = work("make", parent=base, upper=str(upper), settings=json.dumps({"Cmd": ["x"]}), author="me", comment="c",
                            created_by="sh", name=name, ignore=["etc/hosts", "dev"])  # fmt: skip
    assert code == 0, made
    assert work.happened == [["tag", made, name]]
    config = json.loads((pull.dir / "images/blobs" / made[7:]).read_text())
    assert config["config"] == {"Cmd": ["x"]} and config["author"] == "me" and len(config["rootfs"]["diff_ids"]) == 3
    assert config["history"][-1]["comment"] == "c" and config["history"][-1]["created_by"] == "sh"
    layer = pull.layer(config["rootfs"]["diff_ids"][-1])
    assert not (layer / "etc/hosts").exists() and (layer / "etc/same").samefile(layer / "etc/new")
    assert os.getxattr(layer / "dir", "trusted.overlay.opaque") == b"y" and (layer / "base").lstat().st_rdev == 0
    st = (layer / "etc/new").stat()
    assert (st.st_uid, st.st_gid, st.st_mode & 0o7777) == (12345678, 7, 0o4755)
    assert os.getxattr(layer / "etc/new", "user.note") == b"\x00x"

    # any tar reads it, and it is the diff id
    data = work("save", names=[name])[3]
    manifest = json.loads(members(data)["manifest.json"])[0]
    blob = members(data)[manifest["Layers"][-1]]
    plain = subprocess.run(["gzip", "-dc"], input=blob, stdout=subprocess.PIPE, check=True).stdout
    assert oci.digest(plain) == config["rootfs"]["diff_ids"][-1]
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        entries = {m.name: m for m in archive}
    assert entries[".wh.base"].isfile() and entries["dir/.wh..wh..opq"].isfile() and entries["etc/same"].islnk()
    assert entries["d" * 90 + "/" + "e" * 200].size == 5 and entries["etc/new"].uid == 12345678
    code, why, _, _ = work("push", name=name, auth=USER)
    assert code == 0, why
    (tmp_path / "second").mkdir()
    other = type(pull)(tmp_path / "second", [at(registry)[0]])
    assert other(name, auth=USER)[:2] == (0, "")


def test_commit_of_nothing_adds_no_layer(registry, store, tmp_path):
    pull, work, host = store
    registry.push("commit/none", "1", image())
    assert pull(f"{host}/commit/none:1", auth=USER)[0] == 0
    (tmp_path / "upper").mkdir()
    code, made, _, _ = work("make", parent=f"{host}/commit/none:1", upper=str(tmp_path / "upper"), settings="{}")
    assert code == 0, made
    config = json.loads((pull.dir / "images/blobs" / made[7:]).read_text())
    assert len(config["rootfs"]["diff_ids"]) == 2 and config["history"][-1]["empty_layer"] is True


@pytest.mark.parametrize("how", ["", "gzip", "zstd", "xz", "bzip2"])
def test_import(empty, how):
    pull, work = empty
    data = oci.compress(oci.tar([oci.Member("./", type=tarfile.DIRTYPE, mode=0o755), oci.Member("./bin/sh", b"#!", mode=0o755)]), how)
    code, made, _, _ = work("make", stdin=data, settings=json.dumps({"Cmd": ["/bin/sh"]}), comment="Imported from -", name="imported")
    assert code == 0, made
    config = json.loads((pull.dir / "images/blobs" / made[7:]).read_text())
    assert config["config"] == {"Cmd": ["/bin/sh"]} and config["os"] == "linux"
    assert (pull.layer(config["rootfs"]["diff_ids"][0]) / "bin/sh").read_bytes() == b"#!"
    assert work("save", names=["imported"])[0] == 0


@pytest.fixture
def proxied(registry, store):
    """A proxy that wants a user, a pull, a push, the image's registry, and how to say what the machine configuration has of the proxy."""
    pull, work, host = store
    proxy = Proxy({host: registry.port}, user=("node", "a: b"))
    url = f"http://127.0.0.1:{proxy.port}"

    def configure(**more):
        pull.config.write_text(json.dumps({"engine": {"registries": [at(registry)[0]], "proxy": {"https": url, **more}}}))

    yield SimpleNamespace(proxy=proxy, pull=pull, work=work, host=host, configure=configure)
    proxy.stop()


NODE = {"username": "node", "password": "a: b"}


def test_pull_and_push_go_through_the_proxy(registry, proxied):
    host, asked = proxied.host, proxied.proxy.asked
    registry.push("proxied", "1", image(text=b"proxied\n"))
    proxied.configure(credentials=NODE)
    assert proxied.pull(f"{host}/proxied:1", auth=USER)[:2] == (0, "")
    assert proxied.work("push", name=f"{host}/proxied:1", auth=USER)[0] == 0
    assert asked and all(one == ("CONNECT", host) for one in asked)
    asked.clear()
    proxied.configure(credentials=NODE, **{"except": ["127.0.0.1"]})
    assert proxied.work("push", name=f"{host}/proxied:1", auth=USER)[0] == 0
    assert not asked


def test_a_proxy_that_knows_another(registry, proxied):
    registry.push("proxied", "2", image(text=b"by name\n"))
    for who in ({}, {"credentials": {**NODE, "password": "b"}}):
        proxied.configure(**who)
        status, words = proxied.pull(f"{proxied.host}/proxied:2", auth=USER)[:2]
        assert status != 0 and "407" in words and "engine.proxy" in words, (who, words)
