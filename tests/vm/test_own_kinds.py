# SPDX-License-Identifier: Apache-2.0
"""Unmodified kubectl and what a cluster adds to plain objects: kinds of one's own, work that ends, limits, certificates."""

import base64
import datetime
import json
import subprocess

from support.node import eventually

CRONTABS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: crontabs.stable.example.com}
spec:
  group: stable.example.com
  scope: Namespaced
  names: {plural: crontabs, singular: crontab, kind: CronTab, shortNames: [ct]}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            x-kubernetes-validations:
            - {rule: "!has(self.replicas) || self.replicas <= 10", messageExpression: "'%d replicas, and ten are enough'.format([self.replicas])"}
            - {rule: self.cronSpec == oldSelf.cronSpec, message: cronSpec stays as it is}
            - {rule: "oldSelf.hasValue() || self.?replicas.orValue(1) < 5", optionalOldSelf: true, message: a new one begins with fewer than five}
            properties:
              cronSpec: {type: string, description: When it runs.}
              replicas: {type: integer, minimum: 1}
              team:
                type: string
                x-kubernetes-validations: [{rule: "!format.dns1123Label().validate(self).hasValue()", messageExpression: "'team: ' + format.dns1123Label().validate(self).value()[0]"}]
          status:
            type: object
            properties: {replicas: {type: integer}}
    additionalPrinterColumns:
    - {name: Spec, type: string, jsonPath: .spec.cronSpec}
    - {name: Replicas, type: integer, jsonPath: .spec.replicas}
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}
"""
MINE = """
apiVersion: stable.example.com/v1
kind: CronTab
metadata: {name: mine}
spec: {cronSpec: "* * * * */5", replicas: 3}
"""


def test_a_kind_of_ones_own(cluster, ns):
    cluster.kubectl("apply", "-f", "-", input=CRONTABS)
    cluster.kubectl("wait", "--for=condition=Established", "crd/crontabs.stable.example.com", "--timeout=60s")
    cluster.kubectl("-n", ns, "apply", "-f", "-", input=MINE)
    rows = cluster.kubectl("-n", ns, "get", "ct").stdout.splitlines()
    assert rows[0].split() == ["NAME", "SPEC", "REPLICAS"] and rows[1].split()[0] == "mine"
    assert "When it runs." in cluster.kubectl("explain", "crontab.spec.cronSpec").stdout
    cluster.kubectl("-n", ns, "scale", "--replicas=5", "crontab/mine")
    assert cluster.get("-n", ns, "ct", "mine")["spec"]["replicas"] == 5
    refused = {
        '{"spec":{"replicas":0}}': "spec.replicas in body should be greater than or equal to 1",
        '{"spec":{"replicas":11}}': "11 replicas, and ten are enough",
        '{"spec":{"cronSpec":"* * * * *"}}': "cronSpec stays as it is",
        '{"spec":{"team":"A"}}': "team: a lowercase RFC 1123 label must consist of",
    }
    for change, why in refused.items():
        bad = cluster.kubectl("-n", ns, "patch", "ct", "mine", "--type=merge", "-p", change, check=False)
        assert why in bad.stderr, bad.stderr
    cluster.kubectl("-n", ns, "patch", "ct", "mine", "--type=merge", "-p", '{"spec":{"team":"a-1"}}')
    large = MINE.replace("name: mine", "name: large").replace("replicas: 3", "replicas: 5")
    bad = cluster.kubectl("-n", ns, "create", "-f", "-", input=large, check=False)
    assert "a new one begins with fewer than five" in bad.stderr, bad.stderr
    wrong = {
        "self.replicas + 'x' == '1x'": "found no matching overload for '_+_' applied to '(int, string)'",
        "self.maxRetries < 10": "undefined field 'maxRetries'",
        "self.replicas": "must evaluate to bool but got int",
    }
    for rule, why in wrong.items():
        bad = cluster.kubectl("apply", "-f", "-", input=CRONTABS.replace("self.cronSpec == oldSelf.cronSpec", f'"{rule}"'), check=False)
        assert bad.returncode != 0 and "x-kubernetes-validations[1].rule: Invalid value" in bad.stderr and why in bad.stderr, bad.stderr
    cluster.kubectl("delete", "crd", "crontabs.stable.example.com", "--timeout=60s")
    assert "crontabs" not in cluster.kubectl("api-resources", "--no-headers").stdout


GAUGES = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gauges.stable.example.com}
spec:
  group: stable.example.com
  scope: Namespaced
  names: {plural: gauges, singular: gauge, kind: Gauge}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            x-kubernetes-validations:
            - {rule: "type(self.since) == google.protobuf.Timestamp && self.days.all(d, d >= self.since)", message: no day is before since}
            - {rule: "!has(self.note) || self.note.size() < 9", message: a note is short}
            - {rule: "self.used / self.size <= 0.75", message: a quarter stays free}
            - {rule: "semver(self.version, true).isLessThan(semver('2.0.0'))", message: not made for 2.0}
            - {rule: "url(self.link).getQuery()[?'id'].orValue([]).size() == 1", message: the link has one id}
            - {rule: "self.days == self.days.sort()", message: days are in order}
            properties:
              since: {type: string, format: date-time}
              days: {type: array, items: {type: string, format: date}}
              note: {type: string, nullable: true}
              used: {type: number}
              size: {type: number}
              version: {type: string}
              link: {type: string}
"""
GAUGE = """
apiVersion: stable.example.com/v1
kind: Gauge
metadata: {name: mine}
spec: {since: "2026-01-02T00:00:00Z", days: ["2026-01-02", "2026-01-03"], note: null, used: 7, size: 10, version: v1.2, link: "https://a.example/x?id=1"}
"""


def test_rules_that_know_the_schema(cluster, ns):
    """Texts are moments where the schema says so, numbers are divided with a point, null is not there; and what libraries add."""
    cluster.kubectl("apply", "-f", "-", input=GAUGES)
    cluster.kubectl("wait", "--for=condition=Established", "crd/gauges.stable.example.com", "--timeout=60s")
    cluster.kubectl("-n", ns, "create", "-f", "-", input=GAUGE)
    refused = {
        '{"spec":{"since":"2026-01-03T00:00:00Z"}}': "no day is before since",
        '{"spec":{"note":"far too long"}}': "a note is short",
        '{"spec":{"used":8}}': "a quarter stays free",
        '{"spec":{"version":"2"}}': "not made for 2.0",
        '{"spec":{"link":"https://a.example/x?id=1&id=2"}}': "the link has one id",
        '{"spec":{"days":["2026-01-03","2026-01-02"]}}': "days are in order",
    }
    for change, why in refused.items():
        bad = cluster.kubectl("-n", ns, "patch", "gauge", "mine", "--type=merge", "-p", change, check=False)
        assert bad.returncode != 0 and why in bad.stderr, bad.stderr
    cluster.kubectl("-n", ns, "patch", "gauge", "mine", "--type=merge", "-p", '{"spec":{"note":"short","version":"1.9.9","used":7.5}}')
    bad = cluster.kubectl("apply", "-f", "-", input=GAUGES.replace("self.days == self.days.sort()", "self.link.matches('(')"), check=False)
    assert bad.returncode != 0 and "invalid matches argument" in bad.stderr, bad.stderr
    cluster.kubectl("delete", "crd", "gauges.stable.example.com", "--timeout=60s")


def test_jobs_by_hand_and_by_the_clock(cluster, ns):
    cluster.kubectl("-n", ns, "create", "cronjob", "tick", "--image=wherry/hello", "--schedule=0 0 1 1 *", "--", "true")
    cluster.kubectl("-n", ns, "create", "job", "now", "--from=cronjob/tick")
    job = cluster.get("-n", ns, "job", "now")
    assert job["spec"]["selector"]["matchLabels"]["batch.kubernetes.io/controller-uid"] == job["metadata"]["uid"]
    assert eventually(lambda: cluster.get("-n", ns, "pods", "-l", "job-name=now")["items"], timeout=60)
    wrong = cluster.kubectl("-n", ns, "create", "cronjob", "bad", "--image=wherry/hello", "--schedule=61 * * * *", check=False)
    assert "failed to parse minute" in wrong.stderr
    cluster.kubectl("-n", ns, "delete", "job", "now", "--timeout=120s")


CLOCK = """
apiVersion: batch/v1
kind: CronJob
metadata: {name: NAME}
spec:
  schedule: SCHEDULE
  timeZone: ZONE
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: wherry/hello}]}}}}
"""


def test_jobs_by_the_clock_of_a_place(cluster, ns):
    """In Kathmandu it is always five hours and three quarters later."""

    def create(name, zone, schedule="0 0 1 1 *", check=True):
        text = CLOCK.replace("NAME", name).replace("SCHEDULE", schedule).replace("ZONE", zone)
        return cluster.kubectl("-n", ns, "create", "-f", "-", input=text, check=check)

    create("berlin", "Europe/Berlin")
    made = cluster.get("-n", ns, "cronjob", "berlin")["metadata"]["creationTimestamp"]
    now = datetime.datetime.strptime(made, "%Y-%m-%dT%H:%M:%SZ")
    due = (now + datetime.timedelta(seconds=120)).replace(second=0)
    there = due + datetime.timedelta(hours=5, minutes=45)
    schedule = f"{there.minute} {there.hour} {there.day} {there.month} *"
    create("kathmandu", "Asia/Kathmandu", schedule)
    create("greenwich", "UTC", schedule)
    for name, why in (("Local", "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"),
                      ("Europe/Entenhausen", "unknown time zone Europe/Entenhausen")):  # fmt: skip
        assert why in create("bad", name, check=False).stderr
    inside = create("bad", "UTC", "TZ=Asia/Kathmandu 0 0 1 1 *", check=False)
    assert "cannot use TZ or CRON_TZ in schedule, use timeZone field instead" in inside.stderr
    jobs = lambda: [j["metadata"]["name"] for j in cluster.get("-n", ns, "jobs")["items"]]  # noqa: E731
    assert eventually(jobs, timeout=180), cluster.kubectl("-n", ns, "get", "cronjobs,events").stdout
    minutes = int(due.replace(tzinfo=datetime.timezone.utc).timestamp()) // 60
    assert jobs() == [f"kathmandu-{minutes}"]


def test_what_a_namespace_may_use(cluster, ns):
    there = ("-n", ns, "get", "configmap", "kube-root-ca.crt")
    assert eventually(lambda: cluster.kubectl(*there, check=False).returncode == 0, timeout=60)
    cluster.kubectl("-n", ns, "create", "quota", "small", "--hard=configmaps=2")
    cluster.kubectl("-n", ns, "create", "configmap", "one")
    no = cluster.kubectl("-n", ns, "create", "configmap", "two", check=False)
    assert "exceeded quota: small, requested: configmaps=1, used: configmaps=2, limited: configmaps=2" in no.stderr
    assert eventually(lambda: cluster.get("-n", ns, "quota", "small")["status"]["used"] == {"configmaps": "2"}, timeout=60)


WAITS = """
apiVersion: v1
kind: Pod
metadata: {name: NAME, labels: {app: waits}}
spec:
  nodeSelector: {there: is-none}
  containers: [{name: c, image: wherry/hello}]
---
"""
BUDGET = """
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: b}
spec: {minAvailable: 1, selector: {matchLabels: {app: waits}}}
"""


def evict(cluster, ns, pod):
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": ns}}
    path = f"/api/v1/namespaces/{ns}/pods/{pod}/eviction"
    return cluster.kubectl("create", "--raw", path, "-f", "-", input=json.dumps(body), check=False)


def test_a_budget_and_pods_that_are_not_ready(cluster, ns):
    """What runs without being ready goes only when the budget says that it may."""
    cluster.kubectl("-n", ns, "apply", "-f", "-", input=WAITS.replace("NAME", "a") + WAITS.replace("NAME", "b") + BUDGET)
    for pod in "ab":
        cluster.kubectl("-n", ns, "patch", "pod", pod, "--subresource=status", "-p", '{"status":{"phase":"Running"}}')
    counted = {"expectedPods": 2, "currentHealthy": 0, "desiredHealthy": 1, "disruptionsAllowed": 0}
    assert eventually(lambda: counted.items() <= cluster.get("-n", ns, "pdb", "b")["status"].items(), timeout=60)
    assert "violate the pod's disruption budget" in evict(cluster, ns, "a").stderr
    cluster.kubectl("-n", ns, "patch", "pdb", "b", "--type=merge", "-p", '{"spec":{"unhealthyPodEvictionPolicy":"AlwaysAllow"}}')
    assert evict(cluster, ns, "a").returncode == 0
    cluster.kubectl("-n", ns, "wait", "--for=delete", "pod/a", "--timeout=60s")


def test_nobody_gives_what_he_does_not_have(cluster, ns):
    cluster.kubectl("-n", ns, "create", "role", "roles", "--verb=create,get", "--resource=roles")
    cluster.kubectl("-n", ns, "create", "rolebinding", "roles", "--role=roles", "--user=ann")
    no = cluster.kubectl(
        "-n", ns, "create", "role", "more", "--verb=get", "--resource=secrets", "--as", "ann", check=False)
    assert "is attempting to grant RBAC permissions not currently held" in no.stderr
    assert '{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}' in no.stderr


def test_a_certificate_for_a_user(cluster, tmp_path):
    subprocess.run(
        ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
         tmp_path / "key", "-subj", "/O=team/CN=ann", "-out", tmp_path / "csr"], check=True, capture_output=True)
    request = {
        "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "ann"},
        "spec": {"request": base64.b64encode((tmp_path / "csr").read_bytes()).decode(), "usages": ["client auth"],
                 "signerName": "kubernetes.io/kube-apiserver-client", "expirationSeconds": 3600}}
    cluster.kubectl("create", "-f", "-", input=json.dumps(request))
    cluster.kubectl("certificate", "approve", "ann")
    text = eventually(lambda: cluster.get("csr", "ann")["status"].get("certificate"), timeout=60)
    assert text, "it was not signed"
    (tmp_path / "crt").write_bytes(base64.b64decode(text))
    said = subprocess.run(["openssl", "x509", "-in", tmp_path / "crt", "-noout", "-subject"], check=True,
                          capture_output=True, text=True).stdout
    assert "team" in said and "ann" in said
    cluster.kubectl("delete", "csr", "ann")
