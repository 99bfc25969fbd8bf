"""Feeds an engine with rows that are given as columns: of a unit test, or of history. The rows of one table, in order.

It is the engine of the stream, and the rows get offsets as if they had come through the log.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from rules.arrays import Float64s
from rules.engine import Engine
from rules.listening import Listened
from rules.rule import RuleSet
from rules.transition import Transition
from store.record import Int32s, Int64s, MeasureType, RecordBatch, SeriesIndex, SeriesKey, SeriesRegistry, TableId

_STREAM = "replay"


class Replay:
    """An engine over one table."""

    def __init__(self, rules: RuleSet, table: TableId) -> None:
        registry = SeriesRegistry()
        self.engine = Engine(rules, registry)
        self._index: SeriesIndex = registry.of(table)
        self._offset = 0
        self._ticked_ns: int | None = None

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
