"""Usage adds up: the sum over accounts is what /metrics and the disk say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from deltalake import DeltaTable
from prometheus_client import REGISTRY

from pipeline.api.inventory.usage import OwnUsage
from pipeline.stream.partitions.owned import OwnedPartitions
from pipeline.stream.partitions.partition import Partition
from pipeline.stream.partitions.stored_bytes import stored_bytes
from pipeline.stream.progress import Progress
from pipeline.stream.usage.counts import DAY_NS, by_account
from pipeline.worker.metered_queries import QueryUses
from pipeline.worker.usage_upkeep import UsageUpkeep
from store.catalog.catalog import TableSettings
from store.record import RecordBatch, TableId
from store.testing import Row, batch_of
from tests.support.lone_store import PARTITION, LoneStore, open_store

NOW_NS = 20_000 * DAY_NS + 5
TABLES = [TableId(account, "d", name) for account in ("farm", "zoo") for name in ("t", "u")]


async def test_what_accounts_store_is_what_metrics_and_the_disk_say(tmp_path: Path) -> None:
    templates = {("d", name): TableSettings(from_config=True) for name in ("t", "u")}
    store = open_store(tmp_path, templates=templates, clock_ns=lambda: NOW_NS)
    nothing: Any = None
    partition = Partition(0, PARTITION, store, nothing, nothing, nothing, 0)
    for offset, table in enumerate(TABLES):
        rows = [Row((("s", f"{row % 7}"),), NOW_NS - row, (("v", float(row)),)) for row in range(100 * (offset + 1))]
        batch = arrived(store, table, offset, rows)
        store.apply(batch)
        store.advance(PARTITION, offset)
        partition.usage.count(offset, [batch])
    store.commit_all()
    store.maintain()

    await UsageUpkeep(OwnedPartitions(1, [partition]), QueryUses("w", lambda: NOW_NS), lambda: NOW_NS).sample()

    found = by_account(partition.usage.part(stored_bytes([partition])[PARTITION]))
    folders = [log.parent for log in (tmp_path / "magnetic").rglob("_delta_log")]
    on_disk = sum((folder / path).stat().st_size for folder in folders for path in _files(folder))
    assert len(folders) == len(TABLES)
    assert sum(stored.magnetic_bytes for _, stored in found.values()) == on_disk > 0
    assert sum(stored.memory_bytes for _, stored in found.values()) == store.table_bytes() > 0
    assert sum(use.records for use, _ in found.values()) == 100 + 200 + 300 + 400
    for account, (use, stored) in found.items():
        assert metric("records", account) == use.records
        assert metric("written_bytes", account) == use.written_bytes > 0
        assert metric("magnetic_bytes", account) == stored.magnetic_bytes
        assert metric("memory_bytes", account) == stored.memory_bytes
    store.close()


def test_what_is_stored_is_known_at_once_after_a_start(tmp_path: Path) -> None:
    """It is counted when it is asked for, and not some seconds later."""
    templates = {("d", "t"): TableSettings(from_config=True)}
    nothing: Any = None
    store = open_store(tmp_path, templates=templates, clock_ns=lambda: NOW_NS)
    store.apply(arrived(store, TABLES[0], 0, [Row((("s", "1"),), NOW_NS, (("v", 1.0),))]))
    store.advance(PARTITION, 0)
    store.commit_all()
    store.close()

    again = open_store(tmp_path, templates=templates, clock_ns=lambda: NOW_NS)
    progress = Progress(lambda: 1, lambda _: None, lambda: NOW_NS, applied_offset=0)
    partition = Partition(0, PARTITION, again, nothing, nothing, progress, 1)
    (part, _) = OwnUsage(OwnedPartitions(1, [partition]), list).of([0])

    ((names, stored),) = part.stored
    assert names == ("farm", "d", "t")
    assert stored.magnetic_bytes == sum(path.stat().st_size for path in (tmp_path / "magnetic").rglob("*.parquet")) > 0
    again.close()


async def test_an_account_whose_partitions_are_another_workers_has_nothing_here(tmp_path: Path) -> None:
    store = open_store(tmp_path, templates={}, clock_ns=lambda: NOW_NS)
    nothing: Any = None
    partition = Partition(0, PARTITION, store, nothing, nothing, nothing, 0)
    rows = [Row((("s", "1"),), NOW_NS, (("v", 1.0),))]
    partition.usage.count(0, [arrived(store, TableId("left", "d", "t"), 0, rows)])
    owned = OwnedPartitions(1, [partition])
    upkeep = UsageUpkeep(owned, QueryUses("w", lambda: NOW_NS), lambda: NOW_NS)

    await upkeep.sample()
    before = metric("records", "left")
    owned.remove(partition)
    await upkeep.sample()

    assert (before, metric("records", "left")) == (1, 0)
    store.close()


def arrived(store: LoneStore, table: TableId, offset: int, rows: Sequence[Row]) -> RecordBatch:
    """These rows in one frame, which arrived now."""
    batch = batch_of(store.registry.of(table), PARTITION, [offset] * len(rows), rows)
    return replace(batch, arrival_ns=np.full(len(rows), NOW_NS, np.int64))


def _files(folder: Path) -> list[str]:
    """Of the newest version, as another reader of the table finds them."""
    return [str(path).removeprefix("file://") for path in DeltaTable(str(folder)).file_uris()]


def metric(name: str, account: str) -> float | None:
    return REGISTRY.get_sample_value(f"streamgauge_usage_{name}", {"account": account})
