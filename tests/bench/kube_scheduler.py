# SPDX-License-Identifier: Apache-2.0
"""Pods scheduled a second, with many simulated nodes (`load/kube_nodes.py`, which takes any cluster's kubeconfig).

The cluster's program runs on this machine itself: common.serve_cluster() says why.
"""

from common import Row, processor_seconds, serve_cluster  # first: it says where the others lie
import kube_nodes

NODES = [100, 1000, 5000]
PODS = 3000
RENEW = 20  # half of a Lease's time; ten seconds, as kubelets do, would be 500 requests a second of 5,000 nodes
BUDGET = {5000: "> 5000"}


def rows(folder):
    with serve_cluster(folder / "scheduler") as (server, access):
        for count in NODES:
            said = kube_nodes.run(access, count, PODS, RENEW, meter=lambda: processor_seconds(server.pid))
            yield Row(f"pods scheduled a second, {count} nodes", f"{said['bound a second']:.0f}", BUDGET.get(count, ""),
                      f"a backlog of {PODS} pods, let go at once by the claim they share, until a watch has seen the last binding; the program on this "
                      f"machine without a VM, {said['meter'] * 1e6 / PODS:.0f} µs of processor time a pod; created and refused once before at "
                      f"{said['created a second']:.0f} a second; {said['nodes used']} nodes got some")  # fmt: skip
