"""The series of an account by text: found, in order, page by page, with their last values.

For each table of a store the texts of all series are in one Arrow array, and their order is known: so a search over
100,000 series is a few vectorised comparisons. Both are extended when series come, and only then.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.api.inventory.device import Device
from pipeline.api.inventory.zones import Zones
from store.catalog.catalog import TableInfo
from store.memory.members import Members
from store.memory.newness import NEVER_NS, Bools
from store.names import MeasureType
from store.partition_store import PartitionStore
from store.record import Int32s, Int64s, SeriesIndex, TableId

MOST_MEASURES = 16  # of a table, whose last values are shown
_BETWEEN = "\x1f"  # so that no word is found across two values


class SeriesRequest(msgspec.Struct, frozen=True, array_like=True):
    """Asks for the first `limit` series after a key, of all that match.

    words       each in one of the dimensions' values, the zone, or the measure name; in any case
    dimensions  (name, value): only series with all of them
    after       the key (`FoundSeries.key`) of the last series of the page before
    values      whether last values are wanted, of rows with times ≥ `from_ns`
    """

    account: str
    table: str | None
    zone: str | None
    words: tuple[str, ...]
    dimensions: tuple[tuple[str, str], ...]
    after: tuple[str, str] | None
    limit: int
    values: bool
    from_ns: int


class LastValue(msgspec.Struct, frozen=True, array_like=True):
    """The newest value of a measure: a number, text or boolean; a time in nanoseconds."""

    time_ns: int
    value: float | int | str | bool
    type: MeasureType
    unit: str | None


class FoundSeries(msgspec.Struct, frozen=True, array_like=True):
    """A series; `text` is what it is searched by, and orders the series of a table."""

    text: str
    device: Device
    values: dict[str, LastValue]

    @property
    def key(self) -> tuple[str, str]:
        """By which series are in order: their table, and their text."""
        return f"{self.device.database}.{self.device.table}", self.text


class SeriesPage(msgspec.Struct, frozen=True, array_like=True):
    """The first series in order, and how many match in all, whatever the page."""

    series: list[FoundSeries]
    matched: int


def merged(pages: Iterable[SeriesPage], limit: int) -> SeriesPage:
    """The first series of all pages."""
    found = list(pages)
    series = heapq.merge(*(page.series for page in found), key=attrgetter("key"))
    return SeriesPage([one for _, one in zip(range(limit), series, strict=False)], sum(page.matched for page in found))


class SeriesOfStore:
    """The series of one store by text. Any thread."""

    def __init__(self, store: PartitionStore, zones: Zones) -> None:
        self._store = store
        self._zones = zones
        self._lock = threading.Lock()
        self._tables: dict[TableId, _Texts] = {}

    def page(self, info: TableInfo, request: SeriesRequest) -> SeriesPage:
        """The first series of a table. Raises what `PartitionStore.latest` raises."""
        table = info.table
        last_ns = self._store.last_times(table)
        index = self._store.registry.of(table)
        with self._lock:
            texts = self._tables.get(table)
            if texts is None or texts.index is not index or texts.rezoned != index.rezoned:
                texts = self._tables[table] = _Texts(index, index.rezoned)
            found = texts.matching(request, self._zones, len(last_ns))
        found = found[last_ns[found] != NEVER_NS]  # those between normalise and the store have no row yet
        matched = len(found)
        first = texts.first_after(found, _after(request, f"{table.database}.{table.table}"))
        numbers = found[first : first + request.limit]
        values = self._values(info, numbers, request) if request.values else [{} for _ in numbers]
        where = table.database, table.table
        return SeriesPage(
            [
                FoundSeries(
                    texts.text(number),
                    Device(
                        int(last_ns[number]),
                        *where,
                        index.zones[number],
                        index.keys[number].dimensions,
                        index.keys[number].measure_name,
                    ),
                    of,
                )
                for number, of in zip(numbers.tolist(), values, strict=True)
            ],
            matched,
        )

    def _values(self, info: TableInfo, numbers: Int64s, request: SeriesRequest) -> Sequence[dict[str, LastValue]]:
        """The last values of these series, by measure."""
        values: list[dict[str, LastValue]] = [{} for _ in numbers]
        if not len(numbers):
            return values
        types = list(self._store.measure_types(info.table).items())
        for measure, kind in types[:MOST_MEASURES]:
            latest = self._store.latest(info.table, measure, request.from_ns)
            if latest is None or not len(latest):
                continue
            order = np.argsort(latest.series)
            places = np.minimum(np.searchsorted(latest.series, numbers, sorter=order), len(latest) - 1)
            places = order[places]
            for of, place in zip(values, np.where(latest.series[places] == numbers, places, -1).tolist(), strict=True):
                if place >= 0:
                    value = latest.values[place]
                    plain = value.item() if isinstance(value, np.generic) else value
                    of[measure] = LastValue(int(latest.time_ns[place]), plain, kind, info.settings.units.get(measure))
        return values


@dataclass(slots=True)
class _Texts:
    """The texts of the series of a table, also in lower case, and their order."""

    index: SeriesIndex
    rezoned: int
    texts: pa.ChunkedArray = field(default_factory=lambda: pa.chunked_array([], pa.string()))
    lower: pa.ChunkedArray = field(default_factory=lambda: pa.chunked_array([], pa.string()))
    order: Int64s = field(default_factory=lambda: np.zeros(0, np.int64))
    members: Members = field(init=False)

    def __post_init__(self) -> None:
        self.members = Members(self.index)

    def matching(self, request: SeriesRequest, zones: Zones, count: int) -> Int64s:
        """The ids of the series that match, among the first `count`, in order."""
        self._extend(count)
        matches = np.ones(len(self.texts), np.bool_)
        for word in request.words:
            found = pc.match_substring(self.lower, word.lower())
            matches &= found.combine_chunks().to_numpy(zero_copy_only=False)
        if request.zone is not None:
            matches &= self._only(zones.series_of(self.index.table, request.zone))
        for name, value in request.dimensions:
            matches &= self._only(self.members.selected({name: (value,)}))
        found = self.order[matches[self.order]]
        return found[found < count]

    def _only(self, numbers: Sequence[int] | Int32s) -> Bools:
        """Which of the known series are among these."""
        among = np.zeros(len(self.texts), np.bool_)
        chosen = np.asarray(numbers, np.int64)
        among[chosen[chosen < len(among)]] = True
        return among

    def text(self, number: int) -> str:
        """The text of a series."""
        found: str = self.texts[number].as_py()
        return found

    def first_after(self, found: Int64s, after: str | None) -> int:
        """The first place in `found` whose text is after this one."""
        if after is None:
            return 0
        low, high = 0, len(found)
        while low < high:
            middle = (low + high) // 2
            if self.text(int(found[middle])) <= after:
                low = middle + 1
            else:
                high = middle
        return low

    def _extend(self, count: int) -> None:
        known = len(self.texts)
        if count > known:
            more = pa.array([_text(self.index, number) for number in range(known, count)], pa.string())
            self.texts = pa.chunked_array([pa.concat_arrays([*self.texts.chunks, more])])
            self.lower = pc.utf8_lower(self.texts)
            self.order = pc.sort_indices(self.texts).to_numpy().astype(np.int64)


def _text(index: SeriesIndex, number: int) -> str:
    """What a series is searched by: unique in its table, as it has everything that its key has."""
    key, zone = index.keys[number], index.zones[number]
    return _BETWEEN.join((*(f"{name}={value}" for name, value in key.dimensions), key.measure_name, zone or ""))


def _after(request: SeriesRequest, table: str) -> str | None:
    """The text after which the page begins in this table; past every text if the page is in a later table."""
    if request.after is None or request.after[0] < table:
        return None
    return request.after[1] if request.after[0] == table else "\U0010ffff"
