"""Query and CancelQuery: SQL with results in pages of text."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from store.endpoint.arns import table_arn
from store.endpoint.context import Context
from store.endpoint.errors import EndpointError, QueryExecution, Validation
from store.endpoint.results import KeptResults, new_query_id
from store.endpoint.rows import Page, Rows, parts, rows_of
from store.processes.job import Job, answered_at_once, is_worth_trying_at_once
from store.processes.limits import MIB
from store.reading.insights import Insights
from store.sql import SqlRequest
from store.sql.errors import LimitExceeded, QueryFailed, SqlError


class Queries:
    """The operations for queries, and the results that clients are fetching. One event loop."""

    def __init__(self, token_prefix: str, monotonic_ns: Callable[[], int], kept_bytes: int) -> None:
        """`kept_bytes`: of the results of one account."""
        self._monotonic_ns = monotonic_ns
        self._kept = KeptResults(token_prefix, kept_bytes)

    async def query(self, call: Context) -> dict[str, object]:
        """The first page, or with NextToken a further one. Raises Validation, QueryExecution, Conflict."""
        text, token = call.request["QueryString"], call.request.get("NextToken")
        max_rows = call.request.get("MaxRows")
        if token is not None:
            kept, first = self._kept.take(token, call.account, text, self._monotonic_ns())
            page = kept.result.page(first, max_rows)
            last = first + page.count
            return _answer(
                kept.query_id, kept.result, page, self._kept.token(kept, last) if last < len(kept.result) else None
            )
        query_id = new_query_id()
        result, insights = await self._run(call, text, query_id)
        page = result.page(0, max_rows)
        told = {} if insights is None else {"QueryInsightsResponse": _told(call, result, insights)}
        if page.count == len(result):
            return _answer(query_id, result, page) | told
        kept = self._kept.keep(query_id, call.account, text, result, self._monotonic_ns())
        return _answer(query_id, result, page, self._kept.token(kept, page.count)) | told

    async def cancel(self, call: Context) -> dict[str, object]:
        """End a running query, or discard a result that is being fetched."""
        query_id = call.request["QueryId"]
        call.runner.cancel(query_id)
        self._kept.cancel(query_id, call.account)
        return {"CancellationMessage": f"Query {query_id} cancelled"}

    async def _run(self, call: Context, text: str, query_id: str) -> tuple[Rows, Insights | None]:
        """The result, and what was read for it, if the call asks for that: then no rollups answer it."""
        executor = call.executor
        request = SqlRequest(text, call.now_ns, executor.limits.result_rows, is_cut=False, in_time_order=True)

        job = Job(request, parts)

        wants_insights = call.request.get("QueryInsights", {}).get("Mode") == "ENABLED_WITH_RATE_CONTROL"

        def run() -> tuple[Rows, Insights | None]:
            with call.store.lender(call.account) as lender, executor.run(lender, job) as answer:
                found = rows_of(answer.parts, self._kept.account_bytes)
            if found is None:
                raise LimitExceeded(
                    f"The result takes more than {self._kept.account_bytes / MIB:g} MiB, compressed, which is the "
                    "limit for results in pages; narrow the query by time or dimensions, or add a LIMIT"
                )
            return found, answer.insights if wants_insights else None

        try:
            if not wants_insights and is_worth_trying_at_once(text):
                answered = partial(answered_at_once, call.store, call.account, job)
                found = await call.runner.run(answered, query_id=query_id, text=text, is_short=True)
                rows = None if found is None else rows_of(found, self._kept.account_bytes)
                if rows is not None:
                    return rows, None
            return await call.runner.run(run, query_id=query_id, text=text)
        except SqlError as error:
            raise _error_of(error) from error


def _answer(query_id: str, result: Rows, page: Page, token: str | None = None) -> dict[str, object]:
    return {
        "QueryId": query_id,
        "Rows": page.rows,
        "ColumnInfo": result.described.columns,
        "QueryStatus": {
            "ProgressPercentage": 100.0,
            "CumulativeBytesScanned": result.described.size_bytes,  # bytes read are unknown: those found
            "CumulativeBytesMetered": 0,  # there is no billing
        },
        **({} if token is None else {"NextToken": token}),
    }


def _told(call: Context, result: Rows, insights: Insights) -> dict[str, object]:
    """What was read and found. The spatial coverage is unknown: no table is divided by dimensions."""
    widest = insights.widest
    of_time = {} if widest is None else {"TableArn": table_arn(call.region, call.account, *widest)}
    return {
        "QueryTableCount": insights.tables,
        "OutputRows": len(result),
        "OutputBytes": result.described.size_bytes,
        **({} if widest is None else {"QueryTemporalRange": {"Max": {"Value": insights.range_ns, **of_time}}}),
    }


def _error_of(error: SqlError) -> EndpointError:
    return QueryExecution(error.message) if isinstance(error, QueryFailed) else Validation(error.message)
