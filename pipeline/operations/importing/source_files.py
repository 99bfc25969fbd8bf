"""The files of an import, and how their rows are read: in tables of at most `CHUNK_ROWS` rows, the same each time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

import pyarrow as pa

from pipeline.base.errors import ImportFailed
from pipeline.operations.importing.plan import Plan
from store.errors import MagneticTierError
from store.objects.location import S3Location, locate
from store.objects.read_files import files_below, open_file
from store.objects.s3_errors import explained

CHUNK_ROWS = 250_000

Place: TypeAlias = Path | S3Location


class Reading(Protocol):
    """How the rows of one file are read. Raises ImportFailed."""

    def columns(self) -> Mapping[str, pa.DataType]:
        """The columns of the file, in its order."""
        ...

    def tables(self, plan: Plan) -> Iterator[pa.Table]:
        """Its rows in order, with the columns of the plan."""
        ...

    def count(self) -> int | None:
        """How many rows it has; None if that is not known without reading all of them."""
        ...


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file: `path` below `place`, `name` in messages; `added`: values of all rows that are not in the file."""

    place: Place
    path: str
    name: str
    size_bytes: int
    added: Mapping[str, str | None] = field(default_factory=dict)

    def open(self) -> pa.NativeFile:
        """Its bytes, decompressed if its name says that they are compressed."""
        stream = open_file(self.place, self.path)
        return pa.CompressedInputStream(stream, "gzip") if self.path.endswith((".gz", ".gzip")) else stream


@dataclass(frozen=True, slots=True)
class Source:
    """The files of an import, and how each is read."""

    files: Sequence[SourceFile]
    reading: Callable[[SourceFile], Reading]


@contextmanager
def faults_of(file: SourceFile) -> Iterator[None]:
    """Raise ImportFailed for what cannot be read."""
    try:
        yield
    except (pa.ArrowException, OSError, EOFError) as error:
        text = str(error)
        told = " ".join(text.split()) if isinstance(file.place, Path) else explained(text)
        raise ImportFailed(f"{file.name} cannot be read: {told}") from error


def columns_of(schema: pa.Schema, file: SourceFile) -> dict[str, pa.DataType]:
    """The columns of a file. Raises ImportFailed if one is there twice: nobody could say which is meant."""
    for name in schema.names:
        if schema.names.count(name) > 1:
            raise ImportFailed(f"{file.name} has the column {name} more than once: give each column a name of its own")
    return {of.name: of.type for of in schema}


def located(url: str) -> Place:
    """A folder, or a prefix in a bucket. Raises ImportFailed."""
    try:
        return locate(url, os.environ)
    except MagneticTierError as error:
        raise ImportFailed(str(error)) from error


def listed(place: Place, shown: str) -> list[tuple[str, int]]:
    """The files below a place, with their sizes. Raises ImportFailed."""
    try:
        found = files_below(place, "")
    except OSError as error:
        raise ImportFailed(f"{shown} cannot be listed: {explained(str(error))}") from error
    if not found:
        raise ImportFailed(f"{shown} has no files")
    return found


def named_files(urls: Iterable[str]) -> list[SourceFile]:
    """The files with these names; of a folder all that are in it, in the order of their names. Raises ImportFailed."""
    found: list[SourceFile] = []
    for url in urls:
        head, _, tail = url.rpartition("/")
        place = located(url)
        if isinstance(place, Path) and not place.is_dir():
            if not place.is_file():
                raise ImportFailed(f"there is no file {url}")
            found.append(SourceFile(place.parent, place.name, url, place.stat().st_size))
            continue
        if isinstance(place, S3Location) and "." in tail:
            above = dict(listed(located(head), url))
            if tail not in above:
                raise ImportFailed(f"there is no file {url}")
            found.append(SourceFile(located(head), tail, url, above[tail]))
            continue
        found += [SourceFile(place, path, f"{url.rstrip('/')}/{path}", size) for path, size in listed(place, url)]
    return found


def with_added(table: pa.Table, added: Mapping[str, str | None], columns: Sequence[str]) -> pa.Table:
    """The table with these values in all rows, and of all only these columns."""
    for name, value in added.items():
        codes = pa.array([0], pa.int32()) if value is not None else pa.array([None], pa.int32())
        indices = codes.take(pa.array([0] * len(table), pa.int32()))
        table = table.append_column(name, pa.DictionaryArray.from_arrays(indices, pa.array([value or ""])))
    return table.select(columns)


def in_chunks(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows of batches in tables of `CHUNK_ROWS` rows, the last of fewer."""
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        waiting.append(batch)
        rows += len(batch)
        while rows >= CHUNK_ROWS:
            table = pa.Table.from_batches(waiting, schema)
            yield table.slice(0, CHUNK_ROWS)
            waiting = table.slice(CHUNK_ROWS).to_batches()
            rows -= CHUNK_ROWS
    if rows:
        yield pa.Table.from_batches(waiting, schema)
