# SPDX-License-Identifier: Apache-2.0
"""Registries on loopback: Debian's docker-registry under TLS with a CA of its own, and one that lies.

A guest reaches either through --guest-forward at 10.0.2.100; the certificate names that address.
"""

import base64
import http.client
import http.server
import re
import ssl
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

from . import clients, oci

sys.path.insert(0, str(clients.TOP / "qemu"))
import node as qemu_node  # noqa: E402

GUEST_ADDRESS = "10.0.2.100"


def make_certificates(folder):
    """ca.pem, and cert.pem with key.pem for loopback and the guest's address of a registry."""
    run = lambda *words: subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)  # noqa: E731
    ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    run("req", "-x509", *ec, "-keyout", "ca.key", "-out", "ca.pem", "-days", "3650", "-subj", "/CN=test registry CA")
    run("req", *ec, "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=registry")
    (folder / "names").write_text(f"subjectAltName=IP:127.0.0.1,IP:{GUEST_ADDRESS},DNS:localhost,DNS:registry.test\n")
    run("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "3650",
        "-extfile", "names", "-out", "cert.pem")


def machine_yaml(*registries):
    """A machine configuration whose node trusts the CAs of these registries."""
    text = "version: 1\nengine:\n  registries:\n"
    for one in (registry.machine_config() for registry in registries):
        pem = "".join(f"        {line}\n" for line in one["ca"].splitlines())
        text += f"    - host: \"{one['host']}\"\n      ca: |\n{pem}"
    return text


class Registry:
    """docker-registry with TLS and, given htpasswd, basic authentication."""

    def __init__(self, folder, user=None):
        self.folder, self.port, self.user = folder, qemu_node.free_port(), user
        folder.mkdir(parents=True, exist_ok=True)
        make_certificates(folder)
        auth = ""
        if user:
            name, password = user
            htpasswd = subprocess.run([*clients.command("htpasswd"), "-Bbn", name, password], capture_output=True, text=True, check=True)
            (folder / "htpasswd").write_text(htpasswd.stdout)
            auth = f"auth: {{htpasswd: {{realm: test, path: {folder}/htpasswd}}}}\n"
        (folder / "config.yml").write_text(
            "version: 0.1\nlog: {level: warn}\n"
            f"storage: {{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: true}}}}\n"
            f"http: {{addr: 127.0.0.1:{self.port}, secret: test, tls: {{certificate: {folder}/cert.pem, key: {folder}/key.pem}}}}\n"
            + auth
        )
        self.log = open(folder / "log", "wb")
        self.process = subprocess.Popen([*clients.command("docker-registry"), "serve", str(folder / "config.yml")],
                                        stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)  # fmt: skip
        deadline = time.monotonic() + 20
        while True:
            try:
                self.request("GET", "/v2/")
                break
            except OSError:
                assert time.monotonic() < deadline and self.process.poll() is None, (folder / "log").read_text()
                time.sleep(0.1)

    @property
    def address(self):
        return f"{GUEST_ADDRESS}:5000"

    @property
    def forward(self):
        return f"{GUEST_ADDRESS}:5000=127.0.0.1:{self.port}"

    def request(self, method, url, body=None, headers=None):
        headers = dict(headers or {})
        if self.user:
            headers["Authorization"] = "Basic " + base64.b64encode(":".join(self.user).encode()).decode()
        context = ssl.create_default_context(cafile=self.folder / "ca.pem")
        conn = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=60)
        conn.request(method, url, body, headers)
        reply = conn.getresponse()
        data = reply.read()
        conn.close()
        return reply, data

    def push_blob(self, name, data):
        reply, _ = self.request("POST", f"/v2/{name}/blobs/uploads/", b"")
        assert reply.status == 202, reply.status
        where = urlsplit(reply.getheader("Location"))
        query = f"{where.query}&" if where.query else ""
        reply, body = self.request("PUT", f"{where.path}?{query}digest={oci.digest(data)}", data,
                                   {"Content-Type": "application/octet-stream"})
        assert reply.status == 201, (reply.status, body)

    def push(self, name, tag, image):
        """An Image, or a list of Images as a multi-architecture index."""
        for one in image if isinstance(image, list) else [image]:
            for data in oci.blobs(one).values():
                self.push_blob(name, data)
            where = tag if one is image else oci.digest(one.manifest())
            reply, body = self.request("PUT", f"/v2/{name}/manifests/{where}", one.manifest(), {"Content-Type": one.media_type()})
            assert reply.status == 201, (reply.status, body)
        if isinstance(image, list):
            reply, body = self.request("PUT", f"/v2/{name}/manifests/{tag}", oci.index(image), {"Content-Type": oci.OCI + "index.v1+json"})
            assert reply.status == 201, (reply.status, body)
        return f"{self.address}/{name}:{tag}"

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()

    def machine_config(self):
        """The section of a machine configuration that makes a node trust this registry's CA. No `tls`: qemu/run adds none to
        a section that is given, so the caller merges it with the generated one."""
        pem = (self.folder / "ca.pem").read_text()
        return {"host": self.address, "ca": pem}


class LyingRegistry:
    """Serves exactly the bytes it is given, over TLS or without, however wrong: {name: {tag or digest: (type, bytes)}}.

    @behave(handler, path) may answer a request itself and return True: stalls, redirects, resets.
    """

    def __init__(self, folder, behave=None, at=5001, tls=True):
        """@at: its port for the guest."""
        folder.mkdir(parents=True, exist_ok=True)
        make_certificates(folder)
        self.address = f"{GUEST_ADDRESS}:{at}"
        self.folder, self.manifests, self.blobs, self.asked = folder, {}, {}, []
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = None if tls else 2  # a client that speaks TLS waits for an answer to what is no line

            def do_GET(self):
                registry.asked.append((self.command, self.path))
                if behave and behave(self, self.path):
                    return
                if self.path == "/v2/":
                    return self.answer(200, "application/json", b"{}")
                match = re.fullmatch(r"/v2/(.+)/(manifests|blobs)/([^/]+)", self.path)
                held = registry.manifests if match and match[2] == "manifests" else registry.blobs
                if not match or match[3] not in held:
                    return self.answer(404, "application/json", b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"unknown"}]}')
                kind, data = held[match[3]] if held is registry.manifests else ("application/octet-stream", held[match[3]])
                return self.answer(200, kind, data)

            do_HEAD = do_POST = do_GET

            def answer(self, status, kind, data, **headers):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                for key, value in headers.items():
                    self.send_header(key.replace("_", "-"), value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def forward(self):
        return f"{self.address}=127.0.0.1:{self.port}"

    def hold(self, tag, image):
        manifest = image.manifest()
        self.manifests[tag] = self.manifests[oci.digest(manifest)] = (image.media_type(), manifest)
        self.blobs.update(oci.blobs(image))

    def machine_config(self):
        return {"host": self.address, "ca": (self.folder / "ca.pem").read_text()}

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


