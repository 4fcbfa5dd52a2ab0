# SPDX-License-Identifier: Apache-2.0
"""The cluster's store as a file and back, and the kubeconfig for the operator, as `wherryctl` does both over SSH."""

import json
import subprocess

from support.cluster import Cluster
from support.node import eventually


def wherryctl(node, *words, data=b""):
    return subprocess.run(node.ssh_words("wherryctl", *words), input=data, capture_output=True, timeout=180, check=False)


def test_kubeconfig_over_ssh(cluster, cluster_node):
    server = f"127.0.0.1:{cluster_node.env['WHERRY_TCP_6443']}"
    done = wherryctl(cluster_node, "kubeconfig", server)
    assert done.returncode == 0, done.stderr
    path = cluster_node.state / "kubeconfig-by-ssh"
    path.write_bytes(done.stdout)
    said = cluster.kubectl("--kubeconfig", path, "auth", "whoami").stdout
    assert "kubernetes-admin" in said
    # without a name, the address that the client has used
    assert b"server: https://10.0.2.15:6443\n" in wherryctl(cluster_node, "kubeconfig").stdout
    assert wherryctl(cluster_node, "kubeconfig", "a/b").returncode == 2


def test_the_console_says_how_to_give_a_key(cluster_node):
    keys, aside = "/run/config/authorized_keys", "/run/authorized_keys"
    said = cluster_node.ssh(f"mv {keys} {aside}; wherryctl banner; mv {aside} {keys}")
    assert "ssh      off: no key was given" in said and "wherryctl gen DIR --ssh-key FILE.pub" in said
    assert "no key was given" not in cluster_node.ssh("wherryctl banner")


def test_a_snapshot_is_restored(cluster, cluster_node, ns):
    maps = f"/api/v1/namespaces/{ns}/configmaps"
    cluster.ask("POST", maps, {"metadata": {"name": "kept"}}, expect=201)
    saved = wherryctl(cluster_node, "snapshot", "save", "-")
    assert saved.returncode == 0 and saved.stdout.startswith(b"SQLite format 3\0"), saved.stderr
    later = cluster.ask("POST", maps, {"metadata": {"name": "later"}}, expect=201)

    # what is broken stops nothing
    broken = bytearray(saved.stdout)
    broken[4096:8192] = bytes(4096)
    for data in (b"junk", bytes(broken), saved.stdout[: len(saved.stdout) // 2]):
        refused = wherryctl(cluster_node, "snapshot", "restore", "-", data=data)
        assert refused.returncode == 1 and b"cluster.db.restored" in refused.stderr, refused.stderr
    assert cluster.ask("GET", f"{maps}/later")["metadata"]["uid"] == later["metadata"]["uid"]

    done = wherryctl(cluster_node, "snapshot", "restore", "-", data=saved.stdout)
    assert done.returncode == 0, done.stderr
    assert eventually(lambda: cluster.kubectl("get", "--raw", "/readyz", check=False).stdout == "ok", timeout=120)
    assert cluster.ask("GET", f"{maps}/kept")
    cluster.ask("GET", f"{maps}/later", expect=404)
    fresh = cluster.ask("POST", maps, {"metadata": {"name": "fresh"}}, expect=201)
    assert int(fresh["metadata"]["resourceVersion"]) > int(later["metadata"]["resourceVersion"])
    left = cluster_node.ssh("ls /data/cluster")
    assert "cluster.db" in left and "before" not in left and "restored" not in left and "snapshot" not in left
    cluster.kubectl("wait", "--for=condition=Ready", "node", "--all", "--timeout=60s")


def test_the_stores_disk_is_full(make_node, tmp_path):
    """Writes are refused by a sentence and change nothing, reads go on, also after a power cut; what was confirmed is there."""
    config = tmp_path / "machine.yaml"
    config.write_text("version: 1\nstorage:\n  data_size: 400MiB\n")
    node = make_node(extra=["--config", str(config)])
    node.boot("--wait", "ready")
    maps, held, refused = "/api/v1/namespaces/default/configmaps", {}, []
    full = "the store's disk is full: nothing was changed; free space and try again"

    def write(cluster, name):
        text = f"{name} " * 50000
        status, reply, _ = cluster.raw("POST", maps, {"metadata": {"name": name}, "data": {"text": text}})
        if status == 201:
            held[name] = text
            return True
        assert status == 507 and reply["status"] == "Failure" and full in reply["message"], reply
        refused.append(name)
        return False

    def seen():
        """What is there of ours; None: the API is not."""
        answered = subprocess.run([*cluster.words, "--kubeconfig", cluster.config, "get", "configmaps", "-o", "json"],
                                  capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
        return {m["metadata"]["name"]: m["data"]["text"] for m in json.loads(answered.stdout)["items"]
                if m["metadata"]["name"].startswith("map")} if answered.returncode == 0 else None  # fmt: skip

    cluster = Cluster(node)
    assert write(cluster, "map0")
    node.ssh("for size in 64k 4k; do dd if=/dev/zero of=/data/filler.$size bs=$size 2>/dev/null; done; sync", timeout=120)
    for n in range(1, 100):  # its log has room for some
        if not write(cluster, f"map{n}") and len(refused) == 3:
            break
    assert len(refused) == 3, held.keys()
    more = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "more"}, "data": {"text": "x" * 400000}}
    done = cluster.kubectl("create", "-f", "-", input=json.dumps(more), check=False)  # needs more room than those refused
    assert done.returncode == 1 and full in done.stderr, done
    assert seen() == held and cluster.kubectl("get", "--raw", "/readyz").stdout == "ok"

    node.cut_power()
    node.boot()
    cluster = Cluster(node)
    assert eventually(lambda: seen() == held, timeout=120), seen()
    node.ssh("rm /data/filler.*; sync")
    assert eventually(lambda: cluster.kubectl("create", "configmap", "mapped", "--from-literal=text=t", check=False).returncode == 0, timeout=60)
    assert seen() == held | {"mapped": "t"}
    cluster.kubectl("wait", "--for=condition=Ready", "node", "--all", "--timeout=120s")
