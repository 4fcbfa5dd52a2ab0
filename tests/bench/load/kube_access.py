# SPDX-License-Identifier: Apache-2.0
"""A Kubernetes API as the load programs reach it: by a kubeconfig alone, so that any cluster's will do."""

import base64
import http.client
import json
import re
import ssl
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit


class Access:
    """What a kubeconfig says: the server, whom to trust, and a client certificate or a token. Can be given to other processes."""

    def __init__(self, kubeconfig):
        text = Path(kubeconfig).read_text()
        self.said = dict(re.findall(r"(?m)^\s*(server|token|[a-z-]+-data): +\"?([^\"\s]+)\"?$", text))
        if "server" not in self.said or "certificate-authority-data" not in self.said:
            raise ValueError(f"{kubeconfig}: no server, or no certificate-authority-data: embed the certificates (kubectl config view --raw --flatten)")

    def _data(self, name):
        return base64.b64decode(self.said[name + "-data"])

    def connect(self, timeout=120):
        where = urlsplit(self.said["server"])
        trust = ssl.create_default_context(cadata=self._data("certificate-authority").decode())
        if "client-certificate-data" in self.said:
            with tempfile.NamedTemporaryFile() as pem:
                pem.write(self._data("client-certificate") + b"\n" + self._data("client-key"))
                pem.flush()
                trust.load_cert_chain(pem.name)
        return http.client.HTTPSConnection(where.hostname, where.port or 443, timeout=timeout, context=trust)


class Api:
    """One connection that is kept."""

    def __init__(self, access):
        self.access, self.conn = access, access.connect()

    def send(self, method, path, body=None, kind="application/json"):
        """(status, bytes)"""
        headers = {"Content-Type": kind, "Accept": "application/json"}
        if "token" in self.access.said:
            headers["Authorization"] = "Bearer " + self.access.said["token"]
        self.conn.request(method, path, json.dumps(body) if body is not None else None, headers)
        reply = self.conn.getresponse()
        return reply.status, reply.read()

    def ask(self, method, path, body=None, kind="application/json", also=()):
        """The object of the answer; a status that is not success and not one of @also is an error."""
        status, data = self.send(method, path, body, kind)
        if status >= 300 and status not in also:
            raise RuntimeError(f"{method} {path}: {status} {data[:500]!r}")
        return json.loads(data)

    def watch(self, path, query=""):
        """The events of a watch, until the connection ends; .conn.sock closed by somebody else ends it, too."""
        headers = {"Accept": "application/json"}
        if "token" in self.access.said:
            headers["Authorization"] = "Bearer " + self.access.said["token"]
        self.conn.request("GET", f"{path}?watch=true&{query}", headers=headers)
        reply = self.conn.getresponse()
        if reply.status != 200:
            raise RuntimeError(f"watch {path}: {reply.status} {reply.read()[:500]!r}")
        return map(json.loads, reply)

    def close(self):
        self.conn.close()


def until(check, timeout, why, every=0.2):
    """What check() gives as soon as it is true; an error that says why() when @timeout s are over."""
    end = time.monotonic() + timeout
    while not (said := check()):
        if time.monotonic() > end:
            raise RuntimeError(f"after {timeout} s, {why()}")
        time.sleep(every)
    return said


def make_namespace(api, name):
    """A namespace that takes pods: upstream refuses them until its service account is there."""
    api.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
    until(lambda: api.send("GET", account)[0] == 200, 60, lambda: f"the namespace {name} has no service account", 0.1)


def percentile(values, share):
    """The value that @share of the values do not exceed; NaN of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")
