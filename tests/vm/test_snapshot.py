# SPDX-License-Identifier: Apache-2.0
"""The cluster's store as a file and back, and the kubeconfig for the operator, as `wherryctl` does both over SSH."""

import subprocess

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
