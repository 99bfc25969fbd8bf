"""Decides which records of a request may be stored, by the clock, by limits, and by the columns of their table.

A record that is not admitted is reported as a rejected record, with its index and a reason; the others are stored. The
store applies version rules later. Windows: a record may be at most 15 minutes in the future, and as old as the memory
retention; as both retentions if magnetic writes are enabled, or the table is one of the configuration.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from store.catalog.catalog import TableSettings
from store.catalog.limits import DEFAULTS, Limits, told
from store.catalog.names import DIMENSION_PAIRS_MAX_BYTES, DIMENSIONS_MAX, MEASURE_VALUE_MAX_BYTES, MEASURES_MAX
from store.catalog.schema import Column
from store.endpoint.partition_keys import partition_key_fault
from store.endpoint.payload import WriteRecord
from store.host_time import is_set
from store.names import SINGLE_MEASURE_PREFIX
from store.record import MeasureType
from store.values.durations import duration_ns
from store.values.times import rfc3339

FUTURE_LIMIT_NS = 15 * 60 * 1_000_000_000
_END_OF_TIME_NS = 2**63 - 1

_MULTI = "multi"
_DIMENSION = "dimension"


@dataclass(frozen=True, slots=True)
class Rejection:
    """A record that is not stored."""

    index: int
    reason: str
    existing_version: int | None = None

    def body(self) -> dict[str, object]:
        """The form in the response."""
        member = {"RecordIndex": self.index, "Reason": self.reason}
        return member if self.existing_version is None else {**member, "ExistingVersion": self.existing_version}


@dataclass(slots=True)
class KnownColumns:
    """The known kinds and types of the columns of one table, from the store or requests, until they change.

    A new column of a request is entered here before the request is sent on, so that two simultaneous requests cannot
    add it with two types. Used by one thread.
    """

    limits: Limits = DEFAULTS
    kinds: dict[str, str] = field(default_factory=dict)  # column → "dimension" or its type
    measure_names: dict[str, str] = field(
        default_factory=dict
    )  # measure name → the type of its single measure, or multi

    def learn(self, columns: Iterable[Column]) -> None:
        """Enter the columns of the table."""
        for column in columns:
            if column.kind not in {_DIMENSION, "measure"}:  # records do not contain it: the zone's name is free
                continue
            self.kinds.setdefault(column.name, _DIMENSION if column.kind == _DIMENSION else column.type.value)

    def names_new(self, records: Sequence[WriteRecord]) -> set[str]:
        """The measure names of these records that are not known yet."""
        return {record.measure_name for record in records} - self.measure_names.keys()

    def lacks(self, records: Sequence[WriteRecord]) -> bool:
        """Whether any of these records has a column that is not known yet."""
        names = {name for record in records for name, _ in record.dimensions}
        columns = {column for record in records for column, _, _ in record.values}
        return not (names | columns) <= self.kinds.keys()

    def conflict(self, record: WriteRecord) -> str | None:
        """Why this record does not fit the table's columns; None if it does, and then its columns are entered."""
        return None if self._has_all(record) else self._conflict(record)

    def _has_all(self, record: WriteRecord) -> bool:
        """Whether everything about this record is known, as of nearly all records."""
        kinds = self.kinds
        for name, _ in record.dimensions:
            if kinds.get(name) != _DIMENSION:
                return False
        for column, kind, _ in record.values:
            if kinds.get(column) != kind:
                return False
        return self.measure_names.get(record.measure_name) == _shape(record)

    def _conflict(self, record: WriteRecord) -> str | None:
        wanted = {name: _DIMENSION for name, _ in record.dimensions}
        wanted |= {column: kind.value for column, kind, _ in record.values}
        for name, kind in wanted.items():
            known = self.kinds.get(name, kind)
            if known != kind:
                return f"The column {name} is a {known} in this table, and the record has it as a {kind}."
        shape = _shape(record)
        known = self.measure_names.get(record.measure_name, shape)
        if known != shape:
            return f"The measure name {record.measure_name} has type {known} already, and the record has it as {shape}."
        too_many = self._too_many({name: kind for name, kind in wanted.items() if name not in self.kinds})
        is_new_name = record.measure_name not in self.measure_names
        if too_many is None and is_new_name and len(self.measure_names) >= self.limits.measure_names:
            too_many = told("The table", self.limits.measure_names, "measure_names")
        if too_many is not None:
            return f"{too_many} The record would add others."
        self.kinds |= wanted
        self.measure_names[record.measure_name] = shape
        return None

    def _too_many(self, new: Mapping[str, str]) -> str | None:
        """Why the table cannot have these columns too."""
        if not new:
            return None
        dimensions = sum(kind == _DIMENSION for kind in (*self.kinds.values(), *new.values()))
        measures = len(self.kinds) + len(new) - dimensions
        if dimensions > self.limits.dimensions and _DIMENSION in new.values():
            return told("The table", self.limits.dimensions, "dimensions")
        if measures > self.limits.measures and set(new.values()) != {_DIMENSION}:
            return told("The table", self.limits.measures, "measures")
        return None


def _shape(record: WriteRecord) -> str:
    column, kind, _ = record.values[0]
    return kind if column.startswith(SINGLE_MEASURE_PREFIX) else _MULTI


def ingestion_window_ns(settings: TableSettings, now_ns: int) -> tuple[int, int, str]:
    """The times that a table accepts, [from, to), and the name of that range in messages.

    If the host's clock is not set, times in the future are not limited.
    """
    to_ns = now_ns + FUTURE_LIMIT_NS if is_set(now_ns) else _END_OF_TIME_NS
    memory_ns = duration_ns(settings.memory_retention)
    if settings.magnetic_writes or settings.from_config:
        return (
            max(0, now_ns - memory_ns - duration_ns(settings.magnetic_retention)),
            to_ns,
            ("data ingestion window"),
        )
    return now_ns - memory_ns, to_ns, "memory store"


def admit(
    records: Sequence[WriteRecord], settings: TableSettings, known: KnownColumns, now_ns: int
) -> tuple[list[int], list[Rejection]]:
    """The indices of the records to be stored, and the rejections of the others."""
    from_ns, to_ns, name = ingestion_window_ns(settings, now_ns)
    admitted: list[int] = []
    rejected: list[Rejection] = []
    for index, record in enumerate(records):
        reason: str | None
        if not from_ns <= record.time_ns < to_ns:
            window = f"[{rfc3339(from_ns, 3)}, {rfc3339(to_ns, 3)})"
            reason = f"The record timestamp is outside the time range {window} of the {name}."
        else:
            key_fault = partition_key_fault(settings.partition_key, record)
            reason = key_fault or _limit_fault(record) or known.conflict(record)
        if reason is None:
            admitted.append(index)
        else:
            rejected.append(Rejection(index, reason))
    return admitted, rejected


def _limit_fault(record: WriteRecord) -> str | None:
    if len(record.dimensions) > DIMENSIONS_MAX:
        return f"The record has {len(record.dimensions)} dimensions; {DIMENSIONS_MAX} are allowed."
    characters = sum(len(name) + len(value) for name, value in record.dimensions)
    if characters > DIMENSION_PAIRS_MAX_BYTES // 4:  # fewer are fewer bytes, whatever they are
        pairs = sum(len(name.encode()) + len(value.encode()) for name, value in record.dimensions)
    else:
        pairs = characters
    if pairs > DIMENSION_PAIRS_MAX_BYTES:
        return f"The record's dimensions are {pairs} bytes; {DIMENSION_PAIRS_MAX_BYTES} are allowed."
    if len(record.values) > MEASURES_MAX:
        return f"The record has {len(record.values)} measures; {MEASURES_MAX} are allowed."
    for name, kind, value in record.values:
        if kind is MeasureType.VARCHAR and len(str(value).encode()) > MEASURE_VALUE_MAX_BYTES:
            return f"The value of measure {name} is longer than {MEASURE_VALUE_MAX_BYTES} bytes."
    return None


def ingested(records: Sequence[WriteRecord], settings: TableSettings, now_ns: int) -> Mapping[str, int]:
    """The RecordsIngested of these records: memory if within the memory retention, else magnetic."""
    edge_ns = now_ns - duration_ns(settings.memory_retention)
    in_memory = sum(record.time_ns >= edge_ns for record in records)
    return {"Total": len(records), "MemoryStore": in_memory, "MagneticStore": len(records) - in_memory}
