"""Verifies the embedded log, and changes nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from pipeline.base.sqlite_files import aside, examine
from pipeline.log import names
from pipeline.log.embedded.end_mark import read_ends
from pipeline.log.embedded.folder import read_description
from pipeline.log.embedded.schema import OFFSET_BITS, is_extent, is_message
from pipeline.log.log import Extent
from pipeline.log.topics import ALL as TOPICS


def verify(folder: Path, progress: Callable[[str], None], *, is_running: bool) -> Iterator[tuple[str, str]]:
    """Each damaged file, and what is wrong with it. The WAL of a running log changes while it is read."""
    if not (folder / names.DESCRIPTION).exists() and not (folder / names.COPY).exists():
        return
    described = {place: read_description(folder / place) for place in (names.DESCRIPTION, names.COPY)}
    for place, fields in described.items():
        if fields is None:
            yield str(folder / place), "it is damaged or missing; the other one has the same"
    fields = next((fields for fields in described.values() if fields is not None), None)
    if fields is None or fields["format_version"] != names.FORMAT_VERSION:
        return
    for topic in TOPICS:
        path = names.topic_path(folder, topic)
        if path.exists():
            progress(f"{path}: {path.stat().st_size / 1e6:,.0f} MB")
            ids = [f"{fields['log_id']}/{topic}/{partition}" for partition in range(fields["partitions"])]
            yield from ((str(path), fault) for fault in _faults(path, ids, is_running=is_running))


def _faults(path: Path, ids: list[str], *, is_running: bool) -> Iterator[str]:
    ends = read_ends(names.end_path(path), ids)  # before the file: it may grow meanwhile
    if not is_running and (lost := aside.pages_hidden(path)):
        yield f"its WAL is damaged: SQLite would drop {lost} pages, whose messages may have been acknowledged"
    try:
        fault = examine.fault_of(path)
        if fault is not None:
            yield fault
            return
        with closing(examine.open_to_read(path)) as db:
            found = dict.fromkeys(range(len(ids)), 0)
            for partition, *numbers, checksum in db.execute("SELECT * FROM extent"):
                found[partition] = numbers[1]
                if partition >= len(ids) or not is_extent(Extent(*numbers), checksum, ids[partition]):
                    yield f"the extent of partition {partition} does not match its checksum"
            for partition, end in enumerate(ends):
                if found[partition] < end:
                    yield f"partition {partition} ends at offset {found[partition]}; {end - 1} was acknowledged"
            for key, value, checksum in db.execute("SELECT * FROM message"):
                partition, offset = key >> OFFSET_BITS, key & (1 << OFFSET_BITS) - 1
                if partition >= len(ids) or not is_message(value, checksum, ids[partition], offset):
                    yield f"the message at offset {offset} of partition {partition} does not match its checksum"
    except sqlite3.Error as error:
        yield str(error)
