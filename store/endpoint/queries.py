"""Query and CancelQuery: SQL with results in pages of text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from store.endpoint.context import Context
from store.endpoint.errors import EndpointError, QueryExecution, Validation
from store.endpoint.results import KeptResult, KeptResults, new_query_id
from store.sql import ArrayType, ResultSet, RowType, ScalarType, SqlType, query
from store.sql.errors import QueryFailed, SqlError

PAGE_MAX_BYTES = 1_000_000  # "page ≤ 1 MB"; of the rows as JSON

_encoder = msgspec.json.Encoder()


class Queries:
    """The operations for queries, and the results that clients are fetching. One event loop."""

    def __init__(self, token_prefix: str, monotonic_ns: Callable[[], int]) -> None:
        self._monotonic_ns = monotonic_ns
        self._kept = KeptResults(token_prefix)

    async def query(self, call: Context) -> dict[str, object]:
        """The first page, or with NextToken a further one. Raises Validation, QueryExecution, Conflict."""
        text, token = call.request["QueryString"], call.request.get("NextToken")
        max_rows = call.request.get("MaxRows")
        if token is not None:
            kept, first = self._kept.take(token, call.account, text, self._monotonic_ns())
            return self._page(kept.query_id, kept.result, first, max_rows, kept)
        query_id = new_query_id()
        result = await self._run(call, text, query_id)
        answer = self._page(query_id, result, 0, max_rows, None)
        rows = answer["Rows"]
        assert isinstance(rows, list)
        if len(rows) < len(result):
            kept = self._kept.keep(query_id, call.account, text, result, self._monotonic_ns())
            answer["NextToken"] = self._kept.token(kept, len(rows))
        return answer

    async def cancel(self, call: Context) -> dict[str, object]:
        """End a running query, or discard a result that is being fetched."""
        query_id = call.request["QueryId"]
        call.runner.cancel(query_id)
        self._kept.cancel(query_id, call.account)
        return {"CancellationMessage": f"Query {query_id} cancelled"}

    async def _run(self, call: Context, text: str, query_id: str) -> ResultSet:
        try:
            return await call.runner.run(
                lambda: query(call.store, call.account, text, now_ns=call.now_ns, in_time_order=True),
                query_id=query_id,
                text=text,
            )
        except SqlError as error:
            raise _answer_of(error) from error

    def _page(
        self, query_id: str, result: ResultSet, first: int, max_rows: int | None, kept: KeptResult | None
    ) -> dict[str, object]:
        rows = _rows(result, first, max_rows)
        answer: dict[str, object] = {
            "QueryId": query_id,
            "Rows": rows,
            "ColumnInfo": [{"Name": column.name, "Type": _type(column.type)} for column in result.columns],
            "QueryStatus": {
                "ProgressPercentage": 100.0,
                "CumulativeBytesScanned": result.table.nbytes,  # bytes read are unknown: those found
                "CumulativeBytesMetered": 0,  # there is no billing
            },
        }
        if kept is not None and first + len(rows) < len(result):
            answer["NextToken"] = self._kept.token(kept, first + len(rows))
        return answer


def _answer_of(error: SqlError) -> EndpointError:
    return QueryExecution(error.message) if isinstance(error, QueryFailed) else Validation(error.message)


def _rows(result: ResultSet, first: int, max_rows: int | None) -> list[msgspec.Raw]:
    """Rows from `first` on as JSON: at most `max_rows`, and as many as fit into a page. Raises Validation."""
    rows: list[msgspec.Raw] = []
    size = 0
    count = len(result) - first if max_rows is None else max_rows
    for chunk in range(first, min(first + count, len(result)), 1_000):
        for row in result.rows(chunk, min(1_000, first + count - chunk)):
            data = _encoder.encode({"Data": _data(row, [column.type for column in result.columns])})
            size += len(data)
            if size > PAGE_MAX_BYTES:
                if not rows:
                    raise Validation(
                        "Query aborted as max page response size has been exceeded by the output result row"
                    )
                return rows
            rows.append(msgspec.Raw(data))
    return rows


def _data(values: Iterable[Any], kinds: Iterable[SqlType]) -> list[dict[str, object]]:
    return [_datum(value, kind) for value, kind in zip(values, kinds, strict=True)]


def _datum(value: Any, kind: SqlType) -> dict[str, object]:
    if value is None:
        return {"NullValue": True}
    match kind:
        case ArrayType():
            return {"ArrayValue": [_datum(element, kind.element) for element in value]}
        case RowType():
            return {"RowValue": {"Data": _data(value, [field for _, field in kind.fields])}}
        case _:
            return {"ScalarValue": value}


def _type(kind: SqlType) -> dict[str, object]:
    match kind:
        case ArrayType():
            return {"ArrayColumnInfo": {"Type": _type(kind.element)}}
        case RowType():
            return {"RowColumnInfo": [{"Name": name, "Type": _type(field)} for name, field in kind.fields]}
        case ScalarType():
            return {"ScalarType": kind.value}
