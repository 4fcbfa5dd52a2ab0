# SPDX-License-Identifier: Apache-2.0
"""kubectl logs, exec, attach, cp, port-forward and top against pods, over WebSocket and over SPDY."""

import json
import os
import pty
import re
import signal
import socket
import subprocess
import time

import pytest
from support.node import eventually

SPEC = {
    "terminationGracePeriodSeconds": 0,
    "containers": [
        {"name": "web", "image": "wherry/hello", "imagePullPolicy": "IfNotPresent", "stdin": True,
         "command": ["sh", "-c", "mkdir -p /www; echo page >/www/index.html; httpd -p 127.0.0.1:8080 -h /www; echo line-1; echo line-2;"
                     "echo wrong >&2; echo line-3; while read l; do echo got $l; done; exec sleep 10000"]},
        {"name": "dies", "image": "wherry/hello", "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", "echo life; sleep 2; exit 3"]},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def pod(cluster):
    ns = "t-streams"
    cluster.namespace(ns)
    cluster.kubectl("-n", ns, "apply", "-f", "-",
                    input=json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": SPEC}))  # fmt: skip

    def up():
        said = cluster.kubectl("-n", ns, "logs", "p", "-c", "web", check=False)
        return "line-3" in said.stdout

    assert eventually(up, timeout=120, every=1), cluster.kubectl("-n", ns, "describe", "pod", "p").stdout
    yield ns
    cluster.kubectl("delete", "namespace", ns, "--wait=false")


@pytest.fixture(params=["websocket", "spdy"])
def way(request, monkeypatch):
    if request.param == "spdy":
        monkeypatch.setenv("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "false")
        monkeypatch.setenv("KUBECTL_PORT_FORWARD_WEBSOCKETS", "false")
    return request.param


def words(cluster, ns, *args):
    return [*cluster.words, "--kubeconfig", str(cluster.config), "-n", ns, *args]


def run(cluster, ns, *args, input=b"", timeout=120):
    return subprocess.run(words(cluster, ns, *args), input=input, capture_output=True, timeout=timeout, check=False)


def test_logs(cluster, pod):
    def logs(*more, check=True):
        return cluster.kubectl("-n", pod, "logs", "p", *more, check=check)

    assert sorted(logs("-c", "web").stdout.split()[:4]) == ["line-1", "line-2", "line-3", "wrong"]
    assert len(logs("-c", "web", "--tail=1").stdout.splitlines()) == 1
    stamped = logs("-c", "web", "--timestamps").stdout.splitlines()[0]
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z (line-1|wrong)", stamped)
    assert logs("-c", "web", "--limit-bytes=4").stdout == logs("-c", "web").stdout[:4]
    assert logs("-c", "web", "--since-time=2000-01-01T00:00:00Z").stdout.startswith(("line-1", "wrong"))
    assert logs("-c", "web", "--since-time=2100-01-01T00:00:00Z").stdout == ""
    assert "is not valid for pod" in logs("-c", "none", check=False).stderr
    assert "previous terminated container" in logs("-c", "web", "--previous", check=False).stderr
    assert eventually(lambda: logs("-c", "dies", "--previous", check=False).stdout == "life\n", timeout=120, every=1)


def test_logs_follow(cluster, pod):
    reader = subprocess.Popen(words(cluster, pod, "logs", "-f", "p", "-c", "web"), stdout=subprocess.PIPE)
    try:
        for _ in range(4):
            assert reader.stdout.readline()
        done = run(cluster, pod, "exec", "p", "-c", "web", "--", "sh", "-c", "echo spoken >/proc/1/fd/1")
        assert done.returncode == 0, done.stderr
        assert reader.stdout.readline() == b"spoken\n"
    finally:
        reader.kill()
        reader.wait()


def test_exec(cluster, pod, way):
    done = run(cluster, pod, "exec", "p", "-c", "web", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout) == (7, b"out\n") and done.stderr.startswith(b"err\n"), done
    done = run(cluster, pod, "exec", "p", "-c", "web", "--", "/no/such/program")
    assert done.returncode == 127 and b"no such file" in done.stdout + done.stderr, done
    data = os.urandom(3 << 20)
    done = run(cluster, pod, "exec", "-i", "p", "-c", "web", "--", "cat", input=data)
    assert done.returncode == 0 and done.stdout == data, done.stderr


def test_exec_on_a_terminal(cluster, pod, way):
    main, other = pty.openpty()
    shell = subprocess.Popen(words(cluster, pod, "exec", "-it", "p", "-c", "web", "--", "sh"), stdin=other, stdout=other, stderr=other,
                             start_new_session=True)  # fmt: skip
    os.close(other)
    os.write(main, b"stty size; tty; echo t'o'gether; exit 4\n")
    said = b""
    while shell.poll() is None or b"together" not in said:
        try:
            said += os.read(main, 4096)
        except OSError:
            break
    os.close(main)
    assert shell.wait(timeout=60) == 4 and b"together" in said and b"/dev/" in said, said


def test_cp(cluster, pod, tmp_path, way):
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "f").write_bytes(os.urandom(500_000))
    cluster.kubectl("-n", pod, "cp", str(tmp_path / "up"), f"p:/tmp/down-{way}", "-c", "web")
    cluster.kubectl("-n", pod, "cp", f"p:/tmp/down-{way}", str(tmp_path / "back"), "-c", "web")
    assert (tmp_path / "back" / "f").read_bytes() == (tmp_path / "up" / "f").read_bytes()


def test_attach(cluster, pod, way):
    peer = subprocess.Popen(words(cluster, pod, "attach", "-i", "p", "-c", "web"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        time.sleep(3)  # kubectl says nothing when it has attached
        peer.stdin.write(f"hello-{way}\n".encode())
        peer.stdin.flush()
        assert peer.stdout.readline() == f"got hello-{way}\n".encode()
    finally:
        peer.kill()
        peer.wait()


def test_port_forward(cluster, pod, way):
    peer = subprocess.Popen(words(cluster, pod, "port-forward", "p", ":8080", ":8099"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        ports = {}
        while len(ports) < 2:
            found = re.match(rb"Forwarding from 127\.0\.0\.1:(\d+) -> (\d+)", peer.stdout.readline())
            if found:
                ports[int(found[2])] = int(found[1])
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", ports[8080]), timeout=60) as s:
                s.sendall(b"GET / HTTP/1.0\r\n\r\n")
                answer = b""
                while chunk := s.recv(4096):
                    answer += chunk
            assert answer.startswith(b"HTTP/1.") and answer.endswith(b"page\n"), answer
        # nobody listens there
        with socket.create_connection(("127.0.0.1", ports[8099]), timeout=60) as s:
            s.sendall(b"x")
            assert s.recv(10) == b""
    finally:
        peer.send_signal(signal.SIGINT)
        peer.wait(timeout=60)
        assert b"failed to connect to localhost:8099" in peer.stderr.read()


def test_numbers(cluster, cluster_node):
    name = cluster.get("nodes")["items"][0]["metadata"]["name"]
    summary = json.loads(cluster.kubectl("get", "--raw", f"/api/v1/nodes/{name}/proxy/stats/summary").stdout)
    assert summary["node"]["nodeName"] == name and summary["node"]["memory"]["workingSetBytes"] > 0
    metrics = cluster.kubectl("get", "--raw", f"/api/v1/nodes/{name}/proxy/metrics/resource").stdout
    assert "node_cpu_usage_seconds_total" in metrics and "resource_scrape_error 0" in metrics
    assert cluster.kubectl("get", "--raw", f"/api/v1/nodes/{name}/proxy/healthz").stdout == "ok"


def test_top(cluster, pod):
    name = cluster.get("nodes")["items"][0]["metadata"]["name"]
    lines = cluster.kubectl("top", "node").stdout.splitlines()
    assert lines[0].split()[0] == "NAME" and lines[1].startswith(name) and re.search(r"\d+m", lines[1]), lines
    lines = cluster.kubectl("-n", pod, "top", "pod", "--containers").stdout.splitlines()
    assert any(line.split()[:2] == ["p", "web"] and line.split()[3].endswith("Mi") for line in lines), lines


def test_nobody_else_is_let_in(cluster_node):
    said = cluster_node.ssh("wget -q -O- --no-check-certificate https://127.0.0.1:10250/pods 2>&1; true")
    assert "PodList" not in said
