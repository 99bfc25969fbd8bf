"""The description of a prepared statement, made by the query process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from store.sql import ResultColumn, ResultSet, type_body


def described(result: ResultSet) -> Iterator[bytes]:
    """The members of the response, as JSON."""
    yield msgspec.json.encode(
        {
            "Columns": [_column(column) for column in result.columns],
            "Parameters": [{"Name": name, "Type": type_body(kind)} for name, kind in result.parameters],
        }
    )


def _column(column: ResultColumn) -> dict[str, Any]:
    table = column.table
    source = {} if table is None else {"DatabaseName": table.database, "TableName": table.table}
    return {"Name": column.name, "Type": type_body(column.type), **source, "Aliased": column.is_aliased}
