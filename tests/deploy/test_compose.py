"""The compose file, loaded as Docker Compose loads it."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from deploy_files import DEPLOY, Checks

from pipeline.base.process import end_with_parent
from tests.support.waiting import wait_for

COMPOSE = DEPLOY / "compose"
SECRETS = {"DEVICE_PASSWORD": "one", "DASHBOARD_TOKEN": "two", "PEER_TOKEN": "three"}


@pytest.fixture(scope="module")
def project(checks: Checks) -> dict[str, Any]:
    found: dict[str, Any] = checks("compose", COMPOSE / "compose.yaml", **SECRETS)
    return found


def test_it_is_a_broker_kafka_two_gateways_two_workers_and_a_console(project: dict[str, Any]) -> None:
    services = project["services"]
    ours = {name: service for name, service in services.items() if service["image"] == "streamgauge"}

    assert set(services) - set(ours) == {"mosquitto", "kafka"}
    commands = [service["command"][0] for _, service in sorted(ours.items())]
    assert commands == ["console"] + ["gateway"] * 2 + ["worker"] * 2
    assert all(":" in services[name]["image"] for name in ("mosquitto", "kafka"))
    assert all(Path(service["build"]["context"]) == COMPOSE.parents[1] for service in ours.values())


def test_each_secret_is_needed_and_listed_in_the_example(checks: Checks) -> None:
    example = re.findall(r"^(\w+)=", (COMPOSE / "env.example").read_text(), re.MULTILINE)

    assert set(example) == set(SECRETS)
    for missing in SECRETS:
        with pytest.raises(AssertionError, match=f"{missing}.*write it into deploy/compose/.env"):
            checks("compose", COMPOSE / "compose.yaml", **{**SECRETS, missing: ""})


def test_no_two_services_have_the_same_port_and_none_is_open_to_others(project: dict[str, Any]) -> None:
    published = [port for service in project["services"].values() for port in service.get("ports") or ()]

    assert len({port["published"] for port in published}) == len(published) >= 5
    assert {port["host_ip"] for port in published} == {"127.0.0.1"}


def test_what_is_mounted_is_there_and_data_outlives_the_container(project: dict[str, Any]) -> None:
    kept = set()
    for name, service in project["services"].items():
        for volume in service["volumes"]:
            if volume["type"] == "bind":
                assert Path(volume["source"]).exists(), volume
            else:
                assert volume["source"] in project["volumes"]
                kept.add(name)

    assert kept == set(project["services"]) - {"console"}


def test_workers_share_the_history_and_nothing_else(project: dict[str, Any]) -> None:
    one, two = (
        {volume["source"] for volume in project["services"][name]["volumes"] if volume["type"] == "volume"}
        for name in ("worker-1", "worker-2")
    )

    assert one & two == {"magnetic"}


def test_each_worker_tells_the_others_its_own_name(project: dict[str, Any]) -> None:
    for name in ("worker-1", "worker-2"):
        assert project["services"][name]["environment"]["STREAMGAUGE_PEERS__ADVERTISE"] == f"{name}:8080"


def test_the_console_asks_either_worker_and_is_found_where_it_says(project: dict[str, Any]) -> None:
    config = yaml.safe_load((COMPOSE / "streamgauge.yaml").read_text(encoding="utf-8"))["console"]
    api, url = urlsplit(config["api"]), urlsplit(config["url"])
    (port,) = project["services"]["console"]["ports"]

    for name in ("worker-1", "worker-2"):
        assert api.hostname in project["services"][name]["networks"]["default"]["aliases"]
    assert (port["host_ip"], int(port["published"])) == (url.hostname, url.port)
    assert config["address"].endswith(f":{port['target']}")


@pytest.mark.processes
def test_mosquitto_starts_with_its_configuration_and_takes_messages(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    text = (COMPOSE / "mosquitto.conf").read_text(encoding="utf-8")
    assert "listener 1883\n" in text
    text = text.replace("listener 1883\n", f"listener {port} 127.0.0.1\n").replace("/mosquitto/data/", f"{tmp_path}/")
    (tmp_path / "mosquitto.conf").write_text(text + ("user root\n" if os.geteuid() == 0 else ""))
    mosquitto = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
    assert mosquitto is not None
    broker = subprocess.Popen(
        [mosquitto, "-c", tmp_path / "mosquitto.conf"],
        preexec_fn=end_with_parent,  # noqa: PLW1509  # there are no threads
    )
    publish = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(port), "-q", "1", "-t", "a/b", "-m", "1"]
    try:
        wait_for(lambda: subprocess.run(publish, check=False, capture_output=True).returncode == 0, "it takes one")
    finally:
        broker.terminate()
        broker.wait(60)
