# SPDX-License-Identifier: Apache-2.0
"""APIServices: who serves which version of which group, through kubectl."""

API = "/apis/apiregistration.k8s.io/v1/apiservices"


def test_what_is_served(cluster):
    """Each group and version of discovery has an APIService, which is available."""
    served = {f"{v['version']}.{g['name']}" for g in cluster.ask("GET", "/apis")["groups"] for v in g["versions"]} | {"v1."}
    rows = [line.split() for line in cluster.kubectl("get", "apiservices", "--no-headers").stdout.splitlines()]
    local = {row[0] for row in rows if row[1:3] == ["Local", "True"]}
    assert served <= local, served - local
    assert cluster.kubectl("explain", "apiservice.spec.versionPriority").returncode == 0
    one = cluster.ask("GET", f"{API}/v1.apps")
    assert one["metadata"]["labels"]["kube-aggregator.kubernetes.io/automanaged"] == "onstart"
    assert [c["reason"] for c in one["status"]["conditions"]] == ["Local"]
