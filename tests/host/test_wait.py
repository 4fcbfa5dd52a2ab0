# SPDX-License-Identifier: Apache-2.0
"""When qemu/run asks a node that is not there yet whether it is; what it tells QEMU of the processors."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "qemu"))
import machine  # noqa: E402
import node  # noqa: E402


class Clock:
    """A clock that goes on only when somebody sleeps."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(node.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(node.time, "sleep", self.sleep)

    def sleep(self, seconds):
        self.now += seconds


def test_nobody_is_asked_too_early(monkeypatch):
    """The question comes when the console has told that it may, and at once then."""
    clock, asked = Clock(monkeypatch), []
    assert node.wait_for(lambda: asked.append(clock.now), 60, lambda: True, lambda: clock.now >= 107) is None
    assert len(asked) == 1 and 107 <= asked[0] < 107.2


def test_a_console_may_be_silent(monkeypatch):
    """Then the question is put every ten seconds."""
    clock, asked = Clock(monkeypatch), []

    def ask():
        asked.append(clock.now)
        return "not yet"

    assert node.wait_for(ask, 60, lambda: True, lambda: False) == "no answer within 60 s: not yet"
    assert [round(moment) for moment in asked] == [110, 120, 130, 140, 150]


def test_what_the_console_says(tmp_path):
    assert not node.says_up(tmp_path, "engine")
    (tmp_path / "console.log").write_bytes(b"\x1b[2Jlog: up (3 ms)\r\nengine: FAILED: engine: up\r\n")
    assert not node.says_up(tmp_path, "engine")
    (tmp_path / "console.log").write_bytes(b"log: up (3 ms)\r\nengine: up (958 ms)\r\n")
    assert node.says_up(tmp_path, "engine") and not node.says_up(tmp_path, "eng")


def test_a_dead_machine_is_not_waited_for():
    assert node.wait_for(lambda: "not yet", 60, lambda: False) == "QEMU ended"


@pytest.mark.parametrize("version, accel, cpus, expected", [
    ("QEMU emulator version 7.2.22 (Debian 1:7.2)", "tcg", 2, "tcg,thread=single"),
    ("QEMU emulator version 7.2.22 (Debian 1:7.2)", "tcg", 1, "tcg"),
    ("QEMU emulator version 7.2.22 (Debian 1:7.2)", "kvm", 2, "kvm"),
    ("QEMU emulator version 8.1.0", "tcg", 2, "tcg"),
    ("QEMU emulator version 10.0.3 (Debian 1:10.0.3)", "tcg", 4, "tcg"),
])  # fmt: skip
def test_processors_have_turns_where_the_emulator_needs_it(tmp_path, monkeypatch, version, accel, cpus, expected):
    emulator = tmp_path / "emulator"
    emulator.write_text(f"#!/bin/sh\necho '{version}'\n")
    emulator.chmod(0o755)
    monkeypatch.setitem(machine.ARCHES["x86_64"], "binary", str(emulator))
    assert machine.accel_words("x86_64", accel, cpus)[:2] == ["-accel", expected]
