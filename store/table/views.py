"""Views of a table's rows in RAM: everything applied when they were created, without later changes."""

from __future__ import annotations

from store.errors import Behind, UnknownTable
from store.reading.scan import BaseVersion, ChunkView, MemoryView
from store.table.core import Core


def pin(core: Core, base: BaseVersion | None = None) -> MemoryView:
    """The rows in RAM of everything applied so far, to be read together with a version, until `unpin`.

    Raises UnknownTable if the table was deleted, Behind if the superseded times of that version are no longer known.
    """
    with core.lock:
        if core.is_dropped:
            raise UnknownTable(f"The table {core.id.table} does not exist.")
        core.memory.insert_head(core.now_ns)
        superseded_ns = core.superseded.now() if base is None else core.superseded.in_version(base.number)
        if superseded_ns is None:
            raise Behind(f"{core.id}: the superseded times of an earlier version are no longer known")
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
        version = core.pin(None if base is None else base.version)
        positions = version.positions if base is None else base.positions
        return MemoryView(
            core.memory.series_table,
            core.memory.series_columns(),
            chunks,
            core.memory.whole_from_ns,
            version,
            core.numbered({core.own_partition: positions.get(core.own_partition, -1)}),
            superseded_ns,
            core.index,
            core.members,
            core.rollups,
        )


def pin_beyond(core: Core, base: BaseVersion) -> MemoryView:
    """Like `pin`, but raises Behind if some rows beyond the version are no longer in RAM, or not told from others."""
    with core.lock:  # positions, evicted rows and superseded times must be of the same moment
        asked = base.positions.get(core.own_partition, -1)
        gone = max(core.evicted_through, core.sealed_through)
        if core.is_dropped or asked < gone:
            raise Behind(f"{core.id}: rows of {core.own_partition} beyond {asked} are not known: up to {gone} they are")
        return pin(core, base)


def unpin(core: Core, view: MemoryView) -> None:
    """Release a view."""
    with core.lock:
        core.unpin(view.version.number)
        core.memory.unpin([chunk.chunk for chunk in view.chunks])
