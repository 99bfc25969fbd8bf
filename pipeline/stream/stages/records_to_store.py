"""The records channel → the store, and the usage. Callers that wait for a WriteRecords request get its outcome.

So do those that wait for a DELETE.

While the storage of the magnetic tier is away and a batch needs it (its table is new, or a row is older than what RAM
holds), the stage waits for it; queries and upkeep continue.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import numpy as np

from pipeline.base import metrics
from pipeline.log.deleting import Delete
from pipeline.stream.decided_types import give_up_texts, settle_texts
from pipeline.stream.partitions.partition import Partition
from pipeline.stream.work_batch import WorkBatch
from store.errors import MagneticUnavailable
from store.partition_store import PartitionStore
from store.record import Applied, Outcome, RecordBatch, TableId
from store.table.deletions import Deleted

T = TypeVar("T")


class _Revoked(Exception):
    """The partition is another worker's: it applies what waits here."""


async def records_to_store(stream: Any) -> None:
    """Run until the Faust stream ends."""
    async for work in stream:
        if work.partition.is_open:
            began_s = time.perf_counter()
            with suppress(_Revoked):
                await _apply(work)
            metrics.stage_seconds.labels("store").observe(time.perf_counter() - began_s)


async def _apply(work: WorkBatch) -> None:
    partition, store = work.partition, work.partition.store
    outcomes = np.zeros(len(Outcome), np.int64)
    if work.decisions:
        await _when_available(partition, partial(asyncio.to_thread, give_up_texts, store, work.decisions))
    for batch in work.batches:
        applied = await _when_available(partition, partial(_applied, store, batch))
        for offset, of in batch.by_request(applied) if batch.by_version else ((None, applied),):
            if offset is not None:
                partition.writes.applied(offset, of)
            outcomes += np.bincount(of.outcomes, minlength=len(Outcome))
    if work.decisions:
        await _when_available(partition, partial(asyncio.to_thread, settle_texts, store, work.decisions))
    partition.usage.count(work.offset, work.batches, work.uses)
    if work.delete is not None:
        deleted = await _when_available(partition, partial(_deleted, store, work.delete, work.offset))
        partition.deletes.applied(work.offset, deleted)
    store.advance(partition.id, work.offset)
    partition.progress.applied(work.offset, work.newest_arrival_ns)
    for outcome in Outcome:
        if outcomes[outcome]:
            metrics.records_applied.labels(outcome.name.lower()).inc(int(outcomes[outcome]))


async def _applied(store: PartitionStore, batch: RecordBatch) -> Applied:
    return store.apply(batch)


async def _deleted(store: PartitionStore, of: Delete, offset: int) -> Future[Deleted]:
    table = TableId(of.account, of.database, of.table)
    return store.delete(table, offset, of.text, of.now_ns, is_purge=of.is_purge)


async def _when_available(partition: Partition, work: Callable[[], Awaitable[T]]) -> T:
    """The result of `work`, tried again as long as the storage of the magnetic tier is away."""
    while True:
        try:
            return await work()
        except MagneticUnavailable as error:
            await asyncio.sleep(partition.store.unavailable(error))
        if not partition.is_open:
            raise _Revoked
