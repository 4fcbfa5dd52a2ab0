# SPDX-License-Identifier: Apache-2.0
"""kubectl autoscale: a Deployment that is busy gets more pods, and says why."""

import json

from support.node import eventually

BUSY = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: busy}
spec:
  replicas: 1
  selector: {matchLabels: {app: busy}}
  template:
    metadata: {labels: {app: busy}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: c
        image: wherry/hello
        command: [sh, -c, "while :; do :; done"]
        resources: {requests: {cpu: 10m}, limits: {cpu: 60m}}
"""


def test_a_busy_deployment_grows(cluster, ns):
    cluster.kubectl("-n", ns, "apply", "-f", "-", input=BUSY)
    assert eventually(lambda: cluster.get("-n", ns, "deployment", "busy")["status"].get("readyReplicas") == 1, timeout=60)
    cluster.kubectl("-n", ns, "autoscale", "deployment", "busy", "--cpu-percent=50", "--min=1", "--max=2")
    hpa = lambda: cluster.get("-n", ns, "horizontalpodautoscaler", "busy")  # noqa: E731
    # measured over a whole window after the pod was ready
    assert eventually(lambda: hpa().get("status", {}).get("desiredReplicas") == 2, timeout=120), json.dumps(hpa())
    assert cluster.get("-n", ns, "deployment", "busy")["spec"]["replicas"] == 2
    seen = {c["type"]: c for c in hpa()["status"]["conditions"]}
    assert seen["ScalingActive"]["status"] == "True" and seen["AbleToScale"]["status"] == "True"
    assert cluster.ask("GET", f"/apis/autoscaling/v1/namespaces/{ns}/horizontalpodautoscalers/busy")["spec"]["targetCPUUtilizationPercentage"] == 50
    assert "SuccessfulRescale" in cluster.kubectl("-n", ns, "describe", "hpa", "busy").stdout
