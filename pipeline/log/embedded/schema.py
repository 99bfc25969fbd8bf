"""The tables in the file of a topic, and the checksums of their rows.

The key of a message is its partition and offset in one integer, so a partition is a range of the table, in order. The
extent of a partition is a row of its own, which each append and removal updates: it is known without counting, and
offsets continue after everything was removed. Rows of format 1 have no checksum.
"""

from __future__ import annotations

import sqlite3
import struct
from pathlib import Path

from pipeline.log.log import Damaged, Extent
from store.objects.checksum import checksum, matches, repair
from store.objects.damage import Outcome, report
from store.objects.files import fsync_file, put_in_place

PAGE_BYTES = 16384  # measured with frames of 60 KB: twice as fast as 4 KB pages
OFFSET_BITS = 48

_SCHEMA = """
CREATE TABLE message (key INTEGER PRIMARY KEY, value BLOB NOT NULL, checksum BLOB);
CREATE TABLE extent (partition INTEGER PRIMARY KEY, first INTEGER NOT NULL, next_offset INTEGER NOT NULL,
                     size_bytes INTEGER NOT NULL, checksum BLOB);
"""
_EXTENT = struct.Struct(">3Q")


def make_empty(path: Path) -> None:
    """Make a file without messages at `path`, which must not exist."""
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.execute(f"PRAGMA page_size={PAGE_BYTES}")
        db.execute("PRAGMA auto_vacuum=INCREMENTAL")
        db.execute("PRAGMA journal_mode=WAL")
        db.executescript(_SCHEMA)
    finally:
        db.close()  # the last connection to close copies the WAL into the file


def put_made(unfinished: Path, path: Path) -> None:
    """Put a file that is completely made, and closed, in its place, durably."""
    fsync_file(unfinished)
    put_in_place(unfinished, path)


def add_checksums(path: Path) -> None:
    """Add the columns for checksums to a file of format 1."""
    db = sqlite3.connect(path, isolation_level=None)
    try:
        for table in ("message", "extent"):
            if not any(column[1] == "checksum" for column in db.execute(f"PRAGMA table_info({table})")):
                db.execute(f"ALTER TABLE {table} ADD COLUMN checksum BLOB")
    finally:
        db.close()


def message_checksum(value: bytes, partition_id: str, offset: int) -> bytes:
    """The checksum of the message at `offset`."""
    return checksum(value, f"{partition_id}/{offset}")


def is_message(value: bytes, found: bytes | None, partition_id: str, offset: int) -> bool:
    """Whether this is the value that was appended at `offset`, as far as it has a checksum."""
    return found is None or (type(value) is bytes and matches(value, f"{partition_id}/{offset}", found))


def checked(value: bytes, found: bytes | None, partition_id: str, offset: int) -> bytes:
    """The value as it was appended; of type Damaged if that is not known any more."""
    name = f"{partition_id}/{offset}"
    if is_message(value, found, partition_id, offset):
        return value
    repaired = repair(value, name, found) if type(value) is type(found) is bytes else None
    if repaired is not None:
        report("log", f"offset {offset} of {partition_id}: one bit was flipped, and is repaired", Outcome.REPAIRED)
        return repaired
    lost = value if type(value) is bytes else repr(value).encode()
    return Damaged(lost)


def extent_checksum(extent: Extent, partition_id: str) -> bytes:
    """The checksum of the extent of a partition."""
    return checksum(_packed(extent), f"{partition_id}/extent")


def is_extent(extent: Extent, found: bytes | None, partition_id: str) -> bool:
    """Whether these numbers are what was written."""
    try:
        data = _packed(extent)
    except struct.error:  # negative, or no numbers any more
        return False
    return found is None or (type(found) is bytes and matches(data, f"{partition_id}/extent", found))


def _packed(extent: Extent) -> bytes:
    return _EXTENT.pack(extent.first, extent.next_offset, extent.size_bytes)
