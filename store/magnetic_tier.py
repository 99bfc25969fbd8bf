"""The magnetic tier of one table: a Delta Lake table, partitioned by date, readable by any engine that knows Delta.

Every commit carries the table's position (Delta's application transaction: app id = stream, version = offset) together
with the rows up to it, atomically. We write the Parquet files ourselves, sorted and fsync'ed, and leave the protocol to
`deltalake`. One process writes; the position is checked against the log before each commit.

A `Version` is what a reader pins: an immutable list of files. Files that a pinned version needs are not vacuumed.
Not thread-safe: the one maintaining thread writes; `version` is replaced as a whole, so other threads may read it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, Field, Schema
from deltalake.exceptions import DeltaError
from deltalake.schema import PrimitiveType
from deltalake.transaction import (
    AddAction,
    CommitProperties,
    PostCommitHookProperties,
    RemoveAction,
    Transaction,
)

from store import delta_log, layout
from store.errors import MagneticConflict, MagneticTierError, Overtaken
from store.files import make_folders
from store.newness import NEVER_NS
from store.parquet import DataFile
from store.record import MeasureType
from store.schema import Column, Columns

CHECKPOINT_COMMITS = 50  # how many commits a reader has to replay at most
_CONFIGURATION = {"delta.logRetentionDuration": "interval 1 days", "delta.enableExpiredLogCleanup": "false"}
_META_NAME, _META_KIND, _META_TYPE = "streamgauge.name", "streamgauge.kind", "streamgauge.type"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DELTA_TYPES = {
    MeasureType.DOUBLE: "double",
    MeasureType.BIGINT: "long",
    MeasureType.BOOLEAN: "boolean",
    MeasureType.VARCHAR: "string",
    MeasureType.TIMESTAMP: "long",
}
_FIXED = (
    Field(layout.MEASURE_NAME, PrimitiveType("string")),
    Field(layout.TIME, PrimitiveType("timestamp")),
    Field(layout.TIME_REST, PrimitiveType("short")),
    Field(layout.VERSION, PrimitiveType("long")),
    Field(layout.STREAM, PrimitiveType("short")),
    Field(layout.SEQUENCE, PrimitiveType("long")),
    Field(layout.DATE, PrimitiveType("date")),
)


@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """The Delta table at one version: its files, and per stream the offset up to which they hold every row."""

    number: int
    files: tuple[DataFile, ...]
    positions: Mapping[str, int]

    @property
    def to_ns(self) -> int:
        """Not earlier than the newest row."""
        return max((file.to_ns for file in self.files), default=NEVER_NS)


EMPTY = Version(-1, (), {})


class MagneticTier:
    """The Delta table in one folder; made with the first commit."""

    def __init__(self, folder: Path, streams: Sequence[str], own: str | None = None) -> None:
        """Open it, setting damaged last commits aside. Raises MagneticTierError if it cannot be read."""
        self.folder = folder
        self._streams = streams
        self._own = own
        self.version = EMPTY
        self.set_aside = delta_log.mend(folder)
        self._delta: DeltaTable | None = None
        self._columns: set[str] = set()
        self._since_checkpoint = 0
        if any((folder / layout.DELTA_LOG).glob("*.json")):
            self._load(streams)

    def refresh(self) -> Version:
        """Stand-in."""
        if any((self.folder / layout.DELTA_LOG).glob("*.json")):
            kept = self.version
            self._load(list(self._streams))
            self.version, newest = kept, self.version
            return newest
        return self.version

    def register(self, columns: Sequence[Column]) -> list[Column]:
        """Stand-in."""
        while True:
            newest = self.refresh()
            try:
                if self._delta is None:
                    kept = self.version
                    self._create(())
                    self.version = kept
                known = Columns.of(self.columns())
                missing = []
                for column in columns:
                    mine = known.dimensions if column.kind == "dimension" else known.measures
                    if column.name not in mine:
                        if column.kind == "dimension":
                            missing.append(known.dimension(column.name))
                        else:
                            missing.append(known.measure(column.name, column.type))
                if missing:
                    self._add_columns(self._delta, missing)
                self.refresh()
                return self.columns()
            except DeltaError:
                continue

    def _commit_own(self, added, removed, columns, positions, *, is_new_data):
        own = self._own
        if columns:
            self.register(columns)
        while True:
            newest = self.refresh()
            if newest.positions.get(own) != self.version.positions.get(own):
                raise Overtaken(f"{self.folder}: {own}")
            there = {file.path for file in newest.files}
            if not all(file.path in there for file in removed):
                raise MagneticConflict(f"{self.folder}")
            try:
                self._delta.create_write_transaction(
                    [*(_add(file, is_new_data) for file in added), *(_remove(file, is_new_data) for file in removed)],
                    "append", self._delta.schema(), [layout.DATE],
                    commit_properties=CommitProperties(
                        app_transactions=[Transaction(own, positions[own])] if positions.get(own, -1) > newest.positions.get(own, -1) else [],
                        max_commit_retries=0),
                    post_commithook_properties=PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False))
            except DeltaError:
                continue
            delta_log.sync(self.folder, newest.number + 1)
            return self.refresh()

    def columns(self) -> list[Column]:
        """The dimensions and measures that the Delta schema records."""
        fields = self._delta.schema().fields if self._delta else []
        return [
            Column(
                str(field.metadata[_META_NAME]),
                "dimension" if field.metadata[_META_KIND] == "dimension" else "measure",
                MeasureType(field.metadata[_META_TYPE]),
                field.name,
            )
            for field in fields
            if _META_NAME in field.metadata
        ]

    def paths(self, files: Sequence[DataFile]) -> list[str]:
        """Where these files are."""
        return [str(self.folder / file.path) for file in files]

    def commit(
        self,
        added: Sequence[DataFile],
        removed: Sequence[DataFile],
        columns: Sequence[Column],
        positions: Mapping[str, int],
        *,
        is_new_data: bool,
    ) -> Version:
        """Put files into the table and take files out, with the position, atomically and durably.

        Returns the new version; readers see it when the caller, under the table's lock, makes it `version`.
        """
        if self._own is not None:
            return self._commit_own(added, removed, columns, positions, is_new_data=is_new_data)
        try:
            delta = self._delta or self._create(columns)
            self._add_columns(delta, columns)
            self._check(delta)
            delta.create_write_transaction(
                [*(_add(file, is_new_data) for file in added), *(_remove(file, is_new_data) for file in removed)],
                "append",
                delta.schema(),
                [layout.DATE],
                commit_properties=CommitProperties(
                    app_transactions=[
                        Transaction(stream, offset)
                        for stream, offset in positions.items()
                        if offset > self.version.positions.get(stream, -1)
                    ],
                    max_commit_retries=0,
                ),
                post_commithook_properties=PostCommitHookProperties(
                    create_checkpoint=False, cleanup_expired_logs=False
                ),
            )
            delta.update_incremental()
        except (DeltaError, OSError) as error:
            raise MagneticTierError(f"{self.folder}: {error}") from error
        delta_log.sync(self.folder, delta.version())
        gone = {file.path for file in removed}
        files = (*(file for file in self.version.files if file.path not in gone), *added)
        self._checkpoint(delta)
        return Version(delta.version(), files, {**self.version.positions, **positions})

    def _load(self, streams: Sequence[str]) -> None:
        try:
            delta = DeltaTable(self.folder)
            positions = {stream: delta.transaction_version(stream) for stream in streams}
            files = _files_of(delta)
        except (DeltaError, OSError) as error:
            raise MagneticTierError(f"{self.folder} cannot be opened: {error}") from error
        self._delta = delta
        self._columns = {field.name for field in delta.schema().fields}
        known = {stream: offset for stream, offset in positions.items() if offset is not None}
        self.version = Version(delta.version(), files, known)

    def _create(self, columns: Sequence[Column]) -> DeltaTable:
        make_folders(self.folder)
        # `time` among the first: of columns past the 32nd deltalake reads no statistics back
        fields = [*_FIXED, *(_field(column) for column in columns)]
        self._delta = DeltaTable.create(
            self.folder, Schema(fields), partition_by=[layout.DATE], configuration=_CONFIGURATION
        )
        delta_log.sync(self.folder, 0)
        self._columns = {field.name for field in fields}
        self.version = Version(0, (), {})
        return self._delta

    def _add_columns(self, delta: DeltaTable, columns: Sequence[Column]) -> None:
        missing = [column for column in columns if column.physical not in self._columns]
        if missing:
            delta.alter.add_columns([_field(column) for column in missing])
            delta.update_incremental()
            delta_log.sync(self.folder, delta.version())
            self._columns |= {column.physical for column in missing}

    def _check(self, delta: DeltaTable) -> None:
        """Nobody else wrote here: a lower application transaction would be accepted silently, and rows lost."""
        delta.update_incremental()
        for stream, offset in self.version.positions.items():
            found = delta.transaction_version(stream)
            if found != offset:
                raise MagneticTierError(
                    f"{self.folder}: position of {stream} is {found} in the table and {offset} here: "
                    "another process writes to it"
                )

    def _checkpoint(self, delta: DeltaTable) -> None:
        self._since_checkpoint += 1
        if self._since_checkpoint >= CHECKPOINT_COMMITS:
            delta.create_checkpoint()
            delta_log.sync_checkpoint(self.folder, delta.version())
            delta.cleanup_metadata()
            self._since_checkpoint = 0


def _field(column: Column) -> Field:
    metadata = {_META_NAME: column.name, _META_KIND: column.kind, _META_TYPE: column.type.value}
    return Field(column.physical, PrimitiveType(_DELTA_TYPES[column.type]), metadata=metadata)


def _add(file: DataFile, is_new_data: bool) -> AddAction:
    statistics = {
        "numRecords": file.rows,
        "minValues": {layout.TIME: _time_text(file.from_ns)},
        "maxValues": {layout.TIME: _time_text(file.to_ns)},
        "nullCount": {layout.TIME: 0},
    }
    return AddAction(
        file.path,
        file.size_bytes,
        {layout.DATE: file.date},
        time.time_ns() // 1_000_000,
        is_new_data,
        json.dumps(statistics),
    )


def _remove(file: DataFile, is_new_data: bool) -> RemoveAction:
    return RemoveAction(file.path, is_new_data, time.time_ns() // 1_000_000, file.size_bytes, {layout.DATE: file.date})


def _time_text(time_ns: int) -> str:
    moment = _EPOCH + timedelta(microseconds=time_ns // 1000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _files_of(delta: DeltaTable) -> tuple[DataFile, ...]:
    actions = pa.table(delta.get_add_actions(flatten=True))
    if not actions.num_rows:
        return ()
    least = actions[f"min.{layout.TIME}"].cast(pa.int64()).to_pylist()
    most = actions[f"max.{layout.TIME}"].cast(pa.int64()).to_pylist()
    return tuple(
        DataFile(path, size, rows, from_us * 1000, to_us * 1000 + 999)
        for path, size, rows, from_us, to_us in zip(
            actions["path"].to_pylist(),
            actions["size_bytes"].to_pylist(),
            actions["num_records"].to_pylist(),
            least,
            most,
            strict=True,
        )
    )
