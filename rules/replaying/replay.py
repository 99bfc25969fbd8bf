"""Feeds an engine with rows that are given as columns: of a unit test, or of history. The rows of one table, in order.

It is the engine of the stream, and the rows get offsets as if they had come through the log. Silence is noticed at
ticks there: here one listener listens from the first row on, without a pause, and each row arrives at its own time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa

from rules.alerts.transition import Transition
from rules.engine import Engine
from rules.kinds.composite import Composite
from rules.kinds.count import Count
from rules.kinds.detector import Detector
from rules.kinds.missing import Missing
from rules.kinds.peers import Peers
from rules.kinds.zone import Zone
from rules.rule import Rule, RuleSet
from rules.values.arrays import Float64s
from rules.values.listening import Listened
from store.record import Int32s, Int64s, MeasureType, RecordBatch, SeriesIndex, SeriesKey, SeriesRegistry, TableId
from store.values.durations import duration_ns

_STREAM = "replay"
_ANY_NS = 3600 * 10**9
"""A span that needs ticks, but not often."""


class Replay:
    """An engine over one table."""

    def __init__(self, rules: RuleSet, table: TableId) -> None:
        registry = SeriesRegistry()
        self.engine = Engine(rules, registry)
        self._index: SeriesIndex = registry.of(table)
        self._offset = 0
        self._ticked_ns: int | None = None
        self.shortest_span_ns = min((span for rule in rules.rules for span in _spans_of(rule, rules)), default=None)
        """After so long something may change without a reading; None: nothing ever does."""

    def series(self, key: SeriesKey, zone: str | None = None) -> int:
        """The id of a series."""
        return self._index.id_of(key, zone)

    def feed(self, series: Int32s, time_ns: Int64s, measures: Mapping[str, Float64s]) -> list[Transition]:
        """The transitions by these rows, each of which arrives at its own time. NaN is no value."""
        count = len(series)
        offset = np.arange(self._offset, self._offset + count, dtype=np.int64)
        self._offset += count
        columns = {name: pa.array(values, pa.float64(), from_pandas=True) for name, values in measures.items()}
        types = dict.fromkeys(measures, MeasureType.DOUBLE)
        version = np.ones(count, np.int64)
        return self.engine.evaluate(
            RecordBatch(self._index, _STREAM, series, time_ns, version, offset, time_ns, columns, types)
        )

    def tick(self, now_ns: int) -> list[Transition]:
        """The transitions because it is `now_ns`, and we have listened since the tick before."""
        since_ns = now_ns if self._ticked_ns is None else self._ticked_ns
        self._ticked_ns, self._offset = now_ns, self._offset + 1
        found = self.engine.tick(_STREAM, self._offset - 1, Listened(_STREAM, since_ns, now_ns))
        self.engine.advance(_STREAM, self._offset - 1)
        return found

    def listen(self, upto_ns: int, every_ns: int) -> Iterator[Transition]:
        """The transitions because time goes on until then, at ticks that are so far apart; none if nobody asks."""
        if self.shortest_span_ns is None or (self._ticked_ns is not None and upto_ns <= self._ticked_ns):
            return
        since_ns = upto_ns if self._ticked_ns is None else self._ticked_ns
        for tick_ns in (*range(since_ns + every_ns, upto_ns, every_ns), upto_ns):
            yield from self.tick(tick_ns)


def _spans_of(rule: Rule, rules: RuleSet) -> Iterator[int]:
    """After how long something may change without a reading, as far as a tick decides when."""
    match rule.condition:
        case Missing() as missing:
            yield missing.least_ns
        case Count() as count:
            # Events leave its window at their own time, whenever the tick is; others only see it then.
            is_told = any(isinstance(other.condition, Composite) for other in rules.rules)
            yield duration_ns(count.over) if is_told else _ANY_NS
            yield from _holds_of(rule)
        case Zone() | Peers() as windowed:
            yield duration_ns(windowed.over)
        case Detector() as detector:
            yield duration_ns(detector.every)
        case Composite() as composite:
            yield from filter(None, (duration_ns(composite.within),))
            yield from _holds_of(rule)
    if rule.lateness_ns:
        yield rule.lateness_ns
    if rule.no_data is not None:
        yield rule.no_data.after_ns
    if rule.max_alerts is not None:
        yield rule.max_alerts.span_ns


def _holds_of(rule: Rule) -> Iterator[int]:
    """For how long values must hold before something changes."""
    for level in rule.levels:
        yield from filter(None, (level.hold.ns, level.clear_for.ns, level.keep_ns))
