"""The records channel → the store. Callers that wait for a WriteRecords request get its outcome."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import numpy as np

from pipeline.base import metrics
from pipeline.stream.decided_types import give_up_texts, settle_texts
from store.record import Outcome


async def records_to_store(stream: Any) -> None:
    """Run until the Faust stream ends."""
    async for work in stream:
        partition = work.partition
        if not partition.is_open:
            continue
        began_s = time.perf_counter()
        outcomes = np.zeros(len(Outcome), np.int64)
        if work.decisions:
            await asyncio.to_thread(give_up_texts, partition.store, work.decisions)
        for batch in work.batches:
            applied = partition.store.apply(batch)
            outcomes += np.bincount(applied.outcomes, minlength=len(Outcome))
            if batch.by_version:
                partition.writes.applied(int(batch.offset[0]), applied)
        if work.decisions:
            await asyncio.to_thread(settle_texts, partition.store, work.decisions)
        metrics.stage_seconds.labels("store").observe(time.perf_counter() - began_s)
        partition.store.advance(partition.id, work.offset)
        partition.progress.applied(work.offset, work.newest_arrival_ns)
        for outcome in Outcome:
            if outcomes[outcome]:
                metrics.records_applied.labels(outcome.name.lower()).inc(int(outcomes[outcome]))
