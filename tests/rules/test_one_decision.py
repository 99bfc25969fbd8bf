"""One input, one decision: the stream, `rules test` and `rules backtest` find the same alerts, with the same ids.

Random rules of every kind (`random_rules`) over random series with outages. The stream is cut into batches, killed and
restarted from older states, reloaded with other rules in between, and some of its messages come twice.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_rules import TABLE_NAME, parsed, random_rules
from rule_feed import SECOND, START, STREAM, TABLE, Feed

from rules.alerts.transition import Transition
from rules.engine import Engine
from rules.kinds import KINDS
from rules.replaying.backtest import Backtest, Layout
from rules.rule import RuleSet
from rules.unit_tests.document import Series, UnitTest
from rules.unit_tests.run import transitions_of
from rules.values.listening import Listened, ListeningClock
from store.record import MeasureType, RecordBatch, SeriesRegistry
from tests.support.examples import examples

SENSORS = ("a1", "a2", "a3", "a4", "a5", "b1", "b2", "b3")
MEASURES = ("x", "y")
DECIDING = [kind for kind in KINDS if kind != "detector"]  # which needs more samples: it has a test of its own
MORE = parsed([{"alert": "More", "measure": "x", "range": {"max": 1000}}])
Values = dict[str, Sequence[float]]
"""By measure, a value at each second; NaN: none."""


def series_of(rng: random.Random) -> dict[str, Values]:
    """The values of each sensor: some send seldom, some fall silent, alone or with their zone, some are stuck."""
    seconds = rng.choice((40, 90))
    is_out = {zone: rng.choice((0, 0, rng.randrange(seconds))) for zone in "ab"}
    found: dict[str, Values] = {}
    for sensor in SENSORS:
        every, stuck = rng.choice((1, 1, 1, 2, 5)), rng.random() < 0.2
        begins, out_s = rng.choice((0, 0, 3, 20)), rng.choice((0, 0, 10, 30))
        silent = rng.randrange(seconds)
        level = dict.fromkeys(MEASURES, 0.0)
        rows: dict[str, list[float]] = {name: [] for name in MEASURES}
        for second in range(seconds):
            sends = second >= begins and second % every == 0 and not silent <= second < silent + out_s
            sends &= not (is_out[sensor[0]] and is_out[sensor[0]] <= second < is_out[sensor[0]] + 15)
            for name in MEASURES:
                if not stuck:
                    level[name] = rng.choice((level[name], float(rng.randrange(-3, 4))))
                rows[name].append(level[name] if sends and rng.random() < 0.9 else math.nan)
        found[sensor] = rows
    return found


@dataclass(frozen=True, slots=True)
class Row:
    """A reading of a sensor, as it arrives."""

    sensor: str
    second: int
    values: dict[str, float]


Entry = Row | Listened | RuleSet
"""Of the log: a reading, a tick, other rules."""


def log_of(series: dict[str, Values], rules: RuleSet, rng: random.Random) -> list[Entry]:
    """The log of these series, second by second, with repeats and reloads."""
    entries: list[Entry] = []
    for second in range(seconds_of(series)):
        rows = [
            Row(sensor, second, values)
            for sensor, columns in series.items()
            if (values := {name: of[second] for name, of in columns.items() if not math.isnan(of[second])})
        ]
        for row in rows:
            entries += [row] * (2 if rng.random() < 0.1 else 1)
        upto_ns = (START + second) * SECOND
        entries.append(Listened("gateway", upto_ns - (SECOND if second else 0), upto_ns))
        if rng.random() < 0.05:
            entries += [RuleSet((*MORE.rules, *rules.rules)), rules]
    return entries


def seconds_of(series: dict[str, Values]) -> int:
    return max(len(values) for columns in series.values() for values in columns.values())


@dataclass(slots=True)
class Saved:
    """What a worker saved: the state of its table, if it has one, its clock, and where it continues."""

    next_offset: int
    rules: RuleSet
    clock: ListeningClock
    state: bytes | None


@dataclass(slots=True)
class Worker:
    """An engine that reads the log; what it finds is `found`, and again what it finds after it was killed."""

    rules: RuleSet
    log: Sequence[Entry]
    next_offset: int = 0
    found: list[Transition] = field(default_factory=list)
    registry: SeriesRegistry = field(init=False)
    ids: dict[str, int] = field(init=False)
    engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        self._begin(SENSORS)

    def _begin(self, order: Sequence[str]) -> None:
        self.registry = SeriesRegistry()
        index = self.registry.of(TABLE)
        self.ids = {sensor: index.id_of(Feed.key(sensor), f"zone-{sensor[0]}") for sensor in order}
        self.engine = Engine(self.rules, self.registry)

    def read(self, upto: int) -> None:
        """Go on until this offset: rows in one batch, up to the next word."""
        numbered = list(enumerate(self.log))[self.next_offset : upto]
        for is_row, group in groupby(numbered, lambda entry: isinstance(entry[1], Row)):
            entries = list(group)
            if is_row:
                self.found += self.engine.evaluate(self._batch(entries))
            for offset, word in () if is_row else entries:
                if isinstance(word, Listened):
                    self.found += self.engine.tick(STREAM, offset, word)
                elif isinstance(word, RuleSet):
                    self.rules = word
                    self.found += self.engine.replace(word, STREAM, offset)[0]
                self.engine.advance(STREAM, offset)
            self.engine.advance(STREAM, entries[-1][0])
        self.next_offset = upto

    def _batch(self, entries: Sequence[tuple[int, Entry]]) -> RecordBatch:
        rows = [row for _, row in entries if isinstance(row, Row)]
        time_ns = np.array([(START + row.second) * SECOND for row in rows], np.int64)
        return RecordBatch(
            self.registry.of(TABLE),
            STREAM,
            np.array([self.ids[row.sensor] for row in rows], np.int32),
            time_ns,
            np.ones(len(rows), np.int64),
            np.array([offset for offset, _ in entries], np.int64),
            time_ns,
            {name: pa.array([row.values.get(name) for row in rows], pa.float64()) for name in MEASURES},
            dict.fromkeys(MEASURES, MeasureType.DOUBLE),
        )

    def save(self) -> Saved:
        """What it saves now."""
        state = self.engine.snapshot(TABLE) if TABLE in self.engine.blocks() else None
        return Saved(self.next_offset, self.rules, self.engine.clock.copy(), state)

    def start(self, saved: Saved, order: Sequence[str]) -> None:
        """Be another process that continues from there."""
        self.next_offset, self.rules = saved.next_offset, saved.rules
        self._begin(order)
        self.engine.begin(saved.rules, saved.clock.copy())
        if saved.state is not None:
            assert self.engine.restore(TABLE, saved.state) == []


def live(rules: RuleSet, series: dict[str, Values], rng: random.Random) -> list[Transition]:
    """What the stream finds, whatever happens to it."""
    worker = Worker(rules, log_of(series, rules, rng))
    saved = worker.save()
    while worker.next_offset < len(worker.log):
        worker.read(min(len(worker.log), worker.next_offset + rng.choice((1, 3, 20, 200))))
        if rng.random() < 0.3:
            saved = worker.save()
        if rng.random() < 0.2:
            worker.start(saved, rng.sample(SENSORS, len(SENSORS)))
    return worker.found


def in_unit_test(rules: RuleSet, series: dict[str, Values]) -> list[Transition]:
    """What `rules test` finds."""
    each = [Series(Feed.key(sensor), f"zone-{sensor[0]}", columns) for sensor, columns in series.items()]
    return transitions_of(UnitTest("t", TABLE.account, TABLE_NAME, START * SECOND, SECOND, tuple(each), ()), rules)


def in_backtest(rules: RuleSet, series: dict[str, Values], rng: random.Random) -> Backtest:
    """What `rules backtest` finds in the same rows, piece by piece."""
    rows = [
        (second, sensor, *(columns[name][second] for name in MEASURES))
        for second in range(seconds_of(series))
        for sensor, columns in series.items()
        if not all(math.isnan(columns[name][second]) for name in MEASURES)
    ]
    test = Backtest(rules, TABLE, Layout("time", ("region", "sensor"), MEASURES, "zone", "name"))
    start = 0
    while start < len(rows):
        piece = rows[start : start + rng.choice((1, 50, 1000))]
        start += len(piece)
        second, sensor, *values = zip(*piece, strict=True)
        columns = {name: pa.array(of, from_pandas=True) for name, of in zip(MEASURES, values, strict=True)}
        times = pa.array([(START + each) * SECOND for each in second], pa.timestamp("ns"))
        names = {"region": [one[0] for one in sensor], "zone": [f"zone-{one[0]}" for one in sensor]}
        test.feed(pa.table({"time": times, "sensor": sensor, **names, "name": ["climate"] * len(piece), **columns}))
    test.end((START + seconds_of(series) - 1) * SECOND)
    return test


def ordered(transitions: Sequence[Transition]) -> list[Transition]:
    """Each once; several at one time are in no order that matters, but that an alert fires before it resolves."""
    first = {one.id: one for one in reversed(transitions)}
    assert [one for one in first.values() if str(one.status) != "firing"] == []
    once = {(one.time_ns, one.id, str(one.status), one.labels.get("severity", "")): one for one in transitions}
    for one in transitions:
        assert once[one.time_ns, one.id, str(one.status), one.labels.get("severity", "")] == one
    return [once[key] for key in sorted(once)]


@pytest.mark.parametrize("kind", DECIDING)
def test_some_of_these_rules_fire_and_resolve(kind: str) -> None:
    """Or the law would say nothing of them. A kind that is added is drawn by its keys."""
    found: set[str] = set()
    for seed in range(12):
        alerts = in_unit_test(random_rules(random.Random(seed), "range", kind), series_of(random.Random(seed)))
        found |= {str(one.status) for one in alerts if one.rule == "g/R1"}
        if found == {"firing", "resolved"}:
            return

    pytest.fail(f"in no world of twelve {kind} fires and resolves: {found}")


@pytest.mark.parametrize("kind", DECIDING)
@examples(8)
@given(seed=st.integers(0, 2**32))
def test_stream_unit_test_and_backtest_decide_the_same(kind: str, seed: int) -> None:
    rng = random.Random(seed)
    others = [of for of in DECIDING if of != "composite"]
    rules = random_rules(rng, rng.choice(others), kind, kind)
    series = series_of(rng)

    expected = ordered(in_unit_test(rules, series))

    check(rules, series, expected, rng)


def test_a_detector_decides_the_same_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A spike beside peers, and a sensor that falls silent; it learns for a shorter time, as each window costs much."""
    monkeypatch.setattr("rules.detectors.tail.LEARNING", 20)
    rng, seconds = random.Random(5), 64
    rules = parsed([{"alert": "Odd", "measure": "x", "detector": {"every": "1s"}}])
    values = {sensor: [rng.gauss(20, 0.1) for _ in range(seconds)] for sensor in SENSORS[:5]}
    values["a2"][45] = 26.0
    values["a4"][48:60] = [math.nan] * 12
    series: dict[str, Values] = {sensor: {"x": of, "y": of} for sensor, of in values.items()}

    expected = ordered(in_unit_test(rules, series))

    assert {one.dimensions["sensor"] for one in expected} == {"a2", "a4"}
    check(rules, series, expected, rng)


def check(rules: RuleSet, series: dict[str, Values], expected: list[Transition], rng: random.Random) -> None:
    """The stream and a backtest find these."""
    assert ordered(live(rules, series, rng)) == expected
    history = in_backtest(rules, series, rng)
    assert history.alerts.keys() == {one.id for one in expected}
    resolved = {one.id: one.time_ns for one in expected if str(one.status) == "resolved"}
    assert {key: one.resolved_ns for key, one in history.alerts.items() if one.resolved_ns} == resolved
