"""Averages as bytes: JSON as documented, or rows as CSV, Arrow and Parquet, one a zone, measure and bin."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson
import pyarrow as pa

from pipeline.api.http import responses, results
from pipeline.api.http.averages_request import Asked
from store.sql import ResultColumn, ResultSet, ScalarType
from store.values.times import parse_rfc3339

Shape = Callable[[list[responses.Averages]], object]

_ARROW = {
    ScalarType.VARCHAR: pa.string(),
    ScalarType.TIMESTAMP: pa.int64(),  # nanoseconds, as in every result
    ScalarType.DOUBLE: pa.float64(),
    ScalarType.BIGINT: pa.int64(),
}
_SPREAD = ("min", "p10", "p50", "p90", "max")


def encoded(found: list[responses.Averages], asked: Asked, shape: Shape) -> bytes:
    """The body of the response, in the format that is asked for."""
    if asked.form == "json":
        return orjson.dumps(shape(found))
    return b"".join(results.parts(_rows(found, asked), asked.form))


def _rows(found: list[responses.Averages], asked: Asked) -> ResultSet:
    """One row for each zone, measure and bin."""
    columns = list(_columns(asked))
    rows = [(of, row) for of in found for row in of["averages"]]
    table = pa.table(
        [pa.array([value(of, row) for of, row in rows], _ARROW[kind]) for _, kind, value in columns],
        names=[str(place) for place in range(len(columns))],
    )
    return ResultSet(tuple(ResultColumn(name, kind) for name, kind, _ in columns), table)


Value = Callable[[Any, Any], Any]


def _columns(asked: Asked) -> Iterator[tuple[str, ScalarType, Value]]:
    """Names, types, and how the value comes from a result and one of its averages."""
    yield "zone", ScalarType.VARCHAR, lambda of, _: of["zone"]
    yield "measure", ScalarType.VARCHAR, lambda of, _: of["measure"]
    yield "unit", ScalarType.VARCHAR, lambda of, _: of["unit"]
    yield "time", ScalarType.TIMESTAMP, lambda _, row: parse_rfc3339(row["time"])
    for name in ("average", "min", "max"):
        yield name, ScalarType.DOUBLE, _at(name)
    yield "count", ScalarType.BIGINT, _at("count")
    for name in asked.percentiles:
        yield f"p{name}", ScalarType.DOUBLE, _at("percentiles", name)
    if asked.sensors:
        yield "sensors", ScalarType.BIGINT, _at("sensors", "count")
        for name in _SPREAD:
            yield f"sensors_{name}", ScalarType.DOUBLE, _at("sensors", name)


def _at(*names: str) -> Value:
    """The value under these names of an average; None where one is absent."""

    def value(_: Any, row: Any) -> Any:
        for name in names:
            row = (row or {}).get(name)
        return row

    return value


def media_type(asked: Asked) -> str:
    """Of the response."""
    return results.FORMATS[asked.form]


def with_formats(answered: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a route whose response is also described in the other formats."""
    described: Sequence[str] = [kind.partition(";")[0] for form, kind in results.FORMATS.items() if form != "json"]
    content = answered["responses"][200]["content"]
    content |= {kind: {"schema": {"type": "string", "format": "binary"}} for kind in described}
    return answered
