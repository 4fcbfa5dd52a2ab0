# SPDX-License-Identifier: Apache-2.0
"""Scenarios that need no node: the image's own program (it is static), run on this machine against servers on loopback.

WHERRY_PROGRAM: another wherry to run, for one that of the check build; WHERRY_RUN: words to put before it.
Unpacking layers needs root, so these tests do; without it they are skipped.
"""

import json
import os
import shlex
import subprocess
import tempfile
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("WHERRY_PROGRAM", TOP / "out" / "x86_64" / "bin" / "wherry"))
COMMAND = [*shlex.split(os.environ.get("WHERRY_RUN", "")), str(PROGRAM)]


class Puller:
    """The engine's side of engine_pull: orders in, messages and the last word out."""

    def __init__(self, folder, registries):
        self.dir = folder / "engine"
        self.config = folder / "config.json"
        self.config.write_text(json.dumps({"version": 1, "engine": {"registries": registries}}))

    def start(self, name, auth=None, platform=None, login=False, patience=None):
        orders = {"dir": str(self.dir), "name": name, "config": str(self.config)}
        if auth:
            orders["auth"] = json.dumps({"username": auth[0], "password": auth[1]} if isinstance(auth, tuple) else auth)
        if login:
            orders["verb"] = "login"
        if platform:
            orders["platform"] = platform
        if patience:
            orders["patience_s"] = patience
        process = subprocess.Popen([*COMMAND, "engine_pull"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdin.write(json.dumps(orders).encode())
        process.stdin.close()
        return process

    def __call__(self, name, **more):
        """(0 or negative errno, sentence, messages)"""
        process = self.start(name, **more)
        out = process.stdout.read().decode()
        log = process.stderr.read().decode()
        process.wait(120)
        *messages, last = out.splitlines() or [""]
        assert last.startswith("!"), (out, log)
        assert "Sanitizer" not in log, log
        code, _, sentence = last[1:].partition(" ")
        return int(code), sentence, [json.loads(line) for line in messages]

    def layer(self, diff_id):
        return self.dir / "layers" / diff_id.replace(":", "-")

    def listing(self):
        """Everything below the store that a pull could leave, except its directories."""
        return sorted(str(p.relative_to(self.dir)) for sub in ("layers", "staging", "images/ids", "images/names", "images/blobs")
                      for p in (self.dir / sub).glob("*"))  # fmt: skip


@pytest.fixture
def puller_for(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("unpacking layers needs root")
    if not PROGRAM.exists():
        pytest.fail(f"{PROGRAM} is not built: make image")
    return lambda *registries: Puller(tmp_path, list(registries))


class Worker:
    """engine_image on the store that a Puller fills: push, save, load, make."""

    def __init__(self, puller):
        self.puller = puller

    def __call__(self, verb, auth=None, stdin=b"", **orders):
        """(0 or negative errno, sentence or result, messages, bytes written)"""
        orders = {"verb": verb, "dir": str(self.puller.dir), "config": str(self.puller.config), **orders}
        if auth:
            orders["auth"] = json.dumps({"username": auth[0], "password": auth[1]})
        with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as data:
            told.write(json.dumps(orders).encode())
            told.seek(0)
            data.write(stdin)
            data.seek(0)
            done = subprocess.run(
                ["sh", "-c", f"exec {os.environ.get('WHERRY_RUN', '')} {PROGRAM} engine_image 3<&0 0<&4"],
                stdin=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=240, pass_fds=(),
                preexec_fn=lambda: os.dup2(told.fileno(), 4), close_fds=False,
            )  # fmt: skip
            data.seek(0)
            written = data.read() if verb == "save" else b""
        assert b"Sanitizer" not in done.stderr, done.stderr
        *messages, last = done.stdout.decode().splitlines() or [""]
        assert last.startswith("!"), (done.stdout, done.stderr)
        code, _, sentence = last[1:].partition(" ")
        # what was done to images, of which the engine makes events
        self.happened = [line[1:].split(" ") for line in messages if line.startswith("*")]
        return int(code), sentence, [json.loads(line) for line in messages if not line.startswith("*")], written


@pytest.fixture
def worker_for():
    return Worker
