# SPDX-License-Identifier: Apache-2.0
"""Memory: what an idle node uses, and the smallest machine that boots and runs a container.

Used is the machine's memory (QEMU's -m) minus MemAvailable, a minute after the engine answered: what the kernel
reserves for itself counts. It is read over SSH, whose session is part of what is measured.
"""

import re
import shutil
import time

from common import Row
from support.node import Node

IDLE_BUDGET_MIB, SMALLEST_BUDGET_MIB = 40, 64
LEAST, STEP = 40, 4


def _booted(folder, memory, timeout=120):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    node = Node(folder, memory=memory)
    done = node.boot(check=False, timeout=timeout)
    return node if done.returncode == 0 else None


def idle(folder, memory):
    """MiB in use on an idle node of @memory MiB."""
    node = _booted(folder / "idle", memory)
    try:
        time.sleep(60)
        said = node.ssh("cat /proc/meminfo")
        return memory - int(re.search(r"MemAvailable: +(\d+) kB", said)[1]) / 1024
    finally:
        node.cut_power()


def works(folder, memory):
    """Does a node of @memory MiB boot and run a container?"""
    node = _booted(folder / "small", memory)
    if node is None:
        return False
    try:
        done = node.docker("run", "--rm", "wherry/hello", "echo", "alive", check=False, timeout=120)
        return done.returncode == 0 and done.stdout == "alive\n"
    finally:
        node.cut_power()


def smallest(folder):
    """The least memory that works, to STEP MiB, by bisection: more never works worse."""
    low, high = LEAST // STEP, 256 // STEP  # low fails (the kernel alone does not boot), high works
    if not works(folder, high * STEP):
        raise RuntimeError(f"a machine of {high * STEP} MiB does not boot and run a container")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if works(folder, middle * STEP) else (middle, high)
    return high * STEP


def rows(folder):
    used = idle(folder, 512)
    yield Row("RAM in use, idle, of 512 MiB", f"{used:.1f} MiB", f"{IDLE_BUDGET_MIB} MiB", "512 MiB minus MemAvailable")
    least = smallest(folder)
    yield Row("smallest machine that runs a container", f"{least} MiB", f"{SMALLEST_BUDGET_MIB} MiB", f"in steps of {STEP} MiB")
    yield Row(f"RAM in use, idle, of {least} MiB", f"{idle(folder, least):.1f} MiB", f"{IDLE_BUDGET_MIB} MiB",
              f"{least} MiB minus MemAvailable")
