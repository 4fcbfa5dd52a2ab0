# SPDX-License-Identifier: Apache-2.0
"""Kernel entry to engine ready and to node Ready, against the same kernel on the same machine booting to a one-line init.

All are times of the guest's own clock, which starts with the kernel: on a node without a cluster init says after how long everything
was up, the engine last; the one-line init prints /proc/uptime; the API is asked from outside over one connection, twenty times a second,
until the agent of this boot has said that the node is Ready, and the node's uptime then is what it says a moment later, less that
moment. The rounds alternate. A node's first boot, which also makes its file systems and keys, is reported beside the later ones.
"""

import argparse
import http.client
import json
import re
import shutil
import subprocess
import time

from common import ARCH, CPUS, OFF, Row, accel, component, machine, median, run_to_end, write_initrd
from support.cluster import Cluster
from support.node import Node

ROUNDS = 5
BUDGET = 2.0
INIT = f"""#!/bin/busybox sh
busybox mount -t proc proc /proc; read up idle </proc/uptime; echo "BENCH $up"; {OFF}
"""


def _up_after(node):
    found = re.findall(r"wherry: up after (\d+\.\d+) s", node.console())
    if not found:
        raise RuntimeError(f"{node.state}: the console does not say when it was up")
    return float(found[-1])


def _ready_boot(conn, before):
    """The id of the boot whose agent says that its node is Ready; None while none but @before's has."""
    conn.request("GET", "/api/v1/nodes")
    for item in json.load(conn.getresponse()).get("items", []):
        status = item.get("status", {})
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", []))
        if ready and status["nodeInfo"]["bootID"] != before:
            return status["nodeInfo"]["bootID"]
    return None


def _ready_after(node, before=None):
    """Seconds from kernel entry until the Node's condition Ready is this boot's word, and that boot's id. @before: of the boot before,
    whose word stands in the store."""
    deadline = time.monotonic() + 120
    conn = Cluster(node).connect()
    boot = None
    while not boot:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{node.state}: the node is not Ready")
        try:
            boot = _ready_boot(conn, before)
        except (OSError, http.client.HTTPException):
            conn.close()  # the API does not listen yet: the next request connects anew
        time.sleep(0.05)
    conn.close()
    seen = time.monotonic()
    with subprocess.Popen(node.ssh_words("cat /proc/uptime"), stdout=subprocess.PIPE, text=True) as shell:
        up = float(shell.stdout.readline().split()[0])
        return up - (time.monotonic() - seen), boot


def _bare(folder):
    """Seconds until the one-line init runs, on the machine that qemu/run would make."""
    state = folder / "bare"
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir()
    (state / "machine.yaml").write_text("version: 1\n")
    write_initrd(state / "initrd", {"init": INIT.encode(), "bin/busybox": (component("busybox") / "bin/busybox").read_bytes(), "proc": None})
    opts = argparse.Namespace(arch=ARCH, memory=512, cpus=CPUS, disk=None, boot="kernel", hardware="virtio", append="", offline=True,
                              guest_forward=[], qemu=[], config=None, state=state)  # fmt: skip
    argv = machine.command(opts, [], accel())
    argv[argv.index("-initrd") + 1] = str(state / "initrd")
    said = re.search(r"BENCH (\d+\.\d+)", run_to_end([*argv, "-serial", "stdio"], 120))
    if not said:
        raise RuntimeError("the one-line init did not run")
    return float(said[1])


def _engine_boot(node):
    node.boot()
    after = _up_after(node)
    node.stop()
    return after


def _ready_of_boot(node, before=None):
    node.boot()
    ready = _ready_after(node, before)
    node.stop()
    return ready


def _made(folder, config):
    folder.mkdir()
    (folder / "given.yaml").write_text(config)
    return Node(folder, cpus=CPUS, extra=["--config", str(folder / "given.yaml")])


def rows(folder):
    alone = _made(folder / "alone", "version: 1\ncluster:\n  enabled: false\n")
    node = _made(folder / "boot", "version: 1\n")
    first = _engine_boot(alone)
    first_ready, boot = _ready_of_boot(node)
    ours, ready, bare = [], [], []
    for _ in range(ROUNDS):
        ours.append(_engine_boot(alone))
        after, boot = _ready_of_boot(node, boot)
        ready.append(after)
        bare.append(_bare(folder))
    ratio = median(ours) / median(bare)
    note = f"{median(ours):.1f} s against {median(bare):.2f} s, medians of {ROUNDS}; first boot {first:.1f} s"
    yield Row("kernel entry to engine ready, against a one-line init", f"{ratio:.2f} x", f"< {BUDGET:.0f} x", note)
    note = f"{median(ready):.1f} s against {median(bare):.2f} s, medians of {ROUNDS}; first boot {first_ready:.1f} s"
    yield Row("kernel entry to node Ready, against a one-line init", f"{median(ready) / median(bare):.2f} x", f"< {BUDGET:.0f} x", note)
