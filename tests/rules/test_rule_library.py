"""The ready rule files, on what healthy sensors measure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pyarrow as pa
import pytest
from rule_feed import START, Feed

from rules import load_rules
from simulators.fleet import MEASURES, Fleet
from simulators.simulation import Simulation
from store.record import MeasureType, RecordBatch
from tests.support.examples import times

LIBRARY = sorted((Path(__file__).parents[2] / "rules" / "library").glob("*.yaml"))
MINUTE_MS = 60_000


@cache
def measured(interval: str, minutes: int) -> list[tuple[list[int], list[dict[str, float]]]]:
    """Sensors and readings of 6 healthy ones, with the noise and the resolution that cheap ones have."""
    simulation = Simulation(Fleet.model_validate({"sensors": 6, "interval": interval}), seed=1, start_ns=START * 10**9)
    found = []
    while simulation.next_due_ms < START * 1000 + minutes * MINUTE_MS:
        batch = simulation.next_batch()
        if batch.payloads:
            found.append((batch.sensors, [json.loads(payload) for payload in batch.payloads]))
    return found


def batches(feed: Feed, interval: str, minutes: int) -> Iterator[RecordBatch]:
    """So many minutes of them."""
    for sensors, rows in measured(interval, minutes):
        made = feed.batch(
            [(f"s{n}", int(row["ts"]) // 1000 - START, None) for n, row in zip(sensors, rows, strict=True)]
        )
        made.measures.clear()
        for measure in MEASURES:
            made.measures[measure] = pa.array([float(row[measure]) for row in rows])
            made.types[measure] = MeasureType.DOUBLE
        yield made


@pytest.mark.parametrize(("interval", "minutes"), [("1s", 15), ("5s", 60), ("1m", 60)])
@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_no_ready_rule_takes_noise_for_trouble(path: Path, interval: str, minutes: int) -> None:
    feed = Feed(load_rules([path]))

    alerts = [found.rule for batch in batches(feed, interval, times(minutes)) for found in feed.engine.evaluate(batch)]

    assert alerts == []
