"""The engine decides as a plain state machine per signal does, however its input is cut, repeated and interrupted."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field
from math import inf
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st
from rule_feed import SECOND, STREAM, TABLE, Feed, rules_of

from rules.alerts.transition import Status, Transition
from rules.definition.level import Level
from rules.engine import Engine
from rules.kinds.rate_of_change import RateOfChange
from rules.rule import Rule, RuleSet
from store.record import MeasureType, RecordBatch, SeriesRegistry
from tests.support.examples import examples

Values: TypeAlias = dict[str, float | None]
Row: TypeAlias = tuple[str, int, int, Values]
"""Sensor, its time, the arrival, values."""
Told: TypeAlias = tuple[str, str, str, int, int, float, tuple[tuple[str, float], ...], str]

RULES = rules_of(
    "alert: Hot, measure: x, range: {min: -2, max: 2}, clear: {min: -1, max: 1}",
    "alert: HotFor, measure: x, range: {max: 2}, for: 3s",
    "alert: Some, measure: x, range: {max: 1}, clear: {max: 0}, for: 2s, where: {sensor: [a1, b1]}",
    "alert: Fast, measure: x, rate_of_change: {min: -2, max: 3, per: 1s}, for: 1s",
    "alert: Dry, measure: y, range: {min: 0}, for: 2s",
    "alert: Levels, measure: x, range: {warning: {max: 1, for: 2s}, critical: {max: 3}}",
    "alert: Samples, measure: x, range: {max: 1}, for: 3 samples, clear_for: 2 samples",
    "alert: Recovers, measure: x, range: {max: 2}, clear: {max: 1}, clear_for: 3s",
    "alert: Keeps, measure: y, range: {min: 0}, keep_firing_for: 4s, clear: {min: 1}",
    "alert: Flaps, measure: x, range: {max: 2}, flapping: {fires: 2, within: 6s}, clear_for: 1s",
)


@dataclass
class Newest:
    """What makes the samples of a signal late."""

    time: float = -inf
    sound: float = -inf
    ahead: float = -inf

    def takes(self, time: int, arrival: int) -> bool:
        """Whether a sample is not late, which then is the newest."""
        is_ahead = time > arrival + 10
        mark = max(self.sound, self.ahead) if is_ahead else self.sound
        is_wrong = mark > arrival + 10 and mark - arrival > 2 * max(time - arrival, 0)
        if time <= mark and not is_wrong:
            return False
        if is_ahead:
            self.ahead = time
            self.sound = -inf if self.sound > time else self.sound
        else:
            self.sound = time
        if self.ahead <= self.sound:  # then it is not ahead of every sound one
            self.ahead = -inf
        self.time = time
        return True


@dataclass
class LevelReference:
    """One signal and one level of a rule, written for reading. Times are seconds."""

    level: Level
    beyond: list[int] = field(default_factory=list)  # the successive samples beyond the bounds, while it does not fire
    clear: list[int] = field(default_factory=list)  # the successive samples inside clear, while it fires
    normal: list[int] = field(default_factory=list)  # the successive samples inside the bounds, while it fires
    fired: list[int] = field(default_factory=list)
    onset: int = 0
    bound: tuple[str, float] | None = None  # while it fires

    def restart(self) -> None:
        self.beyond, self.clear, self.normal, self.fired = [], [], [], []

    def sample(self, time: int, value: float) -> None:
        bounds, clear, level = self.level.limits.bounds, self.level.limits.clear, self.level
        side = "min" if value < bounds.min else "max" if value > bounds.max else None
        if self.bound is None:
            self.beyond = [*self.beyond, time] if side else []
            lasts = side and time - self.beyond[0] >= level.hold.ns / SECOND
            if side and lasts and len(self.beyond) >= level.hold.samples:
                self.bound, self.onset = (side, getattr(bounds, side)), self.beyond[0]
                self.clear, self.normal, self.beyond = [], [], []
                self.fired = [fired for fired in self.fired if self.is_recent(fired, time)] + [time]
            return
        self.clear = [*self.clear, time] if clear.min <= value <= clear.max else []
        self.normal = [] if side else [*self.normal, time]
        if not self.clear or len(self.clear) < level.clear_for.samples:
            return
        is_flapping = level.damping is not None and len(self.fired) >= level.damping.fires
        wanted = max(level.clear_for.ns, level.damping.within_ns if is_flapping else 0) / SECOND
        if time - self.clear[0] >= wanted and time - self.normal[0] >= level.keep_ns / SECOND:
            self.bound, self.clear, self.normal = None, [], []

    def is_recent(self, fired: int, time: int) -> bool:
        return self.level.damping is not None and fired > time - self.level.damping.within_ns / SECOND


@dataclass
class Reference:
    """One signal and one rule."""

    rule: Rule
    newest: Newest = field(default_factory=Newest)
    time: int | None = None
    value: float = 0.0
    onset: int | None = None

    def __post_init__(self) -> None:
        self.levels = [LevelReference(level) for level in self.rule.levels]

    def sample(self, time: int, value: float) -> tuple[str, int, float, tuple[str, float], str] | None:
        if self.time is not None and time <= self.time:
            self.time = None
            for level in self.levels:
                level.restart()
        before, self.time, self.value = (self.time, self.value), time, value
        computed = value
        if isinstance(self.rule.condition, RateOfChange):
            if before[0] is None or time - before[0] > 10:
                return None
            computed = (value - before[1]) * (1 / (time - before[0]))
        was = self.firing()
        for level in self.levels:
            level.sample(time, computed)
        now = self.firing()
        if was is now or (was and now and was[0] is now[0]):
            return None
        level, bound = now or was
        if was is None:
            self.onset = next(level.onset for level in self.levels if level.bound)
        return ("firing" if now else "resolved", self.onset, computed, bound, level.level.name)

    def firing(self) -> tuple[LevelReference, tuple[str, float]] | None:
        """The most severe level that fires, and its bound."""
        return next(((level, level.bound) for level in self.levels[::-1] if level.bound), None)


def expected(rows: list[Row]) -> list[Told]:
    signals: dict[tuple[str, int], Reference] = {}
    told: list[Told] = []
    for sensor, time, arrival, values in rows:
        for place, rule in enumerate(RULES.rules):
            value = values.get(rule.measure)
            signal = signals.setdefault((sensor, place), Reference(rule))
            if value is None or not signal.newest.takes(time, arrival):
                continue
            if sensor not in rule.where.get("sensor", {sensor}):
                continue
            change = signal.sample(time, value)
            if change is not None:
                status, onset, computed, bound, level = change
                told.append((sensor, rule.alert, status, onset, time, computed, (bound,), level))
    return told


def told(transitions: list[Transition]) -> list[Told]:
    return [
        (
            found.dimensions["sensor"],
            found.rule.removeprefix("g/"),
            str(found.status),
            found.since_ns // SECOND,
            found.time_ns // SECOND,
            found.value,
            tuple(found.bounds.items()),
            found.labels.get("severity", ""),
        )
        for found in transitions
    ]


def batch(registry: SeriesRegistry, rows: list[Row], offset: int) -> RecordBatch:
    index = registry.of(TABLE)
    series = [index.id_of(Feed.key(sensor)) for sensor, *_ in rows]
    measures = {name: pa.array([values.get(name) for *_, values in rows], pa.float64()) for name in ("x", "y")}
    return RecordBatch(
        index,
        STREAM,
        np.array(series, np.int32),
        np.array([time * SECOND for _, time, _, _ in rows], np.int64),
        np.ones(len(rows), np.int64),
        np.arange(offset, offset + len(rows), dtype=np.int64),
        np.array([arrival * SECOND for _, _, arrival, _ in rows], np.int64),
        measures,
        dict.fromkeys(measures, MeasureType.DOUBLE),
    )


values = st.none() | st.integers(-4, 4).map(float)


def dense(seed: int) -> list[Row]:
    """Many samples of few signals, mostly in order, some late or repeated; clocks of devices and host jump at times."""
    rng = random.Random(seed)
    clock = dict.fromkeys(("a1", "a2", "b1"), 200)
    arrival = 200
    steps = rng.choice([[0], [0, 0, 0, 0, 0, -100, 100, 20, -20, 40]])
    rows: list[Row] = []
    for _ in range(rng.randint(50, 150)):
        sensor = rng.choice(list(clock))
        clock[sensor] += rng.choice([0, 1, 1, 1, 2, 11, -2])
        arrival += rng.choice([0, 1, 1]) + rng.choice(steps) * rng.choice([0, 0, 0, 1])
        time = clock[sensor] + rng.choice(steps)
        rows.append((sensor, time, arrival, {name: rng.choice([None, *map(float, range(-4, 5))]) for name in "xy"}))
    return rows


sparse = st.lists(
    st.tuples(
        st.sampled_from(["a1", "a2", "b1"]), st.integers(0, 40), st.fixed_dictionaries({"x": values, "y": values})
    ),
    max_size=60,
).map(
    lambda rows: [(sensor, time // 2 + place // 2, place, values) for place, (sensor, time, values) in enumerate(rows)]
)
rows_strategy = sparse | st.integers(0, 2**32).map(dense)
cuts_strategy = st.lists(st.tuples(st.integers(1, 12), st.booleans(), st.integers(0, 8)), min_size=1)


@examples(90)
@example(rows=dense(558), cuts=[(1, False, 0)])  # a sample ahead with the time of the newest sound one
@given(rows=rows_strategy, cuts=cuts_strategy)
def test_the_engine_decides_as_the_reference_does(rows: list[Row], cuts: list[tuple[int, bool, int]]) -> None:
    """Batches of any size; between them the engine may be replaced by one restored elsewhere, and rows sent again."""
    registry = SeriesRegistry()
    engine = Engine(RULES, registry)
    found: list[Told] = []
    start = 0
    while start < len(rows):
        size, restart, again = cuts[start % len(cuts)]
        first = max(0, start - again)
        chunk = batch(registry, rows[first : start + size], first)
        found += told(engine.evaluate(chunk))
        start += size
        if restart:
            data = engine.snapshot(TABLE)
            registry = SeriesRegistry()
            registry.of(TABLE).id_of(Feed.key("b1"))  # ids differ from process to process
            engine = Engine(RuleSet(RULES.rules[::-1]) if size == 1 else RULES, registry)
            engine.restore(TABLE, data)

    assert sorted(found) == sorted(expected(rows))


@example(rows=dense(7704), cut=0, crash=21)  # an alert begins twice at the same time
@given(rows=rows_strategy.filter(bool), cut=st.integers(0, 150), crash=st.integers(0, 150))
def test_a_replay_repeats_transitions_under_the_same_ids(rows: list[Row], cut: int, crash: int) -> None:
    """After a crash behind the snapshot, the log is read again: what was told twice is the same, nothing is missing."""
    cut, crash = sorted((min(cut, len(rows)), min(crash, len(rows))))
    whole_registry = SeriesRegistry()
    whole = Engine(RULES, whole_registry).evaluate(batch(whole_registry, rows, 0))

    registry = SeriesRegistry()
    engine = Engine(RULES, registry)
    told_before = engine.evaluate(batch(registry, rows[:cut], 0)) if cut else []
    data = engine.snapshot(TABLE) if cut else None
    told_before += engine.evaluate(batch(registry, rows[cut:crash], cut)) if crash > cut else []
    registry = SeriesRegistry()
    engine = Engine(RULES, registry)
    if data is not None:
        engine.restore(TABLE, data)
    told_after = engine.evaluate(batch(registry, rows, 0))

    before, after, all_of = by_id(told_before), by_id(told_after), by_id(whole)
    assert before.keys() | after.keys() == all_of.keys()
    for key, each in all_of.items():
        assert before[key] == each[: len(before[key])]
        assert after[key] == each[len(each) - len(after[key]) :]
        assert len(before[key]) + len(after[key]) >= len(each)


def by_id(transitions: list[Transition]) -> defaultdict[tuple[str, Status], list[Transition]]:
    """In order. Usually one each; more where a device's clock is set back and an onset comes at the same time again."""
    found: defaultdict[tuple[str, Status], list[Transition]] = defaultdict(list)
    for transition in transitions:
        found[transition.id, transition.status].append(transition)
    return found
