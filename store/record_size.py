"""How many bytes a record counts when it is written: as Amazon Timestream meters writes, without rounding a request up.

A record has 8 bytes for its time, the UTF-8 bytes of the names and values of its dimensions and of its measure name;
and for each measure that it has, the bytes of its name and 8 for its value, 1 for a boolean, the UTF-8 bytes of a text.
(The measure of a single-measure record has no other name than that.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from store.names import SINGLE_MEASURE_PREFIX
from store.record import Int64s, MeasureType, RecordBatch, SeriesIndex, SeriesKey, TableId

TIME_BYTES = 8
_VALUE_BYTES = {MeasureType.BOOLEAN: 1, MeasureType.VARCHAR: 0}  # of a text its own bytes
_GROWN_BY = 1_024  # series: the sizes are kept in arrays that are larger than needed


class SeriesSizes:
    """The bytes of the names and values of each series, by table. One thread."""

    def __init__(self) -> None:
        self._of: dict[TableId, tuple[SeriesIndex, int, Int64s]] = {}

    def of(self, index: SeriesIndex) -> Int64s:
        """By series id; at least for all series of now."""
        known_index, known, sizes = self._of.get(index.table, (index, 0, np.zeros(0, np.int64)))
        if known_index is not index:  # the table was deleted, and made again
            known, sizes = 0, np.zeros(0, np.int64)
        count = len(index)
        if known < count:
            if len(sizes) < count:
                sizes = np.concatenate([sizes[:known], np.zeros(count - known + _GROWN_BY, np.int64)])
            sizes[known:count] = [_bytes_of(key) for key in islice(index.keys, known, count)]
            self._of[index.table] = index, count, sizes
        return sizes


def _bytes_of(key: SeriesKey) -> int:
    return len("".join((*key.names, *key.values, key.measure_name)).encode())


def record_bytes(names: Iterable[str], values: Iterable[tuple[str, MeasureType, object]]) -> int:
    """The bytes of a record: of the names and values of its dimensions, its measure name, and (name, type, value)s."""
    texts, size = list(names), TIME_BYTES
    for name, kind, value in values:
        texts.append("" if name.startswith(SINGLE_MEASURE_PREFIX) else name)
        texts.append(str(value) if kind is MeasureType.VARCHAR else "")
        size += _VALUE_BYTES.get(kind, 8)
    return size + len("".join(texts).encode())


def written_bytes(batch: RecordBatch, sizes: SeriesSizes) -> int:
    """The bytes of all records of a batch."""
    of_series = int(sizes.of(batch.index)[batch.series].sum())
    return len(batch) * TIME_BYTES + of_series + sum(_of_measures(batch.measures, batch.types))


def _of_measures(measures: Mapping[str, pa.Array], types: Mapping[str, MeasureType]) -> Iterator[int]:
    for name, values in measures.items():
        count = len(values) - values.null_count
        name_bytes = 0 if name.startswith(SINGLE_MEASURE_PREFIX) else len(name.encode())
        yield count * (name_bytes + _VALUE_BYTES.get(types[name], 8))
        if types[name] is MeasureType.VARCHAR:
            yield pc.sum(pc.binary_length(values)).as_py() or 0
