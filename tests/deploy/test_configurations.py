"""The configurations in deploy/ load, with our own loader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy_files import DEPLOY, Checks

from pipeline.config import Config
from pipeline.config.load import load
from pipeline.config.model import Log, Magnetic

SECRETS = {"DEVICE_PASSWORD": "one", "DASHBOARD_TOKEN": "two", "PEER_TOKEN": "three"}
SINGLE = DEPLOY / "systemd" / "streamgauge.yaml"


def of_this_version(tree: dict[str, Any]) -> dict[str, Any]:
    """`tree` without the sections that `Config` does not have, and without a log and a magnetic tier it refuses."""
    kept = {name: value for name, value in tree.items() if name in Config.model_fields}
    for name, section in (("log", Log), ("magnetic", Magnetic)):
        try:
            section.model_validate(kept.get(name, {}))
        except ValueError:
            del kept[name]
    return kept


@pytest.mark.parametrize("source", ["systemd", "compose", "chart"])
def test_a_configuration_of_deploy_loads(checks: Checks, tmp_path: Path, source: str) -> None:
    if source == "chart":
        chart = checks("chart", DEPLOY / "helm" / "streamgauge")
        (text,) = [yaml.safe_load(text) for name, text in chart.items() if name.endswith("/configmap.yaml")]
        tree = yaml.safe_load(text["data"]["streamgauge.yaml"])
    else:
        path = SINGLE if source == "systemd" else DEPLOY / "compose" / "streamgauge.yaml"
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    file = tmp_path / "streamgauge.yaml"
    file.write_text(yaml.safe_dump(of_this_version(tree)))

    config = load(file, SECRETS, {}).config

    assert config.listener.users
    assert config.http.tokens


def test_scaled_out_configurations_have_what_several_machines_need() -> None:
    """The settings that several gateways and workers share."""
    tree = yaml.safe_load((DEPLOY / "compose" / "streamgauge.yaml").read_text(encoding="utf-8"))

    assert tree["log"] == {"url": "kafka://kafka:9092", "partitions": 4, "replication": 1}
    assert tree["brokers"] == [{"url": "mqtt://mosquitto:1883", "topics": ["#"], "group": "streamgauge"}]
    assert tree["peers"] == {"token": "${PEER_TOKEN}"}
    assert tree["magnetic"]["url"] == "/var/lib/magnetic"
