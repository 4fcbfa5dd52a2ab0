# SPDX-License-Identifier: Apache-2.0
"""Kernel entry to engine ready and to node Ready, against the same kernel on the same machine booting to a one-line init.

All are times of the guest's own clock, which starts with the kernel: on a node without a cluster init says after how long everything
was up, the engine last; the one-line init prints /proc/uptime; the agent writes into its log when the API had taken that the node is
Ready. Nobody asks a node anything before that: a handshake would be a part of what is measured. The rounds alternate. A node's first
boot, which also makes its file systems and keys, is reported beside the later ones.
"""

import argparse
import re
import shutil
import time

from common import ARCH, CPUS, OFF, Row, accel, component, machine, median, run_to_end, write_initrd
from support.node import Node, eventually

ROUNDS = 5
BUDGET = 2.0
INIT = f"""#!/bin/busybox sh
busybox mount -t proc proc /proc; read up idle </proc/uptime; echo "BENCH $up"; {OFF}
"""


def _up_after(node):
    """Seconds from kernel entry until everything was up, of a boot that nobody has asked anything."""
    node.boot("--wait", "none")
    said = eventually(lambda: re.search(r"wherry: up after (\d+\.\d+) s", node.console()), 120)
    if not said:
        raise RuntimeError(f"{node.state}: the console does not say when it was up")
    return float(said[1])


def _ready_after(node, boots):
    """Seconds from kernel entry until the API had the agent's word that the node is Ready, in the last of @boots boots: the agent
    writes it into its log."""
    _up_after(node)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        time.sleep(3)
        said = re.findall(r"status=NodeReady up_ms=(\d+)", node.ssh("cat /data/log/agent", check=False).stdout)
        if len(said) == boots:
            return int(said[-1]) / 1000
    raise RuntimeError(f"{node.state}: the node is not Ready")


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
    after = _up_after(node)
    node.stop()
    return after


def _ready_of_boot(node, boots):
    ready = _ready_after(node, boots)
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
    first_ready = _ready_of_boot(node, 1)
    ours, ready, bare = [], [], []
    for i in range(ROUNDS):
        ours.append(_engine_boot(alone))
        ready.append(_ready_of_boot(node, i + 2))
        bare.append(_bare(folder))
    ratio = median(ours) / median(bare)
    note = f"{median(ours):.1f} s against {median(bare):.2f} s, medians of {ROUNDS}; first boot {first:.1f} s"
    yield Row("kernel entry to engine ready, against a one-line init", f"{ratio:.2f} x", f"< {BUDGET:.0f} x", note)
    note = f"{median(ready):.1f} s against {median(bare):.2f} s, medians of {ROUNDS}; first boot {first_ready:.1f} s"
    yield Row("kernel entry to node Ready, against a one-line init", f"{median(ready) / median(bare):.2f} x", f"< {BUDGET:.0f} x", note)
