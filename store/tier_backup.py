"""Copies a magnetic tier while its workers write it: tables, catalog, and the saved state of partitions.

The rule: effects first, causes last. State of a later moment is right beside a lower watermark of an earlier one,
because the log is read again from there and each part skips what it has; the other way round, something would be
missing. So, in this order: low watermarks; pending rows, of which a table may have some by the time that it is copied;
state of each table (of rules), then what it is made by; the tables; their series, which are never behind them;
everything else; and the catalog, which is changed before what depends on it. Whoever calls this copies the log after
it, from the low watermarks on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from store import layout
from store.backup.copying import Copier
from store.backup.manifest import Entry
from store.catalog.document import Document
from store.errors import BackupError, MagneticTierError, NoObject
from store.magnetic.delta import DeltaHandle
from store.magnetic.parquet import DataFile
from store.objects.checksum import is_sealed
from store.objects.location import S3Location
from store.objects.objects import ASIDE, Objects, open_at, open_objects, open_root
from store.objects.sealed import DAMAGED
from store.state_objects import state_to_read, url_of

MAGNETIC = "magnetic"
_ATTEMPTS = 5  # a table is compacted, and its files removed, at most about once in the hour that they are kept
_NEVER = (layout.FORMAT, layout.LOCK)
_STEPS_OF_THEIR_OWN = (layout.LOW_WATERMARK, layout.PENDING_ROWS)


class TierCopy:
    """Copies the magnetic tier at `url` into a backup."""

    def __init__(self, url: str, copier: Copier) -> None:
        self._root = open_root(url)
        self._objects = open_objects(url_of(url))
        self._state = state_to_read(url)
        self._copier = copier

    def files_ahead(self) -> None:
        """Copy the Parquet files of the tables as they are now: most of the work, which holds nothing up."""
        for table in self._tables():
            found = self._version_of(table)
            if found is not None:
                self._files_of(table, found[1])

    def low_watermarks(self) -> dict[str, int]:
        """Copy the low watermarks; returns the lowest one of each partition."""
        copied = self._copy_state(lambda kind: _last_part(kind) == layout.LOW_WATERMARK)
        lowest: dict[str, int] = {}
        for path in copied:
            partition, offset = "/".join(path.split("/")[1:4]), int(_last_part(path))
            lowest[partition] = min(offset, lowest.get(partition, offset))
        return lowest

    def rest(self) -> None:
        """Copy everything else, after the low watermarks."""
        self._copy_state(lambda kind: kind == layout.PENDING_ROWS)
        self._copy_state(lambda kind: _is_of_table(kind) and not _is_series(kind))
        self._copy_state(lambda kind: not _is_of_table(kind) and _last_part(kind) not in _STEPS_OF_THEIR_OWN)
        for table in self._tables():
            self._copy_table(table)
        self._copy_state(_is_series)
        self._copy_others()
        self._copy_newest(layout.CATALOG, self._objects.list(layout.CATALOG))

    def _tables(self) -> list[str]:
        """The folders of all tables in the catalog."""
        while versions := [path for path in self._objects.list(layout.CATALOG) if path.endswith(".json")]:
            data = self._state.get(max(versions))
            if data is not None:
                tables = Document.decode(data, {}).tables.values()
                return sorted(layout.table_path(info.table, info.incarnation) for info in tables)
        return []

    def _copy_state(self, is_wanted: Callable[[str], bool]) -> list[str]:
        """Copy the valid object of each kind that is wanted; returns their paths."""
        by_kind: dict[str, list[str]] = {}
        for path in self._objects.list(layout.STATE):
            by_kind.setdefault(path.rpartition("/")[0], []).append(path)
        # state/<log id>/<topic>/<partition>/<kind>
        wanted = {folder: paths for folder, paths in by_kind.items() if is_wanted(folder.split("/", 4)[-1])}
        copied = [self._copy_newest(folder, paths) for folder, paths in sorted(wanted.items())]
        return [path for path in copied if path is not None]

    def _copy_newest(self, folder: str, paths: list[str]) -> str | None:
        """Copy the object of the highest number; None if there is none any more."""
        while paths:
            path = max(paths, key=_last_part)
            if self._copy_object(path):
                return path
            paths = [path for path in self._objects.list(folder) if path.rpartition("/")[0] == folder]
        return None

    def _copy_others(self) -> None:
        others = (layout.STATE, layout.CATALOG, DAMAGED, ASIDE)
        for path in self._objects.list(""):
            if path not in _NEVER and path.partition("/")[0] not in others:
                self._copy_object(path)

    def _copy_object(self, path: str) -> bool:
        data = self._objects.get(path)
        if data is None:
            return False
        if not is_sealed(path, data):
            self._copier.progress.warn(f"{self._objects.url}/{path} is damaged, and copied as it is")
        self._copier.data(f"{MAGNETIC}/{layout.OBJECTS}/{path}", data)
        self._copier.progress.done(len(data))
        return True

    def _copy_table(self, table: str) -> None:
        """Copy one version of a table: of the log what describes it, and its files."""
        for _ in range(_ATTEMPTS):
            try:
                found = self._version_of(table)
                if found is None:
                    return
                self._copier.entries += self._files_of(table, found[1])
                for name, data in self._log_of(table, found[0]):
                    self._copier.data(f"{MAGNETIC}/{table}/{layout.DELTA_LOG}/{name}", data)
            except (FileNotFoundError, NoObject):  # compacted, and removed; or purged
                continue
            else:
                return
        raise BackupError(f"{table}: its files are removed faster than they can be copied; try again")

    def _version_of(self, table: str) -> tuple[int, tuple[DataFile, ...]] | None:
        """The newest version of a table, and its files; None if nothing was written yet, or it was deleted."""
        try:
            handle = DeltaHandle.open(self._at(table))
            return None if handle is None else (handle.version, handle.files())
        except MagneticTierError:
            if table in self._tables():
                raise
            return None

    def _files_of(self, table: str, files: tuple[DataFile, ...]) -> list[Entry]:
        named = [(f"{table}/{file.path}", file.size_bytes) for file in files]
        return self._copier.unchanging(MAGNETIC, self._root, named)

    def _log_of(self, table: str, version: int) -> Iterator[tuple[str, bytes]]:
        """The newest whole checkpoint of a version, and the commits from there on. Raises NoObject."""
        log = open_at(self._at(table))
        names = [_last_part(path) for path in log.list(layout.DELTA_LOG)]
        first = _checkpoint(names, min(version, _last_checkpoint(log)))
        for name in names:
            if first is not None and name.startswith(f"{first:020d}.checkpoint"):
                yield name, _there(log, name)
        for number in range(0 if first is None else first, version + 1):
            name = f"{number:020d}.json"
            if number != first or name in names:  # a checkpoint does without its commit
                yield name, _there(log, name)

    def _at(self, table: str) -> Path | S3Location:
        return self._root / table if isinstance(self._root, Path) else self._root.at(table)


def _last_checkpoint(log: Objects) -> int:
    """The version of the last checkpoint that is whole; -1 if there is none."""
    data = log.get(f"{layout.DELTA_LOG}/{layout.LAST_CHECKPOINT}")
    try:
        return -1 if data is None else int(json.loads(data)["version"])
    except (ValueError, KeyError, TypeError):
        return -1


def _checkpoint(names: list[str], upto: int) -> int | None:
    """The version of the newest checkpoint up to this one."""
    found = (int(name[:20]) for name in names if ".checkpoint" in name and name[:20].isdigit())
    return max((version for version in found if version <= upto), default=None)


def _there(log: Objects, name: str) -> bytes:
    data = log.get(f"{layout.DELTA_LOG}/{name}")
    if data is None:
        raise NoObject(f"{log.url}: there is no {name}")
    return data


def _is_series(kind: str) -> bool:
    return kind.startswith(f"{layout.SERIES}/")


def _is_of_table(kind: str) -> bool:
    """Whether its name ends with that of a table: account, database, table."""
    return kind.count("/") > 2


def _last_part(path: str) -> str:
    return path.rpartition("/")[2]
