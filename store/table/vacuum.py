"""Removes Parquet files that no version of a table needs: compacted, beyond their retention, or never committed.

A file is deleted after it has been unused for `KEEP_NS`, so that other engines can finish reading, and never while a
snapshot of this process pins a version with it.
"""

from __future__ import annotations

from store.table.core import Core

KEEP_NS = 3_600_000_000_000


def vacuum(core: Core, now_ns: int) -> int:
    """Delete the files that are due; returns their number."""
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
