# SPDX-License-Identifier: Apache-2.0
"""A container's whole life through the engine: `docker run --rm` with Debian's client, and the calls it makes alone."""

import http.client
import json
import ssl
import time

from common import CPUS, Row, median
from support.node import Node

RUNS = 20


def _connection(node):
    docker = node.state / "docker"
    context = ssl.create_default_context(cafile=docker / "ca.pem")
    context.load_cert_chain(docker / "cert.pem", docker / "key.pem")
    return http.client.HTTPSConnection("127.0.0.1", int(node.env["DOCKER_HOST"].rpartition(":")[2]), context=context, timeout=60)


def _call(connection, method, path, body=None):
    connection.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"})
    reply = connection.getresponse()
    data = reply.read()
    if reply.status >= 300:
        raise RuntimeError(f"{method} {path}: {reply.status} {data[:300]!r}")
    return json.loads(data) if data[:1] == b"{" else None


def _life(connection):
    """create, start, wait for the exit, delete, on one connection."""
    cid = _call(connection, "POST", "/containers/create", {"Image": "wherry/hello", "Cmd": ["true"]})["Id"]
    _call(connection, "POST", f"/containers/{cid}/start")
    if _call(connection, "POST", f"/containers/{cid}/wait")["StatusCode"] != 0:
        raise RuntimeError("the container failed")
    _call(connection, "DELETE", f"/containers/{cid}")


def _timed(what):
    took = []
    for _ in range(RUNS + 1):
        began = time.monotonic()
        what()
        took.append((time.monotonic() - began) * 1000)
    return took[1:]  # the first one warms up


def rows(folder):
    node = Node(folder / "container", cpus=CPUS)
    node.state.mkdir()
    node.boot()
    try:
        connection = _connection(node)
        calls = _timed(lambda: _life(connection))
        client = _timed(lambda: node.docker("run", "--rm", "wherry/hello", "true"))
    finally:
        node.cut_power()
    yield Row("container life through the engine's API", f"{median(calls):.0f} ms",
              note=f"create, start, wait, delete over one TLS connection; median of {RUNS}")
    yield Row("docker run --rm wherry/hello true", f"{median(client):.0f} ms",
              note=f"with the client's own start; median of {RUNS}")
