"""The section `log`: Kafka's settings as the log takes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.base.quantities import Address
from pipeline.config import Config
from pipeline.config.load import load
from pipeline.config.show import show_config
from pipeline.log.settings import LogSettings, Retention, Sasl, Tls
from pipeline.log.topics import ALERTS, DEAD_LETTERS, READINGS
from pipeline.operations.cli.up import child_command
from pipeline.operations.supervisor.supervisor import Addresses

Loads = Callable[..., Config]

EVERYTHING = """
log:
  url: kafka://a.example:9093,[::1]
  partitions: 8
  replication: 3
  retention: 2d
  prefix: farm.
  group: farm
  tls: {ca: ca.pem, certificate: /etc/we.pem, key: we-key.pem}
  sasl: {mechanism: SCRAM-SHA-512, username: we, password: "${PASSWORD}"}
"""


def test_a_bare_url_is_kafka_with_its_defaults(loads: Loads) -> None:
    settings = loads("log: kafka://broker.example").log_settings

    assert settings == LogSettings("kafka://broker.example")
    assert settings.servers == ["broker.example:9092"]
    assert (settings.partitions, settings.replication, settings.prefix) == (4, None, "streamgauge.")


def test_every_setting_of_kafka_reaches_the_log(loads: Loads, tmp_path: Path) -> None:
    settings = loads(EVERYTHING, {"PASSWORD": "hush"}).log_settings

    assert settings.servers == ["a.example:9093", "[::1]:9092"]
    assert (settings.partitions, settings.replication, settings.group) == (8, 3, "farm")
    assert settings.retention[READINGS] == Retention(2 * 86_400.0)
    assert settings.retention[ALERTS].time_s == 30 * 86_400
    assert settings.retention[DEAD_LETTERS].size_bytes == 256 << 20
    assert settings.kafka_topic(READINGS) == "farm.readings"
    assert settings.tls == Tls(tmp_path / "ca.pem", Path("/etc/we.pem"), tmp_path / "we-key.pem")
    assert settings.sasl == Sasl("we", "hush", "SCRAM-SHA-512")


def test_a_user_and_password_may_stand_in_the_url(loads: Loads) -> None:
    settings = loads("log: {url: 'kafka://we:p%40ss@h:1,i:2', sasl: {mechanism: SCRAM-SHA-256}}").log_settings

    assert settings.url == "kafka://h:1,i:2"
    assert settings.sasl == Sasl("we", "p@ss", "SCRAM-SHA-256")


@pytest.mark.parametrize(("url", "partitions"), [("kafka://h", 1), ("local", 4)])
def test_settings_of_the_other_log_that_are_defaults_are_no_error(loads: Loads, url: str, partitions: int) -> None:
    assert loads(f"log: {{url: '{url}', max_bytes: 8GiB, partitions: {partitions}}}").log.url == url


def test_the_password_shows_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "streamgauge.yaml"
    path.write_text("log: kafka://we:hush-hush@h")
    loaded = load(path, {}, {})

    texts = (repr(loaded.config), show_config(loaded), repr(loaded.config.log_settings))

    assert not [text for text in texts if "hush-hush" in text]
    assert "username: we" in texts[1]


def test_the_log_option_of_up_reaches_its_children() -> None:
    loaded = load(None, {}, {"--log": "kafka://we:p%40ss@h:1"})

    command = child_command("gateway", loaded, Addresses(Address("127.0.0.1", 1), Address("127.0.0.1", 2)))

    assert command[-2:] == ("--log", "kafka://we:p%40ss@h:1")
    assert "--log" not in child_command("worker", load(None, {}, {}), Addresses(Address("h", 1), Address("h", 2)))
