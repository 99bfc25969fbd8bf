"""One topic's messages in one SQLite file: the only code of the log that uses SQL.

The rules that make appends fast and durable (SQLite's own documents: /wal.html, /pragma.html):
- WAL with `synchronous=FULL`: a commit is one write and one fsync of the WAL.
- `wal_autocheckpoint=0`: an append never copies the WAL back; `pipeline.log.embedded.checkpoints` does that.
- Readers hold a snapshot only for milliseconds, because otherwise the WAL could never be reset.
- Messages are removed in small steps. `secure_delete=OFF` (some systems compile it on): freed pages are not
  overwritten. They are reused, or returned to the disk (`auto_vacuum=INCREMENTAL`, only settable before the first
  table) if the file is mostly empty after a backlog.

The key of a message is its partition and offset in one integer, so a partition is a range of the table, in order. The
extent of a partition is a row of its own, which each append and removal updates: it is known without counting, and
offsets continue after everything was removed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base.errors import LogError, LogFull
from pipeline.log import names
from pipeline.log.embedded.folder import LogFolder
from pipeline.log.log import Extent, Message
from store.objects.file_lock import turn
from store.objects.files import fsync_file, put_in_place

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE_BYTES = 16384  # measured with frames of 60 KB: twice as fast as 4 KB pages
OFFSET_BITS = 48
BUSY_TIMEOUT_S = 30.0  # another process may hold the write lock for one commit; only a stuck disk takes this long
TRIM_STEP_MESSAGES = 64
TRIM_STEP_BYTES = 8 << 20
VACUUM_ABOVE_BYTES = 64 << 20
VACUUM_STEP_PAGES = 256

_SCHEMA = """
CREATE TABLE message (key INTEGER PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE extent (partition INTEGER PRIMARY KEY, first INTEGER NOT NULL, next_offset INTEGER NOT NULL,
                     size_bytes INTEGER NOT NULL);
"""


class TopicFile:
    """One connection to the file of a topic, for one thread at a time. Methods block."""

    def __init__(self, folder: LogFolder, topic: str, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        """Open the topic; create it if it does not exist. Raises LogError."""
        self.topic = topic
        self.path = names.topic_path(folder.path, topic)
        self._partitions = folder.partitions
        with self.errors_mapped():
            if not self.path.exists():
                _make(folder, self.path)
            self._db = _connect(self.path, busy_timeout_s)
            self._page_bytes: int = self._db.execute("PRAGMA page_size").fetchone()[0]

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def append(self, messages: Sequence[tuple[int, bytes]]) -> list[int]:
        """Append these (partition, value), durably, and return their offsets.

        All or none are appended: raises LogFull if the disk is full, or LogError.
        """
        db = self._db
        with self.errors_mapped(), self._transaction():
            ends: dict[int, Extent] = {}
            offsets = []
            for partition, value in messages:
                extent = ends.get(partition) or self._extent(partition)
                offset = extent.next_offset
                db.execute("INSERT INTO message VALUES (?, ?)", (partition << OFFSET_BITS | offset, value))
                ends[partition] = Extent(extent.first, offset + 1, extent.size_bytes + len(value))
                offsets.append(offset)
            for partition, extent in ends.items():
                self._set_extent(partition, extent)
        return offsets

    def read(self, partition: int, from_offset: int, limit: int, max_bytes: int) -> list[Message]:
        """Up to `limit` messages from the first kept offset ≥ `from_offset` on; ends after `max_bytes`."""
        low = partition << OFFSET_BITS
        found: list[Message] = []
        size_bytes = 0
        with self.errors_mapped():
            rows = self._db.execute(
                "SELECT key, value FROM message WHERE key >= ? AND key < ? ORDER BY key LIMIT ?",
                (low | from_offset, low + (1 << OFFSET_BITS), limit),
            )
            for key, value in rows:
                found.append(Message(key - low, value))
                size_bytes += len(value)
                if size_bytes >= max_bytes:
                    break
            rows.close()  # ends the snapshot
        return found

    def version(self) -> int:
        """A number that changes when another connection commits."""
        with self.errors_mapped():
            version: int = self._db.execute("PRAGMA data_version").fetchone()[0]
        return version

    def extent(self, partition: int) -> Extent:
        """The current offsets and size of the partition."""
        with self.errors_mapped():
            return self._extent(partition)

    def trim_step(self, partition: int, below: int) -> bool:
        """Remove a few messages with offsets < `below`, in one short transaction; True if there are more."""
        db = self._db
        low = partition << OFFSET_BITS
        with self.errors_mapped(), self._transaction():
            extent = self._extent(partition)
            below = min(below, extent.next_offset)
            size_bytes = 0
            first = extent.first
            for key, length in db.execute(
                "SELECT key, length(value) FROM message WHERE key >= ? AND key < ? ORDER BY key LIMIT ?",
                (low | first, low | max(below, first), TRIM_STEP_MESSAGES),
            ):
                first = key - low + 1
                size_bytes += length
                if size_bytes >= TRIM_STEP_BYTES:
                    break
            if first == extent.first:
                return False
            db.execute("DELETE FROM message WHERE key >= ? AND key < ?", (low | extent.first, low | first))
            self._set_extent(partition, Extent(first, extent.next_offset, extent.size_bytes - size_bytes))
        return first < below

    def give_back(self) -> bool:
        """Return a few free pages to the disk if the file is mostly empty; True if it still is."""
        with self.errors_mapped():
            free = self.free_bytes()
            if free < VACUUM_ABOVE_BYTES or free < self.held_bytes():
                return False
            # with executescript, because execute stops after the first page
            self._db.executescript(f"PRAGMA incremental_vacuum({VACUUM_STEP_PAGES})")
            return True

    def held_bytes(self) -> int:
        """The size of the messages in the file, with SQLite's overhead."""
        with self.errors_mapped():
            pages: int = self._db.execute("PRAGMA page_count").fetchone()[0]
        return pages * self._page_bytes - self.free_bytes()

    def free_bytes(self) -> int:
        """The free space inside the file."""
        with self.errors_mapped():
            free_pages: int = self._db.execute("PRAGMA freelist_count").fetchone()[0]
        return free_pages * self._page_bytes

    def checkpoint(self, mode: str) -> int:
        """Copy the WAL into the file (mode PASSIVE or TRUNCATE); returns the size of the WAL at the start."""
        with self.errors_mapped():
            try:
                _, frames, _ = self._db.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    return 0  # another process does it now
                raise
        return max(0, int(frames)) * self._page_bytes

    def _extent(self, partition: int) -> Extent:
        if not 0 <= partition < self._partitions:
            raise LogError(f"topic {self.topic} has partitions 0 to {self._partitions - 1}, not {partition}")
        row = self._db.execute("SELECT first, next_offset, size_bytes FROM extent WHERE partition = ?", (partition,))
        return Extent(*(row.fetchone() or (0, 0, 0)))

    def _set_extent(self, partition: int, extent: Extent) -> None:
        values = (partition, extent.first, extent.next_offset, extent.size_bytes)
        self._db.execute("INSERT OR REPLACE INTO extent VALUES (?, ?, ?, ?)", values)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # SQLite has rolled back by itself after some errors
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def errors_mapped(self) -> Iterator[None]:
        """Raise errors of SQLite (by their primary codes: sqlite.org/rescode.html) and the file system as LogError."""
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code == sqlite3.SQLITE_FULL:
                raise LogFull(f"log {self.path}: the disk is full") from error
            name = getattr(error, "sqlite_errorname", "")
            raise LogError(f"log {self.path}: {error} {name}".rstrip()) from error
        except OSError as error:
            raise LogError(f"log {self.path}: {error}") from error


def wal_bytes(path: Path) -> int:
    """The size of the WAL of the topic file at `path`; SQLite reuses it from its start, so it is a maximum."""
    try:
        return names.wal_path(path).stat().st_size
    except FileNotFoundError:
        return 0


def _connect(path: Path, busy_timeout_s: float) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA synchronous=FULL")
    db.execute("PRAGMA wal_autocheckpoint=0")
    db.execute("PRAGMA secure_delete=OFF")
    return db


def _make(folder: LogFolder, path: Path) -> None:
    with turn(folder.path / names.MAKING_LOCK):
        if path.exists():
            return
        unfinished = path.with_name(path.name + names.UNFINISHED_SUFFIX)
        unfinished.unlink(missing_ok=True)
        db = sqlite3.connect(unfinished, isolation_level=None)
        try:
            db.execute(f"PRAGMA page_size={PAGE_BYTES}")
            db.execute("PRAGMA auto_vacuum=INCREMENTAL")
            db.execute("PRAGMA journal_mode=WAL")
            db.executescript(_SCHEMA)
        finally:
            db.close()  # the last connection to close copies the WAL into the file
        fsync_file(unfinished)
        put_in_place(unfinished, path)
