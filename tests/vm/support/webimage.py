# SPDX-License-Identifier: Apache-2.0
"""An nginx image from Debian packages: the unpacked package set as one layer, a page and a configuration as another."""

import tarfile

from . import clients, oci

CONFIG = b"""user www-data www-data; daemon off; pid /run/nginx.pid; error_log /dev/stderr; worker_processes 1;
events {}
http { access_log /dev/stdout; server { listen 80; root /srv; } }
"""

USERS = b"root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\nnobody:x:65534:65534::/:/bin/false\n"


def nginx(arch="amd64", how="gzip", docker=False, page=b"hello from nginx\n"):
    base = oci.Layer(oci.tar_folder(clients.packages("nginx-" + {"amd64": "x86_64", "arm64": "aarch64"}[arch])), "gzip" if docker else how)
    site = oci.Layer(oci.tar([
        oci.Member("etc/passwd", USERS), oci.Member("etc/group", b"root:x:0:\nwww-data:x:33:\n"),
        oci.Member("etc/nginx/nginx.conf", CONFIG), oci.Member("srv/index.html", page),
        oci.Member("var/log/nginx", type=tarfile.DIRTYPE, mode=0o755),
        oci.Member("var/lib/nginx", type=tarfile.DIRTYPE, mode=0o755), oci.Member("run", type=tarfile.DIRTYPE, mode=0o755),
    ]), "gzip" if docker else how)  # fmt: skip
    return oci.Image([base, site], arch=arch, docker=docker, Cmd=["/usr/sbin/nginx"],
                     Env=["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], ExposedPorts={"80/tcp": {}})
