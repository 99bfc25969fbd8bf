"""All rules of the kind `missing` over one table, and what they have heard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rules.alerts.alert import Alert
from rules.alerts.flood import Placed
from rules.alerts.reason import Reason
from rules.alerts.transition import Status, Transition
from rules.definition.selection import ZONE_NAME
from rules.kinds.missing import WHOLE, Missing
from rules.rule import Rule
from rules.silence.hearing import Hearing
from rules.silence.watch import Silence, SilenceWatch
from rules.values.arrays import Bools, Indices
from rules.values.columns import MeasureReader
from rules.values.listening import GONE_NS, ListeningClock
from store.record import RecordBatch, SeriesIndex, SeriesKey
from store.values.times import NS


@dataclass(frozen=True, slots=True)
class Ear:
    """A hearing, and how to find in a batch what it hears; None: every row."""

    hearing: Hearing
    reader: MeasureReader | None


class Silences:
    """The rules with their places among those of the table."""

    def __init__(self, rules: Sequence[Rule], index: SeriesIndex, clock: ListeningClock) -> None:
        found = [(place, rule, rule.condition) for place, rule in enumerate(rules)]
        silent = [(place, rule, of) for place, rule, of in found if isinstance(of, Missing)]
        learning = {rule.measure for _, rule, of in silent if of.after is None}
        self.ears = {
            measure: Ear(
                Hearing(learns=measure in learning), None if measure == WHOLE else MeasureReader(measure, index)
            )
            for measure in dict.fromkeys(rule.measure for _, rule, _ in silent)
        }
        self.watches = [
            (place, SilenceWatch(rule, of, index, self.ears[rule.measure].hearing, clock)) for place, rule, of in silent
        ]
        self._index = index

    def grow(self, size: int) -> None:
        """Make room for the series ids below `size`, all of which are in the index."""
        for ear in self.ears.values():
            ear.hearing.grow(size)
        for _, watch in self.watches:
            watch.grow(size)

    def hear(
        self, batch: RecordBatch, rows: Indices, series: Indices, clock: ListeningClock, *, repeats: bool
    ) -> list[Placed]:
        """What these rows of the batch end. Not heard is what arrived long ago: replayed dead letters."""
        if not self.watches:
            return []
        arrival_ns = batch.arrival_ns[rows[0] :]
        if batch.again:  # or messages that Kafka did not confirm the first time
            recent = arrival_ns > clock.complete_ns - GONE_NS
            rows, series, arrival_ns = rows[recent], series[recent], arrival_ns[recent]
        time_ns = clock.times_of(arrival_ns)
        found: list[Placed] = []
        for measure, ear in self.ears.items():
            heard = slice(None) if ear.reader is None else _with_value(ear.reader, batch)[rows]
            own = series[heard]
            for place, watch in self.watches:
                if watch.rule.measure == measure:
                    ended = watch.hear(rows[heard], own, arrival_ns[heard])
                    found += (Placed(silence.row, place, self._told(watch.rule, silence)) for silence in ended)
            ear.hearing.hear(own, time_ns[heard], arrival_ns[heard], repeats=repeats)
        return found

    def tick(self, clock: ListeningClock) -> list[Placed]:
        """What changes with this tick."""
        return [
            Placed(-1, place, self._told(watch.rule, silence))
            for place, watch in self.watches
            for silence in watch.tick(clock)
        ]

    def forget(self, series: Indices, time_ns: int) -> list[Placed]:
        """These series count no more until they are heard."""
        found = [
            Placed(-1, place, self._told(watch.rule, silence, Reason.FORGOTTEN))
            for place, watch in self.watches
            for silence in watch.forget(series, time_ns)
        ]
        for ear in self.ears.values():
            ear.hearing.forget(series)
        return found

    def firing(self) -> Iterator[tuple[str, SeriesKey, str | None]]:
        """All alerts: rule, key, zone."""
        for _, watch in self.watches:
            for key, _, _ in watch.firing():
                series = self._index.find(key)
                zone = dict(key.dimensions).get(ZONE_NAME) if series is None else self._index.zones[series]
                yield watch.rule.name, key, zone

    def counts(self) -> Iterator[tuple[Rule, int]]:
        """How many alerts of each rule fire."""
        return ((watch.rule, watch.counts()) for _, watch in self.watches)

    def _told(self, rule: Rule, silence: Silence, reason: Reason | None = None) -> Transition:
        if silence.is_final:
            reason = reason or Reason.SILENCE_FINAL
        value, bounds = max(0, silence.time_ns - silence.since_ns) / NS, {"max": silence.limit_ns / NS}
        sizes = {"silent": silence.silent, "sensors": silence.sensors}
        status = Status.RESOLVED if silence.is_over else Status.FIRING
        alert = Alert(rule, self._index.table, silence.subject, silence.zone, silence.since_ns, rule.labels)
        return alert.turn(status, silence.time_ns, value, bounds, facts=sizes, reason=reason)


def _with_value(reader: MeasureReader, batch: RecordBatch) -> Bools:
    """Which rows have a value of the measure, of any type."""
    found = np.zeros(len(batch), np.bool_)
    values, others = reader.read(batch), reader.not_numbers(batch)
    if values is not None:
        found |= ~np.isnan(values)
    if others is not None:
        found |= others
    return found
