"""The target of a scheduled query: whether a result fits it, and the records of its rows. Pure.

A target is the data model of a batch load, except that a dimension keeps the name of its column.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from store.endpoint.batch_model import Model, columns_of, model_fault

_TIME, _TEXT = "TIMESTAMP", "VARCHAR"
_FITTING: Mapping[str, tuple[str, ...]] = {
    "DOUBLE": ("DOUBLE", "INTEGER", "BIGINT"),
    "BIGINT": ("INTEGER", "BIGINT"),
    "BOOLEAN": ("BOOLEAN",),
    "VARCHAR": ("VARCHAR",),
    "TIMESTAMP": ("TIMESTAMP",),
}


def model_of(target: Mapping[str, Any]) -> Model:
    """The data model of a TimestreamConfiguration; times are in nanoseconds."""
    mixed = target.get("MixedMeasureMappings")
    return {
        "TimeColumn": target["TimeColumn"],
        "TimeUnit": "NANOSECONDS",
        "DimensionMappings": [{"SourceColumn": mapping["Name"]} for mapping in target["DimensionMappings"]],
        "MeasureNameColumn": target.get("MeasureNameColumn"),
        "MultiMeasureMappings": target.get("MultiMeasureMappings"),
        "MixedMeasureMappings": mixed and [_named(mapping) for mapping in mixed],
    }


def target_fault(model: Model, types: Mapping[str, str]) -> str | None:
    """Why a result with columns of these types cannot be stored; None if it can."""
    fault = model_fault(model)
    if fault is not None:
        return fault.replace("The data model", "The target configuration")
    if not model["DimensionMappings"]:
        return "The target configuration needs at least one of DimensionMappings."
    missing = sorted(columns_of(model) - types.keys())
    if missing:
        return f"The query has no column {', '.join(missing)}, which the target configuration names."
    for column, wanted in _wanted(model):
        if types[column] not in wanted:
            return (
                f"The column {column} is of type {types[column]}; the target configuration needs {' or '.join(wanted)}."
            )
    return None


def _named(mapping: Mapping[str, Any]) -> Mapping[str, Any]:
    """The mapping, with the name that the service gives its measure if it has none."""
    name = mapping.get("TargetMeasureName") or mapping.get("MeasureName") or mapping.get("SourceColumn")
    return {**mapping, "TargetMeasureName": name}


def _wanted(model: Model) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The types that each column may have."""
    yield model["TimeColumn"], (_TIME,)
    if model["MeasureNameColumn"]:
        yield model["MeasureNameColumn"], (_TEXT,)
    for mapping in model["DimensionMappings"]:
        yield mapping["SourceColumn"], (_TEXT,)
    for mapping in (model["MultiMeasureMappings"] or {}, *(model["MixedMeasureMappings"] or ())):
        if mapping.get("SourceColumn") and mapping["MeasureValueType"] != "MULTI":
            yield mapping["SourceColumn"], _FITTING[mapping["MeasureValueType"]]
        for of in mapping.get("MultiMeasureAttributeMappings") or ():
            yield of["SourceColumn"], _FITTING[of["MeasureValueType"]]
