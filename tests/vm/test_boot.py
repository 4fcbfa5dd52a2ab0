# SPDX-License-Identifier: Apache-2.0
"""Booting: without what a machine should have, with a configuration that is wrong, and cut short."""

import http.client
import random
import re
import ssl
import threading

import pytest

from support.cluster import Cluster
from support.node import Node, eventually, qemu_node
from support.powercut import RecordedDisk


def hello(node, check=True):
    return node.docker("run", "--rm", "wherry/hello", check=check).returncode == 0


# A configuration that gives no authority: the cluster's is the node's own, made at its first boot.
OWN_CLUSTER = "version: 1\ncluster: {enabled: true}\n"


def own_cluster(node):
    """The cluster of a node that was given no authority, once the node is Ready in it."""
    said = lambda: node.ssh(f"wherryctl kubeconfig 127.0.0.1:{node.env['WHERRY_TCP_6443']}", check=False).stdout  # noqa: E731
    text = eventually(said, 120, 1)
    assert text, node.console()
    cluster = Cluster(node)
    cluster.config.write_text(text)  # in place of qemu/run's, which is of an authority that the node has not
    nodes = lambda: cluster.kubectl("get", "nodes", "--request-timeout=20s", check=False)  # noqa: E731
    assert eventually(lambda: nodes().stdout.count(" Ready ") == 1, 120, 1), nodes()
    return cluster


def cluster_is_whole(node, cluster):
    """What its first boot makes is there, and of one piece: authority, domain, the key that signs tokens, the store."""
    files = "for f in service-account.key cluster.db pki/ca.crt pki/ca.key; do [ -s $f ] && echo $f; done; true"
    made = node.ssh(f"cd /data/cluster && echo $(cat domain) && {files}").split()
    assert made == ["cluster.local", "service-account.key", "cluster.db", "pki/ca.crt", "pki/ca.key"], node.ssh("ls -lR /data/cluster")
    for said in ("created", "unchanged"):
        assert cluster.kubectl("apply", "-f", "-", input=MARK).stdout == f"configmap/mark {said}\n"
    account = lambda: cluster.kubectl("-n", "default", "get", "serviceaccount", "default", check=False).returncode == 0  # noqa: E731
    assert eventually(account, 60, 1), "the namespace has no account"
    token = cluster.kubectl("-n", "default", "create", "token", "default").stdout.strip()
    who = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    status, said, _ = cluster.raw("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", who,
                                  headers={"Authorization": f"Bearer {token}"}, client=False)  # fmt: skip
    assert status == 201 and said["status"]["userInfo"]["username"] == "system:serviceaccount:default:default", said


MARK = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mark", "namespace": "default"}, "data": {"x": "1"}}'


def test_no_disk(make_node):
    """Works in memory and says so."""
    node = make_node(extra=["--disk", "none"])
    node.boot()
    assert hello(node)
    assert re.search(r"no disk", node.console(), re.I)
    assert re.search(r"no disk", node.ssh("wherryctl status", check=False).stdout, re.I)
    # What users keep on the disk elsewhere is in memory, too.
    node.docker("run", "--rm", "-v", "/srv/app:/x", "wherry/hello", "sh", "-c", "echo here >/x/file")
    assert node.ssh("cat /srv/app/file; df /srv/ | tail -1").split()[:2] == ["here", "tmpfs"]


def test_foreign_disk_is_not_formatted(make_node, tmp_path):
    disk = tmp_path / "foreign.img"
    content = b"somebody's data" + bytes(4096)
    with open(disk, "wb") as f:
        f.write(content)
        f.truncate(1 << 30)
    # Tagged as ours, but not empty: still somebody's.
    node = make_node(extra=["--disk", str(disk)])
    node.boot()
    assert hello(node)
    node.cut_power()
    with open(disk, "rb") as f:
        assert f.read(len(content)) == content


def test_read_only_disk(make_node, tmp_path):
    disk = tmp_path / "ro.img"
    with open(disk, "wb") as f:
        f.truncate(1 << 30)
    node = make_node(extra=["--disk", f"{disk}:ro"])
    node.boot()
    assert hello(node)
    assert re.search(r"read-only|write-protected", node.console(), re.I)


def test_too_small_disk(make_node, tmp_path):
    disk = tmp_path / "small.img"
    with open(disk, "wb") as f:
        f.truncate(16 << 20)
    node = make_node(extra=["--disk", str(disk)])
    node.boot()
    assert hello(node)
    assert re.search(r"too small", node.console(), re.I)


@pytest.mark.parametrize("text, said", [
    ("    - name: eth7\n      dhcp: true\n", "eth7: configured, but there is no such device"),
    ("    - name: eth0\n      dhcp: true\n      vlan: {id: 9, parent: eth1}\n", "eth0: there is a device of this name and it is no VLAN"),
])  # fmt: skip
def test_no_network(make_node, tmp_path, text, said):
    """No address, no device: the engine still comes up, the boot does not wait for ever, and the console says why."""
    config = tmp_path / "machine.yaml"
    config.write_text("version: 1\nnetwork:\n  interfaces:\n" + text)
    node = make_node(extra=["--config", str(config)])
    boot = threading.Thread(target=node.boot, kwargs={"check": False})
    boot.start()
    assert eventually(lambda: (node.state / "console.log").exists() and re.search(r"^engine: up", node.console(), re.M), 120, 1)
    assert eventually(lambda: said in node.console(), 60, 1), node.console()
    port = int(node.env["DOCKER_HOST"].rpartition(":")[2])
    assert qemu_node.engine_answers(node.state, port) is not None  # nobody can reach it
    node.cut_power()
    boot.join()


CALL_HOME = "until nc -w 20 $KUBERNETES_SERVICE_HOST 443 </dev/null; do sleep 1; done; echo the API is there; exec sleep 600"


def test_no_cable_and_then_one(make_node):
    """The node comes up without a link, and takes its address when somebody plugs the cable in. So does its cluster: the agent is
    asked by that address, and pods find the API at it."""
    node = make_node(extra=["--qemu=-S"])
    boot = threading.Thread(target=node.boot, kwargs={"timeout": 400})
    boot.start()
    assert eventually(lambda: (node.state / "monitor.sock").exists(), 30)
    monitor = qemu_node.Qmp(node.state)
    monitor.command("set_link", name="net0", up=False)
    monitor.command("cont")
    for service in ("engine", "cluster", "agent"):
        assert eventually(lambda s=service: re.search(rf"^{s}: up", node.console(), re.M), 120, 1), node.console()
    assert re.search(r"no network device has a link", node.console())
    monitor.command("set_link", name="net0", up=True)
    monitor.close()
    boot.join()
    assert hello(node)
    assert "no network" not in node.ssh("wherryctl status", check=False).stdout

    cluster = Cluster(node)
    address = re.search(r"inet ([0-9.]+)/", node.ssh("ip -4 addr show dev eth0"))[1]
    said = lambda what, path: cluster.kubectl("get", *what, "-o", f"jsonpath={path}", check=False).stdout  # noqa: E731
    for what, path in {
        ("nodes",): "{.items[0].status.addresses[?(@.type==\"InternalIP\")].address}",
        ("endpoints", "kubernetes"): "{.subsets[*].addresses[*].ip}",
        ("endpointslice", "kubernetes"): "{.endpoints[*].addresses[*]}",
    }.items():
        assert eventually(lambda w=what, p=path: said(w, p) == address, 60, 1), (what, said(what, path), address)
    cluster.kubectl("wait", "--for=condition=Ready", "node", "--all", "--timeout=60s")
    assert eventually(lambda: said(("serviceaccount", "default"), "{.metadata.name}") == "default", 60, 1)
    cluster.kubectl("run", "calls", "--image=wherry/hello", "--image-pull-policy=IfNotPresent", "--", "sh", "-c", CALL_HOME)
    logs = lambda: cluster.kubectl("logs", "calls", check=False)  # noqa: E731
    assert eventually(lambda: "the API is there" in logs().stdout, 90, 1), (logs().stderr, cluster.kubectl("describe", "pod", "calls").stdout)


def test_no_configuration_at_all(make_node):
    """Nobody hands one over, nor is one found: the node makes a cluster of its own, and lets nobody in whom it does not know."""
    node = make_node(extra=["--config", "none"])
    boot = threading.Thread(target=node.boot, kwargs={"check": False, "timeout": 400})  # it waits for an engine that knows it
    boot.start()
    assert eventually(lambda: (node.state / "console.log").exists() and re.search(r"^engine: up", node.console(), re.M), 120, 1)

    def ask(path):
        anybody = ssl.create_default_context()
        anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
        conn = http.client.HTTPSConnection("127.0.0.1", int(node.env["WHERRY_TCP_6443"]), timeout=10, context=anybody)
        try:
            conn.request("GET", path)
            reply = conn.getresponse()
            return reply.status, reply.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            conn.close()

    assert eventually(lambda: ask("/readyz") == (200, b"ok"), 120, 1), ask("/readyz")
    assert ask("/api/v1/nodes")[0] == 401
    # it is not the one whose authority lies beside it, unused
    with pytest.raises(ssl.SSLCertVerificationError):
        Cluster(node).connect(client=False).request("GET", "/readyz")
    assert node.running() and qemu_node.engine_answers(node.state, int(node.env["DOCKER_HOST"].rpartition(":")[2])) is not None
    node.cut_power()
    boot.join()


BAD = {
    "an unknown key": ("version: 1\nnetwrok:\n  nameservers: []\n", "2:1: .*netwrok"),
    "an unknown key, deep": ("version: 1\nnetwork:\n  interfaces:\n    - name: eth0\n      dhpc: true\n", "5:7: .*dhpc"),
    "a wrong type": ("version: 1\nhostname: [a, b]\n", "2:11: .*hostname"),
    # What qemu/run adds behind it still is in the quotes.
    "not YAML": ("version: 1\nhostname: \"open\n", r"\d+:\d+: not YAML: .*quoted on line 2"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_wrong_configuration_leaves_the_previous_in_force(make_node, tmp_path, what):
    text, where_and_what = BAD[what]
    node = make_node()
    good = tmp_path / "good.yaml"
    good.write_text("version: 1\nhostname: good-name\n")
    node.extra = ["--config", str(good)]
    node.boot()
    assert node.ssh("hostname").strip() == "good-name"
    node.stop()
    bad = tmp_path / "bad.yaml"
    bad.write_text(text)
    node.extra = ["--config", str(bad)]
    node.boot()  # still reachable, with the certificates it had
    assert node.ssh("hostname").strip() == "good-name"
    for said in (node.console(), node.ssh("wherryctl status", check=False).stdout):
        assert re.search(rf"fw_cfg/opt/wherry/config:{where_and_what}", said), said
    assert hello(node)


@pytest.mark.lengthy
def test_power_cut_at_any_moment_of_the_first_boot(make_node, tmp_path):
    """Whatever the plug interrupts, the next boot repairs or redoes it: the disk, and the cluster with an authority of its own. The
    first writes, which make the table and the file systems, are each the last one once; of the others a sample."""
    dice = random.Random(7)
    config = ["--config", str(tmp_path / "machine.yaml")]
    (tmp_path / "machine.yaml").write_text(OWN_CLUSTER)
    node = make_node()
    disk = node.state / "disk.img"
    with open(disk, "wb") as f:
        f.truncate(1 << 30)
    record = RecordedDisk(disk)
    node.extra = [*record.options(), *config]
    node.boot()
    assert hello(node)
    own_cluster(node)
    node.cut_power()
    record.read()
    writes = record.writes()
    assert len(writes) > 50
    node.extra = ["--disk", str(disk), *config]
    for moment in [*writes[:3], *sorted(dice.sample(writes[3:], 3))]:
        record.cut(disk, moment, dice)
        node.boot()
        print(f"cut after write {moment} of {len(writes)}")  # which one it was, when one fails
        assert hello(node)
        assert re.search(r" /data ext4 rw,", node.ssh("cat /proc/mounts"))
        cluster_is_whole(node, own_cluster(node))
        node.cut_power()
    record.remove()


def test_full_disk(make_node, tmp_path):
    disk = tmp_path / "disk.img"
    with open(disk, "wb") as f:
        f.truncate(400 << 20)
    node = make_node(extra=["--disk", str(disk)])
    node.boot()
    node.docker("run", "-d", "--name", "before", "wherry/hello", "sh", "-c", "while :; do echo line; sleep 0.2; done")
    node.ssh("dd if=/dev/zero of=/data/filler bs=64k 2>/dev/null; sync", check=False)
    done = node.docker("run", "--name", "during", "wherry/hello", "true", check=False)
    assert done.returncode == 0 or "space" in done.stderr.lower(), done.stderr
    assert node.docker("inspect", "-f", "{{.State.Running}}", "before").stdout.strip() == "true"
    node.ssh("rm /data/filler; sync")
    assert eventually(lambda: hello(node, check=False), 20)
    node.stop()
    node.boot()
    assert hello(node)


def test_a_grown_disk_is_used(make_node):
    node = make_node()
    node.boot()
    before = int(node.ssh("df -k /data | tail -n 1").split()[1])
    node.stop()
    disk = node.state / "disk.img"
    with open(disk, "r+b") as f:
        f.truncate(disk.stat().st_size + (4 << 30))
    node.boot()
    assert int(node.ssh("df -k /data | tail -n 1").split()[1]) > before + (3 << 20)


def test_reboot_from_inside(make_node):
    node = make_node()
    node.boot()
    boot_id = node.ssh("cat /proc/sys/kernel/random/boot_id")
    node.ssh("wherryctl reboot", check=False)

    def again():
        done = node.ssh("cat /proc/sys/kernel/random/boot_id", check=False)
        return done.returncode == 0 and done.stdout != boot_id

    assert eventually(again, 120, 1)
    node.wait_engine()


def test_two_nodes_share_nothing(make_node):
    first, second = make_node(), make_node()
    for node in (first, second):
        node.boot()
    assert first.ssh("cat /state/machine-id") != second.ssh("cat /state/machine-id")
    stranger = Node(first.state, arch=first.arch)
    done = stranger.docker("version", check=False, env={"DOCKER_CERT_PATH": str(second.state / "docker")})
    assert done.returncode != 0  # another node's client certificate opens nothing


def test_the_name_is_kept(make_node):
    """A machine that is told no name has the one of its first boot, when its first network card was another."""
    node = make_node()
    node.boot()
    assert node.ssh("cat /state/hostname") == node.ssh("hostname") != "wherry\n"
    node.ssh("echo wherry-0a0b0c >/state/hostname; sync")
    node.stop()
    node.boot()
    assert node.ssh("hostname") == node.ssh("cat /state/hostname") == "wherry-0a0b0c\n"
    assert "wherry-0a0b0c" in node.ssh("cat /run/hosts")
    assert hello(node)


@pytest.mark.parametrize("hardware", ["nvme", "ahci", "usb"])
def test_disks_and_cards_of_real_machines(make_node, hardware):
    """NVMe with e1000e, SATA with e1000e, USB with e1000: what QEMU has of what real machines are made of."""
    node = make_node(boot="efi", extra=["--hardware", hardware])
    node.boot()
    assert hello(node)
    assert "/data" in node.ssh("grep ext4 /proc/mounts")
