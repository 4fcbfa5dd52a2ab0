# SPDX-License-Identifier: Apache-2.0
"""Pods scheduled a second, with many simulated nodes (`load/kube_nodes.py`, which takes any cluster's kubeconfig).

The cluster's program of the image runs on this machine itself, as a process, beside the load: nothing that is measured needs a
node, and where there is no KVM an emulated processor would be most of the figure. Its store is SQLite on this machine's disk.
"""

import contextlib
import os
import socket
import subprocess
import time

from common import ARCH, TOP, Row  # first: it says where the others lie
import kube_access
import kube_nodes

NODES = [100, 1000, 5000]
PODS = 3000
RENEW = 20  # half of a Lease's time; ten seconds, as kubelets do, would be 500 requests a second of 5,000 nodes
BUDGET = {5000: "> 5000"}


@contextlib.contextmanager
def serve(folder):
    """The process, and what reaches its API."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with open(folder / "cluster.log", "wb") as log:
        server = subprocess.Popen([TOP / "out" / ARCH / "bin" / "wherry", "cluster", "--data", folder / "data", "--run", folder / "run",
                                   "--config", folder / "none", "--port", str(port)], stdout=log, stderr=log)  # fmt: skip
    try:
        end = time.monotonic() + 60
        while "op=ready" not in (said := (folder / "cluster.log").read_text()):
            if server.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the cluster does not get ready:\n{said[-2000:]}")
            time.sleep(0.1)
        yield server, kube_access.Access(folder / "run" / "kubeconfig")
    finally:
        server.kill()
        server.wait()


def processor_seconds(pid):
    """Of all threads of the process, until now."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rows(folder):
    folder = folder / "scheduler"
    folder.mkdir()
    with serve(folder) as (server, access):
        for count in NODES:
            said = kube_nodes.run(access, count, PODS, RENEW, meter=lambda: processor_seconds(server.pid))
            yield Row(f"pods scheduled a second, {count} nodes", f"{said['bound a second']:.0f}", BUDGET.get(count, ""),
                      f"a backlog of {PODS} pods, let go at once by the claim they share, until a watch has seen the last binding; the program on this "
                      f"machine without a VM, {said['meter'] * 1e6 / PODS:.0f} µs of processor time a pod; created and refused once before at "
                      f"{said['created a second']:.0f} a second; {said['nodes used']} nodes got some")  # fmt: skip
