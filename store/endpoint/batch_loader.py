"""Loads batch load tasks, one after the other: rows of CSV files become records, through the log, as in WriteRecords.

How far a task is is saved together with its numbers, after the records are stored. After a crash the rows since then
are loaded again: they are the same records, so each counts once. Of several workers the one that has a task says so
every few seconds; a task of which nobody has said so for a minute is taken over.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from store.catalog.catalog import TableInfo
from store.endpoint.admission import Rejection
from store.endpoint.batch_model import columns_of, records_of
from store.endpoint.batch_rows import CsvRow, FileFault, read_rows
from store.endpoint.batch_task import (
    FAILED,
    IN_PROGRESS,
    PROGRESS_STOPPED,
    SUCCEEDED,
    BatchTask,
    change_tasks,
    tasks_of,
)
from store.endpoint.context import Buckets, Context
from store.endpoint.errors import EndpointError, Validation
from store.endpoint.patience import patiently
from store.endpoint.payload import WriteRecord
from store.endpoint.records import read_records
from store.endpoint.write import WriteRecords, find_table
from store.errors import StoreError
from store.objects.location import S3Location
from store.objects.new_files import new_file, write_json
from store.objects.read_files import files_below
from store.record import TableId

log = logging.getLogger(__name__)

CHUNK_ROWS = 500
FILES_MAX = 100  # of a task, as in the service
SAVE_EVERY_NS = 2_000_000_000
ABANDONED_NS = 60_000_000_000
LOOK_EVERY_S = 10.0
REST_MAX_S = 0.05  # after a chunk, as long as it took: the stream runs in the same process
_OF_RECORD = re.compile(r"^The record at index \d+ ")


class _Lost(Exception):
    """Another worker has the task."""


@dataclass(slots=True)
class BatchLoader:
    """Loads tasks in one event loop.

    call_for  a call for an account, as if a client had written
    buckets   of an account
    refusals  errors by which the writer reports overload
    owner     the name of this worker; "" if there is no other, so that no task is anybody else's
    """

    write: WriteRecords
    call_for: Callable[[str], Context]
    buckets: Callable[[str], Buckets]
    refusals: tuple[type[Exception], ...]
    owner: str = ""

    async def work(self, wake: asyncio.Event) -> None:
        """Load tasks until cancelled; looks for new ones when `wake` is set, and every few seconds."""
        while True:
            wake.clear()
            try:
                await self.load_all()
            except (StoreError, OSError) as error:
                log.warning("batch loads wait for the storage: %s", error)
            try:
                await asyncio.wait_for(wake.wait(), LOOK_EVERY_S)
            except TimeoutError:
                continue

    async def load_all(self) -> None:
        """Load every task that waits."""
        call = self.call_for("")
        await asyncio.to_thread(lambda: call.store.catalog.refresh(now=True))
        for account in call.store.catalog.accounts():
            for task in tasks_of(call.store.catalog, account).values():
                if task.is_to_do:
                    await self._load(self.call_for(account), task.id)

    async def _load(self, call: Context, task_id: str) -> None:
        try:
            loading = _Loading(self, call, await asyncio.to_thread(self._claimed, call, task_id))
        except _Lost:
            return
        try:
            await loading.load()
        except _Lost:
            log.warning("batch load task %s is continued by another worker", task_id)
        except (EndpointError, StoreError, OSError) as error:
            log.warning("batch load task %s has stopped: %s", task_id, error)
            await loading.stop(str(error))
        except Exception:  # whatever it is, the other tasks go on
            log.exception("batch load task %s has failed", task_id)
            await loading.stop("Internal error; see the server's log.")

    def _claimed(self, call: Context, task_id: str) -> BatchTask:
        """The task, which is ours now. Raises _Lost."""

        def changed(tasks: dict[str, BatchTask]) -> BatchTask:
            task = tasks.get(task_id)
            is_others = task is not None and task.owner != self.owner and call.now_ns - task.seen_ns < ABANDONED_NS
            if task is None or not task.is_to_do or (task.status == IN_PROGRESS and is_others):
                raise _Lost
            task.status, task.owner, task.seen_ns = IN_PROGRESS, self.owner, call.now_ns
            return task

        return change_tasks(call.store.catalog, call.account, changed)


class _Loading:
    """One task while it is loaded."""

    def __init__(self, loader: BatchLoader, call: Context, task: BatchTask) -> None:
        self._loader = loader
        self._call = call
        self._task = task
        self._saved_ns = call.now_ns

    async def load(self) -> None:
        """Load the rest of the task. Raises _Lost, EndpointError, StoreError, OSError."""
        task, request = self._task, self._task.request
        source = request["DataSourceConfiguration"]["DataSourceS3Configuration"]
        place = self._place(source["BucketName"])
        table = TableId(self._call.account, request["TargetDatabaseName"], request["TargetTableName"])
        found = await asyncio.to_thread(find_table, self._call.store, table)
        # records may be as old as both retentions together, whatever WriteRecords may write
        info = replace(found, settings=replace(found.settings, magnetic_writes=True))
        if task.files is None:
            task.files = await asyncio.to_thread(files_below, place, source.get("ObjectKeyPrefix") or "")
            if not 1 <= len(task.files) <= FILES_MAX:
                task.task_errors.append(f"There are {len(task.files)} files; from 1 to {FILES_MAX} can be loaded.")
                task.files = []
            await self._save()
        while task.file < len(task.files):
            await self._load_file(place, info, *task.files[task.file])
        await self._end()

    async def stop(self, message: str) -> None:
        """Leave the task to ResumeBatchLoadTask."""
        self._task.status, self._task.message = PROGRESS_STOPPED, message[:2048]
        await self._save()

    def _place(self, bucket: str) -> Path | S3Location:
        place = self._loader.buckets(self._call.account).get(bucket)
        if place is None:
            raise Validation(f"The account may not use the bucket {bucket} any more (the server's setting buckets).")
        return place

    async def _load_file(self, place: Path | S3Location, info: TableInfo, path: str, size_bytes: int) -> None:
        task = self._task
        form = task.request["DataSourceConfiguration"].get("CsvConfiguration") or {}
        rows = read_rows(place, path, form, columns_of(task.model))
        try:
            await asyncio.to_thread(_skip, rows, task.rows)
            began_s = time.perf_counter()
            while chunk := await asyncio.to_thread(_taken, rows):
                await self._load_rows(info, path, chunk)
                await asyncio.sleep(min(time.perf_counter() - began_s, REST_MAX_S))
                began_s = time.perf_counter()
                if self._call_now_ns() - self._saved_ns >= SAVE_EVERY_NS:
                    await self._save()
        except FileFault as error:
            task.progress.file_failures += 1
            task.fail_rows(path, str(error), 1, 1)
        finally:
            rows.close()
        task.progress.bytes_metered += size_bytes
        task.file, task.rows = task.file + 1, 0
        await self._save()

    async def _load_rows(self, info: TableInfo, path: str, rows: Sequence[CsvRow]) -> None:
        """Load these rows. The task counts them, and what failed, all at once: it may be saved at any moment."""
        task, progress = self._task, self._task.progress
        records, of_record, unread = await asyncio.to_thread(_records, task, info, rows)
        rejected = await self._written(info, records)
        failed = [*unread, *((of_record[index], reason) for index, reason in rejected.items())]
        for row, reason in sorted(failed, key=lambda one: one[0].first_line):
            task.fail_rows(path, reason, row.first_line, row.last_line)
        progress.records_processed += len(rows)
        progress.parse_failures += len(unread)
        progress.records_ingested += len(records) - len(rejected)
        progress.record_ingestion_failures += len(rejected)
        task.rows += len(rows)

    async def _written(self, info: TableInfo, records: list[WriteRecord]) -> Mapping[int, str]:
        """Write records; the reasons of those that are rejected, by index. Waits while the writer is overloaded."""
        loader = self._loader

        def write() -> Awaitable[list[Rejection]]:
            return loader.write.store(loader.call_for(self._call.account), info, records)

        # what is saved after each wait tells other workers that the task is not abandoned
        rejected = await patiently(write, loader.refusals, self._save) if records else []
        return {entry.index: entry.reason for entry in rejected}

    async def _end(self) -> None:
        """Write the report, and forget what is in it."""
        task = self._task
        has_failed = task.has_failed
        if has_failed:
            where = task.request["ReportConfiguration"]["ReportS3Configuration"]
            prefix = (where.get("ObjectKeyPrefix") or "").strip("/")
            path = f"{prefix}/{task.id}.json" if prefix else f"{task.id}.json"
            place, report = self._place(where["BucketName"]), task.report()
            await asyncio.to_thread(lambda: write_json(new_file(place, path), report))
        task.errors, task.task_errors = {}, []
        task.status = FAILED if has_failed else SUCCEEDED
        await self._save()

    async def _save(self) -> None:
        """Save the task. Raises _Lost if another worker has it."""
        task, now_ns = self._task, self._call_now_ns()
        task.updated_ns = task.seen_ns = self._saved_ns = now_ns

        def changed(tasks: dict[str, BatchTask]) -> BatchTask:
            if task.id not in tasks or tasks[task.id].owner != self._loader.owner:
                raise _Lost
            tasks[task.id] = task
            return task

        await asyncio.to_thread(change_tasks, self._call.store.catalog, self._call.account, changed)

    def _call_now_ns(self) -> int:
        return self._loader.call_for(self._call.account).now_ns


def _records(
    task: BatchTask, info: TableInfo, rows: Sequence[CsvRow]
) -> tuple[list[WriteRecord], list[CsvRow], list[tuple[CsvRow, str]]]:
    """The records of these rows, the row of each, and the rows that have none, each with the reason."""
    records: list[WriteRecord] = []
    of_record: list[CsvRow] = []
    unread: list[tuple[CsvRow, str]] = []
    for row in rows:
        try:
            read = _read(task, info, row)
        except (ValueError, Validation) as error:
            unread.append((row, _OF_RECORD.sub("The record ", str(error))))
        else:
            records += read
            of_record += [row] * len(read)
    return records, of_record, unread


def _read(task: BatchTask, info: TableInfo, row: CsvRow) -> list[WriteRecord]:
    if row.fault:
        raise ValueError(row.fault)
    records = records_of(task.model, row.values, task.request.get("RecordVersion", 1))
    return read_records({"Records": records}, info.settings.zone)


def _taken(rows: Iterator[CsvRow]) -> list[CsvRow]:
    return list(itertools.islice(rows, CHUNK_ROWS))


def _skip(rows: Iterator[CsvRow], count: int) -> None:
    next(itertools.islice(rows, count, count), None)
