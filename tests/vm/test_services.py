# SPDX-License-Identifier: Apache-2.0
"""Addresses of pods and services, and cluster DNS. Pods are the engine's, and Endpoints are written by hand: what agent and
controllers do besides is tested elsewhere."""

import json
import subprocess
import urllib.request

import pytest
from support import clients, leaks
from support.node import eventually
from support.podnet import PodNetwork
from support.pods import Engine

RESOLV = "nameserver 10.96.0.10\nsearch shop.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"
SERVE = "mkdir /tmp/www && hostname >/tmp/www/index.html && exec httpd -f -p 8080 -h /tmp/www"
NODE_PORT = 30080


class World:
    """Two pods that serve, a third that asks."""

    def __init__(self, node, engine, net):
        self.node, self.engine, self.net = node, engine, net
        self.words = [*clients.command("kubectl"), "--kubeconfig", node.env["KUBECONFIG"]]
        self.name = node.ssh("hostname").strip()
        self.pods, self.ips, self.shells = {}, {}, {}

    def kubectl(self, *args, input=None, check=True):
        done = subprocess.run([*self.words, *args], input=input, capture_output=True, text=True, timeout=60, check=False, env=self.node.docker_env())
        assert not check or done.returncode == 0, f"kubectl {' '.join(args)}: {done.stderr}"
        return done.stdout

    def apply(self, *objects):
        self.kubectl("apply", "-f", "-", input="\n".join(map(json.dumps, objects)))

    def pod(self, name, command):
        self.pods[name] = self.engine.make_pod(name, Name=name, Hostname=name, ResolvConf=RESOLV)
        self.ips[name] = self.net.put(self.pods[name])
        self.shells[name] = self.engine.make_container(name, "c-" + name, "sh", "-c", command)
        self.engine.start(self.shells[name])

    def service(self, name="web", spec=None, endpoints=("a", "b"), ports=None, **meta):
        ports = ports or [{"name": "http", "port": 80, "protocol": "TCP"}]
        self.apply(
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "shop", **meta}, "spec": {"ports": ports, **(spec or {})}},
            {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
             "metadata": {"name": name + "-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": name}},
             "ports": [{"name": p["name"], "port": 8080, "protocol": p["protocol"]} for p in ports],
             "endpoints": [{"addresses": [self.ips[e]], "hostname": e, "nodeName": self.name, "conditions": {"ready": True}} for e in endpoints]},
        )  # fmt: skip
        return json.loads(self.kubectl("-n", "shop", "get", "service", name, "-o", "json"))["spec"]["clusterIP"]

    def inside(self, command, name="c"):
        """What a shell in that pod prints; None when it fails."""
        done = self.node.docker("exec", self.shells[name], "sh", "-c", command, check=False)
        return done.stdout.strip() if done.returncode == 0 else None

    def get(self, url, name="c"):
        return self.inside(f"wget -q -T 5 -O - {url}", name)

    def who(self, url, name="c", tries=16):
        """Those that answer; name None: asked by the node. Empty when one connection failed."""
        loop = f"for i in $(seq {tries}); do wget -q -T 5 -O - {url} || exit 1; done"
        if name is None:
            done = self.node.ssh(loop, check=False)
            return set(done.stdout.split()) if done.returncode == 0 else set()
        return set((self.inside(loop, name) or "").split())

    def served_by(self, want, url, **how):
        """Rules follow a moment after the API has answered."""
        assert eventually(lambda: self.who(url, **how) == want, timeout=60), (self.who(url, **how), want)


@pytest.fixture(scope="module")
def module_node(session_dir):
    from conftest import _Nodes

    nodes = _Nodes(session_dir)
    node = nodes(extra=["--forward", f"0:{NODE_PORT}"])
    node.boot()
    yield node
    nodes.end()


@pytest.fixture(scope="module")
def world(module_node):
    before = leaks.snapshot(module_node)
    yield from _world(module_node)

    def leaked():
        # what the engine opens with its first pod, and connections of clients that have just gone, are its own tests' to judge
        found = leaks.difference(before, leaks.snapshot(module_node))
        return {kind: lines for kind, lines in found.items() if kind != "engine descriptors"}

    assert eventually(lambda: not leaked(), timeout=60), leaked()


def _world(module_node):
    with Engine(module_node) as engine, PodNetwork(module_node) as net:
        w = World(module_node, engine, net)
        assert eventually(lambda: w.kubectl("get", "--raw", "/readyz", check=False) == "ok", timeout=120)
        # when an agent runs, it has made the Node
        if not w.kubectl("get", "node", w.name, "--ignore-not-found"):
            w.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": w.name}})
        w.kubectl("create", "namespace", "shop")
        for name in "ab":
            w.pod(name, SERVE)
        w.pod("c", "sleep 100000")
        yield w
    # by now the engine has ended a connection that nobody used
    with Engine(module_node) as engine, PodNetwork(module_node) as net:
        for name in w.ips:
            engine.remove_pod(name)
            assert net.request("DELETE", f"/v1/pods/{name}")[0] == 204
        w.kubectl("delete", "namespace", "shop", "--wait=false")
        assert net.request("GET", "/v1/pods") == (200, [])


def test_pods_reach_each_other_and_the_node(world):
    assert sorted(world.ips.values()) == ["10.244.0.2", "10.244.0.3", "10.244.0.4"]
    world.served_by({"a"}, f"http://{world.ips['a']}:8080", tries=1)
    world.served_by({"b"}, f"http://{world.ips['b']}:8080", name=None, tries=1)
    listed = world.net.request("GET", "/v1/pods")[1]
    assert {p["UID"]: p["IPs"] for p in listed} == {n: [ip] for n, ip in world.ips.items()}
    assert all(p["Namespace"] == "shop" and p["Name"] == p["UID"] for p in listed)
    # again, and it is the same
    assert world.net.put(world.pods["a"]) == world.ips["a"]
    status, answer = world.net.request("PUT", "/v1/pods/x", {"Name": "x", "Namespace": "shop", "NetworkNamespace": "/proc/self/ns/net"})
    assert status == 400 and "the node's own" in answer["message"]


def test_a_service_spreads_and_follows(world):
    ip = world.service()
    world.served_by({"a", "b"}, f"http://{ip}")
    world.served_by({"a", "b"}, f"http://{ip}", name=None)
    # one that serves reaches itself too
    world.served_by({"a", "b"}, f"http://{ip}", name="a")
    world.service(endpoints=("b",))
    world.served_by({"b"}, f"http://{ip}")
    world.service(endpoints=())
    world.served_by(set(), f"http://{ip}", tries=1)
    took = world.inside(f"s=$(date +%s); ! nc -w 20 {ip} 80 </dev/null && echo $(($(date +%s) - s))")
    assert took is not None and int(took) < 15, "refused at once"
    assert not world.who(f"http://{ip}", name=None, tries=1)


def test_the_api_has_an_address(world):
    assert world.inside("nc -w 20 kubernetes.default.svc.cluster.local 443 </dev/null && echo yes") == "yes"


def test_a_node_port_from_outside(world):
    world.service("out", {"type": "NodePort"}, ports=[{"name": "http", "port": 80, "protocol": "TCP", "nodePort": NODE_PORT}])
    url = f"http://127.0.0.1:{world.node.env[f'WHERRY_TCP_{NODE_PORT}']}"

    def who():
        try:
            return {urllib.request.urlopen(url, timeout=10).read().decode().strip() for _ in range(16)}
        except OSError:
            return set()

    assert eventually(lambda: who() == {"a", "b"}, timeout=60)


def test_session_affinity(world):
    ip = world.service("sticky", {"sessionAffinity": "ClientIP"})
    assert eventually(lambda: world.who(f"http://{ip}", tries=1), timeout=60)
    first = world.who(f"http://{ip}")
    assert len(first) == 1
    other = {"a", "b"} - first
    world.service("sticky", {"sessionAffinity": "ClientIP"}, endpoints=other)
    world.served_by(other, f"http://{ip}", tries=3)


def test_names(world):
    ip = world.service()
    world.service("db", {"clusterIP": "None"}, endpoints=("a", "b"))
    world.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "alias", "namespace": "shop"},
                 "spec": {"type": "ExternalName", "externalName": "web.shop.svc.cluster.local"}})  # fmt: skip
    world.served_by({"a", "b"}, "http://web")
    world.served_by({"a"}, "http://a.db:8080", tries=1)
    questions = ["web.shop.svc.cluster.local", "db.shop.svc.cluster.local", "-type=srv _http._tcp.db.shop.svc.cluster.local", ip,
                 world.ips["a"], "nobody.shop.svc.cluster.local", "kube-dns.kube-system.svc.cluster.local"]  # fmt: skip
    said = world.inside("; ".join(f"echo '@@'; nslookup {'' if q[0] in '-1' else '-type=a '}{q} 2>&1" for q in questions) + "; true").split("@@")[1:]
    assert ip in said[0]
    assert world.ips["a"] in said[1] and world.ips["b"] in said[1]
    assert "8080 a.db.shop.svc.cluster.local" in said[2] and "8080 b.db.shop.svc.cluster.local" in said[2]
    assert "web.shop.svc.cluster.local" in said[3]
    assert "a.db.shop.svc.cluster.local" in said[4]
    assert "NXDOMAIN" in said[5]
    assert "10.96.0.10" in said[6]
    world.served_by({"a", "b"}, "http://alias")
    # the guest is offline: what is not the cluster's fails, without making anybody wait for long
    took = int(world.inside("nslookup example.com >/dev/null 2>&1; s=$(date +%s); nslookup example.org >/dev/null 2>&1; echo $(($(date +%s) - s))"))
    assert took < 4
    world.served_by({"a", "b"}, "http://web")


def test_killed_it_is_missed_by_nobody(world):
    ip = world.service()
    world.served_by({"a", "b"}, f"http://{ip}")
    devices = "cat /sys/class/net/pod-*/ifalias | sort"
    before = world.node.ssh(devices)
    world.node.ssh("kill -9 $(pidof cluster_network)")
    assert world.who(f"http://{ip}", tries=6) <= {"a", "b"}
    world.service(endpoints=("a",))
    world.served_by({"a"}, f"http://{ip}", tries=4)
    assert world.node.ssh(devices) == before
    assert world.net.put(world.pods["b"]) == world.ips["b"]
    world.served_by({"a"}, "http://web", tries=4)
