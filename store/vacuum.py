"""Removing Parquet files that no version of a table needs: merged away, past their retention, or never committed.

A file goes once it has been seen unused for `KEEP_NS`, so that other engines finish what they read, and never while a
snapshot of ours pins a version that has it.
"""

from __future__ import annotations

from store import layout
from store.table import Table

KEEP_NS = 3_600_000_000_000


def vacuum(table: Table, now_ns: int) -> int:
    """Remove what is due of the table's folder; how many files went."""
    with table.io_lock:
        if table.is_dropped or not table.magnetic.folder.exists():
            return 0
        with table.lock:
            needed = {file.path for version in table.versions_in_use() for file in version.files}
        folder, removed = table.magnetic.folder, 0
        found = {path.relative_to(folder).as_posix() for path in folder.glob(f"{layout.DATE}=*/*.parquet")}
        table.unused_since_ns = {path: table.unused_since_ns.get(path, now_ns) for path in found - needed}
        for path, since_ns in list(table.unused_since_ns.items()):
            if now_ns - since_ns >= KEEP_NS:
                (folder / path).unlink()
                del table.unused_since_ns[path]
                removed += 1
        for partition in folder.glob(f"{layout.DATE}=*"):
            if not any(partition.iterdir()):
                partition.rmdir()
        return removed
