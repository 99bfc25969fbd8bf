"""All rules over one table: the unit of rule state, which is saved and restored as a whole."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import itemgetter

import msgspec
import numpy as np

from rules import no_data
from rules.ahead import Marks
from rules.arrays import Indices, packed, unpacked
from rules.columns import MeasureReader
from rules.compositions import compositions
from rules.errors import RuleSnapshotError
from rules.flood import Floods, Placed
from rules.judging import Arrays, Ids, Inputs
from rules.kinds.kind import Judging
from rules.listening import Listened, ListeningClock
from rules.no_data import absence_key
from rules.raised import Event, Turn
from rules.rule import Rule
from rules.rule_warnings import Work
from rules.samples import Rows, Samples, Signals
from rules.saved_state import BlockState, MarkState, RuleState, SavedJudge, SignalState, keys_of
from rules.silence_state import clock_of, restore_silences, saved_clock, saved_hearings, saved_rules
from rules.silences import Silences
from rules.snapshot import PackedKeys, encode_state, facts_of
from rules.transition import ZONE_NAME, Status, Transition, alert_id, render_annotations
from rules.watch import Watch
from store.record import RecordBatch, SeriesIndex, SeriesKey


@dataclass(frozen=True, slots=True)
class Watched:
    """One measure of the table that some of its rules need."""

    reader: MeasureReader
    signals: Signals
    watches: tuple[Watch, ...]


class Block:
    """The rules of one table and their state.

    positions   per stream, the last offset up to which everything has been evaluated here
    """

    def __init__(self, rules: Sequence[Rule], index: SeriesIndex, clock: ListeningClock) -> None:
        self.index = index
        self.positions: dict[str, int] = {}
        self.clock = clock.copy()
        self._keys = PackedKeys()
        self._size = 0  # the number of series that the arrays have room for
        self._rezoned = index.rezoned
        self._newest: Indices = np.empty(0, np.intp)  # scratch: the last row of each series in a batch
        self._watches = tuple(
            (place, Watch(rule, rule.condition, index))
            for place, rule in enumerate(rules)
            if isinstance(rule.condition, Judging)
        )
        self._compositions = compositions(self._watches)
        self.silences = Silences(rules, index, self.clock)
        self.floods = Floods(rules, index.table)
        self._measures = {
            measure: Watched(
                MeasureReader(measure, index),
                Signals(),
                tuple(watch for _, watch in self._watches if measure in watch.rule.measures),
            )
            for measure in dict.fromkeys(measure for rule in rules for measure in rule.measures)
        }

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
        inputs = self._inputs(batch, rows, series, repeats=repeats)
        found: list[Placed] = []
        for place, watch in self._watches:
            events = (*watch.hear(inputs, self.clock), *watch.evaluate(inputs))
            found += (self._placed(place, watch, event, batch) for event in events)
        found += self.silences.hear(batch, rows, series, self.clock, repeats=repeats)
        return self._told(found, lambda row: int(batch.arrival_ns[row]))

    def forget(self, dimensions: Mapping[str, str], time_ns: int) -> list[Transition]:
        """The transitions if series with these dimensions, among others, are not missed any more."""
        self._grow(len(self.index))
        wanted = dimensions.items()
        series = [number for number, key in enumerate(self.index.keys) if wanted <= dict(key.dimensions).items()]
        return self._told(self.silences.forget(np.array(series, np.intp), time_ns), lambda _: time_ns)

    def tick(self, tick: Listened) -> list[Transition]:
        """The transitions caused by time, in the order of the rules."""
        self._grow(len(self.index))
        self.clock.take(tick)
        now_ns = self.clock.complete_ns
        found = [self._placed(at, watch, event) for at, watch in self._watches for event in watch.tick(self.clock)]
        found += self.silences.tick(self.clock)
        return self._told(found, lambda _: now_ns, is_tick=True) + self.floods.tick(now_ns)

    def snapshot(self, positions: dict[str, int]) -> bytes:
        """The state in the form of `rules.saved_state`, valid for `positions`."""
        size = len(self.index)
        self._grow(size)
        signals = {
            measure: SignalState(
                packed(watched.signals.time_ns[:size], np.int64),
                packed(watched.signals.value[:size], np.float64),
                _marks_of(watched.signals.marks),
            )
            for measure, watched in self._measures.items()
        }
        rules = {watch.rule.definition: _state_of(watch) for _, watch in self._watches}
        rules.update(saved_rules(self.silences))
        for definition, flood in self.floods.snapshot().items():
            rules[definition] = msgspec.structs.replace(rules[definition], flood=flood)
        keys = self._keys.first(self.index.keys, size)
        hearings = saved_hearings(self.silences, size)
        return encode_state(positions, keys, signals, rules, hearings, saved_clock(self.clock))

    def restore(self, state: BlockState) -> None:
        """Restore a saved state, into a block that has evaluated nothing. Raises RuleSnapshotError."""
        ids = np.array([self.index.id_of(key) for key in state.series_keys()], np.intp)
        self._grow(len(self.index))
        for measure, watched in self._measures.items():
            signals = state.signals.get(measure)
            if signals is not None:
                watched.signals.time_ns[ids] = unpacked(signals.time_ns, np.int64)
                watched.signals.value[ids] = unpacked(signals.value, np.float64)
                _set_marks(watched.signals.marks, ids, signals.marks)
        for _, watch in self._watches:
            saved = state.rules.get(watch.rule.definition)
            if saved is not None:
                _restore(watch, saved, ids)
        if state.clock is not None:
            self.clock = clock_of(state.clock)
        self.floods.restore(state.rules)
        restore_silences(self.silences, state.hearings, state.rules, ids)
        for composition in self._compositions:
            if composition.watch.rule.definition not in state.rules:
                composition.resume((*self._firing(), *self.silences.firing()), self.clock)
        self.positions = dict(state.positions)

    def work(self, now_ns: int) -> Iterator[tuple[Rule, Work, int, int]]:
        """For each rule: what it has done, and how many of its subjects are pending and firing."""
        suppressed = self.floods.suppressed()
        for _, watch in self._watches:
            signals = self._signals_of(watch)
            work = watch.work(None if signals is None else signals.time_ns, now_ns)
            yield watch.rule, replace(work, suppressed=suppressed.get(watch.rule.name, 0)), *watch.counts()
        for rule, firing in self.silences.counts():
            yield rule, Work(suppressed=suppressed.get(rule.name, 0)), 0, firing

    def active(self) -> Iterator[tuple[Watch, int, int, float | None]]:
        """All pending and firing subjects: the watch, the subject, its onset, and the newest value of a signal."""
        for _, watch in self._watches:
            signals = self._signals_of(watch)
            onsets = {subject: watch.onset_ns(subject) for subject in watch.pending()}
            onsets |= {subject: raised.onset_ns for subject, raised in watch.raised.items()}
            for subject, onset_ns in sorted(onsets.items()):
                yield watch, subject, onset_ns, None if signals is None else float(signals.value[subject])

    def _firing(self) -> Iterator[tuple[str, SeriesKey, str | None]]:
        """All alerts of values and of absence: rule, key, zone."""
        for _, watch in self._watches:
            for subject in watch.firing():
                yield watch.rule.name, watch.subjects.keys[subject], watch.subjects.zones[subject]

    def _signals_of(self, watch: Watch) -> Signals | None:
        """The signals that are the subjects of a rule; None if these are others."""
        watched = self._measures.get(watch.rule.measure)
        return None if watched is None or not watch.is_of_series else watched.signals

    def _grow(self, size: int) -> None:
        """Make room in every array for the series ids below `size`."""
        if size == self._size and self.index.rezoned == self._rezoned:
            return
        self._rezoned = self.index.rezoned
        self._size = size
        if size > len(self._newest):
            self._newest = np.empty(size + size // 4 + 16, np.intp)
        for watched in self._measures.values():
            watched.signals.grow(size)
        for _, watch in self._watches:
            watch.grow(size)
        self.silences.grow(size)

    def _inputs(self, batch: RecordBatch, rows: Indices, series: Indices, *, repeats: bool) -> Inputs:
        """The rows and samples of each measure in the batch."""
        given: dict[str, Rows | None] = {}
        samples: dict[str, Samples | None] = {}
        for measure, watched in self._measures.items():
            not_numbers = watched.reader.not_numbers(batch)
            if not_numbers is not None:
                for watch in watched.watches:
                    watch.leave_out(series[not_numbers[rows[0] :]])
            found = given[measure] = _with_number(watched.reader, batch, rows, series)
            samples[measure] = (
                None if found is None else watched.signals.take_in(found, repeats=repeats, again=batch.again)
            )
        return Inputs(batch, rows, series, given, samples)

    def _told(self, found: list[Placed], at_ns: Callable[[int], int], *, is_tick: bool = False) -> list[Transition]:
        """What is told of `found`, and of the rules that are composed of these; `at_ns` is when a row arrived."""
        found.sort(key=itemgetter(0, 1))
        for composition in self._compositions:
            events = composition.follow(found, at_ns, self.clock, is_tick=is_tick)
            if events:
                found += [self._placed(composition.place, composition.watch, event) for event in events]
                found.sort(key=itemgetter(0, 1))
        return self.floods.told(found, at_ns)

    def _placed(self, place: int, watch: Watch, event: Event, batch: RecordBatch | None = None) -> Placed:
        return Placed(event.row, place, self._transition(watch, event, batch), event.turn is Turn.FIRED)

    def _value(self, watch: Watch, event: Event, batch: RecordBatch | None) -> float | None:
        """The value of an event; None if no value caused it. That of a measure is exact."""
        if math.isnan(event.value):
            return None
        if batch is None or not watch.rule.condition.is_measured:
            return event.value
        return self._measures[watch.rule.measure].reader.exact(batch, event.row)

    def _transition(self, watch: Watch, event: Event, batch: RecordBatch | None = None) -> Transition:
        """What is told of an event; without a batch, a tick caused it."""
        rule, table, subjects = watch.rule, self.index.table, watch.subjects
        key, zone = subjects.keys[event.subject], subjects.zones[event.subject]
        value = self._value(watch, event, batch)
        dimensions, labels = dict(key.dimensions), rule.labels_at(event.level)
        about = key if event.bound is not None else absence_key(key)
        return Transition(
            id=alert_id(table, rule.name, about, rule.measure, event.onset_ns),
            status=Status.RESOLVED if event.turn is Turn.OVER else Status.FIRING,
            table=table,
            zone=zone,
            rule=rule.name,
            since_ns=event.onset_ns,
            time_ns=event.time_ns,
            value=value,
            bounds={} if event.bound is None else dict((event.bound,)),
            measure=rule.measure,
            dimensions=dimensions,
            labels=labels,
            annotations=render_annotations(rule, labels, table, zone, dimensions, value),
            reason=event.reason,
        )


def _with_number(reader: MeasureReader, batch: RecordBatch, rows: Indices, series: Indices) -> Rows | None:
    """The rows with a finite number of a measure; None if the batch has no such column, or no numbers in it."""
    values = reader.read(batch)
    if values is None:
        return None
    first = rows[0]
    given = Rows(rows, series, batch.time_ns[first:], batch.arrival_ns[first:], values[first:])
    there = np.isfinite(given.value)
    return given if there.all() else given.of(there)


def _state_of(watch: Watch) -> RuleState:
    judge, arrays = watch.judge, watch.judge.snapshot()
    return RuleState(
        facts_of(watch.rule),
        None if watch.is_of_series else [(key.measure_name, key.dimensions) for key in watch.subjects.keys],
        [level.snapshot() for level in watch.levels],
        watch.raised.snapshot(),
        SavedJudge(judge.version, dict(arrays)) if arrays else None,
        None if watch.readings is None else SavedJudge(no_data.VERSION, dict(watch.readings.snapshot())),
    )


def _restore(watch: Watch, saved: RuleState, ids: Indices) -> None:
    """Restore a rule; `ids` are the series by their saved index."""
    if saved.subjects is not None:
        subjects = watch.subjects
        ids_of = [subjects.id_of(key, dict(key.dimensions).get(ZONE_NAME)) for key in keys_of(saved.subjects)]
        subject_ids = np.array(ids_of, np.intp)
    else:
        subject_ids = ids
    if saved.judge is not None:
        _restore_part(watch, saved.judge, watch.judge.version, partial(watch.judge.restore, ids=Ids(ids, subject_ids)))
    for level, state in zip(watch.levels, saved.levels, strict=True):
        level.grow(len(watch.subjects))
        level.restore(state, subject_ids)
    watch.raised.restore(saved.alerts, subject_ids)
    if watch.readings is not None and saved.no_data is not None:
        watch.readings.grow(len(watch.subjects))
        _restore_part(watch, saved.no_data, no_data.VERSION, partial(watch.readings.restore, ids=subject_ids))


def _restore_part(watch: Watch, saved: SavedJudge, version: int, restore: Callable[[Arrays], None]) -> None:
    if saved.version != version:
        told = f"version {saved.version} of its kind; this program reads {version}"
        raise RuleSnapshotError(f"the state of rule {watch.rule.name} is of {told}")
    try:
        restore(saved.arrays)
    except (KeyError, IndexError, ValueError) as error:
        raise RuleSnapshotError(f"the state of rule {watch.rule.name} is not of its kind: {error!r}") from error


def _marks_of(marks: Marks) -> MarkState:
    series = marks.series()
    return MarkState(
        packed(series, np.uint32), packed(marks.ahead_ns[series], np.int64), packed(marks.sound_ns[series], np.int64)
    )


def _set_marks(marks: Marks, ids: Indices, state: MarkState) -> None:
    marks.set(
        ids[unpacked(state.series, np.uint32)], unpacked(state.ahead_ns, np.int64), unpacked(state.sound_ns, np.int64)
    )
