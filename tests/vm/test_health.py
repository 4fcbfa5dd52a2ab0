# SPDX-License-Identifier: Apache-2.0
"""Health checks as docker shows them, through an engine that dies meanwhile, and the restart that is ours."""

import json

import pytest

from support.node import eventually

FAST = ("--health-interval", "1s", "--health-retries", "2", "--health-timeout", "20s")


@pytest.fixture
def box(node):
    """run(*options, command): a container that is gone afterwards."""
    made = []

    def run(*args):
        made.append(node.docker("run", "-d", *args).stdout.strip())
        return made[-1]

    yield run
    if made:
        node.docker("rm", "-f", *made)


def health(node, cid):
    return json.loads(node.docker("inspect", "-f", "{{json .State.Health}}", cid).stdout)


def becomes(node, cid, status, timeout=60):
    return eventually(lambda: health(node, cid)["Status"] == status, timeout)


def test_healthy_unhealthy_and_back(node, box):
    check = "until [ -e /tmp/go ]; do sleep 0.2; done; test -e /tmp/ok || { echo not yet; exit 3; }"
    cid = box("--health-cmd", check, *FAST, "--health-timeout", "60s", "wherry/hello", "sleep", "1000")
    assert health(node, cid)["Status"] == "starting"
    assert "(health: starting)" in node.docker("ps", "--filter", f"id={cid}").stdout
    node.docker("exec", cid, "touch", "/tmp/go")
    assert becomes(node, cid, "unhealthy")
    seen = health(node, cid)
    assert seen["FailingStreak"] >= 2
    assert (seen["Log"][-1]["ExitCode"], seen["Log"][-1]["Output"]) == (3, "not yet\n")
    assert node.docker("ps", "-q", "--no-trunc", "--filter", "health=unhealthy").stdout.strip() == cid
    node.docker("exec", cid, "touch", "/tmp/ok")
    assert becomes(node, cid, "healthy")
    assert health(node, cid)["FailingStreak"] == 0
    assert "(healthy)" in node.docker("ps", "--filter", f"id={cid}").stdout
    assert len(health(node, cid)["Log"]) <= 5
    assert node.events("600s", f"container={cid}", "event=health_status") == ["health_status: unhealthy", "health_status: healthy"]


def test_a_check_that_hangs_fails(node, box):
    for check, said in [("echo slow; sleep 600", ": slow\n"), ("sleep 600", "")]:
        cid = box("--health-cmd", check, "--health-interval", "1s", "--health-retries", "1", "--health-timeout", "3s", "wherry/hello",
                  "sleep", "1000")  # fmt: skip
        assert becomes(node, cid, "unhealthy")
        last = health(node, cid)["Log"][0]
        # a slow machine may not have come to the echo
        assert last["ExitCode"] == -1 and last["Output"] in (f"Health check exceeded timeout (3s){said}", "Health check exceeded timeout (3s)")


def test_failures_while_it_starts_do_not_count(node, box):
    cid = box("--health-cmd", "false", "--health-interval", "1s", "--health-retries", "1", "--health-start-period", "1h",
              "--health-start-interval", "1s", "wherry/hello", "sleep", "1000")  # fmt: skip
    assert eventually(lambda: len(health(node, cid)["Log"]) >= 2, 60)
    assert (health(node, cid)["Status"], health(node, cid)["FailingStreak"]) == ("starting", 0)


def test_no_check_while_paused_and_none_after_the_end(node, box):
    cid = box("--health-cmd", "true", *FAST, "wherry/hello", "sleep", "1000")
    assert becomes(node, cid, "healthy")
    node.docker("pause", cid)
    assert "(Paused)" in node.docker("ps", "--filter", f"id={cid}").stdout
    before = health(node, cid)["Log"]
    assert not eventually(lambda: health(node, cid)["Log"] != before, 4)
    node.docker("unpause", cid)
    assert eventually(lambda: health(node, cid)["Log"] != before, 60)
    node.docker("kill", cid)
    node.docker("wait", cid)
    assert health(node, cid)["Status"] == "healthy"


def test_counting_goes_on_when_the_engine_comes_back(node, box):
    cid = box("--health-cmd", "test ! -e /tmp/bad", *FAST, "wherry/hello", "sleep", "1000")
    assert becomes(node, cid, "healthy")
    node.ssh("kill -9 $(pidof engine)")
    node.wait_engine()
    assert health(node, cid)["Status"] == "healthy"
    node.docker("exec", cid, "touch", "/tmp/bad")
    assert becomes(node, cid, "unhealthy")


def test_restart_on_unhealthy_is_a_label(node, box):
    options = ("--health-cmd", "test ! -e /bad", *FAST)
    plain = box(*options, "--init", "wherry/hello", "sleep", "1000")
    labelled = box(*options, "--init", "--label", "wherry.restart-unhealthy=true", "wherry/hello", "sh", "-c", "rm -f /bad; sleep 1000")
    first = {c: node.docker("inspect", "-f", "{{.State.StartedAt}}", c).stdout for c in (plain, labelled)}
    assert becomes(node, labelled, "healthy")
    for c in (plain, labelled):
        node.docker("exec", c, "touch", "/bad")
    assert becomes(node, plain, "unhealthy")
    assert eventually(lambda: node.docker("inspect", "-f", "{{.State.StartedAt}}", labelled).stdout != first[labelled], 60)
    assert becomes(node, labelled, "healthy")
    assert node.docker("inspect", "-f", "{{.State.StartedAt}}", plain).stdout == first[plain]


def test_none_switches_it_off_and_nonsense_is_refused(node, box):
    cid = box("--no-healthcheck", "wherry/hello", "sleep", "1000")
    assert health(node, cid) is None
    done = node.docker("create", "--health-cmd", "true", "--health-interval", "1us", "wherry/hello", check=False)
    assert done.returncode != 0 and "Interval in Healthcheck cannot be less than 1ms" in done.stderr
