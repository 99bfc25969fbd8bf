"""One run of a scheduled query: its query, the records of the result, and the report of those that were not stored."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from store.catalog.catalog import TableInfo
from store.endpoint.admission import Rejection
from store.endpoint.batch_model import Model, columns_of, records_of
from store.endpoint.context import Buckets, Context
from store.endpoint.errors import Validation
from store.endpoint.patience import patiently
from store.endpoint.payload import WriteRecord
from store.endpoint.queries import error_of, metered_bytes, told_insights
from store.endpoint.records import read_records
from store.endpoint.results import new_query_id
from store.endpoint.scheduled.mistakes import Mistakes, report_path
from store.endpoint.scheduled.rows import decoded_rows, encoded_rows
from store.endpoint.scheduled.target import model_of
from store.endpoint.scheduled_query import ScheduledQuery, Started
from store.endpoint.write import WriteRecords, find_table
from store.objects.new_files import new_file, write_json
from store.processes.job import Job
from store.reading.insights import Insights
from store.record import TableId
from store.sql import SqlRequest
from store.sql.errors import SqlError
from store.unload.writer import FilesWriter

log = logging.getLogger(__name__)

_OF_RECORD = re.compile(r"^The record at index \d+ ")
REST_MAX_S = 0.05  # after a part, as long as it took: the stream runs in the same process


@dataclass(slots=True)
class Result:
    """What a run has done so far."""

    rows: int = 0
    ingested: int = 0
    data_writes: int = 0
    scanned_bytes: int = 0
    metered_bytes: int = 0
    insights: dict[str, Any] = field(default_factory=dict)
    mistakes: Mistakes = field(default_factory=Mistakes)


@dataclass(frozen=True, slots=True)
class Running:
    """A run that has been taken."""

    write: WriteRecords
    call_for: Callable[[str], Context]
    account: str
    buckets: Buckets
    refusals: tuple[type[Exception], ...]
    query: ScheduledQuery
    started: Started

    async def run(self, result: Result) -> None:
        """Run the query and store its result. Raises EndpointError, StoreError, OSError."""
        target = self.query.target
        model = None if target is None else model_of(target)
        parts = await patiently(lambda: self._asked(model, result), self.refusals, _nothing)
        if target is None or model is None:
            return
        table = TableId(self.account, target["DatabaseName"], target["TableName"])
        info = await asyncio.to_thread(find_table, self.call_for(self.account).store, table)
        for part in parts:
            began_s = time.perf_counter()
            await self._store(info, model, part, result)
            await asyncio.sleep(min(time.perf_counter() - began_s, REST_MAX_S))

    async def report(self, mistakes: Mistakes) -> tuple[str, str] | None:
        """Write the report of what was not stored: its bucket and key. None if it cannot be written."""
        where, report = self.query.request["ErrorReportConfiguration"]["S3Configuration"], mistakes.report()
        bucket, prefix = where["BucketName"], where.get("ObjectKeyPrefix")
        path = report_path(prefix, self.account, self.query, report["reportId"], self.started.invocation_ns)
        place = self.buckets.get(bucket)
        try:
            if place is None:
                raise FileNotFoundError("the setting buckets has none of this name for the account")
            await asyncio.to_thread(lambda: write_json(new_file(place, path), report))
        except OSError as error:
            log.warning("the report of errors s3://%s/%s cannot be written: %s", bucket, path, error)
            return None
        return bucket, path

    async def _asked(self, model: Model | None, result: Result) -> list[bytes]:
        """The rows of the result, in parts. Raises EndpointError, and as the runner of queries."""
        call, query_id, text = self.call_for(self.account), new_query_id(), self.query.request["QueryString"]
        request = SqlRequest(
            text,
            self.started.trigger_ns,
            call.executor.limits.result_rows,
            is_cut=False,
            unloading=FilesWriter(self.buckets, query_id),
            scheduled_ns=self.started.invocation_ns,
        )
        columns = frozenset[str]() if model is None else frozenset(columns_of(model))
        job = Job(request, partial(encoded_rows, columns=columns))

        def run() -> tuple[list[bytes], int, Insights]:
            with call.store.lender(call.account) as lender, call.executor.run(lender, job) as answer:
                return list(answer.parts), answer.rows, answer.insights

        try:
            (size, *parts), result.rows, insights = await call.runner.run(run, query_id=query_id, text=text)
        except SqlError as error:
            raise error_of(error) from error
        result.scanned_bytes, result.metered_bytes = insights.scanned_bytes, metered_bytes(insights.scanned_bytes)
        result.insights = told_insights(call, result.rows, int(size), insights)
        return parts

    async def _store(self, info: TableInfo, model: Model, part: bytes, result: Result) -> None:
        """Store the records of these rows."""
        given, records = await asyncio.to_thread(self._records, info, model, part, result.mistakes)

        def write() -> Awaitable[list[Rejection]]:
            return self.write.store(self.call_for(self.account), info, records)

        rejected = await patiently(write, self.refusals, _nothing) if records else []
        for entry in rejected:
            result.mistakes.add(entry.reason, given[entry.index])
        result.ingested += len(records) - len(rejected)
        result.data_writes += sum(map(_size, records))

    def _records(
        self, info: TableInfo, model: Model, part: bytes, mistakes: Mistakes
    ) -> tuple[list[dict[str, Any]], list[WriteRecord]]:
        """The records of these rows, as a client would have written them and as they are read."""
        given: list[dict[str, Any]] = []
        records: list[WriteRecord] = []
        for row in decoded_rows(part):
            try:
                made = records_of(model, row, self.started.trigger_ns)
                read = read_records({"Records": made}, info.settings.zone)
            except (ValueError, Validation) as error:
                mistakes.add(_OF_RECORD.sub("The record ", str(error)))
            else:
                given += made
                records += read
        return given, records


def _size(record: WriteRecord) -> int:
    """The bytes of its names and values; a time takes 8."""
    dimensions = sum(len(name) + len(value) for name, value in record.dimensions)
    return 8 + dimensions + sum(len(column) + len(str(value)) for column, _, value in record.values)


async def _nothing() -> None:
    pass
