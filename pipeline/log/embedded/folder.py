"""The folder of an embedded log: what it is called, whose it is, and who works on it.

A folder becomes a log when `log.json` appears in it, complete, by one rename. It is never rewritten: the log id names
every consumer's positions, so a folder whose id was lost is refused rather than given another one.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from pipeline.base.errors import LogError, LogFormatError, LogLocked
from pipeline.log import names
from store.objects.file_lock import FileLock, Taken, turn
from store.objects.files import write_atomic

SCHEME = "local://"


@dataclass(frozen=True, slots=True)
class LogFolder:
    """A folder that is a log of a format this program reads."""

    path: Path
    log_id: str
    partitions: int

    def partition_id(self, topic: str, partition: int = 0) -> str:
        """The name under which positions in this partition are kept."""
        return f"{self.log_id}/{topic}/{partition}"


def folder_of(url: str) -> Path:
    """The folder of `local:///absolute/dir`, read from the text: yarl would lower-case parts of it. Raises LogError."""
    if not url.startswith(f"{SCHEME}/"):
        raise LogError(f"log url {url!r}: an embedded log is {SCHEME}/absolute/folder")
    return Path(url.removeprefix(SCHEME))


def open_folder(path: Path, *, partitions: int = 1) -> LogFolder:
    """The log in `path`; an empty or absent folder is made one with `partitions` partitions per topic.

    An existing log keeps its number of partitions. Raises LogError and LogFormatError.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with turn(path / names.MAKING_LOCK):
            return _described(path) or _make(path, partitions)
    except OSError as error:
        raise LogError(f"log folder {path}: {error}") from error


def _described(path: Path) -> LogFolder | None:
    description = path / names.DESCRIPTION
    try:
        text = description.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        fields = json.loads(text)
        version, log_id, partitions = fields["format_version"], fields["log_id"], fields["partitions"]
    except (ValueError, TypeError, KeyError) as error:
        raise LogFormatError(f"{description}: not the description of a log ({error!r}): {text[:100]!r}") from error
    if version != names.FORMAT_VERSION:
        raise LogFormatError(
            f"{description}: the log has format version {version}, this program reads {names.FORMAT_VERSION}"
            + ("; use the newer program that wrote it" if version > names.FORMAT_VERSION else "")
        )
    return LogFolder(path, log_id, partitions)


def _make(path: Path, partitions: int) -> LogFolder:
    orphans = sorted(file.name for file in path.glob(f"*{names.TOPIC_SUFFIX}"))
    if orphans:
        raise LogFormatError(
            f"{path}: {', '.join(orphans)} without {names.DESCRIPTION}, so the log's id is lost and positions in it "
            f"mean nothing; put {names.DESCRIPTION} back, or move the folder away to start a new log"
        )
    folder = LogFolder(path, secrets.token_hex(8), partitions)
    description = {"format_version": names.FORMAT_VERSION, "log_id": folder.log_id, "partitions": partitions}
    write_atomic(path / names.DESCRIPTION, json.dumps(description).encode())
    return folder


def worker_lock(folder: Path) -> FileLock:
    """The right to be the one worker of a log folder. Raises LogLocked, naming the process that has it."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return FileLock(folder / names.WORKER_LOCK)
    except Taken as taken:
        holder = taken.holder or "unknown"
        raise LogLocked(f"log folder {folder}: a worker runs on it already (process {holder})") from None
