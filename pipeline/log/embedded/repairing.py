"""Repairs the file of a topic that nobody uses, before it is opened: what SQLite would lose, or could not read.

- A WAL with a damaged frame is repaired, so that SQLite reads all of it.
- A file that SQLite cannot read is set aside, and what can be read of it is put into a new one.
- A partition that ends before the end that was acknowledged last has lost messages: it continues at that end, so that
  no offset is used twice. Its last offset gets an empty message, which is damaged: readers see the gap, and pass it.

Whether the values are as they were appended is seen when they are read.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.base.sqlite_files import aside, examine
from pipeline.log import names
from pipeline.log.embedded.end_mark import EndMark
from pipeline.log.embedded.schema import (
    OFFSET_BITS,
    PAGE_BYTES,
    extent_checksum,
    is_extent,
    make_empty,
    message_checksum,
    put_made,
)
from pipeline.log.log import Extent
from store.objects.checksum import SIZE
from store.objects.damage import Outcome, report

LOOKED_THROUGH_BYTES = 512 << 20  # larger files are read through only if a process has found them damaged
KIND = "log"


class _Topic(NamedTuple):
    """The file of a topic, the names of its partitions, and their ends as they were last acknowledged."""

    path: Path
    ids: Sequence[str]
    ends: dict[int, int]


@dataclass(slots=True)
class _Found:
    """What a file says of each partition, and what is wrong with its structure."""

    extents: dict[int, Extent] = field(default_factory=dict)
    fault: str | None = None

    def extent(self, partition: int) -> Extent:
        """The extent of a partition; empty if the file has none."""
        return self.extents.get(partition, Extent(0, 0, 0))

    def is_behind(self, ends: dict[int, int]) -> bool:
        """Whether a partition ends before it was acknowledged to end."""
        return any(self.extent(partition).next_offset < end for partition, end in ends.items())


def repair_topic(path: Path, partition_ids: Sequence[str], mark: EndMark) -> None:
    """Make the file at `path` one that can be used; creates a missing one."""
    topic = _Topic(path, partition_ids, {partition: mark.get(partition) for partition in range(len(partition_ids))})
    suspect = names.suspect_path(path)
    if not path.exists():
        _replace_missing(topic)
    else:
        found = _repair_wal(topic, is_suspect=suspect.exists())
        if found.fault is not None:
            _rescue(topic, found)
        elif found.is_behind(topic.ends):
            _continue_at(topic, found)
    suspect.unlink(missing_ok=True)


def _repair_wal(topic: _Topic, *, is_suspect: bool) -> _Found:
    """Repair the WAL, and look at the file; if it ends too early, the end of the WAL is damaged, too."""
    repaired = aside.repair_wal_of(topic.path, PAGE_BYTES)
    found, is_acknowledged = _look(topic, is_suspect=is_suspect), False
    if found.fault is None and found.is_behind(topic.ends):
        again = aside.repair_wal_of(topic.path, PAGE_BYTES, is_to_end=True)
        if again is not None:
            repaired, found, is_acknowledged = again, _look(topic, is_suspect=is_suspect), True
    if repaired is not None:
        told = f"{repaired.damaged} are damaged in more than one bit" if repaired.damaged else "all are whole again"
        of = "of acknowledged messages" if is_acknowledged else "whose messages may never have been acknowledged"
        report(
            "wal",
            f"{aside.wal_of(topic.path)}: SQLite would have dropped {repaired.frames} pages, {of}; they are kept: "
            f"{repaired.repaired} with one flipped bit are repaired, {told}; a copy is in {aside.FOLDER}/",
            Outcome.REPAIRED,
        )
    return found


def _look(topic: _Topic, *, is_suspect: bool) -> _Found:
    found = _Found()
    try:
        with closing(examine.open_to_read(topic.path)) as db:
            for partition, first, next_offset, size_bytes, *rest in db.execute("SELECT * FROM extent"):
                extent = Extent(first, next_offset, size_bytes)
                is_known = partition in range(len(topic.ids))
                if is_known and is_extent(extent, rest[0] if rest else None, topic.ids[partition]):
                    found.extents[partition] = extent
                else:
                    found.fault = f"the extent of partition {partition}, {extent}, does not match its checksum"
            found.fault = found.fault or _stray(db, found, len(topic.ids))
    except sqlite3.Error as error:
        if not examine.is_damage(error) and "no such" not in str(error):
            raise
        found.fault = str(error)
    if found.fault is None and (is_suspect or topic.path.stat().st_size <= LOOKED_THROUGH_BYTES):
        found.fault = examine.fault_of(topic.path)
    return found


def _stray(db: sqlite3.Connection, found: _Found, partitions: int) -> str | None:
    """Whether there are messages outside the extents."""
    for partition in range(partitions):
        low = partition << OFFSET_BITS
        sql = "SELECT min(key), max(key) FROM message WHERE key >= ? AND key < ?"
        least, most = db.execute(sql, (low, low + (1 << OFFSET_BITS))).fetchone()
        extent = found.extent(partition)
        if least is not None and (least - low < extent.first or most - low >= extent.next_offset):
            return f"partition {partition} has offsets {least - low} to {most - low}, but {extent}"
    return None


def _continue_at(topic: _Topic, found: _Found) -> None:
    """Continue partitions at the ends that were acknowledged."""
    extents = {}
    for partition, end in topic.ends.items():
        extent = found.extent(partition)
        if extent.next_offset < end:
            _report_lost(topic, partition, extent.next_offset)
            first = end - 1 if extent.first == extent.next_offset else extent.first
            extents[partition] = Extent(first, end, extent.size_bytes)
    with closing(sqlite3.connect(topic.path, isolation_level=None)) as db:
        _write_extents(db, topic, extents)


def _report_lost(topic: _Topic, partition: int, first: int) -> None:
    end = topic.ends[partition]
    report(
        KIND,
        f"{topic.path}: {topic.ids[partition]} ends at offset {first}, and offset {end - 1} was acknowledged: "
        f"{end - first} messages are lost; restore them from a backup, or have the devices send again",
        Outcome.LOST,
    )


def _replace_missing(topic: _Topic) -> None:
    if aside.wal_of(topic.path).exists():
        aside.set_aside(topic.path)
    unfinished = _empty(topic.path)
    extents = {partition: Extent(end - 1, end, 0) for partition, end in topic.ends.items() if end}
    for partition in extents:
        _report_lost(topic, partition, 0)
    with closing(sqlite3.connect(unfinished, isolation_level=None)) as db:
        _write_extents(db, topic, extents)
    put_made(unfinished, topic.path)


def _empty(path: Path) -> Path:
    """A new file without messages, that is to be put in the place of `path`."""
    unfinished = path.with_name(path.name + names.UNFINISHED_SUFFIX)
    unfinished.unlink(missing_ok=True)
    make_empty(unfinished)
    return unfinished


def _rescue(topic: _Topic, found: _Found) -> None:
    """Put what can be read of the file into a new one."""
    unfinished = _empty(topic.path)
    readable = _readable_copy(topic.path, unfinished)
    with (
        closing(sqlite3.connect(unfinished, isolation_level=None)) as db,
        closing(examine.open_to_read(readable)) as source,
    ):
        db.execute("BEGIN")
        kept = _copy_messages(source, db, topic, found)
        extents = {partition: _extent(kept[partition], topic, partition, found) for partition in kept}
        _write_extents(db, topic, extents)
        db.execute("COMMIT")
    for suffix in ("", aside.WAL, aside.SHM):
        readable.with_name(readable.name + suffix).unlink(missing_ok=True)
    place = aside.set_aside(topic.path)
    put_made(unfinished, topic.path)
    count = sum(map(len, kept.values()))
    lost = sum(extent.next_offset - extent.first for extent in extents.values()) - count
    is_known = all(partition in found.extents for partition, extent in extents.items() if extent.next_offset)
    report(
        KIND,
        f"{topic.path}: {found.fault}; {count} messages could be read and are kept, {lost} are lost"
        f"{'' if is_known else ', and those before them that it had'}; the damaged file is {place}",
        Outcome.LOST if lost or not is_known else Outcome.MADE_AGAIN,
    )


def _copy_messages(
    source: sqlite3.Connection, db: sqlite3.Connection, topic: _Topic, found: _Found
) -> dict[int, dict[int, int]]:
    """Copy the messages that can be read; returns the size of each by partition and offset."""
    kept: dict[int, dict[int, int]] = {partition: {} for partition in range(len(topic.ids))}
    for key, value, *rest in examine.readable_rows(source, "message", "key"):
        checksum = rest[0] if rest else None
        partition, offset = key >> OFFSET_BITS, key & (1 << OFFSET_BITS) - 1
        if partition in kept and _belongs(topic, found, partition, offset, value, checksum):
            db.execute("INSERT OR IGNORE INTO message VALUES (?, ?, ?)", (key, value, checksum))
            kept[partition].setdefault(offset, len(value))
    return kept


def _readable_copy(path: Path, empty: Path) -> Path:
    """A copy of the file of which the messages can be read: with a whole first page, if that is damaged."""
    copy = path.with_name(path.name + ".reading")
    for suffix in ("", aside.WAL):
        with suppress(FileNotFoundError):
            shutil.copyfile(path.with_name(path.name + suffix), copy.with_name(copy.name + suffix))
    copy.with_name(copy.name + aside.SHM).unlink(missing_ok=True)
    try:
        with closing(examine.open_to_read(copy)) as db:
            db.execute("SELECT * FROM message LIMIT 1").fetchall()
    except sqlite3.Error:
        examine.with_first_page(copy, empty)
        copy.with_name(copy.name + aside.SHM).unlink(missing_ok=True)
    return copy


def _belongs(topic: _Topic, found: _Found, partition: int, offset: int, value: Any, checksum: Any) -> bool:
    """Whether a row is a message of the partition, as far as can be known: damaged ones have an offset that is due."""
    if type(value) is not bytes:
        return False
    if checksum == message_checksum(value, topic.ids[partition], offset):
        return True
    extent = found.extents.get(partition)
    return offset < topic.ends[partition] if extent is None else extent.first <= offset < extent.next_offset


def _extent(sizes: dict[int, int], topic: _Topic, partition: int, found: _Found) -> Extent:
    former = found.extent(partition)
    next_offset = max(topic.ends[partition], max(sizes, default=-1) + 1, former.next_offset)
    first = former.first if partition in found.extents else min(sizes, default=max(0, next_offset - 1))
    return Extent(first, next_offset, sum(sizes.values()))


def _write_extents(db: sqlite3.Connection, topic: _Topic, extents: dict[int, Extent]) -> None:
    for partition, extent in extents.items():
        if extent.first < extent.next_offset:  # an empty message, unless the last one is there
            key = partition << OFFSET_BITS | (extent.next_offset - 1)
            db.execute("INSERT OR IGNORE INTO message VALUES (?, ?, ?)", (key, b"", bytes(SIZE)))
        checksum = extent_checksum(extent, topic.ids[partition])
        values = (partition, extent.first, extent.next_offset, extent.size_bytes, checksum)
        db.execute("INSERT OR REPLACE INTO extent VALUES (?, ?, ?, ?, ?)", values)
