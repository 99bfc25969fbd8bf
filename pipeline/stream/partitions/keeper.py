"""What a worker asks of whoever keeps its partitions: the embedded log's one, or those that Kafka assigns."""

from __future__ import annotations

from typing import Protocol

from pipeline.stream.partitions.owned import OwnedPartitions
from store.catalog.catalog import Catalog


class PartitionKeeper(Protocol):
    """Opens, saves and closes partitions. Methods without `async` may block for milliseconds."""

    owned: OwnedPartitions

    @property
    def catalog(self) -> Catalog:
        """Of the tables of all partitions, this worker's and others'."""
        ...

    async def assigned(self, numbers: set[int]) -> None:
        """These partitions of [readings], and no others, are this worker's from here on."""
        ...

    async def revoked(self) -> None:
        """Every partition may be another worker's in a moment: save what is not saved."""
        ...

    def start_offset(self, number: int) -> int | None:
        """The first offset of an owned partition that must be read; None if nothing ever was."""
        ...

    def maintain(self) -> None:
        """One pass of upkeep over the stores. Called by one background thread."""
        ...

    async def save(self) -> None:
        """Make everything applied durable: for a graceful end."""
        ...

    def close(self) -> None:
        """Let go of everything, without saving."""
        ...


def store_tables(keeper: PartitionKeeper) -> set[str]:
    """The names (database.table) of all tables there are, of every account."""
    return {f"{info.table.database}.{info.table.table}" for info in keeper.catalog.all_tables()}
