# SPDX-License-Identifier: Apache-2.0
"""The clock of the machine against an NTP server (RFC 5905) that lies, that refuses, and that is honest; and what hangs on it."""

import struct
import time

import pytest

from support.cluster import Cluster, Watch
from support.node import eventually
from support.wire import Wire

SERVER, GUEST, MAC = "10.123.0.1", "10.123.0.2", "52:54:00:77:00:02"
DAY = 86400
PATIENCE = 15
FIELDS = ">BBbbII4sQQQQ"  # flags, stratum, poll, precision, delay, dispersion, reference, and four times


def stamp(seconds):
    return int((seconds + 2208988800) * (1 << 32))


class Server:
    """A server whose time is a day ahead. Its @manner makes replies of a request's transmit time."""

    def __init__(self, path):
        self.asked, self.manner, self.strangers = 0, self.silent, set()
        self.wire = Wire(path, SERVER, self.answer)

    def answer(self, port, request):
        if port != 123 or len(request) < 48:
            self.strangers.add(port)
            return []
        self.asked += 1
        return self.manner(struct.unpack(FIELDS, request[:48])[-1])

    def reply(self, origin, flags=0x24, stratum=2, reference=b"\x0a\x7b\0\1"):
        now = stamp(time.time() + DAY)
        return struct.pack(FIELDS, flags, stratum, 4, -20, 1 << 8, 1 << 8, reference, now, origin, now, now)

    def silent(self, sent):
        return []

    def honest(self, sent):
        return [self.reply(sent)]

    def spoofed(self, sent):
        """As of someone who sees no requests: the origin is not what was sent; and one that is no reply by its length."""
        return [self.reply(sent ^ 1 << 40), self.reply(sent ^ 1), self.reply(0), self.reply(sent)[:40]]

    def unsynchronised(self, sent):
        return [self.reply(sent, flags=0xE4)]

    def refusing(self, sent):
        """A kiss-o'-death (RFC 5905, 7.4): it asks to be left alone, and its times mean nothing."""
        return [self.reply(sent, flags=0xE4, stratum=0, reference=b"RATE")]


@pytest.fixture
def server(tmp_path):
    made = Server(tmp_path / "wire")
    yield made
    made.wire.stop()


def ahead(node):
    """How far the node's clock is before this machine's, in whole seconds."""
    return round(int(node.ssh("date +%s")) - time.time())


def asks_anew(node, server, manner):
    """The client is killed and started again, for one that got no answer waits long before it asks once more."""
    before = node.ssh("pidof ntpd").split()
    node.ssh("kill -9 $(pidof ntpd)")
    server.manner, server.asked = manner, 0
    assert eventually(lambda: node.ssh("pidof ntpd || true").split() not in ([], before), 60, 1), "the time service starts it again"


def test_the_clock_follows_an_honest_server_alone(make_node, server, tmp_path):
    """Nobody moves the clock who did not see the request, who has no time himself, or who refuses; one who answers does, and in
    less time than the others were given. What it was then is saved: a machine that boots with an older clock is not behind it."""
    server.manner = server.spoofed
    config = tmp_path / "machine.yaml"
    config.write_text(f"version: 1\nnetwork:\n  interfaces:\n    - name: eth0\n      dhcp: true\n    - mac: \"{MAC}\"\n"
                      f"      addresses: [{GUEST}/24]\ntime:\n  servers: [{SERVER}]\n")  # fmt: skip
    node = make_node()
    node.extra = [*server.wire.qemu(MAC), "--config", str(config)]
    node.boot()
    for manner in (server.spoofed, server.unsynchronised, server.refusing):
        if server.manner != manner:
            asks_anew(node, server, manner)
        assert eventually(lambda: server.asked, 60, 0.5), manner.__name__
        time.sleep(PATIENCE)
        assert abs(ahead(node)) < 5, manner.__name__
    assert server.asked <= 5, "after the first few requests, a second apart, the client waits half a minute"

    asks_anew(node, server, server.honest)
    assert eventually(lambda: server.asked, 60, 0.5)
    assert eventually(lambda: abs(ahead(node) - DAY) < 5, PATIENCE, 1), node.ssh("date")
    assert not server.strangers

    server.manner = server.silent
    node.stop()
    node.boot()
    assert DAY - 180 < ahead(node) < DAY, "what it takes to boot is lost, no more"


def test_tokens_and_the_node_when_the_clock_is_set(make_node):
    """An hour's tokens are over, or not valid yet, in the moment in which a machine without a clock is told the time. Pods have others
    at once, and the node, which has renewed its Lease by the clock of before, is not given up."""
    node = make_node()
    node.boot("--wait", "ready")
    cluster = Cluster(node)
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}

    def token():
        return cluster.kubectl("exec", "holds", "--", "cat", "/var/run/secrets/kubernetes.io/serviceaccount/token", check=False).stdout

    def knows(text):
        """The status of what its holder asks."""
        return cluster.raw("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review,
                           headers={"Authorization": f"Bearer {text}"}, client=False)[0]  # fmt: skip

    assert eventually(lambda: cluster.raw("GET", "/api/v1/namespaces/default/serviceaccounts/default")[0] == 200, 60)
    cluster.kubectl("run", "holds", "--image=wherry/hello", "--image-pull-policy=IfNotPresent", "--", "sleep", "3600")
    cluster.kubectl("wait", "--for=condition=Ready", "pod/holds", "--timeout=90s")
    old = token()
    assert knows(old) == 201
    with Watch(cluster, "/api/v1/nodes", "") as watch:
        for hours in (2, -2):
            node.ssh(f"date -s @$(($(date +%s) + {hours * 3600}))")
            cluster.kubectl("label", "node", "--all", "--overwrite", f"stepped={hours > 0}")  # something for the controller to look at
            assert knows(old) == 401, hours
            assert eventually(lambda old=old: (fresh := token()) not in ("", old) and knows(fresh) == 201, 90, 1), (hours, node.ssh("wherryctl logs agent | tail -5"))
            old = token()
        time.sleep(12)  # a Lease is renewed every ten seconds
    said = [c for event in watch.seen for c in event["object"].get("status", {}).get("conditions", [])]
    assert said and not [c for c in said if c["status"] == "Unknown"]
