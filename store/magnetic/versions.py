"""The newest Delta version of each table that a process knows, for queries.

There is one read handle per table and process. It is refreshed for a query if the last refresh was more than a second
ago: rows that were committed since are still in the RAM of their owner.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from store.catalog.catalog import TableInfo
from store.catalog.schema import Columns
from store.magnetic.data_files import DataFiles
from store.magnetic.tier import MagneticTier, Version
from store.objects.location import S3Location
from store.record import TableId

REFRESH_EVERY_S = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Newest:
    """A version, its columns, and the location of its files."""

    version: Version
    columns: Columns
    data: DataFiles
    location: Path | S3Location


@dataclass(slots=True)
class _Handle:
    info: TableInfo
    lock: threading.Lock = field(default_factory=threading.Lock)
    tier: MagneticTier | None = None
    newest: Newest | None = None
    refreshed_s: float = 0.0


class Versions:
    """The read handles of a process. Any thread."""

    def __init__(self, open_tier: Callable[[TableInfo], MagneticTier]) -> None:
        self._open_tier = open_tier
        self._lock = threading.Lock()
        self._handles: dict[TableId, _Handle] = {}

    def newest(
        self, info: TableInfo, *, now: bool = False, after: Newest | None = None, known: Collection[str] = ()
    ) -> Newest:
        """The newest version of `info`: now, or within the last second; with `after`, a later one if there is one.

        A version without one of the columns `known` (physical names) is outdated, too. Raises MagneticTierError.
        """
        with self._lock:
            handle = self._handles.get(info.table)
            if handle is None or not info.is_same_table(handle.info):
                handle = self._handles[info.table] = _Handle(info)
        with handle.lock:
            newest, is_old = handle.newest, now or time.monotonic() - handle.refreshed_s >= REFRESH_EVERY_S
            if newest is None or newest is after or is_old or not _has(newest, known):
                newest = self._refresh(handle)
            return newest

    def _refresh(self, handle: _Handle) -> Newest:
        began_s = time.monotonic()
        if handle.tier is None:
            handle.tier = self._open_tier(handle.info)
        version = handle.tier.refresh()
        handle.tier.version = version
        columns = Columns.of(handle.tier.columns())
        handle.newest = Newest(version, columns, handle.tier.data, handle.tier.location)
        handle.refreshed_s = began_s
        return handle.newest


def _has(newest: Newest, known: Collection[str]) -> bool:
    return not known or {column.physical for column in newest.columns.stored()}.issuperset(known)
