# SPDX-License-Identifier: Apache-2.0
"""Networks of containers: published ports, names, isolation, and what an engine restart leaves alone."""

import json
import socket

import pytest

from support.node import eventually

# Answers each connection with the client's address, for ever.
SERVER = "while :; do nc -l -p 80 -e sh -c 'echo served; netstat -tn | grep :80'; done"


@pytest.fixture(scope="module")
def net_node(request, session_dir):
    from conftest import _Nodes

    nodes = _Nodes(session_dir)
    node = nodes(extra=["--forward", "0:8085"])
    node.boot()
    yield node
    nodes.end()


def fetch(node, port=8085):
    """All that is said before the connection ends."""
    said = b""
    try:
        with socket.create_connection(("127.0.0.1", int(node.env[f"WHERRY_TCP_{port}"])), timeout=5) as s:
            s.settimeout(5)
            while piece := s.recv(4096):
                said += piece
    except OSError:
        return ""
    return said.decode()


def clients(said):
    """The addresses from which the server sees connections, of both families."""
    return {word.rpartition(":")[0].rpartition(":")[2] for line in said.splitlines() if "ESTABLISHED" in line for word in line.split()[4:5]}


def networks_of(node, container):
    return json.loads(node.docker("inspect", "-f", "{{json .NetworkSettings.Networks}}", container).stdout)


def interfaces(node, container):
    """Its addresses of IPv4, by interface."""
    lines = [line.split() for line in node.docker("exec", container, "ip", "-o", "-4", "addr").stdout.splitlines()]
    return {words[1]: words[3] for words in lines if words[1] != "lo"}


def test_published_port(net_node):
    net_node.docker("run", "-d", "--name", "web", "-p", "8085:80", "wherry/hello", "sh", "-c", SERVER)
    try:
        assert "8085" in net_node.docker("port", "web", "80/tcp").stdout
        assert eventually(lambda: "served" in fetch(net_node))
        # The server sees who asks: the machine beyond the node, not the bridge.
        said = eventually(lambda: fetch(net_node))
        assert "10.0.2.2" in clients(said) and "172.17.0.1" not in clients(said), said
        taken = net_node.docker("run", "--rm", "-p", "8085:80", "wherry/hello", check=False)
        assert taken.returncode == 125
        assert "failed to set up container networking: driver failed programming external connectivity on endpoint" in taken.stderr
        assert "Bind for 0.0.0.0:8085 failed: port is already allocated" in taken.stderr
        # On the node itself, over loopback, too.
        assert "served" in net_node.ssh("nc -w 3 127.0.0.1 8085 </dev/null")
        # The refused container took nothing with it, and a killed engine does not either.
        net_node.ssh("pkill -9 -x engine || kill -9 $(pidof engine)")
        assert eventually(lambda: "served" in fetch(net_node))
        net_node.wait_engine()
        assert eventually(lambda: "served" in fetch(net_node))
    finally:
        net_node.docker("rm", "-f", "web")
    assert not fetch(net_node)


def test_ephemeral_port(net_node):
    net_node.docker("run", "-d", "--name", "any", "-p", "80", "wherry/hello", "sh", "-c", SERVER)
    try:
        port = int(net_node.docker("port", "any", "80/tcp").stdout.split(":")[-1])
        assert port >= 1024
        assert eventually(lambda: "served" in net_node.ssh(f"nc -w 3 127.0.0.1 {port} </dev/null", check=False).stdout)
    finally:
        net_node.docker("rm", "-f", "any")


def test_publish_all(net_node):
    """-P: each port of the image or --expose gets one of the node's."""
    net_node.docker("run", "-d", "--name", "all", "-P", "--expose", "80", "--expose", "90-91/udp", "wherry/hello", "sh", "-c", SERVER)
    try:
        ports = dict(line.split(" -> 0.0.0.0:") for line in net_node.docker("port", "all").stdout.splitlines() if "0.0.0.0" in line)
        assert set(ports) == {"80/tcp", "90/udp", "91/udp"} and all(int(port) >= 1024 for port in ports.values()), ports
        assert ports["90/udp"] != ports["91/udp"]
        assert eventually(lambda: "served" in net_node.ssh(f"nc -w 3 127.0.0.1 {ports['80/tcp']} </dev/null", check=False).stdout)
    finally:
        net_node.docker("rm", "-f", "all")


def test_names_and_isolation(net_node):
    docker = net_node.docker
    docker("network", "create", "front")
    docker("network", "create", "--subnet", "10.199.0.0/24", "back")
    try:
        docker("run", "-d", "--name", "db", "--hostname", "shelf", "--network", "back", "--network-alias", "database", "--network-alias", "db",
               "wherry/hello", "sh", "-c", SERVER)  # fmt: skip
        docker("run", "-d", "--name", "stranger", "--network", "front", "wherry/hello", "sleep", "1000")
        address = docker("inspect", "-f", '{{(index .NetworkSettings.Networks "back").IPAddress}}', "db").stdout.strip()
        assert address == "10.199.0.2"
        short_id = docker("ps", "-q", "--filter", "name=^db$").stdout.strip()
        assert networks_of(net_node, "db")["back"]["DNSNames"] == ["db", "database", short_id, "shelf"]
        for name in ("db", "database", short_id, "shelf", "db.back"):
            done = docker("run", "--rm", "--network", "back", "wherry/hello", "nc", "-w", "3", name, "80", check=False)
            assert "served" in done.stdout, (name, done)
        linked = docker("run", "--rm", "--network", "back", "--link", "db:store", "wherry/hello", "nc", "-w", "3", "store", "80")
        assert "served" in linked.stdout
        linked = docker("run", "--rm", "--network", "back", "--link", "database:held", "wherry/hello", "nc", "-w", "3", "held", "80")
        assert "served" in linked.stdout
        # Another network knows neither the name nor the way.
        assert docker("exec", "stranger", "nslookup", "db", check=False).returncode != 0
        assert docker("exec", "stranger", "nc", "-w", "2", address, "80", check=False).returncode != 0
        # Until it is connected.
        docker("network", "connect", "back", "stranger")
        assert "served" in docker("exec", "stranger", "nc", "-w", "3", "db", "80").stdout
        refused = docker("network", "rm", "back", check=False)
        assert refused.returncode != 0 and "active endpoints" in refused.stderr
        docker("network", "disconnect", "back", "stranger")
        assert docker("exec", "stranger", "nc", "-w", "2", address, "80", check=False).returncode != 0
    finally:
        docker("rm", "-f", "db", "stranger", check=False)
        docker("network", "rm", "front", "back", check=False)
    assert "back" not in docker("network", "ls", "--format", "{{.Name}}").stdout.split()


def test_a_running_container_learns_the_names_of_a_network_it_joins(net_node):
    """Its name files are mounted into it, so what it reads is changed in place; what somebody wrote into /etc/hosts stays."""
    node = net_node
    node.docker("network", "create", "later")
    node.docker("run", "-d", "--name", "peer", "--network", "later", "wherry/hello", "sleep", "1000")
    node.docker("run", "-d", "--name", "joiner", "wherry/hello", "sleep", "1000")
    node.docker("run", "-d", "--name", "sharer", "--network", "container:joiner", "wherry/hello", "sleep", "1000")
    done = node.docker("create", "--network", "container:joiner", "--dns", "1.1.1.1", "wherry/hello", check=False)
    assert done.returncode == 1 and "dns and the network mode" in done.stderr, done
    node.docker("exec", "joiner", "sh", "-c", "echo 1.2.3.4 written >>/etc/hosts")
    node.docker("network", "connect", "later", "joiner")
    address = node.docker("inspect", "-f", "{{.NetworkSettings.Networks.later.IPAddress}}", "joiner").stdout.strip()
    assert node.docker("exec", "sharer", "hostname").stdout == node.docker("exec", "joiner", "hostname").stdout
    for name in ("joiner", "sharer"):
        node.docker("exec", name, "ping", "-c1", "-W5", "peer")
        assert address in node.docker("exec", name, "cat", "/etc/hosts").stdout
    assert "1.2.3.4 written" in node.docker("exec", "joiner", "cat", "/etc/hosts").stdout
    node.docker("network", "disconnect", "later", "joiner")
    hosts = node.docker("exec", "joiner", "cat", "/etc/hosts").stdout
    assert address not in hosts and "1.2.3.4 written" in hosts, hosts
    assert "127.0.0.11" not in node.docker("exec", "joiner", "cat", "/etc/resolv.conf").stdout
    node.docker("rm", "-f", "peer", "joiner", "sharer")
    node.docker("network", "rm", "later")


def test_dual_stack(net_node):
    """IPv6 beside IPv4: addresses, names, a published port over both, and the network as the API shows it."""
    docker = net_node.docker
    docker("network", "create", "--ipv6", "--subnet", "10.198.0.0/24", "--subnet", "2001:db8:98::/64", "dual")
    try:
        docker("run", "-d", "--name", "six", "--network", "dual", "--ip6", "2001:db8:98::77", "-p", "8086:80", "wherry/hello", "sh",
               "-c", SERVER)  # fmt: skip
        shown = docker("inspect", "-f", '{{with index .NetworkSettings.Networks "dual"}}{{.GlobalIPv6Address}}/{{.GlobalIPv6PrefixLen}} '
                       "{{.IPv6Gateway}} {{.IPAddress}}{{end}}", "six").stdout.split()  # fmt: skip
        assert shown == ["2001:db8:98::77/64", "2001:db8:98::1", "10.198.0.2"]
        assert docker("port", "six").stdout.splitlines() == ["80/tcp -> 0.0.0.0:8086", "80/tcp -> [::]:8086"]
        for address in ("::1", "127.0.0.1"):  # between two connections nobody listens
            asked = f"nc -w 3 {address} 8086 </dev/null"
            assert eventually(lambda asked=asked: "served" in net_node.ssh(asked, check=False).stdout), address
        looked = docker("run", "--rm", "--network", "dual", "wherry/hello", "nslookup", "six").stdout
        assert "2001:db8:98::77" in looked and "10.198.0.2" in looked
        done = docker("run", "--rm", "--network", "dual", "wherry/hello", "nc", "-w", "3", "2001:db8:98::77", "80")
        assert "served" in done.stdout
        network = json.loads(docker("network", "inspect", "dual").stdout)[0]
        assert network["EnableIPv4"] and network["EnableIPv6"]
        assert [c["Subnet"] for c in network["IPAM"]["Config"]] == ["10.198.0.0/24", "2001:db8:98::/64"]
        assert [m["IPv6Address"] for m in network["Containers"].values()] == ["2001:db8:98::77/64"]
    finally:
        docker("rm", "-f", "six", check=False)
        docker("network", "rm", "dual", check=False)


def test_ipv6_alone(net_node):
    docker = net_node.docker
    status, made = net_node.api("POST", "/networks/create", {"Name": "only6", "EnableIPv4": False, "EnableIPv6": True})
    assert status == 201, made
    try:
        docker("run", "-d", "--name", "a6", "--network", "only6", "wherry/hello", "sh", "-c", SERVER)
        done = docker("run", "--rm", "--network", "only6", "wherry/hello", "nc", "-w", "3", "a6", "80")
        assert "served" in done.stdout
        address = docker("inspect", "-f", '{{with index .NetworkSettings.Networks "only6"}}{{.IPAddress}} {{.GlobalIPv6Address}}{{end}}',
                         "a6").stdout.split()  # fmt: skip
        assert len(address) == 1 and address[0].startswith("fd")
    finally:
        docker("rm", "-f", "a6", check=False)
        docker("network", "rm", "only6", check=False)


def test_a_subnet_of_ipv6_without_ipv6(net_node):
    """As the SDK's own tests do it: the subnet is kept as it was given, and the address in it is shown, but not had."""
    docker = net_node.docker
    docker("network", "create", "--subnet", "2001:db8:97::1/64", "half")
    try:
        network = json.loads(docker("network", "inspect", "half").stdout)[0]
        assert not network["EnableIPv6"] and "2001:db8:97::1/64" in [c["Subnet"] for c in network["IPAM"]["Config"]], network
        docker("run", "-d", "--name", "h6", "--network", "half", "--ip6", "2001:db8:97::f00d", "wherry/hello", "sleep", "1000")
        of = networks_of(net_node, "h6")["half"]
        assert of["IPAMConfig"]["IPv6Address"] == "2001:db8:97::f00d" and of["IPAddress"] and not of["GlobalIPv6Address"], of
        assert "2001:db8" not in docker("exec", "h6", "ip", "addr").stdout
        outside = docker("run", "--rm", "--network", "half", "--ip6", "2001:db8:96::1", "wherry/hello", check=False)
        assert outside.returncode == 125 and "no configured subnet or ip-range contain the IP address 2001:db8:96::1" in outside.stderr
    finally:
        docker("rm", "-f", "h6", check=False)
        docker("network", "rm", "half", check=False)


def test_link_local_addresses(net_node):
    """Beside its own, at a start and by connect."""
    docker = net_node.docker
    docker("network", "create", "near")
    try:
        docker("run", "-d", "--name", "l1", "--network", "near", "--link-local-ip", "169.254.8.8", "--link-local-ip", "fe80::8",
               "wherry/hello", "sh", "-c", SERVER)  # fmt: skip
        docker("run", "-d", "--name", "l2", "wherry/hello", "sleep", "1000")
        docker("network", "connect", "--link-local-ip", "169.254.8.9", "near", "l2")
        assert networks_of(net_node, "l1")["near"]["IPAMConfig"]["LinkLocalIPs"] == ["169.254.8.8", "fe80::8"]
        assert "inet6 fe80::8/64" in docker("exec", "l1", "ip", "addr").stdout
        assert "inet 169.254.8.9/16" in docker("exec", "l2", "ip", "addr", "show", "eth1").stdout
        asked = ["exec", "l2", "nc", "-w", "3", "169.254.8.8", "80"]
        assert eventually(lambda: "served" in docker(*asked, check=False).stdout)
    finally:
        docker("rm", "-f", "l1", "l2", check=False)
        docker("network", "rm", "near", check=False)


def test_port_ranges(net_node):
    """The first free one of a range, and as many as the container has."""
    docker = net_node.docker
    try:
        docker("run", "-d", "--name", "r1", "-p", "8100-8101:80", "wherry/hello", "sleep", "1000")
        docker("run", "-d", "--name", "r2", "-p", "8100-8101:80", "wherry/hello", "sleep", "1000")
        assert docker("port", "r1", "80/tcp").stdout.strip() == "0.0.0.0:8100"
        assert docker("port", "r2", "80/tcp").stdout.strip() == "0.0.0.0:8101"
        full = docker("run", "--rm", "-p", "8100-8101:80", "wherry/hello", check=False)
        assert full.returncode == 125 and "port is already allocated" in full.stderr
        docker("run", "-d", "--name", "r3", "-p", "127.0.0.1:8110-8112:90-92/udp", "wherry/hello", "sleep", "1000")
        assert docker("port", "r3").stdout.splitlines() == [f"9{i}/udp -> 127.0.0.1:811{i}" for i in range(3)]
        sctp = docker("run", "--rm", "-p", "8120:80/sctp", "wherry/hello", check=False)
        assert sctp.returncode == 125 and "SCTP is not supported" in sctp.stderr
    finally:
        docker("rm", "-f", "r1", "r2", "r3", check=False)


def test_the_clusters_addresses_are_its_own(net_node):
    for subnet, said in (("10.97.0.0/24", "10.96.0.0/12 is the range of the cluster's services"),
                         ("10.244.9.0/24", "10.244.0.0/16 is the range of the cluster's pods")):  # fmt: skip
        refused = net_node.docker("network", "create", "--subnet", subnet, "clash", check=False)
        assert refused.returncode == 1 and said in refused.stderr, refused.stderr


def test_way_out(net_node):
    """gw-priority, names of interfaces, and settings of one."""
    docker = net_node.docker
    docker("network", "create", "--subnet", "10.196.0.0/24", "west")
    docker("network", "create", "--subnet", "10.197.0.0/24", "zone")
    try:
        docker("run", "-d", "--name", "ww", "--network", "name=west,mac-address=02:00:00:00:00:07", "wherry/hello", "sleep", "1000")
        status, why = net_node.api("POST", "/networks/zone/connect", {"Container": "ww", "EndpointConfig": {
            "GwPriority": 1, "DriverOpts": {
                "com.docker.network.endpoint.ifname": "up0",
                "com.docker.network.endpoint.sysctls": "net.ipv4.conf.IFNAME.log_martians=1"}}})  # fmt: skip
        assert status == 200, why
        routes = docker("exec", "ww", "ip", "route").stdout
        assert routes.splitlines()[0].startswith("default via 10.197.0.1 dev up0")
        assert "02:00:00:00:00:07" in docker("exec", "ww", "ip", "link", "show", "eth0").stdout
        assert docker("exec", "ww", "cat", "/proc/sys/net/ipv4/conf/up0/log_martians").stdout == "1\n"
        docker("network", "disconnect", "zone", "ww")
        assert "default via 10.196.0.1 dev eth0" in docker("exec", "ww", "ip", "route").stdout
        refused = docker("network", "connect", "--driver-opt", "com.example=1", "zone", "ww", check=False)
        assert refused.returncode != 0 and "com.example" in refused.stderr
    finally:
        docker("rm", "-f", "ww", check=False)
        docker("network", "rm", "west", "zone", check=False)


def test_ports_are_where_the_way_out_is(net_node):
    """An internal network that comes first has no ports; they follow when networks come and go."""
    docker = net_node.docker
    docker("network", "create", "--internal", "aa")
    docker("network", "create", "zz")
    try:
        docker("create", "--name", "two", "--network", "aa", "-p", "8085:80", "wherry/hello", "sh", "-c", SERVER)
        docker("start", "two")
        assert docker("port", "two").stdout == ""
        docker("network", "connect", "zz", "two")
        assert docker("port", "two").stdout.strip() == "80/tcp -> 0.0.0.0:8085"
        assert eventually(lambda: "served" in fetch(net_node))
        docker("network", "disconnect", "zz", "two")
        assert docker("port", "two").stdout == "" and not fetch(net_node)
        docker("network", "connect", "bridge", "two")
        assert eventually(lambda: "served" in fetch(net_node))
        # the one it was made with goes and comes, too, but is there once
        docker("network", "disconnect", "aa", "two")
        docker("network", "connect", "--alias", "again", "aa", "two")
        twice = docker("network", "connect", "aa", "two", check=False)
        assert twice.returncode and "endpoint with name two already exists in network aa" in twice.stderr
        assert "again" in docker("inspect", "-f", "{{.NetworkSettings.Networks.aa.DNSNames}}", "two").stdout
    finally:
        docker("rm", "-f", "two", check=False)
        docker("network", "rm", "aa", "zz", check=False)


def test_the_network_it_was_made_with_can_be_left(net_node):
    """While it is stopped and while it runs, and for good: no start brings it back."""
    docker = net_node.docker
    docker("network", "create", "--subnet", "10.193.0.0/24", "n1")
    docker("network", "create", "--subnet", "10.194.0.0/24", "n2")
    try:
        docker("create", "--name", "mover", "wherry/hello", "sleep", "1000")
        docker("network", "connect", "n1", "mover")
        docker("network", "connect", "--alias", "first", "n2", "mover")
        docker("network", "disconnect", "bridge", "mover")
        assert set(networks_of(net_node, "mover")) == {"n1", "n2"}
        docker("start", "mover")
        assert sorted(interfaces(net_node, "mover").values()) == ["10.193.0.2/24", "10.194.0.2/24"]
        again = docker("network", "disconnect", "bridge", "mover", check=False)
        assert again.returncode and "is not connected to network bridge" in again.stderr
        # a stopped one that is connected twice stays as it was
        docker("stop", "-t", "0", "mover")
        docker("network", "connect", "--alias", "second", "n2", "mover")
        assert networks_of(net_node, "mover")["n2"]["Aliases"] == ["first"]
        docker("network", "disconnect", "n1", "mover")
        docker("start", "mover")
        assert set(networks_of(net_node, "mover")) == {"n2"} and list(interfaces(net_node, "mover").values()) == ["10.194.0.2/24"]
        # in none at all, also for an engine that has just come up
        docker("network", "disconnect", "n2", "mover")
        net_node.ssh("pkill -9 -x engine || kill -9 $(pidof engine)")
        net_node.wait_engine()
        docker("restart", "-t", "0", "mover")
        assert networks_of(net_node, "mover") == {} and interfaces(net_node, "mover") == {}
        docker("network", "connect", "n1", "mover")
        assert interfaces(net_node, "mover") == {"eth0": "10.193.0.2/24"}
    finally:
        docker("rm", "-f", "mover", check=False)
        docker("network", "rm", "n1", "n2", check=False)


def test_a_network_is_made_anew_below_its_containers(net_node):
    """As compose does it: stop, disconnect, remove, create with another subnet, connect, start."""
    docker = net_node.docker
    docker("network", "create", "--subnet", "10.193.0.0/24", "anew")
    try:
        docker("run", "-d", "--name", "stays", "--network", "anew", "--ip", "10.193.0.9", "wherry/hello", "sleep", "1000")
        docker("stop", "-t", "0", "stays")
        docker("network", "disconnect", "-f", "anew", "stays")
        docker("network", "rm", "anew")
        docker("network", "create", "--subnet", "10.194.0.0/24", "anew")
        docker("network", "connect", "anew", "stays")
        docker("start", "stays")
        assert interfaces(net_node, "stays") == {"eth0": "10.194.0.2/24"}
        # without the disconnect: what was asked of the old one is forgotten
        docker("stop", "-t", "0", "stays")
        docker("network", "rm", "anew")
        docker("network", "create", "--subnet", "10.195.0.0/24", "anew")
        docker("network", "connect", "--ip", "10.195.0.7", "anew", "stays")
        docker("start", "stays")
        assert interfaces(net_node, "stays") == {"eth0": "10.195.0.7/24"}
        # one that was left while it ran and is gone is not missed
        docker("network", "connect", "bridge", "stays")
        docker("network", "disconnect", "anew", "stays")
        docker("network", "rm", "anew")
        docker("restart", "-t", "0", "stays")
        assert set(networks_of(net_node, "stays")) == {"bridge"}
        # and published ports can still be changed
        status, why = net_node.api("POST", "/containers/stays/update", {"PortBindings": {"80/tcp": [{"HostPort": "8085"}]}})
        assert status == 200 and docker("port", "stays").stdout.splitlines()[0] == "80/tcp -> 0.0.0.0:8085", why
    finally:
        docker("rm", "-f", "stays", check=False)
        docker("network", "rm", "anew", check=False)


def test_a_network_that_is_gone_can_be_left(net_node):
    docker = net_node.docker
    docker("network", "create", "gone")
    try:
        docker("create", "--name", "left", "--network", "gone", "wherry/hello", "sleep", "1000")
        docker("network", "rm", "gone")
        failed = docker("start", "left", check=False)
        assert failed.returncode == 1 and "network gone not found" in failed.stderr
        docker("network", "disconnect", "gone", "left")
        missing = docker("network", "disconnect", "gone", "left", check=False)
        assert missing.returncode == 1 and "network gone not found" in missing.stderr
        docker("network", "connect", "bridge", "left")
        docker("start", "left")
        assert set(networks_of(net_node, "left")) == {"bridge"}
    finally:
        docker("rm", "-f", "left", check=False)
        docker("network", "rm", "gone", check=False)


def test_a_name_that_is_the_beginning_of_an_id(net_node):
    """Of a network that is gone: another one whose id begins so is not meant."""
    docker = net_node.docker
    name = docker("network", "create", "other").stdout[:8]
    docker("network", "create", name)
    try:
        docker("create", "--name", "left", "--network", name, "wherry/hello", "sleep", "1000")
        docker("network", "rm", name)
        failed = docker("start", "left", check=False)
        assert failed.returncode == 1 and f"network {name} not found" in failed.stderr, failed
        assert set(networks_of(net_node, "left")) == {name}
        docker("network", "connect", "other", "left")
        docker("network", "disconnect", name, "left")
        assert set(networks_of(net_node, "left")) == {"other"}
        docker("start", "left")
    finally:
        docker("rm", "-f", "left", check=False)
        docker("network", "rm", "other")  # before the other one, which may be called by that name
        docker("network", "rm", name, check=False)


def test_the_networks_that_are_named_are_all(net_node):
    """What a client names besides no NetworkMode, as Testcontainers does; and what `none` and `host` allow."""
    docker = net_node.docker
    docker("network", "create", "--subnet", "10.193.0.0/24", "named")
    try:
        made = {"Image": "wherry/hello", "Cmd": ["sleep", "1000"], "NetworkingConfig": {"EndpointsConfig": {"named": {}}}}
        status, why = net_node.api("POST", "/containers/create?name=only", made)
        assert status == 201, why
        docker("start", "only")
        assert set(networks_of(net_node, "only")) == {"named"} and interfaces(net_node, "only") == {"eth0": "10.193.0.2/24"}
        status, why = net_node.api("POST", "/containers/create", made | {"HostConfig": {"NetworkMode": "none"}})
        assert status == 400 and "network named cannot be had together with none" in why["message"], (status, why)
        status, why = net_node.api("POST", "/containers/create", made | {"MacAddress": "02:00:00:00:00:07"})
        assert status == 400 and "which is not in NetworkingConfig.EndpointsConfig" in why["message"], (status, why)
        docker("run", "-d", "--name", "alone", "--network", "none", "wherry/hello", "sleep", "1000")
        refused = docker("network", "connect", "named", "alone", check=False)
        assert refused.returncode == 1 and "in private (none) mode" in refused.stderr
    finally:
        docker("rm", "-f", "only", "alone", check=False)
        docker("network", "rm", "named", check=False)


def test_a_stopped_one_is_shown_where_it_will_be(net_node):
    """The network's id, the names and what was asked for stay; where the endpoint was does not."""
    docker = net_node.docker
    network = docker("network", "create", "--subnet", "10.193.0.0/24", "shown").stdout.strip()
    try:
        docker("create", "--name", "still", "--network", "shown", "wherry/hello", "sleep", "1000")
        for command in (["inspect", "still"], ["start", "still"], ["stop", "-t", "0", "still"]):
            docker(*command)
            of = networks_of(net_node, "still")["shown"]
            runs = command[0] == "start"
            assert of["NetworkID"] == network and of["DNSNames"][0] == "still", (command, of)
            assert (of["IPAddress"], of["Gateway"]) == (("10.193.0.2", "10.193.0.1") if runs else ("", "")), (command, of)
            assert bool(of["EndpointID"]) == bool(of["MacAddress"]) == runs, (command, of)
    finally:
        docker("rm", "-f", "still", check=False)
        docker("network", "rm", "shown", check=False)


def test_a_mac_address_is_shown_as_it_was_asked_for(net_node):
    """Before the first start, while it runs, and after; asked for at create, for the container as a whole, or by connect."""
    docker, mac = net_node.docker, "02:00:00:00:00:0{}".format
    docker("network", "create", "macs")
    made = {"Image": "wherry/hello", "Cmd": ["sleep", "1000"]}

    def shown(name):
        _, whole = net_node.api("GET", f"/containers/{name}/json")
        return whole["Config"].get("MacAddress", ""), {n: of["MacAddress"] for n, of in whole["NetworkSettings"]["Networks"].items()}

    try:
        docker("create", "--name", "m1", "--network", "macs", "--mac-address", mac(1), "wherry/hello", "sleep", "1000")
        status, why = net_node.api("POST", "/containers/create?name=m2", made | {"MacAddress": mac(2)})
        assert status == 201, why
        docker("create", "--name", "m3", "wherry/hello", "sleep", "1000")
        status, why = net_node.api("POST", "/networks/macs/connect", {"Container": "m3", "EndpointConfig": {"MacAddress": mac(3)}})
        assert status == 200, why
        assert shown("m1") == (mac(1), {"macs": mac(1)}) and shown("m2") == (mac(2), {"bridge": mac(2)})
        assert shown("m3") == ("", {"bridge": "", "macs": mac(3)})
        docker("start", "m1", "m2", "m3")
        assert shown("m1") == (mac(1), {"macs": mac(1)}) and shown("m2") == (mac(2), {"bridge": mac(2)})
        config, running = shown("m3")
        assert config == "" and running["bridge"] and running["macs"] == mac(3), running
        assert mac(3) in docker("exec", "m3", "ip", "link").stdout and mac(2) in docker("exec", "m2", "ip", "link").stdout
        status, why = net_node.api("POST", "/containers/create", made | {"MacAddress": "02:00"})
        assert status == 400 and 'invalid MAC address "02:00"' in why["message"], (status, why)
    finally:
        docker("rm", "-f", "m1", "m2", "m3", check=False)
        docker("network", "rm", "macs", check=False)


def test_macvlan_and_ipvlan(net_node):
    """Beside the node on its own wire; and on a VLAN of it, which comes and goes with the network."""
    docker = net_node.docker
    for driver in ("macvlan", "ipvlan"):
        docker("network", "create", "-d", driver, "--subnet", "10.95.0.0/24", "-o", "parent=eth0.95", "lan")
        try:
            assert "eth0.95" in net_node.ssh("ip link")
            docker("run", "-d", "--name", "m1", "--network", "lan", "--ip", "10.95.0.9", "wherry/hello", "sh", "-c", SERVER)
            assert eventually(lambda: "served" in docker("run", "--rm", "--network", "lan", "wherry/hello", "nc", "-w", "3", "m1", "80",
                                                         check=False).stdout)  # fmt: skip
        finally:
            docker("rm", "-f", "m1", check=False)
            docker("network", "rm", "lan", check=False)
        assert "eth0.95" not in net_node.ssh("ip link")
    inside = docker("network", "create", "-d", "macvlan", "apart").stdout
    try:
        assert "dm-" + inside[:12] in net_node.ssh("ip link")
    finally:
        docker("network", "rm", "apart")
    missing = docker("network", "create", "-d", "macvlan", "-o", "parent=nosuch", "x", check=False)
    assert missing.returncode != 0 and "nosuch" in missing.stderr


def test_prune(net_node):
    docker = net_node.docker
    docker("network", "create", "--label", "keep=1", "p1")
    docker("network", "create", "p2")
    try:
        assert docker("network", "prune", "-f", "--filter", "label!=keep").stdout.split()[-1] == "p2"
        assert "p1" in docker("network", "ls", "--format", "{{.Name}}").stdout.split()
    finally:
        docker("network", "rm", "p1", "p2", check=False)


def test_many_networks(net_node):
    """Fifty come and go; nothing of them stays."""
    before = net_node.names("/sys/class/net", "/data/engine/networks")
    names = [f"n{i}" for i in range(50)]
    # More than the predefined pools have: subnets of our own.
    for i, name in enumerate(names):
        net_node.docker("network", "create", "--subnet", f"10.200.{i}.0/24", name)
    net_node.docker("network", "rm", *names)
    assert eventually(lambda: net_node.names("/sys/class/net", "/data/engine/networks") == before)


def test_rules_explain_themselves(net_node):
    """The node's own view after all of it: nothing is left of what is gone."""
    links = net_node.ssh("ip link")
    assert "docker0" in links
    assert "veth" not in links
    assert "br-" not in links
