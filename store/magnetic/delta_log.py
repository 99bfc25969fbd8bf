"""Detects and repairs damage of a Delta log after a power failure, when a table is opened.

A half-written last commit makes a Delta table unopenable, and the rows of an empty one silently vanish. Every commit is
fsync'ed before the log's low watermark passes its rows, so only the last ones can be damaged, and their rows are still
in the log: the commits are set aside, and the rows are read again. A damaged checkpoint is set aside, too: the commits
have the same content.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from store import layout
from store.magnetic import commit_copies
from store.magnetic.parquet import DataFile
from store.objects.file_lock import turn
from store.objects.files import fsync_file, fsync_folder, make_folders, write_atomic
from store.objects.location import S3Location
from store.objects.objects import Objects, open_at
from store.values.times import parse_rfc3339

DELETES = "streamgauge.deletes"  # a key of Delta's commit info
_FIRST_DAY = date(1970, 1, 1)
# Required fields of each action (https://github.com/delta-io/delta/blob/master/PROTOCOL.md#actions)
_NEEDED: dict[str, set[str]] = {
    "add": {"path", "size"},
    "remove": {"path"},
    "txn": {"appId", "version"},
    "metaData": {"schemaString"},
    "protocol": {"minReaderVersion"},
    "commitInfo": set(),
    "domainMetadata": set(),
    "cdc": {"path"},
}


def repair(folder: Path) -> list[str]:
    """Set aside damaged (torn, empty) last commits and checkpoints of the table in `folder`; returns their names.

    One process at a time: the next one may already have committed versions again that this one set aside.
    """
    log = folder / layout.DELTA_LOG
    if not log.is_dir():
        if not (folder / layout.COPIES).is_dir():
            return []
        make_folders(log)
    with turn(log):
        return _repair(folder, log)


def _repair(folder: Path, log: Path) -> list[str]:
    damaged = []
    copied = commit_copies.restore(folder)
    for commit in sorted(log.glob(layout.COMMIT_GLOB), reverse=True):
        data = commit.read_bytes()
        if commit.name in copied or (is_whole_commit(data) and has_files(folder, data)):
            break
        damaged.append(commit)
    checkpoints = sorted(log.glob(layout.CHECKPOINT_GLOB))
    sound = [path for path in checkpoints if _is_parquet(path, read_all=path == checkpoints[-1])]
    damaged += [path for path in checkpoints if path not in sound]
    hint = log / layout.LAST_CHECKPOINT
    if hint.exists() and not any(path.name.startswith(_named_by(hint.read_bytes())) for path in sound):
        damaged.append(hint)
    return _set_aside(folder, damaged)


def set_aside_from(folder: Path, version: int) -> list[str]:
    """Set this commit and all after it aside, the newest first; returns their names."""
    log = folder / layout.DELTA_LOG
    with turn(log):
        commits = sorted(log.glob(layout.COMMIT_GLOB), reverse=True)
        return _set_aside(folder, [path for path in commits if path.name >= _name(version)])


def _set_aside(folder: Path, paths: list[Path]) -> list[str]:
    for path in paths:
        aside = folder / layout.SET_ASIDE
        make_folders(aside)
        commit_copies.forget(folder, path.name)
        path.rename(aside / path.name)
        fsync_folder(folder / layout.DELTA_LOG)  # each by itself: a power failure must leave no gap
    return [path.name for path in paths]


def is_whole_commit(data: bytes) -> bool:
    """Whether these are the bytes of a complete commit: at least one action, and each line one that Delta defines."""
    lines = data.split(b"\n")
    return any(lines) and all(_is_action(line) for line in lines if line)


def has_files(folder: Path, data: bytes) -> bool:
    """Whether all files that a commit adds to the table in `folder` exist, as they do for the last commit."""
    added = (action.get("add") for action in actions(data.decode(errors="surrogatepass"), '"add"'))
    return all((folder / add["path"]).exists() or (folder / unquote(add["path"])).exists() for add in added if add)


def sync(folder: Path, version: int) -> None:
    """Make commit `version` of the table survive a power failure; does nothing if a checkpoint replaced it."""
    log = folder / layout.DELTA_LOG
    with suppress(FileNotFoundError):
        fsync_file(log / _name(version))
    fsync_folder(log)
    make_folders(log)  # `deltalake` has made it, and has not fsync'ed its name
    commit_copies.keep(folder, _name(version))


def sync_own(folder: Path, version: int) -> None:
    """The same for a commit that this process has just made; if that fails, the commit is taken back.

    After a failed fsync the kernel takes what was written for clean: a second fsync would succeed, and prove nothing,
    and the next process would read the commit from the page cache. So its bytes are written again.
    """
    commit = folder / layout.DELTA_LOG / _name(version)
    try:
        sync(folder, version)
    except OSError:
        try:
            write_atomic(commit, commit.read_bytes())
        except OSError:
            if not (commit.parent / _name(version + 1)).exists():  # another writer has not continued from it
                commit.unlink()
            raise


def read(location: Path | S3Location, version: int) -> str:
    """The text of commit `version`; empty if a checkpoint has replaced it."""
    if not isinstance(location, Path):
        return (_objects(location).get(f"{layout.DELTA_LOG}/{_name(version)}") or b"").decode()
    try:
        return (location / layout.DELTA_LOG / _name(version)).read_bytes().decode()
    except FileNotFoundError:
        return ""


def transactions(commit: str) -> dict[str, int]:
    """The application transactions in the text of a commit: app id → version."""
    found = (action.get("txn") for action in actions(commit, '"txn"'))
    return {txn["appId"]: txn["version"] for txn in found if txn}


def new_files(commit: str) -> list[DataFile]:
    """The files with rows that were in no version before, in the text of a commit."""
    found = (action.get("add") for action in actions(commit, '"add"'))
    return [_data_file(add) for add in found if add and add["dataChange"]]


def deleted_days(commit: str) -> list[int]:
    """The days (since 1970) of which files lost rows of a DELETE, in the text of a commit."""
    if not any((action.get("commitInfo") or {}).get(DELETES) for action in actions(commit, DELETES)):
        return []
    found = (action.get("remove") for action in actions(commit, '"remove"'))
    return [
        (date.fromisoformat(unquote(gone["path"]).split("/")[0].removeprefix(f"{layout.DATE}=")) - _FIRST_DAY).days
        for gone in found
        if gone
    ]


def _data_file(add: Mapping[str, Any]) -> DataFile:
    statistics = json.loads(add["stats"])
    least, most = (parse_rfc3339(statistics[which][layout.TIME]) for which in ("minValues", "maxValues"))
    return DataFile(unquote(add["path"]), add["size"], statistics["numRecords"], least, most + 999)


def actions(commit: str, containing: str = "") -> Iterator[dict[str, Any]]:
    """The actions in the text of a commit, one a line; only those whose text contains `containing`."""
    return (json.loads(line) for line in commit.split("\n") if line and containing in line)


@lru_cache(maxsize=64)
def _objects(location: S3Location) -> Objects:
    return open_at(location)


def sync_checkpoint(folder: Path, version: int) -> None:
    """Make the checkpoint of `version` survive a power failure."""
    log = folder / layout.DELTA_LOG
    for path in (*log.glob(f"{version:020d}.checkpoint*.parquet"), log / layout.LAST_CHECKPOINT):
        fsync_file(path)
    fsync_folder(log)
    commit_copies.keep_checkpoint(folder, version)


def _name(version: int) -> str:
    return f"{version:020d}.json"


def _is_action(line: bytes) -> bool:
    try:
        ((name, action),) = json.loads(line).items()
    except (ValueError, AttributeError):
        return False
    return isinstance(action, dict) and name in _NEEDED and _NEEDED[name] <= action.keys()


def _named_by(hint: bytes) -> str:
    """The beginning of the name of the checkpoint that a hint names; a name that no file has if it is damaged."""
    try:
        return f"{json.loads(hint)['version']:020d}.checkpoint"
    except (ValueError, KeyError, TypeError):
        return "/"


def _is_parquet(path: Path, *, read_all: bool) -> bool:
    """Whether the footer can be read, or everything: of the newest checkpoint any part may be missing."""
    try:
        with pq.ParquetFile(path) as file:
            if read_all:
                file.read()
    except (pa.ArrowException, OSError):
        return False
    return True
