# SPDX-License-Identifier: Apache-2.0
"""Memory: what an idle node uses, and the smallest machine that boots and runs a container; as a worker, and as a cluster
of one node, which serves the Kubernetes API, too.

Used is the machine's memory (QEMU's -m) minus MemAvailable, a minute after the engine answered: what the kernel
reserves for itself counts. It is read over SSH, whose session is part of what is measured.
"""

import re
import shutil
import time

from common import CPUS, Row
from support.node import Node

# what the machine is: its configuration, and the budgets in MiB of idle memory and of the smallest machine
KINDS = {
    "worker": ("version: 1\ncluster:\n  enabled: false\n", 40, 64),
    "one-node cluster": ("version: 1\n", 56, 96),
}
LEAST, STEP = 40, 4


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


def works(folder, memory, cpus, config):
    """Does a node of @memory MiB and @cpus processors boot and run a container?"""
    node = _booted(folder / "small", memory, cpus, config)
    if node is None:
        return False
    try:
        done = node.docker("run", "--rm", "wherry/hello", "echo", "alive", check=False, timeout=120)
        return done.returncode == 0 and done.stdout == "alive\n"
    finally:
        node.cut_power()


def smallest(folder, cpus, config):
    """The least memory that works, to STEP MiB, by bisection: more never works worse."""
    low, high = LEAST // STEP, 128 // STEP  # low fails (the kernel alone does not boot), high works
    if not works(folder, high * STEP, cpus, config):
        raise RuntimeError(f"a machine of {high * STEP} MiB does not boot and run a container")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if works(folder, middle * STEP, cpus, config) else (middle, high)
    return high * STEP


def rows(folder):
    for kind, (config, idle_budget, smallest_budget) in KINDS.items():
        used = idle(folder, 512, config)
        yield Row(f"RAM in use, idle, of 512 MiB: {kind}", f"{used:.0f} MiB", f"{idle_budget} MiB", "512 MiB minus MemAvailable")
        one, two = (smallest(folder, cpus, config) for cpus in (1, CPUS))
        note = f"in steps of {STEP} MiB, one processor; with {CPUS} {two} MiB"
        yield Row(f"smallest machine that runs a container: {kind}", f"{one} MiB", f"{smallest_budget} MiB", note)
