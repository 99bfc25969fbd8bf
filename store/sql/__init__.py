"""Timestream's SQL over the store: `query` runs one statement. Only this package uses sqlglot."""

from store.sql.errors import SqlError
from store.sql.query import SqlRequest, query
from store.sql.result import ResultColumn, ResultSet
from store.sql.types import ArrayType, RowType, ScalarType, SqlType

__all__ = [
    "ArrayType",
    "ResultColumn",
    "ResultSet",
    "RowType",
    "ScalarType",
    "SqlError",
    "SqlRequest",
    "SqlType",
    "query",
]
