# SPDX-License-Identifier: Apache-2.0
"""Conformance of containers and pods on a node: commands, environment, security, hosts, messages, init containers, probes, hooks."""

import base64
import json
import time

import pytest
from support.casepods import Answers, Case
from support.node import eventually
from support.websocket import PING, PONG, WebSocket

NODE = " [NodeConformance]"
LINUX = " [LinuxOnly] [NodeConformance]"
NS = "conformance-containers"
SIG = "[sig-node] "


def env(*pairs, **more):
    return {"env": [{"name": k, **({"value": v} if isinstance(v, str) else {"valueFrom": v})} for k, v in pairs], **more}


def field(path):
    return {"fieldRef": {"fieldPath": path}}


def key(kind, name, k="data-1"):
    return {f"{kind}KeyRef": {"name": name, "key": k}}


def node_status(answers):
    return answers.cluster.ask("GET", "/api/v1/nodes")["items"][0]["status"]


def names_itself(said, answers):
    name, ns, ip = said.split("\n")
    return ns == NS and name.startswith("cases-") and answers.pod(name)["status"]["podIP"] == ip


def is_host_ip(said, answers):
    return said in [a["address"] for a in node_status(answers)["addresses"]]


def is_uid(said, answers):
    return said in [p["metadata"]["uid"] for p in answers.cluster.ask("GET", f"/api/v1/namespaces/{NS}/pods")["items"]]


RESOURCES = {"requests": {"cpu": "250m", "memory": "32Mi"}, "limits": {"cpu": "1250m", "memory": "64Mi"}}


def amount(which):
    return {"resourceFieldRef": {"resource": which}}


def is_allocatable(said, answers):
    cpu, memory = said.split("\n")
    have = node_status(answers)["allocatable"]
    unit = have["memory"].lstrip("0123456789")
    return int(memory) == int(have["memory"].removesuffix(unit)) * {"": 1, "Ki": 1024, "Mi": 1 << 20}[unit] and int(cpu) >= 1


CASES = [
    # ---- the environment
    Case(SIG + "Downward API should provide pod name, namespace and IP address as env vars" + NODE, 'echo "$A"; echo "$B"; echo "$C"',
         names_itself, container=env(("A", field("metadata.name")), ("B", field("metadata.namespace")), ("C", field("status.podIP")))),
    Case(SIG + "Downward API should provide host IP as an env var" + NODE, 'echo "$A"', is_host_ip,
         container=env(("A", field("status.hostIP")))),
    Case(SIG + "Downward API should provide hostIPs as an env var" + NODE, 'echo "${A%%,*}"', is_host_ip,
         container=env(("A", field("status.hostIPs")))),
    Case(SIG + "Downward API should provide pod UID as env vars" + NODE, 'echo "$A"', is_uid, container=env(("A", field("metadata.uid")))),
    Case(SIG + "Downward API should provide container's limits.cpu/memory and requests.cpu/memory as env vars" + NODE, 'echo $A $B $C $D',
         f"2 1 {64 << 20} {32 << 20}", container=env(("A", amount("limits.cpu")), ("B", amount("requests.cpu")),
                                                     ("C", amount("limits.memory")), ("D", amount("requests.memory")), resources=RESOURCES)),
    Case(SIG + "Downward API should provide default limits.cpu/memory from node allocatable" + NODE, 'echo $A; echo $B', is_allocatable,
         container=env(("A", amount("limits.cpu")), ("B", amount("limits.memory")))),
    Case(SIG + "ConfigMap should be consumable via environment variable" + NODE, "echo $A", "value-1",
         container=env(("A", key("configMap", "source")))),
    Case(SIG + "ConfigMap should be consumable via the environment" + NODE, "env | grep ^p_ | sort", "p_data_1=value-1\np_data_2=value-2",
         container={"envFrom": [{"prefix": "p_", "configMapRef": {"name": "words"}}]}),
    Case(SIG + "ConfigMap should be consumable as environment variable names with various prefixes" + NODE.replace(NODE, ""),
         r"tr '\0' '\n' </proc/1/environ | grep data-1 | sort", "data-1=value-1\np-data-1=value-1",
         container={"envFrom": [{"configMapRef": {"name": "source"}}, {"prefix": "p-", "configMapRef": {"name": "source"}}]}),
    Case(SIG + "Secrets should be consumable from pods in env vars" + NODE, "echo $A", "value-1", container=env(("A", key("secret", "source")))),
    Case(SIG + "Secrets should be consumable via the environment" + NODE, "env | grep ^p_ | sort", "p_data_1=value-1",
         container={"envFrom": [{"prefix": "p_", "secretRef": {"name": "words"}}]}),
    Case(SIG + "Secrets should be consumable as environment variable names variable names with various prefixes",
         r"tr '\0' '\n' </proc/1/environ | grep data-1 | sort", "data-1=value-1\np-data-1=value-1",
         container={"envFrom": [{"secretRef": {"name": "source"}}, {"prefix": "p-", "secretRef": {"name": "source"}}]}),
    Case(SIG + "Variable Expansion should allow composing env vars into new env vars" + NODE, "echo $C", "foo;;bar",
         container=env(("A", "foo"), ("B", "bar"), ("C", "$(A);;$(B)"))),
    Case(SIG + "Variable Expansion should allow substituting values in a container's command" + NODE, expect="test-value $(A) $(NO)",
         container=env(("A", "test-value"), command=["sh", "-c", "echo '$(A) $$(A) $(NO)' >/dev/termination-log"])),
    Case(SIG + "Variable Expansion should allow substituting values in a container's args" + NODE, expect="test-value",
         container=env(("A", "test-value"), command=["sh", "-c"], args=["echo $(A) >/dev/termination-log"])),
    Case(SIG + "Variable Expansion should allow substituting values in a volume subpath", "echo x >/v/f; ls /w", "itself",
         {"/v": {"hostPath": {"path": "/data/agent-conformance", "type": "DirectoryOrCreate"}, "mount": {"subPathExpr": "$(A)"}},
          "/w": {"hostPath": {"path": "/data/agent-conformance", "type": "DirectoryOrCreate"}}}, env(("A", "itself"))),
    Case(SIG + "Pods should contain environment variables for services" + NODE, "echo $FOOSERVICE_SERVICE_PORT $FOOSERVICE_PORT_8765_TCP_PROTO",
         "8765 tcp"),
    # ---- security
    Case(SIG + "Security Context When creating a container with runAsUser should run the container with uid 65534" + LINUX, "id -u", "65534",
         container={"securityContext": {"runAsUser": 65534}}),
    Case(SIG + "Security Context should support container.SecurityContext.RunAsUser And container.SecurityContext.RunAsGroup [LinuxOnly]",
         "id -u; id -g", "1001\n2002", container={"securityContext": {"runAsUser": 1001, "runAsGroup": 2002}}),
    Case(SIG + "Security Context should support pod.Spec.SecurityContext.RunAsUser And pod.Spec.SecurityContext.RunAsGroup [LinuxOnly]",
         "id -u; id -g", "1001\n2002", pod={"securityContext": {"runAsUser": 1001, "runAsGroup": 2002}}),
    Case(SIG + "Security Context When creating a pod with privileged should run the container as unprivileged when false" + LINUX,
         "ip link add dummy0 type dummy 2>/dev/null || echo refused", "refused", container={"securityContext": {"privileged": False}}),
    Case(SIG + "Security Context When creating a pod with readOnlyRootFilesystem should run the container with writable rootfs when "
         "readOnlyRootFilesystem=false" + NODE, "touch /checkfile && ls /checkfile", "/checkfile",
         container={"securityContext": {"readOnlyRootFilesystem": False}}),
    Case(SIG + "Kubelet when scheduling a read only busybox container should not write to root filesystem" + LINUX, expect="refused",
         container={"securityContext": {"readOnlyRootFilesystem": True},
                    "command": ["sh", "-c", "{ touch /checkfile 2>/dev/null || echo refused; } >/dev/termination-log"]}),
    Case(SIG + "Security Context when creating containers with AllowPrivilegeEscalation should not allow privilege escalation when false"
         + LINUX, "grep NoNewPrivs /proc/self/status | cut -f2", "1",
         container={"securityContext": {"runAsUser": 1000, "allowPrivilegeEscalation": False}}),
    Case(SIG + "Sysctls [LinuxOnly] [NodeConformance] should support sysctls [Environment:NotInUserNS]", "cat /proc/sys/kernel/shm_rmid_forced",
         "1", pod={"securityContext": {"sysctls": [{"name": "kernel.shm_rmid_forced", "value": "1"}]}}),
    # ---- names
    Case(SIG + "Kubelet when scheduling an agnhost Pod with hostAliases should write entries to /etc/hosts" + NODE, "grep ^123 /etc/hosts",
         lambda said, answers: said.split() == ["123.45.67.89", "foo", "bar"],
         pod={"hostAliases": [{"ip": "123.45.67.89", "hostnames": ["foo", "bar"]}]}),
    Case(SIG + "KubeletManagedEtcHosts should test kubelet managed /etc/hosts file" + NODE, "head -1 /etc/hosts",
         "# Kubernetes-managed hosts file."),
    Case("[sig-network] DNS should provide /etc/hosts entries for the cluster", "grep $(hostname) /etc/hosts | wc -l", "1"),
    Case("[sig-network] DNS should support configurable pod DNS nameservers", "cat /etc/resolv.conf",
         lambda said, answers: "nameserver 1.1.1.1" in said and "resolv.conf.local" in said and "ndots:2" in said,
         pod={"dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1"], "searches": ["resolv.conf.local"],
                                                 "options": [{"name": "ndots", "value": "2"}]}}),
    Case("[sig-auth] ServiceAccounts should mount an API token into pods",
         "cd /var/run/secrets/kubernetes.io/serviceaccount; cat namespace; echo; cut -c1-2 token; head -1 ca.crt",
         f"{NS}\ney\n-----BEGIN CERTIFICATE-----"),
    Case("[sig-auth] ServiceAccounts should mount projected service account token", "cut -c1-2 /v/token; stat -Lc %a /v/token",
         lambda said, answers: said.split("\n") == ["ey", "644"] or said.split("\n") == ["ey", "600"],
         {"/v": {"projected": {"sources": [{"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}}]}}}),
    Case("[sig-auth] ServiceAccounts should allow opting out of API token automount", "ls /var/run/secrets 2>/dev/null | wc -l", "0",
         pod={"automountServiceAccountToken": False}),
    # ---- what a container leaves
    Case(SIG + "Container Runtime blackbox test on terminated container should report termination message if TerminationMessagePath is set as "
         "non-root user and at a non-default path" + NODE, expect="DONE",
         container={"command": ["sh", "-c", "echo -n DONE >/dev/termination-custom-log"], "terminationMessagePath": "/dev/termination-custom-log",
                    "securityContext": {"runAsUser": 1000}}),
    Case(SIG + "Container Runtime blackbox test on terminated container should report termination message from log output if "
         "TerminationMessagePolicy FallbackToLogsOnError is set" + NODE, expect="DONE",
         container={"command": ["sh", "-c", "echo -n DONE; exit 1"], "terminationMessagePolicy": "FallbackToLogsOnError"}),
    Case(SIG + "Container Runtime blackbox test on terminated container should report termination message as empty when pod succeeds and "
         "TerminationMessagePolicy FallbackToLogsOnError is set" + NODE, expect="",
         container={"command": ["sh", "-c", "echo -n DONE; exit 0"], "terminationMessagePolicy": "FallbackToLogsOnError"}),
    Case(SIG + "Container Runtime blackbox test on terminated container should report termination message from file when pod succeeds and "
         "TerminationMessagePolicy FallbackToLogsOnError is set" + NODE, expect="OK",
         container={"command": ["sh", "-c", "echo -n OK >/dev/termination-log; exit 0"], "terminationMessagePolicy": "FallbackToLogsOnError"}),
]  # fmt: skip


@pytest.fixture(scope="module")
def answers(cluster):
    pods = f"/api/v1/namespaces/{NS}"
    cluster.ask("POST", "/api/v1/namespaces", {"metadata": {"name": NS}}, expect=201)
    for name, data in (("source", {"data-1": "value-1"}), ("words", {"data_1": "value-1", "data_2": "value-2"})):
        cluster.ask("POST", f"{pods}/configmaps", {"metadata": {"name": name}, "data": data}, expect=201)
    coded = base64.b64encode(b"value-1").decode()
    for name, k in (("source", "data-1"), ("words", "data_1")):
        cluster.ask("POST", f"{pods}/secrets", {"metadata": {"name": name}, "data": {k: coded}}, expect=201)
    service = {"metadata": {"name": "fooservice"}, "spec": {"ports": [{"port": 8765, "targetPort": 8080}], "selector": {"name": "x"}}}
    cluster.ask("POST", f"{pods}/services", service, expect=201)
    ready = lambda: cluster.raw("GET", f"{pods}/serviceaccounts/default")[0] == 200  # noqa: E731
    assert eventually(ready, timeout=30)
    yield Answers(cluster, NS, CASES)
    cluster.ask("DELETE", f"/api/v1/namespaces/{NS}")
    assert eventually(lambda: cluster.raw("GET", f"/api/v1/namespaces/{NS}")[0] == 404, timeout=240), "the namespace does not go"


@pytest.mark.parametrize("case", [pytest.param(c, marks=pytest.mark.conformance(c.name), id=c.name[10:70]) for c in CASES])
def test_container(answers, case):
    answers.check(case)


# ---- pods with a life of their own


def create(cluster, ns, name="p", labels=None, **spec):
    spec = {"terminationGracePeriodSeconds": 1, **spec}
    for word in ("containers", "initContainers"):
        for i, container in enumerate(spec.get(word, [])):
            container.setdefault("name", f"{word[0]}{i}")
            container.setdefault("image", "wherry/hello")
            container.setdefault("imagePullPolicy", "IfNotPresent")
    body = {"metadata": {"name": name, "labels": labels or {}}, "spec": spec}
    return cluster.ask("POST", f"/api/v1/namespaces/{ns}/pods", body, expect=201)


def pod(cluster, ns, name="p"):
    return cluster.ask("GET", f"/api/v1/namespaces/{ns}/pods/{name}")


def sh(script, **more):
    return {"command": ["sh", "-c", script], **more}


def restarts(cluster, ns, name, of="containerStatuses"):
    """How often the first has been started again; a pod has no statuses before its node has seen it."""
    return pod(cluster, ns, name)["status"].get(of, [{}])[0].get("restartCount", 0)


def phase(cluster, ns, wanted, name="p", timeout=120):
    assert eventually(lambda: pod(cluster, ns, name)["status"]["phase"] == wanted, timeout=timeout), json.dumps(pod(cluster, ns, name)["status"])
    return pod(cluster, ns, name)


@pytest.mark.conformance(SIG + "Containers should use the image defaults if command and args are blank" + NODE)
@pytest.mark.conformance(SIG + "Kubelet when scheduling a busybox command in a pod should print the output to logs" + NODE)
def test_what_the_image_says(cluster, ns):
    image = cluster.node.docker("image", "inspect", "wherry/hello", "--format", "{{json .Config.Cmd}}").stdout
    assert json.loads(image)
    create(cluster, ns, restartPolicy="Never", containers=[{}])
    phase(cluster, ns, "Succeeded")
    assert cluster.kubectl("-n", ns, "logs", "p").stdout == cluster.node.docker("run", "--rm", "wherry/hello").stdout


@pytest.mark.conformance(SIG + "Containers should be able to override the image's default arguments (container cmd)" + NODE)
@pytest.mark.conformance(SIG + "Containers should be able to override the image's default command (container entrypoint)" + NODE)
@pytest.mark.conformance(SIG + "Containers should be able to override the image's default command and arguments" + NODE)
def test_what_the_pod_says_instead(cluster, ns):
    create(cluster, ns, restartPolicy="Never", containers=[
        {"name": "args", "args": ["echo", "args"]}, {"name": "command", "command": ["echo", "command"]},
        {"name": "both", "command": ["echo"], "args": ["both"]}])  # fmt: skip
    phase(cluster, ns, "Succeeded")
    for name in ("args", "command", "both"):
        assert cluster.kubectl("-n", ns, "logs", "p", "-c", name).stdout == name + "\n"


@pytest.mark.conformance(SIG + "Kubelet when scheduling a busybox command that always fails in a pod should have an terminated reason" + NODE)
@pytest.mark.conformance(SIG + "Kubelet when scheduling a busybox command that always fails in a pod should be possible to delete" + NODE)
@pytest.mark.conformance(SIG + "Container Runtime blackbox test when starting a container that exits should run with the expected status" + NODE)
@pytest.mark.conformance(SIG + "Probing container should have monotonically increasing restart count" + NODE)
def test_containers_that_end(cluster, ns):
    create(cluster, ns, "always", restartPolicy="Always", containers=[sh("exit 1")])
    create(cluster, ns, "failure", restartPolicy="OnFailure", containers=[sh("[ -e /v/1 ] && exit 0; touch /v/1; exit 1", volumeMounts=[
        {"name": "v", "mountPath": "/v"}])], volumes=[{"name": "v", "emptyDir": {}}])  # fmt: skip
    create(cluster, ns, "never", restartPolicy="Never", containers=[sh("exit 1")])
    failed = phase(cluster, ns, "Failed", "never")
    ended = failed["status"]["containerStatuses"][0]["state"]["terminated"]
    assert ended["reason"] == "Error" and ended["exitCode"] == 1 and failed["status"]["containerStatuses"][0]["restartCount"] == 0
    done = phase(cluster, ns, "Succeeded", "failure")
    assert done["status"]["containerStatuses"][0]["restartCount"] == 1
    assert eventually(lambda: restarts(cluster, ns, "always") >= 2, timeout=90)
    status = pod(cluster, ns, "always")["status"]
    assert status["phase"] == "Running" and status["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 1
    assert eventually(lambda: pod(cluster, ns, "always")["status"]["containerStatuses"][0]["state"].get("waiting", {}).get("reason")
                      == "CrashLoopBackOff", timeout=60)  # fmt: skip
    cluster.kubectl("-n", ns, "delete", "pod", "always", "never", "--timeout=60s")


@pytest.mark.conformance(SIG + "InitContainer [NodeConformance] should invoke init containers on a RestartNever pod")
@pytest.mark.conformance(SIG + "InitContainer [NodeConformance] should invoke init containers on a RestartAlways pod")
@pytest.mark.conformance(SIG + "InitContainer [NodeConformance] should not start app containers and fail the pod if init containers fail on a RestartNever pod")
@pytest.mark.conformance(SIG + "InitContainer [NodeConformance] should not start app containers if init containers fail on a RestartAlways pod")
def test_init_containers(cluster, ns):
    good = [sh("exit 0"), sh("exit 0")]
    create(cluster, ns, "never", restartPolicy="Never", initContainers=[dict(c) for c in good], containers=[sh("exit 0")])
    create(cluster, ns, "always", restartPolicy="Always", initContainers=[dict(c) for c in good], containers=[sh("sleep 1000")])
    create(cluster, ns, "fails", restartPolicy="Never", initContainers=[sh("exit 0"), sh("exit 1")], containers=[sh("exit 0")])
    create(cluster, ns, "again", restartPolicy="Always", initContainers=[sh("exit 1"), sh("exit 0")], containers=[sh("exit 0")])
    done = phase(cluster, ns, "Succeeded", "never")
    assert [s["state"]["terminated"]["exitCode"] for s in done["status"]["initContainerStatuses"]] == [0, 0]
    assert {c["type"]: c["status"] for c in done["status"]["conditions"]}["Initialized"] == "True"
    phase(cluster, ns, "Running", "always")
    failed = phase(cluster, ns, "Failed", "fails")
    assert failed["status"]["initContainerStatuses"][1]["state"]["terminated"]["exitCode"] == 1
    assert {c["type"]: c["status"] for c in failed["status"]["conditions"]}["Initialized"] == "False"
    assert not failed["status"]["containerStatuses"][0].get("containerID")
    assert eventually(lambda: restarts(cluster, ns, "again", "initContainerStatuses") >= 2, timeout=90)
    again = pod(cluster, ns, "again")["status"]
    assert again["phase"] == "Pending" and again["initContainerStatuses"][1]["restartCount"] == 0


@pytest.mark.conformance(SIG + "Pods should be submitted and removed" + NODE)
@pytest.mark.conformance(SIG + "Pods should be updated" + NODE)
@pytest.mark.conformance(SIG + "Pods should get a host IP" + NODE)
@pytest.mark.conformance(SIG + "Pods should delete a collection of pods")
def test_a_pod_comes_and_goes(cluster, ns):
    for i in range(3):
        create(cluster, ns, f"p{i}", labels={"t": "x"}, containers=[sh("sleep 1000")])
    for i in range(3):
        running = phase(cluster, ns, "Running", f"p{i}")
        assert running["status"]["hostIP"] in [a["address"] for a in cluster.ask("GET", "/api/v1/nodes")["items"][0]["status"]["addresses"]]

    def put():
        changed = pod(cluster, ns, "p0")
        changed["metadata"]["labels"]["time"] = "now"
        code, reply, _ = cluster.raw("PUT", f"/api/v1/namespaces/{ns}/pods/p0", changed)
        assert code in (200, 409), reply  # its node may have been faster
        return code == 200

    assert eventually(put, timeout=60), "the pod is never put"
    selected = cluster.ask("GET", f"/api/v1/namespaces/{ns}/pods?labelSelector=time%3Dnow")["items"]
    assert [p["metadata"]["name"] for p in selected] == ["p0"]
    cluster.kubectl("-n", ns, "delete", "pod", "p0", "--timeout=60s")
    cluster.ask("DELETE", f"/api/v1/namespaces/{ns}/pods?labelSelector=t%3Dx")
    assert eventually(lambda: not cluster.ask("GET", f"/api/v1/namespaces/{ns}/pods")["items"], timeout=60)


@pytest.mark.conformance(SIG + "Pods should allow activeDeadlineSeconds to be updated" + NODE)
def test_a_deadline(cluster, ns):
    create(cluster, ns, containers=[sh("sleep 1000")])
    phase(cluster, ns, "Running")
    cluster.ask("PATCH", f"/api/v1/namespaces/{ns}/pods/p", {"spec": {"activeDeadlineSeconds": 3}}, kind="application/merge-patch+json")
    assert phase(cluster, ns, "Failed", timeout=60)["status"]["reason"] == "DeadlineExceeded"


@pytest.mark.conformance(SIG + "Pods should patch a pod status")
@pytest.mark.conformance(SIG + "Pods Extended (pod generation) Pod Generation pod generation should start at 1 and increment per update [MinimumKubeletVersion:1.34]")
def test_a_pods_status_and_generation(cluster, ns):
    made = create(cluster, ns, containers=[sh("sleep 1000")])
    assert made["metadata"]["generation"] == 1
    phase(cluster, ns, "Running")
    path = f"/api/v1/namespaces/{ns}/pods/p"
    cluster.ask("PATCH", path + "/status", {"status": {"message": "patched", "reason": "E2E"}}, kind="application/merge-patch+json")
    assert pod(cluster, ns)["metadata"]["generation"] == 1
    more = [{"op": "add", "path": "/spec/tolerations/-", "value": {"key": "k", "operator": "Exists"}}]
    cluster.ask("PATCH", path, more, kind="application/json-patch+json")
    assert pod(cluster, ns)["metadata"]["generation"] == 2
    assert eventually(lambda: pod(cluster, ns)["status"].get("observedGeneration") == 2, timeout=30)


GENERATION = SIG + "Pods Extended (pod generation) Pod Generation "


@pytest.mark.conformance(GENERATION + "custom-set generation on new pods and graceful delete")
@pytest.mark.conformance(GENERATION + "issue 500 podspec updates and verify generation and observedGeneration eventually converge [MinimumKubeletVersion:1.34]")
def test_generations(cluster, ns):
    """A generation of one's own is not taken; 500 changes and a graceful end are counted, by the API and by the node."""
    path = f"/api/v1/namespaces/{ns}/pods/p"
    body = {"metadata": {"name": "p", "generation": 100}, "spec": {"activeDeadlineSeconds": 9000, "containers": [
        {"name": "c", "image": "wherry/hello", "imagePullPolicy": "IfNotPresent", **sh("trap '' TERM; while :; do sleep 1; done")}]}}  # fmt: skip
    assert cluster.ask("POST", path[:-2], body, expect=201)["metadata"]["generation"] == 1
    phase(cluster, ns, "Running")
    conn = cluster.connect()
    for i in range(1, 501):
        change = json.dumps({"spec": {"activeDeadlineSeconds": 9000 - i}})
        conn.request("PATCH", path, change, {"Content-Type": "application/merge-patch+json"})
        reply = conn.getresponse()
        assert json.loads(reply.read())["metadata"]["generation"] == 1 + i and reply.status == 200
    conn.close()
    observed = lambda: pod(cluster, ns)["status"].get("observedGeneration")  # noqa: E731
    assert eventually(lambda: observed() == 501, timeout=60), observed()
    cluster.ask("DELETE", path, {"gracePeriodSeconds": 30})
    assert pod(cluster, ns)["metadata"]["generation"] == 502
    assert eventually(lambda: observed() == 502, timeout=25), observed()
    cluster.ask("DELETE", path, {"gracePeriodSeconds": 1})


@pytest.mark.conformance(SIG + "Variable Expansion should succeed in writing subpaths in container")
@pytest.mark.conformance(SIG + "Variable Expansion should verify that a failing subpath expansion can be modified during the lifecycle of a container [Slow]")
def test_subpaths_of_annotations(cluster, ns):
    """What a container writes below its subpath is in the volume there; an annotation that is missing is waited for."""
    mounts = [{"name": "v", "mountPath": "/subpath_mount", "subPathExpr": "$(ANNOTATION)/$(POD_NAME)"}, {"name": "v", "mountPath": "/volume_mount"}]
    more = {"volumes": [{"name": "v", "emptyDir": {}}],
            "containers": [sh("sleep 1000", **env(("POD_NAME", "foo"), ("ANNOTATION", field("metadata.annotations['mysubpath']")), volumeMounts=mounts))]}  # fmt: skip
    note = lambda value: cluster.ask("PATCH", f"/api/v1/namespaces/{ns}/pods/p", {"metadata": {"annotations": {"mysubpath": value}}},  # noqa: E731
                                     kind="application/merge-patch+json")  # fmt: skip
    create(cluster, ns, **more)
    waits = lambda: pod(cluster, ns)["status"].get("containerStatuses", [{}])[0].get("state", {}).get("waiting", {})  # noqa: E731
    assert eventually(lambda: waits().get("reason") == "CreateContainerConfigError", timeout=60), waits()
    note("mypath")
    phase(cluster, ns, "Running")
    inside = lambda script: cluster.kubectl("-n", ns, "exec", "p", "--", "sh", "-c", script)  # noqa: E731
    inside("touch /volume_mount/mypath/foo/test.log")
    inside("test -f /subpath_mount/test.log")
    note("mynewpath")
    inside("test -f /subpath_mount/test.log && test ! -e /volume_mount/mynewpath")  # a container keeps what it began with
    assert phase(cluster, ns, "Running")["status"]["containerStatuses"][0]["restartCount"] == 0


@pytest.mark.conformance(SIG + "Ephemeral Containers [NodeConformance] will start an ephemeral container in an existing pod")
@pytest.mark.conformance(SIG + "Ephemeral Containers [NodeConformance] should update the ephemeral containers in an existing pod")
def test_an_ephemeral_container(cluster, ns):
    create(cluster, ns, containers=[sh("sleep 1000")])
    phase(cluster, ns, "Running")
    extra = {"spec": {"ephemeralContainers": [{"name": "debug", "image": "wherry/hello", "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", "echo polo; sleep 1000"]}]}}
    cluster.ask("PATCH", f"/api/v1/namespaces/{ns}/pods/p/ephemeralcontainers", extra, kind="application/strategic-merge-patch+json")
    running = lambda i=0: (pod(cluster, ns)["status"].get("ephemeralContainerStatuses", [])[i:] or [{}])[0].get("state", {}).get("running")  # noqa: E731
    assert eventually(running, timeout=60), json.dumps(pod(cluster, ns)["status"])
    assert eventually(lambda: "polo" in cluster.kubectl("-n", ns, "logs", "p", "-c", "debug", check=False).stdout, timeout=30)

    def put():
        now = pod(cluster, ns)
        now["spec"]["ephemeralContainers"].append({**extra["spec"]["ephemeralContainers"][0], "name": "debug2"})
        code, reply, _ = cluster.raw("PUT", f"/api/v1/namespaces/{ns}/pods/p/ephemeralcontainers", now)
        assert code in (200, 409), reply  # its node may have been faster
        return code == 200

    assert eventually(put, timeout=60) and eventually(lambda: running(1), timeout=60), json.dumps(pod(cluster, ns)["status"])


@pytest.mark.conformance(SIG + "Variable Expansion should fail substituting values in a volume subpath with backticks")
@pytest.mark.conformance(SIG + "Variable Expansion should fail substituting values in a volume subpath with absolute path")
def test_subpaths_that_are_refused(cluster, ns):
    for name, value in (("backticks", ".."), ("absolute", "/tmp")):
        create(cluster, ns, name, volumes=[{"name": "v", "emptyDir": {}}], containers=[sh("sleep 1000", **env(("A", value)), volumeMounts=[
            {"name": "v", "mountPath": "/v", "subPathExpr": "$(A)"}])])  # fmt: skip
    for name in ("backticks", "absolute"):
        waits = lambda name=name: pod(cluster, ns, name)["status"].get("containerStatuses", [{}])[0].get("state", {}).get("waiting", {})  # noqa: E731
        assert eventually(lambda waits=waits: waits().get("reason") == "CreateContainerConfigError", timeout=60), waits()
        assert pod(cluster, ns, name)["status"]["phase"] == "Pending"


@pytest.mark.conformance(SIG + "Sysctls [LinuxOnly] [NodeConformance] should reject invalid sysctls")
def test_invalid_sysctls(cluster, ns):
    sysctls = [{"name": n, "value": "1"} for n in ("foo-", "kernel.shmmax", "safe-and-unsafe", "-bar", "bar..")]
    body = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}], "securityContext": {"sysctls": sysctls}}}
    said = cluster.ask("POST", f"/api/v1/namespaces/{ns}/pods", body, expect=422)["message"]
    assert all(f'"{n}"' in said for n in ("foo-", "-bar", "bar..")) and "kernel.shmmax" not in said and "safe-and-unsafe" not in said


# ---- probes and hooks


WEB = "mkdir -p /w; echo ok >/w/healthz; {} httpd -f -p 8080 -h /w"


def grpc_health(serving):
    """What a gRPC health service says to the first question on a connection, as HTTP/2 (RFC 9113) with HPACK's plain forms."""
    frame = lambda kind, flags, stream, payload=b"": len(payload).to_bytes(3, "big") + bytes([kind, flags, 0, 0, 0, stream]) + payload  # noqa: E731
    kind, status = b"application/grpc", b"grpc-status"
    return (frame(4, 0, 0) + frame(4, 1, 0) + frame(1, 4, 1, b"\x88\x0f\x10" + bytes([len(kind)]) + kind)
            + frame(0, 0, 1, b"\0\0\0\0\x02\x08" + bytes([1 if serving else 2]))
            + frame(1, 5, 1, b"\0" + bytes([len(status)]) + status + b"\x010"))  # fmt: skip


def grpc_server(later=""):
    """A health service on port 5000, and on 5001, since it has one connection at a time; /tmp/says is what it says."""
    octal = lambda data: "".join(f"\\{b:03o}" for b in data)  # noqa: E731
    return f"""printf '{octal(grpc_health(True))}' >/tmp/says; printf '{octal(grpc_health(False))}' >/tmp/no
cat >/tmp/answer <<'END'
#!/bin/sh
read -r first
case "$first" in 'PRI * HTTP/2.0'*) cat /tmp/says;; esac
exec cat >/dev/null
END
chmod +x /tmp/answer; {later}
while :; do nc -l -p 5001 -e /tmp/answer; done &
while :; do nc -l -p 5000 -e /tmp/answer; done"""


@pytest.mark.conformance(SIG + 'Probing container should be restarted with a exec "cat /tmp/health" liveness probe' + NODE)
@pytest.mark.conformance(SIG + 'Probing container should *not* be restarted with a exec "cat /tmp/health" liveness probe' + NODE)
@pytest.mark.conformance(SIG + "Probing container should be restarted with a /healthz http liveness probe" + NODE)
@pytest.mark.conformance(SIG + "Probing container should *not* be restarted with a /healthz http liveness probe" + NODE)
@pytest.mark.conformance(SIG + "Probing container should *not* be restarted with a tcp:8080 liveness probe" + NODE)
@pytest.mark.conformance(SIG + "Probing container should be restarted with a GRPC liveness probe" + NODE)
@pytest.mark.conformance(SIG + "Probing container should *not* be restarted with a GRPC liveness probe" + NODE)
@pytest.mark.conformance(SIG + "Probing container with readiness probe that fails should never be ready and never restart" + NODE)
@pytest.mark.conformance(SIG + "Probing container with readiness probe should not be ready before initial delay and never restart" + NODE)
def test_probes(cluster, ns):
    file = {"exec": {"command": ["cat", "/tmp/health"]}}
    page = {"httpGet": {"path": "/healthz", "port": 8080}}
    often = {"periodSeconds": 1, "failureThreshold": 2, "timeoutSeconds": 5}
    good = {"periodSeconds": 1, "failureThreshold": 5, "timeoutSeconds": 20, "initialDelaySeconds": 3}  # on a busy machine, too
    run = lambda name, container: create(cluster, ns, name, containers=[container])  # noqa: E731
    run("exec-bad", sh("echo ok >/tmp/health; sleep 5; rm /tmp/health; sleep 1000", livenessProbe={**file, **often}))
    run("exec-good", sh("echo ok >/tmp/health; sleep 1000", livenessProbe={**file, **good}))
    run("http-bad", sh(WEB.format("(sleep 8; rm /w/healthz) &"), livenessProbe={**page, **often, "initialDelaySeconds": 3}))
    run("http-good", sh(WEB.format(""), livenessProbe={**page, **good}))
    run("tcp-good", sh(WEB.format(""), livenessProbe={"tcpSocket": {"port": 8080}, **good}))
    grpc = {"grpc": {"port": 5000}, **good}
    run("grpc-bad", sh(grpc_server("(sleep 8; cp /tmp/no /tmp/says) &"), livenessProbe=grpc))
    run("grpc-good", sh(grpc_server(), livenessProbe=grpc, readinessProbe={**grpc, "grpc": {"port": 5001}}))
    run("never", sh("sleep 1000", readinessProbe={"exec": {"command": ["false"]}, **often}))
    run("late", sh("sleep 1000", readinessProbe={"exec": {"command": ["true"]}, **good, "initialDelaySeconds": 8}))
    ready = lambda name: {c["type"]: c["status"] for c in pod(cluster, ns, name)["status"].get("conditions", [])}.get("Ready")  # noqa: E731
    phase(cluster, ns, "Running", "late")
    assert eventually(lambda: ready("late") == "True", timeout=90)
    late = pod(cluster, ns, "late")["status"]
    began = late["containerStatuses"][0]["state"]["running"]["startedAt"]
    became = next(c for c in late["conditions"] if c["type"] == "Ready")["lastTransitionTime"]
    seconds = lambda t: time.mktime(time.strptime(t, "%Y-%m-%dT%H:%M:%SZ"))  # noqa: E731
    assert seconds(became) - seconds(began) >= 8
    assert eventually(lambda: ready("grpc-good") == "True", timeout=90)
    for name in ("exec-bad", "http-bad", "grpc-bad"):
        assert eventually(lambda name=name: restarts(cluster, ns, name) >= 1, timeout=120), name
    for name in ("exec-good", "http-good", "tcp-good", "grpc-good", "never", "late"):
        assert restarts(cluster, ns, name) == 0, name
    assert ready("never") == "False" and pod(cluster, ns, "never")["status"]["phase"] == "Running"
    events = cluster.ask("GET", f"/api/v1/namespaces/{ns}/events")["items"]
    assert any(e["reason"] == "Unhealthy" and e["involvedObject"]["name"] == "exec-bad" for e in events)


# ---- streams for browsers


@pytest.mark.conformance(SIG + "Pods should support retrieving logs from the container over websockets" + NODE)
def test_logs_and_watches_over_websockets(cluster, ns):
    path = f"/api/v1/namespaces/{ns}/pods"
    with WebSocket(cluster, f"{path}?watch=true&fieldSelector=metadata.name%3Dtalks") as watch:
        assert watch.status == 101, watch.said
        watch.send(PING, b"there?")
        assert watch.frame() == (PONG, b"there?")
        create(cluster, ns, "talks", containers=[sh("echo container is alive; sleep 1000")])
        event = json.loads(watch.message())
        assert event["type"] == "ADDED" and event["object"]["metadata"]["name"] == "talks"
        while event["object"]["status"]["phase"] != "Running":  # each message is one event, and none is awaited for longer than a minute
            event = json.loads(watch.message())
            assert event["type"] == "MODIFIED"

    def logs(*protocols, more=""):
        with WebSocket(cluster, f"{path}/talks/log?{more}", *protocols) as log:
            assert log.status == 101 and log.protocol == (protocols[0] if protocols else None), log.said
            return log.messages()

    assert eventually(lambda: b"".join(logs("binary.k8s.io")) == b"container is alive\n", timeout=60), logs()
    assert logs()[0] == b"" and b"".join(logs()) == b"container is alive\n"
    assert b"".join(map(base64.b64decode, logs("base64.binary.k8s.io"))) == b"container is alive\n"
    assert b"".join(logs("binary.k8s.io", more="limitBytes=9")) == b"container"
    with WebSocket(cluster, f"{path}/talks/log?follow=true", "binary.k8s.io") as log:
        said = b""
        while said != b"container is alive\n":
            said += log.message()
    for query, protocol, status in (("", "other", 403), ("container=none", "binary.k8s.io", 400)):
        with WebSocket(cluster, f"{path}/talks/log?{query}", protocol) as refused:
            assert refused.status == status, refused.said
    # a browser has no other place for its token than this
    token = cluster.kubectl("-n", ns, "create", "token", "default").stdout.strip()
    coded = "base64url.bearer.authorization.k8s.io." + base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")
    with WebSocket(cluster, f"{path}?watch=true", coded, "binary.k8s.io", client=False) as refused:
        assert refused.status == 403 and f"system:serviceaccount:{ns}:default" in refused.said
    cluster.kubectl("-n", ns, "create", "rolebinding", "all", "--clusterrole=view", f"--serviceaccount={ns}:default")
    with WebSocket(cluster, f"{path}/talks/log", coded, "binary.k8s.io", client=False) as log:
        assert log.protocol == "binary.k8s.io" and b"".join(log.messages()) == b"container is alive\n"


def test_an_image_as_a_volume(cluster, ns):
    """Its files can be read, by a part of it, too, and neither written nor executed."""
    script = """/v/bin/busybox true 2>/dev/null && echo executed
touch /v/x 2>/dev/null && echo written
[ -s /v/bin/busybox ] && [ -s /b/busybox ] && cmp /v/bin/busybox /bin/busybox && echo the same"""
    volume = {"name": "v", "image": {"reference": "wherry/hello", "pullPolicy": "IfNotPresent"}}
    mounts = [{"name": "v", "mountPath": "/v"}, {"name": "v", "mountPath": "/b", "subPath": "bin"}]
    create(cluster, ns, restartPolicy="Never", volumes=[volume], containers=[sh(script, volumeMounts=mounts)])
    phase(cluster, ns, "Succeeded")
    assert cluster.kubectl("-n", ns, "logs", "p").stdout == "the same\n"
    missing = {"name": "v", "image": {"reference": "registry.invalid/none:1", "pullPolicy": "Never"}}
    create(cluster, ns, "waits", volumes=[missing], containers=[sh("sleep 1000", volumeMounts=mounts[:1])])
    said = lambda: cluster.kubectl("-n", ns, "describe", "pod", "waits").stdout  # noqa: E731
    assert eventually(lambda: "registry.invalid/none:1" in said() and "FailedMount" in said(), timeout=60), said()


@pytest.mark.conformance(SIG + "Container Lifecycle Hook when create a pod with lifecycle hook should execute poststart exec hook properly" + NODE)
@pytest.mark.conformance(SIG + "Container Lifecycle Hook when create a pod with lifecycle hook should execute prestop exec hook properly" + NODE)
@pytest.mark.conformance(SIG + "Container Lifecycle Hook when create a pod with lifecycle hook should execute poststart http hook properly" + NODE)
@pytest.mark.conformance(SIG + "Container Lifecycle Hook when create a pod with lifecycle hook should execute prestop http hook properly" + NODE)
@pytest.mark.conformance(SIG + "PreStop should call prestop when killing a pod")
def test_hooks(cluster, ns):
    handler = r"""while true; do
      { read -r line; echo "$line" >>/tmp/asked; printf 'HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n'; } </tmp/in | nc -l -p 8080 >/tmp/in
    done"""
    create(cluster, ns, "handler", containers=[sh("mkfifo /tmp/in; touch /tmp/asked; " + handler)])
    address = phase(cluster, ns, "Running", "handler")["status"]["podIP"]
    asked = lambda: cluster.kubectl("-n", ns, "exec", "handler", "--", "cat", "/tmp/asked").stdout  # noqa: E731
    get = lambda what: {"httpGet": {"host": address, "port": 8080, "path": f"/{what}"}}  # noqa: E731
    call = lambda what: {"exec": {"command": ["sh", "-c", f"wget -q -O- http://{address}:8080/{what}"]}}  # noqa: E731
    for name, hook in (("http", get), ("exec", call)):
        hooks = {"postStart": hook(f"{name}-start"), "preStop": hook(f"{name}-stop")}
        create(cluster, ns, name, terminationGracePeriodSeconds=20, containers=[sh("trap 'exit 0' TERM; sleep 1000 & wait", lifecycle=hooks)])
        phase(cluster, ns, "Running", name)
        assert eventually(lambda name=name: f"/{name}-start " in asked(), timeout=60), asked()
        cluster.kubectl("-n", ns, "delete", "pod", name, "--timeout=90s")
        assert f"/{name}-stop " in asked()
