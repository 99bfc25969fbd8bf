"""Feedback on alerts moves the bound of their rule and zone: within limits, and the same in every replay."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rule_feed import STREAM, TABLE, rules_of
from test_detector_kind import BODY, SENSORS, batch

from rules.alerts.transition import Status, Transition
from rules.engine import Engine
from rules.kinds.feedback import LEAST, MOST, NEWEST, STEP, Feedback, Mark
from rules.values.arrays import Float64s
from store.record import SeriesRegistry
from tests.support.examples import examples

RULES = rules_of(f"alert: A, {BODY}")
RULE, ZONE = "g/A", "zone-s"
LEARNT, STEPS = 210, 16


def steps_of(count: int, spikes: Sequence[tuple[int, int, float]] = ()) -> Float64s:
    """Noise, and spikes: step, sensor, height in units of its deviation. Shape (count, SENSORS)."""
    found = 20 + np.random.default_rng(7).normal(0, 0.1, (LEARNT + STEPS, SENSORS))[:count]
    for step, sensor, height in spikes:
        found[step, sensor] += 0.1 * height
    return found


@dataclass(slots=True)
class Worker:
    """An engine over rows and marks; each step of the rows has one offset more than it has sensors, for a mark."""

    state: bytes
    next_step: int
    engine: Engine
    registry: SeriesRegistry

    @classmethod
    def restored(cls, state: bytes, next_step: int) -> Worker:
        registry = SeriesRegistry()
        engine = Engine(RULES, registry)
        assert engine.restore(TABLE, state) == []
        return cls(state, next_step, engine, registry)

    def read(self, of: Float64s, marks: dict[int, Mark], upto: int) -> list[Transition]:
        """Go on until this step; a mark stands at the last offset of its step."""
        found, ends = [], sorted({*(step + 1 for step in marks if self.next_step <= step < upto), upto})
        for end in ends:
            found += self.engine.evaluate(batch(self.registry, self.next_step, of[self.next_step : end]))
            if end - 1 in marks:
                self.engine.mark(STREAM, end * SENSORS - 1, TABLE, marks[end - 1])
            self.engine.advance(STREAM, end * SENSORS - 1)
            self.next_step = end
        return found


@pytest.fixture(scope="module")
def learnt() -> bytes:
    registry = SeriesRegistry()
    engine = Engine(RULES, registry)
    assert engine.evaluate(batch(registry, 0, steps_of(LEARNT))) == []
    engine.advance(STREAM, LEARNT * SENSORS - 1)
    return engine.snapshot(TABLE)


def fired(state: bytes, of: Float64s, marks: dict[int, Mark]) -> list[Transition]:
    found = Worker.restored(state, LEARNT).read(of, marks, LEARNT + STEPS)
    return [one for one in found if one.status is Status.FIRING]


def false(count: int, *, is_false: bool = True, zone: str = ZONE) -> dict[int, Mark]:
    """So many alerts with feedback, each in a step of its own from the first one on."""
    return {LEARNT + step: Mark(RULE, zone, f"alert-{step}", is_false) for step in range(count)}


def test_false_raises_the_bound_of_its_zone_and_right_lowers_it(learnt: bytes) -> None:
    of = steps_of(LEARNT + STEPS, [(LEARNT + 12, 1, 40)])
    (usual,) = fired(learnt, of, {})

    bounds = [
        fired(learnt, of, marks)[0].bounds["max"] - usual.bounds["max"]
        for marks in (false(3), false(2, is_false=False), false(12), false(12, is_false=False), false(3, zone="other"))
    ]

    assert bounds == pytest.approx([3 * STEP, -2 * STEP, MOST * STEP, LEAST * STEP, 0])


def test_what_was_false_too_often_is_not_told_any_more(learnt: bytes) -> None:
    of = steps_of(LEARNT + STEPS, [(LEARNT + 12, 1, 18)])

    assert len(fired(learnt, of, {})) == 1
    assert fired(learnt, of, false(NEWEST)) == []


def test_an_alert_counts_once_with_what_was_said_last() -> None:
    feedback = Feedback()
    for alert, is_false in (("a", True), ("a", True), ("b", False), ("b", True), ("a", False)):
        feedback.take(Mark(RULE, ZONE, alert, is_false))

    again = Feedback()
    again.restore(feedback.snapshot())

    assert again.counts() == feedback.counts() == {ZONE: (1, 1)}
    slack = again.slack([ZONE, "other"])
    assert slack is not None
    assert slack.tolist() == [0, 0]


@examples(4)
@given(seed=st.integers(0, 2**32))
def test_kills_and_replays_move_the_bound_at_the_same_place(learnt: bytes, seed: int) -> None:
    """A worker that is killed goes on from an older state, and finds the same, some of it twice."""
    rng = random.Random(seed)
    spikes = [(rng.randrange(LEARNT, LEARNT + STEPS), rng.randrange(SENSORS), rng.uniform(5, 30)) for _ in range(8)]
    of, end = steps_of(LEARNT + STEPS, spikes), LEARNT + STEPS
    marks = {
        rng.randrange(LEARNT, end): Mark(RULE, ZONE, rng.choice("abc"), rng.random() < 0.7)
        for _ in range(rng.randrange(8))
    }
    expected = Worker.restored(learnt, LEARNT).read(of, marks, end)

    worker, saved, found = Worker.restored(learnt, LEARNT), (learnt, LEARNT), []
    while worker.next_step < end:
        found += worker.read(of, marks, min(end, worker.next_step + rng.choice((1, 4, 15))))
        if rng.random() < 0.5:
            saved = (worker.engine.snapshot(TABLE), worker.next_step)
        if rng.random() < 0.3:
            worker = Worker.restored(*saved)

    unique = {(one.id, one.status): one for one in found}
    assert sorted(unique) == sorted({(one.id, one.status) for one in expected})
    assert [unique[one.id, one.status].bounds for one in expected] == [one.bounds for one in expected]
