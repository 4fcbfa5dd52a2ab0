# SPDX-License-Identifier: Apache-2.0
"""Programs that people really run, as images made of Debian packages: what a package's scripts would have done at its
installation is done here, in a second layer."""

import tarfile
from pathlib import Path

from . import clients, oci

USERS = (b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/usr/sbin/nologin\n"
         b"postgres:x:999:999::/var/lib/postgresql:/bin/sh\nvalkey:x:998:998::/var/lib/valkey:/bin/sh\n")  # fmt: skip
GROUPS = b"root:x:0:\npostgres:x:999:\nvalkey:x:998:\nnogroup:x:65534:\n"
PATH = "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


# What no server here opens while it runs: words for people, what only a just-in-time compiler or Perl asks for.
UNUSED = ["usr/share/" + name for name in ("doc", "man", "locale", "i18n", "perl*", "info")] + [
    "usr/lib/x86_64-linux-gnu/" + name for name in ("libLLVM*", "libz3*", "gconv", "perl*", "libperl*")] + [
    "usr/lib/postgresql/17/lib/bitcode", "usr/lib/postgresql/17/lib/llvmjit*"]  # fmt: skip


def image(packages, *members, **config):
    """An image of the package set PACKAGES-x86_64, and of @members over it."""
    base = oci.Layer(oci.tar_folder(clients.packages(packages + "-x86_64"), UNUSED), "zstd")
    links = [oci.Member(f"usr/bin/{name}", type=tarfile.SYMTYPE, link="busybox") for name in ("sh", "sleep")]
    common = [oci.Member("etc/passwd", USERS), oci.Member("etc/group", GROUPS), oci.Member("tmp", type=tarfile.DIRTYPE, mode=0o1777),
              oci.Member("run", type=tarfile.DIRTYPE, mode=0o755), *links]  # fmt: skip
    return oci.Image([base, oci.Layer(oci.tar([*common, *members]))], **{"Env": [PATH], **config})


POSTGRES_START = b"""#!/usr/bin/busybox sh
# A new volume gets a database, with POSTGRES_PASSWORD or open to all; then the server, as the process that gets the signals.
set -e
bin=/usr/lib/postgresql/17/bin
if [ ! -s "$PGDATA/PG_VERSION" ]; then
	auth=${POSTGRES_PASSWORD:+scram-sha-256}
	auth=${auth:-trust}
	echo "$POSTGRES_PASSWORD" >/tmp/password
	$bin/initdb --no-sync --no-locale -E UTF8 --auth=$auth ${POSTGRES_PASSWORD:+--pwfile=/tmp/password} -U postgres >/dev/null
	echo "host all all all $auth" >>"$PGDATA/pg_hba.conf"
fi
busybox chmod 700 "$PGDATA" # as a pod's fsGroup may have opened it, which the server minds
exec $bin/postgres -c listen_addresses='*' -c unix_socket_directories=/tmp -c jit=off "$@"
"""


def postgresql():
    return image(
        "postgresql",
        oci.Member("usr/local/bin/start", POSTGRES_START, mode=0o755),
        oci.Member("var/lib/postgresql/data", type=tarfile.DIRTYPE, mode=0o700, uid=999, gid=999),
        # before Debian's wrappers, which are Perl
        Env=[PATH.replace("=", "=/usr/lib/postgresql/17/bin:"), "PGDATA=/var/lib/postgresql/data"],
        User="postgres", Entrypoint=["/usr/local/bin/start"], Cmd=[], Volumes={"/var/lib/postgresql/data": {}},
        ExposedPorts={"5432/tcp": {}}, StopSignal="SIGINT",
    )  # fmt: skip


def valkey():
    return image(
        "valkey",
        oci.Member("data", type=tarfile.DIRTYPE, mode=0o755, uid=998, gid=998),
        User="valkey", WorkingDir="/data", Volumes={"/data": {}}, ExposedPorts={"6379/tcp": {}},
        Cmd=["/usr/bin/valkey-server", "--protected-mode", "no", "--bind", "* -::*", "--appendonly", "yes"],
    )  # fmt: skip


APPLICATION = b'''"""A guest book: entries in PostgreSQL, a counter in Valkey."""
import os

import psycopg2
import redis
from flask import Flask, request

app = Flask(__name__)


def database():
    return psycopg2.connect(host=os.environ["DATABASE"], user="postgres", dbname="postgres")


@app.get("/")
def show():
    visits = redis.Redis(os.environ["CACHE"]).incr("visits")
    with database() as db, db.cursor() as at:
        at.execute("CREATE TABLE IF NOT EXISTS entries (at serial, text text)")
        at.execute("SELECT text FROM entries ORDER BY at")
        return f"<h1>Guest book</h1><p>visit {visits}</p>" + "".join(f"<p>{row[0]}</p>" for row in at.fetchall())


@app.post("/")
def write():
    with database() as db, db.cursor() as at:
        at.execute("INSERT INTO entries (text) VALUES (%s)", (request.get_data(as_text=True),))
    return "thanks\\n"
'''


def guestbook():
    return image(
        "pythonweb",
        oci.Member("app/guestbook.py", APPLICATION),
        WorkingDir="/app", ExposedPorts={"8000/tcp": {}},
        Cmd=["/usr/bin/python3", "-m", "flask", "--app", "guestbook", "run", "--host", "0.0.0.0", "--port", "8000"],
    )  # fmt: skip


def shop(version):
    """The application of applications/shop, as its Dockerfile would make it."""
    return image(
        "pythonweb",
        oci.Member("app/shop.py", (Path(__file__).parents[1] / "applications/shop/shop.py").read_bytes()),
        Env=[PATH, f"VERSION={version}"], ExposedPorts={"8000/tcp": {}}, Cmd=["/usr/bin/python3", "/app/shop.py"],
    )  # fmt: skip
