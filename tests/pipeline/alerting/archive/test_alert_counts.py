"""How many alerts fire, and how many of them nobody is told of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.alerting.routing.groups import MuteKind
from tests.support.alert_entries import entry, plan
from tests.support.alert_office import Office, S

PLAN = """
routes: [{matchers: [zone_name=slow], group_by: [zone_name], group_wait: 30s}]
inhibitions: [{source: [rule=g/ZoneDown], target: [rule=g/TooHot], equal: [zone_name]}]
silences:
  - {matchers: [rule=g/Frost], by: me, why: repair, to: 1970-01-01T00:01:40Z}
  - {matchers: [rule=g/Never], by: me, why: repair, from: 1970-01-01T00:01:40Z}
"""


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path / "alerts.sqlite", plan(PLAN, "a", "b"))
    yield made
    made.archive.close()


def muted(office: Office, at_s: int) -> dict[str, int]:
    return {kind.value: count for kind, count in office.archive.counts(office.plan, at_s * S).muted.items() if count}


def test_alerts_that_nobody_is_told_of_are_counted_once_by_their_reason(office: Office) -> None:
    office.append(0, entry("z", rule="g/ZoneDown"), entry("1"), entry("2"), entry("f", rule="g/Frost", zone="slow"))
    office.append(1, entry("w", rule="g/Wet"), entry("s", zone="slow"))
    ack = {"id": "w", "account": "default", "by": "Ada", "why": "mine", "at_ns": 2 * S, "until_ns": 50 * S}
    office.append(2, {"acked": ack})
    office.tick(2)

    counts = office.archive.counts(office.plan, 3 * S)
    assert (counts.firing, counts.waiting, counts.silences) == (6, 1, 1)
    assert counts.muted == {MuteKind.SILENCED: 1, MuteKind.INHIBITED: 2, MuteKind.ACKNOWLEDGED: 1}


def test_what_is_told_is_not_counted_any_more(office: Office) -> None:
    office.append(0, entry("z", rule="g/ZoneDown"), entry("1"), entry("f", rule="g/Frost"), entry("s", zone="slow"))
    assert muted(office, 1) == {"silenced": 1, "inhibited": 1}

    office.append(2, entry("z", "resolved", rule="g/ZoneDown"))
    office.tick(100)

    counts = office.archive.counts(office.plan, 100 * S)
    assert (counts.firing, counts.waiting, counts.silences) == (3, 0, 1)
    assert muted(office, 100) == {}
