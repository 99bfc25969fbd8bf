"""The records of a WriteRecords request: merges common attributes, checks names and values, converts texts.

An invalid form of a record fails the whole request (ValidationException), before anything is stored. Conditions that
depend on the clock, on limits or on the table reject single records: see `admission`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from store.catalog.zones import zone_of
from store.endpoint.errors import Validation
from store.endpoint.measures import parse_measure, parse_time
from store.endpoint.names import dimension_name_fault, measure_name_fault
from store.endpoint.payload import Value, WriteRecord
from store.names import SINGLE_MEASURE_PREFIX
from store.record import Dimensions, MeasureType

_Values: TypeAlias = tuple[tuple[str, MeasureType, Value], ...]

_PARTS_OF_VALUES = {"MeasureName", "MeasureValue", "MeasureValueType", "MeasureValues", "TimeUnit"}
_TYPES = {kind.value.upper(): kind for kind in MeasureType}


def read_records(request: Mapping[str, Any], zone: str | None) -> list[WriteRecord]:
    """The records of a request with the right shape; `zone` is the table's zone template. Raises Validation."""
    common = _present(request.get("CommonAttributes") or {})
    values: _Values | None = None  # of the records that have no part of them
    records = []
    for index, record in enumerate(request["Records"]):
        own = _present(record)
        read = _read(index, own, common, zone, None if own.keys() & _PARTS_OF_VALUES else values)
        if values is None and not own.keys() & _PARTS_OF_VALUES:
            values = read.values
        records.append(read)
    return records


def _present(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if value is not None}


def _read(
    index: int, record: Mapping[str, Any], common: Mapping[str, Any], zone: str | None, values: _Values | None
) -> WriteRecord:
    """One record; `values` are its values, if they were read already."""
    merged = {**common, **record}
    dimensions = _dimensions(index, common.get("Dimensions", []), record.get("Dimensions", []))
    measure_name = merged.get("MeasureName")
    if measure_name is None:
        raise _fault(index, "has no MeasureName.")
    if (fault := measure_name_fault(measure_name)) is not None:
        raise Validation(fault)
    version = merged.get("Version", 1)
    if version < 1:
        raise _fault(index, f"has version {version}. Version must be 1 or greater.")
    unit = merged.get("TimeUnit", "MILLISECONDS")
    time_ns = parse_time(merged["Time"], unit) if "Time" in merged else None
    if time_ns is None:
        raise Validation("Invalid time for record.")
    values = _values(index, merged, unit) if values is None else values
    names = {name for name, _ in dimensions}
    for column, _, _ in values:
        if column in names:
            raise _fault(index, f"has both a dimension and a measure named {column}.")
    return WriteRecord(dimensions, measure_name, time_ns, version, values, zone_of(zone, dict(dimensions)))


def _dimensions(index: int, common: list[dict[str, Any]], own: list[dict[str, Any]]) -> Dimensions:
    pairs: dict[str, str] = {}
    for dimension in (*common, *own):
        name = dimension["Name"]
        if name in pairs:
            raise _fault(
                index,
                f"has the dimension {name} twice; dimension names of a record and its "
                "common attributes may not overlap.",
            )
        if (fault := dimension_name_fault(name)) is not None:
            raise Validation(fault)
        pairs[name] = dimension["Value"]
    if not pairs:
        raise Validation("At least one dimension is required for a record.")
    return tuple(sorted(pairs.items()))


def _values(index: int, record: Mapping[str, Any], unit: str) -> _Values:
    kind = record.get("MeasureValueType", "DOUBLE")
    if kind == "MULTI":
        return _multi(index, record, unit)
    if kind == "TIMESTAMP":
        raise _fault(index, "has MeasureValueType TIMESTAMP, which is only for measures of a MULTI record.")
    if record.get("MeasureValues"):
        raise _fault(index, f"has MeasureValues, but its MeasureValueType is {kind}, not MULTI.")
    if "MeasureValue" not in record:
        raise _fault(index, "has no MeasureValue.")
    measure_type = _TYPES[kind]
    value = _value(index, record["MeasureName"], record["MeasureValue"], measure_type, unit)
    return ((SINGLE_MEASURE_PREFIX + measure_type.value, measure_type, value),)


def _multi(index: int, record: Mapping[str, Any], unit: str) -> _Values:
    if "MeasureValue" in record:
        raise _fault(index, "has a MeasureValue, but its MeasureValueType is MULTI: it takes MeasureValues.")
    if not record.get("MeasureValues"):
        raise _fault(index, "has MeasureValueType MULTI and no MeasureValues.")
    values: dict[str, tuple[MeasureType, Value]] = {}
    for measure in record["MeasureValues"]:
        name, kind = measure["Name"], measure["Type"]
        if (fault := measure_name_fault(name)) is not None:
            raise Validation(fault)
        if kind == "MULTI":
            raise _fault(index, f"has a measure {name} of type MULTI inside MeasureValues.")
        if name in values:
            raise _fault(index, f"has the measure {name} twice.")
        measure_type = _TYPES[kind]
        values[name] = (measure_type, _value(index, name, measure["Value"], measure_type, unit))
    return tuple((name, kind, value) for name, (kind, value) in values.items())


def _value(index: int, name: str, text: str, kind: MeasureType, unit: str) -> Value:
    value = parse_measure(text, kind, unit)
    if value is None:
        raise _fault(index, f"has a measure {name} whose value '{text[:100]}' is not a valid {kind.value.upper()}.")
    return value


def _fault(index: int, what: str) -> Validation:
    return Validation(f"The record at index {index} {what}")
