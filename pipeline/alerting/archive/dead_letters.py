"""The archive of dead letters. They can be listed, counted, shown and marked as replayed; the oldest are removed first.

A replay reads letters from here, appends them to [readings] with their first arrival stamp, and marks them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from pipeline.alerting.archive.database import ArchiveFile, Filter, advance, next_seq
from pipeline.alerting.archive.sealing import add_checksums, write_sealed
from pipeline.log.dead_letter import DeadLetter, Reason, Replayed
from store.host_time import WRITTEN_NS
from store.values.durations import duration_ns

FORMAT_VERSION = 2
KEEP = timedelta(days=7)
KEEP_BYTES = 256 << 20
# The size of a row without its payload: other columns and index entries, measured for MQTT topics of 60 bytes.
ROW_BYTES = 400

_SCHEMA = (
    (
        "CREATE TABLE letters (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, account TEXT NOT NULL, "
        "mqtt_topic TEXT NOT NULL, payload BLOB NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL, "
        "arrival_ns INTEGER NOT NULL, replayed_ns INTEGER, size_bytes INTEGER NOT NULL, "
        "checksum BLOB)"
    ),
    "CREATE INDEX letters_by_source ON letters (account, mqtt_topic, reason, arrival_ns)",
    "CREATE INDEX letters_by_arrival ON letters (arrival_ns)",
)


@dataclass(frozen=True, slots=True)
class ArchivedLetter:
    """A dead letter in the archive. `seq` is the order in which letters were stored, and the key for paging."""

    seq: int
    letter: DeadLetter
    replayed_ns: int | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The number of messages of one MQTT topic that were rejected for one reason, and when the last of them arrived."""

    account: str
    mqtt_topic: str
    reason: Reason
    count: int
    last_arrival_ns: int


class DeadLetterArchive:
    """The file at `path`. Methods may be called from any thread; each is one short transaction or one read."""

    def __init__(self, path: Path, *, keep: timedelta = KEEP, keep_bytes: int = KEEP_BYTES) -> None:
        self._file = ArchiveFile(
            path, _SCHEMA, FORMAT_VERSION, {1: lambda db: add_checksums(db, ["positions", "letters"])}
        )
        self._keep_ns = duration_ns(keep)
        self._keep_bytes = keep_bytes

    def next_offset(self, partition_id: str) -> int | None:
        """The first offset of `partition_id` that is not in the archive yet; None for an unknown partition."""
        return self._file.next_offset(partition_id)

    def accept(
        self, partition_id: str, offset: int, letters: Iterable[DeadLetter], replayed: Replayed | None = None
    ) -> None:
        """Store the content of one log message; an offset below the position changes nothing."""
        with self._file.writing() as db:
            if advance(db, partition_id, offset):
                rows = [_row(seq, letter) for seq, letter in enumerate(letters, next_seq(db, "letters"))]
                write_sealed(db, "letters", rows, otherwise="IGNORE")
                if replayed is not None:
                    _mark(db, replayed)

    def list(
        self,
        *,
        account: str | None = None,
        reason: str | None = None,
        mqtt_topic: str | None = None,
        from_ns: int | None = None,
        to_ns: int | None = None,
        is_replayed: bool | None = None,
        before_seq: int | None = None,
        limit: int = 100,
    ) -> Sequence[ArchivedLetter]:
        """The newest `limit` letters that match, with an arrival in [from_ns, to_ns).

        For the next page, pass the last `seq` as `before_seq`.
        """
        where = Filter()
        where.add("account = ?", account)
        where.add("reason = ?", reason)
        where.add("mqtt_topic = ?", mqtt_topic)
        where.add("arrival_ns >= ?", from_ns)
        where.add("arrival_ns < ?", to_ns)
        where.add("(replayed_ns IS NOT NULL) = ?", is_replayed)
        where.add("seq < ?", before_seq)
        sql = f"SELECT * FROM letters{where.sql} ORDER BY seq DESC LIMIT ?"  # noqa: S608  # conditions are constants
        return [_archived(row) for row in self._file.read_rows("letters", sql, (*where.parameters, limit))]

    def not_replayed(
        self, *, account: str, reason: str, limit: int, up_to_seq: int | None = None
    ) -> tuple[Sequence[ArchivedLetter], int]:
        """The oldest `limit` letters of a reason that were not replayed, and the newest `seq` of this replay.

        Pass that `seq` as `up_to_seq` for the next part: so a replay ends, although letters that fail again are added
        meanwhile.
        """
        sql = "SELECT coalesce(max(seq), 0) FROM letters"
        newest = int(self._file.read(sql, ())[0][0]) if up_to_seq is None else up_to_seq
        sql = (
            "SELECT * FROM letters WHERE account = ? AND reason = ? AND replayed_ns IS NULL AND seq <= ? "
            "ORDER BY seq LIMIT ?"
        )
        return [
            _archived(row) for row in self._file.read_rows("letters", sql, (account, reason, newest, limit))
        ], newest

    def show(self, letter_id: str, *, account: str | None = None) -> ArchivedLetter | None:
        """The letter with this id (in `account`), or None."""
        where = Filter()
        where.add("id = ?", letter_id)
        where.add("account = ?", account)
        rows = self._file.read_rows("letters", f"SELECT * FROM letters{where.sql}", where.parameters)  # noqa: S608  # as above
        return _archived(rows[0]) if rows else None

    def rejected(self, *, account: str | None = None, mqtt_topic: str | None = None) -> Sequence[Rejected]:
        """Counts of the kept letters by account, MQTT topic and reason. One pass over an index."""
        where = Filter()
        where.add("account = ?", account)
        where.add("mqtt_topic = ?", mqtt_topic)
        rows = self._file.read(
            f"SELECT account, mqtt_topic, reason, count(*), max(arrival_ns) FROM letters{where.sql} "  # noqa: S608  # as above
            "GROUP BY account, mqtt_topic, reason ORDER BY account, mqtt_topic, reason",
            where.parameters,
        )
        return [Rejected(row[0], row[1], Reason(row[2]), row[3], row[4]) for row in rows]

    def mark_replayed(self, letter_ids: Iterable[str], now_ns: int) -> None:
        """Record that these letters were appended to [readings] again."""
        with self._file.writing() as db:
            _mark(db, Replayed(list(letter_ids), now_ns))

    def retain(self, now_ns: int) -> None:
        """Remove letters that arrived before the retention, and the oldest ones beyond `keep_bytes`.

        `now_ns` is a time to delete by (`store.host_time`). Letters that arrived before the host's clock was set may be
        new: they are removed by size only.
        """
        with self._file.writing() as db:
            db.execute("DELETE FROM letters WHERE arrival_ns BETWEEN ? AND ?", (WRITTEN_NS, now_ns - self._keep_ns - 1))
            last = _last_beyond(db, self._keep_bytes)
            if last is not None:
                db.execute("DELETE FROM letters WHERE seq <= ?", (last,))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _row(seq: int, x: DeadLetter) -> tuple[Any, ...]:
    size_bytes = len(x.payload) + ROW_BYTES
    return seq, x.id, x.account, x.mqtt_topic, x.payload, x.reason.value, x.detail, x.arrival_ns, None, size_bytes


def _mark(db: sqlite3.Connection, replayed: Replayed) -> None:
    rows = [(replayed.at_ns, letter_id) for letter_id in replayed.ids]
    db.executemany("UPDATE letters SET replayed_ns = ? WHERE id = ?", rows)


def _last_beyond(db: sqlite3.Connection, keep_bytes: int) -> int | None:
    """The newest letter to remove, so that the later ones take at most `keep_bytes`; None if all may stay."""
    if (db.execute("SELECT sum(size_bytes) FROM letters").fetchone()[0] or 0) <= keep_bytes:
        return None
    total = 0
    for seq, size_bytes in db.execute("SELECT seq, size_bytes FROM letters ORDER BY seq DESC"):
        total += size_bytes
        if total > keep_bytes:
            return int(seq)
    return None


def _archived(row: Mapping[str, Any]) -> ArchivedLetter:
    letter = DeadLetter(
        row["id"],
        row["account"],
        row["mqtt_topic"],
        row["payload"],
        Reason(row["reason"]),
        row["detail"],
        row["arrival_ns"],
    )
    return ArchivedLetter(row["seq"], letter, row["replayed_ns"])
