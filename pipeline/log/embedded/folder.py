"""The folder of an embedded log: its url, its description, and the lock of its worker.

A folder becomes a log when a complete `log.json` appears in it, by one rename. The file never changes: positions of
consumers contain the log id, so a folder that has lost its id is refused and gets no new one. A copy is next to it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.base.errors import LogError, LogFormatError, LogLocked
from pipeline.log import names
from pipeline.log.embedded.schema import add_checksums
from store.objects import sealed_json
from store.objects.damage import Outcome, report
from store.objects.file_lock import FileLock, Taken, turn
from store.objects.files import make_folders, write_atomic

SCHEME = "local://"


@dataclass(frozen=True, slots=True)
class LogFolder:
    """A folder with a log of a format that this program reads."""

    path: Path
    log_id: str
    partitions: int

    def partition_id(self, topic: str, partition: int = 0) -> str:
        """The name under which positions in this partition are stored."""
        return f"{self.log_id}/{topic}/{partition}"


def folder_of(url: str) -> Path:
    """The folder of `local:///absolute/dir`, taken from the text, because yarl would lower-case parts of it.

    Raises LogError.
    """
    if not url.startswith(f"{SCHEME}/"):
        raise LogError(f"log url {url!r}: an embedded log is {SCHEME}/absolute/folder")
    return Path(url.removeprefix(SCHEME))


def open_folder(path: Path, *, partitions: int = 1) -> LogFolder:
    """The log in `path`; an empty or missing folder becomes one with `partitions` partitions per topic.

    An existing log keeps its number of partitions. Raises LogError and LogFormatError.
    """
    try:
        make_folders(path)
        with turn(path / names.MAKING_LOCK):
            return _described(path) or _make(path, partitions)
    except OSError as error:
        raise LogError(f"log folder {path}: {error}") from error


def _described(path: Path) -> LogFolder | None:
    """The log that the folder is described to have; None if there is no description."""
    texts = {place: _text(path / place) for place in (names.DESCRIPTION, names.COPY)}
    read = {place: None if text is None else _read(path / place, text) for place, text in texts.items()}
    fields = next((fields for fields in read.values() if fields is not None), None)
    if fields is None:
        text = texts[names.DESCRIPTION]
        if text is None:
            return None
        raise LogFormatError(
            f"{path / names.DESCRIPTION}: not the description of a log, or damaged: {text[:100]!r}; put it back from a "
            "backup, or move the folder away to start a new log"
        )
    folder = LogFolder(path, fields["log_id"], fields["partitions"])
    if fields["format_version"] == names.FORMER_VERSION:
        for topic in path.glob(f"*{names.TOPIC_SUFFIX}"):
            add_checksums(topic)
        _describe(folder)
    elif None in read.values():
        place = next(place for place, fields in read.items() if fields is None)
        if texts[place] is not None or place == names.DESCRIPTION:
            report("log", f"{path / place} is damaged or missing, and is made again from its copy", Outcome.MADE_AGAIN)
        _describe(folder)
    return folder


def read_description(path: Path) -> dict[str, Any] | None:
    """The fields in a file with the description of a log; None if it is damaged or missing."""
    text = _text(path)
    return None if text is None else _read(path, text)


def _text(path: Path) -> str | None:
    try:
        return path.read_bytes().decode(errors="replace")
    except FileNotFoundError:
        return None


def _read(path: Path, text: str) -> dict[str, Any] | None:
    """The fields of a description; None if it is damaged. Raises LogFormatError for another format."""
    fields = sealed_json.read(text)
    try:
        version, has = fields["format_version"], {"log_id", "partitions"} <= fields.keys()
    except (KeyError, TypeError):
        return None
    is_sealed = sealed_json.is_sealed(fields)
    if version not in (names.FORMAT_VERSION, names.FORMER_VERSION) and (is_sealed or not sealed_json.has_seal(fields)):
        raise LogFormatError(
            f"{path}: the log has format version {version}, this program reads {names.FORMAT_VERSION}, and migrates "
            f"{names.FORMER_VERSION}; use the newer program that wrote it"
        )
    return fields if has and (is_sealed or version == names.FORMER_VERSION) else None


def _make(path: Path, partitions: int) -> LogFolder:
    orphans = sorted(file.name for file in path.glob(f"*{names.TOPIC_SUFFIX}"))
    if orphans:
        raise LogFormatError(
            f"{path}: {', '.join(orphans)} without {names.DESCRIPTION}, so the log's id is lost and positions in it "
            f"mean nothing; put {names.DESCRIPTION} back, or move the folder away to start a new log"
        )
    folder = LogFolder(path, secrets.token_hex(8), partitions)
    _describe(folder)
    return folder


def _describe(folder: LogFolder) -> None:
    fields = {"format_version": names.FORMAT_VERSION, "log_id": folder.log_id, "partitions": folder.partitions}
    for place in (names.DESCRIPTION, names.COPY):
        write_atomic(folder.path / place, sealed_json.write(fields))


def worker_lock(folder: Path) -> FileLock:
    """The right to be the only worker of a log folder. Raises LogLocked, which names the process that has it."""
    make_folders(folder)
    try:
        return FileLock(folder / names.WORKER_LOCK)
    except Taken as taken:
        holder = taken.holder or "unknown"
        raise LogLocked(f"log folder {folder}: a worker runs on it already (process {holder})") from None
