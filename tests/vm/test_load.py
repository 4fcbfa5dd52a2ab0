# SPDX-License-Identifier: Apache-2.0
"""Many at once and many one after the other, on a node of 1 GiB: all of them work, and nothing of them stays.

Moderate numbers; the long form has 200 containers at once, 1,000 runs, 50 followers and 20 pulls.
"""

import concurrent.futures
import json
import time

import pytest

from support import leaks, oci, stack
from support.node import eventually

HELLO = "wherry/hello"
MORE = pytest.mark.long


@pytest.fixture(scope="module")
def machine(session_dir, tmp_path_factory):
    from conftest import _Nodes

    nodes = _Nodes(session_dir)
    node, node.registry = stack.boot(nodes, tmp_path_factory.mktemp("load"), memory=1024)
    # the agent has its connection to the engine by then
    assert eventually(lambda: "wherry: up after" in node.console(), 120, 1)
    node.docker("run", "--rm", HELLO, "true")
    yield node
    node.registry.stop()
    nodes.end()


def memory(node):
    """KiB of the engine's own and of the kernel's unreclaimable memory."""
    shown = node.ssh("grep VmRSS /proc/$(pidof -s engine)/status; grep SUnreclaim /proc/meminfo")
    words = shown.split()
    return int(words[1]), int(words[4])


@pytest.fixture
def node(machine):
    before, rss = leaks.snapshot(machine), memory(machine)
    yield machine
    left = eventually(lambda: not leaks.difference(before, leaks.snapshot(machine)), 60, 1)
    assert left, f"left behind: {leaks.difference(before, leaks.snapshot(machine))}"
    # what an allocator keeps for next time is no leak; a container's share of it would be
    assert memory(machine)[0] < rss[0] + 8192, (rss, memory(machine))


def in_parallel(n, work, at_once=8):
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(work, range(n)))


@pytest.mark.parametrize("n", [30, pytest.param(200, marks=MORE)])
def test_containers_at_once(node, n):
    """All of them run at the same time."""
    start = lambda i: node.docker("run", "-d", "--name", f"load{i}", HELLO, "sleep", "10000", timeout=600).stdout.strip()  # noqa: E731
    began = time.monotonic()
    assert len(set(in_parallel(n, start))) == n
    assert len(node.docker("ps", "-q").stdout.split()) == n
    print(f"{n} containers in {time.monotonic() - began:.1f} s, engine and kernel have {memory(node)} KiB")
    assert node.docker("exec", f"load{n - 1}", "echo", "in").stdout == "in\n"
    names = [f"load{i}" for i in range(n)]
    node.docker("rm", "-f", *names, timeout=900)
    assert node.docker("ps", "-aq").stdout == ""


@pytest.mark.parametrize("n", [40, pytest.param(1000, marks=MORE)])
def test_runs_one_after_the_other(node, n):
    """In one go on the node itself, so that the engine is what is measured, by the API that `run --rm` uses."""
    with node.connection() as conn:
        for i in range(n):
            done = api(conn, "POST", "/containers/create", {"Image": HELLO, "Cmd": ["true"], "HostConfig": {"AutoRemove": True}})
            cid = done["Id"]
            conn.request("POST", f"/v1.51/containers/{cid}/start")
            assert (lambda r: (r.read(), r.status)[1])(conn.getresponse()) == 204, i
            conn.request("POST", f"/v1.51/containers/{cid}/wait?condition=removed")
            reply = conn.getresponse()
            assert reply.status in (200, 404), i
            body = reply.read()
            assert reply.status == 404 or b'"StatusCode":0' in body, (i, body)
    assert node.docker("ps", "-aq").stdout == ""


def api(conn, method, path, body):
    conn.request(method, "/v1.51" + path, json.dumps(body), {"Content-Type": "application/json"})
    reply = conn.getresponse()
    return json.loads(reply.read())


@pytest.mark.parametrize("n", [12, pytest.param(50, marks=MORE)])
def test_followers_of_one_log(node, n):
    """Each sees every line, once and in order."""
    node.docker("run", "-d", "--name", "talker", HELLO, "sh", "-c", "i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i + 1)); done; sleep 3")
    want = "".join(f"line {i}\n" for i in range(300))
    seen = in_parallel(n, lambda i: node.docker("logs", "-f", "talker", timeout=300).stdout, n)
    assert all(text == want for text in seen)
    node.docker("rm", "-f", "talker")


@pytest.mark.parametrize("n", [6, pytest.param(20, marks=MORE)])
def test_pulls_at_once(node, n):
    """Of images that share a layer, which is there once."""
    shared = oci.Layer(oci.tar([oci.Member("shared", b"s" * 200000)]))
    refs = [node.registry.push(f"load/{i}", "1", oci.Image([shared, oci.Layer(oci.tar([oci.Member("own", str(i).encode())]))])) for i in range(n)]
    in_parallel(n, lambda i: node.docker("pull", "-q", refs[i], timeout=600), n)
    assert int(node.ssh("ls /data/engine/layers | grep -c '^sha256-[0-9a-f]*$'")) == n + 1
    node.docker("rmi", *refs, timeout=300)
    assert eventually(lambda: node.ssh("ls /data/engine/layers | grep -c '^sha256-[0-9a-f]*$'; true").strip() == "0", 30)
