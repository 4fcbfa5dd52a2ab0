# SPDX-License-Identifier: Apache-2.0
"""A booted node, as the tests see it: qemu/run to boot, docker and ssh to use it, the power plug to pull."""

import contextlib
import http.client
import json
import os
import ssl
import subprocess
import sys
import time
from pathlib import Path

from . import clients

TOP = clients.TOP
sys.path.insert(0, str(TOP / "qemu"))
import node as qemu_node  # noqa: E402


class Node:
    """One processor unless a test is about several: two of one guest, emulated, wait for each other most of the time, and cost
    nearly twice as much of this machine's for the same work."""

    def __init__(self, state, arch="x86_64", boot="kernel", memory=512, cpus=1, extra=()):
        self.state = Path(state)
        self.arch, self.boot_by, self.memory, self.cpus, self.extra = arch, boot, memory, cpus, list(extra)
        self.docker_words = clients.command("docker")

    def boot(self, *more, check=True, timeout=None):
        """qemu/run --detach until the engine answers; returns its CompletedProcess. Emulation of the other architecture is slow."""
        timeout = timeout or (180 if self.arch == "x86_64" else 300)
        words = [
            TOP / "qemu" / "run", "--arch", self.arch, "--boot", self.boot_by, "--memory", str(self.memory), "--cpus", str(self.cpus),
            "--offline", "--detach", "--wait", "engine", "--timeout", str(timeout), "--state", self.state, *self.extra, *more,
        ]  # fmt: skip
        done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=timeout + 60, check=False)
        if check:
            assert done.returncode == 0, f"qemu/run: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    @property
    def env(self):
        return qemu_node.read_env(self.state)

    def docker(self, *args, check=True, input=None, timeout=120, text=True, env=None):
        done = subprocess.run([*self.docker_words, *map(str, args)], capture_output=True, text=text, input=input,
                              timeout=timeout, check=False, env=self.docker_env(env))
        if check:
            assert done.returncode == 0, f"docker {' '.join(map(str, args))}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def docker_env(self, more=None):
        home = self.state / "home"
        home.mkdir(exist_ok=True)
        return {**os.environ, **self.env, "HOME": str(home), "DOCKER_CONFIG": str(home / ".docker"), **(more or {})}

    def docker_popen(self, *args, **kw):
        return subprocess.Popen([*self.docker_words, *map(str, args)], env=self.docker_env(), **kw)

    def connection(self):
        """To the engine, closed at the end of `with`."""
        url, certs = self.env["DOCKER_HOST"], Path(self.env["DOCKER_CERT_PATH"])
        trust = ssl.create_default_context(cafile=certs / "ca.pem")
        trust.load_cert_chain(certs / "cert.pem", certs / "key.pem")
        host, _, port = url.rpartition("/")[2].rpartition(":")
        return contextlib.closing(http.client.HTTPSConnection(host, int(port), timeout=60, context=trust))

    def api(self, method, path, body=None):
        """What the client has no words for yet. Return: the status and the decoded reply, or its text."""
        with self.connection() as conn:
            return self._ask(conn, method, path, body)

    @staticmethod
    def _ask(conn, method, path, body):
        conn.request(method, "/v1.51" + path, json.dumps(body) if body is not None else None,
                     {"Content-Type": "application/json"} if body is not None else {})  # fmt: skip
        reply = conn.getresponse()
        text = reply.read().decode()
        return reply.status, json.loads(text) if reply.headers.get_content_type() == "application/json" and text else text

    def moment(self):
        """A whole second of the node's clock, which nothing that was done before shares; since it, events can be asked for."""
        return self.ssh("sleep 1; date +%s").strip()

    def events(self, since, *filters, show="{{.Action}}"):
        """The actions of what happened until now, or what @show makes of each. The client asks in whole seconds, so the present one is waited for."""
        time.sleep(1.5)
        words = [w for f in filters for w in ("--filter", f)]
        return self.docker("events", "--since", since, "--until", "0s", *words, "--format", show).stdout.splitlines()

    def ssh_words(self, *command):
        return ["ssh", "-F", "none", "-i", str(self.state / "ssh" / "id_ed25519"), "-p", self.env["WHERRY_SSH_PORT"],
                "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
                "-o", "BatchMode=yes", "-o", "ConnectTimeout=20", "root@127.0.0.1", *command]  # fmt: skip

    def ssh(self, command, check=True, timeout=60, input=None):
        """A shell command on the node, as an operator with a key would run it; over a connection that stays until the node goes down,
        since making one costs more than most of what is asked."""
        words = self.ssh_words(command)
        words[1:1] = ["-o", "ControlMaster=auto", "-o", f"ControlPath={self.state}/ssh/kept", "-o", "ControlPersist=600"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=timeout, check=False, input=input)
        if check:
            assert done.returncode == 0, f"ssh {command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout if check else done

    def names(self, *folders):
        """What lies in them, all of which are there, as reading them tells: `ls` looks at each entry too, and fails when one goes away
        meanwhile."""
        found = self.ssh(" && ".join(f"cd {folder} && printf '%s\\n' *" for folder in folders)).splitlines()
        return sorted(name for name in found if name != "*")

    def console(self):
        return (self.state / "console.log").read_bytes().decode("utf-8", "replace").replace("\r", "")

    def running(self):
        return qemu_node.running_pid(self.state) is not None

    def stop(self, timeout=120):
        """qemu/stop, which must succeed: a node that does not go down by itself is a failure."""
        done = subprocess.run([TOP / "qemu" / "stop", "--timeout", str(timeout), self.state], capture_output=True, text=True,
                              timeout=timeout + 60, check=False)
        assert done.returncode == 0, done.stderr

    def cut_power(self):
        qemu_node.cut_power(self.state)

    def kill_engine(self):
        """As a crash has it, and the next one at once."""
        self.ssh(f"{KILL_ENGINE}\n{START_ENGINE}")
        self.wait_engine()

    def wait_engine(self, timeout=60):
        port = int(self.env["DOCKER_HOST"].rpartition(":")[2])
        why = qemu_node.wait_for_engine(self.state, port, timeout, self.running)
        assert why is None, f"engine: {why}\n{qemu_node.console_tail(self.state)}"


# Init starts an engine that died often only after half a minute, unless it is told to.
START_ENGINE = "for i in $(seq 300); do wherryctl services | grep -q '^engine *up ' && break; wherryctl start engine >/dev/null; sleep 0.1; done"
KILL_ENGINE = "old=$(pidof engine); kill -9 $old; for p in $old; do while [ -e /proc/$p ]; do sleep 0.05; done; done"


def eventually(check, timeout=30, every=0.2):
    """Until check() is true; its last value, falsy when the time is over."""
    deadline = time.monotonic() + timeout
    while True:
        value = check()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(every)
