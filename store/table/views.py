"""Views of what a table has in RAM: everything that was applied when they were made, unmoved by what comes after."""

from __future__ import annotations

from store.errors import Behind, UnknownTable
from store.reading.scan import Beside, ChunkView, MemoryView
from store.table.core import Core


def pin(core: Core, beside: Beside | None = None) -> MemoryView:
    """What is in RAM of everything applied so far, to be read beside this version, or that of now, until `unpin`.

    Raises UnknownTable if it was deleted, Behind if what is superseded in that version is not known any more.
    """
    with core.lock:
        if core.is_dropped:
            raise UnknownTable(f"The table {core.id.table} does not exist.")
        core.memory.insert_head(core.now_ns)
        superseded_ns = core.superseded.now() if beside is None else core.superseded.in_version(beside.number)
        if superseded_ns is None:
            raise Behind(f"{core.id}: what is superseded in an earlier version is not known any more")
        chunks = tuple(
            ChunkView(
                chunk,
                chunk.rows if core.memory.is_open(chunk) else None,
                chunk.from_ns,
                chunk.to_ns,
                dict(chunk.measures),
                dict(chunk.last_sequence),
            )
            for chunk in core.memory.chunks
        )
        core.memory.pin([view.chunk for view in chunks])
        version = core.pin(None if beside is None else beside.version)
        positions = version.positions if beside is None else beside.positions
        return MemoryView(
            core.memory.series_table,
            core.memory.series_columns(),
            chunks,
            core.memory.whole_from_ns,
            version,
            core.numbered({core.own_partition: positions.get(core.own_partition, -1)}),
            superseded_ns,
        )


def pin_beside(core: Core, beside: Beside) -> MemoryView:
    """As `pin`. Raises Behind if not all rows beyond the version are in RAM any more."""
    with core.lock:  # what is superseded, what is gone, and the rows: of one moment
        asked = beside.positions.get(core.own_partition, -1)
        if core.is_dropped or asked < core.evicted_through:
            raise Behind(
                f"{core.id}: rows of {core.own_partition} beyond {asked} are not all in RAM: {core.evicted_through} is"
            )
        return pin(core, beside)


def unpin(core: Core, view: MemoryView) -> None:
    """The view is read no more."""
    with core.lock:
        core.unpin(view.version.number)
        core.memory.unpin([chunk.chunk for chunk in view.chunks])
