# SPDX-License-Identifier: Apache-2.0
"""qemu/run waits for a node that is not there yet, and for one that is slow; what it tells QEMU of the processors."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "qemu"))
import machine  # noqa: E402
import node  # noqa: E402


def test_patience_grows(monkeypatch):
    """A question that goes nowhere costs half a second at first, and five seconds, which a slow node may need, in the end."""
    monkeypatch.setattr(node.time, "sleep", lambda seconds: None)
    asked = []

    def ask(patience):
        asked.append(patience)
        return None if len(asked) == 20 else "not yet"

    assert node.wait_for(ask, 60, lambda: True) is None
    assert asked[0] == 0.5 and asked[-1] == 5.0 and asked == sorted(asked)
    assert sum(asked[:5]) < 5


def test_a_dead_machine_is_not_waited_for():
    assert node.wait_for(lambda patience: "not yet", 60, lambda: False) == "QEMU ended"


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
