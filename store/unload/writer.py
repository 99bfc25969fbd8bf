"""Writes the result of an UNLOAD as the service does: files, then their metadata, and at last the manifest.

`<prefix>/results/[column=value/]<query id>_<id><suffix>`, and in `<prefix>` `<query id>_<id>_metadata.json` and
`<query id>_<id>_manifest.json`. A reader goes by the manifest: what was written without one, by a process that was
killed, is no result. Reference: Timestream developer guide, "UNLOAD concepts".
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from store.objects.location import S3Location
from store.objects.new_files import NewFile, new_file, write_json
from store.reading.insights import Exported
from store.sql import ResultColumn, ScalarType, type_body
from store.sql.errors import NotSupported, QueryFailed, SyntaxInvalid, TypeMismatch
from store.sql.unload import Unload, Unloaded
from store.unload.partitions import PartitionFiles
from store.unload.result_files import ResultFile, Written, result_file, suffix_of
from store.unload.texts import text_column

PARTITIONS_MAX = 100  # as in the service
_TARGET = re.compile(r"s3://([^/]+)(?:/(.*))?", re.DOTALL)
_PART = re.compile(r"[A-Za-z0-9!_.*'()=-]+")
_NULL = "__HIVE_DEFAULT_PARTITION__"  # as in Hive, whose form of folders this is
_REFUSED = (ScalarType.TIME, ScalarType.UNKNOWN)


@dataclass(frozen=True, slots=True)
class FilesWriter:
    """Writes into the places that the account may use.

    places    by the name of a bucket: a folder, or a prefix in a bucket
    query_id  the beginning of all names
    """

    places: Mapping[str, Path | S3Location] = field(default_factory=dict)
    query_id: str = ""

    def write(self, unload: Unload, columns: Sequence[ResultColumn], batches: Iterator[pa.RecordBatch]) -> Unloaded:
        """See `Unloading`."""
        count = len(columns) - len(unload.options.partitioned_by)
        _check(unload, columns, count)
        place = self._place(unload.to)
        writing = _Writing(unload, columns[:count], place, f"{unload.to.rstrip('/')}/", self.query_id)
        try:
            return writing.write(batches, columns)
        except OSError as error:
            writing.discard()
            raise QueryFailed(f"UNLOAD to {unload.to}: {' '.join(str(error).split())}") from error
        except BaseException:
            writing.discard()
            raise

    def _place(self, to: str) -> Path | S3Location:
        match = _TARGET.fullmatch(to.rstrip("/"))
        if match is None:
            raise SyntaxInvalid(f"The target of UNLOAD is {to!r}; it has the form s3://bucket/prefix")
        name, prefix = match[1], match[2] or ""
        place = self.places.get(name)
        if place is None:
            raise NotSupported(
                f"The bucket {name} is not one of those that this account may write to; the server's setting buckets "
                f"names them: {', '.join(sorted(self.places)) or 'none'}"
            )
        parts = prefix.split("/") if prefix else []
        wrong = next((part for part in parts if not _PART.fullmatch(part) or part in {".", ".."}), None)
        if wrong is not None:
            raise SyntaxInvalid(f"The target of UNLOAD is {to!r}; {wrong!r} cannot be a part of it")
        return place.joinpath(*parts) if isinstance(place, Path) else place.at(prefix)


def _check(unload: Unload, columns: Sequence[ResultColumn], count: int) -> None:
    wanted = list(unload.options.partitioned_by)
    names = [column.name for column in columns]
    if wanted and (count < 1 or names[count:] != wanted):
        raise TypeMismatch(
            f"The columns of partitioned_by ({', '.join(wanted)}) must be the last ones of the query, in this order, "
            f"after at least one other; the query has {', '.join(names)}"
        )
    if unload.options.format == "PARQUET" and len(set(names)) < len(names):
        raise TypeMismatch(f"The columns of a Parquet file need different names; the query has {', '.join(names)}")
    for column in columns:
        if column.type in _REFUSED:
            raise TypeMismatch(f"UNLOAD cannot write the column {column.name}: its type is {column.type.text}")


class _Writing:
    """One UNLOAD while it is written."""

    def __init__(
        self, unload: Unload, columns: Sequence[ResultColumn], place: Path | S3Location, url: str, query_id: str
    ) -> None:
        """`columns`: of the files; `url`: of `place`, with a slash at its end, as the client named it."""
        self._options = unload.options
        self._columns = columns
        self._place = place
        self._url = url
        self._query_id = query_id
        self._files = PartitionFiles(self._made, unload.options.max_file_size_bytes)
        self._partitions: set[str] = set()
        self._descriptions: list[NewFile] = []

    def write(self, batches: Iterator[pa.RecordBatch], columns: Sequence[ResultColumn]) -> Unloaded:
        """Write everything; `columns` are all of the query. Raises OSError, SqlError."""
        for batch in batches:
            self._add(pa.Table.from_batches([batch]), columns[len(self._columns) :])
        self._files.finish()
        written = self._files.written
        name = f"{self._query_id}_{_new_id()}"
        metadata = self._put(f"{name}_metadata.json", _metadata(self._columns))
        manifest = self._put(f"{name}_manifest.json", _manifest(self._url, written, self._options.format))
        rows, size_bytes = sum(file.rows for file in written), sum(file.size_bytes for file in written)
        return Unloaded(Exported(len(self._partitions), rows, size_bytes), metadata, manifest)

    def discard(self) -> None:
        """Leave nothing of what was written, the manifest first."""
        for new in reversed(self._descriptions):
            new.discard()
        self._files.discard()

    def _add(self, rows: pa.Table, partitioned: Sequence[ResultColumn]) -> None:
        own = rows.select(range(len(self._columns)))
        if not partitioned:
            self._files.add("", own)
            return
        folders = _folders(rows.select(range(len(self._columns), rows.num_columns)), partitioned)
        self._partitions.update(folders.dictionary.to_pylist())
        if len(self._partitions) > PARTITIONS_MAX:
            raise QueryFailed(f"UNLOAD would write more than {PARTITIONS_MAX} partitions, which is the limit")
        indices = folders.indices.to_numpy()
        for number, folder in enumerate(folders.dictionary.to_pylist()):
            self._files.add(folder, own.take(np.flatnonzero(indices == number)))

    def _made(self, partition: str) -> tuple[str, ResultFile]:
        path = f"results/{partition}{self._query_id}_{_new_id()}{suffix_of(self._options)}"
        return path, result_file(new_file(self._place, path), self._columns, self._options)

    def _put(self, path: str, content: Any) -> str:
        new = new_file(self._place, path)
        self._descriptions.append(new)
        write_json(new, content)
        return self._url + path


def _new_id() -> str:
    return uuid.uuid4().hex


def _folders(rows: pa.Table, columns: Sequence[ResultColumn]) -> pa.DictionaryArray:
    """The folder of each row: `region=north/host=a/`."""
    parts = []
    for place, column in enumerate(columns):
        texts = text_column(rows.column(place), column.type).dictionary_encode()
        safe = pa.array([quote(value, safe="") for value in texts.dictionary.to_pylist()], pa.string())
        values = safe.take(texts.indices).fill_null(_NULL)
        parts.append(pc.binary_join_element_wise(f"{quote(column.name, safe='')}=", values, "/", ""))
    return pc.binary_join_element_wise(*parts, "").dictionary_encode()


def _metadata(columns: Sequence[ResultColumn]) -> dict[str, Any]:
    return {
        "ColumnInfo": [{"Name": column.name, "Type": type_body(column.type)} for column in columns],
        "Author": {"Name": "Amazon Timestream", "MetadataFileVersion": "1.0"},
    }


def _manifest(url: str, written: Sequence[Written], form: str) -> dict[str, Any]:
    return {
        "result_files": [
            {
                "url": url + file.path,
                "file_metadata": {"content_length_in_bytes": file.size_bytes, "row_count": file.rows},
            }
            for file in written
        ],
        "query_metadata": {
            "content_length_in_bytes": sum(file.size_bytes for file in written),
            "total_row_count": sum(file.rows for file in written),
            "result_format": form,
            "result_version": "Amazon Timestream version 1.0.0",
        },
        "author": {"name": "Amazon Timestream", "manifest_file_version": "1.0"},
    }
