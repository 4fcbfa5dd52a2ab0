# SPDX-License-Identifier: Apache-2.0
"""Many small questions to containers, asked in few pods: each case is one container, its answer the message it ends with."""

import json
from dataclasses import dataclass, field

from support.node import eventually

PER_POD = 12


@dataclass
class Case:
    """One container: what it is given, the script it runs, what the script has to print."""

    name: str  # upstream's, without [Conformance]
    script: str = ""
    expect: object = ""  # the text, or a function of (text, Answers)
    volumes: dict = field(default_factory=dict)  # path: the volume's source; with "mount", more of the mount
    container: dict = field(default_factory=dict)
    pod: dict = field(default_factory=dict)  # cases of equal pods share one

    @property
    def pod_key(self):
        return json.dumps(self.pod, sort_keys=True)


class Answers:
    """Runs all cases at once in the namespace; .of(case) is what its container said."""

    def __init__(self, cluster, ns, cases, metadata=None):
        self.cluster, self.ns, self.where = cluster, ns, {}
        groups = {}
        for number, case in enumerate(cases):
            pods = groups.setdefault(case.pod_key, [])
            if not pods or len(pods[-1]) == PER_POD:
                pods.append([])
            pods[-1].append((f"c{number}", case))
        self.pods = {}
        for pods in groups.values():
            for pod in pods:
                name = f"cases-{pod[0][0]}"
                self._create(name, pod, metadata or {})
                for container, case in pod:
                    self.where[case.name] = (name, case.container.get("name", container))

    def _create(self, name, pod, metadata):
        volumes, containers = [], []
        for container, case in pod:
            mounts = []
            for path, source in case.volumes.items():
                source = dict(source)
                mount = source.pop("mount", {})
                volume = f"{container}-{len(mounts)}"
                volumes.append({"name": volume, **source})
                mounts.append({"name": volume, "mountPath": path, **mount})
            containers.append({"name": container, "image": "wherry/hello", "imagePullPolicy": "IfNotPresent", "volumeMounts": mounts,
                               "command": ["sh", "-c", "{ " + case.script + "\n} >/tmp/out 2>&1; cat /tmp/out >/dev/termination-log"],
                               **case.container})  # fmt: skip
        body = {"metadata": {"name": name, **metadata},
                "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": containers, "volumes": volumes,
                         **pod[0][1].pod}}  # fmt: skip
        self.cluster.ask("POST", f"/api/v1/namespaces/{self.ns}/pods", body, expect=201)

    def pod(self, name, timeout=240):
        """The pod as the API has it once all its containers have ended."""

        def ended():
            pod = self.cluster.ask("GET", f"/api/v1/namespaces/{self.ns}/pods/{name}")
            self.pods[name] = pod
            return pod["status"]["phase"] in ("Succeeded", "Failed")

        known = self.pods.get(name)
        if not known or known["status"]["phase"] not in ("Succeeded", "Failed"):
            assert eventually(ended, timeout=timeout), f"{name} does not end: {json.dumps(self.pods[name]['status'], indent=1)}"
        return self.pods[name]

    def of(self, case):
        pod, container = self.where[case.name]
        for status in self.pod(pod)["status"]["containerStatuses"]:
            if status["name"] == container:
                return status["state"]["terminated"].get("message", "").strip()
        raise AssertionError(f"{container} of {pod} has no status")

    def check(self, case):
        said = self.of(case)
        if callable(case.expect):
            assert case.expect(said, self), said
        else:
            assert said == case.expect
