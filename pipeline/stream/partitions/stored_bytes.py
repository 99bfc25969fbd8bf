"""The bytes of tables now, by tier: the memory tier of this process is divided among its partitions and tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pipeline.stream.partitions.partition import Partition
from pipeline.stream.usage.counts import Stored
from store.names import TableId


def stored_bytes(partitions: Collection[Partition]) -> dict[str, dict[TableId, Stored]]:
    """For the id of each partition of this process the bytes of its tables. Any thread."""
    shares = _memory_of(partitions)
    return {partition.id: _stored(partition, shares) for partition in partitions}


def _memory_of(partitions: Collection[Partition]) -> dict[tuple[str, TableId], int]:
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


def _stored(partition: Partition, shares: Mapping[tuple[str, TableId], int]) -> dict[TableId, Stored]:
    """The bytes of each table; its files count in the one partition that maintains them."""
    tables = partition.store.tables
    return {
        table.id: Stored(
            shares.get((partition.id, table.id), 0),
            table.size().magnetic_bytes if tables.is_compaction_leader_of(table) else 0,
        )
        for table in partition.store.all_tables()
    }
