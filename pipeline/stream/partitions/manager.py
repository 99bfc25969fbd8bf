"""Loads assigned partitions from the positions of their last owners, and saves revoked ones.

The embedded log assigns all partitions once; Kafka assigns some at each rebalance. At a rebalance all partitions are
revoked, and the assigned ones are loaded again, so nothing in memory can be out of date. What was not saved is read
from the log again.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping

import psutil

from pipeline.base.clock import HOST, Clock
from pipeline.base.errors import LogError
from pipeline.config import Config
from pipeline.log.generation import Generation
from pipeline.log.log import Extent, LogAdmin
from pipeline.log.topics import READINGS
from pipeline.stream.normalise.routes import routes_from
from pipeline.stream.partitions.making import partition_over, start_offset
from pipeline.stream.partitions.owned import OwnedPartitions
from pipeline.stream.partitions.partition import Partition
from pipeline.stream.rule_state import RuleKeep, RuleState
from pipeline.stream.usage.metering import PartitionUsage
from rules import Engine, RuleSet
from store.errors import StoreError
from store.layout import PENDING_ROWS
from store.store import Store

log = logging.getLogger(__name__)


class PartitionManager:
    """Opens, saves and closes partitions. Methods without `async` may block for milliseconds."""

    def __init__(self, config: Config, admin: LogAdmin, rules: Generation, clock: Clock = HOST) -> None:
        """Open the shared store. `rules` are those of a partition that never had any. Raises StoreError."""
        self._clock = clock
        self._admin = admin
        self.rules = rules
        self._routes = routes_from(config.tables)
        self._partition_ids = [admin.partition_id(READINGS, number) for number in range(admin.partitions_of(READINGS))]
        self._level = logging.INFO if admin.others_take_over else logging.DEBUG  # a lone worker always owns all
        self._saving = threading.Lock()  # held during upkeep of a store, and during the last flush before it is revoked
        self.store = Store.open(
            config.magnetic_url,
            partitions=self._partition_ids,
            memory_limit_bytes=config.memory_limit,
            templates=config.templates(),
            clock_ns=clock.wall_ns,
            log_end=self._log_end,
            monotonic_ns=clock.monotonic_ns,
            is_sole_writer=not admin.others_take_over,
            limits=config.store_limits,
            log_first=self._log_first,
        )
        self.owned = OwnedPartitions(len(self._partition_ids))
        self.on_fenced: Callable[[], None] = lambda: None
        self.over_storage: Callable[[str], str | None] = lambda _: None  # why nothing more of an account is stored
        self._fenced: set[Partition] = set()

    def table_names(self, account: str | None) -> set[str]:
        """The names (database.table) of all existing tables of an account; None: of every one."""
        tables = (info.table for info in self.store.catalog.all_tables())
        return {f"{table.database}.{table.table}" for table in tables if account in (None, table.account)}

    async def assigned(self, numbers: set[int]) -> None:
        """Own exactly these partitions of [readings] from now on."""
        began_s = time.monotonic()
        taken = await asyncio.gather(*(asyncio.to_thread(self._load, number) for number in sorted(numbers)))
        for partition in taken:
            self.owned.add(partition)
            to_replay = partition.progress.frames_to_replay
            log.log(
                self._level, "assigned partition %d of [%s]; %d frames to replay", partition.number, READINGS, to_replay
            )
        self.owned.has_assignment()
        log.log(self._level, "loaded %d partitions in %.2f s", len(taken), time.monotonic() - began_s)

    async def revoked(self) -> None:
        """Save all partitions and give them up, because they may be assigned to other workers.

        What cannot be saved is read from the log again.
        """
        for partition in self.owned:
            self.owned.remove(partition)
            try:
                await asyncio.to_thread(self._flush, partition)
                await partition.rules.save_pass()
                await asyncio.to_thread(partition.usage.save)
            except StoreError as error:
                log.warning("partition %d is revoked and was not saved: %s", partition.number, error)
            await asyncio.to_thread(self._revoke, partition)
            log.log(self._level, "revoked partition %d of [%s]", partition.number, READINGS)

    def start_offset(self, number: int) -> int | None:
        """The first offset of an owned partition to read; None if nothing was ever read."""
        partition = self.owned.get(number)
        if partition is None:
            raise LogError(f"partition {number} of [{READINGS}] was revoked while it was loaded")
        return self._start(partition)

    def maintain(self) -> None:
        """One pass of maintenance over the stores. Called by one background thread.

        A store that was fenced (another worker wrote in its place, or a table was deleted meanwhile) saves nothing any
        more: then `on_fenced` is called, to have all partitions loaded again.
        """
        for partition in self.owned:
            with self._saving:
                if partition.is_open:
                    partition.store.maintain()
        fenced = {partition for partition in self.owned if partition.store.is_fenced}
        for partition in fenced - self._fenced:
            log.warning("partition %d of [%s] is fenced: it is loaded again", partition.number, READINGS)
        if fenced - self._fenced:
            self.on_fenced()
        self._fenced = fenced

    async def save(self) -> None:
        """Make everything of this worker durable: for a graceful end."""
        await self.revoked()

    def close(self) -> None:
        """Close everything, without saving."""
        self.store.close()

    def _load(self, number: int) -> Partition:
        """The partition as its last owner saved it.

        An owner that was slow to give it up may save, and trim the log, while it is loaded here: then what was loaded
        is older than the log, and is loaded again. If that changes nothing, the log has lost messages.
        """
        partition, begins = self._load_once(number), None
        while (start := self._start(partition)) is not None and start != begins and start < self._first(number):
            log.info("partition %d of [%s] was trimmed while it was loaded: it is loaded again", number, READINGS)
            self._revoke(partition)
            partition, begins = self._load_once(number), start
        return partition

    def _start(self, partition: Partition) -> int | None:
        return start_offset(partition.store, partition.rules, partition.usage, self._admin, partition.number)

    def _first(self, number: int) -> int:
        return self._admin.extent(READINGS, number).first

    def _load_once(self, number: int) -> Partition:
        partition_id = self._partition_ids[number]
        former = self._former(partition_id)
        if former is not None and self.store.partition_state(former).kinds(PENDING_ROWS):
            self._commit(former)
        store = self.store.take(partition_id, since=self._admin.first_since(READINGS, process_began_ns(), number))
        state = RuleKeep(self.store.partition_state(partition_id), partition_id)
        rules = RuleState(Engine(RuleSet(), store.registry), state)
        rules.load(self.rules, None if former is None else RuleKeep(self.store.partition_state(former), former))
        usage = PartitionUsage(self.store.partition_state(partition_id))
        usage.load(None if former is None else self.store.partition_state(former))
        return partition_over(store, rules, usage, self._routes, self._admin, number, self._clock, self.over_storage)

    def _former(self, partition_id: str) -> str | None:
        """The same partition of the previous log, if that was lost or replaced."""
        place = partition_id.partition("/")[2]
        known = self.store.catalog.partitions
        return next(
            (of for of in reversed(known) if of not in self._partition_ids and of.partition("/")[2] == place), None
        )

    def _commit(self, former: str) -> None:
        """Commit the pending rows of a lost log: they are stored nowhere else."""
        store = self.store.take(former)
        try:
            store.commit_all()
            if not store.is_fenced and store.outage.since_ns is None:
                self.store.partition_state(former).forget(PENDING_ROWS)
        finally:
            self.store.revoke(store)

    def _flush(self, partition: Partition) -> None:
        with self._saving:
            partition.store.flush()

    def _revoke(self, partition: Partition) -> None:
        with self._saving:
            self.store.revoke(partition.store)

    def _log_end(self) -> Mapping[str, int]:
        return {partition_id: extent.next_offset for partition_id, extent in self._extents()}

    def _log_first(self) -> Mapping[str, int]:
        return {partition_id: extent.first for partition_id, extent in self._extents()}

    def _extents(self) -> Iterator[tuple[str, Extent]]:
        for number, partition_id in enumerate(self._partition_ids):
            yield partition_id, self._admin.extent(READINGS, number)


def process_began_ns() -> int:
    """When this worker read its configuration, or a little earlier.

    The gateway may have started before the log was opened here; the messages that it received since are in the current
    units.
    """
    return int(psutil.Process().create_time() * 1e9)
