# SPDX-License-Identifier: Apache-2.0
"""The Docker API by hand: requests that no client makes, and streams as they are on the wire."""

import http.client
import json
import ssl
from pathlib import Path


def connect(node, timeout=60):
    """An HTTPSConnection to the node's engine, with the client certificate of the node's operator."""
    folder = Path(node.env["DOCKER_CERT_PATH"])
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    context.load_cert_chain(str(folder / "cert.pem"), str(folder / "key.pem"))
    host, _, port = node.env["DOCKER_HOST"].removeprefix("tcp://").rpartition(":")
    return http.client.HTTPSConnection(host, int(port), context=context, timeout=timeout)


def call(node, method, path, body=None, headers=None, timeout=60, version="1.51", raw=False):
    """(status, parsed JSON or bytes). @version: "" for a path without one; @raw: bytes in any case, as of several objects."""
    connection = connect(node, timeout)
    try:
        sent = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
        kind = {"Content-Type": "application/json"} if isinstance(body, (dict, list)) else {}
        connection.request(method, (f"/v{version}" if version else "") + path, body=sent, headers={**kind, **(headers or {})})
        reply = connection.getresponse()
        data = reply.read()
        if not raw and reply.headers.get("Content-Type") == "application/json":
            return reply.status, json.loads(data) if data.strip() else None
        return reply.status, data
    finally:
        connection.close()
