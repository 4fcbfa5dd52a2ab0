# SPDX-License-Identifier: Apache-2.0
"""docker compose v2, Debian's, unmodified, in a folder with its file."""

import subprocess

from . import clients


class Compose:
    def __init__(self, node, folder):
        self.node, self.folder, self.words = node, folder, clients.command("docker-compose")

    def _how(self, args, **env):
        return {"args": [*self.words, "--ansi", "never", *args], "cwd": self.folder, "text": True,
                "env": self.node.docker_env({"DOCKER_BUILDKIT": "0", "COMPOSE_BAKE": "false", **env})}  # fmt: skip

    def start(self, *args):
        """One that is not waited for."""
        return subprocess.Popen(**self._how(args), stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def __call__(self, *args, check=True, timeout=240, **env):
        done = subprocess.run(**self._how(args, **env), capture_output=True, timeout=timeout, check=False)
        if check:
            assert done.returncode == 0, f"compose {' '.join(args)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done
