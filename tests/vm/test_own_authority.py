# SPDX-License-Identifier: Apache-2.0
"""A node that is given no authority of a cluster makes its own at the first boot, and stays with it."""

import re

import pytest

from support.cluster import Cluster
from support.node import eventually, qemu_node

WAIT = 180  # emulated, beside other work
API_PORT = 6443
OWN = "/data/cluster/pki"


@pytest.fixture
def node(make_node, tmp_path):
    """Nothing of what `wherryctl gen` made for a cluster reaches it; the port of its API is the same at each boot."""
    config = tmp_path / "machine.yaml"
    config.write_text("version: 1\ncluster: {enabled: true}\n")  # on one line, so that qemu/run adds nothing to it
    made = make_node(extra=["--config", str(config), "--forward", f"{qemu_node.free_port()}:{API_PORT}"])
    made.boot()
    given = (made.state / "machine.yaml").read_text()
    assert "ssh:" in given and not re.search(r"(?ms)^cluster:.*^  ca:", given), "it was given an authority"
    return made


def kubeconfig(node, *words):
    """As an operator gets it: over SSH, once the cluster has come up."""
    done = eventually(lambda: (found := node.ssh(f"wherryctl kubeconfig {' '.join(words)}", check=False)).returncode == 0 and found, WAIT, 1)
    assert done, node.ssh("wherryctl services; wherryctl kubeconfig", check=False)
    return done.stdout


def use(node, text, name):
    """A cluster's client by this kubeconfig."""
    made = Cluster(node)
    made.config = node.state / name
    made.config.touch(mode=0o600)
    made.config.write_text(text)
    return made


def ready(cluster):
    """The node is, in the eyes of who asks; what is said last if it is not."""
    said = None

    def look():
        nonlocal said
        said = cluster.kubectl("get", "nodes", "--no-headers", check=False)
        return said.stdout.split()[1:2] == ["Ready"]

    assert eventually(look, WAIT, 2), said


def served_by(node, cluster):
    """A pod runs whose log the API can read, for it trusts the agent; and it trusts the API itself, by what it was given to do so."""
    said = None

    def all_well():
        nonlocal said
        said = [cluster.kubectl(*words, check=False) for words in (
            ("logs", "p"), ("exec", "p", "--", "cat", "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"))]  # fmt: skip
        return [one.stdout for one in said] == ["hello\n", authority]

    authority = node.ssh(f"cat {OWN}/ca.crt")
    assert eventually(all_well, WAIT, 2), said


def test_the_node_makes_its_own_authority(node):
    port = node.env[f"WHERRY_TCP_{API_PORT}"]
    text = kubeconfig(node, f"127.0.0.1:{port}")
    assert f"server: https://127.0.0.1:{port}\n" in text
    assert f"server: https://10.0.2.15:{API_PORT}\n" in kubeconfig(node), "without a word it is the address that SSH has used"
    cluster = use(node, text, "own")
    ready(cluster)

    # it is one of its own, kept on the disk and from everybody else
    authority = node.ssh(f"cat {OWN}/ca.crt")
    assert authority == node.ssh("cat /run/cluster/pki/ca.crt") and authority != (node.state / "gen/cluster-ca.pem").read_text()
    assert node.ssh(f"stat -c %a {OWN}/ca.key {OWN}").split() == ["600", "700"]

    # who administers the cluster that was generated is nobody here, and who trusts that one's authority does not trust this API
    generated = (node.state / "kubeconfig").read_text()
    stranger = text
    for part in ("certificate", "key"):
        theirs = re.search(rf"client-{part}-data: \S+", generated)[0]
        stranger = re.sub(rf"client-{part}-data: \S+", theirs, stranger)
    for name, config, why in (("stranger", stranger, "tls|certificate|Unauthorized"), ("generated", generated, "certificate signed by unknown authority")):
        refused = use(node, config, name).kubectl("get", "nodes", check=False)
        assert refused.returncode != 0 and re.search(why, refused.stderr), (name, refused)

    account = lambda: cluster.kubectl("get", "serviceaccount", "default", check=False).returncode == 0  # noqa: E731
    assert eventually(account, WAIT, 1), "the namespace has no account"
    cluster.kubectl("run", "p", "--image=wherry/hello", "--image-pull-policy=IfNotPresent", "--command", "--", "sh", "-c", "echo hello; exec sleep 100000")
    served_by(node, cluster)

    # the next boot has the same one: who had a kubeconfig has one still
    node.stop()
    node.boot()
    ready(cluster)
    assert node.ssh(f"cat {OWN}/ca.crt") == authority
    served_by(node, cluster)
