# SPDX-License-Identifier: Apache-2.0
"""The Kubernetes API of a node: through kubectl, and as plain HTTP."""

import base64
import http.client
import json
import select
import socket
import ssl
import subprocess
import threading
from pathlib import Path

from support import clients
from support.node import eventually


class Cluster:
    def __init__(self, node):
        self.node = node
        self.words = clients.command("kubectl")
        self.config = Path(node.env["KUBECONFIG"])
        self._kept = threading.local()

    def kubectl(self, *args, check=True, input=None, timeout=120):
        done = subprocess.run([*self.words, "--kubeconfig", str(self.config), *map(str, args)], capture_output=True, text=True,
                              input=input, timeout=timeout, check=False, env=self.node.docker_env())  # fmt: skip
        if check:
            assert done.returncode == 0, f"kubectl {' '.join(map(str, args))}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def get(self, *args):
        return json.loads(self.kubectl("get", *args, "-o", "json").stdout)

    def namespace(self, name):
        """A new one, with what controllers put into it."""
        self.kubectl("create", "namespace", name)
        given = [f"/api/v1/namespaces/{name}/{what}" for what in ("serviceaccounts/default", "configmaps/kube-root-ca.crt")]
        missing = lambda: [path for path in given if self.raw("GET", path)[0] != 200]  # noqa: E731
        assert eventually(lambda: not missing(), timeout=60), missing()

    def connect(self, client=True):
        """One TLS connection with the administrator's certificate, with that (and its key) in the file @client, or with none."""
        text = self.config.read_text()
        value = {k: base64.b64decode(v) for k, v in (line.strip().split(": ", 1) for line in text.splitlines() if "-data:" in line)}
        trust = ssl.create_default_context(cadata=value["certificate-authority-data"].decode())
        if client:
            pem = self.node.state / "admin.pem" if client is True else client
            if client is True and not pem.exists():
                pem.write_bytes(value["client-certificate-data"] + value["client-key-data"])
            trust.load_cert_chain(pem)
        return http.client.HTTPSConnection("127.0.0.1", int(self.node.env["WHERRY_TCP_6443"]), timeout=60, context=trust)

    def _connection(self, client):
        """That of this thread, which stays: an emulated node shakes hands in the time of eighty requests. A new one when the other end
        has left, or nothing was asked yet."""
        conn = getattr(self._kept, str(client), None)
        if not conn or not conn.sock or select.select([conn.sock], [], [], 0)[0]:
            conn = self.connect(client)
            setattr(self._kept, str(client), conn)
        return conn

    def raw(self, method, path, body=None, kind="application/json", headers=None, client=True):
        conn = self._connection(client)
        try:
            return self._ask(conn, method, path, body, {"Content-Type": kind, **(headers or {})})
        except BaseException:
            conn.close()  # what it would say next is not known
            raise

    @staticmethod
    def _ask(conn, method, path, body, headers):
        conn.request(method, path, body if body is None or isinstance(body, (str, bytes)) else json.dumps(body), headers)
        reply = conn.getresponse()
        data = reply.read()
        return reply.status, json.loads(data) if reply.headers.get_content_type() == "application/json" and data else data, reply.headers

    def ask(self, method, path, body=None, expect=200, **options):
        """The object that the answer is; the status has to be the one expected."""
        status, reply, _ = self.raw(method, path, body, **options)
        assert status == expect, f"{method} {path}: {status} {reply}"
        return reply


class Watch:
    """A watch that is read by a thread of its own until the block ends."""

    def __init__(self, cluster, path, query):
        self.seen, self._more = [], threading.Condition()
        self._conn = cluster.connect()
        self._conn.request("GET", f"{path}?watch=true&{query}")
        self._reply = self._conn.getresponse()
        assert self._reply.status == 200, self._reply.read()
        self._conn.sock.settimeout(None)  # nothing may happen for longer than an answer takes
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        try:
            for line in self._reply:
                with self._more:
                    self.seen.append(json.loads(line))
                    self._more.notify_all()
        except (OSError, ValueError, AttributeError):
            pass  # the block has ended

    def types(self):
        return [event["type"] for event in self.seen if event["type"] != "BOOKMARK"]

    def until(self, kind, count=1, timeout=60):
        with self._more:
            return self._more.wait_for(lambda: self.types().count(kind) >= count, timeout)

    def until_seen(self, check, timeout=60):
        """Until there is an event that check() is true of."""
        with self._more:
            return self._more.wait_for(lambda: any(check(event) for event in self.seen), timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._conn.sock:
            self._conn.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._conn.close()
