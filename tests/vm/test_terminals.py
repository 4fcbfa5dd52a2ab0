# SPDX-License-Identifier: Apache-2.0
"""Streams of a container held by hand: attach, detach keys, sizes of terminals; and those of an exec."""

import json
import signal
import struct

import pytest

from support import api
from support.node import eventually
from support.terminal import Terminal

HELLO = "wherry/hello"
PROMPT = "# "


def running(node, name):
    return node.docker("inspect", "-f", "{{.State.Running}}", name).stdout.strip() == "true"


def test_detach_keys(node):
    """Those that were asked for leave the container running, and the others are its own; whoever attaches again is where it was."""
    try:
        with Terminal(node, "run", "-it", "--name", "kept", "--detach-keys", "ctrl-e,x", HELLO, "sh") as at:
            at.until(PROMPT)
            at.type("echo rea''dy; cat\n")
            at.until("ready")
            at.type("a\x10\x11b\n")  # ctrl-p ctrl-q, which are not the keys here; the latter is the terminal's own
            at.until("a^Pb")
            at.type("\x04")
            at.until(PROMPT)
            at.type("here=$((40+2))\n")
            at.until(PROMPT)
            at.type("\x05x")
            assert at.ended() == 0, at.seen
        assert running(node, "kept")
        with Terminal(node, "attach", "--detach-keys", "ctrl-a", "kept") as at:
            at.type("echo it is $here\n")
            at.until("it is 42")
            at.type("\x01")
            at.ended()
            assert "read escape sequence" in at.seen
        assert running(node, "kept")
        with Terminal(node, "attach", "kept") as at:
            at.type("echo ba''ck\n")
            at.until("back")
            at.type("\x10\x11")
            at.ended()
            assert "read escape sequence" in at.seen, "the keys when none are named"
        with Terminal(node, "attach", "kept") as at:
            at.type("exit 5\n")
            assert at.ended() == 5, at.seen
    finally:
        node.docker("rm", "-f", "kept")


def hijacked(node, path, body=None):
    """The connection of an attach, or of an exec's start, that has become a stream."""
    connection = api.connect(node)
    connection.putrequest("POST", f"/v1.51{path}")
    connection.putheader("Connection", "Upgrade")
    connection.putheader("Upgrade", "tcp")
    if body:
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.sock.recv(1)
    assert head.startswith(b"HTTP/1.1 101"), head
    return connection


def test_the_engine_knows_detach_keys(node):
    """Docker's client keeps them to itself; others leave them to the engine, which ends their stream."""
    cid = node.docker("run", "-dit", HELLO, "cat").stdout.strip()
    try:
        connection = hijacked(node, f"/containers/{cid}/attach?stream=1&stdin=1&stdout=1&detachKeys=ctrl-x,x")
        connection.sock.sendall(b"one\x18\r")  # the first key alone is input
        seen = b""
        while b"one^X" not in seen:
            seen += connection.sock.recv(4096)
        connection.sock.sendall(b"\x18x")
        while piece := connection.sock.recv(4096):
            seen += piece
        connection.close()
        assert running(node, cid)
        assert node.events("300s", f"container={cid}") == ["create", "start", "attach", "detach"]
        status, reply = api.call(node, "POST", f"/containers/{cid}/attach?stream=1&detachKeys=ctrl-nothing")
        assert (status, reply) == (400, b"Invalid detach keys (ctrl-nothing) provided\r\n")
    finally:
        node.docker("rm", "-f", cid)


def test_attach_of_a_plain_container(node):
    """Without terminal or input: both streams apart, signals passed on, its exit status for the client's."""
    script = "trap 'echo told; exit 6' USR1; while :; do echo out; echo err >&2; sleep 0.2; done"
    cid = node.docker("run", "-d", HELLO, "sh", "-c", script).stdout.strip()
    client = node.docker_popen("attach", cid, stdin=-3, stdout=-1, stderr=-1, text=True)
    try:
        assert client.stdout.readline() == "out\n" and client.stderr.readline() == "err\n"
        client.send_signal(signal.SIGUSR1)
        out, err = client.communicate(timeout=60)
        assert set(out.splitlines()) <= {"out", "told"} and out.endswith("told\n") and set(err.splitlines()) <= {"err"}
        assert client.returncode == 6
    finally:
        client.kill()
        client.wait()
        node.docker("rm", "-f", cid)


def test_sizes_that_are_none(node):
    """Said before it is looked who is to have it, the height first."""
    cid = node.docker("run", "-dt", HELLO, "sh", "-c", "while :; do stty size; sleep 0.5; done").stdout.strip()
    asked = node.api("POST", f"/containers/{cid}/exec", {"Cmd": ["true"], "Tty": True})[1]["Id"]
    for query, words in [
        ("", 'invalid resize height "": invalid syntax'),
        ("?h=40&w=", 'invalid resize width "": invalid syntax'),
        ("?h=foo&w=bar", 'invalid resize height "foo": invalid syntax'),
        ("?h=-100&w=40", 'invalid resize height "-100": value out of range'),
        ("?h=40&w=4294967296", 'invalid resize width "4294967296": value out of range'),
    ]:
        for path in (f"/containers/{cid}", "/containers/nobody", f"/exec/{asked}"):
            status, reply = node.api("POST", f"{path}/resize{query}")
            assert (status, reply["message"]) == (400, words), (path, query)
    assert node.api("POST", f"/containers/{cid}/resize?h=40&w=50")[0] == 200
    assert eventually(lambda: "40 50" in node.docker("logs", cid).stdout)
    assert node.events("60s", f"container={cid}", "event=resize") == ["resize"]
    told = node.docker("events", "--since", "60s", "--until", "0s", "--filter", f"container={cid}", "--filter", "event=resize",
                       "--format", "{{.Actor.Attributes.height}} {{.Actor.Attributes.width}}").stdout  # fmt: skip
    assert told == "40 50\n"
    node.docker("rm", "-f", cid)
    cid = node.docker("run", "-d", HELLO, "sleep", "1000").stdout.strip()
    assert node.api("POST", f"/containers/{cid}/resize?h=40&w=50")[0] == 200, "it has no terminal"
    node.docker("rm", "-f", cid)
    cid = node.docker("create", "-t", HELLO, "true").stdout.strip()
    status, reply = node.api("POST", f"/containers/{cid}/resize?h=40&w=50")
    assert (status, reply["message"]) == (409, f"container {cid} is not running")
    node.docker("rm", cid)


def test_sizes_of_terminals(node):
    """Of a container and of an exec: as the client's is when they begin, and as it becomes."""
    def follows(at):
        at.until("33 77")
        at.resize(40, 101)
        at.type("until [ \"$(stty size)\" = '40 101' ]; do sleep 0.2; done; echo is $((6 * 7))\n")
        at.until("is 42")

    with Terminal(node, "run", "-it", "--rm", "--name", "sized", HELLO, "sh", rows=33, columns=77) as own:
        own.until(PROMPT)
        own.type("stty size\n")
        with Terminal(node, "exec", "-it", "sized", "sh", rows=33, columns=77) as at:
            at.until(PROMPT)
            at.type("stty size\n")
            follows(at)
            at.type("exit 9\n")
            assert at.ended() == 9, at.seen
        follows(own)
        own.type("exit 3\n")
        assert own.ended() == 3, own.seen
    assert eventually(lambda: node.docker("ps", "-aq", "--filter", "name=sized").stdout == "")


def streamed(node, exec_id, **body):
    """The Content-Type and every byte of an exec that is started with its streams."""
    connection = api.connect(node)
    try:
        connection.request("POST", f"/v1.51/exec/{exec_id}/start", json.dumps({"Detach": False, **body}), {"Content-Type": "application/json"})
        reply = connection.getresponse()
        assert reply.status == 200, reply.read()
        return reply.headers["Content-Type"], reply.read()
    finally:
        connection.close()


def payload(frames):
    """What frames carry, all of it for stdout."""
    out = b""
    while frames:
        stream, size = struct.unpack(">B3xL", frames[:8])
        assert stream == 1, frames
        out, frames = out + frames[8 : 8 + size], frames[8 + size :]
    return out


@pytest.mark.parametrize("terminal", [False, True])
def test_an_exec_is_framed_as_its_start_asked(node, terminal):
    """Whatever it runs on: that is for its making to say, how the client is spoken to for its start."""
    cid = node.docker("run", "-d", HELLO, "sleep", "1000").stdout.strip()
    try:
        def made():
            asked = {"Cmd": ["sh", "-c", "test -t 1 && echo terminal || echo pipe"], "Tty": terminal, "AttachStdout": True, "AttachStderr": True}
            return api.call(node, "POST", f"/containers/{cid}/exec", asked)[1]["Id"]

        said = b"terminal\r\n" if terminal else b"pipe\n"
        kind, seen = streamed(node, made(), Tty=False)
        assert kind == "application/vnd.docker.multiplexed-stream" and payload(seen) == said, (kind, seen)
        kind, seen = streamed(node, made(), Tty=True)
        assert kind == "application/vnd.docker.raw-stream" and seen == said, (kind, seen)
    finally:
        node.docker("rm", "-f", cid)


def test_an_exec_is_started_once(node):
    """Who asks again for its streams gets one that says why it is empty, as with Docker; by the status hears who wants none."""
    cid = node.docker("run", "-d", HELLO, "sleep", "1000").stdout.strip()
    both = {"AttachStdin": True, "AttachStdout": True}
    try:
        made = api.call(node, "POST", f"/containers/{cid}/exec", {"Cmd": ["sh", "-c", "read a; echo $a; read b"], **both})[1]["Id"]
        connection = hijacked(node, f"/exec/{made}/start", b'{"Detach":false,"Tty":false}')

        def again(words):
            assert payload(streamed(node, made, Tty=False)[1]) == f"exec command {made} {words}\r\n".encode()
            assert streamed(node, made, Tty=True)[1] == f"exec command {made} {words}\r\n".encode()
            status, reply = api.call(node, "POST", f"/exec/{made}/start", {"Detach": True})
            assert status == 409 and words in reply["message"], (status, reply)

        again("is already running")
        connection.sock.sendall(b"still here\n")  # the first start's stream is untouched
        seen = b""
        while len(seen) < 8 + len("still here\n"):
            seen += connection.sock.recv(4096)
        assert payload(seen) == b"still here\n"
        connection.sock.sendall(b"enough\n")
        assert eventually(lambda: not api.call(node, "GET", f"/exec/{made}/json")[1]["Running"])
        again("has already run")
        connection.close()
        events = [e for e in node.events("300s", f"container={cid}") if e.startswith("exec_start")]
        assert len(events) == 1, events
    finally:
        node.docker("rm", "-f", cid)


def test_an_exec_begins_with_its_size(node):
    """What its making or its start says of the terminal is there before the program looks; a start without one says nothing."""
    cid = node.docker("run", "-d", HELLO, "sleep", "1000").stdout.strip()
    asked = {"Cmd": ["stty", "size"], "Tty": True, "AttachStdout": True, "ConsoleSize": [57, 123]}
    try:
        for size, seen in (({}, b"57 123\r\n"), ({"ConsoleSize": [33, 77]}, b"33 77\r\n")):
            made = api.call(node, "POST", f"/containers/{cid}/exec", asked)[1]["Id"]
            assert streamed(node, made, Tty=True, **size)[1] == seen
        made = api.call(node, "POST", f"/containers/{cid}/exec", asked)[1]["Id"]
        assert api.call(node, "POST", f"/exec/{made}/resize?h=40&w=101")[0] == 200
        assert streamed(node, made, Tty=True)[1] == b"40 101\r\n", "it was resized before it began"
    finally:
        node.docker("rm", "-f", cid)


def test_resize_of_execs(node):
    cid = node.docker("run", "-d", HELLO, "sleep", "1000").stdout.strip()

    def resized(made):
        status, reply = api.call(node, "POST", f"/exec/{made}/resize?h=40&w=50")
        return status, (reply or {}).get("message", "")

    def made(*command, **asked):
        return api.call(node, "POST", f"/containers/{cid}/exec", {"Cmd": command, **asked})[1]["Id"]

    try:
        plain, short, wrong = made("sleep", "1000"), made("true"), made("/nowhere")
        assert api.call(node, "POST", f"/exec/{plain}/start", {"Detach": True})[0] == 200
        assert resized(plain) == (200, ""), "it has no terminal"
        assert api.call(node, "POST", f"/exec/{short}/start", {"Detach": True})[0] == 200
        assert eventually(lambda: not api.call(node, "GET", f"/exec/{short}/json")[1]["Running"])
        assert resized(short) == (404, f"the process of exec {short} does not exist any more")
        assert api.call(node, "POST", f"/exec/{wrong}/start", {"Detach": True})[0] == 400
        assert resized(wrong) == (400, "exec process is not started")
        assert resized("0" * 64) == (404, f"No such exec instance: {'0' * 64}")
        node.docker("pause", cid)
        assert resized(plain) == (409, f"Container {cid} is paused, unpause the container before exec")
    finally:
        node.docker("rm", "-f", cid)


def test_execs_of_a_container_that_ends(node):
    """One that was not started is forgotten with the end, another one's code and process are known yet."""
    cid = node.docker("run", "-d", "--name", "ending", "--stop-timeout", "0", HELLO, "sleep", "1000").stdout.strip()

    def made():
        return api.call(node, "POST", "/containers/ending/exec", {"Cmd": ["sh", "-c", "exit 4"]})[1]["Id"]

    def start(exec_id):
        status, reply = api.call(node, "POST", f"/exec/{exec_id}/start", {"Detach": True})
        return status, (reply or {}).get("message", "")

    def over(exec_id):
        seen = api.call(node, "GET", f"/exec/{exec_id}/json")[1]
        return not seen["Running"] and seen["ExitCode"] == 4 and seen["Pid"] > 1

    try:
        short, late = made(), made()
        assert start(short) == (200, "")
        assert eventually(lambda: over(short))
        node.docker("stop", "ending")
        assert start(late) == (404, f"No such exec instance: {late}")
        assert start(short) == (409, f"container {cid} is not running")
        status, reply = api.call(node, "POST", "/containers/ending/exec", {"Cmd": ["true"]})
        assert (status, reply["message"]) == (409, f"container {cid} is not running")
        node.docker("start", "ending")
        assert start(late) == (404, f"No such exec instance: {late}")
        assert start(short) == (409, f"exec command {short} has already run")
        assert over(short)
        late = made()
        node.docker("pause", "ending")
        assert start(late) == (409, f"Container {cid} is paused, unpause the container before exec")
        for name in ("ending", cid[:12]):
            status, reply = api.call(node, "POST", f"/containers/{name}/exec", {"Cmd": ["true"]})
            assert (status, reply["message"]) == (409, f"Container {name} is paused, unpause the container before exec")
        node.docker("unpause", "ending")
        assert start(late) == (200, "")
        status, reply = api.call(node, "POST", "/containers/ending/exec", {"Cmd": ["true"], "DetachKeys": "ctrl-A,a"})
        assert (status, reply["message"]) == (400, "Invalid escape keys (ctrl-A,a) provided")
    finally:
        node.docker("rm", "-f", cid)


def test_an_attach_that_is_refused(node):
    """Where a stream was wanted, a line of text comes, as with Docker."""
    cid = node.docker("create", HELLO, "true").stdout.strip()
    try:
        for version in ("1.51", "1.24"):
            for name, keys, status, words in (
                ("nobody", "", 404, b"No such container: nobody\r\n"),
                (cid, "ctrl-A,a", 400, b"Invalid detach keys (ctrl-A,a) provided\r\n"),
            ):
                assert api.call(node, "POST", f"/containers/{name}/attach?stream=1&detachKeys={keys}", version=version) == (status, words)
        node.docker("rm", cid)
        cid = node.docker("run", "-d", HELLO, "sleep", "1000").stdout.strip()
        node.docker("pause", cid)
        words = f"container {cid[:12]} is paused, unpause the container before attach\r\n"
        assert api.call(node, "POST", f"/containers/{cid[:12]}/attach?stream=1") == (409, words.encode())
    finally:
        node.docker("rm", "-f", cid)
