"""Recognises retained messages that were stored already, by the last message of each MQTT topic of one session.

A broker sends its retained messages whenever a subscription is new: at the first start, after it lost our session, with
MQTT 3.1.1 at each start. If a retained message equals the last one received on its MQTT topic, it is not a new reading:
the sensor was silent. So a checksum of the last message of each MQTT topic is kept, also over restarts.

The rule: the file contains nothing that is not durable in the log. `save` is called with a snapshot after all its
messages are. A kill loses the messages since then: a retained one among them is stored once more.
"""

from __future__ import annotations

import logging
import threading
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from store.objects.checksum import is_sealed, seal, unseal
from store.objects.damage import Outcome, report
from store.objects.files import read_if_there, write_atomic

logger = logging.getLogger(__name__)

FORMAT_VERSION = 2
FORMER_VERSION = 1  # without a checksum
MOST_TOPICS = 500_000  # about 100 bytes each; above this number all are removed


class _File(msgspec.Struct, array_like=True):
    format_version: int
    sums: dict[str, int]


_decoder = msgspec.msgpack.Decoder(_File)


class Snapshot(NamedTuple):
    """The known messages at one moment."""

    number: int
    sums: dict[str, int]


class Seen:
    """The known messages, saved in the file at `path`. A damaged file is replaced by an empty one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sums = _read(path)
        self.has_changed = False
        self._taken = self._written = 0  # snapshots, by number
        self._writing = threading.Lock()

    def __len__(self) -> int:
        return len(self._sums)

    def note(self, mqtt_topics: Iterable[str], payloads: Iterable[bytes]) -> None:
        """These messages were received, in this order."""
        self._sums.update(zip(mqtt_topics, map(zlib.crc32, payloads), strict=False))
        self.has_changed = True
        if len(self._sums) > MOST_TOPICS:
            logger.warning("more than %d MQTT topics: known retained messages are forgotten", MOST_TOPICS)
            self._sums.clear()

    def forget(self, mqtt_topic: str) -> None:
        """The retained message of this MQTT topic was cleared."""
        self.has_changed |= self._sums.pop(mqtt_topic, None) is not None

    def has(self, mqtt_topic: str, payload: bytes) -> bool:
        """Whether this is the last message received on the MQTT topic."""
        return self._sums.get(mqtt_topic) == zlib.crc32(payload)

    def snapshot(self) -> Snapshot:
        """A copy of the known messages, for `save`."""
        self.has_changed = False
        self._taken += 1
        return Snapshot(self._taken, dict(self._sums))

    def save(self, snapshot: Snapshot) -> None:
        """Write the snapshot, unless a later one was written. May be called in any thread."""
        with self._writing:
            if snapshot.number <= self._written:
                return
            try:
                data = msgspec.msgpack.encode(_File(FORMAT_VERSION, snapshot.sums))
                write_atomic(self._path, seal(self._path.name, data))
            except OSError as error:  # a full disk: then retained messages may be stored once more
                logger.warning("%s cannot be written: %s", self._path, error.strerror)
            self._written = snapshot.number


def _read(path: Path) -> dict[str, int]:
    try:
        data = read_if_there(path)
    except OSError as error:
        logger.warning("%s cannot be read: %s: retained messages are treated as new", path, error.strerror)
        return {}
    if data is None:
        return {}
    content = unseal(path.name, data)
    try:
        found = _decoder.decode(data if content is None else content)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        found = None
    if found is None or (content is None and found.format_version != FORMER_VERSION):
        report("file", f"{path} is damaged: retained messages are treated as new", Outcome.LOST)
        return {}
    if content is not None and not is_sealed(path.name, data):
        report("file", f"{path}: one bit was flipped, and is repaired when it is written next", Outcome.REPAIRED)
    return found.sums if found.format_version in {FORMER_VERSION, FORMAT_VERSION} else {}
