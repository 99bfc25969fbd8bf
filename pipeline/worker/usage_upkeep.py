"""Background work for usage: samples of the tiers, words about queries, saved state, and its metrics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from pipeline.base import metrics
from pipeline.stream.partitions.owned import OwnedPartitions
from pipeline.stream.partitions.partition import Partition
from pipeline.stream.usage.counts import Stored, by_account, summed
from pipeline.worker.metered_queries import QueryUses
from store.names import TableId

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
        partitions = [partition for partition in self._owned if partition.store.is_clock_believed]
        shares = _memory_of(partitions)
        for partition in partitions:
            partition.usage.sample(self._clock_ns(), _stored(partition, shares))
        found = by_account(summed(partition.usage.part() for partition in self._owned))
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


def _memory_of(partitions: list[Partition]) -> dict[tuple[str, TableId], int]:
    """The memory tier of this process, divided among partitions and tables as the bytes of their rows are."""
    sizes = {
        (partition.id, table.id): table.size().memory_bytes
        for partition in partitions
        for table in partition.store.all_tables()
    }
    rows_bytes = sum(sizes.values())
    whole = max((partition.store.table_bytes() for partition in partitions), default=0)
    shares, given, seen = {}, 0, 0
    for key, size_bytes in sizes.items():
        seen += size_bytes
        upto = whole * seen // rows_bytes if rows_bytes else 0  # so that they add up to the whole
        shares[key] = upto - given
        given = upto
    return shares


def _stored(partition: Partition, shares: dict[tuple[str, TableId], int]) -> dict[TableId, Stored]:
    """The bytes of each table; its files count in the one partition that maintains them."""
    tables = partition.store.tables
    return {
        table.id: Stored(
            shares.get((partition.id, table.id), 0),
            table.size().magnetic_bytes if tables.is_compaction_leader_of(table) else 0,
        )
        for table in partition.store.all_tables()
    }
