"""A model of a Delta Lake table: the interface of `store.magnetic.delta.DeltaHandle`, over commits of the same form.

`deltalake` needs about 10 ms for a commit, a tenth of which is enough here. As it does, this creates the next version
or finds that another writer has, syncs nothing, takes an empty commit for one without changes, and fails at a torn one.
There are no checkpoints. The commits are read by the product, too (`store.magnetic.delta_log`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from store import layout
from store.catalog.schema import Column, kind_of
from store.errors import MagneticTierError
from store.magnetic import delta_log
from store.magnetic.delta import TOKEN, Raced
from store.magnetic.parquet import DataFile
from store.record import MeasureType

FIXED = ("measure_name", "time", "time_ns_rest", "version", "_stream", "_sequence", "date")


class ModelDelta:
    """The table in one folder, at the version that was last read."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / layout.DELTA_LOG
        self._files: dict[str, DataFile] = {}
        self._removed: set[str] = set()
        self._positions: dict[str, int] = {}
        self._columns: list[Column] = []
        self.version = -1

    @classmethod
    def open(cls, location: Any) -> Self | None:
        if not any(location.glob(f"{layout.DELTA_LOG}/*.json")):
            return None
        made = cls(location)
        made.refresh()
        return made

    @classmethod
    def create(cls, location: Any, columns: Sequence[Column]) -> Self:
        made = cls(location)
        made._log.mkdir(exist_ok=True)
        made._write([{"protocol": {"minReaderVersion": 1}}, _metadata(columns)])
        made.refresh()
        return made

    def refresh(self) -> int:
        while (path := self._path(self.version + 1)).exists():
            for line in path.read_bytes().splitlines():
                try:
                    ((name, action),) = json.loads(line).items()
                except ValueError as error:
                    raise MagneticTierError(f"{path}: {error}") from error
                self._take(name, action)
            self.version += 1
        return self.version

    def positions(self, partitions: Collection[str], since: int = -1) -> dict[str, int]:
        return {partition: self._positions[partition] for partition in partitions if partition in self._positions}

    def columns(self) -> list[Column]:
        return list(self._columns)

    def field_names(self) -> set[str]:
        return {*FIXED, *(column.physical for column in self._columns)}

    def files(self) -> tuple[DataFile, ...]:
        return tuple(self._files.values())

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
        self._write(
            [
                *({"txn": {"appId": partition, "version": offset}} for partition, offset in positions.items()),
                *({"add": {"path": file.path, "size": file.size_bytes, "stats": _stats(file)}} for file in added),
                *({"remove": {"path": file.path}} for file in removed),
                {"commitInfo": {TOKEN: token} | ({delta_log.DELETES: "true"} if deletes else {})},
            ]
        )

    def add_columns(self, columns: Sequence[Column]) -> None:
        self._write([_metadata((*self._columns, *columns))])
        self.refresh()

    def removed_files(self) -> set[str]:
        return self._removed - self._files.keys()

    def checkpoint(self) -> int:
        raise AssertionError("a simulation does not come to a checkpoint")

    def forget_old_commits(self) -> None:
        pass

    def _take(self, name: str, action: Mapping[str, Any]) -> None:
        if name == "add":
            rows, from_ns, to_ns = action["stats"]
            self._files[action["path"]] = DataFile(action["path"], action["size"], rows, from_ns, to_ns)
        elif name == "remove":
            self._files.pop(action["path"], None)
            self._removed.add(action["path"])
        elif name == "txn":
            self._positions[action["appId"]] = action["version"]
        elif name == "metaData":
            self._columns = [
                Column(column, kind_of(kind), MeasureType(type_), physical)
                for column, kind, type_, physical in json.loads(action["schemaString"])
            ]

    def _write(self, actions: Sequence[Mapping[str, Any]]) -> None:
        """Create the next version, complete; it is not synced."""
        aside = self._log / "being-written"
        aside.write_bytes(b"\n".join(json.dumps(action).encode() for action in actions))
        try:
            os.link(aside, self._path(self.version + 1))
        except FileExistsError as error:
            raise Raced(str(error)) from error
        finally:
            aside.unlink()

    def _path(self, version: int) -> Path:
        return self._log / delta_log._name(version)


def _metadata(columns: Sequence[Column]) -> dict[str, Any]:
    schema = [(column.name, column.kind, column.type.value, column.physical) for column in columns]
    return {"metaData": {"schemaString": json.dumps(schema)}}


def _stats(file: DataFile) -> tuple[int, int, int]:
    return file.rows, file.from_ns, file.to_ns
