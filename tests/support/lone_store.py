"""The store of a log with one partition, as one object, for tests that write and query."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from store import layout
from store.catalog.catalog import TableSettings
from store.catalog.limits import DEFAULTS, Limits
from store.partition_backend import PartitionBackend
from store.partition_store import PartitionStore
from store.reading.lending import Lender
from store.reading.snapshot import Snapshot
from store.record import Applied, RecordBatch
from store.store import Store

MAGNETIC = "magnetic"
PARTITION = "0123/readings/0"


class LoneStore(PartitionStore):
    """The only partition, and the whole store."""

    def __init__(self, whole: Store, own_partition: str, since: Mapping[str, int]) -> None:
        """Use `open_store`."""
        super().__init__(
            PartitionBackend(whole, own_partition),
            whole._memory_limit_bytes,
            whole._clock_ns,
            whole._monotonic_ns,
            since,
        )
        self.whole = whole
        self.log_end: dict[str, int] = {}
        whole._stores[own_partition] = self

    def apply(self, batch: RecordBatch) -> Applied:
        """Apply the records that the log has from now on."""
        if len(batch):
            end = int(batch.offset[-1]) + 1
            self.log_end[batch.partition] = max(end, self.log_end.get(batch.partition, 0))
        return super().apply(batch)

    def again(self) -> LoneStore:
        """Open its partition again, as a worker does after it is fenced."""
        self.whole.revoke(self)
        return LoneStore(self.whole, self.own_partition, {})

    def snapshot(self, account: str) -> Snapshot:
        """A view of the account's tables."""
        return self.whole.snapshot(account)

    def lender(self, account: str) -> Lender:
        """The same view, for a query in another process."""
        return self.whole.lender(account)

    def close(self) -> None:
        """Close the whole store."""
        if self.whole.stores():
            self.whole.close()
        else:
            super().close()


def open_store(
    folder: Path,
    *,
    partition: str = PARTITION,
    magnetic_url: str | None = None,
    memory_limit_bytes: int = 1 << 26,
    templates: Mapping[tuple[str, str], TableSettings],
    clock_ns: Callable[[], int],
    monotonic_ns: Callable[[], int] = time.monotonic_ns,
    since: Mapping[str, int] | None = None,
    is_sole_writer: bool = True,
    limits: Limits = DEFAULTS,
    log_first: Callable[[], Mapping[str, int]] = dict,
) -> LoneStore:
    """The store in `folder`, opened like the worker of an embedded log."""
    opened: list[LoneStore] = []
    whole = Store.open(
        magnetic_url or str(folder / MAGNETIC),
        partitions=[partition],
        memory_limit_bytes=memory_limit_bytes,
        templates=templates,
        clock_ns=clock_ns,
        log_end=lambda: opened[0].log_end,
        monotonic_ns=monotonic_ns,
        is_sole_writer=is_sole_writer,
        limits=limits,
        log_first=log_first,
    )
    try:
        opened.append(LoneStore(whole, partition, since or {}))
    except BaseException:
        whole.close()
        raise
    return opened[0]


def forget_series(folder: Path) -> None:
    """Delete the saved series of all tables of the store in `folder`."""
    for saved in list((folder / MAGNETIC / layout.OBJECTS / layout.STATE).rglob(layout.SERIES)):
        shutil.rmtree(saved)
