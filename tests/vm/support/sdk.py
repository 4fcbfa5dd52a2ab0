# SPDX-License-Identifier: Apache-2.0
"""Docker's SDK for Python, Debian's, unmodified, in its own Python."""

import subprocess
import textwrap

from . import clients

START = """
import docker, io, sys, tarfile
client = docker.from_env(timeout=60)
HELLO = "wherry/hello"
"""


def run(node, code, timeout=120):
    """Run @code; what fails there fails here, with its words."""
    root = clients.packages("sdk")
    # nothing of this machine's own: its trust store would stand before the node's authority
    env = {**node.env, "HOME": str(node.state), "PYTHONHOME": str(root / "usr"), "PYTHONPATH": str(root / "usr/lib/python3/dist-packages"),
           "PYTHONDONTWRITEBYTECODE": "1"}  # fmt: skip
    done = subprocess.run([*clients.command("python3", "sdk"), "-c", START + textwrap.dedent(code)], env=env, capture_output=True, text=True,
                          timeout=timeout, check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
