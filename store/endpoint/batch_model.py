"""The data model of a batch load: converts a row of a CSV file to records of WriteRecords. Pure.

A row is one record with several measures (MultiMeasureMappings), or a record for each measure (MixedMeasureMappings).
A value that is missing is not stored. Reference: Timestream developer guide, "Batch load data model mappings".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

Model: TypeAlias = Mapping[str, Any]
Values: TypeAlias = Mapping[str, str | None]


def model_fault(model: Model) -> str | None:
    """What is wrong with a data model that has the shape of one; None if nothing is."""
    multi, mixed = model.get("MultiMeasureMappings"), model.get("MixedMeasureMappings")
    if not model.get("TimeColumn"):
        return "The data model needs a TimeColumn."
    if any(not mapping.get("SourceColumn") for mapping in model["DimensionMappings"]):
        return "Each of DimensionMappings needs a SourceColumn."
    if bool(multi) == bool(mixed):
        return "The data model needs either MultiMeasureMappings or MixedMeasureMappings."
    if multi:
        if not multi.get("TargetMultiMeasureName") and not model.get("MeasureNameColumn"):
            return "MultiMeasureMappings needs a TargetMultiMeasureName, or the data model a MeasureNameColumn."
        return _attributes_fault(multi["MultiMeasureAttributeMappings"])
    return next((fault for mapping in mixed or () if (fault := _mixed_fault(mapping))), None)


def _attributes_fault(attributes: list[dict[str, Any]]) -> str | None:
    missing = next((of for of in attributes if not of.get("MeasureValueType")), None)
    return None if missing is None else f"The attribute {missing['SourceColumn']} needs a MeasureValueType."


def _mixed_fault(mapping: Mapping[str, Any]) -> str | None:
    if not mapping.get("TargetMeasureName") and not mapping.get("MeasureName"):
        return "Each of MixedMeasureMappings needs a TargetMeasureName or a MeasureName."
    if mapping["MeasureValueType"] == "MULTI":
        attributes = mapping.get("MultiMeasureAttributeMappings")
        return (
            _attributes_fault(attributes) if attributes else "A mapping to MULTI needs MultiMeasureAttributeMappings."
        )
    return None if mapping.get("SourceColumn") else "A mapping to a single measure needs a SourceColumn."


def columns_of(model: Model) -> set[str]:
    """The columns that a file must have."""
    found = {model["TimeColumn"], model.get("MeasureNameColumn")}
    found |= {mapping["SourceColumn"] for mapping in model["DimensionMappings"]}
    multi = model.get("MultiMeasureMappings") or {}
    for mapping in (multi, *(model.get("MixedMeasureMappings") or ())):
        found.add(mapping.get("SourceColumn"))
        found |= {of["SourceColumn"] for of in mapping.get("MultiMeasureAttributeMappings") or ()}
    return {column for column in found if column}


def records_of(model: Model, values: Values, version: int) -> list[dict[str, Any]]:
    """The records of a row, n ≥ 1, in the form of WriteRecords. Raises ValueError with the reason if it has none."""
    common = {
        "Dimensions": [
            {"Name": mapping.get("DestinationColumn") or mapping["SourceColumn"], "Value": value}
            for mapping in model["DimensionMappings"]
            if (value := values[mapping["SourceColumn"]]) is not None
        ],
        "Time": values[model["TimeColumn"]] or "",
        "TimeUnit": model.get("TimeUnit") or "MILLISECONDS",
        "Version": version,
    }
    records = [{**common, **measure} for measure in _measures(model, values)]
    if not records:
        raise ValueError("The row has no measure value.")
    return records


def _measures(model: Model, values: Values) -> Iterator[dict[str, Any]]:
    column = model.get("MeasureNameColumn")
    named = values[column] if column else None
    if column and named is None:
        raise ValueError(f"The row has no measure name in the column {column}.")
    multi = model.get("MultiMeasureMappings")
    if multi:
        yield from _multi(named or multi["TargetMultiMeasureName"], multi["MultiMeasureAttributeMappings"], values)
        return
    mappings = [of for of in model["MixedMeasureMappings"] if named is None or of.get("MeasureName") in {None, named}]
    if not mappings:
        raise ValueError(f"The measure name {named} has no mapping in the data model.")
    for mapping in mappings:
        name = mapping.get("TargetMeasureName") or named or mapping["MeasureName"]
        if mapping["MeasureValueType"] == "MULTI":
            yield from _multi(name, mapping["MultiMeasureAttributeMappings"], values)
        elif (value := values[mapping["SourceColumn"]]) is not None:
            yield {"MeasureName": name, "MeasureValue": value, "MeasureValueType": mapping["MeasureValueType"]}


def _multi(name: str, attributes: list[dict[str, Any]], values: Values) -> Iterator[dict[str, Any]]:
    measures = [
        {
            "Name": of.get("TargetMultiMeasureAttributeName") or of["SourceColumn"],
            "Value": value,
            "Type": of["MeasureValueType"],
        }
        for of in attributes
        if (value := values[of["SourceColumn"]]) is not None
    ]
    if measures:
        yield {"MeasureName": name, "MeasureValueType": "MULTI", "MeasureValues": measures}
