"""All rules over one table: the unit of rule state, which is saved and restored as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rules.ahead import Marks
from rules.arrays import Indices
from rules.columns import MeasureReader
from rules.rule import RateOfChange, Rule, Side
from rules.rule_warnings import Work
from rules.samples import Rows, Samples, Signals
from rules.snapshot import (
    BlockState,
    MarkState,
    PackedKeys,
    PhaseState,
    RuleFacts,
    SignalState,
    encode_state,
    packed,
    unpacked,
)
from rules.transition import Status, Transition, alert_id, render_annotations
from rules.watch import Change, Phase, Watch
from store.record import RecordBatch, SeriesIndex


@dataclass(frozen=True, slots=True)
class Watched:
    """One measure of the table with the rules over it, each with its index among the table's rules."""

    reader: MeasureReader
    signals: Signals
    watches: tuple[tuple[int, Watch], ...]


class Block:
    """The rules of one table and their state.

    positions   per stream, the last offset up to which everything has been evaluated here
    """

    def __init__(self, rules: Sequence[Rule], index: SeriesIndex) -> None:
        self.index = index
        self.positions: dict[str, int] = {}
        self._keys = PackedKeys()
        self._size = 0  # the number of series that the arrays have room for
        self._newest: Indices = np.empty(0, np.intp)  # scratch: the last row of each series in a batch
        watches = [(place, Watch(rule, index)) for place, rule in enumerate(rules)]
        self._watched = tuple(
            Watched(
                MeasureReader(measure, index),
                Signals(),
                tuple((place, watch) for place, watch in watches if watch.rule.measure == measure),
            )
            for measure in dict.fromkeys(rule.measure for rule in rules)
        )

    def advance(self, partition: str, offset: int) -> None:
        """Everything up to and including `offset` has been evaluated."""
        self.positions[partition] = max(offset, self.positions.get(partition, -1))

    def evaluate(self, batch: RecordBatch, after: int) -> list[Transition]:
        """The transitions caused by rows with offsets beyond `after`, in log order.

        For one row they are in the order of the rules.
        """
        start = int(np.searchsorted(batch.offset, after, side="right"))
        if start == len(batch):
            return []
        rows = np.arange(start, len(batch))
        series = batch.series[start:].astype(np.intp)
        self._grow(len(self.index))
        self._newest[series] = rows
        repeats = bool((self._newest[series] != rows).any())
        found: list[tuple[int, int, Watched, Watch, Change]] = []
        for watched in self._watched:
            not_numbers = watched.reader.not_numbers(batch)
            if not_numbers is not None:
                for _, watch in watched.watches:
                    watch.leave_out(series[not_numbers[start:]])
            samples = self._samples(watched, batch, rows, series, repeats=repeats)
            if samples is None or not len(samples):
                continue
            for place, watch in watched.watches:
                found += ((change.row, place, watched, watch, change) for change in watch.evaluate(samples))
        found.sort(key=lambda item: item[:2])
        return [self._transition(batch, watched, watch, change) for _, _, watched, watch, change in found]

    def snapshot(self, positions: dict[str, int]) -> bytes:
        """The state in the form of `rules.snapshot`, valid for `positions`."""
        size = len(self.index)
        self._grow(size)
        signals, phases, facts = {}, {}, {}
        for watched in self._watched:
            newest = watched.signals
            signals[watched.reader.measure] = SignalState(
                packed(newest.time_ns[:size], np.int64),
                packed(newest.value[:size], np.float64),
                _marks_of(newest.marks),
            )
            for _, watch in watched.watches:
                active = watch.active()
                phases[watch.rule.definition] = PhaseState(
                    packed(active, np.uint32),
                    packed(watch.phase[active], np.int8),
                    packed(watch.side[active], np.int8),
                    packed(watch.onset_ns[active], np.int64),
                )
                if (watch.phase[active] == Phase.FIRING).any():
                    facts[watch.rule.definition] = _facts_of(watch.rule)
        return encode_state(positions, self._keys.first(self.index.keys, size), signals, phases, facts)

    def restore(self, state: BlockState) -> None:
        """Restore a saved state, into a block that has evaluated nothing."""
        ids = np.array([self.index.id_of(key) for key in state.series_keys()], np.intp)
        self.positions = dict(state.positions)
        self._grow(len(self.index))
        for watched in self._watched:
            signals = state.signals.get(watched.reader.measure)
            if signals is not None:
                watched.signals.time_ns[ids] = unpacked(signals.time_ns, np.int64)
                watched.signals.value[ids] = unpacked(signals.value, np.float64)
                _set_marks(watched.signals.marks, ids, signals.marks)
            for _, watch in watched.watches:
                phases = state.phases.get(watch.rule.definition)
                if phases is not None:
                    watch.set(
                        ids[unpacked(phases.series, np.uint32)],
                        unpacked(phases.phase, np.int8),
                        unpacked(phases.side, np.int8),
                        unpacked(phases.onset_ns, np.int64),
                    )

    def work(self, now_ns: int) -> Iterator[tuple[Rule, Work, int, int]]:
        """For each rule: what it has done, and how many of its signals are pending and firing."""
        for watched in self._watched:
            for _, watch in watched.watches:
                yield watch.rule, watch.work(watched.signals.time_ns, now_ns), *watch.counts()

    def active(self) -> Iterator[tuple[Watch, int, float]]:
        """All pending and firing signals: the watch, the series, and the signal's newest value."""
        for watched in self._watched:
            for _, watch in watched.watches:
                for series in watch.active().tolist():
                    yield watch, series, float(watched.signals.value[series])

    def _grow(self, size: int) -> None:
        """Make room in every array for the series ids below `size`."""
        if size == self._size:
            return
        self._size = size
        if size > len(self._newest):
            self._newest = np.empty(size + size // 4 + 16, np.intp)
        for watched in self._watched:
            watched.signals.grow(size)
            for _, watch in watched.watches:
                watch.grow(size)

    def _samples(
        self, watched: Watched, batch: RecordBatch, rows: Indices, series: Indices, *, repeats: bool
    ) -> Samples | None:
        """The samples of one measure in the batch; None if it has no such column, or no numbers in it."""
        values = watched.reader.read(batch)
        if values is None:
            return None
        first = rows[0]
        given = Rows(rows, series, batch.time_ns[first:], batch.arrival_ns[first:], values[first:])
        there = np.isfinite(given.value)
        if not there.all():
            given = given.of(there)
        return watched.signals.take_in(given, repeats=repeats, again=batch.again)

    def _transition(self, batch: RecordBatch, watched: Watched, watch: Watch, change: Change) -> Transition:
        rule, table = watch.rule, self.index.table
        key, zone = self.index.keys[change.series], self.index.zones[change.series]
        is_rate = isinstance(rule.condition, RateOfChange)
        value = change.value if is_rate else watched.reader.exact(batch, change.row)
        bounds = rule.condition.bounds
        dimensions = dict(key.dimensions)
        return Transition(
            id=alert_id(table, rule.name, key, rule.measure, change.onset_ns),
            status=Status.FIRING if change.phase is Phase.FIRING else Status.RESOLVED,
            table=table,
            zone=zone,
            rule=rule.name,
            since_ns=change.onset_ns,
            time_ns=change.time_ns,
            value=value,
            bounds={"min": bounds.min} if change.side is Side.MIN else {"max": bounds.max},
            measure=rule.measure,
            dimensions=dimensions,
            labels=rule.labels,
            annotations=render_annotations(rule, table, zone, dimensions, value),
        )


def _facts_of(rule: Rule) -> RuleFacts:
    bounds = rule.condition.bounds
    annotations = {name: str(template) for name, template in rule.annotations.items()}
    is_rate = isinstance(rule.condition, RateOfChange)
    return RuleFacts(rule.name, rule.measure, bounds.min, bounds.max, is_rate, dict(rule.labels), annotations)


def _marks_of(marks: Marks) -> MarkState:
    series = marks.series()
    return MarkState(
        packed(series, np.uint32), packed(marks.ahead_ns[series], np.int64), packed(marks.sound_ns[series], np.int64)
    )


def _set_marks(marks: Marks, ids: Indices, state: MarkState) -> None:
    marks.set(
        ids[unpacked(state.series, np.uint32)], unpacked(state.ahead_ns, np.int64), unpacked(state.sound_ns, np.int64)
    )
