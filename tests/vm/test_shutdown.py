# SPDX-License-Identifier: Apache-2.0
"""The way down: containers stop by their own signal and in their own time, how they ended is kept, and policy brings
back those that are to come back. A plain restart of the engine does none of that."""

import json
import subprocess

import pytest

from support.node import eventually

PATIENT = ("--stop-timeout", "60")


def started(node, name, program, *options):
    node.docker("run", "-d", "--name", name, "-v", "vol:/v", *options, "wherry/hello", "sh", "-c", program)
    assert eventually(lambda: f"{name} is up" in node.docker("logs", name).stdout, 30), name


def on_signal(name, signal, code, before=":"):
    """A program that takes its time to save something, as a database does, and ends with a code of its own."""
    return (f"trap '{before}; sleep 1; echo {name} >>/v/saved; exit {code}' {signal}; "
            f"echo {name} is up; echo {name} >>/v/starts; while :; do sleep 0.2; done")  # fmt: skip


def inspect(node, name, what):
    return node.docker("inspect", "-f", "{{." + what + "}}", name).stdout.strip()


def seen(node, file):
    return node.docker("run", "--rm", "-v", "vol:/v", "wherry/hello", "cat", f"/v/{file}").stdout.split()


@pytest.mark.parametrize("how", ["reboot", "power button"])
def test_containers_end_gracefully_with_the_machine(make_node, how):
    node = make_node()
    node.boot()
    # The database knows SIGINT alone; its sidecar lives in its network and must have ended before it is asked.
    started(node, "db", on_signal("db", "INT", 0), "--restart", "unless-stopped", "--stop-signal", "INT", "--stop-timeout", "60")
    started(node, "sidecar", on_signal("sidecar", "TERM", 3, before="sleep 2"), "--network", "container:db", "--stop-timeout", "30")
    started(node, "job", on_signal("job", "TERM", 41), *PATIENT)
    started(node, "always", on_signal("always", "TERM", 0), *PATIENT, "--restart", "always")
    started(node, "retried", on_signal("retried", "TERM", 5), *PATIENT, "--restart", "on-failure:3")
    started(node, "deaf", "trap '' TERM; echo deaf is up; while :; do sleep 0.2; done", "--stop-timeout", "1")
    started(node, "paused", on_signal("paused", "TERM", 6), *PATIENT)
    started(node, "over", on_signal("over", "TERM", 9), *PATIENT, "--restart", "unless-stopped")
    started(node, "gone", on_signal("gone", "TERM", 0), *PATIENT, "--rm")
    node.docker("pause", "paused")
    node.docker("stop", "over")

    if how == "reboot":
        boot_id = node.ssh("cat /proc/sys/kernel/random/boot_id")
        node.ssh("wherryctl reboot", check=False)

        def again():
            done = node.ssh("cat /proc/sys/kernel/random/boot_id", check=False)
            return done.returncode == 0 and done.stdout != boot_id

        assert eventually(again, 180, 1)
        node.wait_engine()
    else:
        node.stop()
        node.boot()

    codes = {name: (inspect(node, name, "State.Status"), inspect(node, name, "State.ExitCode")) for name in
             ("sidecar", "job", "deaf", "paused", "over")}  # fmt: skip
    assert codes == {"sidecar": ("exited", "3"), "job": ("exited", "41"), "deaf": ("exited", "137"),
                     "paused": ("exited", "6"), "over": ("exited", "9")}  # fmt: skip
    assert inspect(node, "job", "State.Error") == ""
    assert inspect(node, "job", "State.StartedAt") < inspect(node, "job", "State.FinishedAt")
    for name in ("db", "always", "retried"):
        assert eventually(lambda name=name: inspect(node, name, "State.Running") == "true", 60), name
    assert node.docker("inspect", "gone", check=False).returncode != 0
    saved = seen(node, "saved")
    assert sorted(saved) == sorted(["db", "sidecar", "job", "always", "retried", "paused", "over", "gone"])
    assert saved.index("sidecar") < saved.index("db")
    assert eventually(lambda: [seen(node, "starts").count(n) for n in ("db", "always", "retried", "job", "over")] == [2, 2, 2, 1, 1], 30)
    assert "still in use" not in node.console()


def test_nothing_is_started_on_the_way_down(make_node):
    node = make_node()
    node.boot()
    started(node, "slow", on_signal("slow", "TERM", 0, before="echo told; sleep 20"), "--stop-timeout", "40")
    node.docker("create", "--name", "late", "wherry/hello", "true")
    node.ssh("wherryctl poweroff", check=False)  # sshd ends at once
    assert eventually(lambda: "told" in node.docker("logs", "slow").stdout, 60)  # by an engine that goes down
    done = node.docker("start", "late", check=False)
    assert done.returncode != 0 and "the node is going down" in done.stderr, done.stderr
    assert node.docker("inspect", "-f", "{{.State.Status}}", "slow").stdout.strip() == "running"
    assert eventually(lambda: not node.running(), 120, 1)
    node.boot()
    assert seen(node, "saved") == ["slow"]
    assert inspect(node, "late", "State.Status") == "created"


def test_those_that_use_each_other_end_gracefully(make_node):
    """One joins a name that another container has by now, which joins it: neither waits for the other until the limit."""
    node = make_node()
    node.boot()
    node.docker("create", "--name", "one", "-v", "vol:/v", "--network", "container:two", *PATIENT,
                "wherry/hello", "sh", "-c", on_signal("one", "TERM", 41))  # fmt: skip
    node.docker("run", "-d", "--name", "two", "wherry/hello", "sleep", "1000")
    node.docker("start", "one")
    assert eventually(lambda: "one is up" in node.docker("logs", "one").stdout, 30)
    node.docker("rm", "-f", "two")
    started(node, "two", on_signal("two", "TERM", 42), "--network", "container:one", *PATIENT)
    node.stop()
    node.boot()
    assert [inspect(node, name, "State.ExitCode") for name in ("one", "two")] == ["41", "42"]
    assert sorted(seen(node, "saved")) == ["one", "two"]


def test_exits_are_kept_when_the_machine_goes_down_without_an_engine(make_node):
    """Init sees them end and writes down how; the engine of the next boot takes it up, once."""
    node = make_node()
    node.boot()
    started(node, "job", on_signal("job", "TERM", 41))
    started(node, "early", on_signal("early", "TERM", 42))
    started(node, "deaf", "trap '' TERM; echo deaf is up; while :; do sleep 0.2; done")
    started(node, "again", on_signal("again", "TERM", 5), "--restart", "on-failure")
    node.ssh("wherryctl stop engine; for p in $(cat /sys/fs/cgroup/docker/*/cgroup.procs); do "
             "grep -q early /proc/$p/cmdline && kill -TERM $p; done; true")  # fmt: skip
    node.stop()
    node.boot()
    codes = {name: inspect(node, name, "State.ExitCode") for name in ("job", "early", "deaf")}
    assert codes == {"job": "41", "early": "42", "deaf": "137"}
    assert inspect(node, "job", "State.Error") == ""
    assert inspect(node, "job", "State.StartedAt") < inspect(node, "job", "State.FinishedAt")
    assert eventually(lambda: inspect(node, "again", "State.Running") == "true", 60)
    assert inspect(node, "again", "RestartCount") == "1"
    assert sorted(seen(node, "saved")) == ["again", "early", "job"]
    assert node.ssh("test -e /state/exits", check=False).returncode == 1
    # A cut of the power leaves nothing to take up: nobody knows, and it says so.
    node.docker("start", "job")
    node.ssh("sync")
    node.cut_power()
    node.boot()
    assert inspect(node, "job", "State.ExitCode") == "255"
    assert inspect(node, "job", "State.Error") == "the node was restarted while the container ran"


def test_a_restart_of_the_engine_touches_no_container(node):
    node.docker("run", "-d", "--name", "on", "wherry/hello", "sh", "-c", "trap 'exit 1' TERM INT PWR; while :; do sleep 0.2; done")
    try:
        pid = inspect(node, "on", "State.Pid")
        node.ssh("wherryctl restart engine")
        node.wait_engine()
        assert (inspect(node, "on", "State.Pid"), inspect(node, "on", "State.Running")) == (pid, "true")
    finally:
        node.docker("rm", "-f", "on")


def test_an_exec_with_streams_ends_with_the_engine(node):
    """Its client fails, and its process is not left without anybody; a detached one goes on."""
    node.docker("run", "-d", "--name", "on", "wherry/hello", "sleep", "1000")
    client = None
    try:
        node.docker("exec", "-d", "on", "sleep", "2000")
        client = node.docker_popen("exec", "-i", "on", "sh", "-c", "echo up; exec sleep 3000", stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip
        assert client.stdout.readline() == "up\n"
        ids = json.loads(node.docker("inspect", "-f", "{{json .ExecIDs}}", "on").stdout)
        node.ssh("kill -9 $(pidof engine)")
        client.communicate(timeout=60)
        node.wait_engine()
        # 255: nobody answered when it asked for the code; 137: the next engine did.
        assert client.returncode in (255, 137)
        over = [node.api("GET", f"/exec/{i}/json")[1] for i in ids]
        assert sorted((x["Running"], x["ExitCode"]) for x in over) == [(False, 137), (True, None)]
        assert "sleep 2000" in node.docker("top", "on").stdout
        assert eventually(lambda: "sleep 3000" not in node.docker("top", "on").stdout, 30)
    finally:
        if client:
            client.kill()
        node.wait_engine()
        node.docker("rm", "-f", "on")
