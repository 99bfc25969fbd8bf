"""Background work for usage: samples of the tiers, words about queries, saved state, and its metrics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from pipeline.base import metrics
from pipeline.stream.partitions.owned import OwnedPartitions
from pipeline.stream.partitions.stored_bytes import stored_bytes
from pipeline.stream.usage.counts import by_account, summed
from pipeline.worker.metered_queries import QueryUses

SAVE_LOOK_S = 1.0


class UsageUpkeep:
    """Used in the worker's event loop."""

    def __init__(self, owned: OwnedPartitions, uses: QueryUses, clock_ns: Callable[[], int]) -> None:
        self._owned = owned
        self._uses = uses
        self._clock_ns = clock_ns
        self._accounts: set[str] = set()
        self.append: Callable[[bytes, int], Awaitable[Any]] | None = None  # to [readings], once the topology runs

    async def tell(self) -> None:
        """Tell in the log what queries have used."""
        append = self.append
        if append is not None:
            await self._uses.tell(lambda word: append(word, 0))

    async def save(self) -> None:
        """Save what is due."""
        for partition in self._owned:
            if partition.is_open and partition.usage.is_due(time.monotonic()):
                await asyncio.to_thread(partition.usage.save)

    async def sample(self) -> None:
        """Add the bytes of tables since the last sample; set the metrics."""
        await asyncio.to_thread(self._sample)

    def _sample(self) -> None:
        partitions = list(self._owned)
        sizes = stored_bytes(partitions)
        for partition in partitions:
            if partition.store.is_clock_believed:
                partition.usage.sample(self._clock_ns(), sizes[partition.id])
        found = by_account(summed(partition.usage.part(sizes[partition.id]) for partition in partitions))
        for account in self._accounts - found.keys():  # its partitions are another worker's now
            for gauge in metrics.USAGE_OF_ACCOUNTS:
                gauge.labels(account).set(0)
        self._accounts = set(found)
        for account, (use, stored) in found.items():
            metrics.usage_records.labels(account).set(use.records)
            metrics.usage_written_bytes.labels(account).set(use.written_bytes)
            metrics.usage_queries.labels(account).set(use.queries)
            metrics.usage_scanned_bytes.labels(account).set(use.scanned_bytes)
            metrics.usage_metered_bytes.labels(account).set(use.metered_bytes)
            metrics.usage_memory_bytes.labels(account).set(stored.memory_bytes)
            metrics.usage_magnetic_bytes.labels(account).set(stored.magnetic_bytes)
