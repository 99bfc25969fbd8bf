"""One SQLite file of an archive: its format version, its positions in the log, one writer and any number of readers.

The file is in WAL mode with `synchronous=FULL`, so a committed position survives a crash and the log may be trimmed
below it. Writes are short transactions on one connection under a lock, from any thread. Each read opens its own
connection (0.1 ms), so threads share nothing. A file of a newer format is refused. Errors of SQLite are raised as
ArchiveError.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from pipeline.alerting.archive import rescue, sealing
from pipeline.base.errors import ArchiveError, DataDirError
from store.objects.files import make_folders

_BUSY_TIMEOUT_S = 10.0
_POSITIONS = (
    "CREATE TABLE positions (stream TEXT PRIMARY KEY, next_offset INTEGER NOT NULL, checksum BLOB) WITHOUT ROWID"
)
Step = Callable[[sqlite3.Connection], None]
"""Makes of a file of one format version one of the next, in the caller's transaction."""


class ArchiveFile:
    """The file at `path`, made with `schema` (statements) if it is not there.

    Every method raises ArchiveError if the file cannot be used; the constructor DataDirError for a newer format.
    """

    def __init__(
        self, path: Path, schema: Sequence[str], format_version: int, steps: Mapping[int, Step] | None = None
    ) -> None:
        """`steps`: by the version that they begin with."""
        self._path = path
        self._lock = threading.Lock()
        with self.errors_mapped():
            make_folders(path.parent)
            rescue.repair_wal(path)
            damaged = rescue.set_aside_damaged(path)
            self._writer = self._connect()
        try:
            with self.errors_mapped():
                self._writer.execute("PRAGMA journal_mode=WAL")
                self._writer.execute("PRAGMA synchronous=FULL")
                self._renew_wal()
            self._prepare(schema, format_version, steps or {})
            with self.errors_mapped():
                sealing.seal_writes(self._writer)
            with self.writing() as db:
                if damaged is not None:
                    rescue.copy_readable(damaged[0], path, db, damaged[1], lambda empty: _make(empty, schema))
                sealing.check_all(db, path)
        except BaseException:
            self._writer.close()
            raise

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        connection.row_factory = sqlite3.Row
        return connection

    def _renew_wal(self) -> None:
        """Copy what an ended process left in the WAL into the file: after a failed fsync it may not be on the disk."""
        try:
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_FULL:  # a full disk has not lost what it had
                raise

    def _prepare(self, schema: Sequence[str], format_version: int, steps: Mapping[int, Step]) -> None:
        with self.writing() as db:
            found = db.execute("PRAGMA user_version").fetchone()[0]
            if found == 0:
                for statement in (_POSITIONS, *schema):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version={format_version}")
                return
            for version in range(found, format_version):
                steps[version](db)
                db.execute(f"PRAGMA user_version={version + 1}")
            if found > format_version:
                raise DataDirError(
                    f"{self._path} has format version {found}; this streamgauge reads {format_version}. "
                    "A newer one wrote it: run that one, or move the file away"
                )

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One write transaction: committed at the end of the block, rolled back if it raises."""
        with self._lock, self.errors_mapped():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:  # SQLite rolls back by itself after some errors
                    self._writer.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for queries over committed data, from any thread."""
        with self.errors_mapped(), closing(self._connect()) as connection:
            yield connection

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """The rows of one query."""
        with self.reading() as connection:
            return connection.execute(sql, parameters).fetchall()

    def read_rows(self, table: str, sql: str, parameters: Sequence[Any] = ()) -> list[Mapping[str, Any]]:
        """The whole rows (`SELECT *`) of a query over one table; without those that are damaged, which is reported."""
        return list(sealing.whole_rows(table, self.read(sql, parameters), self._path))

    def next_offset(self, partition_id: str) -> int | None:
        """The first offset of `partition_id` that is not in the archive yet; None for an unknown partition."""
        rows = self.read("SELECT next_offset FROM positions WHERE stream = ?", (partition_id,))
        return None if not rows else int(rows[0][0])

    def close(self) -> None:
        """Close the file; what was committed stays."""
        with self._lock:
            self._writer.close()

    @contextmanager
    def errors_mapped(self) -> Iterator[None]:
        """Raise errors of SQLite and of the file system as ArchiveError; for a damaged file, with the remedy."""
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary one: sqlite.org/rescode.html
            if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise ArchiveError(
                    f"{self._path} is damaged: {error}; when the worker starts again it is set aside, and what can be "
                    "read of it is kept"
                ) from error
            name = getattr(error, "sqlite_errorname", "")
            raise ArchiveError(f"{self._path}: {error} {name}".rstrip()) from error
        except OSError as error:
            raise ArchiveError(f"{self._path}: {error}") from error


def advance(db: sqlite3.Connection, partition_id: str, offset: int) -> bool:
    """Move the position of `partition_id` past `offset`, in the caller's transaction; False if it already is."""
    moved = db.execute(
        "INSERT INTO positions (stream, next_offset) VALUES (?1, ?2 + 1) "
        "ON CONFLICT (stream) DO UPDATE SET next_offset = ?2 + 1 WHERE next_offset <= ?2",
        (partition_id, offset),
    )
    return moved.rowcount > 0


def next_seq(db: sqlite3.Connection, table: str) -> int:
    """The `seq` that SQLite would give the next row of `table`."""
    found = db.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
    return 1 if found is None else int(found[0]) + 1


def _make(path: Path, schema: Sequence[str]) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        for statement in (_POSITIONS, *schema):
            db.execute(statement)


class Filter:
    """A WHERE clause: the given conditions, joined by AND."""

    def __init__(self) -> None:
        self.parameters: list[Any] = []
        self._conditions: list[str] = []

    def add(self, condition: str, *values: Any) -> None:
        """Add `condition`, which has a `?` for each value, unless one is None."""
        if None not in values:
            self._conditions.append(condition)
            self.parameters.extend(values)

    @property
    def sql(self) -> str:
        """` WHERE …`, or an empty text."""
        return f" WHERE {' AND '.join(self._conditions)}" if self._conditions else ""
