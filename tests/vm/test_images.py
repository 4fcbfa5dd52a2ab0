# SPDX-License-Identifier: Apache-2.0
"""What docker does with images beside pulling: push, save, load, import, commit, tag, history, prune, rmi."""

import base64
import datetime
import io
import json
import os
import subprocess
import tarfile
import threading
from urllib.parse import quote

import pytest

from support import api, clients, leaks, oci, sdk
from support.node import eventually
from support.registry import Registry


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    made = Registry(tmp_path_factory.mktemp("registry"), user=("boat", "oars"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def machine(registry, tmp_path_factory, session_dir):
    """A node that trusts the registry and has logged in."""
    from conftest import _Nodes

    nodes = _Nodes(session_dir)
    one = registry.machine_config()
    pem = "".join(f"        {line}\n" for line in one["ca"].splitlines())
    config = tmp_path_factory.mktemp("config") / "machine.yaml"
    config.write_text(f"version: 1\nengine:\n  registries:\n    - host: \"{one['host']}\"\n      ca: |\n{pem}")
    node = nodes(extra=["--config", str(config), "--guest-forward", registry.forward])
    node.boot()
    node.docker("login", "-u", "boat", "-p", "oars", registry.address)
    yield node
    nodes.end()


@pytest.fixture
def node(machine):
    with leaks.checked(machine):
        yield machine
        machine.docker("system", "prune", "-af", check=False)


HELLO = "wherry/hello"


def inspect(node, name):
    return json.loads(node.docker("image", "inspect", name).stdout)[0]


def small(text=b"hi\n", how="gzip"):
    return oci.Image([oci.Layer(oci.tar([oci.Member("base", b"b" * 3000)]), how), oci.Layer(oci.tar([oci.Member("hello", text)]), how)])


def test_info_names_the_configured_registries(node, registry):
    known = json.loads(node.docker("info", "-f", "{{json .RegistryConfig.IndexConfigs}}").stdout)
    host = registry.machine_config()["host"]
    assert known[host] == {"Name": host, "Mirrors": [], "Secure": True, "Official": False} and known["docker.io"]["Official"], known


def test_commit_push_pull_run(node, registry):
    """A container's changes become an image, go to a registry, come back, and are there."""
    node.docker("run", "--name", "made", HELLO, "sh", "-c", "echo new > /new; mkdir /d; ln -s /new /d/link; rm -f /bin/nothing")
    done = node.docker("commit", "-m", "a note", "-a", "me", "-c", 'CMD ["cat", "/d/link"]', "-c", "ENV A=b C='d e'",
                       "-c", "EXPOSE 80/tcp", "-c", "LABEL x=y", "made", f"{registry.address}/made:1")  # fmt: skip
    image = done.stdout.strip()
    node.docker("rm", "made")
    config = inspect(node, image)
    assert config["Id"] == image and config["Comment"] == "a note" and config["Author"] == "me"
    assert config["Config"]["Cmd"] == ["cat", "/d/link"] and {"A=b", "C=d e"} <= set(config["Config"]["Env"])
    assert config["Config"]["Labels"]["x"] == "y" and config["Config"]["ExposedPorts"] == {"80/tcp": {}}
    assert len(config["RootFS"]["Layers"]) == 2
    assert node.docker("run", "--rm", image).stdout == "new\n"
    assert "a note" in node.docker("history", image).stdout

    out = node.docker("push", f"{registry.address}/made:1").stdout
    assert f"The push refers to repository [{registry.address}/made]" in out and "Pushed" in out
    digest = inspect(node, image)["RepoDigests"][0].partition("@")[2]
    assert f"1: digest: {digest} size:" in out
    node.docker("rmi", f"{registry.address}/made:1")
    assert node.docker("run", "--rm", f"{registry.address}/made@{digest}").stdout == "new\n"
    assert inspect(node, f"{registry.address}/made@{digest}")["Id"] == image
    node.docker("rmi", f"{registry.address}/made@{digest}")


def test_commit_pauses_a_running_container(node):
    node.docker("run", "-d", "--name", "busy", HELLO, "sh", "-c", "while :; do date > /now; done")
    try:
        assert eventually(lambda: node.docker("exec", "busy", "test", "-e", "/now", check=False).returncode == 0)
        image = node.docker("commit", "busy").stdout.strip()
        assert node.docker("inspect", "-f", "{{.State.Status}}", "busy").stdout.strip() == "running"
        first = node.docker("exec", "busy", "cat", "/proc/uptime").stdout
        assert first, "it runs on"
        assert node.docker("run", "--rm", image, "sh", "-c", "[ -e /now ] && ls -A /proc /dev >/dev/null && echo ok").stdout == "ok\n"
        node.docker("rmi", image)
    finally:
        node.docker("rm", "-f", "busy")


def test_pulled_images_are_pushed_unchanged_and_mounted(node, registry):
    made = small(b"pushed\n")
    source = registry.push("from/app", "1", made)
    node.docker("pull", source)
    node.docker("tag", source, f"{registry.address}/to/app:2")
    out = node.docker("push", f"{registry.address}/to/app:2").stdout
    assert "Mounted from from/app" in out and oci.digest(made.manifest()) in out
    out = node.docker("push", "-a", f"{registry.address}/to/app").stdout
    assert "Layer already exists" in out
    for name, words in (("no/such", f"An image does not exist locally with the tag: {registry.address}/no/such\n"),
                        ("to/app:3", f"tag does not exist: {registry.address}/to/app:3\n")):  # fmt: skip
        done = node.docker("push", f"{registry.address}/{name}", check=False)
        assert done.returncode == 1 and done.stderr.endswith(words), done.stderr
    node.docker("rmi", source, f"{registry.address}/to/app:2")


def test_push_without_login(node, registry):
    source = registry.push("locked", "1", small())
    node.docker("pull", source)
    node.docker("logout", registry.address)
    try:
        done = node.docker("push", source, check=False)
        assert done.returncode == 1 and "denied" in done.stderr
    finally:
        node.docker("login", "-u", "boat", "-p", "oars", registry.address)
        node.docker("rmi", source)


def test_save_and_load(node, registry, tmp_path):
    made = small(b"saved\n", "zstd")
    source = registry.push("save/app", "1", made)
    node.docker("pull", source)
    node.docker("tag", source, "short:1")
    before = inspect(node, source)
    node.docker("save", "-o", tmp_path / "a.tar", source, "short:1", HELLO)
    with tarfile.open(tmp_path / "a.tar") as archive:
        listing = json.load(archive.extractfile("manifest.json"))
    assert [sorted(one["RepoTags"]) for one in listing] == [sorted([source, "short:1"]), [f"{HELLO}:latest"]]
    node.docker("rmi", source, "short:1", check=False)
    out = node.docker("load", "-i", tmp_path / "a.tar").stdout
    assert f"Loaded image: {source}\n" in out and "Loaded image: short:1\n" in out
    after = inspect(node, "short:1")
    assert after["Id"] == before["Id"] and after["RootFS"] == before["RootFS"]
    piped = node.docker("save", "short:1", text=False).stdout
    node.docker("rmi", source, "short:1")
    assert b"Loaded image: short:1" in node.docker("load", input=piped, text=False).stdout
    node.docker("rmi", "short:1")
    done = node.docker("save", "-o", tmp_path / "b.tar", "nosuch:1", check=False)
    assert done.returncode == 1 and "No such image: nosuch:1" in done.stderr


@pytest.mark.parametrize("how", ["xz", "bzip2"])
def test_archives_of_every_compression(node, how):
    """The client hands them on as they are; inside, layers are what images have, and nothing else."""
    rootfs = oci.tar([oci.Member("note", b"in " + how.encode() + b"\n"), oci.Member("big", os.urandom(1 << 20))])
    node.docker("import", "-", "imported:1", input=oci.compress(rootfs, how), text=False)
    saved = node.docker("save", "imported:1", text=False).stdout
    before = inspect(node, "imported:1")["Id"]
    node.docker("rmi", "imported:1")
    assert b"Loaded image: imported:1" in node.docker("load", input=oci.compress(saved, how), text=False).stdout
    assert inspect(node, "imported:1")["Id"] == before
    node.docker("create", "--name", "of-import", "imported:1", "/none")
    with tarfile.open(fileobj=io.BytesIO(node.docker("cp", "of-import:/note", "-", text=False).stdout)) as archive:
        assert archive.extractfile("note").read() == b"in " + how.encode() + b"\n"
    node.docker("rm", "of-import")
    node.docker("rmi", "imported:1")
    done = node.docker("load", input=oci.truncated(oci.compress(saved, how)), text=False, check=False)
    assert done.returncode == 1 and f"unexpected end of the {how} stream".encode() in done.stderr, done.stderr
    layer = oci.Layer(rootfs, blob=oci.compress(rootfs, how))
    inside = oci.tar([oci.Member("manifest.json", b'[{"Config":"c","RepoTags":["odd:1"],"Layers":["l"]}]'),
                      oci.Member("c", oci.Image([layer]).config()), oci.Member("l", layer.blob)])  # fmt: skip
    done = node.docker("load", input=inside, text=False, check=False)
    assert done.returncode == 1 and f"layer l is compressed with {how}, which layers of images are not".encode() in done.stderr


def test_hostile_archives_leave_nothing(node, tmp_path):
    count = lambda: node.ssh("find /data/engine/layers /data/engine/images/ids /data/engine/staging | sort")  # noqa: E731
    before = count()
    evil = oci.tar([oci.Member("manifest.json", b'[{"Config":"c","RepoTags":["evil:1"],"Layers":["l"]}]'), oci.Member("c", b"{}"),
                    oci.Member("../../../../etc/evil", b"x")])  # fmt: skip
    for data in (evil, b"no archive" * 200000, oci.tar([oci.Member("manifest.json", b'[{"Config":"../../etc/passwd","Layers":[]}]')])):
        done = node.docker("load", input=data, text=False, check=False)
        assert done.returncode == 1 and done.stderr, done.stdout
    status, stream = api.call(node, "POST", "/images/load", b"abc", headers={"Content-Type": "application/x-tar"}, raw=True)
    said = json.loads(stream)
    assert status == 200 and said == {"errorDetail": {"message": said["error"]}, "error": said["error"]}, said
    assert eventually(lambda: count() == before, 10)
    assert node.ssh("ls /etc/evil 2>&1", check=False).returncode != 0


def test_save_of_a_whole_repository(node):
    for tag in ("one", "two"):
        node.docker("import", "-", f"whole:{tag}", input=oci.tar([oci.Member("n", tag.encode())]), text=False)
    created = {inspect(node, f"whole:{tag}")["Id"]: inspect(node, f"whole:{tag}")["Created"] for tag in ("one", "two")}
    saved = node.docker("save", "whole", text=False).stdout
    node.docker("rmi", "whole:one", "whole:two")
    with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
        listing = json.load(archive.extractfile("manifest.json"))
        old = json.load(archive.extractfile("repositories"))
        times = {f"sha256:{one['Config'].rsplit('/', 1)[1]}": archive.getmember(one["Config"]).mtime for one in listing}
    assert sorted(tag for one in listing for tag in one["RepoTags"]) == ["whole:one", "whole:two"]
    assert old == {"whole": {one["RepoTags"][0].split(":")[1]: one["Layers"][-1].rsplit("/", 1)[1] for one in listing}}
    assert times == {image: int(datetime.datetime.fromisoformat(text[:19] + "+00:00").timestamp()) for image, text in created.items()}
    done = node.docker("save", "whole", text=False, check=False)
    assert done.returncode == 1 and b"No such image: whole" in done.stderr


def test_what_was_made_from_what_is_saved(node):
    """Within the archive, whatever its order; the image that the first was made from is not in it."""
    node.docker("run", "--name", "made-from", HELLO, "true")
    first = node.docker("commit", "-m", "first", "made-from").stdout.strip()
    node.docker("rm", "made-from")
    node.docker("run", "--name", "made-from", first, "true")
    second = node.docker("commit", "-m", "second", "made-from").stdout.strip()
    node.docker("rm", "made-from")
    assert inspect(node, second)["Parent"] == first
    node.docker("load", input=node.docker("save", second, text=False).stdout, text=False)
    assert inspect(node, second)["Parent"] == first, "known before, and not of this archive"
    saved = node.docker("save", second, first, text=False).stdout
    node.docker("rmi", second)
    node.docker("load", input=saved, text=False)
    assert inspect(node, second)["Parent"] == first and inspect(node, first)["Parent"] == ""
    node.docker("rmi", second, first, check=False)


def test_a_layer_holds_what_changed(node):
    """Nothing of what the engine puts into every container, not the directories of it either."""
    node.docker("run", "--name", "touched", HELLO, "sh", "-c", "mkdir -p /opt/a; echo x > /opt/a/b")
    node.docker("commit", "touched", "touched:1")
    node.docker("rm", "touched")
    with tarfile.open(fileobj=io.BytesIO(node.docker("save", "touched:1", text=False).stdout)) as archive:
        layer = json.load(archive.extractfile("manifest.json"))[0]["Layers"][-1]
        with tarfile.open(fileobj=io.BytesIO(archive.extractfile(layer).read())) as inside:
            assert inside.getnames() == ["opt", "opt/a", "opt/a/b"]
    node.docker("rmi", "touched:1")


def test_an_archive_of_an_image_without_layers(node):
    """Docker writes null where there is nothing, and reads it."""
    config = {"architecture": inspect(node, HELLO)["Architecture"], "os": "linux", "config": {"Labels": {"is": "empty"}}}
    for layers in ({"type": "layers", "diff_ids": None}, {"type": "layers"}):
        text = json.dumps(config | {"rootfs": layers}).encode()
        inside = oci.tar([oci.Member("manifest.json", b'[{"Config":"c","RepoTags":["empty:1"],"Layers":null}]'), oci.Member("c", text)])
        assert b"Loaded image: empty:1" in node.docker("load", input=inside, text=False).stdout
        assert inspect(node, "empty:1")["RootFS"]["Layers"] in ([], None)
        node.docker("rmi", "empty:1")


def test_filters_by_age(node):
    """Three images within a second: each is strictly before and after the others, and of several values all count."""
    made = ["age:0", "age:1", "age:2"]
    for name in made:
        node.docker("import", "-", name, input=oci.tar([oci.Member("n", name.encode())]), text=False)
    first, second, third = (inspect(node, name) for name in made)

    def listed(**filters):
        query = quote(json.dumps(filters | {"reference": ["age"]}))
        return sorted(tag for one in api.call(node, "GET", f"/images/json?filters={query}")[1] for tag in one["RepoTags"])

    try:
        assert listed(before=["age:1"]) == ["age:0"] and listed(since=["age:1"]) == ["age:2"]
        assert listed(before=["age:2", "age:1"]) == ["age:0"] and listed(since=["age:0", "age:1"]) == ["age:2"]
        assert listed(until=[second["Created"]]) == ["age:0"] and listed(until=[third["Created"], second["Created"]]) == ["age:0"]
        assert listed(until=[second["Created"]], since=["age:0"]) == []
        assert listed(until=[first["Created"]]) == []
    finally:
        node.docker("rmi", *made)


def test_events_of_images(node, tmp_path):
    """Each names its image by the id, with the image's labels; a deleted one has none any more."""
    node.docker("import", "-c", "LABEL from=events", "-", "events:1", input=oci.tar([oci.Member("n", b"events")]), text=False)
    image = inspect(node, "events:1")["Id"]
    saved = node.docker("save", "events:1", text=False).stdout
    node.docker("tag", "events:1", "events:2")
    node.docker("rmi", "events:1", "events:2")
    node.docker("load", input=saved, text=False)
    node.docker("rmi", "events:1")
    now = int(node.ssh("date +%s")) + 1

    def events(*filters):
        given = ["--since", str(now - 600), "--until", str(now), "--filter", "type=image", *filters, "--format", "{{json .}}"]
        return [json.loads(line) for line in node.docker("events", *given).stdout.splitlines()]

    seen = [(one["Action"], one["Actor"]["Attributes"]) for one in events() if one["Actor"]["ID"] == image]
    labelled = {"from": "events"}
    of_id = labelled | {"name": image}
    assert seen == [("tag", labelled | {"name": "events:1"}), ("import", of_id), ("save", of_id), ("tag", labelled | {"name": "events:2"}),
                    ("untag", of_id), ("untag", of_id), ("delete", {"name": image}), ("load", of_id), ("untag", of_id),
                    ("delete", {"name": image})]  # fmt: skip
    found = events("--filter", "label=from=events")
    assert [(one["Action"], one["status"], one["id"]) for one in found] == [(action, action, image) for action, _ in seen if action != "delete"]


def test_import_and_export_are_inverse(node, tmp_path):
    rootfs = oci.tar([oci.Member("etc", type=tarfile.DIRTYPE, mode=0o755), oci.Member("etc/note", b"imported\n"),
                      oci.Member("own", b"x", uid=1000, gid=7, mode=0o600)])  # fmt: skip
    (tmp_path / "r.tar").write_bytes(rootfs)
    out = node.docker("import", "-c", "CMD /bin/true", "-m", "from a file", tmp_path / "r.tar", "imported:1").stdout
    image = inspect(node, "imported:1")
    assert out.strip() == image["Id"] and image["Comment"] == "from a file" and image["Config"]["Cmd"] == ["/bin/sh", "-c", "/bin/true"]
    done = node.docker("import", "http://127.0.0.1:1/x.tar", "imported:2", check=False)
    assert done.returncode == 1 and "docker import -" in done.stderr
    node.docker("rmi", "imported:1")


def test_the_platform_of_what_is_imported(node):
    """Linux, of whatever architecture; a part of a platform alone stands for the rest, too."""
    here, rootfs = inspect(node, HELLO)["Architecture"], oci.tar([oci.Member("note", b"imported\n")])
    try:
        for platform, architecture in (("", here), ("linux", here), ("LINUX", here), ("linux/sparc64", "sparc64"), ("s390x", "s390x")):
            path = f"/images/create?fromSrc=-&repo=imported&tag=1&platform={quote(platform, safe='')}"
            status, said = api.call(node, "POST", path, rootfs, raw=True)
            assert status == 200 and b"error" not in said, said
            image = inspect(node, "imported:1")
            assert (image["Os"], image["Architecture"]) == ("linux", architecture), platform
        path = "/images/create?fromSrc=-&repo=imported&tag=1&platform=nintendo64"
        assert api.call(node, "POST", path, rootfs, version="1.31", raw=True)[0] == 200, "it has no such parameter"
    finally:
        node.docker("rmi", "-f", "imported:1", check=False)
        node.docker("image", "prune", "-f")


def test_an_image_that_names_no_system(node):
    class Old(oci.Image):
        def config(self):
            return json.dumps({name: value for name, value in json.loads(super().config()).items() if name != "os"}).encode()

    node.docker("load", input=oci.archive(Old(small().layers), "old:1"), text=False)
    assert inspect(node, "old:1")["Os"] == "linux"
    node.docker("rmi", "old:1")


def test_rmi_of_one_in_use(node):
    """By the name as it was typed."""
    node.docker("run", "--name", "maker", HELLO, "true")
    made = node.docker("commit", "maker", "used").stdout.strip().removeprefix("sha256:")
    user = node.docker("create", "used", "true").stdout.strip()
    try:
        for name in ("used", "used:latest", "docker.io/library/used"):
            done = node.docker("rmi", name, check=False)
            words = f"container {user[:12]} is using its referenced image {made[:12]}"
            assert done.returncode == 1 and f'conflict: unable to remove repository reference "{name}" (must force) - {words}' in done.stderr
    finally:
        node.docker("rm", user, "maker")
        node.docker("rmi", "used")


def test_tag_rmi_prune(node, registry):
    source = registry.push("prune", "1", small(b"prune\n"))
    node.docker("pull", source)
    image = inspect(node, source)["Id"]
    node.docker("tag", source, "other:1")
    assert node.docker("rmi", source).stdout.startswith("Untagged: ")
    node.docker("run", "--name", "user", HELLO, "true")
    made = node.docker("commit", "-c", "LABEL keep=yes", "user").stdout.strip()
    assert made in node.docker("images", "-q", "--no-trunc", "-f", "dangling=true").stdout
    assert made not in node.docker("image", "prune", "-f", "--filter", "label!=keep").stdout
    assert made not in node.docker("image", "prune", "-f", "--filter", "until=1h").stdout
    assert made in node.docker("image", "prune", "-f", "--filter", "label=keep=yes").stdout
    assert image in node.docker("images", "-q", "--no-trunc").stdout
    assert image in node.docker("image", "prune", "-af").stdout
    node.docker("rm", "user")


def test_config_of_inspect(node):
    """What the image says nothing of is there all the same: clients read it without asking."""
    node.docker("import", "-", "bare:1", input=oci.tar([oci.Member("note", b"n")]), text=False)
    nothing = {"Cmd": None, "Entrypoint": None, "Env": None, "Labels": None, "OnBuild": None, "User": "", "Volumes": None, "WorkingDir": ""}
    containers = {"AttachStderr": False, "AttachStdin": False, "AttachStdout": False, "Domainname": "", "Hostname": "", "Image": "",
                  "OpenStdin": False, "StdinOnce": False, "Tty": False}  # fmt: skip
    try:
        for version, config in (("1.51", nothing), ("1.50", nothing), ("1.49", nothing | containers), ("1.24", nothing | containers)):
            assert api.call(node, "GET", "/images/bare:1/json", version=version)[1]["Config"] == config, version
        node.docker("import", "-c", "USER me", "-c", "EXPOSE 80", "-", "bare:2", input=oci.tar([oci.Member("note", b"n")]), text=False)
        shown = nothing | {"User": "me", "ExposedPorts": {"80/tcp": {}}}
        assert api.call(node, "GET", "/images/bare:2/json")[1]["Config"] == shown
    finally:
        node.docker("rmi", "bare:1", "bare:2", check=False)


def test_names_in_dockers_order(node):
    """By the whole name: docker.io/docker before docker.io/library, which is not written out."""
    names = ["docker/sorted:1.0.0", "sorted:latest", "z-sorted:1", f"{HELLO}:latest", "localhost:5000/sorted:1"]
    try:
        for name in reversed(names):
            if not name.startswith(HELLO):
                node.docker("tag", HELLO, name)
        assert inspect(node, HELLO)["RepoTags"] == names
        listed = api.call(node, "GET", "/images/json")[1]
        assert names in [image["RepoTags"] for image in listed], listed
    finally:
        node.docker("rmi", *[name for name in names if not name.startswith(HELLO)], check=False)


def test_distribution(node, registry):
    """What the registry says of a name, without a pull: by hand, and as Docker's SDK asks."""
    made = small(b"seen\n")
    foreign = oci.Image(made.layers, arch="arm64")
    registry.push("seen", "1", made)
    registry.push("seen", "many", [foreign, made])
    auth = {"username": "boat", "password": "oars", "serveraddress": registry.address}
    header = {"X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(auth).encode()).decode()}
    ask = lambda name, **more: api.call(node, "GET", f"/distribution/{registry.address}/{name}/json", **more)  # noqa: E731

    one, many = oci.digest(made.manifest()), oci.digest(oci.index([foreign, made]))
    status, seen = ask("seen:1", headers=header)
    assert status == 200 and seen["Platforms"] == [{"architecture": "amd64", "os": "linux"}], seen
    assert seen["Descriptor"] == {"mediaType": made.media_type(), "digest": one, "size": len(made.manifest())}
    assert ask(f"seen@{one}", headers=header) == (200, seen)
    status, seen = ask("seen:many", headers=header)
    assert status == 200 and seen["Platforms"] == [{"architecture": arch, "os": "linux"} for arch in ("arm64", "amd64")]
    assert seen["Descriptor"] == {"mediaType": oci.OCI + "index.v1+json", "digest": many, "size": len(oci.index([foreign, made]))}

    status, said = ask("seen:none", headers=header)
    assert status == 404 and "seen:none" in said["message"], said
    status, said = ask("seen:1")
    assert status == 401 and "unauthorized" in said["message"], (status, said)
    status, said = ask("SEEN", headers=header)
    assert status == 400 and "invalid reference format" in said["message"], said
    assert node.docker("images", "-q", f"{registry.address}/seen").stdout == "", "nothing was pulled"

    sdk.run(node, f"""
        client.login(username="boat", password="oars", registry="{registry.address}")
        seen = client.images.get_registry_data("{registry.address}/seen:many")
        assert seen.id == "{many}" and seen.has_platform("linux/arm64") and not seen.has_platform("linux/s390x")
        image = seen.pull(platform="linux/amd64")
        assert image.attrs["RepoDigests"] == ["{registry.address}/seen@{many}"], image.attrs
        client.images.remove(image.id)
    """)  # fmt: skip


def test_search_is_refused(node):
    done = node.docker("search", "nginx", check=False)
    assert done.returncode == 1 and "searching registries is not supported" in done.stderr


@pytest.fixture
def skopeo(registry, tmp_path):
    """skopeo, unmodified, with the registry's certificate and password: skopeo(command, source, target, *options)."""
    (tmp_path / "trust").mkdir()
    (tmp_path / "trust/ca.crt").write_bytes((registry.folder / "ca.pem").read_bytes())
    (tmp_path / "auth.json").write_text(json.dumps({"auths": {f"127.0.0.1:{registry.port}": {
        "auth": base64.b64encode(b"boat:oars").decode()}}}))  # fmt: skip

    def run(command, *names, options=()):
        sides = ["--cert-dir"] if command == "inspect" else ["--src-cert-dir", "--dest-cert-dir"]
        words = [*clients.command("skopeo"), "--insecure-policy", "--tmpdir", str(tmp_path), command, "--authfile", str(tmp_path / "auth.json"),
                 *[word for side in sides for word in (side, str(tmp_path / "trust"))], *options, *map(str, names)]  # fmt: skip
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120, env={**os.environ, "HOME": str(tmp_path)})
        assert done.returncode == 0, f"{' '.join(words[3:])}: {done.stdout}{done.stderr}"
        return done.stdout

    return run


def test_skopeo_takes_what_was_pushed_and_brings_what_is_pulled(node, registry, skopeo, tmp_path):
    """Through a registry and through archives, both ways, in each of the two formats."""
    beyond = f"docker://127.0.0.1:{registry.port}"
    node.docker("run", "--name", "made", HELLO, "sh", "-c", "echo carried >/new")
    node.docker("commit", "-c", 'CMD ["cat", "/new"]', "made", f"{registry.address}/skopeo/pushed:1")
    node.docker("rm", "made")
    pushed = f"{registry.address}/skopeo/pushed:1"
    node.docker("push", pushed)
    image = inspect(node, pushed)
    seen = json.loads(skopeo("inspect", f"{beyond}/skopeo/pushed:1"))
    assert seen["Digest"] == image["RepoDigests"][0].partition("@")[2] and len(seen["Layers"]) == len(image["RootFS"]["Layers"])

    skopeo("copy", f"{beyond}/skopeo/pushed:1", f"docker-archive:{tmp_path}/a.tar:from/archive:1")
    skopeo("copy", f"{beyond}/skopeo/pushed:1", f"{beyond}/skopeo/docker:1", options=["--format", "v2s2"])
    node.docker("save", "-o", tmp_path / "saved.tar", pushed)
    node.docker("rmi", pushed)
    skopeo("copy", f"docker-archive:{tmp_path}/saved.tar", f"oci:{tmp_path}/layout:1")
    skopeo("copy", f"oci:{tmp_path}/layout:1", f"{beyond}/skopeo/oci:1")

    assert "Loaded image: from/archive:1" in node.docker("load", "-i", tmp_path / "a.tar").stdout
    names = ["from/archive:1", f"{registry.address}/skopeo/docker:1", f"{registry.address}/skopeo/oci:1"]
    for name in names:
        assert node.docker("run", "--rm", name).stdout == "carried\n", name
        assert inspect(node, name)["RootFS"] == image["RootFS"], name
    node.docker("rmi", *names)


def test_twenty_pulls_at_once(node, registry):
    base = oci.Layer(oci.tar([oci.Member("base", bytes(range(256)) * 20000)]))
    names = [registry.push(f"many/{i}", "1", oci.Image([base, oci.Layer(oci.tar([oci.Member("n", b"%d" % i)]))])) for i in range(20)]
    count = lambda: int(node.ssh("ls /data/engine/layers | grep -c -v size; true"))  # noqa: E731
    before, failed = count(), []

    def one(name):
        done = node.docker("pull", name, check=False, timeout=400)
        if done.returncode:
            failed.append(done.stderr)

    threads = [threading.Thread(target=one, args=(name,)) for name in names]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed
    assert count() - before == 21, "the shared one is there once"
    assert node.ssh("ls /data/engine/staging") == ""
    node.docker("rmi", *names)
