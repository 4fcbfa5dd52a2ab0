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
    node.ssh(f"echo {n} >/run/engine/fault; rm -f /run/engine/fault.trace\n{KILL_ENGINE}\n{START_ENGINE}")
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


def settled(node):
    """Its status, when whatever the last engine had begun has come to an end."""
    return eventually(lambda: (now := state(node, "fault")["State"]["Status"]) in ("running", "exited", "paused") and now, 60)


def in_it(node):
    assert node.docker("exec", "fault", "echo", "in").stdout == "in\n"


def restart(node):
    node.docker("restart", "-t", "20", "fault", check=False)


def restart_after(node):
    assert settled(node) in ("running", "exited")
    node.docker("restart", "-t", "20", "fault")
    assert state(node, "fault")["State"]["Running"]
    in_it(node)


def kill_(node):
    node.docker("kill", "fault", check=False)


def kill_after(node):
    if settled(node) == "running":
        node.docker("kill", "fault", check=False)  # it may just be ending
    assert eventually(lambda: state(node, "fault")["State"]["Status"] == "exited", 60)
    assert state(node, "fault")["State"]["ExitCode"] == 137


def frozen(node):
    cid = node.docker("inspect", "-f", "{{.Id}}", "fault").stdout.strip()
    return node.ssh(f"cat /sys/fs/cgroup/docker/{cid}/cgroup.freeze").strip() == "1"


def pause(node):
    node.docker("pause", "fault", check=False)


def unpause_before(node):
    run_before(node)
    node.docker("pause", "fault")


def unpause(node):
    node.docker("unpause", "fault", check=False)


def pause_after(node):
    """What is said of it is what it is."""
    paused = settled(node) == "paused"
    assert frozen(node) == paused
    if paused:
        node.docker("unpause", "fault")
    assert not frozen(node)
    in_it(node)


def prune_before(node):
    node.docker("create", "--name", "fault", *SLEEP)
    node.docker("create", "--name", "fault2", "--entrypoint", "true", "wherry/hello")


def prune(node):
    node.docker("container", "prune", "-f", check=False)


def prune_after(node):
    left = node.docker("ps", "-a", "--format", "{{.Names}}").stdout.split()
    assert set(left) <= {"fault", "fault2"}
    if "fault" in left:
        node.docker("start", "fault")
        in_it(node)
        node.docker("stop", "fault")
    node.docker("container", "prune", "-f")
    assert node.docker("ps", "-aq").stdout == ""


def exec_detached(node):
    node.docker("exec", "-d", "fault", "sleep", "10000", check=False)


def copy_in(node):
    node.docker("cp", payload(node), "fault:/payload", check=False)


def payload(node):
    path = node.state / "payload"
    path.write_bytes(bytes(range(256)) * 4096)
    return path


def copy_after(node):
    assert settled(node) == "running" and not frozen(node)
    node.docker("cp", payload(node), "fault:/payload")
    assert node.docker("exec", "fault", "sh", "-c", "cksum </payload | cut -d' ' -f2").stdout.strip() == str(256 * 4096)


# ---- networks

def networks(node):
    return [name for name in node.docker("network", "ls", "--format", "{{.Name}}").stdout.split() if name == "faultnet"]


def network_create(node):
    node.docker("network", "create", "--subnet", "10.97.0.0/24", "faultnet", check=False)


def network_rm(node):
    node.docker("network", "rm", "faultnet", check=False)


def network_after(node):
    if not networks(node):
        node.docker("network", "create", "--subnet", "10.97.0.0/24", "faultnet")
    assert "10.97.0." in node.docker("run", "--rm", "--network", "faultnet", "wherry/hello", "ip", "addr").stdout
    node.docker("network", "rm", "faultnet")
    assert not networks(node) and "10.97.0." not in node.ssh("ip addr")


def connect_before(node):
    network_create(node)
    run_before(node)


def connect(node):
    node.docker("network", "connect", "faultnet", "fault", check=False)


def disconnect_before(node):
    connect_before(node)
    node.docker("network", "connect", "faultnet", "fault")


def disconnect(node):
    node.docker("network", "disconnect", "faultnet", "fault", check=False)


def connect_after(node):
    """As many devices as it is said to have networks, and either can be changed."""
    there = "faultnet" in state(node, "fault")["NetworkSettings"]["Networks"]
    assert ("10.97.0." in node.docker("exec", "fault", "ip", "addr").stdout) == there
    if there:
        node.docker("network", "disconnect", "faultnet", "fault")
        assert "10.97.0." not in node.docker("exec", "fault", "ip", "addr").stdout
    node.docker("network", "connect", "faultnet", "fault")
    assert "10.97.0." in node.docker("exec", "fault", "ip", "addr").stdout


# ---- volumes

def volume_create(node):
    node.docker("volume", "create", "-o", "size=2m", "faultvol", check=False)


def volume_rm_before(node):
    volume_create(node)
    node.docker("run", "--rm", "-v", "faultvol:/mnt", "wherry/hello", "sh", "-c", "echo kept >/mnt/file")


def volume_rm(node):
    node.docker("volume", "rm", "faultvol", check=False)


def volume_prune(node):
    node.docker("volume", "prune", "-af", check=False)


def volume_there(node):
    """With its limit, or not there at all."""
    there = "faultvol" in node.docker("volume", "ls", "-q").stdout.split()
    if there:
        blocks, size = node.docker("run", "--rm", "-v", "faultvol:/mnt", "wherry/hello", "stat", "-f", "-c", "%b %S", "/mnt").stdout.split()
        assert int(blocks) * int(size) == 2 << 20
    return there


def volume_after(node):
    if not volume_there(node):
        node.docker("volume", "create", "-o", "size=2m", "faultvol")
        assert volume_there(node)


def volume_gone(node):
    if volume_there(node):
        assert node.docker("run", "--rm", "-v", "faultvol:/mnt", "wherry/hello", "cat", "/mnt/file").stdout == "kept\n"
        node.docker("volume", "rm", "faultvol")
    assert "faultvol" not in node.ssh("ls /data/engine/volumes").split()


# ---- images. A pull has its own registry, and its kills, in test_image_faults.py.

def works(node, name="faultimg"):
    """Whether the image is there; if so it is whole."""
    there = node.docker("image", "ls", "-q", name).stdout != ""
    if there:
        assert node.docker("run", "--rm", name, "echo", "whole").stdout == "whole\n"
    return there


def again(act):
    """What follows a request that makes the image: it is there whole or not, and the same request makes it."""
    def after(node):
        works(node)
        act(node)
        assert works(node)
    return after


def gone_after(act):
    def after(node):
        works(node)
        act(node)
        assert node.docker("image", "ls", "-q", "faultimg").stdout == ""
    return after


def tag(node):
    node.docker("tag", "wherry/hello", "faultimg", check=False)


def commit_before(node):
    run_before(node)
    node.docker("exec", "fault", "sh", "-c", "echo x >/added")


def commit(node):
    node.docker("commit", "fault", "faultimg", check=False)


def commit_after(node):
    assert settled(node) == "running" and not frozen(node)
    again(commit)(node)
    assert node.docker("run", "--rm", "faultimg", "cat", "/added").stdout == "x\n"


def committed(node):
    commit_before(node)
    node.docker("commit", "fault", "faultimg")
    node.docker("rm", "-f", "fault")


def image_rm(node):
    node.docker("rmi", "faultimg", check=False)


def image_prune(node):
    node.docker("image", "prune", "-af", check=False)


def saved(node):
    committed(node)
    node.docker("save", "-o", node.state / "image.tar", "faultimg")
    node.docker("rmi", "faultimg")


def load(node):
    node.docker("load", "-i", node.state / "image.tar", check=False)


def exported(node):
    node.docker("create", "--name", "fault", *SLEEP)
    node.docker("export", "-o", node.state / "root.tar", "fault")
    node.docker("rm", "fault")


def import_(node):
    node.docker("import", node.state / "root.tar", "faultimg", check=False)


def context(node):
    folder = node.state / "context"
    folder.mkdir(exist_ok=True)
    (folder / "Dockerfile").write_text("FROM wherry/hello\nRUN echo 1 >/one\nCOPY Dockerfile /two\nLABEL three=3\n")
    return folder


def build(node):
    node.docker("build", "-t", "faultimg", context(node), check=False, env={"DOCKER_BUILDKIT": "0"})


def built(node):
    build(node)
    node.docker("rmi", "--no-prune", "faultimg")  # the steps stay, as the cache


def builder_prune(node):
    node.docker("builder", "prune", "-af", check=False)


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
    "restart": (run_before, restart, restart_after),
    "kill": (run_before, kill_, kill_after),
    "pause": (run_before, pause, pause_after),
    "unpause": (unpause_before, unpause, pause_after),
    "prune": (prune_before, prune, prune_after),
    "exec detached": (run_before, exec_detached, exec_after),
    "cp": (run_before, copy_in, copy_after),
    "network create": (create_before, network_create, network_after),
    "network rm": (network_create, network_rm, network_after),
    "network connect": (connect_before, connect, connect_after),
    "network disconnect": (disconnect_before, disconnect, connect_after),
    "volume create": (create_before, volume_create, volume_after),
    "volume rm": (volume_rm_before, volume_rm, volume_gone),
    "volume prune": (volume_rm_before, volume_prune, volume_gone),
    "image tag": (create_before, tag, again(tag)),
    "image commit": (commit_before, commit, commit_after),
    "image rm": (committed, image_rm, gone_after(image_rm)),
    "image prune": (committed, image_prune, gone_after(image_prune)),
    "image load": (saved, load, again(load)),
    "image import": (exported, import_, again(import_)),
    "image build": (create_before, build, again(build)),
    "image builder prune": (built, builder_prune, again(build)),
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


# What the requests of a kind leave, beside containers.
LEFT = {
    "network": [["network", "rm", "faultnet"]],
    "volume": [["volume", "rm", "-f", "faultvol"]],
    "image": [["rmi", "-f", "faultimg"], ["builder", "prune", "-af"], ["image", "prune", "-af"]],
}


def clean_up(node, request):
    if "pod" in request:
        pod_remove(node)
    if not request.startswith("pod"):
        node.docker("rm", "-f", "fault", "fault2", check=False)
    for words in LEFT.get(request.split()[0], []):
        node.docker(*words, check=False)


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
        node.ssh(START_ENGINE)
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
