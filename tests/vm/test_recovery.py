# SPDX-License-Identifier: Apache-2.0
"""Everything above init may die at any moment: no container notices, no log line and no exit code is lost."""

import random
import time

import pytest

from support.node import eventually

COUNTERS = 4
LINES = 6000


def kill_engine(node):
    node.ssh("kill -9 $(pidof engine)")


def numbered(name):
    """A container that says every number once, on both streams, and ends with a code of its own."""
    script = f"i=0; while [ $i -lt {LINES} ]; do echo {name} $i; [ $((i % 10)) = 0 ] && echo {name} $i >&2; i=$((i+1)); [ $((i % 50)) = 0 ] && sleep 0.2; done; exit 23"
    return ["sh", "-c", script]


@pytest.mark.long
def test_engine_killed_100_times_loses_nothing(make_node):
    node = make_node()
    node.boot()
    names = [f"c{i}" for i in range(COUNTERS)]
    for name in names:
        node.docker("run", "-d", "--name", name, "wherry/hello", *numbered(name))
    pids = node.ssh("cat /sys/fs/cgroup/docker/*/cgroup.procs | sort")
    dice = random.Random(1)
    for turn in range(100):
        kill_engine(node)
        node.wait_engine()
        if turn % 20 == 0:  # work in flight while it dies
            node.docker_popen("run", "--rm", "wherry/hello", "true").wait(60)
        time.sleep(dice.random() * 0.1)
    assert set(pids.split()) - set(node.ssh("cat /sys/fs/cgroup/docker/*/cgroup.procs | sort").split()) == set() or all(
        node.docker("inspect", "-f", "{{.State.Status}}", name).stdout.strip() in ("running", "exited") for name in names
    )
    for name in names:
        assert node.docker("wait", name, timeout=400).stdout.strip() == "23"
        logs = node.docker("logs", name)
        assert logs.stdout.splitlines() == [f"{name} {i}" for i in range(LINES)]
        assert logs.stderr.splitlines() == [f"{name} {i}" for i in range(0, LINES, 10)]
    node.docker("rm", *names)
    assert node.ssh("ls /sys/fs/cgroup/docker | grep -c '^[0-9a-f]\\{64\\}' || true").strip() == "0"


def test_exit_while_the_engine_is_down(make_node):
    node = make_node()
    node.boot()
    node.docker("run", "-d", "--name", "late", "wherry/hello", "sh", "-c", "sleep 2; echo last words; exit 9")
    node.ssh("wherryctl stop engine")
    time.sleep(4)
    node.ssh("wherryctl start engine")
    node.wait_engine()
    assert node.docker("wait", "late").stdout.strip() == "9"
    assert node.docker("logs", "late").stdout == "last words\n"


def test_init_survives_every_service_dying_at_once(make_node):
    node = make_node()
    node.boot()
    node.docker("run", "-d", "--name", "on", "wherry/hello", "sh", "-c", "while :; do sleep 1; done")
    pid = node.docker("inspect", "-f", "{{.State.Pid}}", "on").stdout
    # The killer leaves sshd's cgroup, or it would die halfway.
    node.ssh("mkdir /sys/fs/cgroup/killer; nohup sh -c 'echo $$ >/sys/fs/cgroup/killer/cgroup.procs; sleep 1; for f in /sys/fs/cgroup/services/*/cgroup.procs; do kill -9 $(cat $f); done' >/dev/null 2>&1 &")
    time.sleep(2)
    node.wait_engine(120)
    assert node.docker("inspect", "-f", "{{.State.Pid}}", "on").stdout == pid
    assert eventually(lambda: node.ssh("wherryctl status", check=False).returncode == 0, 60)
    assert node.running()


def test_reboot_keeps_what_it_should(make_node):
    node = make_node()
    node.boot()
    node.docker("run", "-d", "--restart", "always", "--name", "keep", "-v", "vol:/v", "wherry/hello", "sh", "-c", "echo x >> /v/f; sleep 1000")
    node.docker("run", "-d", "--name", "once", "wherry/hello", "sleep", "1000")
    machine_id = node.ssh("cat /state/machine-id")
    node.stop()
    node.boot()
    assert node.ssh("cat /state/machine-id") == machine_id
    assert eventually(lambda: node.docker("inspect", "-f", "{{.State.Running}}", "keep").stdout.strip() == "true", 30)
    assert node.docker("inspect", "-f", "{{.State.Running}}", "once").stdout.strip() == "false"
    assert node.docker("run", "--rm", "-v", "vol:/v", "wherry/hello", "cat", "/v/f").stdout == "x\nx\n"
