# SPDX-License-Identifier: Apache-2.0
"""A node with its cluster at work: idle processor time, from `kubectl apply` to a pod's answer, updates of services, probes.

The load is `load/kube_pods.py`, which takes any cluster's kubeconfig: the same against upstream gives what to compare with.
"""

from common import CPUS, Row  # first: it says where the others lie
import kube_pods
from support import clients
from support.node import Node

# What each kind of figure of the load is called here, and how it was come by
ROWS = {
    "idle": lambda said: Row("processor time, idle, one-node cluster", f"{said['percent of one processor']:.1f} % of one",
                             note=f"/proc/stat over {kube_pods.IDLE} s, no pods"),
    "apply": lambda said: Row("kubectl apply to the pod's first answer", f"{said['median s']:.2f} s",
                              note="Deployment and NodePort service, image on the node, kubectl's own start with it; "
                                   f"median of {kube_pods.APPLIES}"),
    "update": lambda said: Row(f"update of a service, {said['services']} services", f"{said['median ms']:.0f} ms",
                               note="from the change of its EndpointSlice to the new endpoint's first answer on its node port; "
                                    f"median of {kube_pods.TOGGLES}"),
    "probe": lambda said: Row("an exec probe", f"{said['ms each']:.1f} ms of processor time",
                              note=f"{kube_pods.PROBES} every {kube_pods.PERIOD} s: {said['s with probes']:.1f} s busy in {kube_pods.WINDOW} s, "
                                   f"{said['s without']:.1f} s without probes"),
}  # fmt: skip


def rows(folder):
    node = Node(folder / "work", memory=1024, cpus=CPUS, extra=["--forward", f"0:{kube_pods.PORT}"])
    node.state.mkdir()
    node.boot("--wait", "ready")
    try:
        cluster = kube_pods.Cluster(node.env["KUBECONFIG"], node.state, f"127.0.0.1:{node.env[f'WHERRY_TCP_{kube_pods.PORT}']}",
                                    "wherry/hello", kubectl=clients.command("kubectl"), shell=node.ssh)  # fmt: skip
        for kind, said in kube_pods.run(cluster):
            yield ROWS[kind](said)
    finally:
        node.cut_power()
