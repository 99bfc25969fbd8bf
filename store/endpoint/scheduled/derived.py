"""A query whose result becomes records of a table, all with one version."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from store.catalog.catalog import TableInfo
from store.endpoint.admission import Rejection
from store.endpoint.batch_model import Model, columns_of, records_of
from store.endpoint.context import Context
from store.endpoint.errors import Validation
from store.endpoint.patience import patiently
from store.endpoint.payload import WriteRecord
from store.endpoint.queries import error_of, metered_bytes, told_insights
from store.endpoint.records import read_records
from store.endpoint.results import new_query_id
from store.endpoint.scheduled.mistakes import Mistakes
from store.endpoint.scheduled.rows import decoded_rows, encoded_rows
from store.endpoint.write import WriteRecords
from store.processes.job import Job
from store.reading.insights import Insights
from store.record_size import record_bytes
from store.sql import SqlRequest
from store.sql.errors import SqlError

_OF_RECORD = re.compile(r"^The record at index \d+ ")
REST_MAX_S = 0.05  # after a part, as long as it took: the stream runs in the same process


@dataclass(slots=True)
class Result:
    """What was done so far."""

    rows: int = 0
    ingested: int = 0
    data_writes: int = 0
    scanned_bytes: int = 0
    metered_bytes: int = 0
    insights: dict[str, Any] = field(default_factory=dict)
    mistakes: Mistakes = field(default_factory=Mistakes)


@dataclass(frozen=True, slots=True)
class Deriving:
    """Asks and stores for an account; waits while the server is overloaded."""

    write: WriteRecords
    call_for: Callable[[str], Context]
    account: str
    refusals: tuple[type[Exception], ...]
    version: int

    async def ask(self, request: SqlRequest, model: Model | None, result: Result) -> list[bytes]:
        """The rows of the result that `model` needs, in parts. Raises EndpointError, StoreError."""
        return await patiently(lambda: self._asked(request, model, result), self.refusals, _nothing)

    async def store(self, info: TableInfo, model: Model, parts: Sequence[bytes], result: Result) -> None:
        """Store the records of these rows. Raises StoreError, OSError."""
        for part in parts:
            began_s = time.perf_counter()
            await self._store(info, model, part, result)
            await asyncio.sleep(min(time.perf_counter() - began_s, REST_MAX_S))

    async def _asked(self, request: SqlRequest, model: Model | None, result: Result) -> list[bytes]:
        call, query_id = self.call_for(self.account), new_query_id()
        columns = frozenset[str]() if model is None else frozenset(columns_of(model))
        job = Job(request, partial(encoded_rows, columns=columns))

        def run() -> tuple[list[bytes], int, Insights]:
            with call.store.lender(call.account) as lender, call.executor.run(lender, job) as answer:
                return list(answer.parts), answer.rows, answer.insights

        try:
            (size, *parts), result.rows, insights = await call.runner.run(run, query_id=query_id, text=request.text)
        except SqlError as error:
            raise error_of(error) from error
        result.scanned_bytes, result.metered_bytes = insights.scanned_bytes, metered_bytes(insights.scanned_bytes)
        result.insights = told_insights(call, result.rows, int(size), insights)
        return parts

    async def _store(self, info: TableInfo, model: Model, part: bytes, result: Result) -> None:
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
                made = records_of(model, row, self.version)
                read = read_records({"Records": made}, info.settings.zone)
            except (ValueError, Validation) as error:
                mistakes.add(_OF_RECORD.sub("The record ", str(error)))
            else:
                given += made
                records += read
        return given, records


def _size(record: WriteRecord) -> int:
    """What it counts when it is written, as the service meters writes."""
    names = (record.measure_name, *(text for pair in record.dimensions for text in pair))
    return record_bytes(names, record.values)


async def _nothing() -> None:
    pass
