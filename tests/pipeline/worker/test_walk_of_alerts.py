"""Alerts walk through all their states, by YAML, API and command; ten accounts hear of nothing of each other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.alert_entries import plan
from tests.support.alert_walk import Walk

ACCOUNTS = [f"farm-{number}" for number in range(10)]
PLAN = f"""
routes:
  - {{matchers: [severity=critical], receiver: pager, repeat_interval: 1h, continue: true}}
  - matchers: ['rule=~"g/.*"']
    receiver: [{", ".join(f"of-{account}" for account in ACCOUNTS)}]
    group_by: [zone_name]
    group_wait: 30s
    group_interval: 5m
inhibitions:
  - {{source: [rule=g/ZoneDown], target: [rule=g/TooHot], equal: [zone_name]}}
silences:
  - matchers: [zone_name=oven]
    every: {{days: [mon], from: "10:30", to: "11:00", time_zone: UTC}}
    by: Ada
    why: it is cleaned
"""


@pytest.fixture
def walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Walk]:
    receivers = {f"of-{account}": account for account in ACCOUNTS}
    made = Walk(tmp_path, plan(PLAN, "pager", **receivers), ACCOUNTS, monkeypatch)
    yield made
    made.close()


def test_alerts_of_a_zone_are_grouped_escalated_acknowledged_until_a_time_repeated_and_resolved(walk: Walk) -> None:
    walk.event("a1", account="farm-1", severity="warning")
    walk.at(10, 0, 10)
    walk.event("a2", account="farm-1", severity="warning")
    walk.at(10, 0, 30)
    assert walk.told("of-farm-1") == ["a1.firing+a2.firing"]

    walk.at(10, 1)
    walk.event("a1", account="farm-1", severity="critical")
    assert walk.told("pager") == ["a1.firing"]
    walk.at(10, 5, 30)
    assert walk.told("of-farm-1")[1:] == ["a1.firing+a2.firing"]

    walk.command("farm-1", "alerts", "ack", "a1", "--by", "Ada", "--why", "on my way", "--until", "2h")
    shown = walk.ask("farm-1", "GET", "/v1/alerts/a1")
    assert shown["alert"]["muted"] == {"kind": "acknowledged", "silence": None, "until": "2026-11-23T12:05:30Z"}
    walk.at(12, 5, 29)
    assert walk.told("pager") == ["a1.firing"]
    walk.at(12, 5, 30)
    assert walk.told("pager") == ["a1.firing", "a1.firing"]

    walk.at(12, 20)
    walk.event("a1", "resolved", account="farm-1", severity="critical")
    walk.event("a2", "resolved", account="farm-1", severity="warning")
    walk.at(12, 30)
    assert walk.told("pager")[2:] == ["a1.resolved"]
    assert "+".join(walk.told("of-farm-1")[2:]).split("+") == ["a1.resolved", "a2.firing", "a2.resolved"]
    walk.command("farm-1", "alerts", "feedback", "a1", "--false", "--by", "Ada", "--comment", "an open door")
    walk.at(12, 31)
    found = walk.ask("farm-1", "GET", "/v1/alerts/a1")
    assert found["feedback"]["verdict"] == "false"
    assert [one["kind"] for one in found["transitions"]] == [
        *("firing", "updated", "acknowledged", "resolved", "feedback")
    ]


def test_a_silence_hides_until_its_end_and_a_maintenance_window_every_week(walk: Walk) -> None:
    silence = walk.command(
        "farm-2", "alerts", "silence", "zone_name=gh/1", "--by", "A", "--why", "pipes", "--to", "20m"
    )
    walk.event("s1", account="farm-2")
    walk.at(10, 19, 59)
    assert walk.told("of-farm-2") == []
    assert walk.ask("farm-2", "GET", "/v1/alerts")["alerts"][0]["muted"]["silence"] == silence
    walk.at(10, 20)
    assert walk.told("of-farm-2") == ["s1.firing"]

    for days in (0, 7):
        walk.at(10, 30, days=days)
        walk.event(f"m{days}", account="farm-2", zone="oven")
        walk.at(10, 59, 59, days=days)
        assert f"m{days}.firing" not in walk.told("of-farm-2")
        walk.at(11, 0, days=days)
        walk.at(11, 5, days=days)
        assert f"m{days}.firing" in "+".join(walk.told("of-farm-2")).split("+")


def test_a_silence_that_is_ended_by_the_api_tells_what_still_fires(walk: Walk) -> None:
    made = walk.ask("farm-3", "POST", "/v1/silences", matchers=["rule=g/TooHot"], by="A", why="pipes")
    walk.event("s1", account="farm-3")
    walk.at(10, 10)
    assert walk.told("of-farm-3") == []

    walk.ask("farm-3", "POST", f"/v1/silences/{made['id']}/end")
    walk.at(10, 11)

    assert walk.told("of-farm-3") == ["s1.firing"]
    assert [one["id"] for one in walk.command("farm-3", "alerts", "silences", "--ended", "--format", "json")["silences"]
            if not one["id"].startswith("config")] == [made["id"]]  # fmt: skip


def test_a_zone_that_is_down_inhibits_its_sensors_until_it_is_up(walk: Walk) -> None:
    walk.event("z", account="farm-4", rule="g/ZoneDown")
    walk.event("h", account="farm-4")
    walk.at(10, 0, 30)
    assert walk.told("of-farm-4") == ["z.firing"]

    walk.at(10, 10)
    walk.event("z", "resolved", account="farm-4", rule="g/ZoneDown")
    walk.at(10, 16)

    assert sorted("+".join(walk.told("of-farm-4")).split("+")) == ["h.firing", "z.firing", "z.resolved"]


def test_ten_accounts_hear_of_and_change_their_own_alerts_alone(walk: Walk) -> None:
    """The same zones, rules, sensors and times in each: an account is all that tells them apart."""
    for account in ACCOUNTS:
        for number in range(3):
            severity = "critical" if number == 0 else "warning"
            walk.event(f"{account}.{number}", account=account, zone=f"z{number}", severity=severity)
        walk.command(account, "alerts", "ack", f"{account}.0", "--by", account, "--why", "mine")
        walk.ask(account, "POST", "/v1/silences", matchers=["zone_name=z2"], by=account, why="pipes")
    walk.at(10, 0, 30)
    for account in ACCOUNTS:
        walk.event(f"{account}.1", "resolved", account=account, zone="z1", severity="warning")
    walk.at(10, 30)

    for account in ACCOUNTS:
        heard = [told.rpartition(".")[0] for told in "+".join(walk.told(f"of-{account}")).split("+")]
        assert set(heard) == {f"{account}.1"}
        seen = walk.ask(account, "GET", "/v1/alerts")["alerts"]
        assert {one["id"]: (one["muted"] or {}).get("kind") for one in seen} == {
            f"{account}.0": "acknowledged",
            f"{account}.1": None,
            f"{account}.2": "silenced",
        }
        listed = walk.command(account, "alerts", "silences", "--format", "json")["silences"]
        assert {one["by"] for one in listed} <= {account, "Ada"}
    assert sorted(walk.told("pager")) == [f"{account}.0.firing" for account in ACCOUNTS]
