# SPDX-License-Identifier: Apache-2.0
"""Containers with user ids of their own: root inside is nobody on the node, and neither images, volumes, copies nor commits
notice."""

import io
import json
import subprocess
import tarfile

import pytest

from support import leaks
from support.node import eventually

HELLO = "wherry/hello"
OWN = ("--label", "wherry.userns=private")


@pytest.fixture(scope="module")
def machine(session_dir, tmp_path_factory):
    """Whose configuration gives every container ids of its own."""
    from conftest import _Nodes

    nodes = _Nodes(session_dir)
    config = tmp_path_factory.mktemp("userns") / "machine.yaml"
    config.write_text("version: 1\nengine:\n  userns: private\n")
    node = nodes(extra=["--config", str(config)])
    node.boot()
    yield node
    nodes.end()


@pytest.fixture
def node(machine):
    with leaks.checked(machine):
        yield machine


def pid_of(node, name):
    return node.docker("inspect", "-f", "{{.State.Pid}}", name).stdout.strip()


def test_root_is_nobody_on_the_node(node):
    node.docker("run", "-d", "--name", "own", HELLO, "sh", "-c", "touch /mine; exec sleep 1000")
    node.docker("run", "-d", "--name", "other", HELLO, "sleep", "1000")
    try:
        ids = [node.ssh(f"awk '/^Uid/ {{print $2}}' /proc/{pid_of(node, name)}/status").strip() for name in ("own", "other")]
        assert int(ids[0]) >= 1 << 20 and int(ids[1]) >= 1 << 20 and ids[0] != ids[1]
        assert node.docker("exec", "own", "id", "-u").stdout == "0\n"
        assert node.docker("exec", "own", "cat", "/proc/self/uid_map").stdout.split() == ["0", ids[0], "65536"]
        assert node.docker("exec", "-u", "33", "own", "id", "-u").stdout == "33\n"
        # On disk, and for its own tools, the files are root's.
        cid = node.docker("inspect", "-f", "{{.Id}}", "own").stdout.strip()
        assert node.ssh(f"stat -c %u /data/engine/containers/{cid}/upper/mine").strip() == "0"
        assert node.docker("exec", "own", "stat", "-c", "%u %g", "/mine", "/bin/busybox").stdout == "0 0\n0 0\n"
        assert "userns" in node.docker("info", "-f", "{{.SecurityOptions}}").stdout
        # It configures what is its own, and nothing else.
        done = node.docker("exec", "own", "sh", "-c", "echo 1 >/proc/sys/kernel/panic", check=False)
        assert done.returncode != 0
        assert node.docker("exec", "own", "cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start").stdout == "0\n"
        # It goes on across a kill of the engine, and has its range again when it is started anew.
        node.ssh("kill -9 $(pidof -s engine)")
        node.wait_engine()
        assert node.docker("exec", "own", "stat", "-c", "%u", "/mine").stdout == "0\n"
        node.docker("restart", "-t", "0", "own")
        assert node.ssh(f"awk '/^Uid/ {{print $2}}' /proc/{pid_of(node, 'own')}/status").strip() == ids[0]
        assert node.docker("exec", "own", "stat", "-c", "%u", "/mine").stdout == "0\n"
    finally:
        node.docker("rm", "-f", "own", "other", check=False)


def test_streams_terminals_and_networks(node):
    assert node.docker("run", "--rm", HELLO, "sh", "-c", "echo out >/dev/stdout; echo err >/dev/stderr").stdout == "out\n"
    assert node.docker("run", "--rm", "-u", "33", HELLO, "sh", "-c", "echo out >/dev/stdout").stdout == "out\n"
    inner = " ".join([*node.docker_words, "run", "-it", "--rm", HELLO, "sh", "-c", "'tty; stty size; echo again >/dev/tty'"])
    done = subprocess.run(["script", "-qec", f"stty rows 33 cols 77; {inner}", "/dev/null"], env=node.docker_env(), capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, timeout=60, check=False)  # fmt: skip
    # (script shows the end of its own input as ^@)
    assert done.stdout.replace("^@", "").split() == ["/dev/pts/0", "33", "77", "again"], done
    assert node.docker("run", "--rm", "-i", HELLO, "cat", input="in\n").stdout == "in\n"
    assert "eth0" in node.docker("run", "--rm", HELLO, "ls", "/sys/class/net").stdout
    assert node.docker("run", "--rm", "--init", HELLO, "sh", "-c", "echo x > /etc/hosts && cat /etc/hosts").stdout == "x\n"
    node.docker("run", "-d", "--name", "server", "-p", "8140:80", HELLO, "sh", "-c", "while :; do nc -l -p 80 -e echo served; done")
    try:
        assert eventually(lambda: node.ssh("nc -w 3 127.0.0.1 8140 </dev/null", check=False).stdout == "served\n")
        # Who joins its network joins its user namespace.
        same = node.docker("run", "--rm", "--network", "container:server", HELLO, "readlink", "/proc/self/ns/user").stdout
        assert same == node.docker("exec", "server", "readlink", "/proc/self/ns/user").stdout
        assert node.docker("run", "--rm", "--network", "container:server", HELLO, "nc", "-w", "3", "127.0.0.1", "80").stdout == "served\n"
    finally:
        node.docker("rm", "-f", "server")


def test_volumes_binds_copies_and_commits(node, tmp_path):
    try:
        node.docker("run", "--name", "writer", "-v", "kept:/v", "-v", "/data/bound:/b", HELLO, "sh", "-c",
                    "echo a >/v/a; echo b >/b/b; mkdir /d; echo c >/d/c; chown 7:8 /d/c /v/a; rm /bin/wget; exec sleep 0")  # fmt: skip
        assert node.ssh("stat -c '%u %g' /data/engine/volumes/kept/_data/a /data/bound/b") == "7 8\n0 0\n"
        assert node.docker("run", "--rm", "-v", "kept:/v", HELLO, "stat", "-c", "%u %g", "/v/a").stdout == "7 8\n"
        assert node.docker("run", "--rm", "-v", "kept:/v", "--userns=host", HELLO, "stat", "-c", "%u %g", "/v/a").stdout == "7 8\n"
        image = node.docker("commit", "writer").stdout.strip()
        assert node.docker("run", "--rm", image, "sh", "-c", "stat -c '%u %g' /d/c; test ! -e /bin/wget").stdout == "7 8\n"
        # A new volume gets what the image has there, with its owners.
        assert node.docker("run", "--rm", "-v", "filled:/d", image, "stat", "-c", "%u %g", "/d/c").stdout == "7 8\n"
        node.docker("run", "-d", "--name", "runs", "-v", "kept:/v", image, "sleep", "1000")
        for name in ("writer", "runs"):
            for path in ("/d/c", "/v/a"):
                done = node.docker("cp", "-a", f"{name}:{path}", "-", text=False)
                member = tarfile.open(fileobj=io.BytesIO(done.stdout)).getmembers()[0]
                assert (member.uid, member.gid) == (7, 8), (name, path)
            archive = io.BytesIO()
            with tarfile.open(fileobj=archive, mode="w") as out:
                info = tarfile.TarInfo("put")
                info.uid, info.gid = 9, 10
                out.addfile(info)
            node.docker("cp", "-a", "-", f"{name}:/d", input=archive.getvalue(), text=False)
        assert node.docker("exec", "runs", "stat", "-c", "%u %g", "/d/put").stdout == "9 10\n"
        names = tarfile.open(fileobj=io.BytesIO(node.docker("export", "runs", text=False).stdout))
        assert (names.getmember("d/c").uid, names.getmember("d/put").gid) == (7, 10)
        assert "A /d/put" in node.docker("diff", "runs").stdout
        node.docker("rm", "-f", "runs", "writer")
        node.docker("rmi", image)
    finally:
        node.docker("rm", "-f", "runs", "writer", check=False)
        node.docker("volume", "rm", "-f", "kept", "filled")
        node.ssh("rm -rf /data/bound")


def test_what_cannot_be_combined(node):
    for words, why in ((["--privileged"], "privileged mode is incompatible with user namespaces"), (["--network", "host"], "NetworkMode host"),
                       (["--pid", "host"], "PidMode host"), (["--label", "wherry.userns=x"], "private or host")):  # fmt: skip
        refused = node.docker("create", *words, HELLO, check=False)
        assert refused.returncode != 0 and why in refused.stderr, refused
    assert node.docker("run", "--rm", "--userns=host", "--privileged", "--network", "host", HELLO, "cat", "/proc/self/uid_map").stdout.split() \
        == ["0", "0", "4294967295"]  # fmt: skip
    node.docker("run", "-d", "--name", "host", "--userns=host", HELLO, "sleep", "1000")
    try:
        joined = node.docker("run", "--rm", "--pid", "container:host", HELLO, "cat", "/proc/self/uid_map").stdout.split()
        assert joined == ["0", "0", "4294967295"], "who joins shares"
        refused = node.docker("create", *OWN, "--pid", "container:host", HELLO, check=False)
        assert refused.returncode != 0 and "shares the node's user namespace" in refused.stderr
    finally:
        node.docker("rm", "-f", "host")


def test_by_request_on_a_node_that_shares(shared_node):
    done = shared_node.docker("run", "--rm", *OWN, HELLO, "cat", "/proc/self/uid_map").stdout.split()
    assert done[0] == "0" and int(done[1]) >= 1 << 20 and done[2] == "65536"
    status, made = shared_node.api("POST", "/containers/create", {"Image": HELLO, "HostConfig": {"UsernsMode": "private"}})
    assert status == 201
    shown = json.loads(shared_node.docker("inspect", made["Id"]).stdout)[0]
    assert shown["HostConfig"]["UsernsMode"] == "private"
    shared_node.docker("rm", made["Id"])


def test_whom_it_joins_may_come_later(shared_node):
    """What cannot be combined is seen at the start then: nobody is the node's root who asked for ids of its own, or the other way round."""
    docker = shared_node.docker
    try:
        docker("create", "--name", "own", *OWN, "--network", "container:later", HELLO, "cat", "/proc/self/uid_map")
        docker("create", "--name", "mighty", "--privileged", "--network", "container:later", HELLO, "true")
        docker("create", "--name", "plain", "--network", "container:later", HELLO, "cat", "/proc/self/uid_map")
        docker("run", "-d", "--name", "later", HELLO, "sleep", "1000")
        refused = docker("start", "own", check=False)
        assert refused.returncode == 1 and "later shares the node's user namespace" in refused.stderr, refused
        docker("start", "-a", "mighty")
        docker("rm", "-f", "later")
        docker("run", "-d", "--name", "later", *OWN, HELLO, "sleep", "1000")
        refused = docker("start", "mighty", check=False)
        assert refused.returncode == 1 and "privileged mode is incompatible with user namespaces" in refused.stderr, refused
        ids = docker("exec", "later", "cat", "/proc/self/uid_map").stdout
        assert docker("start", "-a", "own").stdout == docker("start", "-a", "plain").stdout == ids
    finally:
        docker("rm", "-f", "own", "mighty", "plain", "later", check=False)
