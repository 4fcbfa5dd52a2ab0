# SPDX-License-Identifier: Apache-2.0
"""The thread through the whole house: an unmodified docker client starts a container on a booted node."""

import socket
import subprocess
import threading

import pytest

from support import clients
from support.node import eventually


def test_hello(node):
    done = node.docker("run", "--rm", "wherry/hello")
    assert "wherry" in done.stdout.lower()
    assert done.stderr == ""


def test_hello_is_not_pulled(node):
    """It is part of the system: policies that always pull get along without a registry; other names of it do not."""
    assert "part of this system" in node.docker("pull", "wherry/hello").stdout
    assert node.docker("run", "--rm", "--pull", "always", "wherry/hello").returncode == 0
    node.docker("tag", "wherry/hello", "registry.invalid/hello")
    assert node.docker("pull", "registry.invalid/hello", check=False).returncode == 1
    node.docker("rmi", "registry.invalid/hello")


def test_exit_code(node):
    assert node.docker("run", "--rm", "wherry/hello", "sh", "-c", "exit 42", check=False).returncode == 42
    done = node.docker("run", "--rm", "wherry/hello", "sh", "-c", "sh -c 'kill -9 $$'; exit $?", check=False)
    assert done.returncode == 137


@pytest.mark.parametrize(
    "program, code, words",
    [("nonexistent", 127, "executable file not found"), ("/etc", 126, "permission denied")],
)
def test_start_errors_map_to_the_shells_codes(node, program, code, words):
    done = node.docker("run", "--rm", "wherry/hello", program, check=False)
    assert done.returncode == code, done.stderr
    assert words in done.stderr.lower() or "is a directory" in done.stderr.lower()


def test_exec_errors_map_to_the_shells_codes(node):
    """As with Docker: the sentence comes on the output, the code from the exec; a detached one is refused as a request."""
    node.docker("run", "-d", "--name", "asked", "wherry/hello", "sleep", "1000")
    try:
        for words, code, reason in [
            (["nonexistent"], 127, 'exec: "nonexistent": executable file not found in $PATH'),
            (["/bin/nonexistent"], 127, 'exec: "/bin/nonexistent": stat /bin/nonexistent: no such file or directory'),
            (["/etc/passwd"], 126, 'exec: "/etc/passwd": permission denied'),
            (["/etc"], 126, 'exec: "/etc": is a directory'),
        ]:
            done = node.docker("exec", "asked", *words, check=False)
            assert done.returncode == code, done
            assert done.stdout.startswith("OCI runtime exec failed: ") and reason in done.stdout and done.stderr == "", done
            status, made = node.api("POST", "/containers/asked/exec", {"Cmd": words})
            assert status == 201
            status, reply = node.api("POST", f"/exec/{made['Id']}/start", {"Detach": True})
            assert status == 400 and reason in reply["message"], (status, reply)
            shown = node.api("GET", f"/exec/{made['Id']}/json")[1]
            assert (shown["Running"], shown["ExitCode"]) == (False, code)
        done = node.docker("exec", "-w", "/nowhere", "asked", "true", check=False)
        assert done.returncode == 127 and "/nowhere" in done.stdout, done
        done = node.docker("exec", "-u", "nobodyhere", "asked", "true", check=False)
        assert done.returncode == 126 and "nobodyhere" in done.stdout, done
    finally:
        node.docker("rm", "-f", "asked")


def test_stdin_ends_over_tls(node):
    done = node.docker("run", "-i", "--rm", "wherry/hello", "cat", input="x\ny\n", timeout=60)
    assert done.stdout == "x\ny\n"


def test_stdout_and_stderr_stay_apart(node):
    done = node.docker("run", "--rm", "wherry/hello", "sh", "-c", "echo out; echo err >&2")
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


def test_terminal(node):
    """docker run -it under a real terminal: a pseudo-terminal on this side, one in the container."""
    inner = " ".join([*node.docker_words, "run", "-it", "--rm", "wherry/hello", "sh", "-c", "'tty; stty size'"])
    done = subprocess.run(
        ["script", "-qec", f"stty rows 33 cols 77; {inner}", "/dev/null"],
        env=node.docker_env(), capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "/dev/pts/" in done.stdout or "/dev/console" in done.stdout
    assert "33 77" in done.stdout


def test_background_logs_exec_stop(node):
    cid = node.docker("run", "-d", "--name", "bg", "wherry/hello", "sh", "-c", "echo first; trap 'exit 7' TERM; while :; do sleep 0.1; done").stdout.strip()
    try:
        assert len(cid) == 64
        assert node.docker("ps", "-q", "--no-trunc").stdout.strip() == cid
        assert node.docker("exec", "bg", "sh", "-c", "echo hi; exit 3", check=False).returncode == 3
        node.docker("stop", "bg")
        assert node.docker("wait", "bg").stdout.strip() == "7"
        assert node.docker("logs", "bg").stdout == "first\n"
    finally:
        node.docker("rm", "-f", "bg")


def test_restart_by_another_signal(node):
    script = "trap 'echo one; exit' USR1; trap 'echo end; exit' TERM; echo up; while :; do sleep 0.1; done"
    node.docker("run", "-d", "--name", "again", "wherry/hello", "sh", "-c", script)
    assert eventually(lambda: node.docker("logs", "again").stdout == "up\n")
    node.docker("restart", "--signal", "USR1", "again")
    assert eventually(lambda: node.docker("logs", "again").stdout == "up\none\nup\n"), node.docker("logs", "again").stdout
    node.docker("rm", "-f", "again")


def test_kill_is_over_when_the_container_has_ended(node):
    """By hand, for what the engine's answer is followed by: its state is the last one, it can be started, it can be removed."""
    cid = node.docker("run", "-d", "wherry/hello", "sleep", "1000").stdout.strip()
    try:
        for query in ("", "?signal=KILL", "?signal=9"):
            assert node.api("POST", f"/containers/{cid}/kill{query}")[0] == 204
            seen = node.api("GET", f"/containers/{cid}/json")[1]["State"]
            assert (seen["Status"], seen["Running"], seen["Pid"], seen["ExitCode"]) == ("exited", False, 0, 137), seen
            status, reply = node.api("POST", f"/containers/{cid}/kill{query}")
            assert status == 409 and "is not running" in reply["message"], (status, reply)
            assert node.api("POST", f"/containers/{cid}/start")[0] == 204
        node.api("POST", f"/containers/{cid}/kill")
        assert node.api("DELETE", f"/containers/{cid}")[0] == 204
    finally:
        node.docker("rm", "-f", cid, check=False)


def test_other_signals_are_only_sent(node):
    script = "trap 'until [ -e /go ]; do sleep 0.1; done; exit 4' TERM; echo up; while :; do sleep 0.1; done"
    cid = node.docker("run", "-d", "wherry/hello", "sh", "-c", script).stdout.strip()
    try:
        assert eventually(lambda: node.docker("logs", cid).stdout == "up\n")
        assert node.api("POST", f"/containers/{cid}/kill?signal=TERM")[0] == 204
        assert node.api("GET", f"/containers/{cid}/json")[1]["State"]["Running"]
        node.docker("exec", cid, "touch", "/go")
        assert node.docker("wait", cid).stdout == "4\n"
    finally:
        node.docker("rm", "-f", cid)


def test_limits_reach_the_cgroup(node):
    out = node.docker("run", "--rm", "-m", "64m", "--cpus", "0.5", "--pids-limit", "50", "wherry/hello",
                      "sh", "-c", "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max /sys/fs/cgroup/pids.max").stdout
    assert out.split() == [str(64 << 20), "50000", "100000", "50"]


def test_version_and_info(node):
    assert node.docker("version", "--format", "{{.Server.APIVersion}}").stdout.strip() == "1.51"
    assert node.docker("info", "--format", "{{.CgroupVersion}} {{.OSType}}").stdout.strip() == "2 linux"


def test_docker_over_ssh(node, tmp_path):
    """DOCKER_HOST=ssh:// runs `docker system dial-stdio` on the node."""
    port, key = node.env["WHERRY_SSH_PORT"], node.state / "ssh" / "id_ed25519"
    wrapper = tmp_path / "ssh"
    wrapper.write_text("#!/bin/sh\nexec /usr/bin/ssh -F none -i '" + str(key) + "' -o StrictHostKeyChecking=no "
                       "-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \"$@\"\n")
    wrapper.chmod(0o755)
    env = node.docker_env({"DOCKER_HOST": f"ssh://root@127.0.0.1:{port}", "PATH": f"{tmp_path}:/usr/bin:/bin"})
    env.pop("DOCKER_TLS_VERIFY")
    done = subprocess.run([*node.docker_words, "run", "--rm", "wherry/hello", "echo", "over ssh"],
                          env=env, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "over ssh\n"), done.stderr


def relay(address, port):
    """Whoever connects to @address:2376 is connected with @port of loopback."""
    def pump(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def serve():
        while True:
            try:
                one = listener.accept()[0]
            except OSError:
                return
            other = socket.create_connection(("127.0.0.1", port))
            for pair in ((one, other), (other, one)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    listener = socket.create_server((address, 2376))
    threading.Thread(target=serve, daemon=True).start()
    return listener


def test_generated_context_and_a_further_client(make_node):
    """What `wherryctl gen` makes, as it is: a context to import, and a further client's certificate."""
    wherryctl = [clients.TOP / "out/x86_64/bin/wherry", "wherryctl"]
    node = make_node()
    gen = node.state / "gen"
    subprocess.run([*wherryctl, "gen", gen, "--hostname", "node9", "--address", "127.9.9.9", "--address", "127.0.0.1"], check=True)
    subprocess.run([*wherryctl, "gen", "--client", "ann", gen], check=True)
    (node.state / "docker").symlink_to("gen/docker")
    node.boot()
    with relay("127.9.9.9", int(node.env["DOCKER_HOST"].rpartition(":")[2])):
        none = {name: "" for name in ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")}
        node.docker("context", "import", "n9", gen / "docker-context.tar", env=none)
        assert "tcp://127.9.9.9:2376" in node.docker("context", "ls", env=none).stdout
        assert node.docker("--context", "n9", "run", "--rm", "wherry/hello", "hostname", env=none).returncode == 0
        assert node.docker("--context", "n9", "info", "-f", "{{.Name}}", env=none).stdout.strip() == "node9"
    assert node.docker("version", env={"DOCKER_CERT_PATH": str(gen / "clients/ann")}).returncode == 0
