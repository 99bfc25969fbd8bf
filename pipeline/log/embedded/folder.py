"""The folder of an embedded log: its url, its description, and the lock of its worker.

A folder becomes a log when a complete `log.json` appears in it, by one rename. The file never changes: positions of
consumers contain the log id, so a folder that has lost its id is refused and gets no new one.
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
    """The right to be the only worker of a log folder. Raises LogLocked, which names the process that has it."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return FileLock(folder / names.WORKER_LOCK)
    except Taken as taken:
        holder = taken.holder or "unknown"
        raise LogLocked(f"log folder {folder}: a worker runs on it already (process {holder})") from None
