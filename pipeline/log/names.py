"""All names that the embedded log has on disk.

    <data_dir>/log/
        log.json               format version, log id, number of partitions; written once, atomically
        <topic>.sqlite         one SQLite file per topic (with SQLite's own -wal and -shm)
        making.lock            held for a moment, while a file above is created
        worker.lock            held by the only worker of this folder while it runs; contains its pid

Tables in the file of a topic are named in `pipeline.log.embedded.topic_file`.
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
    """The file with the messages of `topic`."""
    return folder / f"{topic}{TOPIC_SUFFIX}"


def wal_path(topic_file: Path) -> Path:
    """SQLite's write-ahead log of a topic's file."""
    return topic_file.with_name(topic_file.name + "-wal")
