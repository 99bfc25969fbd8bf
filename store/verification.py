"""Verifies everything that a magnetic tier consists of, and changes nothing: for the doctor, also beside a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from store import layout
from store.errors import MagneticTierError
from store.magnetic import commit_copies, delta_log
from store.magnetic.checked_files import fault_of
from store.magnetic.delta import DeltaHandle
from store.objects.checksum import is_sealed
from store.objects.files import read_if_there
from store.objects.location import S3Location
from store.objects.objects import open_objects, open_root
from store.objects.sealed import DAMAGED
from store.state_objects import FORMER_VERSION, format_of, url_of

Progress = Callable[[str], None]


class Fault(NamedTuple):
    """What is damaged, in which way, and what becomes of it."""

    what: str
    fault: str
    remedy: str


REPAIRED = "restart the worker: it repairs a flipped bit, makes it again, or sets it aside, and says what is lost"
_LOST = "restart the worker: it removes the file from its table, with its rows; to keep them, restore it from a backup"


def verify_state(magnetic_url: str, progress: Progress) -> Iterator[Fault]:
    """The catalog, and the saved state of partitions."""
    raw = open_objects(url_of(magnetic_url))
    if format_of(raw) == FORMER_VERSION:
        return  # it has no checksums yet
    paths = [path for path in raw.list("") if path != layout.LOCK and not path.startswith(f"{DAMAGED}/")]
    progress(f"{len(paths)} objects of {raw.url}")
    for path in paths:
        data = raw.get(path)
        if data is not None and not is_sealed(path, data):
            yield Fault(f"{raw.url}/{path}", f"its {len(data)} bytes do not match their checksum", REPAIRED)


def verify_tables(magnetic_url: str, progress: Progress) -> Iterator[Fault]:
    """The Delta logs and Parquet files of all tables in a folder; a bucket checks what it holds itself."""
    root = open_root(magnetic_url)
    if isinstance(root, S3Location):
        return
    for log in sorted(root.glob(f"*/*/*/{layout.DELTA_LOG}")):
        yield from _verify_table(log.parent, progress)


def _verify_table(folder: Path, progress: Progress) -> Iterator[Fault]:
    yield from _verify_log(folder)
    try:
        handle = DeltaHandle.open(folder)
        files = () if handle is None else handle.files()
    except MagneticTierError as error:
        yield Fault(str(folder), f"its Delta log cannot be read: {error}", REPAIRED)
        return
    size_bytes = sum(file.size_bytes for file in files)
    progress(f"{folder}: {len(files)} files, {size_bytes / 1e6:,.0f} MB")
    faults = [(file, fault) for file in files if (fault := fault_of(folder / file.path, file.size_bytes)) is not None]
    if faults and handle is not None:
        handle.refresh()  # meanwhile a worker may have replaced some
        needed = {file.path for file in handle.files()}
        yield from (Fault(str(folder / file.path), fault, _LOST) for file, fault in faults if file.path in needed)


def _verify_log(folder: Path) -> Iterator[Fault]:
    log = folder / layout.DELTA_LOG
    copies = commit_copies.read(folder)
    for name, content in copies.items():
        path = log / name
        data = read_if_there(path)
        is_replaced = not (folder / layout.COPIES / name).exists() or name == layout.LAST_CHECKPOINT
        if data != content and not is_replaced:
            yield Fault(str(path), "it is missing" if data is None else "it differs from its copy", REPAIRED)
    for path in sorted(log.glob(layout.COMMIT_GLOB)):
        data = read_if_there(path)
        if path.name not in copies and data is not None and not delta_log.is_whole_commit(data):
            yield Fault(str(path), "it is not a commit that can be read", REPAIRED)
    yield from (
        Fault(str(folder / layout.COPIES / name), "this copy does not match its checksum", REPAIRED)
        for name in commit_copies.damaged(folder)
    )
