"""The folder that an UNLOAD of Timestream made: which files it has, and how each is read.

`results/[column=value/]…` are the files; `…_manifest.json` lists those of an UNLOAD that was completed, and
`…_metadata.json` has the columns with their types, which CSV without a header needs. A folder may have the files of
many UNLOADs, of a table in parts, and lack their descriptions, if it was copied. Reference: Timestream developer guide,
"UNLOAD concepts".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

import pyarrow as pa

from pipeline.base.errors import ImportFailed
from pipeline.operations.importing.parquet_files import ParquetReading
from pipeline.operations.importing.source_files import Place, Reading, Source, SourceFile, listed, located
from pipeline.operations.importing.text_files import CsvForm, CsvReading
from store.objects.read_files import open_file

MANIFEST, METADATA = "_manifest.json", "_metadata.json"
_NULL = "__HIVE_DEFAULT_PARTITION__"
_PARQUET = (".parquet", ".snappy.parquet", ".gz.parquet")
_TYPES = {
    "BIGINT": pa.int64(),
    "INTEGER": pa.int32(),
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "VARCHAR": pa.string(),
    "TIMESTAMP": pa.timestamp("ns"),
    "DATE": pa.date32(),
}


def unload_source(url: str, form: CsvForm, *, has_header: bool) -> Source:
    """The files of the folder. Raises ImportFailed, also if one that a manifest lists is not there."""
    place = located(url)
    found = dict(listed(place, url))
    manifests = [_document(place, path) for path in found if path.endswith(MANIFEST)]
    paths = _complete(found, manifests, url) if manifests else _data_files(found)
    if not paths:
        raise ImportFailed(f"{url} has no files of an UNLOAD: they end in .parquet, .csv or .gz")
    described = [_columns(_document(place, path)) for path in found if path.endswith(METADATA)]
    files = [SourceFile(place, path, f"{url.rstrip('/')}/{path}", found[path], _partitions(path)) for path in paths]

    def reading(file: SourceFile) -> Reading:
        if file.path.endswith(".parquet"):
            return ParquetReading(file)
        columns = None if has_header else _columns_of(file, described)
        return CsvReading(file, CsvForm(form.delimiter, form.escape, columns))

    return Source(files, reading)


def _document(place: Place, path: str) -> Mapping[str, Any]:
    try:
        with open_file(place, path) as stream:
            return dict(json.loads(stream.read()))
    except (OSError, ValueError) as error:
        raise ImportFailed(f"{path} cannot be read: {error}") from error


def _data_files(found: Iterable[str]) -> list[str]:
    return [path for path in found if path.endswith((".parquet", ".csv", ".gz"))]


def _complete(found: Mapping[str, int], manifests: Iterable[Mapping[str, Any]], url: str) -> list[str]:
    """The files that manifests list: files of other names were left by an UNLOAD that was ended."""
    there: dict[str, str] = {}
    for path in _data_files(found):
        there[path.rpartition("/")[2]] = path  # names are random: the folder may have been moved
    paths = []
    for manifest in manifests:
        for entry in manifest.get("result_files", ()):
            name = str(entry["url"]).rpartition("/")[2]
            if name not in there:
                raise ImportFailed(f"{url} has no file {name}, which its manifest lists: it was not copied completely")
            size = entry.get("file_metadata", {}).get("content_length_in_bytes")
            if size is not None and size != found[there[name]]:
                raise ImportFailed(
                    f"{url}/{there[name]} has {found[there[name]]} bytes; its manifest says {size}: it was not copied "
                    "completely"
                )
            paths.append(there[name])
    return sorted(set(paths))


def _partitions(path: str) -> dict[str, str | None]:
    """The columns whose values are in the names of folders."""
    folders = (part.partition("=") for part in path.split("/")[:-1] if "=" in part)
    return {unquote(name): None if value == _NULL else unquote(value) for name, _, value in folders}


def _columns(metadata: Mapping[str, Any]) -> dict[str, pa.DataType]:
    """The columns that metadata describe."""
    found = {}
    for column in metadata.get("ColumnInfo", ()):
        kind = column["Type"].get("ScalarType", "VARCHAR") if isinstance(column["Type"], dict) else column["Type"]
        found[column["Name"]] = _TYPES.get(kind, pa.string())
    return found


def _columns_of(file: SourceFile, described: list[dict[str, pa.DataType]]) -> dict[str, pa.DataType]:
    """The columns of a CSV file without a header."""
    different = [columns for number, columns in enumerate(described) if columns not in described[:number]]
    if len(different) != 1:
        what = "no metadata JSON" if not described else "metadata JSON of different queries"
        raise ImportFailed(
            f"{file.name} has no header, and the folder has {what}: import the files of one query at a time, with its "
            "metadata, or say --header if they have one"
        )
    (columns,) = different
    return {name: kind for name, kind in columns.items() if name not in file.added}
