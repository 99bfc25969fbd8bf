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
from store.reading.insights import METERED_LEAST_BYTES, Exported, Insights
from store.sql import SqlRequest
from store.sql.errors import LimitExceeded, QueryFailed, SqlError
from store.unload.writer import FilesWriter


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
            next_token = self._kept.token(kept, last) if last < len(kept.result) else None
            return _answer(kept.query_id, kept.result, page, kept.scanned_bytes, next_token)
        query_id = new_query_id()
        wants_insights = (call.request.get("QueryInsights") or {}).get("Mode") == "ENABLED_WITH_RATE_CONTROL"
        result, insights = await self._run(call, text, query_id, wants_insights=wants_insights)
        page, scanned = result.page(0, max_rows), insights.scanned_bytes
        told = {}
        if wants_insights:
            read = told_insights(call, len(result), result.described.size_bytes, insights)
            told = {"QueryInsightsResponse": read | _unloaded(insights.exported)}
        if page.count == len(result):
            return _answer(query_id, result, page, scanned) | told
        kept = self._kept.keep(query_id, call.account, text, result, self._monotonic_ns(), scanned)
        return _answer(query_id, result, page, scanned, self._kept.token(kept, page.count)) | told

    async def cancel(self, call: Context) -> dict[str, object]:
        """End a running query, or discard a result that is being fetched."""
        query_id = call.request["QueryId"]
        call.runner.cancel(query_id)
        self._kept.cancel(query_id, call.account)
        return {"CancellationMessage": f"Query {query_id} cancelled"}

    async def _run(self, call: Context, text: str, query_id: str, *, wants_insights: bool) -> tuple[Rows, Insights]:
        """The result, and what was read for it. If the call wants insights, no rollups answer it."""
        executor = call.executor
        unloading = FilesWriter(call.buckets, query_id)
        request = SqlRequest(
            text, call.now_ns, executor.limits.result_rows, is_cut=False, in_time_order=True, unloading=unloading
        )
        job = Job(request, parts)

        def run() -> tuple[Rows, Insights]:
            with call.store.lender(call.account) as lender, executor.run(lender, job) as answer:
                found = rows_of(answer.parts, self._kept.account_bytes)
            if found is None:
                raise LimitExceeded(
                    f"The result takes more than {self._kept.account_bytes / MIB:g} MiB, compressed, which is the "
                    "limit for results in pages; narrow the query by time or dimensions, or add a LIMIT"
                )
            return found, answer.insights

        try:
            if not wants_insights and is_worth_trying_at_once(text):
                answered = partial(answered_at_once, call.store, call.account, job)
                found = await call.runner.run(answered, query_id=query_id, text=text, is_short=True)
                rows = None if found is None else rows_of(found, self._kept.account_bytes)
                if rows is not None:
                    return rows, Insights()
            return await call.runner.run(run, query_id=query_id, text=text)
        except SqlError as error:
            raise error_of(error) from error


def _answer(query_id: str, result: Rows, page: Page, scanned_bytes: int, token: str | None = None) -> dict[str, object]:
    return {
        "QueryId": query_id,
        "Rows": page.rows,
        "ColumnInfo": result.described.columns,
        "QueryStatus": {
            "ProgressPercentage": 100.0,
            "CumulativeBytesScanned": scanned_bytes,
            "CumulativeBytesMetered": metered_bytes(scanned_bytes),
        },
        **({} if token is None else {"NextToken": token}),
    }


def metered_bytes(scanned_bytes: int) -> int:
    """What the service would charge for."""
    return max(scanned_bytes, METERED_LEAST_BYTES)


def told_insights(call: Context, rows: int, size_bytes: int, insights: Insights) -> dict[str, object]:
    """What was read and found. The spatial coverage is unknown: no table is divided by dimensions."""
    widest = insights.widest
    of_time = {} if widest is None else {"TableArn": table_arn(call.region, call.account, *widest)}
    return {
        "QueryTableCount": insights.tables,
        "OutputRows": rows,
        "OutputBytes": size_bytes,
        **({} if widest is None else {"QueryTemporalRange": {"Max": {"Value": insights.range_ns, **of_time}}}),
    }


def _unloaded(exported: Exported | None) -> dict[str, object]:
    if exported is None:
        return {}
    return {
        "UnloadPartitionCount": exported.partitions,
        "UnloadWrittenRows": exported.rows,
        "UnloadWrittenBytes": exported.size_bytes,
    }


def error_of(error: SqlError) -> EndpointError:
    """The error of the protocol for one of SQL."""
    return QueryExecution(error.message) if isinstance(error, QueryFailed) else Validation(error.message)
