# SPDX-License-Identifier: Apache-2.0
"""Volumes: what an image brings into a new one, options of the driver, parts, limits, images as volumes, and cuts."""

import json
import tarfile

import pytest

from support import leaks, nfs, oci, stack
from support.node import eventually

DIR, LINK, HARD = tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


@pytest.fixture(scope="module")
def host(session_dir, tmp_path_factory):
    from conftest import _Nodes

    nodes = _Nodes(session_dir)
    server = nfs.Server(tmp_path_factory.mktemp("nfs"))
    node, registry = stack.boot(nodes, tmp_path_factory.mktemp("volumes"), extra=["--guest-forward", server.forward])
    node.nfs = server
    image = stack.busybox(
        oci.Member("data", type=DIR, mode=0o750, uid=999, gid=999),
        oci.Member("data/file", b"from the image\n", mode=0o640, uid=999, gid=999),
        oci.Member("data/sub", type=DIR, mode=0o1777), oci.Member("data/sub/deep", b"deep\n"),
        oci.Member("data/link", type=LINK, link="/etc/passwd"), oci.Member("data/same", type=HARD, link="data/file"),
        oci.Member("empty", type=DIR, mode=0o700, uid=999, gid=999),
        Volumes={"/data": {}},
    )  # fmt: skip
    node.ref = registry.push("vol", "1", image)
    node.docker("pull", node.ref)
    yield node
    nodes.end()
    registry.stop()
    server.stop()


@pytest.fixture
def node(host):
    with leaks.checked(host):
        yield host


def run(node, *words, check=True):
    return node.docker("run", "--rm", *words, check=check)


LOOK = "stat -c '%n %a %u:%g %F' /data /data/* | sort; cat /data/file"


def test_new_volume_has_the_images_content(node):
    """Owner, modes, links; once; and not at all with nocopy."""
    try:
        first = run(node, "-v", "kept:/data", node.ref, "sh", "-c", LOOK).stdout.splitlines()
        assert first == [
            "/data 750 999:999 directory", "/data/file 640 999:999 regular file", "/data/link 777 0:0 symbolic link",
            "/data/same 640 999:999 regular file", "/data/sub 1777 0:0 directory", "from the image"]  # fmt: skip
        assert run(node, "-v", "kept:/data", node.ref, "sh", "-c", "[ /data/file -ef /data/same ] && echo one").stdout == "one\n"
        run(node, "-v", "kept:/data", node.ref, "sh", "-c", "echo mine >/data/file; rm /data/sub/deep")
        assert run(node, "-v", "kept:/data", node.ref, "cat", "/data/file").stdout == "mine\n"
        assert "deep" not in run(node, "-v", "kept:/data", node.ref, "ls", "/data/sub").stdout
        assert run(node, "-v", "none:/data:nocopy", node.ref, "ls", "/data").stdout == ""
        # An empty directory gives its owner and mode.
        assert run(node, "-v", "own:/empty", node.ref, "stat", "-c", "%a %u:%g", "/empty").stdout == "700 999:999\n"
    finally:
        node.docker("volume", "rm", "-f", "kept", "none", "own")


def test_anonymous_volume_is_filled_and_goes_with_its_container(node):
    before = node.docker("volume", "ls", "-q").stdout
    assert run(node, node.ref, "cat", "/data/file").stdout == "from the image\n"
    assert node.docker("volume", "ls", "-q").stdout == before


def test_two_share_a_new_volume(node):
    """The second has content for what the first already uses, empty: it appears there."""
    try:
        node.docker("run", "-d", "--name", "holder", "-v", "shared:/mnt", node.ref, "sleep", "1000")
        run(node, "-v", "shared:/data", node.ref, "true", check=False)
        assert node.docker("exec", "holder", "cat", "/mnt/file").stdout == "from the image\n"
    finally:
        node.docker("rm", "-f", "-v", "holder", check=False)
        node.docker("volume", "rm", "-f", "shared")


def test_local_driver_options(node):
    """tmpfs and bind volumes, mounted while somebody uses them."""
    node.ssh("mkdir -p /data/outside && echo there >/data/outside/note")
    try:
        node.docker("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=4m,uid=999", "ram")
        out = run(node, "-v", "ram:/mnt", node.ref, "sh", "-c", "df -k /mnt | tail -1; stat -c %u /mnt").stdout.split()
        assert out[0] == "tmpfs" and out[1] == "4096" and out[-1] == "999"
        node.docker("volume", "create", "-o", "type=none", "-o", "device=/data/outside", "-o", "o=bind", "out")
        assert run(node, "-v", "out:/mnt", node.ref, "cat", "/mnt/note").stdout == "there\n"
        assert eventually(lambda: "/data/engine/volumes" not in node.ssh("cat /proc/mounts"))
        # Removing the volume leaves what it was mounted from.
        node.docker("volume", "rm", "out")
        assert node.ssh("cat /data/outside/note") == "there\n"
        shown = json.loads(node.docker("volume", "inspect", "ram").stdout)[0]
        assert shown["Options"] == {"type": "tmpfs", "device": "tmpfs", "o": "size=4m,uid=999"}
        for words, sentence in (
            (["-o", "type=tmpfs"], 'missing required option: "device"'),
            (["-o", "color=blue"], 'invalid option: "color"'),
            (["-o", "type=cifs", "-o", "device=//a/b"], "no such file system"),
        ):
            refused = node.docker("volume", "create", *words, "bad", check=False)
            assert refused.returncode != 0 and sentence in refused.stderr
        node.docker("volume", "create", "-o", "type=none", "-o", "device=/data/nowhere", "-o", "o=bind", "gone")
        failed = run(node, "-v", "gone:/mnt", node.ref, "true", check=False)
        assert failed.returncode == 127 and "/data/nowhere" in failed.stderr and "no such file or directory" in failed.stderr
    finally:
        node.docker("volume", "rm", "-f", "ram", "out", "gone", check=False)
        node.ssh("rm -rf /data/outside")


def test_nfs_server_that_is_not_there(node):
    """The engine goes on meanwhile, and says what failed."""
    node.docker("volume", "create", "-o", "type=nfs", "-o", "device=:/x", "-o", "o=addr=127.0.0.1,nfsvers=4,soft,timeo=10,retrans=1", "nfs")
    try:
        failed = run(node, "-v", "nfs:/mnt", node.ref, "true", check=False)
        assert failed.returncode == 125 and "failed to mount local volume" in failed.stderr and ":/x" in failed.stderr
    finally:
        node.docker("volume", "rm", "nfs")


NFS = f"addr={nfs.GUEST_ADDRESS},nfsvers=4"


@pytest.fixture
def remote(node):
    """A volume on a server; whatever the test did to that, it answers again afterwards."""
    node.docker("volume", "create", "-o", "type=nfs", "-o", f"device=:{nfs.EXPORT}", "-o", f"o={NFS}", "remote")
    yield "remote:/mnt"
    node.nfs.thaw()
    node.docker("rm", "-f", "far", check=False)
    node.docker("volume", "rm", "-f", "remote")
    # The last of it is let go by a worker, once the server answers.
    assert eventually(lambda: "engine_let_go" not in node.ssh("ps -o args"), 60)


def remote_mounts(node):
    """Where the server's files are mounted on the node."""
    lines = [line.split() for line in node.ssh("cat /proc/mounts").splitlines()]
    return [words[1] for words in lines if words[2].startswith("nfs")]


def test_nfs(node, remote):
    """Written by one, read by another; mounted while somebody uses it; there again after a restart, of it or of the engine."""
    run(node, "-v", remote, node.ref, "sh", "-c", "echo far away >/mnt/note; mkdir -p /mnt/dir")
    assert run(node, "-v", remote, node.ref, "cat", "/mnt/note").stdout == "far away\n"
    assert eventually(lambda: not remote_mounts(node))
    node.docker("run", "-d", "--init", "--name", "far", "-v", remote, node.ref, "sleep", "1000")
    node.docker("run", "-d", "--init", "--name", "near", "-v", remote, node.ref, "sleep", "1000")
    try:
        assert remote_mounts(node) == ["/data/engine/volumes/remote/_data"]
        assert node.docker("volume", "rm", "remote", check=False).returncode != 0
        node.docker("restart", "-t", "5", "far")
        assert node.docker("exec", "far", "cat", "/mnt/note").stdout == "far away\n"
        node.kill_engine()
        assert node.docker("exec", "near", "sh", "-c", "cat /mnt/note; echo again >/mnt/dir/more").stdout == "far away\n"
        assert node.docker("exec", "far", "cat", "/mnt/dir/more").stdout == "again\n"
        # The other one still uses it.
        node.docker("rm", "-f", "far")
        assert remote_mounts(node) == ["/data/engine/volumes/remote/_data"]
    finally:
        node.docker("rm", "-f", "near")
    assert eventually(lambda: not remote_mounts(node))
    node.docker("volume", "rm", "remote")
    assert "remote" not in node.ssh("ls /data/engine/volumes").split()


def test_nfs_server_that_goes_away(node, remote):
    """Who uses it waits for it; the engine does not, and neither does the end of who used it."""
    node.docker("run", "-d", "--init", "--name", "far", "-v", remote, node.ref, "sleep", "1000")
    node.docker("exec", "far", "sh", "-c", "echo x >/mnt/x")
    node.nfs.freeze()
    assert node.docker("ps", "-q", timeout=30).stdout
    # Its end takes the mount along, and with it the session at the server, which nobody takes down now.
    node.docker("stop", "-t", "1", "far", timeout=60)
    assert node.docker("ps", "-aq", "--filter", "status=exited", timeout=30).stdout
    assert not remote_mounts(node)
    node.docker("rm", "far", timeout=30)
    node.docker("volume", "rm", "remote", timeout=30)
    assert "remote" not in node.docker("volume", "ls", "-q", timeout=30).stdout


def test_nfs_server_that_comes_back(node, remote):
    """A start waits for it, and a stop for that start; then both come to their end."""
    node.docker("create", "--init", "--name", "far", "-v", remote, node.ref, "sleep", "1000")
    node.nfs.freeze()
    start = node.docker_popen("start", "far")
    assert eventually(lambda: "engine_volumes" in node.ssh("ps -o args"), 30)
    stop = node.docker_popen("stop", "-t", "5", "far")
    assert json.loads(node.docker("inspect", "far", timeout=30).stdout)[0]["State"]["Status"] == "created"
    assert start.poll() is None and stop.poll() is None
    node.nfs.thaw()
    assert start.wait(120) == 0 and stop.wait(120) == 0
    state = json.loads(node.docker("inspect", "far").stdout)[0]["State"]
    assert (state["Status"], state["ExitCode"]) == ("exited", 143)


def test_size(node):
    node.docker("volume", "create", "-o", "size=2m", "small")
    try:
        done = run(node, "-v", "small:/mnt", node.ref, "sh", "-c", "dd if=/dev/zero of=/mnt/big bs=64k count=100; stat -c %s /mnt/big", check=False)
        assert "No space left" in done.stderr or "quota" in done.stderr.lower(), done
        assert int(done.stdout.split()[-1]) <= 2 << 20
        blocks, size = run(node, "-v", "small:/mnt", node.ref, "stat", "-f", "-c", "%b %S", "/mnt").stdout.split()
        assert int(blocks) * int(size) == 2 << 20
    finally:
        node.docker("volume", "rm", "small")


# What a part of a volume cannot be, known when it is mounted (the volume's name is "part"), and from its words alone.
SUBPATHS_THAT_FAIL = [
    ("nowhere", "cannot access path /data/engine/volumes/part/_data/nowhere: no such file or directory"),
    ("x/y", "part/_data/x/y: not a directory"),
    ("out", "path concatenation escapes the base directory, base: /data/engine/volumes/part/_data, subpath: out"),
    ("up", "path concatenation escapes the base directory"),
    ("far", "path concatenation escapes the base directory"),
]
SUBPATHS_REFUSED = [
    ("source=part,", "/etc/passwd", 'invalid mount config for type "volume": subpath must be a relative path within the volume'),
    ("source=part,", "../x", "subpath must be a relative path within the volume"),
    ("source=part,", "a/../../x", "subpath must be a relative path within the volume"),
    ("", "a", "must not set Subpath when using anonymous volumes"),
]


def test_subpath_nocopy_and_labels(node):
    mount = "type=volume,source=part,target=/mnt"
    script = "cd /data; mkdir -p a/b; echo inner >a/b/x; echo top >x; ln -s a in; ln -s / out; ln -s ../../.. up; ln -s up far"
    try:
        run(node, "-v", "part:/data", node.ref, "sh", "-c", script)
        status, made = node.api("POST", "/containers/create?name=sub", {"Image": node.ref, "Cmd": ["cat", "/mnt/x"], "HostConfig": {"Mounts": [
            {"Type": "volume", "Source": "part", "Target": "/mnt", "VolumeOptions": {"Subpath": "in/b"}}]}})  # fmt: skip
        assert status == 201, made
        assert node.docker("start", "-a", "sub").stdout == "inner\n"
        shown = json.loads(node.docker("inspect", "sub").stdout)[0]["Mounts"]
        assert "Own" not in json.dumps(shown) and {"volume"} == {m["Type"] for m in shown}
        node.docker("rm", "-v", "sub")
        for path, sentence in SUBPATHS_THAT_FAIL:
            node.api("POST", "/containers/create?name=sub", {"Image": node.ref, "Cmd": ["true"], "HostConfig": {"Mounts": [
                {"Type": "volume", "Source": "part", "Target": "/mnt", "VolumeOptions": {"Subpath": path}}]}})  # fmt: skip
            failed = node.docker("start", "sub", check=False)
            assert failed.returncode != 0 and sentence in failed.stderr, failed
            node.docker("rm", "-f", "-v", "sub")
        # An empty directory gets what the image has there, once, and is a new volume in that, too.
        run(node, "-v", "part:/v", node.ref, "mkdir", "/v/new", "/v/bare")
        for words, listed in ((",volume-subpath=bare,volume-nocopy", ""), (",volume-subpath=new", "file\nlink\nsame\nsub\n")):
            assert run(node, "--mount", f"{mount.replace('/mnt', '/data')}{words}", node.ref, "ls", "/data").stdout == listed
        run(node, "--mount", f"{mount},volume-subpath=new", node.ref, "rm", "/mnt/link")
        assert run(node, "--mount", f"{mount.replace('/mnt', '/data')},volume-subpath=new", node.ref, "ls", "/data").stdout == "file\nsame\nsub\n"
        assert run(node, "-v", "part:/v", node.ref, "stat", "-c", "%a %u", "/v/new").stdout == "750 999\n"
        # What a cut left of that is brought to its end by the next container with that part, also by one that would not fill it.
        run(node, "-v", "part:/v", node.ref, "sh", "-c", "mkdir -p /v/cut/.wherry.copied; echo late >/v/cut/.wherry.copied/late")
        assert run(node, "--mount", f"{mount},volume-subpath=cut,volume-nocopy", node.ref, "ls", "-A", "/mnt").stdout == "late\n"
        absent = run(node, "--mount", f"{mount},volume-subpath=no/where", node.ref, "true", check=False)
        assert absent.returncode == 127 and "cannot access path " in absent.stderr, absent
        for source, path, sentence in SUBPATHS_REFUSED:
            refused = run(node, "--mount", f"type=volume,{source}target=/mnt,volume-subpath={path}", node.ref, "true", check=False)
            assert refused.returncode == 125 and sentence in refused.stderr, refused
        run(node, "--mount", mount.replace("part", "labelled") + ",volume-label=who=me,volume-nocopy", node.ref, "true")
        assert json.loads(node.docker("volume", "inspect", "labelled").stdout)[0]["Labels"] == {"who": "me"}
    finally:
        node.docker("rm", "-f", "-v", "sub", check=False)
        node.docker("volume", "rm", "-f", "part", "labelled")


def test_image_as_a_volume(node):
    def create(name, subpath=None):
        mount = {"Type": "image", "Source": node.ref, "Target": "/mnt"}
        if subpath:
            mount["ImageOptions"] = {"Subpath": subpath}
        status, made = node.api("POST", f"/containers/create?name={name}",
                                {"Image": "wherry/hello", "Cmd": ["sh", "-c", "cat /mnt/$0; touch /mnt/new", "deep" if subpath else "data/file"],
                                 "HostConfig": {"Mounts": [mount]}})  # fmt: skip
        assert status == 201, made

    try:
        create("whole")
        create("part", "data/sub")
        for name, text in (("whole", "from the image\n"), ("part", "deep\n")):
            done = node.docker("start", "-a", name, check=False)
            assert done.stdout == text and "Read-only file system" in done.stderr
        create("absent", "data/none")
        absent = node.docker("start", "absent", check=False)
        assert absent.returncode != 0 and "cannot access path " in absent.stderr and "/data/none: no such file or directory" in absent.stderr
        mount = {"Type": "image", "Source": node.ref, "Target": "/mnt", "ImageOptions": {"Subpath": "../x"}}
        status, refused = node.api("POST", "/containers/create", {"Image": "wherry/hello", "HostConfig": {"Mounts": [mount]}})
        assert status == 400 and "subpath must be a relative path within the volume" in refused["message"], refused
        # It is in use.
        used = node.docker("rmi", node.ref, check=False)
        assert used.returncode != 0
    finally:
        node.docker("rm", "-f", "whole", "part", "absent", check=False)


def test_modes_that_are_shown(node):
    """Docker's: "z" for a volume of which nothing else is said, nothing for one without a name by -v and for a bind."""
    node.docker("create", "--name", "modes", "-v", "vm:/a", "-v", "vm:/b:ro", "-v", "/c", "-v", "/tmp:/d", "--mount", "type=volume,target=/e",
                "--mount", "type=volume,source=vm,target=/f,readonly", "wherry/hello", "true")  # fmt: skip
    node.docker("create", "--name", "heir", "--volumes-from", "modes", "wherry/hello", "true")
    try:
        own = {"/a": "z", "/b": "ro", "/c": "", "/d": "", "/e": "z", "/f": "z"}
        for name, modes in (("modes", own), ("heir", dict.fromkeys(own, ""))):
            shown = json.loads(node.docker("inspect", name).stdout)[0]["Mounts"]
            assert {m["Destination"]: m["Mode"] for m in shown} == modes
    finally:
        node.docker("rm", "-f", "-v", "heir", "modes", check=False)
        node.docker("volume", "rm", "-f", "vm")


def test_tmpfs_and_read_only(node):
    out = run(node, "--tmpfs", "/t:size=1m,mode=1770,exec", node.ref, "sh", "-c", "df -k /t | tail -1; stat -c %a /t").stdout.split()
    assert out[1] == "1024" and out[-1] == "1770"
    bad = run(node, "--tmpfs", "/t:bogus", node.ref, "true", check=False)
    assert bad.returncode == 125 and 'invalid tmpfs option "bogus"' in bad.stderr
    node.ssh("mkdir -p /data/outer/inner && mount -t tmpfs none /data/outer/inner")
    try:
        # Read-only all the way down; or, asked for, only at the top.
        deep = run(node, "-v", "/data/outer:/mnt:ro", node.ref, "touch", "/mnt/inner/x", check=False)
        assert deep.returncode != 0 and "Read-only" in deep.stderr
        run(node, "--mount", "type=bind,source=/data/outer,target=/mnt,readonly,bind-recursive=writable", node.ref, "touch", "/mnt/inner/x")
        flat = run(node, "--mount", "type=bind,source=/data/outer,target=/mnt,bind-recursive=disabled", node.ref, "ls", "/mnt/inner")
        assert flat.stdout == ""
    finally:
        node.ssh("umount /data/outer/inner; rm -rf /data/outer")


def test_binds_of_what_people_have(node):
    """The absolute paths that clients make of `-v ./html:/x`, those of servers, and what is of every Linux. What is not there
    is made, as with Docker, also when it has gone by the next start; --mount wants it to be there."""
    paths = ["/home/me/app/html", "/media/stick", "/mnt/big/one", "/opt/app/conf", "/root/app", "/srv/app/www", "/Users/me/app",
             "/usr/local/app/etc", "/var/lib/app", "/var/www/html"]  # fmt: skip
    try:
        for path in paths:
            run(node, "-v", f"{path}:/x", node.ref, "sh", "-c", f"echo {path} >/x/name")
            assert node.ssh(f"cat {path}/name /data/host{path}/name") == f"{path}\n" * 2
        # They are where they are for who has all of the node, too, and a file can be bound.
        assert run(node, "-v", "/:/host:ro", node.ref, "cat", "/host/srv/app/www/name").stdout == "/srv/app/www\n"
        assert run(node, "-v", "/srv/app/www/name:/one:ro", node.ref, "cat", "/one").stdout == "/srv/app/www\n"
        zone = run(node, "-v", "/etc/localtime:/etc/localtime:ro", "-v", "/etc/timezone:/etc/timezone:ro", node.ref,
                   "sh", "-c", "cat /etc/timezone; exec cat /etc/localtime").stdout  # fmt: skip
        assert zone.startswith("Etc/UTC\nTZif2") and zone.endswith("\nUTC0\n")

        node.docker("run", "--name", "again", "-v", "/srv/gone/deep:/x", node.ref, "ls", "/x")
        node.ssh("rm -rf /srv/gone")
        node.docker("start", "-a", "again")
        assert node.ssh("ls -d /srv/gone/deep") == "/srv/gone/deep\n"

        absent = run(node, "--mount", "type=bind,source=/srv/none,target=/x", node.ref, "true", check=False)
        assert absent.returncode == 125 and "bind source path does not exist: /srv/none" in absent.stderr
        for path in ("/builds/app", "/etc/app"):
            refused = run(node, "-v", f"{path}:/x", node.ref, "true", check=False)
            assert refused.returncode == 125 and path in refused.stderr and "root is read-only" in refused.stderr, refused.stderr
            assert "/data, /home" in refused.stderr and "/srv" in refused.stderr
        # Mounts below such a path are found by where they really are.
        node.ssh("mkdir -p /mnt/alone && mount -t tmpfs none /mnt/alone && mount --make-private /mnt/alone")
        lonely = run(node, "-v", "/mnt/alone:/x:rshared", node.ref, "true", check=False)
        assert lonely.returncode == 125 and "/data/host/mnt/alone but it is not a shared mount" in lonely.stderr
    finally:
        node.docker("rm", "-f", "again", check=False)
        node.ssh("umount /mnt/alone; rm -rf /data/host/*/me /data/host/*/app /data/host/*/*/app /data/host/media/stick /data/host/mnt/* "
                 "/data/host/var/www/html /data/host/srv/*", check=False)  # fmt: skip


def test_propagation(node):
    node.ssh("mkdir -p /data/prop && mount --bind /data/prop /data/prop && mount --make-rshared /data/prop && mkdir -p /data/prop/late")
    node.ssh("mkdir -p /data/alone && mount -t tmpfs none /data/alone && mount --make-private /data/alone")
    try:
        refused = run(node, "-v", "/data/alone:/mnt:rshared", node.ref, "true", check=False)
        assert refused.returncode == 125 and "not a shared mount" in refused.stderr
        node.docker("run", "-d", "--name", "watch", "-v", "/data/prop:/mnt:rslave", node.ref, "sleep", "1000")
        node.ssh("mount -t tmpfs none /data/prop/late && echo seen >/data/prop/late/file")
        assert node.docker("exec", "watch", "cat", "/mnt/late/file").stdout == "seen\n"
        run(node, "--privileged", "-v", "/data/prop:/mnt:rshared", node.ref, "sh", "-c", "mkdir -p /mnt/own && mount -t tmpfs none /mnt/own && echo out >/mnt/own/f")
        assert node.ssh("cat /data/prop/own/f") == "out\n"
    finally:
        node.docker("rm", "-f", "-v", "watch", check=False)
        node.ssh("umount /data/prop/late /data/prop/own; umount /data/prop /data/alone; rm -rf /data/prop /data/alone", check=False)


def test_volumes_from_and_in_use(node):
    try:
        node.docker("create", "--name", "keeper", "-v", "vf:/data", node.ref, "true")
        node.docker("start", "-a", "keeper")
        assert run(node, "--volumes-from", "keeper", node.ref, "cat", "/data/file").stdout == "from the image\n"
        ro = run(node, "--volumes-from", "keeper:ro", node.ref, "touch", "/data/x", check=False)
        assert ro.returncode != 0 and "Read-only" in ro.stderr
        used = node.docker("volume", "rm", "vf", check=False)
        assert used.returncode != 0 and "volume is in use" in used.stderr
        assert "vf" not in node.docker("volume", "prune", "-af").stdout
    finally:
        node.docker("rm", "-f", "keeper", check=False)
        node.docker("volume", "rm", "-f", "vf")


def test_volumes_from_several(node):
    """At one place the last one's is there, but for what the container says itself."""
    for name in ("one", "two"):
        node.docker("create", "--name", name, "-v", f"{name}:/mnt", "-v", f"{name}:/srv", node.ref, "true")
    try:
        node.docker("create", "--name", "heir", "--volumes-from", "one", "--volumes-from", "two", "-v", "own:/srv", node.ref, "true")
        shown = json.loads(node.docker("inspect", "heir").stdout)[0]["Mounts"]
        own = {m["Destination"]: m["Name"] for m in shown}
        del own["/data"]  # the image's
        assert own == {"/mnt": "two", "/srv": "own"}
    finally:
        node.docker("rm", "-f", "one", "two", "heir", check=False)
        node.docker("volume", "rm", "-f", "one", "two", "own")


def test_prune(node):
    node.docker("volume", "create", "--label", "keep=1", "named")
    anonymous = node.docker("volume", "create").stdout.strip()
    try:
        assert anonymous in node.docker("volume", "prune", "-f").stdout
        names = node.docker("volume", "ls", "-q").stdout.split()
        assert "named" in names and anonymous not in names
        assert "named" not in node.docker("volume", "prune", "-af", "--filter", "label!=keep").stdout
        assert "named" in node.docker("volume", "prune", "-af").stdout
    finally:
        node.docker("volume", "rm", "-f", "named", anonymous, check=False)
