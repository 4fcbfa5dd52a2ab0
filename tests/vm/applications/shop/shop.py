# SPDX-License-Identifier: Apache-2.0
"""A shop: what it sells and what was ordered are in PostgreSQL.

GET / is the page, POST /orders orders what the body names, GET /ready says whether the database answers. From the environment:
TITLE, DATABASE_HOST, DATABASE_USER, DATABASE_PASSWORD. At SIGTERM it takes no more connections and ends once those it has are
answered.
"""

import html
import http.server
import os
import signal
import threading

import psycopg2

GOODS = ("rope", "lantern", "biscuits")


class Store:
    """One connection, made anew after a failure; one request at a time."""

    def __init__(self):
        self.lock, self.db = threading.Lock(), None

    def run(self, sql, *values, rows=False):
        with self.lock:
            try:
                if self.db is None:
                    self.db = psycopg2.connect(host=os.environ["DATABASE_HOST"], user=os.environ["DATABASE_USER"], connect_timeout=5,
                                               password=os.environ["DATABASE_PASSWORD"], dbname=os.environ["DATABASE_USER"])  # fmt: skip
                    self.db.autocommit = True
                    with self.db.cursor() as at:
                        at.execute("CREATE TABLE IF NOT EXISTS orders (number serial PRIMARY KEY, what text NOT NULL)")
                with self.db.cursor() as at:
                    at.execute(sql, values)
                    return at.fetchall() if rows else None
            except psycopg2.Error:
                if self.db is not None:
                    self.db.close()
                self.db = None
                raise


store = Store()


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, text, kind="text/plain"):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind + "; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def page(self):
        count = dict(store.run("SELECT what, count(*) FROM orders GROUP BY what", rows=True))
        lines = "".join(f"<li>{html.escape(w)}: {count.get(w, 0)} ordered</li>" for w in [*GOODS, *sorted(set(count) - set(GOODS))])
        title = html.escape(os.environ.get("TITLE", "A shop"))
        return f"<!doctype html><title>{title}</title><h1>{title}</h1><ul>{lines}</ul><p>version {html.escape(os.environ.get('VERSION', '1'))}</p>\n"

    def do_GET(self):
        try:
            if self.path == "/":
                self.answer(200, self.page(), "text/html")
            elif self.path == "/ready":
                store.run("SELECT 1")
                self.answer(200, "ready\n")
            else:
                self.answer(404, "there is / and /ready\n")
        except psycopg2.Error as e:
            self.answer(503, f"the database: {e}\n")

    def do_POST(self):
        what = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), 100)).decode(errors="replace")
        try:
            store.run("INSERT INTO orders (what) VALUES (%s)", what)
            self.answer(201, "ordered\n")
        except psycopg2.Error as e:
            self.answer(503, f"the database: {e}\n")

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False  # server_close() waits for those that answer
    request_queue_size = 64


def main():
    server = Server(("", 8000), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
    server.server_close()


main()
