"""All names that the embedded log has on disk.

    <data_dir>/log/
        log.json               format version, log id, number of partitions; written once, atomically
        log.json.copy          the same, for the case that the first is damaged
        <topic>.sqlite         one SQLite file per topic (with SQLite's own -wal and -shm)
        <topic>.end            the end of each partition as it was last acknowledged; locked by all users of the topic
        <topic>.suspect        there while the file of the topic waits to be repaired
        damaged/               damaged files, set aside
        making.lock            held for a moment, while a file above is created
        worker.lock            held by the only worker of this folder while it runs; contains its pid

Tables in the file of a topic are named in `pipeline.log.embedded.topic_file`.
"""

from __future__ import annotations

from pathlib import Path

FORMAT_VERSION = 2
FORMER_VERSION = 1  # without checksums; `pipeline.log.embedded.folder` adds the columns for them

DESCRIPTION = "log.json"
COPY = "log.json.copy"
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


def end_path(topic_file: Path) -> Path:
    """The ends of a topic's partitions (`pipeline.log.embedded.end_mark`)."""
    return topic_file.with_suffix(".end")


def suspect_path(topic_file: Path) -> Path:
    """The file that says that a topic's file is to be repaired (`pipeline.log.embedded.repairing`)."""
    return topic_file.with_suffix(".suspect")
