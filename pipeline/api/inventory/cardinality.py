"""How many values each dimension has, and how many series each of them: what makes tables large and questions slow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec
import numpy as np

from store.memory.newness import NEVER_NS
from store.partition_store import PartitionStore
from store.record import TableId


class DimensionValues(msgspec.Struct, frozen=True, array_like=True):
    """A dimension of a table: how many series have it, and each of its values."""

    database: str
    table: str
    dimension: str
    series: int
    values: dict[str, int]


def values_of(store: PartitionStore, table: TableId) -> Iterator[DimensionValues]:
    """The dimensions of the series of one store that have rows. Some tenths of a second for 100,000 series."""
    last_ns = store.last_times(table)
    keys = store.registry.of(table).keys
    counts: dict[str, Counter[str]] = {}
    for number in np.flatnonzero(last_ns != NEVER_NS).tolist():
        for name, value in keys[number].dimensions:
            counts.setdefault(name, Counter())[value] += 1
    for name, values in counts.items():
        yield DimensionValues(table.database, table.table, name, values.total(), dict(values))


def merged(parts: Iterable[DimensionValues]) -> list[DimensionValues]:
    """One entry for each dimension of a table, by the number of its values, most first."""
    found: dict[tuple[str, str, str], Counter[str]] = {}
    for part in parts:
        found.setdefault((part.database, part.table, part.dimension), Counter()).update(part.values)
    whole = [DimensionValues(*key, values.total(), dict(values)) for key, values in found.items()]
    return sorted(whole, key=lambda of: (-len(of.values), of.database, of.table, of.dimension))
