# SPDX-License-Identifier: Apache-2.0
"""Everything above init may die at any moment: no container notices, no log line and no exit code is lost."""

import json
import random
import threading
import time

import pytest

from support.node import eventually

COUNTERS = 4

# A container that says every number once, on both streams, until it is told to end, and ends with a code of its own.
COUNTER = """i=0
while [ ! -e /told/stop ]; do
    echo $NAME $i
    [ $((i % 10)) = 0 ] && echo $NAME $i >&2
    i=$((i + 1))
    [ $((i % 20)) = 0 ] && sleep 0.3
done
echo $NAME ends after $i
exit $CODE"""

# One that is over soon, so that starts and exits fall into every moment of an engine's life and absence.
JOB = "echo $NAME begins; sleep 0.$WAIT; echo $NAME complains >&2; echo $NAME ends; exit $CODE"

# Kills the engine at a moment of the dice's: soon after it answers again, and every other time once it has created another
# container. Init starts it at once, not when its back-off is over. The counters are told to end while this goes on. It runs
# outside of sshd's control group, and nothing in it waits longer than a slow machine needs.
KILLER = """mkdir -p /sys/fs/cgroup/killer && echo $$ >/sys/fs/cgroup/killer/cgroup.procs
state() { set -- $(wherryctl services | grep "^engine "); state=$2 pid=0; while [ $# -gt 1 ]; do [ $1 = pid ] && pid=$2; shift; done; }
made() { ls /data/engine/containers | wc -l; }
n=0
for pause in PAUSES; do
    before=$(made) rounds=0
    while [ $((n % 2)) = 1 ] && [ $(made) = $before ] && [ $rounds -lt 300 ]; do
        sleep 0.1
        rounds=$((rounds + 1))
    done
    sleep $pause
    state
    kill -9 $pid && n=$((n + 1))
    [ $n = STOP_AT ] && touch /run/told/stop
    old=$pid
    while state; [ $state != up ] || [ $pid = $old ]; do
        wherryctl start engine >/dev/null
        sleep 0.1
    done
done
echo $n >/run/told/killed"""


class Jobs(threading.Thread):
    """Starts one short container after the other, whatever becomes of the engine, and keeps what the client was told."""

    def __init__(self, node, letter, over):
        super().__init__()
        self.node, self.letter, self.over, self.told = node, letter, over, {}

    def run(self):
        while not self.over.is_set():
            n = len(self.told)
            name = f"{self.letter}{n}"
            env = ["-e", f"NAME={name}", "-e", f"WAIT={n % 7}", "-e", f"CODE={3 + n % 100}"]
            done = self.node.docker("run", "-d", "--name", name, *env, "wherry/hello", "sh", "-c", JOB, check=False)
            self.told[name] = (done.returncode == 0, 3 + n % 100)
            if done.returncode:
                time.sleep(0.4)


def ended(node):
    """What the engine says of every container, once all have come to rest."""
    def look():
        ids = node.docker("ps", "-aq", "--no-trunc").stdout.split()
        seen = json.loads(node.docker("inspect", *ids).stdout)
        moving = [c["Name"] for c in seen if c["State"]["Status"] not in ("exited", "created")]
        return None if moving else {c["Name"].lstrip("/"): c for c in seen}

    return eventually(look, 60, 1)


@pytest.mark.parametrize("kills", [15, pytest.param(100, marks=pytest.mark.long)])
def test_engine_killed_under_load_loses_nothing(make_node, kills):
    node = make_node(cpus=2)
    node.boot()
    node.ssh("mkdir /run/told")
    counters = {f"c{i}": 200 + i for i in range(COUNTERS)}
    for name, code in counters.items():
        node.docker("run", "-d", "--name", name, "-v", "/run/told:/told:ro", "-e", f"NAME={name}", "-e", f"CODE={code}",
                    "wherry/hello", "sh", "-c", COUNTER)  # fmt: skip
    pids = {name: node.docker("inspect", "-f", "{{.State.Pid}} {{.State.StartedAt}}", name).stdout for name in counters}

    # As long as starting a container takes here and now.
    began = time.monotonic()
    node.docker("run", "-d", "--name", "first", "wherry/hello", "true")
    one_run = time.monotonic() - began

    over = threading.Event()
    jobs = [Jobs(node, letter, over) for letter in "jk"]
    for one in jobs:
        one.start()
    dice = random.Random(1)
    pauses = [dice.random() * (3 * one_run if n % 2 else 0.3) for n in range(kills)]
    killer = KILLER.replace("PAUSES", " ".join(f"{pause:.2f}" for pause in pauses)).replace("STOP_AT", str(kills - 5))
    node.ssh("cat >/run/told/killer; nohup sh /run/told/killer >/run/told/killer.log 2>&1 </dev/null &", input=killer)
    try:
        done = eventually(lambda: node.ssh("cat /run/told/killed", check=False).stdout.strip(), 1500, 2)
    finally:
        over.set()
        for one in jobs:
            one.join()
    assert done == str(kills), node.ssh("cat /run/told/killer.log; wherryctl services")
    node.wait_engine()

    seen = ended(node)
    assert seen, node.docker("ps", "-a").stdout
    for name, code in counters.items():
        assert seen[name]["State"]["ExitCode"] == code, seen[name]["State"]
        assert seen[name]["RestartCount"] == 0 and pids[name].split()[1] == seen[name]["State"]["StartedAt"]
        logs = node.docker("logs", name)
        lines = int(logs.stdout.split()[-1])
        assert logs.stdout.splitlines() == [*(f"{name} {i}" for i in range(lines)), f"{name} ends after {lines}"]
        assert logs.stderr.splitlines() == [f"{name} {i}" for i in range(0, lines, 10)]
        assert lines > 500
    told = {name: result for one in jobs for name, result in one.told.items()}
    ran = 0
    for name, (started, code) in told.items():
        state = seen.get(name, {"State": {"Status": "absent"}})["State"]
        if state["Status"] != "exited":
            assert not started, f"{name}: the client was told it had started, and it is {state['Status']}"
            continue
        logs = node.docker("logs", name)
        assert (state["ExitCode"], logs.stdout, logs.stderr) == (code, f"{name} begins\n{name} ends\n", f"{name} complains\n"), (
            name, state, logs.stdout, logs.stderr)  # fmt: skip
        ran += 1
    assert ran >= kills / 10, f"{ran} of {len(told)} ran: that is no load"
    node.docker("rm", *seen)
    assert node.ssh("ls /sys/fs/cgroup/docker | grep -c '^[0-9a-f]\\{64\\}' || true").strip() == "0"
    assert node.ssh("wherryctl store container/") == ""


def test_exit_while_the_engine_is_down(make_node):
    node = make_node(cpus=2)
    node.boot()
    node.docker("run", "-d", "--name", "late", "wherry/hello", "sh", "-c", "sleep 2; echo last words; exit 9")
    node.ssh("wherryctl stop engine")
    time.sleep(4)
    node.ssh("wherryctl start engine")
    node.wait_engine()
    assert node.docker("wait", "late").stdout.strip() == "9"
    assert node.docker("logs", "late").stdout == "last words\n"


def test_init_survives_every_service_dying_at_once(make_node):
    node = make_node(cpus=2)
    node.boot()
    node.docker("run", "-d", "--name", "on", "wherry/hello", "sh", "-c", "while :; do sleep 1; done")
    pid = node.docker("inspect", "-f", "{{.State.Pid}}", "on").stdout
    engine = node.ssh("pidof engine")
    # The killer leaves sshd's cgroup, or it would die halfway.
    node.ssh("mkdir /sys/fs/cgroup/killer; nohup sh -c 'echo $$ >/sys/fs/cgroup/killer/cgroup.procs; sleep 1; "
             "for f in /sys/fs/cgroup/services/*/cgroup.procs; do kill -9 $(cat $f); done; touch /run/killed' >/dev/null 2>&1 &")  # fmt: skip

    def another():
        done = node.ssh("test -e /run/killed && pidof engine", check=False)
        return done.returncode == 0 and done.stdout.strip() != engine.strip()

    assert eventually(another, 120)
    node.wait_engine(120)
    assert node.docker("inspect", "-f", "{{.State.Pid}}", "on").stdout == pid
    assert eventually(lambda: node.ssh("wherryctl status", check=False).returncode == 0, 60)
    assert node.running()


def test_reboot_keeps_what_it_should(make_node):
    node = make_node(cpus=2)
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
