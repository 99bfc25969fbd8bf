"""The section `brokers` as the gateway takes it, and as it is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.brokers.settings import BrokerSettings
from pipeline.config.load import load, load_config
from pipeline.config.show import show_config
from pipeline.log.settings import Tls

PASSWORD = "a/b@c:d"


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "streamgauge.yaml"
    file.write_text(text)
    return file


def test_an_entry_says_who_we_are_and_what_we_want(tmp_path: Path) -> None:
    text = """\
brokers:
  - url: mqtts://ingest:${SECRET}@broker.example
    topics: ["greenhouse/#", "meters/+/power"]
    account: farm-7
    group: gateways
    receive_maximum: 100
    keep_alive: 30s
    session_expiry: 1h
    client_id: mine
    tls: {ca: ca.pem, certificate: /etc/client.pem, key: keys/client.key}
"""
    (broker,) = load_config(written(tmp_path, text), {"SECRET": PASSWORD}).brokers

    assert broker.settings == BrokerSettings(
        host="broker.example",
        port=8883,
        topics=("greenhouse/#", "meters/+/power"),
        account="farm-7",
        username="ingest",
        password=PASSWORD,
        client_id="mine",
        group="gateways",
        receive_maximum=100,
        keep_alive_s=30,
        session_expiry_s=3_600,
        tls=Tls(tmp_path / "ca.pem", Path("/etc/client.pem"), tmp_path / "keys/client.key"),
    )
    assert broker.settings.filters == ("$share/gateways/greenhouse/#", "$share/gateways/meters/+/power")


def test_the_defaults_are_mqtt_5_alone_as_the_account_default(tmp_path: Path) -> None:
    (broker,) = load_config(written(tmp_path, "brokers: [{url: 'mqtt://b', topics: [a]}]")).brokers

    assert broker.settings == BrokerSettings("b", 1883, ("a",))
    assert broker.settings.window >= 5_000


@pytest.mark.parametrize(("written_as", "is_v5"), [("5", True), ("'5'", True), ("3.1.1", False)])
def test_a_version_is_a_number_or_a_text(tmp_path: Path, written_as: str, is_v5: bool) -> None:
    text = f"brokers: [{{url: 'mqtt://[::1]:2000', topics: [a], version: {written_as}}}]"
    (broker,) = load_config(written(tmp_path, text)).brokers

    assert (broker.settings.is_v5, broker.settings.name) == (is_v5, "[::1]:2000")


def test_a_password_is_shown_nowhere(tmp_path: Path) -> None:
    file = written(tmp_path, "brokers: [{url: 'mqtt://u:s3cret@broker.example', topics: [a]}]")
    loaded = load(file, {}, {})

    assert "s3cret" not in show_config(loaded) + repr(loaded.config) + repr(loaded.config.brokers[0].settings)
    assert "url: mqtt://broker.example" in show_config(loaded).replace("'", "")


def test_a_password_that_travels_in_the_clear_is_warned_of(tmp_path: Path) -> None:
    entries = "[{url: 'mqtt://u:p@b', topics: [a]}, {url: 'mqtts://u:p@b', topics: [a]}]"
    config = load_config(written(tmp_path, f"brokers: {entries}"))

    assert config.warnings == ("brokers[0]: b:1883 is spoken to without TLS: the password travels in the clear",)
