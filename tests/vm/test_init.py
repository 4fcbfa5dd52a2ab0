# SPDX-License-Identifier: Apache-2.0
"""PID 1 on a machine: what a PID namespace cannot show (init/init_test.c has the rest)."""

import re

import pytest

from support.node import eventually, qemu_node


@pytest.fixture
def own(make_node):
    """A node of the test's own, to be switched off or left changed."""
    node = make_node()
    node.boot()
    return node


def service(node, name):
    """What init says of one service: its line's words."""
    for line in node.ssh("wherryctl services").splitlines():
        if line.split()[0] == name:
            return line.split()
    raise AssertionError(f"no service {name}")


def keys(node, *names):
    monitor = qemu_node.Qmp(node.state)
    monitor.command("send-key", keys=[{"type": "qcode", "data": name} for name in names])
    monitor.close()


def test_says_what_it_is_and_what_is_up(node):
    status = node.ssh("wherryctl status")
    assert re.search(r"^state +up$", status, re.M), status
    assert re.search(r"^address +eth0 10\.", status, re.M), status
    console = node.console()
    assert "Wherry" in console
    assert re.search(r"wherry: up after \d+\.\d s", console)
    assert node.ssh("cat /proc/1/comm").strip() == "init"


def test_without_a_cluster_none_of_its_services_runs(node):
    for name in ("cluster", "cluster-network", "agent"):
        assert "skipped" in service(node, name)
    assert "/sbin/cluster" not in node.ssh("cat /proc/[0-9]*/cmdline | tr '\\0' '\\n'").splitlines()


def test_no_process_in_an_inner_cgroup(node):
    # the engine's own go with the last that lies in them
    used = node.ssh("cd /sys/fs/cgroup; ls -d docker pods 2>/dev/null || true").split()
    for group in (".", "services", *used):
        if group != ".":  # where the kernel's own threads are
            assert node.ssh(f"cat /sys/fs/cgroup/{group}/cgroup.procs") == ""
        on = set(node.ssh(f"cat /sys/fs/cgroup/{group}/cgroup.subtree_control").split())
        assert {"cpuset", "cpu", "io", "memory", "pids"} <= on
    assert node.ssh("cat /sys/fs/cgroup/init/cgroup.procs").split() == ["1"]
    total = sum(int(n) for n in node.ssh("cat /sys/fs/cgroup/services/*/memory.min").split())
    assert int(node.ssh("cat /sys/fs/cgroup/services/memory.min")) == total > 0


def test_a_small_machine_keeps_room_for_others(make_node, alone):
    """What is promised to services is not taken from them, though they could read it again: a container would find nothing."""
    small = make_node(memory=64, extra=alone)
    small.boot()
    total = int(re.search(r"MemTotal: +(\d+) kB", small.ssh("cat /proc/meminfo"))[1]) * 1024
    assert 0 < int(small.ssh("cat /sys/fs/cgroup/services/memory.min")) <= total // 8
    assert small.docker("run", "--rm", "wherry/hello", "echo", "alive").stdout == "alive\n"
    assert "Out of memory" not in small.console()


def test_what_a_service_leaves_behind_goes_with_it(node):
    """`time` starts a child; killed, the child must not outlive it."""
    group = "/sys/fs/cgroup/services/time/cgroup.procs"
    node.ssh(f"sleep 1000 & echo $! > {group}")
    before = node.ssh(f"cat {group}").split()
    main = service(node, "time")[service(node, "time").index("pid") + 1]
    assert len(before) > 1
    node.ssh(f"kill -9 {main}")
    assert eventually(lambda: not set(before) & set(node.ssh(f"cat {group}").split()), 10)
    assert eventually(lambda: service(node, "time")[1] == "up", 10)


def test_logger_killed_loses_nothing(node):
    node.ssh("kill -9 $(cat /sys/fs/cgroup/services/log/cgroup.procs); wherryctl restart time")
    assert eventually(lambda: service(node, "log")[1] == "up", 10)
    assert eventually(lambda: service(node, "time")[1] == "up", 10)
    assert re.search(r"svc=time state=up.*\n(.*\n)*.*svc=log state=backoff(.*\n)*.*svc=time state=up", node.ssh("wherryctl logs init"))
    kernel = node.ssh("wherryctl logs kernel")
    assert kernel.count("Linux version") == 1  # nothing twice, nothing lost
    assert node.ssh("ls /run/log").split() == ["kernel.seq"]
    assert "time" in node.ssh("ls /data/log").split()


def test_logs_follow(node):
    follower = node.ssh("wherryctl logs -f time >/tmp/followed 2>/dev/null </dev/null & echo $!").strip()
    followed = lambda: node.ssh("cat /tmp/followed")  # noqa: E731
    try:
        assert eventually(lambda: "level=info" in followed() and followed() == node.ssh("wherryctl logs time"))
        before = followed().count("level=info")
        node.ssh("wherryctl restart time")
        assert eventually(lambda: followed().count("level=info") > before), followed()
        seen = followed()
        assert seen == node.ssh("wherryctl logs time")[: len(seen)]
    finally:
        node.ssh(f"kill {follower}")


def test_stop_and_start(node):
    node.ssh("wherryctl stop time")
    assert eventually(lambda: service(node, "time")[1] == "off", 15)
    node.ssh("wherryctl start time")
    assert eventually(lambda: service(node, "time")[1] == "up", 15)
    done = node.ssh("wherryctl start nothing", check=False)
    assert done.returncode == 1 and "no such service: nothing" in done.stderr
    assert node.ssh("wherryctl logs ../../etc/passwd", check=False).returncode == 2


def test_only_root_may_ask(node):
    assert node.ssh("ls -l /run/init/control").startswith("srw-------")


def test_power_button(own):
    own.stop(60)
    console = own.console()
    assert "power button" in console and "shutdown: power off now" in console
    assert "still in use" not in console
    own.boot()
    assert re.search(r"op=shutdown how=poweroff", own.ssh("wherryctl logs init"))
    assert "recover" not in own.ssh("wherryctl logs kernel")  # the journal had nothing to replay


def test_ctrl_alt_del(own):
    boot_id = own.ssh("cat /proc/sys/kernel/random/boot_id")
    keys(own, "ctrl", "alt", "delete")
    assert eventually(lambda: "shutdown: restart now" in own.console(), 60)

    def again():
        done = own.ssh("cat /proc/sys/kernel/random/boot_id", check=False)
        return done.returncode == 0 and done.stdout != boot_id

    assert eventually(again, 120, 1)


def test_watchdog_is_armed(node):
    assert re.search(r"^watchdog armed$", node.ssh("wherryctl status", check=False).stdout, re.M)
    assert node.ssh("cat /sys/class/watchdog/watchdog0/state").strip() == "active"
    assert int(node.ssh("cat /sys/class/watchdog/watchdog0/timeout")) <= 60


def test_seed_is_replaced_on_each_boot(own):
    first = own.ssh("cat /state/random-seed | sha256sum")
    assert "from=none" in own.ssh("wherryctl logs seed")
    own.stop()
    own.boot()
    assert own.ssh("cat /state/random-seed | sha256sum") != first
    assert "from=last-boot" in own.ssh("wherryctl logs seed")


def test_a_flood_of_output_is_bounded(node):
    pid = service(node, "time")[service(node, "time").index("pid") + 1]
    node.ssh(f"i=0; while [ $i -lt 120 ]; do dd if=/dev/zero bs=8k count=1 2>/dev/null | tr '\\0' x | fold -w 80; i=$((i+1)); done "
             f"> /proc/{pid}/fd/1; (echo; echo the end) > /proc/{pid}/fd/1", timeout=120)  # fmt: skip
    assert eventually(lambda: "Z the end\n" in node.ssh("tail -n 20 /data/log/time"), 30)
    sizes = [int(n) for n in node.ssh("stat -c %s /data/log/time /data/log/time.1").split()]
    assert max(sizes) <= 512 * 1024 and sum(sizes) > 512 * 1024
    assert service(node, "log")[1] == "up"


def test_a_stopped_init_is_reset_by_the_watchdog(own):
    """Hardware's watchdog, not the kernel's timer; nothing but its reset brings this node back."""
    assert own.ssh("cat /sys/class/watchdog/watchdog*/identity /dev/null | grep -c i6300").strip() == "1"
    armed = own.ssh("for w in /sys/class/watchdog/watchdog*; do echo $(cat $w/state) $(cat $w/identity); done")
    assert re.search(r"^active i6300", armed, re.M), armed
    boots = own.console().count("config: done")
    own.ssh("echo 1 >/sys/fs/cgroup/init/cgroup.freeze", check=False)
    assert eventually(lambda: own.console().count("config: done") > boots, 150, 1)
    own.wait_engine(120)
    assert "shutdown:" not in own.console()


def clock(node):
    return int(node.ssh("date +%s"))


def test_the_clock_never_runs_behind_what_was_seen(make_node):
    """A dead battery: the RTC says 2001. The first boot knows when the image was made, later ones when the last ended."""
    node = make_node(extra=["--qemu", "-rtc base=2001-01-01T00:00:00"])
    node.boot()
    built = int(node.ssh("date -r /etc/os-release +%s 2>/dev/null || echo 0"))
    first = clock(node)
    assert first > 1577836800  # 2020
    assert first >= built
    later = first + 10_000_000
    node.ssh(f"date -s @{later}")
    node.stop()
    node.boot()
    assert later <= clock(node) < later + 3600
    assert "the clock was behind" in node.ssh("wherryctl logs time")
