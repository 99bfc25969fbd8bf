"""The configurations in deploy/ load, with our own loader."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from deploy_files import DEPLOY, Checks

from pipeline.config.load import load

SECRETS = {"DEVICE_PASSWORD": "one", "DASHBOARD_TOKEN": "two", "PEER_TOKEN": "three-for-workers"}
SINGLE = DEPLOY / "systemd" / "streamgauge.yaml"
COMPOSE = DEPLOY / "compose" / "streamgauge.yaml"


@pytest.mark.parametrize("file", [SINGLE, COMPOSE], ids=["systemd", "compose"])
def test_a_configuration_of_deploy_loads(tmp_path: Path, file: Path) -> None:
    assert_loads(yaml.safe_load(file.read_text(encoding="utf-8")), tmp_path)


def test_the_configuration_that_the_chart_makes_loads(checks: Checks, tmp_path: Path) -> None:
    chart = checks("chart", DEPLOY / "helm" / "streamgauge")
    (text,) = [yaml.safe_load(text) for name, text in chart.items() if name.endswith("/configmap.yaml")]

    assert_loads(yaml.safe_load(text["data"]["streamgauge.yaml"]), tmp_path)


def assert_loads(tree: object, folder: Path) -> None:
    file = folder / "streamgauge.yaml"
    file.write_text(yaml.safe_dump(tree))
    config = load(file, SECRETS, {}).config

    assert config.listener.users
    assert config.http.tokens
    assert config.answered_hosts("pod-1") is None  # the names of services, pods and proxies are answered


def test_scaled_out_configurations_have_what_several_machines_need() -> None:
    """The settings that several gateways and workers share."""
    tree = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))

    assert tree["log"] == {"url": "kafka://kafka:9092", "partitions": 4, "replication": 1}
    assert tree["brokers"] == [{"url": "mqtt://mosquitto:1883", "topics": ["#"], "group": "streamgauge"}]
    assert tree["peers"] == {"token": "${PEER_TOKEN}"}
    assert tree["magnetic"]["url"] == "/var/lib/magnetic"
