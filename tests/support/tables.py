"""For tests only: access to the internals of a table, and operations that upkeep would run later."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from store.memory.room import MemoryRoom
from store.partition_store import PartitionStore
from store.table.core import Core
from store.table.series_state import SeriesState
from store.table.table import Table


def inside(table: Table) -> Core:
    """Its tiers, locks and marks."""
    return table._core


def evict_sealed(tables: Sequence[Table]) -> int:
    """Evict every sealed chunk; returns their number."""
    return MemoryRoom(lambda: 1 << 40, 0).make(tables)


def remember_little(table: Table) -> None:
    """Make it remember only the last two rows of each series."""
    core = inside(table)
    if core.state.depth != 2:
        known = core.state.last_ns[: len(core.index)].copy()
        core.state = SeriesState(depth=2)
        core.state.restore(known)


def save_pending_rows(store: PartitionStore) -> None:
    """Save the rows of all tables beyond their magnetic tiers as pending rows."""
    store._upkeep._save_pending_rows()


def attempt(store: PartitionStore, table: Table, work: Callable[[], object]) -> None:
    """Run `work` on the table's files as upkeep would."""
    store._upkeep._attempt(table, work)
