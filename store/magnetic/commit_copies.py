"""Copies of what a Delta table in a folder depends on: its newest checkpoint, and the commits after it.

A changed bit in a commit may be any lie, and one commit that cannot be read makes the table unopenable. Copies are in
`_commits/`, which readers of Delta tables ignore, each with its checksum. When a table is opened, what differs from its
copy is made again from it. A copy is written after the commit itself is durable: there is none of a commit that may be
torn.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from store import layout
from store.objects.checksum import seal, unseal
from store.objects.damage import Outcome, report
from store.objects.files import fsync_folder, make_folders, put_in_place, read_if_there, write_durably


def keep(folder: Path, name: str) -> None:
    """Keep a copy of a durable file of the Delta log, unless there is one."""
    copies = folder / layout.COPIES
    if (copies / name).exists():
        return
    data = read_if_there(folder / layout.DELTA_LOG / name)
    if data is not None:  # a checkpoint may have replaced it
        _write(copies / name, seal(name, data))


def keep_checkpoint(folder: Path, version: int) -> None:
    """Keep a copy of this checkpoint; then the copies of earlier ones, and of commits up to it, are not needed."""
    copies, log = folder / layout.COPIES, folder / layout.DELTA_LOG
    prefix = f"{version:020d}.checkpoint"
    for path in sorted(log.glob(f"{prefix}*.parquet")):
        keep(folder, path.name)
    (copies / layout.LAST_CHECKPOINT).unlink(missing_ok=True)
    keep(folder, layout.LAST_CHECKPOINT)
    for path in copies.iterdir():
        if path.name[:20].isdigit() and int(path.name[:20]) <= version and not path.name.startswith(prefix):
            path.unlink(missing_ok=True)


def kept(folder: Path) -> dict[str, bytes]:
    """As `read`; removes copies that are damaged themselves, so that they are made again from the files."""
    for name in damaged(folder):
        (folder / layout.COPIES / name).unlink(missing_ok=True)
    return read(folder)


def read(folder: Path) -> dict[str, bytes]:
    """The content of each copy by the name of its file; without those that are damaged themselves."""
    return {name: content for name, content in _copies(folder) if content is not None}


def damaged(folder: Path) -> list[str]:
    """The names of the copies that are damaged themselves."""
    return [name for name, content in _copies(folder) if content is None]


def _copies(folder: Path) -> Iterator[tuple[str, bytes | None]]:
    for path in sorted((folder / layout.COPIES).glob("[!.]*")):
        data = read_if_there(path)
        if data is not None:  # a checkpoint may just have replaced it
            yield path.name, unseal(path.name, data)


def restore(folder: Path) -> set[str]:
    """Make files of the Delta log that differ from their copies again; returns the names of all that have a copy."""
    log = folder / layout.DELTA_LOG
    copies = kept(folder)
    for name, content in copies.items():
        path = log / name
        found = read_if_there(path)
        if found == content or (name == layout.LAST_CHECKPOINT and _is_newer(log, found, content)):
            continue
        place = _set_aside(folder, path) if found is not None else "it was missing"
        _write(path, content)
        report(
            "delta log",
            f"{path} was not as it was written, and is made again from its copy; {place}",
            Outcome.MADE_AGAIN,
        )
    newest = max((name for name in copies if ".checkpoint" in name), default="")
    for path in sorted(log.glob(layout.COMMIT_GLOB)):
        if path.name not in copies and path.name > newest and path.name < max(copies, default=""):
            keep(folder, path.name)
    return set(copies)


def forget(folder: Path, name: str) -> None:
    """Remove the copy of a commit that is set aside."""
    with suppress(FileNotFoundError):
        (folder / layout.COPIES / name).unlink()
        fsync_folder(folder / layout.COPIES)


def _is_newer(log: Path, found: bytes | None, content: bytes) -> bool:
    """Whether the hint names a later checkpoint than its copy: another writer has made one."""
    return (
        found is not None
        and _version_in(found) > _version_in(content)
        and bool(list(log.glob(f"{_version_in(found):020d}.checkpoint*.parquet")))
    )


def _version_in(hint: bytes) -> int:
    try:
        return int(json.loads(hint)["version"])
    except (ValueError, KeyError, TypeError):
        return -1


def _set_aside(folder: Path, path: Path) -> str:
    place = folder / layout.SET_ASIDE / path.name
    make_folders(place.parent)
    path.replace(place)
    return f"the damaged one is {place}"


def _write(path: Path, data: bytes) -> None:
    make_folders(path.parent)
    aside = path.with_name(f".{secrets.token_hex(8)}.new")
    write_durably(aside, data)
    put_in_place(aside, path)
