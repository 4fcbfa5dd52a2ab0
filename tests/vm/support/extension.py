# SPDX-License-Identifier: Apache-2.0
"""An extension API server on loopback, behind TLS, that serves wardle.example.com/v1alpha1 Flunder from memory. It believes who asks
only from a client that shows a certificate of the request-header authority. A guest reaches it through --guest-forward."""

import base64
import http.server
import json
import ssl
import subprocess
import threading
import time
from urllib.parse import parse_qs, urlsplit

GROUP, VERSION = "wardle.example.com", "v1alpha1"
BASE = f"/apis/{GROUP}/{VERSION}"
RESOURCES = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{GROUP}/{VERSION}", "resources": [
    {"name": "flunders", "singularName": "flunder", "namespaced": True, "kind": "Flunder", "shortNames": ["fl"],
     "verbs": ["create", "delete", "get", "list", "watch"]}]}  # fmt: skip
GVK = {"group": GROUP, "version": VERSION, "kind": "Flunder"}
OPENAPI = {"openapi": "3.0.0", "info": {"title": "wardle", "version": "v1"}, "paths": {
    f"{BASE}/namespaces/{{namespace}}/flunders": {"get": {"x-kubernetes-action": "list", "x-kubernetes-group-version-kind": GVK, "responses": {
        "200": {"description": "OK", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Flunder"}}}}}}}},
    "components": {"schemas": {"Flunder": {"type": "object", "description": "A thing that can be flundered.",
                                           "x-kubernetes-group-version-kind": [GVK]}}}}  # fmt: skip


def certificates(folder, name):
    """ca.pem, cert.pem and key.pem, of a server of this name."""
    run = lambda *words: subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)  # noqa: E731
    ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    run("req", "-x509", *ec, "-keyout", "ca.key", "-out", "ca.pem", "-days", "3650", "-subj", "/CN=wardle CA")
    run("req", *ec, "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=wardle")
    (folder / "names").write_text(f"subjectAltName=DNS:{name}\n")
    run("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "3650", "-extfile", "names", "-out", "cert.pem")
    time.sleep(2)  # as of webhooks: the guest's clock may be a second behind


APISERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"


def behind_service(cluster, ns, folder):
    """An extension API server, and its service of the namespace; .slice: the EndpointSlice that leads from it, to be made."""
    port, address = cluster.node.webhook
    trust = cluster.get("-n", "kube-system", "configmap", "extension-apiserver-authentication")["data"]
    cluster.ask("POST", f"/api/v1/namespaces/{ns}/services", {"metadata": {"name": "wardle"}, "spec": {
        "ports": [{"name": "https", "port": 7443, "protocol": "TCP"}]}}, expect=201)  # fmt: skip
    made = Extension(folder, port, f"wardle.{ns}.svc", trust["requestheader-client-ca-file"],
                     json.loads(trust["requestheader-allowed-names"]))  # fmt: skip
    made.slice = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
                  "metadata": {"name": "wardle", "namespace": ns, "labels": {"kubernetes.io/service-name": "wardle"}},
                  "endpoints": [{"addresses": [address.split(":")[0]], "conditions": {"ready": True}}],
                  "ports": [{"name": "https", "port": int(address.split(":")[1]), "protocol": "TCP"}]}  # fmt: skip
    return made


def register(cluster, ns, made, group, version):
    """The APIService by which it serves a group and version."""
    cluster.ask("POST", APISERVICES, {"metadata": {"name": f"{version}.{group}"}, "spec": {
        "group": group, "version": version, "groupPriorityMinimum": 2000, "versionPriority": 200, "caBundle": made.bundle,
        "service": {"namespace": ns, "name": "wardle", "port": 7443}}}, expect=201)  # fmt: skip


class Extension:
    """.seen: (method, path, headers) of each request; .healthy: whether it answers with what it has, or with 500; .more(url): what
    else it serves, a status and a value, or None."""

    def __init__(self, folder, port, name, proxy_ca, allowed):
        folder.mkdir(parents=True, exist_ok=True)
        certificates(folder, name)
        (folder / "proxy-ca.pem").write_text(proxy_ca)
        self.bundle = base64.b64encode((folder / "ca.pem").read_bytes()).decode()
        self.seen, self.objects, self.healthy, self.resources, self.more = [], {}, True, RESOURCES, None
        self.revision, self.events, self.changed = 1, [], threading.Condition()
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self, status, value):
                text = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def handle_one(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                owner.seen.append((self.command, self.path, self.headers.items()))
                subject = dict(pair[0] for pair in self.connection.getpeercert()["subject"])
                url = urlsplit(self.path)
                if subject["commonName"] not in allowed:
                    self.answer(401, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 401})
                elif not owner.healthy:
                    self.answer(500, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 500})
                elif owner.more and (said := owner.more(url)):
                    self.answer(*said)
                elif url.path == BASE:
                    self.answer(200, owner.resources)
                elif url.path == "/openapi/v3":
                    self.answer(200, {"paths": {BASE[1:]: {"serverRelativeURL": f"/openapi/v3{BASE}?hash=0123abc"}}})
                elif url.path == f"/openapi/v3{BASE}":
                    self.answer(200, OPENAPI)
                elif url.path.endswith("/echo"):
                    self.echo()
                else:
                    self.resource(url, body)

            def echo(self):
                """Whatever protocol is asked for, but for those of the name `refused` and `forgotten`: each line comes back, and who asks before."""
                to = self.headers.get("Upgrade")
                if to in (None, "forgotten"):
                    self.answer(200, {"upgrade": to, "connection": self.headers.get("Connection")})
                elif to == "refused":
                    self.answer(403, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403, "message": "not so"})
                else:
                    self.close_connection = True
                    self.wfile.write(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: {to}\r\nConnection: Upgrade\r\n\r\n".encode())
                    self.wfile.write(f"{self.headers['X-Remote-User']}\n".encode())
                    for line in self.rfile:
                        self.wfile.write(b"you said " + line)

            do_GET = do_POST = do_DELETE = handle_one

            def resource(self, url, body):
                parts = url.path[len(BASE) :].strip("/").split("/")
                ns, name = (parts[1], parts[3] if len(parts) > 3 else None) if parts[0] == "namespaces" else (None, None)
                if self.command == "POST":
                    self.answer(201, owner.put("ADDED", ns, body["metadata"]["name"], body))
                elif name and (ns, name) not in owner.objects:
                    self.answer(404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404,
                                      "message": f'flunders.{GROUP} "{name}" not found'})  # fmt: skip
                elif self.command == "DELETE":
                    owner.put("DELETED", ns, name, owner.objects[ns, name])
                    self.answer(200, {"kind": "Status", "apiVersion": "v1", "status": "Success"})
                elif name:
                    self.answer(200, owner.objects[ns, name])
                elif parse_qs(url.query).get("watch"):
                    self.watch(ns, int(parse_qs(url.query).get("resourceVersion", ["0"])[0]))
                else:
                    items = [o for (at, _), o in sorted(owner.objects.items()) if ns in (None, at)]
                    self.answer(200, {"kind": "FlunderList", "apiVersion": f"{GROUP}/{VERSION}", "metadata": {"resourceVersion": str(owner.revision)}, "items": items})

            def watch(self, ns, since):
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.wfile.flush()
                end = time.monotonic() + 60
                while time.monotonic() < end:
                    with owner.changed:
                        new = [e for e in owner.events if e[0] > since and ns in (None, e[1])]
                        if not new:
                            owner.changed.wait(1)
                    for revision, _, event in new:
                        line = json.dumps(event).encode() + b"\n"
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                        self.wfile.flush()
                        since = revision
                self.wfile.write(b"0\r\n\r\n")

            def log_message(self, *_):
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        context.load_verify_locations(folder / "proxy-ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def put(self, kind, ns, name, body):
        with self.changed:
            self.revision += 1
            made = {"apiVersion": f"{GROUP}/{VERSION}", "kind": "Flunder", **body, "metadata": {
                **body["metadata"], "namespace": ns, "resourceVersion": str(self.revision), "creationTimestamp": "2026-01-01T00:00:00Z"}}  # fmt: skip
            if kind == "DELETED":
                del self.objects[ns, name]
            else:
                self.objects[ns, name] = made
            self.events.append((self.revision, ns, {"type": kind, "object": made}))
            self.changed.notify_all()
        return made

    def end(self):
        self.server.shutdown()
        self.server.server_close()
