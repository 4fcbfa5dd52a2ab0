# SPDX-License-Identifier: Apache-2.0
"""The runtime by itself, and under other engines: each runs in one guest of its own (tests/runtime)."""

import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "bench"))
from common import ARCH, component  # noqa: E402

pytestmark = pytest.mark.lengthy


def _passes(*words, timeout):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


def test_cases():
    out = TOP / "out" / ARCH
    _passes(TOP / "tests/runtime/run", "--kernel", out / "linux", "--runtime", out / "bin/runtime",
            "--busybox", component("busybox") / "bin/busybox", "--timeout", "900", timeout=1000)  # fmt: skip


def test_under_other_engines():
    _passes(TOP / "tests/runtime/engines", timeout=1600)
