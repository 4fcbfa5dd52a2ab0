# SPDX-License-Identifier: Apache-2.0
"""A cluster with addresses and a domain of its own, which it then keeps."""

from support.cluster import Cluster
from support.node import eventually

CONFIG = """version: 1
cluster:
  service_range: 172.29.0.0/20
  pod_range: 172.28.0.0/20
  dns_address: 172.29.0.53
  domain: k.example
"""
LOOK_UP = "until nslookup kubernetes.default.svc.k.example; do sleep 1; done; cat /etc/resolv.conf"


def test_ranges_of_its_own(make_node, tmp_path):
    config = tmp_path / "machine.yaml"
    config.write_text(CONFIG)
    node = make_node(extra=["--config", str(config)])
    node.boot("--wait", "ready")
    cluster = Cluster(node)
    assert eventually(lambda: cluster.raw("GET", "/api/v1/namespaces/default/serviceaccounts/default")[0] == 200, timeout=60)
    services = cluster.get("services", "-A")["items"]
    assert {s["metadata"]["name"]: s["spec"]["clusterIP"] for s in services} == {"kubernetes": "172.29.0.1", "kube-dns": "172.29.0.53"}
    cluster.kubectl("run", "look", "--image=wherry/hello", "--restart=Never", "--", "sh", "-c", LOOK_UP)
    status = lambda: cluster.get("pod", "look")["status"]  # noqa: E731
    assert eventually(lambda: status()["phase"] == "Succeeded", timeout=150), status()
    assert status()["podIP"].startswith("172.28.0.")
    said = cluster.kubectl("logs", "look").stdout
    assert "172.29.0.1" in said and "nameserver 172.29.0.53" in said and "svc.k.example" in said, said
    node.stop()

    config.write_text(CONFIG.replace("172.29.0.", "172.30.0."))
    node.boot()
    why = "does not fit a cluster that exists: its service"
    assert eventually(lambda: why in node.ssh("wherryctl status", check=False).stdout, timeout=60)
    assert node.docker("info").returncode == 0
