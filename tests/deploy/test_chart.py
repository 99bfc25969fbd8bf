"""The Helm chart, linted and rendered by Helm's own libraries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy_files import DEPLOY, Checks

CHART = DEPLOY / "helm" / "streamgauge"
EVERYTHING = {
    "tls": {"listener": "mqtt-tls", "http": "http-tls"},
    "rules": {"climate.yaml": "groups: []\n"},
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "imagePullSecrets": [{"name": "registry"}],
    "workers": {
        "replicas": 3,
        "persistence": {"size": "20Gi", "storageClass": "fast"},
        "nodeSelector": {"disk": "ssd"},
    },
    "gateways": {"replicas": 4, "service": {"type": "ClusterIP", "annotations": {"a": "b"}}},
}


def rendered(checks: Checks, folder: Path, values: dict[str, Any] | None = None) -> dict[tuple[str, str], Any]:
    """What Helm makes of it: manifests by (kind, name)."""
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(values or {}))
    texts = checks("chart", CHART, file)
    documents = [
        document
        for name, text in texts.items()
        if name.endswith(".yaml")
        for document in yaml.safe_load_all(text)
        if document is not None
    ]
    return {(document["kind"], document["metadata"]["name"]): document for document in documents}


def test_the_defaults_make_workers_gateways_and_what_they_need(checks: Checks, tmp_path: Path) -> None:
    assert set(rendered(checks, tmp_path)) == {
        ("ConfigMap", "farm-streamgauge"),
        ("Deployment", "farm-streamgauge-console"),
        ("Deployment", "farm-streamgauge-gateways"),
        ("PodDisruptionBudget", "farm-streamgauge-gateways"),
        ("PodDisruptionBudget", "farm-streamgauge-workers"),
        ("Service", "farm-streamgauge-console"),
        ("Service", "farm-streamgauge-gateway-metrics"),
        ("Service", "farm-streamgauge-http"),
        ("Service", "farm-streamgauge-mqtt"),
        ("Service", "farm-streamgauge-workers"),
        ("ServiceAccount", "farm-streamgauge"),
        ("StatefulSet", "farm-streamgauge-workers"),
    }


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_every_selector_and_reference_finds_what_it_names(
    checks: Checks, tmp_path: Path, values: dict[str, Any]
) -> None:
    made = rendered(checks, tmp_path, values)
    pods = [made["StatefulSet", "farm-streamgauge-workers"]]
    pods += [made["Deployment", f"farm-streamgauge-{name}"] for name in ("gateways", "console")]
    labels = [pod["spec"]["template"]["metadata"]["labels"] for pod in pods]

    for (kind, name), manifest in made.items():
        selector = manifest["spec"].get("selector", {}) if "spec" in manifest else {}
        wanted = selector.get("matchLabels", selector)
        if kind in {"Service", "PodDisruptionBudget", "StatefulSet", "Deployment"}:
            assert sum(wanted.items() <= given.items() for given in labels) == 1, name
    for pod in pods:
        spec = pod["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        volumes = {volume["name"] for volume in spec["volumes"]}
        volumes |= {claim["metadata"]["name"] for claim in pod["spec"].get("volumeClaimTemplates", ())}
        assert {mount["name"] for mount in container["volumeMounts"]} == volumes
        maps = [volume["configMap"]["name"] for volume in spec["volumes"] if "configMap" in volume]
        assert [name for name in maps if ("ConfigMap", name) not in made] == []
        ports = {port["name"] for port in container["ports"]}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            action = container[probe].get("httpGet") or container[probe]["tcpSocket"]
            assert action["port"] in ports
        assert spec["securityContext"]["runAsNonRoot"]
        assert not spec["enableServiceLinks"]


def test_a_worker_is_reached_under_the_name_that_it_tells_the_others(checks: Checks, tmp_path: Path) -> None:
    made = rendered(checks, tmp_path)
    workers = made["StatefulSet", "farm-streamgauge-workers"]["spec"]
    variables = {v["name"]: v.get("value") for v in workers["template"]["spec"]["containers"][0]["env"]}
    service = made["Service", workers["serviceName"]]["spec"]

    assert variables["STREAMGAUGE_PEERS__ADVERTISE"] == f"$(POD_NAME).{workers['serviceName']}.streamgauge.svc:8080"
    assert service["clusterIP"] == "None"
    assert service["publishNotReadyAddresses"] is True


@pytest.mark.parametrize(
    ("values", "api"),
    [
        ({}, "http://farm-streamgauge-http.streamgauge.svc:8080"),
        ({"tls": {"http": "http-tls"}}, "https://farm-streamgauge-http.streamgauge.svc:8080"),
        ({"config": {"console": {"api": "https://gauge.example"}}}, "https://gauge.example"),
    ],
)
def test_the_console_asks_the_service_of_the_api(
    checks: Checks, tmp_path: Path, values: dict[str, Any], api: str
) -> None:
    made = rendered(checks, tmp_path, values)
    config = yaml.safe_load(made["ConfigMap", "farm-streamgauge"]["data"]["streamgauge.yaml"])
    container = made["Deployment", "farm-streamgauge-console"]["spec"]["template"]["spec"]["containers"][0]
    (port,) = made["Service", "farm-streamgauge-http"]["spec"]["ports"]

    assert config["console"] == {"address": "0.0.0.0:8081", "api": api}
    assert container["args"][0] == "console"
    assert port["port"] == 8080


def test_without_a_console_none_is_made(checks: Checks, tmp_path: Path) -> None:
    made = rendered(checks, tmp_path, {"console": {"enabled": False}})
    config = yaml.safe_load(made["ConfigMap", "farm-streamgauge"]["data"]["streamgauge.yaml"])

    assert [name for _, name in made if name.endswith("console")] == []
    assert config["console"] == {"address": None}


def test_everything_that_can_be_asked_for_is_made(checks: Checks, tmp_path: Path) -> None:
    made = rendered(checks, tmp_path, EVERYTHING)
    config = yaml.safe_load(made["ConfigMap", "farm-streamgauge"]["data"]["streamgauge.yaml"])
    workers = made["StatefulSet", "farm-streamgauge-workers"]["spec"]
    worker = workers["template"]["spec"]["containers"][0]
    mounts = {mount["mountPath"] for mount in worker["volumeMounts"]}

    endpoints = made["ServiceMonitor", "farm-streamgauge"]["spec"]["endpoints"]
    assert {endpoint["port"]: endpoint.get("scheme") for endpoint in endpoints} == {"http": "https", "metrics": None}
    assert [endpoint.get("authorization") for endpoint in endpoints] == [
        None,
        {"credentials": {"name": "streamgauge", "key": "DASHBOARD_TOKEN"}},
    ]
    assert workers["replicas"] == 3
    assert workers["volumeClaimTemplates"][0]["spec"]["storageClassName"] == "fast"
    assert worker["readinessProbe"]["httpGet"]["scheme"] == "HTTPS"
    assert made["ConfigMap", "farm-streamgauge-rules"]["data"] == EVERYTHING["rules"]
    for section in (config["listener"]["tls"], config["http"]["tls"]):
        assert {str(Path(file).parent) for file in section.values()} <= mounts
    assert [str(Path(pattern).parent) for pattern in config["rules"]] == ["/etc/streamgauge/rules"]
    assert "externalTrafficPolicy" not in made["Service", "farm-streamgauge-mqtt"]["spec"]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"workers": {"replica": 2}}, "replica"),
        ({"workers": {"replicas": 0}}, "replicas"),
        ({"gateways": {"service": {"type": "Balancer"}}}, "type"),
        ({"config": {"data_dir": "/data"}}, "config"),
        ({"config": {"http": {"address": "0.0.0.0:1"}}}, "http"),
        ({"config": {"listener": {"metrics": "0.0.0.0:1"}}}, "listener"),
        ({"config": {"console": {"address": "0.0.0.0:1"}}}, "console"),
        ({"console": {"replicas": 2}}, "replicas"),
        ({"secret": ""}, "secret"),
        ({"imageTag": "1"}, "imageTag"),
    ],
)
def test_values_that_mean_nothing_are_refused_by_name(
    checks: Checks, tmp_path: Path, values: dict[str, Any], told: str
) -> None:
    with pytest.raises(AssertionError, match=told):
        rendered(checks, tmp_path, values)
