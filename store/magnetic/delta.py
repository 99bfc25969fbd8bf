"""A handle on a Delta Lake table. Only this module uses `deltalake`; it converts its errors.

The rule: every change is made exactly as the version after the one that this handle has read, or not at all (`Raced`).
So whatever was checked at that version is true for the change. `deltalake`'s own conflict resolution is disabled: it
would accept a lower position, and apply changes that must be checked again. Not thread-safe.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pyarrow as pa
from deltalake import DeltaTable, Field, Schema
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.schema import PrimitiveType
from deltalake.transaction import (
    AddAction,
    CommitProperties,
    PostCommitHookProperties,
    RemoveAction,
    Transaction,
)

from store import layout
from store.catalog.schema import Column, kind_of
from store.errors import MagneticTierError, MagneticUnavailable
from store.magnetic import delta_log
from store.magnetic.parquet import DataFile
from store.objects.location import S3Location
from store.objects.s3_errors import explained, is_refusal
from store.record import MeasureType
from store.values.times import rfc3339

TOKEN = "streamgauge.commit"  # noqa: S105 - a key of Delta's commit info: identifies a commit
MOST_COMMITS_READ = 50  # to find positions; about the number of commits since the last checkpoint
_CONFIGURATION = {"delta.logRetentionDuration": "interval 1 days", "delta.enableExpiredLogCleanup": "false"}
_META_NAME, _META_KIND, _META_TYPE = "streamgauge.name", "streamgauge.kind", "streamgauge.type"
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
    Field(layout.PARTITION, PrimitiveType("short")),
    Field(layout.SEQUENCE, PrimitiveType("long")),
    Field(layout.DATE, PrimitiveType("date")),
)
# The class of a commit's error does not distinguish another writer from the storage; object_store's texts do
_OF_STORAGE = re.compile(r"Generic S3 error|HTTP error|error sending request|object store|timed? ?out", re.IGNORECASE)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m|↳")


class Raced(Exception):
    """Another writer has created the version that this change was for. Nothing was written."""


class _Absent(MagneticTierError):
    """There is no table at the location."""


class DeltaHandle:
    """The table at one location, at the version that was last read."""

    def __init__(self, location: Path | S3Location, table: DeltaTable) -> None:
        """Use `open` or `create`."""
        self._location = location
        self._table = table

    @classmethod
    def open(cls, location: Path | S3Location) -> Self | None:
        """The existing table, or None. Raises MagneticTierError, MagneticUnavailable."""
        if isinstance(location, Path) and not any((location / layout.DELTA_LOG).glob("*.json")):
            return None
        try:
            with errors_mapped(location):
                return cls(location, DeltaTable(_uri(location), storage_options=_options(location)))
        except _Absent:
            return None

    @classmethod
    def at(cls, location: Path | S3Location, version: int) -> Self:
        """The table as it was at this version, for reading. Raises MagneticTierError, MagneticUnavailable."""
        with errors_mapped(location):
            return cls(location, DeltaTable(_uri(location), version=version, storage_options=_options(location)))

    @classmethod
    def create(cls, location: Path | S3Location, columns: Sequence[Column]) -> Self:
        """Create a table as version 0. Raises Raced if another process has created it in the meantime."""
        # `time` is among the first columns: deltalake returns no statistics of columns after the 32nd
        schema = Schema([*_FIXED, *(_field(column) for column in columns)])
        try:
            with errors_mapped(location):
                table = DeltaTable.create(
                    _uri(location),
                    schema,
                    partition_by=[layout.DATE],
                    configuration=_CONFIGURATION,
                    storage_options=_options(location),
                    commit_properties=CommitProperties(max_commit_retries=0),
                    post_commithook_properties=_no_hooks(),
                )
        except MagneticTierError as error:
            if not isinstance(error, MagneticUnavailable) and cls.open(location) is not None:
                raise Raced from error
            raise
        return cls(location, table)

    def refresh(self) -> int:
        """Read new commits; returns the current version. Costs a listing, and a read per new commit."""
        try:
            with errors_mapped(self._location):
                self._table.update_incremental()
        except MagneticUnavailable:
            raise
        except MagneticTierError:  # the commits in between may have been deleted while this process was suspended
            with errors_mapped(self._location):
                self._table = DeltaTable(_uri(self._location), storage_options=_options(self._location))
        return self.version

    @property
    def version(self) -> int:
        """The version that was last read."""
        return self._table.version()

    def positions(self, partitions: Collection[str], since: int = -1) -> dict[str, int]:
        """The application transactions of `partitions`; with `since`, those changed by commits after that version.

        Costs a read per commit, from the newest backwards, until all are found. `deltalake` reads every commit since
        the checkpoint for each partition, so it is used only for the rest.
        """
        found: dict[str, int] = {}
        missing = set(partitions)
        oldest = max(since, self.version - MOST_COMMITS_READ)
        for version in range(self.version, oldest, -1):
            commit = delta_log.read(self._location, version) if missing else ""
            if not commit:
                break
            here = delta_log.transactions(commit)
            found |= {partition: here[partition] for partition in missing & here.keys()}
            missing -= here.keys()
        else:
            if oldest == since:
                return found
        with errors_mapped(self._location):
            told = {partition: self._table.transaction_version(partition) for partition in missing}
        return found | {partition: offset for partition, offset in told.items() if offset is not None}

    def columns(self) -> list[Column]:
        """The dimensions and measures in the schema."""
        return [
            Column(
                str(field.metadata[_META_NAME]),
                kind_of(str(field.metadata[_META_KIND])),
                MeasureType(field.metadata[_META_TYPE]),
                field.name,
            )
            for field in self._table.schema().fields
            if _META_NAME in field.metadata
        ]

    def field_names(self) -> set[str]:
        """The names of all columns, including those of other programs."""
        return {field.name for field in self._table.schema().fields}

    def files(self) -> tuple[DataFile, ...]:
        """The files of the version."""
        with errors_mapped(self._location):
            actions = pa.table(self._table.get_add_actions(flatten=True))
        if not actions.num_rows:
            return ()
        least = actions[f"min.{layout.TIME}"].cast(pa.int64()).to_pylist()
        most = actions[f"max.{layout.TIME}"].cast(pa.int64()).to_pylist()
        if None in least or None in most:
            raise MagneticTierError(
                f"{_uri(self._location)}: a file without the times of its rows: damaged, or not ours"
            )
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

    def commit(
        self,
        added: Sequence[DataFile],
        removed: Sequence[DataFile],
        positions: Mapping[str, int],
        *,
        is_new_data: bool,
        deletes: bool = False,
        token: str,
    ) -> None:
        """Create the next version; this handle stays at the previous one until `refresh`. Raises Raced.

        After MagneticUnavailable the version may exist or not: a commit with this `token` is this one.
        """
        with errors_mapped(self._location):
            self._table.create_write_transaction(
                [*(_add(file, is_new_data) for file in added), *(_remove(file, is_new_data) for file in removed)],
                "append",
                self._table.schema(),
                [layout.DATE],
                commit_properties=CommitProperties(
                    custom_metadata={TOKEN: token} | ({delta_log.DELETES: "true"} if deletes else {}),
                    app_transactions=[Transaction(partition, offset) for partition, offset in positions.items()],
                    max_commit_retries=0,
                ),
                post_commithook_properties=_no_hooks(),
            )

    def add_columns(self, columns: Sequence[Column]) -> None:
        """Create the next version, with these additional columns, and move to it. Raises Raced."""
        with errors_mapped(self._location):
            self._table.alter.add_columns(
                [_field(column) for column in columns],
                commit_properties=CommitProperties(max_commit_retries=0),
                post_commithook_properties=_no_hooks(),
            )

    def checkpoint(self) -> int:
        """Write a checkpoint of the version that was last read; returns that version."""
        with errors_mapped(self._location):
            self._table.create_checkpoint()
        return self.version

    def forget_old_commits(self) -> None:
        """Remove log entries that a checkpoint has replaced, once they are a day old."""
        with errors_mapped(self._location):
            self._table.cleanup_metadata()

    def removed_files(self) -> set[str]:
        """The paths of files that this version does not have, and that an earlier one has or had."""
        with errors_mapped(self._location):
            return set(self._table.vacuum(0, dry_run=True, enforce_retention_duration=False))


def _no_hooks() -> PostCommitHookProperties:
    return PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)


@contextmanager
def errors_mapped(location: Path | S3Location) -> Iterator[None]:
    """Convert errors of deltalake 1.6.6: by class, and errors of buckets by their text."""
    try:
        yield
    except TableNotFoundError as error:
        raise _Absent(f"{_uri(location)}: the table does not exist any more") from error
    except (DeltaError, OSError) as error:
        text = " ".join(_COLOUR.sub("", str(error)).split())
        if isinstance(error, CommitFailedError) and not _OF_STORAGE.search(text):
            raise Raced(text) from error
        message = f"{_uri(location)}: {text if isinstance(location, Path) else explained(text)}"
        is_away = isinstance(location, S3Location) and _OF_STORAGE.search(text) and not is_refusal(text)
        raise (MagneticUnavailable if is_away else MagneticTierError)(message) from error


def _uri(location: Path | S3Location) -> str:
    return str(location) if isinstance(location, Path) else location.url


def _options(location: Path | S3Location) -> dict[str, str] | None:
    return None if isinstance(location, Path) else location.for_deltalake()


def _field(column: Column) -> Field:
    metadata = {_META_NAME: column.name, _META_KIND: column.kind, _META_TYPE: column.type.value}
    return Field(column.physical, PrimitiveType(_DELTA_TYPES[column.type]), metadata=metadata)


def _add(file: DataFile, is_new_data: bool) -> AddAction:
    statistics = {
        "numRecords": file.rows,
        "minValues": {layout.TIME: rfc3339(file.from_ns, 6)},
        "maxValues": {layout.TIME: rfc3339(file.to_ns, 6)},
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
