# SPDX-License-Identifier: Apache-2.0
"""services/engine/OPTIONS.md against the client itself: each option of `docker run` has a verdict, and it is its member's."""

import re
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "vm"))
from support import clients  # noqa: E402

PAGE = (TOP / "services/engine/OPTIONS.md").read_text()
MEMBERS = dict(re.findall(r"^\| `(\w+)` \| (supported|refused|discarded)", PAGE, re.M))
OPTIONS = {row[0]: row[1:] for row in re.findall(r"^\| `(--[\w-]+)` \| ?(.*?) ?\| (supported|refused|discarded)", PAGE, re.M)}


def test_each_option_of_run_has_a_verdict():
    shown = subprocess.run([*clients.command("docker"), "run", "--help"], capture_output=True, text=True, check=True).stdout
    known = set(re.findall(r"^  (?:-\w, |    )(--[\w-]+)", shown, re.M))
    assert len(known) > 90
    assert known == set(OPTIONS), known ^ set(OPTIONS)


def test_an_options_verdict_is_its_members():
    for option, (members, verdict) in OPTIONS.items():
        for member in re.findall(r"`(\w+)`", members):
            # one setting of an endpoint is refused, others are not
            assert member == "NetworkingConfig" or MEMBERS[member] == verdict, (option, member)
