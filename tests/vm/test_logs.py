# SPDX-License-Identifier: Apache-2.0
"""docker logs: which lines, with what times, and across the rotations of a bounded log."""

import re

from support import api
from support.node import eventually

HELLO = "wherry/hello"


def logs(node, cid, *options):
    """What came on each of the two streams."""
    done = node.docker("logs", *options, cid)
    return done.stdout.split("\n")[:-1], done.stderr.split("\n")[:-1]


def test_which_lines(node):
    script = "echo one; echo two >&2; while [ ! -e /go ]; do sleep 0.1; done; echo three; echo four; sleep 1000"
    cid = node.docker("run", "-d", HELLO, "sh", "-c", script).stdout.strip()
    try:
        assert eventually(lambda: logs(node, cid) == (["one"], ["two"]))
        node.docker("exec", cid, "touch", "/go")
        assert eventually(lambda: logs(node, cid)[0] == ["one", "three", "four"])

        out, err = logs(node, cid, "--timestamps")
        stamps = {}
        for line in out + err:
            found = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) (\w+)", line)
            assert found, line
            stamps[found[2]] = found[1]
        assert list(stamps) == ["one", "three", "four", "two"]
        made, first = node.docker("inspect", "-f", "{{.Created}}", cid).stdout[:19], max(stamps["one"], stamps["two"])
        assert made <= min(stamps.values())[:19] and first < stamps["three"] <= stamps["four"]

        assert logs(node, cid, "--since", stamps["three"]) == (["three", "four"], [])
        assert logs(node, cid, "--until", first) == (["one"], ["two"])
        assert logs(node, cid, "--until", "10m") == ([], [])
        assert logs(node, cid, "--since", "10m", "--tail", "2") == (["three", "four"], [])
        assert logs(node, cid, "--since", stamps["three"], "--tail", "1") == (["four"], [])
        assert logs(node, cid, "--tail", "0") == ([], [])
        assert logs(node, cid, "-t", "--tail", "1") == ([f"{stamps['four']} four"], [])
    finally:
        node.docker("rm", "-f", cid)


def frames(data):
    """[(stream, bytes)] of Docker's multiplexed stream."""
    found = []
    while data:
        size = int.from_bytes(data[4:8], "big")
        found.append((data[0], data[8 : 8 + size]))
        data = data[8 + size :]
    return found


def test_a_frame_a_line(node):
    """However they were written, read and asked for; of a long line Docker's longest message each."""
    script = "echo one; echo two; echo; printf thr; sleep 0.5; echo ee; echo wrong >&2; head -c 40000 /dev/zero | tr '\\0' x; echo; printf end"
    cid = node.docker("run", "-d", HELLO, "sh", "-c", script).stdout.strip()
    lines = [b"one\n", b"two\n", b"\n", b"three\n", b"x" * 16384, b"x" * 16384, b"x" * (40000 - 2 * 16384) + b"\n", b"end"]
    try:
        for how in ("follow=1", "follow=0"):
            status, data = api.call(node, "GET", f"/containers/{cid}/logs?stdout=1&stderr=1&{how}")
            assert status == 200 and [text for stream, text in frames(data) if stream == 1] == lines, how
            assert [text for stream, text in frames(data) if stream == 2] == [b"wrong\n"], how
        _, data = api.call(node, "GET", f"/containers/{cid}/logs?stdout=1&timestamps=1")
        stamped = [re.sub(rb"^[0-9T:.-]+Z ", b"@", text) for _, text in frames(data)]
        assert stamped == [text if at in (5, 6) else b"@" + text for at, text in enumerate(lines)], "where lines begin"
    finally:
        node.docker("rm", "-f", cid)


def test_rotation_and_followers(node):
    """A follower from the start sees every line of many segments; who comes late has what the bound has left."""
    first, last = 1000001, 1020000
    script = f"echo ready; while [ ! -e /go ]; do sleep 0.1; done; seq {first} {last}; echo end; sleep 1000"
    cid = node.docker("run", "-d", "--log-opt", "max-size=16k", "--log-opt", "max-file=3", HELLO, "sh", "-c", script).stdout.strip()
    follower = node.docker_popen("logs", "-f", cid, stdout=-1, text=True)
    try:
        assert follower.stdout.readline() == "ready\n"
        node.docker("exec", cid, "touch", "/go")
        for number in range(first, last + 1):
            line = follower.stdout.readline()
            assert line == f"{number}\n", (number, line)
        assert follower.stdout.readline() == "end\n"

        # a segment ends where a write ends: the last may hold a whole pipe more
        held = node.ssh(f"cd /data/engine/containers/{cid}/log && ls | grep -c out && cat *.out | wc -c").split()
        assert held[0] == "3" and 16384 < int(held[1]) <= 3 * (16384 + 65536), held
        left = logs(node, cid)[0]
        numbers = [int(line) for line in left[1:-1]]
        assert left[-1] == "end" and numbers == list(range(numbers[0], last + 1)), "only the first line may be cut"
        assert first < numbers[0] < last - 2000
        assert logs(node, cid, "--tail", "2")[0] == [str(last), "end"]
    finally:
        follower.kill()
        follower.wait()
        node.docker("rm", "-f", cid)
