"""What tests do with a table that nobody else may: look inside, and have done what upkeep would do in its time."""

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
    """Drop every sealed chunk; how many went."""
    return MemoryRoom(lambda: 1 << 40, 0).make(tables)


def remember_little(table: Table) -> None:
    """Have it know only the last two rows of a series without a look-up."""
    core = inside(table)
    if core.state.depth != 2:
        known = core.state.last_ns[: len(core.index)].copy()
        core.state = SeriesState(depth=2)
        core.state.restore(known)


def save_pending_rows(store: PartitionStore) -> None:
    """Save what all its tables have beyond their magnetic tiers."""
    store._upkeep._save_pending_rows()


def attempt(store: PartitionStore, table: Table, work: Callable[[], object]) -> None:
    """Have `work` done on the table's files as upkeep would."""
    store._upkeep._attempt(table, work)
