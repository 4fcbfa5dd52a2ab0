# SPDX-License-Identifier: Apache-2.0
"""Load on a container engine, ours, Docker's or Podman's, through the Docker API on its Unix socket.

    python3 docker_api.py SOCKET IMAGE [--count N] [--listed N] [--network NAME] [--address ADDR]

Runs beside the engine, on the same machine: what is measured is the engine and not a way to it. IMAGE has a busybox, as the
place this runs in has. Prints a line `BENCH name value` for each figure. It leaves its containers behind: the machine is
thrown away. With --address, an address of the machine that is not loopback, published ports are measured, too.
"""

import argparse
import concurrent.futures
import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import time

AT_ONCE = 8
LOG_LINES, LOG_LINE = 1 << 17, "x" * 63
FILE_MIB, PORT = 64, 8180
EXECS, LIVES, LISTS, FETCHES = 10, 5, 10, 9


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("engine", timeout=600)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Engine:
    def __init__(self, path, image, network):
        self.path, self.image, self.network = path, image, network

    def call(self, method, path, body=None):
        """The reply's bytes, on a connection of its own: engines differ in what they keep open."""
        with contextlib.closing(Unix(self.path)) as conn:
            conn.request(method, "/v1.41" + path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"})
            reply = conn.getresponse()
            data = reply.read()
        if reply.status >= 300:
            raise RuntimeError(f"{method} {path}: {reply.status} {data[:500]!r}")
        return data

    def create(self, *command, **more):
        host = {"NetworkMode": self.network, **more.pop("HostConfig", {})}
        return json.loads(self.call("POST", "/containers/create", {"Image": self.image, "Cmd": list(command), "HostConfig": host, **more}))["Id"]

    def start(self, cid):
        self.call("POST", f"/containers/{cid}/start")

    def wait(self, cid):
        code = json.loads(self.call("POST", f"/containers/{cid}/wait"))["StatusCode"]
        if code != 0:
            raise RuntimeError(f"{cid} ended with {code}: {self.call('GET', f'/containers/{cid}/logs?stdout=1&stderr=1')!r}")

    def remove(self, cid):
        self.call("DELETE", f"/containers/{cid}?force=1")

    def run(self, *command):
        cid = self.create(*command)
        self.start(cid)
        return cid

    def life(self):
        cid = self.run("busybox", "true")
        self.wait(cid)
        self.remove(cid)

    def exec(self, cid):
        """Until the command's streams end, which is when it has ended."""
        body = {"Cmd": ["busybox", "true"], "AttachStdout": True, "AttachStderr": True}
        made = json.loads(self.call("POST", f"/containers/{cid}/exec", body))["Id"]
        self.call("POST", f"/exec/{made}/start", {"Detach": False, "Tty": False})
        code = json.loads(self.call("GET", f"/exec/{made}/json"))["ExitCode"]
        if code != 0:
            raise RuntimeError(f"the exec ended with {code}")


def say(name, value):
    print(f"BENCH {name} {value:.4f}", flush=True)


def timed(what, times):
    """Seconds of the median of @times, after one that warms up."""
    took = []
    for _ in range(times + 1):
        began = time.monotonic()
        what()
        took.append(time.monotonic() - began)
    return sorted(took[1:])[times // 2]


def available_kib():
    """MemAvailable, once three readings in a row agree within 1 MiB."""
    seen = []
    for _ in range(60):
        with open("/proc/meminfo", encoding="ascii") as f:
            seen.append(int(re.search(r"MemAvailable: +(\d+)", f.read())[1]))
        if len(seen) >= 3 and max(seen[-3:]) - min(seen[-3:]) < 1024:
            break
        time.sleep(1)
    return seen[-1]


def process_kib(count):
    """What the program alone costs, without a container."""
    before = available_kib()
    peers = [subprocess.Popen(["busybox", "sleep", "10000"]) for _ in range(count)]
    after = available_kib()
    for peer in peers:
        peer.kill()
        peer.wait()
    return (before - after) / count


def logs(engine):
    """MB/s in which a container may write its log, and in which the engine gives it back."""
    size = LOG_LINES * (len(LOG_LINE) + 1)
    cid = engine.create("busybox", "sh", "-c", f"busybox yes {LOG_LINE} | busybox head -n {LOG_LINES}")
    began = time.monotonic()
    engine.start(cid)
    engine.wait(cid)
    written = time.monotonic()
    got = len(engine.call("GET", f"/containers/{cid}/logs?stdout=1"))
    read = time.monotonic()
    if got < size:
        raise RuntimeError(f"the log has {got} bytes of {size}")
    say("log-write", size / 1e6 / (written - began))
    say("log-read", size / 1e6 / (read - written))
    engine.remove(cid)


def fetch(address):
    """By a plain socket: a library's buffers would be measured, not the way."""
    with socket.create_connection((address, PORT), timeout=300) as sock:
        sock.sendall(b"GET /file HTTP/1.0\r\n\r\n")
        piece, head, got = bytearray(1 << 18), b"", 0
        while n := sock.recv_into(piece):
            head, got = head or bytes(piece[:n]), got + n
    end = head.find(b"\r\n\r\n") + 4
    if not re.match(rb"HTTP/1\.[01] 200 ", head) or got - end != FILE_MIB << 20:
        raise RuntimeError(f"GET /file: {head[:20]!r}, {got} bytes")


def port(engine, address):
    """MB/s of one connection to a published port."""
    script = f"busybox dd if=/dev/zero of=/w/file bs=1M count={FILE_MIB} 2>/dev/null; exec busybox httpd -f -p 80 -h /w"
    cid = engine.create("busybox", "sh", "-c", script, ExposedPorts={"80/tcp": {}}, HostConfig={
        "NetworkMode": "bridge", "PortBindings": {"80/tcp": [{"HostPort": str(PORT)}]}, "Tmpfs": {"/w": f"size={FILE_MIB + 8}m"}})  # fmt: skip
    engine.start(cid)
    for _ in range(300):
        try:
            fetch(address)
            break
        except (OSError, RuntimeError) as e:
            last = e
        time.sleep(0.2)
    else:
        raise RuntimeError(f"nothing serves on {address}:{PORT}: {last}")
    say("port", (FILE_MIB << 20) / 1e6 / timed(lambda: fetch(address), FETCHES))
    engine.remove(cid)


def many(engine, count, listed):
    """@count containers that run, started at once, then, unless it is 0, as many that do not that there are
    @listed in all."""
    others = len(json.loads(engine.call("GET", "/containers/json?all=1")))
    alone = process_kib(count)
    first = engine.run("busybox", "sleep", "10000")  # what the engine keeps from its first container on is not this one's
    before = available_kib()
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda _: engine.run("busybox", "sleep", "10000"), range(count)))
    say("parallel", time.monotonic() - began)
    each = (before - available_kib()) / count
    say("memory", each)
    say("overhead", each - alone)
    say("exec", timed(lambda: engine.exec(first), EXECS) * 1000)
    if not listed:
        return
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda _: engine.create("busybox", "true"), range(listed - others - count - 1)))
    found = len(json.loads(engine.call("GET", "/containers/json?all=1")))
    if found != listed:
        raise RuntimeError(f"{found} containers are listed, {listed} are there")
    say("list", timed(lambda: engine.call("GET", "/containers/json?all=1"), LISTS) * 1000)


def main():
    words = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    words.add_argument("socket")
    words.add_argument("image")
    words.add_argument("--count", type=int, default=100)
    words.add_argument("--listed", type=int, default=500, help="0: the list is not measured")
    words.add_argument("--network", default="bridge")
    words.add_argument("--address")
    args = words.parse_args()
    # of a busybox in this program's own place, whatever else there is
    os.environ["PATH"] = "/usr/bin:/bin"
    engine = Engine(args.socket, args.image, args.network)
    say("life", timed(engine.life, LIVES) * 1000)
    logs(engine)
    if args.address:
        port(engine, args.address)
    many(engine, args.count, args.listed)
    print("BENCH-END", flush=True)


if __name__ == "__main__":
    main()
