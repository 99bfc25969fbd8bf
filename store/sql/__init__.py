"""Timestream's SQL over the store: `query` runs one statement, `at_once` one without rows. Only this uses sqlglot."""

from store.sql.described_types import type_body
from store.sql.errors import SqlError
from store.sql.query import SqlRequest, at_once, from_summaries, may_be_at_once, may_be_summarised, query
from store.sql.result import ResultColumn, ResultSet
from store.sql.types import TEXTS, ArrayType, MapType, RowType, Scalar, ScalarType, SqlType, TimeSeriesType, ZonedType
from store.sql.values import formatter

__all__ = [
    "TEXTS",
    "ArrayType",
    "MapType",
    "ResultColumn",
    "ResultSet",
    "RowType",
    "Scalar",
    "ScalarType",
    "SqlError",
    "SqlRequest",
    "SqlType",
    "TimeSeriesType",
    "ZonedType",
    "at_once",
    "formatter",
    "from_summaries",
    "may_be_at_once",
    "may_be_summarised",
    "query",
    "type_body",
]
