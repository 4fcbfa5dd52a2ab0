# SPDX-License-Identifier: Apache-2.0
"""wherryctl on the operator's machine: what it says of itself."""

import re
import subprocess

from conftest import COMMAND


def test_help_says_what_each_verb_does():
    done = subprocess.run([*COMMAND, "wherryctl", "help"], capture_output=True, text=True, check=True)
    verbs = {line[2:12].strip(): line[36:].strip() for line in done.stdout.splitlines() if line.startswith("  ")}
    assert {"status", "start", "stop", "restart", "gen"} <= set(verbs), done.stdout
    assert all(re.match("[a-z]", said) for said in verbs.values()), done.stdout
    refused = subprocess.run([*COMMAND, "wherryctl", "moor"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2 and 'no command "moor"' in refused.stderr and "restart" in refused.stderr
