# SPDX-License-Identifier: Apache-2.0
"""A node and a registry it trusts, for scenarios that bring their own images."""

import tarfile

from . import clients, oci
from .registry import Registry

APPLETS = "sh true httpd cat ls stat id sleep echo df dd mount umount touch mkdir rm nc find ip wget nslookup"


def boot(nodes, folder, memory=512, forward=(), extra=(), config=""):
    """@config: more of the machine configuration. Return: the booted node, and its registry, which the caller stops."""
    registry = Registry(folder / "registry")
    one = registry.machine_config()
    pem = "".join(f"        {line}\n" for line in one["ca"].splitlines())
    given = folder / "machine.yaml"
    given.write_text(f"version: 1\nengine:\n  registries:\n    - host: \"{one['host']}\"\n      ca: |\n{pem}{config}")
    words = ["--config", str(given), "--guest-forward", registry.forward]
    for port in forward:
        words += ["--forward", f"0:{port}"]
    node = nodes(memory=memory, extra=[*words, *extra])
    node.boot()
    return node, registry


def busybox(*members, **config):
    """An image of busybox and what is given."""
    program = (clients.packages("clients") / "usr/bin/busybox").read_bytes()
    links = [oci.Member(f"bin/{name}", type=tarfile.SYMTYPE, link="busybox") for name in APPLETS.split()]
    base = [oci.Member("bin/busybox", program, mode=0o755), *links,
            oci.Member("tmp", type=tarfile.DIRTYPE, mode=0o1777),
            oci.Member("etc/passwd", b"root:x:0:0::/:/bin/sh\napp:x:999:999::/:/bin/sh\n"),
            oci.Member("etc/group", b"root:x:0:\napp:x:999:\n")]  # fmt: skip
    config = {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"], **config}
    return oci.Image([oci.Layer(oci.tar(base)), oci.Layer(oci.tar(members))] if members else [oci.Layer(oci.tar(base))], **config)
