"""The rows of an import, an Arrow IPC stream: which columns they have, and which rows cannot be stored.

What a column is stands in the metadata of its field, `streamgauge.kind`: time, measure_name, version, dimension or
measure. Without it `time` and `measure_name` are known by their names, text is a dimension, and everything else a
measure. What is wrong with a column is wrong with the whole request: `Validation`. What is wrong with a row is told by
row. Everything works on columns: there are a million rows a few seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from store.catalog.catalog import TableInfo
from store.catalog.names import DIMENSION_PAIRS_MAX_BYTES, DIMENSIONS_MAX, MEASURE_VALUE_MAX_BYTES, MEASURES_MAX
from store.catalog.zones import zone_of
from store.endpoint.admission import FUTURE_LIMIT_NS
from store.endpoint.errors import Validation
from store.endpoint.names import dimension_name_fault, measure_name_fault
from store.endpoint.payload import Parts, Series, WriteRecord
from store.host_time import is_set
from store.names import SINGLE_MEASURE_PREFIX
from store.record import Dimensions, Int64s, MeasureType
from store.values.combinations import combinations
from store.values.durations import duration_ns
from store.values.times import rfc3339

KIND = b"streamgauge.kind"
KINDS = ("time", "measure_name", "version", "dimension", "measure")
Bools = npt.NDArray[np.bool_]

ROWS_MAX = 1_000_000  # of a request

_NO_VALUES: Mapping[MeasureType, float | int | bool | str] = {
    MeasureType.DOUBLE: 0.0,
    MeasureType.BIGINT: 0,
    MeasureType.BOOLEAN: False,
    MeasureType.VARCHAR: "",
    MeasureType.TIMESTAMP: 0,
}


@dataclass(frozen=True, slots=True, eq=False)
class ImportRows:
    """The rows of a request that may be stored, and where they are in it; why each of the others may not.

    shapes  a record for each measure name, with all columns that its rows have: what the table must have
    """

    parts: Parts
    at: Int64s
    rejected: Mapping[str, Int64s]
    shapes: Sequence[WriteRecord] = ()


@dataclass(slots=True)
class _Rejected:
    """The rows that cannot be stored, each for the first reason that was found."""

    rows: Bools
    reasons: dict[str, Int64s] = field(default_factory=dict)

    def add(self, rows: Bools, reason: str) -> None:
        new = np.flatnonzero(rows & ~self.rows)
        if len(new):
            self.reasons[reason] = np.concatenate((self.reasons.get(reason, new[:0]), new))
            self.rows[new] = True


def read_import_rows(body: bytes, info: TableInfo, now_ns: int) -> ImportRows:
    """The rows in an Arrow IPC stream. Raises Validation."""
    table = _decoded(body)
    kinds = _kinds(table.schema)
    rejected = _Rejected(np.zeros(table.num_rows, np.bool_))
    time_ns = _times(table[_only("time", kinds)].combine_chunks(), info, now_ns, rejected)
    version = _versions(table, kinds, rejected)
    dimensions = {name: _texts(table, name) for name, kind in kinds.items() if kind == "dimension"}
    measures = dict(_measure(table, name) for name, kind in kinds.items() if kind == "measure")
    names = _texts(table, _only("measure_name", kinds))
    _check_columns(dimensions, measures)
    for name, values in measures.items():
        if pa.types.is_string(values.type):
            sizes = pc.fill_null(pc.binary_length(values), 0).to_numpy(zero_copy_only=False)
            reason = f"The value of measure {name} is longer than {MEASURE_VALUE_MAX_BYTES} bytes."
            rejected.add(sizes > MEASURE_VALUE_MAX_BYTES, reason)
        elif pa.types.is_floating(values.type):
            is_finite = np.isfinite(pc.fill_null(values, 0.0).to_numpy(zero_copy_only=False))
            rejected.add(~is_finite, f"The value of measure {name} is NaN or infinite; stored doubles are finite.")
    present = {name: values.is_valid().to_numpy(zero_copy_only=False) for name, values in measures.items()}
    has_value = np.logical_or.reduce([np.zeros(table.num_rows, np.bool_), *present.values()])
    rejected.add(~has_value, "The row has no measure value.")
    rejected.add(names.is_null().to_numpy(zero_copy_only=False), "The row has no measure name.")
    series, series_of = _series(dimensions, names, info, rejected)
    _check_mixture(present, rejected)
    taken = np.flatnonzero(~rejected.rows)
    arrow = pa.array(taken)
    whole = len(taken) == table.num_rows
    kept = measures if whole else {name: values.take(arrow) for name, values in measures.items()}
    kept = {name: values for name, values in kept.items() if values.null_count < len(values)}
    types = {name: _kind_of(values.type) for name, values in kept.items()}
    parts = Parts(series, series_of[taken], time_ns[taken], version[taken], kept, types, is_import=True)
    return ImportRows(parts, taken, rejected.reasons, _shapes(parts) if len(taken) else ())


def _decoded(body: bytes) -> pa.Table:
    try:
        with pa.ipc.open_stream(body) as stream:
            table = stream.read_all()
        table.validate(full=True)  # nothing that a client sends may be trusted
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Validation(f"The body is not an Arrow IPC stream: {error}") from error
    if not 1 <= table.num_rows <= ROWS_MAX:
        raise Validation(f"The request has {table.num_rows} rows; from 1 to {ROWS_MAX} are allowed.")
    repeated = {name for name in table.schema.names if table.schema.names.count(name) > 1}
    if repeated:
        raise Validation(f"The column {min(repeated)} is there twice.")
    return table


def _kinds(schema: pa.Schema) -> dict[str, str]:
    """What each column is."""
    found = {}
    for column in schema:
        told = (column.metadata or {}).get(KIND)
        kind = _usual_kind(column) if told is None else told.decode("utf-8", "replace")
        if kind not in KINDS:
            raise Validation(f"The column {column.name} has {KIND.decode()} = {kind}; one of {', '.join(KINDS)}.")
        found[column.name] = kind
    return found


def _usual_kind(column: pa.Field) -> str:
    if column.name in {"time", "measure_name"}:
        return str(column.name)
    return "dimension" if _is_text(column.type) else "measure"


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _only(kind: str, kinds: Mapping[str, str]) -> str:
    """The one column of this kind."""
    found = [name for name, of in kinds.items() if of == kind]
    if len(found) != 1:
        raise Validation(f"The request has {len(found)} columns that are its {kind}; 1 is needed.")
    return found[0]


def _times(values: pa.Array, info: TableInfo, now_ns: int, rejected: _Rejected) -> Int64s:
    """The times in nanoseconds: no row is older than both retentions together, or in the future."""
    if not (pa.types.is_timestamp(values.type) or pa.types.is_int64(values.type)):
        raise Validation(f"The time has the type {values.type}; a timestamp or int64 (nanoseconds) is needed.")
    rejected.add(values.is_null().to_numpy(zero_copy_only=False), "The row has no time.")
    if pa.types.is_timestamp(values.type):
        values = _cast("time", values, pa.timestamp("ns", values.type.tz)).view(pa.int64())
    time_ns = np.asarray(pc.fill_null(values, 0).to_numpy(zero_copy_only=False))
    kept_ns = duration_ns(info.settings.memory_retention) + duration_ns(info.settings.magnetic_retention)
    from_ns, to_ns = max(0, now_ns - kept_ns), now_ns + FUTURE_LIMIT_NS if is_set(now_ns) else 2**63 - 1
    window = f"[{rfc3339(from_ns, 3)}, {rfc3339(to_ns, 3)})"
    reason = f"The time is outside the range {window} that the table's retention allows."
    rejected.add((time_ns < from_ns) | (time_ns >= to_ns), reason)
    return time_ns


def _versions(table: pa.Table, kinds: Mapping[str, str], rejected: _Rejected) -> Int64s:
    if "version" not in kinds.values():
        return np.ones(table.num_rows, np.int64)
    name = _only("version", kinds)
    version = pc.fill_null(_cast(name, table[name].combine_chunks(), pa.int64()), 1).to_numpy(zero_copy_only=False)
    rejected.add(version < 1, "Version must be 1 or greater.")
    return np.asarray(version)


def _texts(table: pa.Table, name: str) -> pa.DictionaryArray:
    column = table[name]
    if not _is_text(column.type):
        raise Validation(f"The column {name} has the type {column.type}; text is needed.")
    text = _cast(name, column.combine_chunks(), pa.string())
    return text.dictionary_encode()


def _measure(table: pa.Table, name: str) -> tuple[str, pa.Array]:
    values = table[name].combine_chunks()
    return name, _cast(name, values, _kind_for(name, values.type).arrow)


def _kind_for(name: str, kind: pa.DataType) -> MeasureType:
    """The type of a measure with values of this Arrow type."""
    if pa.types.is_floating(kind):
        return MeasureType.DOUBLE
    if pa.types.is_integer(kind):
        return MeasureType.BIGINT
    if pa.types.is_boolean(kind):
        return MeasureType.BOOLEAN
    if _is_text(kind):
        return MeasureType.VARCHAR
    if pa.types.is_timestamp(kind):
        return MeasureType.TIMESTAMP
    raise Validation(f"The measure {name} has the type {kind}; numbers, booleans, text and timestamps can be stored.")


def _kind_of(kind: pa.DataType) -> MeasureType:
    return next(of for of in MeasureType if of.arrow == kind)


def _cast(name: str, values: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(values.type) and not pa.types.is_timestamp(kind):
        raise Validation(f"The column {name} has the type {values.type}; {kind} is needed.")
    try:
        return values if values.type == kind else values.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise Validation(f"The column {name} cannot be stored as {kind}: {error}") from error


def _check_columns(dimensions: Mapping[str, object], measures: Mapping[str, pa.Array]) -> None:
    """Refuse names and numbers of columns that a record may not have."""
    if not dimensions:
        raise Validation("At least one dimension is required.")
    if not measures:
        raise Validation("At least one measure is required.")
    faults = (*map(dimension_name_fault, dimensions), *(_measure_fault(*measure) for measure in measures.items()))
    if fault := next(filter(None, faults), None):
        raise Validation(fault)
    for what, found, most in (("dimensions", dimensions, DIMENSIONS_MAX), ("measures", measures, MEASURES_MAX)):
        if len(found) > most:
            raise Validation(f"The request has {len(found)} {what}; {most} are allowed.")


def _measure_fault(name: str, values: pa.Array) -> str | None:
    if not name.startswith(SINGLE_MEASURE_PREFIX):
        return measure_name_fault(name)
    kind = _kind_of(values.type)
    if kind is MeasureType.TIMESTAMP or name != SINGLE_MEASURE_PREFIX + kind.value:
        return f"The column {name} has values of the type {kind.value}."
    return None


def _check_mixture(present: Mapping[str, Bools], rejected: _Rejected) -> None:
    """Reject rows with a single measure and others beside it."""
    single = [of for name, of in present.items() if name.startswith(SINGLE_MEASURE_PREFIX)]
    if single:
        several = sum(of.astype(np.int64) for of in present.values()) > 1
        reason = "The row has a single measure (measure_value::…) and another measure beside it."
        rejected.add(np.logical_or.reduce(single) & several, reason)


def _series(
    dimensions: Mapping[str, pa.DictionaryArray], names: pa.DictionaryArray, info: TableInfo, rejected: _Rejected
) -> tuple[list[Series], Int64s]:
    """The series of all rows, and the place of each row's series among them."""
    columns = dict(sorted(dimensions.items()))
    first, series_of = combinations([*columns.values(), names])
    dictionaries = [column.dictionary.to_pylist() for column in (*columns.values(), names)]
    codes = [
        column.indices.fill_null(-1).to_numpy(zero_copy_only=False)[first].tolist()
        for column in (*columns.values(), names)
    ]
    series: list[Series] = []
    key = info.settings.partition_key
    for place, (*values, name) in enumerate(zip(*codes, strict=True)):
        pairs: Dimensions = tuple(
            (column, dictionary[code])
            for column, dictionary, code in zip(columns, dictionaries, values, strict=False)
            if code >= 0
        )
        measure_name = dictionaries[-1][name] if name >= 0 else ""
        series.append((measure_name, pairs, zone_of(info.settings.zone, dict(pairs))))
        fault = _series_fault(measure_name, pairs)
        if fault is None and key is not None and key.is_required and key.dimension not in dict(pairs):
            fault = f"The row lacks the dimension {key.dimension}, which is the table's required partition key."
        if fault is not None:
            rejected.add(series_of == place, fault)
    return series, series_of


def _series_fault(measure_name: str, pairs: Dimensions) -> str | None:
    if not pairs:
        return "The row has no dimension."
    size = sum(len(name.encode()) + len(value.encode()) for name, value in pairs)
    if size > DIMENSION_PAIRS_MAX_BYTES:
        return f"The row's dimensions are {size} bytes; {DIMENSION_PAIRS_MAX_BYTES} are allowed."
    return measure_name_fault(measure_name) if measure_name else None


def _shapes(parts: Parts) -> list[WriteRecord]:
    """A record for each measure name, with all columns of its rows."""
    names = {name: number for number, name in enumerate(dict.fromkeys(name for name, _, _ in parts.series))}
    of_series = np.array([names[name] for name, _, _ in parts.series], np.int64)
    of_row = of_series[parts.series_of]
    columns: dict[int, list[str]] = {}
    for name, values in parts.measures.items():
        for number in np.unique(of_row[values.is_valid().to_numpy(zero_copy_only=False)]).tolist():
            columns.setdefault(number, []).append(name)
    dimensions: dict[int, dict[str, str]] = {}
    for (_, pairs, _), number in zip(parts.series, of_series.tolist(), strict=True):
        dimensions.setdefault(number, {}).update(pairs)
    return [
        WriteRecord(
            tuple(sorted(dimensions[number].items())),
            name,
            int(parts.time_ns[0]),
            1,
            tuple((column, parts.types[column], _NO_VALUES[parts.types[column]]) for column in columns[number]),
        )
        for name, number in names.items()
        if number in columns
    ]


def cut(parts: Parts, rows: Int64s, most_bytes: int) -> Iterator[Int64s]:
    """These places of rows, cut so that the rows of each cut have about this size."""
    row_bytes = 24 + sum(values.nbytes for values in parts.measures.values()) / len(parts.time_ns)
    step = max(1, int(most_bytes / row_bytes))
    for begin in range(0, len(rows), step):
        yield rows[begin : begin + step]


def taken(parts: Parts, at: Int64s) -> Parts:
    """The rows with these places."""
    arrow = pa.array(at)
    measures = {name: values.take(arrow) for name, values in parts.measures.items()}
    return replace(
        parts,
        series_of=parts.series_of[at],
        time_ns=parts.time_ns[at],
        version=parts.version[at],
        measures={name: values for name, values in measures.items() if values.null_count < len(values)},
    )
