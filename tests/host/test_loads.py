# SPDX-License-Identifier: Apache-2.0
"""bench/load/kube_pods.py and what bench/kube_node.py makes of it, against a cluster of a few dictionaries whose clock stands still
but for what it is told, so that each figure has one right value."""

import base64
import http.server
import json
import os
import re
import ssl
import subprocess
import sys
import threading
import time
from urllib.parse import parse_qs, urlsplit

import pytest

from conftest import TOP
from support.registry import make_certificates

BENCH = TOP / "tests" / "bench"
sys.path[:0] = [str(BENCH), str(BENCH / "load")]
import kube_access  # noqa: E402
import kube_node  # noqa: E402
import kube_pods  # noqa: E402

# What the node's /proc/stat says before and after: idle, pods without probes, pods with them. User, nice, system, idle, iowait, irq,
# softirq, steal, and the guest's, which the kernel has counted in the user's already.
STAT = ["cpu  100 0 50 1000 7 0 0 0 0 0\ncpu  190 20 80 6900 9 3 2 5 90 20\n",  # 1.50 s
        "cpu  0 0 0 0 0 0 0 0 0 0\ncpu  40 0 50 5900 20 0 0 0 0 0\n",  # 0.90 s
        "cpu  0 0 0 0 0 0 0 0 0 0\ncpu  1000 0 1110 3800 90 0 0 0 0 0\n"]  # 21.10 s  # fmt: skip
# Seconds until a change shows on the node port, time and again. What warms up is slow.
APPLIES = [2, 0.5, 0.1, 0.3, 0.2, 0.4]
TOGGLES = [2, 2, *[n / 20 for n in range(1, 11)], 2, 2, *[n / 10 for n in range(1, 11)]]
KUBECTL, PATCH = 0.5, 0.05  # seconds that each takes
FIGURES = [("idle", {"percent of one processor": 2.5}), ("apply", {"median s": 0.8}),
           ("update", {"services": 10, "median ms": 350}), ("update", {"services": 1000, "median ms": 650}),
           ("probe", {"ms each": 101.0, "s with probes": 21.1, "s without": 0.9})]  # fmt: skip


class Clock:
    """In the place of the module `time`: it goes on when somebody sleeps or passes time."""

    time_ns = staticmethod(time.time_ns)

    def __init__(self):
        self.now, self.slept = 1000.0, []

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        self.slept.append(seconds)


class FakeCluster:
    """
    An API behind TLS that knows a token, and its node's port. It takes pods once a namespace has a service account, which takes a
    while; a pod is ready at the second look. A fake kubectl brings here what it was told.
    """

    def __init__(self, folder, clock):
        self.folder, self.clock, self.asked = folder, clock, []
        self.nodes, self.objects, self.restarts = [{"metadata": {"name": "one"}, "spec": {}}], {}, 0
        self.applies, self.toggles = iter(APPLIES), iter(TOGGLES)
        self.answers = [(0, "")]  # from when on the node port says what
        make_certificates(folder)
        trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trust.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        self.api, self.port = self._serve(self._api), self._serve(self._node_port)
        self.api.socket = trust.wrap_socket(self.api.socket, server_side=True)
        for server in (self.api, self.port):
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(f"clusters:\n- cluster:\n    certificate-authority-data: {base64.b64encode((folder / 'ca.pem').read_bytes()).decode()}\n"
                                   f"    server: https://127.0.0.1:{self.api.server_port}\nusers:\n- user:\n    token: hoist\n")  # fmt: skip
        self.address = f"127.0.0.1:{self.port.server_port}"
        (folder / "kubectl.py").write_text(
            f"import sys\nsys.path.insert(0, {str(BENCH / 'load')!r})\nfrom kube_access import Access, Api\nargs = sys.argv[1:]\n"
            "Api(Access(args[args.index('--kubeconfig') + 1])).ask('POST', '/kubectl', {\n"
            "    'args': args, 'input': sys.stdin.read() if 'apply' in args else ''})\n")  # fmt: skip
        self.kubectl = [sys.executable, str(folder / "kubectl.py")]
        for number, text in enumerate(STAT, 1):
            (folder / f"stat.{number}").write_text(text)
        (folder / "shell").write_text(f'echo "$1" >>{folder}/commands\ncat {folder}/stat.$(wc -l <{folder}/commands)\n')
        self.shell = ["sh", str(folder / "shell")]

    def _serve(self, answer):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_one(self):
                length = int(self.headers.get("Content-Length") or 0)
                status, text = answer(self.command, self.path, json.loads(self.rfile.read(length)) if length else None, self.headers)
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PATCH = do_DELETE = handle_one

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        return server

    def _node_port(self, *_):
        return 200, ([says for at, says in self.answers if at <= self.clock.now + 1e-6][-1] + "\n").encode()

    def _api(self, method, path, body, headers):
        if headers["Authorization"] != "Bearer hoist":
            return 401, b"{}"
        self.asked.append((method, path, body))
        status, said = self.kubectl_was(body) if path == "/kubectl" else getattr(self, method.lower())(urlsplit(path), body)
        return status, json.dumps(said).encode()

    def get(self, url, _):
        if url.path == "/api/v1/nodes":
            return 200, {"items": self.nodes}
        if url.path.endswith("/serviceaccounts/default"):
            self.objects[url.path] = self.objects.get(url.path, -1) + 1
            return 200 if self.objects[url.path] == 2 else 404, {}
        if url.path.endswith("/pods"):
            labels = [pair.split("=") for pair in parse_qs(url.query).get("labelSelector", [])]
            those = [path for path, pod in self.objects.items() if path.startswith(url.path + "/")
                     and all(pod["metadata"]["labels"].get(key) == value for key, value in labels)]  # fmt: skip
            return 200, {"items": [self.look(path) for path in those]}
        return (200, self.look(url.path)) if url.path in self.objects else (404, {})

    def look(self, path):
        """The pod, whose containers are there from the second look on."""
        pod = self.objects[path]
        pod["looks"] = pod.get("looks", 0) + 1
        there = [{"ready": True, "restartCount": self.restarts} for _ in pod["spec"]["containers"]] if pod["looks"] > 1 else []
        return {**pod, "status": {"podIP": f"10.0.0.{ord(pod['metadata']['name'][0])}", "containerStatuses": there}}

    def post(self, url, body):
        if url.path.endswith("/pods") and self.objects.get(url.path.replace("/pods", "/serviceaccounts/default")) != 2:
            return 403, {"message": "no service account"}
        self.objects[f"{url.path}/{body['metadata']['name']}"] = body
        if body["metadata"]["name"] == "s-0-1":
            self.show(body, 0)
        return 201, body

    def patch(self, url, body):
        self.show(body, PATCH + next(self.toggles))
        self.clock.now += PATCH
        return 200, body

    def delete(self, url, _):
        there = url.path in self.objects
        for path in [p for p in self.objects if p.startswith(url.path.replace("/api/v1/namespaces", ""))]:
            del self.objects[path]
        return 200 if there else 404, {}

    def show(self, piece, after):
        """The endpoint of this slice answers, for each pod has its name of one letter as the last number of its address."""
        (address,) = piece["endpoints"][0]["addresses"]
        self.answers.append((self.clock.now + after, chr(int(address.rpartition(".")[2]))))

    def kubectl_was(self, said):
        verb = next(word for word in said["args"] if word in ("apply", "delete"))
        if verb == "apply":
            deployment, end = json.JSONDecoder().raw_decode(said["input"])
            service = json.loads(said["input"][end:])
            assert service["spec"]["ports"][0]["nodePort"] == kube_pods.PORT
            (container,) = deployment["spec"]["template"]["spec"]["containers"]
            self.answers.append((self.clock.now + KUBECTL + next(self.applies), re.search(r"echo (\S+) ", container["command"][-1])[1]))
        elif "deployment/web" in said["args"]:
            self.answers.append((self.clock.now, ""))
        else:
            kind = said["args"][said["args"].index("-l") + 1].partition("=")[2]
            self.objects = {path: o for path, o in self.objects.items() if f"/pods/{kind}-" not in path}
        self.clock.now += KUBECTL
        return 200, {}

    def commands(self):
        return (self.folder / "commands").read_text().splitlines()

    def stop(self):
        for server in (self.api, self.port):
            server.shutdown()
            server.server_close()


@pytest.fixture
def fake(tmp_path, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(kube_pods, "time", clock)
    monkeypatch.setattr(kube_access, "time", clock)
    made = FakeCluster(tmp_path, clock)
    yield made
    made.stop()


def cluster_of(fake, shell=None):
    return kube_pods.Cluster(fake.kubeconfig, fake.folder, fake.address, "boats/busybox", kubectl=fake.kubectl, shell=shell)


def words(fake, **other):
    given = {"--kubeconfig": fake.kubeconfig, "--address": fake.address, "--node-shell": " ".join(fake.shell),
             "--kubectl": " ".join(fake.kubectl), "--image": "boats/busybox", **other}  # fmt: skip
    return [str(word) for pair in given.items() if pair[1] is not None for word in pair]


def test_all_figures_by_a_kubeconfig(fake, capsys):
    kube_pods.main(words(fake))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line.pop("kind"), pytest.approx(line, abs=11 if "median ms" in line else 0.011)) for line in lines] == FIGURES
    assert fake.commands() == ["head -n 1 /proc/stat; sleep 60; head -n 1 /proc/stat"] * 3
    assert [s for s in fake.clock.slept if s >= 10] == [10, 30, 90], "after the start; until the pods have settled; until all probes have begun"


def test_what_the_load_makes(fake):
    cluster = cluster_of(fake, kube_pods.by_words(fake.shell))
    list(kube_pods.run(cluster))
    own = f"/namespaces/{cluster.namespace}"
    paths = [path for _, path, _ in fake.asked if path not in ("/kubectl", "/api/v1/nodes", "/api/v1/namespaces")]
    assert paths and all(own in path for path in paths), "in a namespace of its own"
    assert fake.asked[-1][:2] == ("DELETE", f"/api/v1{own}"), "which is deleted at the end"
    made = [body for method, path, body in fake.asked if method == "POST" and path.endswith("/pods")]
    for kind in ("with", "without"):
        those = [c for pod in made if pod["metadata"]["labels"].get("probes") == kind for c in pod["spec"]["containers"]]
        assert len(those) == 100 and all(("livenessProbe" in c) == (kind == "with") for c in those)
    assert {c["image"] for pod in made for c in pod["spec"]["containers"]} == {"boats/busybox"}
    services = [body for method, path, body in fake.asked if method == "POST" and path.endswith("/services")]
    assert len(services) == 1000 and [s["metadata"]["name"] for s in services if s["spec"]["type"] == "NodePort"] == ["s-0"]
    kubectl = [body["args"] for _, path, body in fake.asked if path == "/kubectl"]
    assert len(kubectl) == 6 * 2 + 2 and all(args[:4] == ["--kubeconfig", str(fake.kubeconfig), "--namespace", cluster.namespace] for args in kubectl)


def test_rows_of_the_benchmark(fake, monkeypatch):
    """kube_node boots a node and gives the load what it needs of it."""
    calls = []

    class FakeNode:
        def __init__(self, state, **_):
            self.state = state
            self.env = {"KUBECONFIG": str(fake.kubeconfig), "WHERRY_TCP_30080": fake.address.rpartition(":")[2]}
            self.ssh = kube_pods.by_words(fake.shell)

        def boot(self, *more):
            calls.append(more)

        def cut_power(self):
            calls.append("cut")

    monkeypatch.setattr(kube_node, "Node", FakeNode)
    monkeypatch.setattr(kube_node.clients, "command", lambda program: fake.kubectl)
    rows = list(kube_node.rows(fake.folder))
    assert calls == [("--wait", "ready"), "cut"]
    assert [(row.what, row.value) for row in rows[:1] + rows[4:]] == [
        ("processor time, idle, one-node cluster", "2.5 % of one"), ("an exec probe", "101.0 ms of processor time")]  # fmt: skip
    assert [row.what for row in rows[1:4]] == ["kubectl apply to the pod's first answer", "update of a service, 10 services", "update of a service, 1000 services"]
    assert rows[1].value in ("0.80 s", "0.81 s") and re.fullmatch(r"3[56]\d ms", rows[2].value) and re.fullmatch(r"6[56]\d ms", rows[3].value)
    assert rows[4].note == "100 every 30 s: 21.1 s busy in 60 s, 0.9 s without probes"


def test_only_some_need_only_some(fake, capsys):
    kube_pods.main([*words(fake, **{"--address": None, "--kubectl": "/no/kubectl"}), "--only", "idle"])
    assert json.loads(capsys.readouterr().out) == {"kind": "idle", "percent of one processor": 2.5}


@pytest.mark.parametrize("changed, only, said", [
    ({"--address": None}, [], "apply and update: --address has to say where the node port answers"),
    ({"--node-shell": None}, [], "idle and probe: --node-shell has to say how a shell command runs on the node"),
    ({"--kubectl": "/no/kubectl"}, ["apply"], "apply: --kubectl has to say a kubectl that is there"),
    ({"--kubeconfig": "/no/kubeconfig"}, [], "--kubeconfig: [Errno 2] No such file or directory: '/no/kubeconfig'"),
    ({"--kubeconfig": os.devnull}, [], "--kubeconfig: /dev/null: no server, or no certificate-authority-data"),
    ({"--kubeconfig": None}, [], "the following arguments are required: --kubeconfig"),
    ({}, ["nap"], "argument --only: invalid choice: 'nap'"),
])  # fmt: skip
def test_what_is_missing_is_said_before_anything_is_done(fake, capsys, changed, only, said):
    with pytest.raises(SystemExit) as ended:
        kube_pods.main([*words(fake, **changed), *(["--only", *only] if only else [])])
    assert ended.value.code == 2 and said in capsys.readouterr().err and not fake.asked


@pytest.mark.parametrize("given, meant", [("node", "node:30080"), ("192.0.2.1:8080", "192.0.2.1:8080"), ("[2001:db8::1]", "[2001:db8::1]:30080")])
def test_address_has_the_node_port_unless_said(fake, given, meant):
    assert kube_pods.parse(words(fake, **{"--address": given})).address == meant


def node(name, taint=None, **spec):
    return {"metadata": {"name": name}, "spec": {**spec, **({"taints": [dict(zip(("key", "effect"), taint, strict=True))]} if taint else {})}}


CONTROL = node("control", ("node-role.kubernetes.io/control-plane", "NoSchedule"))


@pytest.mark.parametrize("nodes, said", [
    ([node("a"), node("b"), CONTROL], "of 3 these do: a, b;"),
    ([CONTROL], "of 1 these do: none;"),
    ([node("a", unschedulable=True)], "of 1 these do: none;"),
    ([node("a", ("node.kubernetes.io/not-ready", "NoSchedule")), node("b", unschedulable=True), CONTROL], None),
    ([node("a", ("boats", "PreferNoSchedule"))], None),
])  # fmt: skip
def test_all_pods_have_to_be_on_one_node(fake, nodes, said):
    fake.nodes = nodes
    found = kube_pods.run(cluster_of(fake, kube_pods.by_words(fake.shell)), ["idle"])
    if said:
        with pytest.raises(RuntimeError, match=re.escape(said)):
            next(found)
        assert [method for method, _, _ in fake.asked] == ["GET"]
    else:
        assert list(found) == FIGURES[:1]


def test_containers_that_restart_are_no_figure(fake):
    fake.restarts = 1
    with pytest.raises(RuntimeError, match="containers were restarted"):
        list(kube_pods.run(cluster_of(fake, kube_pods.by_words(fake.shell)), ["probe"]))
    assert fake.asked[-1][0] == "DELETE" and "/namespaces/load-" in fake.asked[-1][1]


def test_an_answer_that_does_not_come(fake):
    cluster = cluster_of(fake)
    cluster.answer = lambda: "moored"  # of the 12,000 questions of two minutes at once
    with pytest.raises(RuntimeError, match=re.escape(f"after 120 s, {fake.address} does not answer 'afloat', but 'moored'")):
        cluster.until_answer("afloat")


def test_kubectl_that_fails(fake):
    cluster = cluster_of(fake)
    cluster.kubectl = ["sh", "-c", "echo aground >&2; exit 3"]
    with pytest.raises(RuntimeError, match=r"kubectl delete x: 3\naground"):
        cluster.run_kubectl("delete", "x")


@pytest.mark.parametrize("shell, said", [
    (["echo"], r"said 'head -n 1 /proc/stat"),
    (["sh", "-c", "echo no route >&2; exit 255"], r"255\nno route"),
])  # fmt: skip
def test_a_node_that_does_not_tell(fake, shell, said):
    with pytest.raises(RuntimeError, match=said):
        kube_pods.busy(cluster_of(fake, kube_pods.by_words(shell)), 1)


def test_processor_time_of_this_machine(fake):
    """The shell's words mean what they should: a processor that is kept busy shows, and no more than there are."""
    spin = subprocess.Popen(["sh", "-c", "while :; do :; done"])
    try:
        began = time.monotonic()
        used = kube_pods.busy(cluster_of(fake, kube_pods.by_words(["sh", "-c"])), 1)
        took = time.monotonic() - began
    finally:
        spin.kill()
        spin.wait()
    assert 0.3 < used < took * os.cpu_count() + 0.1
