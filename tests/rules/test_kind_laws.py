"""Laws of every kind: how the log is cut into batches, the ids of series, saving and restoring change nothing."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rule_feed import SECOND, START, STREAM, TABLE, Feed, rules_of

from rules.alerts.transition import Transition
from rules.engine import Engine
from rules.kinds import KINDS
from rules.rule import RuleSet
from store.record import MeasureType, RecordBatch, SeriesRegistry
from tests.support.examples import examples

BODIES = {
    "range": "measure: x, range: {warning: {max: 1, for: 3 samples}, critical: {max: 2, clear_for: 3s}}",
    "rate_of_change": "measure: x, rate_of_change: {max: 2, min: -2, per: 1s}",
    "rate_of_change over": "measure: x, rate_of_change: {max: 0.2, min: -0.2, per: 1s, over: 16s}",
    "rate_of_change end": "measure: x, rate_of_change: {max: 5, per: 1s, over: 9s, method: end_to_end, unit: percent}",
    "flatline": "measure: y, flatline: {after: 3s, epsilon: 1}",
    "flatline auto": "measure: y, flatline: {after: auto}",
    "expression": "expression: {of: 'x / y + max(x, 1)', max: 2}",
    "expression within": "expression: {of: 'x - y', max: 2, within: 4s}",
    "zone": "measure: x, zone: {of: average, over: 7s, max: 0.5}",
    "zone min": "measure: x, zone: {of: min, over: 30s, warning: {min: -1}, critical: {min: -2}}",
    "zone max": "measure: x, zone: {of: max, over: 5s, max: 1}, where: {sensor: [a1, a2, b1]}",
    "zone count": "measure: x, zone: {of: count, over: 10s, min: 2}",
    "zone share": "measure: x, zone: {of: share, beyond: {max: 1}, over: 10s, max: 0.4}",
    "peers": "measure: x, peers: {over: 10s, min: -1, max: 1, at_least: 3, noise: 0.5}",
    "count": "measure: x, count: {over: 20s, by: region, of: {min: 2}, max: 3}",
    "count all": "measure: y, count: {over: 5s, max: 6}",
}

Row = tuple[str, int, dict[str, float | None], int]
"""Sensor, seconds after START, values, seconds of its arrival after its time."""


def rows_of(seed: int) -> list[Row]:
    """Samples of some sensors in two zones, mostly in order; at times a clock is far ahead."""
    rng = random.Random(seed)
    clock = dict.fromkeys(("a1", "a2", "a3", "b1", "b2"), 0)
    rows: list[Row] = []
    for _ in range(rng.choice([60, 200])):
        sensor = rng.choice(["a1", *clock])
        clock[sensor] += rng.choice([0, 1, 1, 1, 2, 3, 20, -1])
        ahead = rng.choice([0] * 30 + [100])
        values = {name: rng.choice([None, *map(float, range(-3, 4))]) for name in "xy"}
        rows.append((sensor, clock[sensor] + ahead, values, -ahead))
    if seed % 2:  # at the end one hangs for a while
        rows += [("a1", clock["a1"] + 20 * n, {"x": 1.0, "y": float(n == 59)}, 0) for n in range(1, 60)]
    return rows


def batch_of(registry: SeriesRegistry, rows: Sequence[Row], offset: int) -> RecordBatch:
    index = registry.of(TABLE)
    time_ns = np.array([(START + time) * SECOND for _, time, *_ in rows], np.int64)
    lead_ns = np.array([lead * SECOND for *_, lead in rows], np.int64)
    return RecordBatch(
        index,
        STREAM,
        np.array([index.id_of(Feed.key(sensor), f"zone-{sensor[0]}") for sensor, *_ in rows], np.int32),
        time_ns,
        np.ones(len(rows), np.int64),
        np.arange(offset, offset + len(rows), dtype=np.int64),
        time_ns + lead_ns,
        {name: pa.array([values[name] for _, _, values, _ in rows], pa.float64()) for name in "xy"},
        dict.fromkeys("xy", MeasureType.DOUBLE),
    )


def whole(rules: RuleSet, rows: Sequence[Row]) -> list[Transition]:
    """What comes of the rows in one batch."""
    registry = SeriesRegistry()
    return Engine(rules, registry).evaluate(batch_of(registry, rows, 0))


def test_every_kind_is_under_these_laws() -> None:
    assert {body.split()[0] for body in BODIES} == set(KINDS) - {
        "missing",
        "composite",
        "detector",
    }  # which have their own


@pytest.mark.parametrize("kind", BODIES)
def test_these_rules_fire_and_resolve(kind: str) -> None:
    """Or the laws would say nothing of them."""
    rules = rules_of(f"alert: A, {BODIES[kind]}")

    lives = ({str(one.status) for one in whole(rules, rows_of(seed))} for seed in range(1, 20, 2))

    assert any({"firing", "resolved"} <= found for found in lives)


@pytest.mark.parametrize("kind", BODIES)
@examples(5)
@given(
    seed=st.integers(0, 2**32),
    cuts=st.lists(st.tuples(st.integers(1, 60), st.booleans(), st.integers(0, 8)), min_size=1, max_size=6),
)
def test_batches_restarts_and_repeats_change_nothing(kind: str, seed: int, cuts: list[tuple[int, bool, int]]) -> None:
    rules, rows = rules_of(f"alert: A, {BODIES[kind]}"), rows_of(seed)
    registry = SeriesRegistry()
    engine = Engine(rules, registry)
    found: list[Transition] = []
    start = 0
    while start < len(rows):
        size, restarts, again = cuts[start % len(cuts)]
        first = max(0, start - again)
        found += engine.evaluate(batch_of(registry, rows[first : start + size], first))
        start += size
        if restarts:
            engine.advance(STREAM, start - 1)
            data = engine.snapshot(TABLE)
            registry = SeriesRegistry()
            registry.of(TABLE).id_of(Feed.key("b2"), "zone-b")  # ids differ from process to process
            engine = Engine(rules, registry)
            assert engine.restore(TABLE, data) == []

    assert ordered(found) == ordered(whole(rules, rows))


def ordered(transitions: Sequence[Transition]) -> list[Transition]:
    """By what they are about; several at one row are in no order that matters."""
    return sorted(
        (replace(one, annotations={}) for one in transitions), key=lambda one: (one.time_ns, one.id, one.status)
    )
