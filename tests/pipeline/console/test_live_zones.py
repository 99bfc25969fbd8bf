"""What `/v1/live` tells is kept: all of it at first, then what changes, and what is wrong until it is right again."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.base.errors import ServerUnreachable
from pipeline.console import following
from pipeline.console.live_zones import LiveZones
from tests.support.broker_intake import until
from tests.support.told_events import ToldEvents


def zones(**sensors: int) -> tuple[str, Any]:
    return "zones", {
        "zones": [{"table": "farm.air", "zone": zone, "sensors": count} for zone, count in sensors.items()]
    }


def totals(series: int) -> tuple[str, Any]:
    return "devices", {"series": series, "records_per_second": None, "devices": []}


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "AGAIN_S", 0)


async def test_what_changes_is_added_to_what_there_was() -> None:
    told = ToldEvents()
    async with LiveZones(told.api, None, "temperature") as live:
        told.tell(zones(north=1, south=2), totals(3))
        await live.heard()
        told.tell(zones(north=4), ("alerts", {"transitions": []}), totals(6))
        await until(lambda: live.series == 6)

        assert {place: zone["sensors"] for place, zone in live.zones.items()} == {
            ("farm.air", "north"): 4,
            ("farm.air", "south"): 2,
        }
        assert told.asked == ["devices=0&measure=temperature"]


async def test_alerts_may_have_changed_at_first_and_after_each_event_of_theirs() -> None:
    told = ToldEvents()
    async with LiveZones(told.api, None, None) as live:
        told.tell(zones(), totals(0))
        await live.heard()
        assert [live.alerts_changed(), live.alerts_changed()] == [True, False]
        told.tell(("alerts", {"transitions": []}), totals(1))
        await until(lambda: live.series == 1)

        assert [live.alerts_changed(), live.alerts_changed()] == [True, False]


@pytest.mark.parametrize(
    ("event", "trouble"),
    [(None, "has ended the events"), (("unavailable", {"detail": "worker-2 is silent"}), "worker-2 is silent")],
)
async def test_trouble_is_told_until_everything_was_heard_anew(event: tuple[str, Any] | None, trouble: str) -> None:
    told = ToldEvents()
    async with LiveZones(told.api, None, None) as live:
        told.tell(zones(gone=1), totals(1), event)
        await until(lambda: len(told.asked) == 2)
        with pytest.raises(ServerUnreachable, match=trouble):
            await live.heard()
        told.tell(zones(north=1), totals(2))
        await until(lambda: live.series == 2)
        await live.heard()

        assert list(live.zones) == [("farm.air", "north")]
