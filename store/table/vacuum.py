"""Removing Parquet files that no version of a table needs: merged away, past their retention, or never committed.

A file goes once it has been seen unused for `KEEP_NS`, so that other engines finish what they read, and never while a
snapshot of ours pins a version that has it.
"""

from __future__ import annotations

from store.table.core import Core

KEEP_NS = 3_600_000_000_000


def vacuum(core: Core, now_ns: int) -> int:
    """Remove what is due of the table's files; how many files went."""
    with core.lock:
        needed = {file.path for version in core.versions_in_use() for file in version.files}
    removed = 0
    unused = core.magnetic.data.paths() - needed
    core.unused_since_ns = {path: core.unused_since_ns.get(path, now_ns) for path in unused}
    for path, since_ns in list(core.unused_since_ns.items()):
        if now_ns - since_ns >= KEEP_NS:
            core.magnetic.data.delete(path)
            del core.unused_since_ns[path]
            removed += 1
    return removed
