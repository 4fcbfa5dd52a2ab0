# SPDX-License-Identifier: Apache-2.0
"""Pods of a booted node, by kubectl alone: from the YAML to running containers, their status, their end, and what survives a kill."""

import json
import time

import pytest
from support.cluster import Cluster
from support.node import eventually

WAIT = 150  # emulated, beside other work
QUICK = {"imagePullPolicy": "IfNotPresent", "image": "wherry/hello"}


@pytest.fixture(scope="module")
def cluster(cluster_node):
    made = Cluster(cluster_node)
    assert eventually(lambda: condition(made, "node", made_name(made), "Ready") == "True", timeout=WAIT), "the node is not ready"
    return made


@pytest.fixture
def ns(cluster, request):
    name = "a-" + "".join(c if c.isalnum() else "-" for c in request.node.name.lower())[:50].strip("-")
    cluster.namespace(name)
    yield name
    cluster.kubectl("-n", name, "delete", "pods", "--all", "--grace-period=1", "--wait=false", check=False)
    cluster.kubectl("delete", "namespace", name, timeout=240)


def made_name(cluster):
    nodes = json.loads(cluster.kubectl("get", "nodes", "-o", "json", check=False).stdout or "{}").get("items", [])
    return nodes[0]["metadata"]["name"] if nodes else "none"


def condition(cluster, kind, name, wanted, ns="default"):
    said = cluster.kubectl("-n", ns, "get", kind, name, "-o", "json", check=False).stdout
    found = [c["status"] for c in json.loads(said or "{}").get("status", {}).get("conditions", []) if c["type"] == wanted]
    return found[0] if found else None


def container(name, *command, **more):
    return {**QUICK, "name": name, "command": list(command), **more}


def pod(name, *containers, **spec):
    spec = {"terminationGracePeriodSeconds": 5, "automountServiceAccountToken": False, "hostNetwork": True, **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": list(containers), **spec}}


def apply(cluster, ns, *objects):
    cluster.kubectl("-n", ns, "apply", "-f", "-", input="\n".join(map(json.dumps, objects)))


def status(cluster, ns, name):
    said = cluster.kubectl("-n", ns, "get", "pod", name, "-o", "json", check=False).stdout
    return json.loads(said)["status"] if said else {}


def state(cluster, ns, name, which=0, key="containerStatuses"):
    found = status(cluster, ns, name).get(key, [])
    return found[which] if len(found) > which else {"state": {}, "lastState": {}, "restartCount": 0, "ready": False}


def phase(cluster, ns, name, wanted, timeout=WAIT):
    done = eventually(lambda: status(cluster, ns, name).get("phase") == wanted, timeout=timeout, every=1)
    assert done, f"{name} is not {wanted}: {json.dumps(status(cluster, ns, name), indent=1)}"
    return status(cluster, ns, name)


def reasons(cluster, ns, name):
    events = cluster.get("-n", ns, "events", "--field-selector", f"involvedObject.name={name}")["items"]
    return [e["reason"] for e in events]


def message(cluster, ns, name, **more):
    """What the container of a pod that ended wrote for its message."""
    return phase(cluster, ns, name, "Succeeded", **more)["containerStatuses"][0]["state"]["terminated"].get("message", "")


def test_the_node(cluster, cluster_node):
    node = cluster.get("node", made_name(cluster))
    assert node["metadata"]["labels"]["kubernetes.io/os"] == "linux" and node["metadata"]["labels"]["kubernetes.io/arch"] == "amd64"
    assert node["status"]["capacity"]["pods"] == "110" and node["status"]["capacity"]["cpu"] == "1"
    assert {a["type"] for a in node["status"]["addresses"]} == {"InternalIP", "Hostname"}
    assert node["status"]["nodeInfo"]["bootID"] == cluster_node.ssh("cat /proc/sys/kernel/random/boot_id").strip()
    assert any("wherry/hello:latest" in image["names"] for image in node["status"]["images"])

    def renewed():
        return cluster.get("-n", "kube-node-lease", "lease", node["metadata"]["name"])["spec"]["renewTime"]

    first = renewed()
    assert eventually(lambda: renewed() != first, timeout=60, every=2), "the lease is not renewed"


def test_a_node_without_its_network(cluster, cluster_node):
    """It is not Ready, and says what is missing; not Ready is what it stays until pods can have addresses again."""
    name = made_name(cluster)

    def ready():
        return next(c for c in cluster.get("node", name)["status"]["conditions"] if c["type"] == "Ready")

    cluster_node.ssh("wherryctl stop cluster-network")
    lost = eventually(lambda: ready()["status"] == "False" and ready(), timeout=WAIT, every=1)
    cluster_node.ssh("wherryctl start cluster-network")
    assert lost and lost["reason"] == "KubeletNotReady" and "the network service does not answer" in lost["message"], lost
    assert eventually(lambda: ready()["status"] == "True", timeout=WAIT, every=1), ready()
    assert eventually(lambda: not cluster.get("node", name)["spec"].get("taints"), timeout=WAIT, every=1)


def test_run_waits_for_a_ready_node(make_node):
    node = make_node()
    done = node.boot("--wait", "ready")
    assert "the node is up" in done.stdout
    cluster = Cluster(node)
    assert condition(cluster, "node", made_name(cluster), "Ready") == "True"


def test_a_pod_runs_to_its_end(cluster, ns):
    apply(cluster, ns, pod("one", container("c", "sh", "-c", "echo bye >/dev/termination-log"), restartPolicy="Never",
                           initContainers=[container("first", "true"), container("second", "true")]))  # fmt: skip
    said = phase(cluster, ns, "one", "Succeeded")
    ended = said["containerStatuses"][0]["state"]["terminated"]
    assert ended["exitCode"] == 0 and ended["reason"] == "Completed" and ended["message"] == "bye\n"
    first, second = (s["state"]["terminated"] for s in said["initContainerStatuses"])
    assert first["finishedAt"] <= second["startedAt"] and second["finishedAt"] <= ended["startedAt"]
    assert {c["type"]: c["status"] for c in said["conditions"]}["Initialized"] == "True"
    assert said["containerStatuses"][0]["containerID"].startswith("wherry://") and said["podIP"] == said["hostIP"]
    assert {"Scheduled", "Pulled", "Created", "Started"} <= set(reasons(cluster, ns, "one"))
    described = cluster.kubectl("-n", ns, "describe", "pod", "one").stdout
    assert "Started container c" in described and "Succeeded" in described


def test_a_container_that_crashes(cluster, ns):
    apply(cluster, ns, pod("crash", container("c", "sh", "-c", "echo gone wrong; exit 3", terminationMessagePolicy="FallbackToLogsOnError")))

    def waits():
        """The status that shows it, since it does not wait for long."""
        seen = status(cluster, ns, "crash")
        now = seen.get("containerStatuses", [{}])[0].get("state", {})
        return now.get("waiting", {}).get("reason") == "CrashLoopBackOff" and seen

    seen = eventually(waits, timeout=WAIT, every=1)
    assert seen, status(cluster, ns, "crash")
    said = seen["containerStatuses"][0]
    assert said["restartCount"] >= 1 and said["lastState"]["terminated"]["exitCode"] == 3
    assert said["lastState"]["terminated"]["message"] == "gone wrong\n"
    assert seen["phase"] == "Running" and {c["type"]: c["status"] for c in seen["conditions"]}["Ready"] == "False"
    assert eventually(lambda: "BackOff" in reasons(cluster, ns, "crash"))
    apply(cluster, ns, pod("never", container("c", "false"), restartPolicy="Never"))
    assert phase(cluster, ns, "never", "Failed")["containerStatuses"][0]["restartCount"] == 0


def test_a_deployment_with_its_network(cluster, ns):
    cluster.kubectl("-n", ns, "create", "deployment", "web", "--image=wherry/hello", "--replicas=2", "--", "sh", "-c", "trap exit TERM; while :; do sleep 1; done")
    cluster.kubectl("-n", ns, "patch", "deployment", "web", "-p", '{"spec":{"template":{"spec":{"containers":[{"name":"hello","imagePullPolicy":"IfNotPresent"}]}}}}')
    cluster.kubectl("-n", ns, "rollout", "status", "deployment", "web", f"--timeout={WAIT}s", timeout=WAIT + 30)
    pods = cluster.get("-n", ns, "pods", "--field-selector", "status.phase=Running")["items"]
    addresses = {p["status"]["podIP"] for p in pods if not p["metadata"].get("deletionTimestamp")}
    assert len(addresses) == 2 and all(a != p["status"]["hostIP"] for a in addresses for p in pods)
    cluster.kubectl("-n", ns, "scale", "deployment", "web", "--replicas=0")
    assert eventually(lambda: not cluster.get("-n", ns, "pods")["items"], timeout=WAIT, every=1), "pods are left"


def test_host_ports(cluster, ns, cluster_node):
    ports = [{"containerPort": 8080, "hostPort": 31808}, {"containerPort": 8080, "hostPort": 31809, "hostIP": "10.0.2.15"},
             {"containerPort": 8080, "hostPort": 31807, "hostIP": "127.0.0.1"}]  # fmt: skip
    serves = container("c", "sh", "-c", "mkdir /w; echo by its host port >/w/index.html; httpd -f -p 8080 -h /w", ports=ports)
    made = pod("served", serves, hostNetwork=False)
    made["metadata"]["annotations"] = {"kubernetes.io/egress-bandwidth": "1M"}
    apply(cluster, ns, made)
    phase(cluster, ns, "served", "Running")
    events = lambda: cluster.kubectl("-n", ns, "get", "events").stdout  # noqa: E731
    assert eventually(lambda: "BandwidthNotLimited" in events(), timeout=60)
    node = status(cluster, ns, "served")["hostIP"]
    page = lambda port, host=node: cluster_node.ssh(f"wget -T 5 -qO- http://{host}:{port}/", check=False).stdout  # noqa: E731
    assert eventually(lambda: page(31808) == "by its host port\n", timeout=60)
    assert node != "10.0.2.15" or page(31809) == "by its host port\n"
    assert page(31807, "127.0.0.1") == page(31808, "127.0.0.1") == "by its host port\n" and page(31807) == ""
    cluster.kubectl("-n", ns, "delete", "pod", "served")
    assert eventually(lambda: page(31808) == "", timeout=60)


def test_deletion_gives_time(cluster, ns, cluster_node):
    cluster_node.ssh("rm -f /tmp/up /tmp/ended")
    slow = container("c", "sh", "-c", "trap 'sleep 2; echo yes >/note/ended; exit 0' TERM; touch /note/up; while :; do sleep 0.2; done",
                     volumeMounts=[{"name": "note", "mountPath": "/note"}])  # fmt: skip
    deaf = container("c", "sleep", "1000")
    apply(cluster, ns, pod("slow", slow, terminationGracePeriodSeconds=60, volumes=[{"name": "note", "hostPath": {"path": "/tmp"}}]),
          pod("deaf", deaf, terminationGracePeriodSeconds=600))  # fmt: skip
    phase(cluster, ns, "slow", "Running")
    phase(cluster, ns, "deaf", "Running")
    assert eventually(lambda: cluster_node.ssh("test -e /tmp/up", check=False).returncode == 0, timeout=60)
    cluster.kubectl("-n", ns, "delete", "pod", "slow", timeout=WAIT)
    assert cluster_node.ssh("cat /tmp/ended; rm -f /tmp/up /tmp/ended").strip() == "yes"
    cluster.kubectl("-n", ns, "delete", "pod", "deaf", "--wait=false")
    assert status(cluster, ns, "deaf")["phase"] == "Running"
    began = time.monotonic()
    cluster.kubectl("-n", ns, "delete", "pod", "deaf", "--grace-period=1", timeout=WAIT)
    assert time.monotonic() - began < 100, "less grace did not shorten the wait"


def test_sidecars_and_shared_volume(cluster, ns):
    """A sidecar runs before the containers and ends after them."""
    mount = [{"name": "v", "mountPath": "/v"}]
    side = container("side", "sh", "-c", "trap 'echo side >>/v/log; exit 0' TERM; echo begin >>/v/log; while :; do sleep 0.2; done",
                     restartPolicy="Always", volumeMounts=mount)  # fmt: skip
    main = container("c", "sh", "-c", "cat /v/log >/dev/termination-log; echo main >>/v/log", volumeMounts=mount)
    apply(cluster, ns, pod("job", main, restartPolicy="Never", initContainers=[side], volumes=[{"name": "v", "emptyDir": {}}]))
    assert message(cluster, ns, "job") == "begin\n"
    ended = eventually(lambda: state(cluster, ns, "job", key="initContainerStatuses")["state"].get("terminated"), timeout=WAIT, every=1)
    assert ended and ended["exitCode"] == 0


def test_hooks(cluster, ns):
    """postStart beside the container; preStop before its signal; a postStart that fails ends it."""
    mount = [{"name": "v", "mountPath": "/v"}]
    hooks = {"postStart": {"exec": {"command": ["sh", "-c", "echo post >>/v/log"]}},
             "preStop": {"exec": {"command": ["sh", "-c", "echo pre >>/v/log"]}}}  # fmt: skip
    c = container("c", "sh", "-c", "trap 'cat /v/log >/dev/termination-log; exit 0' TERM; while :; do sleep 0.2; done",
                  lifecycle=hooks, volumeMounts=mount)  # fmt: skip
    bad = {"postStart": {"exec": {"command": ["false"]}}}
    apply(cluster, ns, pod("good", c, restartPolicy="Never", volumes=[{"name": "v", "emptyDir": {}}], terminationGracePeriodSeconds=30),
          pod("bad", container("c", "sleep", "1000", lifecycle=bad), terminationGracePeriodSeconds=1))  # fmt: skip
    slow = {"postStart": {"exec": {"command": ["sh", "-c", "touch /tmp/post; until [ -e /tmp/go ]; do sleep 0.2; done"]}}}
    apply(cluster, ns, pod("slow", container("c", "sleep", "1000", lifecycle=slow), terminationGracePeriodSeconds=1))
    log = lambda: cluster.kubectl("-n", ns, "exec", "good", "--", "cat", "/v/log", check=False).stdout  # noqa: E731
    assert eventually(lambda: log() == "post\n", timeout=WAIT, every=1), status(cluster, ns, "good")
    cluster.kubectl("-n", ns, "patch", "pod", "good", "-p", '{"spec": {"activeDeadlineSeconds": 3}}')
    assert phase(cluster, ns, "good", "Failed")["reason"] == "DeadlineExceeded"
    said = eventually(lambda: state(cluster, ns, "good")["state"].get("terminated"), timeout=WAIT, every=1)
    assert said and said["message"] == "post\npre\n"
    assert eventually(lambda: "FailedPostStartHook" in reasons(cluster, ns, "bad"), timeout=WAIT, every=1)
    assert eventually(lambda: state(cluster, ns, "bad")["restartCount"] >= 1, timeout=WAIT, every=1)
    # it has not started before its hook is over
    inside = lambda *argv: cluster.kubectl("-n", ns, "exec", "slow", "--", *argv, check=False)  # noqa: E731
    assert eventually(lambda: inside("test", "-e", "/tmp/post").returncode == 0, timeout=WAIT, every=1)
    seen = state(cluster, ns, "slow")
    assert seen["state"]["waiting"]["reason"] == "ContainerCreating" and not seen["ready"] and not seen["started"]
    assert cluster.get("-n", ns, "pod", "slow")["status"]["phase"] == "Pending"
    assert inside("touch", "/tmp/go").returncode == 0
    phase(cluster, ns, "slow", "Running")
    assert eventually(lambda: state(cluster, ns, "slow")["ready"], timeout=WAIT, every=1)
    # and one that gets no answer does not outlive its container: the port of the node is the next one's
    apply(cluster, ns, pod("deaf", container("c", "nc", "-l", "-p", "21019", "-e", "sleep", "1000"), terminationGracePeriodSeconds=1))
    deaf = lambda *argv: cluster.kubectl("-n", ns, "exec", "deaf", "--", *argv, check=False).returncode == 0  # noqa: E731
    assert eventually(lambda: deaf("sh", "-c", "netstat -ltn | grep -q :21019"), timeout=WAIT, every=1)
    ports = [{"containerPort": 21018, "hostPort": 21018}]
    hook = {"postStart": {"httpGet": {"host": "127.0.0.1", "port": 21019}}}
    apply(cluster, ns, pod("mute", container("c", "sleep", "1000", lifecycle=hook, ports=ports), terminationGracePeriodSeconds=1))
    assert eventually(lambda: deaf("pidof", "sleep"), timeout=WAIT, every=1)
    cluster.kubectl("-n", ns, "delete", "pod", "mute", f"--timeout={WAIT}s")
    apply(cluster, ns, pod("next", container("c", "sleep", "1000", ports=ports), terminationGracePeriodSeconds=1))
    phase(cluster, ns, "next", "Running")


def test_environment(cluster, ns):
    cluster.kubectl("-n", ns, "create", "configmap", "cm", "--from-literal=key=value", "--from-literal=OTHER=more")
    env = [
        {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "key"}}},
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}},
        {"name": "B", "value": "$(A)-$(POD) $$(A) $(NOBODY)"},
    ]
    c = container("c", "sh", "-c", 'echo "$A|$POD|$CPU|$B|$OTHER|$(KUBERNETES_SERVICE_HOST)|$1" >/dev/termination-log', "-", "$(B)",
                  env=env, envFrom=[{"configMapRef": {"name": "cm"}}], resources={"limits": {"cpu": "250m", "memory": "32Mi"}})  # fmt: skip
    apply(cluster, ns, pod("env", c, restartPolicy="Never"))
    b = "value-env $(A) $(NOBODY)"
    assert message(cluster, ns, "env") == f"value|env|250|{b}|more|10.96.0.1|{b}\n"


def test_a_restart_has_the_values_of_now(cluster, ns):
    cluster.kubectl("-n", ns, "create", "configmap", "cm", "--from-literal=A=old")
    script = '[ "$A" = new ] && exec sleep 1000; until [ -e /tmp/go ]; do sleep 0.2; done; echo "$A" >/dev/termination-log; exit 1'
    apply(cluster, ns, pod("p", container("c", "sh", "-c", script, envFrom=[{"configMapRef": {"name": "cm"}}])))
    phase(cluster, ns, "p", "Running")
    cluster.kubectl("-n", ns, "patch", "configmap", "cm", "-p", '{"data": {"A": "new"}}')
    cluster.kubectl("-n", ns, "exec", "p", "--", "touch", "/tmp/go")
    again = eventually(lambda: state(cluster, ns, "p")["restartCount"] == 1 and state(cluster, ns, "p")["state"].get("running"), timeout=WAIT, every=1)
    assert again and state(cluster, ns, "p")["lastState"]["terminated"]["message"] == "old\n", status(cluster, ns, "p")
    assert cluster.kubectl("-n", ns, "exec", "p", "--", "printenv", "A").stdout == "new\n"


def test_what_is_missing_and_then_there(cluster, ns):
    never = container("c", "true", image="example.org/nothing", imagePullPolicy="Never")
    apply(cluster, ns, pod("never", never), pod("later", container("c", "sh", "-c", "echo $A >/dev/termination-log",
                           envFrom=[{"configMapRef": {"name": "cm"}}]), restartPolicy="Never"))  # fmt: skip

    def waits(name, reason):
        return lambda: state(cluster, ns, name)["state"].get("waiting", {}).get("reason") == reason

    assert eventually(waits("never", "ErrImageNeverPull"), timeout=WAIT, every=1), state(cluster, ns, "never")
    assert eventually(waits("later", "CreateContainerConfigError"), timeout=WAIT, every=1), state(cluster, ns, "later")
    assert 'configmap "cm" not found' in state(cluster, ns, "later")["state"]["waiting"]["message"]
    cluster.kubectl("-n", ns, "create", "configmap", "cm", "--from-literal=A=there")
    assert message(cluster, ns, "later") == "there\n"


def test_security(cluster, ns):
    look = "{ id -u; id -g; id -G; touch /x 2>/dev/null || echo read-only; grep NoNewPrivs /proc/self/status; } >/dev/termination-log"
    mine = {"runAsUser": 1000, "runAsGroup": 1001, "readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False}
    apply(cluster, ns, pod("user", container("c", "sh", "-c", look, securityContext=mine), restartPolicy="Never", securityContext={"fsGroup": 2000}),
          pod("root", container("c", "true", securityContext={"runAsNonRoot": True}), restartPolicy="Never"))  # fmt: skip
    said = message(cluster, ns, "user").split("\n")
    assert said[:2] == ["1000", "1001"] and "2000" in said[2].split() and said[3] == "read-only" and said[4].split()[1] == "1"
    refused = eventually(lambda: state(cluster, ns, "root")["state"].get("waiting", {}).get("message"), timeout=WAIT, every=1)
    assert refused and "runAsNonRoot" in refused


def test_groups_and_limits(cluster, ns, cluster_node):
    limits = {"cpu": "100m", "memory": "32Mi"}
    apply(cluster, ns, pod("g", container("c", "sleep", "1000", resources={"limits": limits})), pod("b", container("c", "sleep", "1000")))
    phase(cluster, ns, "g", "Running")
    phase(cluster, ns, "b", "Running")
    uid = cluster.get("-n", ns, "pod", "g")["metadata"]["uid"]
    assert cluster_node.ssh(f"cat /sys/fs/cgroup/pods/guaranteed/{uid}/memory.max /sys/fs/cgroup/pods/guaranteed/{uid}/cpu.max").split() == [
        str(32 << 20), "10000", "100000"]  # fmt: skip
    assert cluster.get("-n", ns, "pod", "g")["status"]["qosClass"] == "Guaranteed"
    uid = cluster.get("-n", ns, "pod", "b")["metadata"]["uid"]
    assert cluster_node.ssh(f"cat /sys/fs/cgroup/pods/besteffort/{uid}/memory.max").strip() == "max"


def test_pods_that_end_as_a_whole(cluster, ns):
    """Out of time, made for another system, and with more on disk than they may."""
    apply(cluster, ns, pod("late", container("c", "sleep", "1000"), activeDeadlineSeconds=3, terminationGracePeriodSeconds=1))
    apply(cluster, ns, pod("other", container("c", "sleep", "1000"), os={"name": "windows"}))
    apply(cluster, ns, pod("full", container("c", "sh", "-c", "dd if=/dev/zero of=/f bs=1M count=8; exec sleep 1000",
                                             resources={"limits": {"ephemeral-storage": "4Mi"}})))  # fmt: skip
    assert phase(cluster, ns, "late", "Failed")["reason"] == "DeadlineExceeded"
    assert phase(cluster, ns, "other", "Failed")["reason"] == "PodOSNotSupported"
    full = phase(cluster, ns, "full", "Failed")
    assert full["reason"] == "Evicted" and full["message"] == 'Container c exceeded its local ephemeral storage limit "4Mi". '


def test_an_ephemeral_container(cluster, ns):
    apply(cluster, ns, pod("p", container("c", "sleep", "1000")))
    phase(cluster, ns, "p", "Running")
    cluster.kubectl("-n", ns, "debug", "p", "--image=wherry/hello", "--image-pull-policy=IfNotPresent", "--container=look", "--target=c",
                    "--", "sh", "-c", "test $$ != 1 && echo sees >/dev/termination-log")  # fmt: skip

    def ended():
        return state(cluster, ns, "p", key="ephemeralContainerStatuses")["state"].get("terminated")

    said = eventually(ended, timeout=WAIT, every=1)
    assert said and said["exitCode"] == 0, status(cluster, ns, "p")


def test_processes_in_common(cluster, ns, cluster_node):
    """shareProcessNamespace: one container sees, and ends, what another runs; it starts again, and they still see each other."""
    apply(cluster, ns, pod("p", container("a", "sleep", "1111"), container("b", "sleep", "2222"), shareProcessNamespace=True))
    phase(cluster, ns, "p", "Running")
    seen = lambda of: cluster.kubectl("-n", ns, "exec", "p", "-c", of, "--", "ps", "-o", "args").stdout.splitlines()  # noqa: E731
    for of in ("a", "b"):
        assert {"/pause", "sleep 1111", "sleep 2222"} <= set(seen(of)), seen(of)
    cluster.kubectl("-n", ns, "exec", "p", "-c", "b", "--", "pkill", "-f", "sleep 1111")
    again = eventually(lambda: state(cluster, ns, "p")["restartCount"] == 1 and state(cluster, ns, "p")["state"].get("running"), timeout=WAIT, every=1)
    assert again and {"/pause", "sleep 1111", "sleep 2222"} <= set(seen("b")), status(cluster, ns, "p")
    # Its first process ends all of them: a sandbox that broke is made anew, with all that runs in it.
    uid = cluster.get("-n", ns, "pod", "p")["metadata"]["uid"]
    cluster_node.ssh(f"kill -9 $(cat /sys/fs/cgroup/pods/besteffort/{uid}/first/cgroup.procs)")
    counts = lambda: [(s["restartCount"], "running" in s["state"]) for s in status(cluster, ns, "p")["containerStatuses"]]  # noqa: E731
    assert eventually(lambda: counts() == [(2, True), (1, True)], timeout=WAIT, every=1), status(cluster, ns, "p")
    assert {"/pause", "sleep 1111", "sleep 2222"} <= set(seen("a")), seen("a")


@pytest.mark.parametrize("service", ["agent", "engine", "cluster"])
def test_a_kill_is_not_noticed(cluster, ns, cluster_node, service):
    """The pod runs on, with the process it had; and what happens to it afterwards is seen."""
    apply(cluster, ns, pod("p", container("c", "sleep", "1234")))
    phase(cluster, ns, "p", "Running")
    before = state(cluster, ns, "p")
    uid = cluster.get("-n", ns, "pod", "p")["metadata"]["uid"]
    group = f"/sys/fs/cgroup/pods/besteffort/{uid}/{before['containerID'].rpartition('/')[2]}/cgroup.procs"
    pid = cluster_node.ssh(f"cat {group}").strip()
    cluster_node.ssh(f"kill -9 $(pidof -s {service})")
    assert eventually(lambda: cluster_node.ssh(f"pidof -s {service}", check=False).returncode == 0, timeout=60, every=1)
    assert eventually(lambda: state(cluster, ns, "p")["state"].get("running"), timeout=WAIT, every=1)
    assert cluster_node.ssh(f"cat {group}").strip() == pid
    assert state(cluster, ns, "p") == before
    cluster_node.ssh(f"kill -9 {pid}")
    again = eventually(lambda: state(cluster, ns, "p")["restartCount"] == 1 and state(cluster, ns, "p")["state"].get("running"), timeout=WAIT, every=1)
    assert again, status(cluster, ns, "p")
    assert state(cluster, ns, "p")["lastState"]["terminated"]["exitCode"] == 137


def test_a_pod_deleted_while_the_agent_was_away(cluster, ns, cluster_node):
    apply(cluster, ns, pod("p", container("c", "sleep", "1234")))
    phase(cluster, ns, "p", "Running")
    uid = cluster.get("-n", ns, "pod", "p")["metadata"]["uid"]
    cluster_node.ssh("wherryctl stop agent")
    cluster.kubectl("-n", ns, "delete", "pod", "p", "--grace-period=0", "--force")
    assert cluster_node.ssh(f"ls -d /data/engine/pods/{uid}", check=False).returncode == 0
    cluster_node.ssh("wherryctl start agent")
    gone = eventually(lambda: cluster_node.ssh(f"ls -d /data/engine/pods/{uid} /data/agent/pods/{uid}", check=False).stdout == "", timeout=WAIT, every=1)
    assert gone, "the engine still has the pod"
