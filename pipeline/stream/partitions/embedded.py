"""The partition of an embedded log: one, this worker's from start to end, with its store and state in the data_dir."""

from __future__ import annotations

import asyncio
import time

import psutil

from pipeline.config import Config
from pipeline.log.log import LogAdmin
from pipeline.log.topics import READINGS
from pipeline.stream.normalise.routes import routes_from
from pipeline.stream.partitions.making import first_since, partition_over, start_offset
from pipeline.stream.partitions.owned import OwnedPartitions
from pipeline.stream.rule_state import RuleFiles, RuleState
from rules import Engine, RuleSet
from store.catalog.catalog import Catalog
from store.store import Store


class EmbeddedPartitions:
    """The `PartitionKeeper` of a worker on an embedded log."""

    def __init__(self, config: Config, admin: LogAdmin, rules: RuleSet) -> None:
        """Open the store and take up the rules' state. Raises StoreError."""
        self._admin = admin
        self.store = Store.open(
            config.layout.store,
            magnetic_url=config.magnetic_url,
            memory_limit_bytes=config.memory_limit,
            templates=config.templates(),
            clock_ns=time.time_ns,
            since={admin.stream(READINGS, 0): first_since(admin, 0, _process_began_ns())},
        )
        self.rule_state = RuleState(Engine(rules, self.store.registry), RuleFiles(config.layout.rules))
        self.rule_state.load()
        self.owned = OwnedPartitions(
            [partition_over(self.store, self.rule_state, routes_from(config.tables), admin, 0)]
        )

    @property
    def catalog(self) -> Catalog:
        """See `PartitionKeeper`."""
        return self.store.catalog

    async def assigned(self, numbers: set[int]) -> None:
        """See `PartitionKeeper`: it never changes."""
        assert numbers == {0}, numbers

    async def revoked(self) -> None:
        """See `PartitionKeeper`: nobody else could take it."""

    def start_offset(self, number: int) -> int | None:
        """See `PartitionKeeper`."""
        return start_offset(self.store, self.rule_state, self._admin, number)

    def maintain(self) -> None:
        """See `PartitionKeeper`."""
        self.store.maintain()

    async def save(self) -> None:
        """See `PartitionKeeper`."""
        await asyncio.to_thread(self.store.flush)
        await self.rule_state.save_pass()

    def close(self) -> None:
        """See `PartitionKeeper`."""
        self.store.close()


def _process_began_ns() -> int:
    """When this worker read its configuration, or a little before: the gateway may have come up sooner than the log
    was opened here, and what it took in since is in the units of now.
    """
    return int(psutil.Process().create_time() * 1e9)
