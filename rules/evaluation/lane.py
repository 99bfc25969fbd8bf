"""The rules of a table that are given the same samples: those without `lateness`, or with the same one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rules.alerts.raised import Event
from rules.evaluation.watch import Watch
from rules.kinds.judging import Inputs
from rules.saved.state import MarkState, SignalState
from rules.values.ahead import Marks
from rules.values.arrays import Indices, packed, unpacked
from rules.values.columns import MeasureReader
from rules.values.listening import ListeningClock
from rules.values.samples import Rows, Samples, Signals
from store.record import RecordBatch, SeriesIndex


class Found(NamedTuple):
    """An event of a rule with its place among the rules of the table, and its value; None if no value caused it."""

    place: int
    watch: Watch
    event: Event
    value: float | None


@dataclass(frozen=True, slots=True)
class Watched:
    """One measure that some of the rules need."""

    reader: MeasureReader
    signals: Signals
    watches: tuple[Watch, ...]


class Lane:
    """These rules, and the newest sample of each of their signals. late: always 0; they do not wait for samples."""

    late = 0

    def __init__(self, watches: Sequence[tuple[int, Watch]], index: SeriesIndex) -> None:
        self.watches = watches
        self.measures = {
            measure: Watched(
                MeasureReader(measure, index),
                Signals(),
                tuple(watch for _, watch in watches if measure in watch.rule.measures),
            )
            for measure in dict.fromkeys(measure for _, watch in watches for measure in watch.rule.measures)
        }

    def grow(self, size: int) -> None:
        """Make room for the series ids below `size`, all of which are in the index."""
        for watched in self.measures.values():
            watched.signals.grow(size)

    def evaluate(
        self, batch: RecordBatch, rows: Indices, series: Indices, clock: ListeningClock, *, repeats: bool
    ) -> Iterator[Found]:
        """The events by these rows, those of each subject in order. repeats: a series may occur more than once."""
        given = self.given(batch, rows, series)
        yield from self.hear(Inputs(batch, rows, series, clock, given, {}))
        yield from self.judge(batch, rows, series, clock, given, repeats=repeats)

    def given(self, batch: RecordBatch, rows: Indices, series: Indices) -> dict[str, Rows | None]:
        """By measure, the rows with a finite number; None: the batch has no such column. Others are counted."""
        for watched in self.measures.values():
            not_numbers = watched.reader.not_numbers(batch)
            if not_numbers is not None:
                for watch in watched.watches:
                    watch.leave_out(series[not_numbers[rows[0] :]])
        return {
            measure: _with_number(watched.reader, batch, rows, series) for measure, watched in self.measures.items()
        }

    def hear(self, inputs: Inputs) -> Iterator[Found]:
        """The events because readings come again."""
        for place, watch in self.watches:
            yield from (Found(place, watch, event, None) for event in watch.hear(inputs))

    def judge(
        self,
        batch: RecordBatch,
        rows: Indices,
        series: Indices,
        clock: ListeningClock,
        given: Mapping[str, Rows | None],
        *,
        repeats: bool,
    ) -> Iterator[Found]:
        """The events by the samples among these rows."""
        samples: dict[str, Samples | None] = {}
        for measure, watched in self.measures.items():
            of = given[measure]
            samples[measure] = None if of is None else watched.signals.take_in(of, repeats=repeats, again=batch.again)
        inputs = Inputs(batch, rows, series, clock, given, samples)
        for place, watch in self.watches:
            yield from (
                Found(place, watch, event, self._value(watch, event, batch)) for event in watch.evaluate(inputs)
            )

    def tick(self, clock: ListeningClock, waits_ns: int = 0) -> Iterator[Found]:
        """The events by time. waits_ns: how long samples may wait before they are judged."""
        for place, watch in self.watches:
            yield from (Found(place, watch, event, _value(event)) for event in watch.tick(clock, waits_ns))

    def _value(self, watch: Watch, event: Event, batch: RecordBatch) -> float | None:
        """The value of an event; that of a measure is exact."""
        value = _value(event)
        is_exact = value is None or not watch.rule.condition.is_measured
        return value if is_exact else self.measures[watch.rule.measure].reader.exact(batch, event.row)

    def signals_of(self, watch: Watch) -> Signals | None:
        """The signals that are the subjects of a rule; None if these are others."""
        watched = self.measures.get(watch.rule.measure)
        return None if watched is None or not watch.is_of_series else watched.signals

    def snapshot(self, size: int) -> dict[str, SignalState]:
        """The saved form of the first `size` series, by measure."""
        return {
            measure: SignalState(
                packed(watched.signals.time_ns[:size], np.int64),
                packed(watched.signals.value[:size], np.float64),
                _marks_of(watched.signals.marks),
            )
            for measure, watched in self.measures.items()
        }

    def restore(self, saved: Mapping[str, SignalState], ids: Indices) -> None:
        """Restore a saved form; `ids` are the series by their saved index."""
        for measure, watched in self.measures.items():
            signals = saved.get(measure)
            if signals is not None:
                watched.signals.time_ns[ids] = unpacked(signals.time_ns, np.int64)
                watched.signals.value[ids] = unpacked(signals.value, np.float64)
                _set_marks(watched.signals.marks, ids, signals.marks)


def _value(event: Event) -> float | None:
    return None if math.isnan(event.value) else event.value


def _with_number(reader: MeasureReader, batch: RecordBatch, rows: Indices, series: Indices) -> Rows | None:
    values = reader.read(batch)
    if values is None:
        return None
    first = rows[0]
    given = Rows(rows, series, batch.time_ns[first:], batch.arrival_ns[first:], values[first:])
    there = np.isfinite(given.value)
    return given if there.all() else given.of(there)


def _marks_of(marks: Marks) -> MarkState:
    series = marks.series()
    return MarkState(
        packed(series, np.uint32), packed(marks.ahead_ns[series], np.int64), packed(marks.sound_ns[series], np.int64)
    )


def _set_marks(marks: Marks, ids: Indices, state: MarkState) -> None:
    marks.set(
        ids[unpacked(state.series, np.uint32)], unpacked(state.ahead_ns, np.int64), unpacked(state.sound_ns, np.int64)
    )
