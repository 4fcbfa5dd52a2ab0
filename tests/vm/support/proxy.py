# SPDX-License-Identifier: Apache-2.0
"""An HTTP proxy on loopback: tunnels for CONNECT (RFC 9110, 9.3.6), and plain requests, to names that it alone knows."""

import base64
import select
import socket
import socketserver
import threading


class Proxy:
    def __init__(self, tunnels, pages=None, user=None):
        """@tunnels: {"name:port": port of loopback}; @pages: {URL: bytes}. What is in neither gets 403, and 407 whoever is not @user
        (name, password)."""
        self.asked = []
        owner = self
        proof = user and "Proxy-Authorization: Basic " + base64.b64encode(":".join(user).encode()).decode()

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                method, target, _ = self.rfile.readline().decode().split()
                headers = list(iter(lambda: self.rfile.readline().decode().strip(), ""))
                owner.asked.append((method, target))
                if proof and proof not in headers:
                    self.connection.sendall(b'HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm="p"\r\nContent-Length: 0\r\n\r\n')
                elif method == "CONNECT" and target in tunnels:
                    self.connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                    with socket.create_connection(("127.0.0.1", tunnels[target])) as there:
                        join(self.connection, there)
                elif method == "GET" and target in (pages or {}):
                    self.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(pages[target]), pages[target]))
                else:
                    self.connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def join(a, b):
    """Until one of them has ended."""
    try:
        while True:
            for one in select.select([a, b], [], [])[0]:
                piece = one.recv(1 << 16)
                if not piece:
                    return
                (b if one is a else a).sendall(piece)
    except OSError:
        pass
