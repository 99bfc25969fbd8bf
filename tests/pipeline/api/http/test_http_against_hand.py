"""Random rows asked by HTTP and by SQL, and the same computed by hand."""

import math
import random
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from store.values.times import rfc3339
from tests.support.examples import times
from tests.support.http_service import NOW_NS, NS, HttpService

BINS = {"1s": NS, "7s": 7 * NS, "5m": 300 * NS, "1h": 3600 * NS, None: None}
SPAN_S = 3 * 3600


@dataclass(frozen=True)
class Reading:
    zone: str
    time_ns: int
    values: dict[str, float]


Bins = dict[int, tuple[float, float, float, int]]


async def publish_randomly(service: HttpService, rng: random.Random) -> list[Reading]:
    """Readings of odd zones, out of order, some without a measure; a key that comes again has its last values."""
    kept: dict[tuple[str, str, int], Reading] = {}
    zones = [f"gh {n}/zone-ä%{n}" for n in range(4)]
    for _ in range(60):
        zone, sensor = rng.choice(zones), f"s{rng.randrange(3)}"
        bodies = []
        for _ in range(rng.randrange(1, 8)):
            time_ns = NOW_NS - rng.randrange(SPAN_S) * NS - rng.choice((0, 1, 999_999_999))
            values = {"temperature": round(rng.uniform(-20, 45), 2), "co2": float(rng.randrange(300, 2000))}
            if rng.random() < 0.3:
                del values[rng.choice(list(values))]
            bodies.append({"ts": time_ns, **values})
            kept[zone, sensor, time_ns] = Reading(zone, time_ns, values)
        await service.publish(f"greenhouse/eu/{zone}/{sensor}", *bodies)
    return list(kept.values())


def by_hand(readings: list[Reading], zone: str, measure: str, start: int, end: int, width: int | None) -> Bins:
    """Bin start (or `start`) → mean, least, greatest, count of the zone's values in [start, end)."""
    values = defaultdict(list)
    for reading in readings:
        if reading.zone == zone and start <= reading.time_ns < end and measure in reading.values:
            values[start if width is None else reading.time_ns // width * width].append(reading.values[measure])
    return {time: (math.fsum(v) / len(v), min(v), max(v), len(v)) for time, v in sorted(values.items())}


async def by_http(
    http: httpx.AsyncClient, zones: list[str], measures: list[str], start: int, end: int, width: str | None
) -> dict[tuple[str, str], Any]:
    parameters: list[tuple[str, str | int | float | bool | None]] = [("zone", zone) for zone in zones]
    parameters += [("measure", measure) for measure in measures]
    parameters += [("from", rfc3339(start)), ("to", rfc3339(end)), *([("bin", width)] if width else [])]
    answer = await http.get("/v1/averages", params=parameters)
    assert answer.status_code == 200, answer.text
    return {
        (found["zone"], found["measure"]): {
            row["time"]: (pytest.approx(row["average"], rel=1e-12), row["min"], row["max"], row["count"])
            for row in found["averages"]
        }
        for found in answer.json()["results"]
    }


async def by_sql(http: httpx.AsyncClient, zone: str, measure: str, start: int, end: int, width: str | None) -> Any:
    greenhouse, name = zone.split("/")
    time = "MIN(time)" if width is None else f"BIN(time, {width})"
    sql = (
        f"SELECT {time} AS t, AVG({measure}) AS a, MIN({measure}) AS l, MAX({measure}) AS g, COUNT({measure}) AS n "
        f"FROM \"farm\".\"climate\" WHERE greenhouse = '{greenhouse}' AND zone = '{name}' AND {measure} IS NOT NULL "
        f"AND time >= from_nanoseconds({start}) AND time < from_nanoseconds({end})"
        + ("" if width is None else f" GROUP BY BIN(time, {width}) ORDER BY t")
    )
    answer = await http.post("/v1/query", json={"sql": sql})
    assert answer.status_code == 200, answer.text
    return [
        (rfc3339(start) if width is None else time, (pytest.approx(average, rel=1e-12), least, most, count))
        for time, average, least, most, count in answer.json()["rows"]
        if count
    ]


@pytest.mark.parametrize("seed", range(2))
async def test_http_and_sql_are_equal_to_the_same_by_hand(
    service: HttpService, http: httpx.AsyncClient, seed: int
) -> None:
    rng = random.Random(seed)
    readings = await publish_randomly(service, rng)
    if seed % 2:
        service.store.flush()  # the same from the magnetic tier
    known = sorted({reading.zone for reading in readings})
    for _ in range(times(25)):
        zones = rng.sample(known, rng.randrange(1, len(known) + 1))
        measures = rng.choice((["temperature"], ["co2"], ["co2", "temperature"]))
        start, end = sorted(NOW_NS - rng.randrange(SPAN_S + 60) * NS + rng.choice((0, 1)) for _ in range(2))
        width = rng.choice(list(BINS))
        if start == end or (width == "1s" and end - start > 90_000 * NS):
            continue

        answered = await by_http(http, zones, measures, start, end, width)

        for zone in zones:
            for measure in measures:
                bins = by_hand(readings, zone, measure, start, end, BINS[width])
                expected = {rfc3339(time): row for time, row in bins.items()}
                assert expected == answered[zone, measure]
                assert list(expected.items()) == await by_sql(http, zone, measure, start, end, width)
