"""All names on disk of the store.

<magnetic>/<account>/<database>/<table>/
    _delta_log/         written by Delta Lake
    date=YYYY-MM-DD/    Parquet files
    _set_aside/         torn or empty last commits, found when the table was opened, and damaged files
    _commits/           copies of the newest checkpoint and the commits after it (`store.magnetic.commit_copies`)
<magnetic>/_streamgauge/    small objects, common to all workers of the log
    format              version of the format of everything here, a decimal number
    damaged/            damaged objects, set aside
    lock                locked (flock) by the worker of an embedded log, if this is a folder
    catalog/<number>.json   versions of the catalog, which also numbers the partitions; the highest number is current
    state/<log id>/<topic>/<partition>/<kind>/<offset>  what the owner of a partition saves for the next owner
    (`store.state.partition_state`): its low watermark, its pending rows, its series of each table, the state of rules
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import overload
from urllib.parse import quote

from store.names import TableId
from store.objects.location import S3Location

FORMAT_VERSION = 2
_FOLDER_NAME_MAX = 255  # bytes of a path part: ext4, XFS, APFS, NTFS

OBJECTS = "_streamgauge"
FORMAT = "format"
LOCK = "lock"
CATALOG = "catalog"
STATE = "state"
LOW_WATERMARK = "floor"
PENDING_ROWS = "checkpoint"
SERIES = "series"
DELTA_LOG = "_delta_log"
SET_ASIDE = "_set_aside"
COPIES = "_commits"

# Names in `_delta_log`, from Delta's specification (https://github.com/delta-io/delta/blob/master/PROTOCOL.md)
COMMIT_GLOB = "[0-9]" * 20 + ".json"
CHECKPOINT_GLOB = "[0-9]" * 20 + ".checkpoint*.parquet"
LAST_CHECKPOINT = "_last_checkpoint"

# Columns of a table's Parquet files, in addition to its dimensions and measures
DATE = "date"
ZONE = "zone_name"
MEASURE_NAME = "measure_name"
TIME = "time"
TIME_REST = "time_ns_rest"
TIME_NS = "time_ns"
VERSION = "version"
PARTITION = "_stream"
SEQUENCE = "_sequence"
SERIES_ID = "_series"
TICKS = "_ticks"  # only in RAM


def folder_name(name: str, suffix: str = "") -> str:
    """`name` as one part of a path: letters, digits, `_`, `-` and inner dots are unchanged, other bytes become `~XX`.

    Delta and object stores treat `=`, `/`, a leading `_` or `.` and the names `.` and `..` specially, and `deltalake`
    decodes `%XX`. A name that is too long for a file system is cut, and a hash of it is appended. `suffix` is appended
    unchanged.
    """
    encoded = quote(name, safe="").replace("~", "%7E").replace("%", "~")
    if encoded[:1] in {"", ".", "_"}:
        encoded = f"~{ord(encoded[0]):02X}{encoded[1:]}" if encoded else "~"
    most = _FOLDER_NAME_MAX - len(suffix)
    if len(encoded) > most:
        digest = hashlib.sha256(name.encode()).hexdigest()
        encoded = f"{encoded[: most - 65]}~{digest}"
    return encoded + suffix


def table_path(table: TableId, incarnation: int = 1) -> str:
    """The path of `table` below a root; a table that was created again has a new folder, named by its incarnation.

    `~r` is not part of any encoded name, so no other table has such a folder.
    """
    anew = f"~r{incarnation}" if incarnation > 1 else ""
    return f"{folder_name(table.account)}/{folder_name(table.database)}/{folder_name(table.table, anew)}"


@overload
def table_folder(root: Path, table: TableId, incarnation: int = 1) -> Path: ...
@overload
def table_folder(root: Path | S3Location, table: TableId, incarnation: int = 1) -> Path | S3Location: ...
def table_folder(root: Path | S3Location, table: TableId, incarnation: int = 1) -> Path | S3Location:
    """The folder of `table` below `root`."""
    path = table_path(table, incarnation)
    return root / path if isinstance(root, Path) else root.at(path)


def series_kind(table: TableId, incarnation: int = 1) -> str:
    """The kind under which the series of `table` are saved (`store.state.partition_state`)."""
    return f"{SERIES}/{table_path(table, incarnation)}"


def partition_folder(date: str) -> str:
    """The folder of a date within a table."""
    return f"{DATE}={date}"
