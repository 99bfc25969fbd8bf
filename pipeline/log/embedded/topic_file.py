"""One topic's messages in one SQLite file: the only code of the log that uses SQL.

The rules that make appends fast and durable (SQLite's own documents: /wal.html, /pragma.html):
- WAL with `synchronous=FULL`: a commit is one write and one fsync of the WAL.
- `wal_autocheckpoint=0`: an append never copies the WAL back; `pipeline.log.embedded.checkpoints` does that.
- Readers hold a snapshot only for milliseconds, because otherwise the WAL could never be reset.
- Messages are removed in small steps. `secure_delete=OFF` (some systems compile it on): freed pages are not
  overwritten. They are reused, or returned to the disk (`auto_vacuum=INCREMENTAL`, only settable before the first
  table) if the file is mostly empty after a backlog.

The tables are in `pipeline.log.embedded.schema`. Whoever opens a topic that nobody else uses repairs it first.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from pipeline.base.errors import LogError, LogFull
from pipeline.base.sqlite_files.examine import is_damage
from pipeline.log import names
from pipeline.log.embedded import repairing
from pipeline.log.embedded.end_mark import EndMark
from pipeline.log.embedded.folder import LogFolder
from pipeline.log.embedded.schema import OFFSET_BITS, checked, extent_checksum, is_extent, message_checksum
from pipeline.log.log import Extent, Message
from store.objects.file_lock import turn

if TYPE_CHECKING:
    from collections.abc import Iterator

BUSY_TIMEOUT_S = 30.0  # another process may hold the write lock for one commit; only a stuck disk takes this long
TRIM_STEP_MESSAGES = 64
TRIM_STEP_BYTES = 8 << 20
VACUUM_ABOVE_BYTES = 64 << 20
VACUUM_STEP_PAGES = 256


class TopicFile:
    """One connection to the file of a topic, for one thread at a time. Methods block."""

    def __init__(self, folder: LogFolder, topic: str, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        """Open the topic; create it if it does not exist. Raises LogError."""
        self.topic = topic
        self.path = names.topic_path(folder.path, topic)
        self._ids = [folder.partition_id(topic, partition) for partition in range(folder.partitions)]
        self.end_path = names.end_path(self.path)  # written after each commit
        self._suspect = names.suspect_path(self.path)
        with self.errors_mapped(), turn(folder.path / names.MAKING_LOCK):
            self._mark = EndMark(self.end_path, self._ids)
            try:
                if self._mark.is_alone:
                    repairing.repair_topic(self.path, self._ids, self._mark)
                    self._mark.share()
                self._db = _connect(self.path, busy_timeout_s)
            except BaseException:
                self._mark.close()
                raise
        self._page_bytes: int = self._db.execute("PRAGMA page_size").fetchone()[0]

    def close(self) -> None:
        """Close the file."""
        self._db.close()
        self._mark.close()

    def append(self, messages: Sequence[tuple[int, bytes]]) -> list[int]:
        """Append these (partition, value), durably, and return their offsets.

        All or none are appended: raises LogFull if the disk is full, or LogError.
        """
        db = self._db
        self._refuse_suspect()
        ends: dict[int, Extent] = {}
        with self.errors_mapped(), self._transaction():
            offsets = []
            for partition, value in messages:
                extent = ends.get(partition) or self._extent(partition)
                offset = extent.next_offset
                found = message_checksum(value, self._ids[partition], offset)
                db.execute("INSERT INTO message VALUES (?, ?, ?)", (partition << OFFSET_BITS | offset, value, found))
                ends[partition] = Extent(extent.first, offset + 1, extent.size_bytes + len(value))
                offsets.append(offset)
            for partition, extent in ends.items():
                self._set_extent(partition, extent)
        for partition, extent in ends.items():
            self._mark.set(partition, extent.next_offset)
        return offsets

    def read(self, partition: int, from_offset: int, limit: int, max_bytes: int) -> list[Message]:
        """Up to `limit` messages from the first kept offset ≥ `from_offset` on; ends after `max_bytes`.

        A value that is not as it was appended is Damaged.
        """
        self._refuse_suspect()
        low = partition << OFFSET_BITS
        found: list[Message] = []
        size_bytes = 0
        with self.errors_mapped():
            rows = self._db.execute(
                "SELECT key, value, checksum FROM message WHERE key >= ? AND key < ? ORDER BY key LIMIT ?",
                (low | from_offset, low | self._extent(partition).next_offset, limit),
            )
            for key, value, its_checksum in rows:
                found.append(Message(key - low, checked(value, its_checksum, self._ids[partition], key - low)))
                size_bytes += len(found[-1].value)
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
        if not 0 <= partition < len(self._ids):
            raise LogError(f"topic {self.topic} has partitions 0 to {len(self._ids) - 1}, not {partition}")
        sql = "SELECT first, next_offset, size_bytes, checksum FROM extent WHERE partition = ?"
        row = self._db.execute(sql, (partition,)).fetchone()
        if row is None:
            return Extent(0, 0, 0)
        extent = Extent(*row[:3])
        if not is_extent(extent, row[3], self._ids[partition]):
            self._is_suspect(f"the extent of partition {partition}, {extent}, does not match its checksum")
        return extent

    def _set_extent(self, partition: int, extent: Extent) -> None:
        found = extent_checksum(extent, self._ids[partition])
        values = (partition, extent.first, extent.next_offset, extent.size_bytes, found)
        self._db.execute("INSERT OR REPLACE INTO extent VALUES (?, ?, ?, ?, ?)", values)

    def _refuse_suspect(self) -> None:
        """Raise LogError if any process has found the file damaged: it is repaired when no process uses it."""
        if self._suspect.exists():
            raise LogError(f"log {self.path} is damaged; it is repaired when it is opened and no other process uses it")

    def _is_suspect(self, fault: str) -> NoReturn:
        """Have the file repaired when it is opened next."""
        self._suspect.touch()
        raise LogError(f"log {self.path} is damaged: {fault}; it is repaired at the next start")

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
            if is_damage(error):
                self._is_suspect(str(error))
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
