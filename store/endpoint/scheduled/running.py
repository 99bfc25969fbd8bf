"""One run of a scheduled query: its query, the records of the result, and the report of those that were not stored."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from store.endpoint.context import Buckets
from store.endpoint.results import new_query_id
from store.endpoint.scheduled.derived import Deriving, Result
from store.endpoint.scheduled.mistakes import Mistakes, report_path
from store.endpoint.scheduled.target import model_of
from store.endpoint.scheduled_query import ScheduledQuery, Started
from store.endpoint.write import find_table
from store.objects.new_files import new_file, write_json
from store.record import TableId
from store.sql import SqlRequest
from store.unload.writer import FilesWriter

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Running:
    """A run that has been taken."""

    deriving: Deriving
    buckets: Buckets
    query: ScheduledQuery
    started: Started

    async def run(self, result: Result) -> None:
        """Run the query and store its result. Raises EndpointError, StoreError, OSError."""
        target, account = self.query.target, self.deriving.account
        call = self.deriving.call_for(account)
        request = SqlRequest(
            self.query.request["QueryString"],
            self.started.trigger_ns,
            call.executor.limits.result_rows,
            is_cut=False,
            unloading=FilesWriter(self.buckets, new_query_id()),
            scheduled_ns=self.started.invocation_ns,
        )
        if target is None:
            await self.deriving.ask(request, None, result)
            return
        model = model_of(target)
        parts = await self.deriving.ask(request, model, result)
        table = TableId(account, target["DatabaseName"], target["TableName"])
        await self.deriving.store(await asyncio.to_thread(find_table, call.store, table), model, parts, result)

    async def report(self, mistakes: Mistakes) -> tuple[str, str] | None:
        """Write the report of what was not stored: its bucket and key. None if it cannot be written."""
        where, report = self.query.request["ErrorReportConfiguration"]["S3Configuration"], mistakes.report()
        bucket, prefix, account = where["BucketName"], where.get("ObjectKeyPrefix"), self.deriving.account
        path = report_path(prefix, account, self.query, report["reportId"], self.started.invocation_ns)
        place = self.buckets.get(bucket)
        try:
            if place is None:
                raise FileNotFoundError("the setting buckets has none of this name for the account")
            await asyncio.to_thread(lambda: write_json(new_file(place, path), report))
        except OSError as error:
            log.warning("the report of errors s3://%s/%s cannot be written: %s", bucket, path, error)
            return None
        return bucket, path
