# SPDX-License-Identifier: Apache-2.0
"""engine_pull alone, against a real registry and against one that lies. What is refused leaves nothing behind."""

import os
import stat
import tarfile
import threading

import pytest

from support import oci
from support.registry import LyingRegistry, Registry


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    made = Registry(tmp_path_factory.mktemp("registry"), user=("boat", "oars"))
    yield made
    made.stop()


def at(server):
    """Its section of the machine configuration and its address, seen from this machine."""
    host = f"127.0.0.1:{server.port}"
    return {"host": host, "ca": (server.folder / "ca.pem").read_text()}, host


class Liar(LyingRegistry):
    """One whose behaviour a test changes."""

    def __init__(self, folder):
        self.rule = lambda handler, path: False
        super().__init__(folder, lambda handler, path: self.rule(handler, path))


@pytest.fixture
def liar(tmp_path):
    made = Liar(tmp_path / "liar")
    yield made
    made.stop()


def small(*members, how="gzip", **more):
    return oci.Image([oci.Layer(oci.tar([oci.Member("hello", b"hi\n"), *members]), how)], **more)


@pytest.mark.parametrize("how, docker", [("gzip", False), ("zstd", False), ("zstd:chunked", False), ("", False), ("gzip", True)])
def test_pull_from_a_real_registry(registry, puller_for, how, docker):
    section, host = at(registry)
    pull = puller_for(section)
    tag = f"{how or 'plain'}-{docker}".lower().replace(":", "-")
    image = oci.Image([oci.Layer(oci.tar([oci.Member("a/b", b"below" * 10000), oci.Member("a/c", b"x")]), how),
                       oci.Layer(oci.tar([oci.Member("a/.wh.c"), oci.Member("d/.wh..wh..opq"), oci.Member("d/e", b"y")]), how)],
                      docker=docker)  # fmt: skip
    registry.push("lib/app", tag, image)
    code, sentence, messages = pull(f"{host}/lib/app:{tag}", auth=("boat", "oars"))
    assert (code, sentence) == (0, "")
    words = [m["status"] for m in messages]
    assert words[0] == "Pulling from lib/app" and messages[0]["id"] == tag
    assert words.count("Pulling fs layer") == words.count("Pull complete") == 2
    assert words[-2] == f"Digest: {oci.digest(image.manifest())}"
    assert words[-1] == f"Status: Downloaded newer image for {host}/lib/app:{tag}"
    below, above = (pull.layer(layer.diff_id()) for layer in image.layers)
    assert (below / "a/b").read_bytes() == b"below" * 10000
    gone = (above / "a/c").lstat()
    assert stat.S_ISCHR(gone.st_mode) and gone.st_rdev == 0
    assert os.getxattr(above / "d", "trusted.overlay.opaque") == b"y"
    assert not list((pull.dir / "staging").iterdir())

    code, _, messages = pull(f"{host}/lib/app:{tag}", auth=("boat", "oars"))
    assert code == 0 and messages[-1]["status"].startswith("Status: Image is up to date")
    by_digest = f"{host}/lib/app@{oci.digest(image.manifest())}"
    assert pull(by_digest, auth=("boat", "oars"))[0] == 0


def test_shared_and_repeated_layers_come_once(registry, puller_for):
    section, host = at(registry)
    pull = puller_for(section)
    base = oci.Layer(oci.tar([oci.Member("base", b"b")]))
    registry.push("share", "1", oci.Image([base, base]))
    registry.push("share", "2", oci.Image([base, oci.Layer(oci.tar([oci.Member("top", b"t")]))]))
    assert pull(f"{host}/share:1", auth=("boat", "oars"))[0] == 0
    code, _, messages = pull(f"{host}/share:2", auth=("boat", "oars"))
    words = [m["status"] for m in messages]
    assert code == 0 and words.count("Already exists") == 1 and words.count("Pulling fs layer") == 1


def test_platform_is_picked_from_an_index(registry, puller_for):
    section, host = at(registry)
    pull = puller_for(section)
    arm, amd = small(oci.Member("which", b"arm\n"), arch="arm64"), small(oci.Member("which", b"amd\n"))
    registry.push("multi", "1", [arm, amd])
    assert pull(f"{host}/multi:1", auth=("boat", "oars"), platform="linux/amd64")[0] == 0
    assert (pull.layer(amd.layers[0].diff_id()) / "which").exists() and not pull.layer(arm.layers[0].diff_id()).exists()
    assert pull(f"{host}/multi:1", auth=("boat", "oars"), platform="linux/arm64")[0] == 0
    assert (pull.layer(arm.layers[0].diff_id()) / "which").exists()
    code, sentence, _ = pull(f"{host}/multi:1", auth=("boat", "oars"), platform="linux/riscv64")
    assert code < 0 and "no matching manifest for linux/riscv64" in sentence


def test_credentials(registry, puller_for):
    section, host = at(registry)
    pull = puller_for(section)
    registry.push("private", "1", small())
    for auth in (None, ("boat", "wrong")):
        code, sentence, messages = pull(f"{host}/private:1", auth=auth)
        assert code < 0 and "pull access denied" in sentence and "unauthorized" in sentence and not messages
    code, sentence, _ = pull(f"{host}/no/such:tag", auth=("boat", "oars"))
    assert code < 0 and f"{host}/no/such:tag not found" in sentence


def test_login(registry, liar, puller_for):
    section, host = at(registry)
    pull = puller_for(section, at(liar)[0])
    assert pull(host, auth=("boat", "oars"), login=True) == (0, "", [])
    for auth in (("boat", "wrong"), None):
        code, sentence, messages = pull(host, auth=auth, login=True)
        assert code < 0 and "login attempt" in sentence and "unauthorized" in sentence and not messages

    liar_host = at(liar)[1]
    token = "x"

    def rule(handler, path):
        auth = handler.headers.get("Authorization", "")
        if path.startswith("/token?"):
            assert "scope" not in path
            good = auth.startswith("Basic dTpw")
            handler.answer(200 if good else 401, "application/json", b'{"token":"x"}' if good else b"{}")
            return True
        if auth != f"Bearer {token}":
            handler.answer(401, "text/plain", b"", WWW_Authenticate=f'Bearer realm="https://{liar_host}/token",service="liar"')
            return True
        return False

    liar.rule = rule
    assert pull(liar_host, auth=("u", "p"), login=True)[0] == 0
    assert pull(liar_host, auth=("u", "q"), login=True)[0] < 0
    assert pull("../x", auth=("u", "q"), login=True)[0] < 0


def test_certificates_are_checked(registry, puller_for):
    _, host = at(registry)
    code, sentence, _ = puller_for()(f"{host}/private:1")
    assert code < 0 and "certificate" in sentence
    registry.push("insecure", "1", small())
    assert puller_for({"host": host, "insecure": True})(f"{host}/insecure:1", auth=("boat", "oars"))[0] == 0


LINK, HARD = tarfile.SYMTYPE, tarfile.LNKTYPE

HOSTILE = {
    "climbs out": [oci.Member("../../escape", b"x")],
    "climbs out with": [oci.Member("a/../../escape", b"x")],
    "hard link": [oci.Member("h", type=HARD, link="../../../etc/passwd")],
    "goes through a link": [oci.Member("d", type=LINK, link="/tmp"), oci.Member("d/escape", b"x")],
    "whiteout": [oci.Member("a/.wh...", b"")],
}


@pytest.mark.parametrize("says", HOSTILE)
def test_hostile_layers(liar, puller_for, says):
    section, host = at(liar)
    pull = puller_for(section)
    good, bad = oci.Layer(oci.tar([oci.Member("fine", b"x")])), oci.Layer(oci.tar(HOSTILE[says]))
    liar.hold("hostile", oci.Image([good, bad]))
    code, sentence, _ = pull(f"{host}/hostile:hostile")
    assert code < 0 and says in sentence and bad.digest() in sentence and "entry" in sentence
    assert pull.listing() == []


def lying(what):
    good = oci.tar([oci.Member("x", os.urandom(100000))])
    packed = oci.compress(good, "gzip")
    return {
        "truncated": (oci.Layer(good, blob=oci.truncated(packed)), "unexpected end of the gzip stream"),
        "digest": (oci.Layer(good, claimed="sha256:" + "0" * 64), "wrong digest"),
        "diff": (oci.Layer(good, claimed_diff="sha256:" + "1" * 64), "wrong diff id"),
        "garbage": (oci.Layer(good, blob=b"this is no gzip stream" * 100), "archive"),
        "bomb": (oci.Layer(b"", blob=oci.gzip_bomb(1 << 30), claimed_diff="sha256:" + "2" * 64), "ratio exceeds the limit"),
    }[what]


@pytest.mark.parametrize("what", ["truncated", "digest", "diff", "garbage", "bomb"])
def test_lying_layers(liar, puller_for, what):
    section, host = at(liar)
    pull = puller_for(section)
    layer, says = lying(what)
    liar.hold("lie", oci.Image([layer]))
    code, sentence, _ = pull(f"{host}/lie:lie")
    assert code < 0 and says in sentence and layer.digest() in sentence, sentence
    assert pull.listing() == []


def manifest_of(image, **change):
    import json

    m = json.loads(image.manifest())
    m.update(change)
    return json.dumps(m).encode()


@pytest.mark.parametrize("says, change", [
    ("kept outside the registry", lambda m: [{**m[0], "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "urls": ["http://x/"]}]),
    ("not supported", lambda m: [{**m[0], "mediaType": "application/vnd.oci.image.layer.v1.tar+lzma"}]),
    ("digest", lambda m: [{**m[0], "digest": "sha256:../../../etc"}]),
    ("layers", lambda m: []),
    ("more than 500", lambda m: m * 501),
])  # fmt: skip
def test_bad_manifests(liar, puller_for, says, change):
    import json

    section, host = at(liar)
    pull = puller_for(section)
    image = small()
    liar.hold("bad", image)
    layers = change(json.loads(image.manifest())["layers"])
    liar.manifests["bad"] = (image.media_type(), manifest_of(image, layers=layers))
    code, sentence, _ = pull(f"{host}/x:bad")
    assert code < 0 and says in sentence
    assert pull.listing() == []


@pytest.mark.parametrize("body, says", [
    (b"[" * 100000, "nested deeper"), (b"{}", "neither an index nor a manifest"), (b"<html>", "not JSON"), (b"", "not JSON"),
    (b'{"manifests":[],"layers":[]}', "both"), (b'{"x":"' + b"a" * (5 << 20) + b'"}', "larger than"),
    (b'{"schemaVersion":1,"fsLayers":[]}', "schema 1"),
], ids=["deep", "neither", "html", "empty", "both", "large", "schema 1"])  # fmt: skip
def test_documents_that_are_no_manifests(liar, puller_for, body, says):
    section, host = at(liar)
    pull = puller_for(section)
    liar.manifests["bad"] = ("application/vnd.oci.image.manifest.v1+json", body)
    code, sentence, _ = pull(f"{host}/x:bad")
    assert code < 0 and says in sentence, sentence
    assert pull.listing() == []


def test_manifest_by_digest_is_checked(liar, puller_for):
    section, host = at(liar)
    pull = puller_for(section)
    image = small()
    liar.hold("x", image)
    wrong = "sha256:" + "3" * 64
    liar.manifests[wrong] = liar.manifests["x"]
    code, sentence, _ = pull(f"{host}/x@{wrong}")
    assert code < 0 and "wrong digest" in sentence


@pytest.mark.parametrize("to, says", [
    ("http://169.254.169.254/latest/meta-data/", "169.254.169.254"),
    ("https://169.254.1.1/x", "link-local"),
    ("https://[fe80::1]/x", "link-local"),
    ("http://127.0.0.1:1/x", "unencrypted"),
    ("file:///etc/passwd", "refused"),
])  # fmt: skip
def test_redirects_that_are_refused(liar, puller_for, to, says):
    section, host = at(liar)
    pull = puller_for(section)
    image = small()
    liar.hold("r", image)
    liar.rule = lambda handler, path: path.endswith(image.layers[0].digest()) and (
        handler.answer(307, "text/plain", b"", Location=to) or True)
    code, sentence, _ = pull(f"{host}/r:r")
    assert code < 0 and says in sentence, sentence
    assert pull.listing() == []


def test_credentials_do_not_follow_a_redirect(liar, puller_for, tmp_path):
    """To the same host they are sent again, to another they are not."""
    other = Liar(tmp_path / "other")
    seen = []
    try:
        section, host = at(liar)
        section["ca"] += at(other)[0]["ca"]
        pull = puller_for(section)
        image = small()
        liar.hold("r", image)
        blob = image.layers[0].digest()

        def first(handler, path):
            if handler.headers.get("Authorization") is None:
                handler.answer(401, "text/plain", b"", WWW_Authenticate='Basic realm="x"')
                return True
            if path.startswith("/elsewhere"):
                seen.append(("same", handler.headers.get("Authorization")))
                handler.answer(307, "text/plain", b"", Location=f"https://localhost:{other.port}/blob")
                return True
            if path.endswith(blob):
                handler.answer(307, "text/plain", b"", Location=f"/elsewhere{path}")
                return True
            return False

        def second(handler, path):
            seen.append(("other", handler.headers.get("Authorization")))
            handler.answer(200, "application/octet-stream", image.layers[0].blob)
            return True

        liar.rule, other.rule = first, second
        code, sentence, _ = pull(f"{host}/r:r", auth=("u", "p"))
        assert (code, sentence) == (0, "")
        assert [s[0] for s in seen] == ["same", "other"] and seen[0][1] and not seen[1][1]
    finally:
        other.stop()


def test_token_server(liar, puller_for):
    """Anonymous is refused; with user and password a token comes, and only the token goes to the registry."""
    section, host = at(liar)
    pull = puller_for(section)
    image = small()
    liar.hold("t", image)
    asked = []

    def rule(handler, path):
        auth = handler.headers.get("Authorization", "")
        if path.startswith("/token?"):
            asked.append((path, auth))
            if not auth.startswith("Basic "):
                handler.answer(401, "application/json", b"{}")
            else:
                handler.answer(200, "application/json", b'{"token":"abc.def"}')
            return True
        if auth != "Bearer abc.def":
            handler.answer(401, "text/plain", b"",
                           WWW_Authenticate=f'Bearer realm="https://{host}/token",service="liar",scope="repository:t:pull"')
            return True
        return False

    liar.rule = rule
    code, sentence, _ = pull(f"{host}/t:t")
    assert code < 0 and "unauthorized" in sentence
    assert pull(f"{host}/t:t", auth=("u", "p"))[0] == 0
    assert "service=liar" in asked[-1][0] and "scope=repository%3At%3Apull" in asked[-1][0]


def test_token_server_must_be_encrypted(liar, puller_for):
    section, host = at(liar)
    pull = puller_for(section)

    def rule(handler, path):
        handler.answer(401, "text/plain", b"", WWW_Authenticate='Bearer realm="http://127.0.0.1:9/token"')
        return True

    liar.rule = rule
    code, sentence, _ = pull(f"{host}/t:t", auth=("u", "p"))
    assert code < 0 and "not an https address" in sentence


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_transfer_goes_on(liar, puller_for, ranges):
    """The registry drops the connection in the middle; with and without range requests the layer is whole in the end."""
    section, host = at(liar)
    pull = puller_for(section)
    image = oci.Image([oci.Layer(oci.tar([oci.Member("x", os.urandom(3 << 20))]))])
    liar.hold("b", image)
    blob, asked = image.layers[0].blob, []

    def rule(handler, path):
        if not path.endswith(image.layers[0].digest()):
            return False
        wanted = handler.headers.get("Range")
        asked.append(wanted)
        start = int(wanted.split("=")[1].split("-")[0]) if wanted and ranges else 0
        rest = blob[start:]
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(blob) - 1}/{len(blob)}")
        handler.send_header("Content-Length", str(len(rest)))
        handler.end_headers()
        handler.wfile.write(rest[: 1 << 20] if len(asked) == 1 else rest)
        handler.close_connection = True
        return True

    liar.rule = rule
    code, sentence, messages = pull(f"{host}/b:b")
    assert (code, sentence) == (0, "")
    assert any(m["status"].startswith("Retrying in") for m in messages)
    assert len(asked) == 2 and asked[1].startswith("bytes=")


class Stalls:
    """Answers each request for a blob with the pieces of @how, a few a second; None is to hold the connection until the end."""

    def __init__(self, blob, how):
        self.blob, self.how, self.asked, self.over = blob, how, [], threading.Event()

    def __call__(self, handler, path):
        if "/blobs/" not in path or not path.endswith(oci.digest(self.blob)):
            return False
        wanted = handler.headers.get("Range")
        self.asked.append(wanted)
        start = int(wanted.split("=")[1].split("-")[0]) if wanted else 0
        rest = self.blob[start:]
        handler.close_connection = True
        try:
            for piece in self.how(len(self.asked), start, rest):
                handler.wfile.write(piece or b"")
                handler.wfile.flush()
                if self.over.wait(0.1 if piece else 100):
                    break
        except OSError:
            pass  # the downloader has left
        return True


def head(start, rest):
    status = f"206 Partial\r\nContent-Range: bytes {start}-{start + len(rest) - 1}/{start + len(rest)}" if start else "200 OK"
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(rest)}\r\n".encode()


def half_then_all(nth, start, rest):
    yield head(start, rest) + b"\r\n"
    if nth > 1:
        yield rest
    else:
        yield rest[: len(rest) // 2]
        yield None


def half_then_none(nth, start, rest):
    yield head(start, rest) + b"\r\n"
    if nth == 1:
        yield rest[: len(rest) // 2]
    yield None


def trickle(nth, start, rest):
    yield head(start, rest) + b"\r\n"
    for i in range(0, len(rest), 20):
        yield rest[i : i + 20]


def endless_head(nth, start, rest):
    yield head(start, rest)
    for i in range(1 << 20):
        yield b"X-%d: y\r\n" % i


@pytest.fixture
def stalling(liar, puller_for):
    """stalling(how): the server's side, and a pull of an image with one layer of a megabyte from it."""
    made = []

    def start(how):
        section, host = at(liar)
        image = oci.Image([oci.Layer(oci.tar([oci.Member("x", os.urandom(1 << 20))]))])
        liar.hold("s", image)
        liar.rule = Stalls(image.layers[0].blob, how)
        made.append(liar.rule)
        pull = puller_for(section)
        return liar.rule, pull, lambda: pull(f"{host}/s:s", patience=2)

    yield start
    for one in made:
        one.over.set()


def test_a_stalled_transfer_goes_on(stalling):
    """Half of the layer comes, then nothing, with the connection held: the rest is asked for anew."""
    server, _, pull = stalling(half_then_all)
    code, sentence, messages = pull()
    assert (code, sentence) == (0, "")
    assert any(m["status"].startswith("Retrying in") for m in messages)
    assert len(server.asked) == 2 and server.asked[1] == f"bytes={len(server.blob) // 2}-"


@pytest.mark.parametrize("how", [half_then_none, trickle, endless_head])
def test_a_registry_that_stalls_holds_nobody(stalling, how):
    """Nothing more, a few bytes now and then, or a head without an end: the pull ends after some attempts, and says why."""
    server, puller, pull = stalling(how)
    code, sentence, messages = pull()
    assert code < 0 and "it stalls" in sentence and oci.digest(server.blob) in sentence, sentence
    assert 5 <= len(server.asked) <= 6 and len([m for m in messages if m["status"].startswith("Retrying in")]) >= 4
    assert not puller.listing()


def test_a_mirror_is_asked_first_and_its_failure_is_none(liar, puller_for, registry):
    """The mirror has no such image; the registry itself does. And the mirror gets no credentials."""
    section, host = at(registry)
    mirror, mirror_host = at(liar)
    seen = []
    liar.rule = lambda handler, path: bool(seen.append(handler.headers.get("Authorization"))) and False
    image = small()
    registry.push("mirrored", "1", image)
    pull = puller_for({**section, "mirrors": [f"https://{mirror_host}"]}, mirror)
    assert pull(f"{host}/mirrored:1", auth=("boat", "oars"))[0] == 0
    assert seen and not any(seen)


def test_killed_in_the_middle(liar, puller_for):
    """The puller is killed while a layer arrives: its workers end with it, and the next pull works."""
    section, host = at(liar)
    pull = puller_for(section)
    image = oci.Image([oci.Layer(oci.tar([oci.Member("x", os.urandom(1 << 20))]))])
    liar.hold("k", image)
    reached, go_on = threading.Event(), threading.Event()

    def rule(handler, path):
        if path.endswith(image.layers[0].digest()):
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(image.layers[0].blob)))
            handler.end_headers()
            handler.wfile.write(image.layers[0].blob[:500000])
            handler.wfile.flush()
            reached.set()
            go_on.wait(30)
            handler.close_connection = True
            return True
        return False

    liar.rule = rule
    process = pull.start(f"{host}/k:k")
    assert reached.wait(30)
    process.kill()
    process.wait()
    # descriptor 2 is shared by all of its processes: it ends when the last of them has
    process.stderr.read()
    go_on.set()
    assert not [p for p in pull.listing() if not p.startswith("staging/")]
    liar.rule = lambda handler, path: False
    assert pull(f"{host}/k:k")[0] == 0
