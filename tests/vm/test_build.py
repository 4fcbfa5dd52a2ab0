# SPDX-License-Identifier: Apache-2.0
"""docker build with the classic builder: every instruction, the cache, stages, and what is refused."""

import hashlib
import io
import json
import lzma
import os
import tarfile

import pytest

from support import api, leaks, oci
from support.node import eventually

BASE = "wherry/hello"
CLASSIC = {"DOCKER_BUILDKIT": "0"}


@pytest.fixture
def node(shared_node):
    with leaks.checked(shared_node):
        yield shared_node
        _prune(shared_node)


def _prune(node):
    left = []

    def pruned():
        # what another module's containers still held at the first prune goes with a later one
        node.docker("image", "prune", "-af")
        left[:] = node.names("/data/engine/staging", "/data/engine/images/ids")
        return not left

    assert eventually(pruned, 15), left


@pytest.fixture
def build(node, tmp_path):
    """build(dockerfile, {path: bytes}, *options): the completed client."""

    def run(dockerfile, files=None, *options, check=True, tag="built"):
        for path, data in {"Dockerfile": dockerfile, **(files or {})}.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_bytes(data if isinstance(data, bytes) else data.encode())
        return node.docker("build", "-t", tag, *options, tmp_path, env=CLASSIC, check=check, timeout=300)

    return run


def stream_of(node, dockerfile, **flags):
    """What the API answers: its status, and the messages of the stream."""
    query = "&".join(f"{key}={int(value)}" for key, value in flags.items())
    context = oci.tar([oci.Member("Dockerfile", dockerfile.encode())])
    status, stream = api.call(node, "POST", f"/build?{query}", context, headers={"Content-Type": "application/x-tar"}, raw=True, timeout=300)
    return status, [json.loads(line) for line in stream.splitlines()]


def run(node, *command, image="built"):
    return node.docker("run", "--rm", image, *command).stdout


def inspect(node, name="built"):
    return json.loads(node.docker("image", "inspect", name).stdout)[0]


def test_steps_are_shown_and_cached(node, build):
    text = f"FROM {BASE}\nRUN echo one > /one\nCOPY a /a\nCMD [\"cat\", \"/one\", \"/a\"]\n"
    out = build(text, {"a": "two\n"}).stdout
    assert "Step 1/4 : FROM " in out and "Step 4/4 : CMD" in out and " ---> Running in " in out and "Removed intermediate container" in out
    assert "Successfully built " in out and "Successfully tagged built:latest" in out
    assert run(node) == "one\ntwo\n"
    first = inspect(node)
    out = build(text).stdout
    assert out.count(" ---> Using cache") == 3 and inspect(node)["Id"] == first["Id"]
    out = build(text, {"a": "changed\n"}).stdout
    assert out.count(" ---> Using cache") == 1 and run(node) == "one\nchanged\n"
    out = build(text, None, "--no-cache").stdout
    assert "Using cache" not in out
    assert "Using cache" not in build(text.replace("one > ", "other > ")).stdout
    # what lies between is shown only when asked for
    assert len(node.docker("images", "-aq").stdout.split()) > len(node.docker("images", "-q").stdout.split())


def test_every_setting(node, build):
    build(f"""# escape=`
FROM {BASE}
ARG WHO=nobody
ENV A=b `
    C="d e"
ENV F=${{A}}x
LABEL one=1 two="t w o"
EXPOSE 80 53/udp
VOLUME ["/data"]
USER 12:34
WORKDIR /work
WORKDIR deep
STOPSIGNAL SIGINT
SHELL ["/bin/sh", "-ec"]
HEALTHCHECK --interval=5s --retries=2 CMD true
ONBUILD RUN echo triggered
MAINTAINER someone
ENTRYPOINT echo $F $WHO
""", None, "--label", "three=3")
    image = inspect(node)
    config = image["Config"]
    assert {"A=b", "C=d e", "F=bx"} <= set(config["Env"]) and not any(e.startswith("WHO") for e in config["Env"])
    assert {"one": "1", "two": "t w o", "three": "3"}.items() <= config["Labels"].items() and set(config["ExposedPorts"]) == {"80/tcp", "53/udp"}
    assert config["Volumes"] == {"/data": {}} and config["User"] == "12:34" and config["WorkingDir"] == "/work/deep"
    assert config["StopSignal"] == "SIGINT" and config["Shell"] == ["/bin/sh", "-ec"] and config["OnBuild"] == ["RUN echo triggered"]
    assert config["Healthcheck"] == {"Test": ["CMD-SHELL", "true"], "Interval": 5000000000, "Retries": 2}
    assert image["Author"] == "someone" and config["Entrypoint"] == ["/bin/sh", "-ec", "echo $F $WHO"] and not config.get("Cmd")
    assert "Executing 1 build trigger" in (out := build("FROM built\n", tag="child").stdout) and "triggered" in out
    assert not inspect(node, "child")["Config"].get("OnBuild")


def test_copy(node, build):
    files = {"d/x": "x\n", "d/sub/y": "y\n", "f1.txt": "1", "f2.txt": "2", "skip.log": "no", ".dockerignore": "*.log\nnested/**/z\n!nested/a/z\n",
             "nested/a/z": "kept", "nested/b/z": "gone"}  # fmt: skip
    build(f"""FROM {BASE}
RUN mkdir -p /real && ln -s real /link && echo old > /real/f1.txt
COPY d /dest
COPY *.txt /many/
COPY f1.txt /link/
COPY --chown=5:6 --chmod=640 f2.txt /owned
COPY d/x renamed
COPY . /all/
WORKDIR /w
COPY f1.txt .
COPY ["f1.txt", "f2.txt", "/json form/"]
RUN ls -ln /owned /all && find /dest /many /real /all /w "/json form" -type f
""", files)
    out = run(node, "sh", "-c", "find /dest /many /real /all /w '/json form' -type f | sort; stat -c '%u %g %a' /owned; cat /renamed /real/f1.txt")
    assert out.splitlines() == [
        "/all/.dockerignore", "/all/Dockerfile", "/all/d/sub/y", "/all/d/x", "/all/f1.txt", "/all/f2.txt", "/all/nested/a/z",
        "/dest/sub/y", "/dest/x", "/json form/f1.txt", "/json form/f2.txt", "/many/f1.txt", "/many/f2.txt", "/real/f1.txt",
        "/w/f1.txt", "5 6 640", "x", "1"]  # fmt: skip


def test_add_unpacks_archives(node, build):
    files = {"plain.tar": oci.tar([oci.Member("in/side", b"tar\n", uid=7, gid=8)]),
             "packed.tar.gz": oci.compress(oci.tar([oci.Member("gz", b"gz\n"), oci.Member("l", type=tarfile.SYMTYPE, link="/etc/shadow")]), "gzip"),
             "packed.tar.zst": oci.compress(oci.tar([oci.Member("zst", b"zst\n")]), "zstd"),
             "packed.tar.bz2": oci.compress(oci.tar([oci.Member("bz2", b"bz2\n")]), "bzip2"),
             "packed.tar.xz": oci.compress(oci.tar([oci.Member("xz", b"xz\n")]), "xz"),
             "just.xz": (lone := oci.compress(b"no archive in xz\n", "xz")),
             "just.gz": oci.compress(b"no archive\n", "gzip"), "ordinary": b"file\n"}  # fmt: skip
    build(f"FROM {BASE}\nADD plain.tar packed.tar.* just.* ordinary /a/\nCOPY plain.tar packed.tar.xz /a/\n", files)
    assert run(node, "sh", "-c", "cat /a/in/side /a/gz /a/zst /a/bz2 /a/xz /a/ordinary; gzip -dc /a/just.gz; stat -c %u:%g /a/in/side; "
                                 "cd /a; ls plain.tar packed*; sha256sum just.xz") == (
        f"tar\ngz\nzst\nbz2\nxz\nfile\nno archive\n7:8\npacked.tar.xz\nplain.tar\n{hashlib.sha256(lone).hexdigest()}  just.xz\n")  # fmt: skip


def dictionary(data, size):
    """xz that asks for a dictionary of so many bytes, whoever reads it."""
    return lzma.compress(data, filters=[{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": size}])


def test_a_base_image_in_xz(node, build):
    """What the makers of base images hand out: xz at its highest level, with a filter for programs, in several streams."""
    rootfs = oci.tar([oci.Member("bin", type=tarfile.DIRTYPE, mode=0o755), oci.Member("etc/note", b"from scratch\n"),
                      oci.Member("big", os.urandom(3 << 20))])  # fmt: skip
    filters = [{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2, "preset": 9}]
    streams = lzma.compress(rootfs[:5000], check=lzma.CHECK_SHA256) + bytes(8) + lzma.compress(rootfs[5000:], filters=filters)
    build("FROM scratch\nADD rootfs.tar.xz /\n", {"rootfs.tar.xz": streams}, tag="based")
    build(f"FROM {BASE}\nCOPY --from=based / /r/\n")
    assert run(node, "sh", "-c", "cat /r/etc/note; stat -c %s /r/big") == f"from scratch\n{3 << 20}\n"
    for data, words in ((streams[:-9], "unexpected end of the xz stream"), (oci.damaged(streams), "damaged xz stream"),
                        (dictionary(rootfs, 192 << 20), "of memory to be unpacked, more than the limit of 128"),
                        (oci.truncated(oci.compress(rootfs, "bzip2")), "unexpected end of the bzip2 stream")):  # fmt: skip
        done = build("FROM scratch\nADD rootfs.tar.xz /\n", {"rootfs.tar.xz": data}, check=False)
        assert done.returncode == 1 and words in done.stderr + done.stdout, done.stderr


def test_add_from_an_address(node, build):
    """With its checksum, another's, one that is none, and without; what is cached is what the address gave."""
    node.docker("run", "-d", "--name", "files", BASE, "sh", "-c", "mkdir /w; echo served >/w/f; exec httpd -f -p 80 -h /w")
    try:
        serves = lambda: node.docker("exec", "files", "wget", "-qO-", "http://127.0.0.1/f", check=False).stdout == "served\n"  # noqa: E731
        assert eventually(serves)
        url = f"http://{node.docker('inspect', '-f', '{{.NetworkSettings.IPAddress}}', 'files').stdout.strip()}/f"
        right, wrong = oci.digest(b"served\n"), oci.digest(b"other\n")
        build(f"FROM {BASE}\nADD {url} /plain\nADD --checksum={right} --chmod=640 {url} /d/\n")
        assert run(node, "sh", "-c", "cat /plain /d/f; stat -c %a /plain /d/f") == "served\nserved\n600\n640\n"
        assert build(f"FROM {BASE}\nADD {url} /plain\n").stdout.count("Using cache") == 1
        for checksum, words in ((wrong, [right, wrong]), ("sha256:12", ["sha256:12 is not sha256:HEX"])):
            done = build(f"FROM {BASE}\nADD --checksum={checksum} {url} /x\n", check=False)
            assert done.returncode == 1 and all(word in done.stderr + done.stdout for word in words), done.stderr
        done = build(f"FROM {BASE}\nCOPY --checksum={right} Dockerfile /x\n", check=False)
        assert done.returncode == 1 and "checksum" in done.stderr, done.stderr
    finally:
        node.docker("rm", "-f", "files")


def test_cache_from(node, build, tmp_path):
    """An image that came from elsewhere is a cache when it is named as one, and only then."""
    text = f"FROM {BASE}\nRUN cat /proc/sys/kernel/random/uuid >/made\nCOPY a /a\nENV X=y\n"
    build(text, {"a": "same\n"}, tag="elsewhere:1")
    made = run(node, "cat", "/made", image="elsewhere:1")
    archive = node.docker("save", "elsewhere:1", text=False).stdout
    node.docker("rmi", "elsewhere:1")
    _prune(node)
    node.docker("load", input=archive, text=False)
    assert "Using cache" not in build(text).stdout and run(node, "cat", "/made") != made
    node.docker("rmi", "built")
    out = build(text, None, "--cache-from", "elsewhere:1").stdout
    assert out.count("Using cache") == 3 and run(node, "cat", "/made") == made
    assert build(text.replace("X=y", "X=z"), None, "--cache-from", "elsewhere:1", "--cache-from", "nosuch:1").stdout.count("Using cache") == 2


def test_cache_from_says_what_counts(node, build):
    """Of the steps that are here only those of the images that are named; of one that is not there none."""
    text = f"FROM {BASE}\nENV FOO=bar\nRUN touch /baz\nRUN touch /bax\n"
    hits = lambda *names: build(text, None, *[word for name in names for word in ("--cache-from", name)]).stdout.count("Using cache")  # noqa: E731
    build(text, tag="first:1")
    build(text.replace("bax", "other"), tag="other:1")
    assert hits("first:1") == 3 and hits("nosuch:1") == 0, "and what that built has the same steps"
    assert hits("other:1") == 2 and hits("nosuch:1", "first:1") == 3
    assert hits() == 3


@pytest.mark.parametrize("network, there, absent", [("none", ["lo"], ["eth0", "docker0"]), ("host", ["lo", "eth0", "docker0"], [])])
def test_networks_of_a_build(node, build, network, there, absent):
    build(f"FROM {BASE}\nRUN ls -d /sys/class/net/*/ >/links\nRUN --network=default ls -d /sys/class/net/*/ >/default\n", None, "--network", network, "--no-cache")
    links, default = (run(node, "cut", "-d/", "-f5", path).split() for path in ("/links", "/default"))
    assert set(there) <= set(links) and not set(absent) & set(links), links
    assert sorted(default) == ["eth0", "lo"], "a step's own network comes before the build's"


def test_stages_and_targets(node, build):
    text = f"""ARG BASE={BASE}
FROM $BASE AS first
ARG GREETING=hello
RUN echo $GREETING > /made; ln -s made /alias
FROM scratch AS data
COPY --from=first /alias /copied
FROM ${{BASE}}
COPY --from=data /copied /final
COPY --from={BASE} /bin/sh /sh-of-image
COPY --from=0 /made /made
"""
    build(text, None, "--build-arg", "GREETING=bonjour")
    assert run(node, "cat", "/final", "/made") == "bonjour\nbonjour\n"
    build(text, None, "--target", "first", tag="first")
    assert run(node, "cat", "/made", image="first") == "hello\n"
    done = build(text, None, "--target", "nosuch", check=False)
    assert done.returncode == 1 and "nosuch" in done.stderr
    assert "[nobody]" in build(f"FROM {BASE}\n", None, "--build-arg", "nobody=x").stdout


def test_heredocs(node, build):
    build(f"""FROM {BASE}
ENV NAME=world
RUN <<EOF
echo first > /script
echo second >> /script
EOF
RUN cat > /catted <<-"END"
\t$NAME as it is
END
COPY <<a <<"b" /docs/
hello $NAME
a
hello $NAME
b
""")
    assert run(node, "cat", "/script", "/catted", "/docs/a", "/docs/b") == "first\nsecond\n$NAME as it is\nhello world\nhello $NAME\n"


@pytest.mark.parametrize("text, words", [
    (f"FROM {BASE}\nRUNX true\n", "dockerfile parse error on line 2: unknown instruction: RUNX"),
    (f"FROM {BASE}\n\nRUN --mount=type=cache,target=/x true\n", "Dockerfile:3: RUN: --mount needs BuildKit"),
    ("RUN true\n", "no build stage"),
    (f"FROM {BASE}\nCOPY nosuch /\n",
     "Dockerfile:2: COPY: file not found in build context or excluded by .dockerignore: stat nosuch: file does not exist"),
    (f"FROM {BASE}\nCOPY --from={BASE} nosuch /\n", "COPY: stat nosuch: file does not exist"),
    (f"FROM {BASE}\nCOPY ../../etc/passwd /x\n", "forbidden path outside the build context: ../../etc/passwd ()"),
    (f"FROM {BASE}\nADD ../../ x/\n", "forbidden path outside the build context: ../../ ()"),
    (f"FROM {BASE}\nCOPY a a /x\n", "When using COPY with more than one source file, the destination must be a directory and end with a /"),
    (f"FROM {BASE}\nADD [\"*\", \"/x\"]\n", "When using ADD with more than one source file, the destination must be a directory and end with a /"),
    (f"FROM {BASE}\nCOPY --from=0 a /\n", "invalid from flag value 0: refers to current build stage"),
    (f"FROM {BASE}\nCOPY --from=7 a /\n", "invalid from flag value 7: index out of bounds"),
    (f"FROM {BASE}\nCOPY --from=NoName a /\n", "invalid from flag value NoName: invalid reference format"),
    (f"FROM {BASE} AS 1\n", "dockerfile parse error on line 1: invalid name for build stage"),
    (f"FROM {BASE} AS same\nFROM {BASE} AS same\n", "same stage name already used"),
    (f"FROM {BASE}\nRUN echo x > /file\nVOLUME /file\n", "file exists"),
    ("FROM scratch\n", "No image was generated. Is your Dockerfile empty?"),
    ("ARG A=b\n", "No image was generated. Is your Dockerfile empty?"),
    (f"FROM --platform=linux/s390x {BASE}\n", "not this node's"),
    (f"FROM --platform=nintendo64 {BASE}\n", 'failed to parse platform : "nintendo64": unknown operating system or architecture'),
    (f"FROM {BASE}\nCOPY --parents a /\n", "unknown flag: --parents"),
    (f"FROM {BASE}\nENV A\n", "dockerfile parse error on line 2: ENV must have two arguments"),
    (f"FROM {BASE}\nADD https://github.com/a/b.git /x\n", "git repository"),
    (f"FROM {BASE}\nADD http://169.254.169.254/latest /x\n", "link-local"),
    ("", "the Dockerfile (Dockerfile) cannot be empty"),
    ("# nothing\n", "failed to parse Dockerfile: file with no instructions"),
], ids=lambda v: "")  # fmt: skip
def test_what_is_wrong_is_named(node, build, text, words):
    done = build(text, {"a": ""}, check=False)
    assert done.returncode == 1 and words in done.stderr + done.stdout, done.stderr


def test_nothing_is_done_of_a_file_that_is_wrong(node):
    """Whatever line it is on: no step is shown, and the status is that of a bad request."""
    for text in (f"FROM {BASE}\nRUN true\nCOPY --nosuch a b\n", f"FROM {BASE}\nRUN true\nFROM {BASE} AS 1\n", "RUN true\n"):
        status, messages = stream_of(node, text)
        assert status == 400 and list(messages[0]) == ["message"], messages


def test_a_result_for_every_stage(node):
    status, messages = stream_of(node, f"FROM {BASE} AS first\nLABEL a=b\nFROM scratch\nCOPY --from=first /etc /\n")
    ids = [one["aux"]["ID"] for one in messages if "aux" in one]
    assert status == 200 and len(ids) == 2 and ids[0] != ids[1], messages
    assert inspect(node, ids[0])["Config"]["Labels"]["a"] == "b" and inspect(node, ids[1])["Config"]["Labels"] is None
    node.docker("rmi", *reversed(ids))


def test_names_of_a_context_are_cleaned(node):
    context = oci.tar([oci.Member("../Dockerfile", f"FROM {BASE}\nCOPY up /\nCOPY b/down /\n".encode()), oci.Member("../../up", b"up\n"),
                       oci.Member("b/c/../down", b"down\n")])  # fmt: skip
    status, stream = api.call(node, "POST", "/build?t=built", context, headers={"Content-Type": "application/x-tar"}, raw=True, timeout=300)
    assert status == 200 and b"Successfully built" in stream, stream
    assert run(node, "cat", "/up", "/down") == "up\ndown\n"


def test_add_through_links_and_of_what_is_no_archive(node, build):
    """A link to what is not there yet is followed inside the image; what only begins like an archive is a file."""
    broken = {"a.xz": b"\xfd7zXZ\0" + b"x" * 100, "a.gz": b"\x1f\x8bx", "a.tar.xz": lzma.compress(oci.tar([oci.Member("n", b"n" * 9000)]))[:30]}
    build(f"FROM {BASE}\nRUN ln -s /new/dir /link; ln -s link/../deep /second; ln -s /new/file /of-file\n"
          "ADD a /link/\nADD a /second/\nADD a /of-file\nADD a.xz a.gz a.tar.xz /broken/\n", {"a": "inside\n"} | broken)  # fmt: skip
    assert run(node, "cat", "/new/dir/a", "/new/deep/a", "/new/file") == "inside\n" * 3
    assert run(node, "sh", "-c", "cd /broken; wc -c a.xz a.gz a.tar.xz | head -3 | while read n f; do echo $n; done").split() == ["106", "3", "30"]


def test_an_empty_command_and_declared_arguments(node, build):
    """RUN [] runs what the image runs; an argument is a step of its own, and a proxy is in the history when it is declared."""
    build(f"FROM {BASE}\nCMD echo of-the-image >/made\nRUN []\n")
    assert run(node, "cat", "/made") == "of-the-image\n"
    secret = "http://user:word@proxy.invalid"
    build(f"FROM {BASE}\nRUN echo $http_proxy >/seen\n", None, "--build-arg", f"http_proxy={secret}")
    assert run(node, "cat", "/seen") == f"{secret}\n"
    assert secret not in node.docker("history", "--no-trunc", "built").stdout
    build(f"FROM {BASE}\nARG http_proxy\nRUN echo $http_proxy >/seen\nARG last=1\n", None, "--build-arg", f"http_proxy={secret}")
    shown = node.docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", "built").stdout.splitlines()
    assert shown[0] == "ARG last=1" and secret in shown[1] and shown[2] == "ARG http_proxy", shown


def test_a_failing_command_is_the_builds_status(node, build):
    done = build(f"FROM {BASE}\nRUN echo before; exit 7\n", None, "--force-rm", check=False)
    assert done.returncode == 7 and "before" in done.stdout and "returned a non-zero code: 7" in done.stderr
    assert eventually(lambda: not node.docker("ps", "-aq").stdout.strip())


def test_a_failing_command_of_a_quiet_build(node, build):
    done = build(f"FROM {BASE}\nRUN exit 7\n", None, "--force-rm", "-q", check=False)
    assert done.returncode == 7 and "The command '/bin/sh -c exit 7' returned a non-zero code: 7" in done.stderr, done


def test_a_long_command_that_fails(node, build):
    """More of it than a message holds: its beginning is shown, and its status is the build's."""
    done = build(f"FROM {BASE}\nRUN : {'x' * 9000}; exit 5\n", None, "--force-rm", check=False)
    assert done.returncode == 5 and "The command '/bin/sh -c : xxx" in done.stderr and "x...' returned a non-zero code: 5" in done.stderr, done


@pytest.mark.parametrize("options, of_good, of_failed", [
    ([], 0, 1), (["--rm=false"], 2, 2), (["--force-rm"], 0, 0), (["--rm=false", "--force-rm"], 0, 0)], ids=lambda v: "")  # fmt: skip
def test_containers_of_steps(node, build, options, of_good, of_failed):
    """That of a command that failed is left to be looked at; the error is the last line."""
    listed = lambda: node.docker("ps", "-aq").stdout.split()  # noqa: E731
    build(f"FROM {BASE}\nRUN true\nRUN echo 2\n", None, "--no-cache", *options)
    assert len(listed()) == of_good
    if of_good:
        node.docker("rm", *listed())
    flags = {"rm": "--rm=false" not in options, "forcerm": "--force-rm" in options, "nocache": True}
    status, lines = stream_of(node, f"FROM {BASE}\nRUN true\nRUN echo made >/made; exit 3\n", **flags)
    words = "The command '/bin/sh -c echo made >/made; exit 3' returned a non-zero code: 3"
    assert status == 200 and lines[-1] == {"errorDetail": {"code": 3, "message": words}, "error": words}, lines
    assert len(listed()) == of_failed
    if of_failed:
        assert b"made\n" in node.docker("cp", f"{listed()[0]}:/made", "-", text=False).stdout
        node.docker("rm", *listed())


def test_options_are_refused_by_name(node, build):
    """As the client shows it; test_requests.py has all of them, also those that the client keeps to itself."""
    done = build(f"FROM {BASE}\n", None, "--security-opt", "seccomp=unconfined", check=False)
    assert done.returncode != 0 and "--security-opt is not supported" in done.stderr, done.stderr


def test_links_do_not_lead_out(node, build, tmp_path):
    """Neither the context's links nor the image's: they are read inside their own root."""
    node.ssh("mkdir -p /run/canary && echo node >/run/canary/f")
    (tmp_path / "out").symlink_to("/run/canary/f")
    done = build(f"FROM {BASE}\nCOPY out /x\n", check=False)
    assert done.returncode == 1 and "stat out: file does not exist" in done.stderr
    build(f"FROM {BASE}\nRUN mkdir -p /run/canary && ln -s /run/canary /esc && ln -s ../../../../../run/canary /up\n"
          "COPY a /esc/a\nCOPY a /up/b\n", {"a": "inside\n"})  # fmt: skip
    assert run(node, "cat", "/run/canary/a", "/run/canary/b") == "inside\ninside\n"
    assert node.ssh("cat /run/canary/f; ls /run/canary") == "node\nf\n"


def test_deletions_do_not_lead_out(node):
    """CVE-2024-23652: what .dockerignore takes out of a context, what a step removes and what goes with its containers and
    images are links to the node's directories; the links go."""
    node.ssh("mkdir -p /run/deletions/sub && echo node >/run/deletions/f && echo node >/run/deletions/sub/f")
    ignore = b"away\nout/f\nout/sub\n*/f\ndeep/er\n!kept\n!out/none\n"
    context = oci.tar([oci.Member("Dockerfile", f"FROM {BASE}\nCOPY . /c/\nRUN ln -s /run/deletions /l && ln -s /run/deletions /c/l && ls -A /c\n".encode()),
                       oci.Member(".dockerignore", ignore), oci.Member("kept", b"k"),
                       oci.Member("out", type=tarfile.SYMTYPE, link="/run/deletions"),
                       oci.Member("away", type=tarfile.SYMTYPE, link="/run/deletions"),
                       oci.Member("deep", type=tarfile.DIRTYPE, mode=0o755),
                       oci.Member("deep/er", type=tarfile.SYMTYPE, link="/run/deletions")])  # fmt: skip
    done = node.docker("build", "--no-cache", "-t", "built", "-", input=context, text=False, env=CLASSIC, check=False)
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert b"Dockerfile\ndeep\nkept\nl\nout\n" in done.stdout, done.stdout
    node.docker("run", "--name", "linked", "built", "sh", "-c", "ln -s /run/deletions /m")
    node.docker("rm", "linked")
    node.docker("rmi", "built")
    node.docker("image", "prune", "-af")
    assert node.ssh("cat /run/deletions/f /run/deletions/sub/f; rm -rf /run/deletions") == "node\nnode\n"


def test_an_exception_after_a_blank(node):
    """`! kept` is an exception as `!kept` is, in a context that no client has filtered."""
    files = {"Dockerfile": f"FROM {BASE}\nCOPY . /c/\nRUN ls -A /c\n".encode(), ".dockerignore": b"*\n! kept \n", "kept": b"k", "left": b"l"}
    context = oci.tar([oci.Member(name, data) for name, data in files.items()])
    out = node.docker("build", "--no-cache", "-t", "built", "-", input=context, text=False, env=CLASSIC).stdout
    assert b"\nkept\n" in out and b"\nleft\n" not in out, out


def test_same_bytes_with_source_date_epoch(node, build):
    text = f"FROM {BASE}\nRUN date +%s%N > /dev/null; mkdir /d; echo x > /d/f\nCOPY a /a\nWORKDIR /w\n"
    ids = set()
    for i in range(2):
        build(text, {"a": "same\n"}, "--no-cache", "--build-arg", "SOURCE_DATE_EPOCH=1700000000", tag=f"same{i}")
        ids.add(inspect(node, f"same{i}")["Id"])
    assert len(ids) == 1 and inspect(node, "same0")["Created"] == "2023-11-14T22:13:20Z"
    assert run(node, "stat", "-c", "%Y", "/d/f", "/w", image="same0") == "1700000000\n1700000000\n"


def test_a_given_up_build_leaves_nothing(node, build, tmp_path):
    (tmp_path / "Dockerfile").write_text(f"FROM {BASE}\nRUN sleep 1000\n")
    client = node.docker_popen("build", str(tmp_path))
    try:
        assert eventually(lambda: node.docker("ps", "-q").stdout.strip(), 60)
    finally:
        client.kill()
        client.wait()
    assert eventually(lambda: not node.docker("ps", "-aq").stdout.strip(), 60)


def test_a_dockerfile_from_elsewhere(node, tmp_path):
    """The client then sends an archive without an end."""
    (tmp_path / "context").mkdir()
    (tmp_path / "context/f").write_text("near\n")
    (tmp_path / "far").write_text(f"FROM {BASE}\nCOPY . /d/\n")
    node.docker("build", "-q", "-t", "elsewhere", "-f", tmp_path / "far", tmp_path / "context", env=CLASSIC)
    assert run(node, "sh", "-c", "cat /d/f; ls -A /d", image="elsewhere") == "near\nf\n"


def test_standard_error_is_red(node):
    """In the one stream of both, and each line by itself: as Docker's SDK reads it."""
    status, lines = stream_of(node, f"FROM {BASE}\nRUN echo fine; echo 'not so' >&2; echo\n", nocache=True, rm=True)
    said = [line.get("stream") for line in lines]
    assert status == 200 and {"fine\n", "\x1b[91mnot so\n\x1b[0m", "\n"} <= set(said), said


def test_context_on_stdin(node):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, data in (("other", f"FROM {BASE}\nCOPY f /f\n".encode()), ("f", b"piped\n")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    node.docker("build", "-t", "piped", "-f", "other", "-", input=out.getvalue(), text=False, env=CLASSIC)
    assert run(node, "cat", "/f", image="piped") == "piped\n"
    node.docker("build", "-q", "-t", "short", "-", input=f"FROM {BASE}\nRUN echo hi > /hi\n", env=CLASSIC)
    assert run(node, "cat", "/hi", image="short") == "hi\n"
