# SPDX-License-Identifier: Apache-2.0
"""Docker's SDK for Python, Debian's, unmodified: what programs that speak to an engine ask of it."""

from support import sdk


def test_engine(node):
    sdk.run(node, """
        assert client.ping()
        assert client.version()["Os"] == "linux" and client.api.api_version
        info = client.info()
        assert info["Swarm"]["LocalNodeState"] == "inactive" and info["ServerVersion"]
        df = client.df()
        assert {"Images", "Containers", "Volumes", "BuildCache"} <= set(df)
        events = client.events(since=1, until=2)
        assert list(events) == []
    """)  # fmt: skip


def test_containers(node):
    sdk.run(node, r"""
        assert client.containers.run(HELLO, ["echo", "out"], remove=True) == b"out\n"
        try:
            client.containers.run(HELLO, ["sh", "-c", "echo why >&2; exit 7"], remove=True)
            sys.exit("an exit code is an error")
        except docker.errors.ContainerError as e:
            assert e.exit_status == 7 and e.stderr == b"why\n"
        c = client.containers.run(HELLO, ["sh", "-c", "echo first; echo second >&2; exec sleep 1000"], detach=True, name="sdk",
                                  labels={"by": "sdk"}, environment={"A": "b"}, mem_limit="64m", tmpfs={"/t": "size=1m"},
                                  ports={"80/tcp": 8150}, healthcheck={"test": ["CMD", "true"], "interval": 10**9})
        try:
            c.reload()
            assert c.status == "running" and c.labels["by"] == "sdk" and c.ports["80/tcp"][0]["HostPort"] == "8150"
            assert [x.name for x in client.containers.list(filters={"label": "by=sdk"})] == ["sdk"]
            import time
            for _ in range(100):
                if c.logs() == b"first\nsecond\n":
                    break
                time.sleep(0.2)
            assert c.logs(stdout=True, stderr=False) == b"first\n" and c.logs(tail=1) == b"second\n"
            assert next(iter(c.logs(stream=True, follow=True))) == b"first\n"
            assert c.exec_run(["sh", "-c", "echo $A; exit 3"]) == (3, b"b\n")
            code, (out, err) = c.exec_run(["sh", "-c", "echo o; echo e >&2"], demux=True)
            assert (out, err) == (b"o\n", b"e\n")
            _, stream = c.exec_run(["sh", "-c", "echo a; echo b"], stream=True)
            assert b"".join(stream) == b"a\nb\n"
            _, sock = c.exec_run(["cat"], stdin=True, socket=True)
            sock = getattr(sock, "_sock", sock)
            sock.send(b"through\n")
            assert b"through\n" in sock.recv(100)
            sock.close()
            assert c.top()["Titles"] and c.stats(stream=False)["memory_stats"]["limit"] == 64 << 20
            assert next(c.stats(stream=True, decode=True))["name"] in ("sdk", "/sdk")
            data = io.BytesIO()
            with tarfile.open(fileobj=data, mode="w") as t:
                info = tarfile.TarInfo("put"); info.size = 4
                t.addfile(info, io.BytesIO(b"here"))
            assert c.put_archive("/bin", data.getvalue())
            bits, stat = c.get_archive("/bin/put")
            assert stat["size"] == 4 and b"here" in b"".join(bits)
            assert {"Path": "/bin/put", "Kind": 1} in c.diff()
            c.update(mem_limit="80m", memswap_limit="80m")
            c.reload()
            assert c.attrs["HostConfig"]["Memory"] == 80 << 20
            c.pause(); c.reload(); assert c.status == "paused"
            c.unpause(); c.rename("sdk2"); c.restart(timeout=0); c.reload()
            assert c.name == "sdk2" and c.status == "running"
            c.kill("SIGKILL")
            assert c.wait(timeout=30)["StatusCode"] == 137
            image = c.commit("sdk-made", "1")
            assert client.containers.run(image.id, ["cat", "/bin/put"], remove=True) == b"here"
            client.images.remove("sdk-made:1")
        finally:
            c.remove(force=True)
        try:
            client.containers.get("sdk2")
            sys.exit("it is gone")
        except docker.errors.NotFound:
            pass
    """)  # fmt: skip


def test_images_networks_volumes(node):
    sdk.run(node, r"""
        image = client.images.get(HELLO)
        assert HELLO + ":latest" in image.tags and image.history()
        assert image.tag("sdk/tagged", "2")
        saved = b"".join(client.images.get("sdk/tagged:2").save(named="sdk/tagged:2"))
        client.images.remove("sdk/tagged:2")
        assert client.images.load(saved)[0].tags
        try:
            client.images.load(b"abc")
            sys.exit("what is no archive is an error")
        except docker.errors.ImageLoadError as e:
            assert str(e)
        assert "sdk/tagged:2" in client.images.get("sdk/tagged:2").tags
        client.images.remove("sdk/tagged:2")
        made, log = client.images.build(fileobj=io.BytesIO(b"FROM wherry/hello\nLABEL a=b\nRUN echo built > /built\n"), tag="sdk/built", rm=True)
        assert made.labels["a"] == "b" and any("Step 3/3" in line.get("stream", "") for line in log)
        assert client.containers.run("sdk/built", ["cat", "/built"], remove=True) == b"built\n"
        try:
            client.images.build(fileobj=io.BytesIO(b"FROM wherry/hello\nRUN exit 4\n"))
            sys.exit("a step that fails is an error")
        except docker.errors.BuildError as e:
            assert "4" in str(e)
        try:
            client.images.get("sdk/nothing")
            sys.exit("there is no such image")
        except docker.errors.ImageNotFound:
            pass
        network = client.networks.create("sdknet", driver="bridge", labels={"a": "b"}, ipam=docker.types.IPAMConfig(
            pool_configs=[docker.types.IPAMPool(subnet="10.87.0.0/24", gateway="10.87.0.1")]))
        volume = client.volumes.create("sdkvol", labels={"a": "b"})
        c = client.containers.run(HELLO, ["sleep", "1000"], detach=True, network="sdknet", volumes={"sdkvol": {"bind": "/v", "mode": "rw"}})
        try:
            network.reload()
            assert [x.id for x in network.containers] == [c.id]
            client.networks.get("bridge").connect(c, aliases=None)
            client.networks.get("bridge").disconnect(c)
            assert c.exec_run(["touch", "/v/file"]).exit_code == 0
            try:
                volume.remove()
                sys.exit("it is in use")
            except docker.errors.APIError as e:
                assert e.status_code == 409
        finally:
            c.remove(force=True)
            network.remove()
            volume.remove()
            client.images.remove("sdk/built")
        assert client.volumes.list(filters={"label": "a=b"}) == [] and client.networks.list(names=["sdknet"]) == []
        client.containers.prune()
        client.images.prune(filters={"dangling": True})
    """)  # fmt: skip


def test_runtime(node):
    """The SDK says it beside the Config's members, not in HostConfig."""
    sdk.run(node, """
        for name in ("runc", "wherry"):
            c = client.api.create_container(HELLO, ["true"], runtime=name)
            shown = client.api.inspect_container(c["Id"])
            client.api.remove_container(c["Id"])
            assert shown["HostConfig"]["Runtime"] == name and "Runtime" not in shown["Config"], shown
        try:
            client.api.create_container(HELLO, ["true"], runtime="kata")
            sys.exit("there is no such runtime")
        except docker.errors.APIError as e:
            assert "Runtime" in e.explanation
    """)  # fmt: skip


def test_unknown_log_driver(node):
    """The sentence is compared whole."""
    sdk.run(node, """
        try:
            client.api.create_container(HELLO, "true", host_config=client.api.create_host_config(log_config={"Type": "asdf", "Config": {}}))
            sys.exit("there is no such driver")
        except docker.errors.APIError as e:
            assert e.explanation == "logger: no log driver named 'asdf' is registered", e.explanation
    """)  # fmt: skip


def test_inspect_has_every_member(node):
    """Of a container that was made with a word or two: what programs look for is there, as Docker has it."""
    sdk.run(node, """
        c = client.containers.create(HELLO, ["true"])
        try:
            shown = client.api.inspect_container(c.id)
            host, config, net = shown["HostConfig"], shown["Config"], shown["NetworkSettings"]
            assert host["Privileged"] is False and host["Memory"] == 0 and host["CapAdd"] is None and host["Dns"] == []
            assert host["PidsLimit"] is None and host["OomKillDisable"] is None and host["Binds"] is None and host["UTSMode"] == ""
            assert config["Domainname"] == "" and config["User"] == "" and config["Tty"] is False and config["OnBuild"] is None and config["AttachStdin"] is False
            assert net["HairpinMode"] is False and net["SecondaryIPAddresses"] is None and net["SandboxKey"] == ""
            lower = shown["GraphDriver"]["Data"]["LowerDir"]
            assert lower.startswith("/"), lower
        finally:
            c.remove()
        image = client.api.inspect_image(HELLO)
        assert image["Metadata"]["LastTagTime"] == "0001-01-01T00:00:00Z", "its name came with the system"
        client.images.get(HELLO).tag("tagged-now", "1")
        when = client.api.inspect_image("tagged-now:1")["Metadata"]["LastTagTime"]
        assert when[:4] >= "2024", when
        assert client.api.inspect_image("tagged-now:1")["GraphDriver"]["Data"]["UpperDir"] == lower.split(":")[0]
        client.images.remove("tagged-now:1")
        made = client.api._result(client.api._post_json(client.api._url("/containers/create"), data={"Image": HELLO, "HostConfig": {
            "OomKillDisable": True, "MemorySwappiness": 10, "KernelMemoryTCP": 1 << 20}}), True)
        assert [w for w in made["Warnings"] if "OomKillDisable discarded" in w] and len(made["Warnings"]) == 3, made
        client.api.remove_container(made["Id"])
    """)  # fmt: skip
