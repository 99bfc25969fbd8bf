"""What the overview shows: the zones that were asked for with their last values, alerts, and the account's totals."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipeline.console.live_zones import LiveZones
from pipeline.console.measures import names_of
from pipeline.console.site import Site

MOST_ZONES = 60  # shown at once; the others are found by their name
MOST_ALERTS = 20
SILENT_S = 600.0
BIN_S = 30
FIRING = (("status", "firing"), ("limit", "1000"))
FIRING_FRESH_S = 15.0  # unless they change, of which `/v1/live` tells

Place = tuple[str, str]  # table and name of a zone


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the overview is shown."""

    measure: str | None
    text: str  # in the names of zones


async def overview_of(site: Site, token: str | None, wanted: Wanted, live: LiveZones) -> dict[str, Any]:
    """Everything that the templates of the overview show."""
    if live.alerts_changed():
        site.shared.forget(token, "/v1/alerts", FIRING)
    measured, firing, totals = await asyncio.gather(
        site.shared.get(token, "/v1/measures", fresh_s=10),
        site.shared.get(token, "/v1/alerts", FIRING, fresh_s=FIRING_FRESH_S),
        _totals(site, token, live),
    )
    measures = names_of(measured["measures"])
    measure = live.measure or next(iter(measures), None)
    alerts_of = _by_zone(firing["alerts"])
    found = [place for place in live.zones if wanted.text.lower() in place[1].lower()]
    found.sort(key=lambda place: (place not in alerts_of, place[1], place[0]))
    shown = found[:MOST_ZONES]
    lines = await _lines(site, token, shown, measure, measured["measures"])
    return {
        "zones": [_zone(live.zones[place], measure, lines.get(place, []), alerts_of.get(place, 0)) for place in shown],
        "found": len(found),
        "all_zones": len(live.zones),
        "measures": measures,
        "measure": measure,
        "unit_name": measures.get(measure or ""),
        "text": wanted.text,
        "firing": firing["alerts"][:MOST_ALERTS],
        "all_firing": len(firing["alerts"]),
        "more_firing": firing["next"] is not None,
        "totals": totals,
    }


async def _totals(site: Site, token: str | None, live: LiveZones) -> dict[str, float | None]:
    """Of the account, besides the lag, which is the stream's."""
    ready, devices = await asyncio.gather(
        site.shared.get(token, "/readyz", fresh_s=2),
        site.shared.get(token, "/v1/devices", (("limit", "1"),), fresh_s=5),
    )
    return {
        "rate": live.records_per_second,
        "lag_s": ready["lag_seconds"],
        "rejected": devices["rejected_in_all"],
        "series": live.series,
    }


async def _lines(
    site: Site, token: str | None, zones: Sequence[Place], measure: str | None, measures: Sequence[Mapping[str, Any]]
) -> dict[Place, list[float | None]]:
    """The averages of the last minutes of zones of tables that have the measure, without the bin that still changes."""
    having = {entry["table"] for entry in measures if entry["measure"] == measure}
    by_table: dict[str, list[str]] = {}
    for table, name in zones:
        if table in having:
            by_table.setdefault(table, []).append(name)
    answers = await asyncio.gather(
        *(
            site.shared.get(
                token,
                "/v1/averages",
                (
                    *(("zone", name) for name in names),
                    *(("measure", str(measure)), ("table", table), ("from", "15m"), ("bin", f"{BIN_S}s")),
                ),
                fresh_s=BIN_S / 2,
            )
            for table, names in by_table.items()
        )
    )
    return {
        (table, result["zone"]): [bin_["average"] for bin_ in result["averages"][:-1]]
        for table, answer in zip(by_table, answers, strict=True)
        for result in answer["results"]
    }


def _by_zone(alerts: Sequence[Mapping[str, Any]]) -> dict[Place, int]:
    counts: dict[Place, int] = {}
    for alert in alerts:
        place = alert["table"], alert["zone"]
        counts[place] = counts.get(place, 0) + 1
    return counts


def _zone(zone: Mapping[str, Any], measure: str | None, line: Sequence[float | None], alerts: int) -> dict[str, Any]:
    """A zone as its card shows it."""
    silent_s = (datetime.now(UTC) - datetime.fromisoformat(zone["last_time"])).total_seconds()
    return {
        "key": f"{zlib.crc32(repr((zone['table'], zone['zone'])).encode()):08x}",
        "name": zone["zone"],
        "table": zone["table"],
        "sensors": zone["sensors"],
        "last_time": zone["last_time"],
        "value": zone["measures"].get(measure or "", {}).get("average"),
        "line": line,
        "alerts": alerts,
        "is_silent": silent_s > SILENT_S,
    }
