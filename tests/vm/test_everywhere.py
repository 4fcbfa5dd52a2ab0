# SPDX-License-Identifier: Apache-2.0
"""The same first hour on both architectures, booted by -kernel and through firmware from the disk image: containers, and a pod."""

import subprocess
import urllib.request

import pytest

from support import webimage
from support.cluster import Cluster
from support.node import TOP, eventually
from support.registry import Registry, machine_yaml

DOCKER_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}


@pytest.fixture
def registry(tmp_path):
    made = Registry(tmp_path / "registry")
    made.push("lib/nginx", "1", [webimage.nginx(arch=arch) for arch in DOCKER_ARCH.values()])
    yield made
    made.stop()


def served(node):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{node.env['WHERRY_TCP_8080']}/", timeout=10) as reply:
            return reply.read()
    except OSError:
        return None


def runs_a_pod(cluster, arch):
    """The cluster came up beside all that was done with docker."""
    nodes = lambda: cluster.kubectl("get", "nodes", "--request-timeout=20s", check=False)  # noqa: E731
    assert eventually(lambda: nodes().stdout.count(" Ready ") == 1, 180, 1), nodes()
    assert cluster.get("nodes")["items"][0]["metadata"]["labels"]["kubernetes.io/arch"] == DOCKER_ARCH[arch]
    account = lambda: cluster.kubectl("get", "serviceaccount", "default", check=False).returncode == 0  # noqa: E731
    assert eventually(account, 60, 1), "the namespace has no account"
    cluster.kubectl("run", "one", "--image=wherry/hello", "--image-pull-policy=IfNotPresent", "--restart=Never", "--", "uname", "-m")
    phase = lambda: cluster.kubectl("get", "pod", "one", "-o", "jsonpath={.status.phase}").stdout  # noqa: E731
    assert eventually(lambda: phase() == "Succeeded", 180, 1), cluster.kubectl("describe", "pod", "one").stdout
    assert cluster.kubectl("logs", "one").stdout.strip() == arch


@pytest.mark.parametrize("boot", ["kernel", "efi"])
@pytest.mark.parametrize("arch", DOCKER_ARCH)
def test_hello_nginx_a_terminal_and_a_pod(make_node, registry, tmp_path, arch, boot):
    if not (TOP / "out" / arch / "wherry.img").exists():
        pytest.skip(f"no image: make image ARCH={arch}")
    config = tmp_path / "machine.yaml"
    config.write_text(machine_yaml(registry))
    node = make_node(arch=arch, boot=boot, extra=["--config", str(config), "--guest-forward", registry.forward,
                                                  "--forward", "0:8080"])  # fmt: skip
    node.boot()
    assert "wherry" in node.docker("run", "--rm", "wherry/hello").stdout.lower()
    assert node.docker("run", "--rm", "wherry/hello", "uname", "-m").stdout.strip() == arch

    ref = f"{registry.address}/lib/nginx:1"
    node.docker("pull", ref, timeout=600)
    assert node.docker("image", "inspect", "-f", "{{.Architecture}}", ref).stdout.strip() == DOCKER_ARCH[arch]
    node.docker("run", "-d", "--name", "web", "-p", "8080:80", ref)
    assert eventually(lambda: served(node) == b"hello from nginx\n", 60), node.docker("logs", "web").stderr

    inner = " ".join([*node.docker_words, "exec", "-it", "web", "busybox", "sh", "-c", "'busybox tty; busybox stty size'"])
    said = subprocess.run(["script", "-qec", f"stty rows 31 cols 79; {inner}", "/dev/null"], env=node.docker_env(),
                          capture_output=True, text=True, timeout=120, check=True).stdout  # fmt: skip
    assert "/dev/pts/" in said and "31 79" in said

    cluster = Cluster(node)
    runs_a_pod(cluster, arch)

    # what was pulled and made outlives the machine
    node.stop()
    node.boot("--wait", "ready")
    said = lambda: cluster.kubectl("logs", "one", "--request-timeout=20s", check=False).stdout.strip()  # noqa: E731
    assert eventually(lambda: said() == arch, 120, 1), said()
    assert node.docker("inspect", "-f", "{{.Config.Image}}", "web").stdout.strip() == ref
    node.docker("start", "web")
    assert eventually(lambda: served(node) == b"hello from nginx\n", 60)
