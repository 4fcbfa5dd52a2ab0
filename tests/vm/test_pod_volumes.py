# SPDX-License-Identifier: Apache-2.0
"""Volumes of pods, seen from inside their containers."""

import base64
import json

from support.node import eventually


def pod(name, script, volumes, mounts, **spec):
    container = {"name": "c", "image": "wherry/hello", "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script], "volumeMounts": mounts,
                 **spec.pop("container", {})}  # fmt: skip
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **spec.pop("metadata", {})},
                       "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [container], "volumes": volumes,
                                **spec}})  # fmt: skip


def phase(cluster, ns, name):
    return cluster.kubectl("-n", ns, "get", "pod", name, "-o", "jsonpath={.status.phase}").stdout


def run(cluster, ns, *args, **spec):
    """What a pod that ends has said."""
    cluster.kubectl("-n", ns, "apply", "-f", "-", input=pod(*args, **spec))
    ended = eventually(lambda: phase(cluster, ns, args[0]) in ("Succeeded", "Failed"), timeout=120, every=1)
    assert ended, cluster.kubectl("-n", ns, "describe", "pod", args[0]).stdout
    said = cluster.kubectl("-n", ns, "logs", args[0]).stdout
    assert phase(cluster, ns, args[0]) == "Succeeded", said
    return said


def test_files_of_every_kind(cluster, ns):
    cluster.kubectl("-n", ns, "create", "configmap", "conf", "--from-literal=a.txt=one", "--from-literal=b.txt=two")
    cluster.kubectl("-n", ns, "create", "secret", "generic", "key", f"--from-literal=bin={base64.b64encode(bytes(range(9))).decode()}")
    volumes = [
        {"name": "conf", "configMap": {"name": "conf", "defaultMode": 0o400, "items": [{"key": "a.txt", "path": "deep/a", "mode": 0o640}]}},
        {"name": "all", "configMap": {"name": "conf"}},
        {"name": "key", "secret": {"secretName": "key"}},
        {"name": "none", "secret": {"secretName": "absent", "optional": True}},
        {"name": "down", "downwardAPI": {"items": [
            {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
            {"path": "cpu", "resourceFieldRef": {"containerName": "c", "resource": "limits.cpu", "divisor": "1m"}}]}},
        {"name": "mixed", "projected": {"sources": [
            {"configMap": {"name": "conf"}}, {"secret": {"name": "key", "items": [{"key": "bin", "path": "k/bin"}]}},
            {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
            {"serviceAccountToken": {"path": "token", "expirationSeconds": 600, "audience": "vault"}}]}},
        {"name": "host", "hostPath": {"path": "/etc/passwd", "type": "File"}},
        {"name": "mem", "emptyDir": {"medium": "Memory", "sizeLimit": "3Mi"}},
    ]  # fmt: skip
    mounts = [{"name": v["name"], "mountPath": f"/v/{v['name']}"} for v in volumes]
    script = """
cat /v/conf/deep/a; echo; stat -Lc %a /v/conf/deep/a
cat /v/all/a.txt /v/all/b.txt; echo; readlink /v/all/a.txt; stat -Lc %a /v/all/a.txt
cat /v/key/bin; echo; ls /v/none | wc -l
cat /v/down/labels; echo; cat /v/down/cpu; echo
cat /v/mixed/name; echo; ls /v/mixed; cut -d. -f2 /v/mixed/token | wc -c
head -1 /v/host; df -k /v/mem | tail -1 | awk '{print "kib", $2}'; stat -c %a /v/mem
touch /v/all/x 2>&1; cat /var/run/secrets/kubernetes.io/serviceaccount/namespace; echo
grep -c BEGIN /var/run/secrets/kubernetes.io/serviceaccount/ca.crt
"""
    said = run(cluster, ns, "files", script, volumes, mounts, metadata={"labels": {"app": "files", "tier": "x"}},
               container={"resources": {"limits": {"cpu": "250m", "memory": "32Mi"}}})  # fmt: skip
    lines = said.splitlines()
    assert lines[:2] == ["one", "640"] and lines[2:5] == ["onetwo", "..data/a.txt", "644"]
    assert lines[5:7] == [base64.b64encode(bytes(range(9))).decode(), "0"]
    assert 'app="files"' in lines and 'tier="x"' in lines and "250" in lines
    assert "token" in lines and "a.txt" in lines and "k" in lines and "kib 3072" in lines and "777" in lines
    assert "Read-only file system" in said and ns in lines and lines[-1] == "1"


def test_a_change_arrives_as_a_whole(cluster, ns):
    def write(text):
        data = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "live"}, "data": {"x": text, "y": text}}
        cluster.kubectl("-n", ns, "apply", "-f", "-", input=json.dumps(data))

    write("1")
    script = """
while :; do
	sleep 0.1
	d=$(readlink /live/..data); x=$(cat /live/$d/x 2>/dev/null) && y=$(cat /live/$d/y 2>/dev/null) || continue
	[ "$x" = "$y" ] || { echo half $x $y; exit 1; }
	[ "$x" = 2 ] && { cat /once/x; exit 0; }
done"""
    volumes = [{"name": "live", "configMap": {"name": "live"}}]
    mounts = [{"name": "live", "mountPath": "/live"}, {"name": "live", "mountPath": "/once/x", "subPath": "x"}]
    cluster.kubectl("-n", ns, "apply", "-f", "-", input=pod("live", script, volumes, mounts))
    assert eventually(lambda: phase(cluster, ns, "live") == "Running", timeout=120, every=1)
    write("2")
    assert eventually(lambda: phase(cluster, ns, "live") in ("Succeeded", "Failed"), timeout=180, every=1)
    # what is mounted by subPath stays what it was
    assert phase(cluster, ns, "live") == "Succeeded" and cluster.kubectl("-n", ns, "logs", "live").stdout == "1"


def test_what_a_pod_shares_and_what_is_left(cluster_node, cluster, ns):
    volumes = [{"name": "data", "emptyDir": {"sizeLimit": "10Mi"}}]
    init = [{"name": "i", "image": "wherry/hello", "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", "mkdir -p /d/sub; echo from-init >/d/sub/f; ln -s /etc /d/out; id -G"],
             "volumeMounts": [{"name": "data", "mountPath": "/d"}]}]  # fmt: skip
    mounts = [{"name": "data", "mountPath": "/d"}, {"name": "data", "mountPath": "/s", "subPath": "sub"},
              {"name": "data", "mountPath": "/e", "subPathExpr": "of/$(WHO)"}]  # fmt: skip
    script = "cat /s/f; touch /e/mine; ls /d/of/me; stat -c '%g %a' /d /d/of/me; touch /d/new; stat -c %g /d/new; id -u"
    said = run(cluster, ns, "share", script, volumes, mounts, initContainers=init, securityContext={"fsGroup": 4321, "runAsUser": 1000},
               container={"env": [{"name": "WHO", "value": "me"}]})  # fmt: skip
    assert said.split() == ["from-init", "mine", "4321", "2777", "4321", "2777", "4321", "1000"]
    # its volumes go with its end, what it said when it is deleted
    uid = cluster.get("-n", ns, "pod", "share")["metadata"]["uid"]
    gone = eventually(lambda: uid not in cluster_node.ssh("ls /data/agent/pods /run/agent/pods; cat /proc/mounts"), timeout=30)
    assert gone and cluster.kubectl("-n", ns, "logs", "share").stdout.startswith("from-init")
    cluster.kubectl("-n", ns, "delete", "pod", "share", "--wait=true")


def test_an_empty_dir_holds_what_it_may(cluster, ns):
    volumes = [{"name": n, "emptyDir": limit} for n, limit in (("small", {"sizeLimit": "1Mi"}), ("free", {}))]
    mounts = [{"name": n, "mountPath": f"/{n}"} for n in ("small", "free")]
    script = "for d in small free; do dd if=/dev/zero of=/$d/f bs=64k count=32 2>/dev/null && echo $d holds it || stat -c '%s' /$d/f; done"
    held, free = run(cluster, ns, "bounded", script, volumes, mounts).splitlines()
    # the directory itself counts, too
    assert 960 * 1024 <= int(held) <= 1024 * 1024 and free == "free holds it"


def test_a_sub_path_never_leads_out(cluster, ns):
    init = [{"name": "i", "image": "wherry/hello", "imagePullPolicy": "IfNotPresent", "command": ["ln", "-s", "/", "/d/out"],
             "volumeMounts": [{"name": "data", "mountPath": "/d"}]}]  # fmt: skip
    mounts = [{"name": "data", "mountPath": "/x", "subPath": "out/etc"}]
    cluster.kubectl("-n", ns, "apply", "-f", "-", input=pod("out", "ls /x", [{"name": "data", "emptyDir": {}}], mounts, initContainers=init))
    told = eventually(lambda: "leads out of the volume" in cluster.kubectl("-n", ns, "describe", "pod", "out").stdout, timeout=120, every=1)
    assert told, cluster.kubectl("-n", ns, "describe", "pod", "out").stdout


def test_what_is_missing_is_said_and_waited_for(cluster, ns):
    volumes = [{"name": "later", "configMap": {"name": "later"}}]
    cluster.kubectl("-n", ns, "apply", "-f", "-", input=pod("waits", "cat /l/k", volumes, [{"name": "later", "mountPath": "/l"}]))
    told = eventually(lambda: 'configmap "later" not found' in cluster.kubectl("-n", ns, "describe", "pod", "waits").stdout,
                      timeout=120, every=1)  # fmt: skip
    assert told, cluster.kubectl("-n", ns, "describe", "pod", "waits").stdout
    cluster.kubectl("-n", ns, "create", "configmap", "later", "--from-literal=k=here")
    assert eventually(lambda: phase(cluster, ns, "waits") == "Succeeded", timeout=120, every=1)
    assert cluster.kubectl("-n", ns, "logs", "waits").stdout == "here"


def test_a_claim_to_a_local_volume(cluster_node, cluster, ns):
    cluster_node.ssh("mkdir -p /data/disk1 && echo kept >/data/disk1/f && chmod 600 /data/disk1/f")
    name = cluster.get("nodes")["items"][0]["metadata"]["name"]
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"pv-{ns}"},
              "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "by-hand",
                       "claimRef": {"namespace": ns, "name": "c"}, "local": {"path": "/data/disk1"},
                       "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                           {"key": "kubernetes.io/hostname", "operator": "In", "values": [name]}]}]}}}}  # fmt: skip
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c", "namespace": ns},
             "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "by-hand", "volumeName": f"pv-{ns}",
                      "resources": {"requests": {"storage": "1Gi"}}}}  # fmt: skip
    for each in (volume, claim):
        cluster.kubectl("apply", "-f", "-", input=json.dumps(each))
    volumes = [{"name": "disk", "persistentVolumeClaim": {"claimName": "c"}}]
    said = run(cluster, ns, "claims", "cat /k/f; stat -c '%g %a' /k/f; echo more >/k/g", volumes, [{"name": "disk", "mountPath": "/k"}],
               securityContext={"fsGroup": 77, "runAsUser": 1000})  # fmt: skip
    assert said.split() == ["kept", "77", "660"]
    cluster.kubectl("-n", ns, "delete", "pod", "claims")
    assert cluster_node.ssh("cat /data/disk1/f /data/disk1/g; rm -r /data/disk1") == "kept\nmore\n"
    cluster.kubectl("delete", "pv", f"pv-{ns}", "--wait=false")


def test_the_data_of_a_claim_goes_with_it(cluster_node, cluster, ns):
    """A volume that was made for its claim, of policy Delete: the folder goes, and what lies beside it and behind links in it stays."""
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": ns},
             "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}  # fmt: skip
    cluster.kubectl("apply", "-f", "-", input=json.dumps(claim))
    cluster_node.ssh("mkdir -p /data/volumes/beside && echo kept >/data/volumes/beside/f")
    run(cluster, ns, "writes", "mkdir /k/sub; echo x >/k/sub/f; ln -s ../beside /k/out; ln -s / /k/root",
        [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}], [{"name": "data", "mountPath": "/k"}])  # fmt: skip
    volume = cluster.get("-n", ns, "pvc", "data")["spec"]["volumeName"]
    assert cluster_node.ssh(f"cat /data/volumes/{volume}/sub/f").strip() == "x"
    cluster.kubectl("-n", ns, "delete", "pod/writes", "pvc/data")
    left = lambda: cluster.kubectl("get", "pv", volume, check=False).returncode == 0  # noqa: E731
    assert eventually(lambda: not left(), timeout=120, every=1), cluster.kubectl("get", "pv", volume, "-o", "yaml").stdout
    assert cluster_node.ssh("ls /data/volumes; cat /data/volumes/beside/f; rm -r /data/volumes/beside").split() == ["beside", "kept"]


def claim(name, ns, size):
    return json.dumps({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": ns},
                       "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}})  # fmt: skip


def test_a_claim_holds_what_it_says_and_grows(cluster_node, cluster, ns):
    MiB = 1 << 20
    cluster.kubectl("apply", "-f", "-", input=claim("data", ns, "2Mi"))
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    cluster.kubectl("-n", ns, "apply", "-f", "-", input=pod("grows", "sleep 1000", volumes, [{"name": "data", "mountPath": "/k"}]))
    cluster.kubectl("-n", ns, "wait", "--for=condition=Ready", "pod/grows", "--timeout=120s")

    def fill(name):
        script = f"dd if=/dev/zero of=/k/{name} bs=64k count=64 2>/dev/null; stat -c %s /k/{name}"
        return int(cluster.kubectl("-n", ns, "exec", "grows", "--", "sh", "-c", script).stdout)

    def grow(size, **options):
        change = json.dumps({"spec": {"resources": {"requests": {"storage": size}}}})
        return cluster.kubectl("-n", ns, "patch", "pvc", "data", "-p", change, **options)

    # the directory itself counts, too
    first = fill("a")
    assert 2 * MiB - 64 * 1024 <= first <= 2 * MiB
    grow("4Mi")
    status = lambda: cluster.get("-n", ns, "pvc", "data")["status"]  # noqa: E731
    assert eventually(lambda: status()["capacity"]["storage"] == "4Mi", timeout=60), status()
    assert "conditions" not in status() and "allocatedResourceStatuses" not in status()
    # the pod that runs has it at once
    assert 4 * MiB - 64 * 1024 <= first + fill("b") <= 4 * MiB
    assert "field can not be less than status.capacity" in grow("3Mi", check=False).stderr
    fixed = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": f"fixed-{ns}"}, "provisioner": "wherry.io/local"}
    cluster.kubectl("apply", "-f", "-", input=json.dumps(fixed))
    stays = json.loads(claim("stays", ns, "2Mi"))
    stays["spec"]["storageClassName"] = f"fixed-{ns}"
    cluster.kubectl("apply", "-f", "-", input=json.dumps(stays))
    assert eventually(lambda: cluster.get("-n", ns, "pvc", "stays")["status"]["phase"] == "Bound", timeout=60)
    refused = cluster.kubectl("-n", ns, "patch", "pvc", "stays", "-p", '{"spec":{"resources":{"requests":{"storage":"3Mi"}}}}', check=False)
    assert 'persistentvolumeclaims "stays" is forbidden: only dynamically provisioned pvc can be resized' in refused.stderr
    # a claim that nobody has mounted grows, too
    cluster.kubectl("patch", "sc", f"fixed-{ns}", "-p", '{"allowVolumeExpansion":true}')
    cluster.kubectl("-n", ns, "patch", "pvc", "stays", "-p", '{"spec":{"resources":{"requests":{"storage":"3Mi"}}}}')
    assert eventually(lambda: cluster.get("-n", ns, "pvc", "stays")["status"]["capacity"]["storage"] == "3Mi", timeout=60)
    cluster.kubectl("delete", "sc", f"fixed-{ns}")


def test_a_claim_of_the_pods_own(cluster_node, cluster, ns):
    """Generic ephemeral volumes: a claim that is made for the pod and goes with it; one of somebody else is not taken for it."""
    template = {"metadata": {"labels": {"of": "own"}}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Mi"}}}}
    volumes, mounts = [{"name": "scratch", "ephemeral": {"volumeClaimTemplate": template}}], [{"name": "scratch", "mountPath": "/s"}]
    said = run(cluster, ns, "own", "echo kept >/s/f; cat /s/f; dd if=/dev/zero of=/s/g bs=64k count=64 2>/dev/null || echo full", volumes, mounts)
    assert said.split() == ["kept", "full"]
    made = cluster.get("-n", ns, "pvc", "own-scratch")
    owner = made["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("Pod", "own", True) and made["metadata"]["labels"] == {"of": "own"}
    volume = made["spec"]["volumeName"]
    cluster.kubectl("-n", ns, "delete", "pod", "own")
    left = lambda: cluster.kubectl("get", "pv", volume, check=False).returncode == 0  # noqa: E731
    assert eventually(lambda: not left(), timeout=120, every=1), cluster.kubectl("get", "pv", volume, "-o", "yaml").stdout
    assert cluster.kubectl("-n", ns, "get", "pvc", "own-scratch", check=False).returncode and volume not in cluster_node.ssh("ls /data/volumes")
    cluster.kubectl("apply", "-f", "-", input=claim("else-scratch", ns, "2Mi"))
    cluster.kubectl("-n", ns, "apply", "-f", "-", input=pod("else", "echo >/s/f", volumes, mounts))
    told = lambda: cluster.kubectl("-n", ns, "describe", "pod", "else").stdout  # noqa: E731
    assert eventually(lambda: "was not created for pod" in told(), timeout=60, every=1), told()
    cluster.kubectl("-n", ns, "delete", "pvc", "else-scratch")
    assert eventually(lambda: phase(cluster, ns, "else") == "Succeeded", timeout=120, every=1), told()
