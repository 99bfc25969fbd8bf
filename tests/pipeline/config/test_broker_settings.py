"""The brokers of a streamgauge.yaml: read, refused, and shown without a secret."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config.load import load
from pipeline.config.model import Config
from pipeline.config.show import show_config

Loads = Callable[..., Config]
Refuses = Callable[..., list[str]]


def test_an_entry_has_defaults_for_all_but_url_and_topics(loads: Loads) -> None:
    (broker,) = loads("brokers: [{url: mqtt://broker.example, topics: [a/#]}]").brokers

    assert (broker.label, broker.url.is_secure) == ("broker.example:1883", False)
    assert (broker.version, broker.window, broker.filters, broker.account) == ("5", 10_000, ("a/#",), "default")
    assert broker.credentials == (None, None)


@pytest.mark.parametrize(
    ("written", "credentials"),
    [
        ("mqtts://ingest:${SECRET}@h", ("ingest", "p@s:s/w#")),
        ("mqtts://in%40gest:p%25@h:1", ("in@gest", "p%")),
        ("mqtts://ingest@[::1]:1", ("ingest", None)),
    ],
)
def test_credentials_may_stand_in_the_url(loads: Loads, written: str, credentials: tuple[str, str | None]) -> None:
    (broker,) = loads(f'brokers: [{{url: "{written}", topics: [a]}}]', {"SECRET": "p@s:s/w#"}).brokers

    assert broker.credentials == credentials
    assert broker.label in {"h:8883", "h:1", "[::1]:1"}


def test_a_group_makes_shared_subscriptions_and_3_1_1_assumes_a_small_window(loads: Loads) -> None:
    (broker,) = loads("brokers: [{url: mqtt://h, topics: [a, b/#], group: g, version: 3.1.1}]").brokers

    assert broker.filters == ("$share/g/a", "$share/g/b/#")
    assert broker.window == 20


def test_paths_of_tls_files_are_relative_to_the_file(loads: Loads, tmp_path: Path) -> None:
    tls = "{ca: ca.pem, certificate: keys/c.pem, key: /k.pem}"

    (broker,) = loads(f"brokers: [{{url: mqtts://h, topics: [a], tls: {tls}}}]").brokers

    assert broker.tls is not None
    assert broker.tls.ca == tmp_path / "ca.pem"
    assert (broker.tls.certificate, broker.tls.key) == (tmp_path / "keys/c.pem", Path("/k.pem"))


def test_no_secret_is_shown_anywhere(tmp_path: Path) -> None:
    file = tmp_path / "streamgauge.yaml"
    file.write_text(
        "brokers:\n"
        "- {url: 'mqtt://u:hush-1@h.example', topics: [a]}\n"
        "- {url: 'mqtt://h', topics: [a], username: u, password: hush-2}\n"
    )
    loaded = load(file, {}, {})

    shown = show_config(loaded) + repr(loaded) + " ".join(loaded.config.warnings)

    assert "hush" not in shown
    assert "mqtt://***@h.example:1883" in shown
    assert len(loaded.config.warnings) == 2


WRONG = {
    "mqtt://u:hush@h": "brokers: it is a list of brokers, each with its url and topics",
    "[mqtt://u:hush@h]": "brokers[0]: is not shown, as it is a secret; it is a mapping of its settings",
    "[{url: tcp://u:hush@h, topics: [a]}]": "brokers[0].url: it is not a broker's address; write mqtt://host:port",
    "[{url: 'mqtt://u:hush@h:70000', topics: [a]}]": "brokers[0].url: it is not a broker's address",
    "[{url: mqtt://h}]": "brokers[0].topics: is required",
    "[{url: mqtt://h, topics: []}]": "brokers[0].topics: is empty; it has at least one entry",
    "[{url: mqtt://h, topics: [a/#/b]}]": 'brokers[0].topics[0]: "a/#/b" is not a topic filter; + stands for one level',
    "[{url: mqtt://h, topics: [a, a]}]": 'brokers[0].topics[1]: "a" is listed before',
    "[{url: mqtt://h, topics: [$share/g/a]}]": 'brokers[0].topics[0]: "$share/g/a" is a shared subscription; write its',
    "[{url: mqtt://h, topics: [a], group: a/b}]": 'brokers[0].group: "a/b" is not the name of a group',
    "[{url: mqtt://h, topics: [a], version: 4}]": "brokers[0].version: is \"4\"; allowed: '5' or '3.1.1'",
    "[{url: mqtt://h, topics: [a], tls: {}}]": "brokers[0].tls: is for a url that begins with mqtts://",
    "[{url: mqtts://h, topics: [a], tls: {key: k}}]": "brokers[0].tls.certificate: is required: a certificate",
    "[{url: 'mqtt://u:hush@h', topics: [a], username: x}]": "brokers[0].username: is in the url too; write it once",
    "[{url: 'mqtt://u:hush@h', topics: [a], password: hush}]": "brokers[0].password: is in the url too",
    "[{url: mqtt://h, topics: [a], password: hush}]": "brokers[0].username: is required where there is a password",
    "[{url: mqtt://h, topics: [a], keep_alive: 1s}]": "brokers[0].keep_alive: is out of range; 5s to 65535s",
    "[{url: mqtt://h, topics: [a], session_expiry: 73000d}]": "brokers[0].session_expiry: is out of range; 1s to",
    "[{url: mqtt://h, topics: [a], client_id: x}, {url: 'mqtt://h:1883', topics: [b], client_id: x}]": (
        'brokers[1].client_id: "x" is a client of h:1883 before'
    ),
    "[{url: mqtt://h, topic: [a]}]": 'brokers[0].topic: "topic" is not a key known here; did you mean topics?',
}


@pytest.mark.parametrize("value", WRONG, ids=lambda value: value[:50])
def test_what_is_wrong_is_told_with_its_place_and_no_secret(refuses: Refuses, value: str) -> None:
    lines = refuses(f"brokers: {value}")

    assert any(line.startswith(f"streamgauge.yaml:1: {WRONG[value]}") for line in lines), lines
    assert "hush" not in " ".join(lines)
