# SPDX-License-Identifier: Apache-2.0
"""Kubernetes' client for Python, Debian's, unmodified: the main kinds, watched, patched, asked for their logs and run commands in."""

import subprocess
import textwrap

import pytest
from support import clients

START = """
import sys
from kubernetes import client, config, stream, utils, watch
from kubernetes.client.rest import ApiException
config.load_kube_config(sys.argv[1])
core, apps, batch, rbac = client.CoreV1Api(), client.AppsV1Api(), client.BatchV1Api(), client.RbacAuthorizationV1Api()
ns = sys.argv[2]

def refused(status, call, *args, **how):
    try:
        call(*args, **how)
    except ApiException as e:
        assert e.status == status, e
        return e
    sys.exit(f"{call.__name__} is not refused")

def container(*command):
    return client.V1Container(name="c", image="wherry/hello", image_pull_policy="IfNotPresent", command=list(command))

def spec(*command, **more):
    return client.V1PodSpec(containers=[container(*command)], termination_grace_period_seconds=1, **more)

def meta(name, **more):
    return client.V1ObjectMeta(name=name, **more)

def until(true, listing, *args, **how):
    "The object for which it is true, from the first list on."
    for event in watch.Watch().stream(listing, *args, timeout_seconds=150, **how):
        if event["type"] != "BOOKMARK" and true(event["object"]):
            return event["object"]
    sys.exit(f"{listing.__name__} does not come to it")

def ready(o):
    return (o.status.ready_replicas or 0) == o.spec.replicas
"""


def sdk(cluster, ns, code, timeout=300):
    """Run @code in the client's own Python; what fails there fails here, with its words."""
    root = clients.packages("sdk")
    env = {"PATH": "/usr/bin:/bin", "HOME": str(cluster.node.state), "PYTHONHOME": str(root / "usr"),
           "PYTHONPATH": str(root / "usr/lib/python3/dist-packages"), "PYTHONDONTWRITEBYTECODE": "1"}  # fmt: skip
    done = subprocess.run([*clients.command("python3", "sdk"), "-c", START + textwrap.dedent(code), cluster.config, ns], env=env,
                          capture_output=True, text=True, timeout=timeout, check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_configuration(cluster, ns):
    """Created, listed by pages and labels, replaced with and without conflict, patched three ways, watched, deleted."""
    sdk(cluster, ns, """
        assert client.VersionApi().get_code().major == "1"
        assert {"v1"} <= set(client.CoreApi().get_api_versions().versions)
        assert "apps" in {g.name for g in client.ApisApi().get_api_versions().groups}
        assert [n.status.node_info.operating_system for n in core.list_node().items] == ["linux"]

        for i in range(5):
            core.create_namespaced_config_map(ns, client.V1ConfigMap(metadata=meta(f"m{i}", labels={"odd": str(i % 2)}), data={"i": str(i)}))
        assert refused(409, core.create_namespaced_config_map, ns, client.V1ConfigMap(metadata=meta("m0"))).reason == "Conflict"
        names = lambda found: sorted(o.metadata.name for o in found.items)
        assert names(core.list_namespaced_config_map(ns, label_selector="odd=1")) == ["m1", "m3"]
        assert names(core.list_namespaced_config_map(ns, field_selector="metadata.name=m4")) == ["m4"]
        first = core.list_namespaced_config_map(ns, limit=2, label_selector="odd")
        rest = core.list_namespaced_config_map(ns, limit=9, label_selector="odd", _continue=first.metadata._continue)
        assert names(first) + names(rest) == ["m0", "m1", "m2", "m3", "m4"]

        mine = core.read_namespaced_config_map("m0", ns)
        mine.data = {"i": "replaced"}
        newer = core.replace_namespaced_config_map("m0", ns, mine)
        assert newer.data == {"i": "replaced"} and newer.metadata.resource_version != mine.metadata.resource_version
        refused(409, core.replace_namespaced_config_map, "m0", ns, mine)
        assert core.patch_namespaced_config_map("m0", ns, {"data": {"more": "yes"}}).data == {"i": "replaced", "more": "yes"}
        assert core.patch_namespaced_config_map("m0", ns, [{"op": "remove", "path": "/data/i"}]).data == {"more": "yes"}
        since = core.list_namespaced_config_map(ns).metadata.resource_version
        core.patch_namespaced_config_map("m0", ns, {"data": {"more": None}})
        core.delete_namespaced_config_map("m1", ns)
        w, seen = watch.Watch(), []
        for event in w.stream(core.list_namespaced_config_map, ns, resource_version=since, timeout_seconds=60):
            seen.append((event["type"], event["object"].metadata.name))
            if len(seen) == 2:
                w.stop()
        assert seen == [("MODIFIED", "m0"), ("DELETED", "m1")], seen
        core.delete_collection_namespaced_config_map(ns, label_selector="odd")
        assert not core.list_namespaced_config_map(ns, label_selector="odd").items

        core.create_namespaced_secret(ns, client.V1Secret(metadata=meta("s"), string_data={"k": "v"}))
        assert core.read_namespaced_secret("s", ns).data == {"k": "dg=="}
        assert core.create_namespaced_service(ns, client.V1Service(metadata=meta("web"), spec=client.V1ServiceSpec(
            selector={"app": "web"}, ports=[client.V1ServicePort(port=80)]))).spec.cluster_ip.startswith("10.96.")
        refused(404, core.read_namespaced_service, "none", ns)
        refused(422, core.create_namespaced_service, ns, client.V1Service(metadata=meta("UPPER"), spec=client.V1ServiceSpec(ports=[client.V1ServicePort(port=80)])))
        account = core.create_namespaced_service_account(ns, client.V1ServiceAccount(metadata=meta("robot")))
        rbac.create_namespaced_role(ns, client.V1Role(metadata=meta("look"), rules=[client.V1PolicyRule(api_groups=[""], resources=["secrets"], verbs=["get"])]))
        rbac.create_namespaced_role_binding(ns, {"metadata": {"name": "look"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role",
            "name": "look"}, "subjects": [{"kind": "ServiceAccount", "name": "robot", "namespace": ns}]})
        token = core.create_namespaced_service_account_token("robot", ns, client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[]))).status.token
        as_robot = client.Configuration.get_default_copy()
        as_robot.cert_file = as_robot.key_file = None
        as_robot.api_key = {"authorization": "Bearer " + token}
        robot = client.CoreV1Api(client.ApiClient(as_robot))
        assert robot.read_namespaced_secret("s", ns).data == {"k": "dg=="}
        refused(403, robot.delete_namespaced_secret, "s", ns)
    """)  # fmt: skip


@pytest.mark.conformance("[sig-node] Pods should support remote command execution over websockets [NodeConformance]")
def test_pods(cluster, ns):
    """A pod's life; its log, whole and followed; commands in it, with output, error and exit code."""
    sdk(cluster, ns, r"""
        core.create_namespaced_pod(ns, client.V1Pod(metadata=meta("p", labels={"app": "p"}), spec=spec(
            "sh", "-c", "echo one; echo two >&2; trap 'exit 0' TERM; while :; do sleep 0.1; done")))
        pod = until(lambda p: p.status.phase == "Running" and p.status.container_statuses[0].ready, core.list_namespaced_pod, ns)
        assert pod.status.pod_ip and pod.spec.node_name and pod.status.container_statuses[0].restart_count == 0
        lines = set()
        for line in watch.Watch().stream(core.read_namespaced_pod_log, "p", ns):
            lines.add(line)
            if lines == {"one", "two"}:
                break
        assert set(core.read_namespaced_pod_log("p", ns).splitlines()) == lines

        said = stream.stream(core.connect_get_namespaced_pod_exec, "p", ns, command=["echo", "in"], stdout=True, stderr=True)
        assert said == "in\n", said
        shell = stream.stream(core.connect_get_namespaced_pod_exec, "p", ns, command=["sh", "-c", "read line; echo got $line; echo why >&2; exit 7"],
                              stdin=True, stdout=True, stderr=True, _preload_content=False)
        shell.write_stdin("it\n")
        shell.run_forever(timeout=60)
        assert not shell.is_open(), "the command does not end"
        assert shell.read_stdout() == "got it\n" and shell.read_stderr() == "why\n" and shell.returncode == 7

        core.patch_namespaced_pod("p", ns, {"metadata": {"labels": {"app": "q"}}})
        assert [p.metadata.name for p in core.list_pod_for_all_namespaces(label_selector="app=q").items] == ["p"]
        refused(422, core.patch_namespaced_pod, "p", ns, {"spec": {"nodeName": "elsewhere"}})
        since = core.list_namespaced_pod(ns).metadata.resource_version
        core.delete_namespaced_pod("p", ns)
        for event in watch.Watch().stream(core.list_namespaced_pod, ns, resource_version=since, timeout_seconds=150):
            if event["type"] == "DELETED":
                break
        refused(404, core.read_namespaced_pod, "p", ns)
    """)  # fmt: skip


def test_workloads(cluster, ns):
    """A Deployment scaled and rolled, a Job to its end, by YAML's own way in."""
    sdk(cluster, ns, """
        labels = {"app": "d"}
        body = client.V1Deployment(metadata=meta("d"), spec=client.V1DeploymentSpec(
            replicas=1, selector=client.V1LabelSelector(match_labels=labels),
            template=client.V1PodTemplateSpec(metadata=client.V1ObjectMeta(labels=labels), spec=spec("sleep", "1000"))))
        apps.create_namespaced_deployment(ns, body)
        until(lambda d: ready(d), apps.list_namespaced_deployment, ns)
        assert apps.patch_namespaced_deployment_scale("d", ns, {"spec": {"replicas": 2}}).spec.replicas == 2
        until(lambda d: d.spec.replicas == 2 and ready(d), apps.list_namespaced_deployment, ns)
        assert len(apps.list_namespaced_replica_set(ns, label_selector="app=d").items) == 1
        utils.create_from_dict(client.ApiClient(), {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {
            "template": {"spec": {"restartPolicy": "Never", "containers": [
                {"name": "c", "image": "wherry/hello", "imagePullPolicy": "IfNotPresent", "command": ["echo", "done"]}]}}}}, namespace=ns)
        job = until(lambda j: j.status.succeeded == 1 and j.status.completion_time, batch.list_namespaced_job, ns)
        pod = core.list_namespaced_pod(ns, label_selector="batch.kubernetes.io/job-name=j").items[0]
        assert pod.status.phase == "Succeeded" and core.read_namespaced_pod_log(pod.metadata.name, ns) == "done\\n"
        assert [o.name for o in pod.metadata.owner_references] == ["j"]
        reasons = {e.reason for e in core.list_namespaced_event(ns).items}
        assert {"Scheduled", "ScalingReplicaSet", "SuccessfulCreate"} <= reasons, reasons
        batch.delete_namespaced_job("j", ns, propagation_policy="Foreground")
        apps.delete_namespaced_deployment("d", ns)
    """)  # fmt: skip
