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
        self.ips, self.shells = {}, {}

    def kubectl(self, *args, input=None, check=True):
        done = subprocess.run([*self.words, *args], input=input, capture_output=True, text=True, timeout=60, check=False, env=self.node.docker_env())
        assert not check or done.returncode == 0, f"kubectl {' '.join(args)}: {done.stderr}"
        return done.stdout

    def apply(self, *objects):
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self.kubectl("apply", "-f", "-", input=text)

    def pod(self, name, command):
        made = self.engine.make_pod(name, Name=name, Hostname=name, ResolvConf=RESOLV)
        self.ips[name] = self.net.put(made)
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

    def from_node(self, url):
        done = self.node.ssh(f"wget -q -T 5 -O - {url}", check=False)
        return done.stdout.strip() if done.returncode == 0 else None

    def who(self, ask, tries=16):
        return {ask() for _ in range(tries)}

    def has(self, ask, want):
        """Rules follow a moment after the API has answered."""
        assert eventually(lambda: ask() == want, timeout=30), (ask(), want)


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
    with Engine(module_node) as engine, PodNetwork(module_node) as net:
        w = World(module_node, engine, net)
        assert eventually(lambda: w.kubectl("get", "--raw", "/readyz", check=False) == "ok", timeout=120)
        # when an agent runs, it has made the Node
        if not w.kubectl("get", "node", w.name, "--ignore-not-found"):
            w.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": w.name}})
        w.kubectl("create", "namespace", "shop")
        before = leaks.snapshot(module_node)
        for name in "ab":
            w.pod(name, SERVE)
        w.pod("c", "sleep 100000")
        yield w
        for name in w.ips:
            engine.remove_pod(name)
            assert net.request("DELETE", f"/v1/pods/{name}")[0] == 204
        w.kubectl("delete", "namespace", "shop", "--wait=false")
        assert net.request("GET", "/v1/pods") == (200, [])
        left = eventually(lambda: not leaks.difference(before, leaks.snapshot(module_node)), timeout=20)
        assert left, leaks.difference(before, leaks.snapshot(module_node))


def test_pods_reach_each_other_and_the_node(world):
    assert sorted(world.ips.values()) == ["10.244.0.2", "10.244.0.3", "10.244.0.4"]
    world.has(lambda: world.get(f"http://{world.ips['a']}:8080"), "a")
    world.has(lambda: world.from_node(f"http://{world.ips['b']}:8080"), "b")
    listed = world.net.request("GET", "/v1/pods")[1]
    assert {p["UID"]: p["IPs"] for p in listed} == {n: [ip] for n, ip in world.ips.items()}
    assert all(p["Namespace"] == "shop" and p["Name"] == p["UID"] for p in listed)
    # again, and it is the same
    assert world.net.put(world.engine.pod("a")) == world.ips["a"]
    status, answer = world.net.request("PUT", "/v1/pods/x", {"Name": "x", "Namespace": "shop", "NetworkNamespace": "/proc/self/ns/net"})
    assert status == 400 and "the node's own" in answer["message"]
    assert "inet 10." not in world.node.ssh("ip -o -4 address show type veth || true")


def test_a_service_spreads_and_follows(world):
    ip = world.service()
    pod, node = (lambda: world.get(f"http://{ip}")), (lambda: world.from_node(f"http://{ip}"))
    assert eventually(lambda: pod() in ("a", "b"), timeout=30)
    assert world.who(pod) == {"a", "b"}
    assert world.who(node) == {"a", "b"}
    # one that serves reaches itself too
    assert world.who(lambda: world.get(f"http://{ip}", "a")) == {"a", "b"}
    world.service(endpoints=("b",))
    assert eventually(lambda: world.who(pod, 4) == {"b"}, timeout=30)
    world.service(endpoints=())
    assert eventually(lambda: pod() is None, timeout=30)
    took = world.inside(f"s=$(date +%s); ! nc -w 9 {ip} 80 </dev/null && echo $(($(date +%s) - s))")
    assert took is not None and int(took) < 5, "refused at once"
    assert world.from_node(f"http://{ip}") is None


def test_the_api_has_an_address(world):
    assert world.inside("nc -w 5 kubernetes.default.svc.cluster.local 443 </dev/null && echo yes") == "yes"


def test_a_node_port_from_outside(world):
    world.service("out", {"type": "NodePort"}, ports=[{"name": "http", "port": 80, "protocol": "TCP", "nodePort": NODE_PORT}])
    url = f"http://127.0.0.1:{world.node.env[f'WHERRY_TCP_{NODE_PORT}']}"

    def ask():
        try:
            return urllib.request.urlopen(url, timeout=10).read().decode().strip()
        except OSError:
            return None

    assert eventually(lambda: ask() in ("a", "b"), timeout=30)
    assert world.who(ask) == {"a", "b"}
    world.has(lambda: world.get(f"http://$(ip route | sed -n 's/.*via \\([0-9.]*\\).*/\\1/p'):{NODE_PORT}") in ("a", "b", None), True)


def test_session_affinity(world):
    ip = world.service("sticky", {"sessionAffinity": "ClientIP"})
    ask = lambda: world.get(f"http://{ip}")  # noqa: E731
    assert eventually(ask, timeout=30)
    first = world.who(ask)
    assert len(first) == 1
    other = ({"a", "b"} - first).pop()
    world.service("sticky", {"sessionAffinity": "ClientIP"}, endpoints=(other,))
    assert eventually(lambda: world.who(ask, 3) == {other}, timeout=30)


def test_names(world):
    ip = world.service()
    world.service("db", {"clusterIP": "None"}, endpoints=("a", "b"))
    world.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "alias", "namespace": "shop"},
                 "spec": {"type": "ExternalName", "externalName": "web.shop.svc.cluster.local"}})  # fmt: skip
    look = lambda name, kind="a": world.inside(f"nslookup -type={kind} {name}") or ""  # noqa: E731
    assert eventually(lambda: world.get("http://web") in ("a", "b"), timeout=30)
    assert ip in look("web.shop.svc.cluster.local")
    assert eventually(lambda: world.get("http://a.db:8080") == "a", timeout=30)
    both = look("db.shop.svc.cluster.local")
    assert world.ips["a"] in both and world.ips["b"] in both
    srv = look("_http._tcp.db.shop.svc.cluster.local", "srv")
    assert "8080 a.db.shop.svc.cluster.local" in srv and "8080 b.db.shop.svc.cluster.local" in srv
    assert "web.shop.svc.cluster.local" in world.inside(f"nslookup {ip}")
    assert "a.db.shop.svc.cluster.local" in world.inside(f"nslookup {world.ips['a']}")
    assert world.get("http://alias") in ("a", "b")
    assert "NXDOMAIN" in world.inside("nslookup nobody.shop.svc.cluster.local 2>&1; true")
    assert "10.96.0.10" in look("kube-dns.kube-system.svc.cluster.local")
    # the guest is offline: what is not the cluster's fails, without making anybody wait
    took = int(world.inside("nslookup example.com >/dev/null 2>&1; s=$(date +%s); nslookup example.org >/dev/null 2>&1; echo $(($(date +%s) - s))"))
    assert took < 4
    assert eventually(lambda: world.get("http://web") in ("a", "b"), timeout=10)


def test_killed_it_is_missed_by_nobody(world):
    ip = world.service()
    ask = lambda: world.get(f"http://{ip}")  # noqa: E731
    assert eventually(ask, timeout=30)
    rules = "cat /sys/class/net/pod-*/ifalias | sort"
    before = world.node.ssh(rules)
    world.node.ssh("kill -9 $(pidof cluster_network)")
    assert world.who(ask, 6) <= {"a", "b"}
    world.service(endpoints=("a",))
    assert eventually(lambda: world.who(ask, 4) == {"a"}, timeout=60)
    assert world.node.ssh(rules) == before
    assert world.net.put(world.engine.pod("b")) == world.ips["b"]
    assert eventually(lambda: world.get("http://web") == "a", timeout=30)
