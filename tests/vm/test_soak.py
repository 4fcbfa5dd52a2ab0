# SPDX-License-Identifier: Apache-2.0
"""An hour of what people do with a node, on one of 1 GiB: every answer is right, and nothing of it stays.

Three clients do one whole thing after the other, as the dice have it: each checks what it is told and takes away what it made.
In the first third of the time the engine is killed now and then: what a client was doing then may fail, and is taken away. From
there on the engine lives, and so do followers of logs and events, whose answers are compared at the end. WHERRY_SOAK: the time in
seconds.
"""

import collections
import os
import random
import re
import threading
import time
import traceback
import urllib.request

import pytest

from support import leaks, nftables, oci, programs, stack
from support.compose import Compose
from support.node import eventually

pytestmark = pytest.mark.long

SECONDS = int(os.environ.get("WHERRY_SOAK", "3600"))
CLIENTS = "abc"
KILL_EVERY = min(60, SECONDS // 9)
SAMPLE_EVERY = min(60, SECONDS // 20)
FAILURES = 5  # after so many it is over

# Beside what leaks.py compares. Services may open and close connections to each other: a few descriptors are no leak.
KINDS = {
    "network namespaces": "ls -l /proc/[0-9]*/ns/net 2>/dev/null | sed -n 's/.*net:/net:/p' | sort -u | cut -d: -f1",
    "volumes": "ls /data/engine/volumes",
    "images": "ls /data/engine/images/ids /data/engine/layers",
    "unfinished": "ls /data/engine/staging /data/engine/trash",
    # but for the records of execs that ended in the last minutes
    "run": "find /run/engine -mindepth 1 | grep -v ^/run/engine/exec/[0-9a-f]*.json",
}
DESCRIPTORS = 8
# KiB that a service's own memory may grow: what an allocator keeps, not a share of each of hundreds of things.
GROWTH = collections.defaultdict(lambda: 4096, {"init": 256})
KERNEL_GROWTH = 24576  # KiB that the kernel cannot give back; caches of inodes are not in it

SERVICES = ["init", "engine", "network", "agent", "cluster"]
SAMPLE = """for one in PIDS; do
    pid=${one#*=}
    echo ${one%=*} $(sed -n 's/RssAnon:[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/$pid/status) $(ls /proc/$pid/fd | wc -l)
done
echo kernel $(sed -n 's/SUnreclaim:[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/meminfo) $(sed -n 's/nr_dying_descendants //p' /sys/fs/cgroup/cgroup.stat)"""

COMPOSE = """
services:
  web: {{image: {ref}, command: httpd -f -p 80 -h /etc, init: true, depends_on: [store], volumes: [data:/data]}}
  store: {{image: {ref}, command: sh -c 'echo ready; exec sleep 1000', init: true}}
volumes: {{data: {{}}}}
"""

ENDS_BY_ITSELF = "trap 'echo told; exit 5' TERM; echo up; while :; do sleep 0.2; done"
TALKER = "i=0; while :; do echo line $i; i=$((i + 1)); sleep 1; done"


def numbers(node):
    """{service: (KiB of its own, descriptors)}; of the kernel: KiB it cannot give back, and control groups that are not quite gone."""
    pids = {"init": "1", **dict(re.findall(r"(?m)^(\S+) .*\bpid (\d+)", node.ssh("wherryctl services")))}
    shown = node.ssh(SAMPLE.replace("PIDS", " ".join(f"{name}={pids[name]}" for name in SERVICES)))
    return {name: (int(a), int(b)) for name, a, b in (line.split() for line in shown.splitlines())}


class Client:
    """Does one thing after the other under names that begin with its letter."""

    def __init__(self, soak, letter, folder):
        self.thread = threading.Thread(target=self.run)
        self.soak, self.node, self.letter, self.folder = soak, soak.node, letter, folder
        self.ref, self.made, self.dice = soak.ref, 0, random.Random(letter)
        folder.mkdir()
        (folder / "compose.yaml").write_text(COMPOSE.format(ref=self.ref))
        self.compose = Compose(self.node, folder)

    def run(self):
        while not self.soak.over.is_set():
            self.one(self.dice.choice(JOBS))

    def one(self, job):
        turn = self.soak.turn
        try:
            job(self)
            self.soak.done[job.__name__] += 1
        except Exception:
            if turn == self.soak.turn and turn % 2 == 0:
                self.soak.failed(f"client {self.letter} at {job.__name__}:\n{traceback.format_exc()}")
            else:
                self.soak.forgiven += 1
            self.tidy()

    def docker(self, *args, **more):
        return self.node.docker(*args, **{"timeout": 300, **more}).stdout

    def name(self):
        self.made += 1
        return f"{self.letter}-{self.made}"

    def start(self, *args):
        name = self.name()
        self.docker("run", "-d", "--name", name, *args)
        return name

    def state(self, name, what="Status"):
        return self.docker("inspect", "-f", "{{.State." + what + "}}", name).strip()

    def remove(self, name):
        self.docker("rm", "-f", "-v", name)

    def tidy(self):
        """What a failed thing may have left, by the names."""
        said = []

        def docker(*words):
            began = time.monotonic()
            done = self.node.docker(*words, check=False)
            said.append(f"{time.monotonic() - began:.1f} s: docker {' '.join(words)}: {done.returncode} {done.stdout}{done.stderr}".strip())
            return done.stdout.split()

        def look():
            self.soak.calm.wait()
            said.clear()
            mine = f"name=^{self.letter}-"
            listed = [("rm", "-fv", ("ps", "-aq")), ("network rm", "-f", ("network", "ls", "-q")), ("volume rm", "-f", ("volume", "ls", "-q"))]
            left = False
            for remove, force, words in listed:
                found = docker(*words, "--filter", mine)
                if found:
                    left = True
                    docker(*remove.split(), force, *found)
            # by the names: what a push was to send is another name of an image that stays
            for pattern in (f"{self.letter}-*", f"{self.soak.registry.address}/soak/{self.letter}-*"):
                found = docker("images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", f"reference={pattern}")
                if found:
                    left = True
                    docker("rmi", "-f", *found)
            return not left

        if not eventually(look, 120, 1):
            self.soak.failed(f"client {self.letter}: what it made does not go away:\n" + "\n".join(said))


def run_rm(c):
    name = c.name()
    assert c.docker("run", "--rm", "--name", name, c.ref, "echo", name) == name + "\n"
    done = c.node.docker("run", "--rm", "--name", c.name(), "-i", "--tmpfs", "/t", c.ref, "sh", "-c", "cat; exit 7", input="x" * 100000, check=False, timeout=300)
    assert (done.returncode, len(done.stdout)) == (7, 100000), done


def execs(c):
    assert c.docker("exec", "-i", "steady", "cat", input="through\n") == "through\n"
    assert c.node.docker("exec", "steady", "sh", "-c", "exit 9", check=False, timeout=300).returncode == 9


def follow(c):
    name = c.start(c.ref, "sh", "-c", "i=0; while [ $i -lt 50 ]; do echo $i; i=$((i + 1)); done; sleep 1; echo end")
    assert c.docker("logs", "-f", name).split() == [*map(str, range(50)), "end"]
    assert c.docker("logs", "--tail", "1", name) == "end\n"
    c.remove(name)


def stop_and_start(c):
    name = c.start(c.ref, "sh", "-c", ENDS_BY_ITSELF)
    for verb in (("stop",), ("start",), ("restart",), ("stop",)):
        # the trap is set once it says so: each start says it again
        ups = c.docker("logs", name).count("up")
        assert ups or eventually(lambda: "up" in c.docker("logs", name), 60)
        c.docker(*verb, name)
        if verb[0] != "stop":
            assert eventually(lambda: c.docker("logs", name).count("up") > ups, 60)  # noqa: B023
    assert (c.state(name), c.state(name, "ExitCode")) == ("exited", "5")
    c.remove(name)


def kill(c):
    name = c.start("--read-only", c.ref, "sleep", "1000")
    c.docker("kill", name)
    assert c.docker("wait", name).strip() == "137"
    c.remove(name)


def network_and_volume(c):
    net, volume = c.name(), c.name()
    c.docker("network", "create", net)
    c.docker("volume", "create", volume)
    server = c.start("--network", net, "-v", f"{volume}:/v", c.ref, "sh", "-c", "echo page >/v/page; exec httpd -f -p 80 -h /v")
    fetch = "for i in 1 2 3 4 5 6 7 8 9; do wget -q -O- http://$0/page && exit; sleep 1; done; exit 1"
    assert c.docker("run", "--rm", "--name", c.name(), "--network", net, c.ref, "sh", "-c", fetch, server) == "page\n"
    c.docker("network", "disconnect", net, server)
    c.docker("network", "connect", "--alias", "again", net, server)
    assert c.docker("run", "--rm", "--name", c.name(), "--network", net, "-v", f"{volume}:/v:ro", c.ref, "sh", "-c", "cat /v/page; " + fetch, "again") == "page\npage\n"
    c.remove(server)
    c.docker("network", "rm", net)
    c.docker("volume", "rm", volume)


def build(c):
    name = c.name()
    (c.folder / "Dockerfile").write_text(f"FROM {c.ref}\nCOPY given /given\nRUN cat /given >/made\nCMD [\"cat\", \"/made\"]\n")
    (c.folder / "given").write_text(name)
    c.docker("build", "-q", "-t", name, str(c.folder), env={"DOCKER_BUILDKIT": "0"})
    assert c.docker("run", "--rm", "--name", c.name(), name) == name
    c.docker("rmi", name)


def pull(c):
    how = c.dice.choice(["gzip", "zstd"])
    ref = f"{c.soak.registry.address}/soak/{c.letter}-{how}:1"
    c.docker("pull", "-q", ref)
    assert c.docker("run", "--rm", "--name", c.name(), ref, "cat", "/own") == f"{c.letter}-{how}"
    c.docker("rmi", ref)


def push(c):
    ref = f"{c.soak.registry.address}/soak/{c.letter}-pushed:1"
    c.docker("tag", c.ref, ref)
    c.docker("push", "-q", ref)
    c.docker("rmi", ref)


def compose(c):
    project = ("-p", f"{c.letter}-app")
    c.compose(*project, "up", "-d")
    assert c.compose(*project, "ps", "-q").stdout.count("\n") == 2
    assert "ready" in c.compose(*project, "logs", "store").stdout
    c.compose(*project, "restart", "-t", "2")
    c.compose(*project, "down", "-v", "-t", "2")


def published(c):
    with urllib.request.urlopen(f"http://127.0.0.1:{c.node.env['WHERRY_TCP_8090']}/group", timeout=30) as reply:
        assert reply.read().startswith(b"root:x:0:")
    name = c.start("-p", "80", c.ref, "httpd", "-f", "-p", "80", "-h", "/etc")
    port = c.docker("port", name, "80/tcp").split(":")[-1].strip()
    assert eventually(lambda: "root:x:0:" in c.node.ssh(f"wget -q -O- http://127.0.0.1:{port}/group", check=False).stdout, 30)
    c.remove(name)


def events(c):
    label = f"soak={c.name()}"
    began = c.docker("info", "-f", "{{.SystemTime}}").strip()
    c.docker("run", "--rm", "--name", c.name(), "--label", label, c.ref, "true")
    words = ("events", "--since", began, "--until", "0s", "--filter", f"label={label}", "--filter", "type=container", "--format", "{{.Action}}")
    assert eventually(lambda: [a for a in c.docker(*words).split() if a != "attach"] == ["create", "start", "die", "destroy"], 20, 1), c.docker(*words)


def files(c):
    name = c.start(c.ref, "sleep", "1000")
    (c.folder / "file").write_text(name)
    c.docker("cp", str(c.folder / "file"), f"{name}:/tmp/in")
    assert c.docker("exec", name, "cat", "/tmp/in") == name
    assert "A /tmp/in" in c.docker("diff", name)
    assert len(c.docker("export", name, text=False)) > 100000
    image = c.name()
    c.docker("commit", name, image)
    assert c.docker("run", "--rm", "--name", c.name(), image, "cat", "/tmp/in") == name
    c.docker("rmi", image)
    c.remove(name)


def save_and_load(c):
    saved = c.docker("save", c.ref, text=False)
    assert b"Loaded image" in c.docker("load", input=saved, text=False)


def looks(c):
    name = c.start("--health-cmd", "true", "--health-interval", "1s", c.ref, "sleep", "1000")
    assert "sleep 1000" in c.docker("top", name)
    c.docker("pause", name)
    assert c.state(name) == "paused"
    c.docker("unpause", name)
    c.docker("update", "--memory", "64m", "--memory-swap", "64m", name)
    assert "/ 64MiB" in c.docker("stats", "--no-stream", name)
    assert eventually(lambda: c.state(name, "Health.Status") == "healthy", 60, 1)
    other = c.name()
    c.docker("rename", name, other)
    c.remove(other)


def restarted(c):
    name = c.start("--restart", "on-failure:2", c.ref, "sh", "-c", "echo try; exit 3")
    assert eventually(lambda: c.docker("inspect", "-f", "{{.RestartCount}} {{.State.Status}}", name).strip() == "2 exited", 120, 1)
    assert c.docker("logs", name) == "try\n" * 3
    c.remove(name)


def own_ids(c):
    assert c.docker("run", "--rm", "--name", c.name(), "--label", "wherry.userns=private", c.ref, "sh", "-c", "read a b rest </proc/self/uid_map; echo $a; [ $b != 0 ] && echo own") == "0\nown\n"


JOBS = [run_rm, run_rm, execs, execs, follow, stop_and_start, kill, network_and_volume, build, pull, push, compose, published, events,
        files, save_and_load, looks, restarted, own_ids]  # fmt: skip


class Soak:
    def __init__(self, node, registry, ref):
        self.node, self.registry, self.ref = node, registry, ref
        self.over, self.calm, self.lock = threading.Event(), threading.Event(), threading.Lock()
        self.calm.set()
        self.turn = 0  # of the engine's life: odd while it is being killed
        self.kills, self.forgiven, self.done, self.failures = 0, 0, collections.Counter(), []

    def failed(self, why):
        with self.lock:
            print(why, flush=True)
            self.failures.append(why)
            if len(self.failures) >= FAILURES:
                self.over.set()

    def kill_engine(self):
        self.turn += 1
        self.calm.clear()
        self.node.kill_engine()
        self.kills += 1
        self.turn += 1
        self.calm.set()

    def live(self, seconds, killing):
        """The clients work meanwhile. Return: what numbers() had, one each SAMPLE_EVERY."""
        dice, samples = random.Random(2), []
        end, kill_at, sample_at = (time.monotonic() + s for s in (seconds, KILL_EVERY, SAMPLE_EVERY))
        while time.monotonic() < end and not self.over.is_set():
            self.over.wait(1)
            if killing and time.monotonic() > kill_at:
                self.kill_engine()
                kill_at = time.monotonic() + KILL_EVERY * (0.5 + dice.random())
            if time.monotonic() > sample_at:
                samples.append(numbers(self.node))
                print(time.strftime("%H:%M:%S"), sum(self.done.values()), "done", samples[-1], flush=True)
                sample_at = time.monotonic() + SAMPLE_EVERY
        return samples


@pytest.fixture
def soak(session_dir, tmp_path):
    from conftest import _Nodes

    nodes = _Nodes(session_dir)
    node, registry = stack.boot(nodes, tmp_path / "stack", memory=1024, forward=(8090,))
    base = stack.busybox()
    ref = registry.push("soak/base", "1", base)
    for letter in CLIENTS:
        for how in ("gzip", "zstd"):
            own = oci.Layer(oci.tar([oci.Member("own", f"{letter}-{how}".encode()), oci.Member("more", random.Random(letter + how).randbytes(300000))]), how)
            registry.push(f"soak/{letter}-{how}", "1", oci.Image([*base.layers, own], **base.run_config))
    node.python = registry.push("soak/python", "1", programs.image("pythonweb"))
    node.docker("pull", "-q", ref, timeout=300)
    node.docker("pull", "-q", node.python, timeout=600)
    assert eventually(lambda: "wherry: up after" in node.console(), 120, 1)
    yield Soak(node, registry, ref)
    registry.stop()
    nodes.end()


def snapshot(node):
    """Of a node that is at rest."""
    found = leaks.snapshot(node, KINDS)
    found["nftables"] = nftables.lines(node, node.python)
    return found


def follower(node, *words, path):
    with open(path, "wb") as to:
        return node.docker_popen(*words, stdout=to, stderr=to)


def test_an_hour(soak, tmp_path):
    node = soak.node
    clients = [Client(soak, letter, tmp_path / letter) for letter in CLIENTS]
    node.docker("run", "-d", "--name", "steady", "--init", "--restart", "always", soak.ref, "sleep", "1000000")
    node.docker("run", "-d", "--name", "web", "--restart", "always", "-p", "8090:80", soak.ref, "httpd", "-f", "-p", "80", "-h", "/etc")
    node.docker("run", "-d", "--name", "talker", "--restart", "always", soak.ref, "sh", "-c", TALKER)
    steady = node.docker("inspect", "-f", "{{.State.Pid}} {{.RestartCount}}", "steady", "web", "talker").stdout
    for job in dict.fromkeys(JOBS):  # everything once, so that what stays for ever is there
        clients[0].one(job)
    before, start = snapshot(node), numbers(node)
    print("before", start, flush=True)

    for client in clients:
        client.thread.start()
    samples = soak.live(SECONDS / 3, killing=True)
    logs = [follower(node, "logs", "-f", "talker", path=tmp_path / f"log{i}") for i in range(3)]
    seen = [follower(node, "events", "--filter", "type=container", "--format", "{{.Action}} {{.ID}}", path=tmp_path / f"events{i}") for i in range(2)]
    engine = node.ssh("pidof engine")
    samples += soak.live(SECONDS * 2 / 3, killing=False)
    soak.over.set()
    for client in clients:
        client.thread.join()
    print(f"{dict(soak.done)} done, {soak.kills} kills cut {soak.forgiven} of them short", flush=True)
    node.docker("image", "prune", "-f")  # the steps of builds that were cut short

    node.docker("rm", "-f", node.docker("create", soak.ref, "true").stdout.strip())  # the last event of all followers
    assert eventually(lambda: (tmp_path / "events0").read_bytes().count(b"\n") == (tmp_path / "events1").read_bytes().count(b"\n"), 60)
    assert all(one.poll() is None for one in logs + seen), "a follower ended"
    for one in logs + seen:
        one.terminate()
        one.wait()
    told = (tmp_path / "events0").read_text().splitlines()
    assert told == (tmp_path / "events1").read_text().splitlines() and len(told) > 10 and told[-1].startswith("destroy ")
    for i in range(len(logs)):
        lines = (tmp_path / f"log{i}").read_text().splitlines()
        assert lines == [f"line {n}" for n in range(len(lines))] and len(lines) > SECONDS / 4

    assert not soak.failures, "\n".join(soak.failures)
    assert node.ssh("pidof engine") == engine, "the engine ended by itself"
    assert node.docker("inspect", "-f", "{{.State.Pid}} {{.RestartCount}}", "steady", "web", "talker").stdout == steady
    left = eventually(lambda: not leaks.difference(before, snapshot(node)), 120, 5)
    assert left, f"left behind: {leaks.difference(before, snapshot(node))}"
    # The engine's memory is that of the one that lives still, a tenth of its life after it began.
    lived = samples[len(samples) // 3 :]
    early, end = {**start, "engine": lived[len(lived) // 10]["engine"]}, numbers(node)
    print("after", end, "the engine early in its life", early["engine"], flush=True)
    for name, (kib, descriptors) in end.items():
        if name == "kernel":
            assert kib < early[name][0] + KERNEL_GROWTH, (name, early[name], kib)
        else:
            assert kib < early[name][0] + GROWTH[name], (name, early[name], kib)
            assert descriptors < start[name][1] + DESCRIPTORS, (name, start[name], descriptors)
