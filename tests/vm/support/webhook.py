# SPDX-License-Identifier: Apache-2.0
"""A webhook of admission and of conversion on loopback, behind TLS; a guest reaches it through --guest-forward. What it says is
decided by path."""

import base64
import http.server
import json
import ssl
import threading
import time

from .registry import make_certificates


def patch(*operations):
    """An answer that allows and changes."""
    text = json.dumps([{"op": op, "path": path, "value": value} for op, path, value in operations])
    return {"allowed": True, "patchType": "JSONPatch", "patch": base64.b64encode(text.encode()).decode()}


def deny(why):
    return {"allowed": False, "status": {"message": why}}


class Webhook:
    """.says[path] = a function of the request (of an AdmissionReview or a ConversionReview) that returns the response without its uid;
    a list is the objects that were converted."""

    def __init__(self, folder, port, address):
        self.says, self.seen = {}, []
        folder.mkdir(parents=True, exist_ok=True)
        make_certificates(folder)
        time.sleep(2)  # they are valid from now on; the guest's clock was set to a whole second, and may be one behind
        self.url = f"https://{address}"
        self.bundle = base64.b64encode((folder / "ca.pem").read_bytes()).decode()
        self.says["/slow"] = lambda request: time.sleep(3) or {"allowed": True}
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                request, path = question["request"], self.path.split("?")[0]
                owner.seen.append((path, request))
                said = owner.says[path](request)
                if isinstance(said, list):
                    said = {"convertedObjects": said, "result": {"status": "Success"}}
                response = {**said, "uid": request["uid"]}
                text = json.dumps({"apiVersion": question["apiVersion"], "kind": question["kind"], "response": response}).encode()
                try:
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text)
                except OSError:
                    pass  # who asked has not waited

            def log_message(self, *_):
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def end(self):
        self.server.shutdown()
        self.server.server_close()
