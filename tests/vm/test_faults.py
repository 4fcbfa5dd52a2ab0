# SPDX-License-Identifier: Apache-2.0
"""The engine killed at each of its fault points while it works on one request: then the request has happened or it has
not, everything answers, and nothing is left behind.

How many points a request passes is counted first, in an engine that dies nowhere. The long form takes every one of
them, the quick form of three requests the first, one in the middle and the last, and of a removal the one after the exit was taken.
Init starts an engine that died often only after half a minute: here it is told to at once.
"""

import contextlib
import http.client
import json

import pytest

from support import leaks, pods
from support.node import KILL_ENGINE, START_ENGINE, eventually

SLEEP = ("--init", "wherry/hello", "sleep", "10000")


def arm(node, n):
    node.ssh(f"echo {n} >/run/engine/fault; rm -f /run/engine/fault.trace\n{KILL_ENGINE}\n{START_ENGINE}", kept=True)
    node.wait_engine()


def passed(node):
    return node.ssh("cat /run/engine/fault.trace", kept=True).split()


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


# Ports and a limit at once; the Docker client has no words for the first.
MOVED = {"PortBindings": {"80/tcp": [{"HostPort": "8098"}]}, "Memory": 64 << 20, "MemorySwap": 64 << 20}
CUT = (OSError, http.client.HTTPException)


def ports_before(node):
    node.docker("run", "-d", "--name", "fault", "-p", "8099:80", *SLEEP)


def ports(node):
    with contextlib.suppress(*CUT):
        node.api("POST", "/containers/fault/update", MOVED)


def ports_after(node):
    """What is configured, what is published and what the limit is: all old, or all new."""
    moved = state(node, "fault")["HostConfig"]["Memory"] != 0
    port, limit = ("8098", str(64 << 20)) if moved else ("8099", "max")
    assert state(node, "fault")["HostConfig"]["PortBindings"]["80/tcp"][0]["HostPort"] == port
    assert node.docker("port", "fault", "80/tcp").stdout.strip() == f"0.0.0.0:{port}"
    assert node.docker("exec", "fault", "cat", "/sys/fs/cgroup/memory.max").stdout.strip() == limit
    assert node.api("POST", "/containers/fault/update", MOVED)[0] == 200
    assert node.docker("port", "fault", "80/tcp").stdout.strip() == "0.0.0.0:8098"


UID = "f0f0f0f0-0000-4000-8000-000000000001"
POD = f"/wherry/v1/pods/{UID}"


def ask(node, *words, **more):
    """The engine's own door, for the cluster's agent. None: cut short."""
    with pods.Engine(node) as engine, contextlib.suppress(*CUT):
        return engine.request(*words, **more)


def pod_state(node):
    status, pod = ask(node, "GET", POD)
    return pod["State"] if status == 200 else None


def pod_settled(node):
    assert eventually(lambda: pod_state(node) in ("ready", "notready", None), 60)
    return pod_state(node)


def pod_make(node, **more):
    ask(node, "POST", "/wherry/v1/pods", {"UID": UID, "Name": "fault", "Namespace": "f", "Hostname": "fault", **more})


def pod_make_private(node):
    pod_make(node, HostUsers=False, SharePID=True)


def pod_start(node):
    ask(node, "POST", f"{POD}/start")


def pod_run(node):
    with pods.Engine(node) as engine, contextlib.suppress(*CUT, AssertionError):
        engine.start(engine.make_container(UID, "fault", "sleep", "10000"))


def pod_stop(node):
    ask(node, "POST", f"{POD}/stop", t=0)


def pod_remove(node):
    ask(node, "DELETE", POD, force=1)


def pod_running(node):
    pod_make(node)
    pod_run(node)
    assert pod_state(node) == "ready"


def pod_stopped(node):
    pod_running(node)
    pod_stop(node)
    assert pod_state(node) == "notready"


def pod_after(node):
    """Whatever it came to, it can be had, used and stopped."""
    if pod_settled(node) is None:
        pod_make(node)
    # One that the last engine had begun goes on, in a pod that still is ready: this one ends with it.
    pod_stop(node)
    pod_start(node)
    assert pod_state(node) == "ready"
    with pods.Engine(node) as engine:
        assert engine.run(UID, "look", "hostname") == (0, "fault\n")
    pod_stop(node)
    assert pod_state(node) == "notready"


def beside_before(node):
    """A pod that runs, with users of its own and processes in common, and a container with users of its own that does not yet."""
    pod_make_private(node)
    with pods.Engine(node) as engine:
        engine.start(engine.make_container(UID, "beside", "sleep", "10000"))
    node.docker("create", "--name", "fault", "--label", "wherry.userns=private", "-p", "8099:80", *SLEEP)


def beside_running(node):
    beside_before(node)
    node.docker("start", "fault")


def beside(node):
    assert pod_settled(node) == "ready"
    seen = state(node, "beside")
    assert seen["State"]["Running"] and seen["RestartCount"] == 0, "what runs beside it notices nothing"


def beside_after(node):
    start_after(node)
    beside(node)
    assert node.docker("exec", "fault", "cat", "/proc/self/uid_map").stdout.split()[1] != "0"


def beside_gone(node):
    rm_after(node)
    beside(node)


def pod_gone(node):
    if pod_settled(node) is not None:
        pod_remove(node)
    assert pod_state(node) is None


REQUESTS = {
    "create": (create_before, create, create_after),
    "start": (start_before, start, start_after),
    "stop": (run_before, stop, stop_after),
    "rm": (run_before, rm, rm_after),
    "exec": (run_before, exec_, exec_after),
    "rename": (run_before, rename, rename_after),
    "update": (run_before, update, update_after),
    "ports": (ports_before, ports, ports_after),
    "pod make": (create_before, pod_make, pod_after),
    "pod run": (pod_make, pod_run, pod_after),
    "pod stop": (pod_running, pod_stop, pod_after),
    "pod start": (pod_stopped, pod_start, pod_after),
    "pod remove": (pod_running, pod_remove, pod_gone),
    "pod make, users of its own and processes in common": (create_before, pod_make_private, pod_after),
    "start beside a pod, users of their own": (beside_before, start, beside_after),
    "rm beside a pod, users of their own": (beside_running, rm, beside_gone),
    "update beside a pod, users of their own": (beside_running, update, update_after),
}


def clean_up(node, request):
    if "pod" in request:
        pod_remove(node)
    if not request.startswith("pod"):
        node.docker("rm", "-f", "fault", "fault2", check=False)


def kill_at_points(node, request, choose):
    before, act, after = REQUESTS[request]
    if "pod" in request:
        # What the first pod makes for all of them stays.
        pod_make(node)
        pod_remove(node)
    clean = leaks.snapshot(node)
    before(node)
    arm(node, 0)
    act(node)
    points = passed(node)
    assert points, "a request that changes something passes a fault point"
    clean_up(node, request)
    for n in choose(points):
        before(node)
        arm(node, n)
        act(node)
        died = len(passed(node)) == n
        node.ssh(START_ENGINE, kept=True)
        node.wait_engine()
        assert died, f"point {n} of {points} was not reached"
        after(node)
        clean_up(node, request)
        assert node.docker("ps", "-aq").stdout == "", f"{request}: {points[n - 1]}, point {n}"
        same = eventually(lambda: not leaks.difference(clean, leaks.snapshot(node)), 30)
        assert same, f"{request}, killed at {points[n - 1]} ({n}): {leaks.difference(clean, leaks.snapshot(node))}"


def some(points):
    taken = [points.index("exit-acked") + 1] if "exit-acked" in points else []
    return sorted({1, (len(points) + 1) // 2, len(points), *taken})


@pytest.fixture(scope="module")
def machine(session_dir, alone):
    from conftest import _Nodes

    nodes = _Nodes(session_dir)
    node = nodes(cpus=2, extra=alone)
    node.boot()
    yield node
    nodes.end()


@pytest.mark.parametrize("request_name", ["create", "rm", "start beside a pod, users of their own"])
def test_killed_at_some_points(machine, request_name):
    kill_at_points(machine, request_name, some)


@pytest.mark.long
@pytest.mark.parametrize("request_name", REQUESTS)
def test_killed_at_every_point(machine, request_name):
    kill_at_points(machine, request_name, lambda points: range(1, len(points) + 1))
