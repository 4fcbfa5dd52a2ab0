# SPDX-License-Identifier: Apache-2.0
"""The engine killed at each of its fault points while it works on one request: then the request has happened or it has
not, everything answers, and nothing is left behind.

How many points a request passes is counted first, in an engine that dies nowhere. The long form takes every one of
them, the quick form of three requests the first, one in the middle and the last, and of a removal the one after the exit was taken.
"""

import json

import pytest

from support import leaks
from support.node import eventually

SLEEP = ("--init", "wherry/hello", "sleep", "10000")


def arm(node, n):
    node.ssh(f"echo {n} >/run/engine/fault; rm -f /run/engine/fault.trace; kill -9 $(pidof engine)")
    assert eventually(lambda: node.ssh("test -e /run/engine/fault.trace", check=False).returncode == 0, 60)
    node.wait_engine()


def passed(node):
    return node.ssh("cat /run/engine/fault.trace").split()


def state(node, name):
    done = node.docker("inspect", name, check=False)
    return json.loads(done.stdout)[0] if done.returncode == 0 else None


def create_before(node):
    pass


def create(node):
    node.docker("create", "--name", "fault", *SLEEP, check=False)


def create_after(node):
    if state(node, "fault") is None:
        node.docker("create", "--name", "fault", *SLEEP)
    node.docker("start", "fault")


def start_before(node):
    node.docker("create", "--name", "fault", "-p", "8099:80", *SLEEP)


def start(node):
    node.docker("start", "fault", check=False)


def start_after(node):
    eventually(lambda: state(node, "fault")["State"]["Status"] in ("running", "exited", "created"), 60)
    node.docker("start", "fault")
    assert state(node, "fault")["State"]["Running"]
    assert node.docker("exec", "fault", "echo", "in").stdout == "in\n"


def run_before(node):
    node.docker("run", "-d", "--name", "fault", *SLEEP)


def stop(node):
    node.docker("stop", "fault", check=False)


def stop_after(node):
    node.docker("stop", "fault")
    seen = state(node, "fault")["State"]
    assert (seen["Status"], seen["ExitCode"]) == ("exited", 143)


def rm(node):
    node.docker("rm", "-f", "fault", check=False)


def rm_after(node):
    # Asked for and cut short: it is there whole, or gone.
    eventually(lambda: (state(node, "fault") or {"State": {"Status": "running"}})["State"]["Status"] != "removing", 60)
    if state(node, "fault") is not None:
        node.docker("rm", "-f", "fault")
    assert state(node, "fault") is None


def exec_(node):
    node.docker("exec", "fault", "true", check=False)


def exec_after(node):
    assert node.docker("exec", "fault", "sh", "-c", "exit 5", check=False).returncode == 5


def rename(node):
    node.docker("rename", "fault", "fault2", check=False)


def rename_after(node):
    names = node.docker("ps", "-a", "--format", "{{.Names}}").stdout.split()
    assert names in (["fault"], ["fault2"])
    if names == ["fault2"]:
        node.docker("rename", "fault2", "fault")


def update(node):
    node.docker("update", "--memory", "64m", "--memory-swap", "64m", "fault", check=False)


def update_after(node):
    assert state(node, "fault")["HostConfig"]["Memory"] in (0, 64 << 20)
    node.docker("update", "--memory", "32m", "--memory-swap", "32m", "fault")
    assert node.docker("exec", "fault", "cat", "/sys/fs/cgroup/memory.max").stdout.strip() == str(32 << 20)


REQUESTS = {
    "create": (create_before, create, create_after),
    "start": (start_before, start, start_after),
    "stop": (run_before, stop, stop_after),
    "rm": (run_before, rm, rm_after),
    "exec": (run_before, exec_, exec_after),
    "rename": (run_before, rename, rename_after),
    "update": (run_before, update, update_after),
}


def kill_at_points(node, request, choose):
    before, act, after = REQUESTS[request]
    clean = leaks.snapshot(node)
    before(node)
    arm(node, 0)
    act(node)
    points = passed(node)
    assert points, "a request that changes something passes a fault point"
    node.docker("rm", "-f", "fault", "fault2", check=False)
    for n in choose(points):
        arm_first = request == "create"
        if not arm_first:
            before(node)
        arm(node, n)
        act(node)
        died = len(passed(node)) == n
        node.wait_engine()
        assert died, f"point {n} of {points} was not reached"
        after(node)
        node.docker("rm", "-f", "fault", "fault2", check=False)
        assert node.docker("ps", "-aq").stdout == "", f"{request}: {points[n - 1]}, point {n}"
        same = eventually(lambda: not leaks.difference(clean, leaks.snapshot(node)), 30)
        assert same, f"{request}, killed at {points[n - 1]} ({n}): {leaks.difference(clean, leaks.snapshot(node))}"


def some(points):
    taken = [points.index("exit-acked") + 1] if "exit-acked" in points else []
    return sorted({1, (len(points) + 1) // 2, len(points), *taken})


@pytest.mark.parametrize("request_name", ["create", "start", "rm"])
def test_killed_at_some_points(make_node, alone, request_name):
    node = make_node(extra=alone)
    node.boot()
    kill_at_points(node, request_name, some)


@pytest.mark.long
@pytest.mark.parametrize("request_name", REQUESTS)
def test_killed_at_every_point(make_node, alone, request_name):
    node = make_node(extra=alone)
    node.boot()
    kill_at_points(node, request_name, lambda points: range(1, len(points) + 1))
