# SPDX-License-Identifier: Apache-2.0
"""qemu/run waits for a node that is not there yet, and for one that is slow."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "qemu"))
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
