# SPDX-License-Identifier: Apache-2.0
"""docker cp, diff, export and sizes: what is copied, what is refused, and that no link leads out of the container."""

import io
import json
import lzma
import os
import subprocess
import tarfile
import urllib.parse

import pytest

from support import api
from support.node import eventually


@pytest.fixture
def box(node):
    """A running container with a volume and a read-only bind of a volume."""
    cid = node.docker("run", "-d", "-v", "copyvol:/vol", "-v", "copyvol:/fixed:ro", "wherry/hello", "sleep", "10000").stdout.strip()
    yield cid
    node.docker("rm", "-f", cid)
    node.docker("volume", "rm", "copyvol")


def sh(node, cid, script):
    return node.docker("exec", cid, "sh", "-c", script).stdout


def tar(*members, compress=""):
    """A tar stream of (name, content) or (TarInfo, content)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:" + compress) as t:
        for name, content in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(content)
            t.addfile(info, io.BytesIO(content))
    return out.getvalue()


def put(node, cid, path, body, **query):
    return api.call(node, "PUT", f"/containers/{cid}/archive?" + urllib.parse.urlencode({"path": path, **query}), body,
                    {"Content-Type": "application/x-tar"})  # fmt: skip


def test_both_ways(node, box, tmp_path):
    (tmp_path / "d" / "sub").mkdir(parents=True)
    (tmp_path / "d" / "sub" / "x").write_bytes(os.urandom(300_000))
    (tmp_path / "d" / "link").symlink_to("sub/x")
    (tmp_path / "d" / "sub" / "x").chmod(0o640)
    node.docker("cp", tmp_path / "d", f"{box}:/root")
    assert sh(node, box, "stat -c '%a %s' /root/d/sub/x; readlink /root/d/link").splitlines() == ["640 300000", "sub/x"]
    node.docker("cp", f"{box}:/root/d", tmp_path / "back")
    assert (tmp_path / "back" / "sub" / "x").read_bytes() == (tmp_path / "d" / "sub" / "x").read_bytes()
    assert os.readlink(tmp_path / "back" / "link") == "sub/x"
    node.docker("cp", f"{box}:/root/d/.", tmp_path / "back2")
    assert (tmp_path / "back2" / "sub" / "x").exists()
    node.docker("cp", f"{box}:/root/d/sub/x", tmp_path / "renamed")
    assert (tmp_path / "renamed").read_bytes() == (tmp_path / "d" / "sub" / "x").read_bytes()
    node.docker("cp", "-L", f"{box}:/root/d/link", tmp_path / "followed")
    assert (tmp_path / "followed").read_bytes() == (tmp_path / "renamed").read_bytes()
    listing = tarfile.open(fileobj=io.BytesIO(node.docker("cp", f"{box}:/etc/hosts", "-", text=False).stdout))
    assert [m.name for m in listing] == ["hosts"]
    # by whatever way: the names are those of entries
    for path, top in [("/root/d/sub/../../d/link", "link"), ("/root/d/sub/..", "d"), ("/root/d/sub/../.", ".")]:
        status, text = api.call(node, "GET", f"/containers/{box}/archive?" + urllib.parse.urlencode({"path": path}))
        names = [m.name for m in tarfile.open(fileobj=io.BytesIO(text))]
        assert status == 200 and names[0] == top and not any(".." in name.split("/") for name in names), (path, names)


def test_the_root_is_called_as_it_was_asked_for(node, box, tmp_path):
    # tarfile takes the slash away that ends a folder's name
    for path, names in [(".", (".", "./etc")), ("./", (".", "./etc")), ("/.", (".", "./etc")), ("/./", (".", "./etc")), ("/", ("", "/etc"))]:
        status, text = api.call(node, "GET", f"/containers/{box}/archive?" + urllib.parse.urlencode({"path": path}))
        found = [m.name for m in tarfile.open(fileobj=io.BytesIO(text))]
        assert status == 200 and found[0] == names[0] and names[1] in found, (path, found[:5])
    node.docker("cp", f"{box}:.", tmp_path / "root")
    assert (tmp_path / "root" / "etc" / "hosts").exists()


def test_volumes_are_seen_and_written_running_or_not(node, box, tmp_path):
    (tmp_path / "f").write_text("one\n")
    node.docker("cp", tmp_path / "f", f"{box}:/vol/f")
    assert sh(node, box, "cat /vol/f /fixed/f") == "one\none\n"
    node.docker("stop", "-t", "0", box)
    (tmp_path / "f").write_text("two\n")
    node.docker("cp", tmp_path / "f", f"{box}:/vol/g")
    node.docker("cp", f"{box}:/vol/g", tmp_path / "back")
    assert (tmp_path / "back").read_text() == "two\n"
    node.docker("start", box)
    assert sh(node, box, "cat /vol/g") == "two\n"


def test_a_volume_of_a_read_only_container_that_never_ran_is_written(node, tmp_path):
    """Its root has no folder yet for the volume, and nothing but the copy makes one."""
    cid = node.docker("create", "--read-only", "-v", "/made/for/it", "wherry/hello", "cat", "/made/for/it/f").stdout.strip()
    (tmp_path / "f").write_text("in time\n")
    node.docker("cp", tmp_path / "f", f"{cid}:/made/for/it/f")
    assert node.docker("cp", f"{cid}:/made/for/it/f", "-").stdout.count("in time") == 1
    status, reply = put(node, cid, "/made", tar(("f", b"1")))
    assert (status, reply["message"]) == (400, "container rootfs is marked read-only")
    assert node.docker("start", "-a", cid).stdout == "in time\n"
    node.docker("rm", "-v", cid)


def test_a_copy_mounts_nothing_where_the_engine_is(node, box, tmp_path):
    """The view of a copy is a copy's own: a mount of it in the engine's tree would hold the container's name files, and more."""
    mounts = "cut -d' ' -f5 /proc/$(pidof -s engine)/mountinfo | sort"
    before = node.ssh(mounts)
    node.docker("cp", f"{box}:/etc/hosts", tmp_path / "hosts")
    node.docker("cp", tmp_path / "hosts", f"{box}:/vol/hosts")
    assert node.ssh(mounts) == before
    node.docker("network", "create", "copynet")
    node.docker("network", "connect", "copynet", box)
    node.docker("network", "disconnect", "copynet", box)
    node.docker("network", "rm", "copynet")


def test_errors_name_the_thing(node, box, tmp_path):
    (tmp_path / "f").write_text("x")
    done = node.docker("cp", f"{box}:/no/such", tmp_path, check=False)
    assert done.returncode == 1 and f"Could not find the file /no/such in container {box}" in done.stderr
    status, reply = put(node, box, "/no/such", b"")
    assert (status, reply["message"]) == (404, f"Could not find the file /no/such in container {box}")
    done = node.docker("cp", tmp_path / "f", f"{box}:/fixed/f", check=False)
    assert done.returncode == 1 and "mounted volume is marked read-only" in done.stderr
    status, reply = put(node, box, "/etc/hosts", tar(("a", b"1")))
    assert status == 400 and "not a directory" in reply["message"]
    status, reply = put(node, box, "/root", b"this is no archive" * 100)
    assert status == 400 and "tar" in reply["message"]
    sh(node, box, "mkdir -p /root/is-dir")
    status, reply = put(node, box, "/root", tar(("is-dir", b"now a file")), noOverwriteDirNonDir=1)
    assert status == 400 and 'directory "is-dir"' in reply["message"]
    cid = node.docker("create", "--read-only", "wherry/hello").stdout.strip()
    replies = [put(node, cid, "/root", body) for body in (tar(("a", b"1")), b"")]
    node.docker("rm", cid)
    assert [(status, reply["message"]) for status, reply in replies] == [(400, "container rootfs is marked read-only")] * 2


def test_owner(node, box):
    info = tarfile.TarInfo("owned")
    info.uid, info.gid = 1234, 4321
    assert put(node, box, "/root", tar((info, b"x"), compress="gz"))[0] == 200
    assert sh(node, box, "stat -c %u:%g /root/owned").strip() == "1234:4321"
    # who says a group alone is root in it
    for user, owner in [("7:8", "7:8"), (":8", "0:8"), ("7:", "7:0")]:
        cid = node.docker("run", "-d", "-u", user, "wherry/hello", "sleep", "1000").stdout.strip()
        assert put(node, cid, "/tmp", tar((info, b"x")), copyUIDGID=1)[0] == 200
        assert sh(node, cid, "stat -c %u:%g /tmp/owned; echo $(id -u):$(id -g)").split() == [owner, owner]
        node.docker("rm", "-f", cid)


def test_names_that_climb_are_refused(node, box):
    for name in ("../escape", "a/../../../escape", "/../escape"):
        status, reply = put(node, box, "/root", tar((name, b"x")))
        assert status == 400, (name, reply)
    hard = tarfile.TarInfo("hard")
    hard.type, hard.linkname = tarfile.LNKTYPE, "../../etc/passwd"
    assert put(node, box, "/root", tar((hard, b"")))[0] == 400
    assert node.ssh("ls /escape /data/escape 2>/dev/null", check=False).stdout == ""


def test_links_lead_nowhere_but_into_the_container(node, box, tmp_path):
    node.ssh("mkdir -p /run/canary && echo node >/run/canary/f")
    sh(node, box, "mkdir -p /run/canary; echo container >/run/canary/f; ln -s /run/canary /root/abs; "
                  "ln -s ../../../../../../run/canary /root/rel; ln -s /run/canary/f /root/file")  # fmt: skip
    for path in ("/root/abs/f", "/root/rel/f"):
        node.docker("cp", f"{box}:{path}", tmp_path / "got")
        assert (tmp_path / "got").read_text() == "container\n"
    assert put(node, box, "/root/abs", tar(("f", b"written")))[0] == 200
    assert put(node, box, "/root", tar(("rel/g", b"written")))[0] == 200
    assert sh(node, box, "cat /run/canary/f /run/canary/g") == "writtenwritten"
    assert node.ssh("cat /run/canary/f; ls /run/canary") == "node\nf\n"


def test_a_container_that_swaps_links_meanwhile_gains_nothing(node, box):
    """CVE-2018-15664, 2026-41568: the path is exchanged between its check and its use."""
    node.ssh("mkdir -p /run/canary && echo node >/run/canary/f")
    sh(node, box, "mkdir -p /root/a /run/canary; ln -sfn /run/canary /root/b; (while :; do mv -T /root/a /root/t; mv -T /root/b /root/a; "
                  "mv -T /root/t /root/b; done) >/dev/null 2>&1 &")  # fmt: skip
    for _ in range(15):
        put(node, box, "/root/a", tar(("f", b"from outside"), ("sub/g", b"x")))
        status, data = api.call(node, "GET", f"/containers/{box}/archive?path=/root/a/f")
        assert status != 200 or b"node\n" not in data
    assert node.ssh("cat /run/canary/f; ls /run/canary") == "node\nf\n"


def test_no_program_of_the_container_unpacks(node, box):
    """CVE-2026-41567, 2019-14271: what a container calls gzip, xz or a name service is never run for a copy."""
    names = "gzip gunzip unpigz pigz xz unxz zstd unzstd bzip2 tar cp sh"
    sh(node, box, "mkdir -p /opt /usr/bin /lib; printf '#!/bin/busybox sh\\ntouch /run-by-copy\\n' >/opt/p; chmod 755 /opt/p; "
                  "for n in " + names + "; do ln -sf /opt/p /usr/bin/$n; done; cp /opt/p /lib/libnss_files.so.2")  # fmt: skip
    for how in ("gz", "xz", "bz2"):
        status, reply = put(node, box, "/root", tar((f"from-{how}", b"x"), compress=how))
        assert status == 200, reply
    node.docker("cp", f"{box}:/root", "-", text=False)
    assert sh(node, box, "ls /run-by-copy 2>/dev/null; cat /root/from-gz /root/from-xz /root/from-bz2") == "xxx"


def test_a_damaged_or_greedy_stream_is_named(node, box):
    packed = tar(("f", os.urandom(100_000)), compress="xz")
    greedy = lzma.compress(b"x" * 1024, filters=[{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 192 << 20}])
    for body, words in ((packed[:50_000], "unexpected end of the xz stream"), (greedy, "memory to be unpacked, more than the limit of 128"),
                        (tar(("f", os.urandom(100_000)), compress="bz2")[:50_000], "unexpected end of the bzip2 stream")):  # fmt: skip
        status, reply = put(node, box, "/root", body)
        assert status == 400 and words in reply["message"], reply


def test_the_engine_dies_while_it_copies(node, box):
    sh(node, box, "dd if=/dev/zero of=/root/big bs=1M count=200 2>/dev/null")
    freeze = f"/sys/fs/cgroup/docker/{box}/cgroup.freeze"
    # It is frozen for ten seconds at most: who kills is there before, and waits for it.
    kills = f"echo there; for i in $(seq 300); do grep -q 1 {freeze} && break; sleep 0.2; done; sleep 1; cat {freeze}; kill -9 $(pidof engine)"
    killer = subprocess.Popen(node.ssh_words(kills), stdout=-1, text=True)
    assert killer.stdout.readline() == "there\n"
    copy = node.docker_popen("cp", f"{box}:/root/big", "-", stdout=-1, stderr=-1)
    frozen = killer.communicate(timeout=120)[0].strip()
    copy.stdout.close()
    copy.stderr.close()
    copy.wait(60)
    node.wait_engine()
    assert frozen == "1"
    assert eventually(lambda: node.ssh(f"cat {freeze}").strip() == "0")
    assert sh(node, box, "echo alive") == "alive\n"


def test_a_slow_client_does_not_hold_the_container(node, box):
    sh(node, box, "dd if=/dev/zero of=/root/big bs=1M count=100 2>/dev/null")
    connection = api.connect(node)
    connection.request("GET", f"/containers/{box}/archive?path=/root/big")
    connection.getresponse().read(1000)
    assert eventually(lambda: node.ssh(f"cat /sys/fs/cgroup/docker/{box}/cgroup.freeze").strip() == "0", 40)
    connection.close()


def test_diff_and_export(node, box):
    places = ["A /fixed", "A /vol"]  # all that its start leaves: where its volumes are
    assert node.docker("diff", box).stdout.splitlines() == places
    sh(node, box, "echo x >/root/new; rm /bin/adjtimex; mkdir /root/dir; echo >/root/dir/in; chmod 700 /bin")
    assert node.docker("diff", box).stdout.splitlines() == [
        "C /bin", "D /bin/adjtimex", "A /fixed", "C /root", "A /root/dir", "A /root/dir/in", "A /root/new", "A /vol"]  # fmt: skip
    members = {m.name: m for m in tarfile.open(fileobj=io.BytesIO(node.docker("export", box, text=False).stdout))}
    assert members["root/new"].size == 2 and "bin/adjtimex" not in members
    assert members["bin"].mode == 0o700 and "proc/self" not in members


def test_sizes(node, box):
    sh(node, box, "dd if=/dev/zero of=/root/z bs=1000 count=123 2>/dev/null; ln /root/z /root/hard; echo 12345 >/vol/v")
    seen = json.loads(node.docker("inspect", "-s", box).stdout)[0]
    assert seen["SizeRw"] == 123000 and seen["SizeRootFs"] > 123000
    assert "123kB" in node.docker("ps", "-s", "--filter", f"id={box}").stdout
    df = api.call(node, "GET", "/system/df?type=volume")[1]
    assert [v["UsageData"]["Size"] for v in df["Volumes"] if v["Name"] == "copyvol"] == [6]
    assert df["Containers"] is None
