# SPDX-License-Identifier: Apache-2.0
"""What runs in a container and what it uses: top, stats, --init."""

import json

import pytest

from support import api
from support.node import eventually


@pytest.fixture
def busy(node):
    cid = node.docker("run", "-d", "--memory", "64m", "--pids-limit", "40", "wherry/hello",
                      "sh", "-c", "while :; do :; done & exec sleep 1000").stdout.strip()  # fmt: skip
    assert eventually(lambda: sorted(r[0] for r in rows(node.docker("top", cid, "-o", "comm,pid").stdout)[1:]) == ["sh", "sleep"], 30)
    yield cid
    node.docker("rm", "-f", cid)


def rows(text):
    return [line.split() for line in text.splitlines()]


def test_top(node, busy):
    table = rows(node.docker("top", busy).stdout)
    assert table[0] == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert {"sleep 1000"} <= {" ".join(r[7:]) for r in table[1:]} and len(table) == 3
    table = rows(node.docker("top", busy, "aux").stdout)
    assert table[0] == ["USER", "PID", "%CPU", "%MEM", "VSZ", "RSS", "TTY", "STAT", "START", "TIME", "COMMAND"]
    table = rows(node.docker("top", busy, "-o", "pid,comm=PROGRAM").stdout)
    assert table[0] == ["PID", "PROGRAM"] and "sleep" in {r[1] for r in table[1:]}
    pid = node.docker("inspect", "-f", "{{.State.Pid}}", busy).stdout.strip()
    assert pid in {r[0] for r in table[1:]}
    told = node.events("300s", f"container={busy}", "event=top")
    assert len(told) > 3 and set(told) == {"top"}, "three here, and those of whoever waited for it"


@pytest.mark.parametrize(
    "arguments, words", [(("-o", "comm"), "Couldn't find PID field"), (("-o", "pid,nonsense"), "nonsense"), (("-Z",), "option Z")]
)
def test_top_says_what_it_does_not_know(node, busy, arguments, words):
    done = node.docker("top", busy, *arguments, check=False)
    assert done.returncode == 1 and words in done.stderr


def test_top_needs_a_running_container(node):
    cid = node.docker("create", "wherry/hello").stdout.strip()
    done = node.docker("top", cid, check=False)
    node.docker("rm", cid)
    assert done.returncode == 1 and "is not running" in done.stderr


def test_stats_once(node, busy):
    line = node.docker("stats", "--no-stream", "--format", "{{json .}}", busy).stdout
    seen = json.loads(line)
    assert seen["ID"] and busy.startswith(seen["ID"][:12])
    assert "64MiB" in seen["MemUsage"] and seen["PIDs"] == "2"
    assert float(seen["CPUPerc"].rstrip("%")) > 1  # it spins
    received = seen["NetIO"].split(" / ")[0]
    assert received.endswith("B")


def test_stats_stream_ends_with_the_container(node):
    cid = node.docker("run", "-d", "wherry/hello", "sleep", "1000").stdout.strip()
    connection = api.connect(node)
    connection.request("GET", f"/containers/{cid}/stats")
    reply = connection.getresponse()
    first, second = json.loads(reply.readline()), json.loads(reply.readline())
    assert first["precpu_stats"]["cpu_usage"]["total_usage"] == 0
    assert second["precpu_stats"]["cpu_usage"] == first["cpu_stats"]["cpu_usage"]
    assert first["networks"]["eth0"]["rx_bytes"] >= 0 and first["memory_stats"]["stats"]["anon"] > 0
    node.docker("rm", "-f", cid)
    while line := reply.readline():
        assert json.loads(line)["id"] == cid
    connection.close()


def test_stats_of_a_stopped_container_are_empty(node):
    cid = node.docker("create", "wherry/hello").stdout.strip()
    seen = json.loads(node.docker("stats", "--no-stream", "--format", "{{json .}}", cid).stdout)
    node.docker("rm", cid)
    assert seen["PIDs"] == "0"


def test_init_reaps_and_forwards(node):
    # The inner shell leaves an orphan that dies: without an init of its own it would stay a zombie.
    script = "sh -c 'sleep 0.2 & exec true'; sleep 2; grep -l '^State:.Z' /proc/[0-9]*/status | wc -l; cat /proc/1/cmdline | tr '\\0' ' '"
    out = node.docker("run", "--rm", "--init", "wherry/hello", "sh", "-c", script).stdout
    assert out.splitlines()[0] == "0"
    assert out.splitlines()[1].startswith("/sbin/docker-init -- sh -c")
    assert node.docker("run", "--rm", "--init", "wherry/hello", "sh", "-c", "exit 9", check=False).returncode == 9
    assert node.docker("run", "--rm", "--init", "wherry/hello", "nonexistent", check=False).returncode == 127
    cid = node.docker("run", "-d", "--init", "wherry/hello", "sleep", "1000").stdout.strip()
    node.docker("stop", "--time", "60", cid)  # a sleep that is process 1 itself would ignore it
    assert node.docker("inspect", "-f", "{{.State.ExitCode}}", cid).stdout.strip() == "143"
    node.docker("rm", cid)
    done = node.docker("run", "--rm", "--init", "wherry/hello", "sh", "-c", "echo x > /sbin/docker-init", check=False)
    assert done.returncode != 0 and "read-only" in done.stderr.lower()
