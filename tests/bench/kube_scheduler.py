# SPDX-License-Identifier: Apache-2.0
"""Pods scheduled a second, with many simulated nodes (`load/kube_nodes.py`, which takes any cluster's kubeconfig)."""

from common import Row  # first: it says where the others lie
import kube_access
import kube_nodes
from support.node import Node

NODES = [100, 1000, 5000]
PODS = 1000
RENEW = 20  # half of a Lease's time; ten seconds, as kubelets do, would be 500 requests a second of 5,000 nodes
BUDGET = {5000: "> 5000"}


def rows(folder):
    node = Node(folder / "scheduler", memory=1024)
    node.state.mkdir()
    node.boot("--wait", "ready")
    try:
        access = kube_access.Access(node.env["KUBECONFIG"])
        for count in NODES:
            said = kube_nodes.run(access, count, PODS, RENEW)
            yield Row(f"pods scheduled a second, {count} nodes", f"{said['bound a second']:.0f}", BUDGET.get(count, ""),
                      f"a backlog of {PODS} pods, let go at once by the claim they share; bindings acknowledged as by kubelets; "
                      f"created and refused once before at {said['created a second']:.0f} a second; {said['nodes used']} nodes got some")  # fmt: skip
    finally:
        node.cut_power()
