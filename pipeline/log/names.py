"""Every name the embedded log has on disk.

    <data_dir>/log/
        log.json               format version, log id, number of partitions; written once, atomically
        <topic>.sqlite         one SQLite file per topic (beside it SQLite's own -wal and -shm)
        making.lock            held for moments, while a file above is being made
        worker.lock            held by the one worker of this folder for as long as it lives; holds its pid

Tables within a topic's file are named in `pipeline.log.embedded.topic_file`, the only file that speaks SQL.
"""

from __future__ import annotations

from pathlib import Path

FORMAT_VERSION = 1

DESCRIPTION = "log.json"
MAKING_LOCK = "making.lock"
WORKER_LOCK = "worker.lock"
TOPIC_SUFFIX = ".sqlite"
UNFINISHED_SUFFIX = ".unfinished"


def topic_path(folder: Path, topic: str) -> Path:
    """Where the messages of `topic` are."""
    return folder / f"{topic}{TOPIC_SUFFIX}"


def wal_path(topic_file: Path) -> Path:
    """SQLite's write-ahead log of a topic's file."""
    return topic_file.with_name(topic_file.name + "-wal")
