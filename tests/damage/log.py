"""The embedded log: its files, and messages of one page and of several."""

from __future__ import annotations

import random
import shutil
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from pipeline.log.embedded.folder import open_folder
from pipeline.log.embedded.topic_file import TopicFile
from pipeline.log.log import Damaged
from pipeline.log.topics import READINGS

FIRST, MESSAGES = 5, 60


def value(offset: int) -> bytes:
    """The message at this offset."""
    return random.Random(offset).randbytes((60, 5_000, 40_000)[offset % 3])


class Log:
    """See `Subject`. A damaged message is handed over as such, and becomes a dead letter with its bytes."""

    kinds: Mapping[str, str] = {
        "log: `readings.sqlite`": "readings.sqlite",
        "log: its WAL": "readings.sqlite-wal",
        "log: its index of the WAL": "readings.sqlite-shm",
        "log: `readings.end`": "readings.end",
        "log: `log.json`": "log.json",
        "log: the copy of `log.json`": "log.json.copy",
    }

    def make(self, folder: Path) -> Mapping[str, Path]:
        """After a stop, and after a kill, with most messages in the WAL."""
        running = open_folder(folder / "running")
        with closing(TopicFile(running, READINGS)) as topic:
            topic.append([(0, value(offset)) for offset in range(20)])
            while topic.trim_step(0, FIRST):
                pass
            topic.checkpoint("TRUNCATE")
            topic.append([(0, value(offset)) for offset in range(20, 30)])
            shutil.copytree(running.path, folder / "older")
            for offset in range(30, MESSAGES):
                topic.append([(0, value(offset))])
            shutil.copytree(running.path, folder / "killed")
        running.path.rename(folder / "stopped")
        return {name: folder / name for name in ("older", "killed", "stopped")}

    def is_whole(self, folder: Path) -> bool:
        """Nothing that comes later is mistaken for what was there, and a reader comes to the end."""
        with closing(TopicFile(open_folder(folder), READINGS)) as topic:
            read = topic.read(0, 0, 1_000, 1 << 30)
            extent = topic.extent(0)
            (offset,) = topic.append([(0, b"next")])
        whole = [message for message in read if not isinstance(message.value, Damaged)]
        assert [message for message in whole if message.value != value(message.offset)] == []
        assert offset >= MESSAGES
        assert {message.offset for message in read} <= set(range(FIRST, MESSAGES))
        assert extent.first == extent.next_offset or read[-1].offset == extent.next_offset - 1
        with closing(TopicFile(open_folder(folder), READINGS)) as topic:
            assert [message.value for message in topic.read(0, offset, 9, 99)] == [b"next"]
        return len(read) == MESSAGES - FIRST
