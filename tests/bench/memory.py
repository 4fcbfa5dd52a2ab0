# SPDX-License-Identifier: Apache-2.0
"""Memory: what an idle node uses, and the smallest machine that boots and runs a container, as a worker, or a pod, as a cluster
of one node, which serves the Kubernetes API, too.

Used is the machine's memory (QEMU's -m) minus MemAvailable, a minute after the engine answered: what the kernel
reserves for itself counts. It is read over SSH, whose session is part of what is measured.
"""

import re
import shutil
import time

from common import CPUS, Row
from support.cluster import Cluster
from support.node import Node, eventually

LEAST, STEP = 40, 4


def _runs_container(node):
    done = node.docker("run", "--rm", "wherry/hello", "echo", "alive", check=False, timeout=120)
    return done.returncode == 0 and done.stdout == "alive\n"


def _runs_pod(node):
    cluster, pods = Cluster(node), "/api/v1/namespaces/default/pods"
    pod = {"metadata": {"name": "alive"}, "spec": {"restartPolicy": "Never", "containers": [
        {"name": "c", "image": "wherry/hello", "imagePullPolicy": "IfNotPresent", "command": ["true"]}]}}  # fmt: skip

    def asked(method, path, body=None):
        try:
            return cluster.raw(method, path, body)
        except OSError:  # a machine that is too small may not even answer
            return 0, {}

    # its namespace comes with the cluster, and gets its account then
    made = eventually(lambda: asked("POST", pods, pod)[0] in (201, 409), timeout=120)
    return made and eventually(lambda: asked("GET", f"{pods}/alive")[1].get("status", {}).get("phase") == "Succeeded", timeout=120)


# what the machine is: its configuration, what it has to run, and the budgets in MiB of idle memory and of the smallest machine
KINDS = {
    "worker": ("version: 1\ncluster:\n  enabled: false\n", _runs_container, 40, 64),
    "one-node cluster": ("version: 1\n", _runs_pod, 56, 96),
}


def _booted(folder, memory, cpus, config, timeout=120):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "given.yaml").write_text(config)
    node = Node(folder, memory=memory, cpus=cpus, extra=["--config", str(folder / "given.yaml")])
    done = node.boot(check=False, timeout=timeout)
    return node if done.returncode == 0 else None


def idle(folder, memory, config):
    """MiB in use on an idle node of @memory MiB."""
    node = _booted(folder / "idle", memory, CPUS, config)
    if node is None:
        raise RuntimeError(f"a machine of {memory} MiB does not boot")
    try:
        time.sleep(60)
        said = node.ssh("cat /proc/meminfo")
        return memory - int(re.search(r"MemAvailable: +(\d+) kB", said)[1]) / 1024
    finally:
        node.cut_power()


def works(folder, memory, cpus, config, runs):
    """Does a node of @memory MiB and @cpus processors boot and run what it has to?"""
    node = _booted(folder / "small", memory, cpus, config)
    if node is None:
        return False
    try:
        return bool(runs(node))
    finally:
        node.cut_power()


def smallest(folder, cpus, config, runs):
    """The least memory that works, to STEP MiB, by bisection: more never works worse."""
    low, high = LEAST // STEP, 128 // STEP  # low fails (the kernel alone does not boot), high works
    if not works(folder, high * STEP, cpus, config, runs):
        raise RuntimeError(f"a machine of {high * STEP} MiB does not boot and run what it has to")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if works(folder, middle * STEP, cpus, config, runs) else (middle, high)
    return high * STEP


def rows(folder):
    for kind, (config, runs, idle_budget, smallest_budget) in KINDS.items():
        used = idle(folder, 512, config)
        yield Row(f"RAM in use, idle, of 512 MiB: {kind}", f"{used:.0f} MiB", f"{idle_budget} MiB", "512 MiB minus MemAvailable")
        one, two = (smallest(folder, cpus, config, runs) for cpus in (1, CPUS))
        note = f"in steps of {STEP} MiB, one processor; with {CPUS} {two} MiB"
        yield Row(f"smallest machine that runs a {'pod' if runs is _runs_pod else 'container'}: {kind}", f"{one} MiB", f"{smallest_budget} MiB", note)
