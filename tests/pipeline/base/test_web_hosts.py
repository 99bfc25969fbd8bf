"""Hosts and origins that are answered without a token."""

from __future__ import annotations

import pytest

from pipeline.base.web_hosts import AnsweredHosts, host_of, origin_refusal
from pipeline.config import Config

OURS = AnsweredHosts.of(["gauge.example:8080", "Desk", "worker-1:8080"])


@pytest.mark.parametrize(
    "host",
    [
        None,
        "127.0.0.1:8080",
        "10.1.2.3",
        "[::1]:8080",
        "[fe80::1]",
        "localhost:8080",
        "LocalHost",
        "pages.localhost:1",
        "localhost.:80",
        "gauge.example",
        "GAUGE.example:443",
        "desk",
        "worker-1:8080",
        "upstream",
        "streamgauge:8080",
    ],
)
def test_addresses_names_without_a_dot_and_names_of_ours_are_answered(host: str | None) -> None:
    assert OURS.refusal(host) is None


@pytest.mark.parametrize(
    "host",
    [
        "rebound.example:8080",
        "",
        "127.0.0.1.rebound.example",
        "rebound-localhost.example",
        "localhost.rebound.example",
        "sub.gauge.example",
        "[rebound.example]:80",
        "127.0.0.1:80@rebound.example",
    ],
)
def test_any_other_name_is_refused_with_what_is_allowed(host: str) -> None:
    told = OURS.refusal(host)

    assert told is not None
    assert f"Host: {host} is not a name of this server" in told
    assert "IP addresses, localhost, desk, gauge.example, worker-1; further names are listed in http.hosts" in told


@pytest.mark.parametrize(
    ("method", "origin", "is_answered"),
    [
        ("GET", "https://other.example", True),
        ("POST", None, True),
        ("POST", "http://gauge.example:8080", True),
        ("POST", "https://pages.example", True),
        ("POST", "http://gauge.example:8081", False),
        ("POST", "https://other.example", False),
        ("POST", "HTTP://Gauge.example:8080", True),
        ("DELETE", "null", False),
        ("POST", "gauge.example:8080", False),
        ("POST", "http://[", False),
        ("POST", "http://a]b", False),
    ],
)
def test_pages_of_other_origins_change_nothing(method: str, origin: str | None, *, is_answered: bool) -> None:
    told = origin_refusal(method, origin, "gauge.example:8080", ["https://pages.example"])

    assert (told is None) == is_answered
    assert told is None or f"Origin: {origin} may not change anything" in told
    assert origin_refusal(method, origin, "gauge.example:8080", ["*"]) is None


def test_the_names_of_a_server_are_in_its_configuration() -> None:
    named = {
        "http": {"address": "localhost:8080", "hosts": ["gauge.example"]},
        "console": {"url": "https://console.example", "api": "http://api.example:8080"},
        "peers": {"advertise": "worker-1:8080"},
    }
    found = Config.model_validate(named).answered_hosts("desk")

    assert found is not None
    assert found.names >= {"desk", "gauge.example", "console.example", "api.example", "worker-1"}


def test_with_tokens_any_name_is_answered_unless_some_are_listed() -> None:
    tokens = {"tokens": [{"token": "secret"}]}

    assert Config.model_validate({"http": tokens}).answered_hosts("desk") is None
    assert Config.model_validate({"http": {**tokens, "hosts": ["gauge.example"]}}).answered_hosts("desk") is not None


def test_what_is_no_host_has_no_name() -> None:
    assert [host_of(text) for text in ("", "[", "[::1", ":80")] == ["", "", "", ""]
