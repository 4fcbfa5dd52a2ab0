# SPDX-License-Identifier: Apache-2.0
"""docker compose v2, Debian's, unmodified, in a folder with its file."""

import subprocess

from . import clients


class Compose:
    def __init__(self, node, folder):
        self.node, self.folder, self.words = node, folder, clients.command("docker-compose")

    def __call__(self, *args, check=True, timeout=240, **env):
        done = subprocess.run([*self.words, "--ansi", "never", *args], cwd=self.folder, capture_output=True, text=True, timeout=timeout,
                              check=False, env=self.node.docker_env({"DOCKER_BUILDKIT": "0", "COMPOSE_BAKE": "false", **env}))  # fmt: skip
        if check:
            assert done.returncode == 0, f"compose {' '.join(args)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done
