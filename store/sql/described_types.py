"""Types as Timestream describes them to clients."""

from __future__ import annotations

from store.sql.types import ArrayType, MapType, RowType, ScalarType, SqlType, TimeSeriesType, ZonedType


def type_body(kind: SqlType) -> dict[str, object]:
    """A type as the service describes it."""
    match kind:
        case MapType():
            return type_body(kind.rows)
        case ArrayType():
            return {"ArrayColumnInfo": {"Type": type_body(kind.element)}}
        case RowType():
            return {"RowColumnInfo": [_field(name, field) for name, field in kind.fields]}
        case TimeSeriesType():
            return {"TimeSeriesMeasureValueColumnInfo": {"Type": type_body(kind.value)}}
        case ScalarType() | ZonedType():
            return {"ScalarType": kind.on_wire}


def _field(name: str, kind: SqlType) -> dict[str, object]:
    return {"Name": name, "Type": type_body(kind)} if name else {"Type": type_body(kind)}
