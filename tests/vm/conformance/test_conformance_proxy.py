# SPDX-License-Identifier: Apache-2.0
"""Conformance of proxies: pods and services below the API server's own address, over HTTP and TLS, by every method. One pod serves, and
says of a request what it got: nginx, and behind it a script that echoes what comes after a head."""

import json
import tarfile
import threading

import pytest
from support import oci, programs
from support.conformance import named
from support.node import eventually
from support.registry import make_certificates

PROXY = "[sig-network] Proxy version v1 "
NS = "conformance-proxy"
IMAGE = "conformance/nginx:1"
METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
TEXTS = {80: '<a href="/rewriteme">test</a>', 1080: '<a href="/rewriteme">test</a>', 160: "foo", 162: "bar"}
TLS_TEXTS = {443: '<a href="/tlsrewriteme">test</a>', 460: "tls baz", 462: "tls qux"}
SERVER = "server { listen %d%s; location / { return 200 '%s'; } }\n"
CONFIG = """user root; daemon off; worker_processes 1; pid /tmp/pid; error_log /dev/stderr;
events {}
http {
  access_log off; default_type text/html; server_tokens off;
  client_body_temp_path /tmp/1; proxy_temp_path /tmp/2; fastcgi_temp_path /tmp/3; uwsgi_temp_path /tmp/4; scgi_temp_path /tmp/5;
  ssl_certificate /conf/cert.pem; ssl_certificate_key /conf/key.pem;
""" + "".join(SERVER % (port, "", text) for port, text in TEXTS.items()) + "".join(
    SERVER % (port, " ssl", text) for port, text in TLS_TEXTS.items()) + """
  server {
    listen 8080; listen 8443 ssl; default_type application/json;
    location / { return 200 '{"Method":"$request_method","Body":"foo"}'; }
    location /got {
      default_type text/plain;
      add_header Set-Cookie a=1; add_header Set-Cookie b=2; add_header X-Any "any thing"; add_header Access-Control-Allow-Origin *;
      return 200 '$request_uri|$http_x_some|$http_authorization|$http_x_forwarded_uri|$http_accept_encoding|$http_cookie';
    }
    location /moved { return 302 http://$host:$server_port/there?x=/y; }
    location /elsewhere { return 302 https://example.com/there; }
    location /echo {
      proxy_pass http://127.0.0.1:9000; proxy_http_version 1.1; proxy_buffering off;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $http_connection;
    }
  }
}
"""  # fmt: skip
ECHO = r"""n=0; up=; while read -r l; l=${l%?}; [ "$l" ]; do
case $l in [Cc]ontent-[Ll]ength:*) n=${l#*: };; [Uu]pgrade:*) up=${l#*: };; esac; done
if [ "$up" ]; then printf 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: %s\r\nConnection: Upgrade\r\n\r\n' "$up"; exec cat; fi
printf 'HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n' "$n"; exec head -c "$n"
"""


class Proxied:
    def __init__(self, cluster, pod):
        self.cluster, self.pod, self.conn = cluster, pod, cluster.connect()  # a handshake costs more than most of what is asked

    @staticmethod
    def at(resource, name):
        return f"/api/v1/namespaces/{NS}/{resource}/{name}/proxy"

    def ask(self, method, path, body=None, headers=None, conn=None):
        """Status, text and headers; nothing is followed."""
        conn = conn or self.conn
        conn.request(method, path, body, headers or {})
        reply = conn.getresponse()
        text = reply.read().decode()
        return reply.status, text, reply.headers

    def upgrade(self, path):
        """What comes back of what was sent after the head."""
        conn = self.cluster.connect()
        conn.request("GET", path, headers={"Connection": "Upgrade", "Upgrade": "echo"})
        reply = conn.getresponse()
        got = f"{reply.status} {reply.headers['Upgrade']}\n"
        if reply.status == 101:
            conn.sock.sendall(b"there and back\n")
            got += reply.fp.readline().decode()
        conn.close()
        return got


@pytest.fixture(scope="module")
def proxied(cluster, tmp_path_factory):
    folder = tmp_path_factory.mktemp("proxy")
    make_certificates(folder)
    empty = [oci.Member(path, type=tarfile.DIRTYPE, mode=0o755) for path in ("var/log/nginx", "var/lib/nginx")]
    image = programs.image("nginx", *empty, Cmd=["/usr/sbin/nginx", "-c", "/conf/nginx.conf"])
    assert IMAGE in cluster.node.docker("load", input=oci.archive(image, IMAGE), text=False, timeout=300).stdout.decode()
    cluster.namespace(NS)
    files = {"nginx.conf": CONFIG, "echo": ECHO, "cert.pem": (folder / "cert.pem").read_text(), "key.pem": (folder / "key.pem").read_text()}
    create = lambda resource, body: cluster.ask("POST", f"/api/v1/namespaces/{NS}/{resource}", body, expect=201)  # noqa: E731
    create("configmaps", {"metadata": {"name": "conf"}, "data": files})
    mounts = [{"name": "conf", "mountPath": "/conf"}]
    ports = [80, ("dest1", 160), ("dest2", 162), ("tlsdest1", 460), ("tlsdest2", 462)]
    labels = {"app": "porter"}
    create("replicationcontrollers", {"metadata": {"name": "porter"}, "spec": {"replicas": 1, "selector": labels, "template": {
        "metadata": {"labels": labels}, "spec": {
            "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False, "volumes": [{"name": "conf", "configMap": {"name": "conf"}}],
            "containers": [
                {"name": "web", "image": IMAGE, "imagePullPolicy": "Never", "volumeMounts": mounts,
                 "ports": [{"name": p[0], "containerPort": p[1]} if isinstance(p, tuple) else {"containerPort": p} for p in ports],
                 "readinessProbe": {"httpGet": {"port": 80}, "periodSeconds": 1, "timeoutSeconds": 20, "failureThreshold": 10}},
                {"name": "echo", "image": "wherry/hello", "imagePullPolicy": "IfNotPresent", "volumeMounts": mounts,
                 "command": ["sh", "-c", "while :; do nc -l -p 9000 -e sh /conf/echo; done"]}]}}}})  # fmt: skip
    port = lambda name, number, to: {"name": name, "port": number, "targetPort": to}  # noqa: E731
    create("services", {"metadata": {"name": "porter"}, "spec": {"selector": labels, "ports": [
        port("portname1", 80, "dest1"), port("portname2", 81, 162), port("tlsportname1", 443, "tlsdest1"), port("tlsportname2", 444, 462)]}})  # fmt: skip
    create("services", {"metadata": {"name": "test-service"}, "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]}})
    pods = lambda: cluster.ask("GET", f"/api/v1/namespaces/{NS}/pods")["items"]  # noqa: E731

    def ready():
        subsets = lambda name: cluster.raw("GET", f"/api/v1/namespaces/{NS}/endpoints/{name}")[1].get("subsets") or [{}]  # noqa: E731
        return all(subsets(name)[0].get("addresses") for name in ("porter", "test-service"))

    assert eventually(ready, timeout=150), json.dumps(pods())
    yield Proxied(cluster, pods()[0]["metadata"]["name"])
    cluster.kubectl("delete", "namespace", NS, "--wait=false", check=False)


@named(PROXY, "should proxy through a service and a pod")
def test_through_a_service_and_a_pod(proxied):
    """By each of the names, over HTTP and TLS, several at once; absolute links of a page lead back through the proxy."""
    expected = {}
    for scheme in ("", "http:"):
        expected[proxied.at("services", scheme + "porter:portname1")] = "foo"
        expected[proxied.at("services", scheme + "porter:portname2")] = "bar"
        expected[proxied.at("pods", f"{scheme}{proxied.pod}:160")] = "foo"
        expected[proxied.at("pods", f"{scheme}{proxied.pod}:162")] = "bar"
    expected[proxied.at("services", "https:porter:tlsportname1")] = "tls baz"
    expected[proxied.at("services", "https:porter:tlsportname2")] = "tls qux"
    expected[proxied.at("pods", f"https:{proxied.pod}:460")] = "tls baz"
    expected[proxied.at("pods", f"https:{proxied.pod}:462")] = "tls qux"
    for name, link in ((proxied.pod, "rewriteme"), (f"{proxied.pod}:1080", "rewriteme"), (f"http:{proxied.pod}:1080", "rewriteme"),
                       (f"https:{proxied.pod}:443", "tlsrewriteme")):  # fmt: skip
        path = proxied.at("pods", name)
        expected[path] = f'<a href="{path}/{link}">test</a>'
    wrong = []

    def ask(path, text):
        conn = proxied.cluster.connect()
        for _ in range(3):
            status, said, _ = proxied.ask("GET", path + "/", conn=conn)
            if (status, said) != (200, text):
                wrong.append((path, status, said, text))
        conn.close()

    threads = [threading.Thread(target=ask, args=item) for item in expected.items()]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(expected) == 16 and not wrong, wrong


def answers_method(proxied, method, path):
    status, said, _ = proxied.ask(method, path)
    assert status == 200, (method, path, status, said)
    assert said == "" if method == "HEAD" else json.loads(said) == {"Method": method, "Body": "foo"}, (method, path, said)


@named(PROXY, "A set of valid responses are returned for both pod and service ProxyWithPath")
def test_every_method_with_a_path(proxied):
    for method in METHODS:
        for to in (proxied.at("pods", f"{proxied.pod}:8080"), proxied.at("services", "test-service"), proxied.at("pods", f"https:{proxied.pod}:8443")):
            answers_method(proxied, method, f"{to}/some/path/with/{method}")


@named(PROXY, "A set of valid responses are returned for both pod and service Proxy")
def test_every_method_without_a_path(proxied):
    for to in (proxied.at("pods", f"{proxied.pod}:8080"), proxied.at("services", "test-service")):
        for method in METHODS:
            path = f"{to}?method={method}"
            if method in ("GET", "HEAD"):
                status, _, headers = proxied.ask(method, path)
                assert (status, headers["Location"]) == (301, f"{to}/?method={method}")
            else:
                answers_method(proxied, method, path)


def test_what_goes_through(proxied):
    """Headers of both sides, but those that are for the API server; bodies; redirects; what is answered when nobody is there."""
    at, pod = proxied.at, proxied.pod
    proxied.cluster.kubectl("-n", NS, "create", "rolebinding", "all", "--clusterrole=cluster-admin", f"--serviceaccount={NS}:default")
    token = proxied.cluster.kubectl("-n", NS, "create", "token", "default").stdout.strip()
    for to in (at("pods", f"{pod}:8080"), at("pods", f"https:{pod}:8443")):
        path = "/got/%2F/a%20b?x=%26&x=2&dryRun=perhaps&fieldValidation=no&timeout=never"
        status, said, headers = proxied.ask("POST", to + path, b"", {"X-Some": "some", "Accept-Encoding": "gzip", "Cookie": "k=v"})
        assert (status, said) == (200, f"{path}|some||{to}{path.split('?')[0]}||k=v")
        assert headers.get_all("Set-Cookie") == ["a=1", "b=2"] and headers["X-Any"] == "any thing" and "Access-Control-Allow-Origin" not in headers
        bearer = proxied.cluster.connect(client=False)
        assert proxied.ask("GET", to + "/got", headers={"Authorization": f"Bearer {token}"}, conn=bearer)[:2] == (200, f"/got|||{to}/got||")
        bearer.close()
        assert proxied.ask("GET", to + "/moved")[2]["Location"] == to + "/there?x=/y"
        assert proxied.ask("GET", to + "/elsewhere")[2]["Location"] == "https://example.com/there"
        body = bytes(range(65, 91)) * 1000
        assert eventually(lambda to=to: proxied.ask("PUT", to + "/echo", body)[1] == body.decode(), timeout=30)  # it listens again a moment later
        assert eventually(lambda to=to: proxied.upgrade(to + "/echo") == "101 echo\nthere and back\n", timeout=30), proxied.upgrade(to + "/echo")
    for resource, name, status, words in (
        ("pods", f"{pod}:1", 503, "error trying to reach service: "),
        ("pods", f"https:{pod}:8080", 503, "error trying to reach service: "),
        ("pods", "nobody", 404, 'pods "nobody" not found'),
        ("pods", f"{pod}:no-port", 400, "address not allowed"),
        ("pods", f"ftp:{pod}:21", 400, "invalid pod request"),
        ("services", "porter:none", 503, 'no endpoints available for service "porter"'),
    ):  # fmt: skip
        got, said, _ = proxied.ask("GET", at(resource, name) + "/")
        assert got == status and words in json.loads(said)["message"], (name, got, said)


def test_no_way_to_the_machine_itself(proxied):
    """Endpoints by hand that would lead to what listens on loopback beside the API server, or to a link."""
    path = f"/apis/discovery.k8s.io/v1/namespaces/{NS}/endpointslices"
    proxied.cluster.ask("POST", f"/api/v1/namespaces/{NS}/services", {"metadata": {"name": "inward"}, "spec": {"ports": [{"port": 80}]}}, expect=201)

    def body(address):
        return {"metadata": {"name": "inward", "labels": {"kubernetes.io/service-name": "inward"}}, "addressType": "IPv4",
                "ports": [{"port": 10250}], "endpoints": [{"addresses": [address]}]}  # fmt: skip

    for address, why in (("127.0.0.1", "may not be in the loopback range"), ("169.254.169.254", "may not be in the link-local range")):
        assert why in proxied.cluster.ask("POST", path, body(address), expect=422)["message"]
        old = {"metadata": {"name": "inward"}, "subsets": [{"addresses": [{"ip": address}], "ports": [{"port": 10250}]}]}
        assert why in proxied.cluster.ask("POST", f"/api/v1/namespaces/{NS}/endpoints", old, expect=422)["message"]
    # what may be written is looked at once more by the proxy
    proxied.cluster.ask("POST", path, body("224.0.1.1"), expect=201)
    status, said, _ = proxied.ask("GET", proxied.at("services", "https:inward:") + "/healthz")
    assert (status, json.loads(said)["message"]) == (400, "address not allowed: 224.0.1.1"), said


def test_the_node_by_another_port(proxied):
    """The agent by its own port or none, and whatever else listens there."""
    node = proxied.cluster.ask("GET", "/api/v1/nodes")["items"][0]["metadata"]["name"]
    for name in (node, f"{node}:10250"):
        assert proxied.ask("GET", f"/api/v1/nodes/{name}/proxy/healthz")[:2] == (200, "ok")
    status, said, _ = proxied.ask("GET", f"/api/v1/nodes/{node}:1/proxy/")
    assert status == 503 and ":1: " in json.loads(said)["message"], said
